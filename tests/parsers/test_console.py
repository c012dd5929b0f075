from __future__ import annotations

import itertools

import pytest

from parsers.console import progress


def test_a_job_of_which_nothing_is_done_promises_no_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = itertools.count(0, 10)
    monkeypatch.setattr("parsers.console.time.monotonic", lambda: next(seconds))

    with progress("Measuring", 2) as advance:
        advance(0, "cooling down")
        advance(1, "one")

    assert capsys.readouterr().err.splitlines() == [
        "Measuring: 0/2",
        "Measuring: 0/2 (cooling down)",
        "Measuring: 1/2, about 20 s left (one)",
    ]


def test_what_was_done_before_does_not_tell_how_fast_the_rest_goes(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter([0.0, 0.1, 10.0, 20.0])
    monkeypatch.setattr("parsers.console.time.monotonic", lambda: next(seconds))

    with progress("Searching", 50) as advance:
        advance(40, "kept")
        advance(41, "one")
        advance(50, "all")

    assert capsys.readouterr().err.splitlines() == [
        "Searching: 0/50",
        "Searching: 41/50, about 89 s left (one)",
        "Searching: 50/50, about 0 s left (all)",
    ]
