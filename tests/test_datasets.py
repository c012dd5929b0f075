"""The table that ships is what its card says, and covers what the code can ask for."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from nas.datasets.data import data_source
from nas.networks.layers import space_layers
from nas.spaces import make_space
from parsers.stats import read_stats

DATASETS = Path(__file__).parent.parent / "datasets"


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return read_stats(DATASETS / "stats.parquet")


@pytest.mark.parametrize(
    ("name", "device"),
    [
        *[("mobilenetv2", device) for device in ("flagship", "mid", "low")],
        *[("mobilenetv2-tiny", device) for device in ("flagship", "mid", "low", "host")],
    ],
)
def test_every_layer_of_a_search_space_has_a_row(table: pd.DataFrame, name: str, device: str):
    source = data_source("mnist-5k")
    space = make_space(name, image=source.image, classes=source.classes)
    rows = table[(table["scope"] == "isolated") & table["device"].str.startswith(device)]

    missing = {layer.key for layer in space_layers(space)} - set(rows["layer_key"])

    assert missing == set()


def test_the_card_counts_the_rows_as_they_are(table: pd.DataFrame):
    card = (DATASETS / "README.md").read_text(encoding="utf-8")
    kinds = table.groupby(["origin", "device_kind", "scope"]).size()

    claimed = [f"| {rows} | `{origin}` | `{kind}` |" for (origin, kind, _), rows in kinds.items()]

    assert [line for line in claimed if line not in card] == []


def test_the_table_is_small_enough_to_ship_and_names_no_phone(table: pd.DataFrame):
    assert (DATASETS / "stats.parquet").stat().st_size < 5_000_000
    assert set(table["device_kind"]) == {"host", "none"}
    assert set(table.loc[table["device_kind"] == "none", "origin"]) == {"modelled"}
