"""Forms in which a message has borders: ``long``, and what Android Studio shows. Lines in, whole messages out.

In ``long`` a header stands above a message and an empty line ends it; a message may hold empty lines, so it ends at the
empty line before the next header. A message that holds an empty line and then what looks like a header cannot be told from
two. Android Studio puts a header before a message's first line and moves its others to the right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from parsers.logcat.encoding import LONGEST_LINE, Ending
from parsers.logcat.formats import COLOR_END, TextFormat, read_long_header
from parsers.logcat.record import Line, RecordFlag, Source
from parsers.logcat.rejects import Rejects
from parsers.logcat.studio_text import FEW_SPACES


class Entry(NamedTuple):
    """A record before its time is resolved."""

    offset: int
    source: Source
    line: Line


class Messages(Protocol):
    """Puts a section's lines together to messages."""

    def may_end_here(self) -> bool:
        """Whether a separator at this place would be logcat's, and not part of a message."""

    def feed(self, offset: int, text: str, ending: Ending) -> Sequence[Entry]:
        """Take a line; give the message that it shows to be whole, if it does."""

    def finish(self) -> Sequence[Entry]:
        """Give the message that is under way when the section ends."""


class LongMessages:
    """Messages of ``long``."""

    def __init__(self, rejects: Rejects) -> None:
        self._rejects = rejects
        self._header: Line | None = None
        self._offset = 0
        self._colored = False
        self._lines: list[str] = []
        self._size = 0
        self._at_border = True
        self._last_ending = Ending.NEWLINE

    def may_end_here(self) -> bool:
        """See :class:`Messages`."""
        return self._at_border

    def feed(self, offset: int, text: str, ending: Ending) -> Sequence[Entry]:
        """See :class:`Messages`."""
        done: Sequence[Entry] = ()
        header = read_long_header(text) if self._at_border and text else None
        if header is not None:
            done = self.finish()
            self._rejects.end_row()
            self._header, self._offset, self._colored = header, offset, text.startswith("\x1b")
            self._lines = [header.message] if RecordFlag.TRUNCATED in header.flags else []
            self._size = 0
        elif self._header is None:
            if text:
                self._rejects.add(offset, "no header above it", text)
        elif self._size + len(text) > LONGEST_LINE:
            self._rejects.add(offset, "message longer than any of a log", text)
        else:
            self._lines.append(text)
            self._size += len(text) + 1
        self._at_border = not text
        self._last_ending = ending
        return done

    def finish(self) -> Sequence[Entry]:
        """See :class:`Messages`."""
        header, lines = self._header, self._lines
        if header is None:
            return ()
        flags = header.flags
        if len(lines) > 1 and not lines[-1]:
            lines = lines[:-1]
        else:
            flags |= RecordFlag.TRUNCATED
        if self._last_ending is Ending.DUMP_ENDS:
            flags |= RecordFlag.UNTERMINATED
        message = "\n".join(lines)
        if self._colored:
            message = message.removesuffix(COLOR_END)
        self._header, self._lines = None, []
        return (Entry(self._offset, Source.LONG, header._replace(message=message, flags=flags)),)


class StudioMessages:
    """Messages as Android Studio shows them."""

    def __init__(self, form: TextFormat, rejects: Rejects) -> None:
        self._form = form
        self._rejects = rejects
        self._line: Line | None = None
        self._offset = 0
        self._column = 0
        self._indent: str | None = None
        self._lines: list[str] = []
        self._size = 0
        self._empty = 0

    def may_end_here(self) -> bool:
        """See :class:`Messages`."""
        return True

    def feed(self, offset: int, text: str, ending: Ending) -> Sequence[Entry]:
        """See :class:`Messages`."""
        done: Sequence[Entry] = ()
        line = self._form.read(text)
        if line is not None:
            done = self.finish()
            self._rejects.end_row()
            self._line, self._offset, self._lines = line, offset, [line.message]
            self._column, self._indent = len(text) - len(line.message), None
            self._size = self._empty = 0
        elif not text:
            self._empty += 1
        elif not self._continues(text):
            self._rejects.add(offset, f"no line of the form {self._form.source.value}", text)
        if ending is Ending.DUMP_ENDS and self._line is not None:
            self._line = self._line._replace(flags=self._line.flags | RecordFlag.UNTERMINATED)
        return done

    def _continues(self, text: str) -> bool:
        """Take a further line of the message under way, if it is one."""
        if self._line is None or self._size + self._empty + len(text) > LONGEST_LINE:
            return False
        if self._indent is None:
            under_text = text.startswith(" " * self._column)
            self._indent = " " * (self._column if under_text else FEW_SPACES)
        if not text.startswith(self._indent):
            return False
        self._lines += [""] * self._empty + [text.removeprefix(self._indent)]
        self._size += self._empty + len(text)
        self._empty = 0
        return True

    def finish(self) -> Sequence[Entry]:
        """See :class:`Messages`."""
        line, lines = self._line, self._lines
        self._line, self._lines = None, []
        if line is None:
            return ()
        return (Entry(self._offset, self._form.source, line._replace(message="\n".join(lines))),)
