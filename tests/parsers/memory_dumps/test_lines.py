from __future__ import annotations

import pytest

from parsers.dump import Reject
from parsers.memory_dumps.lines import Problems, read_lines, whole_number


def lines_of(data: bytes) -> list[tuple[int, str]]:
    return [(line.offset, line.text) for line in read_lines(data, Problems(data))]


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
    problems = Problems(data)

    found = [line.text for line in read_lines(data, problems)]

    assert found == ["short"]
    assert list(problems) == [Reject(offset=0, reason="a line longer than 64 KiB", text=b"x" * 200)]


def test_a_thousand_rejects_are_kept_apart_and_what_follows_by_runs() -> None:
    data = b"x\n" * 5_000
    problems = Problems(data)
    for line in read_lines(data, problems):
        problems.line(line, "noise" if line.offset < 9_000 else "other noise")

    assert len(problems) == 1_001
    assert problems[:2] == [Reject(offset=0, reason="noise", text=b"x"), Reject(offset=2, reason="noise", text=b"x")]
    assert problems[-1] == Reject(offset=9_000, reason="other noise", text=b"x")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12", 12),
        ("-5", -5),
        ("1,234,567", 1_234_567),
        ("12,34", None),
        ("1,2345", None),
        ("+1", None),
        ("1.5", None),
        ("٣", None),
        ("", None),
        ("9" * 19, None),
        ("9" * 5_000, None),
    ],
)
def test_only_whole_numbers_of_bounded_length_are_numbers(text: str, number: int | None) -> None:
    assert whole_number(text) == number
