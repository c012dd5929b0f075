"""A run's two witnesses: the file that the runner wrote, and what Android's log kept of the same records.

A file can be torn or altered, and logcat drops lines. Both hold the same numbered records, with a checksum over all of
them in the last; so whichever is whole tells the run, the file first. Lines of one never fill the gaps of the other.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from parsers.jobs import RUN_LOG, RUN_LOGCAT
from parsers.run_records import Record, runner_lines
from parsers.runlog import RunLog, parse_runlog

_SINCE = re.compile(rb"since ([0-9]{1,12})\n")
_NANOSECONDS = re.compile(r"[0-9]{1,20}")


class Witness(StrEnum):
    """Who tells of a run, by the file's name in the run's folder."""

    FILE = RUN_LOG
    LOGCAT = RUN_LOGCAT


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A run's log, and whose it is."""

    witness: Witness
    data: bytes
    """The log itself, for what :class:`RunLog` leaves out."""
    log: RunLog


def hear(folder: Path) -> Account:
    """Read the log of the run whose folder this is: the first whole one, or the damaged file where none is whole.

    Raises:
        RunLogError: as :func:`parsers.runlog.parse_runlog`.
    """
    first = _account(folder, Witness.FILE)
    if first.log.complete or not (folder / Witness.LOGCAT).is_file():
        return first
    second = _account(folder, Witness.LOGCAT)
    return second if second.log.complete else first


def _account(folder: Path, witness: Witness) -> Account:
    path = folder / witness
    data = path.read_bytes() if path.is_file() else b""
    return Account(witness=witness, data=data, log=parse_runlog(data))


def split_logcat(dump: bytes) -> dict[tuple[str, int], bytes]:
    """Part what Android's log held after a batch: by (job, run), the lines of the runs that the batch began.

    Args:
        dump: a line ``since SECONDS``, the device's uptime when the batch began, and lines in ``threadtime`` form. The
            log may hold an earlier run of the same name, of an attempt that was cut off or of another campaign: it is
            left out, and so is a run whose start marker was dropped, because nothing then says that it is not one.
    """
    since = _SINCE.match(dump)
    if since is None:
        return {}
    lines: defaultdict[tuple[str, int], list[bytes]] = defaultdict(list)
    for line, record in runner_lines(dump):
        run = record.job, record.run
        if record.name == "start":
            lines.pop(run, None)
        if run in lines or _began_after(record, int(since[1])):
            lines[run].append(dump[line.offset : dump.index(b"\n", line.offset) + 1])
    return {run: b"".join(parts) for run, parts in lines.items()}


def _began_after(record: Record, since_s: int) -> bool:
    """Whether this is the start marker of a run that began at that uptime or later."""
    boottime_ns = record.values.get("boottime_ns", "")
    return record.name == "start" and bool(_NANOSECONDS.fullmatch(boottime_ns)) and int(boottime_ns) >= since_s * 10**9
