"""A finished search as it lies in its folder: what was searched, every network that was asked about, and who won."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nas.errors import SearchFolderError, SettingsError
from nas.searching.history import SCHEMA_VERSION
from nas.searching.output import FILES
from nas.searching.run_file import RunOptions, read_run_file, settings_of
from nas.searching.settings import RunSettings
from nas.searching.workspace import RUN_FILE, Workspace
from nas.space import Architecture, Image, Space, architecture_from_json
from nas.spaces import make_space

_AGAIN = "Search again with 'nas run'."
_COLUMNS = ("query", "architecture", "accuracy", "latency_ms", "within_limits")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundNetwork:
    """A network that the search asked about."""

    query: int
    """Its place in the history, from 1."""
    architecture: Architecture
    accuracy: float
    """As queried, in [0, 1]."""
    latency_ms: float | None
    """As the search's predictor had it; None where it was not counted."""
    is_within: bool
    """Whether it keeps the search's limits by that predictor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedSearch:
    """What a search folder holds."""

    folder: Path
    options: RunOptions
    settings: RunSettings
    space: Space
    networks: tuple[FoundNetwork, ...]
    """In the order in which they were asked about."""
    finalists: tuple[int, ...]
    """Queries of the networks that were trained alone, best as queried first."""
    winner: FoundNetwork

    @property
    def network_file(self) -> Path:
        """The winner as it would be shipped."""
        return self.folder / FILES["network"]

    def best(self, count: int) -> tuple[FoundNetwork, ...]:
        """Give the winner, then the finalists, then others within the limits by accuracy, as many as asked for."""
        place = {query: index for index, query in enumerate(self.finalists)}
        ranked = sorted(
            (one for one in self.networks if one.is_within or one == self.winner),
            key=lambda one: (one != self.winner, place.get(one.query, len(place)), -one.accuracy, one.query),
        )
        return tuple(ranked[:count])


def read_finished(folder: Path) -> FinishedSearch:
    """Read a search folder.

    Raises:
        SearchFolderError: it is none, is not finished, is of another version, or lacks a file.
        NasError, DeviceConfigError: what it was searched for is not there any more: its device, its space.
    """
    if folder.name in {"", ".."}:
        folder = folder.resolve()  # what is written beside it needs its name
    _check_finished(folder)
    try:
        options = read_run_file(folder / RUN_FILE)
    except SettingsError as exc:
        raise SearchFolderError(f"{exc} {_AGAIN}") from exc
    described = _read_json(folder / FILES["architecture"])
    if described.get("schema") != SCHEMA_VERSION:
        raise SearchFolderError(
            f"{folder / FILES['architecture']} is of another version of AutoCoMET (schema {described.get('schema')!r}; "
            f"this one knows {SCHEMA_VERSION}). {_AGAIN}"
        )
    if not (folder / FILES["network"]).is_file():
        raise SearchFolderError(f"{folder} has lost its {FILES['network']}. {_AGAIN}")
    settings = settings_of(options)
    try:
        channels, height, width = described["image"]
        image = Image(channels=channels, height=height, width=width)
        space = make_space(settings.space, image=image, classes=described["classes"])
        finalists = tuple(int(one["query"]) for one in described["finalists"])
        networks = _read_history(folder / FILES["history"], space)
        winner = networks[described["query"] - 1]
    except (KeyError, TypeError, ValueError, IndexError) as exc:
        raise SearchFolderError(f"{folder} is no whole search ({exc!r}). {_AGAIN}") from exc
    return FinishedSearch(
        folder=folder,
        options=options,
        settings=settings,
        space=space,
        networks=networks,
        finalists=finalists,
        winner=winner,
    )


def _check_finished(folder: Path) -> None:
    workspace = Workspace(folder)
    if workspace.finished and (folder / FILES["architecture"]).is_file():
        return
    if workspace.begun or workspace.finished:
        raise SearchFolderError(f"The search in {folder} is not finished. Go on with it: 'nas run --resume'.")
    raise SearchFolderError(f"{folder} is no search folder. 'nas run' makes one under searches/.")


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise SearchFolderError(f"Cannot read {path} ({exc}). {_AGAIN}") from exc
    if not isinstance(document, dict):
        raise SearchFolderError(f"{path} is not what a search writes. {_AGAIN}")
    return document


def _read_history(path: Path, space: Space) -> tuple[FoundNetwork, ...]:
    try:
        table = pq.read_table(path, columns=list(_COLUMNS))
    except (pa.ArrowInvalid, OSError) as exc:
        raise SearchFolderError(f"Cannot read {path} ({str(exc).splitlines()[0]}). {_AGAIN}") from exc
    rows: Sequence[Mapping[str, Any]] = table.to_pylist()
    return tuple(
        FoundNetwork(
            query=row["query"],
            architecture=architecture_from_json(row["architecture"], space),
            accuracy=row["accuracy"],
            latency_ms=row["latency_ms"],
            is_within=row["within_limits"],
        )
        for row in rows
    )
