"""What this Linux machine says of itself in ``/proc`` and ``/sys``.

Nothing is measured here and nothing is guessed: a clock or a bandwidth that the machine does not tell stays ``None``.
"""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

from parsers.schema import Context, DeviceKind
from profiler.device import DeviceFacts

_ROOT = Path("/")


def read_host_facts(root: Path = _ROOT) -> DeviceFacts:
    """Read the facts of the machine whose ``proc`` and ``sys`` trees lie under ``root``."""
    cpuinfo = _cpuinfo(root)
    clusters = _clusters(root)
    flops_per_cycle, source = _flops_per_cycle(cpuinfo)
    clock_ghz = _clock_ghz(root, cpuinfo)
    cores = sum(len(cluster) for cluster in clusters)
    known = flops_per_cycle is not None and clock_ghz is not None
    context = Context(
        cores=cores,
        memory_gb=_memory_gb(root),
        clock_freq_ghz=clock_ghz,
        core_part=_core_part(cpuinfo),
        last_level_cache_mb=_last_level_cache_mb(root),
        peak_gflops=flops_per_cycle * clock_ghz * cores if flops_per_cycle and clock_ghz else None,
        peak_gflops_source=source if known else None,
    )
    return DeviceFacts(
        kind=DeviceKind.HOST,
        soc=cpuinfo.get("model name") or cpuinfo.get("Hardware"),
        os_build=f"{platform.system()} {platform.release().split('-')[0]}",
        context=context,
        clusters=clusters,
        flops_per_cycle=flops_per_cycle,
    )


def _cpuinfo(root: Path) -> dict[str, str]:
    """Read the first processor's lines of ``/proc/cpuinfo``."""
    facts: dict[str, str] = {}
    for line in _text(root / "proc/cpuinfo").splitlines():
        name, _, value = line.partition(":")
        facts.setdefault(name.strip(), value.strip())
    return facts


def _clusters(root: Path) -> tuple[tuple[int, ...], ...]:
    """Group the CPUs that this process may use by their maximum clock, the fastest first."""
    allowed = sorted(os.sched_getaffinity(0))
    by_clock: dict[int, list[int]] = {}
    for cpu in allowed:
        text = _text(root / f"sys/devices/system/cpu/cpu{cpu}/cpufreq/cpuinfo_max_freq").strip()
        by_clock.setdefault(int(text) if text.isdecimal() else 0, []).append(cpu)
    return tuple(tuple(by_clock[clock]) for clock in sorted(by_clock, reverse=True))


def _clock_ghz(root: Path, cpuinfo: dict[str, str]) -> float | None:
    """Prefer cpufreq's maximum; a virtual machine only tells its present clock."""
    clocks = [
        int(text)
        for path in (root / "sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/cpuinfo_max_freq")
        if (text := _text(path).strip()).isdecimal()
    ]
    if clocks:
        return max(clocks) / 1e6
    megahertz = cpuinfo.get("cpu MHz", "")
    return round(float(megahertz) / 1e3, 3) if re.fullmatch(r"\d+(\.\d+)?", megahertz) else None


def _flops_per_cycle(cpuinfo: dict[str, str]) -> tuple[float | None, str | None]:
    """Float32 operations per cycle from the vector width, two fused multiply-add units assumed."""
    flags = set(cpuinfo.get("flags", cpuinfo.get("Features", "")).split())
    for flag, lanes in (("avx512f", 16), ("avx2", 8), ("asimd", 4), ("neon", 4)):
        if flag in flags:
            return 2.0 * 2 * lanes, f"clock x cores x 2 FMA units x {lanes} lanes x 2 ({flag}), unit count assumed"
    return None, None


def _core_part(cpuinfo: dict[str, str]) -> str | None:
    if "CPU part" in cpuinfo:
        return cpuinfo["CPU part"]
    if "cpu family" in cpuinfo and "model" in cpuinfo:
        return f"{cpuinfo.get('vendor_id', 'x86')}-{cpuinfo['cpu family']}-{cpuinfo['model']}"
    return None


def _memory_gb(root: Path) -> float | None:
    match = re.search(r"^MemTotal:\s+(\d+) kB$", _text(root / "proc/meminfo"), re.MULTILINE)
    return round(int(match[1]) / 2**20, 2) if match else None


def _last_level_cache_mb(root: Path) -> float | None:
    sizes: dict[int, float] = {}
    for index in (root / "sys/devices/system/cpu/cpu0/cache").glob("index*"):
        level, size = _text(index / "level").strip(), _text(index / "size").strip()
        if level.isdecimal() and re.fullmatch(r"\d+K", size):
            sizes[int(level)] = int(size[:-1]) / 1024
    return sizes[max(sizes)] if sizes else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
