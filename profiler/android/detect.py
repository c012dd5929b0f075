"""A device's facts as a device config, with where each value comes from; what is unknown stays unknown, and says what to do.

The file is for a person to complete, so every missing key is a comment that names it and the way to its value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from parsers.device_config import load_device_config
from parsers.facts.cpus import Cluster
from parsers.facts.facts import Facts as PhoneFacts
from parsers.schema import DeviceKind
from profiler.android.facts import device_facts
from profiler.device import DeviceFacts
from profiler.errors import ConfigFileError

_MOST_THREADS = 4
"""More threads than this rarely help a phone's network; a config may say otherwise."""

_TO_FILL_IN: Mapping[str, str] = MappingProxyType(
    {
        "cores": "count the cores of the fastest kind, from the maker's data sheet",
        "memory_gb": "the memory that the device is sold with",
        "clock_freq_ghz": "the fastest core's maximum clock, from the maker's data sheet",
        "memory_bw_gbs": "megatransfers per second x width in bits / 8000, from the chip maker's product page",
        "core_part": "Arm's part number of the fastest cores, as 0xd0b for a Cortex-A76",
        "last_level_cache_mb": "the larger of L3 and system cache, from the chip maker's product page",
        "peak_gflops": "clock x cores x float32 operations per cycle of the fastest cores",
    }
)

_MEASUREMENT = """\
[measurement]
policy = "strict"
processes = 3
warmup = 5
checkpoints = [30, 60, 120, 240]
target_relative_error = 0.02
budget_ms = 2000.0
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One value of a device's context, and where it comes from or how to find it."""

    key: str
    value: str | float | None
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Detected:
    """All that was found of a device."""

    title: str
    soc: str | None
    context: tuple[Found, ...]
    remarks: tuple[str, ...]
    """What a context does not hold: clusters, GPU, CPUs that are switched off."""


def detect_phone(phone: PhoneFacts) -> Detected:
    """Say what a phone told and what the table of SoCs added."""
    facts = device_facts(phone)
    soc = phone.soc
    fastest = phone.clusters[0] if phone.clusters else None
    memory_gib = f"{(phone.memory_kb or 0) / 2**20:.2f}"
    from_table = bool(soc and soc.last_level_cache_mb)
    notes = {
        "cores": f"/sys: {_describe(fastest)}" if fastest else "",
        "memory_gb": f"/proc/meminfo: {memory_gib} GiB seen by the kernel, rounded up to a size sold",
        "clock_freq_ghz": "/sys: cpufreq, the fastest core",
        "memory_bw_gbs": f"socs.toml: {soc.memory}; {soc.source}" if soc else "",
        "core_part": f"main ID register: {fastest.design.name or 'a design unknown here'}"
        if fastest and fastest.design
        else "",
        "last_level_cache_mb": f"socs.toml: {soc.source}" if soc and from_table else "/sys: the fastest cores' cache",
        "peak_gflops": facts.context.peak_gflops_source or "",
    }
    title = " ".join(part for part in (phone.manufacturer, phone.model) if part) or "A phone"
    return Detected(
        title=f"{title}, CPU", soc=facts.soc, context=_found(facts, notes), remarks=tuple(_phone_remarks(phone))
    )


def detect_host(facts: DeviceFacts) -> Detected:
    """Say what this machine told of itself."""
    notes = {
        "cores": "the CPUs that this program may use",
        "memory_gb": "/proc/meminfo",
        "clock_freq_ghz": "/sys: cpufreq, or the present clock where there is none",
        "core_part": "/proc/cpuinfo",
        "last_level_cache_mb": "/sys",
        "peak_gflops": facts.context.peak_gflops_source or "",
    }
    return Detected(title=facts.soc or "This machine", soc=facts.soc, context=_found(facts, notes), remarks=())


def config_text(detected: Detected, *, limit_ms: float | None) -> str:
    """Write a device config; what is unknown is a comment that says how to find it."""
    cores = next((found.value for found in detected.context if found.key == "cores"), None)
    threads = min(_MOST_THREADS, int(cores)) if isinstance(cores, int | float) and cores else 1
    limit = (
        f"latency_limit_ms = {limit_ms!r}"
        if limit_ms is not None
        else "# latency_limit_ms = 25.0  # the longest that a searched network may take; or give it to 'nas run --limit'"
    )
    lines = [
        "# Written by 'profile detect'. A line behind # is unknown: it says how to find the value.",
        f"title = {_quoted(detected.title)}",
        'kind = "phone"',
        f"soc = {_quoted(detected.soc)}" if detected.soc else "# soc = the name of its system on a chip",
        'provider = "cpu"',
        f"threads = {threads}  # on the fastest cores",
        limit,
        'source = "profile detect"',
        *(f"# {remark}" for remark in detected.remarks),
        "",
        "[context]",
        "compute_units = 0  # of the provider's processor, which is the CPU",
        *(line for found in detected.context for line in _toml_lines(found)),
        "",
        "[task]",
        "text = false",
        "multi_entity = false",
        "roi = false",
        "",
        _MEASUREMENT,
    ]
    return "\n".join(lines)


def write_config(text: str, path: Path, *, force: bool) -> None:
    """Write a config in one step, once it has been read back as a config.

    Raises:
        ConfigFileError: the file exists and ``force`` is not given, it is no ``.toml``, or it cannot be written.
        DeviceConfigError: the text is no config.
    """
    if path.suffix != ".toml":
        raise ConfigFileError(f"{path}: a device config is a .toml file. Name it device_configs/NAME.toml.")
    if path.exists() and not force:
        raise ConfigFileError(f"{path} exists, and may hold what somebody filled in. Name another, or add --force.")
    part = path.with_name(f".{path.stem}.part.toml")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        load_device_config(str(part))
        part.rename(path)
    except OSError as error:
        raise ConfigFileError(f"{path} cannot be written ({error.strerror}).") from error
    finally:
        part.unlink(missing_ok=True)


def _found(facts: DeviceFacts, notes: Mapping[str, str]) -> tuple[Found, ...]:
    """Pair every value of the context with its note, or with how to find it."""
    values: Sequence[tuple[str, str | float | None]] = (
        ("cores", facts.context.cores),
        ("memory_gb", facts.context.memory_gb),
        ("clock_freq_ghz", facts.context.clock_freq_ghz),
        ("memory_bw_gbs", facts.context.memory_bw_gbs),
        ("core_part", facts.context.core_part),
        ("last_level_cache_mb", facts.context.last_level_cache_mb),
        ("peak_gflops", facts.context.peak_gflops),
    )
    return tuple(
        Found(key=key, value=value, note=notes.get(key, "") if value is not None else _TO_FILL_IN[key])
        for key, value in values
    )


def _toml_lines(found: Found) -> list[str]:
    note = " ".join(found.note.split())  # a comment is one line, whatever the table of SoCs says
    if found.value is None:
        return [f"# {found.key} =   # unknown: {note}"]
    value = _quoted(found.value) if isinstance(found.value, str) else repr(found.value)
    if found.key == "peak_gflops":
        return [f"peak_gflops = {value}", f"peak_gflops_source = {_quoted(note)}"]
    return [f"{found.key} = {value}  # {note}"]


def _phone_remarks(phone: PhoneFacts) -> list[str]:
    clusters = ", ".join(_describe(cluster) for cluster in phone.clusters) or "unknown"
    units = phone.gpu_units or (phone.soc.gpu_units if phone.soc else None)
    gpu = phone.gpu or (phone.soc.gpu if phone.soc else None)
    remarks = [
        f"Clusters: {clusters}.",
        f"GPU: {gpu or 'unknown'}, compute units: {units or 'unknown'} (for a provider that runs on it).",
        f"Android {phone.android_version or '?'}, {phone.abi or '?'}, build {phone.os_build or 'unknown'}.",
    ]
    if phone.kind is DeviceKind.VIRTUAL:
        remarks.append("A virtual phone: it says what it was described as.")
    if phone.offline:
        numbers = ", ".join(str(number) for number in phone.offline)
        remarks.append(f"CPUs {numbers} are switched off now and not counted: wake the phone, let it cool, ask again.")
    if phone.soc is None:
        told = ", ".join((*phone.soc_names.parts, *phone.soc_names.platforms)) or "nothing"
        remarks.append(f"Its system on a chip is not in socs.toml; the phone calls it: {told}.")
    return remarks


def _describe(cluster: Cluster) -> str:
    """Say what a cluster is, as ``3 x Cortex-A76 2.42 GHz + 1 x Cortex-A76 2.84 GHz``."""
    name = (cluster.design.name or cluster.design.part) if cluster.design else "core of unknown design"
    clocks = [cpu.max_ghz for cpu in cluster.cpus]
    kinds = dict.fromkeys(clocks)
    return " + ".join(
        f"{clocks.count(clock)} x {name}" + (f" {clock:g} GHz" if clock else ", clock unknown") for clock in kinds
    )


def _quoted(text: str) -> str:
    """Write a TOML string: JSON's form is one of TOML's."""
    return json.dumps(text, ensure_ascii=False)
