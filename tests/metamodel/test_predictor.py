from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from metamodel.correction import Correction, between_bytes
from metamodel.interface import Predictor, Setting, load_predictor, network_factor
from metamodel.predictor import TrainedPredictor


@pytest.fixture
def predictor(lab_artefact):
    return TrainedPredictor(lab_artefact)


@pytest.fixture
def infeasible(bench):
    """The layer that the lab's phone had no memory for."""
    return bench.convolution(4096, in_channels=4096)


def test_the_loaded_predictor_is_what_the_search_was_promised(lab_model):
    predictor: Predictor = load_predictor(lab_model)

    assert predictor.targets == ("latency", "throughput", "memory")


def test_unseen_layers_are_predicted_near_the_law(predictor, bench, setting):
    bench.random = np.random.default_rng(99)
    layers = bench.layers(100)

    predicted = predictor.predict_layers(layers, setting).latency_ms

    truth = np.array([bench.true_latency_ms(layer, setting.context) for layer in layers])
    assert np.median(np.abs(predicted / truth - 1)) < 0.1


def test_a_slower_context_is_predicted_slower(predictor, bench, setting):
    layers = bench.layers(30)

    fast = predictor.predict_layers(layers, setting).latency_ms
    slow = predictor.predict_layers(layers, replace(setting, context=bench.slow_phone)).latency_ms

    assert np.median(slow / fast) > 2


def test_costs_come_in_the_layers_order_and_repeated_layers_cost_the_same(predictor, bench, setting):
    first, second = bench.layers(2)

    costs = predictor.predict_layers([first, second, first], setting)

    alone = [predictor.predict_layers([layer], setting).latency_ms[0] for layer in (first, second, first)]
    assert costs.latency_ms.tolist() == alone


def test_a_layer_is_computed_once_per_setting(predictor, bench, setting, monkeypatch):
    layers = bench.layers(5)
    predictor.predict_layers(layers, setting)

    def refuse(*arguments):
        raise AssertionError(f"computed again: {arguments}")

    monkeypatch.setattr(TrainedPredictor, "_predict", refuse)

    predictor.predict_network(layers + layers, setting)
    with pytest.raises(AssertionError, match="computed again"):
        predictor.predict_layers(layers, replace(setting, threads=2))


def test_a_network_costs_the_sum_of_its_layers_shares_on_a_device_whose_networks_were_measured(
    predictor, lab_artefact, bench, setting
):
    layers = bench.layers(10)

    costs = predictor.predict_network(layers, setting)

    (correction,) = lab_artefact.manifest.corrections
    own_ms = costs.layers.latency_ms
    expected = sum(
        correction.per_time * time_ms + correction.per_node_ms + correction.per_byte_ms * between_bytes(layer)
        for time_ms, layer in zip(own_ms, layers, strict=True)
    )
    assert costs.latency_ms == pytest.approx(expected)
    assert costs.latency_ms == pytest.approx(costs.layers.network_latency_ms.sum())
    assert costs.latency_ms > own_ms.sum()


@pytest.mark.parametrize("device", [None, "slow-phone", "never-heard-of"])
def test_layers_add_up_uncorrected_where_no_network_was_measured(predictor, bench, setting, device):
    layers = bench.layers(10)

    costs = predictor.predict_network(layers, replace(setting, device=device))

    assert costs.latency_ms == pytest.approx(costs.layers.latency_ms.sum())


def test_memory_is_base_and_weights_and_the_largest_layers_activations(predictor, lab_artefact, bench, setting):
    small, large = bench.gemm(10, 5), bench.gemm(1000, 500)
    weights_bytes, largest_bytes = 4 * (55 + 500_500), 4 * 1500
    (base_mb,) = {seen.memory_base_mb for seen in lab_artefact.manifest.settings if seen.device == "phone"}

    costs = predictor.predict_network([small, large], setting)

    assert base_mb == pytest.approx(2.0, abs=0.1)
    assert costs.memory_mb == pytest.approx(base_mb + (weights_bytes + largest_bytes) / 1e6)


def test_memory_counts_the_live_activations_where_the_graph_tells_them(predictor, bench, setting):
    layers = [bench.gemm(10, 5)]

    known, unknown = (predictor.predict_network(layers, setting, live_elements=live) for live in (1_000_015, None))

    assert known.memory_mb - unknown.memory_mb == pytest.approx(4.0)


def test_what_the_tables_do_not_hold_is_not_predicted(predictor, bench, setting):
    costs = predictor.predict_network(bench.layers(3), setting)

    assert (costs.power_mw, costs.energy_mj, costs.layers.power_mw, costs.layers.energy_mj) == (None, None, None, None)


def test_a_known_member_of_b_is_infinite_in_every_response_and_so_is_its_network(predictor, bench, setting, infeasible):
    (feasible,) = bench.layers(1)

    costs = predictor.predict_network([feasible, infeasible], setting)

    assert np.isfinite(costs.layers.latency_ms).tolist() == [True, False]
    assert np.isfinite(costs.layers.memory_mb).tolist() == [True, False]
    assert (costs.latency_ms, costs.memory_mb) == (math.inf, math.inf)


def test_b_belongs_to_its_context_not_to_the_layer(predictor, bench, setting, infeasible):
    elsewhere = predictor.predict_layers([infeasible], replace(setting, context=bench.slow_phone))

    assert np.isfinite(elsewhere.latency_ms).all()


def test_a_network_without_layers_costs_nothing_but_its_base(predictor, setting):
    costs = predictor.predict_network([], setting)

    assert costs.latency_ms == 0.0
    assert costs.layers.latency_ms.shape == (0,)
    assert costs.memory_mb == pytest.approx(2.0, abs=0.1)


def test_an_unknown_kind_of_layer_on_an_unknown_phone_is_predicted_without_complaint(predictor, bench, setting):
    strange = replace(bench.gemm(10, 5), type="Einsum", precision="float8")
    context = replace(setting.context, core_part="0xfff", peak_gflops=None, memory_bw_gbs=None)

    costs = predictor.predict_layers([strange], Setting(context=context, provider="npu"))

    assert (costs.latency_ms > 0).all()


def test_a_networks_interval_is_by_the_devices_own_factor_where_it_has_one(lab_artefact, bench, setting):
    (correction,) = lab_artefact.manifest.corrections
    assert correction.network_factor is None
    manifest = replace(lab_artefact.manifest, corrections=(replace(correction, network_factor=1.5),))
    predictor = TrainedPredictor(replace(lab_artefact, manifest=manifest))
    layers = bench.layers(3)

    own = predictor.predict_network(layers, setting)
    elsewhere = predictor.predict_network(layers, replace(setting, device="slow-phone"))

    assert own.latency_interval_ms == pytest.approx((own.latency_ms / 1.5, own.latency_ms * 1.5))
    assert elsewhere.latency_interval_ms is None


def test_a_networks_factor_is_that_of_measured_networks_else_the_upper_end_of_its_interval(
    lab_artefact, bench, setting
):
    (correction,) = lab_artefact.manifest.corrections
    seen = correction.networks[0]
    measured = tuple(
        replace(seen, network=f"net-{number}", wall_ms=1.0 + number / 10, unseen_ms=1.0) for number in range(19)
    )
    many = replace(correction, networks=measured, network_factor=3.0)
    few = replace(correction, network_factor=1.5)
    layers = bench.layers(3)

    def factor(fit: Correction, level: float, target: str = "latency") -> float | None:
        manifest = replace(lab_artefact.manifest, corrections=(fit,))
        predictor = TrainedPredictor(replace(lab_artefact, manifest=manifest))
        return network_factor(predictor, target, level, layers, setting)

    assert factor(many, 0.9) == pytest.approx(2.7)
    assert factor(many, 0.95) == pytest.approx(2.8)
    assert factor(few, 0.9) == pytest.approx(1.5)
    assert factor(few, 0.95) is None
    assert factor(correction, 0.9) is None
    assert factor(many, 0.9, "energy") is None
    assert network_factor(OnlyAddsUp(), "latency", 0.9, layers, setting) is None


class OnlyAddsUp:
    """A predictor that does not know how far off it is."""

    targets: tuple[str, ...] = ("latency",)

    def predict_layers(self, layers, setting): ...

    def predict_network(self, layers, setting): ...
