"""A log in text: sections, their forms, and the entries of their lines.

A section begins with the dump and behind each of logcat's separators; its form is sniffed from its first lines. Where many
lines in a row do not fit, the form is sniffed again. Nothing is passed over: a line is an entry, a separator, empty, or a
reject; only in ``raw`` an empty line is an entry, because that is how an empty message is printed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from parsers.logcat.encoding import Ending, Text, lines
from parsers.logcat.formats import LONG, SEPARATOR, TextFormat
from parsers.logcat.messages import Entry, LongMessages, Messages, StudioMessages
from parsers.logcat.record import RecordFlag
from parsers.logcat.rejects import Rejects
from parsers.logcat.sniff import Layout, certain_form, sniff
from parsers.logcat.studio_text import STUDIO_TEXT, STUDIO_VIEW

_MISSES = 20
"""Lines in a row that do not fit, after which the form is sniffed again."""

NO_FORM = "fits no form of logcat"


class Mark(NamedTuple):
    """A separator: from here on the log is that buffer's."""

    buffer: str
    begins: bool
    """The buffer's first records follow: ``beginning of``, not ``switch to``."""


def scan(text: Text, rejects: Rejects, named: TextFormat | None = None) -> Iterator[Entry | Mark]:
    """Yield the entries and separators of a log in text, in its order.

    Args:
        text: the dump, or the part of it that is a log.
        rejects: takes the lines that are neither, as they are met.
        named: the form, where it is known and not to be sniffed.
    """
    return _Scan(text, rejects, named).run()


class _Scan:
    """One pass over a text."""

    def __init__(self, text: Text, rejects: Rejects, named: TextFormat | None) -> None:
        self._text = text
        self._rejects = rejects
        self._named = named
        self._layout: Layout | None = None
        """``None`` where a section begins."""
        self._last: Layout | None = None
        self._messages: Messages | None = None
        self._separator_end: str | None = None
        """The carriage returns of the separator that the section stands behind; ``None`` where there is none."""
        self._misses = 0

    def run(self) -> Iterator[Entry | Mark]:
        """Yield the log's entries, and marks where a buffer begins, in its order."""
        for offset, line, ending in lines(self._text, self._text.start):
            layout = self._layout
            if layout is None or (layout.format is None and certain_form(line.rstrip("\r"))):
                if self._separator_end is None and not line.strip():
                    continue
                layout = self._begin(offset)
            form, text = layout.format, layout.bare(line)
            if self._messages is not None or ending is Ending.TOO_LONG:
                yield from self._of_message(offset, line, ending)
                continue
            entry = None if form is None else form.read(text)
            if form is None or entry is None:
                yield from self._miss(offset, line, layout)
                continue
            if self._misses:
                self._misses = 0
                self._rejects.end_row()
            if ending is not Ending.NEWLINE:
                entry = entry._replace(flags=entry.flags | RecordFlag.UNTERMINATED)
            yield Entry(offset, form.source, entry)
        if self._messages is not None:
            yield from self._messages.finish()

    def _begin(self, offset: int) -> Layout:
        """Begin a section with the line at that byte."""
        layout = sniff(self._text, offset, separator_end=self._separator_end, named=self._named, last=self._last)
        self._layout = layout
        if layout.format is not None:
            self._last = layout
        self._separator_end = None
        self._misses = 0
        if layout.format is LONG:
            self._messages = LongMessages(self._rejects)
        elif layout.format is STUDIO_TEXT or layout.format is STUDIO_VIEW:
            self._messages = StudioMessages(layout.format, self._rejects)
        return layout

    def _of_message(self, offset: int, line: str, ending: Ending) -> Sequence[Entry | Mark]:
        """Take a line that may be a part of a message, or one that is too long for any."""
        messages, layout = self._messages, self._layout
        if messages is None or layout is None or ending is Ending.TOO_LONG:
            self._rejects.add(offset, "line longer than any of a log", line)
            return ()
        mark = self._separator(line) if messages.may_end_here() else None
        if mark is None:
            return messages.feed(offset, layout.bare(line), ending)
        self._messages = None
        return (*messages.finish(), mark)

    def _miss(self, offset: int, line: str, layout: Layout) -> Sequence[Mark]:
        """Take a line that does not fit the section's form."""
        mark = self._separator(line)
        if mark is not None:
            return (mark,)
        if line.strip():
            form = layout.format
            reason = f"no line of the form {form.source.value}" if form else NO_FORM
            self._rejects.add(offset, reason, layout.bare(line))
        self._misses += 1
        if self._misses >= (_MISSES if layout.format else layout.looked_at):
            self._layout = None
        return ()

    def _separator(self, line: str) -> Mark | None:
        """End the section where a line is a separator."""
        found = SEPARATOR.fullmatch(line.strip()) if "-------" in line else None
        if found is None:
            return None
        self._layout = None
        self._separator_end = "\r" * (len(line) - len(line.rstrip("\r")))
        return Mark(found[2], found[1] == "beginning of")
