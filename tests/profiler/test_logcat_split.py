"""Campaigns whose logs lose lines: of Android's log, of the runner's file, of both. The logs are the real runner's."""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import onnx
import pytest
from virtual_rack import profile, virtual_rack

from parsers.jobs import RUN_LOG, RUN_LOGCAT, RUN_PREFIX, write_verdict
from parsers.schema import Row, Status
from parsers.stats import parse_campaign
from parsers.witnesses import Witness, hear
from profiler.job_plans import fingerprint
from profiler.logcat_split import split_among_runs
from profiler.measure import measure_suite, open_bench
from profiler.runner_build import host_compiler, run_tool
from profiler.settings import CampaignSettings
from profiler.suite import suite_from_models
from tests.profiler.conftest import tiny_network

LIBLOG = r"""
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
int __android_log_print(int priority, const char *tag, const char *format, ...) {
    char text[4096], line[4200];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    int length = snprintf(line, sizeof line, "11-24 08:45:48.068 %5d %5d I %-8s: %s\n", getpid(), getpid(), tag, text);
    int fd = open(LOG, O_WRONLY | O_APPEND | O_CREAT, 0666);
    int written = (int)write(fd, line, (unsigned)length);
    close(fd);
    return written + priority - priority;
}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """A finished campaign whose logs can be thinned, and what was there before."""

    folder: Path
    rows: tuple[Row, ...]
    """Of the whole evidence."""
    whole: dict[Path, bytes]
    """Every log of every run."""

    def runs(self) -> list[Path]:
        return sorted({path.parent for path in self.whole})

    def restore(self) -> None:
        for path, data in self.whole.items():
            path.write_bytes(data)

    def thin(self, name: str, *, fraction: float, seed: int) -> set[Path]:
        """Drop this part of the lines of every log of that name; returns the runs that have lost some."""
        chance = random.Random(f"{name} {seed}")  # noqa: S311 - which lines go, not a secret
        damaged = set()
        for run in self.runs():
            lines = self.whole[run / name].splitlines(keepends=True)
            kept = [line for line in lines if chance.random() >= fraction]
            (run / name).write_bytes(b"".join(kept))
            if kept != lines:
                damaged.add(run)
        return damaged

    def parse(self) -> tuple[Row, ...]:
        return parse_campaign(self.folder).rows


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """Measure a network of five layers on this machine, whose runner finds an Android log to write to."""
    folder = tmp_path_factory.mktemp("logcat")
    (folder / "liblog.c").write_text(LIBLOG)
    compiler, _ = host_compiler()
    define = f'-DLOG="{folder / "logcat"}"'
    run_tool([*compiler, "-shared", "-fPIC", define, str(folder / "liblog.c"), "-o", str(folder / "liblog.so")])
    onnx.save(tiny_network(), folder / "tiny.onnx")
    suite = suite_from_models([folder / "tiny.onnx"])
    settings = CampaignSettings(
        suite=suite.name,
        suite_sha256=fingerprint(suite),
        device="host",
        processes=3,
        budget_ms=20,
        profile_iterations=5,
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LD_PRELOAD", str(folder / "liblog.so"))
        done = measure_suite(suite, settings, open_bench(settings, runs=folder / "runs"))
    (device,) = (path for path in done.stats_path.parent.iterdir() if path.is_dir())
    (device / RUN_LOGCAT).write_bytes(b"since 0\n" + (folder / "logcat").read_bytes())
    split_among_runs(device)
    logs = itertools.chain(device.rglob(RUN_LOG), device.glob(f"*/*/{RUN_LOGCAT}"))
    return Campaign(folder=done.stats_path.parent, rows=done.rows, whole={path: path.read_bytes() for path in logs})


@pytest.fixture
def campaign(measured: Campaign) -> Iterator[Campaign]:
    yield measured
    measured.restore()


def messages(log: bytes) -> list[bytes]:
    return [line.partition(b"AutoCoMET: ")[2] for line in log.splitlines()]


def test_each_run_finds_in_the_log_what_its_own_file_says(campaign: Campaign):
    assert len(campaign.runs()) >= 15
    for run in campaign.runs():
        assert messages(campaign.whole[run / RUN_LOGCAT]) == messages(campaign.whole[run / RUN_LOG])


def test_lines_that_the_log_drops_change_nothing_while_the_files_are_whole(campaign: Campaign):
    for seed in range(25):
        damaged = campaign.thin(RUN_LOGCAT, fraction=0.05, seed=seed)

        assert damaged
        assert campaign.parse() == campaign.rows
        assert {hear(run).witness for run in campaign.runs()} == {Witness.FILE}


def test_every_run_whose_file_has_lost_lines_is_told_by_the_log(campaign: Campaign):
    for seed in range(25):
        damaged = campaign.thin(RUN_LOG, fraction=0.05, seed=seed)

        assert damaged
        assert campaign.parse() == campaign.rows
        assert {run for run in campaign.runs() if hear(run).witness is Witness.LOGCAT} == damaged


@pytest.mark.parametrize("fraction", [0.05, 0.3])
def test_a_run_whose_file_and_log_have_lost_lines_is_lost_and_no_number_is_wrong(
    campaign: Campaign, tmp_path: Path, fraction: float
):
    """The rows are those of the whole evidence with a verdict on the same runs."""
    judged = tmp_path / campaign.folder.name
    lost_runs = 0
    for seed in range(25):
        lost = [campaign.thin(name, fraction=fraction, seed=seed) for name in (RUN_LOG, RUN_LOGCAT)]
        rows, told = campaign.parse(), {run: hear(run).log.complete for run in campaign.runs()}
        campaign.restore()
        shutil.copytree(campaign.folder, judged)
        for run in lost[0] & lost[1]:
            write_verdict(judged / run.relative_to(campaign.folder), status=Status.LOST, reason="both are damaged")

        assert rows == parse_campaign(judged).rows
        assert {run for run, complete in told.items() if not complete} == lost[0] & lost[1]
        lost_runs += len(lost[0] & lost[1])
        shutil.rmtree(judged)
    assert lost_runs


# -- through the wire ------------------------------------------------------------------------------------------------


@pytest.fixture
def phoned(layers_file: Path, tmp_path: Path) -> Path:
    """Measure three layers, five times each, on a virtual phone whose log drops one line in twenty."""
    choice = ("--all", "--layers", str(layers_file), "--policy", "quick", "--processes", "5", "--budget-ms", "20")
    with virtual_rack(["low"], tmp_path / "phones", options=("--fault", "lost-log-lines=0.05")) as (_, environment):
        done = profile("collect", *choice, "--campaign", "c", environment=environment, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    return tmp_path / "runs" / "c"


def test_a_phones_log_comes_with_its_runs_and_tells_those_whose_file_is_cut_where_it_dropped_nothing(phoned: Path):
    runs = sorted(phoned.glob(f"*/*/{RUN_PREFIX}*"))
    before = {run: hear(run) for run in runs}
    logs = {run: (run / RUN_LOGCAT).read_bytes() for run in runs if (run / RUN_LOGCAT).is_file()}
    whole = {run for run in logs if messages(logs[run]) == messages(before[run].data)}

    for run in runs:
        (run / RUN_LOG).write_bytes(before[run].data[:-20])
    after = {run: hear(run) for run in runs}

    assert {account.witness for account in before.values()} == {Witness.FILE}
    assert all(set(messages(logs[run])) <= set(messages(before[run].data)) for run in logs)
    assert 0 < len(whole) < len(runs)
    assert {run for run in runs if after[run].witness is Witness.LOGCAT} == whole
    assert {run: after[run].log for run in whole} == {run: before[run].log for run in whole}
    assert {after[run].log.status for run in set(runs) - whole} == {Status.LOST}
