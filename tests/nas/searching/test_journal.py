from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from nas.errors import OutputError, ResumeError
from nas.searching.journal import Journal
from nas.searching.search import Record

FIRST = Record(
    choices=(1, 0, 2),
    accuracy=0.1 + 0.2,
    costs=(1 / 3, 2.5),
    epsilon=0.99,
    growth=-1e-17,
    within=True,
    feasible_share=1.0,
    seconds=0.25,
)
SECOND = dataclasses.replace(FIRST, choices=(2, 2, 2), epsilon=None, growth=None)


def test_records_come_back_to_the_last_bit(tmp_path: Path):
    journal = Journal(tmp_path / "journal.jsonl")
    for record in (FIRST, SECOND):
        journal.append(record)

    assert journal.kept == ()
    assert Journal(tmp_path / "journal.jsonl").kept == (FIRST, SECOND)


@pytest.mark.parametrize("kept", range(1, 40, 7))
def test_a_line_that_was_not_written_to_its_end_is_cut_off_and_the_next_one_stands_alone(tmp_path: Path, kept: int):
    path = tmp_path / "journal.jsonl"
    for record in (FIRST, SECOND):
        Journal(path).append(record)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1][:-kept])

    journal = Journal(path)
    journal.append(SECOND)

    assert journal.kept == (FIRST,)
    assert Journal(path).kept == (FIRST, SECOND)


@pytest.mark.parametrize("content", ["nonsense\n", "[1, 2]\n", '{"choices": [1]}\n', '{"colour": "blue"}\n'])
def test_a_file_that_holds_something_else_is_one_clear_line(tmp_path: Path, content: str):
    (tmp_path / "journal.jsonl").write_text(content)

    with pytest.raises(ResumeError, match=r"is no journal of this version: .*\. Start over with --fresh\.") as caught:
        Journal(tmp_path / "journal.jsonl")

    assert "\n" not in str(caught.value)


def test_a_journal_that_cannot_be_written_says_that_nothing_is_lost(tmp_path: Path):
    journal = Journal(tmp_path / "missing" / "journal.jsonl")

    with pytest.raises(OutputError, match=r"Cannot write .*journal\.jsonl: .*What is done is kept"):
        journal.append(FIRST)
