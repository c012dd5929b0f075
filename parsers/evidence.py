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

import statistics
import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from parsers.errors import PowerSamplesError, StatsError
from parsers.jobs import (
    FIRST_POWER_RUN,
    RUN_PREFIX,
    RUN_PROFILE,
    DeviceRecord,
    JobLayer,
    JobSpec,
    read_job,
    read_verdict,
)
from parsers.ort_profile import NodeTime, OrtProfile, is_layout, parse_ort_profile, trimmed_mean_us
from parsers.phone_state import PhoneState
from parsers.placement import hides_edge, hides_layers, placement, providers_used, share_out
from parsers.power_run import PowerFinding, read_power, with_energy
from parsers.runlog import RunLog
from parsers.schema import Context, Execution, Measurement, Origin, Provenance, Row, Scope, Status
from parsers.witnesses import Witness, hear


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One process of a job: the runner's records, and the runtime's profile where there is one."""

    log: RunLog
    status: Status
    witness: Witness
    """Whose log this is."""
    profile: OrtProfile | None = None
    power: PowerFinding | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeNetwork:
    """What a job's runs say of its network as one thing, where rows say it of layers."""

    network: str
    status: Status
    """How the job ended; that of layers (``fallback``) is told by their rows."""
    wall_ms: tuple[float, ...] = ()
    """Of each process that counts: the median over its unprofiled iterations."""
    run_peak_mb: tuple[float, ...] = ()
    """Of each process that tells it; there is none below 1 MB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finding:
    """What the runs say of one layer."""

    measurement: Measurement
    provider_used: str | None = None


def parse_job(folder: Path, device: DeviceRecord, *, campaign: str) -> list[Row]:
    """Turn one job's folder into its rows: one for an isolated layer, one per layer for a network.

    Raises:
        StatsError, RunLogError, OrtProfileError: the evidence cannot be read.
    """
    spec, runs = read_job(folder), _timed_runs(folder)
    isolated = spec.scope is Scope.ISOLATED
    findings = [_measure_isolated(spec, runs)] if isolated else _measure_in_network(spec, runs)
    power_runs = [_read_run(path) for path in _run_folders(folder) if _run_number(path) >= FIRST_POWER_RUN]
    power = [run.power for run in power_runs if run.power is not None]
    if isolated and findings[0].measurement.status is Status.OK:
        findings = [replace(findings[0], measurement=with_energy(findings[0].measurement, power))]
    return [
        _row(spec, index, part, finding, runs, device, campaign)
        for index, (part, finding) in enumerate(zip(spec.layers, findings, strict=True))
    ]


def read_whole_network(folder: Path) -> WholeNetwork:
    """Read what a network's job says of it as a whole.

    Raises:
        StatsError, RunLogError, OrtProfileError: the evidence cannot be read, or is not of a network.
    """
    spec = read_job(folder)
    if spec.scope is not Scope.IN_NETWORK:
        raise StatsError(f"{folder}: a job of a single layer, not of a network.")
    good, status = _good_runs(spec, _timed_runs(folder))
    if status is not Status.OK:
        return WholeNetwork(network=spec.networks[0], status=status)
    peaks_mb = (run.log.run_peak_mb for run in good)
    return WholeNetwork(
        network=spec.networks[0],
        status=status,
        wall_ms=tuple(_wall_us(run) / 1e3 for run in good),
        run_peak_mb=tuple(peak for peak in peaks_mb if peak is not None),
    )


def run_status(log: RunLog) -> Status:
    """Say how a run ended: as its log says; ``throttled`` or ``contended`` where it was slowed down or not left alone."""
    if log.status is not Status.OK:
        return log.status
    if log.throttled:
        return Status.THROTTLED
    profiled_alone = not log.profile_runs or len(log.profile_preempted) < log.profile_runs
    return Status.OK if profiled_alone and not log.contended else Status.CONTENDED


def read_run_status(folder: Path) -> Status:
    """Say how the run ended whose folder this is; raises as :func:`parse_job`."""
    return _read_run(folder).status


def _timed_runs(folder: Path) -> list[Run]:
    """Read the runs of a finished job that measured time.

    Raises:
        StatsError: there is none.
    """
    runs = [_read_run(path) for path in _run_folders(folder) if _run_number(path) < FIRST_POWER_RUN]
    if not runs:
        raise StatsError(f"{folder}: a finished job without a run. Collect it again with --fresh.")
    return runs


def _run_folders(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"{RUN_PREFIX}*"), key=_run_number)


def _run_number(folder: Path) -> int:
    return int(folder.name.removeprefix(RUN_PREFIX))


def _read_run(folder: Path) -> Run:
    """Read a run's evidence; what is missing or not as it was written makes the run ``lost``."""
    told, verdict = hear(folder), read_verdict(folder)
    status = run_status(told.log)
    if status is Status.OK and verdict:
        status = verdict.status
    run = Run(log=told.log, status=status, witness=told.witness)
    if status is not Status.OK:
        return run
    try:
        run = replace(run, power=read_power(folder))
    except PowerSamplesError:
        return replace(run, status=Status.LOST)
    if not run.log.profile_runs:
        return run
    written = _bytes_of(folder / RUN_PROFILE)
    if written is None or not _is_as_written(written, run.log):
        return Run(log=run.log, status=Status.LOST, witness=run.witness)
    profile = parse_ort_profile(written, warmup_runs=run.log.profile_warmup_runs, skip_runs=run.log.profile_preempted)
    return replace(run, profile=profile)


def _bytes_of(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _is_as_written(profile: bytes, log: RunLog) -> bool:
    """Whether the file is what the runner saw; runners that did not log its checksum are believed."""
    unknown = log.profile_bytes is None or log.profile_crc32 is None
    return unknown or (len(profile), zlib.crc32(profile)) == (log.profile_bytes, log.profile_crc32)


def _measure_isolated(spec: JobSpec, runs: Sequence[Run]) -> _Finding:
    """Every node of a one-layer model that is no layout node is the layer."""
    good, status = _good_runs(spec, runs)
    if status is not Status.OK:
        return _Finding(measurement=Measurement(status=status, processes=len(good)))
    profiles = [run.profile for run in good if run.profile is not None]
    work = [node for profile in profiles for node in _work_of(profile)]
    status, used = placement(spec.provider, work), providers_used(work)
    if status is Status.OK and any(
        hides_edge(spec.provider, spec.layers[0].layer, profile.nodes) for profile in profiles
    ):
        status = Status.LOST
    if status in {Status.FALLBACK, Status.LOST}:
        return _Finding(measurement=Measurement(status=status, processes=len(good)), provider_used=used)
    times_us = [min(_sum_us(_work_of(run.profile)), _wall_us(run)) for run in good if run.profile is not None]
    if not any(times_us):
        return _Finding(measurement=replace(_common(good), status=Status.ELIDED))
    edges_us = [_sum_us(_edges_of(profile)) for profile in profiles]
    measurement = replace(
        _common(good),
        execution_time_ms=statistics.median(times_us) / 1e3,
        edge_ms=statistics.median(edges_us) / 1e3,
        wall_ms=_wall_ms(good),
        spread=_spread(times_us),
    )
    return _Finding(measurement=measurement, provider_used=used)


def _measure_in_network(spec: JobSpec, runs: Sequence[Run]) -> list[_Finding]:
    """Give each layer its nodes; how those ran is a matter of each layer."""
    good, status = _good_runs(spec, runs)
    if status is not Status.OK:
        return [_Finding(measurement=Measurement(status=status, processes=len(good))) for _ in spec.layers]
    common = replace(
        _common(good),
        network_wall_ms=_wall_ms(good),
        load_peak_mb=None,  # what a network takes is not what its layers take
        resident_mb=None,
        run_peak_mb=None,
        peak_memory_mb=None,
    )
    shares = [share_out(spec.layers, _work_of(run.profile)) for run in good if run.profile is not None]
    hidden = any(hides_layers(spec.provider, share.unclaimed) for share in shares)
    return [
        _layer_in_network(spec.provider, [share.of_layer[index] for share in shares], common, hidden=hidden)
        for index in range(len(spec.layers))
    ]


def _layer_in_network(
    asked: str, shares: Sequence[Sequence[NodeTime]], common: Measurement, *, hidden: bool
) -> _Finding:
    """Measure a layer by its nodes in each run; where it has none, it may be ``hidden`` in nodes of another name."""
    nodes = [node for share in shares for node in share]
    times_us = [_sum_us(share) for share in shares]
    status = placement(asked, nodes) if any(times_us) else Status.ELIDED
    if status is Status.OK:
        measurement = replace(common, execution_time_ms=statistics.median(times_us) / 1e3, spread=_spread(times_us))
    else:
        measurement = replace(common, status=Status.LOST if status is Status.ELIDED and hidden else status)
    return _Finding(measurement=measurement, provider_used=providers_used(nodes))


def _good_runs(spec: JobSpec, runs: Sequence[Run]) -> tuple[list[Run], Status]:
    """Keep the runs that have numbers; a majority must, or the job ends as most of its runs did."""
    good = [run for run in runs if run.status is Status.OK]
    if 2 * len(good) > spec.processes:
        return good[: spec.processes], Status.OK
    failures = Counter(run.status for run in runs if run.status is not Status.OK)
    return good, failures.most_common(1)[0][0]


def _work_of(profile: OrtProfile | None) -> list[NodeTime]:
    return [node for node in profile.nodes if not is_layout(node.op, node.name)] if profile else []


def _edges_of(profile: OrtProfile) -> list[NodeTime]:
    return [node for node in profile.nodes if is_layout(node.op, node.name)]


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
    """Say what all rows of the job share; a phone's state after a run is the last that the run's log has."""
    run_peak_mb = _median_or_none([run.log.run_peak_mb for run in runs])
    states = [run.log.phone_after or run.log.phone_before or PhoneState() for run in runs]
    first = runs[0].log.phone_before or PhoneState()
    return Measurement(
        processes=len(runs),
        samples=sum(len(run.log.wall_us) for run in runs),
        samples_dropped=sum(run.log.dropped for run in runs),
        load_peak_mb=_median_or_none([run.log.load_peak_mb for run in runs]),
        resident_mb=_median_or_none([run.log.resident_mb for run in runs]),
        run_peak_mb=run_peak_mb,
        peak_memory_mb=run_peak_mb,
        clock_observed_ghz=_median_or_none([run.log.clock_ghz for run in runs]),
        temperature_c=_median_or_none([state.temperature_c for state in states]),
        thermal_status=max(
            (state.thermal_status for state in states if state.thermal_status is not None), default=None
        ),
        battery_percent_before=first.battery_percent,
        battery_percent_after=states[-1].battery_percent,
    )


def _median_or_none(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if 2 * len(known) > len(values) else None


def _row(
    spec: JobSpec,
    index: int,
    part: JobLayer,
    finding: _Finding,
    runs: Sequence[Run],
    device: DeviceRecord,
    campaign: str,
) -> Row:
    job = spec.job if spec.scope is Scope.ISOLATED else f"{spec.job}/{index:03d}"
    return Row(
        layer=part.layer,
        context=_context_of_run(spec.context or device.context, len(spec.cpus)),
        execution=Execution(
            scope=spec.scope,
            provider=spec.provider,
            provider_used=finding.provider_used,
            threads=spec.threads,
            affinity=",".join(str(cpu) for cpu in spec.cpus) or None,
            spinning=spec.spinning,
            evicted_mb=spec.evict_kb / 1024,
        ),
        measurement=finding.measurement,
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
