"""A record's time in ISO 8601, as far as it can be known.

A log's time is local and mostly without a year; ``year`` and ``zone`` add what is missing, ``epoch`` is an instant and
``monotonic`` the time since the phone started. ``-v UTC`` leaves no trace in the log: such times are read as local ones. The
user may say when the log was taken (:mod:`parsers.logcat.years`) and in which zone; neither is guessed. The digits of a
second stay those of the log.

``epoch`` and ``monotonic`` look alike: liblog pads the one to 19 digits and the other to 6. Where something stripped the
spaces, a thousand million seconds (2001; 31 years of uptime) tell an epoch, and less than that tells neither.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import count

from parsers.logcat.record import TimeConfidence
from parsers.logcat.years import LogDay, YearPlan

Told = tuple[str | None, TimeConfidence, str | None]
"""The time in ISO 8601, how it was found, and a text that orders it among those that begin with the same letter."""

_UNTOLD: Told = (None, TimeConfidence.NONE, None)
_NUMBER = re.compile(r"( *-?)([0-9]{1,19})\.([0-9]{1,9})")
_EPOCH_WIDTH, _MONOTONIC_WIDTH = 19, 6
_CERTAINLY_EPOCH = 1_000_000_000
_JANUARY, _DECEMBER = 1, 12
_NO_YEAR = 5000
"""Orders days that have no year; later and earlier years count from it."""
_LEAP_YEAR = 2000
_CLOSE_DAYS = 7


def log_day(raw: str) -> LogDay | None:
    """Give the day of a time that has no year; ``None`` for any other."""
    return int(raw[:2]) * 100 + int(raw[3:5]) if raw[2] == "-" and raw[0] > "-" else None


class Clock:
    """Resolves the times of a log, in its order; neighbours mostly share a minute, so each minute is worked out once."""

    def __init__(self, zone: tzinfo | None = None, plan_years: Callable[[], YearPlan] | None = None) -> None:
        """See the module; ``plan_years`` is called once, when the first time without a year is met."""
        self._zone = zone
        self._plan_years = plan_years
        self._plan: YearPlan | None = None
        self._runs = count()
        self._minute = ""
        self._day: LogDay | None = None
        self._year = self._latest_year = _NO_YEAR
        self._iso = self._offset = self._order = ""
        self._confidence = TimeConfidence.NONE

    def restart(self) -> None:
        """Begin another stretch of log: its first day follows from no day before."""
        self._minute, self._day = "", None
        self._year = self._latest_year = _NO_YEAR

    def tell(self, raw: str) -> Told:
        """Resolve a time as it stands in the log."""
        if raw[0] <= "-":
            return _tell_number(raw)
        if raw[2] == "-":
            cut = 11
        elif raw[4] == "-":
            cut = 16
        else:
            return _tell_number(raw)
        if raw[-5] in "+-":
            minute, seconds = raw[:cut] + raw[-5:], raw[cut:-6]
        else:
            minute, seconds = raw[:cut], raw[cut:]
        if minute != self._minute:
            self._turn_to(minute, cut)
        if not self._iso:
            return _UNTOLD
        return self._iso + seconds + self._offset, self._confidence, self._order + seconds

    def _turn_to(self, minute: str, cut: int) -> None:
        """Work out what the times of one minute share."""
        self._minute = minute
        hour, month_day = minute[cut - 5 : cut], minute[cut - 11 : cut - 6]
        written = _written_offset(minute[cut:])
        if cut == 16:
            year, self._confidence = int(minute[:4]), TimeConfidence.EXACT
        else:
            year, self._confidence = self._year_of(log_day(minute) or 0), TimeConfidence.YEAR_FROM_CAPTURE
        moment = _moment(year, month_day, hour)
        if moment is not None and (cut == 16 or self._plan is not None):
            self._iso, self._order = f"{year:04}-{month_day}T{hour}", f"L{year:04}-{month_day}T{hour}"
            self._attach_offset(moment, written)
        elif cut == 11 and _moment(_LEAP_YEAR, month_day, hour) is not None:
            self._iso, self._order = f"--{month_day}T{hour}", f"L{year:04}-{month_day}T{hour}"
            self._confidence = TimeConfidence.NO_YEAR
            self._offset = _iso_offset(self._zone.utcoffset(None) if written is None and self._zone else written)
        else:
            self._iso = ""

    def _year_of(self, day: LogDay) -> int:
        """Give the year of a day that has none: the plan's, or one that only orders the days among themselves."""
        if day == self._day:
            return self._year
        if self._plan is None and self._plan_years is not None:
            self._plan = self._plan_years()
        if self._plan is not None:
            self._year = self._plan.year(next(self._runs))
        elif self._day is not None:
            self._year += self._years_on(self._day, day)
            self._latest_year = max(self._latest_year, self._year)
        self._day = day
        return self._year

    def _years_on(self, day: LogDay, following: LogDay) -> int:
        """Tell by how many years a log without any moves on from one day to the next.

        From January to December it was set back over New Year if it had passed one, or if the days are close; else it
        may have been set right after a start in 1970.
        """
        months = day // 100, following // 100
        if months == (_DECEMBER, _JANUARY):
            return 1
        if months == (_JANUARY, _DECEMBER):
            close = day % 100 + 31 - following % 100 <= _CLOSE_DAYS
            return -1 if close or self._year > _NO_YEAR else 0
        was_set_back = months[0] == _DECEMBER and months[1] != _DECEMBER and self._year < self._latest_year
        return self._latest_year - self._year if was_set_back else 0

    def _attach_offset(self, moment: datetime, written: timedelta | None) -> None:
        """Take the offset that is written, or the one that the user's zone has at that time."""
        if written is not None:
            self._offset = _iso_offset(written)
            self._order = _utc_order(moment, written)
            return
        self._offset = ""
        offsets = () if self._zone is None else {_offset_at(moment, self._zone, fold) for fold in (0, 1)}
        if len(offsets) == 1:
            (offset,) = offsets
            self._offset = _iso_offset(offset)
        exact = self._confidence is TimeConfidence.EXACT
        if len(offsets) > 1:
            self._confidence = TimeConfidence.ZONE_DOUBTFUL
        elif exact:
            self._confidence = TimeConfidence.ZONE_FROM_USER if self._offset else TimeConfidence.NO_ZONE


def _moment(year: int, month_day: str, hour: str) -> datetime | None:
    try:
        return datetime.fromisoformat(f"{year:04}-{month_day}T{hour}")
    except ValueError:
        return None


def _written_offset(text: str) -> timedelta | None:
    """Read ``+0530``; ``None`` where there is none."""
    if not text:
        return None
    size = timedelta(hours=int(text[1:3]), minutes=int(text[3:]))
    return -size if text[0] == "-" else size


def _offset_at(moment: datetime, zone: tzinfo, fold: int) -> timedelta | None:
    try:
        return moment.replace(tzinfo=zone, fold=fold).utcoffset()
    except (OverflowError, ValueError):
        return None  # beyond the years that the zone's rules reach


def _iso_offset(offset: timedelta | None) -> str:
    if offset is None:
        return ""
    sign = "-" if offset < timedelta() else "+"
    minutes, seconds = divmod(int(abs(offset).total_seconds()), 60)
    return f"{sign}{minutes // 60:02}:{minutes % 60:02}" + (f":{seconds:02}" if seconds else "")


def _utc_order(moment: datetime, offset: timedelta) -> str:
    try:
        return f"U{(moment - offset).isoformat(timespec='minutes')}"
    except OverflowError:
        return f"L{moment.isoformat(timespec='minutes')}"


def _tell_number(raw: str) -> Told:
    match = _NUMBER.fullmatch(raw)
    if match is None or "-" in match[1]:
        return _UNTOLD
    seconds, width = int(match[2]), len(match[1] + match[2])
    if width == _EPOCH_WIDTH or seconds >= _CERTAINLY_EPOCH:
        instant = utc_time(seconds, match[3])
        return _UNTOLD if instant is None else (instant, TimeConfidence.EXACT, f"E{seconds:019}.{match[3]}")
    if width >= _MONOTONIC_WIDTH and (width == _MONOTONIC_WIDTH or not match[1]):
        return f"PT{seconds}.{match[3]}S", TimeConfidence.SINCE_BOOT, f"M{seconds:019}.{match[3]}"
    return _UNTOLD


def utc_time(seconds: int, fraction: str) -> str | None:
    """Write seconds since 1970 as an instant; ``None`` beyond the years that have four digits."""
    try:
        return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction}+00:00"
    except (OverflowError, ValueError, OSError):
        return None
