"""The phones that published tables were measured on, and the context that a table's words for a setting stand for.

The tables name a phone by a key and say only which cores ran. What the phone is comes from
``device_configs/published_phones.toml``, which has a source for every figure. A GPU's rows carry the GPU's clock and units,
a CPU's the cores that ran and the clock of the fastest of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from parsers.device_config import PHONE_TABLE, find_in_folder
from parsers.errors import DeviceConfigError
from parsers.schema import Context
from parsers.toml_table import TomlTable, read_toml

GPU = "gpu"
"""What the tables write where others have cores."""

_CLUSTERS = {"large": "large", "med": "medium", "small": "small"}
"""The tables' words for clusters, and ours."""
_CORES = re.compile(r"([1-9][0-9]?)(large|med|small)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Cores of one kind."""

    cores: int
    clock_ghz: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """A phone of a published measurement. What no source tells is ``None``."""

    title: str
    soc: str
    cores: int
    """Of all clusters."""
    clock_ghz: float
    """The fastest core's."""
    memory_gb: float | None = None
    memory_bw_gbs: float | None = None
    gpu: str
    gpu_units: int | None = None
    gpu_clock_ghz: float | None = None
    large: Cluster | None = None
    medium: Cluster | None = None
    small: Cluster | None = None
    source: str
    uncertain: tuple[str, ...] = ()
    """Names of figures that are not firmly known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """Where a row was measured."""

    soc: str | None
    context: Context
    threads: int | None
    """``None`` where not told."""
    affinity: str | None
    """The table's words for the cores."""
    unknown: tuple[str, ...] = ()
    """Columns that are not known, though the context has no null for them."""


def read_phones(path: Path | None = None) -> Mapping[str, Phone]:
    """Read the phones by key: a file of one's own, else ``./device_configs``, else the installed copy.

    Raises:
        DeviceConfigError: no file, no TOML, or a key or value that is not understood.
    """
    path = path or find_in_folder(PHONE_TABLE)
    if path is None:
        raise DeviceConfigError(f"There is no {PHONE_TABLE}.toml in device_configs. Install the package again.")
    phones: dict[str, Phone] = {}
    for key, values in read_toml(path).items():
        if not isinstance(values, dict):
            raise DeviceConfigError(f"{path} must be a list of tables, one per phone, and nothing else.")
        phones[key] = TomlTable(path=path, prefix=f"{key}.").build(Phone, values)
    return phones


def cores_of(words: str) -> Mapping[str, int] | None:
    """Read a table's words for cores, as ``1large2med``: how many of which cluster; ``None`` where they are none."""
    parts = _CORES.findall(words)
    if not parts or "".join(number + word for number, word in parts) != words:
        return None
    cores = {_CLUSTERS[word]: int(number) for number, word in parts}
    return cores if len(cores) == len(parts) else None


def gpu_hardware(phone: Phone | None) -> Hardware:
    """Give the context of a run on a phone's GPU; ``None`` stands for a phone that nobody described."""
    units = phone.gpu_units if phone else None
    return Hardware(
        soc=phone.soc if phone else None,
        context=Context(
            cores=None,
            compute_units=units or 0,
            memory_gb=phone.memory_gb if phone else None,
            clock_freq_ghz=phone.gpu_clock_ghz if phone else None,
            memory_bw_gbs=phone.memory_bw_gbs if phone else None,
        ),
        threads=1,
        affinity=None,
        unknown=() if units else ("compute_units",),
    )


def cpu_hardware(phone: Phone | None, words: str, cores: Mapping[str, int]) -> Hardware:
    """Give the context of a run on named cores of a phone, a thread on each."""
    clusters: list[Cluster | None] = [getattr(phone, cluster) if phone else None for cluster in cores]
    clocks_ghz = [cluster.clock_ghz for cluster in clusters if cluster is not None]
    count = sum(cores.values())
    return Hardware(
        soc=phone.soc if phone else None,
        context=_cpu_context(phone, count, max(clocks_ghz) if len(clocks_ghz) == len(clusters) else None),
        threads=count,
        affinity=words,
    )


def unstated_cpu_hardware(phone: Phone | None) -> Hardware:
    """Give the context of a run on a phone's CPU of which neither cores nor threads are told: all its cores."""
    return Hardware(
        soc=phone.soc if phone else None,
        context=_cpu_context(phone, phone.cores if phone else None, phone.clock_ghz if phone else None),
        threads=None,
        affinity=None,
    )


def _cpu_context(phone: Phone | None, cores: int | None, clock_ghz: float | None) -> Context:
    return Context(
        cores=cores,
        compute_units=0,
        memory_gb=phone.memory_gb if phone else None,
        clock_freq_ghz=clock_ghz,
        memory_bw_gbs=phone.memory_bw_gbs if phone else None,
    )
