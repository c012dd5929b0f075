"""A search from settings to a finished folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from joblib import Parallel, cpu_count, delayed

from metamodel.interface import Predictor, Setting
from nas.accuracy import AccuracySource, SharedWeightsAccuracy, train_shared_weights
from nas.checkpoint import Checkpoint
from nas.controllers.assistance import Assist
from nas.controllers.comet import CometSettings, EpsilonRule, Shaping
from nas.controllers.controller import Controller
from nas.costs import Budget
from nas.curve import CurvePoint
from nas.data import Data, data_source
from nas.environment import SearchEnvironment
from nas.errors import DataError, SettingsError
from nas.layers import network_layers
from nas.network import Network
from nas.primary import primary_source
from nas.problem import ControllerName, Problem, Sampler, make_controller, pose
from nas.quality import accuracy_of
from nas.rank import RankCheck, different, judge_both_ways, rank_correlation
from nas.search import Record, Report, best_record, finalists, search
from nas.settings import CPU, RunSettings, check_settings, goals_of
from nas.signals import CountedSignal
from nas.space import Architecture, Space
from nas.spaces import make_space
from nas.table_accuracy import TableAccuracy
from nas.train import Advance, reproducible, train_alone, while_parent_lives
from nas.trellis import Choices, architecture_of, choices_of
from nas.workspace import Workspace
from parsers.device_config import DeviceConfig
from parsers.roofline import macs

Stage = Callable[[str, int], AbstractContextManager[Advance]]
"""Opens a stage of so many units under a title and yields the function that moves it."""


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
    macs: int
    weight_elements: int
    test_images: int = 0
    """0 where a table told the accuracies, and the weights are as they began."""
    curve: tuple[CurvePoint, ...] = ()
    """Validation accuracy while it trained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a search found."""

    settings: RunSettings
    space: Space
    records: tuple[Record, ...]
    finalists: tuple[Finalist, ...]
    """Best by shared weights first."""
    signals: tuple[CountedSignal, ...]
    """The costs that records have, in their order."""
    winner_latencies_ms: tuple[float, ...]
    """Predicted share of every layer of the winner in its latency; none where the predictor knows no latency."""
    ranks: RankCheck | None = None
    """How shared weights ranked networks; None where nobody asked."""

    @property
    def winner(self) -> Finalist:
        """The network to ship."""
        return winner_of(self.finalists)


def winner_of(trained: Sequence[Finalist]) -> Finalist:
    """Give the best by validation accuracy alone, the cheaper of two that are equally good."""
    return min(trained, key=lambda one: (-one.validation_accuracy, one.record.cost))


def device_setting(device: DeviceConfig) -> Setting:
    """Say where a searched network would run."""
    return Setting(context=device.context, provider=device.provider, threads=device.threads, device=device.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A search that can begin: all that could be refused has been looked at."""

    settings: RunSettings
    problem: Problem
    data: Data | None
    """None where accuracies are known already."""
    predictor: Predictor
    answers: TableAccuracy | None = None
    """What knows them."""

    @property
    def images(self) -> Data:
        """What networks are trained on.

        Raises:
            DataError: there is nothing.
        """
        if self.data is None:
            raise DataError(f"{self.settings.data} has no images to train networks on.")
        return self.data


def prepare(settings: RunSettings, predictor: Predictor) -> Prepared:
    """Price the space and load the data.

    Raises:
        NasError: see :func:`nas.settings.check_settings` and :func:`nas.problem.pose`.
    """
    check_settings(settings)
    source = data_source(settings.data)
    space = make_space(settings.space, image=source.image, classes=source.classes)
    problem = pose(space, predictor, device_setting(settings.device), goals_of(settings))
    if source.answers is not None:
        answers = source.answers(space)
        return Prepared(settings=settings, problem=problem, data=None, predictor=predictor, answers=answers)
    return Prepared(
        settings=settings,
        problem=problem,
        data=source.load(settings.seed).on(settings.torch_device),
        predictor=predictor,
    )


def run(settings: RunSettings, predictor: Predictor, stage: Stage, workspace: Workspace | None = None) -> Outcome:
    """Prepare and conduct a search."""
    return conduct(prepare(settings, predictor), stage, workspace)


def conduct(
    prepared: Prepared, stage: Stage, workspace: Workspace | None = None, watch: Report = lambda _: None
) -> Outcome:
    """Search, and train the best alone: shared weights rank well enough to find them, not to choose among them.

    Args:
        prepared: what is searched.
        stage: opens a stage of the progress.
        workspace: keeps what is done, so that a search that was stopped goes on from there; ``None`` keeps nothing.
        watch: told after every query.

    Raises:
        ResumeError: what was kept is of another search.
        OutputError: it cannot be kept.
    """
    settings, problem = prepared.settings, prepared.problem
    with reproducible(settings.seed, settings.threads):
        other_than_accuracy = primary_source(problem)
        source = other_than_accuracy or prepared.answers or share_weights(prepared, stage, workspace)
        records = ask(prepared, source, stage, workspace, watch)
        # Training alone judges accuracy: where something else is asked for, the search itself has found the winner.
        best = finalists(records, 1 if other_than_accuracy else settings.finalists)
        if not best:
            raise SettingsError(
                f"None of the {len(records)} networks that {settings.controller} asked about keeps the limits. Give it "
                "--assist mask, a higher --budget, or another --limit."
            )
        trained = _told(prepared.answers, best, problem.space) or train_finalists(prepared, best, stage, workspace)
        ranks = check_ranks(prepared, source, stage) if isinstance(source, SharedWeightsAccuracy) else None
    return Outcome(
        settings=settings,
        space=problem.space,
        records=records,
        finalists=trained,
        signals=counted_signals(problem),
        winner_latencies_ms=_layer_latencies(prepared, winner_of(trained)),
        ranks=ranks,
    )


def counted_signals(problem: Problem) -> tuple[CountedSignal, ...]:
    """List the costs that are counted, and what the backbone by hand costs."""
    manual = problem.budget.costs(choices_of(problem.space, problem.space.manual()))
    return tuple(
        CountedSignal(name=signal.name, unit=signal.unit, limit=signal.limit, manual=cost)
        for signal, cost in zip(problem.budget.signals, manual, strict=True)
    )


def _layer_latencies(prepared: Prepared, winner: Finalist) -> tuple[float, ...]:
    layers = network_layers(prepared.problem.space, winner.architecture)
    costs = prepared.predictor.predict_layers(layers, device_setting(prepared.settings.device)).network_latency_ms
    return () if costs is None else tuple(float(cost) for cost in costs)


def share_weights(prepared: Prepared, stage: Stage, workspace: Workspace | None = None) -> SharedWeightsAccuracy:
    """Train the weight-sharing network on the networks that the search would draw first."""
    settings, data = prepared.settings, prepared.images
    sampler = Sampler(prepared.problem, seed=settings.seed)
    with stage("Training shared weights", settings.shared.steps(len(data.train))) as advance:
        supernet = train_shared_weights(
            prepared.problem.space,
            data,
            settings.shared,
            sampler.draw,
            seed=settings.seed,
            threads=settings.threads,
            advance=advance,
            checkpoint=workspace.checkpoint("shared", stream=sampler) if workspace else None,
        )
    return SharedWeightsAccuracy(supernet, data, tuning=settings.tuning, seed=settings.seed, threads=settings.threads)


def ask(
    prepared: Prepared,
    source: AccuracySource,
    stage: Stage,
    workspace: Workspace | None = None,
    watch: Report = lambda _: None,
) -> tuple[Record, ...]:
    """Run the controller until its budget is spent."""
    settings, problem = prepared.settings, prepared.problem
    journal = workspace.journal() if workspace else None
    known = {record.choices: record.accuracy for record in journal.kept} if journal else {}

    def query(choices: Choices) -> float:
        if choices in known:
            return known[choices]
        return source.accuracy(architecture_of(problem.space, choices))

    def report(records: Sequence[Record]) -> None:
        if len(records) >= len(known):
            advance(len(records), progress_note(records))
        watch(records)

    with stage("Searching", settings.budget) as advance:
        return search(
            SearchEnvironment(_open_to_controller(problem.budget, settings), problem.encoder, query),
            build_controller(problem, settings),
            keeps=problem.budget.keeps,
            budget=settings.budget,
            patience=settings.patience,
            report=report,
            log=journal,
        )


def build_controller(problem: Problem, settings: RunSettings) -> Controller:
    """Build the controller that settings ask for."""
    return make_controller(
        settings.controller,
        problem,
        potential=settings.potential,
        seed=settings.seed,
        settings=CometSettings(epsilon=EpsilonRule(settings.epsilon), shaping=Shaping(settings.shaping)),
        assist=Assist(settings.assist),
        queries=settings.budget,
    )


def _open_to_controller(budget: Budget, settings: RunSettings) -> Budget:
    """Give what a controller may ask about: a rival without the mask learns of a broken limit with the answer."""
    name = settings.controller
    if name == ControllerName.COMET_LITERAL or (name != ControllerName.COMET and settings.assist == Assist.NONE):
        return Budget(budget.trellis, [replace(signal, limit=None) for signal in budget.signals])
    return budget


def train_finalists(
    prepared: Prepared, records: Sequence[Record], stage: Stage, workspace: Workspace | None = None
) -> tuple[Finalist, ...]:
    """Train networks that were found alone, each from fresh weights, and judge them.

    Each has a core of its own: they know nothing of each other, so that together they come out as one by one.
    """
    settings = prepared.settings
    jobs = (
        delayed(_train_finalist)(
            prepared.problem.space,
            record,
            prepared.images,
            settings,
            workspace.checkpoint(f"finalist-{number}") if workspace else None,
        )
        for number, record in enumerate(records, start=1)
    )
    trained: list[Finalist] = []
    with stage(f"Training the best {len(records)} alone", len(records)) as advance:
        for finalist in Parallel(n_jobs=_workers(settings, len(records)), return_as="generator")(jobs):
            trained.append(finalist)
            advance(len(trained), f"{finalist.validation_accuracy:.1%} at {finalist.record.cost:.1f} ms")
    return tuple(trained)


def _told(answers: TableAccuracy | None, records: Sequence[Record], space: Space) -> tuple[Finalist, ...]:
    """Let a table say what networks are worth that were found: as they stand, their weights are not trained."""
    if answers is None:
        return ()
    return tuple(
        _finalist(
            space,
            record,
            Network(space, architecture_of(space, record.choices)).eval(),
            validation=answers.accuracy(architecture_of(space, record.choices)),
            test=answers.reported(architecture_of(space, record.choices)),
        )
        for record in records
    )


def _workers(settings: RunSettings, trainings: int) -> int:
    """Say how many trainings go on beside each other: each has cores of its own, and a GPU has one of them."""
    return min(trainings, max(1, cpu_count() // settings.threads)) if settings.torch_device == CPU else 1


def check_ranks(prepared: Prepared, source: SharedWeightsAccuracy, stage: Stage) -> RankCheck | None:
    """Hold shared weights against training alone, on networks that the search draws first; None where nobody asks."""
    settings = prepared.settings
    if not settings.rank_check:
        return None
    # Another seed than that of the networks which the shared weights were trained on.
    networks = different(Sampler(prepared.problem, seed=settings.seed + 1).draw, settings.rank_check)
    with stage(f"Ranking {len(networks)} other networks both ways", len(networks)) as advance:
        ranked = judge_both_ways(
            prepared.problem.space,
            networks,
            source,
            prepared.images,
            settings.alone,
            seed=settings.seed,
            threads=settings.threads,
            workers=_workers(settings, len(networks)),
            advance=advance,
        )
    return RankCheck(networks=len(ranked), correlation=rank_correlation(ranked))


def _train_finalist(
    space: Space, record: Record, data: Data, settings: RunSettings, checkpoint: Checkpoint | None
) -> Finalist:
    architecture = architecture_of(space, record.choices)
    trained = train_alone(
        space,
        architecture,
        data,
        settings.alone,
        seed=settings.seed,
        threads=settings.threads,
        advance=while_parent_lives(),
        checkpoint=checkpoint,
    )
    validation, test = (accuracy_of(trained.network, part) for part in (data.validation, data.test))
    found = _finalist(space, record, trained.network.cpu(), validation=validation, test=test)
    return replace(found, curve=trained.curve, test_images=len(data.test))


def _finalist(space: Space, record: Record, network: Network, *, validation: float, test: float) -> Finalist:
    architecture = architecture_of(space, record.choices)
    layers = network_layers(space, architecture)
    return Finalist(
        record=record,
        architecture=architecture,
        network=network,
        validation_accuracy=validation,
        test_accuracy=test,
        macs=sum(map(macs, layers)),
        weight_elements=sum(layer.weight_elements for layer in layers),
    )


def progress_note(records: Sequence[Record]) -> str:
    """Say in a few words how a search goes: the best so far, ε, the share of choices within the limit."""
    last = records[-1]
    epsilon = "" if last.epsilon is None else f", ε {last.epsilon:.2f}"
    best = best_record(records)
    told = f"best {best.accuracy:.1%} at {best.cost:.1f} ms" if best else "none within the limits yet"
    return f"{told}{epsilon}, feasible {last.feasible_share:.0%}"
