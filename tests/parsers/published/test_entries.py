from __future__ import annotations

from parsers.dump import Reject
from parsers.published.entries import Entry, read_entries
from parsers.published.lines import Line


def read(text: str) -> tuple[list[Entry], list[Reject]]:
    rejects: list[Reject] = []
    return read_entries(text.encode(), rejects), rejects


def test_an_entry_has_its_figures_and_its_place():
    entries, rejects = read("A-input:1x1x1:\n  count: 3\n  mean: 1e-05\n  big: 0.2\nB:\n  mean: 2\n")

    assert entries == [
        Entry(
            line=Line(number=1, offset=0, raw=b"A-input:1x1x1:"),
            name="A-input:1x1x1",
            figures={"count": 3.0, "mean": 1e-05},
        ),
        Entry(line=Line(number=5, offset=51, raw=b"B:"), name="B", figures={"mean": 2.0}),
    ]
    assert rejects == []


def test_what_stands_twice_is_refused_because_nobody_can_tell_which_is_meant():
    entries, rejects = read("A:\n  mean: 1\nB:\n  mean: 2\n  mean: 3\nA:\n  mean: 1\nC:\n  mean: 4\n")

    assert [entry.name for entry in entries] == ["C"]
    assert [(reject.offset, reject.reason) for reject in rejects] == [
        (0, "an entry whose name stands twice"),
        (13, "an entry with a figure that stands twice"),
        (36, "an entry whose name stands twice"),
    ]


def test_a_damaged_name_does_not_give_its_figures_to_the_entry_before():
    entries, rejects = read("A:\n  mean: 1\nB damaged\n  mean: 2\n  count: 5\nC:\n  mean: 4\n")

    assert [(entry.name, entry.figures) for entry in entries] == [("A", {"mean": 1.0}), ("C", {"mean": 4.0})]
    assert [reject.reason for reject in rejects] == ["a line that is no entry and no figure of one"] * 3


def test_a_figure_that_is_none_or_a_mean_that_is_missing_costs_the_entry():
    entries, rejects = read("A:\n  mean: fast\nB:\n  count: 1\nC:\n  mean: 0\nD:\n  meen: 1\nE:\n  - mean\n")

    assert entries == []
    assert [reject.reason for reject in rejects] == [
        "an entry with a figure that is none",
        "an entry without a mean above zero",
        "an entry without a mean above zero",
        "an entry with a figure that is none",
        "an entry with a figure that is none",
    ]


def test_an_empty_file_has_no_entries():
    assert read("") == ([], [])
