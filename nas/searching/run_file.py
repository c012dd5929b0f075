"""What is said of a search, by flags or by a ``run.toml``: the same words in both, and a flag overrides the file.

A search's folder holds the file from the start, with everything said, so that the same search can be started again
(``nas run --config FILE``), and one that was stopped knows what it was. A key that is not understood is an error.
"""

from __future__ import annotations

import json
import platform
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from nas.datasets.table_accuracy import table_sha256
from nas.errors import ResumeError, SettingsError
from nas.limits.signals import ACCURACY, Limit, parse_limits
from nas.limits.user_signal import signal_names
from nas.searching.settings import DEFAULT_DATA, DEFAULT_SPACE, RunSettings, usual_settings
from nas.spaces import space_sha256
from nas.training.schedule import Schedules
from parsers.device_config import DeviceConfig, load_device_config
from parsers.toml_table import TomlTable

SCHEMA = 3
"""Of ``run.toml``."""

DEFAULT_MODEL = "models/default"

_LIBRARIES = ("autocomet", "torch", "numpy", "onnxruntime")
_NOT_SETTINGS = frozenset({"schema", "versions"})
_FLAGS = MappingProxyType({"device": "tier or --device-config", "limits": "limit", "signals": "signal"})
"""Flags that are not called as their keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The keys of a ``run.toml``, all of them flags, too; None where nothing is said."""

    device: str | None = None
    """Name of a tier or phone, or path of its TOML."""
    limits: tuple[str, ...] | None = None
    """As ``latency=25ms``."""
    primary: str | None = None
    secondary: tuple[str, ...] | None = None
    confidence: float | None = None
    signals: tuple[str, ...] | None = None
    """As ``module:function``."""
    space: str | None = None
    data: str | None = None
    controller: str | None = None
    assist: str | None = None
    potential: str | None = None
    epsilon: str | None = None
    shaping: str | None = None
    budget: int | None = None
    patience: int | None = None
    seed: int | None = None
    threads: int | None = None
    torch_device: str | None = None
    shared_epochs: float | None = None
    tuning_epochs: float | None = None
    accuracy: str | None = None
    brief_epochs: float | None = None
    finalists: int | None = None
    alone_epochs: float | None = None
    rank_check: int | None = None
    model: str | None = None
    """Folder of the predictor."""

    def over(self, other: RunOptions) -> RunOptions:
        """Say what these say, and where they say nothing, what others say."""
        said = {item.name: getattr(self, item.name) for item in fields(self)}
        return replace(other, **{name: value for name, value in said.items() if value is not None})


def settings_of(options: RunOptions) -> RunSettings:
    """Work out what options come to; what is not said is as usual.

    Raises:
        SettingsError: no device, or a limit that cannot be.
        DeviceConfigError: a device that is not known.
        DataError: a data set that is not known.
    """
    if options.device is None:
        raise SettingsError("Name one device: --tier flagship, or --device-config with a phone's name or TOML file.")
    device = load_device_config(options.device)
    limits = _limits(options, device)
    usual = usual_settings(device, limits, options.data or DEFAULT_DATA, options.space or DEFAULT_SPACE)
    said = {
        item.name: value
        for item in fields(RunOptions)
        if item.name in _PLAIN and (value := getattr(options, item.name)) is not None
    }
    trained = {
        name: replace(getattr(usual, name), epochs=epochs)
        for name in _TRAININGS
        if (epochs := getattr(options, f"{name}_epochs")) is not None
    }
    return replace(usual, **said, **trained)


_PLAIN = frozenset(item.name for item in fields(RunOptions)) & frozenset(item.name for item in fields(RunSettings))
_PLAIN -= {"device", "limits"}
"""Options that are settings as they stand."""

_TRAININGS = tuple(item.name for item in fields(Schedules))
"""Settings of which an option says the epochs."""


def model_of(options: RunOptions) -> Path:
    """Give the folder of the predictor."""
    return Path(options.model or DEFAULT_MODEL)


def complete(options: RunOptions) -> RunOptions:
    """Say everything, also what is as usual.

    Raises:
        SettingsError: see :func:`settings_of`.
    """
    settings = settings_of(options)
    # A StrEnum is written as the word that it is.
    values = {name: getattr(settings, name) for name in _PLAIN}
    plain: dict[str, Any] = {name: str(item) if isinstance(item, str) else item for name, item in values.items()}
    plain |= {f"{name}_epochs": float(getattr(settings, name).epochs) for name in _TRAININGS}
    return replace(
        options,
        **plain,
        limits=tuple(map(str, settings.limits)),
        model=model_of(options).as_posix(),
    )


def run_toml(options: RunOptions) -> str:
    """Write a search's file: all options, then the versions it began with."""
    said = complete(options)
    tables: Mapping[str, Mapping[str, object]] = {
        "": {"schema": SCHEMA, **{name: value for name, value in _plain(said) if value not in (None, ())}},
        "versions": versions(model_of(options), said.space or "", said.data or ""),
    }
    lines = []
    for name, values in tables.items():
        lines += [f"\n[{name}]"] if name else []
        # A JSON string, number or list of them is a TOML one, too.
        lines += [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    return "\n".join(lines) + "\n"


def _plain(options: RunOptions) -> Iterator[tuple[str, object]]:
    return ((item.name, getattr(options, item.name)) for item in fields(options))


def versions(model: Path, space: str, data: str) -> dict[str, str]:
    """Say what a search's figures depend on beside its options: libraries, predictor, a space's own file, a table."""
    found = {name: metadata.version(name) for name in _LIBRARIES}
    # What a processor can do decides which of torch's kernels run, and so the last bits of weights.
    found["processor"] = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    manifest = model / "manifest.json"
    if manifest.is_file():
        found["model_sha256"] = sha256(manifest.read_bytes()).hexdigest()
    if (file := space_sha256(space)) is not None:
        found["space_sha256"] = file
    if (file := table_sha256(data)) is not None:
        found["data_sha256"] = file
    return found


def read_run_file(path: Path) -> RunOptions:
    """Read what a search was started with.

    Raises:
        SettingsError: no such file, no TOML, or another version's.
        DeviceConfigError: a key that is not understood, or a value of another kind; the message names key and file.
    """
    values = _read(path)
    if values.get("schema", SCHEMA) != SCHEMA:
        raise SettingsError(
            f"{path} is of another version of AutoCoMET (schema {values['schema']!r}; this one knows {SCHEMA})."
        )
    options: RunOptions = TomlTable(path=path, prefix="").build(
        RunOptions, {key: value for key, value in values.items() if key not in _NOT_SETTINGS}
    )
    return options


def check_agreement(said: RunOptions, kept: RunOptions, path: Path) -> None:
    """See that flags say nothing else than the file of a search that is gone on with.

    Raises:
        SettingsError: the first that does.
    """
    whole = complete(kept)
    for item in fields(RunOptions):
        value = getattr(said, item.name)
        if value is not None and complete(replace(whole, **{item.name: value})) != whole:
            told = ", ".join(value) if isinstance(value, tuple) else value
            before = getattr(whole, item.name)
            before = ", ".join(before) if isinstance(before, tuple) else before
            raise SettingsError(
                f"--{_FLAGS.get(item.name, item.name.replace('_', '-'))} {told} does not go with {path}, which says "
                f"{before}. Leave it out, or start over with --fresh."
            )


def check_versions(path: Path) -> None:
    """See that a search goes on with the libraries and the predictor that it began with.

    Raises:
        ResumeError: one is another.
    """
    values = _read(path)
    began = values.get("versions")
    if not isinstance(began, dict):
        raise ResumeError(f"{path} does not say with which versions its search began. Start over with --fresh.")
    model, space = Path(str(values.get("model", DEFAULT_MODEL))), str(values.get("space", ""))
    data = str(values.get("data", ""))
    files = {
        "model_sha256": f"version of the predictor in {model}",
        "space_sha256": f"version of the search space {space}",
        "data_sha256": f"version of the table of {data}",
    }
    for name, version in versions(model, space, data).items():
        if began.get(name) != version:
            kind = "kind of processor" if name == "processor" else f"version of {name}"
            what = files.get(name, f"{kind} ({version})")
            was = "" if name in files else f"; it was {began.get(name)}"
            raise ResumeError(f"The search in {path.parent} began with another {what}{was}. Start over with --fresh.")


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise SettingsError(f"Cannot read {path}: {exc.strerror or exc}. Name the run.toml of a search.") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise SettingsError(f"{path} is no TOML: {exc}. Correct the file.") from exc


def _limits(options: RunOptions, device: DeviceConfig) -> tuple[Limit, ...]:
    """Read the limits; the device's own on latency holds where nothing else is said of it."""
    limits = parse_limits(options.limits or (), signal_names(options.signals or ()))
    if device.latency_limit_ms is not None and all(limit.target != "latency" for limit in limits):
        return (Limit(target="latency", value=device.latency_limit_ms), *limits)
    if not limits and not options.secondary and (options.primary or ACCURACY) == ACCURACY:
        raise SettingsError(
            f"{device.name} has no latency_limit_ms. Say how long a network may take: --limit latency=25ms."
        )
    return limits
