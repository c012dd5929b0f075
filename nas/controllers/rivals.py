"""Who searches beside AutoCoMET's own controller: every rival by its name, each built from the same things."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Protocol

from nas.controllers.assistance import Assistance
from nas.controllers.comet_literal import CometLiteral
from nas.controllers.controller import Controller
from nas.controllers.encoding import Encoder
from nas.controllers.evolution import Evolution
from nas.controllers.linear_thompson import LinearThompson
from nas.controllers.local_search import LocalSearch
from nas.controllers.random_search import RandomSearch
from nas.controllers.reinforce import Reinforce
from nas.controllers.scalarised_q import ScalarisedQ


class Rival(Controller, Protocol):
    """A controller that can go on under another limit."""

    def aim(self, given: Assistance) -> None:
        """Go on with another assistance over the same trellis; what was learned stays."""
        ...


Build = Callable[[Assistance, Encoder, int, int], Rival]
"""Takes the assistance, what writes states, a seed, and how many queries there will be."""


def _tpe(given: Assistance, _encoder: Encoder, seed: int, _queries: int) -> Rival:
    from nas.controllers.tpe import TPE  # noqa: PLC0415 - Optuna loads slowly

    return TPE(given, seed=seed)


def _nsga2(given: Assistance, _encoder: Encoder, seed: int, queries: int) -> Rival:
    from nas.controllers.nsga2 import NSGA2  # noqa: PLC0415 - Optuna loads slowly

    return NSGA2(given, seed=seed, budget=queries)


RIVALS: Mapping[str, Build] = MappingProxyType(
    {
        "random": lambda given, _, seed, __: RandomSearch(given, seed=seed),
        "evolution": lambda given, _, seed, queries: Evolution(given, seed=seed, budget=queries),
        "local-search": lambda given, _, seed, __: LocalSearch(given, seed=seed),
        "comet-literal": lambda given, encoder, seed, _: CometLiteral(given, encoder, seed=seed),
        "scalarised-q": lambda given, encoder, seed, _: ScalarisedQ(given, encoder, seed=seed),
        "reinforce": lambda given, _, seed, __: Reinforce(given, seed=seed),
        "linear-thompson": lambda given, _, seed, __: LinearThompson(given, seed=seed),
        "tpe": _tpe,
        "nsga2": _nsga2,
    }
)
"""By name."""

LIMITLESS = frozenset({"nsga2"})
"""Who searches for a whole front at once, and needs no limits to find it."""
