"""Photographs from files, as bytes of one size: the middle square of each, in colour. Broken files are named."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from nas.datasets.splits import Pixels
from nas.errors import DataError

CHANNELS = 3
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".gif", ".ppm", ".pgm", ".tif", ".tiff"})
"""Files that are taken for images; whatever else lies beside them is passed over."""

_SIDES = range(8, 1025)
_MEMORY = 0.7
"""Share of the machine's memory that images may take."""


def place_and_side(place: str, usual: int) -> tuple[Path, int]:
    """Part ``FOLDER@SIDE``; without a side at its end, it is ``usual``.

    Raises:
        DataError: a side that images cannot have.
    """
    folder, at, side = place.rpartition("@")
    if not (at and side.isdecimal()):
        return Path(place), usual
    if int(side) not in _SIDES:
        raise DataError(
            f"Images of {side} pixels a side are none to learn from. Give @{_SIDES.start} to @{_SIDES.stop - 1}."
        )
    return Path(folder), int(side)


def image_files(folder: Path) -> list[Path]:
    """List a folder's images by name, hidden files left out."""
    return sorted(
        path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and not path.name.startswith(".")
    )


def read_photographs(paths: Sequence[Path], side: int) -> Pixels:
    """Read images, shape (n, 3, side, side), bytes.

    Raises:
        DataError: a file that cannot be read, or more than the memory holds.
    """
    pixels = room(len(paths), side)

    def read(place: int) -> None:
        with opened(paths[place]) as image:
            pixels[place] = np.moveaxis(np.asarray(square(image.convert("RGB"), side)), -1, 0)

    in_parallel(read, len(paths))
    return pixels


def room(images: int, side: int) -> Pixels:
    """Make room for images, shape (n, 3, side, side).

    Raises:
        DataError: more than the memory holds.
    """
    needed = images * CHANNELS * side * side
    there = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > _MEMORY * there:
        raise DataError(
            f"{images} images of {side} pixels a side take {needed / 2**30:.1f} GiB, of {there / 2**30:.1f} GiB of memory "
            f"here. Give fewer pixels, as @{side // 2} behind the folder."
        )
    return np.empty((images, CHANNELS, side, side), dtype=np.uint8)


def in_parallel(read: Callable[[int], None], count: int) -> None:
    """Call a function for every place; decoding lets other threads run."""
    with ThreadPoolExecutor() as pool:
        for _ in pool.map(read, range(count)):
            pass


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Open an image, the right way up.

    Raises:
        DataError: it cannot be decoded, while it is open, too.
    """
    try:
        with Image.open(path) as image:
            yield ImageOps.exif_transpose(image)
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as exc:
        reason = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        raise DataError(f"{path} is no image that can be read: {reason}. Replace it or take it away.") from exc


def square(image: Image.Image, side: int, resampling: Image.Resampling = Image.Resampling.BILINEAR) -> Image.Image:
    """Cut out the middle square and bring it to a size."""
    return ImageOps.fit(image, (side, side), method=resampling)
