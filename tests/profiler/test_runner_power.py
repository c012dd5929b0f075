"""The real runner looping a small model beside a power sensor that is a folder. Nothing depends on how fast it is."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from parsers.evidence import parse_job, read_run_status
from parsers.jobs import DeviceRecord, JobLayer, JobSpec, job_to_json
from parsers.power_run import PowerFinding, read_power, windows_of
from parsers.power_samples import ChargeStatus, read_battery_csv, read_battery_text
from parsers.run_records import Record, only_record, read_records
from parsers.runlog import parse_runlog
from parsers.schema import Context, DeviceKind, Layer, Scope, Status
from profiler.plan import RunPlan, render_plan
from profiler.power import attach_monitor
from profiler.runner_build import build_runner, host_runtime

ZIG = (sys.executable, "-m", "ziglang", "cc")
CPU = min(os.sched_getaffinity(0))
NODES = {"current_now": "-350000", "voltage_now": "4012000", "charge_counter": "2512000", "status": "Discharging"}


@pytest.fixture(scope="module")
def supplies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree in place of /sys/class/power_supply; `runner` in it reads there."""
    folder = tmp_path_factory.mktemp("supplies")
    build_runner(folder / "runner", compiler=ZIG, defines=[f'SYSFS_POWER="{folder}"'])
    (folder / "battery").mkdir()
    return folder


@pytest.fixture(autouse=True)
def _charged(supplies: Path) -> None:
    for node, text in NODES.items():
        (supplies / "battery" / node).write_text(f"{text}\n")


def looping(model: Path, folder: Path, **changes: object) -> RunPlan:
    plan = RunPlan(
        job="job",
        run=1000,
        model=str(model),
        out=str(folder / "job" / "run-1000"),
        cpus=(CPU,),
        warmup=1,
        checkpoints=(5,),
        min_iterations=2,
        profile_iterations=0,
        timeout_s=30,
        power_source="sysfs",
        power_loop_ms=300,
        power_idle_ms=150,
        power_sample_ms=20,
    )
    return replace(plan, **changes)


def execute(supplies: Path, folder: Path, *runs: RunPlan, path: str = "") -> subprocess.CompletedProcess[str]:
    plan = folder / "plan"
    plan.write_text(render_plan(runs))
    command = [str(supplies / "runner"), "--runtime", str(host_runtime()), "--plan", str(plan)]
    environment = {**os.environ, "PATH": f"{path}:{os.environ['PATH']}"}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)


def power_record(plan: RunPlan) -> Record:
    record = only_record(read_records(Path(plan.out, "runner.log").read_bytes()), "power")
    assert record is not None
    return record


def test_the_windows_follow_each_other_and_the_battery_is_read_as_it_is_through_all_of_them(
    supplies: Path, tiny_model: Path, tmp_path: Path
) -> None:
    plan = looping(tiny_model, tmp_path)

    done = execute(supplies, tmp_path, plan)

    windows = windows_of(power_record(plan))
    samples = read_battery_csv(Path(plan.out, "power.csv").read_bytes())
    assert (done.returncode, done.stdout, done.stderr) == (0, "run job 1000 ok\nend 1\n", "")
    assert parse_runlog(Path(plan.out, "runner.log").read_bytes()).complete
    assert windows.iterations > 0
    assert windows.loop_from_ns - windows.idle_from_ns >= 150_000_000
    assert windows.loop_to_ns - windows.loop_from_ns >= 300_000_000
    assert windows.idle_to_ns - windows.loop_to_ns >= 150_000_000
    assert samples.boottime_ns[0] < windows.loop_from_ns
    assert samples.boottime_ns[-1] > windows.loop_to_ns
    assert set(samples.current) == {-350000}
    assert set(samples.voltage) == {4012000}
    assert set(samples.charge) == {2512000}
    assert set(samples.status) == {ChargeStatus.DISCHARGING}


def test_nodes_that_another_supply_has_are_found_and_absent_ones_are_gaps(
    supplies: Path, tiny_model: Path, tmp_path: Path
) -> None:
    (supplies / "battery" / "current_now").unlink()
    (supplies / "battery" / "charge_counter").unlink()
    (supplies / "bms").mkdir()
    (supplies / "bms" / "current_now").write_text("417000\n")
    plan = looping(tiny_model, tmp_path)

    execute(supplies, tmp_path, plan)

    (supplies / "bms" / "current_now").unlink()
    (supplies / "bms").rmdir()
    samples = read_battery_csv(Path(plan.out, "power.csv").read_bytes())
    assert set(samples.current) == {417000}
    assert np.isnan(samples.charge).all()


def test_a_phone_that_stays_on_its_cable_keeps_its_time_and_has_no_power(
    supplies: Path, tiny_model: Path, tmp_path: Path
) -> None:
    (supplies / "battery" / "status").write_text("Charging\n")
    plan = looping(tiny_model, tmp_path, power_wait_ms=100)

    execute(supplies, tmp_path, plan)

    refused = PowerFinding(
        energy=None, refused="the battery did not discharge within 100 ms", source="sysfs", looped=False
    )
    assert read_power(Path(plan.out)) == refused
    assert len(parse_runlog(Path(plan.out, "runner.log").read_bytes()).wall_us) > 0
    assert not Path(plan.out, "power.csv").exists()


def test_a_phone_is_waited_for_until_its_cable_is_pulled(supplies: Path, tiny_model: Path, tmp_path: Path) -> None:
    status = supplies / "battery" / "status"
    status.write_text("Charging\n")
    plan = looping(tiny_model, tmp_path, power_wait_ms=20_000)
    puller = threading.Timer(0.5, status.write_text, ["Discharging\n"])

    puller.start()
    execute(supplies, tmp_path, plan)
    puller.join()

    samples = read_battery_csv(Path(plan.out, "power.csv").read_bytes())
    assert windows_of(power_record(plan)).iterations > 0
    assert set(samples.status) == {ChargeStatus.DISCHARGING}


def test_android_s_own_word_is_taken_where_a_shell_may_not_read_the_nodes(
    supplies: Path, tiny_model: Path, tmp_path: Path
) -> None:
    for node in NODES:
        (supplies / "battery" / node).unlink()
    tools = tmp_path / "tools"
    tools.mkdir()
    for name, output in {"dumpsys": "  status: 3\n  voltage: 4012", "cmd": "-351", "settings": "102"}.items():
        (tools / name).write_text(f"#!/bin/sh\necho '{output}'\n")
        (tools / name).chmod(0o755)
    plan = looping(tiny_model, tmp_path, power_source="cmd")

    execute(supplies, tmp_path, plan, path=str(tools))

    samples = read_battery_text(Path(plan.out, "power.txt").read_bytes())
    assert power_record(plan).integer("brightness") == 102
    assert set(samples.current) == {-351}
    assert set(samples.voltage) == {4012}
    assert set(samples.status) == {ChargeStatus.DISCHARGING}


def test_a_source_that_the_runner_does_not_know_stops_the_plan(
    supplies: Path, tiny_model: Path, tmp_path: Path
) -> None:
    done = execute(supplies, tmp_path, looping(tiny_model, tmp_path, power_source="solar"))

    assert (done.returncode, done.stderr) == (2, "runner: job: no such power source: solar\n")


def test_a_run_that_is_killed_in_its_loop_leaves_no_sampler_behind(
    supplies: Path, tiny_model: Path, tmp_path: Path
) -> None:
    done = execute(supplies, tmp_path, looping(tiny_model, tmp_path, power_loop_ms=60_000, timeout_s=2))

    deadline = time.monotonic() + 20
    while processes_of(supplies / "runner") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert done.stdout == "run job 1000 timed_out\nend 1\n"
    assert processes_of(supplies / "runner") == []


def processes_of(program: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if process.joinpath("exe").readlink() == program:
                found.append(process.name)
        except OSError:
            continue  # it has ended, or is not ours to look at
    return found


def test_a_flipped_bit_in_the_samples_makes_the_run_lost(supplies: Path, tiny_model: Path, tmp_path: Path) -> None:
    plan = looping(tiny_model, tmp_path)
    execute(supplies, tmp_path, plan)
    samples = Path(plan.out, "power.csv")
    before = read_run_status(Path(plan.out))
    data = bytearray(samples.read_bytes())
    data[200] ^= 1
    samples.write_bytes(data)

    after = read_run_status(Path(plan.out))

    assert (before, after) == (Status.OK, Status.LOST)


def test_a_loop_seen_by_a_monitor_becomes_the_row_s_energy(supplies: Path, tiny_model: Path, tmp_path: Path) -> None:
    power = looping(tiny_model, tmp_path, power_source="none", power_loop_ms=2000, power_idle_ms=1000)
    timing = replace(
        power, run=0, out=str(tmp_path / "job" / "run-0"), profile_iterations=3, power_loop_ms=0, power_idle_ms=0
    )
    execute(supplies, tmp_path, timing, power)
    windows = windows_of(power_record(power))
    write_recording(tmp_path / "monitor.csv", windows.idle_from_ns / 1e9 - 5, windows, idle_mw=800, net_mw=1500)
    layer = Layer(type="Conv", in_channels=3, channels=8, input_volume=768, output_volume=1024)
    spec = JobSpec(
        job="job",
        scope=Scope.ISOLATED,
        networks=(),
        layers=(JobLayer(name="Conv", layer=layer),),
        provider="cpu",
        threads=1,
        cpus=(CPU,),
        spinning=False,
        processes=1,
        evict_kb=0,
        model_sha256="",
    )
    (tmp_path / "job" / "job.json").write_text(job_to_json(spec))

    attach_monitor(tmp_path / "monitor.csv", [Path(timing.out), Path(power.out)])
    (row,) = parse_job(tmp_path / "job", device(), campaign="c")

    finding = read_power(Path(power.out))
    true_mj = 1500 * windows.loop_s / windows.iterations
    assert finding is not None
    assert finding.energy is not None
    assert finding.energy.energy_mj == pytest.approx(true_mj, rel=0.05)
    assert abs(finding.energy.energy_mj - true_mj) <= finding.energy.energy_error_mj
    timed = row.measurement.status is Status.OK  # a crowded machine may contend it, and then the row claims nothing
    assert row.measurement.energy_mj == (finding.energy.energy_mj if timed else None)
    assert row.measurement.power_source == ("monsoon" if timed else None)
    assert row.measurement.processes == (1 if timed else 0)


def write_recording(path: Path, began_s: float, windows, *, idle_mw: float, net_mw: float) -> None:
    time_s = np.arange(0, (windows.idle_to_ns - windows.idle_from_ns) / 1e9 + 10, 0.001)
    in_loop = (began_s + time_s > windows.loop_from_ns / 1e9) & (began_s + time_s < windows.loop_to_ns / 1e9)
    power_mw = idle_mw + net_mw * in_loop + np.random.default_rng(0).normal(0, 40, len(time_s))
    rows = (f"{t:.4f},{mw / 4:.3f},4.0" for t, mw in zip(time_s, power_mw, strict=True))
    path.write_text("\n".join(["Time(ms),Main(mA),Main Voltage(V)", *rows]))


def device() -> DeviceRecord:
    return DeviceRecord(
        device="phone",
        kind=DeviceKind.VIRTUAL,
        soc=None,
        os_build=None,
        runtime_version="1",
        runner_sha256="",
        context=Context(cores=1, memory_gb=1.0, clock_freq_ghz=1.0),
    )
