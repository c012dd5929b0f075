"""Controllers side by side on a table: every one searches under every limit with every seed, and is timed.

What is compared is the best network within the limit that was asked about so far, by the table's own figures. A query is
a distinct network: what a controller asks twice is not asked again. The scores are in ``nas.benchmarking.scores``.

Two kinds of searches are played: one limit until the budget is spent, and a shorter one whose limit changes with every
query, which has to find a whole front of accuracy and cost with one memory.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from nas.benchmarking.hypervolume import Reference, cycled_limits, hypervolume, table_hypervolume
from nas.benchmarking.misprediction import margin, mispredicted
from nas.benchmarking.searchers import Searcher, make_searcher
from nas.benchmarking.variants import Variant, parse_variant
from nas.controllers.assistance import Assist
from nas.controllers.comet import CometSettings
from nas.controllers.rivals import LIMITLESS
from nas.datasets.tables import Table
from nas.errors import SettingsError
from nas.searching.problem import PotentialName
from nas.training.train import Advance, reproducible
from nas.trellis import BoolArray, Choices, FloatArray

FRONT_BUDGET = 100
"""Queries of a search for a front; fewer where the benchmark's budget is smaller."""


Answer = Callable[[Choices], float]
"""Gives a network's accuracy in percent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkSettings:
    """Who searches how long; with the table, they decide every score but the times."""

    controllers: tuple[str, ...]
    """With their settings, as :mod:`nas.benchmarking.variants` reads them; the first one is who the others are compared with."""
    limits: tuple[float, ...]
    """In the unit of the table's cost."""
    seeds: tuple[int, ...]
    budget: int
    """Distinct accuracy queries of each search."""
    assist: Assist = Assist.NONE
    """What rivals get of the predictor; AutoCoMET's mask and potential are part of it."""
    potential: PotentialName = PotentialName.EXACT
    """Of AutoCoMET."""
    comet: CometSettings = field(default_factory=CometSettings)
    """Of AutoCoMET."""
    noise: float = 0.0
    """Deviation of the logarithm of every predicted cost; see :mod:`nas.benchmarking.misprediction`."""
    confidence: float | None = None
    """With which the limit is held against that error."""
    reference: Reference = field(default_factory=Reference)
    """Of hypervolumes."""

    def variant(self, name: str) -> Variant:
        """Read one controller with its settings."""
        usual = Variant(name=name, controller="", assist=self.assist, potential=self.potential, comet=self.comet)
        return parse_variant(name, usual)


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """One search under one limit; arrays have one entry per query."""

    controller: str
    limit: float
    seed: int
    regret: FloatArray
    """Points between the best network within the limit and the best one found so far."""
    report: FloatArray
    """Reported accuracy of the best one found so far, in percent."""
    infeasible: BoolArray
    """Whether the query was about a network beyond the limit."""
    returns: FloatArray
    """Normalised return of the query: 0 for a network at random, 1 for the best one within the limit."""
    missed: BoolArray
    """Whether the network that the search would pick by now is beyond the limit; only a predictor that errs lets it."""
    seconds: FloatArray
    """Processor time of drawing and learning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrontPlay:
    """One search whose limit changes with every query."""

    controller: str
    seed: int
    hypervolume: FloatArray
    """Of the networks that were asked about so far, shape (queries,)."""
    share: FloatArray
    """Of what all networks of the table dominate."""


def check_benchmark(settings: BenchmarkSettings) -> None:
    """Refuse what cannot be before anything is computed.

    Raises:
        SettingsError: an unknown controller or setting, one named twice, no seed, a budget below 1, a noise or confidence
            that is none.
    """
    for name in settings.controllers:
        settings.variant(name)
    if len(set(settings.controllers)) < len(settings.controllers):
        raise SettingsError(f"A controller is named twice: {', '.join(settings.controllers)}. Name each once.")
    if not settings.seeds:
        raise SettingsError("No seed, no search. Give --seeds 1 or more.")
    if settings.budget < 1:
        raise SettingsError(f"A budget of {settings.budget} accuracy queries finds nothing. Give --budget 1 or more.")
    if not 0 <= settings.noise <= 2:
        raise SettingsError(f"A noise of {settings.noise:g} is no deviation of a logarithm. Give --noise 0 to 2.")
    if settings.confidence is not None and not 0 < settings.confidence < 1:
        raise SettingsError(f"A confidence of {settings.confidence:g} is none. Give --confidence between 0 and 1.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plays:
    """All that was played."""

    single: tuple[Play, ...]
    front: tuple[FrontPlay, ...]
    """Empty where no network of the table is better than the reference."""


def searches(table: Table, settings: BenchmarkSettings) -> int:
    """Count how many searches a benchmark plays."""
    fronts = 1 if _has_front(table, settings) else 0
    return len(settings.controllers) * len(settings.seeds) * (len(settings.limits) + fronts)


def benchmark(table: Table, settings: BenchmarkSettings, *, workers: int, advance: Advance) -> Plays:
    """Let every controller search under every limit with every seed, each search in one of ``workers`` processes.

    Raises:
        SettingsError: see :func:`check_benchmark`.
        InfeasibleError: mispredicted costs leave no network within a limit.
    """
    check_benchmark(settings)
    jobs = [
        delayed(play)(table, settings, controller=controller, limit=limit, seed=seed)
        for controller in settings.controllers
        for limit in settings.limits
        for seed in settings.seeds
    ]
    if _has_front(table, settings):
        jobs += [
            delayed(play_front)(table, settings, controller=controller, seed=seed)
            for controller in settings.controllers
            for seed in settings.seeds
        ]
    single: list[Play] = []
    front: list[FrontPlay] = []
    for one in Parallel(n_jobs=workers, return_as="generator")(jobs):
        if isinstance(one, Play):
            single.append(one)
            note = f"{one.controller}, limit {one.limit:g}: {one.regret[-1]:.2f} points to the best"
        else:
            front.append(one)
            note = f"{one.controller}, the front: {one.share[-1]:.1%} of its area"
        advance(len(single) + len(front), note)
    return Plays(single=tuple(single), front=tuple(front))


def play(table: Table, settings: BenchmarkSettings, *, controller: str, limit: float, seed: int) -> Play:
    """Search once, until the budget is spent or nothing new is found; what was found last then stays the best."""
    seen = mispredicted(table, settings.noise, seed)
    held = limit / margin(settings.noise, settings.confidence, seed)
    answer = _answer(table)
    asked: list[Choices] = []
    seconds: list[float] = []
    with undisturbed(seed):
        variant = settings.variant(controller)
        searcher = make_searcher(seen, variant, limit=held, seed=seed, queries=settings.budget)
        for choices, spent in ask(answer, searcher, settings.budget):
            asked.append(choices)
            seconds.append(spent)
    within, budget = table.within(limit), settings.budget
    picks = _picks(table, asked, within, budget)
    believed = _picks(table, asked, seen.within(held), budget)
    infeasible = np.array([not within[choices] for choices in asked], dtype=np.bool_)
    signal = np.array([table.signal[choices] for choices in asked])
    return Play(
        controller=controller,
        limit=limit,
        seed=seed,
        regret=float(table.signal[within].max()) - np.array([table.signal[pick] for pick in picks]),
        report=np.array([table.report[pick] for pick in picks]),
        infeasible=infeasible,
        returns=_normalised(np.where(infeasible, 0.0, signal), np.where(within, table.signal, 0.0)),
        missed=np.array([not within[pick] for pick in believed], dtype=np.bool_),
        seconds=np.array(seconds),
    )


def play_front(table: Table, settings: BenchmarkSettings, *, controller: str, seed: int) -> FrontPlay:
    """Search for a front: the limit changes with every query, the controller's memory is one.

    Where nothing new is found under a limit, its turn passes without a query.
    """
    budget, answer = min(FRONT_BUDGET, settings.budget), _answer(table)
    asked: list[Choices] = []
    with undisturbed(seed):
        variant = settings.variant(controller)
        limitless = variant.controller in LIMITLESS
        limits = (settings.reference.cost,) if limitless else cycled_limits(table, settings.reference)
        searcher = make_searcher(table, variant, limit=limits[0], seed=seed, queries=budget)
        turn = idle = 0
        while len(asked) < budget and idle < len(limits):
            searcher.aim(limits[turn % len(limits)])
            found = [choices for choices, _ in ask(answer, searcher, 1)]
            asked += found
            turn, idle = turn + 1, 0 if found else idle + 1
    accuracy = np.array([table.signal[choices] for choices in asked])
    cost = np.array([table.cost[choices] for choices in asked])
    areas = [
        hypervolume(accuracy[:count], cost[:count], settings.reference)
        for count in np.minimum(np.arange(1, budget + 1), len(asked))
    ]
    return FrontPlay(
        controller=controller,
        seed=seed,
        hypervolume=np.array(areas),
        share=np.array(areas) / table_hypervolume(table, settings.reference),
    )


@contextlib.contextmanager
def undisturbed(seed: int) -> Iterator[None]:
    """Search on one core, the same way every time."""
    _import_optimiser()
    with reproducible(seed, 1), threadpool_limits(limits=1, user_api="blas"):
        yield


def ask(answer: Answer, searcher: Searcher, queries: int) -> Iterator[tuple[Choices, float]]:
    """Let a controller ask about networks; yields each with the processor time that drawing and learning took, in seconds."""
    for _ in range(queries):
        begun = time.process_time()
        choices = searcher.controller.propose()
        spent = time.process_time() - begun
        if choices is None:
            return
        accuracy = answer(choices) / 100
        begun = time.process_time()
        searcher.controller.learn(choices, accuracy)
        yield choices, spent + time.process_time() - begun


def _answer(table: Table) -> Answer:
    return lambda choices: float(table.signal[choices])


def _has_front(table: Table, settings: BenchmarkSettings) -> bool:
    return table_hypervolume(table, settings.reference) > 0


def _import_optimiser() -> None:
    """Let torch import what it imports with a process's first step, so that no search's time holds it."""
    weight = torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.Adam([weight], fused=True)
    torch.autograd.backward(weight.sum())
    optimiser.step()


def _picks(table: Table, asked: list[Choices], within: BoolArray, budget: int) -> list[Choices]:
    """Follow the best network asked about that is within a limit, one per query of the budget.

    Before one is found, the worst network within the limit stands in: whoever has found nothing must take any.
    """
    worst = np.unravel_index(np.argmin(np.where(within, table.signal, np.inf)), table.signal.shape)
    picks: list[Choices] = [tuple(int(choice) for choice in worst)]
    for query in range(budget):
        better = query < len(asked) and within[asked[query]] and table.signal[asked[query]] > table.signal[picks[-1]]
        picks.append(asked[query] if better else picks[-1])
    return picks[1:]


def _normalised(utility: FloatArray, everywhere: FloatArray) -> FloatArray:
    """Put utilities on a scale from the mean over all networks, 0, to the best, 1."""
    mean, best = float(everywhere.mean()), float(everywhere.max())
    return (utility - mean) / max(best - mean, 1e-9)
