"""The runner's records of one run, out of its log.

The runner numbers its lines, and its last record carries their count and a checksum over their messages. So a log is
either *whole*, and then its numbers are taken, or it is *damaged* (lines missing, cut or altered), and then the run is
``lost`` and has no numbers: there is no reading of half a log.

A message is ``<number> <job> <run> <record> key=value ...`` with values percent-escaped; the records are ``start``,
``env``, ``memory``, ``samples``, ``clock``, ``profile`` and ``end``. Records of other names are left alone.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn
from urllib.parse import unquote

from parsers.errors import RunLogError
from parsers.logcat import RecordFlag, parse_threadtime
from parsers.schema import Status

TAG = "AutoCoMET"
PROTOCOL = 1

CONTENDED_FRACTION = 0.2
"""A run with more than this part of its iterations dropped shared the CPU with others."""

_SLEEP_TOLERANCE_NS = 50_000_000
_NUMBER = re.compile(r"[0-9]{1,7}")
_INTEGER = re.compile(r"-?[0-9]+")
_SAMPLE = re.compile(r"[0-9]+\.[0-9]{3}!?")
_RUNNER_STATUSES = frozenset({Status.OK, Status.UNSUPPORTED, Status.OUT_OF_MEMORY, Status.CRASHED, Status.TIMED_OUT})


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLog:
    """What one run came to. Measurements are there only where ``status`` is ``ok``.

    Memory is in MB of 10^6 bytes, net of what the process held before the model was loaded; below 1 MB it is ``None``,
    because the runtime's own variation is of that size.
    """

    job: str | None
    """``None`` where no line was left to tell."""
    run: int | None
    status: Status
    detail: str = ""
    """The runner's reason, or what is wrong with the log; empty for a good run."""
    complete: bool
    """Every line is there as it was written."""
    missing_lines: tuple[int, ...] = ()
    """Numbers that are missing below the highest one seen; what is missing behind a cut has no known number."""
    slept: bool = False
    """The device was suspended during the run, which makes it ``lost``."""

    protocol: int | None = None
    runtime_version: str | None = None
    provider: str | None = None
    """Execution provider asked for."""
    threads: int | None = None
    affinity: str | None = None
    """CPUs that the run could use, as ``0-3,6``."""
    spinning: bool | None = None

    wall_us: tuple[float, ...] = ()
    """Duration of each iteration that counts, in order."""
    dropped: int = 0
    """Iterations that do not: others took the CPU for more than a hundredth of them (measure.c)."""
    baseline_mb: float | None = None
    """Resident size before the model was loaded, the runtime included; not net of anything."""
    load_peak_mb: float | None = None
    resident_mb: float | None = None
    run_peak_mb: float | None = None
    clock_ghz: float | None = None
    """Average clock of the first CPU while it was measured; ``None`` where the kernel does not tell."""
    profile_warmup_runs: int = 0
    """Leading runs in the profile that are warm-up."""
    profile_runs: int = 0
    """Runs in the profile behind those."""
    profile_preempted: tuple[int, ...] = ()
    """During which of those others took the CPU, from 0 on."""

    @property
    def iterations(self) -> int:
        """Iterations measured, the dropped ones too."""
        return len(self.wall_us) + self.dropped

    @property
    def contended(self) -> bool:
        """Whether more than a fifth of the iterations were dropped."""
        return self.dropped > CONTENDED_FRACTION * self.iterations


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    number: int
    job: str
    run: int
    name: str
    values: Mapping[str, str]
    message: str


def parse_runlog(data: bytes) -> RunLog:
    """Read one run's log.

    Lines with another tag are passed over. Missing, cut, altered or foreign lines give a run that is ``lost``, with the
    reason in ``detail``; so does a device that slept.

    Raises:
        RunLogError: the log is as the runner wrote it, but says what this program cannot take: another protocol, or
            counts that contradict the records.
    """
    records = [
        record
        for line in parse_threadtime(data)
        if line.tag == TAG and RecordFlag.UNTERMINATED not in line.flags
        if (record := _record(line.message)) is not None
    ]
    records = sorted({record.message: record for record in records}.values(), key=lambda record: record.number)
    damage = _damage(records)
    if damage:
        job, run = (records[0].job, records[0].run) if records else (None, None)
        lost = RunLog(job=job, run=run, status=Status.LOST, detail=damage, complete=False)
        return replace(lost, missing_lines=_missing(records))
    return _whole(records)


def _record(message: str) -> _Record | None:
    """Read a message; ``None`` where it is none of the runner's, which the numbering will show."""
    number, _, rest = message.partition(" ")
    words = rest.split(" ")
    if len(words) < 3 or not _NUMBER.fullmatch(number) or not _NUMBER.fullmatch(words[1]):
        return None
    pairs = [word.partition("=") for word in words[3:]]
    values = {key: unquote(value) for key, _, value in pairs}
    return _Record(number=int(number), job=words[0], run=int(words[1]), name=words[2], values=values, message=message)


def _damage(records: Sequence[_Record]) -> str:
    """Say what shows that these are not all the records as they were written; an empty text where nothing does."""
    if not records:
        return "no record of the runner"
    numbers = [record.number for record in records]
    missing = _missing(records)
    runs = sorted({f"{record.job} {record.run}" for record in records})
    signs = (
        (len(runs) > 1, f"lines of several runs: {', '.join(runs)}"),
        (bool(missing), f"{len(missing)} lines missing, the first of them number {missing[0] if missing else 0}"),
        (len(numbers) != len(set(numbers)), "several lines have the same number"),
        (records[0].name != "start", "no start marker"),
        (records[-1].name != "end", f"no end marker behind line {numbers[-1]}"),
        (not _checksum_fits(records), "the checksum does not fit: lines were altered"),
    )
    return next((sign for seen, sign in signs if seen), "")


def _missing(records: Sequence[_Record]) -> tuple[int, ...]:
    numbers = {record.number for record in records}
    return tuple(number for number in range(1, max(numbers, default=0)) if number not in numbers)


def _checksum_fits(records: Sequence[_Record]) -> bool:
    """Check the CRC-32 that the last message ends with, over all messages up to itself."""
    covered, _, checksum = records[-1].message.rpartition(" crc=")
    text = "".join([*(record.message for record in records[:-1]), covered])
    return checksum == f"{zlib.crc32(text.encode(errors='surrogateescape')):08x}"


def _whole(records: Sequence[_Record]) -> RunLog:
    """Read the records of a whole log."""
    start, end = records[0], records[-1]
    protocol = _integer(start, "protocol")
    if protocol != PROTOCOL:
        _contradict(start, f"protocol={protocol}, which this program does not read (it reads {PROTOCOL})")
    if _integer(end, "lines") != len(records):
        _contradict(end, f"lines={end.values['lines']} where there are {len(records)}")
    status = _text(end, "status")
    if status not in _RUNNER_STATUSES:
        _contradict(end, f"status={status}, which is not the runner's to say")
    env = _only(records, "env")
    run = RunLog(
        job=start.job,
        run=start.run,
        status=Status(status),
        detail=end.values.get("detail", ""),
        complete=True,
        protocol=protocol,
        runtime_version=_text(env, "runtime") if env else None,
        provider=_text(start, "provider"),
        threads=_integer(start, "threads"),
        affinity=_text(env, "affinity") if env else None,
        spinning=_integer(start, "spin") == 1,
    )
    if _slept_ns(start, end) > _SLEEP_TOLERANCE_NS:
        return replace(run, status=Status.LOST, detail="the device slept during the run", slept=True)
    return _measured(run, records) if run.status is Status.OK else run


def _measured(run: RunLog, records: Sequence[_Record]) -> RunLog:
    """Add what a run that went well has measured."""
    end = records[-1]
    samples = _samples(records)
    kept = tuple(float(sample) for sample in samples if not sample.endswith("!"))
    dropped = len(samples) - len(kept)
    if (len(samples), dropped) != (_integer(end, "samples"), _integer(end, "dropped")):
        said = f"samples={end.values['samples']} dropped={end.values['dropped']}"
        _contradict(end, f"{said} where there are {len(samples)} and {dropped}")
    memory = _only(records, "memory")
    clock = _only(records, "clock")
    profile = _only(records, "profile")
    return replace(
        run,
        wall_us=kept,
        dropped=dropped,
        baseline_mb=_memory_mb(memory, "baseline_kb", net=False),
        load_peak_mb=_memory_mb(memory, "load_peak_kb"),
        resident_mb=_memory_mb(memory, "resident_kb"),
        run_peak_mb=_memory_mb(memory, "run_peak_kb"),
        clock_ghz=_integer(clock, "khz") / 1e6 if clock else None,
        profile_warmup_runs=_integer(profile, "warmup") if profile else 0,
        profile_runs=_integer(profile, "iterations") if profile else 0,
        profile_preempted=_preempted(profile) if profile else (),
    )


def _samples(records: Sequence[_Record]) -> list[str]:
    """Put the sample lines together, as they stand: ``12.345``, or ``12.345!`` for a dropped one."""
    samples: list[str] = []
    for record in records:
        if record.name != "samples":
            continue
        if _integer(record, "first") != len(samples):
            _contradict(record, f"first={record.values['first']} where {len(samples)} samples came before")
        samples += _text(record, "us").split(",")
    malformed = [sample for sample in samples if not _SAMPLE.fullmatch(sample)]
    if malformed:
        raise RunLogError(f"Run {records[0].job} {records[0].run}: {malformed[0]!r} is no duration in microseconds.")
    return samples


def _preempted(profile: _Record) -> tuple[int, ...]:
    marks = _text(profile, "preempted")
    if len(marks) != _integer(profile, "iterations") or set(marks) - {"0", "1"}:
        _contradict(profile, f"preempted={marks} for iterations={profile.values['iterations']}")
    return tuple(run for run, mark in enumerate(marks) if mark == "1")


def _memory_mb(memory: _Record | None, key: str, *, net: bool = True) -> float | None:
    if memory is None or key not in memory.values or "baseline_kb" not in memory.values:
        return None
    kilobytes = _integer(memory, key) - (_integer(memory, "baseline_kb") if net else 0)
    megabytes = kilobytes * 1024 / 1e6
    return megabytes if megabytes >= 1 else None


def _slept_ns(start: _Record, end: _Record) -> int:
    """How much more time passed by the clock that counts suspended time than by the one that does not."""
    boottime, monotonic = (_integer(end, key) - _integer(start, key) for key in ("boottime_ns", "monotonic_ns"))
    return boottime - monotonic


def _only(records: Sequence[_Record], name: str) -> _Record | None:
    found = [record for record in records if record.name == name]
    if len(found) > 1:
        _contradict(found[1], f"a second {name} record")
    return found[0] if found else None


def _text(record: _Record, key: str) -> str:
    if key not in record.values:
        _contradict(record, f"no {key}")
    return record.values[key]


def _integer(record: _Record, key: str) -> int:
    text = _text(record, key)
    if not _INTEGER.fullmatch(text):
        _contradict(record, f"{key}={text}, which is no integer")
    return int(text)


def _contradict(record: _Record, what: str) -> NoReturn:
    raise RunLogError(
        f"Run {record.job} {record.run}, line {record.number} ({record.name}): {what}. Measure this run again."
    )
