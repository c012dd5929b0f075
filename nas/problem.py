"""What is searched: a space priced for one device, and who searches it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from metamodel.interface import Predictor, Setting
from nas.controllers.assistance import Assist, Assistance
from nas.controllers.comet import Comet, CometSettings
from nas.controllers.controller import Controller
from nas.costs import Budget
from nas.drawing import draw
from nas.encoding import Encoder, context_attributes
from nas.environment import SHARPNESS
from nas.errors import SettingsError
from nas.learned_potential import LearnedPotential
from nas.online_potential import OnlinePotential
from nas.potential import ExactPotential, Potential
from nas.pricing import price_signals
from nas.rivals import RIVALS
from nas.signals import Limit
from nas.space import Architecture, Space
from nas.trellis import Trellis, architecture_of, space_trellis


class ControllerName(StrEnum):
    """Who searches."""

    COMET = "comet"
    COMET_LITERAL = "comet-literal"
    RANDOM = "random"
    EVOLUTION = "evolution"
    LOCAL_SEARCH = "local-search"
    SCALARISED_Q = "scalarised-q"
    REINFORCE = "reinforce"
    LINEAR_THOMPSON = "linear-thompson"
    TPE = "tpe"
    NSGA2 = "nsga2"


class PotentialName(StrEnum):
    """Where the shaping potential comes from."""

    EXACT = "exact"
    """Dynamic programming."""
    LEARNED = "learned"
    """A perceptron fitted to the same quantity beforehand."""
    ONLINE = "online"
    """The paper's: a perceptron that learns by SARSA while the search goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A space, laid out and priced."""

    space: Space
    trellis: Trellis
    budget: Budget
    encoder: Encoder


def pose(space: Space, predictor: Predictor, setting: Setting, limit: Limit) -> Problem:
    """Lay out a space and price it for one device.

    Raises:
        PredictorError: the predictor knows no latency, or its layers do not add up.
        InfeasibleError: no network of the space keeps the limit.
    """
    trellis = space_trellis(space)
    priced = price_signals(space, predictor, setting, [limit.target])
    budget = Budget(trellis, [replace(signal, limit=limit.value) for signal in priced])
    return Problem(
        space=space, trellis=trellis, budget=budget, encoder=Encoder(trellis, context_attributes(setting.context))
    )


def make_controller(
    name: str,
    problem: Problem,
    *,
    potential: str,
    seed: int,
    settings: CometSettings | None = None,
    assist: Assist = Assist.MASK,
    queries: int = 50,
) -> Controller:
    """Build a controller by name.

    Args:
        name: see :class:`ControllerName`.
        problem: what is searched.
        potential: of AutoCoMET's controller; see :class:`PotentialName`.
        seed: of everything random.
        settings: of AutoCoMET's controller.
        assist: how much of the predictor any other gets.
        queries: how many it will have; populations hang on it.

    Raises:
        SettingsError: no controller, or no potential, of that name.
    """
    check_names(name, potential)
    if name == ControllerName.COMET:
        shaping = make_potential(potential, problem.budget, seed=seed)
        return Comet(problem.budget, problem.encoder, [shaping], seed=seed, settings=settings)
    budget = problem.budget
    if assist is Assist.NONE:
        budget = Budget(problem.trellis, [replace(signal, limit=None) for signal in budget.signals])
    sharpness = SHARPNESS if assist is Assist.NEAR_BUDGET else 0
    given = Assistance(
        budget=budget,
        potential=ExactPotential(budget, sharpness=sharpness),
        limit_ticks=int(problem.budget.limit_ticks[0]),
    )
    return RIVALS[name](given, problem.encoder, seed, queries)


def make_potential(name: str, budget: Budget, *, seed: int) -> Potential:
    """Build a potential by name."""
    if name == PotentialName.LEARNED:
        return LearnedPotential(budget, sharpness=SHARPNESS, seed=seed)
    if name == PotentialName.ONLINE:
        return OnlinePotential(budget, sharpness=SHARPNESS, seed=seed)
    return ExactPotential(budget, sharpness=SHARPNESS)


def check_names(controller: str, potential: str) -> None:
    """Refuse unknown names before anything is computed.

    Raises:
        SettingsError: no controller, or no potential, of that name.
    """
    for kind, name, known in (("controller", controller, ControllerName), ("potential", potential, PotentialName)):
        if name not in set(known):
            raise SettingsError(f"No {kind} {name!r}. Known: {', '.join(known)}.")


class Sampler:
    """Draws networks as the search does before it has learned anything: within the limit, and near it.

    Args:
        problem: whose networks.
        seed: of the draws.
        sharpness: c; 0 draws uniformly from all networks within the limit.
    """

    def __init__(self, problem: Problem, *, seed: int, sharpness: int = SHARPNESS) -> None:
        self._problem = problem
        self._potential = ExactPotential(problem.budget, sharpness=sharpness)
        self._random = np.random.default_rng(seed)

    def state(self) -> str:
        """Say where the random stream stands."""
        return json.dumps(self._random.bit_generator.state)

    def restore(self, state: str) -> None:
        """Go on from where the random stream stood."""
        self._random.bit_generator.state = json.loads(state)

    def draw(self) -> Architecture:
        """Draw one network."""
        choices = draw(
            self._problem.budget,
            lambda at, _: self._potential.values(at.slot, at.nodes, at.spent),
            1,
            self._random,
        )[0]
        return architecture_of(self._problem.space, choices)
