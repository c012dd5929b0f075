from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from xgboost import XGBRegressor

from metamodel.bag import BagOfBoosted

SMALL = {"n_estimators": 20, "max_depth": 3}


@pytest.fixture
def problem():
    random = np.random.default_rng(0)
    features = random.normal(size=(200, 5)).astype(np.float32)
    return features, features[:, 0] * 2 + np.sin(features[:, 1] * 3) + 0.1 * random.normal(size=200)


def test_a_bag_of_one_without_sampling_is_its_base_bit_for_bit(problem):
    features, y = problem
    bag = BagOfBoosted(max_members=1, bootstrap=False, **SMALL).fit(features, y)

    base = XGBRegressor(
        **SMALL,
        learning_rate=bag.learning_rate,
        subsample=bag.subsample,
        colsample_bytree=bag.colsample_bytree,
        min_child_weight=bag.min_child_weight,
        random_state=int(bag.seeds_[0]),
    ).fit(features, y)

    np.testing.assert_array_equal(bag.predict(features), base.predict(features).astype(np.float64))


def test_a_bag_predicts_the_mean_of_its_members(problem):
    features, y = problem

    bag = BagOfBoosted(max_members=3, **SMALL).fit(features, y)

    members = [member.inplace_predict(features).astype(np.float64) for member in bag.members_]
    np.testing.assert_allclose(bag.predict(features), np.mean(members, axis=0), rtol=1e-12)


def test_the_same_seed_gives_the_same_boosters_whatever_the_threads(problem):
    features, y = problem

    first, second = (BagOfBoosted(seed=3, threads=threads, **SMALL).fit(features, y) for threads in (1, 2))

    assert [bytes(m.save_raw()) for m in first.members_] == [bytes(m.save_raw()) for m in second.members_]


def test_another_seed_gives_another_bag(problem):
    features, y = problem

    first, second = (BagOfBoosted(seed=seed, **SMALL).fit(features, y).predict(features) for seed in (0, 1))

    assert not np.array_equal(first, second)


def test_a_group_is_out_of_bag_as_a_whole_or_not_at_all(problem):
    features, y = problem
    groups = np.arange(200) // 10

    bag = BagOfBoosted(max_members=1, **SMALL).fit(features, y, groups=groups)

    out = np.isfinite(bag.oob_prediction_).reshape(20, 10)
    assert (out.all(axis=1) | ~out.any(axis=1)).all()
    assert 0 < out.all(axis=1).sum() < 20


def test_repeated_rows_do_not_vouch_for_each_other_in_the_out_of_bag_error():
    random = np.random.default_rng(0)
    features = np.repeat(random.normal(size=(60, 3)), 5, axis=0)
    y = np.repeat(random.normal(size=60), 5)  # noise: nothing can be learned of a group that was not seen
    deep = {"n_estimators": 50, "max_depth": 8, "max_members": 6, "subsample": 1.0, "min_members": 6}

    by_row = BagOfBoosted(**deep).fit(features, y)
    by_group = BagOfBoosted(**deep).fit(features, y, groups=np.repeat(np.arange(60), 5))

    assert by_row.oob_errors_[-1] < 0.5 * by_group.oob_errors_[-1]


def test_growth_stops_when_the_out_of_bag_error_stops_improving_and_the_bag_is_cut_to_its_best():
    features = np.arange(100, dtype=np.float32)[:, None]
    y = np.zeros(100)  # the first member is perfect, so that none improves on it

    bag = BagOfBoosted(max_members=30, min_members=2, patience=3, **SMALL).fit(features, y)

    assert len(bag.oob_errors_) == 5
    assert len(bag.members_) == 2


def test_a_bag_that_keeps_improving_grows_to_its_limit(problem):
    features, y = problem

    bag = BagOfBoosted(max_members=7, min_members=1, patience=1, tolerance=-10.0, **SMALL).fit(features, y)

    assert len(bag.oob_errors_) == 7


def test_without_sampling_nothing_is_out_of_bag_and_the_bag_grows_to_its_limit(problem):
    features, y = problem

    bag = BagOfBoosted(max_members=5, min_members=1, patience=1, bootstrap=False, **SMALL).fit(features, y)

    assert len(bag.members_) == 5
    assert np.isnan(bag.oob_errors_).all()
    assert np.isnan(bag.oob_prediction_).all()


def test_sampling_without_replacement_leaves_out_the_rest(problem):
    features, y = problem

    bag = BagOfBoosted(max_members=1, bootstrap=False, max_samples=0.9, **SMALL).fit(features, y)

    assert np.isfinite(bag.oob_prediction_).sum() == 20


def test_weights_are_obeyed():
    features = np.zeros((4, 1))
    y = np.array([0.0, 0.0, 10.0, 10.0])
    bag = BagOfBoosted(max_members=1, bootstrap=False, subsample=1.0, learning_rate=1.0, min_child_weight=0.0)

    bag.fit(features, y, sample_weight=[1e-6, 1e-6, 1.0, 1.0])

    np.testing.assert_allclose(bag.predict(features), 10.0, rtol=0.02)


def test_one_row_and_missing_features_are_enough():
    features = np.array([[np.nan, 1.0]])

    bag = BagOfBoosted(**SMALL).fit(features, [2.0])

    np.testing.assert_allclose(bag.predict(features), [2.0])


def test_a_clone_has_the_same_parameters():
    bag = BagOfBoosted(max_members=3, seed=7, learning_rate=0.2)

    assert clone(bag).get_params() == bag.get_params()


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"max_samples": 0.0}, r"max_samples=0.0 must be in \(0, 1\]"),
        ({"max_samples": 1.5}, r"max_samples=1.5 must be in \(0, 1\]"),
        ({"max_members": 0}, "max_members=0"),
        ({"patience": 0}, "patience=0"),
    ],
)
def test_a_parameter_outside_its_range_is_named_with_its_value(parameters, message):
    with pytest.raises(ValueError, match=message):
        BagOfBoosted(**parameters).fit([[1.0], [2.0]], [1.0, 2.0])


def test_groups_of_another_length_are_refused():
    with pytest.raises(ValueError, match=r"groups has shape \(3,\), but X has 2 rows"):
        BagOfBoosted().fit([[1.0], [2.0]], [1.0, 2.0], groups=[0, 1, 2])
