"""The search's proof: its best networks and as many random ones are measured on a device, beside what was predicted.

The winner is measured as the file that ships. The others are built from their architectures with weights drawn anew: what a
network takes does not depend on them. This module knows how a device is measured; what that means is
:mod:`nas.verification.comparison`'s.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import onnx
import torch

from metamodel.interface import Predictor, Setting
from nas.errors import ExportError, MeasuringError, SearchFolderError
from nas.networks.export import to_onnx
from nas.networks.layers import network_layers
from nas.networks.network import Network
from nas.searching.finished import FinishedSearch, FoundNetwork
from nas.searching.prepared import device_setting
from nas.searching.problem import Problem, Sampler, pose
from nas.searching.settings import goals_of
from nas.space import Architecture, Space
from nas.training.accuracy import recalibrate
from nas.training.train import reproducible
from nas.trellis import choices_of
from nas.verification.comparison import Candidate, DeviceRuns, Group, NetworkRuns, Verification, compare
from parsers.console import Advance
from parsers.errors import ParsersError
from parsers.evidence import read_whole_network
from parsers.jobs import JOB_FILE, read_device
from parsers.network import read_network
from parsers.schema import Row, Status
from profiler.measure import TROUBLE, Measured, Wires, check_device, measure_networks

_DRAWS_PER_NETWORK = 200
"""Draws without a new network after which a space counts as exhausted."""

_LONGEST_NAME = 80
"""Of a search, in the name of its campaign's folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How a search is verified."""

    best: int = 5
    random: int = 5
    provider: str | None = None
    """None takes that of the device searched for."""
    threads: int | None = None
    """None takes those of the device searched for, and fewer on this machine where it has not so many cores."""
    seed: int = 0
    """Draws the random networks, and weights."""


class Measure(Protocol):
    """Measures networks on a device."""

    def __call__(self, models: Sequence[Path], *, name: str, provider: str, threads: int, fewer: bool) -> DeviceRuns:
        """Measure ONNX files, each known by its stem.

        Args:
            models: the files.
            name: what they are measured for.
            provider: execution provider to ask for.
            threads: of the provider.
            fewer: take fewer where the device has not so many cores.

        Raises:
            MeasuringError: the device is absent, or could measure nothing.
        """
        ...


def verify(search: FinishedSearch, predictor: Predictor, measure: Measure, how: How) -> Verification:
    """Measure a search's best networks and random ones within the same limits, and compare.

    Raises:
        PredictorError, InfeasibleError: the predictor is another than the search's, or tells less.
        SearchFolderError: the network that is to be shipped is another than the folder says.
        MeasuringError: the device is absent, or could measure nothing.
    """
    device = search.settings.device
    target = device_setting(device)
    problem = pose(search.space, predictor, target, goals_of(search.settings))
    candidates = choose_networks(search, problem, how)
    with tempfile.TemporaryDirectory(prefix="nas-verify-") as folder:
        models = write_networks(search, candidates, Path(folder), seed=how.seed)
        runs = measure(
            models,
            name=f"verify-{search.folder.resolve().name[:_LONGEST_NAME]}",
            provider=how.provider or device.provider,
            threads=how.threads or device.threads,
            fewer=how.threads is None,
        )
    return compare(candidates, problem.budget.signals, runs, predictor, device=device, target=target)


def choose_networks(search: FinishedSearch, problem: Problem, how: How) -> tuple[Candidate, ...]:
    """Choose the best networks of a search, and draw as many others from all that keep its limits."""

    def candidate(name: str, group: Group, architecture: Architecture, found: FoundNetwork | None) -> Candidate:
        return Candidate(
            name=name,
            group=group,
            query=None if found is None else found.query,
            is_winner=found == search.winner,
            accuracy=None if found is None else found.accuracy,
            searched_ms=None if found is None else found.latency_ms,
            architecture=architecture,
            layers=network_layers(problem.space, architecture),
            costs=problem.budget.costs(choices_of(problem.space, architecture)),
        )

    best = search.best(max(1, how.best))
    chosen = [
        candidate("winner" if one == search.winner else f"query-{one.query}", Group.BEST, one.architecture, one)
        for one in best
    ]
    sampler, taken = Sampler(problem, seed=how.seed, sharpness=0), {one.architecture for one in best}
    for number in range(1, how.random + 1):
        drawn = (sampler.draw() for _ in range(_DRAWS_PER_NETWORK))
        architecture = next((one for one in drawn if one not in taken), None)
        if architecture is None:
            break
        taken.add(architecture)
        chosen.append(candidate(f"random-{number}", Group.RANDOM, architecture, None))
    return tuple(chosen)


def write_networks(
    search: FinishedSearch, candidates: Sequence[Candidate], folder: Path, *, seed: int
) -> tuple[Path, ...]:
    """Write an ONNX file per network, and see that its layers are those that were predicted.

    Raises:
        SearchFolderError: the file that ships is another network.
        ExportError: a file has other layers than its architecture.
    """
    paths = []
    for one in candidates:
        path = folder / f"{one.name}.onnx"
        if one.is_winner:
            path.write_bytes(search.network_file.read_bytes())
        else:
            onnx.save(with_any_weights(search.space, one.architecture, seed=seed), path)
        found = Counter(part.layer.key for part in read_network(path).layers)
        if found != Counter(layer.key for layer in one.layers):
            if one.is_winner:
                raise SearchFolderError(f"{search.network_file} is not the network of query {one.query}, the winner.")
            raise ExportError(f"{one.name} has other layers as a file than as an architecture.")
        paths.append(path)
    return tuple(paths)


def with_any_weights(space: Space, architecture: Architecture, *, seed: int) -> onnx.ModelProto:
    """Export a network whose activations are of ordinary size: denormal numbers would be slow."""
    with reproducible(seed, threads=1):
        network = Network(space, architecture)
        recalibrate(network, torch.randn(8, space.image.channels, space.image.height, space.image.width))
    return to_onnx(network.eval(), space.image)


_TROUBLES = (TROUBLE, ParsersError)


@dataclass(frozen=True, slots=True, kw_only=True)
class OnDevice:
    """Measures on a device by ``profiler.measure``; fits :class:`Measure`."""

    device: str
    """``host``, or a phone's serial or address."""
    runs: Path = Path("runs")
    """The folder of all campaigns."""
    processes: int = 5
    policy: Literal["strict", "quick"] = "strict"
    """``quick`` only says what was disturbed, and measures nothing again."""
    servers: tuple[str, ...] = ()
    """adb servers of other bench hosts."""
    runtime: Path | None = None
    """The ONNX Runtime for Android; None takes the one that is fetched."""
    fresh: bool = False
    """Measure anew what was measured before."""
    advance: Advance = lambda _done, _note: None
    """Takes how many processes have ended, and a note."""
    waiting: Callable[[], None] = lambda: None

    def check(self) -> None:
        """See that the device is there.

        Raises:
            MeasuringError: it is not, or cannot measure now.
        """
        try:
            check_device(self.device, runs=self.runs, wires=Wires(servers=self.servers, runtime=self.runtime))
        except TROUBLE as exc:
            raise MeasuringError(str(exc)) from exc

    def __call__(self, models: Sequence[Path], *, name: str, provider: str, threads: int, fewer: bool) -> DeviceRuns:
        """Measure ONNX files.

        Raises:
            MeasuringError: see :class:`Measure`.
        """
        most = 0

        def tell(done: int, note: str) -> None:
            """Pass on what is new; what is fetched is counted again, and what a phone waits for has a colon in it."""
            nonlocal most
            if done > most or ":" in note:
                most = max(most, done)
                self.advance(most, note)

        try:
            measured = measure_networks(
                models,
                name=name,
                device=self.device,
                provider=provider,
                threads=threads,
                fewer=fewer,
                processes=self.processes,
                policy=self.policy,
                runs=self.runs,
                wires=Wires(servers=self.servers, runtime=self.runtime),
                fresh=self.fresh,
                waiting=self.waiting,
                report=lambda seen: tell(seen.done, seen.note),
            )
            return _device_runs(measured, is_old=most == 0)
        except _TROUBLES as exc:
            raise MeasuringError(str(exc)) from exc


def _device_runs(measured: Measured, *, is_old: bool) -> DeviceRuns:
    """Sort a campaign's evidence by network.

    Raises:
        MeasuringError: there is none.
    """
    folder = measured.stats_path.parent
    troubles = [*(f"{part.device}: {part.error}" for part in measured.shortfalls), *measured.rejects]
    if not measured.rows:
        raise MeasuringError("; ".join(troubles) or f"Nothing was measured; see {folder}.")
    first = measured.rows[0]
    (device_file,) = folder.glob("*/device.json")
    record = read_device(device_file.parent)
    networks = {}
    for path in sorted(device_file.parent.glob(f"[!.]*/{JOB_FILE}")):
        try:
            whole = read_whole_network(path.parent)
        except ParsersError:
            continue  # a reject, which is told already
        networks[whole.network] = NetworkRuns(
            status=whole.status,
            latency_ms=whole.wall_ms,
            memory_mb=whole.run_peak_mb,
            layers_elsewhere=_elsewhere(measured.rows, whole.network),
            evidence=path.parent,
        )
    execution = first.execution
    return DeviceRuns(
        device=record.device,
        kind=record.kind,
        soc=record.soc,
        runtime_version=first.provenance.runtime_version,
        setting=Setting(
            context=first.context, provider=execution.provider, threads=execution.threads, device=record.device
        ),
        campaign=folder,
        networks=networks,
        troubles=tuple(troubles),
        is_old=is_old,
    )


def _elsewhere(rows: Sequence[Row], network: str) -> int:
    return sum(row.measurement.status is Status.FALLBACK and row.provenance.networks == (network,) for row in rows)
