"""Drive one device through its jobs, batch by batch, and trust only what was measured while it was itself.

A batch is one start of the runner on many runs, so that the wire is used three times and not three hundred. Whatever
breaks the batch off, its finished runs still lie on the device and are salvaged at the next contact.
"""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from parsers.jobs import FIRST_POWER_RUN, RUN_PREFIX, write_verdict
from parsers.schema import DeviceKind, Status
from profiler.batches import Batch, Batches
from profiler.device import BatchOrder, Detachable, Device, DeviceFacts
from profiler.errors import DeviceNotReadyError, ProfilerError, RunnerError
from profiler.job_plans import Job, choose_cores
from profiler.logcat_split import split_among_runs
from profiler.plan import RunPlan, render_plan
from profiler.schedule import Claims, Schedule
from profiler.sentinels import (
    BASELINE_READINGS,
    SENTINELS_FILE,
    SentinelLog,
    is_sentinel,
    read_sentinel,
    sentinel_models,
    sentinel_plans,
    untrusted,
)
from profiler.settings import CampaignSettings
from profiler.store import CampaignStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a device stands."""

    device: str
    done: int
    """Runs that count."""
    total: int
    note: str
    """The run that ended last and how, or what the device waits for."""
    temperature_c: float | None = None
    battery_percent: float | None = None


Report = Callable[[Progress], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long what gets better by itself is waited for."""

    away_s: float = 600.0
    """A phone that went away."""
    unplug_s: float = 600.0
    """A phone whose power is to be measured, and which charges."""
    look_s: float = 5.0
    """Between two looks whether it is back."""
    cool_down_s: float = 60.0
    """Between two looks whether a phone has its old speed again."""
    cool_downs: int = 15


class StoppedError(ProfilerError):
    """The user wants the program to end."""

    def __init__(self) -> None:
        super().__init__("stopped")


class Campaign:
    """One device's part of a campaign. A new one goes on from what lies in the store and on the device."""

    def __init__(
        self,
        store: CampaignStore,
        device: Device,
        facts: DeviceFacts,
        jobs: Sequence[Job],
        settings: CampaignSettings,
        *,
        claims: Claims,
        most_bytes: int,
        patience: Patience,
        report: Report,
        stop: threading.Event,
    ) -> None:
        self._store, self._device, self._settings = store, device, settings
        self._patience, self._report, self._stop = patience, report, stop
        self._cpus = choose_cores(facts, settings.threads).cpus
        watched = facts.kind is not DeviceKind.HOST and settings.policy == "strict"
        self._every = settings.sentinel_every if watched else 0
        self.sentinels = SentinelLog(store.device_folder(device.name) / SENTINELS_FILE)
        wants_power = settings.power != "none" and isinstance(device, Detachable)
        self.schedule = Schedule(store, device.name, jobs, settings, claims, wants_power=wants_power)
        self._most_bytes = most_bytes
        self._temperature_c: float | None = None
        self._battery_percent: float | None = None

    def prepare(self) -> None:
        """Take in what an earlier start has left, and learn how fast the device is when nothing weighs on it."""
        for folder in self._store.fetched(self._device.name):
            self.take_in(folder)
        salvaged = self._store.incoming(self._device.name)
        self._device.salvage(salvaged)
        self.take_in(salvaged)
        self.schedule.finish()
        tries = 2 * BASELINE_READINGS
        while self._every and not self.sentinels.has_baseline:
            if not tries:
                told = ", ".join(sorted(self.sentinels.statuses))
                raise DeviceNotReadyError(
                    self._device.name,
                    state=f"not able to show its speed: sentinels ended as {told}",
                    next_step="End what else runs on it; look whether the runtime fits it.",
                )
            tries -= 1
            self._look()

    def collect(self) -> None:
        """Run every job that this device may take and that is not done yet.

        Raises:
            DeviceGoneError, StorageFullError, RunnerError: as ``Device.batch``. What is finished is kept.
            DeviceNotReadyError: the phone does not get its old speed back.
            StoppedError: the stop was asked for.
        """
        begin = partial(self._store.begin, self._device.name)
        with Batches(self.schedule, begin, self._settings, most_bytes=self._most_bytes) as batches:
            while batch := batches.take(self._device.models()):
                batches.look_ahead(batch, self._device.models())
                self._work(list(self._with_sentinels(batch)), batch.models)
                self.schedule.finish()
                if self._every and not self.sentinels.is_steady(self.sentinels.next_number - 1):
                    self._cool_down()

    def clear(self) -> None:
        """Remove what the campaign has put on the device, and what the store keeps for unfinished work."""
        self._device.clear()
        self._store.clean(self._device.name)

    def _with_sentinels(self, batch: Batch) -> Iterator[RunPlan]:
        """Put a look before the first run, after the last, and between every so many."""
        number = self.sentinels.next_number
        for index, plan in enumerate(batch.plans):
            if self._every and index % self._every == 0:
                yield from sentinel_plans(number, self._cpus, self._settings)
                number += 1
            yield plan
        if self._every:
            yield from sentinel_plans(number, self._cpus, self._settings)

    def _look(self) -> None:
        self._work(sentinel_plans(self.sentinels.next_number, self._cpus, self._settings), {})

    def _cool_down(self) -> None:
        """Look again at once, since one look may have met a neighbour's burst; then wait before each further one."""
        for tries in range(1 + self._patience.cool_downs):
            change = self.sentinels.change(self.sentinels.next_number - 1)
            told = "unknown" if change is None else f"{change:+.0%}"
            self.tell(f"cooling down: sentinel {told} against the start")
            if tries and self._stop.wait(self._patience.cool_down_s):
                raise StoppedError
            self._look()
            if self.sentinels.is_steady(self.sentinels.next_number - 1):
                return
        raise DeviceNotReadyError(
            self._device.name,
            state=f"not as fast as when the campaign began (sentinel {told})",
            next_step="Let it cool down, look what else runs on it, then give the same command again.",
        )

    def _work(self, plans: Sequence[RunPlan], models: dict[str, bytes]) -> None:
        """Have the runner work through plans, and take in what it has measured."""
        if self._every:
            wanted = {hashlib.sha256(model).hexdigest(): model for model in sentinel_models().values()}
            models |= {sha256: model for sha256, model in wanted.items() if sha256 not in self._device.models()}
        order = BatchOrder(plan=render_plan(plans).encode(), models=models)
        expected = [(plan.job, plan.run) for plan in plans]
        self._store.write_order(self._device.name, expected)
        into = self._store.incoming(self._device.name)
        with self._device.batch(order, into) as lines:
            seen = 0
            for line in lines:
                if self._stop.is_set():
                    raise StoppedError
                seen += self.hear(line.split(), ahead=seen)
        missing = [f"{job} {run}" for job, run in expected if not (into / job / f"{RUN_PREFIX}{run}").is_dir()]
        self.take_in(into)
        if missing:
            raise RunnerError(
                f"{self._device.name}: {len(missing)} runs did not come back, {missing[0]} the first of them. "
                "The same command goes on from here."
            )

    def hear(self, words: Sequence[str], *, ahead: int = 0) -> int:
        """Pass on what the runner says; 1 where it is a run of a job that has ended."""
        match words:
            case ["run", job, _, status] if not is_sentinel(job):
                self.tell(f"{job} {status}", ahead=ahead + (status == Status.OK))
                return int(status == Status.OK)
            case ["phone", *pairs]:
                state = dict(pair.partition("=")[::2] for pair in pairs)
                tenths = _number(state.get("temperature_dc"))
                self._temperature_c = None if tenths is None else tenths / 10
                self._battery_percent = _number(state.get("level"))
            case ["wait", *reason]:
                self.tell("waits: " + " ".join(reason), ahead=ahead)
        return 0

    def tell(self, note: str, *, ahead: int = 0) -> None:
        """Report where the device stands; ``ahead`` runs that count are not fetched yet."""
        total = self.schedule.total_runs
        self._report(
            Progress(
                device=self._device.name,
                done=min(total, self.schedule.done_runs + ahead),
                total=total,
                note=note,
                temperature_c=self._temperature_c,
                battery_percent=self._battery_percent,
            )
        )

    def take_in(self, folder: Path) -> None:
        """Put fetched runs in place; those not between two steady sentinels get the verdict that they are throttled."""
        split_among_runs(folder)
        order = [
            (job, run)
            for job, run in self._store.read_order(self._device.name)
            if (folder / job / f"{RUN_PREFIX}{run}").is_dir()
        ]
        looks = {run for job, run in order if is_sentinel(job)}
        for job, run in order:
            if is_sentinel(job):
                self.sentinels.add(read_sentinel(folder / job / f"{RUN_PREFIX}{run}", job, run))
        doubted = untrusted(order, filter(self.sentinels.is_steady, looks)) if self._every else set()
        for job, run in order:
            if is_sentinel(job) or self.schedule.knows(job, run):
                continue
            fetched = folder / job / f"{RUN_PREFIX}{run}"
            if (job, run) in doubted and run < FIRST_POWER_RUN:
                write_verdict(fetched, status=Status.THROTTLED, reason="not between two steady sentinels")
            self._store.add_run(self._device.name, job, run, fetched)
            status = self.schedule.record(job, run)
            self.tell(f"{job} {status}")
        shutil.rmtree(folder, ignore_errors=True)


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
