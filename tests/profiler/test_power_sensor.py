from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from profiler.errors import ProfilerError
from profiler.power import PowerOption, PowerSource, SensorFacts
from profiler.power_sensor import UNKNOWN_PERIOD_S, choose_sensor, read_probe

HEADER = "boottime_ns,current_now,voltage_now,charge_counter,status"
METER = "=== odpm\n" + "".join(
    f"@ {n}000000000\n============= PowerStats HAL 2.0 energy meter ==============\n"
    f"  [S4M_VDD_CPUCL0]:CPU(LITTLE)   {n // 2}.00 mWs\n"
    for n in range(1, 16)
)


def nodes(*, scale: int = 1000, every: int = 4, status: str = "Charging") -> str:
    """Forty seconds of a gauge that changes with every fourth sample, in steps of 2 mA, on a cable."""
    rows = (
        f"{n * 500_000_000},{(400 + 2 * ((n // every) % 3)) * scale},4000000,2500000,{status}" for n in range(1, 81)
    )
    return "\n".join(["=== sysfs", HEADER, *rows]) + "\n"


def dumpsys() -> str:
    blocks = (f"@ {n}000000000\n  status: 3\n  voltage: 4000\ncurrent now: {-300 - n % 2}\n" for n in range(1, 41))
    return "=== cmd\n" + "".join(blocks)


def answering(text: str):
    def shell(argv: Sequence[str]) -> str:
        assert argv[:2] == ["sh", "-c"]
        return text

    return shell


@pytest.mark.parametrize("scale", [1000, 1])
def test_pace_and_step_of_a_gauge_are_seen_while_it_charges(scale: int) -> None:
    (facts,) = read_probe(nodes(scale=scale))

    assert facts.source is PowerSource.SYSFS
    assert facts.update_period_s == pytest.approx(2.0)
    assert facts.quantum_mw == pytest.approx(8.0)
    assert facts.settling_s is None


def test_auto_prefers_the_battery_and_asks_android_where_the_nodes_are_closed() -> None:
    auto = PowerOption(kind="auto")

    chosen = [choose_sensor(auto, answering(text)) for text in (nodes() + METER, dumpsys() + METER, METER, "")]

    assert [facts.source if facts else None for facts in chosen] == ["sysfs", "cmd", "odpm", None]


def test_a_meter_s_pace_is_what_its_counters_show() -> None:
    (facts,) = read_probe(METER)

    assert (facts.source, facts.update_period_s, facts.settling_s) == (PowerSource.ODPM, 2.0, 4.0)


def test_a_sensor_that_was_asked_for_and_is_not_there_is_an_error_that_says_what_is() -> None:
    with pytest.raises(ProfilerError, match="--power odpm: this phone's power sensors are: sysfs"):
        choose_sensor(PowerOption(kind="odpm"), answering(nodes()))


def test_a_gauge_that_shows_only_zeros_is_none() -> None:
    assert choose_sensor(PowerOption(kind="auto"), answering(nodes(scale=0))) is None


def test_a_gauge_that_was_not_seen_changing_is_taken_for_a_slow_one() -> None:
    (facts,) = read_probe(nodes(every=100))

    assert facts.update_period_s == UNKNOWN_PERIOD_S


def test_an_external_monitor_needs_no_answer_of_the_phone() -> None:
    def nobody(argv: Sequence[str]) -> str:
        raise AssertionError(argv)

    sensor = choose_sensor(PowerOption(kind="monsoon", file=Path("m.csv")), nobody)

    assert isinstance(sensor, SensorFacts)
    assert sensor.source is PowerSource.NONE
    assert choose_sensor(PowerOption(kind="none"), nobody) is None


def test_the_probe_itself_runs_in_a_posix_shell_and_reads_a_gauge_that_moves(tmp_path: Path) -> None:
    supply = tmp_path / "battery"
    supply.mkdir()
    for node, text in {"current_now": "-350000", "voltage_now": "4012000", "status": "Discharging"}.items():
        (supply / node).write_text(f"{text}\n")
    tools = tmp_path / "bin"
    tools.mkdir()
    sleep = "#!/bin/sh\n/bin/sleep 0.02\nread now <{0}\necho $((now - 2000)) >{0}\n".format(supply / "current_now")
    (tools / "sleep").write_text(sleep)
    (tools / "sleep").chmod(0o755)

    def shell(argv: Sequence[str]) -> str:
        command = [*argv[:2], argv[2].replace("/sys/class/power_supply", str(tmp_path))]
        environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, env=environment).stdout

    sensor = choose_sensor(PowerOption(kind="battery"), shell)

    assert sensor is not None
    assert sensor.source is PowerSource.SYSFS
    assert sensor.quantum_mw == pytest.approx(2 * 4.012)
