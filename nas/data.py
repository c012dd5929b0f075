"""Data sets by name: what is known of each before it is loaded, and how to load it. Nothing is downloaded."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from nas.datasets import digits
from nas.errors import DataError
from nas.schedule import MNIST_5K_SCHEDULES, Schedules, usual_schedules
from nas.space import Image, Task
from nas.splits import Data, Split, Tensor

__all__ = ["DATA_HELP", "FOLDERS", "SOURCES", "Data", "Source", "Split", "Tensor", "data_label", "data_source"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A data set that can be loaded; its size is known without."""

    image: Image
    classes: int
    load: Callable[[int], Data]
    """Takes the seed that splits it."""
    task: Task = Task.CLASSIFICATION
    schedules: Schedules = MNIST_5K_SCHEDULES
    """How long networks learn from it, where nobody says otherwise."""


_SMALL = Image(channels=1, height=digits.SIDE, width=digits.SIDE)
_FASHION_TRAINING = 55_000


def _fashion_mnist(folder: Path) -> Source:
    return Source(
        image=_SMALL,
        classes=digits.CLASSES,
        load=partial(digits.fashion_mnist, folder),
        schedules=usual_schedules(_FASHION_TRAINING),
    )


SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        "mnist-5k": Source(image=_SMALL, classes=digits.CLASSES, load=digits.mnist_5k),
        "fashion-mnist": _fashion_mnist(digits.FASHION_MNIST_FOLDER),
    }
)
"""Data sets by name."""

FOLDERS: Mapping[str, Callable[[Path], Source]] = MappingProxyType({"fashion-mnist": _fashion_mnist})
"""Data sets that are read from a place of the user's, by what stands before the colon."""

DATA_HELP = "mnist-5k, fashion-mnist or fashion-mnist:FOLDER"
"""The names, for a command's help."""


def data_source(name: str) -> Source:
    """Find a data set by name, or by kind and folder as ``fashion-mnist:FOLDER``.

    Raises:
        DataError: no data set of that name, a folder for one that has none, or a folder that holds none.
    """
    kind, colon, folder = name.partition(":")
    known = sorted({*SOURCES, *FOLDERS})
    if kind not in known:
        raise DataError(f"No data set {kind!r}. Known: {', '.join(known)}.")
    if not colon:
        if kind not in SOURCES:
            raise DataError(f"{kind} is read from a place of yours. Give --data {kind}:PLACE.")
        return SOURCES[kind]
    if kind not in FOLDERS:
        raise DataError(f"{kind} is read from no folder, so {folder!r} says nothing. Give --data {kind}.")
    if not folder:
        raise DataError(f"{name!r} names no folder. Give --data {kind}:FOLDER.")
    return FOLDERS[kind](Path(folder))


def data_label(name: str) -> str:
    """Make a data set's name fit for a file's: of a folder, a checksum is left, so that two folders have two names."""
    kind, colon, folder = name.partition(":")
    return f"{kind}-{zlib.crc32(folder.encode()):08x}" if colon else kind
