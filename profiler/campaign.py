"""Drive one device through a suite: jobs, rounds, batches.

A *job* is one model on one device; a *run* is one process of it. Each job gets several runs, spread over the campaign by
rounds in seeded random order, because the error of a number lies between processes and between minutes, not within one.
A run that was contended or lost is repeated, up to :data:`EXTRA_RUNS` times; it is never averaged in.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from parsers.cache import evicted_mb
from parsers.evidence import run_status
from parsers.jobs import JobLayer, JobSpec
from parsers.roofline import flops
from parsers.runlog import parse_runlog
from parsers.schema import Context, Scope, Status
from profiler.device import Device, DeviceFacts, RunnerInstall
from profiler.errors import RunnerError
from profiler.microbench import layer_model
from profiler.plan import RunPlan, render_plan
from profiler.settings import CampaignSettings
from profiler.store import CampaignStore
from profiler.suite import Suite, SuiteLayer, SuiteNetwork

EXTRA_RUNS = 2
BATCH_RUNS = 16
BATCH_BYTES = 512 * 2**20
_ASSUMED_FLOPS_PER_MS = 10e6
"""A slow core's rate, 10 GFLOP/s: only decides how many profiled iterations fit into a run's budget."""
_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job and how its model is made."""

    spec: JobSpec
    model: Callable[[], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a campaign stands, in runs."""

    device: str
    done: int
    total: int
    job: str
    status: Status


Report = Callable[[Progress], None]


def fingerprint(suite: Suite) -> str:
    """Name what a suite measures, whatever it is called and wherever it was read from."""
    keys = [part.layer.key for part in suite.layers]
    keys += [f"{part.name}/{node.layer.key}" for part in suite.networks for node in part.network.layers]
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()


def plan_jobs(suite: Suite, facts: DeviceFacts, settings: CampaignSettings) -> tuple[Job, ...]:
    """List the jobs of a suite on a device; the same arguments give the same jobs."""
    cpus = _cpus(facts, settings.threads)
    layers = [_layer_job(part, cpus, facts.context, settings) for part in suite.layers]
    networks = [_network_job(part, cpus, settings) for part in suite.networks]
    return (*layers, *networks)


def collect(
    store: CampaignStore,
    device: Device,
    install: RunnerInstall,
    jobs: Sequence[Job],
    settings: CampaignSettings,
    report: Report,
) -> None:
    """Run every job that is not done yet, and finish its folder.

    Raises:
        RunnerError: the runner stopped before its plan was done. What is done is kept.
    """
    tally = _Tally(store, device.name, settings.processes, jobs)
    device.clear(device.workdir)
    for number in range(settings.processes + EXTRA_RUNS):
        pending = [job for job in jobs if tally.wants_run(job.spec.job, number)]
        random.Random(f"{settings.seed}/{number}").shuffle(pending)  # noqa: S311 - an order, not a secret
        while pending:
            batch = _Batch(store, device, install, settings)
            while pending and batch.has_room():
                job = pending.pop(0)
                batch.add(job, tally.next_run(job.spec.job))
            for job_name, run in batch.run():
                with store.new_run(device.name, job_name, run) as folder:
                    device.pull(batch.out(job_name, run), folder)
                report(tally.count(job_name))
            for job_name in batch.jobs:
                if tally.is_complete(job_name):
                    store.finish(device.name, job_name)
    device.clear(device.workdir)
    store.clean(device.name)


class _Batch:
    """Models and a plan that one start of the runner works through."""

    def __init__(
        self, store: CampaignStore, device: Device, install: RunnerInstall, settings: CampaignSettings
    ) -> None:
        self.jobs: list[str] = []
        self._store, self._device, self._install, self._settings = store, device, install, settings
        self._plans: list[RunPlan] = []
        self._bytes = 0

    def has_room(self) -> bool:
        return len(self._plans) < BATCH_RUNS and self._bytes < BATCH_BYTES

    def out(self, job: str, run: int) -> PurePosixPath:
        return self._device.workdir / "out" / job / f"run-{run}"

    def add(self, job: Job, run: int) -> None:
        model = job.model()
        sha256 = hashlib.sha256(model).hexdigest()
        spec = replace(job.spec, model_sha256=sha256)
        remote = self._device.workdir / "models" / f"{sha256}.onnx"
        self._store.begin(self._device.name, spec)
        self._device.push(model, remote)
        self._bytes += len(model)
        self.jobs.append(spec.job)
        self._plans.append(_run_plan(spec, run, remote, self.out(spec.job, run), self._settings))

    def run(self) -> Iterator[tuple[str, int]]:
        """Start the runner and yield (job, run) as each is done."""
        plan = self._device.workdir / "plan.txt"
        self._device.push(render_plan(self._plans).encode(), plan)
        argv = [str(self._install.runner), "--runtime", str(self._install.runtime), "--plan", str(plan)]
        wanted = {(entry.job, entry.run) for entry in self._plans}
        with self._device.stream(argv) as lines:
            for line in lines:
                word, *rest = line.split()
                if word == "run" and len(rest) == 3:
                    done = (rest[0], int(rest[1]))
                    wanted.discard(done)
                    yield done
        self._device.clear(self._device.workdir / "models")
        self._device.clear(self._device.workdir / "out")
        if wanted:
            raise RunnerError(
                f"The runner ended without {len(wanted)} of its runs. The same command goes on from here."
            )


class _Tally:
    """How many good runs each job has, read from the runs themselves."""

    def __init__(self, store: CampaignStore, device: str, processes: int, jobs: Sequence[Job]) -> None:
        self._store, self._device, self._processes = store, device, processes
        self._good: dict[str, int] = {}
        self._tried: dict[str, int] = {}
        self._done: set[str] = set()
        for job in jobs:
            name = job.spec.job
            if store.is_done(device, name):
                self._done.add(name)
                continue
            runs = store.runs_of(device, name)
            self._tried[name] = len(runs)
            self._good[name] = sum(_is_good(self._status(name, run)) for run in runs)
            if self.is_complete(name):
                store.finish(device, name)
                self._done.add(name)
        self._total = len(jobs) * processes

    def wants_run(self, job: str, number: int) -> bool:
        return job not in self._done and not self.is_complete(job) and self._tried[job] <= number

    def next_run(self, job: str) -> int:
        return self._tried[job]

    def is_complete(self, job: str) -> bool:
        return self._good[job] >= self._processes or self._tried[job] >= self._processes + EXTRA_RUNS

    def count(self, job: str) -> Progress:
        """Count a run that has just been pulled."""
        status = self._status(job, self._tried[job])
        self._tried[job] += 1
        self._good[job] += _is_good(status)
        done = self._processes * len(self._done) + sum(min(self._processes, good) for good in self._good.values())
        return Progress(device=self._device, done=done, total=self._total, job=job, status=status)

    def _status(self, job: str, run: int) -> Status:
        return run_status(parse_runlog(self._store.run_log(self._device, job, run)))


def _is_good(status: Status) -> bool:
    """Whether a run need not be repeated: it has a number, or a reason that will not go away."""
    return status not in {Status.CONTENDED, Status.LOST, Status.THROTTLED}


def _cpus(facts: DeviceFacts, threads: int) -> tuple[int, ...]:
    """The last CPUs of the fastest cluster: interrupts and housekeeping prefer the first ones."""
    return facts.clusters[0][-threads:]


def _job_name(kind: str, which: str, settings: CampaignSettings) -> str:
    """Name a job; it becomes a folder and a word in a log line, so a user's file name is tamed, yet stays unique."""
    tame = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{kind}-{which}")
    if tame != f"{kind}-{which}" or len(tame) > _LONGEST_NAME:
        tame = f"{tame[:_LONGEST_NAME]}-{hashlib.sha256(which.encode()).hexdigest()[:8]}"
    return f"{tame}-{settings.provider}-t{settings.threads}"


def _layer_job(part: SuiteLayer, cpus: tuple[int, ...], context: Context, settings: CampaignSettings) -> Job:
    layer = part.layer
    evict_mb = evicted_mb(part.footprint_mb or 0.0, context)
    spec = JobSpec(
        job=_job_name(layer.type, layer.key, settings),
        scope=Scope.ISOLATED,
        networks=part.networks,
        layers=(JobLayer(name=layer.type, layer=layer),),
        provider=settings.provider,
        threads=settings.threads,
        cpus=cpus,
        spinning=settings.spinning,
        processes=settings.processes,
        evict_kb=int(evict_mb * 1024),
        model_sha256="",
    )
    return Job(spec=spec, model=lambda: layer_model(layer, seed=settings.seed).SerializeToString(deterministic=True))


def _network_job(part: SuiteNetwork, cpus: tuple[int, ...], settings: CampaignSettings) -> Job:
    network = part.network
    layers = tuple(
        JobLayer(name=node.name, layer=node.layer, nodes=node.nodes, tensors=node.tensors) for node in network.layers
    )
    spec = JobSpec(
        job=_job_name("network", part.name, settings),
        scope=Scope.IN_NETWORK,
        networks=(part.name,),
        layers=layers,
        provider=settings.provider,
        threads=settings.threads,
        cpus=cpus,
        spinning=settings.spinning,
        processes=settings.processes,
        evict_kb=0,
        model_sha256="",
    )
    return Job(spec=spec, model=lambda: part.model().SerializeToString(deterministic=True))


def _run_plan(spec: JobSpec, run: int, model: PurePosixPath, out: PurePosixPath, settings: CampaignSettings) -> RunPlan:
    work_ms = sum(flops(part.layer) for part in spec.layers) / _ASSUMED_FLOPS_PER_MS
    affordable = int(settings.budget_ms / max(work_ms, 1e-3))
    return RunPlan(
        job=spec.job,
        run=run,
        model=str(model),
        out=str(out),
        provider=spec.provider,
        threads=spec.threads,
        cpus=spec.cpus,
        spin=spec.spinning,
        warmup=settings.warmup,
        checkpoints=settings.checkpoints,
        target=settings.target_relative_error,
        budget_ms=settings.budget_ms,
        min_iterations=settings.min_iterations,
        profile_iterations=max(settings.min_iterations, min(settings.profile_iterations, affordable)),
        evict_kb=spec.evict_kb,
        timeout_s=settings.timeout_s,
        seed=settings.seed,
    )
