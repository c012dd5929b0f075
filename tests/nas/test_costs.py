from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from metamodel.interface import LayerCosts, NetworkCosts, Predictor, Setting
from nas.costs import Budget, CostTable, Limit, PricedSignal, parse_limit
from nas.drawing import draw
from nas.errors import InfeasibleError, PredictorError, SettingsError
from nas.layers import network_layers
from nas.pricing import latency_table
from nas.space import Space
from nas.trellis import Choices, Trellis, architecture_of, space_trellis
from parsers.schema import Layer

MakeBudget = Callable[..., Budget]
EveryNetwork = Callable[[Trellis], list[Choices]]


def walk(budget: Budget, choices: Choices) -> bool:
    """Tell whether every choice of a network is offered on its way."""
    node, spent = 0, budget.start
    for slot, choice in enumerate(choices):
        if not budget.allowed(slot, np.array([node]), spent[None])[0, choice]:
            return False
        spent = budget.add(spent, budget.steps[slot][node, choice])
        node = int(budget.trellis.successors[slot][node, choice])
    return True


def test_a_network_costs_what_the_predictor_says_of_it(space: Space, predictor: Predictor, setting: Setting):
    trellis = space_trellis(space)
    table = latency_table(space, predictor, setting)
    budget = Budget(trellis, [PricedSignal(name="latency", unit="ms", tables=(table,), limit=30.0)])
    drawn = draw(budget, lambda _, mask: np.zeros(mask.shape), 50, np.random.default_rng(0))

    for choices in drawn.tolist():
        layers = network_layers(space, architecture_of(space, choices))

        assert table.total(trellis, choices) == pytest.approx(predictor.predict_network(layers, setting).latency_ms)


def test_the_mask_lets_through_exactly_the_networks_within_the_limit(small_budget: Budget, every_network: EveryNetwork):
    for choices in every_network(small_budget.trellis)[::7]:
        assert walk(small_budget, choices) == (small_budget.costs(choices)[0] <= 15.0)


def test_a_thousand_random_walks_meet_no_dead_end(small_budget: Budget):
    drawn = draw(small_budget, lambda _, mask: np.zeros(mask.shape), 1000, np.random.default_rng(1))

    totals = [small_budget.costs(choices)[0] for choices in drawn.tolist()]

    assert max(totals) <= 15.0


def test_a_network_that_costs_exactly_the_limit_keeps_it(puzzle: MakeBudget):
    budget = puzzle([[0.1, 0.4], [0.2, 0.5]], limit=0.75, start=0.25)

    allowed = [walk(budget, choices) for choices in ((0, 0), (0, 1), (1, 0), (1, 1))]

    assert allowed == [True, False, False, False]
    assert walk(puzzle([[0.125], [0.125]], limit=0.5, start=0.25), (0, 0))


def test_what_cannot_run_is_never_offered(puzzle: MakeBudget):
    budget = puzzle([[np.inf, 1.0], [1.0, np.inf]], limit=10.0)

    assert budget.allowed(0, np.array([0]), np.array([[0]])).tolist() == [[False, True]]
    assert budget.allowed(1, np.array([0]), np.array([[0]])).tolist() == [[True, False]]


def test_a_limit_that_no_network_keeps_is_met_with_the_lowest_possible(puzzle: MakeBudget):
    with pytest.raises(
        InfeasibleError, match="No network of the space keeps latency within 2 ms: the lowest"
    ) as caught:
        puzzle([[1.5, 1.0], [2.0, 3.0]], limit=2.0, start=0.5)

    assert caught.value.lowest == pytest.approx(3.5)


@pytest.mark.parametrize("text", ["latency=25ms", "latency=25", " latency = 25.0 ms "])
def test_a_limit_is_written_with_or_without_its_unit(text: str):
    assert parse_limit(text) == Limit(target="latency", value=25.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("25ms", "Cannot limit '25ms'"),
        ("beauty=3", "known costs: latency"),
        ("latency=fast", "has no number"),
        ("latency=25s", "has no number"),
        ("latency=0", "must be above zero"),
        ("latency=-1ms", "must be above zero"),
        ("latency=inf", "must be above zero"),
        ("latency=nan", "must be above zero"),
    ],
)
def test_a_limit_that_cannot_be_is_refused(text: str, message: str):
    with pytest.raises(SettingsError, match=message):
        parse_limit(text)


@dataclasses.dataclass
class Changed:
    """Another predictor whose answers are changed."""

    inner: Predictor
    targets: tuple[str, ...] = ("latency",)
    factor: float = 1.0
    layers_known: bool = True

    def predict_layers(self, layers: Sequence[Layer], setting: Setting) -> LayerCosts:
        costs = self.inner.predict_layers(layers, setting)
        return costs if self.layers_known else dataclasses.replace(costs, network_latency_ms=None)

    def predict_network(self, layers: Sequence[Layer], setting: Setting) -> NetworkCosts:
        costs = self.inner.predict_network(layers, setting)
        return dataclasses.replace(costs, latency_ms=(costs.latency_ms or 0) * self.factor)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"targets": ("memory",)}, "was fitted without latencies"),
        ({"layers_known": False}, "no latencies of layers"),
        ({"factor": 1.1}, "needs a predictor whose layers add up"),
    ],
)
def test_a_predictor_that_cannot_price_a_space_is_refused(
    changes: dict[str, object], message: str, small_space: Space, predictor: Predictor, setting: Setting
):
    with pytest.raises(PredictorError, match=message):
        latency_table(small_space, dataclasses.replace(Changed(predictor), **changes), setting)  # type: ignore[arg-type]


def test_a_total_is_the_start_the_choices_and_the_end():
    trellis = Trellis(
        successors=(np.array([[0, 1]]), np.array([[0], [0]])),
        backbone=(np.array([0]), np.array([0, 0])),
        attributes=(np.zeros((1, 2, 1)), np.zeros((2, 1, 1))),
        carried=(np.zeros((1, 1)), np.zeros((2, 1)), np.zeros((1, 1))),
    )
    table = CostTable(start=1.0, steps=(np.array([[2.0, 3.0]]), np.array([[10.0], [20.0]])), end=np.array([100.0]))

    assert [table.total(trellis, choices) for choices in ((0, 0), (1, 0))] == [113.0, 124.0]


def test_a_space_in_which_nothing_can_run_says_so_and_advises_no_limit(puzzle: MakeBudget):
    with pytest.raises(InfeasibleError) as caught:
        puzzle([[np.inf, np.inf], [2.0, 3.0]], limit=10.0)

    assert str(caught.value) == (
        "No network of the space can run here at all: the predictor knows each as infeasible. "
        "Choose another space or another device."
    )
