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
