"""Controllers side by side on a table: every one searches under every limit with every seed, and is timed.

What is compared is the best network within the limit that was asked about so far, by the table's own figures. A query is
a distinct network: what a controller asks twice is not asked again. The scores are in ``nas.benchmark_scores``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from joblib import Parallel, delayed
from threadpoolctl import threadpool_limits

from nas.controllers.assistance import Assist, Assistance
from nas.controllers.comet import Comet
from nas.controllers.controller import Controller
from nas.controllers.evolution import Evolution
from nas.controllers.linear_thompson import LinearThompson
from nas.controllers.local_search import LocalSearch
from nas.controllers.random_search import RandomSearch
from nas.controllers.reinforce import Reinforce
from nas.controllers.scalarised_q import ScalarisedQ
from nas.environment import SHARPNESS
from nas.errors import SettingsError
from nas.learned_potential import LearnedPotential
from nas.problem import PotentialName
from nas.tables import Table, TablePotential, table_budget, table_encoder, table_trellis
from nas.train import Advance, reproducible
from nas.trellis import BoolArray, Choices, FloatArray

COMET = "comet"

RIVALS: dict[str, Callable[[Assistance, int, int], Controller]] = {
    "random": lambda given, seed, _: RandomSearch(given.budget, seed=seed, potential=given.potential),
    "evolution": lambda given, seed, budget: Evolution(given, seed=seed, budget=budget),
    "local-search": lambda given, seed, _: LocalSearch(given, seed=seed),
    "scalarised-q": lambda given, seed, _: ScalarisedQ(given, table_encoder(given.budget.trellis), seed=seed),
    "reinforce": lambda given, seed, _: Reinforce(given, seed=seed),
    "linear-thompson": lambda given, seed, _: LinearThompson(given, seed=seed),
}
"""Who searches beside AutoCoMET's own controller, from the assistance, a seed and the queries that it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkSettings:
    """Who searches how long; with the table, they decide every score but the times."""

    controllers: tuple[str, ...]
    """The first one is who the others are compared with."""
    limits: tuple[float, ...]
    """In the unit of the table's cost."""
    seeds: tuple[int, ...]
    budget: int
    """Distinct accuracy queries of each search."""
    assist: Assist = Assist.NONE
    """What rivals get of the predictor; AutoCoMET's mask and potential are part of it."""
    potential: PotentialName = PotentialName.EXACT
    """Of AutoCoMET."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Play:
    """One search; arrays have one entry per query."""

    controller: str
    limit: float
    seed: int
    regret: FloatArray
    """Points between the best network within the limit and the best one found so far."""
    report: FloatArray
    """Reported accuracy of the best one found so far, in percent."""
    infeasible: BoolArray
    """Whether the query was about a network beyond the limit."""
    seconds: FloatArray
    """Of drawing and learning."""


def check_benchmark(settings: BenchmarkSettings) -> None:
    """Refuse what cannot be before anything is computed.

    Raises:
        SettingsError: an unknown controller or one named twice, no seed, a budget below 1.
    """
    known = (COMET, *RIVALS)
    for name in settings.controllers:
        if name not in known:
            raise SettingsError(f"No controller {name!r} for a table. Known: {', '.join(known)}.")
    if len(set(settings.controllers)) < len(settings.controllers):
        raise SettingsError(f"A controller is named twice: {', '.join(settings.controllers)}. Name each once.")
    if not settings.seeds:
        raise SettingsError("No seed, no search. Give --seeds 1 or more.")
    if settings.budget < 1:
        raise SettingsError(f"A budget of {settings.budget} accuracy queries finds nothing. Give --budget 1 or more.")


def benchmark(table: Table, settings: BenchmarkSettings, *, workers: int, advance: Advance) -> tuple[Play, ...]:
    """Let every controller search under every limit with every seed, each search in one of ``workers`` processes.

    Raises:
        SettingsError: see :func:`check_benchmark`.
    """
    check_benchmark(settings)
    jobs = (
        delayed(play)(table, settings, controller=controller, limit=limit, seed=seed)
        for controller in settings.controllers
        for limit in settings.limits
        for seed in settings.seeds
    )
    plays: list[Play] = []
    for one in Parallel(n_jobs=workers, return_as="generator")(jobs):
        plays.append(one)
        advance(len(plays), f"{one.controller}, limit {one.limit:g}: {one.regret[-1]:.2f} points to the best")
    return tuple(plays)


def play(table: Table, settings: BenchmarkSettings, *, controller: str, limit: float, seed: int) -> Play:
    """Search once, until the budget is spent or nothing new is found; what was found last then stays the best."""
    _import_optimiser()
    with reproducible(seed, 1), threadpool_limits(limits=1, user_api="blas"):
        searcher = make_searcher(table, settings, controller=controller, limit=limit, seed=seed)
        asked: list[Choices] = []
        seconds: list[float] = []
        while len(asked) < settings.budget:
            begun = time.perf_counter()
            choices = searcher.propose()
            spent = time.perf_counter() - begun
            if choices is None:
                break
            accuracy = float(table.signal[choices]) / 100
            begun = time.perf_counter()
            searcher.learn(choices, accuracy)
            seconds.append(spent + time.perf_counter() - begun)
            asked.append(choices)
    regret, report = _best_so_far(table, asked, limit, settings.budget)
    within = table.within(limit)
    return Play(
        controller=controller,
        limit=limit,
        seed=seed,
        regret=regret,
        report=report,
        infeasible=np.array([not within[choices] for choices in asked], dtype=np.bool_),
        seconds=np.array(seconds),
    )


def make_searcher(table: Table, settings: BenchmarkSettings, *, controller: str, limit: float, seed: int) -> Controller:
    """Build a controller for one limit on a table."""
    trellis = table_trellis(table)
    limited = table_budget(table, trellis, limit)
    if controller == COMET:
        potential = (
            LearnedPotential(limited, sharpness=SHARPNESS, seed=seed)
            if settings.potential is PotentialName.LEARNED
            else TablePotential(limited, sharpness=SHARPNESS)
        )
        return Comet(limited, table_encoder(trellis), [potential], seed=seed)
    budget = table_budget(table, trellis, limit, masked=False) if settings.assist is Assist.NONE else limited
    sharpness = SHARPNESS if settings.assist is Assist.NEAR_BUDGET else 0
    given = Assistance(
        budget=budget,
        potential=TablePotential(budget, sharpness=sharpness),
        limit_ticks=int(limited.limit_ticks[0]),
    )
    return RIVALS[controller](given, seed, settings.budget)


def _import_optimiser() -> None:
    """Let torch import what it imports with a process's first step, so that no search's time holds it."""
    weight = torch.zeros(1, requires_grad=True)
    optimiser = torch.optim.Adam([weight])
    torch.autograd.backward(weight.sum())
    optimiser.step()


def _best_so_far(table: Table, asked: list[Choices], limit: float, budget: int) -> tuple[FloatArray, FloatArray]:
    """Follow the regret and the reported accuracy of the best network within the limit, shape (budget,) each.

    Before one is found, the worst network within the limit stands in: whoever has found nothing must take any.
    """
    within = table.within(limit)
    best = float(table.signal[within].max())
    worst = np.unravel_index(np.argmin(np.where(within, table.signal, np.inf)), table.signal.shape)
    pick: Choices = tuple(int(choice) for choice in worst)
    regret, report = np.empty(budget), np.empty(budget)
    for query in range(budget):
        if query < len(asked) and within[asked[query]] and table.signal[asked[query]] > table.signal[pick]:
            pick = asked[query]
        regret[query], report[query] = best - table.signal[pick], table.report[pick]
    return regret, report
