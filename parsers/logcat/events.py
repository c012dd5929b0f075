"""The payload of an event: a number that names it, and typed values, printed as logcat prints them.

After ``android_log_printBinaryEvent`` in AOSP's ``liblog/logprint.cpp``. The names of events are in a file of the phone
(``event-log-tags``), so the tag is the number in brackets, which is also what logcat prints without that file.
"""

from __future__ import annotations

import struct

_INT, _LONG, _STRING, _LIST, _FLOAT = range(5)
_NUMBERS = {_INT: struct.Struct("<i"), _LONG: struct.Struct("<q"), _FLOAT: struct.Struct("<f")}
_LENGTH = struct.Struct("<I")
_TAG = struct.Struct("<I")
_DEEPEST = 16


class _Values:
    """Reads values from left to right."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def value(self, depth: int = 0) -> str | None:
        """Print the next value; ``None`` where there is none of a known type, or it ends too soon."""
        if self.at >= len(self._data) or depth > _DEEPEST:
            return None
        kind = self._data[self.at]
        self.at += 1
        if kind == _LIST:
            return self._list(depth)
        if kind == _STRING:
            length = self._number(_LENGTH)
            return None if length is None else self._string(int(length))
        number = self._number(_NUMBERS[kind]) if kind in _NUMBERS else None
        if number is None:
            return None
        return f"{number:f}" if kind == _FLOAT else str(number)

    def _number(self, form: struct.Struct) -> float | None:
        if self.at + form.size > len(self._data):
            return None
        (number,) = form.unpack_from(self._data, self.at)
        self.at += form.size
        return float(number) if isinstance(number, float) else int(number)

    def _string(self, length: int) -> str | None:
        text = self._data[self.at : self.at + length]
        self.at += length
        return text.decode(errors="surrogateescape") if len(text) == length else None

    def _list(self, depth: int) -> str | None:
        if self.at >= len(self._data):
            return None
        count = self._data[self.at]
        self.at += 1
        values: list[str] = []
        for _ in range(count):
            value = self.value(depth + 1)
            if value is None:
                return None
            values.append(value)
        return f"[{','.join(values)}]"


def event_text(payload: bytes) -> tuple[str, str] | None:
    """Give an event's tag and message; ``None`` where the payload is none."""
    if len(payload) < _TAG.size:
        return None
    (number,) = _TAG.unpack_from(payload)
    values = _Values(payload[_TAG.size :])
    if len(payload) == _TAG.size:
        return f"[{number}]", ""
    text = values.value()
    rest = payload[_TAG.size + values.at :]
    return None if text is None or rest not in {b"", b"\n"} else (f"[{number}]", text)
