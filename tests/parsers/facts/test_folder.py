from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from parsers.errors import DumpError
from parsers.facts.facts import context_of
from parsers.facts.folder import is_facts_folder, read_facts_folder
from parsers.schema import Context, DeviceKind

CPU = "sys/devices/system/cpu"


def write(root: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
    return root


def flagship(root: Path) -> Path:
    """A Snapdragon 855: four Cortex-A55 and four Cortex-A76, one of them faster."""
    clocks = dict(enumerate([1_785_600] * 4 + [2_419_200] * 3 + [2_841_600]))
    parts = ["0xd05"] * 4 + ["0xd0b"] * 4
    blocks = [f"processor\t: {n}\nCPU implementer\t: 0x41\nCPU part\t: {part}\n" for n, part in enumerate(parts)]
    return write(
        root,
        {
            "proc/cpuinfo": "\n".join(blocks),
            "proc/meminfo": "MemTotal:        5712344 kB\n",
            f"{CPU}/possible": "0-7\n",
            f"{CPU}/online": "0-7\n",
            "getprop.txt": "[ro.soc.model]: [SM8150]\n[ro.product.model]: [Phone [5G]]\n[ro.build.version.release]: [14]\n",
            **{f"{CPU}/cpu{n}/cpufreq/cpuinfo_max_freq": f"{khz}\n" for n, khz in clocks.items()},
        },
    )


def test_a_phones_folder_gives_its_context(tmp_path: Path) -> None:
    facts = read_facts_folder(flagship(tmp_path))

    assert context_of(facts) == Context(
        cores=4,
        memory_gb=6.0,
        clock_freq_ghz=2.84,
        memory_bw_gbs=34.1,
        core_part="0xd0b",
        last_level_cache_mb=3.0,
        peak_gflops=161.6,
        peak_gflops_source="(1 x 2.84 + 3 x 2.42) GHz x 16 FLOP per cycle (Cortex-A76)",
    )
    assert (facts.kind, facts.model, facts.soc_name, facts.compute_units) == (
        DeviceKind.PHONE,
        "Phone [5G]",
        "Snapdragon 855",
        2,
    )
    assert (facts.unknown, facts.notes) == ((), ())


def test_what_a_folder_does_not_tell_stays_null_and_is_named(tmp_path: Path) -> None:
    facts = read_facts_folder(write(tmp_path, {f"{CPU}/possible": "0-3\n"}))

    assert facts.unknown == (
        "memory_gb",
        "clock_freq_ghz",
        "memory_bw_gbs",
        "core_part",
        "last_level_cache_mb",
        "peak_gflops",
        "peak_gflops_source",
        "gpu_units",
    )
    assert context_of(facts).cores == 4


def test_what_two_files_contradict_each_other_in_is_not_known(tmp_path: Path) -> None:
    root = flagship(tmp_path)
    write(root, {"getprop_later.txt": "[ro.product.model]: [Other]\n[ro.build.version.release]: [14]\n"})

    facts = read_facts_folder(root)

    assert (facts.model, facts.android_version) == (None, "14")
    assert facts.notes == ("left out the property ro.product.model: the files contradict each other",)


def test_a_link_out_of_the_folder_is_left_out_with_a_note(tmp_path: Path) -> None:
    write(tmp_path, {"outside.txt": "[ro.product.model]: [Secret]\n"})
    root = flagship(tmp_path / "phone")
    (root / "getprop2.txt").symlink_to(tmp_path / "outside.txt")

    facts = read_facts_folder(root)

    assert facts.model == "Phone [5G]"
    assert facts.notes == ("left out getprop2.txt: a link that leads out of the folder",)


def test_hostile_numbers_cost_nothing(tmp_path: Path) -> None:
    files = {
        f"{CPU}/possible": "0-99999999999,0-8191," * 1_000,
        f"{CPU}/online": "9" * 10_000,
        f"{CPU}/cpu0/cpufreq/cpuinfo_max_freq": "9" * 10_000,
        f"{CPU}/cpu0/regs/identification/midr_el1": "0x" + "f" * 10_000,
        "proc/meminfo": f"MemTotal: {'9' * 10_000} kB\n",
        "proc/cpuinfo": f"processor: {'9' * 10_000}\n",
    }

    context = context_of(read_facts_folder(write(tmp_path, files)))

    assert (context.cores, context.clock_freq_ghz, context.core_part, context.memory_gb) == (8192, None, None, None)


@pytest.mark.parametrize(
    ("path", "is_it"),
    [
        ("proc/cpuinfo", True),
        ("proc/meminfo", True),
        (f"{CPU}/online", True),
        ("getprop_all.txt", True),
        ("job/log", False),
    ],
)
def test_a_folder_of_facts_is_told_by_its_files(tmp_path: Path, path: str, is_it: bool) -> None:
    assert is_facts_folder(write(tmp_path, {path: ""})) is is_it


def test_a_folder_without_facts_is_refused_and_so_is_none(tmp_path: Path) -> None:
    with pytest.raises(DumpError, match=r"holds no file of proc/, .* that can be read\. Name another"):
        read_facts_folder(tmp_path)
    with pytest.raises(DumpError, match="is no folder"):
        read_facts_folder(tmp_path / "absent")


def recorded(phone: str) -> Path:
    data = os.environ.get("AUTOCOMET_DATA")
    if not data or not (root := Path(data) / "facts" / phone).is_dir():
        pytest.skip("AUTOCOMET_DATA names no folder with the facts of recorded phones")
    return root


@pytest.mark.parametrize(
    "phone", ["galaxy-a8-2018", "galaxy-j1-2016", "huawei-p20-pro", "moto-g-gen5", "nexus5x", "pixel-8"]
)
def test_recorded_phones_have_the_cores_clocks_and_parts_that_their_files_say(phone: str) -> None:
    """An independent look at the files: every CPU's clock and part, and the memory, which none of the six recorded."""
    root = recorded(phone)
    clocks = {
        int(re.findall(r"cpu(\d+)/cpufreq", str(path))[0]): int(path.read_text())
        for path in root.glob(f"{CPU}/cpu*/cpufreq/cpuinfo_max_freq")
    }
    numbers = re.findall(r"^processor\s*: (\d+)$", (root / "proc/cpuinfo").read_text(), re.MULTILINE)
    parts = re.findall(r"^CPU part\s*: (0x\w+)$", (root / "proc/cpuinfo").read_text(), re.MULTILINE)
    first, last = map(int, (root / CPU / "possible").read_text().split("-"))
    properties = (root / "getprop_subset.txt").read_text()

    facts = read_facts_folder(root)

    assert [cpu.number for cpu in facts.cpus] == list(range(first, last + 1))
    assert {cpu.number: cpu.max_khz for cpu in facts.cpus if cpu.max_khz} == clocks
    told = {cpu.number: cpu.design.part for cpu in facts.cpus if cpu.design}
    assert told == dict(zip(map(int, numbers), parts, strict=True))
    assert len(facts.clusters) == len({told[cpu.number] for cpu in facts.cpus if cpu.online})
    assert (facts.memory_kb, "memory_gb" in facts.unknown) == (None, True)
    assert f"[ro.product.model]: [{facts.model}]" in properties
    assert facts.notes == ()
