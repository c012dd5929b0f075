"""Per-layer costs that a user hands in: a CSV, Parquet or JSON file with one row per layer configuration.

A row says which layer it is by ``layer_key``, or by the columns that a layer has (``parsers.schema.Layer``, as
``nas space layers`` writes them), and what the layer costs in a column of the user's choice.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from nas.errors import DataError
from parsers.schema import Layer, layer_from_values

KEY = "layer_key"
_HINT = "Write one row per layer, by layer_key or with the columns of 'nas space layers'."


def read_layer_costs(path: Path, column: str) -> dict[str, float]:
    """Read what layers cost, by their keys; infinity is a layer that cannot run.

    Raises:
        DataError: no such file or column, a row that is no layer, a cost that is none, or a layer with two costs.
    """
    found: dict[str, float] = {}
    for number, row in enumerate(_rows(path), start=1):
        cost = _cost(row, column, f"{path}, row {number}")
        key = _key({name: cell for name, cell in row.items() if name != column}, f"{path}, row {number}")
        if found.setdefault(key, cost) != cost:
            raise DataError(
                f"{path}, row {number}: layer {key} costs {cost:g} here and {found[key]:g} in a row above. Leave one row "
                "per layer."
            )
    if not found:
        raise DataError(f"{path} has no rows. {_HINT}")
    return found


def _rows(path: Path) -> Iterable[Mapping[str, Any]]:
    try:
        if path.suffix == ".json":
            document = json.loads(path.read_text(encoding="utf-8"))
            rows = document.get("layers") if isinstance(document, dict) else document
            if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
                raise DataError(f'{path} is no list of layers. Write {{"layers": [{{…}}, …]}}, or the list alone.')
            return rows
        if path.suffix in {".csv", ".parquet"}:
            return _table_rows(path)
    except OSError as exc:
        raise DataError(f"Cannot read {path}: {exc.strerror or exc}. Name another file with --cost-table.") from exc
    except ValueError as exc:
        raise DataError(f"{path} is no table of layers: {str(exc).splitlines()[0]}. {_HINT}") from exc
    raise DataError(f"{path} is no .csv, .parquet or .json file. {_HINT}")


def _table_rows(path: Path) -> list[dict[str, Any]]:
    import pandas as pd  # noqa: PLC0415 - half a second that only these files need

    table = pd.read_csv(path, dtype={KEY: str}) if path.suffix == ".csv" else pd.read_parquet(path)
    rows: Any = table.astype(object).where(table.notna(), None).to_dict("records")
    return list(rows)


def _cost(row: Mapping[str, Any], column: str, where: str) -> float:
    if column not in row:
        raise DataError(f"{where} has no {column!r}; it has {', '.join(map(str, row))}. Name a column with --latency.")
    cost = row[column]
    if isinstance(cost, bool) or not isinstance(cost, int | float) or math.isnan(cost) or cost < 0:
        raise DataError(f"{where}: {column} is {cost!r}, which no layer can cost.")
    return float(cost)


def _key(row: Mapping[str, Any], where: str) -> str:
    if row.get(KEY) is not None:
        return str(row[KEY])
    values = {name: cell for name, cell in row.items() if cell is not None}
    missing = [item.name for item in fields(Layer) if item.default is MISSING and item.name not in values]
    if missing:
        raise DataError(f"{where} says neither {KEY} nor the layer's {missing[0]}. {_HINT}")
    try:
        return layer_from_values(values).key
    except (TypeError, ValueError) as exc:
        raise DataError(f"{where} is no layer: {exc}. {_HINT}") from exc
