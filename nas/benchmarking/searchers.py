"""Controllers on a table: built for a limit from a variant, and aimed at another limit on the way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from nas.benchmarking.table_layout import TablePotential, table_budget, table_encoder, table_trellis
from nas.benchmarking.variants import COMET, Variant
from nas.controllers.assistance import Assist, Assistance
from nas.controllers.comet import Comet
from nas.controllers.controller import Controller
from nas.controllers.rivals import RIVALS
from nas.datasets.tables import Table
from nas.limits.costs import Budget
from nas.potentials.learned_potential import LearnedPotential
from nas.potentials.online_potential import OnlinePotential
from nas.potentials.potential import Potential
from nas.searching.environment import SHARPNESS
from nas.searching.problem import PotentialName


@dataclass(frozen=True, slots=True, kw_only=True)
class Searcher:
    """A controller that searches a table."""

    controller: Controller
    aim: Callable[[float], None]
    """Lets it go on under another limit; what it learned stays."""


def make_searcher(table: Table, variant: Variant, *, limit: float, seed: int, queries: int) -> Searcher:
    """Build a controller for one limit on a table.

    Args:
        table: as the search sees it.
        variant: which controller, and how it is set.
        limit: the first one.
        seed: of everything random.
        queries: how many it will have.

    Raises:
        InfeasibleError: no network keeps the limit.
    """
    return (_comet if variant.controller == COMET else _rival)(table, variant, limit, seed, queries)


def _comet(table: Table, variant: Variant, limit: float, seed: int, _queries: int) -> Searcher:
    trellis = table_trellis(table)
    first = table_budget(table, trellis, limit)
    online = OnlinePotential(first, sharpness=SHARPNESS, seed=seed)

    @cache
    def under(value: float) -> tuple[Budget, Potential]:
        budget = table_budget(table, trellis, value)
        if variant.potential is PotentialName.LEARNED:
            return budget, LearnedPotential(budget, sharpness=SHARPNESS, seed=seed)
        if variant.potential is PotentialName.ONLINE:
            return budget, online
        return budget, TablePotential(budget, sharpness=SHARPNESS)

    def aim(value: float) -> None:
        budget, potential = under(value)
        online.budget = budget
        controller.aim(budget, [potential])

    budget, potential = under(limit)
    controller = Comet(budget, table_encoder(trellis), [potential], seed=seed, settings=variant.comet)
    return Searcher(controller=controller, aim=aim)


def _rival(table: Table, variant: Variant, limit: float, seed: int, queries: int) -> Searcher:
    trellis = table_trellis(table)
    sharpness = SHARPNESS if variant.assist is Assist.NEAR_BUDGET else 0

    @cache
    def under(value: float) -> Assistance:
        limited = table_budget(table, trellis, value)
        budget = table_budget(table, trellis, value, masked=False) if variant.assist is Assist.NONE else limited
        potential = TablePotential(budget, sharpness=sharpness)
        return Assistance(budget=budget, potential=potential, limit_ticks=int(limited.limit_ticks[0]))

    controller = RIVALS[variant.controller](under(limit), table_encoder(trellis), seed, queries)
    return Searcher(controller=controller, aim=lambda value: controller.aim(under(value)))
