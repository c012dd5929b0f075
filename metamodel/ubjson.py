"""Read UBJSON, the binary form of JSON that XGBoost writes, with arrays of numbers as NumPy arrays.

``Booster.save_raw("ubj")`` and the files of a model folder are Universal Binary JSON, draft 12, as the ``UBJWriter`` of
XGBoost 2.1 to 3.2 writes it: objects end with ``}``, arrays carry their count (64 bits, as text does) and, where all elements are of one numeric
type, that type; numbers are big-endian. Text of JSON says the same and takes twenty times as long to read. What that
writer never writes (no-ops, high-precision numbers, arrays without a count) is an error here.
"""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt

NumberArray = npt.NDArray[np.number]
Value = dict[str, "Value"] | list["Value"] | NumberArray | str | int | float | bool | None

_NUMBERS = {
    marker: (struct.Struct(f">{code}"), np.dtype(f">{kind}"))
    for marker, code, kind in (
        (b"i", "b", "i1"),
        (b"U", "B", "u1"),
        (b"I", "h", "i2"),
        (b"l", "i", "i4"),
        (b"L", "q", "i8"),
        (b"d", "f", "f4"),
        (b"D", "d", "f8"),
    )
}
_LONG = _NUMBERS[b"L"][0]
_CONSTANTS: dict[bytes, bool | None] = {b"Z": None, b"T": True, b"F": False}


def read_ubjson(data: bytes) -> Value:
    """Read one document.

    Raises:
        ValueError: it is cut short, goes on behind its end, or holds what XGBoost does not write.
    """
    try:
        value, end = _value(data, 0)
    except struct.error as error:
        raise ValueError(f"UBJSON of {len(data)} bytes is cut short ({error}).") from error
    if end != len(data):
        raise ValueError(f"UBJSON ends at byte {end}, but there are {len(data)}.")
    return value


def _value(data: bytes, at: int) -> tuple[Value, int]:
    marker = data[at : at + 1]
    at += 1
    if marker == b"[":
        return _array(data, at)
    if marker == b"{":
        return _object(data, at)
    if marker == b"S":
        return _text(data, at)
    if marker in _NUMBERS:
        number = _NUMBERS[marker][0]
        return number.unpack_from(data, at)[0], at + number.size
    if marker in _CONSTANTS:
        return _CONSTANTS[marker], at
    raise _unreadable(data, at - 1)


def _object(data: bytes, at: int) -> tuple[dict[str, Value], int]:
    members: dict[str, Value] = {}
    while data[at : at + 1] != b"}":
        name, at = _text(data, at)
        members[name], at = _value(data, at)
    return members, at + 1


def _array(data: bytes, at: int) -> tuple[Value, int]:
    kind = None
    if data[at : at + 1] == b"$":
        if data[at + 1 : at + 2] not in _NUMBERS:
            raise _unreadable(data, at + 1)
        kind = _NUMBERS[data[at + 1 : at + 2]][1]
        at += 2
    if data[at : at + 1] != b"#":
        raise _unreadable(data, at)
    count, at = _count(data, at + 1)
    if kind is not None:
        end = at + count * kind.itemsize
        if end > len(data):
            raise _cut_short(data, at, end)
        return np.frombuffer(data, kind, count, at), end
    items: list[Value] = []
    for _ in range(count):
        item, at = _value(data, at)
        items.append(item)
    return items, at


def _text(data: bytes, at: int) -> tuple[str, int]:
    count, at = _count(data, at)
    end = at + count
    if end > len(data):
        raise _cut_short(data, at, end)
    return data[at:end].decode(), end


def _count(data: bytes, at: int) -> tuple[int, int]:
    if data[at : at + 1] != b"L":
        raise _unreadable(data, at)
    count = _LONG.unpack_from(data, at + 1)[0]
    if count < 0:
        raise ValueError(f"UBJSON has a count of {count} at byte {at}.")
    return count, at + 9


def _unreadable(data: bytes, at: int) -> ValueError:
    if at >= len(data):
        return ValueError(f"UBJSON of {len(data)} bytes is cut short.")
    return ValueError(f"UBJSON has {data[at : at + 1]!r} at byte {at}, which XGBoost does not write there.")


def _cut_short(data: bytes, at: int, end: int) -> ValueError:
    return ValueError(f"UBJSON says that bytes {at} to {end} hold a value, but there are {len(data)}.")
