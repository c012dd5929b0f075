from __future__ import annotations

import numpy as np
import pytest
from xgboost import Booster, XGBRegressor

from metamodel.bag import predict_mean
from metamodel.compiled import MAX_DEPTH, compile_bag
from metamodel.errors import CompileError
from metamodel.trees import read_trees

WIDTH = 7


def rows(count, *, seed=0):
    """Numbers of few and of many values, and with NaN in one column out of two."""
    random = np.random.default_rng(seed)
    features = random.normal(size=(count, WIDTH)).astype(np.float32)
    features[:, 0] = np.round(features[:, 0] * 2)
    features[:, 1] = features[:, 1] > 0
    features[:, ::2][random.random(features[:, ::2].shape) < 0.2] = np.nan
    return features


def target(features):
    known = np.nan_to_num(features, nan=2.0)
    return 3 * known[:, 0] * known[:, 1] + np.sin(3 * known[:, 2]) + known[:, 3] ** 2 - 4 * np.isnan(features[:, 4])


def boosted(*, seed=0, **parameters):
    features = rows(600, seed=seed)
    settings = {"n_estimators": 30, "max_depth": 6, "subsample": 0.8, "random_state": seed, **parameters}
    return XGBRegressor(**settings).fit(features, target(features)).get_booster()


@pytest.fixture(scope="module")
def members():
    return [boosted(seed=seed) for seed in range(3)]


def assert_agrees(members, features):
    # A member adds up float32 numbers of magnitude 10: each sum rounds by at most 10 * 2^-24, and they are 30.
    np.testing.assert_allclose(compile_bag(members).predict(features), predict_mean(members, features), 1e-6, 2e-5)


def exact(members, features):
    """Walk every tree node by node, and add up in the order that NumPy adds up."""
    trees = read_trees(members)

    def leaf(node, row):
        while not trees.is_leaf[node]:
            value = row[trees.feature[node]]
            goes_left = trees.default_left[node] if np.isnan(value) else value < trees.threshold[node]
            node = trees.left[node] if goes_left else trees.right[node]
        return trees.threshold[node]

    leaves = [np.array([leaf(root, row) for root in trees.roots], dtype=np.float64) for row in features]
    return np.array([each.sum() for each in leaves]) / trees.members + trees.base_score


@pytest.mark.parametrize("count", [0, 1, 2, 6, 7, 8, 9, 16, 17, 32, 33, 64, 65, 200])
def test_a_compiled_bag_predicts_the_mean_of_its_members(members, count):
    assert_agrees(members, rows(count, seed=9))


def test_every_row_reaches_the_leaves_that_it_reaches_node_by_node(members):
    features = rows(70, seed=9)

    np.testing.assert_array_equal(compile_bag(members).predict(features), exact(members, features))


def test_a_row_on_a_threshold_or_one_float32_beside_it_goes_where_xgboost_sends_it(members):
    trees = read_trees(members)
    splits = np.flatnonzero(~trees.is_leaf)[:400]
    features = rows(3 * len(splits), seed=9)
    on = trees.threshold[splits]
    beside = np.concatenate([on, np.nextafter(on, np.float32(-np.inf)), np.nextafter(on, np.float32(np.inf))])
    features[np.arange(len(features)), np.tile(trees.feature[splits], 3)] = beside

    assert_agrees(members, features)


@pytest.mark.parametrize("value", [np.nan, 0.0, -0.0, 1e-45, -1e-45, 3.4e38, -3.4e38, np.inf, -np.inf])
def test_the_ends_of_float32_go_where_xgboost_sends_them(members, value):
    features = rows(40, seed=9)
    features[:, 2] = value
    features[20:] = value

    assert_agrees(members, features)


def test_a_negative_zero_is_a_zero_at_a_threshold_of_zero(members):
    features = np.zeros((2, WIDTH), dtype=np.float32)
    features[1] = -0.0

    first, second = compile_bag(members).predict(features)

    assert first == second


def test_a_row_is_predicted_the_same_to_the_last_bit_whatever_its_neighbours(members):
    features = rows(100, seed=9)
    bag = compile_bag(members)

    together = bag.predict(features)

    for size in (1, 3, 7, 15, 30, 64):
        parts = [bag.predict(features[start : start + size]) for start in range(0, len(features), size)]
        np.testing.assert_array_equal(np.concatenate(parts), together)


def test_columns_in_another_memory_order_are_read_the_same(members):
    features = rows(20, seed=9)

    predicted = compile_bag(members).predict(np.asfortranarray(features))

    np.testing.assert_array_equal(predicted, compile_bag(members).predict(features))


@pytest.mark.parametrize(
    "parameters",
    [
        {"max_depth": 1},
        {"max_depth": MAX_DEPTH},
        {"gamma": 5.0},
        {"grow_policy": "lossguide", "max_leaves": 7},
        {"tree_method": "exact"},
        {"num_parallel_tree": 2},
        {"objective": "reg:absoluteerror"},
        {"objective": "reg:pseudohubererror", "base_score": -3.7},
        {"n_estimators": 1, "min_child_weight": 1e9},
    ],
)
def test_however_the_trees_were_grown_they_are_compiled(parameters):
    assert_agrees([boosted(seed=seed, **parameters) for seed in range(2)], rows(50, seed=9))


def test_members_of_different_depths_and_lengths_are_one_bag():
    grown = [boosted(max_depth=2, n_estimators=5), boosted(max_depth=7), boosted(max_depth=4, n_estimators=11)]

    assert_agrees(grown, rows(50, seed=9))


def test_a_bag_of_one_whose_trees_are_one_leaf_each_predicts_a_constant():
    features = rows(20)
    member = XGBRegressor(n_estimators=3, base_score=0.25).fit(features, np.full(20, 0.25)).get_booster()

    assert compile_bag([member]).predict(features).tolist() == [0.25] * 20


def test_saved_and_loaded_members_compile_to_the_same_predictions(members):
    features = rows(50, seed=9)
    loaded = [Booster(model_file=bytearray(member.save_raw("ubj"))) for member in members]

    predicted = compile_bag(loaded).predict(features)

    np.testing.assert_array_equal(predicted, compile_bag(members).predict(features))


def test_a_tree_that_is_too_deep_is_refused():
    with pytest.raises(CompileError, match=f"deeper than {MAX_DEPTH}"):
        compile_bag([boosted(max_depth=MAX_DEPTH + 1, min_child_weight=0)])


@pytest.mark.parametrize("shape", [(2, WIDTH - 1), (2, WIDTH + 1), (WIDTH,)])
def test_a_matrix_of_another_width_is_refused_with_both_widths(members, shape):
    with pytest.raises(ValueError, match=f"fitted to {WIDTH} features; the matrix has shape"):
        compile_bag(members).predict(np.zeros(shape, dtype=np.float32))
