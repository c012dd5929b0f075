from __future__ import annotations

import itertools
from collections.abc import Iterable
from datetime import UTC, date, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.logcat.clock import Clock, log_day
from parsers.logcat.record import TimeConfidence
from parsers.logcat.years import YearPlan

BERLIN = ZoneInfo("Europe/Berlin")


def clock_of(times: Iterable[str], captured: date | None, zone: tzinfo | None = None) -> Clock:
    """A clock for one stretch of log."""
    if captured is None:
        return Clock(zone)
    plan = YearPlan(captured)
    days = [day for time in times if (day := log_day(time)) is not None]
    plan.add_stretch(day for number, day in enumerate(days) if number == 0 or days[number - 1] != day)
    return Clock(zone, lambda: plan)


def told(*times: str, captured: date | None = None, zone: tzinfo | None = None) -> list[str | None]:
    clock = clock_of(times, captured, zone)
    return [clock.tell(time)[0] for time in times]


def days_told(*days: str, captured: date) -> list[str | None]:
    return [time and time[:10] for time in told(*(f"{day} 12:00:00.000" for day in days), captured=captured)]


@pytest.mark.parametrize(
    ("raw", "time", "confidence"),
    [
        ("2025-12-31 23:59:59.998 +0530", "2025-12-31T23:59:59.998+05:30", TimeConfidence.EXACT),
        ("2025-12-31 23:59:59.998765 -0000", "2025-12-31T23:59:59.998765+00:00", TimeConfidence.EXACT),
        ("2025-12-31 23:59:59.998765432", "2025-12-31T23:59:59.998765432", TimeConfidence.NO_ZONE),
        ("12-31 23:59:59.998", "--12-31T23:59:59.998", TimeConfidence.NO_YEAR),
        ("02-29 23:59:59.998 -0330", "--02-29T23:59:59.998-03:30", TimeConfidence.NO_YEAR),
        ("02-30 23:59:59.998", None, TimeConfidence.NONE),
        ("2025-02-29 23:59:59.998", None, TimeConfidence.NONE),
        ("0000-01-01 00:00:00.000", None, TimeConfidence.NONE),
        ("         1767205799.998", "2025-12-31T18:29:59.998+00:00", TimeConfidence.EXACT),
        ("1767205799.998765432", "2025-12-31T18:29:59.998765432+00:00", TimeConfidence.EXACT),
        ("                  5.000", "1970-01-01T00:00:05.000+00:00", TimeConfidence.EXACT),
        ("9223372036854775807.000", None, TimeConfidence.NONE),
        ("    12.345678", "PT12.345678S", TimeConfidence.SINCE_BOOT),
        ("1234567.000", "PT1234567.000S", TimeConfidence.SINCE_BOOT),
        ("12.345", None, TimeConfidence.NONE),
        ("   -12.345", None, TimeConfidence.NONE),
        ("-12345.345", None, TimeConfidence.NONE),
    ],
)
def test_a_time_is_told_as_far_as_it_is_known(raw: str, time: str | None, confidence: TimeConfidence) -> None:
    assert Clock().tell(raw)[:2] == (time, confidence)


def test_the_last_day_is_at_most_one_after_the_capture() -> None:
    captured = date(2026, 3, 10)

    assert [days_told(day, captured=captured) for day in ("03-10", "03-11", "03-12", "12-31", "01-01")] == [
        ["2026-03-10"],
        ["2026-03-11"],
        ["2025-03-12"],
        ["2025-12-31"],
        ["2026-01-01"],
    ]


def test_a_capture_on_new_years_eve_may_hold_the_new_years_first_day() -> None:
    assert days_told("12-30", "12-31", "01-01", captured=date(2025, 12, 31)) == [
        "2025-12-30",
        "2025-12-31",
        "2026-01-01",
    ]


def test_the_year_changes_from_december_to_january_and_back() -> None:
    days = ("12-30", "12-31", "01-01", "12-31", "01-01", "02-01")

    assert days_told(*days, captured=date(2026, 2, 2)) == [
        "2025-12-30",
        "2025-12-31",
        "2026-01-01",
        "2025-12-31",
        "2026-01-01",
        "2026-02-01",
    ]


def test_a_december_that_would_lie_behind_the_capture_is_the_year_before() -> None:
    assert days_told("01-01", "12-31", "02-01", captured=date(2026, 2, 2)) == ["2026-01-01", "2025-12-31", "2026-02-01"]


def test_a_month_that_goes_down_elsewhere_is_no_new_year() -> None:
    assert days_told("08-01", "03-01", "09-01", captured=date(2026, 9, 2)) == ["2026-08-01", "2026-03-01", "2026-09-01"]


def test_a_start_in_january_before_the_clock_was_set_right_is_not_in_the_future() -> None:
    assert days_told("01-01", "12-20", captured=date(2025, 12, 20)) == ["2025-01-01", "2025-12-20"]


def test_the_years_of_several_turns_of_the_year_count_back_from_the_last() -> None:
    days = ("12-31", "01-01", "06-01", "12-31", "01-01")

    assert days_told(*days, captured=date(2026, 1, 1)) == [
        "2024-12-31",
        "2025-01-01",
        "2025-06-01",
        "2025-12-31",
        "2026-01-01",
    ]


def test_no_year_is_invented_for_a_leap_day() -> None:
    assert told("02-28 12:00:00.000", "02-29 12:00:00.000", "03-01 12:00:00.000", captured=date(2026, 3, 1)) == [
        "2026-02-28T12:00:00.000",
        "--02-29T12:00:00.000",
        "2026-03-01T12:00:00.000",
    ]
    assert days_told("02-29", captured=date(2028, 3, 1)) == ["2028-02-29"]


@pytest.mark.parametrize("captured", [date.min, date.max])
def test_the_first_and_the_last_day_of_all_are_captures_like_others(captured: date) -> None:
    assert all(time is not None for time in told("12-31 12:00:00.000", "01-01 12:00:00.000", captured=captured))


def test_the_users_zone_gives_its_offset_in_summer_and_winter() -> None:
    times = ("2025-07-01 12:00:00.000", "2025-12-01 12:00:00.000")

    assert told(*times, zone=BERLIN) == ["2025-07-01T12:00:00.000+02:00", "2025-12-01T12:00:00.000+01:00"]
    assert Clock(BERLIN).tell(times[0])[1] is TimeConfidence.ZONE_FROM_USER
    assert told("07-01 12:00:00.000", captured=date(2025, 7, 1), zone=BERLIN) == ["2025-07-01T12:00:00.000+02:00"]


@pytest.mark.parametrize("raw", ["2025-10-26 02:30:00.000", "2025-03-30 02:30:00.000"])
def test_a_time_that_the_zone_shows_twice_or_never_gets_no_offset(raw: str) -> None:
    assert Clock(BERLIN).tell(raw)[:2] == (raw.replace(" ", "T"), TimeConfidence.ZONE_DOUBTFUL)


def test_the_users_zone_changes_nothing_that_the_log_says_itself() -> None:
    times = ("2025-07-01 12:00:00.000 -0300", "         1767205799.998")

    assert told(*times, zone=BERLIN) == told(*times)


def test_a_fixed_offset_needs_no_year_and_a_zone_with_summer_time_does() -> None:
    raw = "07-01 12:00:00.000"

    assert told(raw, zone=timezone(timedelta(hours=-3, minutes=-30))) == ["--07-01T12:00:00.000-03:30"]
    assert told(raw, zone=UTC) == ["--07-01T12:00:00.000+00:00"]
    assert told(raw, zone=BERLIN) == ["--07-01T12:00:00.000"]


def is_ordered(*times: str, captured: date | None = None) -> list[bool]:
    """Whether each time is at least as late as the one before."""
    clock = clock_of(times, captured)
    orders = [clock.tell(time)[2] or "" for time in times]
    return [before <= after for before, after in itertools.pairwise(orders)]


def test_times_are_ordered_over_new_year_without_any_year() -> None:
    assert is_ordered("12-31 23:59:59.999", "01-01 00:00:00.000", "12-31 23:59:59.998", "02-01 00:00:00.000") == [
        True,
        False,
        True,
    ]
    assert is_ordered("05-02 00:00:00.000", "05-01 00:00:00.000") == [False]
    assert is_ordered("01-01 00:00:05.000", "12-10 00:00:00.000") == [True]
    assert is_ordered("01-01 00:00:05.000", "12-31 00:00:00.000") == [False]


def test_times_with_offsets_are_ordered_as_instants() -> None:
    assert is_ordered("2025-10-26 02:59:59.999 +0200", "2025-10-26 02:00:00.000 +0100") == [True]
    assert is_ordered("0001-01-01 00:00:00.000 +0100", "9999-12-31 23:59:59.999 -0100") == [True]


@given(
    st.lists(st.dates(date(2024, 1, 1), date(2027, 12, 31)), min_size=1, max_size=30),
    st.integers(0, 20),
)
def test_a_log_that_never_goes_back_and_skips_no_new_year_gets_its_years(days: list[date], later: int) -> None:
    first, last = min(days), max(days)
    years = range(first.year, last.year + 1)
    # A log that says nothing between January and December could as well have been set back over New Year.
    turns = [date(year, *day) for year in years for day in ((1, 1), (6, 15), (12, 31))]
    logged = sorted([*days, *(turn for turn in turns if first < turn < last)])

    times = days_told(*(f"{day:%m-%d}" for day in logged), captured=last + timedelta(days=later))

    assert times == [day.isoformat() for day in logged]
