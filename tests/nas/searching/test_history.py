from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from nas.limits.signals import CountedSignal
from nas.networks.layers import network_layers
from nas.searching.history import TIMING_COLUMNS, write_front, write_history
from nas.searching.search import Record
from nas.space import Space, architecture_from_json, architecture_to_json
from nas.trellis import choices_of
from parsers.roofline import macs

SIGNALS = (CountedSignal(name="latency", unit="ms", limit=15.0, manual=16.0),)


@pytest.fixture
def records(small_space: Space) -> list[Record]:
    """The backbone, a shorter one that is nearly as good, and a dearer one that is worse."""
    manual = small_space.manual()
    shorter = (manual[0], None, *manual[2:])
    last = manual[3]
    assert last is not None
    dearer = (*manual[:3], replace(last, kernel_size=5))
    rows = [(manual, 0.5, 14.0, 1.0, 0.0), (shorter, 0.75, 12.0, 0.5, 0.25), (dearer, 0.625, 15.0, 0.25, -0.125)]
    return [
        Record(
            choices=choices_of(small_space, architecture),
            accuracy=accuracy,
            costs=(cost,),
            epsilon=epsilon,
            growth=growth,
            within=True,
            feasible_share=0.5,
            seconds=0.1,
        )
        for architecture, accuracy, cost, epsilon, growth in rows
    ]


def test_a_history_is_read_back_as_it_was_written(records: list[Record], small_space: Space, tmp_path: Path):
    write_history(records, small_space, SIGNALS, tmp_path / "history.parquet")

    table = pq.read_table(tmp_path / "history.parquet")
    architectures = [architecture_from_json(text, small_space) for text in table.column("architecture").to_pylist()]
    assert [choices_of(small_space, architecture) for architecture in architectures] == [one.choices for one in records]
    layers = [network_layers(small_space, architecture) for architecture in architectures]
    assert table.drop_columns(["architecture"]).to_pydict() == {
        "query": [1, 2, 3],
        "accuracy": [0.5, 0.75, 0.625],
        "best_accuracy": [0.5, 0.75, 0.75],
        "latency_ms": [14.0, 12.0, 15.0],
        "macs": [sum(map(macs, one)) for one in layers],
        "weight_elements": [sum(layer.weight_elements for layer in one) for one in layers],
        "within_limits": [True] * 3,
        "epsilon": [1.0, 0.5, 0.25],
        "delta": [0.0, 0.25, -0.125],
        "feasible_share": [0.5] * 3,
        "seconds": [0.1] * 3,
    }
    assert set(TIMING_COLUMNS) <= set(table.column_names)


def test_a_history_says_which_space_and_which_version_it_is_of(
    records: list[Record], small_space: Space, tmp_path: Path
):
    write_history(records, small_space, SIGNALS, tmp_path / "history.parquet")

    metadata = pq.read_schema(tmp_path / "history.parquet").metadata
    assert metadata == {b"autocomet.schema_version": b"1", b"autocomet.space": b"small"}


def test_a_controller_that_weighs_nothing_leaves_its_columns_null(small_space: Space, tmp_path: Path):
    record = Record(
        choices=choices_of(small_space, small_space.manual()),
        accuracy=0.5,
        costs=(14.0,),
        epsilon=None,
        growth=None,
        within=True,
        feasible_share=0.5,
        seconds=0.1,
    )

    write_history([record], small_space, SIGNALS, tmp_path / "history.parquet")

    table = pq.read_table(tmp_path / "history.parquet")
    assert table.column("epsilon").to_pylist() == table.column("delta").to_pylist() == [None]


def test_the_front_as_csv_has_one_line_per_network_by_rising_latency(
    records: list[Record], small_space: Space, tmp_path: Path
):
    better = Record(
        choices=choices_of(small_space, (*small_space.manual()[:3], None)),
        accuracy=0.875,
        costs=(13.0,),
        epsilon=0.1,
        growth=0.0,
        within=True,
        feasible_share=0.5,
        seconds=0.1,
    )

    write_front([*records, better], small_space, SIGNALS, tmp_path / "front.csv")

    with (tmp_path / "front.csv").open(newline="", encoding="utf-8") as file:
        lines = list(csv.reader(file))
    manual = small_space.manual()
    assert lines == [
        ["query", "latency_ms", "accuracy", "architecture"],
        ["2", "12.0", "0.75", architecture_to_json((manual[0], None, *manual[2:]))],
        ["4", "13.0", "0.875", architecture_to_json((*manual[:3], None))],
    ]
