from __future__ import annotations

import pytest

from parsers.dump import Reject
from parsers.published.lines import LONGEST_LINE, Line, lines_of, number_in


def test_lines_know_their_number_and_offset_whatever_ends_them():
    data = b"a,b\r\n\n  \nc,\xc3\xa9\nlast"

    assert list(lines_of(data)) == [
        Line(number=1, offset=0, raw=b"a,b"),
        Line(number=4, offset=9, raw=b"c,\xc3\xa9"),
        Line(number=5, offset=14, raw=b"last"),
    ]


def test_a_byte_order_mark_is_no_part_of_the_first_name():
    (line,) = lines_of(b"\xef\xbb\xbfmodel,x\n")

    assert (line.offset, line.fields) == (3, ["model", "x"])


def test_a_quoted_field_keeps_its_commas():
    (line,) = lines_of(b"a,\"{'x': 1, 'y': 2}\",3")

    assert line.fields == ["a", "{'x': 1, 'y': 2}", "3"]


def test_a_damaged_quote_costs_its_line_only():
    bad, good = lines_of(b'a,"b\nc,d\n')

    assert bad.fields is None
    assert good.fields == ["c", "d"]


@pytest.mark.parametrize("raw", [b"a,\xff", b"x" * (LONGEST_LINE + 1), b"a\rb,c"])
def test_what_is_no_line_of_a_table_has_no_fields(raw: bytes):
    (line,) = lines_of(raw)

    assert line.fields is None


def test_a_reject_has_the_lines_place_and_its_beginning():
    line = Line(number=2, offset=7, raw=b"y" * 500)

    assert line.reject("why") == Reject(offset=7, reason="why", text=b"y" * 200)


@pytest.mark.parametrize(
    ("text", "number"),
    [("0", 0.0), ("320.5", 320.5), (" 7 ", 7.0), ("1e-05", 1e-5), ("2.5E+3", 2500.0), ("8.", 8.0)],
)
def test_a_number_is_read(text: str, number: float):
    assert number_in(text) == number


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "nan", "inf", "1e999", "1e-300", "1,5", "0x1", "1_0", "٣", "9" * 5000]
)
def test_what_is_no_time_and_no_count_is_none(text: str):
    assert number_in(text) is None
