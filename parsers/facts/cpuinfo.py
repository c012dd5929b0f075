"""``/proc/cpuinfo``: which processors there are, as the kernel of the time writes it.

The forms, by what writes them (Linux ``arch/arm64/kernel/cpuinfo.c``, ``arch/arm/kernel/setup.c``,
``arch/x86/kernel/cpu/proc.c``):

- a block of lines for each processor, each with its implementer and part (arm64 since 3.19, arm since 3.8) or with
  vendor, family and model (x86);
- a line for each processor and one block that holds for all, before or behind them (old ARM kernels, where the block
  says ``Processor``); what stands in no processor's block holds for all, so does ``Hardware`` at the end;
- one block without any ``processor`` line (one core, or a kernel without SMP).

A kernel shows an old 32-bit program the cores that it may use, and only those that are switched on.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from parsers.dump import Buffer, Dump, DumpSettings, Kind
from parsers.dump_lines import Line, Rejects, at_least_one, first_lines, read_lines
from parsers.dump_numbers import whole
from parsers.facts.core_parts import CoreDesign, core_design

MOST_CPUS = 8192
"""What Linux can be built for; a larger number is no CPU's."""

_MOST_KEYS = 200
"""No kernel writes as many lines of one processor."""

_OWN_FIELDS = frozenset(
    {
        "CPU implementer",
        "CPU architecture",
        "CPU variant",
        "CPU part",
        "CPU revision",
        "model name",
        "Processor",
        "Hardware",
        "cpu MHz",
        "Features",
        "flags",
    }
)


_NAMING = frozenset({"CPU implementer", "CPU part", "Processor", "model name", "vendor_id", "Hardware"})
"""Where no processor has a number, one of these says that the file is of one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Processor:
    """One logical CPU. What the file does not say of it is ``None``."""

    offset: int
    """Byte at which its block begins; where one block holds for all, at which the file does."""
    number: int | None
    """``None`` where the only block names no number."""
    core_part: str | None
    """Arm's part number as ``0xd0b``, or an x86 processor's vendor, family and model as ``AuthenticAMD-25-1``."""
    design: str | None
    """As ``Cortex-A76``, where the part number is known."""
    model_name: str | None
    hardware: str | None
    clock_mhz: float | None
    """Its present clock, which x86 kernels tell."""
    implementer: str | None
    architecture: str | None
    variant: str | None
    part: str | None
    revision: str | None
    features: tuple[str, ...]
    others: Mapping[str, str]
    """Every other line, by its key."""


@dataclass(slots=True, kw_only=True)
class _Block:
    offset: int
    number: int | None
    values: dict[str, str] = field(default_factory=dict)


def read_cpuinfo(data: Buffer, settings: DumpSettings) -> Dump:
    """Read ``/proc/cpuinfo``.

    Raises:
        DumpError: it names no processor.
    """
    rejects = Rejects(data)
    complaint = f"{settings.name or 'The file'} names no processor, as /proc/cpuinfo does. Try --kind."
    return Dump(records=at_least_one(_processors(data, rejects), complaint), rejects=rejects)


def blocks_by_number(text: str) -> dict[int, dict[str, str]]:
    """Read the lines of each processor; lines that name no processor hold for all. Without numbers there is CPU 0."""
    data = text.encode(errors="backslashreplace")
    blocks = list(_blocks(read_lines(data, Rejects(data)), Rejects(data)))
    common = _common(blocks)
    numbered: dict[int, dict[str, str]] = {}
    for block in blocks:
        if block.number is not None:
            numbered.setdefault(block.number, {}).update(block.values)
    return {number: {**common, **values} for number, values in numbered.items()} or {0: common}


def design_of(values: Mapping[str, str]) -> CoreDesign | None:
    """Tell a processor's design by its lines; ``None`` where they do not name it."""
    implementer, part = hexadecimal(values.get("CPU implementer")), hexadecimal(values.get("CPU part"))
    return None if implementer is None or part is None else core_design(implementer, part)


def core_part_of(values: Mapping[str, str]) -> str | None:
    """Name a processor's design by a part number, or an x86 one by vendor, family and model."""
    if design := design_of(values):
        return design.part
    if "cpu family" in values and "model" in values:
        return f"{values.get('vendor_id', 'x86')}-{values['cpu family']}-{values['model']}"
    return None


def present_clock_mhz(values: Mapping[str, str]) -> float | None:
    """Give the clock that an x86 kernel tells, which is that of the moment."""
    text = values.get("cpu MHz", "")
    return float(text) if re.fullmatch(r"[0-9]{1,9}(?:\.[0-9]{1,9})?", text) else None


def hexadecimal(text: str | None) -> int | None:
    """Read a number as ``0x41``; ``None`` where it is none."""
    return int(text, 16) if text and re.fullmatch(r"0x[0-9a-fA-F]{1,16}", text) else None


def _processors(data: Buffer, rejects: Rejects) -> Iterator[Processor]:
    """Read twice, because what holds for all may stand behind them; a processor at a time is kept."""
    unheard = Rejects(data)
    common = _common(block for block in _blocks(read_lines(data, unheard), unheard) if block.number is None)
    numbered = False
    for block in _blocks(read_lines(data, rejects), rejects):
        if block.number is not None:
            numbered = True
            yield _processor(block.offset, block.number, {**common, **block.values})
    if not numbered and not _NAMING.isdisjoint(common):
        yield _processor(0, None, common)


def _blocks(lines: Iterable[Line], rejects: Rejects) -> Iterator[_Block]:
    """Part the lines where one is blank or names a processor; a block without a number is nobody's own."""
    block = _Block(offset=0, number=None)
    for line in lines:
        key, colon, value = (part.strip(" \t") for part in line.text.partition(":"))
        number = whole(value) if key == "processor" else None
        if not colon and key:
            rejects.add(line, "no 'key: value'")
        elif not key or (number is not None and 0 <= number < MOST_CPUS):
            if block.values or block.number is not None:
                yield block
                block = _Block(offset=line.offset, number=None)
            if number is not None:
                block = _Block(offset=line.offset, number=number)
        elif key == "processor":
            rejects.add(line, "a processor's number that is none")
        elif key in block.values:
            rejects.add(line, "a key that stands twice")
        elif len(block.values) >= _MOST_KEYS:
            rejects.add(line, "more keys than any kernel writes")
        else:
            block.values[sys.intern(key)] = value
    yield block


def _common(blocks: Iterable[_Block]) -> dict[str, str]:
    common: dict[str, str] = {}
    for block in blocks:
        if block.number is None:
            for key, value in block.values.items():
                if len(common) < _MOST_KEYS:
                    common.setdefault(key, value)
    return common


def _processor(offset: int, number: int | None, values: Mapping[str, str]) -> Processor:
    design = design_of(values)
    return Processor(
        offset=offset,
        number=number,
        core_part=core_part_of(values),
        design=design.name if design else None,
        model_name=values.get("model name") or values.get("Processor"),
        hardware=values.get("Hardware"),
        clock_mhz=present_clock_mhz(values),
        implementer=values.get("CPU implementer"),
        architecture=values.get("CPU architecture"),
        variant=values.get("CPU variant"),
        part=values.get("CPU part"),
        revision=values.get("CPU revision"),
        features=tuple((values.get("Features") or values.get("flags") or "").split()),
        others={key: value for key, value in values.items() if key not in _OWN_FIELDS},
    )


def _looks_like(head: bytes, _name: str) -> bool:
    lines = first_lines(head, 4)
    begins = bool(lines) and re.match(r"processor\s*: [0-9]|Processor\s*: \S", lines[0])
    return bool(begins) and all(":" in line for line in lines)


KIND = Kind(
    name="cpuinfo",
    meaning="/proc/cpuinfo of Linux, on ARM or x86",
    looks_like=_looks_like,
    read=read_cpuinfo,
)
