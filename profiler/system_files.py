"""What Linux says of a machine in ``/proc`` and ``/sys``, read by the same code on this machine and on a phone.

The files come as text, whoever fetched them: this machine's are opened, a phone's are printed by one ``grep``. What a
file does not say stays ``None``: cores that are switched off have no clock, a phone's shell may not read all that root
may, and most phones do not list their caches.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from profiler.core_parts import CoreDesign, core_design

_CPU = "sys/devices/system/cpu"
PATTERNS = (
    "proc/cpuinfo",
    "proc/meminfo",
    f"{_CPU}/possible",
    f"{_CPU}/online",
    f"{_CPU}/cpu[0-9]*/cpufreq/cpuinfo_max_freq",
    f"{_CPU}/cpufreq/policy[0-9]*/cpuinfo_max_freq",
    f"{_CPU}/cpufreq/policy[0-9]*/related_cpus",
    f"{_CPU}/cpu[0-9]*/regs/identification/midr_el1",
    f"{_CPU}/cpu[0-9]*/cache/index[0-9]*/level",
    f"{_CPU}/cpu[0-9]*/cache/index[0-9]*/size",
)
"""The files that matter, as patterns of both ``sh`` and :mod:`pathlib`, relative to the root."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemFiles:
    """Texts of files by their path, without the leading slash."""

    texts: Mapping[str, str]

    def text(self, path: str) -> str:
        """A file's text without blanks around it; empty where the file is absent or unreadable."""
        return self.texts.get(path, "").strip()

    def number(self, path: str) -> int | None:
        """A file's whole number, or ``None``."""
        text = self.text(path)
        return int(text) if text.isdecimal() else None


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


def read_tree(root: Path, patterns: tuple[str, ...] = PATTERNS) -> SystemFiles:
    """Open the files under a root folder."""
    texts: dict[str, str] = {}
    for pattern in patterns:
        for path in sorted(root.glob(pattern)):
            try:
                texts[path.relative_to(root).as_posix()] = path.read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
    return SystemFiles(texts=texts)


def parse_listing(lines: Iterator[str]) -> SystemFiles:
    """Read what ``grep -H '' FILES...`` printed: every line with its file's path and a colon before it."""
    texts: dict[str, list[str]] = {}
    for line in lines:
        path, colon, content = line.partition(":")
        if colon:
            texts.setdefault(path.removeprefix("/"), []).append(content)
    return SystemFiles(texts={path: "\n".join(content) for path, content in texts.items()})


def read_cpus(files: SystemFiles) -> tuple[Cpu, ...]:
    """List every CPU that the kernel could have, those switched off now included."""
    designs = _designs(files)
    clocks = _policy_clocks(files)
    possible = cpu_list(files.text(f"{_CPU}/possible")) or _mentioned_cpus(files)
    online = cpu_list(files.text(f"{_CPU}/online")) or possible
    return tuple(
        Cpu(
            number=number,
            online=number in online,
            max_khz=files.number(f"{_CPU}/cpu{number}/cpufreq/cpuinfo_max_freq") or clocks.get(number),
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
    for path in files.texts:
        match = re.fullmatch(rf"({_CPU}/cpu(\d+)/cache/index\d+/)level", path)
        if match and int(match[2]) in cluster.numbers:
            size = re.fullmatch(r"(\d+)([KM])", files.text(f"{match[1]}size"))
            level = files.number(path)
            if size and level and level > 1:
                sizes[level] = int(size[1]) / (1024 if size[2] == "K" else 1)
    return sizes[max(sizes)] if sizes else None


def memory_kb(files: SystemFiles) -> int | None:
    """The memory that the kernel manages, in KiB: what is built in, less what is reserved before it starts."""
    match = re.search(r"^MemTotal:\s+(\d+) kB$", files.text("proc/meminfo"), re.MULTILINE)
    return int(match[1]) if match else None


def cpu_list(text: str) -> tuple[int, ...]:
    """Read a list of CPUs, as ``0-3,5`` or ``0 1 2 3 5``."""
    cpus: set[int] = set()
    for part in re.split(r"[,\s]+", text.strip()):
        first, _, last = part.partition("-")
        if first.isdecimal() and (last or first).isdecimal():
            cpus.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(cpus))


def cpuinfo_blocks(files: SystemFiles) -> dict[int, dict[str, str]]:
    """Read ``/proc/cpuinfo`` as lines of each processor; lines that name no processor hold for all (old kernels)."""
    common: dict[str, str] = {}
    blocks: dict[int, dict[str, str]] = {}
    current = common
    for line in files.text("proc/cpuinfo").splitlines():
        name, _, value = (part.strip() for part in line.partition(":"))
        if not name:
            current = common
        elif name == "processor" and value.isdecimal():
            current = blocks.setdefault(int(value), {})
        else:
            current[name] = value
    return {number: {**common, **block} for number, block in blocks.items()} or {0: common}


def _designs(files: SystemFiles) -> dict[int, CoreDesign]:
    """What each CPU is, by its main ID register where the kernel shows it, else by ``/proc/cpuinfo``."""
    designs: dict[int, CoreDesign] = {}
    for number, block in cpuinfo_blocks(files).items():
        implementer, part = _hexadecimal(block.get("CPU implementer")), _hexadecimal(block.get("CPU part"))
        if implementer is not None and part is not None:
            designs[number] = core_design(implementer, part)
    for path in files.texts:
        if match := re.fullmatch(rf"{_CPU}/cpu(\d+)/regs/identification/midr_el1", path):
            midr = _hexadecimal(files.text(path))
            if midr:
                designs[int(match[1])] = core_design(midr >> 24 & 0xFF, midr >> 4 & 0xFFF)
    return designs


def _mentioned_cpus(files: SystemFiles) -> tuple[int, ...]:
    """The CPUs of which any file tells, where the kernel does not list them."""
    matches = (re.match(rf"{_CPU}/cpu(\d+)/", path) for path in files.texts)
    listed = cpuinfo_blocks(files) if files.text("proc/cpuinfo") else {}
    return tuple(sorted({int(match[1]) for match in matches if match} | {*listed}))


def _policy_clocks(files: SystemFiles) -> dict[int, int]:
    """Maximum clocks in kHz by cpufreq's policies, which list their CPUs even where one is switched off."""
    clocks: dict[int, int] = {}
    for path in files.texts:
        if match := re.fullmatch(rf"({_CPU}/cpufreq/policy\d+/)related_cpus", path):
            khz = files.number(f"{match[1]}cpuinfo_max_freq")
            if khz:
                clocks.update(dict.fromkeys(cpu_list(files.text(path)), khz))
    return clocks


def _hexadecimal(text: str | None) -> int | None:
    return int(text, 16) if text and re.fullmatch(r"0x[0-9a-fA-F]+", text) else None
