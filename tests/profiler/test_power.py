from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from parsers.battery import Windows
from parsers.energy import Energy
from parsers.energy_plan import LEAST_LOOP_S, LONGEST_LOOP_S
from profiler.errors import ProfilerError
from profiler.plan import RunPlan, render_plan
from profiler.power import (
    PowerOption,
    PowerPlan,
    PowerSource,
    SensorFacts,
    attach_monitor,
    learn,
    parse_power_option,
    plan_power,
    power_run,
)

SENSOR = SensorFacts(
    source=PowerSource.SYSFS, update_period_s=1.0, noise_mw=30.0, quantum_mw=1.0, settling_s=2.0, gain_error=0.03
)
ENERGY = Energy(
    source="battery",
    energy_mj=1.0,
    energy_error_mj=0.1,
    power_mw=400.0,
    power_gross_mw=900.0,
    update_period_s=0.18,
    settling_s=5.0,
    evidence="",
)
BASE = RunPlan(job="conv", run=2, model="models/a.onnx", out="out/conv/run-2", evict_kb=4096, cpus=(4,), timeout_s=60)


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("auto", PowerOption(kind="auto")),
        ("battery", PowerOption(kind="battery")),
        ("none", PowerOption(kind="none")),
        ("monsoon:my file.csv", PowerOption(kind="monsoon", file=Path("my file.csv"))),
    ],
)
def test_what_power_asks_for_is_read(text: str, option: PowerOption) -> None:
    assert parse_power_option(text) == option


@pytest.mark.parametrize("text", ["", "usb", "monsoon", "monsoon:", "battery:x"])
def test_another_power_is_refused_with_what_there_is(text: str) -> None:
    with pytest.raises(ProfilerError, match=r"auto, battery, odpm, monsoon:FILE\.csv or none"):
        parse_power_option(text)


def test_a_fainter_layer_a_noisier_phone_and_a_slower_register_take_a_longer_loop() -> None:
    usual = plan_power(SENSOR, 500.0, 0.1)

    assert plan_power(SENSOR, 50.0, 0.1).loop_ms > usual.loop_ms
    assert plan_power(replace(SENSOR, noise_mw=300.0), 500.0, 0.1).loop_ms > usual.loop_ms
    assert plan_power(replace(SENSOR, update_period_s=10.0), 500.0, 0.1).loop_ms > 5 * usual.loop_ms
    assert plan_power(replace(SENSOR, settling_s=20.0), 500.0, 0.1).loop_ms > usual.loop_ms


@pytest.mark.parametrize("period_s", [0.25, 1.0, 10.0])
@pytest.mark.parametrize("power_mw", [50.0, 300.0, 3000.0])
def test_a_plan_keeps_what_was_wanted_or_says_that_it_cannot(period_s: float, power_mw: float) -> None:
    plan = plan_power(replace(SENSOR, update_period_s=period_s), power_mw, 0.1)

    longest_ms = (LONGEST_LOOP_S + period_s) * 1000
    assert LEAST_LOOP_S * 1000 <= plan.loop_ms <= longest_ms
    assert plan.expected_relative_error <= 0.1 or plan.loop_ms > 0.8 * longest_ms


def test_no_loop_beats_the_sensor_s_gain() -> None:
    assert plan_power(SENSOR, 5000.0, 0.001).expected_relative_error > SENSOR.gain_error


def test_a_sensor_that_was_never_seen_settling_gets_the_benefit_of_the_doubt() -> None:
    plan = plan_power(replace(SENSOR, settling_s=None), 500.0, 0.1)

    assert plan.idle_ms >= 45_000
    assert plan_power(learn(replace(SENSOR, settling_s=None), ENERGY), 500.0, 0.1).idle_ms < 15_000


def test_a_plan_says_what_it_costs_in_one_line() -> None:
    plan = PowerPlan(loop_ms=60_000, idle_ms=30_000, sample_ms=200, expected_relative_error=0.081)

    assert str(plan) == (
        "loop 60 s between two idle windows of 30 s, a sample every 200 ms: 120 s per layer, energy to about ±8%"
    )


def test_a_power_run_is_the_job_s_run_with_a_loop_and_a_cache_of_its_own() -> None:
    power = PowerPlan(loop_ms=60_000, idle_ms=30_000, sample_ms=200, expected_relative_error=0.08)

    run = power_run(BASE, power, PowerSource.CMD, wait_s=600)

    assert run == replace(
        BASE,
        run=1000,
        out="out/conv/run-1000",
        evict_kb=0,
        profile_iterations=0,
        timeout_s=60 + 600 + 120 + 120,
        power_source="cmd",
        power_loop_ms=60_000,
        power_idle_ms=30_000,
        power_sample_ms=200,
        power_wait_ms=600_000,
    )
    assert "\tpower_source=cmd\tpower_loop_ms=60000\tpower_idle_ms=30000\t" in render_plan([run])


def write_log(folder: Path, windows: Windows | None) -> Path:
    folder.mkdir(parents=True)
    names = ("idle_from_ns", "loop_from_ns", "loop_to_ns", "idle_to_ns", "iterations")
    borders = " ".join(f"{name}={getattr(windows, name)}" for name in names) if windows else ""
    record = f"power source=none {borders}" if windows else "start protocol=1"
    (folder / "runner.log").write_text(f"11-24 08:45:48.068  1  1 I AutoCoMET: 1 j 1000 {record}\n")
    return folder


def test_a_monitor_s_recording_is_cut_into_the_runs_that_it_saw(tmp_path: Path) -> None:
    def windows(begin_s: int, loop_s: int) -> Windows:
        idle_from, loop_from, loop_to, idle_to = (
            (begin_s + second) * 10**9 for second in (0, 5, 5 + loop_s, 10 + loop_s)
        )
        return Windows(
            idle_from_ns=idle_from, loop_from_ns=loop_from, loop_to_ns=loop_to, idle_to_ns=idle_to, iterations=10
        )

    runs = {"a": windows(100, 10), "b": windows(130, 14)}
    folders = [write_log(tmp_path / name / "run-1000", each) for name, each in runs.items()]
    timing = write_log(tmp_path / "a" / "run-0", None)
    time_s = np.arange(0, 80, 0.005)
    loops = [(each.loop_from_ns / 1e9 - 90, each.loop_to_ns / 1e9 - 90) for each in runs.values()]
    current = 200 + 100 * sum(((time_s > begin) & (time_s < end)) for begin, end in loops)
    rows = (f"{time:.4f},{ma:.0f},4.0" for time, ma in zip(time_s, current, strict=True))
    recording = tmp_path / "monsoon.csv"
    recording.write_text("\n".join(["Time(s),Main(mA),Main Voltage(V)", *rows]))

    attached = attach_monitor(recording, [*folders, timing])

    assert attached == 2
    for folder, each in zip(folders, runs.values(), strict=True):
        table = np.loadtxt(folder / "monitor.csv", delimiter=",", skiprows=1)
        in_loop = (table[:, 0] > each.loop_from_ns) & (table[:, 0] < each.loop_to_ns)
        assert table[0, 0] >= each.idle_from_ns
        assert table[-1, 0] <= each.idle_to_ns
        assert np.mean(table[in_loop, 1]) == pytest.approx(1200, rel=0.01)
        assert np.mean(table[~in_loop, 1]) == pytest.approx(800, rel=0.01)
    assert not (timing / "monitor.csv").exists()


def test_a_recording_that_is_not_there_is_named(tmp_path: Path) -> None:
    folder = write_log(
        tmp_path / "run-1000",
        Windows(idle_from_ns=0, loop_from_ns=10**9, loop_to_ns=2 * 10**9, idle_to_ns=3 * 10**9, iterations=1),
    )

    with pytest.raises(ProfilerError, match=r"none\.csv"):
        attach_monitor(tmp_path / "none.csv", [folder])
