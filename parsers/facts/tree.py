"""The files in which Linux tells what a machine is, whoever fetched them.

This machine's and a recorded folder's are opened, a phone's are printed by one ``grep``; all end as texts by path. A
folder may come from anywhere: a link that leads out of it is not followed, what is no plain file is not opened (a pipe
would wait for ever), and a file longer than LONGEST_FILE is none of the kernel's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

CPU = "sys/devices/system/cpu"
PATTERNS = (
    "proc/cpuinfo",
    "proc/meminfo",
    f"{CPU}/possible",
    f"{CPU}/online",
    f"{CPU}/cpu[0-9]*/cpufreq/cpuinfo_max_freq",
    f"{CPU}/cpufreq/policy[0-9]*/cpuinfo_max_freq",
    f"{CPU}/cpufreq/policy[0-9]*/related_cpus",
    f"{CPU}/cpu[0-9]*/regs/identification/midr_el1",
    f"{CPU}/cpu[0-9]*/cache/index[0-9]*/level",
    f"{CPU}/cpu[0-9]*/cache/index[0-9]*/size",
)
"""The files that matter, as patterns of both ``sh`` and :mod:`pathlib`, relative to the root."""

LONGEST_FILE = 4 << 20
MOST_BYTES = 32 << 20
"""Of all files together: links may name one file many times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemFiles:
    """Texts of files by their path, without the leading slash."""

    texts: Mapping[str, str]
    left_out: tuple[str, ...] = ()
    """Files that are there but were not read, each with the reason."""

    def text(self, path: str) -> str:
        """A file's text without blanks around it; empty where the file is absent or unreadable."""
        return self.texts.get(path, "").strip()

    def number(self, path: str) -> int | None:
        """A file's whole number, or ``None``."""
        text = self.text(path)
        return int(text) if re.fullmatch(r"[0-9]{1,18}", text) else None


def read_tree(root: Path, patterns: tuple[str, ...] = PATTERNS) -> SystemFiles:
    """Open the files under a root folder, none outside it."""
    texts: dict[str, str] = {}
    left_out: list[str] = []
    home, room = root.resolve(), MOST_BYTES
    for path in (path for pattern in patterns for path in sorted(root.glob(pattern))):
        name = path.relative_to(root).as_posix()
        content, reason = _read_within(path, home, min(room, LONGEST_FILE))
        if content is None:
            left_out.append(f"{name}: {reason}")
        else:
            texts[name] = content.decode(errors="replace").replace("\r\n", "\n")
            room -= len(content)
    return SystemFiles(texts=texts, left_out=tuple(left_out))


def parse_listing(lines: Iterator[str]) -> SystemFiles:
    """Read what ``grep -H '' FILES...`` printed: every line with its file's path and a colon before it."""
    texts: dict[str, list[str]] = {}
    for line in lines:
        path, colon, content = line.partition(":")
        if colon:
            texts.setdefault(path.removeprefix("/"), []).append(content)
    return SystemFiles(texts={path: "\n".join(content) for path, content in texts.items()})


def _read_within(path: Path, home: Path, most: int) -> tuple[bytes | None, str]:
    """Read a file that lies within a folder when all links are followed; else say why it was not read."""
    try:
        real = path.resolve(strict=True)
        if not real.is_relative_to(home):
            return None, "a link that leads out of the folder"
        if not real.is_file():
            return None, "no plain file"
        with real.open("rb") as handle:
            content = handle.read(most + 1)
    except RuntimeError:  # what Python 3.11 raises where links lead in a circle
        return None, "a link that leads to itself"
    except OSError as error:
        return None, error.strerror or str(error)
    return (content, "") if len(content) <= most else (None, "longer than any of the kernel's files")
