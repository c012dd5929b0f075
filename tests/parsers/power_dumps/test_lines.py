from __future__ import annotations

import pytest

from parsers.dump import DumpSettings
from parsers.power_dumps.battery_service import KIND
from parsers.power_dumps.lines import LONGEST_LINE, decimal, first_texts, holds, lines_of, whole


@pytest.mark.parametrize(
    ("data", "places"),
    [
        (b"a\r\nb", [(0, "a"), (3, "b")]),
        (b"\xef\xbb\xbfa\n\nb\n", [(3, "a"), (5, ""), (6, "b")]),
        (b"\xff\xfea\0\r\0\n\0b\0", [(2, "a"), (8, "b")]),
        (b"\xfe\xff\0a\0\r\0\n\0b", [(2, "a"), (8, "b")]),
        ("\ufeffa\u0a00b\n".encode("utf-16-le"), [(2, "a\u0a00b")]),  # a newline's byte inside a letter
        (b"\xff\n", [(0, "\udcff")]),
        (b"", []),
    ],
)
def test_lines_have_their_place_in_bytes_whatever_the_encoding(data: bytes, places: list) -> None:
    assert [(line.offset, line.text) for line in lines_of(data)] == places


def test_a_line_that_no_program_writes_is_never_read_but_rejected() -> None:
    data = b"Current Battery Service state:\n  level: 5\n  x: " + b"9" * LONGEST_LINE + b"\n  scale: 100\n"

    dump = KIND.read(data, DumpSettings())
    (report,) = dump.records

    assert (report.level_percent, report.extras) == (5.0, ())
    assert [(reject.offset, reject.text[:6]) for reject in dump.rejects] == [(42, b"  x: 9")]


@pytest.mark.parametrize(
    ("text", "number"), [(" 12 ", 12), ("-3", -3), ("+4", 4), ("9" * 19, None), ("٣", None), ("", None)]
)
def test_a_whole_number_has_ascii_digits_and_not_too_many(text: str, number: int | None) -> None:
    assert whole(text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [("1.5", 1.5), (" -2e-3", -0.002), ("1.", 1.0), ("nan", None), ("inf", None), ("1e999", None), ("1_0", None)],
)
def test_a_decimal_number_is_finite(text: str, number: float | None) -> None:
    assert decimal(text) == number


def test_a_text_is_found_in_the_file_s_own_encoding() -> None:
    assert holds("\ufeffBattery".encode("utf-16-le"), "Batt")
    assert not holds(b"Battery", "batt")
    assert first_texts(b"\n  a \n\nb\nc\n", 2) == ["a", "b"]
