"""Racks of this machine's own devices, to which happens what happens to phones. The runs are real ones."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from parsers.jobs import RUN_PREFIX
from profiler.campaign import Patience, Progress
from profiler.device import BatchOrder, Conditions
from profiler.errors import DeviceGoneError, ProfilerError, StorageFullError
from profiler.job_plans import fingerprint
from profiler.local import LocalDevice
from profiler.measure import Bench, Measured, measure_suite
from profiler.settings import CampaignSettings
from profiler.store import CampaignStore
from profiler.suite import Suite, suite_from_layers

IMPATIENT = Patience(away_s=0.6, look_s=0.1, cool_down_s=0.1, cool_downs=1)


class Phone(LocalDevice):
    """This machine under another name, whose batches break off as ordered."""

    def __init__(
        self, name: str, workdir: Path, troubles: Sequence[tuple[int, ProfilerError]] = (), away: int = 0
    ) -> None:
        """Let batches raise ``troubles``, (after so many lines, what), and stay away for so many looks."""
        super().__init__(workdir)
        self._name, self._troubles, self._away = name, list(troubles), away
        self.started: list[str] = []

    @property
    def name(self) -> str:
        return self._name

    @contextlib.contextmanager
    def hold(self, conditions: Conditions) -> Iterator[None]:  # noqa: ARG002 - several work at once
        yield

    @contextlib.contextmanager
    def batch(self, order: BatchOrder, into: Path) -> Iterator[Iterator[str]]:
        with super().batch(order, into) as lines:
            yield self._disturbed(lines)

    def reconnect(self) -> None:
        self._away -= 1
        if self._away >= 0:
            raise DeviceGoneError(f"{self.name} is not there.")

    def _disturbed(self, lines: Iterator[str]) -> Iterator[str]:
        after, trouble = self._troubles.pop(0) if self._troubles else (1_000_000, None)
        for count, line in enumerate(lines):
            if trouble and count == after:
                raise trouble
            if line.startswith("run "):
                self.started.append(" ".join(line.split()[1:3]))
            yield line


def measure(
    suite: Suite, runs: Path, *phones: Phone, share: bool = False, seen: list[Progress] | None = None
) -> tuple[Measured, CampaignStore]:
    settings = CampaignSettings(
        suite=suite.name,
        suite_sha256=fingerprint(suite),
        device="all",
        processes=2,
        budget_ms=10,
        profile_iterations=10,
        share=share,
    )
    store = CampaignStore(runs / "rack")
    bench = Bench(open_devices=lambda _: phones, store=store)
    report = seen.append if seen is not None else lambda _: None
    return measure_suite(suite, settings, bench, patience=IMPATIENT, report=report), store


def jobs_of(measured: Measured) -> Counter[tuple[str, str]]:
    return Counter((row.provenance.device, row.provenance.job) for row in measured.rows)


def gone() -> DeviceGoneError:
    return DeviceGoneError("the cable was pulled.")


def test_a_phone_that_comes_back_goes_on_and_does_no_finished_run_again(layers_file: Path, tmp_path: Path) -> None:
    suite = suite_from_layers(layers_file)
    phone = Phone("a", tmp_path / "a", troubles=[(1, gone()), (2, gone())], away=2)

    measured, store = measure(suite, tmp_path / "runs", phone)

    assert measured.shortfalls == ()
    assert set(jobs_of(measured).values()) == {1}
    assert len(measured.rows) == len(suite.layers)
    runs = list(store.device_folder("a").glob(f"*/{RUN_PREFIX}*"))
    assert len(runs) >= 2 * len(suite.layers)
    assert max(Counter(phone.started).values()) == 1


def test_a_phone_that_stays_away_is_reported_and_the_others_finish(layers_file: Path, tmp_path: Path) -> None:
    suite = suite_from_layers(layers_file)
    lost = Phone("lost", tmp_path / "lost", troubles=[(1, gone())], away=1_000)
    seen: list[Progress] = []

    measured, _ = measure(suite, tmp_path / "runs", lost, Phone("well", tmp_path / "well"), seen=seen)
    again, _ = measure(suite, tmp_path / "runs", Phone("lost", tmp_path / "lost"), Phone("well", tmp_path / "well"))

    assert [(part.device, str(part.error)) for part in measured.shortfalls] == [("lost", "lost is not there.")]
    assert {device for device, _ in jobs_of(measured)} == {"well"}
    assert any(state.device == "lost" and "waits for it" in state.note for state in seen)
    assert again.shortfalls == ()
    assert set(jobs_of(again).values()) == {1}
    assert len(again.rows) == 2 * len(suite.layers)


def test_a_phone_that_began_the_campaign_and_is_not_there_is_missed(layers_file: Path, tmp_path: Path) -> None:
    suite = suite_from_layers(layers_file)
    measure(suite, tmp_path / "runs", Phone("lost", tmp_path / "lost", troubles=[(1, gone())], away=1_000))

    measured, _ = measure(suite, tmp_path / "runs", Phone("well", tmp_path / "well"))

    (shortfall,) = measured.shortfalls
    assert shortfall.device == "lost"
    assert "is not here" in str(shortfall.error)
    assert {device for device, _ in jobs_of(measured)} == {"well"}


def test_alike_phones_share_the_jobs_and_one_takes_over_what_the_other_leaves(
    layers_file: Path, tmp_path: Path
) -> None:
    suite = suite_from_layers(layers_file)
    lost = Phone("lost", tmp_path / "lost", troubles=[(0, gone())], away=1_000)

    measured, _ = measure(suite, tmp_path / "runs", lost, Phone("well", tmp_path / "well"), share=True)

    jobs = Counter(job for _, job in jobs_of(measured))
    assert [part.device for part in measured.shortfalls] == ["lost"]
    assert set(jobs.values()) == {1}
    assert len(jobs) == len(suite.layers)


def test_a_full_phone_is_emptied_and_sent_less_at_a_time(layers_file: Path, tmp_path: Path) -> None:
    suite = suite_from_layers(layers_file)
    phone = Phone("a", tmp_path / "a", troubles=[(1, StorageFullError("a has no room."))] * 2)

    measured, _ = measure(suite, tmp_path / "runs", phone)

    assert measured.shortfalls == ()
    assert set(jobs_of(measured).values()) == {1}


def test_a_phone_that_is_full_for_good_is_reported(layers_file: Path, tmp_path: Path) -> None:
    suite = suite_from_layers(layers_file)
    full = Phone("full", tmp_path / "full", troubles=[(0, StorageFullError("full has no room."))] * 100)

    measured, _ = measure(suite, tmp_path / "runs", full, Phone("well", tmp_path / "well"))

    assert [str(part.error) for part in measured.shortfalls] == ["full has no room."]
    assert len(measured.rows) == len(suite.layers)


def test_trouble_that_will_not_pass_is_an_error_and_the_others_work_is_kept(layers_file: Path, tmp_path: Path) -> None:
    suite = suite_from_layers(layers_file)
    broken = Phone("broken", tmp_path / "broken", troubles=[(0, ProfilerError("no such runtime."))])
    well = Phone("well", tmp_path / "well")

    with pytest.raises(ProfilerError, match="no such runtime"):
        measure(suite, tmp_path / "runs", broken, well)

    assert len(CampaignStore(tmp_path / "runs" / "rack").devices()) == 2
    assert not {thread.name for thread in threading.enumerate()} & {"broken", "well"}
    assert len(list((tmp_path / "runs" / "rack" / "well").glob("*/job.json"))) == len(suite.layers)
