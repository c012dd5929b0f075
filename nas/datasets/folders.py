"""Folders of images, one per class: in ImageNet's layout, ``train/CLASS/`` and ``val/CLASS/``, or ``CLASS/`` alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nas.datasets.augmentation import photographs
from nas.datasets.photographs import image_files, read_photographs
from nas.datasets.splits import Data, Part, assemble, deal, set_aside
from nas.errors import DataError

SIDE = 224
"""Pixels, where nobody says otherwise."""

_FEWEST = 4
"""Images of a class that can be dealt out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The images of a part: their files, and each one's class."""

    files: tuple[Path, ...]
    labels: tuple[int, ...]

    def take(self, places: Sequence[int]) -> Listing:
        """Give some of it."""
        return Listing(files=tuple(self.files[i] for i in places), labels=tuple(self.labels[i] for i in places))

    def read(self, side: int) -> Part:
        """Read the images."""
        return Part(images=read_photographs(self.files, side), labels=np.array(self.labels, dtype=np.int64))


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFolder:
    """What lies in a folder."""

    folder: Path
    classes: tuple[str, ...]
    learned: Listing
    """To be dealt out."""
    held_out: Listing | None
    """``val/``: to report on."""

    def load(self, side: int, seed: int) -> Data:
        """Read all images as they are dealt out by ``seed``.

        With ``val/``, that is the part to report on, and part of ``train/`` is set aside to choose by; without, as many
        again are set aside to report on.

        Raises:
            DataError: a broken image, or too many.
        """
        labels = np.array(self.learned.labels, dtype=np.int64)
        share = set_aside(len(labels))
        train, validation, rest = deal(labels, parts=(1 - share * (1 if self.held_out else 2), share), seed=seed)
        test = self.held_out or self.learned.take(rest)
        parts = (self.learned.take(train), self.learned.take(validation), test)
        return assemble(str(self.folder), len(self.classes), (part.read(side) for part in parts), photographs(side))


def find_images(folder: Path) -> ImageFolder:
    """Look into a folder.

    Raises:
        DataError: no such folder, no images, one class only, a class of too few images, or one in ``val/`` alone.
    """
    try:
        return _find(folder)
    except OSError as exc:
        raise DataError(f"Cannot look into {folder}: {exc.strerror or exc}. Name another folder.") from exc


def _find(folder: Path) -> ImageFolder:
    if not folder.is_dir():
        raise DataError(f"No folder {folder}. Name one that holds a folder of images per class, or train/ and val/.")
    layered = (folder / "train").is_dir()
    classes, learned = _listed(folder / "train" if layered else folder, fewest=_FEWEST)
    if not (layered and (folder / "val").is_dir()):
        return ImageFolder(folder=folder, classes=classes, learned=learned, held_out=None)
    others, held_out = _listed(folder / "val", fewest=1)
    for name in others:
        if name not in classes:
            raise DataError(f"{folder / 'val'} has a class {name}, and {folder / 'train'} none: it cannot be learned.")
    labels = tuple(classes.index(others[label]) for label in held_out.labels)
    return ImageFolder(
        folder=folder, classes=classes, learned=learned, held_out=Listing(files=held_out.files, labels=labels)
    )


def _listed(folder: Path, *, fewest: int) -> tuple[tuple[str, ...], Listing]:
    """List a folder's classes by name, and their images."""
    inner = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    if not inner:
        raise DataError(f"{folder} has no folders, and one per class is looked for. Put each class's images into one.")
    if len(inner) < 2:
        raise DataError(
            f"{folder} has one class, {inner[0].name}: there is nothing to tell apart. At least 2 are needed."
        )
    files: list[Path] = []
    labels: list[int] = []
    for label, one in enumerate(inner):
        found = image_files(one)
        if len(found) < fewest:
            raise DataError(f"{one} has {len(found)} images: at least {fewest} of each class are needed.")
        files += found
        labels += [label] * len(found)
    return tuple(path.name for path in inner), Listing(files=tuple(files), labels=tuple(labels))
