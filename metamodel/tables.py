"""The stats tables that a command is given, read and looked over once, before anything rests on them.

What a fit leaves out one by one and counts (a time that is missing, infinite, zero or negative) passes here. What would make
nonsense of all that is computed from it does not: a layer without channels, a device with an infinite clock, a time of
10³⁰⁰ ms. The message names table, column, device and job.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from metamodel.errors import TableError
from metamodel.targets import RESPONSES
from metamodel.units import check_units
from parsers.schema import Context, Layer
from parsers.stats import read_stats

GREATEST = 1e15
"""No attribute of a layer or a device is greater."""
RESPONSES_WITHIN = (1e-9, 1e9)
"""No response that was observed is outside, in its unit: of a latency, a picosecond and eleven days."""

_MAY_BE_ZERO = frozenset(
    {
        "pad_top",
        "pad_bottom",
        "pad_left",
        "pad_right",
        "idskip",
        "weight_elements",
        "compute_units",
        "task_text",
        "task_multi_entity",
        "task_roi",
        "evicted_mb",
        "threads",
    }
)
_SHAPES = {"input_shapes": r"(?:\d+(?:x\d+)*)?(?:;(?:\d+(?:x\d+)*)?)*", "output_shape": r"(?:\d+(?:x\d+)*)?"}
_CONTEXT = tuple(item.name for item in fields(Context))
_REQUIRED = tuple(item.name for item in fields(Layer) if not str(item.type).endswith("| None"))


def read_tables(paths: Sequence[Path]) -> list[pd.DataFrame]:
    """Read stats tables.

    Raises:
        parsers.errors.StatsError: a table is absent, torn or of another version, or a column holds something else.
        TableError: a value that cannot be, or times in another unit than their column says.
    """
    tables = [read_stats(path) for path in paths]
    for path, table in zip(paths, tables, strict=True):
        check_values(table, name=path.name)
        check_units(table, name=path.name)
    return tables


def check_values(table: pd.DataFrame, *, name: str) -> None:
    """Refuse attributes that no layer or device has, and responses that nothing can have taken.

    Operators without shapes are passed over: nothing is computed from them.

    Args:
        table: as :func:`parsers.stats.read_stats` gives it.
        name: of the table, for the message.

    Raises:
        TableError: the message names the table, the column, the row and its value.
    """
    table = table[table["layer_key"].notna() & table["input_volume"].notna()]
    for column in _REQUIRED:
        _refuse(table, column, table[column].isna(), "a layer has it", name)
    for column, pattern in _SHAPES.items():
        _refuse(table, column, ~table[column].str.fullmatch(pattern), "write it as 1x3x224x224", name)
    for column in (*(item.name for item in fields(Layer)), *_CONTEXT, "evicted_mb", "threads"):
        if pd.api.types.is_numeric_dtype(table[column]):
            values = table[column].to_numpy(dtype=np.float64, na_value=np.nan)
            told = "0 or more" if column in _MAY_BE_ZERO else "greater than 0"
            wrong = (values < 0) | (values > GREATEST) | ((values == 0) & (column not in _MAY_BE_ZERO))
            _refuse(table, column, wrong, f"it must be {told}, and at most {GREATEST:g}", name)
    least, greatest = RESPONSES_WITHIN
    for response in RESPONSES:
        values = table[response.column].to_numpy(dtype=np.float64, na_value=np.nan)
        wrong = np.isfinite(values) & (values > 0) & ((values < least) | (values > greatest))
        told = f"no {response.target.value} is outside {least:g} to {greatest:g} {response.unit}"
        _refuse(table, response.column, wrong, told, name)


def _refuse(
    table: pd.DataFrame, column: str, wrong: pd.Series[bool] | npt.NDArray[np.bool_], told: str, name: str
) -> None:
    rows = np.flatnonzero(wrong)
    if len(rows):
        device, job, value = table[["device", "job", column]].iloc[rows[0]]
        held = "nothing" if pd.isna(value) else f"{value!r}" if isinstance(value, str) else f"{value}"
        more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
        raise TableError(
            f"{name}: {column} of job {job} on {device}{more} holds {held}; {told}. Correct it, or leave the row out."
        )
