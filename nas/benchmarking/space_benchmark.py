"""Controllers side by side on a whole search space: too many networks for a table, so a function answers for accuracies.

What networks cost follows from their layers (``nas.benchmarking.priced_space``). The optimum is not known: regret is against the best
network within the limit that any controller has found, in all searches together, and a front's area is a share of what
all that was asked about dominates. What a network at random is worth, a fair draw from the space tells.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from joblib import Parallel, delayed

from nas.benchmarking.benchmark import (
    FRONT_BUDGET,
    BenchmarkSettings,
    FrontPlay,
    Play,
    Plays,
    ask,
    check_benchmark,
    undisturbed,
)
from nas.benchmarking.hypervolume import LIMITS, Reference, hypervolume
from nas.benchmarking.priced_space import UTILITY_SAMPLE, PricedSpace, SpaceTask, priced_space
from nas.benchmarking.searchers import Searcher
from nas.benchmarking.variants import COMET, Variant
from nas.controllers.assistance import Assist, Assistance
from nas.controllers.comet import Comet
from nas.controllers.rivals import LIMITLESS, RIVALS
from nas.errors import SettingsError
from nas.limits.costs import Budget
from nas.potentials.potential import Potential
from nas.searching.environment import SHARPNESS
from nas.searching.problem import counting_potential, make_potential
from nas.training.train import Advance
from nas.trellis import FloatArray

_ROUNDING = 1e-9
"""A sum of floats may be off by so much of itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One search: what came back, query by query."""

    controller: str
    limit: float | None
    """None for a search whose limit changes with every query."""
    seed: int
    accuracy: FloatArray
    """Percent."""
    cost: FloatArray
    seconds: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class SpacePlays:
    """All that was played, and what it was measured against."""

    plays: Plays
    best: dict[float, float]
    """By limit: the best accuracy within it that anybody has found, in percent."""


def benchmark_space(task: SpaceTask, settings: BenchmarkSettings, *, workers: int, advance: Advance) -> SpacePlays:
    """Let every controller search under every limit with every seed, and for fronts, each search in one process.

    Raises:
        SettingsError: see :func:`nas.benchmarking.benchmark.check_benchmark`; or errors of a predictor, which only tables can have.
        InfeasibleError: a limit that no network keeps.
    """
    check_benchmark(settings)
    if settings.noise or settings.confidence is not None:
        raise SettingsError("--noise and --confidence are of a table's costs; a space has its layers'. Leave them out.")
    jobs = [
        delayed(_search)(task, settings, controller, limit, seed)
        for controller in settings.controllers
        for limit in (*settings.limits, *_fronts(priced_space(task), settings))
        for seed in settings.seeds
    ]
    asked: list[Asked] = []
    for one in Parallel(n_jobs=workers, return_as="generator")(jobs):
        asked.append(one)
        of = "the front" if one.limit is None else f"limit {one.limit:g}"
        advance(len(asked), f"{one.controller}, {of}: {len(one.accuracy)} networks")
    return _judged(priced_space(task), asked, settings)


def space_searches(task: SpaceTask, settings: BenchmarkSettings) -> int:
    """Count how many searches a benchmark plays."""
    kinds = len(settings.limits) + len(_fronts(priced_space(task), settings))
    return len(settings.controllers) * len(settings.seeds) * kinds


def _fronts(world: PricedSpace, settings: BenchmarkSettings) -> tuple[None, ...]:
    """Say whether fronts are looked for, too: not where no network costs less than the reference."""
    return (None,) if world.lowest < settings.reference.cost else ()


def _search(task: SpaceTask, settings: BenchmarkSettings, controller: str, limit: float | None, seed: int) -> Asked:
    """Search under one limit; or under one after the other, which has to find a front with one memory."""
    world, variant = priced_space(task), settings.variant(controller)
    queries = settings.budget if limit is not None else min(FRONT_BUDGET, settings.budget)
    limits: Sequence[float] = (limit,) if limit is not None else _cycled(world, settings.reference, variant)
    found = []
    with undisturbed(seed):
        searcher = _searcher(world, variant, limits[0], seed, queries)
        if limit is not None:
            found = list(ask(world.accuracy, searcher, queries))
        turn = idle = 0
        while limit is None and len(found) < queries and idle < len(limits):
            searcher.aim(limits[turn % len(limits)])
            more = list(ask(world.accuracy, searcher, 1))
            found += more
            turn, idle = turn + 1, 0 if more else idle + 1
    return Asked(
        controller=controller,
        limit=limit,
        seed=seed,
        accuracy=np.array([world.accuracy(choices) for choices, _ in found]),
        cost=np.array([world.cost(choices) for choices, _ in found]),
        seconds=np.array([seconds for _, seconds in found]),
    )


def _cycled(world: PricedSpace, reference: Reference, variant: Variant) -> Sequence[float]:
    """Spread limits evenly on the logarithmic scale, from the lowest cost to the reference's, without the lowest."""
    if variant.controller in LIMITLESS:
        return (reference.cost,)
    lowest = world.lowest
    dearest = max(cost for cost in map(world.cost, world.sample) if np.isfinite(cost))
    highest = min(reference.cost, dearest)
    return (reference.cost,) if highest <= lowest else np.geomspace(lowest, highest, LIMITS + 1)[1:].tolist()


def _searcher(world: PricedSpace, variant: Variant, limit: float, seed: int, queries: int) -> Searcher:
    """Build a controller for one limit."""
    if variant.controller == COMET:

        @functools.cache
        def under(value: float) -> tuple[Budget, Potential]:
            budget = world.budget(value)
            return budget, make_potential(variant.potential, budget, signal=0, seed=seed)

        def aim(value: float) -> None:
            budget, potential = under(value)
            comet.aim(budget, [potential])

        budget, potential = under(limit)
        comet = Comet(budget, world.encoder, [potential], seed=seed, settings=variant.comet)
        return Searcher(controller=comet, aim=aim)

    sharpness = SHARPNESS if variant.assist is Assist.NEAR_BUDGET else 0

    @functools.cache
    def given(value: float) -> Assistance:
        limited = world.budget(value)
        budget = world.budget(None) if variant.assist is Assist.NONE else limited
        potential = counting_potential(budget, sharpness=sharpness)
        return Assistance(budget=budget, potential=potential, limit_ticks=int(limited.limit_ticks[0]))

    rival = RIVALS[variant.controller](given(limit), world.encoder, seed, queries)
    return Searcher(controller=rival, aim=lambda value: rival.aim(given(value)))


def _judged(world: PricedSpace, asked: Sequence[Asked], settings: BenchmarkSettings) -> SpacePlays:
    """Measure searches against the best that any of them found."""
    accuracy = np.concatenate([one.accuracy for one in asked])
    cost = np.concatenate([one.cost for one in asked])
    sample = world.sample[:UTILITY_SAMPLE]
    random_accuracy = np.array([world.accuracy(choices) for choices in sample])
    random_cost = np.array([world.cost(choices) for choices in sample])
    best: dict[float, float] = {}
    single: list[Play] = []
    for limit in settings.limits:
        within = _within(cost, limit)
        if not within.any():
            raise SettingsError(f"No controller asked about a network that keeps {limit:g}. Give a higher --budget.")
        best[limit] = float(accuracy[within].max())
        random = float(np.where(_within(random_cost, limit), random_accuracy, 0.0).mean())
        single += [
            _judge(one, limit, best[limit], float(accuracy[within].min()), random, settings.budget)
            for one in asked
            if one.limit == limit
        ]
    order = {name: place for place, name in enumerate(settings.controllers)}
    single.sort(key=lambda one: order[one.controller])
    whole = hypervolume(accuracy, cost, settings.reference)
    fronts = [_judge_front(one, whole, settings) for one in asked if one.limit is None] if whole else []
    return SpacePlays(plays=Plays(single=tuple(single), front=tuple(fronts)), best=best)


def _judge(one: Asked, limit: float, best: float, worst: float, random: float, budget: int) -> Play:
    """Follow the best network found within the limit; before one is found, the worst that anybody found stands in."""
    within = _within(one.cost, limit)
    picks = np.maximum.accumulate(np.where(within, one.accuracy, worst)) if len(within) else np.array([worst])
    picks = np.concatenate([picks, np.full(max(0, budget - len(picks)), picks[-1])])
    return Play(
        controller=one.controller,
        limit=limit,
        seed=one.seed,
        regret=best - picks,
        report=picks,
        infeasible=~within,
        returns=(np.where(within, one.accuracy, 0.0) - random) / max(best - random, _ROUNDING),
        missed=np.zeros(budget, dtype=np.bool_),
        seconds=one.seconds,
    )


def _judge_front(one: Asked, whole: float, settings: BenchmarkSettings) -> FrontPlay:
    queries = min(FRONT_BUDGET, settings.budget)
    areas = np.array(
        [
            hypervolume(one.accuracy[:count], one.cost[:count], settings.reference)
            for count in np.minimum(np.arange(1, queries + 1), len(one.cost))
        ]
    )
    return FrontPlay(controller=one.controller, seed=one.seed, hypervolume=areas, share=areas / whole)


def _within(cost: FloatArray, limit: float) -> np.ndarray:
    return np.asarray(cost <= limit * (1 + _ROUNDING))
