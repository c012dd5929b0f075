"""The table of systems on a chip: what a phone's own software cannot tell, by the names under which phones report them.

The table is data, ``device_configs/socs.toml``, with a source for every row. Code names are shared: ``lahaina`` is a
Snapdragon 888 and also a 778G, and a Snapdragon 670 calls itself ``sdm710``. So where several rows fit, only what they
agree on is known, and a part number that the table lacks is never explained away by a code name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from parsers.device_config import SOC_TABLE, find_in_folder
from parsers.errors import DeviceConfigError
from parsers.toml_table import TomlTable, read_toml

_PART_NUMBER = re.compile(r"(sm|sdm|msm|apq|mt|exynos|s5e|kirin|sc|ums|gs)\d{3,}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Soc:
    """One system on a chip, or several that could not be told apart. What no source tells is ``None``."""

    name: str
    """As it is sold."""
    parts: tuple[str, ...]
    """Part numbers by which phones report it, in lower case."""
    platforms: tuple[str, ...] = ()
    """Code names by which phones report it, in lower case; others may bear them, too."""
    memory: str | None = None
    """Fastest memory that it takes, as ``LPDDR4X-4266, 64 bit``."""
    memory_bw_gbs: float | None = None
    """Peak memory bandwidth: transfers per second × width."""
    last_level_cache_mb: float | None = None
    """The larger of the cores' last cache and the system cache."""
    gpu: str | None = None
    gpu_units: int | None = None
    """Compute units of the GPU: shader processors of an Adreno, shader cores of a Mali."""
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SocNames:
    """What a phone calls its system on a chip, the most trustworthy names first."""

    parts: tuple[str, ...]
    platforms: tuple[str, ...]

    @property
    def first(self) -> str | None:
        """The most trustworthy of all."""
        return next(iter((*self.parts, *self.platforms)), None)


def read_socs(path: Path | None = None) -> tuple[Soc, ...]:
    """Read the table: a file of one's own, else ``./device_configs/socs.toml``, else the installed copy.

    Raises:
        DeviceConfigError: no table, no TOML, or a key or value that is not understood.
    """
    path = path or find_in_folder(SOC_TABLE)
    if path is None:
        raise DeviceConfigError(f"There is no {SOC_TABLE}.toml in device_configs. Install the package again.")
    values = read_toml(path)
    rows = values.get("soc")
    if not isinstance(rows, list) or set(values) != {"soc"} or not all(isinstance(row, dict) for row in rows):
        raise DeviceConfigError(f"{path} must be a list of [[soc]] tables and nothing else.")
    return tuple(
        TomlTable(path=path, prefix=f"soc {row.get('name', number)!r}: ").build(Soc, row)
        for number, row in enumerate(rows, start=1)
    )


def find_soc(socs: Sequence[Soc], names: SocNames) -> Soc | None:
    """Find a phone's system on a chip.

    Returns:
        The row that bears the first name that says something; what the rows agree on where several do; ``None`` where
        no row fits, or the phone tells a part number that the table lacks.
    """
    for told in names.parts:
        for name in (normal_name(told), part_number(told)):
            if matches := [soc for soc in socs if name in soc.parts]:
                return _agreed(matches)
        if _PART_NUMBER.fullmatch(part_number(told)):
            return None
    for told in names.platforms:
        if matches := [soc for soc in socs if normal_name(told) in soc.platforms]:
            return _agreed(matches)
    return None


def normal_name(told: str) -> str:
    """Write a reported name as the table does: in lower case, without Samsung's name before it."""
    return told.strip().lower().replace("_", "-").removeprefix("samsung").strip()


def part_number(told: str) -> str:
    """Strip what a part number says of package and speed: ``MT6877V/ZA`` is an mt6877, ``SM8250-AC`` an sm8250."""
    name = normal_name(told)
    match = re.match(r"(?:mt|sm|sdm|msm)\d{3,4}", name)
    return match[0] if match else name


def _agreed(rows: Sequence[Soc]) -> Soc:
    """What several rows have in common, under all their names."""
    common: dict[str, Any] = {}
    for item in fields(Soc):
        values = {getattr(row, item.name) for row in rows}
        common[item.name] = values.pop() if len(values) == 1 else None
    names = " or ".join(row.name for row in rows)
    parts = tuple(part for row in rows for part in row.parts)
    platforms = tuple(dict.fromkeys(platform for row in rows for platform in row.platforms))
    source = "; ".join(dict.fromkeys(row.source for row in rows))
    return Soc(**{**common, "name": names, "parts": parts, "platforms": platforms, "source": source})
