"""What is searched: a space priced for one device, and who searches it."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from metamodel.interface import Predictor, Setting, network_factor
from nas.controllers.assistance import Assist, Assistance
from nas.controllers.comet import Comet, CometSettings
from nas.controllers.controller import Controller
from nas.controllers.encoding import Encoder, context_attributes
from nas.controllers.rivals import RIVALS
from nas.errors import PredictorError, SettingsError
from nas.limits.costs import Budget
from nas.limits.drawing import draw
from nas.limits.pricing import price_signals
from nas.limits.signals import COUNTED
from nas.networks.layers import network_layers
from nas.potentials.learned_potential import LearnedPotential
from nas.potentials.level_potential import LevelPotential
from nas.potentials.online_potential import OnlinePotential
from nas.potentials.potential import ExactPotential, Potential, by_potentials, exact_obstacle
from nas.searching.environment import SHARPNESS
from nas.searching.goals import Goals
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
    goals: Goals

    @property
    def shaping(self) -> tuple[int, ...]:
        """Which of the budget's signals have a potential."""
        return tuple(place for place, signal in enumerate(self.budget.signals) if signal.name in self.goals.shaping)


def pose(space: Space, predictor: Predictor, setting: Setting, goals: Goals) -> Problem:
    """Lay out a space and price it for one device.

    Raises:
        PredictorError: the predictor does not know what is asked, or its layers do not come to its networks.
        InfeasibleError: no network of the space keeps the limits.
        SettingsError: a signal of the user's that the search cannot plan with.
    """
    trellis = space_trellis(space)
    priced = price_signals(space, predictor, setting, goals.counted(predictor.targets), goals.own)
    limits = {limit.target: limit.value for limit in goals.limits}
    signals = [
        replace(signal, limit=limits[signal.name], factor=_factor(signal.name, space, predictor, setting, goals))
        if signal.name in limits
        else signal
        for signal in priced
    ]
    budget = Budget(trellis, signals)
    encoder = Encoder(trellis, context_attributes(setting.context), costs=len(budget.start))
    return Problem(space=space, trellis=trellis, budget=budget, encoder=encoder, goals=goals)


def _factor(name: str, space: Space, predictor: Predictor, setting: Setting, goals: Goals) -> float:
    """Find for how many times the prediction a limit is held; counts are no predictions.

    Raises:
        PredictorError: the predictor does not know how far off it is.
    """
    if not goals.confidence or name in COUNTED or name in goals.own_names:
        return 1.0
    layers = network_layers(space, space.manual())
    factor = network_factor(predictor, name, goals.confidence, layers, setting)
    if factor is None:
        raise PredictorError(
            f"The predictor does not know how far off its {name} of networks is on {setting.device or 'this device'} in "
            f"{goals.confidence:.0%} of cases: too few whole networks were measured. Search without --confidence."
        )
    return factor


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
        shaping = [make_potential(potential, problem.budget, signal=signal, seed=seed) for signal in problem.shaping]
        return Comet(problem.budget, problem.encoder, shaping, seed=seed, settings=settings)
    budget = problem.budget
    if assist is Assist.NONE:
        budget = Budget(problem.trellis, [replace(signal, limit=None) for signal in budget.signals])
    sharpness = SHARPNESS if assist is Assist.NEAR_BUDGET else 0
    given = Assistance(
        budget=budget,
        potential=counting_potential(budget, sharpness=sharpness),
        limit_ticks=int(problem.budget.limit_ticks[0]),
    )
    return RIVALS[name](given, problem.encoder, seed, queries)


def make_potential(name: str, budget: Budget, *, signal: int, seed: int) -> Potential:
    """Build the potential of one of a budget's signals by name; see :func:`potential_used` for what stands in."""
    match potential_used(name, budget.trellis):
        case PotentialName.LEARNED:
            return LearnedPotential(budget, sharpness=SHARPNESS, signal=signal, seed=seed)
        case PotentialName.ONLINE:
            return OnlinePotential(budget, sharpness=SHARPNESS, signal=signal, seed=seed)
        case _ if budget.limited[signal] and not budget.signals[signal].is_maximum:
            return ExactPotential(budget, sharpness=SHARPNESS, signal=signal)
        case _:
            return LevelPotential(budget, sharpness=SHARPNESS, signal=signal)


def potential_used(name: str, trellis: Trellis) -> PotentialName:
    """Name the potential that a space allows: where too much is carried to be tabulated, the learned one stands in."""
    known = PotentialName(name)
    if known is PotentialName.EXACT and exact_obstacle(trellis):
        return PotentialName.LEARNED
    return known


def notes(problem: Problem, potential: str) -> tuple[str, ...]:
    """Say what a search does otherwise than one might think."""
    found = [
        f"The limit on {signal.name} holds for {signal.factor:.3g} times what is predicted."
        for signal in problem.budget.signals
        if signal.factor != 1
    ]
    if potential_used(potential, problem.trellis) != potential:
        found.append(f"The potential is learned, not exact: {exact_obstacle(problem.trellis)}.")
    if problem.budget.thinned:
        found.append(
            "The limits together leave too many ways to finish to keep all: some networks within them are not looked at."
        )
    return tuple(found)


def counting_potential(budget: Budget, *, sharpness: int) -> Potential:
    """Build what networks are drawn by before anything is learned: near the first limit, or fairly with a sharpness of 0."""
    if exact_obstacle(budget.trellis):
        return LearnedPotential(budget, sharpness=sharpness, signal=budget.leading, seed=0)
    if budget.signals[budget.leading].is_maximum:
        return LevelPotential(budget, sharpness=sharpness, signal=budget.leading)
    return ExactPotential(budget, sharpness=sharpness)


def check_names(controller: str, potential: str) -> None:
    """Refuse unknown names before anything is computed.

    Raises:
        SettingsError: no controller, or no potential, of that name.
    """
    for kind, name, known in (("controller", controller, ControllerName), ("potential", potential, PotentialName)):
        if name not in set(known):
            raise SettingsError(f"No {kind} {name!r}. Known: {', '.join(known)}.")


def _drawing_potentials(problem: Problem, sharpness: int) -> list[Potential]:
    if sharpness != SHARPNESS or not problem.shaping:
        return [counting_potential(problem.budget, sharpness=sharpness)]
    return [make_potential(PotentialName.EXACT, problem.budget, signal=signal, seed=0) for signal in problem.shaping]


class Sampler:
    """Draws networks as the search does before it has learned anything: within the limits, and by all potentials.

    Args:
        problem: whose networks.
        seed: of the draws.
        sharpness: c; 0 draws fairly from all networks within the limit.
    """

    def __init__(self, problem: Problem, *, seed: int, sharpness: int = SHARPNESS) -> None:
        self._problem = problem
        self._potentials = _drawing_potentials(problem, sharpness)
        self._random = np.random.default_rng(seed)

    def state(self) -> str:
        """Say where the random stream stands."""
        return json.dumps(self._random.bit_generator.state)

    def restore(self, state: str) -> None:
        """Go on from where the random stream stood."""
        self._random.bit_generator.state = json.loads(state)

    def draw(self) -> Architecture:
        """Draw one network."""
        choices = draw(self._problem.budget, by_potentials(*self._potentials), 1, self._random)[0]
        return architecture_of(self._problem.space, choices)
