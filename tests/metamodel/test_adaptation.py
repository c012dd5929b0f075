from __future__ import annotations

import numpy as np
import pytest

from metamodel.adaptation import Adaptation, LayerMap, choose_layers, fit_adaptation, widened
from metamodel.conformal import Interval
from metamodel.features import FeatureSpace
from metamodel.manifest import from_json, to_json

ANYWHERE = LayerMap(features=(), means=(0.0, 0.0), scales=(1.0, 1.0))


@pytest.fixture
def described(bench):
    """Features of 60 layers, their names, and log predictions that are the law's."""
    layers = list(dict.fromkeys(bench.layers(60)))
    space = FeatureSpace.of_table(bench.frame([bench.row(layer) for layer in layers]))
    matrix = space.table_matrix(bench.frame([bench.row(layer) for layer in layers]))
    return matrix, space.names, np.log([bench.true_latency_ms(layer, bench.phone) for layer in layers])


def test_the_shift_of_one_measured_layer_is_worked_by_hand():
    names = ("flops",)
    matrix = np.array([[0.0], [0.0]], dtype=np.float32)
    one = Adaptation(
        layer_map=ANYWHERE,
        support=((0.0, 0.0),),
        residuals=(0.3,),
        drift=0.05,
        length=1.0,
        factor=1.0,
        noise=0.01,
    )

    # z = (b, b): (0, 0) is where it was measured, (1, 1) lies √2 off, so that exp(−2 / 2) of the drift is left.
    near, far = one.shift(matrix, names, np.array([0.0, 1.0]))
    at_it, beside_it = one.spread(matrix, names, np.array([0.0, 1.0]))

    shared = 1 + 0.05 * np.exp(-1)
    assert near == pytest.approx(1.05 / 1.06 * 0.3)
    assert far == pytest.approx(shared / 1.06 * 0.3)
    assert at_it == pytest.approx(np.sqrt(1.05 - 1.05**2 / 1.06))
    assert beside_it == pytest.approx(np.sqrt(1.05 - shared**2 / 1.06))
    assert one.log_likelihood() == pytest.approx(-(0.3**2 / 1.06 + np.log(1.06)) / 2)


def test_doubt_is_the_noise_and_the_spread_averaged_over_all_drifts_and_lengths_alike():
    one = Adaptation(
        layer_map=ANYWHERE, support=((0.0, 0.0),), residuals=(0.3,), drift=0.2, length=3.0, factor=1.0, noise=0.01
    )

    (doubt,) = one.doubt(np.array([[0.0]], dtype=np.float32), ("flops",), np.array([0.0]))

    # Where it was measured the length does not matter: of c + a, (c + a)² / (c + a + s) is explained.
    left = [1 + drift - (1 + drift) ** 2 / (1.01 + drift) for drift in (0.01, 0.02, 0.05, 0.1, 0.2)]
    assert doubt == pytest.approx(np.sqrt(0.01 + np.mean(left)))


def test_what_layers_are_off_alike_does_not_cancel_in_a_networks_total_and_noise_does():
    one = Adaptation(
        layer_map=ANYWHERE, support=((0.0, 0.0),), residuals=(0.3,), drift=0.2, length=3.0, factor=1.0, noise=0.01
    )
    matrix, logs = np.zeros((4, 1), dtype=np.float32), np.zeros(4)

    (alone,) = one.doubt(matrix[:1], ("flops",), logs[:1])
    total = one.doubt_of_sum(matrix, ("flops",), logs, np.full(4, 0.25))

    # Four layers at one place: what is left of the factor and the drift is the same, of the noise a quarter.
    assert total == pytest.approx(np.sqrt(alone**2 - 0.01 + 0.01 / 4))
    assert one.doubt_of_sum(matrix[:1], ("flops",), logs[:1], np.ones(1)) == pytest.approx(alone)


def test_an_interval_is_widened_by_the_root_of_the_sum_of_squares_on_the_logarithm():
    prediction = np.array([2.0, 2.0, np.inf])
    interval = Interval(lower=np.array([1.0, 0.0, np.inf]), upper=np.array([4.0, np.inf, np.inf]))

    wide = widened(interval, prediction, np.array([0.5, 0.5, 0.5]), alpha=0.1)

    factor = np.exp(np.sqrt(np.log(2) ** 2 + (1.6448536 * 0.5) ** 2))
    np.testing.assert_allclose(wide.lower, [2 / factor, 0.0, np.inf])
    np.testing.assert_allclose(wide.upper, [2 * factor, np.inf, np.inf])


def test_an_error_left_out_is_that_of_an_adaptation_without_the_layer(described):
    matrix, names, log_prediction = described
    measured = log_prediction + np.linspace(0.2, 0.8, len(matrix))
    layer_map = LayerMap.of(matrix, names, log_prediction)
    whole = fit_adaptation(layer_map, matrix[:4], names, log_prediction[:4], measured[:4])
    without = Adaptation(
        layer_map=layer_map,
        support=whole.support[1:],
        residuals=whole.residuals[1:],
        drift=whole.drift,
        length=whole.length,
        factor=whole.factor,
        noise=whole.noise,
    )

    error = measured[0] - log_prediction[0] - without.shift(matrix[:1], names, log_prediction[:1])[0]

    assert whole.errors_left_out()[0] == pytest.approx(error)


def test_a_phone_that_is_a_factor_slower_on_depthwise_layers_is_learned_from_ten(described):
    matrix, names, log_prediction = described
    depthwise = matrix[:, names.index("type=DepthwiseConv")] == 1
    measured = log_prediction + np.where(depthwise, 1.1, 0.4)
    layer_map = LayerMap.of(matrix, names, log_prediction)
    chosen = choose_layers(layer_map.place(matrix, names, log_prediction), 10)

    adapted = fit_adaptation(layer_map, matrix[chosen], names, log_prediction[chosen], measured[chosen])

    left = measured - log_prediction - adapted.shift(matrix, names, log_prediction)
    assert np.median(np.abs(left)) < 0.1
    assert np.median(np.abs(left)) < np.median(np.abs(measured - log_prediction)) / 4
    assert (adapted.spread(matrix, names, log_prediction) < np.sqrt(1 + adapted.drift)).all()


def test_medoids_are_the_centres_of_plain_clusters_whatever_the_seed():
    cluster = np.array([[-0.2, 0], [0, 0], [0.1, 0.1], [0, -0.2]])
    placed = np.vstack([cluster, cluster + 10, cluster + np.array([0, 20])])

    assert {tuple(choose_layers(placed, 3, seed=seed)) for seed in range(3)} == {tuple(choose_layers(placed, 3))}
    assert sorted(choose_layers(placed, 3)) == [1, 5, 9]


def test_no_layer_is_chosen_twice_even_among_twins_and_never_more_than_there_are():
    twins = np.zeros((4, 2))

    assert sorted(choose_layers(twins, 3)) == sorted(set(choose_layers(twins, 3)))
    assert sorted(choose_layers(twins, 9)) == [0, 1, 2, 3]
    assert list(choose_layers(np.empty((0, 2)), 3)) == []


def test_of_many_candidates_the_seed_draws_those_that_are_looked_at():
    placed = np.random.default_rng(0).standard_normal((2500, 2))

    assert list(choose_layers(placed, 5, seed=1)) == list(choose_layers(placed, 5, seed=1))
    assert list(choose_layers(placed, 5, seed=1)) != list(choose_layers(placed, 5, seed=2))


def test_an_adaptation_comes_back_from_json_to_the_last_bit(described):
    matrix, names, log_prediction = described
    layer_map = LayerMap.of(matrix, names, log_prediction)
    fitted = fit_adaptation(layer_map, matrix[:5], names, log_prediction[:5], log_prediction[:5] + 0.1)

    assert from_json(Adaptation, to_json(fitted), where="here") == fitted


def test_a_measurement_that_is_no_number_is_refused(described):
    matrix, names, log_prediction = described
    layer_map = LayerMap.of(matrix, names, log_prediction)

    with pytest.raises(ValueError, match="finite"):
        fit_adaptation(layer_map, matrix[:2], names, log_prediction[:2], np.array([np.nan, 1.0]))
    with pytest.raises(ValueError, match="one finite measurement"):
        fit_adaptation(layer_map, matrix[:0], names, log_prediction[:0], log_prediction[:0])
