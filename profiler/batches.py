"""Batches: runs that one start of the runner works through, and the models that the device lacks for them.

Making models takes the host's time, so the next batch is made while the phone works on the current one, and the first is kept
small, so that the phone soon has something to do.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from types import TracebackType
from typing import Self

from parsers.jobs import JobSpec
from profiler.job_plans import Job, run_plan
from profiler.plan import RunPlan
from profiler.schedule import Schedule
from profiler.settings import CampaignSettings

BATCH_BYTES = 256 * 2**20
"""The most models, in bytes, that one batch sends to the device; it ends with the model that exceeds it."""
LEAST_BATCH_BYTES = 16 * 2**20
"""A device on which not even this much fits is full."""

_RUNS = 200
_FIRST_RUNS = 40
_FIRST_BYTES = 16 * 2**20
_SHARED_RUNS = 20
"""Phones that share their jobs take few at a time, so that they end together."""


class Batch:
    """Runs and the models for them, in the order in which they are to be done."""

    def __init__(self) -> None:
        self.plans: list[RunPlan] = []
        self.models: dict[str, bytes] = {}

    def __bool__(self) -> bool:
        return bool(self.plans)

    @property
    def size(self) -> int:
        """Bytes of its models."""
        return sum(map(len, self.models.values()))


class Batches:
    """Makes the batches of one device; a context manager, because it has a thread."""

    def __init__(
        self, schedule: Schedule, begin: Callable[[JobSpec], None], settings: CampaignSettings, *, most_bytes: int
    ) -> None:
        """Take runs from ``schedule``; ``begin`` is called with every job that gets a run."""
        self._schedule, self._begin, self._settings = schedule, begin, settings
        self._most_bytes = most_bytes
        self._digests: dict[str, str] = {}
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._ahead: Future[Batch] | None = None
        self._is_first = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def take(self, on_device: frozenset[str]) -> Batch:
        """Give the next batch; an empty one when nothing is left to do."""
        ahead = self._ahead.result() if self._ahead else Batch()
        self._ahead = None
        return ahead or self._fill(self._schedule.pending(), on_device)

    def look_ahead(self, current: Batch, on_device: frozenset[str]) -> None:
        """Begin to make the batch that follows the current one; those that share take no job before its turn."""
        if self._settings.share:
            return
        current_runs = {(plan.job, plan.run) for plan in current.plans}
        rest = [(job, run) for job, run in self._schedule.pending() if (job.spec.job, run) not in current_runs]
        self._ahead = self._pool.submit(self._fill, rest, on_device | current.models.keys())

    def _fill(self, runs: Iterable[tuple[Job, int]], on_device: frozenset[str]) -> Batch:
        batch = Batch()
        most_runs = _SHARED_RUNS if self._settings.share else _FIRST_RUNS if self._is_first else _RUNS
        most_bytes = min(self._most_bytes, _FIRST_BYTES) if self._is_first else self._most_bytes
        self._is_first = False
        for job, run in runs:
            if len(batch.plans) >= most_runs or batch.size >= most_bytes:
                break
            if self._schedule.claim(job.spec.job):
                self._add(batch, job, run, on_device)
        return batch

    def _add(self, batch: Batch, job: Job, run: int, on_device: frozenset[str]) -> None:
        """Add a run; its model is made only where the device may lack it."""
        name = job.spec.job
        if self._digests.get(name) not in on_device:
            model = job.model()
            digest = self._digests[name] = hashlib.sha256(model).hexdigest()
            if digest not in on_device:
                batch.models[digest] = model
        spec = replace(job.spec, model_sha256=self._digests[name])
        self._begin(spec)
        batch.plans.append(run_plan(spec, run, self._settings))
