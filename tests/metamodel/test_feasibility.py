from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import pytest
from xgboost import Booster

from metamodel.correction import tensor_bytes
from metamodel.feasibility import MIN_CONFIGURATIONS, Feasibility, FeasibilityRecord, fit_feasibility
from metamodel.features import FeatureSpace
from metamodel.interface import Setting
from metamodel.manifest import from_json, to_json
from metamodel.rows import Infeasible, setting_key
from parsers.schema import Measurement, Status

FALSE_ALARM_RATE = 0.05


@dataclass
class MemoryLimited:
    """Two phones; a layer whose tensors take more than a share of the phone's memory does not load."""

    bench: object
    share: float = 0.4e6  # bytes per GB

    @property
    def settings(self):
        small = replace(self.bench.phone, memory_gb=4.0)
        return [Setting(context=context, device="phone") for context in (self.bench.phone, small)]

    def fails(self, layer, setting):
        return tensor_bytes(layer) > self.share * setting.context.memory_gb

    def rows(self, layers):
        return [self._row(layer, setting) for layer in layers for setting in self.settings]

    def table(self, layers):
        return self.bench.frame(self.rows(layers))

    def _row(self, layer, setting):
        if self.fails(layer, setting):
            return self.bench.failed_row(layer, Status.OUT_OF_MEMORY, context=setting.context)
        return self.bench.row(layer, context=setting.context)

    def truth(self, layers):
        return np.array([self.fails(layer, setting) for setting in self.settings for layer in layers])


@pytest.fixture
def phones(bench):
    return MemoryLimited(bench)


def asked(feasibility, space, layers, settings, method="infeasible"):
    ask = getattr(feasibility, method)
    return np.concatenate([ask(layers, setting, space.layer_matrix(layers, setting)) for setting in settings])


def fitted(table, **changes):
    space = FeatureSpace.of_table(table)
    return fit_feasibility(table, space, **{"false_alarm_rate": FALSE_ALARM_RATE, **changes}), space


def test_layers_too_large_for_a_phone_are_told_from_those_that_fit_though_nobody_tried_them(bench, phones):
    feasibility, space = fitted(phones.table(bench.layers(300)))
    untried = bench.layers(400)

    answer, truth = asked(feasibility, space, untried, phones.settings), phones.truth(untried)

    assert feasibility.record.reason is None
    assert 0.1 < truth.mean() < 0.5
    assert answer[truth].mean() > 0.85
    assert answer[~truth].mean() < 1.5 * FALSE_ALARM_RATE


def test_the_stated_rates_are_those_of_layers_that_were_held_out(bench, phones):
    feasibility, space = fitted(phones.table(bench.layers(300)), false_alarm_rate=0.01)
    untried = bench.layers(400)

    answer, truth = asked(feasibility, space, untried, phones.settings), phones.truth(untried)

    assert answer[~truth].mean() < 0.03
    assert answer[truth].mean() == pytest.approx(feasibility.record.calibration.detection_rate, abs=0.1)


def test_a_probability_of_failing_is_as_large_as_the_share_that_fails(bench, phones):
    feasibility, space = fitted(phones.table(bench.layers(300)))
    untried = bench.layers(400)

    probability = asked(feasibility, space, untried, phones.settings, "probability")
    truth = phones.truth(untried)

    assert probability.mean() == pytest.approx(truth.mean(), abs=0.05)
    assert np.mean((probability - truth) ** 2) < 0.05
    assert ((probability >= 0) & (probability <= 1)).all()


def test_few_failures_among_many_layers_are_still_found(bench):
    layers = sorted(bench.layers(500), key=tensor_bytes)
    rare = MemoryLimited(
        bench, share=tensor_bytes(layers[-20]) / 8
    )  # some twenty on the larger phone, more on the smaller

    feasibility, space = fitted(rare.table(layers))
    untried = bench.layers(500)
    answer, truth = asked(feasibility, space, untried, rare.settings), rare.truth(untried)

    assert truth.mean() < 0.15
    assert answer[truth].mean() > 0.7
    assert answer[~truth].mean() < 1.5 * FALSE_ALARM_RATE


def test_known_members_are_infeasible_exactly_whatever_the_classifier_thinks(bench, phones):
    tiny = bench.gemm(8, 8)
    here, elsewhere = phones.settings
    likely, space = fitted(phones.table([tiny, *bench.layers(200)]))
    crashed = Infeasible(layer_key=tiny.key, setting_key=setting_key(here), status="crashed")

    feasibility = replace(likely, known=(*likely.known, crashed))

    assert asked(likely, space, [tiny], [here, elsewhere]).tolist() == [False, False]
    assert asked(feasibility, space, [tiny], [here, elsewhere]).tolist() == [True, False]
    probability = asked(feasibility, space, [tiny], [here, elsewhere], "probability")
    assert probability[0] == 1.0
    assert probability[1] < 0.5


def test_too_few_failures_leave_the_known_members_alone(bench):
    layers = [bench.convolution(16 * n) for n in range(1, 300)]
    big = [bench.convolution(4096, in_channels=64 * n) for n in range(1, MIN_CONFIGURATIONS)]
    rows = [bench.row(layer) for layer in layers] + [bench.failed_row(layer, Status.TIMED_OUT) for layer in big]
    setting = Setting(context=bench.phone)

    feasibility, space = fitted(bench.frame(rows))

    assert feasibility.classifier is None
    assert feasibility.record == FeasibilityRecord(
        failed=9,
        executed=299,
        false_alarm_rate=FALSE_ALARM_RATE,
        calibration=None,
        reason="9 layer configurations failed; 10 are needed to tell what fails",
    )
    larger = bench.convolution(4096, in_channels=8192)
    assert asked(feasibility, space, [big[0], layers[0], larger], [setting]).tolist() == [True, False, False]
    assert asked(feasibility, space, [big[0], layers[0]], [setting], "probability").tolist() == [1.0, 0.0]
    assert feasibility.known == tuple(
        Infeasible(layer_key=key, setting_key=setting_key(setting), status="timed_out")
        for key in sorted(layer.key for layer in big)
    )


@pytest.mark.parametrize(("executed", "rate", "needed"), [(0, 0.05, 19), (18, 0.05, 19), (15, 0.01, 99), (9, 0.5, 10)])
def test_too_few_executed_layers_are_no_basis_for_the_false_alarm_rate(bench, executed, rate, needed):
    rows = [bench.failed_row(bench.convolution(4 * n), Status.UNSUPPORTED) for n in range(1, 40)]
    rows += [bench.row(bench.convolution(1000 + n)) for n in range(executed)]

    feasibility, _ = fitted(bench.frame(rows), false_alarm_rate=rate)

    assert feasibility.classifier is None
    assert feasibility.record.reason == (
        f"{executed} layer configurations were executed; {needed} are needed for a false-alarm rate of {rate:g}"
    )
    assert len(feasibility.known) == 39


def test_failures_at_random_call_hardly_any_other_layer_infeasible(bench):
    rows = [
        bench.failed_row(layer, Status.CRASHED) if bench.random.random() < 0.2 else bench.row(layer)
        for layer in dict.fromkeys(bench.layers(400))
    ]

    feasibility, space = fitted(bench.frame(rows))
    answer = asked(feasibility, space, bench.layers(400), [Setting(context=bench.phone)])

    assert answer.mean() < 2 * FALSE_ALARM_RATE


def test_where_failures_cannot_be_told_surely_the_threshold_rises_until_the_false_alarms_are_few_enough(bench):
    def rows(layers):
        limit = 1e6 * np.exp(bench.random.standard_normal(len(layers)))  # what is free on the phone, each time another
        return [
            bench.failed_row(layer, Status.OUT_OF_MEMORY) if tensor_bytes(layer) > free else bench.row(layer)
            for layer, free in zip(layers, limit, strict=True)
        ]

    careful, space = fitted(bench.frame(rows(bench.layers(600))), false_alarm_rate=0.02)
    untried = rows(bench.layers(1000))
    layers, ran = [row.layer for row in untried], np.array([row.measurement.status is Status.OK for row in untried])
    setting = Setting(context=bench.phone)
    probability = asked(careful, space, layers, [setting], "probability")

    assert careful.record.calibration.threshold > 0.6
    assert (probability[ran] > 0.5).mean() > 0.05
    assert asked(careful, space, layers, [setting])[ran].mean() < 0.04


def test_a_layer_that_ran_once_is_no_member_though_it_failed_another_time(bench):
    layer = bench.gemm(8, 8)
    rows = [bench.failed_row(layer, Status.CRASHED), bench.row(layer), bench.failed_row(layer, Status.TIMED_OUT)]

    feasibility, space = fitted(bench.frame(rows))

    assert feasibility.known == ()
    assert (feasibility.record.failed, feasibility.record.executed) == (0, 1)
    assert asked(feasibility, space, [layer], [Setting(context=bench.phone)]).tolist() == [False]


@pytest.mark.parametrize("status", [Status.LOST, Status.THROTTLED, Status.CONTENDED, Status.ELIDED])
def test_a_row_that_is_neither_executed_nor_infeasible_says_nothing(bench, status):
    row = bench.row(bench.gemm(8, 8))

    feasibility, _ = fitted(bench.frame([replace(row, measurement=Measurement(status=status))]))

    assert feasibility.known == ()
    assert (feasibility.record.failed, feasibility.record.executed) == (0, 0)


def test_a_repeated_failure_counts_once(bench):
    layer = bench.gemm(8, 8)

    feasibility, _ = fitted(bench.frame([bench.failed_row(layer, Status.CRASHED) for _ in range(50)]))

    assert (feasibility.record.failed, len(feasibility.known)) == (1, 1)


def test_a_fitted_record_survives_json_and_its_trees_ubjson_to_the_last_bit(bench, phones, tmp_path):
    feasibility, space = fitted(phones.table(bench.layers(200)))
    untried = bench.layers(50)

    feasibility.classifier.save_model(tmp_path / "feasibility.ubj")
    text = json.dumps(to_json(feasibility.record), allow_nan=False)
    classifier = Booster(model_file=tmp_path / "feasibility.ubj")
    record = from_json(FeasibilityRecord, json.loads(text), where="feasibility")
    again = Feasibility(record=record, known=feasibility.known, classifier=classifier)

    first, second = (asked(each, space, untried, phones.settings, "probability") for each in (feasibility, again))
    assert record == feasibility.record
    np.testing.assert_array_equal(first, second)


def test_the_same_seed_gives_the_same_classifier_and_the_order_of_rows_does_not_matter_to_what_is_known(bench, phones):
    table = phones.table(bench.layers(200))

    first, again = fitted(table, seed=3)[0], fitted(table, seed=3)[0]
    turned = fitted(table.iloc[::-1].reset_index(drop=True), seed=3)[0]

    assert first.record == again.record
    assert first.classifier.save_raw("ubj") == again.classifier.save_raw("ubj")
    assert turned.known == first.known
    assert turned.record == first.record


def test_no_layers_get_no_answers(bench, phones):
    feasibility, space = fitted(phones.table(bench.layers(200)))

    assert asked(feasibility, space, [], phones.settings).tolist() == []


@pytest.mark.parametrize("rate", [0.0, 1.0, np.nan])
def test_a_false_alarm_rate_that_is_none_is_refused(bench, rate):
    with pytest.raises(ValueError, match=f"false_alarm_rate={rate} must be between 0 and 1"):
        fitted(bench.frame([bench.row(bench.gemm(8, 8))]), false_alarm_rate=rate)
