"""One table of TFLite's profile: a header that names its columns, and lines that are read by these names.

TensorFlow's ``stats_calculator.cc`` prints the tables, of operators and of types of them. While it lay in
``tensorflow/core/util`` they had a column ``[start]``; since it lies in ``tsl/util`` they have none, so that a column's
place tells nothing. Text tables are parted by tabs (in a copy from a terminal, by spaces), CSV by commas that may also
stand in a type or a name: ``Convolution (NHWC, F32) GEMM``. So the numbers are looked for, and must fit in one place only.
Percentages carry their sign, other numbers none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from parsers.dump_numbers import decimal, whole
from parsers.profiles.operator_time import figure_of

_BRACKETED = re.compile(r"\[([^\[\]\t]{1,32})\]")
_TYPE, _NAME, _AVERAGE = "node type", "name", "avg ms"
_PERCENTS = frozenset({"%", "avg %", "cdf%", "cdf %"})
_UNDEFINED = frozenset({"nan%", "-nan%", "inf%", "-nan(ind)%"})
"""What C++ prints of a share of nothing."""
_TIMES = frozenset({"first", _AVERAGE})
_COUNTS = frozenset({"times called", "count"})
_KNOWN = frozenset({"start", "mem kb"}) | _TIMES | _COUNTS | _PERCENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """A table's columns."""

    columns: tuple[str, ...]
    """Numbers between type and name, in lower case: ``first``, ``avg ms``, ``%``."""
    has_name: bool
    separator: str | None
    """Tab or comma; None for a run of spaces."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of a table."""

    type: str
    name: str
    average_ms: float
    numbers: Mapping[str, float | None]
    """By column; None where a share is undefined."""


def is_header(text: str) -> bool:
    """Tell a table's header, understood or not."""
    start = text.strip()[:12].lower()
    return start.startswith(("[node type]", "node type,"))


def header_of(text: str) -> Header | None:
    """Read a header; ``None`` where it lacks the type or the mean time, or names a column twice."""
    if text.strip().startswith("["):
        found = _BRACKETED.findall(text)
        separator = "\t" if "\t" in text.strip() else None
    else:
        found, separator = text.split(","), ","
    names = [name.strip().lower().replace("avg_ms", _AVERAGE) for name in found]
    has_name = names[-1] == _NAME
    columns = names[1:-1] if has_name else names[1:]
    unclear = names[0] != _TYPE or _AVERAGE not in columns or {_TYPE, _NAME, ""} & set(columns)
    if unclear or len(set(columns)) < len(columns):
        return None
    return Header(columns=tuple(columns), has_name=has_name, separator=separator)


def entry_of(header: Header, text: str) -> Entry | str:
    """Read a line of a table, or give the reason why it cannot be."""
    parts = [part.strip() for part in text.strip().split(header.separator)]
    width = len(header.columns)
    last = len(parts) - width
    places = range(1, last + 1) if header.has_name else range(max(last, 1), last + 1)
    fits = [place for place in places if _fit(header.columns, parts[place : place + width])]
    if not fits:
        return "a line of a table that does not fit its header"
    if len(fits) > 1:
        return "a line of a table whose numbers fit in several places"
    place = fits[0]
    figures = dict(zip(header.columns, parts[place : place + width], strict=True))
    between = ", " if header.separator == "," else " "
    name = between.join(parts[place + width :])
    return Entry(
        type=between.join(parts[:place]),
        name=name.replace("\t", ",") if header.separator == "," else name,  # newer CSV parts names by tabs instead
        average_ms=float(figures[_AVERAGE]),
        numbers={column: decimal(figure.removesuffix("%")) for column, figure in figures.items()},
    )


def _fit(columns: Sequence[str], parts: Sequence[str]) -> bool:
    return all(_fits(column, part) for column, part in zip(columns, parts, strict=True))


def _fits(column: str, part: str) -> bool:
    if part.endswith("%"):
        is_share = column in _PERCENTS or column not in _KNOWN
        return is_share and (part.lower() in _UNDEFINED or decimal(part[:-1]) is not None)
    if column in _PERCENTS:
        return False
    if column in _COUNTS:
        return whole(part) is not None and figure_of(part) is not None
    return (figure_of(part) if column in _TIMES else decimal(part)) is not None
