"""The benchmark's table of whole networks (``tflite_cnn_e2e.csv``, TFLite 2.10, µs): mean and deviation by device and setting.

Nothing is told of a network but its name, its FLOPs and its size in bytes, so its row has a type and those two. A setting is
a phone's GPU, or cores of named clusters with a thread on each.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from parsers.dump import Buffer, Reject
from parsers.errors import PublishedError
from parsers.operators import NETWORK
from parsers.published.lines import Line, lines_of, number_in
from parsers.published.phones import Phone
from parsers.published.rows import Published, PublishedRow, Setting, Table, notes_of
from parsers.published.settings import TFLITE, US_PER_MS, Header, header_of, setting_of, unread_columns
from parsers.published.sketch import Sketch
from parsers.schema import Measurement, Scope

_NAME = "tflite-e2e"
_NETWORK_COLUMNS = ("model", "FLOPS", "size")


@dataclass(frozen=True, slots=True, kw_only=True)
class _TimeColumn:
    index: int
    name: str
    """For rejects."""
    words: str
    """Cores and precision, as the table says them."""
    setting: Setting
    deviation_index: int | None


def read_network_table(data: Buffer, stem: str, phones: Mapping[str, Phone]) -> Published:
    """Read a table of whole networks.

    Raises:
        PublishedError: another table.
    """
    lines = lines_of(data)
    header = header_of(next(lines, None), _NETWORK_COLUMNS, "pixel4|gpu|float|mean,pixel4|gpu|float|std,...")
    columns = list(_time_columns(header.names, f"{_NAME}-{stem}", phones))
    if not columns:
        raise PublishedError("The table has no column of times, as 'pixel4|gpu|float|mean'.")
    rejects: list[Reject] = []
    rows = [row for line in lines for row in _rows_of(line, columns, header, rejects)]
    read = {
        *header.places,
        *(place for column in columns for place in (column.index, column.deviation_index)),
    }
    return Published(rows=rows, rejects=rejects, notes=(*unread_columns(header.names, read), *notes_of(rows, phones)))


def _time_columns(header: Sequence[str], campaign: str, phones: Mapping[str, Phone]) -> Iterator[_TimeColumn]:
    places = {name: index for index, name in enumerate(header)}
    for index, name in enumerate(header):
        words = name.split("|")
        if len(words) != 4 or words[3] != "mean":
            continue
        setting = setting_of(*words[:3], runtime=TFLITE, campaign=campaign, phones=phones)
        if setting is not None:
            yield _TimeColumn(
                index=index,
                name=" ".join(words[:3])[:60],
                words=f"{words[1]}-{words[2]}",
                setting=setting,
                deviation_index=places.get("|".join((*words[:3], "std"))),
            )


def _rows_of(
    line: Line, columns: Sequence[_TimeColumn], header: Header, rejects: list[Reject]
) -> Iterator[PublishedRow]:
    fields = line.fields
    if fields is None or len(fields) != len(header.names):
        rejects.append(line.reject("a line that is not one value per column"))
        return
    model, flops, size_bytes = header.texts(fields)
    if not model or ";" in model:
        rejects.append(line.reject("a line without the name of a model"))
        return
    sketch = _sketch(flops, size_bytes)
    sketches = {precision: sketch.of_precision(precision) for precision in {one.setting.precision for one in columns}}
    for column in columns:
        text = fields[column.index].strip()
        if not text:
            continue
        mean_us = number_in(text)
        if not mean_us:
            rejects.append(line.reject(f"no time above zero for {column.name}"))
            continue
        deviation = fields[column.deviation_index].strip() if column.deviation_index is not None else ""
        deviation_us = number_in(deviation)
        if deviation and deviation_us is None:
            rejects.append(line.reject(f"no deviation for {column.name}; its time is taken"))
        yield column.setting.row(
            sketches[column.setting.precision],
            _measurement(mean_us, deviation_us),
            scope=Scope.NETWORK,
            job=f"{line.number}-{model}-{column.words}",
            networks=(model,),
        )


def _measurement(mean_us: float, deviation_us: float | None) -> Measurement:
    mean_ms = mean_us / US_PER_MS
    return Measurement(
        execution_time_ms=mean_ms,
        wall_ms=mean_ms,
        network_wall_ms=mean_ms,
        spread=None if deviation_us is None else deviation_us / mean_us,
    )


def _sketch(flops: str, size_bytes: str) -> Sketch:
    told = {
        name: int(text)
        for name, text in (("flops", flops), ("size_bytes", size_bytes))
        if text.isascii() and text.isdigit() and len(text) <= 18
    }
    return Sketch.part(NETWORK, {"attributes": json.dumps(told, sort_keys=True, separators=(",", ":"))})


TABLE = Table(
    name=_NAME,
    meaning="tflite_cnn_e2e.csv of qed-usc/mobile-ml-benchmark: whole networks in TFLite on phones' CPUs and GPUs",
    read=read_network_table,
)
