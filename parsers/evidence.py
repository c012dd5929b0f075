"""One job's folder in, its rows out: a pure function of the raw dumps.

Notation::

    t_p     own time of a layer in process p: trimmed mean over profiled iterations of the kernel times of its nodes, and
            at most the unprofiled wall time, because the profiler's own microsecond would outweigh the tiniest layers
    T       execution_time_ms, the median of t_p over the good processes
    spread  standard deviation of t_p over their mean: the only honest error, since processes differ more than iterations

Layout nodes (reorders to and from a blocked layout) belong to no layer: around a one-layer model they are edges that the
network does not have, so they are kept apart in ``edge_ms``.
"""

from __future__ import annotations

import re
import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from parsers.errors import StatsError
from parsers.jobs import RUN_LOG, RUN_PREFIX, RUN_PROFILE, DeviceRecord, JobLayer, JobSpec, read_job
from parsers.ort_profile import NodeTime, OrtProfile, is_layout, parse_ort_profile, trimmed_mean_us
from parsers.runlog import RunLog, parse_runlog
from parsers.schema import Context, Execution, Measurement, Origin, Provenance, Row, Scope, Status

_BLOCKED_NODE = re.compile(r"(?P<tensor>(?P<part>.+?)(_bn|_mul)?)_nchwc")
"""How ONNX Runtime names a node in blocked layout: by a tensor of the layer, and which part of a normalisation it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One process of a job: the runner's records, and the runtime's profile where there is one."""

    log: RunLog
    status: Status
    profile: OrtProfile | None


def parse_job(folder: Path, device: DeviceRecord, *, campaign: str) -> list[Row]:
    """Turn one job's folder into its rows: one for an isolated layer, one per layer for a network.

    Raises:
        StatsError, RunLogError, OrtProfileError: the evidence cannot be read.
    """
    spec = read_job(folder)
    runs = [_read_run(path) for path in sorted(folder.glob(f"{RUN_PREFIX}*"))]
    if not runs:
        raise StatsError(f"{folder}: a finished job without a run. Collect it again with --fresh.")
    isolated = spec.scope is Scope.ISOLATED
    measurements = [_measure_isolated(spec, runs)] if isolated else _measure_in_network(spec, runs)
    return [
        _row(spec, index, part, measurement, runs, device, campaign)
        for index, (part, measurement) in enumerate(zip(spec.layers, measurements, strict=True))
    ]


def run_status(log: RunLog) -> Status:
    """Say how a run ended: as its log says, or ``contended`` where too little of it was left alone."""
    profiled_alone = not log.profile_runs or len(log.profile_preempted) < log.profile_runs
    if log.status is Status.OK and (log.contended or not profiled_alone):
        return Status.CONTENDED
    return log.status


def read_run_status(folder: Path) -> Status:
    """Say how the run ended whose folder this is; ``lost`` where the runner's log is not there."""
    return _read_run(folder).status if (folder / RUN_LOG).is_file() else Status.LOST


def _read_run(folder: Path) -> Run:
    log = parse_runlog((folder / RUN_LOG).read_bytes())
    status = run_status(log)
    path = folder / RUN_PROFILE
    if status is not Status.OK or not path.is_file():
        return Run(log=log, status=status, profile=None)
    profile = parse_ort_profile(path.read_bytes(), warmup_runs=log.profile_warmup_runs, skip_runs=log.profile_preempted)
    return Run(log=log, status=status, profile=profile)


def _measure_isolated(spec: JobSpec, runs: Sequence[Run]) -> Measurement:
    """Every node of a one-layer model that is no layout node is the layer."""
    good, status = _good_runs(spec, runs)
    if status is not Status.OK:
        return Measurement(status=status, processes=len(good))
    times_us = [min(_sum_us(_work_of(run.profile)), _wall_us(run)) for run in good if run.profile is not None]
    if not any(times_us):
        return replace(_common(good), status=Status.ELIDED)
    edges_us = [_sum_us(_edges_of(run.profile)) for run in good if run.profile is not None]
    return replace(
        _common(good),
        execution_time_ms=statistics.median(times_us) / 1e3,
        edge_ms=statistics.median(edges_us) / 1e3,
        wall_ms=_wall_ms(good),
        spread=_spread(times_us),
    )


def _measure_in_network(spec: JobSpec, runs: Sequence[Run]) -> list[Measurement]:
    """Give each layer the nodes that bear its nodes' names or its tensors' names."""
    good, status = _good_runs(spec, runs)
    if status is not Status.OK:
        return [Measurement(status=status, processes=len(good)) for _ in spec.layers]
    common = _common(good)
    wall_ms = _wall_ms(good)
    shares = [_share_out(spec.layers, _work_of(run.profile)) for run in good if run.profile is not None]
    measurements = []
    for index in range(len(spec.layers)):
        times_us = [_sum_us(share[index]) for share in shares]
        timed = any(times_us)
        measurements.append(
            Measurement(
                status=Status.OK if timed else Status.ELIDED,
                execution_time_ms=statistics.median(times_us) / 1e3 if timed else None,
                network_wall_ms=wall_ms,
                spread=_spread(times_us) if timed else None,
                processes=common.processes,
                samples=common.samples,
                samples_dropped=common.samples_dropped,
            )
        )
    return measurements


def _good_runs(spec: JobSpec, runs: Sequence[Run]) -> tuple[list[Run], Status]:
    """Keep the runs that have numbers; a majority must, or the job ends as most of its runs did."""
    good = [run for run in runs if run.status is Status.OK]
    if 2 * len(good) > spec.processes:
        return good[: spec.processes], _placement(good)
    failures = Counter(run.status for run in runs if run.status is not Status.OK)
    return good, failures.most_common(1)[0][0]


def _placement(runs: Sequence[Run]) -> Status:
    """``fallback`` where a node that is no layout node ran elsewhere than asked (DESIGN: the profiled pass tells)."""
    for run in runs:
        asked = run.log.provider
        if asked and any(not _is_provider(node.provider, asked) for node in _work_of(run.profile)):
            return Status.FALLBACK
    return Status.OK


def _is_provider(used: str, asked: str) -> bool:
    """Whether ``CPUExecutionProvider`` is what the plan calls ``cpu``."""
    return used.removesuffix("ExecutionProvider").lower() == asked.lower()


def _share_out(layers: Sequence[JobLayer], nodes: Sequence[NodeTime]) -> list[list[NodeTime]]:
    """Give each layer the nodes that do its work; a node that no layer claims is given to none."""
    by_node = {name: index for index, part in enumerate(layers) for name in part.nodes}
    by_tensor = {tensor: index for index, part in enumerate(layers) for tensor in part.tensors}
    shares: list[list[NodeTime]] = [[] for _ in layers]
    for node in nodes:
        owner = by_node.get(node.name.removeprefix("fused "))
        blocked = _BLOCKED_NODE.fullmatch(node.name)
        if owner is None and blocked:
            owner = by_tensor.get(blocked["tensor"], by_tensor.get(blocked["part"]))
        if owner is not None:
            shares[owner].append(node)
    return shares


def _work_of(profile: OrtProfile | None) -> list[NodeTime]:
    return [node for node in profile.nodes if not is_layout(node.op, node.name)] if profile else []


def _edges_of(profile: OrtProfile | None) -> list[NodeTime]:
    return [node for node in profile.nodes if is_layout(node.op, node.name)] if profile else []


def _sum_us(nodes: Sequence[NodeTime]) -> float:
    return sum(trimmed_mean_us(node.kernel_us) for node in nodes)


def _wall_us(run: Run) -> float:
    return statistics.median(run.log.wall_us)


def _wall_ms(runs: Sequence[Run]) -> float:
    return statistics.median(_wall_us(run) for run in runs) / 1e3


def _spread(values: Sequence[float]) -> float | None:
    if len(values) < 2:
        return None
    return statistics.stdev(values) / statistics.fmean(values)


def _common(runs: Sequence[Run]) -> Measurement:
    run_peak_mb = _median_or_none([run.log.run_peak_mb for run in runs])
    return Measurement(
        processes=len(runs),
        samples=sum(len(run.log.wall_us) for run in runs),
        samples_dropped=sum(run.log.dropped for run in runs),
        load_peak_mb=_median_or_none([run.log.load_peak_mb for run in runs]),
        resident_mb=_median_or_none([run.log.resident_mb for run in runs]),
        run_peak_mb=run_peak_mb,
        peak_memory_mb=run_peak_mb,
        clock_observed_ghz=_median_or_none([run.log.clock_ghz for run in runs]),
    )


def _median_or_none(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if 2 * len(known) > len(values) else None


def _row(
    spec: JobSpec,
    index: int,
    part: JobLayer,
    measurement: Measurement,
    runs: Sequence[Run],
    device: DeviceRecord,
    campaign: str,
) -> Row:
    job = spec.job if spec.scope is Scope.ISOLATED else f"{spec.job}/{index:03d}"
    return Row(
        layer=part.layer,
        context=_context_of_run(device.context, len(spec.cpus)),
        execution=Execution(
            scope=spec.scope,
            provider=spec.provider,
            provider_used=spec.provider if measurement.status is Status.OK else None,
            threads=spec.threads,
            affinity=",".join(str(cpu) for cpu in spec.cpus) or None,
            spinning=spec.spinning,
            evicted_mb=spec.evict_kb / 1024,
        ),
        measurement=measurement,
        provenance=Provenance(
            origin=Origin.MEASURED,
            device_kind=device.kind,
            device=device.device,
            soc=device.soc,
            campaign=campaign,
            job=job,
            networks=spec.networks,
            os_build=device.os_build,
            runtime_version=runs[0].log.runtime_version or device.runtime_version,
            runner_sha256=device.runner_sha256,
            model_sha256=spec.model_sha256,
        ),
    )


def _context_of_run(context: Context, cores: int) -> Context:
    """Narrow a device's context to the cores that the run could use."""
    if not cores or not context.cores:
        return context
    peak = context.peak_gflops
    return replace(context, cores=cores, peak_gflops=peak * cores / context.cores if peak else None)
