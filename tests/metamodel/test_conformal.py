from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest
from xgboost import Booster

from metamodel.conformal import (
    FAMILY_CONFIGURATIONS,
    FamilyQuantile,
    Interval,
    IntervalModel,
    IntervalRecord,
    conformal_quantile,
    coverage_percent,
    coverage_percent_by_family,
    fit_intervals,
    mean_width_percent,
    network_factor,
    network_interval,
)
from metamodel.manifest import from_json, to_json

SIGMA = {"dense": 0.02, "convolution": 0.2}


@dataclass
class Rows:
    """Predictions whose logarithms err by a known amount; every configuration has one to four rows."""

    prediction: np.ndarray
    truth: np.ndarray
    groups: np.ndarray
    families: list[str]
    features: np.ndarray

    def part(self, chosen):
        families = [family for family, wanted in zip(self.families, chosen, strict=True) if wanted]
        return Rows(self.prediction[chosen], self.truth[chosen], self.groups[chosen], families, self.features[chosen])

    def fit(self, **settings):
        return fit_intervals(self.prediction, self.truth, self.groups, self.families, self.features, **settings)

    def interval(self, model):
        return model.interval(self.prediction, self.families, self.features)


def drawn(configurations, *, seed=0, sigma=SIGMA):
    """Half of the configurations in each family; a configuration's rows share most of its error."""
    random = np.random.default_rng(seed)
    groups = np.repeat(np.arange(configurations), random.integers(1, 5, configurations))
    names = sorted(sigma)
    families = [names[group % len(names)] for group in groups]
    size = np.array([sigma[family] for family in families])
    shared = random.standard_normal(configurations)[groups]
    error = size * (0.9 * shared + np.sqrt(1 - 0.9**2) * random.standard_normal(len(groups)))
    prediction = np.exp(random.normal(0.0, 1.0, configurations))[groups]
    features = np.column_stack([groups % len(names), random.random(len(groups))]).astype(np.float32)
    return Rows(prediction, prediction * np.exp(error), groups, families, features)


def test_with_one_row_a_group_the_quantile_is_the_usual_score_of_rank_n_plus_1_times_1_minus_alpha_rounded_up():
    scores = np.array([5.0, 1.0, 4.0, 2.0, 3.0, 6.0, 9.0, 7.0, 8.0, 10.0])

    ranks = [conformal_quantile(scores, np.arange(10), alpha) for alpha in (0.5, 0.2, 0.1)]

    assert ranks == [6.0, 9.0, 10.0]  # ⌈11 · 0.5⌉, ⌈11 · 0.8⌉, ⌈11 · 0.9⌉


@pytest.mark.parametrize(("alpha", "enough"), [(0.5, 1), (0.2, 4), (0.1, 9), (0.05, 19), (0.01, 99)])
def test_fewer_than_one_over_alpha_minus_one_groups_have_no_finite_quantile(alpha, enough):
    scores = np.arange(enough, dtype=float)

    assert conformal_quantile(scores, scores, alpha) == enough - 1
    assert conformal_quantile(scores[1:], scores[1:], alpha) is None


def test_rows_of_one_configuration_share_its_weight():
    # Three groups, α = 1/2: the weights must add up to 0.5 · 4 = 2. The four rows of the first group are 1 together.
    scores, groups = np.array([1.0, 1.0, 1.0, 1.0, 2.0, 3.0]), ["a", "a", "a", "a", "b", "c"]

    assert conformal_quantile(scores, groups, 0.5) == 2.0
    assert conformal_quantile(scores, list("abcdef"), 0.5) == 1.0


@pytest.mark.parametrize("seed", range(3))
def test_new_configurations_are_covered_as_often_as_asked_over_all_and_in_each_family(seed):
    rows = drawn(3000, seed=seed)
    seen = rows.groups < 1500
    tested = rows.part(~seen)

    interval = tested.interval(rows.part(seen).fit(alpha=0.1, seed=seed))

    assert 87 < coverage_percent(interval, tested.truth) < 93
    by_family = coverage_percent_by_family(interval, tested.truth, tested.families)
    assert sorted(by_family) == ["convolution", "dense"]
    assert all(86 < covered < 94 for covered in by_family.values())


def test_an_interval_is_as_wide_as_its_layers_error_not_as_the_average_error():
    rows = drawn(600)
    model = rows.fit(alpha=0.1)

    width = np.log(rows.interval(model).upper / rows.interval(model).lower) / 2
    dense = np.array(rows.families) == "dense"

    assert 0.7 < np.median(width[dense]) / (1.645 * SIGMA["dense"]) < 1.5
    assert 0.7 < np.median(width[~dense]) / (1.645 * SIGMA["convolution"]) < 1.5


def test_a_family_of_few_configurations_and_one_that_was_never_seen_take_the_pooled_quantile():
    rows = drawn(4 * FAMILY_CONFIGURATIONS)
    few = [f"rare {group}" if group < FAMILY_CONFIGURATIONS else "usual" for group in rows.groups]
    model = fit_intervals(rows.prediction, rows.truth, rows.groups, few, rows.features)

    one, feature = np.ones(3), np.repeat(rows.features[:1], 3, axis=0)
    upper = model.interval(one, ["rare 0", "never seen", "usual"], feature).upper

    (own,) = model.record.families
    assert (own.family, own.configurations) == ("usual", 3 * FAMILY_CONFIGURATIONS)
    assert upper[0] == upper[1] != upper[2]
    np.testing.assert_allclose(np.log(upper[0]) / np.log(upper[2]), model.record.quantile / own.quantile, rtol=1e-9)


def test_few_configurations_are_scored_without_a_residual_model_by_hand():
    # Nine configurations, α = 0.1: the quantile is the largest |log t − log p|, here log 2.
    prediction = np.arange(1.0, 10.0)
    truth = prediction * np.where(prediction == 4.0, 0.5, 1.1)
    features = np.zeros((9, 2), dtype=np.float32)

    model = fit_intervals(prediction, truth, prediction, ["dense"] * 9, features, alpha=0.1)
    interval = model.interval(np.array([3.0]), ["dense"], features[:1])

    assert model.spread is None
    assert model.record == IntervalRecord(
        alpha=0.1,
        configurations=9,
        quantile=pytest.approx(np.log(2)),
        families=(),
        floor=pytest.approx(0.1 * np.log(1.1)),
    )
    np.testing.assert_allclose([interval.lower, interval.upper], [[1.5], [6.0]])


def test_too_few_configurations_promise_nothing_and_an_infeasible_layer_stays_infinite():
    one = np.ones(1)
    model = fit_intervals(one, one, one, ["dense"], np.zeros((1, 2), dtype=np.float32))

    interval = model.interval(np.array([2.0, np.inf]), ["dense"] * 2, np.zeros((2, 2), dtype=np.float32))

    assert model.record.quantile is None
    np.testing.assert_array_equal(interval.lower, [0.0, np.inf])
    np.testing.assert_array_equal(interval.upper, [np.inf, np.inf])


def test_an_infeasible_layer_is_its_own_interval_beside_a_residual_model_too():
    rows = drawn(200)
    model = rows.fit()

    interval = model.interval(np.array([np.inf, 1.0]), rows.families[:2], rows.features[:2])

    assert model.spread is not None
    assert (interval.lower[0], interval.upper[0]) == (np.inf, np.inf)
    assert 0 < interval.lower[1] < 1 < interval.upper[1] < np.inf


def test_predictions_without_any_error_have_an_interval_that_holds_them():
    rows = drawn(200)

    model = fit_intervals(rows.prediction, rows.prediction, rows.groups, rows.families, rows.features)
    interval = rows.interval(model)

    assert coverage_percent(interval, rows.prediction) == 100.0
    assert mean_width_percent(interval, rows.prediction) < 1e-3


def test_an_interval_model_survives_json_and_ubjson_to_the_last_bit(tmp_path):
    rows = drawn(300)
    model = rows.fit()

    model.spread.save_model(tmp_path / "spread.ubj")
    text = json.dumps(to_json(model.record), allow_nan=False)
    spread = Booster(model_file=tmp_path / "spread.ubj")
    again = IntervalModel(record=from_json(IntervalRecord, json.loads(text), where="intervals"), spread=spread)

    assert again.record == model.record
    np.testing.assert_array_equal(rows.interval(again).lower, rows.interval(model).lower)
    np.testing.assert_array_equal(rows.interval(again).upper, rows.interval(model).upper)


def test_an_unbounded_quantile_is_null_in_json():
    record = FamilyQuantile(family="dense", configurations=3, quantile=None)

    assert from_json(FamilyQuantile, json.loads(json.dumps(to_json(record))), where="family") == record


def test_the_same_seed_gives_the_same_intervals_and_another_seed_others():
    rows = drawn(300)

    first, again, other = (rows.interval(rows.fit(seed=seed)).upper for seed in (1, 1, 2))

    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_no_predictions_have_no_intervals():
    rows = drawn(200)
    nothing = rows.part(np.zeros(len(rows.truth), dtype=bool))

    assert len(nothing.interval(rows.fit()).lower) == 0


@pytest.mark.parametrize(
    ("truth", "message"),
    [
        ([1.0, 0.0], "truth must be positive and finite, but row 1 is 0.0"),
        ([np.nan, 1.0], "truth must be positive and finite, but row 0 is nan"),
        ([1.0, np.inf], "truth must be positive and finite, but row 1 is inf"),
        ([1.0, -2.0], "truth must be positive and finite, but row 1 is -2.0"),
        ([1.0], r"different lengths: \(2, 1, 2, 2, 2\)"),
    ],
)
def test_truths_that_are_no_positive_numbers_and_lengths_that_differ_are_refused(truth, message):
    features = np.zeros((2, 1), dtype=np.float32)

    with pytest.raises(ValueError, match=message):
        fit_intervals(np.ones(2), np.array(truth), np.arange(2), ["dense"] * 2, features)


def test_no_rows_at_all_are_refused():
    with pytest.raises(ValueError, match="there is no row"):
        fit_intervals(np.ones(0), np.ones(0), [], [], np.zeros((0, 1), dtype=np.float32))


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, np.nan])
def test_an_alpha_that_is_no_probability_is_refused(alpha):
    with pytest.raises(ValueError, match=f"alpha={alpha} must be between 0 and 1"):
        conformal_quantile(np.ones(5), np.arange(5), alpha)


def test_coverage_and_width_are_as_counted_by_hand():
    interval = Interval(lower=np.array([1.0, 1.0, 1.0, 1.0]), upper=np.array([2.0, 2.0, 2.0, 3.0]))
    truth, prediction = np.array([1.0, 2.0, 2.1, 0.5]), np.array([1.0, 2.0, 1.0, 2.0])

    assert coverage_percent(interval, truth) == 50.0
    assert coverage_percent_by_family(interval, truth, ["a", "b", "b", "b"]) == {
        "a": 100.0,
        "b": pytest.approx(100 / 3),
    }
    assert mean_width_percent(interval, prediction) == 87.5  # (1 + 0.5 + 1 + 1) / 4


def test_a_networks_factor_is_the_ratio_that_enough_held_out_networks_stay_within():
    prediction = np.full(9, 10.0)
    truth = prediction * np.array([1.0, 1.1, 0.9, 1.0, 1.05, 1.0, 0.95, 0.5, 1.0])

    factor = network_factor(truth, prediction, alpha=0.1)
    interval = network_interval(np.array([30.0, np.inf]), factor)

    assert factor == pytest.approx(2.0)
    np.testing.assert_allclose([interval.lower, interval.upper], [[15.0, np.inf], [60.0, np.inf]])


@pytest.mark.parametrize("networks", [0, 1, 8])
def test_too_few_networks_have_no_factor_and_an_unbounded_interval(networks):
    factor = network_factor(np.ones(networks), np.ones(networks), alpha=0.1)
    interval = network_interval(np.array([3.0]), factor)

    assert factor is None
    np.testing.assert_array_equal([interval.lower, interval.upper], [[0.0], [np.inf]])


def test_networks_errors_cancel_so_that_their_interval_is_narrower_than_their_layers_ends_added_up():
    rows = drawn(2000, sigma={"convolution": 0.2})
    layers = rows.part(np.diff(rows.groups, prepend=-1) > 0)
    interval = layers.interval(rows.fit())
    truth, prediction, upper = (
        values.reshape(-1, 20).sum(axis=1) for values in (layers.truth, layers.prediction, interval.upper)
    )

    factor = network_factor(truth[:50], prediction[:50])
    whole = network_interval(prediction[50:], factor)

    assert 80 <= coverage_percent(whole, truth[50:]) <= 100
    assert (whole.upper < upper[50:]).all()


def test_networks_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match="2 truths and 1 predictions"):
        network_factor(np.ones(2), np.ones(1))
    with pytest.raises(ValueError, match=r"sum_prediction must be positive and finite, but row 0 is 0\.0"):
        network_factor(np.ones(1), np.zeros(1))
