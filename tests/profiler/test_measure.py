from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from parsers.evidence import read_whole_network
from parsers.jobs import write_verdict
from parsers.schema import DeviceKind, Origin, Scope, Status
from parsers.stats import parse_campaign, read_stats
from profiler.errors import CampaignError, DeviceNotFoundError
from profiler.job_plans import fingerprint
from profiler.measure import Measured, measure_networks, measure_suite, open_bench
from profiler.settings import CampaignSettings
from profiler.suite import Suite, suite_from_layers, suite_from_models

FAST = {"processes": "2", "budget-ms": "20"}
KEYS = ["device", "job"]


def settings_for(suite: Suite, **changes: int | str) -> CampaignSettings:
    values: dict[str, int | str] = {"device": "host", "processes": 2, "budget_ms": 20, "profile_iterations": 10}
    return CampaignSettings(suite=suite.name, suite_sha256=fingerprint(suite), **{**values, **changes})  # type: ignore[arg-type]


def measure(suite: Suite, runs: Path) -> Measured:
    settings = settings_for(suite)
    return measure_suite(suite, settings, open_bench(settings, runs=runs))


def test_a_model_yields_one_row_per_unique_layer_alone_and_one_per_layer_inside_the_network(
    tiny_model: Path, tmp_path: Path
) -> None:
    suite = suite_from_models([tiny_model])

    measured = measure(suite, tmp_path / "runs")

    table = read_stats(measured.stats_path)
    assert measured.rejects == ()
    assert table.groupby("scope").size().to_dict() == {"in_network": 4, "isolated": 4}
    assert set(table["networks"]) == {"tiny"}
    assert set(table["origin"]) == {Origin.MEASURED.value}
    assert set(table["device_kind"]) == {DeviceKind.HOST.value}
    quiet = table[table["status"] == Status.OK.value]
    assert (quiet["execution_time_ms"] > 0).all()
    alone = quiet[quiet["scope"] == "isolated"]
    assert (alone["wall_ms"] >= alone["execution_time_ms"]).all()
    shape_only = table[table["type"] == "Reshape"]
    assert set(shape_only["status"]) <= {"ok", "elided", "contended"}


def test_parsing_the_folder_again_gives_the_same_rows(layers_file: Path, tmp_path: Path) -> None:
    measured = measure(suite_from_layers(layers_file), tmp_path / "runs")

    again = parse_campaign(measured.stats_path.parent)

    assert again.rows == measured.rows
    assert len(again.rows) == 3


def test_the_campaign_leaves_raw_evidence_and_nothing_else(layers_file: Path, tmp_path: Path) -> None:
    measured = measure(suite_from_layers(layers_file), tmp_path / "runs")

    folder = measured.stats_path.parent
    top = sorted(path.name for path in folder.iterdir())
    device = next(path for path in folder.iterdir() if path.is_dir())
    assert top == [".lock", "campaign.json", device.name, "stats.parquet"]
    jobs = [path for path in device.iterdir() if path.is_dir()]
    assert len(jobs) == 3
    for job in jobs:
        runs = sorted(path.name for path in job.iterdir())
        assert runs[0] == "job.json"
        assert len(runs) >= 3
        assert sorted(path.name for path in (job / "run-0").iterdir()) == ["profile.json", "runner.log"]


def test_a_log_line_that_is_lost_afterwards_costs_the_run_and_never_changes_a_number(
    layers_file: Path, tmp_path: Path
) -> None:
    measured = measure(suite_from_layers(layers_file), tmp_path / "runs")
    before = {row.provenance.job: row.measurement for row in measured.rows}
    for log in measured.stats_path.parent.glob("*/*/run-*/runner.log"):
        lines = log.read_bytes().splitlines(keepends=True)
        log.write_bytes(b"".join(lines[:1] + lines[2:]))

    after = {row.provenance.job: row.measurement for row in parse_campaign(measured.stats_path.parent).rows}

    assert set(after) == set(before)
    assert {measurement.status for measurement in after.values()} == {Status.LOST}
    assert {measurement.execution_time_ms for measurement in after.values()} == {None}


def test_an_unknown_device_is_named_with_those_that_there_are(layers_file: Path, tmp_path: Path) -> None:
    suite = suite_from_layers(layers_file)

    with pytest.raises(DeviceNotFoundError, match=r"R58M12ABCDE.*host"):
        open_bench(settings_for(suite, device="R58M12ABCDE"), runs=tmp_path / "runs")

    assert not (tmp_path / "runs").exists()


def collect_command(layers_file: Path, runs: Path) -> list[str]:
    options = [f"--{name}={value}" for name, value in FAST.items()]
    # Where the tests run in the background, SIGINT is ignored, and a child inherits that.
    heard = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    program = f"{heard}; from profiler.cli import main; main()"
    return [
        *(sys.executable, "-c", program, "collect", "--device=host", f"--layers={layers_file}"),
        *(f"--runs={runs}", "--campaign=kill", *options),
    ]


def runner_processes(runs: Path) -> list[int]:
    """Find processes whose command line names a plan under ``runs``."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if b"--plan" in command and os.fsencode(runs) in command:
            found.append(int(entry.name))
    return found


def wait_until_gone(runs: Path) -> list[int]:
    """A killed parent's runner ends by itself; give the kernel the moment that it needs."""
    for _ in range(100):
        left = runner_processes(runs)
        if not left:
            return []
        subprocess.run(["sleep", "0.05"], check=True)  # noqa: S607 - the system's own sleep
    return left


def test_a_campaign_killed_at_three_moments_ends_with_exactly_the_jobs_of_an_undisturbed_one(
    layers_file: Path, tmp_path: Path
) -> None:
    undisturbed = measure(suite_from_layers(layers_file), tmp_path / "undisturbed")
    runs = tmp_path / "killed"
    command = collect_command(layers_file, runs)
    moments = random.Random(7)  # noqa: S311 - moments, not secrets

    for _ in range(3):
        program = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            program.wait(timeout=moments.uniform(0.8, 2.5))
        except subprocess.TimeoutExpired:
            program.send_signal(signal.SIGKILL)
        program.communicate()
        assert wait_until_gone(runs) == []
    finished = subprocess.run(command, capture_output=True, text=True, check=False)

    assert finished.returncode == 0, finished.stderr
    table = read_stats(runs / "kill" / "stats.parquet")
    expected = read_stats(undisturbed.stats_path)
    pd.testing.assert_frame_equal(
        table[KEYS].sort_values(KEYS, ignore_index=True), expected[KEYS].sort_values(KEYS, ignore_index=True)
    )
    assert not list((runs / "kill").glob("*/.staging/*"))
    assert runner_processes(runs) == []


def test_an_interrupt_keeps_what_is_done_and_says_so(layers_file: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    program = subprocess.Popen(
        collect_command(layers_file, runs), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert program.stderr is not None
    program.stderr.readline()
    program.send_signal(signal.SIGINT)

    _, complaint = program.communicate()

    assert program.returncode in {0, 130}
    assert program.returncode == 0 or "What was measured is kept" in complaint
    assert "Traceback" not in complaint


def test_networks_are_measured_as_wholes_alone_and_the_same_call_gives_what_was_measured(
    tiny_model: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.onnx"
    other.write_bytes(tiny_model.read_bytes())

    first, again = (
        measure_networks([tiny_model, other], name="two", device="host", processes=2, runs=tmp_path / "runs")
        for _ in range(2)
    )

    folders = sorted(path.parent for path in first.stats_path.parent.glob("*/*/job.json"))
    whole = [read_whole_network(folder) for folder in folders]
    assert [one.network for one in whole] == ["other", "tiny"]
    assert {row.execution.scope for row in first.rows} == {Scope.IN_NETWORK}
    assert {len(one.wall_ms) for one in whole if one.status is Status.OK} <= {2}
    if Status.CONTENDED not in {one.status for one in whole}:
        assert again.rows == first.rows


def test_networks_that_were_disturbed_are_measured_anew(tiny_model: Path, tmp_path: Path) -> None:
    first = measure_networks([tiny_model], name="one", device="host", processes=1, runs=tmp_path / "runs")
    (job,) = first.stats_path.parent.glob("*/*/job.json")
    for run in job.parent.glob("run-*"):
        write_verdict(run, status=Status.THROTTLED, reason="for the test")

    measure_networks([tiny_model], name="one", device="host", processes=1, runs=tmp_path / "runs")

    assert not list(job.parent.glob("run-*/verdict.json"))


def test_networks_are_measured_on_one_device_at_a_time(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(CampaignError, match="one device at a time, not on 'all'; name one"):
        measure_networks([tiny_model], name="one", device="all", runs=tmp_path / "runs")


def test_networks_can_be_measured_with_as_many_threads_as_this_machine_has(tiny_model: Path, tmp_path: Path) -> None:
    def threads(*, fewer: bool) -> set[int]:
        runs = tmp_path / "runs"
        measured = measure_networks(
            [tiny_model], name="one", device="host", threads=999, fewer=fewer, processes=1, runs=runs
        )
        return {row.execution.threads for row in measured.rows}

    (most,) = threads(fewer=True)
    assert 1 <= most < 999
    with pytest.raises(CampaignError, match=f"Ask for at most --threads {most}"):
        threads(fewer=False)
