from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from metamodel.cli import app
from metamodel.errors import TableError
from metamodel.evaluation.calibrated import CalibrationPlan, count_calibrated_runs, hold_calibrated
from metamodel.evaluation.samples import select_samples
from metamodel.targets import RESPONSES
from parsers.stats import write_stats

QUICK = ("ridge", "flops")


@pytest.fixture
def three_phones(bench):
    """Forty layers on three phones, the third of which is three times slower than the law says."""
    layers = list(dict.fromkeys(bench.layers(40)))
    rows = [bench.row(layer, device="one") for layer in layers]
    rows += [bench.row(layer, device="two", context=bench.slow_phone) for layer in layers]
    return rows + [
        bench.row(layer, device="slow", execution_time_ms=3 * bench.true_latency_ms(layer, bench.phone))
        for layer in layers
    ]


@pytest.fixture
def samples(bench, three_phones):
    return select_samples([bench.frame(three_phones)], RESPONSES[0]).samples


def hold(samples, **asked):
    done = []
    plan = CalibrationPlan(learners=QUICK, **asked)
    contest = hold_calibrated(samples, plan, workers=2, advance=lambda count, _: done.append(count))
    return contest, done, count_calibrated_runs(samples, plan)


def test_every_learner_is_scored_for_every_k_on_every_device_with_layers_seen_and_unseen(samples):
    contest, done, wanted = hold(samples, measurements=(3, 8), seeds=1)

    assert done[-1] == wanted == 2 * 3 * 2
    assert list(contest.standings) == list(QUICK)
    for standing in contest.standings.values():
        for by_k in (standing.seen_layers, standing.unseen_layers):
            assert list(by_k) == [3, 8]
            assert set(by_k[8].per_device) == {"one", "two", "slow"}
            assert set(by_k[8].figures) >= {"mape", "median_ape", "within_10", "r2_log", "spearman"}
    assert contest.standings["ridge"].seen_layers[3].lead is None
    assert set(contest.standings["flops"].seen_layers[3].lead) == {"mean", "low", "high"}


def test_a_phone_that_is_three_times_slower_is_told_by_its_measurements(samples):
    contest, _, _ = hold(samples, measurements=(1, 8), seeds=1)

    standing = contest.standings["ridge"].seen_layers
    assert standing[8].per_device["slow"]["median_ape"].mean < 45  # without any, two thirds are missing


def test_truths_of_layers_that_are_not_measured_change_no_prediction(bench, three_phones):
    """Spoil all truths of a phone but those of chosen layers: an honest protocol's predictions stay, so errors explode."""
    samples = select_samples([bench.frame(three_phones)], RESPONSES[0]).samples
    hidden_seed = np.random.default_rng(0).permutation(np.array(sorted(set(samples.configuration)), dtype=object))
    hidden = np.isin(samples.configuration, list(hidden_seed[::5]))
    spoiled = np.where(hidden, samples.truth * 100, samples.truth)

    clean = hold(samples, measurements=(5,), seeds=1)[0].standings["ridge"].unseen_layers[5]
    dirty = hold(replace(samples, truth=spoiled), measurements=(5,), seeds=1)[0].standings["ridge"].unseen_layers[5]

    assert clean.figures["median_ape"].mean < 60
    assert 98 < dirty.figures["median_ape"].mean < 100


def test_the_same_seed_gives_the_same_figures_but_for_the_clock(samples, monkeypatch):
    monkeypatch.setattr("metamodel.evaluation.calibrated.time.perf_counter", lambda: 0.0)
    first, _, _ = hold(samples, measurements=(4,), seeds=2)
    second, _, _ = hold(samples, measurements=(4,), seeds=2)

    assert first.standings == second.standings


def test_what_cannot_be_asked_is_refused_in_one_line(samples):
    alone = samples.take(np.flatnonzero(samples.device == "one"))

    with pytest.raises(TableError, match="needs rows of two devices or more; these are of one"):
        hold(alone)
    with pytest.raises(TableError, match="has 40 layers: too few to measure 40 and test others"):
        hold(samples, measurements=(40,))
    with pytest.raises(TableError, match="-k 1 or more"):
        CalibrationPlan(learners=QUICK, measurements=(0,))
    with pytest.raises(TableError, match="No model 'oracle' to compare"):
        CalibrationPlan(learners=("oracle",))


def test_the_command_writes_figures_by_k(three_phones, tmp_path):
    table, figures = tmp_path / "stats.parquet", tmp_path / "figures.json"
    write_stats(three_phones, table)

    words = f"evaluate {table} --protocol calibrated-phone -k 5 -k 2 --seeds 1 --models ridge,flops --json {figures}"
    result = CliRunner().invoke(app, words.split())

    document = json.loads(figures.read_text())
    assert result.exit_code == 0
    assert document["protocol"] == "calibrated-phone"
    assert {key: list(one) for key, one in document["models"]["flops"].items()} == {
        "k": ["2", "5"],
        "k_unseen_layers": ["2", "5"],
    }
    assert set(document["models"]["ridge"]["k"]["5"]["median_ape"]) == {"mean", "sd"}
    assert set(document["models"]["ridge"]["k"]["5"]["per_device"]["slow"]["mape"]) == {"mean", "sd"}
    assert document["models"]["ridge"]["k"]["5"]["predict_us"]["mean"] > 0
    assert set(document["noise_ceiling"]["mape"]) == {"mean", "sd"}
