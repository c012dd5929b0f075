"""Which form a section of a log has: the one that its first lines fit, and the least special of those that fit as well.

A line of ``brief`` is also one of ``tag``, and one of ``process`` with a uid also one of ``thread``, so the forms are tried in
order. ``raw`` fits anything: it is taken only where logcat's own separator says that this is a log, and nothing else fits.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from parsers.logcat.encoding import Ending, Text, lines
from parsers.logcat.formats import (
    BRIEF,
    COLOR,
    COLOR_END,
    LONG,
    PROCESS,
    RAW,
    SEPARATOR,
    TAG,
    THREAD,
    THREADTIME,
    TIME_FORMAT,
    TextFormat,
)
from parsers.logcat.record import Source
from parsers.logcat.studio_text import STUDIO_TEXT, STUDIO_VIEW

SAMPLE = 100
"""Lines that are looked at."""

FORMATS = (LONG, THREADTIME, TIME_FORMAT, STUDIO_TEXT, STUDIO_VIEW, BRIEF, PROCESS, THREAD, TAG)
"""Every form but ``raw``, the more special before the less."""

_UNLIKE_OTHERS = FORMATS[:5]
"""Forms that one line is hardly of by chance: the first line of a section is enough."""

_OF_MESSAGES = (LONG, STUDIO_TEXT, STUDIO_VIEW)
"""Forms in which most lines may be the further ones of messages."""

_TIMED = frozenset({Source.THREADTIME, Source.TIME})

_NEARLY_ALL = 0.9
_AS_WELL = 0.8
_PIECE = 1 << 11
_FEW = 3
_HEADER_START = re.compile(r"[\x1b\[ 0-9]|[VDIWEFSA?*][/(]")
"""How a header of any form begins; most lines of a text that is no log do not."""
_COLOR = re.compile(COLOR.removesuffix("?"))
_COLORED = re.compile(_COLOR.pattern + ".*" + re.escape(COLOR_END), re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the lines of a section are written."""

    format: TextFormat | None
    """``None`` where no form fits."""
    line_end: str = ""
    """Carriage returns that are Windows' or a terminal's, not the messages'."""
    indent: str = ""
    """What stands before every line, where somebody moved the log to the right."""
    colored: bool = False
    """``raw`` only: each line is wrapped in a colour."""
    looked_at: int = SAMPLE
    """Lines that this rests on."""

    def bare(self, line: str) -> str:
        """Take what is not the log's from a line; of a colour, which may also begin a line of ``raw``, only the end."""
        if self.line_end:
            line = line.removesuffix(self.line_end)
        if self.indent:
            line = line.removeprefix(self.indent)
        if line.startswith("\x1b") and self.format is not LONG:
            if self.format is not RAW:
                return line.removesuffix(COLOR_END)
            return _COLOR.sub("", line, count=1).removesuffix(COLOR_END) if self.colored else line
        return line


def sniff(
    text: Text,
    offset: int,
    *,
    separator_end: str | None,
    named: TextFormat | None = None,
    last: Layout | None = None,
) -> Layout:
    """Tell the layout of the section whose first line begins at that byte.

    Args:
        text: the log.
        offset: where the section begins.
        separator_end: the carriage returns of logcat's own separator, where one stands before the section.
        named: the form, where it is known.
        last: the layout of the section before, which mostly goes on.
    """
    sample = _sample(text, offset)
    if last is not None and last.format and last.format.source in _TIMED and _goes_on(sample, last):
        return last
    line_end = _line_end(sample) if separator_end is None else separator_end
    plain = [line.removesuffix(line_end) for line in sample]
    indent = ""
    found = named or _format_of(plain)
    if found is None:
        indent = common_indent(plain)
        found = _format_of([line.removeprefix(indent) for line in plain]) if indent else None
    if found is None and separator_end is not None:
        found, indent = RAW, ""
    colored = found is RAW and bool(plain) and all(_COLORED.fullmatch(line) for line in plain if line)
    return Layout(
        format=found, line_end=line_end, indent=indent if found else "", colored=colored, looked_at=max(len(sample), 1)
    )


def _goes_on(sample: Sequence[str], last: Layout) -> bool:
    """Whether a section has the layout of the one before; asked of forms only that no other one looks like."""
    form = last.format
    return (
        form is not None
        and bool(sample)
        and all(
            line.endswith(last.line_end)
            and line.startswith(last.indent)
            and form.read(_uncolored(line.removesuffix(last.line_end).removeprefix(last.indent)))
            for line in sample
        )
    )


def certain_form(line: str) -> TextFormat | None:
    """Give the form that a line is hardly of by chance, if it has one."""
    if not _HEADER_START.match(line):
        return None
    return next((form for form in _UNLIKE_OTHERS if form.read(_uncolored(line)) is not None), None)


def fitting(sample: Sequence[str], form: TextFormat) -> int:
    """Count the lines of a form."""
    return sum(form.read(_uncolored(line)) is not None for line in sample)


def is_log(head: Iterable[str]) -> bool:
    """Whether lines are certainly a log's.

    A separator comes first, or the header of a message that may have many lines, or several lines have one form, by their
    share.
    """
    sample = [line.rstrip("\r") for line in itertools.islice(head, SAMPLE)]
    indent = common_indent(sample)
    spoken = [line.removeprefix(indent) for line in sample if line.strip()]
    if not spoken:
        return False
    if SEPARATOR.fullmatch(spoken[0]) or certain_form(spoken[0]) in _OF_MESSAGES:
        return True
    found = _format_of(spoken) or _format_of([line for line in sample if line.strip()])
    return found is not None and max(fitting(spoken, found), fitting(sample, found)) >= min(_FEW, len(spoken))


def _sample(text: Text, offset: int) -> list[str]:
    """Give the section's first lines, up to the next separator."""
    sample: list[str] = []
    for _, line, ending in itertools.islice(lines(text, offset, piece=_PIECE), SAMPLE):
        if ending is Ending.TOO_LONG:
            continue
        if SEPARATOR.fullmatch(line.strip()):
            break
        sample.append(line)
    return sample


def _line_end(sample: Sequence[str]) -> str:
    for line_end in ("\r\r", "\r"):
        ended = sum(line.endswith(line_end) for line in sample)
        if ended and sample[0].endswith(line_end) and ended >= _NEARLY_ALL * len(sample):
            return line_end
    return ""


def common_indent(sample: Sequence[str]) -> str:
    """Give the white space that every line begins with."""
    indents = [line[: len(line) - len(line.lstrip(" \t"))] for line in sample if line.strip()]
    shortest, longest = min(indents, default=""), max(indents, default="")
    return next((shortest[:at] for at, (a, b) in enumerate(zip(shortest, longest, strict=False)) if a != b), shortest)


def _format_of(sample: Sequence[str]) -> TextFormat | None:
    spoken = [line for line in sample if line]
    if not spoken:
        return None
    certain = certain_form(spoken[0])
    if certain is not None:
        return certain
    candidates = [line for line in spoken if _HEADER_START.match(line)]
    if not candidates:
        return None
    counts = [fitting(candidates, form) for form in FORMATS]
    best = max(counts)
    for form, count in zip(FORMATS, counts, strict=True):
        if count and count >= _AS_WELL * best and count >= form.share * len(spoken):
            return form
    return None


def _uncolored(line: str) -> str:
    return line.removesuffix(COLOR_END) if line.startswith("\x1b") else line
