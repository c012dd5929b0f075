from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from metamodel.correction import Correction, between_bytes, fit_corrections, upper_factor
from metamodel.features import evicted_mb
from metamodel.rows import Reject, select_rows
from parsers.schema import Origin, Scope

TIMES = (0.9, 0.015, 3e-8)  # a, b in ms per node, c in ms per byte


def no_prediction(layers, setting):  # noqa: ARG001 - the signature of a predictor
    assert not layers
    return np.zeros(0)


@pytest.fixture
def measured(bench):
    """Networks of very different make-up: the same isolated times, walls by TIMES."""

    def build(count, *, noise=0.0):
        rows = []
        for number in range(count):
            name, layers = f"net-{number}", bench.layers(5 + 10 * number)
            alone = [bench.row(layer, noise=0.0) for layer in dict.fromkeys(layers)]
            time_ms = {row.layer: row.measurement.execution_time_ms for row in alone}
            a, b, c = TIMES
            wall_ms = sum(a * time_ms[layer] + b + c * between_bytes(layer) for layer in layers)
            rows += alone + bench.in_network_rows(name, layers, wall_ms * (1 + noise * (-1) ** number))
        return select_rows([bench.frame(rows)])

    return build


def test_a_law_of_time_nodes_and_bytes_is_found_and_explains_networks_it_was_not_fitted_to(measured):
    (correction,) = fit_corrections(measured(12), no_prediction)

    assert (correction.device, correction.provider, correction.threads) == ("phone", "cpu", 1)
    errors = [abs(fit.held_out_ms / fit.wall_ms - 1) for fit in correction.networks]
    assert max(errors) < 0.05
    raw = [abs(fit.sum_ms / fit.wall_ms - 1) for fit in correction.networks]
    assert np.mean(errors) < np.mean(raw) / 3


def test_a_layers_share_is_a_times_its_time_plus_b_plus_c_times_its_bytes(bench):
    layers = [bench.gemm(10, 5), bench.gemm(100, 50)]
    correction = Correction(
        device="phone",
        provider="cpu",
        threads=1,
        per_time=2.0,
        per_node_ms=0.5,
        per_byte_ms=0.01,
        networks=(),
        network_factor=None,
    )

    shares = correction.shares(np.array([1.0, 3.0]), layers)

    np.testing.assert_allclose(shares, [2.0 + 0.5 + 0.01 * 60, 6.0 + 0.5 + 0.01 * 600])


def test_one_network_moves_the_identity_most_of_the_way_and_has_no_held_out_error(bench):
    (layer,) = bench.layers(1)
    alone = bench.row(layer)
    sum_ms = alone.measurement.execution_time_ms
    rows = select_rows([bench.frame([alone, *bench.in_network_rows("net", [layer], wall_ms=2 * sum_ms)])])

    (correction,) = fit_corrections(rows, no_prediction)

    (fit,) = correction.networks
    assert fit.sum_ms == pytest.approx(sum_ms)
    assert 1.6 * sum_ms < fit.corrected_ms < 2 * sum_ms
    assert fit.held_out_ms is None


def test_a_correction_of_one_network_is_the_ridge_solution_worked_by_hand(bench):
    # S = 1 and W = 2. In the solver's units nodes and bytes each explain W at coefficient 1, so the row is x = (1/2, 1, 1),
    # and the ridge pulls (a, β, γ) to (1, 0, 0) with weight 1. The residual there is r = 1 − 1/2; the minimum lies along
    # x, at r / (1 + |x|²) = 0.5 / 3.25.
    layer = bench.gemm(10, 5)
    rows = [bench.row(layer, execution_time_ms=1.0), *bench.in_network_rows("net", [layer], wall_ms=2.0)]

    (correction,) = fit_corrections(select_rows([bench.frame(rows)]), no_prediction)

    step = 0.5 / 3.25
    assert correction.per_time == pytest.approx(1 + 0.5 * step)
    assert correction.per_node_ms == pytest.approx(step * 2.0)
    assert correction.per_byte_ms == pytest.approx(step * 2.0 / 60)


def test_no_coefficient_is_negative_even_where_networks_are_faster_than_their_layers(bench):
    rows = []
    for number in range(4):
        layers = bench.layers(6)
        alone = [bench.row(layer) for layer in dict.fromkeys(layers)]
        wall_ms = 0.3 * sum(row.measurement.execution_time_ms for row in alone)
        rows += alone + bench.in_network_rows(f"net-{number}", layers, wall_ms)

    (correction,) = fit_corrections(select_rows([bench.frame(rows)]), no_prediction)

    assert min(correction.per_time, correction.per_node_ms, correction.per_byte_ms) >= 0
    assert correction.per_time == pytest.approx(0.3, abs=0.05)


def test_a_layer_without_an_isolated_row_is_predicted_and_counted(bench):
    known, unknown = bench.layers(2)
    rows = [bench.row(known, execution_time_ms=1.0), *bench.in_network_rows("net", [known, unknown], wall_ms=9.0)]
    asked = []

    def predict(layers, setting):
        asked.append((tuple(layers), setting))
        return np.array([7.0])

    (correction,) = fit_corrections(select_rows([bench.frame(rows)]), predict)

    (fit,) = correction.networks
    ((layers, seen_by_it),) = asked
    assert layers == (unknown,)
    assert (seen_by_it.device, seen_by_it.evicted_mb) == ("phone", evicted_mb([known, unknown], bench.phone))
    assert (fit.layers, fit.predicted_layers, fit.sum_ms) == (2, 1, 8.0)


def test_isolated_rows_of_another_setting_do_not_stand_in(bench):
    (layer,) = bench.layers(1)
    elsewhere = bench.row(layer, context=bench.slow_phone, device="phone", execution_time_ms=50.0)
    rows = [elsewhere, *bench.in_network_rows("net", [layer], wall_ms=2.0)]

    (correction,) = fit_corrections(select_rows([bench.frame(rows)]), lambda *asked: np.array([1.0]))  # noqa: ARG005

    assert correction.networks[0].sum_ms == 1.0


def test_networks_without_a_wall_time_fit_nothing(bench):
    (layer,) = bench.layers(1)
    rows = [bench.row(layer), *bench.in_network_rows("net", [layer], wall_ms=None)]

    assert fit_corrections(select_rows([bench.frame(rows)]), no_prediction) == ()


def test_without_whole_networks_there_is_no_correction(bench):
    rows = select_rows([bench.frame([bench.row(layer) for layer in bench.layers(3)])])

    assert fit_corrections(rows, no_prediction) == ()


@pytest.fixture
def published(bench):
    """A network's operators as somebody timed them within it, and its end-to-end time; every row is of the setting asked for."""

    def build(name, layers, times_ms, wall_ms, *, campaign="theirs", precision="float32", threads=1):
        rows = [
            bench.row(layer, networks=[name], execution_time_ms=time_ms)
            for layer, time_ms in zip(layers, times_ms, strict=True)
        ]
        end = bench.row(layers[0], networks=[name], execution_time_ms=wall_ms, network_wall_ms=wall_ms)
        operators = [of_theirs(row, Scope.IN_NETWORK, campaign) for row in rows]
        end = of_theirs(end, Scope.NETWORK, campaign, threads=threads)
        return [*operators, replace(end, layer=replace(end.layer, precision=precision))]

    return build


def of_theirs(row, scope, campaign, *, threads=1):
    return replace(
        row,
        execution=replace(row.execution, scope=scope, threads=threads),
        provenance=replace(row.provenance, origin=Origin.IMPORTED, campaign=campaign),
    )


def test_published_operators_explain_their_networks_published_end_to_end_time(bench, published):
    rows = []
    for number in range(12):
        layers = bench.layers(5 + 10 * number)
        times_ms = [bench.true_latency_ms(layer, bench.phone) for layer in layers]
        a, b, c = TIMES
        wall_ms = sum(a * time + b + c * between_bytes(layer) for time, layer in zip(times_ms, layers, strict=True))
        rows += published(f"net-{number}", layers, times_ms, wall_ms)

    (correction,) = fit_corrections(select_rows([bench.frame(rows)]), no_prediction)

    assert [fit.layers for fit in correction.networks] == [5 + 10 * number for number in range(12)]
    errors = [abs(fit.held_out_ms / fit.wall_ms - 1) for fit in correction.networks]
    raw = [abs(fit.sum_ms / fit.wall_ms - 1) for fit in correction.networks]
    assert np.mean(errors) < np.mean(raw) / 3


def test_a_layer_that_a_published_network_holds_twice_counts_twice(bench, published):
    (layer,) = bench.layers(1)
    rows = published("net", [layer, layer], [1.0, 1.1], 3.0)

    (correction,) = fit_corrections(select_rows([bench.frame(rows)]), no_prediction)

    (fit,) = correction.networks
    assert (fit.network, fit.layers, fit.sum_ms, fit.wall_ms) == ("net", 2, 2.1, 3.0)


def test_a_network_that_was_published_twice_is_observed_twice_and_never_added_up(bench, published):
    layers = bench.layers(2)
    rows = published("net", layers, [1.0, 2.0], 4.0) + published("net", layers, [1.5, 2.5], 6.0, campaign="others")

    (correction,) = fit_corrections(select_rows([bench.frame(rows)]), no_prediction)

    assert [(fit.sum_ms, fit.wall_ms, fit.held_out_ms) for fit in correction.networks] == [
        (4.0, 5.0, None),
        (3.0, 5.0, None),
    ]


@pytest.mark.parametrize("other", [{"precision": "int8"}, {"threads": 2}])
def test_an_end_to_end_time_of_another_precision_or_thread_count_is_not_joined(bench, published, other):
    rows = published("net", bench.layers(2), [1.0, 2.0], 4.0, **other)

    selected = select_rows([bench.frame(rows)])

    assert [reject.rows for reject in selected.rejects] == [1]
    assert fit_corrections(selected, no_prediction) == ()


def test_a_network_with_an_operator_whose_layer_is_unknown_is_not_fitted_to(bench, published):
    table = bench.frame(published("net", bench.layers(3), [1.0, 2.0, 3.0], 9.0))
    table.loc[1, "input_volume"] = None

    selected = select_rows([table])

    assert selected.rejects == (
        Reject(reason="an operator without shapes", rows=1),
        Reject(reason="a whole network of which no layer is known, or not all", rows=1),
    )


def test_the_conformal_factor_is_that_of_networks_predicted_without_them_layers_included(bench, published):
    rows = []
    for number in range(20):
        layers = bench.layers(4)
        rows += published(f"net-{number}", layers, [1.0] * 4, 4.0)
    selected = select_rows([bench.frame(rows)])

    (exact,) = fit_corrections(selected, no_prediction, np.ones(80))
    (off,) = fit_corrections(selected, no_prediction, np.full(80, 1.5))
    (unknown,) = fit_corrections(selected, no_prediction)

    assert exact.network_factor == pytest.approx(1.0, abs=1e-6)
    assert off.network_factor == pytest.approx(1.5)
    assert unknown.network_factor is None
    assert {fit.unseen_ms for fit in unknown.networks} == {None}


def test_fewer_than_nine_networks_have_no_conformal_factor(bench, published):
    rows = [row for number in range(8) for row in published(f"net-{number}", bench.layers(1), [1.0], 1.5)]

    (correction,) = fit_corrections(select_rows([bench.frame(rows)]), no_prediction, np.ones(8))

    assert correction.network_factor is None


def test_the_upper_factor_is_one_sided_and_for_any_level_that_the_networks_are_enough_for(bench, published):
    # 19 networks that take 0.5, 0.55, … 1.4 times what is predicted of them without them.
    walls = [0.5 + 0.05 * number for number in range(19)]
    rows = [
        row for number, wall in enumerate(walls) for row in published(f"net-{number}", bench.layers(1), [1.0], wall)
    ]
    (correction,) = fit_corrections(select_rows([bench.frame(rows)]), no_prediction, np.ones(19))
    ratios = sorted(fit.wall_ms / fit.unseen_ms for fit in correction.networks)

    assert upper_factor(correction, 0.9) == pytest.approx(max(1.0, ratios[17]))
    assert upper_factor(correction, 0.95) == pytest.approx(max(1.0, ratios[18]))
    assert upper_factor(correction, 0.96) is None
    assert upper_factor(correction, 0.1) == 1.0


def test_without_networks_predicted_without_them_there_is_no_upper_factor(bench, published):
    rows = [row for number in range(20) for row in published(f"net-{number}", bench.layers(1), [1.0], 1.5)]

    (correction,) = fit_corrections(select_rows([bench.frame(rows)]), no_prediction)

    assert upper_factor(correction, 0.9) is None
