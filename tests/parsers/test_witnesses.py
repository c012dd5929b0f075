"""Logs written by hand: what Android's log holds after a batch, and which of a run's two logs tells it."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from parsers.evidence import read_run_status
from parsers.schema import Status
from parsers.witnesses import Witness, hear, split_logcat

SINCE = b"since 100\n"


def lines_of(job: str, run: int, *, start_s: int = 100, pid: int = 1) -> list[bytes]:
    """The log of a run without samples, the second of its three lines from another process."""
    records = (
        f"1 {job} {run} start protocol=1 monotonic_ns=0 boottime_ns={start_s}000000000 provider=cpu threads=1 spin=0",
        f"2 {job} {run} env runtime=1.29.0 affinity=0",
        f"3 {job} {run} end status=crashed lines=3 samples=0 dropped=0 monotonic_ns=1 boottime_ns={start_s}000000001",
    )
    checksum = f" crc={zlib.crc32(''.join(records).encode()):08x}"
    return [
        f"11-24 03:52:53.659 {pid + number % 2:5d} {pid + number % 2:5d} I AutoCoMET: {record}\n".encode()
        for number, record in enumerate((*records[:2], records[2] + checksum))
    ]


# -- parting the log -------------------------------------------------------------------------------------------------


def test_each_run_of_a_batch_gets_its_own_lines_of_the_log():
    one, other = lines_of("conv", 0), lines_of("pool", 12)
    stranger = b"11-24 03:52:53.659   900   901 I Other   : 2 conv 0 env\n"
    dump = SINCE + b"--------- beginning of main\n" + b"".join([*one, stranger, *other])

    assert split_logcat(dump) == {("conv", 0): b"".join(one), ("pool", 12): b"".join(other)}


def test_lines_of_two_runs_may_stand_between_each_other():
    one, other = lines_of("conv", 0), lines_of("pool", 0)
    dump = SINCE + b"".join(line for pair in zip(one, other, strict=True) for line in pair)

    assert split_logcat(dump) == {("conv", 0): b"".join(one), ("pool", 0): b"".join(other)}


def test_an_attempt_that_was_cut_off_is_left_out():
    cut_off, whole = lines_of("conv", 0, pid=7)[:2], lines_of("conv", 0, start_s=105)

    assert split_logcat(SINCE + b"".join([*cut_off, *whole])) == {("conv", 0): b"".join(whole)}


def test_a_run_of_the_same_name_from_before_the_batch_is_left_out():
    before = lines_of("conv", 0, start_s=99)
    rest = lines_of("conv", 0, start_s=105)[1:]  # of the batch's own run, whose start marker was dropped

    assert split_logcat(SINCE + b"".join([*before, *rest])) == {}


@pytest.mark.parametrize("head", [b"", b"since\n", b"since soon\n", b"--------- beginning of main\nsince 100\n"])
def test_a_log_that_does_not_say_when_the_batch_began_has_no_lines_of_it(head: bytes):
    assert split_logcat(head + b"".join(lines_of("conv", 0))) == {}


def test_a_line_that_was_cut_at_the_end_of_the_log_is_left_out():
    first, second, _ = lines_of("conv", 0)

    assert split_logcat(SINCE + first + second[:-10]) == {("conv", 0): first}


# -- who tells -------------------------------------------------------------------------------------------------------


def told_by(folder: Path, file: list[bytes] | None, logcat: list[bytes] | None) -> tuple[Witness, Status]:
    folder.mkdir(exist_ok=True)
    for witness, lines in ((Witness.FILE, file), (Witness.LOGCAT, logcat)):
        if lines is not None:
            (folder / witness).write_bytes(b"".join(lines))
    return hear(folder).witness, read_run_status(folder)


WHOLE = lines_of("conv", 0)
ALTERED = [WHOLE[0], WHOLE[1].replace(b"1.29.0", b"1.28.0"), WHOLE[2]]


@pytest.mark.parametrize(
    ("file", "logcat", "told"),
    [
        (WHOLE, None, (Witness.FILE, Status.CRASHED)),
        (WHOLE, WHOLE[1:], (Witness.FILE, Status.CRASHED)),
        (WHOLE[:2], WHOLE, (Witness.LOGCAT, Status.CRASHED)),
        (ALTERED, WHOLE, (Witness.LOGCAT, Status.CRASHED)),
        (None, WHOLE, (Witness.LOGCAT, Status.CRASHED)),
        (WHOLE[:2], WHOLE[1:], (Witness.FILE, Status.LOST)),
        (WHOLE[:2], None, (Witness.FILE, Status.LOST)),
        (None, None, (Witness.FILE, Status.LOST)),
    ],
)
def test_the_first_whole_log_tells_and_two_halves_make_none(
    tmp_path: Path, file: list[bytes] | None, logcat: list[bytes] | None, told: tuple[Witness, Status]
):
    assert told_by(tmp_path / "run-0", file, logcat) == told
