from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import RunLogError
from parsers.phone_state import PhoneState
from parsers.runlog import RunLog, parse_runlog
from parsers.schema import Status

START = (
    "start protocol=1 monotonic_ns=1000000000 boottime_ns=5000000000 realtime_ns=7 provider=cpu threads=2 spin=1 "
    "warmup=3 checkpoints=30,60 target=0.01 model=a%20b.onnx"
)
BEFORE = "phone moment=before level=57 temperature_dc=312 thermal=0 status=4 plugged=1"
ENV = "env runtime=1.32.0 providers=XnnpackExecutionProvider,CPUExecutionProvider affinity=0-1 oom_score_adj=900"
MEMORY = "memory baseline_kb=20000 load_peak_kb=90000 resident_kb=60000 run_peak_kb=20976"
SAMPLES = ("samples first=0 us=12.345,99.000!,12.500", "samples first=3 us=12.000,13.125")
CLOCK = "clock cpu=0 khz=2400000 source=time_in_state start_khz=2500000"
PROFILE = "profile file=profile.json bytes=4711 crc=00c0ffee warmup=3 iterations=5 preempted=01001"
END = "end status=ok lines=10 samples=5 dropped=1 monotonic_ns=2000000000 boottime_ns=6000000000 realtime_ns=8"
AFTER = "phone moment=after level=56 temperature_dc=331 thermal=0"
RECORDS = (START, BEFORE, ENV, MEMORY, *SAMPLES, CLOCK, PROFILE, AFTER, END)

GOOD = RunLog(
    job="conv",
    run=1,
    status=Status.OK,
    complete=True,
    took_s=1.0,
    protocol=1,
    runtime_version="1.32.0",
    providers=("XnnpackExecutionProvider", "CPUExecutionProvider"),
    provider="cpu",
    threads=2,
    affinity="0-1",
    spinning=True,
    phone_before=PhoneState(battery_percent=57.0, temperature_c=31.2, thermal_status=0),
    phone_after=PhoneState(battery_percent=56.0, temperature_c=33.1, thermal_status=0),
    wall_us=(12.345, 12.5, 12.0, 13.125),
    dropped=1,
    baseline_mb=20.48,
    load_peak_mb=71.68,
    resident_mb=40.96,
    run_peak_mb=None,  # 976 KiB are less than 1 MB
    clock_ghz=2.4,
    clock_averaged=True,
    clock_start_ghz=2.5,
    profile_warmup_runs=3,
    profile_runs=5,
    profile_preempted=(1, 4),
    profile_bytes=4711,
    profile_crc32=0xC0FFEE,
)


def lines_of(records: Sequence[str], job: str = "conv", run: int = 1) -> list[bytes]:
    """Write a log as the runner does: numbered, the checksum of all messages at the end of the last."""
    messages = [f"{number} {job} {run} {record}" for number, record in enumerate(records, start=1)]
    messages[-1] += f" crc={zlib.crc32(''.join(messages).encode()):08x}"
    return [f"11-24 03:52:53.659  8876  8877 I AutoCoMET: {message}\n".encode() for message in messages]


def log_of(*records: str) -> bytes:
    return b"".join(lines_of(records))


def changed(old: str, new: str) -> bytes:
    """The good log with a text replaced by its writer, so that the checksum fits."""
    assert sum(old in record for record in RECORDS) == 1
    return log_of(*(record.replace(old, new) for record in RECORDS))


LINES = lines_of(RECORDS)
WHOLE = b"".join(LINES)


def assert_lost(log: RunLog) -> None:
    """A lost run has no number in it."""
    bare = RunLog(job=log.job, run=log.run, status=Status.LOST, detail=log.detail, complete=False)
    assert log == replace(bare, missing_lines=log.missing_lines)
    assert log.detail


# -- whole logs ------------------------------------------------------------------------------------------------------


def test_a_whole_log_gives_every_number() -> None:
    log = parse_runlog(WHOLE)

    assert log == GOOD
    assert (log.iterations, log.contended) == (5, False)


def test_lines_of_others_between_the_runners_do_not_matter() -> None:
    noise = b"11-24 03:52:53.659  1  1 W System.err: 3 conv 1 samples first=0 us=1.000\nnoise\n"

    assert parse_runlog(noise + noise.join(LINES) + noise) == GOOD


def test_lines_that_come_out_of_order_or_twice_are_put_right() -> None:
    assert parse_runlog(b"".join(reversed(LINES)) + LINES[3]) == GOOD


@pytest.mark.parametrize(("dropped", "contended"), [(0, False), (1, False), (2, True), (5, True)])
def test_more_than_a_fifth_dropped_is_contended(dropped: int, contended: bool) -> None:
    samples = ",".join(f"{1 + i}.000{'!' if i < dropped else ''}" for i in range(5))
    end = END.replace("lines=10", "lines=3").replace("dropped=1", f"dropped={dropped}")

    log = parse_runlog(log_of(START, f"samples first=0 us={samples}", end))

    assert (log.status, log.iterations, log.contended) == (Status.OK, 5, contended)


def test_what_the_kernel_does_not_tell_is_none() -> None:
    log = parse_runlog(
        log_of(START, MEMORY.partition(" ")[0], END.replace("10 samples=5 dropped=1", "3 samples=0 dropped=0"))
    )

    assert (log.status, log.iterations, log.contended) == (Status.OK, 0, False)
    assert (log.baseline_mb, log.run_peak_mb, log.clock_ghz, log.runtime_version) == (None, None, None, None)
    assert (log.profile_runs, log.profile_preempted) == (0, ())


@pytest.mark.parametrize("status", ["unsupported", "out_of_memory", "crashed", "timed_out"])
def test_a_run_that_failed_has_its_reason_and_no_measurement(status: str) -> None:
    end = END.replace("status=ok", f"status={status}").replace("realtime_ns=8", "realtime_ns=8 detail=no%20more%25")

    log = parse_runlog(log_of(*RECORDS[:-1], end))

    assert log == RunLog(
        job="conv",
        run=1,
        status=Status(status),
        detail="no more%",
        complete=True,
        took_s=1.0,
        protocol=1,
        runtime_version="1.32.0",
        providers=GOOD.providers,
        provider="cpu",
        threads=2,
        affinity="0-1",
        spinning=True,
        phone_before=GOOD.phone_before,
        phone_after=GOOD.phone_after,
    )


@pytest.mark.parametrize(
    ("old", "new", "throttled"),
    [
        ("khz=2400000", "khz=2375000", False),  # 95 % of 2.5 GHz
        ("khz=2400000", "khz=2374999", True),
        ("khz=2400000 source=time_in_state", "khz=1000000 source=scaling_cur_freq", False),
        (" start_khz=2500000", "", False),
        ("thermal=0 status=4", "thermal=1 status=4", False),  # it fell
        ("331 thermal=0", "331 thermal=1", True),
        ("331 thermal=0", "331", False),
        ("moment=after", "moment=meanwhile", False),
    ],
)
def test_a_run_is_throttled_when_its_clock_fell_below_95_percent_or_the_thermal_status_rose(
    old: str, new: str, throttled: bool
) -> None:
    log = parse_runlog(changed(old, new))

    assert (log.status, log.throttled) == (Status.OK, throttled)


@pytest.mark.parametrize(("asleep_ns", "slept"), [(50_000_000, False), (50_000_001, True)])
def test_a_device_that_slept_loses_the_run(asleep_ns: int, slept: bool) -> None:
    log = parse_runlog(changed("boottime_ns=6000000000", f"boottime_ns={6000000000 + asleep_ns}"))

    assert (log.slept, log.status) == (slept, Status.LOST if slept else Status.OK)
    assert bool(log.wall_us) != slept


# -- damaged logs ----------------------------------------------------------------------------------------------------


def test_an_empty_log_is_lost_and_nobody_knows_whose_it_was() -> None:
    log = parse_runlog(b"")

    assert (log.job, log.run, log.status, log.detail) == (None, None, Status.LOST, "no record of the runner")


def test_a_missing_end_marker_is_reported_as_a_truncated_run_and_yields_no_number() -> None:
    log = parse_runlog(b"".join(LINES[:-1]))

    assert_lost(log)
    assert (log.job, log.run, log.detail) == ("conv", 1, "no end marker behind line 9")


def test_missing_lines_are_named() -> None:
    log = parse_runlog(b"".join(LINES[:2] + LINES[3:5] + LINES[6:]))

    assert_lost(log)
    assert log.missing_lines == (3, 6)
    assert log.detail == "2 lines missing, the first of them number 3"


def test_lines_of_another_run_among_them_lose_the_run() -> None:
    log = parse_runlog(b"".join([*LINES, lines_of(RECORDS, run=2)[3]]))

    assert_lost(log)
    assert log.detail == "lines of several runs: conv 1, conv 2"


@given(st.sets(st.integers(0, len(LINES) - 1), min_size=1))
def test_no_set_of_dropped_lines_ever_gives_a_number(dropped: set[int]) -> None:
    assert_lost(parse_runlog(b"".join(line for number, line in enumerate(LINES) if number not in dropped)))


@given(st.integers(0, len(WHOLE) - 1))
def test_no_cut_ever_gives_a_number(length: int) -> None:
    assert_lost(parse_runlog(WHOLE[:length]))


@given(st.integers(0, len(WHOLE) - 1), st.integers(0, 255))
def test_no_altered_byte_ever_gives_another_number(place: int, byte: int) -> None:
    log = parse_runlog(WHOLE[:place] + bytes([byte]) + WHOLE[place + 1 :])

    if log != GOOD:
        assert_lost(log)


@given(st.integers(0, len(WHOLE)), st.binary(min_size=1, max_size=12))
def test_no_inserted_bytes_ever_give_another_number(place: int, inserted: bytes) -> None:
    log = parse_runlog(WHOLE[:place] + inserted + WHOLE[place:])

    if log != GOOD:
        assert_lost(log)


# -- contradictions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("protocol=1", "protocol=2", "line 1 .start.: protocol=2, which this program does not read"),
        ("lines=10", "lines=9", "line 10 .end.: lines=9 where there are 10"),
        ("samples=5", "samples=6", "samples=6 dropped=1 where there are 5 and 1"),
        ("dropped=1", "dropped=0", "samples=5 dropped=0 where there are 5 and 1"),
        ("first=3", "first=4", "line 6 .samples.: first=4 where 3 samples came before"),
        ("12.000", "12,000", "'12' is no duration"),
        ("status=ok", "status=throttled", "status=throttled, which is not the runner's to say"),
        ("status=ok", "status=fine", "status=fine, which is not the runner's to say"),
        ("threads=2", "threads=two", "threads=two, which is no integer"),
        (" threads=2", "", "no threads"),
        ("preempted=01001", "preempted=0100", "preempted=0100 for iterations=5"),
        ("crc=00c0ffee", "crc=c0ffee", "crc=c0ffee, which is no checksum"),
        ("moment=after", "moment=before", "a second phone record of the moment before"),
        (CLOCK, ENV, "line 7 .env.: a second env record"),
    ],
)
def test_a_whole_log_that_contradicts_itself_is_an_error_that_says_where(old: str, new: str, complaint: str) -> None:
    with pytest.raises(RunLogError, match=complaint):
        parse_runlog(changed(old, new))
