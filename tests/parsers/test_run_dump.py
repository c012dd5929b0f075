from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from parsers.dump import DumpSettings, Reject
from parsers.errors import DumpError
from parsers.kinds import kind_of
from parsers.run_dump import read_runs
from parsers.schema import Status

SAMPLE = (Path(__file__).resolve().parents[1] / "samples" / "runlog" / "runner.log").read_bytes()
OTHER = b"07-01 12:00:00.000  1201  1310 I bench   : AutoCoMET: nothing of ours\n"


def test_a_run_is_summed_up_wherever_its_lines_stand_in_a_log() -> None:
    alone, among_others = (
        list(read_runs(data, DumpSettings()).records) for data in (SAMPLE, OTHER + SAMPLE.replace(b"\n", b"\n" + OTHER))
    )

    assert [(run.job, run.run, run.status, run.samples, run.dropped) for run in alone] == [
        ("Conv-0b2917fbfc31741b-cpu-t1", 0, Status.OK, 34, 4)
    ]
    assert alone[0].offset == 0
    assert among_others[0].offset == len(OTHER)
    assert among_others[0].wall_ms == alone[0].wall_ms


def test_a_run_that_lost_a_line_is_lost_and_tells_no_time() -> None:
    lines = SAMPLE.splitlines(keepends=True)

    (run,) = read_runs(b"".join(lines[:2] + lines[3:]), DumpSettings()).records

    assert (run.status, run.wall_ms) == (Status.LOST, None)
    assert "1 lines missing" in run.detail


def test_a_run_that_contradicts_itself_is_a_reject_with_its_place() -> None:
    messages = [
        "1 conv 0 start protocol=9 monotonic_ns=1 boottime_ns=1 realtime_ns=1 provider=cpu threads=1 spin=1",
        "2 conv 0 end status=ok lines=2 samples=0 dropped=0 monotonic_ns=2 boottime_ns=2 realtime_ns=2",
    ]
    messages[1] += f" crc={zlib.crc32(''.join(messages).encode()):08x}"
    log = b"".join(f"07-01 12:00:00.000  1  2 I AutoCoMET: {message}\n".encode() for message in messages)

    dump = read_runs(OTHER + log + SAMPLE, DumpSettings())

    assert [run.status for run in dump.records] == [Status.OK]
    assert list(dump.rejects) == [
        Reject(offset=len(OTHER), reason="a run that contradicts itself", text=log.splitlines()[0])
    ]
    assert "protocol=9" in dump.notes[0]


def test_a_log_without_a_line_of_the_runner_is_refused() -> None:
    with pytest.raises(DumpError, match=r"No line .* AutoCoMET"):
        read_runs(OTHER, DumpSettings())


def test_a_phone_s_log_that_begins_with_the_runner_s_line_is_a_log() -> None:
    first = SAMPLE.splitlines(keepends=True)[0]

    assert kind_of(SAMPLE, Path("a")).name == "runlog"
    assert kind_of(first + OTHER, Path("a")).name == "logcat"
