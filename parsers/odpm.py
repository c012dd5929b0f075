"""From the rails of an on-device power meter to the power that a model draws.

The meter counts each rail's energy since boot. Which rails exist is the phone's own matter; those count that feed what a
model runs on: processors, accelerators, and the memory behind them. Display, radios and cameras do not. The power is thus
the chip's, not the phone's: converters' losses are not in it.
"""

from __future__ import annotations

import re

import numpy as np

from parsers.battery import PowerTrace, Windows
from parsers.errors import EnergyRefusedError
from parsers.power_samples import Rail, RailSamples

GAIN_ERROR = 0.05
"""Relative error common to all readings, at 95 %: a choice on the safe side, as the makers publish none."""

_COUNTED = re.compile(r"CPU|GPU|G3D|TPU|NPU|APU|MIF|VDD_INT|SLC|DDR|MEM|VDD2|VDDQ|SOC", re.IGNORECASE)
_LEAST_SAMPLES = 10
_QUANTUM_MJ = 0.01
"""The HAL prints two decimals of mWs, of a 32-bit float: a rail that has counted far moves in larger steps."""


def rails_trace(samples: RailSamples, windows: Windows) -> PowerTrace:
    """Turn counted energy into power, one value per update of the meter.

    Raises:
        EnergyRefusedError: no rail counts, too few readings, or a counter that fell.
    """
    rails = [rail for rail in samples.rails if _COUNTED.search(f"{rail.name} {rail.subsystem}")]
    if not rails:
        seen = ", ".join(rail.name for rail in samples.rails[:8])
        raise EnergyRefusedError(f"no rail of processors or memory among {seen}")
    energy_mj = np.sum([rail.energy_mj for rail in rails], axis=0)
    moved = np.isfinite(energy_mj) & (np.diff(energy_mj, prepend=np.nan) != 0) & windows.span(samples.boottime_ns)
    if moved.sum() < _LEAST_SAMPLES:
        raise EnergyRefusedError(f"the meter was renewed only {moved.sum()} times between the windows' borders")
    time_s, energy_mj = windows.since_loop_s(samples.boottime_ns[moved]), energy_mj[moved]
    if np.any(np.diff(energy_mj) < 0):
        raise EnergyRefusedError("a rail's energy fell, as it does when the phone reboots")
    period_s = float(np.median(np.diff(time_s)))
    return PowerTrace(
        source="odpm",
        time_s=(time_s[1:] + time_s[:-1]) / 2,
        power_mw=np.diff(energy_mj) / np.diff(time_s),
        update_period_s=period_s,
        quantum_mw=sum(_step_mj(rail) for rail in rails) / period_s,
        gain_error=GAIN_ERROR,
        evidence=f"mWs of {', '.join(rail.name for rail in rails)}",
    )


def _step_mj(rail: Rail) -> float:
    """Smallest step that the HAL's text can show of a rail: its µWs pass through a 32-bit float."""
    counted_uws = np.float32(np.nanmax(rail.energy_mj, initial=0.0) * 1000)
    return max(_QUANTUM_MJ, float(np.spacing(counted_uws)) / 1000)
