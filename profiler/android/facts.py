"""What a phone says of itself, asked with one command: its processor, memory, GPU, system on a chip and build.

The command prints sections: the files of ``/proc`` and ``/sys`` with their path before every line, the properties, and
the graphics driver's line. Everything after it is a pure function of that text. What a phone hides or has switched off
stays ``None``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from parsers.schema import Context, DeviceKind
from profiler.android.socs import Soc, SocNames, find_soc, read_socs
from profiler.android.wire import printable
from profiler.device import DeviceFacts
from profiler.errors import DeviceAnswerError
from profiler.system_files import (
    PATTERNS,
    Cluster,
    Cpu,
    SystemFiles,
    cluster_cpus,
    cpuinfo_blocks,
    last_level_cache_mb,
    memory_kb,
    parse_listing,
    peak_gflops,
    read_cpus,
)

GPU_FILES = (
    "sys/class/kgsl/kgsl-3d0/gpu_model",  # Adreno: Adreno640v2
    "sys/class/misc/mali0/device/gpuinfo",  # Mali: Mali-G76 12 cores r0p0 0x72110000
    "sys/kernel/gpu/gpu_model",
)
SOC_FILES = ("sys/devices/soc0/machine",)

_FILES, _PROPERTIES, _GRAPHICS, _END = "== files", "== properties", "== graphics", "== end"
_SCRIPT = f"""cd "${{1:-/}}" || exit 1
echo '{_FILES}'
grep -H '' {" ".join((*PATTERNS, *GPU_FILES, *SOC_FILES))} 2>/dev/null
echo '{_PROPERTIES}'
getprop
echo '{_GRAPHICS}'
dumpsys SurfaceFlinger </dev/null 2>/dev/null | grep -m 1 'GLES: '
echo '{_END}'
"""

FACTS_COMMAND: tuple[str, ...] = ("sh", "-c", _SCRIPT)
"""Prints everything that :func:`parse_phone_facts` reads; ``grep`` exits with 2 where one file is hidden, ``echo`` with 0."""

_PROPERTY = re.compile(r"^\[([^\]\n]+)\]: \[(.*?)\]$(?=\n\[|\n?\Z)", re.MULTILINE | re.DOTALL)
"""A line of ``getprop``; a value may span lines, and ends with the bracket before the next property."""

_SAY_NOTHING = frozenset({"qcom", "snapdragon", "unknown"})

_SOLD_GB = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 12.0, 16.0, 18.0, 24.0, 32.0)
"""Memory sizes that phones are sold with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneFacts:
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


def read_phone_facts(read: Callable[[Sequence[str]], str]) -> DeviceFacts:
    """Ask a phone what it is.

    Args:
        read: runs one command on the phone and returns what it prints.

    Raises:
        DeviceAnswerError: the answer is cut off.
        DeviceConfigError: the table of SoCs cannot be read.
    """
    return device_facts(parse_phone_facts(read(FACTS_COMMAND), read_socs()))


def parse_phone_facts(text: str, socs: Sequence[Soc]) -> PhoneFacts:
    """Read the answer to :data:`FACTS_COMMAND`.

    Raises:
        DeviceAnswerError: the answer is cut off.
    """
    listing, properties_text, graphics = _sections(text)
    files = parse_listing(iter(listing.splitlines()))
    properties = parse_properties(properties_text)
    cpus = read_cpus(files)
    clusters = cluster_cpus(tuple(cpu for cpu in cpus if cpu.online))
    soc_names = _soc_names(files, properties)
    gpu, gpu_units = _gpu(files, graphics)
    return PhoneFacts(
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
    )


def device_facts(phone: PhoneFacts) -> DeviceFacts:
    """Reduce a phone's facts to what a campaign needs; its context is the fastest cluster's."""
    fastest = phone.clusters[0] if phone.clusters else None
    return DeviceFacts(
        kind=phone.kind,
        soc=phone.soc_name,
        os_build=phone.os_build,
        context=context_of(phone, fastest),
        clusters=tuple(cluster.numbers for cluster in phone.clusters),
        cluster_contexts=tuple(context_of(phone, cluster) for cluster in phone.clusters),
        flops_per_cycle=fastest.design.flops_per_cycle if fastest and fastest.design else None,
    )


def context_of(phone: PhoneFacts, cluster: Cluster | None) -> Context:
    """Describe what a run bound to one cluster can use; cores of another design are another context.

    The table's last-level cache comes before the listed one, because it counts the system cache that ``/sys`` does not
    show. Without a cluster (a phone that hides ``/sys`` and ``/proc/cpuinfo``), the cores are unknown.
    """
    peak, source = peak_gflops(cluster) if cluster else (None, None)
    return Context(
        cores=len(cluster.cpus) if cluster else None,
        memory_gb=phone.memory_gb,
        clock_freq_ghz=cluster.max_ghz if cluster else None,
        memory_bw_gbs=phone.soc.memory_bw_gbs if phone.soc else None,
        core_part=cluster.design.part if cluster and cluster.design else None,
        last_level_cache_mb=(phone.soc.last_level_cache_mb if phone.soc else None) or phone.listed_cache_mb,
        peak_gflops=peak,
        peak_gflops_source=source,
    )


def parse_properties(text: str) -> Mapping[str, str]:
    """Read what ``getprop`` prints: empty values left out, control characters too, for a person will read them."""
    return {match[1]: value for match in _PROPERTY.finditer(text.strip()) if (value := printable(match[2]))}


def _sections(text: str) -> tuple[str, str, str]:
    plain = text.replace("\r\n", "\n")
    parts = re.split(f"^(?:{_FILES}|{_PROPERTIES}|{_GRAPHICS}|{_END})$", plain, flags=re.MULTILINE)
    if len(parts) != 5:
        last = plain.strip().splitlines()[-1:] or ["nothing"]
        raise DeviceAnswerError(f"The phone's answer about itself is cut off; it ends with {last[0]!r}. Ask again.")
    return parts[1], parts[2], parts[3]


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
