"""Whether a table's times are in the unit that their column says, noticed by comparison with the roofline.

Notation::

    t      execution time of a row                                                [ms]
    r      the roofline's time of its layer on its device                         [ms]
    t / r  at least about 1: nothing is faster than the roofline

A table with microseconds in a column of milliseconds fits well and predicts nonsense: all of its ratios are a thousand times
too large. One slow layer is no sign of that, and a runtime that takes a millisecond to start any layer none either. So a
device is judged by its layers that are large enough for such costs to be small, and by the *fastest* of them: a device whose
best layers reach no hundredth of what it can do is not slow, it is written down wrongly. In published measurements
of five phones' GPUs, with two runtimes, and on a host, the fastest twentieth of such layers takes 0.6 to 1.8 times the
roofline's time, the median 0.7 to 14 times.

Formulas' rows are not judged: their authors choose what they count.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from metamodel.errors import TableError
from metamodel.interface import FloatArray
from metamodel.rows import layers_of, settings_of
from parsers.roofline import roofline_ms
from parsers.schema import Origin, Scope, Status

COLUMN = "execution_time_ms"
LARGE_MS = 0.02
"""The roofline's time of a large layer; starting it would have to take 2 ms to look like another unit."""
MIN_LARGE_LAYERS = 10
"""With fewer of them, a device is not judged."""
SLOWEST = 100.0
"""No device's fastest twentieth of large layers has a greater ratio than this."""
FASTEST = 0.05
"""No device's median large layer has a smaller one."""
_FASTEST_SHARE = 0.05


def check_units(table: pd.DataFrame, *, name: str) -> None:
    """Refuse a table whose times cannot be milliseconds.

    Args:
        table: as :func:`parsers.stats.read_stats` gives it; rows of any scope, origin and status.
        name: of the table, for the message.

    Raises:
        TableError: the message names the table, the device, the column and the ratio.
    """
    times_ms = pd.to_numeric(table[COLUMN]).to_numpy(dtype=np.float64, na_value=np.nan)
    judged = (
        table["layer_key"].notna()
        & table["input_volume"].notna()
        & (table["status"] == Status.OK.value)
        & (table["scope"] != Scope.NETWORK.value)
        & (table["origin"] != Origin.MODELLED.value)
        & np.isfinite(times_ms)
        & (times_ms > 0)
    ).to_numpy(dtype=bool)
    part, times_ms = table[judged].reset_index(drop=True), times_ms[judged]
    bound_ms = _rooflines_ms(part)
    large = bound_ms >= LARGE_MS  # False for NaN: a device that tells no peak rates has no roofline
    for device, rows in part[large].groupby("device").indices.items():
        here = np.flatnonzero(large)[rows]
        if part["layer_key"].iloc[here].nunique() >= MIN_LARGE_LAYERS:
            _check(times_ms[here] / bound_ms[here], name=name, device=str(device))


def check_against_model(measured_ms: FloatArray, predicted_ms: FloatArray, *, device: str) -> None:
    """Refuse a new phone's times that cannot be milliseconds, by what a model says of them: few need not be large layers.

    Args:
        measured_ms: a few layers' times on the phone, shape (k,).
        predicted_ms: the model's, shape (k,).
        device: the phone, for the message.

    Raises:
        TableError: the median layer is a hundred times off.
    """
    ratio = float(np.median(measured_ms / predicted_ms))
    if not 1 / SLOWEST <= ratio <= SLOWEST:
        unit = "microseconds" if ratio > 1 else "seconds"
        raise TableError(
            f"{COLUMN} of {device} is {ratio:.3g} times what the model says for the median of {len(measured_ms)} layers; no "
            f"phone is that far from the others. Is it in {unit}? Write milliseconds."
        )


def _check(ratio: FloatArray, *, name: str, device: str) -> None:
    fastest, median = (float(np.quantile(ratio, share)) for share in (_FASTEST_SHARE, 0.5))
    if fastest > SLOWEST:
        raise TableError(
            f"{name}: {COLUMN} of {device} is {fastest:.3g} times the roofline's time even for the fastest "
            f"{_FASTEST_SHARE:.0%} of {len(ratio)} rows of large layers; it should be near 1. Is it in microseconds? "
            "Write milliseconds, or correct the device's peak rates."
        )
    if median < FASTEST:
        raise TableError(
            f"{name}: {COLUMN} of {device} is {median:.3g} times the roofline's time for the median of {len(ratio)} rows of "
            "large layers; nothing is faster than the roofline. Is it in seconds? Write milliseconds, or correct the "
            "device's peak rates."
        )


def _rooflines_ms(table: pd.DataFrame) -> FloatArray:
    """Compute the roofline's time of each row, shape (rows,); NaN where the device does not tell its peak rates."""
    bound_ms = np.full(len(table), np.nan)
    layers = layers_of(table)
    keys = table["layer_key"].to_numpy(dtype=str)
    for rows, setting in settings_of(table):
        unique, position = np.unique(keys[rows], return_inverse=True)
        known = [roofline_ms(layers[key], setting.context) for key in unique]
        bound_ms[rows] = np.array([np.nan if one is None else one for one in known], dtype=np.float64)[position]
    return bound_ms
