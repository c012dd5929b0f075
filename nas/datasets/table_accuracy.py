"""Accuracies that somebody has measured already: a table of a whole space answers instead of training.

``--data table:FILE.npz@signal=COLUMN`` searches a space with the predictor's costs and the table's accuracies. A table is what
``nas benchmark`` reads (``nas.datasets.tables``): ``op1`` … ``opN`` say which choice every slot holds, and of ``nasbench201`` they stand in the
benchmark's own order of edges.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from nas.datasets.tables import load_signals
from nas.errors import DataError
from nas.space import Architecture, Choice, Image, Space
from nas.spaces.cell import EDGES, PUBLISHED_EDGES
from nas.spaces.nasbench201 import Edge
from nas.trellis import FloatArray

Place = Callable[[Architecture], tuple[int, ...]]
"""Finds a network in a table: one index per column."""


_CLASSES, _CHANNELS, _SIDE = 10, 3, 32


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOptions:
    """What is said of a table."""

    signal: str
    """Column that the search asks, in percent."""
    report: str = ""
    """Column that is reported of the winner; the same one if empty."""
    classes: int = _CLASSES
    channels: int = _CHANNELS
    """Of the images that the table's networks were trained on."""
    side: int = _SIDE
    """Height and width of those images."""


class TableAccuracy:
    """Accuracies of a space's networks, out of a table.

    Args:
        space: whose networks are asked about.
        path: of the table.
        options: which of its columns answer.

    Raises:
        DataError: no such table or column, or one of another space.
    """

    def __init__(self, space: Space, path: Path, options: TableOptions) -> None:
        self._signal, self._report = load_signals(path, (options.signal, options.report or options.signal))
        self._place = _place(space, self._signal.shape, path)

    def accuracy(self, architecture: Architecture) -> float:
        """Give the signal of a network, in [0, 1]."""
        return _share(self._signal, self._place(architecture))

    def reported(self, architecture: Architecture) -> float:
        """Give what is reported of a network, in [0, 1]."""
        return _share(self._report, self._place(architecture))


def parse_table(text: str) -> tuple[Path, TableOptions]:
    """Read ``FILE.npz@signal=COLUMN,report=COLUMN,classes=10,side=32,channels=3``; all but the signal may be left out.

    Raises:
        DataError: no signal, or a key or number that cannot be.
    """
    path, _, written = text.partition("@")
    words: dict[str, str] = {}
    numbers: dict[str, int] = {}
    known = {item.name: item.type for item in fields(TableOptions)}
    for part in filter(None, written.split(",")):
        key, _, value = (word.strip() for word in part.partition("="))
        if key not in known or not value:
            raise DataError(f"{part!r} says nothing of a table. Write key=value with a key of {', '.join(known)}.")
        if known[key] == "str":
            words[key] = value
        elif value.isdecimal() and int(value) > 0:
            numbers[key] = int(value)
        else:
            raise DataError(f"{key}={value} of the table {path} is no positive whole number.")
    if "signal" not in words:
        raise DataError(f"Say which column of {path} answers: --data table:{path}@signal=COLUMN.")
    return Path(path), TableOptions(
        signal=words["signal"],
        report=words.get("report", ""),
        classes=numbers.get("classes", _CLASSES),
        channels=numbers.get("channels", _CHANNELS),
        side=numbers.get("side", _SIDE),
    )


def table_sha256(data: str) -> str | None:
    """Give the checksum of a table, by which a changed one is noticed; ``None`` for data that is no table.

    Raises:
        DataError: it cannot be read.
    """
    kind, _, place = data.partition(":")
    if kind != "table":
        return None
    path = parse_table(place)[0]
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as exc:
        raise DataError(f"Cannot read {path}: {exc.strerror or exc}. Name another table with --data.") from exc


def table_image(options: TableOptions) -> Image:
    """Give the size of the images that a table's networks look at."""
    return Image(channels=options.channels, height=options.side, width=options.side)


def _share(column: FloatArray, place: tuple[int, ...]) -> float:
    return float(column[place]) / 100


def _place(space: Space, shape: Sequence[int], path: Path) -> Place:
    """Find how a space's networks stand in a table."""
    choices = tuple(len(slot.choices) for slot in space.slots)
    if tuple(shape) != choices:
        raise DataError(
            f"{path} has {' x '.join(map(str, shape))} networks; {space.name} has {' x '.join(map(str, choices))} ways to "
            "fill its slots. Name the table of this space."
        )
    if all(isinstance(choice, Edge) for slot in space.slots for choice in slot.choices):
        order = [EDGES.index(edge) for edge in PUBLISHED_EDGES]
    else:
        order = list(range(len(choices)))
    index: list[dict[Choice, int]] = [
        {choice: place for place, choice in enumerate(slot.choices)} for slot in space.slots
    ]
    return lambda architecture: tuple(index[slot][architecture[slot]] for slot in order)
