from __future__ import annotations

import json
import math
from pathlib import Path

import pandas as pd
import pytest

from nas.benchmarking.cost_file import read_layer_costs
from nas.errors import DataError
from nas.networks.layers import space_layers
from nas.space import Space
from parsers.schema import layer_to_json


def test_costs_are_the_same_from_json_csv_and_parquet_by_key_or_by_columns(small_space: Space, tmp_path: Path):
    layers = space_layers(small_space)
    costs = {layer.key: 0.5 + number for number, layer in enumerate(layers)}
    rows = [layer_to_json(layer) | {"ms": costs[layer.key]} for layer in layers]
    keys = [{"layer_key": key, "ms": cost, "note": "x"} for key, cost in costs.items()]
    (tmp_path / "rows.json").write_text(json.dumps({"schema": 1, "layers": rows}))
    (tmp_path / "keys.json").write_text(json.dumps(keys))
    for name, table in (("rows", rows), ("keys", keys)):
        pd.DataFrame(table).to_csv(tmp_path / f"{name}.csv", index=False)
        pd.DataFrame(table).to_parquet(tmp_path / f"{name}.parquet")

    for path in sorted(tmp_path.iterdir()):
        assert read_layer_costs(path, "ms") == costs, path


def test_a_layer_that_cannot_run_costs_infinity(tmp_path: Path):
    (tmp_path / "c.csv").write_text("layer_key,ms\n00e1,inf\n0123456789012345,2\n")

    assert read_layer_costs(tmp_path / "c.csv", "ms") == {"00e1": math.inf, "0123456789012345": 2.0}


@pytest.mark.parametrize(
    ("name", "text", "complaint"),
    [
        ("c.csv", "layer_key,ms\na,1\na,2\n", "row 2: layer a costs 2 here and 1 in a row above"),
        ("c.csv", "layer_key,time\na,1\n", "row 1 has no 'ms'; it has layer_key, time"),
        ("c.csv", "layer_key,ms\na,-1\n", "row 1: ms is -1, which no layer can cost"),
        ("c.csv", "layer_key,ms\na,\n", "row 1: ms is None, which no layer can cost"),
        ("c.csv", "layer_key,ms\na,fast\n", "row 1: ms is 'fast'"),
        ("c.csv", "type,ms\nConv,1\n", "row 1 says neither layer_key nor the layer's in_channels"),
        ("c.csv", "layer_key,ms\n", "has no rows"),
        ("c.csv", "", "is no table of layers"),
        ("c.json", "{", "is no table of layers"),
        ("c.json", '{"costs": []}', "is no list of layers"),
        (
            "c.json",
            '[{"type": "Conv", "in_channels": "x", "channels": 1, "input_volume": 1, "output_volume": 1, "ms": 1}]',
            "row 1 is no layer: ",
        ),
        ("c.parquet", "PAR", "is no table of layers"),
        ("c.txt", "", "is no .csv, .parquet or .json file"),
    ],
)
def test_a_file_that_is_no_table_of_layers_is_refused_in_one_line(tmp_path: Path, name: str, text: str, complaint: str):
    (tmp_path / name).write_text(text)

    with pytest.raises(DataError, match=complaint) as raised:
        read_layer_costs(tmp_path / name, "ms")

    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(DataError, match=r"Cannot read .*absent\.csv"):
        read_layer_costs(tmp_path / "absent.csv", "ms")
