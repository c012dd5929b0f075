from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import SkipTestWarning
from sklearn.utils.estimator_checks import check_estimator

from metamodel.boosted_mlp import BoostedMLP, Perceptron

SMALL = BoostedMLP(n_estimators=3, epochs=10, hidden=(8,))


@pytest.fixture
def problem():
    random = np.random.default_rng(0)
    features = random.normal(size=(300, 4))
    return features, np.abs(features[:, 0]) + features[:, 1]


@pytest.mark.filterwarnings(f"ignore::{SkipTestWarning.__module__}.{SkipTestWarning.__name__}")
def test_scikit_learn_finds_a_regressor_that_keeps_its_rules():
    results = check_estimator(
        BoostedMLP(n_estimators=3, epochs=20, hidden=(16,)),
        expected_failed_checks={
            "check_sample_weight_equivalence_on_dense_data": "rows and mini-batches are drawn at random, and a repeated row "
            "is drawn otherwise than a heavy one",
        },
        on_fail=None,
    )

    assert [(r["check_name"], r["exception"]) for r in results if r["status"] == "failed"] == []


def test_a_gradient_is_the_slope_of_the_weighted_squared_error():
    random = np.random.default_rng(0)
    network = Perceptron.random((3, 5, 4, 2), random)
    network.vector[:] = random.normal(size=network.vector.shape)
    inputs, wanted, weight = random.normal(size=(6, 3)), random.normal(size=(6, 2)), random.uniform(size=6)
    gradient = np.empty_like(network.vector)

    def error(vector):
        moved = Perceptron(sizes=network.sizes, vector=vector)
        return (weight * ((wanted - moved.predict(inputs)) ** 2).sum(axis=1)).sum() / 12

    network.write_gradient(inputs, wanted, weight, gradient)

    steps = 1e-6 * np.eye(len(network.vector))
    slopes = [(error(network.vector + step) - error(network.vector - step)) / 2e-6 for step in steps]
    np.testing.assert_allclose(gradient, slopes, rtol=1e-5, atol=1e-8)


def test_a_perceptron_worked_by_hand():
    network = Perceptron(sizes=(2, 2, 1), vector=np.array([1.0, -1.0, 2.0, 0.5, 0.0, 1.0, 3.0, 4.0, -2.0]))

    # hidden: max(1·1 + 2·2 + 0, 0) = 5 and max(−1·1 + 0.5·2 + 1, 0) = 1; output: 3·5 + 4·1 − 2
    np.testing.assert_array_equal(network.predict(np.array([[1.0, 2.0]])), [[17.0]])


def test_every_stage_brings_the_error_down(problem):
    features, y = problem

    errors = [
        np.abs(BoostedMLP(n_estimators=stages).fit(features, y).predict(features) - y).mean() for stages in (1, 2, 4, 8)
    ]

    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 0.2 * np.abs(y - y.mean()).mean()


def test_a_fit_with_more_stages_begins_with_the_same_ones(problem):
    features, y = problem

    few, many = (clone(SMALL).set_params(n_estimators=stages).fit(features, y) for stages in (2, 5))

    for first, second in zip(few.stages_, many.stages_, strict=False):
        np.testing.assert_array_equal(first.network.vector, second.network.vector)


def test_a_stage_without_hidden_layers_is_a_line():
    x = np.zeros((50, 1))
    x[25:] = np.e - 1  # log(1 + x) is 0 or 1
    mlp = BoostedMLP(hidden=(), n_estimators=12, epochs=100, subsample=1.0, weight_decay=0.0)

    mlp.fit(x, 3 * x[:, 0] / (np.e - 1) + 2)

    np.testing.assert_allclose(mlp.predict([[0.0], [np.e - 1], [np.e**2 - 1]]), [2.0, 5.0, 8.0], rtol=1e-2)


def test_the_same_seed_gives_the_same_bits_and_another_does_not(problem):
    features, y = problem

    first, second, other = (clone(SMALL).set_params(seed=seed).fit(features, y).predict(features) for seed in (0, 0, 1))

    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, other)


def test_units_of_a_target_do_not_matter(problem):
    features, y = problem
    both = np.stack([y, 1e6 * y + 1e7], axis=1)

    predicted = BoostedMLP().fit(features, both).predict(features)

    assert predicted.shape == (300, 2)
    errors = np.abs(predicted - both).mean(axis=0)
    assert errors[0] < 0.2 * np.abs(y - y.mean()).mean()
    assert errors[1] < 0.2e6 * np.abs(y - y.mean()).mean()


def test_that_a_feature_is_missing_tells_something():
    x = np.full((100, 2), 1.0)
    x[::2, 0] = np.nan
    y = np.isnan(x[:, 0]).astype(float)

    predicted = BoostedMLP(colsample=1.0).fit(x, y).predict(x)

    np.testing.assert_allclose(predicted, y, atol=0.05)


@pytest.mark.filterwarnings("error")
def test_a_column_without_any_value_and_one_that_goes_missing_later_are_borne(problem):
    features, y = problem
    unknown = np.hstack([features, np.full((300, 1), np.nan)])

    mlp = clone(SMALL).fit(unknown, y)

    assert np.isfinite(mlp.predict(np.full((1, 5), np.nan))).all()


def test_a_heavy_row_outweighs_a_light_one():
    mlp = BoostedMLP(subsample=1.0).fit(np.zeros((4, 1)), [0.0, 0.0, 10.0, 10.0], sample_weight=[1e-6, 1e-6, 1.0, 1.0])

    np.testing.assert_allclose(mlp.predict([[0.0]]), 10.0, rtol=1e-3)


def test_a_column_that_was_constant_but_for_rounding_does_not_blow_up_when_it_moves(problem):
    features, y = problem
    features = features.copy()
    features[:, 3] = 0.1

    mlp = BoostedMLP().fit(features, y)

    moved = features.copy()
    moved[:, 3] = 0.11
    np.testing.assert_allclose(mlp.predict(moved), mlp.predict(features), atol=0.1)


def test_one_row_is_predicted_as_itself():
    np.testing.assert_allclose(clone(SMALL).fit([[1.0, np.nan]], [2.0]).predict([[1.0, np.nan]]), [2.0])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_estimators": 0}, "n_estimators=0"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"hidden": (8, 0)}, r"hidden=\(8, 0\) must hold at least one unit a layer"),
        ({"learning_rate": 0.0}, "learning_rate=0.0"),
        ({"weight_decay": -1.0}, "weight_decay=-1.0"),
        ({"subsample": 1.5}, "subsample=1.5"),
        ({"colsample": 0.0}, "colsample=0.0"),
    ],
)
def test_a_parameter_outside_its_range_is_named_with_its_value(parameters, message):
    with pytest.raises(ValueError, match=message):
        BoostedMLP(**parameters).fit([[1.0], [2.0]], [1.0, 2.0])
