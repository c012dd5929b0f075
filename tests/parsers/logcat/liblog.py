"""Renders records as Android's own library does, for tests: AOSP's ``android_log_formatLogLine``, and ``logcat -B``.

Written from that function, and apart from the code under test: it shares no pattern and no constant with it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

COLORS = {"V": 231, "D": 75, "I": 40, "W": 166, "E": 196, "F": 196}


@dataclass(frozen=True, kw_only=True)
class Event:
    """What an app logged."""

    seconds: int
    """Since 1970, in UTC."""
    nanoseconds: int = 0
    priority: str = "I"
    uid: int | None = 1000
    pid: int = 1234
    tid: int = 1256
    tag: bytes = b"tag"
    message: bytes = b"message"


@dataclass(frozen=True, kw_only=True)
class Verbosity:
    """A ``-v`` option with its modifiers."""

    form: str
    color: bool = False
    epoch: bool = False
    monotonic: bool = False
    uid: bool = False
    digits: int = 3
    zone: bool = False
    year: bool = False
    printable: bool = False
    offset_minutes: int = 330
    """Of the device's local time."""


def local_time(event: Event, verbosity: Verbosity) -> datetime:
    """The device's wall clock at an event."""
    offset = timezone(timedelta(minutes=verbosity.offset_minutes))
    return datetime.fromtimestamp(event.seconds, UTC).astimezone(offset)


def time_text(event: Event, verbosity: Verbosity) -> str:
    """The time in a header."""
    digits = f".{event.nanoseconds:09}"[: verbosity.digits + 1]
    if verbosity.monotonic:
        return f"{event.seconds:6}{digits}"
    if verbosity.epoch:
        return f"{event.seconds:19}{digits}"
    local = local_time(event, verbosity)
    day = f"{local:%Y-%m-%d}" if verbosity.year else f"{local:%m-%d}"
    return f"{day} {local:%H:%M:%S}{digits}" + (f" {local:%z}" if verbosity.zone else "")


def rendered(event: Event, verbosity: Verbosity) -> bytes:
    """The bytes that logcat prints of an event."""
    prefix, suffix = _around(event, verbosity)
    if verbosity.color:
        prefix = f"\x1b[38;5;{COLORS.get(event.priority, 40)}m".encode() + prefix
        suffix = b"\x1b[0m" + suffix
    prefix = prefix[:127]
    if len(suffix) > 127:
        suffix = suffix[:126] + b"\n"
    if verbosity.form == "long":
        return prefix + shown(event.message, verbosity) + suffix
    return b"".join(prefix + shown(line, verbosity) + suffix for line in lines_of(event.message))


def lines_of(message: bytes) -> list[bytes]:
    """The lines of a message as they are printed: a newline at its end makes no line of its own."""
    return message.removesuffix(b"\n").split(b"\n")


def _around(event: Event, verbosity: Verbosity) -> tuple[bytes, bytes]:
    """What stands before and behind each line of a message."""
    uid = "" if not verbosity.uid else "      " if event.uid is None else f"{event.uid:5}:"
    time, level, pid, tid = time_text(event, verbosity), event.priority, f"{event.pid:5}", f"{event.tid:5}"
    tag = event.tag.ljust(8)
    behind_tag = f"({uid}{pid}): ".encode()
    forms = {
        "brief": (f"{level}/".encode() + tag + behind_tag, b"\n"),
        "tag": (f"{level}/".encode() + tag + b": ", b"\n"),
        "process": (f"{level}({uid}{pid}) ".encode(), b"  (" + event.tag + b")\n"),
        "thread": (f"{level}({uid}{pid}:{tid}) ".encode(), b"\n"),
        "raw": (b"", b"\n"),
        "time": (f"{time} {level}/".encode() + tag + behind_tag, b"\n"),
        "threadtime": (f"{time} {uid.replace(':', ' ')}{pid} {tid} {level} ".encode() + tag + b": ", b"\n"),
        "long": (f"[ {time} {uid}{pid}:{tid} {level}/".encode() + tag + b" ]\n", b"\n\n"),
    }
    return forms[verbosity.form]


def shown(message: bytes, verbosity: Verbosity) -> bytes:
    """A message, or what ``printable`` makes of it."""
    return printable(message) if verbosity.printable else message


ESCAPES = {7: b"\\a", 8: b"\\b", 9: b"\t", 11: b"\\v", 12: b"\\f", 13: b"\\r", 92: b"\\\\"}


def printable(message: bytes) -> bytes:
    """Escape what cannot be printed, and every backslash."""
    parts: list[bytes] = []
    for letter in message.decode(errors="surrogateescape"):
        code = ord(letter)
        if 0xDC80 <= code <= 0xDCFF:
            parts.append(b"\\x%02X" % (code - 0xDC00))
        elif code < 0x20 or code == 0x5C:
            parts.append(ESCAPES.get(code, b"\\x%02X" % code))
        else:
            parts.append(letter.encode())
    return b"".join(parts)


def entry(event: Event, *, version: int = 4, buffer: int = 0, payload: bytes | None = None) -> bytes:
    """An entry of ``logcat -B``: a ``logger_entry`` of version 1 to 4."""
    level = "??VDIWEFS".index(event.priority)
    data = bytes([level]) + event.tag + b"\0" + event.message + b"\0" if payload is None else payload
    extra = {1: (), 2: (event.uid or 0,), 3: (buffer,), 4: (buffer, event.uid or 0)}[version]
    size = 0 if version == 1 else 20 + 4 * len(extra)
    head = struct.pack("<HHiiII", len(data), size, event.pid, event.tid, event.seconds, event.nanoseconds)
    return head + b"".join(struct.pack("<I", number) for number in extra) + data
