"""What this Linux machine says of itself in ``/proc`` and ``/sys``.

Nothing is measured here and nothing is guessed: a clock or a bandwidth that the machine does not tell stays ``None``.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path

from parsers.facts.cpuinfo import core_part_of, present_clock_mhz
from parsers.facts.cpus import (
    Cluster,
    Cpu,
    cluster_cpus,
    cpuinfo_blocks,
    last_level_cache_mb,
    memory_kb,
    peak_gflops,
    read_cpus,
)
from parsers.facts.tree import read_tree
from parsers.schema import Context, DeviceKind
from profiler.device import DeviceFacts

_ROOT = Path("/")


def read_host_facts(root: Path = _ROOT) -> DeviceFacts:
    """Read the facts of the machine whose ``proc`` and ``sys`` trees lie under ``root``; only CPUs it may use count."""
    files = read_tree(root)
    cpuinfo = min(cpuinfo_blocks(files).items())[1]
    clusters = cluster_cpus(_usable(read_cpus(files)))
    cores = sum(len(cluster.cpus) for cluster in clusters)
    clock_ghz = max((cluster.max_ghz for cluster in clusters if cluster.max_ghz), default=_present_clock_ghz(cpuinfo))
    flops_per_cycle, peak, source = _peak(clusters, cpuinfo, clock_ghz, cores)
    kilobytes = memory_kb(files)
    context = Context(
        cores=cores,
        memory_gb=round(kilobytes / 2**20, 2) if kilobytes else None,
        clock_freq_ghz=clock_ghz,
        core_part=_core_part(clusters[0], cpuinfo),
        last_level_cache_mb=last_level_cache_mb(files, clusters[0]),
        peak_gflops=peak,
        peak_gflops_source=source,
    )
    return DeviceFacts(
        kind=DeviceKind.HOST,
        soc=cpuinfo.get("model name") or cpuinfo.get("Hardware"),
        os_build=f"{platform.system()} {platform.release().split('-')[0]}",
        context=context,
        clusters=tuple(cluster.numbers for cluster in clusters),
        flops_per_cycle=flops_per_cycle,
    )


def _usable(cpus: tuple[Cpu, ...]) -> tuple[Cpu, ...]:
    """The CPUs that this process may use, whether the kernel told of them or not."""
    told = {cpu.number: cpu for cpu in cpus}
    unknown = {number: Cpu(number=number, online=True, max_khz=None, design=None) for number in os.sched_getaffinity(0)}
    return tuple(told.get(number, unknown[number]) for number in sorted(unknown))


def _present_clock_ghz(cpuinfo: Mapping[str, str]) -> float | None:
    """A virtual machine has no cpufreq and only tells its present clock."""
    megahertz = present_clock_mhz(cpuinfo)
    return round(megahertz / 1e3, 3) if megahertz is not None else None


def _peak(
    clusters: tuple[Cluster, ...], cpuinfo: Mapping[str, str], clock_ghz: float | None, cores: int
) -> tuple[float | None, float | None, str | None]:
    """Operations per cycle and core, GFLOP/s of all cores, and where they come from."""
    peak, source = peak_gflops(clusters[0])
    design = clusters[0].design
    if len(clusters) == 1 and design and peak is not None:
        return design.flops_per_cycle, peak, source
    flops_per_cycle, source = _flops_of_flags(cpuinfo)
    if flops_per_cycle is None or clock_ghz is None:
        return flops_per_cycle, None, None
    return flops_per_cycle, flops_per_cycle * clock_ghz * cores, source


def _flops_of_flags(cpuinfo: Mapping[str, str]) -> tuple[float | None, str | None]:
    """Float32 operations per cycle from the vector width, two fused multiply-add units assumed."""
    flags = set(cpuinfo.get("flags", cpuinfo.get("Features", "")).split())
    for flag, lanes in (("avx512f", 16), ("avx2", 8), ("asimd", 4), ("neon", 4)):
        if flag in flags:
            return 2.0 * 2 * lanes, f"clock x cores x 2 FMA units x {lanes} lanes x 2 ({flag}), unit count assumed"
    return None, None


def _core_part(fastest: Cluster, cpuinfo: Mapping[str, str]) -> str | None:
    return fastest.design.part if fastest.design else core_part_of(cpuinfo)
