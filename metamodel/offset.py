"""What a setting's rates are, as its own rows tell them: the offset that responses are compared with.

Notation::

    i, s      case, of setting s (hardware attributes and threads)
    y         response, in its unit
    f, b      floating-point operations and bytes of the layer
    p, q, o   response per operation, per byte, and of a layer without work; positive
    D         a declared rate of the setting: peak, or bandwidth

Equation, fitted per setting by robust least squares in logarithms::

    t_i = p f_i + q b_i + o,      argmin Σ_{i ∈ s} w_i ρ(log t_i − log y_i),      ρ(r) = 2 c² (√(1 + r²/c²) − 1)

The sum, not the larger of the two: over all layers of a phone it is nearer to the times, since neither kernels nor
rates are ideal. What a data sheet declares is no rate that a layer reaches, and a phone whose peak nobody declares has only
half a roof; the rows know better. In a setting that was never seen, a rate is its declared one times the median ratio of
the settings that were: p = median(p_s D_s) / D, by the peak where it is declared, else by the bandwidth; q likewise, the
bandwidth first. Two providers in one context share their rates; what differs between them is learned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares

from metamodel.features import NUMBERS, Matrix
from metamodel.interface import FloatArray

MIN_CASES = 20
"""A setting with fewer has no rates of its own."""

SETTING = (
    "cores",
    "compute_units",
    "memory_gb",
    "clock_freq_ghz",
    "memory_bw_gbs",
    "last_level_cache_mb",
    "peak_gflops",
    "threads",
)
"""Features that make a setting, in the order of :attr:`SettingRates.setting`."""
_COLUMNS = [NUMBERS.index(name) for name in SETTING]
_FLOPS, _BYTES = NUMBERS.index("flops"), NUMBERS.index("bytes")
_PEAK, _BANDWIDTH = SETTING.index("peak_gflops"), SETTING.index("memory_bw_gbs")
_LARGE_RESIDUAL = 0.2
"""c: logarithms beyond this count by their size, not by its square."""
_PULL = 0.1
"""Weight of each parameter's distance from where it starts, for settings whose layers do not tell it."""

Key = tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingRates:
    """What one setting's rows say."""

    setting: tuple[float | None, ...]
    """Its hardware attributes and threads; None is unknown."""
    per_flop: float
    per_byte: float
    floor: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedOffset:
    """Rates of every setting that was seen; plain numbers, fit for a manifest."""

    settings: tuple[SettingRates, ...]

    def of(self, matrix: Matrix) -> FloatArray:
        """Give each row's offset in the response's unit, shape (rows,)."""
        offset = np.empty(len(matrix))
        for key, rows in _by_setting(matrix):
            rates = self.rates(key)
            parameters = np.log([rates.per_flop, rates.per_byte, rates.floor])
            offset[rows] = np.exp(_log_time(parameters, *_work(matrix[rows])))
        return offset

    def rates(self, setting: Key) -> SettingRates:
        """Give a setting's rates: its own, or, where it was never seen, what its declared rates lead to expect."""
        for seen in self.settings:
            if seen.setting == setting:
                return seen
        return SettingRates(
            setting=setting,
            per_flop=self._expected("per_flop", setting, (_PEAK, _BANDWIDTH)),
            per_byte=self._expected("per_byte", setting, (_BANDWIDTH, _PEAK)),
            floor=float(np.median([seen.floor for seen in self.settings])),
        )

    def _expected(self, name: Literal["per_flop", "per_byte"], setting: Key, declared: Sequence[int]) -> float:
        for index in declared:
            rate = setting[index]
            products = [getattr(seen, name) * known for seen in self.settings if (known := seen.setting[index])]
            if rate and products:
                return float(np.median(products)) / rate
        return float(np.median([getattr(seen, name) for seen in self.settings]))


def fit_offset(matrix: Matrix, response: FloatArray, weight: FloatArray) -> FittedOffset | None:
    """Fit every setting's rates; None where no setting has :data:`MIN_CASES` cases.

    Args:
        matrix: features of the cases, shape (cases, features).
        response: positive, shape (cases,).
        weight: shape (cases,).
    """
    settings = tuple(
        _fit(key, matrix[rows], response[rows], weight[rows])
        for key, rows in _by_setting(matrix)
        if len(rows) >= MIN_CASES
    )
    return FittedOffset(settings=settings) if settings else None


def _fit(key: Key, matrix: Matrix, response: FloatArray, weight: FloatArray) -> SettingRates:
    flops, moved = _work(matrix)
    wanted, root = np.log(response), np.sqrt(weight / weight.mean())
    typical = float(np.exp(np.median(wanted)))
    start = np.log(
        [
            typical / max(1.0, float(np.median(flops))),
            typical / max(1.0, float(np.median(moved))),
            float(np.quantile(response, 0.05)),
        ]
    )

    def residuals(parameters: FloatArray) -> FloatArray:
        off = root * (_log_time(parameters, flops, moved) - wanted)
        return np.concatenate([off, _PULL * (parameters - start)])

    found = least_squares(residuals, start, loss="soft_l1", f_scale=_LARGE_RESIDUAL)
    per_flop, per_byte, floor = (float(value) for value in np.exp(found.x))
    return SettingRates(setting=key, per_flop=per_flop, per_byte=per_byte, floor=floor)


def _log_time(parameters: FloatArray, flops: FloatArray, moved: FloatArray) -> FloatArray:
    """Compute log t from the logarithms of p, q and o, shape (cases,)."""
    per_flop, per_byte, floor = np.exp(parameters)
    logarithm: FloatArray = np.log(per_flop * flops + per_byte * moved + floor)
    return logarithm


def _work(matrix: Matrix) -> tuple[FloatArray, FloatArray]:
    """Read operations and bytes, each of shape (rows,); what is unknown of a layer counts as none."""
    work = np.nan_to_num(matrix[:, [_FLOPS, _BYTES]].astype(np.float64))
    return work[:, 0], work[:, 1]


def _by_setting(matrix: Matrix) -> list[tuple[Key, npt.NDArray[np.intp]]]:
    """Sort rows by their setting, in the order in which settings appear."""
    cells = matrix[:, _COLUMNS]
    left = np.arange(len(matrix))
    found = []
    while len(left):
        first = cells[left[0]]
        same = ((cells[left] == first) | (np.isnan(cells[left]) & np.isnan(first))).all(axis=1)
        key = tuple(None if np.isnan(cell) else float(cell) for cell in first)
        found.append((key, left[same]))
        left = left[~same]
    return found
