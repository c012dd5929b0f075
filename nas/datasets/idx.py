"""Files in MNIST's IDX format, plain or gzipped: a magic number, one size per dimension, then that many bytes.

The reader is strict: a file that is shorter or longer than its head says, or holds anything but unsigned bytes of the
wanted shape, is refused. It knows no data set.
"""

from __future__ import annotations

import gzip
import io
import math
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nas.errors import DataError

_UNSIGNED_BYTES = 0x08
_CHUNK = 1 << 20


def find_idx(folder: Path, name: str) -> Path:
    """Find a file by its name without ``.gz``; the plain one goes before the gzipped.

    Raises:
        DataError: there is neither.
    """
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise DataError(f"{folder} has neither {name} nor {name}.gz. Name the folder that holds the IDX files.")


def read_idx(path: Path, *, item: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """Read unsigned bytes, shape (n,) before ``item``.

    Args:
        path: gzipped where its name ends in ``.gz``.
        item: shape of one item, () for labels.

    Raises:
        DataError: the file cannot be read, or is not what its head or ``item`` says.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return _read(file, path, item)
    except EOFError as exc:
        raise DataError(f"{path} is torn: its gzip stream stops before its end. Copy it again.") from exc
    except (gzip.BadGzipFile, zlib.error) as exc:
        raise DataError(f"{path} is no sound gzip file: {exc}. Copy it again.") from exc
    except OSError as exc:
        raise DataError(
            f"Cannot read {path}: {exc.strerror or exc}. Make it readable, or name another folder."
        ) from exc


def _read(file: io.BufferedIOBase, path: Path, item: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    head = _up_to(file, 4 * (2 + len(item)))
    magic = bytes((0, 0, _UNSIGNED_BYTES, 1 + len(item)))
    if head[:4] != magic:
        raise DataError(f"{path} begins with {head[:4].hex() or 'nothing'}, not with {magic.hex()}: no such IDX file.")
    sizes = tuple(int.from_bytes(head[at : at + 4]) for at in range(4, len(head), 4))
    if len(head) < 4 * (2 + len(item)):
        raise DataError(f"{path} is torn: it stops within its head of {4 * (2 + len(item))} bytes. Copy it again.")
    if sizes[1:] != item:
        raise DataError(f"{path} holds items of {_by(sizes[1:])}, not of {_by(item)}. Name another folder.")
    expected = math.prod(sizes)
    body = _up_to(file, expected + 1)
    if len(body) < expected:
        raise DataError(f"{path} is torn: {len(body)} of {expected} bytes follow its head. Copy it again.")
    if len(body) > expected:
        raise DataError(f"{path} goes on after the {expected} bytes that its head tells of. Copy it again.")
    return np.frombuffer(body, dtype=np.uint8).reshape(sizes)


def _up_to(file: io.BufferedIOBase, count: int) -> bytes:
    """Read so many bytes or until the end, in pieces: a head that lies about a size must not fill the memory."""
    pieces: list[bytes] = []
    while count and (piece := file.read(min(count, _CHUNK))):
        pieces.append(piece)
        count -= len(piece)
    return b"".join(pieces)


def _by(sizes: tuple[int, ...]) -> str:
    return "×".join(map(str, sizes)) or "one byte"
