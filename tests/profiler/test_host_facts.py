from __future__ import annotations

import os
from pathlib import Path

from profiler.host_facts import read_host_facts

CPUINFO_X86 = """\
processor\t: 0
vendor_id\t: AuthenticAMD
cpu family\t: 25
model\t\t: 1
model name\t: AMD EPYC 7B13
cpu MHz\t\t: 2449.998
flags\t\t: fpu sse sse2 avx avx2 fma
"""

CPUINFO_ARM = """\
processor\t: 0
Features\t: fp asimd evtstrm crc32
CPU implementer\t: 0x41
CPU part\t: 0xd0b
Hardware\t: Qualcomm Technologies, Inc SM8150
"""


def write(root: Path, path: str, text: str) -> None:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)


def test_an_x86_machine_without_cpufreq_gives_its_present_clock_and_a_formula_for_its_peak(tmp_path: Path) -> None:
    write(tmp_path, "proc/cpuinfo", CPUINFO_X86)
    write(tmp_path, "proc/meminfo", "MemTotal:       16777216 kB\n")
    write(tmp_path, "sys/devices/system/cpu/cpu0/cache/index0/level", "1\n")
    write(tmp_path, "sys/devices/system/cpu/cpu0/cache/index0/size", "32K\n")
    write(tmp_path, "sys/devices/system/cpu/cpu0/cache/index3/level", "3\n")
    write(tmp_path, "sys/devices/system/cpu/cpu0/cache/index3/size", "16384K\n")

    facts = read_host_facts(tmp_path)

    cores = len(os.sched_getaffinity(0))
    context = facts.context
    assert (facts.soc, context.core_part) == ("AMD EPYC 7B13", "AuthenticAMD-25-1")
    assert (context.cores, context.memory_gb, context.clock_freq_ghz) == (cores, 16.0, 2.45)
    assert (context.last_level_cache_mb, context.memory_bw_gbs) == (16.0, None)
    assert context.peak_gflops == 2 * 2 * 8 * 2.45 * cores
    assert "assumed" in str(context.peak_gflops_source)


def test_an_arm_board_gives_its_core_part_and_cpufreq_s_maximum(tmp_path: Path) -> None:
    write(tmp_path, "proc/cpuinfo", CPUINFO_ARM)
    for cpu in os.sched_getaffinity(0):
        write(tmp_path, f"sys/devices/system/cpu/cpu{cpu}/cpufreq/cpuinfo_max_freq", "2841600\n")

    facts = read_host_facts(tmp_path)

    assert (facts.context.core_part, facts.context.clock_freq_ghz) == ("0xd0b", 2.84)
    assert facts.flops_per_cycle == 16.0


def test_clusters_come_fastest_first(tmp_path: Path) -> None:
    allowed = sorted(os.sched_getaffinity(0))
    for cpu in allowed:
        clock = "2000000" if cpu == allowed[-1] else "1000000"
        write(tmp_path, f"sys/devices/system/cpu/cpu{cpu}/cpufreq/cpuinfo_max_freq", clock)

    facts = read_host_facts(tmp_path)

    assert facts.clusters[0] == (allowed[-1],)
    assert sorted(cpu for cluster in facts.clusters for cpu in cluster) == allowed


def test_what_a_machine_does_not_say_stays_unknown(tmp_path: Path) -> None:
    facts = read_host_facts(tmp_path)

    context = facts.context
    assert (facts.soc, context.core_part, context.memory_gb, context.clock_freq_ghz) == (None, None, None, None)
    assert (context.last_level_cache_mb, context.peak_gflops, context.peak_gflops_source) == (None, None, None)
