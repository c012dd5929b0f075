from __future__ import annotations

import pytest

from parsers.dump import Reject
from parsers.dump_lines import Rejects, cells_of, first_lines, holds, read_lines


def lines_of(data: bytes) -> list[tuple[int, str]]:
    return [(line.offset, line.text) for line in read_lines(data, Rejects(data))]


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"a\nb", [(0, "a"), (2, "b")]),
        (b"a\r\n\r\nb\r\n", [(0, "a"), (3, ""), (5, "b")]),
        (b"\xef\xbb\xbfa\nb\n", [(3, "a"), (5, "b")]),
        (b"\xff\xfe" + "a\nü\r\n".encode("utf-16-le"), [(2, "a"), (6, "ü")]),
        (b"\xfe\xff" + "a\nü".encode("utf-16-be"), [(2, "a"), (6, "ü")]),
        (b"\xff\xfe" + "\u0a00\u000a\u000ab".encode("utf-16-le"), [(2, "\u0a00"), (6, ""), (8, "b")]),
        (b"\xff\xfe" + "\u010a\u0a00x".encode("utf-16-le"), [(2, "\u010a\u0a00x")]),
        (b"a\xff\n", [(0, "a\\xff")]),
    ],
)
def test_lines_keep_the_byte_at_which_they_begin_in_every_encoding(data: bytes, lines: list[tuple[int, str]]) -> None:
    assert lines_of(data) == lines


def test_a_line_too_long_for_any_dump_is_a_reject_and_the_next_is_read() -> None:
    data = b"x" * 70_000 + b"\nshort\n"
    rejects = Rejects(data)

    found = [(line.offset, line.text) for line in read_lines(data, rejects)]

    assert found == [(70_001, "short")]
    assert list(rejects) == [Reject(offset=0, reason="a line longer than 64 KiB", text=b"x" * 200)]


def test_a_thousand_rejects_are_kept_apart_and_what_follows_by_runs() -> None:
    data = b"x\n" * 5_000
    rejects = Rejects(data)
    for line in read_lines(data, rejects):
        rejects.add(line, "noise" if line.offset < 9_000 else "other noise")

    assert len(rejects) == 1_001
    assert rejects[:2] == [Reject(offset=0, reason="noise", text=b"x"), Reject(offset=2, reason="noise", text=b"x")]
    assert rejects[-1] == Reject(offset=9_000, reason="other noise", text=b"x")


def test_a_piece_of_several_lines_is_one_reject() -> None:
    data = b"a\nb\nc\n"
    rejects = Rejects(data)
    rejects.add_piece(2, 6, "torn")

    assert list(rejects) == [Reject(offset=2, reason="torn", text=b"b\nc")]


def test_a_head_begins_with_its_lines_that_are_not_blank() -> None:
    assert first_lines(b"\n  a \n\nb\nc\n", 2) == ["a", "b"]


def test_a_text_is_found_in_the_file_s_own_encoding() -> None:
    assert holds("\ufeffBattery".encode("utf-16-le"), "Batt")
    assert not holds(b"Battery", "batt")


@pytest.mark.parametrize(
    ("text", "cells"), [("a,b,", ["a", "b", ""]), ('a,"b,c"', ["a", "b,c"]), ('a,"b', []), ("a\rb", []), ("", [])]
)
def test_a_row_whose_quotes_do_not_end_has_no_cells(text: str, cells: list[str]) -> None:
    assert cells_of(text) == cells
