from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from metamodel.interface import Predictor, Setting
from nas.errors import SettingsError
from nas.limits.costs import Budget
from nas.limits.pricing import price_signals
from nas.limits.user_signal import UserSignal, load_user_signals, signal_names
from nas.networks.layers import network_layers
from nas.space import Space
from nas.trellis import Choices, Trellis, architecture_of, space_trellis

EveryNetwork = Callable[[Trellis], list[Choices]]


def layers_with_weights(_blocks: list[object], layers: list[dict[str, object]]) -> float:
    return float(sum("weight_elements" in layer for layer in layers))


def widest_layer(_blocks: list[object], layers: list[dict[str, int]]) -> float:
    return float(max((layer["channels"] for layer in layers), default=0))


def blocks_of_5x5(blocks: list[dict[str, int] | None], _layers: list[object]) -> float:
    return float(sum(block is not None and block["kernel_size"] == 5 for block in blocks))


def mean_width(_blocks: list[object], layers: list[dict[str, int]]) -> float:
    return sum(layer["channels"] for layer in layers) / max(len(layers), 1)


def priced(space: Space, predictor: Predictor, setting: Setting, compute: Callable[..., float]) -> Budget:
    signal = UserSignal(name="own", compute=compute)
    return Budget(space_trellis(space), price_signals(space, predictor, setting, ["own"], [signal]))


@pytest.mark.parametrize(
    ("compute", "is_maximum"), [(layers_with_weights, False), (blocks_of_5x5, False), (widest_layer, True)]
)
def test_a_cost_of_the_users_is_planned_with_as_a_sum_or_a_maximum_whichever_it_is(
    compute: Callable[..., float],
    is_maximum: bool,
    small_space: Space,
    predictor: Predictor,
    setting: Setting,
    every_network: EveryNetwork,
):
    signal = UserSignal(name="own", compute=compute)
    budget = priced(small_space, predictor, setting, compute)
    trellis = budget.trellis

    assert budget.signals[0].is_maximum is is_maximum
    for choices in every_network(trellis)[::97]:
        architecture = architecture_of(small_space, choices)
        assert budget.costs(choices) == (signal.cost(architecture, network_layers(small_space, architecture)),)


def test_a_cost_that_is_neither_can_be_the_primary_signal_alone(
    small_space: Space, predictor: Predictor, setting: Setting
):
    with pytest.raises(SettingsError, match="own of a network is neither the sum nor the largest over its pieces"):
        priced(small_space, predictor, setting, mean_width)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "own gives None for .* layers, which is no number"),
        (float("nan"), "own gives not a number"),
        (-1.0, "own gives -1 for .* layers: a cost is at least 0"),
    ],
)
def test_what_is_no_cost_is_refused(
    given: object, message: str, small_space: Space, predictor: Predictor, setting: Setting
):
    with pytest.raises(SettingsError, match=message):
        priced(small_space, predictor, setting, lambda *_: given)  # type: ignore[arg-type,return-value]


def test_as_the_primary_signal_a_value_lies_between_0_and_1(small_space: Space):
    manual = small_space.manual()

    assert UserSignal(name="own", compute=lambda blocks, _: 0.1 * len(blocks)).quality(small_space, manual) == 0.4
    with pytest.raises(
        SettingsError, match=r"own gives 73\.2 for a network: as the primary signal it must be in 0 to 1"
    ):
        UserSignal(name="own", compute=lambda *_: 73.2).quality(small_space, manual)


def test_a_signal_is_loaded_by_the_name_of_its_function(tmp_path: Path):
    (tmp_path / "flash_costs.py").write_text("def reads(blocks, layers):\n    return len(layers)\n")
    reference = f"{tmp_path / 'flash_costs.py'}:reads"

    (signal,) = load_user_signals([reference])

    assert signal.name == "reads"
    assert signal.cost((), ()) == 0.0
    assert signal_names([reference, "module:other"]) == ("reads", "other")


@pytest.mark.parametrize(
    ("references", "message"),
    [
        (["no_such_module:reads"], "no_such_module"),
        (["nas.limits.signals:energy"], "there is a signal 'energy' already"),
        (
            ["nas.limits.signals:parse_limit", "nas.searching.goals:parse_limit"],
            "there is a signal 'parse_limit' already",
        ),
    ],
)
def test_a_function_that_is_not_there_or_whose_name_is_taken_is_refused(references: list[str], message: str):
    with pytest.raises(SettingsError, match=message):
        load_user_signals(references)
