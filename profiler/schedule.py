"""Which run of which job comes next on a device. Everything it knows it reads from what lies in the campaign's folder.

A job's runs are spread over the campaign by rounds in seeded random order, because the error of a number lies between
processes and between minutes, not within one. What shows nothing about the layer (contended, throttled, lost) is run again
under the ``strict`` policy, a bounded number of times; it is never averaged in.
"""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from parsers.evidence import read_run_status
from parsers.jobs import FIRST_POWER_RUN
from parsers.power_run import read_power
from parsers.schema import Scope, Status
from profiler.job_plans import Job
from profiler.settings import CampaignSettings
from profiler.store import CampaignStore

EXTRA_RUNS = 2
"""Runs that a job may have beyond its processes because others were contended or lost."""
EXTRA_THROTTLED_RUNS = 6
"""... and because the device had slowed down."""

MOST_POWER_RUNS = 3
"""Loops that a job may have until one gives an energy."""

_UNTOLD = frozenset({Status.CONTENDED, Status.LOST, Status.THROTTLED})


class Claims:
    """Which of several alike devices does which job; every job of its own where nothing is shared."""

    def __init__(self, *, shared: bool) -> None:
        self._shared = shared
        self._owner: dict[str, str] = {}
        self._lock = threading.Lock()

    def take(self, job: str, device: str) -> bool:
        """Claim a job; whether it is the device's now."""
        with self._lock:
            return not self._shared or self._owner.setdefault(job, device) == device

    def may_take(self, job: str, device: str) -> bool:
        """Whether no other device has the job."""
        with self._lock:
            return not self._shared or self._owner.get(job, device) == device

    def is_free(self, job: str) -> bool:
        """Whether no device has the job."""
        with self._lock:
            return job not in self._owner

    def release(self, device: str, *, done: frozenset[str]) -> None:
        """Give back the jobs of a device that went away, but for those that it has done."""
        with self._lock:
            self._owner = {job: owner for job, owner in self._owner.items() if owner != device or job in done}


class Schedule:
    """The jobs of one device, and how far each has come."""

    def __init__(
        self,
        store: CampaignStore,
        device: str,
        jobs: Sequence[Job],
        settings: CampaignSettings,
        claims: Claims,
        *,
        wants_power: bool = False,
    ) -> None:
        self._store, self._device, self._settings, self._claims = store, device, settings, claims
        self._jobs = {job.spec.job: job for job in jobs}
        self._statuses: dict[str, dict[int, Status]] = {}
        """Of the runs that time an unfinished job, by their numbers."""
        self._power: dict[str, dict[int, bool]] = {}
        """Whether a run that measured an unfinished job's power settles it, by their numbers."""
        self._wants_power = wants_power
        self._done: set[str] = set()
        for name in self._jobs:
            if store.is_done(device, name):
                self._done.add(name)
                claims.take(name, device)
                continue
            runs = store.runs_of(device, name)
            self._statuses[name], self._power[name] = {}, {}
            for run in runs:
                self.record(name, run)
            if runs:
                claims.take(name, device)

    def knows(self, job: str, run: int) -> bool:
        """Whether a run is in place already, or is none of this campaign's."""
        return job not in self._jobs or job in self._done or run in {*self._statuses[job], *self._power[job]}

    def pending(self) -> list[tuple[Job, int]]:
        """List the next run of every job that wants one, those with the fewest runs first, in seeded random order."""
        wanting = [name for name in self._statuses if self._wants_run(name)]
        if not wanting:
            return []
        number = min(len(self._statuses[name]) for name in wanting)
        round_ = [name for name in wanting if len(self._statuses[name]) == number]
        random.Random(f"{self._settings.seed}/{number}").shuffle(round_)  # noqa: S311 - an order, not a secret
        return [(self._jobs[name], self._next_run(name)) for name in round_]

    def claim(self, job: str) -> bool:
        """Make a job this device's; whether no other was faster."""
        return self._claims.take(job, self._device)

    def record(self, job: str, run: int) -> Status:
        """Count a run that has just been put in place."""
        folder = self._store.run_folder(self._device, job, run)
        status = read_run_status(folder)
        if run >= FIRST_POWER_RUN:
            self._power[job][run] = status is Status.OK and _settles_power(folder)
        else:
            self._statuses[job][run] = status
        return status

    def unpowered(self) -> list[Job]:
        """List the jobs that are timed and still lack a loop for their power, in the order of the suite."""
        return [self._jobs[name] for name in self._statuses if self._is_timed(name) and self._lacks_power(name)]

    def power_tries(self, job: str) -> int:
        """How many loops a job has had."""
        return len(self._power[job])

    def leave_power_out(self) -> None:
        """Finish the jobs without their power: the device has nothing that would tell it."""
        self._wants_power = False

    def finish(self) -> None:
        """Put the jobs in place that have all their runs."""
        for name in [name for name in self._statuses if self.is_complete(name)]:
            self._store.finish(self._device, name)
            self._done.add(name)
            del self._statuses[name], self._power[name]

    def is_complete(self, job: str) -> bool:
        """Whether a job has as many good runs as it needs, or has had all the runs that it may have."""
        return self._is_timed(job) and not self._lacks_power(job)

    @property
    def done_jobs(self) -> frozenset[str]:
        """Jobs that are in place."""
        return frozenset(self._done)

    @property
    def done_runs(self) -> int:
        """Runs that count, out of :attr:`total_runs`."""
        wanted = self._settings.processes
        open_runs = sum(min(wanted, good_runs(statuses.values())) for statuses in self._statuses.values())
        return wanted * len(self._done) + open_runs

    @property
    def total_runs(self) -> int:
        """Runs that the device has to do: of all jobs, but for those that another device has."""
        mine = [name for name in self._jobs if name in self._done or self._claims.may_take(name, self._device)]
        return self._settings.processes * len(mine)

    def _wants_run(self, job: str) -> bool:
        return self._claims.may_take(job, self._device) and not self._is_timed(job)

    def _is_timed(self, job: str) -> bool:
        statuses = self._statuses[job].values()
        return good_runs(statuses) >= self._settings.processes or len(statuses) >= self._most_runs(statuses)

    def _lacks_power(self, job: str) -> bool:
        """Whether a layer that can run is to be looped: its share of a network's power could not be told."""
        if not self._wants_power or self._jobs[job].spec.scope is not Scope.ISOLATED:
            return False
        runs = list(self._statuses[job].values())
        is_ok = 2 * runs.count(Status.OK) > self._settings.processes
        return is_ok and not any(self._power[job].values()) and len(self._power[job]) < MOST_POWER_RUNS

    def _next_run(self, job: str) -> int:
        return max(self._statuses[job], default=-1) + 1

    def _most_runs(self, statuses: Iterable[Status]) -> int:
        if self._settings.policy == "quick":
            return self._settings.processes
        throttled = Counter(statuses)[Status.THROTTLED]
        return self._settings.processes + EXTRA_RUNS + min(throttled, EXTRA_THROTTLED_RUNS)


def _settles_power(folder: Path) -> bool:
    """Whether a loop need not be repeated: it gave an energy, or nothing but another wire or instrument would help."""
    finding = read_power(folder)
    return finding is not None and (finding.energy is not None or not finding.looped or finding.source == "none")


def good_runs(statuses: Iterable[Status]) -> int:
    """Count the runs that tell something: those with a number, or else those with the same reason for having none.

    A job that ran once can run: where runs disagree, the failures are what was disturbed.
    """
    counts = Counter(status for status in statuses if status not in _UNTOLD)
    if Status.OK in counts:
        return counts[Status.OK]
    return max(counts.values(), default=0)
