"""Energy of one run of a model, from a loop of it between two idle windows, with an error bar that covers the truth.

Notation::

    P(t)         power as the sensor shows it
    P_loop       its mean over the loop, without the time that the sensor takes to settle
    P_0          awake idle power during the loop: mean of what the two idle windows show
    T, N         length of the loop, and runs of the model in it
    E            (P_loop - P_0) T / N, which is (integral of P dt over the loop - P_0 T) / N             [mJ]
    x_k          means of P over one update period of the register each
    n, s         number of x_k in a window, their standard deviation
    f            1 + 2 sum rho_j: how many of the correlated x_k tell as much as one that stands alone
    u            standard uncertainty of P_loop - P_0, of these independent parts:
                     s sqrt(f / n)            of the loop, and of the idle windows
                     |P_0b - P_0a| / 2        standard error of a mean of two levels: idle wanders between the windows
                     q / sqrt 12, twice       a register's step q, which noise may not dither
    g            error of the sensor's gain, common to all readings

    bar = sqrt((t u)^2 + (g (P_loop - P_0))^2) T / N     with Student's t at 95 % for the effective degrees of freedom

A register lags and averages, in a way that no phone documents. So a delay and a first-order response are fitted to the
two edges of the loop; the longest settling time that the data do not contradict is left out behind every edge.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from parsers.battery import PowerTrace, Windows
from parsers.errors import EnergyRefusedError
from parsers.power_samples import FloatArray

WIDEST_BAR = 0.5
"""An energy whose bar is wider than this part of it is no measurement."""
LEAST_LOOP_UPDATES, LEAST_IDLE_UPDATES = 6, 3
"""Register updates that a window must have behind the settling time."""
SETTLED = math.log(100)
"""Time constants until a first-order response is within 1 % of its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """What one run of the model costs. Bars are half-widths at 95 %."""

    source: str
    energy_mj: float
    energy_error_mj: float
    power_mw: float
    """Net of awake idle."""
    power_gross_mw: float
    update_period_s: float
    settling_s: float
    evidence: str
    """How the sensor's unit and sign were told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Level:
    """Mean power of a window, its standard uncertainty, and the degrees of freedom behind that."""

    mean_mw: float
    u_mw: float
    freedom: float


def estimate_energy(trace: PowerTrace, windows: Windows) -> Energy:
    """Work out the energy of one run of the model.

    Raises:
        EnergyRefusedError: the windows are too short for the sensor, or the bar is wider than :data:`WIDEST_BAR`.
    """
    period_s, loop_s = trace.update_period_s, windows.loop_s
    end_s = (windows.idle_to_ns - windows.loop_from_ns) / 1e9
    begin_s = (windows.idle_from_ns - windows.loop_from_ns) / 1e9
    settling_s = _settling_s(trace, begin_s, loop_s, end_s)
    pieces = ((begin_s + settling_s, 0.0), (settling_s, loop_s), (loop_s + settling_s, end_s))
    for (start_s, stop_s), least in zip(
        pieces, (LEAST_IDLE_UPDATES, LEAST_LOOP_UPDATES, LEAST_IDLE_UPDATES), strict=True
    ):
        if stop_s - start_s < least * period_s:
            raise EnergyRefusedError(
                f"a window is too short for the sensor, which updates every {period_s:.2g} s and settles in"
                f" {settling_s:.2g} s: {stop_s - start_s:.3g} s are left of it, {least * period_s:.3g} s are needed"
            )
    before, during, after = (_means(trace, start_s, stop_s)[1] for start_s, stop_s in pieces)
    factor = _correlation_factor((before, during, after))
    loop = _level(during, during, factor)
    idle = _idle_level(before, after, factor)
    power_mw = loop.mean_mw - idle.mean_mw
    error_mw = math.hypot(_half_width_mw(loop, idle, trace.quantum_mw), trace.gain_error * power_mw)
    if not power_mw > 0 or error_mw > WIDEST_BAR * power_mw:
        raise EnergyRefusedError(f"the error bar is too wide: {power_mw:.3g} ± {error_mw:.3g} mW net. Loop for longer")
    per_run_s = loop_s / windows.iterations
    return Energy(
        source=trace.source,
        energy_mj=power_mw * per_run_s,
        energy_error_mj=error_mw * per_run_s,
        power_mw=power_mw,
        power_gross_mw=loop.mean_mw,
        update_period_s=period_s,
        settling_s=settling_s,
        evidence=trace.evidence,
    )


def student_t95(freedom: float) -> float:
    """Two-sided 95 % quantile of Student's t, by its expansion around the normal's; within 0.5 % from 4 degrees on."""
    z = 1.959964
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return math.fsum(term / freedom**power for power, term in enumerate(terms))


def _means(trace: PowerTrace, start_s: float, stop_s: float) -> tuple[FloatArray, FloatArray]:
    """Middles of pieces of one update period, and means over them; a held register counts for as long as it stood."""
    count = int((stop_s - start_s) / trace.update_period_s)
    edges = np.linspace(start_s, stop_s, count + 1)
    first = np.searchsorted(trace.time_s, edges)
    sums = np.concatenate([[0.0], np.cumsum(trace.power_mw)])
    filled = np.diff(first) > 0
    means = np.diff(sums[first])[filled] / np.diff(first)[filled]
    return ((edges[1:] + edges[:-1]) / 2)[filled], means


def _settling_s(trace: PowerTrace, begin_s: float, loop_s: float, end_s: float) -> float:
    """The longest settling time that the recording does not contradict.

    Power is fitted as ``a + b t + c h(t)``, h a step up at 0 and down at the loop's end, delayed and smoothed; those
    delays and time constants are plausible whose sum of squares an F test at 95 % cannot tell from the best one's.
    """
    period_s = trace.update_period_s
    t, x = _means(trace, begin_s, end_s)
    fits: list[tuple[float, float, FloatArray]] = []
    for delay_s in period_s * np.array([0.0, 0.5, 1.0, 1.5, 2.0]):
        for constant_s in np.geomspace(period_s / 8, max(loop_s / 3, period_s), 24):
            shape = _response(t - delay_s, constant_s) - _response(t - delay_s - loop_s, constant_s)
            design = np.stack([np.ones_like(t), t, shape], axis=1)
            residual = x - design @ np.linalg.lstsq(design, x, rcond=None)[0]
            fits.append((float(residual @ residual), float(delay_s + SETTLED * constant_s), residual))
    best, _, residual = min(fits, key=lambda fit: fit[0])
    freedom = max(len(x) / _correlation_factor((residual,)) - 5, 1.0)
    return max(settling for squares, settling, _ in fits if squares <= best * (1 + 4 / freedom))


def _response(t: FloatArray, constant_s: float) -> FloatArray:
    return -np.expm1(-np.maximum(t, 0) / constant_s)


def _correlation_factor(windows: tuple[FloatArray, ...]) -> float:
    """Sum the autocorrelation of all windows together over the lags where it stands above zero; at least 1.

    A mean that is taken from the data themselves lowers each rho by 1/n, which is given back.
    """
    residuals = [window - window.mean() for window in windows if len(window) > 2]
    squares = sum(float(residual @ residual) for residual in residuals)
    if squares == 0:
        return 1.0
    count = sum(len(residual) for residual in residuals)
    factor = 1.0
    for lag in range(1, count // (3 * len(residuals)) + 1):
        products = sum(float(residual[lag:] @ residual[:-lag]) for residual in residuals if len(residual) > lag)
        rho = products / squares + len(residuals) / count
        if rho <= 0:
            break
        factor += 2 * rho
    return factor


def _level(values: FloatArray, spread_of: FloatArray, factor: float) -> _Level:
    effective = max(len(values) / factor, 1.0)
    return _Level(
        mean_mw=float(values.mean()),
        u_mw=float(spread_of.std(ddof=1)) / math.sqrt(effective),
        freedom=max(effective - 1, 1.0),
    )


def _idle_level(before: FloatArray, after: FloatArray, factor: float) -> _Level:
    """Idle power during the loop: the middle of the two windows, and what lies between them."""
    around = np.concatenate([before - before.mean(), after - after.mean()])
    both = _level(around, around, factor)
    between = abs(float(after.mean() - before.mean())) / 2
    return _Level(
        mean_mw=float(before.mean() + after.mean()) / 2, u_mw=math.hypot(both.u_mw, between), freedom=both.freedom
    )


def _half_width_mw(loop: _Level, idle: _Level, quantum_mw: float) -> float:
    """Half-width at 95 % of the difference of two levels, by Welch and Satterthwaite."""
    u = math.sqrt(loop.u_mw**2 + idle.u_mw**2 + quantum_mw**2 / 6)
    parts = loop.u_mw**4 / loop.freedom + idle.u_mw**4 / idle.freedom
    freedom = min(max(u**4 / parts, 2.0), 1e6) if parts > 0 else 1e6
    return student_t95(freedom) * u
