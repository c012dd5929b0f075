"""The year of a log that has none: from the day the log was taken, and from nothing else.

The last record lies nearest to that day, so its year is the latest in which its date is not more than a day after it (the
phone's clock may be a zone ahead of the user's). From there backwards the year changes only where December and January are
neighbours, whichever comes first, because a clock may also be set back over New Year, unless that led behind the capture; and
where a day of December would lie behind it. Anywhere else a month that goes down is a clock that was set back, and no new year.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from datetime import date, timedelta

LogDay = int
"""``month * 100 + day``."""

_JANUARY, _DECEMBER = 1, 12


class YearPlan:
    """The year of every run of records on one day, in the log's order."""

    def __init__(self, captured: date) -> None:
        self._limit = captured + timedelta(days=1) if captured < date.max else captured
        self._years = array("h")

    def add_stretch(self, stretch: Iterable[LogDay]) -> None:
        """Take the days of one stretch of log, equal neighbours left out; its last was logged before the capture."""
        days = array("h", stretch)
        years = array("h", bytes(days.itemsize * len(days)))
        for index in range(len(days) - 1, -1, -1):
            last = index == len(days) - 1
            years[index] = (
                self._latest(days[index]) if last else self._year(days[index], days[index + 1], years[index + 1])
            )
        self._years.extend(years)

    def _latest(self, day: LogDay) -> int:
        return self._limit.year - (day > _day(self._limit))

    def _year(self, day: LogDay, later: LogDay, later_year: int) -> int:
        """Give a day's year from that of the day that follows it in the log."""
        months = day // 100, later // 100
        if months == (_DECEMBER, _JANUARY):
            return later_year - 1
        if months == (_JANUARY, _DECEMBER) and not self._is_future(later_year + 1, day):
            return later_year + 1
        if months[0] == _DECEMBER and self._is_future(later_year, day):
            return self._latest(day)
        return later_year

    def _is_future(self, year: int, day: LogDay) -> bool:
        return (year, day) > (self._limit.year, _day(self._limit))

    def year(self, run: int) -> int:
        """Give the year of the log's n-th run of a day."""
        return self._years[run]


def _day(moment: date) -> LogDay:
    return moment.month * 100 + moment.day
