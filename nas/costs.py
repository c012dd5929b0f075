"""What every decision costs, and which decisions can still end within a limit.

Costs come from the predictor once, before the search: one figure per node and choice, since a network's latency is the
sum of its layers' shares. Limits are held in whole numbers (ticks of 1e-9 units), so that a sum does not depend on the order in
which it was made: a choice is offered only if the cheapest way to finish keeps the limit, and then there is always a way.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from metamodel.interface import LayerCosts, Predictor, Setting
from nas.errors import InfeasibleError, PredictorError, SettingsError
from nas.layers import head_layers, network_layers, slot_layers, stem_layers
from nas.space import Space
from nas.trellis import NOWHERE, BoolArray, FloatArray, IntArray, Trellis
from parsers.schema import Layer

UNITS = {"latency": "ms"}
"""Costs that can be limited, and the unit of their limits."""

_TICKS_PER_UNIT = 1e9
_ROUNDING = 0.01
"""Ticks that a product of floats may be off, so that 0.3 ms is 300,000,000 ticks and not one more."""
_BLOCKED = 1 << 53
"""More ticks than any limit holds, few enough that hundreds of them add up without overflow."""
_LARGEST = 1e6
"""Limits from here on are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The most that a network may cost."""

    target: str
    value: float
    """In the target's unit."""

    @property
    def unit(self) -> str:
        """The unit of :attr:`value`."""
        return UNITS[self.target]


@dataclass(frozen=True, slots=True, kw_only=True)
class CostTable:
    """One kind of cost over a trellis, in its unit; infinite where a choice does not fit or cannot run."""

    start: float
    """What every network costs before its first slot."""
    steps: tuple[FloatArray, ...]
    """Per slot: shape (N_t, A_t)."""
    end: FloatArray
    """What is added behind the last slot, shape (N_T,)."""

    def total(self, trellis: Trellis, choices: Sequence[int]) -> float:
        """Add up what a finished network costs."""
        path = trellis.path(choices)
        inner = sum(float(self.steps[slot][path[slot], choice]) for slot, choice in enumerate(choices))
        return self.start + inner + float(self.end[path[-1]])


def parse_limit(text: str) -> Limit:
    """Read ``latency=25ms`` (the unit may be left out).

    Raises:
        SettingsError: another form, an unknown cost, or a limit that is not positive.
    """
    target, _, written = (part.strip() for part in text.partition("="))
    if target not in UNITS:
        raise SettingsError(f"Cannot limit {target!r}. Write a limit as latency=25ms; known costs: {', '.join(UNITS)}.")
    try:
        value = float(written.removesuffix(UNITS[target]))
    except ValueError as exc:
        raise SettingsError(f"The limit {text!r} has no number. Write it as {target}=25{UNITS[target]}.") from exc
    if not 0 < value < _LARGEST:
        raise SettingsError(f"The limit {text!r} must be above zero and below {_LARGEST:g} {UNITS[target]}.")
    return Limit(target=target, value=value)


def latency_table(space: Space, predictor: Predictor, setting: Setting) -> CostTable:
    """Price every decision of a space by its share of the network's latency, in milliseconds.

    Every layer configuration is predicted once. That the shares add up to what the predictor says of a whole network is
    checked on the backbone.

    Raises:
        PredictorError: the predictor knows no latency, or its layers' shares do not add up.
    """
    if "latency" not in predictor.targets:
        raise PredictorError("The predictor was fitted without latencies. Fit one on a table that has execution times.")
    states = space.states()
    slots = range(len(space.slots))
    prices = _prices(
        [
            *stem_layers(space),
            *(
                layer
                for index in slots
                for carried in states[index]
                for choice in space.slots[index].choices
                if space.follow(index, carried, choice) is not None
                for layer in slot_layers(space, index, carried, choice)
            ),
            *(layer for carried in states[-1] for layer in head_layers(space, carried)),
        ],
        predictor,
        setting,
    )

    def price(layers: Sequence[Layer]) -> float:
        return sum(prices[layer.key] for layer in layers)

    steps = tuple(
        np.array(
            [
                [
                    np.inf
                    if space.follow(index, carried, choice) is None
                    else price(slot_layers(space, index, carried, choice))
                    for choice in space.slots[index].choices
                ]
                for carried in states[index]
            ]
        )
        for index in slots
    )
    _check_sum(price(network_layers(space, space.manual())), space, predictor, setting)
    return CostTable(
        start=price(stem_layers(space)),
        steps=steps,
        end=np.array([price(head_layers(space, carried)) for carried in states[-1]]),
    )


def _prices(layers: Sequence[Layer], predictor: Predictor, setting: Setting) -> dict[str, float]:
    unique = {layer.key: layer for layer in layers}
    costs: LayerCosts = predictor.predict_layers(tuple(unique.values()), setting)
    if costs.network_latency_ms is None:
        raise PredictorError("The predictor gives no latencies of layers. Fit one on a table that has execution times.")
    return dict(zip(unique, (float(cost) for cost in costs.network_latency_ms), strict=True))


def _check_sum(total_ms: float, space: Space, predictor: Predictor, setting: Setting) -> None:
    whole_ms = predictor.predict_network(network_layers(space, space.manual()), setting).latency_ms
    if whole_ms is None or not np.isclose(total_ms, whole_ms, rtol=1e-9):
        raise PredictorError(
            f"The predictor's layers add up to {total_ms:.6g} ms, but it gives their network {whole_ms} ms. "
            "The search needs a predictor whose layers add up."
        )


class Budget:
    """One limit over a trellis: what is spent, what is left, and which choices can still end within it."""

    def __init__(self, trellis: Trellis, costs: CostTable, limit: Limit) -> None:
        """Find the cheapest completion of every node, backwards from the last slot.

        Raises:
            InfeasibleError: no network keeps the limit.
        """
        self.trellis, self.costs, self.limit = trellis, costs, limit
        self.limit_ticks = math.floor(limit.value * _TICKS_PER_UNIT + _ROUNDING)
        self.start = int(_ticks(np.array([costs.start]))[0])
        self.steps = tuple(_ticks(step) for step in costs.steps)
        self.end = _ticks(costs.end)
        cheapest = [self.end]
        for step, successor in zip(reversed(self.steps), reversed(trellis.successors), strict=True):
            cheapest.append(np.min(_through(step, successor, cheapest[-1]), axis=1))
        self.cheapest: tuple[IntArray, ...] = tuple(reversed(cheapest))
        """Per slot and behind the last one: ticks of the cheapest completion, shape (N_t,)."""
        if self.start + int(self.cheapest[0][0]) > self.limit_ticks:
            lowest = costs.start + _cheapest_cost(trellis, costs)
            raise InfeasibleError(limit.target, limit=limit.value, lowest=lowest, unit=limit.unit)

    def allowed(self, slot: int, nodes: IntArray, spent: IntArray) -> BoolArray:
        """Tell which choices can still end within the limit.

        Args:
            slot: which decision.
            nodes: where n networks stand, shape (n,).
            spent: ticks that they have cost so far, shape (n,).

        Returns:
            Shape (n, A_t).
        """
        through = _through(self.steps[slot], self.trellis.successors[slot], self.cheapest[slot + 1])
        return np.asarray(spent[:, None] + through[nodes] <= self.limit_ticks)

    def share(self, ticks: IntArray) -> FloatArray:
        """Give ticks as a share of the limit."""
        return np.asarray(ticks / self.limit_ticks)


def _ticks(costs: FloatArray) -> IntArray:
    """Round costs up to whole ticks."""
    ticks = np.ceil(np.minimum(costs * _TICKS_PER_UNIT - _ROUNDING, _BLOCKED))
    return np.asarray(ticks, dtype=np.int64)


def _through(step: IntArray, successor: IntArray, cheapest_next: IntArray) -> IntArray:
    """Give the cheapest completion through every choice, shape (N_t, A_t)."""
    rest = np.where(successor == NOWHERE, _BLOCKED, cheapest_next[successor])
    return np.asarray(np.minimum(step + rest, _BLOCKED))


def _cheapest_cost(trellis: Trellis, costs: CostTable) -> float:
    """Give the cheapest network's cost behind its start, in the cost's unit."""
    cheapest = costs.end
    for step, successor in zip(reversed(costs.steps), reversed(trellis.successors), strict=True):
        rest = np.where(successor == NOWHERE, np.inf, cheapest[successor])
        cheapest = np.min(step + rest, axis=1)
    return float(cheapest[0])
