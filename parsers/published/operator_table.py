"""The benchmark's tables of operators: a line per operator of a network, a column per device and setting.

A line's ``…|kernel`` columns name the program that ran the operator there. It tells how a device ran the layer, so it is no
part of the layer: it goes into ``provider_used``, and the layer is one for all devices.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from parsers.dump import Buffer, Reject
from parsers.errors import PublishedError
from parsers.published.features import Features, read_features
from parsers.published.lines import Line, lines_of, number_in
from parsers.published.phones import Phone
from parsers.published.rows import Published, PublishedRow, Setting, notes_of
from parsers.published.settings import US_PER_MS, Header, Runtime, header_of, setting_of, unread_columns
from parsers.published.sketch import Sketch
from parsers.schema import Measurement, Scope

_LAYER_COLUMNS = ("model", "operation", "feature")


@dataclass(frozen=True, slots=True, kw_only=True)
class Framework:
    """How one runtime's table is read."""

    name: str
    """Of the kind of table."""
    runtime: Runtime
    operations: frozenset[str]
    """By which the table is told from the other runtime's: all that are known."""
    describe: Callable[[str, Features, Sequence[str]], Sketch]
    """Describe an operation from its features and its kernels on all devices."""
    kernel: Callable[[str], str]
    """Name a kernel without its place in the network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _TimeColumn:
    index: int
    name: str
    setting: Setting
    kernel_index: int | None


@dataclass(slots=True, kw_only=True)
class _Reading:
    """A table while it is read."""

    framework: Framework
    columns: Sequence[_TimeColumn]
    precisions: frozenset[str]
    header: Header
    rejects: list[Reject] = field(default_factory=list)
    operations: set[str] = field(default_factory=set)


def read_operator_table(data: Buffer, stem: str, phones: Mapping[str, Phone], framework: Framework) -> Published:
    """Read a table of operators.

    Raises:
        PublishedError: no table of operators, or one of another runtime.
    """
    lines = lines_of(data)
    header = header_of(next(lines, None), _LAYER_COLUMNS, "pixel4|gpu|float,pixel4|gpu|kernel,...")
    columns = _time_columns(header.names, framework, f"{framework.name}-{stem}", phones)
    if not columns:
        raise PublishedError("The table has no column of times, as 'pixel4|gpu|float'.")
    precisions = frozenset(column.setting.precision for column in columns)
    reading = _Reading(framework=framework, columns=columns, precisions=precisions, header=header)
    with warnings.catch_warnings(action="ignore"):  # a damaged feature may be odd Python
        rows = [row for line in lines for row in _rows_of(line, reading)]
    if reading.operations and not reading.operations & framework.operations:
        found = min(reading.operations)[:60]
        raise PublishedError(f"Another runtime's table: it has operations such as {found!r}. Name its own kind.")
    read = {
        *header.places,
        *(place for column in columns for place in (column.index, column.kernel_index)),
    }
    return Published(
        rows=rows, rejects=reading.rejects, notes=(*unread_columns(header.names, read), *notes_of(rows, phones))
    )


def _time_columns(
    header: Sequence[str], framework: Framework, campaign: str, phones: Mapping[str, Phone]
) -> list[_TimeColumn]:
    columns: list[_TimeColumn] = []
    places = {name: index for index, name in enumerate(header)}
    for index, name in enumerate(header):
        words = name.split("|")
        if len(words) != 3 or words[2] == "kernel":
            continue
        setting = setting_of(*words, runtime=framework.runtime, campaign=campaign, phones=phones)
        if setting is not None:
            place = places.get(f"{words[0]}|{words[1]}|kernel")
            columns.append(_TimeColumn(index=index, name=name[:60], setting=setting, kernel_index=place))
    return columns


def _rows_of(line: Line, reading: _Reading) -> Iterator[PublishedRow]:
    fields = line.fields
    if fields is None or len(fields) != len(reading.header.names):
        reading.rejects.append(line.reject("a line that is not one value per column"))
        return
    model, operation, feature = reading.header.texts(fields)
    if not model or not operation or ";" in model:
        reading.rejects.append(line.reject("a line without the name of a model or an operation"))
        return
    kernels = [
        None if column.kernel_index is None else fields[column.kernel_index].strip() for column in reading.columns
    ]
    reading.operations.add(operation)
    features = read_features(feature)
    if features is None:
        reading.rejects.append(line.reject("a feature that is no dict of sizes; its layer is known by its type only"))
        features = Features(values={})
    sketch = reading.framework.describe(operation, features, tuple(kernel for kernel in kernels if kernel))
    sketches = {precision: sketch.of_precision(precision) for precision in reading.precisions}
    for column, kernel in zip(reading.columns, kernels, strict=True):
        text = fields[column.index].strip()
        if not text:
            continue
        time_us = number_in(text)
        if not time_us:
            reading.rejects.append(line.reject(f"no time above zero in column {column.name}"))
            continue
        yield column.setting.row(
            sketches[column.setting.precision],
            Measurement(execution_time_ms=time_us / US_PER_MS),
            scope=Scope.IN_NETWORK,
            job=f"{line.number}-{model}-{operation}-{column.name.partition('|')[2]}",
            networks=(model,),
            kernel=reading.framework.kernel(kernel) if kernel else None,
        )
