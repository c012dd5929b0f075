"""A search from settings to a finished folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from metamodel.interface import Predictor
from nas.controllers.assistance import Assist
from nas.controllers.comet import CometSettings, EpsilonRule, Shaping
from nas.controllers.controller import Controller
from nas.errors import SettingsError
from nas.limits.costs import Budget
from nas.limits.signals import ACCURACY, CountedSignal
from nas.networks.layers import network_layers
from nas.searching.environment import SearchEnvironment
from nas.searching.finalists import Finalist, tell_finalists, train_finalists, winner_of
from nas.searching.prepared import Prepared, Stage, device_setting, prepare, workers_for
from nas.searching.primary import primary_source
from nas.searching.problem import ControllerName, Problem, Sampler, make_controller
from nas.searching.search import Record, Report, best_record, finalists, search
from nas.searching.settings import RunSettings
from nas.searching.workspace import Workspace
from nas.space import Space, Task
from nas.training.accuracy import (
    JUDGED_BY,
    AccuracyName,
    AccuracySource,
    BriefTrainingAccuracy,
    SharedWeightsAccuracy,
    train_shared_weights,
)
from nas.training.rank import RankCheck, different, judge_alone, rank_correlation
from nas.training.train import reproducible
from nas.trellis import Choices, architecture_of, choices_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a search found."""

    settings: RunSettings
    space: Space
    records: tuple[Record, ...]
    finalists: tuple[Finalist, ...]
    """Best as queried first."""
    signals: tuple[CountedSignal, ...]
    """The costs that records have, in their order."""
    winner_latencies_ms: tuple[float, ...]
    """Predicted share of every layer of the winner in its latency; none where the predictor knows no latency."""
    ranks: RankCheck | None = None
    """How queries ranked networks; None where nobody asked."""

    @property
    def winner(self) -> Finalist:
        """The network to ship."""
        return winner_of(self.finalists)

    @property
    def sought(self) -> str:
        """What queries told, in a few words; what stands behind a comma says by what."""
        if self.settings.primary != ACCURACY:
            return f"primary signal, {self.settings.primary}"
        score = "intersection over union" if self.space.task is Task.SEGMENTATION else "accuracy"
        return f"validation {score}, {JUDGED_BY[self.settings.accuracy] if self.winner.test_images else 'the table'}"


def run(settings: RunSettings, predictor: Predictor, stage: Stage, workspace: Workspace | None = None) -> Outcome:
    """Prepare and conduct a search."""
    return conduct(prepare(settings, predictor), stage, workspace)


def conduct(
    prepared: Prepared, stage: Stage, workspace: Workspace | None = None, watch: Report = lambda _: None
) -> Outcome:
    """Search, and train the best alone: queries rank well enough to find them, not to choose among them.

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
        source = other_than_accuracy or prepared.answers or measured_accuracy(prepared, stage, workspace)
        records = ask(prepared, source, stage, workspace, watch)
        # Training alone judges accuracy: where something else is asked for, the search itself has found the winner.
        best = finalists(records, 1 if other_than_accuracy else settings.finalists)
        if not best:
            raise SettingsError(
                f"None of the {len(records)} networks that {settings.controller} asked about keeps the limits. Give it "
                "--assist mask, a higher --budget, or another --limit."
            )
        trained = tell_finalists(prepared.answers, best, problem.space) or train_finalists(
            prepared, best, stage, workspace
        )
        ranks = check_ranks(prepared, source, stage) if prepared.trains_to_judge else None
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


def measured_accuracy(prepared: Prepared, stage: Stage, workspace: Workspace | None = None) -> AccuracySource:
    """Give what trains networks, or paths through shared weights, and judges them."""
    settings = prepared.settings
    if settings.accuracy == AccuracyName.SHARED:
        return share_weights(prepared, stage, workspace)
    return BriefTrainingAccuracy(
        prepared.problem.space, prepared.images, schedule=settings.brief, seed=settings.seed, threads=settings.threads
    )


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
            advance(len(records), progress_note(records, problem.budget.signals[0].unit))
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


def check_ranks(prepared: Prepared, source: AccuracySource, stage: Stage) -> RankCheck | None:
    """Hold queries against training alone, on networks that the search draws first; None where nobody asks."""
    settings = prepared.settings
    if not settings.rank_check:
        return None
    # Another seed than that of the networks which the shared weights were trained on.
    networks = different(Sampler(prepared.problem, seed=settings.seed + 1).draw, settings.rank_check)
    with stage(f"Training {len(networks)} other networks alone", len(networks)) as advance:
        alone = judge_alone(
            prepared.problem.space,
            networks,
            prepared.images,
            settings.alone,
            seed=settings.seed,
            threads=settings.threads,
            workers=workers_for(settings, len(networks)),
            advance=advance,
        )
    queried = []
    with stage("Asking about the same networks", len(networks)) as advance:
        for architecture in networks:
            queried.append(source.accuracy(architecture))
            advance(len(queried), f"{queried[-1]:.1%}")
    return RankCheck(networks=len(networks), correlation=rank_correlation(queried, [one.accuracy for one in alone]))


def progress_note(records: Sequence[Record], unit: str) -> str:
    """Say in a few words how a search goes: the best so far and its first cost, ε, the share of choices within the limit."""
    last = records[-1]
    epsilon = "" if last.epsilon is None else f", ε {last.epsilon:.2f}"
    best = best_record(records)
    cost = f"{best.cost:.3g} {unit}".rstrip() if best else ""
    told = f"best {best.accuracy:.1%} at {cost}" if best else "none within the limits yet"
    return f"{told}{epsilon}, feasible {last.feasible_share:.0%}"
