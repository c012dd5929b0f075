"""Pseudo-terminals: what a command that is typed to, and drawn by, has in place of pipes."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import termios
from pathlib import Path

_GET_NUMBER = 0x8004_5430
_SET_LOCK = 0x4004_5431
"""TIOCGPTN and TIOCSPTLCK of ``<asm-generic/ioctls.h>``, which Python's ``termios`` does not name."""


def open_pseudo_terminal(multiplexer: Path) -> tuple[int, str]:
    """Open a new terminal of the file system that ``multiplexer``, its ``ptmx``, is in: our end, and the other's path.

    The path is that of the other end where the file system is mounted as ``/dev/pts``.

    Raises:
        OSError: there is no such file system, or it has no more terminals.
    """
    ours = os.open(multiplexer, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        fcntl.ioctl(ours, _SET_LOCK, struct.pack("i", 0))
        (number,) = struct.unpack("i", fcntl.ioctl(ours, _GET_NUMBER, bytes(4)))
    except OSError:
        os.close(ours)
        raise
    return ours, f"/dev/pts/{number}"


def resize(terminal: int, size: bytes) -> None:
    """Take a window's size, ``ROWSxCOLUMNS,WIDTHxHEIGHT`` with the latter in pixels; any other text is ignored."""
    found = re.fullmatch(rb"(\d{1,4})x(\d{1,4}),(\d{1,4})x(\d{1,4})\0?", size)
    if found:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", *map(int, found.groups())))
