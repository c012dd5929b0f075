from __future__ import annotations

from pathlib import Path

import pytest

from parsers.facts.core_parts import core_design
from parsers.facts.cpus import (
    Cluster,
    Cpu,
    cluster_cpus,
    cpu_list,
    last_level_cache_mb,
    memory_kb,
    peak_gflops,
    read_cpus,
)
from parsers.facts.tree import SystemFiles, parse_listing, read_tree

A53, A55, A57, A76 = (core_design(0x41, part) for part in (0xD03, 0xD05, 0xD07, 0xD0B))
CPU = "sys/devices/system/cpu"


def cpuinfo(*parts: str) -> str:
    return "\n\n".join(
        f"processor\t: {number}\nCPU implementer\t: 0x41\nCPU part\t: {part}" for number, part in enumerate(parts)
    )


def cpu(number: int, khz: int | None, design: object = A53, *, online: bool = True) -> Cpu:
    return Cpu(number=number, online=online, max_khz=khz, design=design)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "cpus"),
    [("0-3", (0, 1, 2, 3)), ("0-1,5", (0, 1, 5)), ("4 5 6 7 \n", (4, 5, 6, 7)), ("8", (8,)), ("", ()), ("none", ())],
)
def test_both_ways_to_list_cpus_are_read(text: str, cpus: tuple[int, ...]) -> None:
    assert cpu_list(text) == cpus


@pytest.mark.parametrize(
    ("implementer", "part", "name", "design"),
    [
        (0x41, 0xD0B, "Cortex-A76", "0xd0b"),
        (0x51, 0x804, "Cortex-A76", "0xd0b"),
        (0x51, 0x802, "Cortex-A75", "0xd0a"),
        (0x48, 0xD40, "Cortex-A76", "0xd0b"),
        (0x51, 0x205, "Kryo Gold", "0x51:0x205"),
        (0x53, 0x003, None, "0x53:0x003"),
        (0x41, 0xFFF, None, "0xfff"),
    ],
)
def test_a_core_is_known_by_the_design_that_its_maker_built_on(
    implementer: int, part: int, name: str | None, design: str
) -> None:
    found = core_design(implementer, part)

    assert (found.name, found.part) == (name, design)


def test_an_unknown_core_computes_at_an_unknown_rate() -> None:
    assert core_design(0x53, 0x003).flops_per_cycle is None


def test_a_listing_with_paths_before_its_lines_and_a_tree_give_the_same_files(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal:        100 kB\nMemFree: 1 kB\n")

    listed = parse_listing(iter(["/proc/meminfo:MemTotal:        100 kB", "proc/meminfo:MemFree: 1 kB", "noise"]))

    assert listed.text("proc/meminfo") == read_tree(tmp_path).text("proc/meminfo")
    assert memory_kb(listed) == 100


def test_the_main_id_register_comes_before_cpuinfo_which_hides_big_cores_from_old_programs() -> None:
    files = SystemFiles(
        texts={
            "proc/cpuinfo": cpuinfo("0xd03", "0xd03"),
            f"{CPU}/possible": "0-1\n",
            f"{CPU}/cpu1/regs/identification/midr_el1": "0x00000000410fd0b0\n",
        }
    )

    assert [one.design for one in read_cpus(files)] == [A53, A76]


def test_an_old_kernel_says_once_what_holds_for_all_processors() -> None:
    text = "processor\t: 0\nBogoMIPS\t: 38\n\nprocessor\t: 1\nBogoMIPS\t: 38\n\nCPU implementer\t: 0x41\nCPU part\t: 0xd03\n"

    cpus = read_cpus(SystemFiles(texts={"proc/cpuinfo": text}))

    assert [one.design for one in cpus] == [A53, A53]


def test_a_cpu_that_is_switched_off_has_the_clock_of_its_policy() -> None:
    files = SystemFiles(
        texts={
            f"{CPU}/possible": "0-1",
            f"{CPU}/online": "0",
            f"{CPU}/cpu0/cpufreq/cpuinfo_max_freq": "1800000",
            f"{CPU}/cpufreq/policy1/related_cpus": "1",
            f"{CPU}/cpufreq/policy1/cpuinfo_max_freq": "2400000",
        }
    )

    assert read_cpus(files) == (cpu(0, 1_800_000, None), cpu(1, 2_400_000, None, online=False))


def test_cores_of_one_design_are_one_cluster_with_the_fastest_last() -> None:
    cpus = (cpu(0, 1_785_600, A55), cpu(7, 2_841_600, A76), cpu(4, 2_419_200, A76), cpu(5, 2_419_200, A76))

    clusters = cluster_cpus(cpus)

    assert [cluster.numbers for cluster in clusters] == [(4, 5, 7), (0,)]
    assert clusters[0].max_ghz == 2.84


def test_a_big_core_of_unknown_clock_is_faster_than_a_little_one() -> None:
    clusters = cluster_cpus((cpu(0, 1_440_000, A53), cpu(4, None, A57)))

    assert [cluster.numbers for cluster in clusters] == [(4,), (0,)]


def test_without_designs_clusters_are_told_apart_by_their_clock() -> None:
    clusters = cluster_cpus((cpu(0, 1_000_000, None), cpu(1, 2_000_000, None), cpu(2, 1_000_000, None)))

    assert [cluster.numbers for cluster in clusters] == [(1,), (0, 2)]


def test_a_peak_adds_up_the_clocks_of_all_cores() -> None:
    cluster = Cluster(
        cpus=(cpu(4, 2_419_200, A76), cpu(5, 2_419_200, A76), cpu(6, 2_419_200, A76), cpu(7, 2_841_600, A76))
    )

    peak, source = peak_gflops(cluster)

    assert peak == pytest.approx((2.84 + 3 * 2.42) * 16)
    assert source == "(1 x 2.84 + 3 x 2.42) GHz x 16 FLOP per cycle (Cortex-A76)"


@pytest.mark.parametrize("cluster", [Cluster(cpus=(cpu(0, None),)), Cluster(cpus=(cpu(0, 1_000_000, None),))])
def test_a_peak_needs_every_clock_and_the_design(cluster: Cluster) -> None:
    assert peak_gflops(cluster) == (None, None)


def test_the_last_cache_is_the_highest_level_of_any_core_of_the_cluster() -> None:
    files = SystemFiles(
        texts={
            f"{CPU}/cpu0/cache/index0/level": "1",
            f"{CPU}/cpu0/cache/index0/size": "64K",
            f"{CPU}/cpu0/cache/index2/level": "2",
            f"{CPU}/cpu0/cache/index2/size": "256K",
            f"{CPU}/cpu0/cache/index3/level": "3",
            f"{CPU}/cpu0/cache/index3/size": "2M",
            f"{CPU}/cpu9/cache/index3/level": "4",
            f"{CPU}/cpu9/cache/index3/size": "9M",
        }
    )

    assert last_level_cache_mb(files, Cluster(cpus=(cpu(0, None),))) == 2.0


def test_where_only_first_level_caches_are_listed_the_last_one_is_unknown() -> None:
    files = SystemFiles(texts={f"{CPU}/cpu0/cache/index0/level": "1", f"{CPU}/cpu0/cache/index0/size": "32K"})

    assert last_level_cache_mb(files, Cluster(cpus=(cpu(0, None),))) is None
