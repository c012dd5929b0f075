"""Tables of accuracies and costs of every network of a space, which answer at once.

A table is an ``.npz`` file with columns ``op1`` … ``opN`` (small integers, every combination in one row), signals in percent and
costs in any unit. Nothing here knows which table it is, or how large.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nas.errors import DataError, SettingsError
from nas.trellis import BoolArray, FloatArray, IntArray

DEFAULT_COST_FLOOR = 0.5

_TICK = 1e-9
_ROUNDING = 0.01
"""Ticks that a quotient of floats may be off."""
_LARGEST_SHARE = 1e3
"""Costs beyond so many limits are planned with as this many: they are out of reach all the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Every network of a space; arrays have one axis per slot, shape (A_1, …, A_N)."""

    signal: FloatArray
    """What a search asks for, in percent."""
    report: FloatArray
    """What is reported of its pick, in percent."""
    cost: FloatArray
    """In the column's unit, not below the floor; infinite where a network cannot run."""
    cost_name: str

    def shares(self, limit: float) -> FloatArray:
        """Give every cost as a share of a limit, in whole billionths, rounded up."""
        return _shares(self.cost, limit)

    def within(self, limit: float) -> BoolArray:
        """Tell which networks keep a limit."""
        return np.asarray(self.shares(limit) <= 1)


def load_table(path: Path, *, signal: str, report: str, cost: str, cost_floor: float = DEFAULT_COST_FLOOR) -> Table:
    """Read and check a table.

    Args:
        path: of the ``.npz`` file; nothing in it is executed.
        signal: column of the accuracy that a search asks for.
        report: column of the accuracy that is reported beside it.
        cost: column that is limited.
        cost_floor: costs below count as this much.

    Raises:
        DataError: no such file or column, values of another kind, or combinations that are missing or there twice.
        SettingsError: a floor that is not positive.
    """
    if not 0 < cost_floor < np.inf:
        raise SettingsError(f"A cost floor of {cost_floor:g} is none. Give --cost-floor above 0.")
    columns = _read(path)
    shape, place = _layout(columns, path)

    def dense(name: str) -> FloatArray:
        return _dense(columns, name, shape, place, path)

    costs = dense(cost)
    if np.any(np.isneginf(costs)):
        raise DataError(f"{path}: {cost} is minus infinity in row {int(np.argmin(columns[cost]))}. No cost is.")
    return Table(
        signal=_percent(dense(signal), signal, path),
        report=_percent(dense(report), report, path),
        cost=np.maximum(costs, cost_floor),
        cost_name=cost,
    )


def load_signals(path: Path, names: Sequence[str]) -> tuple[FloatArray, ...]:
    """Read signals of every network, each as an array with one axis per slot, in percent.

    Raises:
        DataError: see :func:`load_table`.
    """
    columns = _read(path)
    shape, place = _layout(columns, path)
    return tuple(_percent(_dense(columns, name, shape, place, path), name, path) for name in names)


def parse_limits(text: str, costs: FloatArray, cost_name: str) -> tuple[float, ...]:
    """Read ``5,8,10`` as costs, and ``q20,q40`` as costs that 20 % and 40 % of the networks keep.

    Args:
        text: limits with commas between.
        costs: of the networks, in any shape.
        cost_name: what they are called.

    Raises:
        SettingsError: no number, a limit that is not positive, or one that no network keeps.
    """
    limits = tuple(_limit(part.strip(), costs) for part in text.split(","))
    lowest = float(costs.min())
    for limit in limits:
        if not (_shares(costs, limit) <= 1).any():
            raise SettingsError(
                f"No network keeps {cost_name} within {limit:g}: the lowest possible is {lowest:.4g}. "
                f"Give --limits {lowest * 1.2:.3g} or more."
            )
    return limits


Columns = dict[str, npt.NDArray[np.generic]]

_MAGIC = (b"PK\x03\x04", b"PK\x05\x06", b"\x93NUMPY")
"""How files begin that NumPy wrote: of anything else it thinks that it is a pickle, and says how to load that."""


def _read(path: Path) -> Columns:
    try:
        with path.open("rb") as file:
            if not file.read(len(max(_MAGIC, key=len))).startswith(_MAGIC):
                raise DataError(f"{path} is no .npz file. A table is one of named columns, as numpy.savez writes it.")
            file.seek(0)
            loaded = np.load(file, allow_pickle=False)
            if not isinstance(loaded, np.lib.npyio.NpzFile):
                raise DataError(f"{path} holds one array without a name. A table is an .npz file of named columns.")
            return {name: loaded[name] for name in loaded.files}
    except OSError as exc:
        raise DataError(f"Cannot read {path}: {exc.strerror or exc}. Name an .npz file with --table.") from exc
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as exc:
        reason = str(exc).splitlines()[0] if str(exc) else "it ends too early"
        raise DataError(f"{path} is no table of plain numbers ({reason}). Write one with numpy.savez.") from exc


def _layout(columns: Columns, path: Path) -> tuple[tuple[int, ...], IntArray]:
    """Find how many choices every slot has, and every row's place among all combinations."""
    names: list[str] = []
    while f"op{len(names) + 1}" in columns:
        names.append(f"op{len(names) + 1}")
    if not names:
        raise DataError(f"{path} has no columns op1, op2, … that say what a network is; it has {_listed(columns)}.")
    indices: list[IntArray] = []
    shape: list[int] = []
    for name in names:
        column = columns[name]
        if column.ndim != 1 or column.dtype.kind not in "iu" or len(column) != len(columns[names[0]]):
            raise DataError(f"{path}: {name} must be one whole number per network, as op1 is.")
        values, index = np.unique(column, return_inverse=True)
        indices.append(np.asarray(index, dtype=np.int64))
        shape.append(len(values))
    rows, combinations = len(indices[0]), int(np.prod(shape, dtype=np.float64))
    if rows == 0:
        raise DataError(f"{path} has no rows.")
    if combinations > rows:
        raise DataError(
            f"{path} has {rows} rows for {combinations} combinations of {_listed(names)}: some are missing."
        )
    place = np.ravel_multi_index(tuple(indices), tuple(shape))
    counts = np.bincount(place, minlength=combinations)
    if counts.max() > 1:
        row = int(np.flatnonzero(counts[place] > 1)[0])
        raise DataError(
            f"{path}: the network of row {row} is there {int(counts[place[row]])} times. Leave one of each."
        )
    return tuple(shape), np.asarray(place, dtype=np.int64)


def _dense(columns: Columns, name: str, shape: tuple[int, ...], place: IntArray, path: Path) -> FloatArray:
    """Lay a column out with one axis per slot."""
    column = _numbers(columns, name, path)
    if column.shape != place.shape:
        raise DataError(f"{path}: {name} has shape {column.shape}, op1 has {place.shape}. One value per network.")
    laid = np.empty(len(place))
    laid[place] = column
    return laid.reshape(shape)


def _numbers(columns: Columns, name: str, path: Path) -> FloatArray:
    if name not in columns:
        raise DataError(f"{path} has no column {name!r}; it has {_listed(columns)}.")
    if columns[name].dtype.kind not in "iuf":
        raise DataError(f"{path}: {name} holds {columns[name].dtype}, not numbers.")
    column = np.asarray(columns[name], dtype=np.float64)
    if np.isnan(column).any():
        raise DataError(f"{path}: {name} is not a number (NaN) in row {int(np.flatnonzero(np.isnan(column))[0])}.")
    return column


def _percent(column: FloatArray, name: str, path: Path) -> FloatArray:
    lowest, highest = float(column.min()), float(column.max())
    if lowest < 0 or highest > 100:
        raise DataError(f"{path}: {name} goes from {lowest:g} to {highest:g}; an accuracy lies in 0 to 100 percent.")
    return column


def _shares(costs: FloatArray, limit: float) -> FloatArray:
    shares = np.minimum(costs / limit, _LARGEST_SHARE)
    return np.asarray(np.ceil(shares / _TICK - _ROUNDING) * _TICK)


def _limit(text: str, costs: FloatArray) -> float:
    is_quantile = text.startswith("q")
    try:
        value = float(text.removeprefix("q"))
    except ValueError as exc:
        raise SettingsError(f"The limit {text!r} is no number. Write --limits 5,8,10 or --limits q20,q40.") from exc
    if is_quantile and not 0 <= value <= 100:
        raise SettingsError(f"The limit {text!r} is no quantile. Write q0 to q100.")
    if is_quantile:
        value = float(np.quantile(costs, value / 100, method="higher"))
    if not 0 < value < np.inf:
        raise SettingsError(f"The limit {text!r} must be above zero and finite.")
    return value


def _listed(names: Columns | list[str]) -> str:
    return ", ".join(names) or "none"
