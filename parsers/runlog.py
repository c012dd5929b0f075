"""The runner's records of one run, out of its log.

The runner numbers its lines, and its last record carries their count and a checksum over their messages. So a log is
either *whole*, and then its numbers are taken, or it is *damaged* (lines missing, cut or altered), and then the run is
``lost`` and has no numbers: there is no reading of half a log.

The records (:mod:`parsers.run_records`) are ``start``, ``phone``, ``env``, ``memory``, ``samples``, ``clock``,
``profile`` and ``end``. Those of other names are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from parsers.errors import RunLogError
from parsers.phone_state import PhoneState, read_phone_state
from parsers.run_records import Record, damage_of, missing_numbers, only_record, read_records
from parsers.schema import Status

PROTOCOL = 1

CONTENDED_FRACTION = 0.2
"""A run with more than this part of its iterations dropped shared the CPU with others."""

THROTTLED_FRACTION = 0.95
"""A run whose clock fell below this part of what it was at the start was slowed down by the device."""

_SLEEP_TOLERANCE_NS = 50_000_000
_CHECKSUM = re.compile(r"[0-9a-f]{8}")
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
    took_s: float | None = None
    """From the first record to the last, by the clock that stands still while the device sleeps."""

    protocol: int | None = None
    runtime_version: str | None = None
    providers: tuple[str, ...] = ()
    """Execution providers that the runtime has, as it spells them."""
    provider: str | None = None
    """Execution provider asked for."""
    threads: int | None = None
    affinity: str | None = None
    """CPUs that the run could use, as ``0-3,6``."""
    spinning: bool | None = None
    phone_before: PhoneState | None = None
    """What the gate told last before the run, at most some ten seconds earlier; ``None`` where there is no gate."""
    phone_after: PhoneState | None = None
    """... and right after it, where the gate was due again by then."""

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
    """Clock of the first CPU while it was measured; ``None`` where the kernel does not tell."""
    clock_averaged: bool = False
    """It is the average over that time, from the kernel's own count, and not a reading at its end."""
    clock_start_ghz: float | None = None
    """... when the measuring began."""
    profile_warmup_runs: int = 0
    """Leading runs in the profile that are warm-up."""
    profile_runs: int = 0
    """Runs in the profile behind those."""
    profile_preempted: tuple[int, ...] = ()
    """During which of those others took the CPU, from 0 on."""
    profile_bytes: int | None = None
    """Size of the profile's file as it was written; ``None`` in logs of runners that did not tell."""
    profile_crc32: int | None = None

    @property
    def iterations(self) -> int:
        """Iterations measured, the dropped ones too."""
        return len(self.wall_us) + self.dropped

    @property
    def contended(self) -> bool:
        """Whether more than a fifth of the iterations were dropped."""
        return self.dropped > CONTENDED_FRACTION * self.iterations

    @property
    def throttled(self) -> bool:
        """Whether the device slowed itself down: its clock fell by more than a twentieth, or its thermal status rose.

        Only an averaged clock is judged: a reading tells of one moment, and on some machines it swings by more than that.
        """
        return self._clock_fell or self._thermal_status_rose

    @property
    def _clock_fell(self) -> bool:
        if not self.clock_averaged or self.clock_ghz is None or self.clock_start_ghz is None:
            return False
        return self.clock_ghz < THROTTLED_FRACTION * self.clock_start_ghz

    @property
    def _thermal_status_rose(self) -> bool:
        before, after = (state.thermal_status if state else None for state in (self.phone_before, self.phone_after))
        return before is not None and after is not None and after > before


def parse_runlog(data: bytes) -> RunLog:
    """Read one run's log.

    Lines with another tag are passed over. Missing, cut, altered or foreign lines give a run that is ``lost``, with the
    reason in ``detail``; so does a device that slept.

    Raises:
        RunLogError: the log is as the runner wrote it, but says what this program cannot take: another protocol, or
            counts that contradict the records.
    """
    records = read_records(data)
    damage = damage_of(records)
    if damage:
        job, run = (records[0].job, records[0].run) if records else (None, None)
        lost = RunLog(job=job, run=run, status=Status.LOST, detail=damage, complete=False)
        return replace(lost, missing_lines=missing_numbers(records))
    return _whole(records)


def _whole(records: Sequence[Record]) -> RunLog:
    """Read the records of a whole log."""
    start, end = records[0], records[-1]
    protocol = start.integer("protocol")
    if protocol != PROTOCOL:
        start.contradict(f"protocol={protocol}, which this program does not read (it reads {PROTOCOL})")
    if end.integer("lines") != len(records):
        end.contradict(f"lines={end.values['lines']} where there are {len(records)}")
    status = end.text("status")
    if status not in _RUNNER_STATUSES:
        end.contradict(f"status={status}, which is not the runner's to say")
    env = only_record(records, "env")
    run = RunLog(
        job=start.job,
        run=start.run,
        status=Status(status),
        detail=end.values.get("detail", ""),
        complete=True,
        protocol=protocol,
        runtime_version=env.text("runtime") if env else None,
        providers=tuple(env.text("providers").split(",")) if env and "providers" in env.values else (),
        provider=start.text("provider"),
        threads=start.integer("threads"),
        affinity=env.text("affinity") if env else None,
        spinning=start.integer("spin") == 1,
        phone_before=_phone(records, "before"),
        phone_after=_phone(records, "after"),
    )
    run = replace(run, took_s=_passed_ns(start, end, "monotonic_ns") / 1e9)
    if _slept_ns(start, end) > _SLEEP_TOLERANCE_NS:
        return replace(run, status=Status.LOST, detail="the device slept during the run", slept=True)
    return _measured(run, records) if run.status is Status.OK else run


def _measured(run: RunLog, records: Sequence[Record]) -> RunLog:
    """Add what a run that went well has measured."""
    end = records[-1]
    samples = _samples(records)
    kept = tuple(float(sample) for sample in samples if not sample.endswith("!"))
    dropped = len(samples) - len(kept)
    if (len(samples), dropped) != (end.integer("samples"), end.integer("dropped")):
        said = f"samples={end.values['samples']} dropped={end.values['dropped']}"
        end.contradict(f"{said} where there are {len(samples)} and {dropped}")
    memory = only_record(records, "memory")
    clock = only_record(records, "clock")
    profile = only_record(records, "profile")
    return replace(
        run,
        wall_us=kept,
        dropped=dropped,
        baseline_mb=_memory_mb(memory, "baseline_kb", net=False),
        load_peak_mb=_memory_mb(memory, "load_peak_kb"),
        resident_mb=_memory_mb(memory, "resident_kb"),
        run_peak_mb=_memory_mb(memory, "run_peak_kb"),
        clock_ghz=_ghz(clock, "khz"),
        clock_averaged=clock is not None and clock.values.get("source") == "time_in_state",
        clock_start_ghz=_ghz(clock, "start_khz"),
        profile_warmup_runs=profile.integer("warmup") if profile else 0,
        profile_runs=profile.integer("iterations") if profile else 0,
        profile_preempted=_preempted(profile) if profile else (),
        profile_bytes=profile.integer_or_none("bytes") if profile else None,
        profile_crc32=_checksum(profile) if profile else None,
    )


def _samples(records: Sequence[Record]) -> list[str]:
    """Put the sample lines together, as they stand: ``12.345``, or ``12.345!`` for a dropped one."""
    samples: list[str] = []
    for record in records:
        if record.name != "samples":
            continue
        if record.integer("first") != len(samples):
            record.contradict(f"first={record.values['first']} where {len(samples)} samples came before")
        samples += record.text("us").split(",")
    malformed = [sample for sample in samples if not _SAMPLE.fullmatch(sample)]
    if malformed:
        raise RunLogError(f"Run {records[0].job} {records[0].run}: {malformed[0]!r} is no duration in microseconds.")
    return samples


def _preempted(profile: Record) -> tuple[int, ...]:
    marks = profile.text("preempted")
    if len(marks) != profile.integer("iterations") or set(marks) - {"0", "1"}:
        profile.contradict(f"preempted={marks} for iterations={profile.values['iterations']}")
    return tuple(run for run, mark in enumerate(marks) if mark == "1")


def _checksum(profile: Record) -> int | None:
    text = profile.values.get("crc")
    if text is not None and not _CHECKSUM.fullmatch(text):
        profile.contradict(f"crc={text}, which is no checksum")
    return int(text, base=16) if text is not None else None


def _ghz(clock: Record | None, key: str) -> float | None:
    khz = clock.integer_or_none(key) if clock else None
    return khz / 1e6 if khz is not None else None


def _phone(records: Sequence[Record], moment: str) -> PhoneState | None:
    told = [record for record in records if record.name == "phone" and record.text("moment") == moment]
    if len(told) > 1:
        told[1].contradict(f"a second phone record of the moment {moment}")
    return read_phone_state(told[0].values) if told else None


def _memory_mb(memory: Record | None, key: str, *, net: bool = True) -> float | None:
    if memory is None or key not in memory.values or "baseline_kb" not in memory.values:
        return None
    kilobytes = memory.integer(key) - (memory.integer("baseline_kb") if net else 0)
    megabytes = kilobytes * 1024 / 1e6
    return megabytes if megabytes >= 1 else None


def _slept_ns(start: Record, end: Record) -> int:
    """How much more time passed by the clock that counts suspended time than by the one that does not."""
    return _passed_ns(start, end, "boottime_ns") - _passed_ns(start, end, "monotonic_ns")


def _passed_ns(start: Record, end: Record, clock: str) -> int:
    return end.integer(clock) - start.integer(clock)
