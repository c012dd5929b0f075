"""A device that was measured, written down as a device config, so that a search can be for it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

from nas.writing import writing
from parsers.atomic import written_whole
from parsers.device_config import DeviceConfig

_TASK = "task_"


def write_device_config(config: DeviceConfig, folder: Path) -> Path:
    """Write a config into a folder, as :func:`parsers.device_config.load_device_config` reads it; returns its path.

    Raises:
        OutputError: it cannot be written.
    """
    path = folder / f"{config.name}.toml"
    with writing(path), written_whole(path) as file:
        file.write(("\n".join(_lines(config)) + "\n").encode())
    return path


def _lines(config: DeviceConfig) -> Iterator[str]:
    values = asdict(config)
    context = values.pop("context")
    task = {key.removeprefix(_TASK): bool(value) for key, value in context.items() if key.startswith(_TASK)}
    hardware = {key: value for key, value in context.items() if not key.startswith(_TASK)}
    tables = {
        "": {key: value for key, value in values.items() if key != "name" and not isinstance(value, dict)},
        "context": hardware,
        "task": task,
        **{key: value for key, value in values.items() if isinstance(value, dict)},
    }
    for name, table in tables.items():
        yield from _table(name, table)


def _table(name: str, values: Mapping[str, object]) -> Iterator[str]:
    if name:
        yield f"\n[{name}]"
    # A JSON string, number, truth value or list of them is a TOML one, too; what is unknown is left out.
    yield from (
        f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items() if value is not None
    )
