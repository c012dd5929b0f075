"""What every reader of a dump hands back, so that one command can print, export and count any of them.

A reader is a pure function from bytes to a :class:`Dump`: records (frozen values of the reader's own type), whatever could
not be read as :class:`Reject`, and, where the dump tells of layers, cells of ``stats.parquet``. Nothing here knows any
format; :mod:`parsers.kinds` lists the readers.
"""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, tzinfo
from enum import Enum, Flag
from pathlib import Path
from typing import Any

import numpy as np

from parsers.device_config import DeviceConfig
from parsers.errors import DumpError
from parsers.schema import Value


class MappedFile(mmap.mmap):
    """A file's bytes, mapped; and copied where a reader goes through them once, which costs less than mapping every page."""

    descriptor: int
    """Of the open file."""

    def read_into(self, buffer: bytearray, offset: int) -> int:
        """Copy the bytes from an offset on, as many as were mapped and fit; returns their number.

        A file that has grown since gives no more than was mapped, one that was cut gives fewer.
        """
        size = max(0, min(len(buffer), len(self) - offset))
        if hasattr(os, "preadv"):  # not on Windows
            with memoryview(buffer) as whole, whole[:size] as part:
                return os.preadv(self.descriptor, [part], offset)
        buffer[:size] = self[offset : offset + size]
        return size


Buffer = bytes | mmap.mmap
"""A dump's bytes, in memory or mapped."""

Json = str | int | float | bool | None | list["Json"] | dict[str, "Json"]

HEAD_BYTES = 65_536
"""So much of a dump is looked at to tell its kind."""

LONGEST_REJECT = 200
"""Bytes of a rejected piece that are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """A piece of a dump that could not be read; it is counted and shown, never passed over in silence."""

    offset: int
    """Byte at which it begins."""
    reason: str
    """Few words, the same for all pieces of one sort, so that they can be counted by it."""
    text: bytes
    """How it begins, at most LONGEST_REJECT bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DumpSettings:
    """What the user says of a dump that the dump does not say itself."""

    join: bool = False
    """Join neighbouring log lines with an equal header into one record."""
    capture_date: date | None = None
    """When the dump was taken: where logs without a year get theirs from."""
    timezone: tzinfo | None = None
    """Of the device's clock, where the dump does not say."""
    device: DeviceConfig | None = None
    """Whose numbers these are: gives rows their context."""
    name: str = ""
    """The dump's file name without its ending: the campaign of rows made of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dump:
    """A dump as it was read."""

    records: Iterable[Any]
    """Frozen dataclasses, in the dump's order. May be an iterator that reads a large file as it goes, once."""
    rejects: Sequence[Reject] = ()
    """Complete when ``records`` is used up."""
    notes: Sequence[str] = ()
    """What a reader of the result should know, a sentence each: an inferred unit and its evidence, a section left out.
    Complete when ``records`` is used up."""
    cells: Sequence[Mapping[str, Value]] = ()
    """Rows of ``stats.parquet``, by column; a column that is absent is null. Empty where the dump tells of no layer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of dump: how it is told from others, and who reads it."""

    name: str
    """What ``--kind`` takes."""
    meaning: str
    """Which program writes it, in a few words."""
    looks_like: Callable[[bytes, str], bool]
    """Given the first HEAD_BYTES and the file's name: certainly of this kind. Never raises; false where in doubt."""
    read: Callable[[Buffer, DumpSettings], Dump]
    """Read a dump; raises a ParsersError where the whole is not of this kind."""


@contextmanager
def mapped(path: Path) -> Iterator[Buffer]:
    """Give a file's bytes without reading it into memory; only a pipe is.

    Raises:
        DumpError: no such file, or it cannot be read.
    """
    with ExitStack() as stack:
        try:
            handle = stack.enter_context(path.open("rb"))
            status = os.fstat(handle.fileno())
            if stat.S_ISREG(status.st_mode) and status.st_size:
                data: Buffer = stack.enter_context(closing(_map(handle.fileno())))
            else:
                data = handle.read()
        except IsADirectoryError as error:
            raise DumpError(f"{path} is a folder; name the files in it.") from error
        except (OSError, ValueError) as error:
            raise DumpError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error
        yield data


def _map(descriptor: int) -> MappedFile:
    data = MappedFile(descriptor, 0, access=mmap.ACCESS_READ)
    data.descriptor = descriptor
    return data


def record_to_json(record: Any) -> dict[str, Json]:
    """Turn a record into what ``--json`` prints of it: its ``to_json()`` where it has one, else its fields.

    Enumerations become their values, flags the list of their names in lower case, bytes text with what is no UTF-8
    escaped, and NaN null.
    """
    own = getattr(record, "to_json", None)
    if own is not None:
        written: dict[str, Json] = own()
        return written
    return {item.name: _json(getattr(record, item.name)) for item in fields(record)}


def _json(value: Any) -> Json:
    if is_dataclass(value):
        return record_to_json(value)
    if isinstance(value, Flag):
        return [str(flag.name).lower() for flag in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _json(item) for key, item in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [_json(item) for item in value]
    return _scalar(value)


def _scalar(value: Any) -> Json:
    match value:
        case Enum():
            return _json(value.value)
        case bytes():
            return value.decode(errors="backslashreplace")
        case np.integer():
            return int(value)
        case str() | int() | None:
            return value
    return str(value)
