"""Tables without a header: lines of one form that follow each other in a log, and what stands between them.

Whatever else a log says before and behind such lines is none of a profile's business. A line *between* two of them that
cannot be read is: it may be an operator whose time would be missing without a word.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from parsers.dump_lines import Line, Rejects
from parsers.profiles.operator_time import figure_of

Read = TypeVar("Read")

_MOST_HELD = 8
"""More lines than these between two of a table are another program's."""
_FIGURES = ("min =", "max =", "avg =")
_FIGURE = re.compile(r"\b(min|max|avg) = {0,16}([0-9.]{1,30}) ?(ms)?(?= |$)")
_ROUNDING_MS = 0.011
_BETWEEN = "a line between a table's lines that does not fit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """What a line outside of tables says of them; other readers' lines derive from it."""


class Misfit(str):
    """Why a line that certainly is of a table cannot be read."""

    __slots__ = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkTimes:
    """Times of a whole network, as several benchmark programs print them on one line."""

    network: str
    min_ms: float
    max_ms: float
    avg_ms: float
    has_unit: bool
    """Whether ``ms`` stands behind each."""


def table_lines(lines: Iterable[Line], read: Callable[[str], Read | Misfit | None], rejects: Rejects) -> Iterator[Read]:
    """Yield what ``read`` makes of a log's lines; it gives ``None`` for a line that is of no table."""
    held: list[Line] = []
    inside = False
    for line in lines:
        text = line.text.strip()
        found = read(text)
        if isinstance(found, Misfit):
            rejects.add(line, found)
        elif isinstance(found, Outside):
            held.clear()
            inside = False
            yield found
        elif found is not None:
            for other in held:
                rejects.add(other, _BETWEEN)
            held.clear()
            inside = True
            yield found
        elif not text or len(held) == _MOST_HELD:
            held.clear()
            inside = False
        elif inside:
            held.append(line)


def network_times(text: str) -> NetworkTimes | Misfit | None:
    """Read ``name  min = 1.20  max = 1.90  avg = 1.40``, in any order, with ``ms`` or without.

    ``None`` where it is another line.
    """
    if sum(name in text for name in _FIGURES) < 2:
        return None
    found = list(_FIGURE.finditer(text))
    times = {figure[1]: figure_of(figure[2]) for figure in found}
    units = {figure[3] for figure in found}
    low, high, mean = (times.get(name) for name in ("min", "max", "avg"))
    network = text[: found[0].start()].strip() if found else ""
    if len(found) != 3 or len(units) != 1 or low is None or high is None or mean is None or not network:
        return Misfit("a network's times that cannot be read")
    if not low <= mean + _ROUNDING_MS <= high + 2 * _ROUNDING_MS:
        return Misfit("a network's mean time that is not between its least and its greatest")
    return NetworkTimes(network=network, min_ms=low, max_ms=high, avg_ms=mean, has_unit=units == {"ms"})


class UniqueNames:
    """Gives names that it gave before a number behind them."""

    def __init__(self) -> None:
        self._given: Counter[str] = Counter()

    def give(self, name: str) -> str:
        """Give the name, or the name with a number that makes it new."""
        self._given[name] += 1
        return name if self._given[name] == 1 else self.give(f"{name} ({self._given[name]})")
