"""Images and masks in one ``.npz`` file: ``images``, bytes (n, H, W) or (n, H, W, C), and ``masks``.

Masks are (n, H, W), truth values or bytes that say a pixel's class, 0 being the background; or truth values eight to a byte
along the last axis, as ``numpy.packbits`` makes them, which their shape tells.
"""

from __future__ import annotations

import functools
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from nas.datasets.augmentation import photographs
from nas.datasets.splits import Data, Part, Pixels, assemble, deal, set_aside
from nas.errors import DataError

_FEWEST = 8
"""Images that can be dealt out to three parts."""
_CHANNELS = (1, 2, 3, 4)
_MADE = "It is made by numpy.savez(FILE, images=…, masks=…)."

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedImages:
    """What lies in a file."""

    path: Path
    part: Part
    classes: int

    def load(self, seed: int) -> Data:
        """Deal the images out by ``seed``: a quarter to choose by, as many to report on, 5,000 of each at most."""
        share = set_aside(len(self.part.images))
        alike = np.zeros(len(self.part.images), dtype=np.int64)
        parts = deal(alike, parts=(1 - 2 * share, share), seed=seed)
        side = min(self.part.images.shape[2:])
        return assemble(str(self.path), self.classes, map(self.part.take, parts), photographs(side))


def read_masks(path: Path) -> MaskedImages:
    """Read and check a file; nothing in it is executed.

    Raises:
        DataError: no such file, arrays of another kind or shape, or classes that do not follow on each other from 0.
    """
    try:
        state = path.stat()
    except OSError as exc:
        raise DataError(f"Cannot read {path}: {exc.strerror or exc}. Name an .npz file.") from exc
    return _read(path, state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=1)
def _read(path: Path, _changed: int, _size: int) -> MaskedImages:
    """Read a file once while it stays as it is."""
    try:
        if not zipfile.is_zipfile(path):
            raise DataError(f"{path} is no .npz file. {_MADE}")
        with np.load(path, allow_pickle=False) as file:
            missing = [name for name in ("images", "masks") if name not in file]
            if missing:
                raise DataError(f"{path} has no array {missing[0]!r}. {_MADE}")
            raw, masks = file["images"], file["masks"]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as exc:
        reason = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        raise DataError(f"{path} is no .npz file that can be read: {reason}. Copy it again.") from exc
    images = _images(raw, path)
    labels = _labels(masks, images, path)
    return MaskedImages(path=path, part=Part(images=images, labels=labels), classes=_classes(labels, path))


def _images(images: Array, path: Path) -> Pixels:
    if images.dtype != np.uint8 or images.ndim not in {3, 4} or (images.ndim == 4 and images.shape[3] not in _CHANNELS):
        raise DataError(
            f"{path}: images are {images.dtype} of shape {images.shape}. They must be uint8, (n, H, W) or (n, H, W, C)."
        )
    if len(images) < _FEWEST:
        raise DataError(f"{path} has {len(images)} images: at least {_FEWEST} are needed.")
    laid: Pixels = images[:, None] if images.ndim == 3 else np.moveaxis(images, -1, 1)
    return np.ascontiguousarray(laid)


def _labels(masks: Array, images: Pixels, path: Path) -> Pixels:
    n, _, height, width = images.shape
    if masks.dtype in {np.dtype(np.bool_), np.dtype(np.uint8)} and masks.shape == (n, height, width):
        return masks.astype(np.uint8)
    if masks.dtype == np.uint8 and masks.shape == (n, height, -(-width // 8)):
        return np.unpackbits(masks, axis=-1, count=width)
    raise DataError(
        f"{path}: masks are {masks.dtype} of shape {masks.shape}. For these images they must be bool or uint8 of shape "
        f"({n}, {height}, {width}), or packed to ({n}, {height}, {-(-width // 8)})."
    )


def _classes(labels: Pixels, path: Path) -> int:
    """Count the classes, the background among them."""
    counts = np.bincount(labels.ravel(), minlength=256)
    found = np.flatnonzero(counts)
    if len(found) < 2:
        raise DataError(f"{path}: every pixel of every mask is of class {found[0]}. There is nothing to tell apart.")
    if found[-1] != len(found) - 1:
        told = ", ".join(map(str, found[:6])) + (", …" if len(found) > 6 else "")
        raise DataError(
            f"{path}: masks hold the classes {told}. They must follow on each other from 0, the background."
        )
    return len(found)
