"""Records as lines of aligned columns on a terminal or in a pipe, printed as they come.

A log has more records than fit into memory, so the columns' widths are those of the first records; a longer cell moves
what stands behind it.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import typer

from parsers.printable import printable

if TYPE_CHECKING:
    from parsers.dump import Json

_LOOKED_AT = 200
_WIDEST = 40


def print_table(records: Iterable[dict[str, Json]]) -> None:
    """Print records under a line of their fields' names, where the fields change under a new one.

    A record that stands alone among others is printed a line a field.
    """
    records = iter(records)
    for names, group in itertools.groupby(records, key=tuple):
        _print_group(names, group)


def print_fields(record: dict[str, Json]) -> None:
    """Print one record, a line a field."""
    width = max(map(len, record))
    for name, value in record.items():
        typer.echo(f"{name:{width}}  {cell(value)}".rstrip())


def _print_group(names: Sequence[str], records: Iterator[dict[str, Json]]) -> None:
    first = list(itertools.islice(records, _LOOKED_AT))
    if len(first) == 1:
        print_fields(first[0])
        return
    cells = [[cell(record[name]) for name in names] for record in first]
    widths = [min(max(map(len, column)), _WIDEST) for column in zip(names, *cells, strict=True)]
    rest = ([cell(record[name]) for name in names] for record in records)
    for row in itertools.chain([list(names)], cells, rest):
        typer.echo("  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip())


def cell(value: Json) -> str:
    """Write one value so that it stays on its line and moves no cursor: control characters are escaped, null is empty."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return _list(value)
    return json.dumps(value)


def _list(values: Sequence[Json]) -> str:
    """Write words with commas, a shape as 1x3x224x224, shapes with semicolons and ``?`` for one that is not known."""
    if all(isinstance(item, str) for item in values):
        return printable(",".join(str(item) for item in values))
    if all(isinstance(item, int) and not isinstance(item, bool) for item in values):
        return "x".join(str(item) for item in values)
    if all(isinstance(item, list | None) for item in values):
        return ";".join("?" if item is None else cell(item) for item in values)
    return json.dumps(values)
