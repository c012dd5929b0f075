"""A rack of devices: one worker each. One that goes away is waited for, then reported; the rest go on."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from parsers.errors import ParsersError
from parsers.jobs import DeviceRecord
from profiler.batches import BATCH_BYTES, LEAST_BATCH_BYTES
from profiler.campaign import Campaign, Patience, Progress, Report, StoppedError
from profiler.device import Conditions, Detachable, Device, DeviceFacts, RunnerInstall
from profiler.errors import CampaignError, DeviceGoneError, DeviceNotReadyError, ProfilerError, StorageFullError
from profiler.job_plans import plan_jobs
from profiler.power_campaign import PowerCampaign
from profiler.schedule import Claims
from profiler.sentinels import SENTINELS, TOLERANCE, SentinelLog
from profiler.settings import CampaignSettings
from profiler.store import CampaignStore
from profiler.suite import Suite

_JOIN_S = 0.2
_STOP_S = 20.0
"""How long workers may take to put the phones' settings back once the user has stopped the program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortfall:
    """A device whose part of the campaign is not done, and why."""

    device: str
    error: ProfilerError | ParsersError


def collect_rack(
    devices: Sequence[Device],
    suite: Suite,
    settings: CampaignSettings,
    store: CampaignStore,
    *,
    conditions: Conditions,
    patience: Patience,
    report: Report,
) -> tuple[Shortfall, ...]:
    """Measure a suite on every device at the same time; returns the devices that could not finish.

    Raises:
        KeyboardInterrupt: the user stopped the program; every phone that can be reached has its settings back.
    """
    stop = threading.Event()
    groups = _Groups(store)
    shortfalls: list[Shortfall] = []
    defects: list[Exception] = []

    def work(device: Device) -> None:
        worker = _Worker(device, suite, settings, store, groups, conditions, patience, report, stop)
        try:
            error = worker.run()
        except Exception as defect:  # noqa: BLE001 - raised again below: a thread's own would be printed and forgotten
            defects.append(defect)
            return
        if error:
            shortfalls.append(Shortfall(device=device.name, error=error))

    threads = [threading.Thread(target=work, args=(device,), name=device.name, daemon=True) for device in devices]
    for thread in threads:
        thread.start()
    try:
        _join(threads)
    except KeyboardInterrupt:
        stop.set()
        _join(threads, time.monotonic() + _STOP_S)
        raise
    if defects:
        raise defects[0]
    return tuple(sorted(shortfalls, key=lambda shortfall: shortfall.device))


def _join(threads: Sequence[threading.Thread], deadline_s: float | None = None) -> None:
    """Wait in small steps, so that Ctrl-C is heard."""
    while any(thread.is_alive() for thread in threads):
        if deadline_s is not None and time.monotonic() > deadline_s:
            return
        for thread in threads:
            thread.join(_JOIN_S)


class _Worker:
    """Brings one device through its part of the campaign, over all that can happen to it."""

    def __init__(
        self,
        device: Device,
        suite: Suite,
        settings: CampaignSettings,
        store: CampaignStore,
        groups: _Groups,
        conditions: Conditions,
        patience: Patience,
        report: Report,
        stop: threading.Event,
    ) -> None:
        self._device, self._suite, self._settings, self._store = device, suite, settings, store
        self._groups, self._conditions, self._patience = groups, conditions, patience
        self._report, self._stop = report, stop
        self._most_bytes = BATCH_BYTES
        self._campaign: Campaign | None = None
        self._group: _Group | None = None

    def run(self) -> ProfilerError | ParsersError | None:
        """Work until nothing is left to do; returns why it was given up."""
        error: ProfilerError | ParsersError | None = None
        try:
            self._persist()
        except (ProfilerError, ParsersError) as reason:
            error = reason
        except OSError as reason:
            where = reason.filename or self._store.root
            error = CampaignError(f"{where}: {reason.strerror or reason}. The same command goes on from here.")
        if error and self._campaign:
            self._say(str(error))
        if self._group:
            done = self._campaign.schedule.done_jobs if self._campaign else frozenset()
            self._group.leave(self._device.name, done=done)
        return error

    def _persist(self) -> None:
        done = False
        while not done:
            if self._stop.is_set():
                raise StoppedError
            try:
                with self._device.hold(self._conditions):
                    self._collect()
                done = True
            except StorageFullError:
                self._most_bytes //= 2
                if self._most_bytes < LEAST_BATCH_BYTES:
                    raise
                self._device.clear()
            except DeviceGoneError as gone:
                self._await_return(gone)

    def _collect(self) -> None:
        campaign = self._begin()
        while True:
            campaign.collect()
            self._collect_power(campaign)
            if self._group is None or not self._group.await_more(self._device.name, self._stop):
                break
        campaign.clear()

    def _collect_power(self, campaign: Campaign) -> None:
        if self._settings.power != "none" and isinstance(self._device, Detachable):
            PowerCampaign(
                campaign,
                self._device,
                self._store,
                self._settings,
                most_bytes=self._most_bytes,
                patience=self._patience,
                stop=self._stop,
            ).collect()

    def _begin(self) -> Campaign:
        """Ask the device what it is, after every return: it may have come back with another system."""
        facts, install = self._device.facts(), self._device.install()
        self._store.write_device(_record(self._device, facts, install))
        jobs = plan_jobs(self._suite, facts, self._settings)
        if self._settings.share and self._group is None:
            self._group = self._groups.join(self._device.name, facts, [job.spec.job for job in jobs])
        self._campaign = Campaign(
            self._store,
            self._device,
            facts,
            jobs,
            self._settings,
            claims=self._group.claims if self._group else Claims(shared=False),
            most_bytes=self._most_bytes,
            patience=self._patience,
            report=self._report,
            stop=self._stop,
        )
        self._campaign.prepare()
        if self._group:
            self._group.compare(self._device.name, self._campaign.sentinels)
        return self._campaign

    def _await_return(self, gone: DeviceGoneError) -> None:
        """Look for the device until it is there or patience ends."""
        deadline_s = time.monotonic() + self._patience.away_s
        reason: ProfilerError = gone
        while time.monotonic() < deadline_s:
            self._say(f"waits for it: {reason}")
            if self._stop.wait(self._patience.look_s):
                raise StoppedError
            try:
                self._device.reconnect()
            except (DeviceGoneError, DeviceNotReadyError) as error:
                reason = error
            else:
                return
        raise reason

    def _say(self, note: str) -> None:
        schedule = self._campaign.schedule if self._campaign else None
        done, total = (schedule.done_runs, schedule.total_runs) if schedule else (0, 0)
        self._report(Progress(device=self._device.name, done=done, total=total, note=note))


class _Group:
    """Phones that are alike and share their jobs (``--share``)."""

    def __init__(self, jobs: Sequence[str], done: Mapping[str, str]) -> None:
        self.claims = Claims(shared=True)
        for job, device in done.items():
            self.claims.take(job, device)
        self._jobs = frozenset(jobs)
        self._changed = threading.Condition()
        self._working: set[str] = set()
        self._reference: tuple[str, SentinelLog] | None = None

    def enter(self, device: str) -> None:
        with self._changed:
            self._working.add(device)

    def leave(self, device: str, *, done: frozenset[str]) -> None:
        """End a device's work; what it did not finish is for the others."""
        with self._changed:
            self._working.discard(device)
            self.claims.release(device, done=done)
            self._changed.notify_all()

    def await_more(self, device: str, stop: threading.Event) -> bool:
        """Wait while others work; whether there are jobs that nobody has any more."""
        with self._changed:
            self._working.discard(device)
            self._changed.notify_all()
            while not (free := any(self.claims.is_free(job) for job in self._jobs)) and self._working:
                self._changed.wait(_JOIN_S)
                if stop.is_set():
                    raise StoppedError
            if free:
                self._working.add(device)
            return free

    def compare(self, device: str, sentinels: SentinelLog) -> None:
        """Hold a phone's speed against that of the group's first.

        Raises:
            DeviceNotReadyError: it differs by more than a sentinel's tolerance: its rows would be another phone's.
        """
        if not sentinels.has_baseline:
            return
        with self._changed:
            if self._reference is None:
                self._reference = (device, sentinels)
            name, reference = self._reference
        for job in SENTINELS:
            change = sentinels.baseline_ms(job) / reference.baseline_ms(job) - 1
            if abs(change) > TOLERANCE:
                raise DeviceNotReadyError(
                    device,
                    state=f"not as fast as {name} ({job} {change:+.0%})",
                    next_step="It cannot share the work; measure it by itself, without --share.",
                )


class _Groups:
    """The groups of alike phones, by system on a chip and operating system build."""

    def __init__(self, store: CampaignStore) -> None:
        self._store = store
        self._groups: dict[tuple[str | None, str | None], _Group] = {}
        self._lock = threading.Lock()

    def join(self, device: str, facts: DeviceFacts, jobs: Sequence[str]) -> _Group:
        """Make a device one of its group, whose jobs of earlier starts are done, whichever phone did them."""
        alike = (facts.soc, facts.os_build)
        with self._lock:
            if alike not in self._groups:
                records = self._store.devices()
                names = [record.device for record in records if (record.soc, record.os_build) == alike]
                done = {job: name for name in names for job in jobs if self._store.is_done(name, job)}
                self._groups[alike] = _Group(jobs, done)
            group = self._groups[alike]
        group.enter(device)
        return group


def _record(device: Device, facts: DeviceFacts, install: RunnerInstall) -> DeviceRecord:
    return DeviceRecord(
        device=device.name,
        kind=facts.kind,
        soc=facts.soc,
        os_build=facts.os_build,
        runtime_version=install.runtime_version,
        runner_sha256=install.runner_sha256,
        context=facts.context,
    )
