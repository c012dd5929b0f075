"""From stats tables to the rows that a predictor may learn from, with every row that it may not learn from counted.

A fit stands on executed rows only (the paper's ``S ⊆ Z | B``, Algorithm 1 line 28). Rows that could not be executed form
the set B of Eq. 1: their behaviour is infinite, not missing. Whatever else is left out is counted under a reason.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pandas as pd

from metamodel.errors import TableError
from metamodel.interface import Setting
from parsers.schema import (
    INFEASIBLE,
    Context,
    DeviceKind,
    Layer,
    Origin,
    Scope,
    Status,
    Value,
    context_from_values,
    layer_from_values,
)

ROW_KEY = ("campaign", "device", "job")
SETTING_COLUMNS = [*(item.name for item in fields(Context)), "provider", "threads", "device"]
_SOURCE = "peak_gflops_source"
_NETWORK_COLUMNS = [*(name for name in SETTING_COLUMNS if name != _SOURCE), "precision", "networks"]


class Ground(StrEnum):
    """What a bag stands on. Rows of the two are never fitted together.

    On a measured host, fitting the tiers' formula rows along raised the error on unseen networks by a quarter: a formula
    bends the trees towards itself where measurements are few.
    """

    EVIDENCE = "evidence"
    """Measurements, ours or imported."""
    FORMULA = "formula"
    """Modelled rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowCount:
    """How many rows of one origin and device kind a fit stands on."""

    origin: str
    device_kind: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """How many rows were left out, and why."""

    reason: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Infeasible:
    """A known member of the set B: a layer that could not be executed in a setting."""

    layer_key: str
    setting_key: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRows:
    """What a fit stands on."""

    layers: pd.DataFrame
    """Executed rows of single layers and blocks, each with a finite positive ``execution_time_ms``."""
    networks: pd.DataFrame
    """Our own ``in_network`` rows: they fit the step from layers to networks, never the layers. Imported ones are layers: no
    isolated rows stand beside them."""
    whole: pd.DataFrame
    """Published end-to-end times of networks all of whose operators are among the layers, on the same device, provider and
    threads and in the same precision: they fit the step from layers to networks, too."""
    tried: pd.DataFrame
    """Rows of single layers and blocks that were executed or could not be: what tells feasible from infeasible."""
    counts: tuple[RowCount, ...]
    """Of the layers' rows."""
    network_counts: tuple[RowCount, ...]
    """Of the networks' rows."""
    rejects: tuple[Reject, ...]


def select_rows(tables: Sequence[pd.DataFrame], *, include_virtual: bool = False) -> TrainingRows:
    """Put tables together and sort their rows into what is fitted, what is infeasible, and what is left out.

    Raises:
        TableError: no executed row with a usable time remains.
    """
    rejects: list[Reject] = []

    def keep(table: pd.DataFrame, wanted: pd.Series[bool], reason: str) -> pd.DataFrame:
        dropped = int((~wanted).sum())
        if dropped:
            rejects.append(Reject(reason=reason, rows=dropped))
        return table[wanted]

    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    if table.empty:
        raise TableError("The tables hold no rows; run 'profile collect' first.")
    table = keep(table, ~table.duplicated(list(ROW_KEY)), "repeats a (campaign, device, job) that is already there")
    if not include_virtual:
        real = table["device_kind"] != DeviceKind.VIRTUAL.value
        table = keep(table, real, "virtual phone (--include-virtual admits it)")
    is_whole = table["scope"] == Scope.NETWORK.value
    whole, table = table[is_whole], table[~is_whole]
    # Operators that somebody timed within their networks and published are all that such a table tells of its layers.
    published = (table["scope"] == Scope.IN_NETWORK.value) & (table["origin"] == Origin.IMPORTED.value)
    operators = table[published & (table["status"] != Status.ELIDED.value)]
    has_shapes = table["input_volume"].notna() & table["layer_key"].notna()
    table = keep(table, has_shapes, "an operator without shapes")
    in_network = (table["scope"] == Scope.IN_NETWORK.value) & (table["origin"] != Origin.IMPORTED.value)
    networks, layers = table[in_network], table[~in_network]
    tried = layers[layers["status"].isin([Status.OK.value, *(status.value for status in INFEASIBLE)])]
    layers = layers[~layers["status"].isin([status.value for status in INFEASIBLE])]
    for status in Status:
        if status is not Status.OK and status not in INFEASIBLE:
            layers = keep(layers, layers["status"] != status.value, f"status {status.value}")
    time = pd.to_numeric(layers["execution_time_ms"])
    layers = keep(layers, np.isfinite(time) & (time > 0), "execution_time_ms is missing, zero, negative or infinite")
    whole = keep(whole, _explained(whole, operators, layers), "a whole network of which no layer is known, or not all")
    wall_ms = pd.to_numeric(whole["network_wall_ms"])
    timed = (whole["status"] == Status.OK.value) & np.isfinite(wall_ms) & (wall_ms > 0)
    whole = keep(whole, timed, "a whole network without a time")
    if layers.empty:
        reasons = (
            "; ".join(f"{reject.rows} × {reject.reason}" for reject in rejects) or "all are in_network or infeasible"
        )
        raise TableError(f"None of {len(table)} rows can be fitted to ({reasons}).")
    return TrainingRows(
        layers=layers.reset_index(drop=True),
        networks=networks.reset_index(drop=True),
        whole=whole.reset_index(drop=True),
        tried=tried.reset_index(drop=True),
        counts=count_rows(layers),
        network_counts=count_rows(pd.concat([networks, whole])),
        rejects=tuple(rejects),
    )


def network_numbers(table: pd.DataFrame) -> npt.NDArray[np.intp]:
    """Number the network that each row belongs to, in its setting and precision, shape (rows,); -1 for rows that name none."""
    number = table.groupby(_NETWORK_COLUMNS, dropna=False, sort=False).ngroup().to_numpy(dtype=np.intp)
    return np.where(table["networks"].fillna("") == "", -1, number)


def _explained(whole: pd.DataFrame, operators: pd.DataFrame, layers: pd.DataFrame) -> pd.Series[bool]:
    """Tell for each whole network whether its operators are known and are all among the layers, shape (rows of ``whole``,)."""
    number = network_numbers(pd.concat([whole, operators]))
    of_whole, of_operator = number[: len(whole)], number[len(whole) :]
    usable = operators.index.isin(layers.index)
    known = np.isin(of_whole, of_operator[usable]) & ~np.isin(of_whole, of_operator[~usable]) & (of_whole >= 0)
    return pd.Series(known, index=whole.index)


def grounds(table: pd.DataFrame) -> npt.NDArray[np.str_]:
    """Tell each row's ground, shape (rows,)."""
    modelled = (table["origin"] == Origin.MODELLED.value).to_numpy()
    return np.where(modelled, Ground.FORMULA.value, Ground.EVIDENCE.value)


def count_rows(table: pd.DataFrame) -> tuple[RowCount, ...]:
    """Count a table's rows by origin and device kind."""
    sizes = Counter(zip(table["origin"].astype(str), table["device_kind"].astype(str), strict=True))
    return tuple(RowCount(origin=origin, device_kind=kind, rows=rows) for (origin, kind), rows in sorted(sizes.items()))


def layers_of(table: pd.DataFrame) -> Mapping[str, Layer]:
    """Read the unique layers of a table back, by layer key."""
    columns = ["layer_key", *(item.name for item in fields(Layer))]
    unique = _cells(table.drop_duplicates("layer_key")[columns])
    return {str(cells["layer_key"]): layer_from_values(cells) for cells in unique}


def settings_of(table: pd.DataFrame) -> Iterator[tuple[npt.NDArray[np.intp], Setting]]:
    """Yield each unique setting of a table with the positions of its rows."""
    group = table.groupby(SETTING_COLUMNS, dropna=False, sort=False).ngroup().to_numpy()
    for number in range(group.max(initial=-1) + 1):
        rows = np.flatnonzero(group == number)
        (cells,) = _cells(table.iloc[rows[:1]][SETTING_COLUMNS])
        yield (
            rows,
            Setting(
                context=context_from_values(cells),
                provider=str(cells["provider"]),
                threads=int(cells["threads"] or 1),
                device=str(cells["device"]),
            ),
        )


def setting_key(setting: Setting) -> str:
    """Name a context, provider and thread count in sixteen hexadecimal digits, the same on every machine.

    The device's name is not part of it (B is a set of contexts), nor is the text that says where a peak rate comes from.
    """
    context = [getattr(setting.context, item.name) for item in fields(Context) if item.name != _SOURCE]
    plain = [float(value) if isinstance(value, int | float) else value for value in context]
    canonical = json.dumps([*plain, setting.provider, setting.threads])
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _cells(table: pd.DataFrame) -> list[dict[str, Value]]:
    """Read rows as the schema reads them, every kind of null as None."""
    plain = table.astype(object)
    return [
        {str(name): value for name, value in cells.items()}
        for cells in plain.where(plain.notna(), None).to_dict("records")
    ]
