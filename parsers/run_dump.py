"""The runner's own log as a dump: what each run in it came to, found by the runner's tag in a log of any size.

Lines of other programs are passed over, so a phone's whole logcat may be read as this kind, too.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from parsers.dump import Buffer, Dump, DumpSettings, Kind
from parsers.dump_lines import Rejects
from parsers.errors import DumpError, RunLogError
from parsers.run_records import TAG, runner_lines
from parsers.runlog import RunLog, parse_runlog
from parsers.schema import Status

_LINE = re.compile(
    rb"[0-9]{2}-[0-9]{2} [0-9:.]{12} +[0-9]+ +[0-9]+ [VDIWEF] " + TAG.encode() + rb": [0-9]{1,7} \S+ [0-9]+ \S+"
)
_LOOKED_AT = 20
"""Lines that must all be the runner's: a phone's whole log may begin with one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """What one run came to; the meaning of each field is that of :class:`parsers.runlog.RunLog`."""

    offset: int
    """Byte at which its first line begins."""
    job: str | None
    run: int | None
    status: Status
    detail: str
    provider: str | None
    threads: int | None
    affinity: str | None
    wall_ms: float | None
    """Median of the iterations that count."""
    samples: int
    dropped: int
    load_peak_mb: float | None
    resident_mb: float | None
    run_peak_mb: float | None
    clock_ghz: float | None
    took_s: float | None
    runtime_version: str | None


def read_runs(data: Buffer, settings: DumpSettings) -> Dump:  # noqa: ARG001 - every reader takes them
    """Read the runs of a log, in the order in which they begin.

    Raises:
        DumpError: no line of the runner.
    """
    lines: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for line, record in runner_lines(data):
        end = data.find(b"\n", line.offset) + 1 or len(data)
        lines.setdefault((record.job, record.run), []).append((line.offset, end))
    if not lines:
        raise DumpError(f"No line in threadtime form has the runner's tag {TAG}. Is it the log of a campaign's run?")
    rejects = Rejects(data)
    notes: list[str] = []
    return Dump(records=_runs(data, lines.values(), rejects, notes), rejects=rejects, notes=notes)


def _runs(
    data: Buffer, runs: Iterable[list[tuple[int, int]]], rejects: Rejects, notes: list[str]
) -> Iterator[RunSummary]:
    for places in runs:
        text = b"".join(bytes(data[begin:end]) for begin, end in places)
        try:
            yield _summary(places[0][0], parse_runlog(text))
        except RunLogError as error:
            if not rejects:
                notes.append(f"The first run that contradicts itself: {error}")
            rejects.add_piece(*places[0], "a run that contradicts itself")


def _summary(offset: int, log: RunLog) -> RunSummary:
    return RunSummary(
        offset=offset,
        job=log.job,
        run=log.run,
        status=log.status,
        detail=log.detail,
        provider=log.provider,
        threads=log.threads,
        affinity=log.affinity,
        wall_ms=statistics.median(log.wall_us) / 1000 if log.wall_us else None,
        samples=len(log.wall_us),
        dropped=log.dropped,
        load_peak_mb=log.load_peak_mb,
        resident_mb=log.resident_mb,
        run_peak_mb=log.run_peak_mb,
        clock_ghz=log.clock_ghz,
        took_s=log.took_s,
        runtime_version=log.runtime_version,
    )


def _looks_like(head: bytes, name: str) -> bool:  # noqa: ARG001 - every kind takes it
    lines = [line for line in head.splitlines()[:_LOOKED_AT] if line]
    return bool(lines) and all(map(_LINE.match, lines))


KIND = Kind(
    name="runlog",
    meaning="this project's runner: what each run came to",
    looks_like=_looks_like,
    read=read_runs,
)
