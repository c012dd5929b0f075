"""Does a layer's energy lie within its own error bar? Seeded trials on a battery whose true draw is known.

    python benchmarks/bench_power.py [TRIALS]

Each trial is one specimen of a fuel gauge in one phone (``profiler/virtual_phone/gauge.py``, written from data sheets), one
load, and one loop as long as ``profiler.power.plan_power`` asks, in simulated time. The phone draws constant power, as its
regulators do; its idle power wanders. Printed per setting: in how many trials the bar covers the truth, the median bar
and error over the energy, and how many trials were refused.
"""

from __future__ import annotations

import statistics
import sys
from dataclasses import dataclass
from itertools import product

import numpy as np

from parsers.battery import Windows, battery_trace
from parsers.energy import estimate_energy
from parsers.errors import EnergyRefusedError
from parsers.power_samples import BatterySamples, ChargeStatus
from profiler.power import PowerPlan, PowerSource, SensorFacts, plan_power
from profiler.virtual_phone.gauge import Gauge, GaugeParameters, open_circuit_mv

WANTED_RELATIVE_ERROR = 0.10
ITERATIONS = 10_000
BEFORE_S = 30.0
"""How long the phone is awake before the first window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the driver shows."""

    unit: str
    sign: int
    update_s: float

    def __str__(self) -> str:
        return f"{'µA' if self.unit == 'ua' else 'mA'} {self.sign:+d} every {self.update_s:g} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one trial came to; ``refused`` is empty where there is an energy."""

    true_mj: float
    energy_mj: float = 0.0
    error_mj: float = 0.0
    refused: str = ""

    @property
    def covered(self) -> bool:
        """Whether the truth lies within the bar."""
        return not self.refused and abs(self.energy_mj - self.true_mj) <= self.error_mj


SETTINGS = tuple(
    Setting(unit=unit, sign=sign, update_s=update_s)
    for unit, sign, update_s in product(("ua", "ma"), (-1, 1), (0.25, 10.0))
)


def run_trial(setting: Setting, seed: int, *, charging: bool = False) -> Trial:
    """Simulate one loop and evaluate what the gauge showed."""
    random = np.random.default_rng([seed, 77])
    parameters = _specimen(setting, random)
    net_mw, idle_mw = float(np.exp(random.uniform(np.log(200), np.log(3000)))), float(random.uniform(500, 1200))
    noise_mw = 0.03 * idle_mw
    sensor = SensorFacts(
        source=PowerSource.SYSFS,
        update_period_s=setting.update_s,
        noise_mw=noise_mw,
        quantum_mw=4.0 if setting.unit == "ma" else 0.6,
    )
    plan = plan_power(sensor, net_mw, WANTED_RELATIVE_ERROR)
    samples, windows, true_mj = _record(parameters, plan, seed, (idle_mw, noise_mw, net_mw), charging=charging)
    try:
        energy = estimate_energy(battery_trace(samples, windows), windows)
    except EnergyRefusedError as error:
        return Trial(true_mj=true_mj, refused=str(error))
    return Trial(true_mj=true_mj, energy_mj=energy.energy_mj, error_mj=energy.energy_error_mj)


def _specimen(setting: Setting, random: np.random.Generator) -> GaugeParameters:
    """Draw a chip and its driver: raw conversions or a filtered register, at once or an update late."""
    return GaugeParameters(
        level=float(random.uniform(0.4, 0.8)),
        resistance_ohm=float(random.uniform(0.05, 0.2)),
        update_s=setting.update_s,
        window_s=None if random.random() < 0.5 else min(0.1758, setting.update_s),
        average_s=float(random.choice([0.0, 0.7, 5.6])),
        late_updates=int(random.integers(0, 2)),
        current_step_ua=1000.0 if setting.unit == "ma" else 156.25,
        unit=setting.unit,
        discharging_sign=setting.sign,
    )


def _record(
    parameters: GaugeParameters,
    plan: PowerPlan,
    seed: int,
    load: tuple[float, float, float],
    *,
    charging: bool,
) -> tuple[BatterySamples, Windows, float]:
    """Let the phone idle, loop and idle; return what was read, the windows, and the true energy of one iteration."""
    gauge, random = Gauge(parameters, seed), np.random.default_rng([seed, 78])
    idle_mw, noise_mw, net_mw = load
    idle_s, loop_s, sample_s = plan.idle_ms / 1e3, plan.loop_ms / 1e3, plan.sample_ms / 1e3
    total_s = BEFORE_S + 2 * idle_s + loop_s
    loop_from_s = BEFORE_S + idle_s
    step_s = min(sample_s, 0.1)
    times = np.arange(0, total_s, step_s) + step_s
    idle = idle_mw + _wander(random, len(times), step_s, noise_mw)
    net = net_mw * (1 + _wander(random, len(times), step_s, 0.01))
    in_loop = (times > loop_from_s) & (times <= loop_from_s + loop_s)
    rows, next_sample_s = [], BEFORE_S
    for time_s, power_mw in zip(times, idle + net * in_loop, strict=True):
        gauge.advance(float(time_s), _draw_ma(gauge, parameters.resistance_ohm, float(power_mw)))
        if time_s >= next_sample_s:
            reading = gauge.read()
            rows.append((time_s, reading.current, reading.voltage_uv, reading.charge_counter_uah))
            next_sample_s += sample_s
    columns = np.array(rows)
    samples = BatterySamples(
        boottime_ns=(columns[:, 0] * 1e9).astype(np.int64),
        current=columns[:, 1],
        voltage=columns[:, 2],
        charge=columns[:, 3],
        status=(ChargeStatus.CHARGING if charging else ChargeStatus.DISCHARGING,) * len(rows),
    )
    borders_s = (BEFORE_S, loop_from_s, loop_from_s + loop_s, total_s)
    idle_from, loop_from, loop_to, idle_to = (int(border_s * 1e9) for border_s in borders_s)
    windows = Windows(
        idle_from_ns=idle_from, loop_from_ns=loop_from, loop_to_ns=loop_to, idle_to_ns=idle_to, iterations=ITERATIONS
    )
    return samples, windows, float(net[in_loop].mean()) * loop_s / ITERATIONS


def _wander(random: np.random.Generator, count: int, step_s: float, deviation: float) -> np.ndarray:
    """A phone's unrest: a first-order process of two seconds, and as much again of one of a minute."""
    total = np.zeros(count)
    for constant_s in (2.0, 60.0):
        keep = np.exp(-step_s / constant_s)
        shocks = random.normal(0, deviation / np.sqrt(2), count) * np.sqrt(1 - keep**2)
        value = random.normal(0, deviation / np.sqrt(2))
        for index, shock in enumerate(shocks):
            value = keep * value + shock
            total[index] += value
    return total


def _draw_ma(gauge: Gauge, resistance_ohm: float, power_mw: float) -> float:
    """The current at which the battery's terminals deliver this power: the phone's regulators see to that."""
    open_mv = open_circuit_mv(gauge.level)
    return (open_mv - (open_mv**2 - 4000 * resistance_ohm * power_mw) ** 0.5) / (2 * resistance_ohm)


def report(trials: list[Trial]) -> str:
    """Write one line of the table."""
    good = [trial for trial in trials if not trial.refused]
    bars = [trial.error_mj / trial.energy_mj for trial in good]
    errors = [abs(trial.energy_mj / trial.true_mj - 1) for trial in good]
    covered, refused = sum(trial.covered for trial in trials), len(trials) - len(good)
    return f"{covered:4} of {len(trials):3}   {statistics.median(bars):7.1%}   {statistics.median(errors):7.1%}   {refused:4}"


def main() -> None:
    """Print the table."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    print(f"{'setting':22} {'covered':>11}   {'bar':>7}   {'error':>7}   refused")
    for setting in SETTINGS:
        print(f"{setting!s:22} {report([run_trial(setting, seed) for seed in range(trials)])}", flush=True)


if __name__ == "__main__":
    main()
