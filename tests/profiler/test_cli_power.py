"""``profile power`` of a sensor's figures; with a phone it is tested in test_power_campaign.py."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import pytest

from parsers.energy_plan import Sensor, plan_loop
from profiler.cli import main

SENSOR = ("--sensor-period-s", "1", "--noise-mw", "40")


def profile(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["profile", "power", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0)


def test_a_sensor_s_figures_give_the_planner_s_loop(monkeypatch, capsys):
    options = ("--quantum-mw", "4", "--settling-s", "4", "--expected-mw", "500", "--error", "0.05", "--json")

    code = profile(monkeypatch, *SENSOR, *options)

    sensor = Sensor(update_period_s=1.0, noise_mw=40.0, quantum_mw=4.0, settling_s=4.0)
    plan = plan_loop(sensor, net_power_mw=500.0, wanted_relative_error=0.05)
    assert code == 0
    assert json.loads(capsys.readouterr().out) == {"device": None, "sensor": asdict(sensor), "plan": asdict(plan)}


def test_it_is_said_where_no_loop_gives_the_wanted_error(monkeypatch, capsys):
    code = profile(monkeypatch, *SENSOR, "--error", "0.01")

    assert code == 0
    assert capsys.readouterr().out.splitlines() == [
        "this sensor: updates every 1 s in steps of 0 mW, noise 40 mW, settling time unknown until a first loop",
        (
            "loop 900 s between two idle windows of 466 s: 1832 s per layer, energy to about ±4%;"
            " ±1% is out of reach of this sensor"
        ),
    ]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ((), 2),
        (("--noise-mw", "40"), 2),
        (("--device", "somebody", *SENSOR), 2),
        (("--device", "somebody", "--quantum-mw", "0"), 2),
        (("--sensor-period-s", "0", "--noise-mw", "40"), 2),
        (("--sensor-period-s", "1", "--noise-mw", "inf"), 1),
    ],
)
def test_half_a_sensor_or_one_beside_a_phone_is_refused(monkeypatch, capsys, arguments, code):
    assert profile(monkeypatch, *arguments) == code

    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
