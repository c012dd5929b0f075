"""A power monitor's recording of a whole phone, as PyMonsoon and PowerTool write it, brought onto the phone's clock.

Columns are found by name. The monitor knows nothing of the phone's clock, but it sees the loops: the recording is moved
along the phone's time until loops and idle windows fall where the runner says that they were.

Notation::

    P         power, means over GRID_S
    m_l, m_i  mean of P over all loops, over all idle windows, with the recording moved by an offset
    w         root mean square of P about these means
    score     (m_l - m_i) / w, greatest where the windows lie on what they were
"""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from parsers.battery import PowerTrace, Windows
from parsers.errors import EnergyRefusedError, PowerSamplesError
from parsers.power_samples import FloatArray, IntArray

GRID_S = 0.02
GAIN_ERROR = 0.01
"""Monsoon Solutions, Low and High Voltage Power Monitor: ±1 % of reading."""
UPDATE_PERIOD_S = 0.1
"""Means over this are what an energy is made of; the monitor itself is far faster."""

FASTEST_S = 0.0002
"""A Monsoon takes 5000 samples a second and no more."""
TIME = re.compile(r"time\s*\((ms|s)\)", re.IGNORECASE)
CURRENT = re.compile(r"main\s*(avg\s*current\s*)?\((ma)\)", re.IGNORECASE)
VOLTAGE = re.compile(r"main\s*(avg\s*)?voltage\s*\((v)\)", re.IGNORECASE)
_LONGEST_S = 7 * 86_400.0
"""No campaign is recorded for longer; a broken time must not make a grid that fills the memory."""
_DECISIVE = 0.8
"""Part of the best score that no other moment may reach."""
_LEAST_SIGNIFICANCE = 10.0
"""Of the best score, in standard errors of a contrast between means of so many cells."""
_HEADER = "boottime_ns,power_mw"


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorSamples:
    """Whole-phone power on a grid of GRID_S that begins with the recording; shape (n,)."""

    power_mw: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorPiece:
    """What a monitor saw of one run, on the phone's clock; shape (n,)."""

    boottime_ns: IntArray
    power_mw: FloatArray


def read_monsoon(data: bytes) -> MonitorSamples:
    """Read a CSV file of PyMonsoon or PowerTool.

    PyMonsoon heads its seconds ``Time(ms)``; what would be faster than a Monsoon can sample is taken for seconds.

    Raises:
        PowerSamplesError: a column is missing, a cell is no number, or time does not rise.
    """
    text = data.decode("utf-8-sig", errors="replace")
    if "np.float64(" in text[:4096]:  # how NumPy 2 prints itself into PyMonsoon's files
        header, newline, rows = text.partition("\n")
        text = header + newline + rows.replace("np.float64(", "").replace(")", "")
    try:
        table = pd.read_csv(io.StringIO(text))
        time, unit = _column(table, TIME)
        current_ma, voltage_v = _column(table, CURRENT)[0], _column(table, VOLTAGE)[0]
    except (ValueError, pd.errors.ParserError) as error:
        raise PowerSamplesError(f"The monitor's file cannot be read: {error}") from error
    if len(time) < 2 or not np.isfinite(time).all() or np.any(np.diff(time) < 0):
        raise PowerSamplesError("The monitor's file holds no times that rise.")
    faster_than_can_be = np.median(np.diff(time)) * 1e-3 < 0.99 * FASTEST_S
    time_s = (time - time[0]) * (1e-3 if unit.lower() == "ms" and not faster_than_can_be else 1.0)
    if time_s[-1] > _LONGEST_S:
        raise PowerSamplesError(f"The monitor's file spans {time_s[-1] / 86_400:.3g} days; the longest read is a week.")
    return MonitorSamples(power_mw=_grid_means(time_s, current_ma * voltage_v))


def _column(table: pd.DataFrame, name: re.Pattern[str]) -> tuple[FloatArray, str]:
    for column in table.columns:
        found = name.search(str(column))
        if found:
            return np.asarray(table[column], dtype=np.float64), str(found.groups()[-1])
    raise ValueError(f"no column {name.pattern!r} among {', '.join(map(str, table.columns))}")


def _grid_means(time_s: FloatArray, power_mw: FloatArray) -> FloatArray:
    """Average onto the grid; a gap takes what came before it."""
    cell = (time_s / GRID_S).astype(np.int64)
    counts = np.bincount(cell)
    with np.errstate(invalid="ignore"):
        means = pd.Series(np.bincount(cell, weights=power_mw) / counts)
    return np.asarray(means.ffill(), dtype=np.float64)


def align(samples: MonitorSamples, windows: Sequence[Windows]) -> int:
    """Find when the recording began, by CLOCK_BOOTTIME in nanoseconds, from the steps between idle and loop.

    Args:
        samples: one recording that saw all of the windows.
        windows: of all runs, in any order; their pattern of lengths and pauses makes the answer unique.

    Raises:
        PowerSamplesError: the recording is shorter than what it is to hold, or several moments fit as well.
    """
    first_ns = min(each.idle_from_ns for each in windows)
    count = _cells(max(each.idle_to_ns for each in windows) - first_ns)
    power = samples.power_mw
    if len(power) < count:
        raise PowerSamplesError(
            f"The monitor recorded {len(power) * GRID_S:.0f} s, but the runs took {count * GRID_S:.0f} s."
        )
    loop, idle = np.zeros(count), np.zeros(count)
    for each in windows:
        begin, loop_from, loop_to, end = (
            _cells(border - first_ns)
            for border in (each.idle_from_ns, each.loop_from_ns, each.loop_to_ns, each.idle_to_ns)
        )
        idle[begin:loop_from] = idle[loop_to:end] = 1
        loop[loop_from:loop_to] = 1
    score = _score(power, loop, idle)
    best = int(np.argmax(score))
    apart = _cells(min(each.loop_to_ns - each.loop_from_ns for each in windows)) // 2
    others = np.concatenate([score[: max(best - apart, 0)], score[best + apart :]])
    faint = score[best] * np.sqrt(np.count_nonzero(loop + idle)) < _LEAST_SIGNIFICANCE
    if faint or (len(others) and others.max() > _DECISIVE * score[best]):
        raise PowerSamplesError(
            "The monitor's recording fits the runs' windows at several moments, or at none. Record the campaign alone."
        )
    return first_ns - round(best * GRID_S * 1e9)


def _cells(duration_ns: int) -> int:
    return round(duration_ns / 1e9 / GRID_S)


def _score(power: FloatArray, loop: FloatArray, idle: FloatArray) -> FloatArray:
    """Contrast between loops and idle windows over the unrest inside them, for every offset of the recording."""
    sum_loop, sum_idle = _correlate(power, loop), _correlate(power, idle)
    squares = _correlate(power**2, loop + idle)
    contrast = sum_loop / loop.sum() - sum_idle / idle.sum()
    unrest = squares - sum_loop**2 / loop.sum() - sum_idle**2 / idle.sum()
    score: FloatArray = contrast / np.sqrt(np.maximum(unrest, 1e-9 * squares.max()) / (loop.sum() + idle.sum()))
    return score


def _correlate(signal: FloatArray, pattern: FloatArray) -> FloatArray:
    size = 1 << (len(signal) + len(pattern)).bit_length()
    product = np.fft.rfft(signal, size) * np.conj(np.fft.rfft(pattern, size))
    correlation: FloatArray = np.fft.irfft(product, size)[: len(signal) - len(pattern) + 1]
    return correlation


def cut(samples: MonitorSamples, began_ns: int, windows: Windows) -> MonitorPiece:
    """Take what the monitor saw of one run."""
    middles_ns = began_ns + ((np.arange(len(samples.power_mw)) + 0.5) * GRID_S * 1e9).astype(np.int64)
    inside = windows.span(middles_ns)
    return MonitorPiece(boottime_ns=middles_ns[inside], power_mw=samples.power_mw[inside])


def piece_to_csv(piece: MonitorPiece) -> str:
    """Write a piece as the file that lies beside a run's log."""
    rows = (f"{time},{power:.3f}" for time, power in zip(piece.boottime_ns, piece.power_mw, strict=True))
    return "\n".join([_HEADER, *rows]) + "\n"


def read_piece(data: bytes) -> MonitorPiece:
    """Read what :func:`piece_to_csv` wrote; raises PowerSamplesError where it is something else."""
    try:
        table = pd.read_csv(io.BytesIO(data), dtype={"boottime_ns": np.int64, "power_mw": np.float64})
        return MonitorPiece(boottime_ns=table["boottime_ns"].to_numpy(), power_mw=table["power_mw"].to_numpy())
    except (KeyError, ValueError, pd.errors.ParserError) as error:
        raise PowerSamplesError(f"The monitor's piece beside the run cannot be read: {error}") from error


def monitor_trace(piece: MonitorPiece, windows: Windows) -> PowerTrace:
    """Take a monitor's piece as power; raises EnergyRefusedError where there is too little of it."""
    if len(piece.boottime_ns) * GRID_S < 0.9 * (windows.idle_to_ns - windows.idle_from_ns) / 1e9:
        raise EnergyRefusedError("the monitor did not record the whole of the windows")
    return PowerTrace(
        source="monsoon",
        time_s=windows.since_loop_s(piece.boottime_ns),
        power_mw=piece.power_mw,
        update_period_s=UPDATE_PERIOD_S,
        quantum_mw=0.0,
        gain_error=GAIN_ERROR,
        evidence="mA times V of the monitor's main channel",
    )
