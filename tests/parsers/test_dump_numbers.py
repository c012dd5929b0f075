from __future__ import annotations

import pytest

from parsers.dump_numbers import decimal, whole, whole_in_groups


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (" 12 ", 12),
        ("-3", -3),
        ("+4", 4),
        ("1,234", None),
        ("9" * 19, None),
        ("9" * 5_000, None),
        ("٣", None),
        ("", None),
    ],
)
def test_a_whole_number_has_ascii_digits_and_not_too_many(text: str, number: int | None) -> None:
    assert whole(text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("12", 12),
        ("-5", -5),
        ("1,234,567", 1_234_567),
        ("12,34", None),
        ("1,2345", None),
        ("1.5", None),
        ("٣", None),
        ("", None),
        ("9" * 19, None),
        ("9" * 5_000, None),
        ("1" + ",000" * 2_000, None),
    ],
)
def test_a_whole_number_may_have_commas_between_its_thousands_only(text: str, number: int | None) -> None:
    assert whole_in_groups(text) == number


@pytest.mark.parametrize(
    ("text", "number"),
    [("1.5", 1.5), (" -2e-3", -0.002), ("1.", 1.0), ("nan", None), ("inf", None), ("1e999", None), ("1_0", None)],
)
def test_a_decimal_number_is_finite(text: str, number: float | None) -> None:
    assert decimal(text) == number
