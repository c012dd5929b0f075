from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import SkipTestWarning
from sklearn.metrics import r2_score
from sklearn.utils.estimator_checks import check_estimator
from xgboost import Booster, XGBRegressor

from metamodel.bag import BagOfBoosted, predict_mean
from metamodel.boosted_mlp import BoostedMLP

SMALL = {"n_estimators": 20, "max_depth": 3, "learning_rate": 0.2}
OUT_OF_BAG = {"sampling": "bootstrap", "growth": "out_of_bag", **SMALL}
SMALL_MLP = BoostedMLP(n_estimators=2, epochs=5, hidden=(8,))


@pytest.fixture
def problem():
    random = np.random.default_rng(0)
    features = random.normal(size=(200, 5)).astype(np.float32)
    return features, features[:, 0] * 2 + np.sin(features[:, 1] * 3) + 0.1 * random.normal(size=200)


def base_of(bag, seed):
    """The one XGBoost that a member with this seed is."""
    return XGBRegressor(
        n_estimators=bag.n_estimators,
        max_depth=bag.max_depth,
        learning_rate=bag.learning_rate,
        subsample=bag.subsample,
        colsample_bytree=bag.colsample_bytree,
        min_child_weight=bag.min_child_weight,
        random_state=int(seed),
    )


@pytest.mark.filterwarnings(f"ignore::{SkipTestWarning.__module__}.{SkipTestWarning.__name__}")
@pytest.mark.parametrize(
    "choices",
    [
        {},
        {"sampling": "bootstrap", "growth": "out_of_bag"},
        {"sampling": "subset", "max_samples": 0.8},
        {"base": "mlp", "mlp": BoostedMLP(n_estimators=3, epochs=20, hidden=(16,))},
    ],
    ids=["all", "bootstrap", "subset", "mlp"],
)
def test_scikit_learn_finds_a_regressor_that_keeps_its_rules(choices):
    bag = BagOfBoosted(
        max_members=2, min_members=1, patience=1, folds=2, n_estimators=10, max_depth=3, learning_rate=0.4, **choices
    )

    results = check_estimator(
        bag,
        expected_failed_checks={
            "check_sample_weight_equivalence_on_dense_data": "samples, folds and mini-batches are drawn at random, and a "
            "repeated row is drawn otherwise than a heavy one",
        },
        on_fail=None,
    )

    assert [(r["check_name"], r["exception"]) for r in results if r["status"] == "failed"] == []


def test_a_bag_of_one_is_its_base_bit_for_bit(problem):
    features, y = problem
    bag = BagOfBoosted(max_members=1, **SMALL).fit(features, y)

    base = base_of(bag, bag.seeds_[0]).fit(features, y)

    np.testing.assert_array_equal(bag.predict(features), base.predict(features).astype(np.float64))


def test_a_bag_of_one_perceptron_is_that_perceptron_bit_for_bit(problem):
    features, y = problem
    bag = BagOfBoosted(base="mlp", mlp=SMALL_MLP, max_members=1).fit(features, y)

    base = clone(SMALL_MLP).set_params(seed=int(bag.seeds_[0])).fit(features, y)

    np.testing.assert_array_equal(bag.predict(features), base.predict(features))


def test_a_bag_predicts_the_mean_of_its_members(problem):
    features, y = problem

    bag = BagOfBoosted(max_members=3, **SMALL).fit(features, y)

    members = [member.inplace_predict(features).astype(np.float64) for member in bag.members_]
    np.testing.assert_allclose(bag.predict(features), np.mean(members, axis=0), rtol=1e-12)


def test_members_that_see_all_rows_differ_by_their_seeds_alone(problem):
    features, y = problem

    bag = BagOfBoosted(max_members=2, min_members=2, **SMALL).fit(features, y)

    for member, seed in zip(bag.members_, bag.seeds_, strict=True):
        base = base_of(bag, seed).fit(features, y)
        np.testing.assert_array_equal(member.inplace_predict(features), base.predict(features))
    assert not np.array_equal(*(member.inplace_predict(features) for member in bag.members_))


def test_boosters_that_were_saved_and_loaded_predict_the_same_to_the_last_bit(problem):
    features, y = problem
    bag = BagOfBoosted(max_members=2, **SMALL).fit(features, np.stack([y, -y], axis=1))

    loaded = [Booster(model_file=bytearray(member.save_raw("ubj"))) for member in bag.members_]

    np.testing.assert_array_equal(predict_mean(loaded, features), bag.predict(features))


@pytest.mark.parametrize("growth", ["cross_fit", "out_of_bag"])
@pytest.mark.parametrize("other", [{"threads": 2}, {"n_jobs": 2}, {"n_jobs": 5}])
def test_the_same_seed_gives_the_same_boosters_whatever_the_threads_and_jobs(problem, growth, other):
    features, y = problem
    bag = BagOfBoosted(sampling="bootstrap", growth=growth, seed=3, folds=3, **SMALL)

    first, second = (clone(bag).set_params(**changes).fit(features, y) for changes in ({}, other))

    assert [bytes(m.save_raw()) for m in first.members_] == [bytes(m.save_raw()) for m in second.members_]
    name = "cross" if growth == "cross_fit" else "oob"
    for attribute in (f"{name}_errors_", f"{name}_prediction_"):
        np.testing.assert_array_equal(getattr(first, attribute), getattr(second, attribute))


def test_perceptrons_fitted_in_processes_of_their_own_are_the_same(problem):
    features, y = problem
    bag = BagOfBoosted(base="mlp", mlp=SMALL_MLP, max_members=2, min_members=1, patience=1, folds=2)

    first, second = (clone(bag).set_params(n_jobs=jobs).fit(features, y) for jobs in (1, 2))

    np.testing.assert_array_equal(first.predict(features), second.predict(features))
    np.testing.assert_array_equal(first.cross_prediction_, second.cross_prediction_)


def test_another_seed_gives_another_bag(problem):
    features, y = problem

    first, second = (
        BagOfBoosted(seed=seed, max_members=1, **SMALL).fit(features, y).predict(features) for seed in (0, 1)
    )

    assert not np.array_equal(first, second)


def test_several_targets_are_predicted_together_in_the_shape_they_came_in(problem):
    features, y = problem
    targets = np.stack([y, 1000 * y**2], axis=1)

    fitting = BoostedMLP(epochs=40)
    for bag in (BagOfBoosted(max_members=2, **SMALL), BagOfBoosted(base="mlp", mlp=fitting, max_members=2)):
        bag.fit(features, targets)

        assert bag.predict(features[:7]).shape == (7, 2)
        assert bag.cross_prediction_.shape == (200, 2)
        assert r2_score(targets, bag.predict(features), multioutput="raw_values").min() > 0.5


def test_one_target_in_a_column_comes_back_in_a_column(problem):
    features, y = problem

    flat, column = (BagOfBoosted(max_members=2, **SMALL).fit(features, y.reshape(shape)) for shape in ((-1,), (-1, 1)))

    assert column.predict(features).shape == column.cross_prediction_.shape == (200, 1)
    np.testing.assert_array_equal(column.predict(features)[:, 0], flat.predict(features))


def test_a_cross_fitted_prediction_is_the_mean_of_members_boosted_without_the_fold(problem):
    features, y = problem
    groups = np.arange(200) // 10
    bag = BagOfBoosted(max_members=3, folds=4, **SMALL).fit(features, y, groups=groups)

    expected = np.zeros(200)
    for fold in range(4):
        out = bag.folds_ == fold
        for seed in bag.seeds_[: len(bag.members_)]:
            member = base_of(bag, seed).fit(features[~out], y[~out])
            expected[out] += member.predict(features[out]).astype(np.float64) / len(bag.members_)

    np.testing.assert_allclose(bag.cross_prediction_, expected, rtol=1e-12)
    np.testing.assert_allclose(bag.cross_errors_[len(bag.members_) - 1], np.abs(expected - y).mean(), rtol=1e-12)


def test_a_group_lies_in_one_fold_as_a_whole(problem):
    features, y = problem
    groups = np.arange(200) % 7

    folds = BagOfBoosted(max_members=1, folds=5, **SMALL).fit(features, y, groups=groups).folds_

    assert sorted(len(set(groups[folds == fold])) for fold in range(5)) == [1, 1, 1, 2, 2]
    assert {len(set(folds[groups == group])) for group in range(7)} == {1}


def test_a_group_is_out_of_bag_as_a_whole_or_not_at_all(problem):
    features, y = problem
    groups = np.arange(200) // 10

    bag = BagOfBoosted(max_members=1, **OUT_OF_BAG).fit(features, y, groups=groups)

    out = np.isfinite(bag.oob_prediction_).reshape(20, 10)
    assert (out.all(axis=1) | ~out.any(axis=1)).all()
    assert 0 < out.all(axis=1).sum() < 20


@pytest.mark.parametrize(
    ("choices", "errors"),
    [({}, "cross_errors_"), ({"sampling": "bootstrap", "growth": "out_of_bag"}, "oob_errors_")],
    ids=["cross-fitted", "out of bag"],
)
def test_repeated_rows_do_not_vouch_for_each_other_in_the_error(choices, errors):
    random = np.random.default_rng(0)
    features = np.repeat(random.normal(size=(60, 3)), 5, axis=0)
    y = np.repeat(random.normal(size=60), 5)  # noise: nothing can be learned of a group that was not seen
    deep = {"n_estimators": 15, "max_depth": 8, "learning_rate": 0.4, "max_members": 6, "min_members": 6}

    by_row = BagOfBoosted(**deep, **choices).fit(features, y)
    by_group = BagOfBoosted(**deep, **choices).fit(features, y, groups=np.repeat(np.arange(60), 5))

    assert getattr(by_row, errors)[-1] < 0.5 * getattr(by_group, errors)[-1]


@pytest.mark.parametrize(
    ("choices", "errors"), [(SMALL, "cross_errors_"), (OUT_OF_BAG, "oob_errors_")], ids=["cross-fitted", "out of bag"]
)
def test_growth_stops_when_the_error_stops_improving_and_the_bag_is_cut_to_its_best(choices, errors):
    features = np.arange(100, dtype=np.float32)[:, None]
    y = np.zeros(100)  # the first member is perfect, so that none improves on it

    bag = BagOfBoosted(max_members=30, min_members=2, patience=3, **choices).fit(features, y)

    assert len(getattr(bag, errors)) == 5
    assert len(bag.members_) == 2


@pytest.mark.parametrize(
    ("choices", "errors"), [(SMALL, "cross_errors_"), (OUT_OF_BAG, "oob_errors_")], ids=["cross-fitted", "out of bag"]
)
def test_a_bag_that_keeps_improving_grows_to_its_limit(problem, choices, errors):
    features, y = problem

    bag = BagOfBoosted(max_members=7, min_members=1, patience=1, tolerance=-10.0, **choices).fit(features, y)

    assert len(getattr(bag, errors)) == 7


def test_where_members_see_all_rows_nothing_is_out_of_bag_and_the_bag_grows_to_its_limit(problem):
    features, y = problem

    bag = BagOfBoosted(max_members=5, min_members=1, patience=1, growth="out_of_bag", **SMALL).fit(features, y)

    assert len(bag.members_) == 5
    assert np.isnan(bag.oob_errors_).all()
    assert np.isnan(bag.oob_prediction_).all()


def test_one_group_cannot_be_cross_fitted_and_the_bag_grows_to_its_limit(problem):
    features, y = problem

    bag = BagOfBoosted(max_members=5, min_members=1, patience=1, **SMALL).fit(features, y, groups=np.zeros(200))

    assert len(bag.members_) == 5
    assert np.isnan(bag.cross_errors_).all()
    assert np.isnan(bag.cross_prediction_).all()


def test_sampling_without_replacement_leaves_out_the_rest(problem):
    features, y = problem
    rest = {"sampling": "subset", "growth": "out_of_bag", "max_samples": 0.9}

    bag = BagOfBoosted(max_members=1, **rest, **SMALL).fit(features, y)

    assert np.isfinite(bag.oob_prediction_).sum() == 20


def test_weights_are_obeyed():
    features = np.zeros((4, 1))
    y = np.array([0.0, 0.0, 10.0, 10.0])
    bag = BagOfBoosted(max_members=1, subsample=1.0, learning_rate=1.0, min_child_weight=0.0)

    bag.fit(features, y, sample_weight=[1e-6, 1e-6, 1.0, 1.0])

    np.testing.assert_allclose(bag.predict(features), 10.0, rtol=0.02)


@pytest.mark.parametrize("sampling", ["bootstrap", "subset", "all"])
@pytest.mark.parametrize("growth", ["cross_fit", "out_of_bag"])
def test_rows_of_weight_zero_are_asked_but_leave_no_member_without_rows(problem, sampling, growth):
    features, y = problem
    weight = np.zeros(200)
    weight[:3] = 1.0

    bag = BagOfBoosted(sampling=sampling, growth=growth, max_samples=0.5, **SMALL)
    bag.fit(features, y, sample_weight=weight)

    assert np.isfinite(bag.predict(features)).all()


@pytest.mark.parametrize("base", ["trees", "mlp"])
def test_one_row_and_missing_features_are_enough(base):
    features = np.array([[np.nan, 1.0]])

    bag = BagOfBoosted(base=base, mlp=SMALL_MLP, **SMALL).fit(features, [2.0])

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
        ({"folds": 1}, "folds=1 must be at least 2"),
        ({"base": "forest"}, "base='forest' must be one of trees, mlp"),
        ({"sampling": "none"}, "sampling='none' must be one of bootstrap, subset, all"),
        ({"growth": "always"}, "growth='always' must be one of cross_fit, out_of_bag"),
    ],
)
def test_a_parameter_outside_its_range_is_named_with_its_value(parameters, message):
    with pytest.raises(ValueError, match=message):
        BagOfBoosted(**parameters).fit([[1.0], [2.0]], [1.0, 2.0])


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([1.0], r"sample_weight has shape \(1,\), but X has 2 rows"),
        ([1.0, -1.0], "sample_weight must be finite and at least zero"),
        ([1.0, np.nan], "sample_weight must be finite and at least zero"),
        ([0.0, 0.0], "sample_weight is zero for every row"),
    ],
)
def test_weights_that_cannot_be_meant_are_refused(weight, message):
    with pytest.raises(ValueError, match=message):
        BagOfBoosted(**SMALL).fit([[1.0], [2.0]], [1.0, 2.0], sample_weight=weight)


def test_groups_of_another_length_are_refused():
    with pytest.raises(ValueError, match=r"groups has shape \(3,\), but X has 2 rows"):
        BagOfBoosted().fit([[1.0], [2.0]], [1.0, 2.0], groups=[0, 1, 2])


def test_a_target_too_large_for_a_booster_is_refused_with_its_size():
    with pytest.raises(ValueError, match=r"size 1e\+300, which float32 cannot hold"):
        BagOfBoosted().fit([[1.0], [2.0]], [1.0, 1e300])
