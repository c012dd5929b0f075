"""The search's records as files a person can open: a Parquet table and the Pareto front as CSV."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from nas.limits.signals import COUNTED, CountedSignal, column_name
from nas.networks.layers import network_layers
from nas.searching.front import pareto_front
from nas.searching.search import Record, best_record
from nas.space import Space, architecture_to_json
from nas.trellis import architecture_of
from parsers.roofline import macs

SCHEMA_VERSION = 1
TIMING_COLUMNS = ("seconds",)
"""What may differ between two runs with one seed."""


def write_history(records: Sequence[Record], space: Space, signals: Sequence[CountedSignal], path: Path) -> None:
    """Write one row per query, in the order in which they were asked.

    ``accuracy`` is the primary signal, whatever it is. Every cost that was counted has a column with its unit;
    ``latency_ms`` is always there, null where it was not.
    """
    architectures = [architecture_of(space, record.choices) for record in records]
    layers = [network_layers(space, architecture) for architecture in architectures]
    best = [best_record(records[: index + 1]) for index in range(len(records))]
    table = pa.table(
        {
            "query": pa.array(range(1, len(records) + 1), pa.int32()),
            "architecture": pa.array([architecture_to_json(item) for item in architectures], pa.string()),
            "accuracy": pa.array([record.accuracy for record in records], pa.float64()),
            "best_accuracy": pa.array([record.accuracy if record else None for record in best], pa.float64()),
            **_costs(records, signals),
            "macs": pa.array([sum(map(macs, item)) for item in layers], pa.int64()),
            "weight_elements": pa.array([sum(layer.weight_elements for layer in item) for item in layers], pa.int64()),
            "within_limits": pa.array([record.within for record in records], pa.bool_()),
            "epsilon": pa.array([record.epsilon for record in records], pa.float64()),
            "delta": pa.array([record.growth for record in records], pa.float64()),
            "feasible_share": pa.array([record.feasible_share for record in records], pa.float64()),
            "seconds": pa.array([record.seconds for record in records], pa.float64()),
        }
    )
    metadata = {"autocomet.schema_version": str(SCHEMA_VERSION), "autocomet.space": space.name}
    pq.write_table(table.replace_schema_metadata(metadata), path)


def _costs(records: Sequence[Record], signals: Sequence[CountedSignal]) -> dict[str, pa.Array]:
    columns = {"latency_ms": pa.nulls(len(records), pa.float64())}
    for place, signal in enumerate(signals):
        if signal.name not in COUNTED:  # these have columns of their own, counted or not
            costs = [record.costs[place] for record in records]
            columns[column_name(signal.name)] = pa.array(costs, pa.float64())
    return columns


def write_front(records: Sequence[Record], space: Space, signals: Sequence[CountedSignal], path: Path) -> None:
    """Write the networks that no other beats in both the primary signal and the first cost, by that cost."""
    positions = {record.choices: index for index, record in enumerate(records, start=1)}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["query", column_name(signals[0].name), "accuracy", "architecture"])
        for record in pareto_front(records):
            architecture = architecture_to_json(architecture_of(space, record.choices))
            writer.writerow([positions[record.choices], record.cost, record.accuracy, architecture])
