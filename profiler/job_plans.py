"""What a campaign will do on a device: a suite's layers and networks as jobs, and a job's runs as lines of a plan.

A *job* is one model on one device; a *run* is one process of it. The same suite, facts and settings give the same jobs.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePosixPath

from parsers.cache import evicted_mb
from parsers.jobs import RUN_PREFIX, JobLayer, JobSpec
from parsers.roofline import flops
from parsers.schema import Context, Scope
from profiler.device import DeviceFacts
from profiler.errors import CampaignError
from profiler.microbench import layer_model
from profiler.plan import RunPlan
from profiler.settings import CampaignSettings
from profiler.suite import Suite, SuiteLayer, SuiteNetwork

MODELS = PurePosixPath("models")
OUT = PurePosixPath("out")
"""Folders of a device's working folder, as the plan and every ``Device`` know them."""

_ASSUMED_FLOPS_PER_MS = 10e6
"""A slow core's rate, 10 GFLOP/s: only decides how many profiled iterations fit into a run's budget."""
_LONGEST_NAME = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job and how its model is made."""

    spec: JobSpec
    model: Callable[[], bytes]


def fingerprint(suite: Suite) -> str:
    """Name what a suite measures, whatever it is called and wherever it was read from."""
    keys = [part.layer.key for part in suite.layers]
    keys += [f"{part.name}/{node.layer.key}" for part in suite.networks for node in part.network.layers]
    return hashlib.sha256("\n".join(keys).encode()).hexdigest()


def plan_jobs(suite: Suite, facts: DeviceFacts, settings: CampaignSettings) -> tuple[Job, ...]:
    """List the jobs of a suite on a device; the same arguments give the same jobs."""
    cores = choose_cores(facts, settings.threads)
    layers = [_layer_job(part, cores, settings) for part in suite.layers]
    networks = [_network_job(part, cores, settings) for part in suite.networks]
    return (*layers, *networks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """The cores that a device's jobs are bound to, all of one cluster."""

    cpus: tuple[int, ...]
    """Empty where the device hides its cores: the runs are not bound."""
    context: Context
    is_first: bool
    """Whether they are of the fastest cluster, which the device's own context describes."""


def choose_cores(facts: DeviceFacts, threads: int) -> Cores:
    """Take the last CPUs of the fastest cluster that has enough: interrupts and housekeeping prefer the first ones.

    Raises:
        CampaignError: no cluster has so many.
    """
    if not facts.clusters:
        return Cores(cpus=(), context=facts.context, is_first=True)
    for index, cluster in enumerate(facts.clusters):
        if len(cluster) >= threads:
            context = facts.cluster_contexts[index] if facts.cluster_contexts else facts.context
            return Cores(cpus=cluster[-threads:], context=context, is_first=index == 0)
    most = max(map(len, facts.clusters))
    raise CampaignError(
        f"No cluster of {facts.soc or 'the device'} has {threads} cores. Ask for at most --threads {most}."
    )


def _job_name(kind: str, which: str, settings: CampaignSettings) -> str:
    """Name a job; it becomes a folder and a word in a log line, so a user's file name is tamed, yet stays unique."""
    tame = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{kind}-{which}")
    if tame != f"{kind}-{which}" or len(tame) > _LONGEST_NAME:
        tame = f"{tame[:_LONGEST_NAME]}-{hashlib.sha256(which.encode()).hexdigest()[:8]}"
    return f"{tame}-{settings.provider}-t{settings.threads}"


def _layer_job(part: SuiteLayer, cores: Cores, settings: CampaignSettings) -> Job:
    layer = part.layer
    evict_mb = evicted_mb(part.footprint_mb or 0.0, cores.context)
    spec = JobSpec(
        job=_job_name(layer.type, layer.key, settings),
        scope=Scope.ISOLATED,
        networks=part.networks,
        layers=(JobLayer(name=layer.type, layer=layer),),
        provider=settings.provider,
        threads=settings.threads,
        cpus=cores.cpus,
        spinning=settings.spinning,
        processes=settings.processes,
        evict_kb=int(evict_mb * 1024),
        model_sha256="",
        context=None if cores.is_first else cores.context,
    )
    return Job(spec=spec, model=lambda: layer_model(layer, seed=settings.seed).SerializeToString(deterministic=True))


def _network_job(part: SuiteNetwork, cores: Cores, settings: CampaignSettings) -> Job:
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
        cpus=cores.cpus,
        spinning=settings.spinning,
        processes=settings.processes,
        evict_kb=0,
        model_sha256="",
        context=None if cores.is_first else cores.context,
    )
    return Job(spec=spec, model=lambda: part.model().SerializeToString(deterministic=True))


def run_plan(spec: JobSpec, run: int, settings: CampaignSettings) -> RunPlan:
    """Write one run of a job whose model is known as a line of a plan; its paths are relative to the working folder."""
    work_ms = sum(flops(part.layer) for part in spec.layers) / _ASSUMED_FLOPS_PER_MS
    affordable = int(settings.budget_ms / max(work_ms, 1e-3))
    return RunPlan(
        job=spec.job,
        run=run,
        model=str(model_path(spec.model_sha256)),
        out=str(OUT / spec.job / f"{RUN_PREFIX}{run}"),
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


def model_path(sha256: str) -> PurePosixPath:
    """Where a model lies in a device's working folder."""
    return MODELS / f"{sha256}.onnx"
