"""A search from settings to a finished folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from joblib import Parallel, cpu_count, delayed

from metamodel.interface import Predictor, Setting
from nas.accuracy import SharedWeightsAccuracy, train_shared_weights
from nas.costs import Limit
from nas.data import Data, data_label, data_source
from nas.environment import SearchEnvironment
from nas.errors import SettingsError
from nas.layers import network_layers
from nas.network import Network
from nas.problem import ControllerName, PotentialName, Problem, Sampler, check_names, make_controller, pose
from nas.search import Record, best_record, finalists, search
from nas.space import Architecture, Space
from nas.spaces import make_space
from nas.train import Advance, Schedule, accuracy_of, reproducible, train_alone
from nas.trellis import architecture_of, choices_of
from parsers.device_config import DeviceConfig
from parsers.roofline import macs

Stage = Callable[[str, int], AbstractContextManager[Advance]]
"""Opens a stage of so many units under a title and yields the function that moves it."""

SHARED_SCHEDULE = Schedule(epochs=100)
TUNING_SCHEDULE = Schedule(epochs=3, learning_rate=0.05, warmup=0.0)
ALONE_SCHEDULE = Schedule(epochs=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """Everything that decides a search; the same settings give the same search on the same machine."""

    device: DeviceConfig
    limit: Limit
    space: str = "mobilenetv2"
    data: str = "mnist-5k"
    controller: str = ControllerName.COMET
    potential: str = PotentialName.EXACT
    budget: int = 50
    """Accuracy queries, each about another network."""
    seed: int = 0
    shared: Schedule = SHARED_SCHEDULE
    """Of the weight-sharing network."""
    tuning: Schedule = TUNING_SCHEDULE
    """Of each path's copy of the shared weights, before it is judged."""
    finalists: int = 5
    """How many of the networks that shared weights find best are trained alone; the best of those wins."""
    alone: Schedule = ALONE_SCHEDULE
    """Of every finalist."""
    threads: int = 1
    """Of torch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalist:
    """A network that was found, trained alone."""

    record: Record
    """Of the query that found it: validation accuracy by shared weights, predicted latency."""
    architecture: Architecture
    network: Network
    validation_accuracy: float
    """Which decides who wins."""
    test_accuracy: float
    """On images that no choice has seen."""
    test_images: int
    macs: int
    weight_elements: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a search found."""

    settings: RunSettings
    space: Space
    records: tuple[Record, ...]
    finalists: tuple[Finalist, ...]
    """Best by shared weights first."""
    manual_latency_ms: float
    """Predicted latency of the backbone by hand."""

    @property
    def winner(self) -> Finalist:
        """The network to ship: the best by validation accuracy alone, the cheaper of two that are equally good."""
        return min(self.finalists, key=lambda one: (-one.validation_accuracy, one.record.cost))


def check_settings(settings: RunSettings) -> None:
    """Refuse what cannot be before anything is computed.

    Raises:
        SettingsError: a budget below 1, an unknown controller or potential.
        DataError: an unknown data set.
        SpaceError: an unknown space.
    """
    check_names(settings.controller, settings.potential)
    source = data_source(settings.data)
    make_space(settings.space, image=source.image, classes=source.classes)
    if settings.budget < 1:
        raise SettingsError(f"A budget of {settings.budget} accuracy queries finds nothing. Give --budget 1 or more.")
    if settings.finalists < 1:
        raise SettingsError(f"{settings.finalists} finalists leave no winner. Give --finalists 1 or more.")


def device_setting(device: DeviceConfig) -> Setting:
    """Say where a searched network would run."""
    return Setting(context=device.context, provider=device.provider, threads=device.threads, device=device.name)


def run(settings: RunSettings, predictor: Predictor, stage: Stage) -> Outcome:
    """Search, and train the best alone: shared weights rank well enough to find them, not to choose among them.

    Raises:
        NasError: see :func:`check_settings` and :func:`nas.problem.pose`.
    """
    check_settings(settings)
    source = data_source(settings.data)
    space = make_space(settings.space, image=source.image, classes=source.classes)
    problem = pose(space, predictor, device_setting(settings.device), settings.limit)
    data = source.load(settings.seed)
    with reproducible(settings.seed, settings.threads):
        source_of_accuracy = share_weights(problem, data, settings, stage)
        records = ask(problem, source_of_accuracy, settings, stage)
        trained = train_finalists(problem, finalists(records, settings.finalists), data, settings, stage)
    manual = problem.budget.costs(choices_of(space, space.manual()))[0]
    return Outcome(settings=settings, space=space, records=records, finalists=trained, manual_latency_ms=manual)


def share_weights(problem: Problem, data: Data, settings: RunSettings, stage: Stage) -> SharedWeightsAccuracy:
    """Train the weight-sharing network on the networks that the search would draw first."""
    sampler = Sampler(problem, seed=settings.seed)
    with stage("Training shared weights", settings.shared.steps(len(data.train))) as advance:
        supernet = train_shared_weights(
            problem.space,
            data,
            settings.shared,
            sampler.draw,
            seed=settings.seed,
            threads=settings.threads,
            advance=advance,
        )
    return SharedWeightsAccuracy(supernet, data, tuning=settings.tuning, seed=settings.seed, threads=settings.threads)


def ask(problem: Problem, source: SharedWeightsAccuracy, settings: RunSettings, stage: Stage) -> tuple[Record, ...]:
    """Run the controller until its budget is spent."""
    controller = make_controller(settings.controller, problem, potential=settings.potential, seed=settings.seed)
    environment = SearchEnvironment(
        problem.budget, problem.encoder, lambda choices: source.accuracy(architecture_of(problem.space, choices))
    )
    with stage("Searching", settings.budget) as advance:
        return search(
            environment,
            controller,
            budget=settings.budget,
            report=lambda records: advance(len(records), progress_note(records)),
        )


def train_finalists(
    problem: Problem, records: Sequence[Record], data: Data, settings: RunSettings, stage: Stage
) -> tuple[Finalist, ...]:
    """Train networks that were found alone, each from fresh weights, and judge them.

    Each has a core of its own: they know nothing of each other, so that together they come out as one by one.
    """
    workers = min(len(records), max(1, cpu_count() // settings.threads))
    jobs = (delayed(_train_finalist)(problem.space, record, data, settings) for record in records)
    trained: list[Finalist] = []
    with stage(f"Training the best {len(records)} alone", len(records)) as advance:
        for finalist in Parallel(n_jobs=workers, return_as="generator")(jobs):
            trained.append(finalist)
            advance(len(trained), f"{finalist.validation_accuracy:.1%} at {finalist.record.cost:.1f} ms")
    return tuple(trained)


def _train_finalist(space: Space, record: Record, data: Data, settings: RunSettings) -> Finalist:
    architecture = architecture_of(space, record.choices)
    network = train_alone(
        space,
        architecture,
        data,
        settings.alone,
        seed=settings.seed,
        threads=settings.threads,
        advance=lambda *_: None,
    )
    layers = network_layers(space, architecture)
    return Finalist(
        record=record,
        architecture=architecture,
        network=network,
        validation_accuracy=accuracy_of(network, data.validation),
        test_accuracy=accuracy_of(network, data.test),
        test_images=len(data.test),
        macs=sum(map(macs, layers)),
        weight_elements=sum(layer.weight_elements for layer in layers),
    )


def progress_note(records: Sequence[Record]) -> str:
    """Say in a few words how a search goes: the best so far, ε, the share of choices within the limit."""
    last = records[-1]
    epsilon = "" if last.epsilon is None else f", ε {last.epsilon:.2f}"
    best = best_record(records)
    return f"best {best.accuracy:.1%} at {best.cost:.1f} ms{epsilon}, feasible {last.feasible_share:.0%}"


def search_name(settings: RunSettings, model: Path) -> str:
    """Name a search's folder by what decides it; what is as usual is left out.

    The same settings have the same name, and other settings another one.
    """
    usual = RunSettings(device=settings.device, limit=settings.limit)
    parts = [settings.device.name, settings.space, data_label(settings.data), settings.controller]
    parts.append(f"seed{settings.seed}")
    if settings.potential != usual.potential:
        parts.append(settings.potential)
    if settings.budget != usual.budget:
        parts.append(f"budget{settings.budget}")
    if settings.limit.value != settings.device.latency_limit_ms:
        parts.append(f"{settings.limit.target}{settings.limit.value:g}{settings.limit.unit}")
    if settings.shared != usual.shared:
        parts.append(f"shared{settings.shared.epochs}")
    if settings.tuning != usual.tuning:
        parts.append(f"tuning{settings.tuning.epochs}")
    if settings.finalists != usual.finalists:
        parts.append(f"finalists{settings.finalists}")
    if settings.alone != usual.alone:
        parts.append(f"alone{settings.alone.epochs}")
    if model.name != "default":
        parts.append(model.name)
    return "-".join(parts)
