"""Data sets by name: what is known of each before it is loaded, and how to load it. Nothing is downloaded."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

from nas.datasets import coco, digits, folders, masks, silhouettes
from nas.datasets.photographs import CHANNELS, place_and_side
from nas.datasets.splits import Data, Split, Tensor
from nas.datasets.table_accuracy import TableAccuracy, parse_table, table_image
from nas.errors import DataError
from nas.space import Image, Space, Task
from nas.training.schedule import MNIST_5K_SCHEDULES, Schedules, usual_schedules

__all__ = ["PLACES", "SOURCES", "Data", "Source", "Split", "Tensor", "data_label", "data_source"]


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
    answers: Callable[[Space], TableAccuracy] | None = None
    """Gives what knows the accuracies of a space's networks already; then there are no images, and nothing is trained."""


_SMALL = Image(channels=1, height=digits.SIDE, width=digits.SIDE)
_FASHION_TRAINING = 55_000


def _fashion_mnist(folder: Path) -> Source:
    return Source(
        image=_SMALL,
        classes=digits.CLASSES,
        load=partial(digits.fashion_mnist, folder),
        schedules=usual_schedules(_FASHION_TRAINING),
    )


def _images(place: str) -> Source:
    folder, side = place_and_side(place, folders.SIDE)
    found = folders.find_images(folder)
    return Source(
        image=_photograph(side),
        classes=len(found.classes),
        load=partial(found.load, side),
        schedules=usual_schedules(len(found.learned.files)),
    )


def _coco(task: Task, place: str) -> Source:
    folder, side = place_and_side(place, coco.SIDE)
    found = coco.find_coco(folder, task)
    return Source(
        image=_photograph(side),
        classes=found.classes,
        load=partial(found.load, side),
        task=task,
        schedules=usual_schedules(len(found.learned.names)),
    )


def _masks(place: str) -> Source:
    found = masks.read_masks(Path(place))
    images, channels, height, width = found.part.images.shape
    return Source(
        image=Image(channels=channels, height=height, width=width),
        classes=found.classes,
        load=found.load,
        task=Task.SEGMENTATION,
        schedules=usual_schedules(images),
    )


def _silhouettes(place: str | None) -> Source:
    folder, side = (None, silhouettes.SIDE) if place is None else place_and_side(place, silhouettes.SIDE)
    return Source(
        image=_photograph(side),
        classes=2,
        load=partial(silhouettes.silhouettes, folder, side),
        task=Task.SEGMENTATION,
        schedules=usual_schedules(silhouettes.TRAINING_IMAGES),
    )


def _table(place: str) -> Source:
    path, options = parse_table(place)

    def no_images(_seed: int) -> Data:
        raise DataError(f"{path} is a table of accuracies: it has no images to train networks on. Give other --data.")

    return Source(
        image=table_image(options),
        classes=options.classes,
        load=no_images,
        answers=lambda space: TableAccuracy(space, path, options),
    )


def _photograph(side: int) -> Image:
    return Image(channels=CHANNELS, height=side, width=side)


SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        "mnist-5k": Source(image=_SMALL, classes=digits.CLASSES, load=digits.mnist_5k),
        "fashion-mnist": _fashion_mnist(digits.FASHION_MNIST_FOLDER),
        "silhouettes": _silhouettes(None),
    }
)
"""Data sets by name."""

PLACES: Mapping[str, Callable[[str], Source]] = MappingProxyType(
    {
        "fashion-mnist": lambda place: _fashion_mnist(Path(place)),
        "silhouettes": _silhouettes,
        "images": _images,
        "coco": partial(_coco, Task.SEGMENTATION),
        "coco-largest": partial(_coco, Task.CLASSIFICATION),
        "masks": _masks,
        "table": _table,
    }
)
"""Data sets that are read from a place of the user's, by what stands before the colon; the place is what stands behind."""


def data_source(name: str) -> Source:
    """Find a data set by name, or by kind and place as ``fashion-mnist:FOLDER``.

    Raises:
        DataError: no data set of that name, a folder for one that has none, or a folder that holds none.
    """
    kind, colon, folder = name.partition(":")
    known = sorted({*SOURCES, *PLACES})
    if kind not in known:
        raise DataError(f"No data set {kind!r}. Known: {', '.join(known)}.")
    if not colon:
        if kind not in SOURCES:
            raise DataError(f"{kind} is read from a place of yours. Give --data {kind}:PLACE.")
        return SOURCES[kind]
    if kind not in PLACES:
        raise DataError(f"{kind} is read from no folder, so {folder!r} says nothing. Give --data {kind}.")
    if not folder:
        raise DataError(f"{name!r} names no place. Give --data {kind}:PLACE.")
    return PLACES[kind](folder)


def data_label(name: str) -> str:
    """Make a data set's name fit for a file's: of a folder, a checksum is left, so that two folders have two names."""
    kind, colon, folder = name.partition(":")
    return f"{kind}-{zlib.crc32(folder.encode()):08x}" if colon else kind
