"""What a phone says of itself, put together from its files, its properties and the table of SoCs.

Whoever asked it: over adb (:mod:`profiler.android.facts`), or a recorded folder (:mod:`parsers.facts.folder`). What a
phone hides or has switched off stays ``None``, and :attr:`Facts.unknown` names it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

from parsers.dump import Json, record_to_json
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
from parsers.facts.socs import Soc, SocNames, find_soc
from parsers.facts.tree import SystemFiles
from parsers.printable import printable
from parsers.schema import Context, DeviceKind

GPU_FILES = (
    "sys/class/kgsl/kgsl-3d0/gpu_model",  # Adreno: Adreno640v2
    "sys/class/misc/mali0/device/gpuinfo",  # Mali: Mali-G76 12 cores r0p0 0x72110000
    "sys/kernel/gpu/gpu_model",
)
SOC_FILES = ("sys/devices/soc0/machine",)

_SAY_NOTHING = frozenset({"qcom", "snapdragon", "unknown"})

_SOLD_GB = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 12.0, 16.0, 18.0, 24.0, 32.0)
"""Memory sizes that phones are sold with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a phone told, and what the table of SoCs knows of its system on a chip."""

    kind: DeviceKind
    manufacturer: str | None
    model: str | None
    android_version: str | None
    abi: str | None
    os_build: str | None
    soc_names: SocNames
    soc: Soc | None
    """What the table knows of it."""
    cpus: tuple[Cpu, ...]
    clusters: tuple[Cluster, ...]
    """Of the CPUs that are switched on, the fastest cluster first."""
    memory_kb: int | None
    listed_cache_mb: float | None
    """Last-level cache of the fastest cluster as ``/sys`` lists it."""
    gpu: str | None
    gpu_units: int | None
    """Compute units of the GPU as the driver tells them."""
    notes: tuple[str, ...] = ()
    """What a reader should know of how they were read: a file that was left out, a property that was told twice."""

    @property
    def offline(self) -> tuple[int, ...]:
        """CPUs that were switched off when the phone was asked."""
        return tuple(cpu.number for cpu in self.cpus if not cpu.online)

    @property
    def soc_name(self) -> str | None:
        """The table's name of the system on a chip, else the phone's own."""
        return self.soc.name if self.soc else self.soc_names.first

    @property
    def memory_gb(self) -> float | None:
        """Built-in memory: the smallest size sold that holds what the kernel manages.

        The kernel does not see what the modem, the GPU's firmware and secure programs keep, 3 to 15 %.
        """
        if self.memory_kb is None:
            return None
        seen_gb = self.memory_kb / 2**20
        return next((size for size in _SOLD_GB if size >= seen_gb), round(seen_gb, 1))

    @property
    def compute_units(self) -> int | None:
        """Compute units of the GPU: what its driver tells, else the table's."""
        return self.gpu_units or (self.soc.gpu_units if self.soc else None)

    @property
    def unknown(self) -> tuple[str, ...]:
        """Names of what is not known: columns of the context, and ``gpu_units`` where nobody tells of the GPU."""
        context = context_of(self)
        names = (item.name for item in fields(Context) if getattr(context, item.name) is None)
        return (*names, *(() if self.compute_units else ("gpu_units",)))

    def to_json(self) -> dict[str, Json]:
        """Give what a person or a script asks for: the phone, its context, its clusters, and what is not known."""
        return {
            "kind": self.kind.value,
            "manufacturer": self.manufacturer,
            "model": self.model,
            "android_version": self.android_version,
            "abi": self.abi,
            "os_build": self.os_build,
            "soc": self.soc_name,
            "context": record_to_json(context_of(self)),
            "clusters": [_cluster_to_json(cluster) for cluster in self.clusters],
            "offline": list(self.offline),
            "gpu": self.gpu or (self.soc.gpu if self.soc else None),
            "gpu_units": self.compute_units,
            "unknown": list(self.unknown),
        }


def facts_of(
    files: SystemFiles,
    properties: Mapping[str, str],
    *,
    graphics: str = "",
    socs: Sequence[Soc],
    notes: tuple[str, ...] = (),
) -> Facts:
    """Put a phone's facts together.

    Args:
        files: of ``/proc`` and ``/sys``.
        properties: what ``getprop`` printed.
        graphics: the line of ``dumpsys SurfaceFlinger`` that begins with ``GLES:``.
        socs: the table of systems on a chip.
        notes: what is to be known of how they were read.
    """
    cpus = read_cpus(files)
    clusters = cluster_cpus(tuple(cpu for cpu in cpus if cpu.online))
    soc_names = _soc_names(files, properties)
    gpu, gpu_units = _gpu(files, graphics)
    return Facts(
        kind=_kind(properties),
        manufacturer=_first(properties, "ro.product.manufacturer"),
        model=_first(properties, "ro.product.model"),
        android_version=_first(properties, "ro.build.version.release"),
        abi=_first(properties, "ro.product.cpu.abi"),
        os_build=_first(properties, "ro.build.fingerprint", "ro.build.display.id"),
        soc_names=soc_names,
        soc=find_soc(socs, soc_names),
        cpus=cpus,
        clusters=clusters,
        memory_kb=memory_kb(files),
        listed_cache_mb=last_level_cache_mb(files, clusters[0]) if clusters else None,
        gpu=gpu,
        gpu_units=gpu_units,
        notes=notes,
    )


def context_of(facts: Facts) -> Context:
    """Describe what a run on the fastest cluster of the phone's CPU can use."""
    return cluster_context(facts, facts.clusters[0] if facts.clusters else None)


def cluster_context(facts: Facts, cluster: Cluster | None) -> Context:
    """Describe what a run bound to one cluster can use; cores of another design are another context.

    The table's last-level cache comes before the listed one, because it counts the system cache that ``/sys`` does not
    show. Without a cluster (a phone that hides ``/sys`` and ``/proc/cpuinfo``), the cores are unknown. A CPU's context
    has no compute units: those are the GPU's, :attr:`Facts.compute_units`.
    """
    peak, source = peak_gflops(cluster) if cluster else (None, None)
    return Context(
        cores=len(cluster.cpus) if cluster else None,
        memory_gb=facts.memory_gb,
        clock_freq_ghz=cluster.max_ghz if cluster else None,
        memory_bw_gbs=facts.soc.memory_bw_gbs if facts.soc else None,
        core_part=cluster.design.part if cluster and cluster.design else None,
        last_level_cache_mb=(facts.soc.last_level_cache_mb if facts.soc else None) or facts.listed_cache_mb,
        peak_gflops=peak,
        peak_gflops_source=source,
    )


def _cluster_to_json(cluster: Cluster) -> dict[str, Json]:
    design = cluster.design
    return {
        "cpus": list(cluster.numbers),
        "core_part": design.part if design else None,
        "design": design.name if design else None,
        "clocks_ghz": [cpu.max_ghz for cpu in cluster.cpus],
    }


def _kind(properties: Mapping[str, str]) -> DeviceKind:
    """An emulator is virtual, too: what it measures says nothing of a phone."""
    names = ("ro.autocomet.virtual", "ro.boot.qemu", "ro.kernel.qemu")
    return DeviceKind.VIRTUAL if any(properties.get(name) == "1" for name in names) else DeviceKind.PHONE


def _first(properties: Mapping[str, str], *names: str) -> str | None:
    return next((properties[name] for name in names if name in properties), None)


def _soc_names(files: SystemFiles, properties: Mapping[str, str]) -> SocNames:
    """What the phone calls its system on a chip; a name that says only whose it is says nothing."""
    hardware = next((block["Hardware"] for block in cpuinfo_blocks(files).values() if "Hardware" in block), "")
    machine = printable(files.text("sys/devices/soc0/machine"))
    parts = (
        properties.get("ro.soc.model"),
        machine.rpartition(" based on ")[2],  # Samsung JACKPOTLTE EUR rev07 board based on EXYNOS7885
        properties.get("ro.chipname"),
        properties.get("ro.hardware.chipname"),
        properties.get("ro.mediatek.platform"),
        properties.get("ro.vendor.mediatek.platform"),
        printable(hardware.removeprefix("Qualcomm Technologies, Inc").strip()),
    )
    platforms = (properties.get("ro.board.platform"), properties.get("ro.hardware"))
    return SocNames(parts=_told(parts), platforms=_told(platforms))


def _told(names: Iterable[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in names if name and name.lower() not in _SAY_NOTHING))


def _gpu(files: SystemFiles, graphics: str) -> tuple[str | None, int | None]:
    """The GPU's name and compute units: the driver's own file, else the OpenGL line ``GLES: ARM, Mali-G76, ...``."""
    for name in (printable(files.text(path)) for path in GPU_FILES):
        if cores := re.match(r"(Mali-\S+) (\d+) cores?\b", name):
            return cores[1], int(cores[2])
        if adreno := re.fullmatch(r"(Adreno) ?(\d+)(?:v\d+)?", name):
            return f"{adreno[1]} {adreno[2]}", None
        if name:
            return name, None
    match = re.search(r"GLES: [^,\n]+, ([^,\n]+)", graphics)
    return (printable(match[1].replace(" (TM)", "")).strip(), None) if match else (None, None)
