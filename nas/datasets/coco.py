"""COCO: photographs with object masks, as ``annotations/instances_*.json`` tells of them (Lin et al., ECCV 2014).

For segmentation, every pixel is of the category of the object there, the smaller one where two lie on each other, or
background; for classification, an image is of the category of its largest object. Images without objects are left out.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from nas.datasets.augmentation import photographs
from nas.datasets.photographs import in_parallel, opened, room, square
from nas.datasets.splits import Data, Labels, Part, Pixels, assemble, deal, set_aside
from nas.errors import DataError
from nas.space import Task

if TYPE_CHECKING:
    from pycocotools.coco import COCO

SIDE = 224
"""Pixels, where nobody says otherwise."""

_FEWEST = 8
"""Images that can be dealt out to three parts."""
_FEWEST_OF_CLASS = 4
"""Images whose largest object is of one category, that can be dealt out."""
_LARGEST_CLASS = 255
"""Masks are held as bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Annotated:
    """One annotation file: which images there are, and where."""

    coco: COCO
    images: Path
    """Their folder."""
    names: tuple[str, ...]
    """Files of the images that have objects, by number of the image."""
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CocoFolder:
    """What lies in a folder."""

    folder: Path
    task: Task
    categories: tuple[int, ...]
    """Numbers of those that some object to learn from is of; class i of a mask is the i-th, from 1 on."""
    learned: Annotated
    """To be dealt out."""
    held_out: Annotated | None
    """``instances_val*.json``: to report on."""

    @property
    def classes(self) -> int:
        """How many there are, the background of masks among them."""
        return len(self.categories) + (self.task is Task.SEGMENTATION)

    def load(self, side: int, seed: int) -> Data:
        """Read all images as they are dealt out by ``seed``.

        With annotations of ``val``, those images are the part to report on, and part of the others is set aside to choose
        by; without, as many again are set aside to report on.

        Raises:
            DataError: a broken image, one of another size than its annotations say, or too many.
        """
        count = len(self.learned.names)
        labels = self._largest(self.learned) if self.task is Task.CLASSIFICATION else np.zeros(count, dtype=np.int64)
        share = set_aside(count)
        places = deal(labels, parts=(1 - share * (1 if self.held_out else 2), share), seed=seed)
        train, validation, rest = (self._read(self.learned, chosen, side) for chosen in places)
        test = rest if self.held_out is None else self._read(self.held_out, range(len(self.held_out.names)), side)
        return assemble(str(self.folder), self.classes, (train, validation, test), photographs(side))

    def _read(self, source: Annotated, places: Sequence[int], side: int) -> Part:
        images = room(len(places), side)
        masks = np.zeros((len(places), side, side), dtype=np.uint8)

        def read(place: int) -> None:
            number = places[place]
            with opened(source.images / source.names[number]) as image:
                told = source.coco.imgs[source.numbers[number]]
                if image.size != (told["width"], told["height"]):
                    raise DataError(
                        f"{source.images / source.names[number]} is {image.size[0]}×{image.size[1]} pixels; its "
                        f"annotations say {told['width']}×{told['height']}. Get the image that belongs to them."
                    )
                images[place] = np.moveaxis(np.asarray(square(image.convert("RGB"), side)), -1, 0)
            if self.task is Task.SEGMENTATION:
                mask = Image.fromarray(self._mask(source, number))
                masks[place] = np.asarray(square(mask, side, Image.Resampling.NEAREST))

        in_parallel(read, len(places))
        if self.task is Task.SEGMENTATION:
            return Part(images=images, labels=masks)
        return Part(images=images, labels=self._largest(source)[list(places)])

    def _mask(self, source: Annotated, number: int) -> Pixels:
        """Paint an image's objects, the large ones first."""
        told = source.coco.imgs[source.numbers[number]]
        mask = np.zeros((told["height"], told["width"]), dtype=np.uint8)
        for one in sorted(_objects(source, number), key=lambda one: -one["area"]):
            if one["category_id"] in self.categories:
                mask[_drawn(source, one, mask.shape) > 0] = 1 + self.categories.index(one["category_id"])
        return mask

    def _largest(self, source: Annotated) -> Labels:
        """Give the class of each image's largest object."""
        largest = (
            max(_objects(source, number, self.categories), key=lambda one: one["area"])["category_id"]
            for number in range(len(source.names))
        )
        return np.array([self.categories.index(category) for category in largest], dtype=np.int64)


def find_coco(folder: Path, task: Task) -> CocoFolder:
    """Look into a folder with ``annotations/`` and the images beside it.

    Raises:
        DataError: pycocotools is not installed, no annotations, images that are not there, or fewer than two classes.
    """
    try:
        train = _annotations(folder, "train") or _annotations(folder, "")
        if train is None:
            raise DataError(
                f"{folder / 'annotations'} has no instances_train*.json. Name the folder above annotations/."
            )
        val = _annotations(folder, "val")
        learned = _annotated(folder, train)
        held_out = None if val is None or val == train else _annotated(folder, val)
    except OSError as exc:
        raise DataError(f"Cannot look into {folder}: {exc.strerror or exc}. Name another folder.") from exc
    categories = _categories(learned, task)
    learned = _with_objects(learned, categories)
    if held_out is not None:
        held_out = _with_objects(held_out, categories)
    found = CocoFolder(folder=folder, task=task, categories=categories, learned=learned, held_out=held_out)
    if found.classes < 2:
        raise DataError(f"{train} has objects of {len(categories)} categories: there is nothing to tell apart.")
    if found.classes > _LARGEST_CLASS:
        raise DataError(
            f"{train} has objects of {len(categories)} categories: no more than {_LARGEST_CLASS - 1} can be."
        )
    if len(learned.names) < _FEWEST:
        raise DataError(f"{train} tells of {len(learned.names)} images with objects: at least {_FEWEST} are needed.")
    return found


def _annotations(folder: Path, part: str) -> Path | None:
    """Find the annotations of a part; of several years, nobody says which."""
    found = sorted((folder / "annotations").glob(f"instances_{part}*.json"))
    if len(found) > 1:
        told = ", ".join(path.name for path in found)
        raise DataError(f"{folder / 'annotations'} holds {told}. Leave one of each part there.")
    return found[0] if found else None


def _annotated(folder: Path, path: Path) -> Annotated:
    """Read annotations, and find the folder of their images: named as they are, or ``images``."""
    part = path.stem.removeprefix("instances_")
    places = (folder / part, folder / "images" / part, folder / "images")
    images = next((place for place in places if place.is_dir()), None)
    if images is None:
        raise DataError(f"{path} tells of images, and there is no folder {places[0]} or {places[2]}. Put them there.")
    state = path.stat()
    return _with_objects(
        Annotated(coco=_read(path, state.st_mtime_ns, state.st_size), images=images, names=(), numbers=()), None
    )


def _with_objects(source: Annotated, categories: Sequence[int] | None) -> Annotated:
    """Keep the images that have an object, of one of some categories where they are given."""
    wanted = None if categories is None else set(categories)
    numbers = tuple(
        number
        for number in sorted(source.coco.imgs)
        if any(wanted is None or one["category_id"] in wanted for one in source.coco.imgToAnns.get(number, ()))
    )
    names = tuple(source.coco.imgs[number]["file_name"] for number in numbers)
    return Annotated(coco=source.coco, images=source.images, names=names, numbers=numbers)


@functools.lru_cache(maxsize=2)
def _read(path: Path, _changed: int, _size: int) -> COCO:
    """Read an annotation file once while it stays as it is."""
    try:
        from pycocotools.coco import COCO  # noqa: PLC0415 - an extra
    except ImportError as exc:
        raise DataError("COCO is read by pycocotools, which is not installed. pip install 'autocomet[coco]'.") from exc
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it tells of its progress there
            coco = COCO(path)
        for image in coco.imgs.values():
            _ = image["file_name"], image["width"], image["height"]
        for one in coco.anns.values():
            _ = one["area"], one["category_id"], one["segmentation"], coco.imgs[one["image_id"]]
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, AssertionError) as exc:
        reason = f"nothing is said of {exc}" if isinstance(exc, KeyError) else str(exc).splitlines()[0]
        raise DataError(f"{path} is no file of COCO's annotations: {reason}. Get it again.") from exc
    return coco


def _objects(source: Annotated, number: int, categories: Sequence[int] | None = None) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = source.coco.imgToAnns[source.numbers[number]]
    return [one for one in found if categories is None or one["category_id"] in categories]


def _drawn(source: Annotated, one: Mapping[str, Any], shape: tuple[int, ...]) -> Pixels:
    """Draw an object's mask from its polygons or its run lengths; pycocotools would take what is neither for something."""
    told = one["segmentation"]
    drawn: Pixels | None = None
    with contextlib.suppress(ValueError):
        if _are_polygons(told) or _are_runs(told, shape):
            drawn = source.coco.annToMask(one)
    if drawn is None:
        name = source.coco.imgs[one["image_id"]]["file_name"]
        raise DataError(
            f"Object {one.get('id')} of {source.images / name} has no mask that could be drawn: its annotation must be "
            f"polygons, or run lengths of {shape[1]}×{shape[0]} pixels. Correct it or take it away."
        )
    return drawn


def _are_polygons(told: object) -> bool:
    """Tell a list of polygons, of three points at least each."""
    return (
        isinstance(told, list)
        and bool(told)
        and all(isinstance(one, list) and len(one) >= 6 and len(one) % 2 == 0 for one in told)
    )


def _are_runs(told: object, shape: tuple[int, ...]) -> bool:
    """Tell run lengths of an image's pixels; compressed ones are pycocotools' to look into."""
    if not isinstance(told, dict) or told.get("size") != list(shape):
        return False
    counts = told.get("counts")
    return isinstance(counts, str) or (isinstance(counts, list) and sum(counts) == shape[0] * shape[1])


def _categories(source: Annotated, task: Task) -> tuple[int, ...]:
    """List the categories that can be learned: of any object, or of the largest in enough images to be dealt out."""
    if task is Task.SEGMENTATION:
        return tuple(sorted({one["category_id"] for one in source.coco.anns.values()}))
    largest = (max(_objects(source, number), key=lambda one: one["area"]) for number in range(len(source.names)))
    counts = Counter(one["category_id"] for one in largest)
    return tuple(sorted(category for category, count in counts.items() if count >= _FEWEST_OF_CLASS))
