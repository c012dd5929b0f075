from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from parsers.battery import Windows
from parsers.power_samples import BatterySamples, ChargeStatus

SECOND = 1_000_000_000
BEGIN = 5_000 * SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class IdealPhone:
    """A phone that idles for 20 s, loops for 40 s, and idles for 20 s; its gauge has no lag."""

    idle_ma: float = 200.0
    net_ma: float = 300.0
    voltage_v: float = 4.0
    noise_ma: float = 4.0
    update_s: float = 0.5

    @property
    def windows(self) -> Windows:
        borders = (BEGIN + second * SECOND for second in (0, 20, 60, 80))
        idle_from, loop_from, loop_to, idle_to = borders
        return Windows(
            idle_from_ns=idle_from, loop_from_ns=loop_from, loop_to_ns=loop_to, idle_to_ns=idle_to, iterations=1000
        )

    @property
    def true_mj(self) -> float:
        """Energy of one of a thousand iterations in 40 s."""
        return self.net_ma * self.voltage_v * 40 / 1000

    def recording(self, *, raw_per_ma: float = 1000.0, sign: int = -1, lag_s: float = 0.0) -> BatterySamples:
        """What the gauge shows, in its own unit and sign, sampled five times per update."""
        random = np.random.default_rng(0)
        time_s = np.arange(0, 80, self.update_s / 5)
        update = (time_s / self.update_s + 1e-9).astype(int)
        shown_at_s = update * self.update_s - lag_s
        in_loop = (shown_at_s >= 20) & (shown_at_s < 60)
        current_ma = self.idle_ma + self.net_ma * in_loop + random.normal(0, self.noise_ma, update.max() + 1)[update]
        drawn_mah = np.cumsum(current_ma) * self.update_s / 5 / 3600
        return BatterySamples(
            boottime_ns=BEGIN + np.round(time_s * SECOND).astype(np.int64),
            current=np.round(current_ma * raw_per_ma) * sign,
            voltage=np.full(len(time_s), self.voltage_v * 1e6),
            charge=np.round((2500 - drawn_mah) * 1000 / 250) * 250,
            status=(ChargeStatus.DISCHARGING,) * len(time_s),
        )


@pytest.fixture
def phone() -> IdealPhone:
    return IdealPhone()
