from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from metamodel.cli import main
from metamodel.errors import TableError
from metamodel.evaluation.contest import Plan, count_runs, hold
from metamodel.evaluation.protocols import Protocol
from metamodel.evaluation.samples import select_samples
from metamodel.targets import RESPONSES
from parsers.stats import write_stats


@pytest.fixture
def rows(bench):
    networks = bench.networks(5)
    return bench.campaign(networks) + bench.campaign(networks, device="slow", context=bench.slow_phone)


def contest(bench, rows, *, workers, protocol=Protocol.UNSEEN_NETWORKS):
    samples = select_samples([bench.frame(rows)], RESPONSES[0]).samples
    plan = Plan(protocol=protocol, learners=("xgboost", "ridge"), folds=3, seeds=2)
    done = []
    result = hold(samples, plan, workers=workers, advance=lambda count, note: done.append((count, note)))
    assert len(done) == count_runs(samples, plan)
    return result


def test_all_see_the_same_folds_and_the_first_is_compared_with_the_others(bench, rows):
    result = contest(bench, rows, workers=1)

    first, second = result.standings["xgboost"], result.standings["ridge"]
    assert first.lead is None
    assert second.lead is not None
    assert second.lead["mean"] == pytest.approx(first.figures["mape"].mean - second.figures["mape"].mean)
    assert set(first.per_device) == {"phone", "slow"}
    assert (result.rows, result.devices) == (len(rows), ("phone", "slow"))


def test_the_number_of_workers_changes_nothing_but_the_time(bench, rows):
    alone, together = (contest(bench, rows, workers=workers) for workers in (1, 2))

    for name in ("mape", "spearman", "network_sum_mape"):
        assert alone.standings["ridge"].figures[name] == together.standings["ridge"].figures[name]


def test_every_sample_that_a_fold_tests_is_predicted_once_per_seed_and_the_others_are_unknown(bench, rows):
    result = contest(bench, [*rows, bench.row(bench.convolution(24))], workers=1)

    for prediction in result.standings["ridge"].predictions:
        assert np.isnan(prediction).tolist() == [False] * len(rows) + [True]
    first, second = result.standings["ridge"].predictions
    assert not np.array_equal(first, second, equal_nan=True)


def test_an_unseen_phone_is_a_fold(bench, rows):
    result = contest(bench, rows, workers=2, protocol=Protocol.UNSEEN_PHONE)

    assert result.standings["xgboost"].figures["mape"].mean is not None


def test_an_unknown_learner_is_refused_with_those_there_are():
    with pytest.raises(TableError, match=r"No model 'oracle' to compare. Known: bob, bob-mlp"):
        Plan(protocol=Protocol.UNSEEN_LAYERS, learners=("bob", "oracle"))


def evaluate(monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["metamodel", "evaluate", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0)


def test_the_command_prints_a_table_and_writes_the_fixed_document(monkeypatch, tmp_path: Path, capsys, rows):
    monkeypatch.chdir(tmp_path)
    write_stats(rows, tmp_path / "rows.parquet")
    options = ("--folds", "2", "--seeds", "1", "--models", "xgboost,flops", "--device", "phone", "--json", "out/f.json")

    code = evaluate(monkeypatch, "rows.parquet", "--protocol", "unseen-layers", *options)

    said = capsys.readouterr()
    assert code == 0, said.err
    assert "left out: " in said.err
    assert "noise ceiling" in said.out
    document = json.loads(Path("out/f.json").read_text())
    assert (document["protocol"], document["target"], document["devices"]) == ("unseen-layers", "latency", ["phone"])
    assert set(document["models"]) == {"xgboost", "flops"}
    assert set(document["models"]["xgboost"]["mape"]) == {"mean", "sd"}
    assert "per_device" not in document["models"]["xgboost"]
    assert set(document["noise_ceiling"]) == {
        *("mape", "median_ape", "within_5", "within_10", "r2", "r2_log"),
        "samples",
    }
    assert set(document["noise_ceiling"]["r2"]) == {"mean", "sd"}


def test_throughput_is_learned_as_latency_and_has_no_sums(monkeypatch, tmp_path: Path, rows):
    monkeypatch.chdir(tmp_path)
    write_stats(rows, tmp_path / "rows.parquet")
    options = ("--folds", "2", "--seeds", "1", "--models", "xgboost")

    codes = [
        evaluate(monkeypatch, "rows.parquet", "--target", name, "--json", f"{name}.json", *options)
        for name in ("latency", "throughput")
    ]

    assert codes == [0, 0]
    latency, throughput = (json.loads(Path(f"{name}.json").read_text()) for name in ("latency", "throughput"))
    assert throughput["target"] == "throughput"
    told, same = throughput["models"]["xgboost"], latency["models"]["xgboost"]
    assert told["network_sum_mape"] == {"mean": None, "sd": None}
    assert told["r2_log"]["mean"] == pytest.approx(same["r2_log"]["mean"])
    assert told["mape"]["mean"] != same["mape"]["mean"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--protocol", "by-row"), "No protocol 'by-row'"),
        (("--by", "row"), "Networks are not held out by 'row'. Known: network, network-family."),
        (
            ("--by", "network-family", "--protocol", "unseen-layers"),
            "--by network-family goes with --protocol unseen-n",
        ),
        (("--by", "network-family", "--folds", "2"), "2 folds of 1 families of networks"),
        (("--target", "beauty"), "No target 'beauty'"),
        (("--models", "oracle"), "No model 'oracle'"),
        (("--device", "foldable"), "No row is of device 'foldable'"),
        (("--folds", "99"), "99 folds of 5 networks"),
        (("--models", "flops", "--json", "rows.parquet/f.json"), "cannot be written"),
    ],
)
def test_what_makes_no_sense_gets_one_line_and_exit_code_1(monkeypatch, tmp_path: Path, capsys, rows, arguments, says):
    monkeypatch.chdir(tmp_path)
    write_stats(rows, tmp_path / "rows.parquet")

    code = evaluate(monkeypatch, "rows.parquet", *arguments)

    assert code == 1
    assert says in capsys.readouterr().err.splitlines()[-1]


def test_b_o_b_says_how_often_its_intervals_hold_and_peers_do_not(bench):
    rows = [bench.row(layer) for layer in bench.layers(160)]
    samples = select_samples([bench.frame(rows)], RESPONSES[0]).samples
    plan = Plan(protocol=Protocol.UNSEEN_LAYERS, learners=("bob", "ridge"), folds=2, seeds=1)

    standings = hold(samples, plan, workers=2, advance=lambda *_: None).standings

    bob = standings["bob"]
    assert bob.figures["coverage_90"].mean is not None
    assert 75 < bob.figures["coverage_90"].mean <= 100
    assert bob.figures["width_90"].mean is not None
    assert set(bob.coverage_by_family) == set(samples.family)
    assert standings["ridge"].figures["coverage_90"].mean is None
    assert standings["ridge"].coverage_by_family == {}
