"""Reads a dump of Android's log in whichever form it is.

The forms are told apart by what only they have: a binary entry's header, an export's list of messages, a bug report's
second line; all else is text. What a dump is, is told once, from its beginning.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

from parsers.dump import HEAD_BYTES, Buffer, Dump, DumpSettings
from parsers.errors import DumpError
from parsers.logcat.assembly import days_of, joined, records
from parsers.logcat.binary import (
    LARGEST_UNDONE,
    Undone,
    is_binary,
    is_binary_through_terminal,
    scan_binary,
)
from parsers.logcat.bugreport import LogSection, is_bugreport, log_sections, taken_on
from parsers.logcat.clock import Clock
from parsers.logcat.encoding import Ending, Text, lines, text_of
from parsers.logcat.formats import TextFormat
from parsers.logcat.messages import Entry
from parsers.logcat.record import LogRecord, TimeConfidence
from parsers.logcat.rejects import Rejects
from parsers.logcat.sniff import SAMPLE, is_log
from parsers.logcat.studio_json import is_studio_json, scan_studio_json
from parsers.logcat.text import Mark, scan
from parsers.logcat.years import YearPlan

Scan = Callable[[Rejects], Iterator[Entry | Mark]]
"""Goes through a log from its beginning; each call anew."""


def looks_like_logcat(head: bytes, name: str) -> bool:
    """Tell whether a dump is certainly a log of Android, from how it begins."""
    del name
    whole = len(head) < HEAD_BYTES
    if is_binary(head, whole=whole) or is_binary_through_terminal(head, whole=whole):
        return True
    if is_studio_json(head) or is_bugreport(head):
        return True
    text = text_of(head)
    sample = itertools.islice(lines(text, text.start), 2 * SAMPLE)
    return is_log([line for _, line, ending in sample if ending is Ending.NEWLINE or whole])


def read_logcat(data: Buffer, settings: DumpSettings, form: TextFormat | None = None) -> Dump:
    """Read a log: records in its order, as they are asked for.

    Args:
        data: the dump, in memory or mapped; a mapped one must stay open until all records are taken.
        settings: what the user says of it.
        form: the text form, where it is known; else it is sniffed.

    Raises:
        DumpError: no part of the dump fits any form.
    """
    rejects, notes = Rejects(), list[str]()
    singles = _records(data, settings, form, rejects, notes)
    first = next(singles, None)
    if first is None and len(data) and not looks_like_logcat(bytes(data[:HEAD_BYTES]), settings.name):
        shown = rejects.items[0].text[:60] if rejects.items else bytes(data[:60])
        raise DumpError(
            f"No form of logcat fits these {len(data)} bytes; they begin with {shown!r}. Give a file that logcat, "
            "a bug report or Android Studio wrote."
        )
    following = itertools.chain([] if first is None else [first], singles)
    read = _noted(joined(following) if settings.join else following, notes)
    return Dump(records=read, rejects=rejects.items, notes=notes)


def _records(
    data: Buffer, settings: DumpSettings, form: TextFormat | None, rejects: Rejects, notes: list[str]
) -> Iterator[LogRecord]:
    head = bytes(data[:HEAD_BYTES])
    whole = len(head) == len(data)
    if form is None and is_bugreport(head):
        return _of_bugreport(data, settings, rejects, notes)
    return _of_log(_scan_of(data, head, form, notes, whole=whole), settings.capture_date, settings, rejects)


def _scan_of(data: Buffer, head: bytes, form: TextFormat | None, notes: list[str], *, whole: bool) -> Scan:
    """Choose who goes through the dump."""
    if form is None and is_studio_json(head):
        return lambda rejects: scan_studio_json(data, rejects)
    if form is None and is_binary(head, whole=whole):
        return lambda rejects: scan_binary(data, rejects)
    if form is None and is_binary_through_terminal(head, whole=whole):
        if len(data) > LARGEST_UNDONE:
            raise DumpError(
                "A terminal turned the line feeds of this binary log into CR LF, and it is too large to undo that. "
                "Take it again with adb exec-out."
            )
        notes.append("A terminal had turned the line feeds of this binary log into CR LF; that was undone.")
        undone = Undone(data)
        return lambda rejects: scan_binary(undone.data, rejects, undone.place)
    text = text_of(data)
    return lambda rejects: scan(text, rejects, form)


def _of_log(
    scan_log: Scan, captured: date | None, settings: DumpSettings, rejects: Rejects, buffer: str | None = None
) -> Iterator[LogRecord]:
    """Read one log; where the day of capture is known, go through it twice, since the years count back from its end."""
    plan = None
    if captured is not None:
        plan = YearPlan(captured)
        for stretch in days_of(scan_log(Rejects())):
            plan.add_stretch(stretch)
    yield from records(scan_log(rejects), Clock(settings.timezone, plan), buffer)


def _of_bugreport(data: Buffer, settings: DumpSettings, rejects: Rejects, notes: list[str]) -> Iterator[LogRecord]:
    captured = settings.capture_date or taken_on(data)
    sections = list(log_sections(data))
    names = ", ".join(section.name for section in sections[:20])
    notes.append(f"A bug report: read are its {len(sections)} logs ({names}); its other sections are left out.")
    for section in sections:
        yield from _of_log(_scan_of_section(data, section), captured, settings, rejects, section.buffer)


def _scan_of_section(data: Buffer, section: LogSection) -> Scan:
    text = Text(data=data, charset=text_of(data).charset, start=section.start, end=section.end)
    return lambda rejects: scan(text, rejects)


@dataclass(slots=True)
class _Tally:
    """What was read."""

    sources: Counter[str]
    confidences: Counter[TimeConfidence]


def _noted(read: Iterator[LogRecord], notes: list[str]) -> Iterator[LogRecord]:
    """Pass records on; at the end, note which forms they had and what would have told more."""
    tally = _Tally(sources=Counter(), confidences=Counter())
    for record in read:
        tally.sources[record.source.value] += 1
        tally.confidences[record.time_confidence] += 1
        yield record
    forms = ", ".join(f"{count} of {source}" for source, count in tally.sources.items())
    notes.append(f"Records by form: {forms or 'none'}.")
    if tally.confidences[TimeConfidence.NO_YEAR]:
        notes.append("The log has no year. Say on which day it was taken (--capture-date) to get one.")
