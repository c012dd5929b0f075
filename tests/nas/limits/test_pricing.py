from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest

from metamodel.interface import LayerCosts, NetworkCosts, Predictor, Setting
from nas.errors import PredictorError
from nas.limits.costs import Budget
from nas.limits.drawing import draw
from nas.limits.pricing import price_signals
from nas.networks.layers import network_layers
from nas.space import Space
from nas.trellis import architecture_of, space_trellis
from parsers.roofline import macs
from parsers.schema import Layer

ALL = ("latency", "energy", "power", "memory", "macs", "weights")


def test_a_network_costs_what_the_predictor_and_its_layers_say_of_it(
    space: Space, predictor: Predictor, setting: Setting
):
    trellis = space_trellis(space)
    budget = Budget(trellis, price_signals(space, predictor, setting, ALL))
    drawn = draw(budget, lambda _, mask: np.zeros(mask.shape), 50, np.random.default_rng(0))

    for choices in drawn.tolist():
        layers = network_layers(space, architecture_of(space, choices))
        whole = predictor.predict_network(layers, setting)
        latency, energy, power, memory, operations, weights = budget.costs(choices)

        assert (latency, energy) == pytest.approx((whole.latency_ms, whole.energy_mj))
        assert power == pytest.approx(np.max(whole.layers.power_mw))
        assert power >= (whole.power_mw or 0)
        assert (operations, weights) == (sum(map(macs, layers)), sum(one.weight_elements for one in layers))
        assert -1e-9 <= memory - (whole.memory_mb or 0) < 0.05


@dataclasses.dataclass
class Changed:
    """Another predictor whose answers are changed."""

    inner: Predictor
    targets: tuple[str, ...] = ("latency", "memory", "power", "energy")
    factor: float = 1.0
    layers_known: bool = True
    base_mb: float = 0.0

    def predict_layers(self, layers: Sequence[Layer], setting: Setting) -> LayerCosts:
        costs = self.inner.predict_layers(layers, setting)
        return (
            costs
            if self.layers_known
            else dataclasses.replace(costs, network_latency_ms=None, memory_mb=None, power_mw=None, energy_mj=None)
        )

    def predict_network(self, layers: Sequence[Layer], setting: Setting) -> NetworkCosts:
        costs = self.inner.predict_network(layers, setting)
        return dataclasses.replace(
            costs,
            latency_ms=(costs.latency_ms or 0) * self.factor,
            energy_mj=(costs.energy_mj or 0) * self.factor,
            memory_mb=(costs.memory_mb or 0) + self.base_mb * len(layers),
        )


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("latency", {"targets": ("memory",)}, "was fitted without latency; it knows memory"),
        ("energy", {"targets": ("latency",)}, "was fitted without energy; it knows latency"),
        ("latency", {"layers_known": False}, "gives no latency of layers on bench"),
        ("memory", {"layers_known": False}, "gives no memory of layers on bench"),
        ("latency", {"factor": 1.1}, "needs a predictor whose layers add up"),
        ("energy", {"factor": 1.1}, "needs a predictor whose layers add up"),
        ("memory", {"base_mb": 0.1}, "is not base . weights . largest activations"),
    ],
)
def test_a_predictor_that_cannot_price_a_space_is_refused(
    name: str, changes: dict[str, object], message: str, small_space: Space, predictor: Predictor, setting: Setting
):
    changed = dataclasses.replace(Changed(predictor), **changes)  # type: ignore[arg-type]

    with pytest.raises(PredictorError, match=message):
        price_signals(small_space, changed, setting, [name])


def test_without_a_predictor_of_anything_macs_and_weights_are_priced_all_the_same(
    small_space: Space, predictor: Predictor, setting: Setting
):
    changed = dataclasses.replace(Changed(predictor), targets=())

    priced = price_signals(small_space, changed, setting, ["weights", "macs"])

    assert [(one.name, one.unit, one.ticks_per_unit) for one in priced] == [("weights", "", 1.0), ("macs", "", 1.0)]


def test_what_is_infeasible_by_the_predictor_is_open_in_no_column(
    small_space: Space, predictor: Predictor, setting: Setting
):
    class Without5x5(Changed):
        def predict_layers(self, layers: Sequence[Layer], setting: Setting) -> LayerCosts:
            costs = self.inner.predict_layers(layers, setting)
            infeasible = np.array([one.kernel_height == 5 for one in layers])
            arrays = {
                item.name: np.where(infeasible, np.inf, getattr(costs, item.name)) for item in dataclasses.fields(costs)
            }
            return dataclasses.replace(costs, **arrays)

    trellis = space_trellis(small_space)
    for name in ("latency", "energy", "power", "memory"):
        priced = price_signals(small_space, Without5x5(predictor), setting, [name, "macs"])
        drawn = draw(Budget(trellis, priced), lambda _, mask: np.zeros(mask.shape), 100, np.random.default_rng(0))
        for choices in drawn.tolist():
            layers = network_layers(small_space, architecture_of(small_space, choices))
            assert all(one.kernel_height != 5 for one in layers)
