"""A phone's answer about itself, written by hand in the form that real phones gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

CPU = "sys/devices/system/cpu"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """A cluster to write: its CPUs' numbers, the two numbers of its design, and its maximum clock."""

    cpus: tuple[int, ...]
    khz: int
    part: int
    implementer: int = 0x41


def answer(
    clusters: Sequence[Cores],
    properties: Mapping[str, str],
    *,
    memory_kb: int = 3_681_628,
    files: Mapping[str, str] | None = None,
    graphics: str = "",
) -> str:
    """Write what the command prints on a phone with these cores, properties and further files."""
    lines = ["== files", f"proc/meminfo:MemTotal:        {memory_kb} kB", "proc/meminfo:MemFree:          273652 kB"]
    for cores in clusters:
        for cpu in cores.cpus:
            lines.append(f"proc/cpuinfo:processor\t: {cpu}")
            lines.append(f"proc/cpuinfo:CPU implementer\t: {cores.implementer:#x}")
            lines.append(f"proc/cpuinfo:CPU part\t: {cores.part:#05x}")
            lines.append("proc/cpuinfo:")
    numbers = [cpu for cores in clusters for cpu in cores.cpus]
    lines += [f"{CPU}/{name}:{min(numbers)}-{max(numbers)}" for name in ("possible", "online")]
    lines += [f"{CPU}/cpu{cpu}/cpufreq/cpuinfo_max_freq:{cores.khz}" for cores in clusters for cpu in cores.cpus]
    lines += [f"{path}:{text}" for path, text in (files or {}).items()]
    lines += ["== properties", *(f"[{name}]: [{value}]" for name, value in properties.items())]
    return "\n".join([*lines, "== graphics", *([graphics] if graphics else []), "== end", ""])


FLAGSHIP = (
    Cores(cpus=(0, 1, 2, 3), khz=1_785_600, part=0xD05),
    Cores(cpus=(4, 5, 6), khz=2_419_200, part=0xD0B),
    Cores(cpus=(7,), khz=2_841_600, part=0xD0B),
)
"""The cores of a Snapdragon 855."""
