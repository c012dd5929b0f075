"""The power part of a campaign: on a stand-in that really runs the runner, and on virtual phones behind the real adb."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pytest
from virtual_rack import PROGRAM, VirtualPhone, profile, virtual_rack

from parsers.jobs import FIRST_POWER_RUN
from parsers.schema import Status
from parsers.stats import read_stats
from profiler import power_campaign
from profiler.campaign import Patience, Progress
from profiler.device import BatchOrder, Conditions
from profiler.errors import BatchCutOffError, DeviceGoneError, PowerSwitchError, ProfilerError
from profiler.job_plans import fingerprint
from profiler.local import LocalDevice
from profiler.measure import Bench, Measured, measure_suite
from profiler.power import PowerPlan
from profiler.settings import CampaignSettings
from profiler.store import CampaignStore
from profiler.suite import suite_from_layers

RUN = f"run-{FIRST_POWER_RUN}"
IMPATIENT = Patience(away_s=1.0, unplug_s=1.0, look_s=0.05)
NO_RECORDING = "refused: no recording of an external monitor was given for the run"


class LonelyPhone(LocalDevice):
    """This machine as a phone that works through its batch at once, and then is heard, or not, as ordered."""

    def __init__(
        self,
        workdir: Path,
        *,
        troubles: Sequence[tuple[int, ProfilerError]] = (),
        away: int = 0,
        forgets: int = 0,
        has_port: bool = False,
    ) -> None:
        """Let hearing break off as ``troubles`` say, (after so many lines, how), and stay away for so many looks.

        ``forgets``: how many runs of the first batch were not done when it was cut off.
        """
        super().__init__(workdir)
        self._troubles, self._away, self._forgets, self._has_port = list(troubles), away, forgets, has_port
        self._left = workdir.with_name(f"{workdir.name}-left")
        self._lines: list[str] = []
        self.batches: list[list[str]] = []
        self.switched: list[bool] = []

    @property
    def name(self) -> str:
        return "lonely"

    @contextlib.contextmanager
    def hold(self, conditions: Conditions) -> Iterator[None]:  # noqa: ARG002 - several tests may run at once
        yield

    def start(self, order: BatchOrder) -> None:
        with self.batch(order, self._left) as lines:
            self._lines = list(lines)
        done = [line.split() for line in self._lines if line.startswith("run ")]
        for _, job, run, _ in done[len(done) - self._forgets :]:
            shutil.rmtree(self._left / job / f"run-{run}")
        self.batches.append([f"{job} {run}" for _, job, run, _ in done])
        self._forgets = 0

    @contextlib.contextmanager
    def follow(self) -> Iterator[Iterator[str]]:
        after, trouble = self._troubles.pop(0) if self._troubles else (1_000_000, None)
        yield iter(self._lines[:after])
        if trouble:
            raise trouble

    def salvage(self, into: Path) -> None:
        if into != self._left and self._left.exists():
            self._left.rename(into)
        else:
            super().salvage(into)

    def let_charge(self, charge: bool) -> bool:
        self.switched.append(charge)
        return self._has_port

    def reconnect(self) -> None:
        self._away -= 1
        if self._away >= 0:
            raise DeviceGoneError("not there.")


@pytest.fixture(autouse=True)
def _short_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = PowerPlan(loop_ms=60, idle_ms=20, sample_ms=50, expected_relative_error=0.1)
    monkeypatch.setattr(power_campaign, "plan_power", lambda *_: plan)
    monkeypatch.setattr(power_campaign, "_OVERHEAD_S", 0.0)


@pytest.fixture
def measure(layers_file: Path, tmp_path: Path):
    def measure(phone: LonelyPhone, seen: list[Progress] | None = None) -> Measured:
        suite = suite_from_layers(layers_file)
        settings = CampaignSettings(
            suite=suite.name,
            suite_sha256=fingerprint(suite),
            device="lonely",
            policy="quick",
            processes=2,
            budget_ms=10,
            profile_iterations=10,
            power=f"monsoon:{tmp_path}/not-exported-yet.csv",
        )
        bench = Bench(open_devices=lambda _: [phone], store=CampaignStore(tmp_path / "runs" / "power"))
        report = seen.append if seen is not None else lambda _: None
        return measure_suite(suite, settings, bench, patience=IMPATIENT, report=report)

    return measure


def power_runs(tmp_path: Path) -> list[str]:
    return sorted(f"{run.parent.name} {run.name}" for run in (tmp_path / "runs/power/lonely").glob("*/run-1???"))


def test_each_timed_layer_is_looped_once_and_one_batch_carries_them_all(measure, tmp_path: Path) -> None:
    phone = LonelyPhone(tmp_path / "work")

    measured = measure(phone)
    measure(phone)

    assert measured.shortfalls == ()
    assert len(phone.batches) == 1
    assert {row.measurement.power_source for row in measured.rows} == {NO_RECORDING}
    assert power_runs(tmp_path) == sorted(f"{row.provenance.job} {RUN}" for row in measured.rows)
    for row in measured.rows:
        folder = tmp_path / "runs/power/lonely" / row.provenance.job
        assert {run.name for run in folder.glob("run-*")} == {"run-0", "run-1", RUN}
        assert row.measurement.processes == 2


def test_a_wire_that_breaks_while_the_phone_loops_is_waited_for_and_nothing_is_looped_again(
    measure, tmp_path: Path
) -> None:
    phone = LonelyPhone(
        tmp_path / "work", troubles=[(1, DeviceGoneError("pulled.")), (0, DeviceGoneError("again."))], away=3
    )
    seen: list[Progress] = []

    measured = measure(phone, seen)

    assert measured.shortfalls == ()
    assert len(phone.batches) == 1
    assert len(power_runs(tmp_path)) == len(measured.rows)
    assert any("by itself; plug it in again at" in state.note for state in seen)
    assert {(state.done, state.total) for state in seen if "to go" in state.note} == {(6, 6)}


def test_a_phone_that_does_not_come_back_is_reported_and_finishes_with_the_same_command(
    measure, tmp_path: Path
) -> None:
    lost = LonelyPhone(tmp_path / "work", troubles=[(1, DeviceGoneError("pulled."))], away=1_000)

    measured = measure(lost)
    again = measure(LonelyPhone(tmp_path / "work"))

    assert [str(part.error) for part in measured.shortfalls] == ["not there."]
    assert again.shortfalls == ()
    assert len(power_runs(tmp_path)) == len(again.rows) == 3


def test_what_a_cut_off_batch_has_finished_counts_and_only_the_rest_is_looped_again(measure, tmp_path: Path) -> None:
    cut_off = BatchCutOffError("the phone was rebooted.")
    phone = LonelyPhone(tmp_path / "work", troubles=[(1, cut_off)], forgets=2)

    measured = measure(phone)

    assert measured.shortfalls == ()
    first, second = phone.batches
    assert second == first[1:]
    assert len(power_runs(tmp_path)) == len(measured.rows)


def test_a_port_is_off_while_the_phone_loops_and_on_again_even_if_that_ends_in_an_error(
    measure, tmp_path: Path
) -> None:
    well = LonelyPhone(tmp_path / "well", has_port=True)
    broken = LonelyPhone(tmp_path / "broken", has_port=True, troubles=[(0, ProfilerError("no such thing."))])

    with pytest.raises(ProfilerError, match="no such thing"):
        measure(broken)
    measure(well)

    assert broken.switched == [False, True]
    assert well.switched == [False, True]


def test_layers_without_energy_are_told_once_for_each_reason(measure, tmp_path: Path) -> None:
    measured = measure(LonelyPhone(tmp_path / "work"))

    told = power_campaign.refusals(measured.rows)

    assert told == ["lonely: 3 layers without energy: no recording of an external monitor was given for the run"]


def test_a_switch_is_a_command_that_gets_the_phone_s_serial_and_no_shell(tmp_path: Path) -> None:
    from profiler.android.usb_power import switch_port

    script = tmp_path / "hub"
    script.write_text(
        '#!/bin/sh\necho "$ANDROID_SERIAL $*" >>"$(dirname "$0")/log"\n[ "$1" != bad ] || { echo jammed >&2; exit 3; }\n'
    )
    script.chmod(0o755)

    switch_port([str(script), "-p", "2; exit"], on=False, serial="S1")
    switch_port([str(script), "-p", "2; exit"], on=True, serial="S1")
    with pytest.raises(PowerSwitchError, match="bad on' ended with exit code 3: jammed"):
        switch_port([str(script), "bad"], on=True, serial="S1")
    with pytest.raises(PowerSwitchError, match="cannot be run"):
        switch_port([str(tmp_path / "none")], on=True, serial="S1")

    assert (tmp_path / "log").read_text().splitlines() == ["S1 -p 2; exit off", "S1 -p 2; exit on", "S1 bad on"]


QUICK = ("--policy", "quick", "--processes", "1", "--budget-ms", "60", "--battery", "10-100", "--campaign", "power")


def one_layer(layers_file: Path) -> Path:
    """Leave only the first of the layers."""
    document = json.loads(layers_file.read_text())
    layers_file.write_text(json.dumps({**document, "layers": document["layers"][:1]}))
    return layers_file


def await_detached(root: Path, *, after: str = "", deadline_s: float = 60.0) -> str:
    """Wait until the phone is left alone with a batch that is not ``after``; returns that batch's process number."""
    end_s = time.monotonic() + deadline_s
    while time.monotonic() < end_s:
        found = [file.read_text() for file in root.glob("data/local/tmp/autocomet/work/*/detached.pid")]
        if found and found != [after]:
            return found[0]
        time.sleep(0.1)
    raise TimeoutError("no loop was begun")


@contextlib.contextmanager
def phone_of(tier: str, folder: Path, *options: str) -> Iterator[tuple[VirtualPhone, dict[str, str]]]:
    with virtual_rack([tier], folder / "phones", options=options) as ((phone,), environment):
        yield phone, environment


def test_a_phone_on_its_charger_keeps_time_and_memory_and_says_why_it_has_no_energy(
    layers_file: Path, tmp_path: Path
) -> None:
    with phone_of("low", tmp_path, "--slow", "20", "--fault", "charging") as (phone, environment):
        options = ("--device", phone.serial, "--layers", str(layers_file), "--power", "auto", "--unplug-s", "30")
        done = profile("collect", *options, *QUICK, "--json", environment=environment, cwd=tmp_path)
        asked = profile("power", "--device", phone.serial, "--json", environment=environment, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    table = read_stats(tmp_path / json.loads(done.stdout)["stats"])
    assert list(table["status"]) == [Status.OK.value] * 3
    assert (table["execution_time_ms"] > 0).all()
    assert table[["power_mw", "energy_mj", "energy_error_mj"]].isna().all(axis=None)
    # The first layer waits for the cable to be pulled; when that was in vain, the others do not.
    assert Counter(table["power_source"]) == Counter(
        {
            "refused: the battery did not discharge within 30000 ms": 1,
            "refused: the battery did not discharge within 0 ms": 2,
        }
    )
    assert done.stderr.count("without energy") == 2
    assert "PULL ITS CABLE" in done.stderr
    answer = json.loads(asked.stdout)
    assert answer["sensor"]["source"] == "sysfs"
    assert answer["sensor"]["update_period_s"] > 5
    assert answer["plan"]["loop_ms"] > 60_000


def test_a_killed_host_and_a_broken_wire_cost_no_energy(layers_file: Path, tmp_path: Path) -> None:
    options = ["--layers", str(one_layer(layers_file)), "--power", "battery", *QUICK, "--device", "rack0"]
    with phone_of("flagship", tmp_path, "--slow", "20") as (phone, environment):
        root = tmp_path / "phones" / "rack0"
        killed = subprocess.Popen(
            [*PROGRAM, "collect", *options], env=environment, cwd=tmp_path, stderr=subprocess.DEVNULL
        )
        first = await_detached(root)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        going_on = subprocess.Popen(
            [*PROGRAM, "collect", *options], env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True
        )
        await_detached(root, after=first)
        time.sleep(1)
        phone.order("fault offline")
        time.sleep(2)
        phone.order("clear offline")
        _, said = going_on.communicate(timeout=90)

    assert going_on.returncode == 0, said
    assert "by itself; plug it in again at" in said
    (row,) = read_stats(tmp_path / "runs/power/stats.parquet").to_dict("records")
    assert row["status"] == Status.OK.value
    assert row["power_source"] == "battery"
    folder = tmp_path / "runs/power/Virtual-flagship-rack0" / row["job"]
    assert {run.name for run in folder.glob("run-*")} == {"run-0", RUN}
    # One core of the prime cluster takes 420 mA; how much of the time it is busy depends on what else this machine does.
    assert 0.5 * 420 * 3.8 < row["power_mw"] < 1.1 * 420 * 4.1
    assert 0 < row["energy_error_mj"] < 0.5 * row["energy_mj"]
    assert pd.notna(row["power_gross_mw"])
