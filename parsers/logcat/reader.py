"""Reads a dump of Android's log in whichever form it is.

The forms are told apart by what only they have: a binary entry's header, an export's list of messages, a bug report's
second line; all else is text. What a dump is, is told once, from its beginning.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date
from functools import partial

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
from parsers.logcat.bugreport import is_bugreport, log_sections, taken_on
from parsers.logcat.clock import Clock
from parsers.logcat.encoding import Charset, Ending, Text, lines, text_of
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

_NAMED = 20


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
    read = _noted(joined(following) if settings.join else following, settings.capture_date, notes)
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
        return partial(scan_studio_json, data)
    if form is None and is_binary(head, whole=whole):
        return partial(scan_binary, data)
    if form is None and is_binary_through_terminal(head, whole=whole):
        if len(data) > LARGEST_UNDONE:
            raise DumpError(
                "A terminal turned the line feeds of this binary log into CR LF, and it is too large to undo that. "
                "Take it again with adb exec-out."
            )
        notes.append("A terminal had turned the line feeds of this binary log into CR LF; that was undone.")
        undone = Undone(data)
        return partial(scan_binary, undone.data, place=undone.place)
    text = text_of(data)
    return partial(scan, text, named=form)


def _of_log(
    scan_log: Scan, captured: date | None, settings: DumpSettings, rejects: Rejects, buffer: str | None = None
) -> Iterator[LogRecord]:
    """Read one log; a log without years is gone through twice, since they count back from its end."""

    def plan_years(captured: date) -> YearPlan:
        plan = YearPlan(captured)
        for stretch in days_of(scan_log(Rejects(keep=False))):
            plan.add_stretch(stretch)
        return plan

    clock = Clock(settings.timezone, partial(plan_years, captured) if captured else None)
    return records(scan_log(rejects), clock, buffer)


def _of_bugreport(data: Buffer, settings: DumpSettings, rejects: Rejects, notes: list[str]) -> Iterator[LogRecord]:
    captured = settings.capture_date or taken_on(data)
    names: Counter[str] = Counter()
    for section in log_sections(data):
        names[section.name] += 1
        text = Text(data=data, charset=Charset.UTF8, start=section.start, end=section.end)
        yield from _of_log(partial(scan, text), captured, settings, rejects, section.buffer)
    shown = ", ".join(itertools.islice(names, _NAMED))
    notes.append(f"A bug report: read are its {names.total()} logs ({shown}); its other sections are left out.")


def _noted(read: Iterator[LogRecord], captured: date | None, notes: list[str]) -> Iterator[LogRecord]:
    """Pass records on; at the end, note which forms they had and what would have told more."""
    sources: Counter[str] = Counter()
    confidences: Counter[TimeConfidence] = Counter()
    for record in read:
        sources[record.source.value] += 1
        confidences[record.time_confidence] += 1
        yield record
    forms = ", ".join(f"{count} of {source}" for source, count in sources.items())
    notes.append(f"Records by form: {forms or 'none'}.")
    without = confidences[TimeConfidence.NO_YEAR]
    if without and captured is not None:
        notes.append(f"{without} times are of a 29 February in a year that has none: they stay without a year.")
    elif without:
        notes.append("The log has no year. Say on which day it was taken (--capture-date) to get one.")
