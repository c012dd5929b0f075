"""The CPUs that Linux tells of in ``/proc`` and ``/sys``: which there are, what they are, and how they belong together.

What a file does not say stays ``None``: cores that are switched off have no clock, a phone's shell may not read all that
root may, and most phones do not list their caches.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from parsers.facts.core_parts import CoreDesign, core_design
from parsers.facts.cpuinfo import MOST_CPUS, blocks_by_number, design_of, hexadecimal
from parsers.facts.meminfo import memory_total_kb
from parsers.facts.tree import CPU, SystemFiles


@dataclass(frozen=True, slots=True, kw_only=True)
class Cpu:
    """One logical CPU."""

    number: int
    online: bool
    max_khz: int | None
    design: CoreDesign | None

    @property
    def max_ghz(self) -> float | None:
        """Its maximum clock to 10 MHz, as makers state it."""
        return round(self.max_khz / 1e6, 2) if self.max_khz else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Equal cores: of one design, or, where no design is known, of one maximum clock.

    The cores of one design may have several clocks (a Snapdragon 855 has one fast Cortex-A76 and three slower ones); the
    fastest come last, because a run takes the last CPUs, and leaves the first to interrupts and housekeeping.
    """

    cpus: tuple[Cpu, ...]

    @property
    def numbers(self) -> tuple[int, ...]:
        """Its CPUs' numbers, the fastest last."""
        return tuple(cpu.number for cpu in self.cpus)

    @property
    def design(self) -> CoreDesign | None:
        """What its cores are."""
        return self.cpus[-1].design

    @property
    def max_ghz(self) -> float | None:
        """The fastest core's maximum clock."""
        return self.cpus[-1].max_ghz

    @property
    def clocks_ghz(self) -> tuple[float, ...] | None:
        """Every core's maximum clock, or ``None`` where one is unknown."""
        clocks = tuple(cpu.max_ghz for cpu in self.cpus if cpu.max_ghz is not None)
        return clocks if len(clocks) == len(self.cpus) else None


def read_cpus(files: SystemFiles) -> tuple[Cpu, ...]:
    """List every CPU that the kernel could have, those switched off now included."""
    designs = _designs(files)
    clocks = _policy_clocks(files)
    possible = cpu_list(files.text(f"{CPU}/possible")) or _mentioned_cpus(files)
    online = frozenset(cpu_list(files.text(f"{CPU}/online")) or possible)
    return tuple(
        Cpu(
            number=number,
            online=number in online,
            max_khz=files.number(f"{CPU}/cpu{number}/cpufreq/cpuinfo_max_freq") or clocks.get(number),
            design=designs.get(number),
        )
        for number in possible
    )


def cluster_cpus(cpus: tuple[Cpu, ...]) -> tuple[Cluster, ...]:
    """Group CPUs into clusters, the fastest cluster first: little designs last, then by the maximum clock."""
    groups: dict[str | int | None, list[Cpu]] = {}
    for cpu in cpus:
        groups.setdefault(cpu.design.part if cpu.design else cpu.max_khz, []).append(cpu)
    clusters = [
        Cluster(cpus=tuple(sorted(group, key=lambda cpu: (cpu.max_khz or 0, cpu.number)))) for group in groups.values()
    ]
    return tuple(sorted(clusters, key=_speed, reverse=True))


def _speed(cluster: Cluster) -> tuple[bool, float]:
    return not (cluster.design and cluster.design.little), cluster.max_ghz or 0.0


def peak_gflops(cluster: Cluster) -> tuple[float | None, str | None]:
    """Add up clock × float32 operations per cycle over a cluster's cores, and say so in words."""
    design, clocks = cluster.design, cluster.clocks_ghz
    if design is None or design.flops_per_cycle is None or clocks is None:
        return None, None
    counts = {clock: clocks.count(clock) for clock in sorted(set(clocks), reverse=True)}
    terms = " + ".join(f"{count} x {clock:g}" for clock, count in counts.items())
    source = f"({terms}) GHz x {design.flops_per_cycle:g} FLOP per cycle ({design.name})"
    return round(sum(clocks) * design.flops_per_cycle, 3), source


def last_level_cache_mb(files: SystemFiles, cluster: Cluster) -> float | None:
    """Size of a cluster's highest level of cache, 2 or more; level 1 alone says that the others are not listed."""
    sizes: dict[int, float] = {}
    numbers = frozenset(cluster.numbers)
    for path in files.texts:
        match = re.fullmatch(rf"({CPU}/cpu([0-9]{{1,4}})/cache/index[0-9]+/)level", path)
        if match and int(match[2]) in numbers:
            size = re.fullmatch(r"([0-9]{1,9})([KM])", files.text(f"{match[1]}size"))
            level = files.number(path)
            if size and level and level > 1:
                sizes[level] = int(size[1]) / (1024 if size[2] == "K" else 1)
    return sizes[max(sizes)] if sizes else None


def memory_kb(files: SystemFiles) -> int | None:
    """The memory that the kernel manages, in KiB: what is built in, less what is reserved before it starts."""
    return memory_total_kb(files.text("proc/meminfo"))


def cpu_list(text: str) -> tuple[int, ...]:
    """Read a list of CPUs, as ``0-3,5`` or ``0 1 2 3 5``; a number that no CPU has is passed over."""
    listed = bytearray(MOST_CPUS)
    for part in re.split(r"[,\s]+", text.strip()):
        if match := re.fullmatch(r"([0-9]{1,9})(?:-([0-9]{1,9}))?", part):
            first, behind = int(match[1]), min(int(match[2] or match[1]) + 1, MOST_CPUS)
            listed[first:behind] = bytes([1]) * max(behind - first, 0)
    return tuple(number for number in range(MOST_CPUS) if listed[number])


def cpuinfo_blocks(files: SystemFiles) -> dict[int, dict[str, str]]:
    """Read ``/proc/cpuinfo`` as lines of each processor; lines that name no processor hold for all (old kernels)."""
    return blocks_by_number(files.text("proc/cpuinfo"))


def _designs(files: SystemFiles) -> dict[int, CoreDesign]:
    """What each CPU is, by its main ID register where the kernel shows it, else by ``/proc/cpuinfo``."""
    told = {number: design_of(block) for number, block in cpuinfo_blocks(files).items()}
    designs = {number: design for number, design in told.items() if design is not None}
    for path in files.texts:
        if match := re.fullmatch(rf"{CPU}/cpu([0-9]{{1,4}})/regs/identification/midr_el1", path):
            midr = hexadecimal(files.text(path))
            if midr:
                designs[int(match[1])] = core_design(midr >> 24 & 0xFF, midr >> 4 & 0xFFF)
    return designs


def _mentioned_cpus(files: SystemFiles) -> tuple[int, ...]:
    """The CPUs of which any file tells, where the kernel does not list them."""
    matches = (re.match(rf"{CPU}/cpu([0-9]{{1,4}})/", path) for path in files.texts)
    listed = cpuinfo_blocks(files) if files.text("proc/cpuinfo") else {}
    return tuple(sorted({int(match[1]) for match in matches if match} | {*listed}))


def _policy_clocks(files: SystemFiles) -> dict[int, int]:
    """Maximum clocks in kHz by cpufreq's policies, which list their CPUs even where one is switched off."""
    clocks: dict[int, int] = {}
    for path in files.texts:
        if match := re.fullmatch(rf"({CPU}/cpufreq/policy[0-9]+/)related_cpus", path):
            khz = files.number(f"{match[1]}cpuinfo_max_freq")
            if khz:
                clocks.update(dict.fromkeys(cpu_list(files.text(path)), khz))
    return clocks
