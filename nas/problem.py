"""What is searched: a space priced for one device, and who searches it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from metamodel.interface import Predictor, Setting
from nas.controllers.comet import Comet
from nas.controllers.controller import Controller
from nas.controllers.random_search import RandomSearch
from nas.costs import Budget, Limit, PricedSignal
from nas.drawing import draw
from nas.encoding import Encoder, context_attributes
from nas.environment import SHARPNESS
from nas.errors import SettingsError
from nas.learned_potential import LearnedPotential
from nas.potential import ExactPotential, Potential
from nas.pricing import latency_table
from nas.space import Architecture, Space
from nas.trellis import Trellis, architecture_of, space_trellis


class ControllerName(StrEnum):
    """Who searches."""

    COMET = "comet"
    RANDOM = "random"


class PotentialName(StrEnum):
    """Where the shaping potential comes from."""

    EXACT = "exact"
    """Dynamic programming."""
    LEARNED = "learned"
    """A perceptron fitted to the same quantity beforehand."""


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
    table = latency_table(space, predictor, setting)
    budget = Budget(trellis, [PricedSignal(name=limit.target, unit=limit.unit, tables=(table,), limit=limit.value)])
    return Problem(
        space=space, trellis=trellis, budget=budget, encoder=Encoder(trellis, context_attributes(setting.context))
    )


def make_controller(name: str, problem: Problem, *, potential: str, seed: int) -> Controller:
    """Build a controller by name.

    Raises:
        SettingsError: no controller, or no potential, of that name.
    """
    check_names(name, potential)
    if name == ControllerName.RANDOM:
        return RandomSearch(problem.budget, seed=seed)
    return Comet(problem.budget, problem.encoder, [make_potential(potential, problem.budget, seed=seed)], seed=seed)


def make_potential(name: str, budget: Budget, *, seed: int) -> Potential:
    """Build a potential by name."""
    if name == PotentialName.LEARNED:
        return LearnedPotential(budget, sharpness=SHARPNESS, seed=seed)
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
