from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from parsers.battery import Windows
from parsers.energy import estimate_energy
from parsers.errors import EnergyRefusedError, PowerSamplesError
from parsers.monsoon import GRID_S, MonitorSamples, align, cut, monitor_trace, piece_to_csv, read_monsoon, read_piece

SECOND = 1_000_000_000
BEGAN_S = 937.0
"""When the recording began, on the phone's clock."""


def windows(begin_s: float, *, loop_s: float = 12.0) -> Windows:
    borders = (begin_s, begin_s + 6, begin_s + 6 + loop_s, begin_s + 12 + loop_s)
    idle_from, loop_from, loop_to, idle_to = (round(border * SECOND) for border in borders)
    return Windows(
        idle_from_ns=idle_from, loop_from_ns=loop_from, loop_to_ns=loop_to, idle_to_ns=idle_to, iterations=100
    )


RUNS = (windows(960.0), windows(990.0, loop_s=15.0))


def power_of(runs: tuple[Windows, ...], *, span_s: float = 120.0, net_mw: float = 900.0) -> MonitorSamples:
    """A phone that takes 700 mW at rest, and is also busy with something else before the first run."""
    time_s = BEGAN_S + (np.arange(0, span_s, GRID_S)) + GRID_S / 2
    power = np.full(len(time_s), 700.0) + np.random.default_rng(0).normal(0, 30, len(time_s))
    power[(time_s > 942) & (time_s < 950)] += 2500
    for run in runs:
        power[(time_s > run.loop_from_ns / SECOND) & (time_s < run.loop_to_ns / SECOND)] += net_mw
    return MonitorSamples(power_mw=power)


@pytest.mark.parametrize(
    ("header", "row", "tick"),
    [
        ("Time(ms),Main(mA),Main Voltage(V),", "{t},{i},{v},", 1.0),  # PyMonsoon: seconds, whatever it says
        ("Time(ms),Main(mA),Main Voltage(V)", "np.float64({t}),np.float64({i}),np.float64({v})", 1.0),
        ("Time (s),Main Avg Current (mA),Main Avg Voltage (V)", "{t},{i},{v}", 1.0),
        ("time(ms),USB(mA),Main(mA),Main Voltage(V)", "{t},5,{i},{v}", 1000.0),
    ],
)
def test_columns_are_found_by_name_and_time_s_unit_by_what_a_monsoon_can_do(header: str, row: str, tick: float) -> None:
    lines = [row.format(t=round(n * 0.0002 * tick, 6), i=100 + (n >= 500) * 100, v=4.0) for n in range(1000)]

    samples = read_monsoon("\n".join([header, *lines]).encode())

    np.testing.assert_allclose(samples.power_mw, [400.0] * 5 + [800.0] * 5, rtol=0.02)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("Time(s),Main(mA)\n0,1\n1,1\n", "no column .*voltage"),
        ("Time(s),Main(mA),Main Voltage(V)\n0,x,4\n1,1,4\n", "cannot be read"),
        ("Time(s),Main(mA),Main Voltage(V)\n1,1,4\n0,1,4\n", "no times that rise"),
        ("Time(s),Main(mA),Main Voltage(V)\n1,1,4\ninf,1,4\n", "no times that rise"),
        ("Time(s),Main(mA),Main Voltage(V)\n0,1,4\n1e15,1,4\n", "spans 1.16e.10 days; the longest read is a week"),
        ("", "cannot be read"),
    ],
)
def test_a_file_that_is_no_monitor_s_says_what_is_missing(text: str, complaint: str) -> None:
    with pytest.raises(PowerSamplesError, match=complaint):
        read_monsoon(text.encode())


def test_a_recording_is_brought_onto_the_phone_s_clock_by_the_loops_it_saw() -> None:
    began_ns = align(power_of(RUNS), RUNS)

    assert began_ns / SECOND == pytest.approx(BEGAN_S, abs=2 * GRID_S)


def test_a_recording_shorter_than_the_runs_is_refused() -> None:
    with pytest.raises(PowerSamplesError, match="recorded 40 s, but the runs took 57 s"):
        align(power_of(RUNS, span_s=40.0), RUNS)


def test_a_recording_of_several_loops_cannot_be_aligned_by_one_of_them() -> None:
    alike = (windows(960.0), windows(1000.0))

    with pytest.raises(PowerSamplesError, match="at several moments"):
        align(power_of(alike), alike[:1])


def test_a_recording_without_any_loop_is_refused() -> None:
    quiet = MonitorSamples(power_mw=np.full(6000, 700.0))

    with pytest.raises(PowerSamplesError, match="or at none"):
        align(quiet, RUNS)


def test_a_piece_survives_its_file_and_gives_the_energy_of_the_loop() -> None:
    samples = power_of(RUNS)

    piece = read_piece(piece_to_csv(cut(samples, align(samples, RUNS), RUNS[1])).encode())
    energy = estimate_energy(monitor_trace(piece, RUNS[1]), RUNS[1])

    assert energy.energy_mj == pytest.approx(900 * 15 / 100, rel=0.02)
    assert energy.energy_error_mj < 0.05 * energy.energy_mj
    assert energy.source == "monsoon"


def test_a_piece_that_ends_too_early_is_refused() -> None:
    samples = power_of(RUNS)
    piece = cut(samples, round(BEGAN_S * SECOND), RUNS[1])

    with pytest.raises(EnergyRefusedError, match="whole of the windows"):
        monitor_trace(replace(piece, boottime_ns=piece.boottime_ns[:900], power_mw=piece.power_mw[:900]), RUNS[1])
