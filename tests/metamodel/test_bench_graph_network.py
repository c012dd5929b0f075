from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from bench_graph_network import Score, main, verdict


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run the benchmark on a made-up table, for its words; its figures are no one's."""
    operations = np.random.default_rng(0).integers(0, 3, size=(60, 3))
    columns = {f"op{number}": operations[:, number - 1] for number in (1, 2, 3)}
    np.savez(tmp_path / "table.npz", **columns, some_ms=1.0 + operations.sum(axis=1))

    def run(*options):
        monkeypatch.setattr(sys, "argv", ["bench", str(tmp_path / "table.npz"), *options])
        threads = torch.get_num_threads()
        try:
            main()
        finally:
            torch.set_num_threads(threads)
        return capsys.readouterr().out.splitlines()

    return run


def test_both_are_fitted_to_the_same_networks_and_get_a_line_each(run):
    title, heads, *lines = run("--cost", "some_ms", "--training", "40", "--seeds", "2", "--epochs", "1", "--pruned")

    assert title == "40 training networks, 20 test networks, 2 seeds; GCN: 1 epochs, batches of 30"
    assert heads.split()[:3] == ["±10", "%", "[%]"]
    assert [line[:12].rstrip() for line in lines[:6]] == [
        "some_ms",
        "twin",
        "B-o-B",
        "B-o-B, depth",
        "GCN",
        "GCN, pruned",
    ]
    assert lines[1].split()[1:3] == ["100.0", "100.0"]
    assert [line.count("±") for line in lines[2:6]] == [6, 6, 6, 6]
    assert [line.split(":")[0] for line in lines[6:]] == ["  B-o-B", "  B-o-B, depth"]


def scored(within_10, predict_ms):
    return Score(within_10=within_10, within_5=0, spearman=0, predict_ms=predict_ms, bulk_us=0, fit_s=0)


@pytest.mark.parametrize(
    ("of_bag", "said"),
    [
        ([90, 92], "matches: +1.0 ± 12.7 points within ±10 %; at 0.25 of the GCN's time (within a third)"),
        ([99, 99], "is better: +9.0 ± 0.0 points within ±10 %; at 0.25 of the GCN's time (within a third)"),
        ([80, 80], "is worse: -10.0 ± 0.0 points within ±10 %; at 0.25 of the GCN's time (within a third)"),
    ],
)
def test_the_claim_is_judged_by_paired_differences_and_their_interval(of_bag, said):
    graph = [scored(90, 4), scored(90, 4)]

    assert verdict([scored(within_10, 1) for within_10 in of_bag], graph) == said


def test_one_seed_judges_nothing():
    said = verdict([scored(91, 2)], [scored(90, 4)])

    assert said == "+1.0 points within ±10 %, one seed judges nothing; at 0.50 of the GCN's time (more than a third)"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cost", "other_ms"], "has no column 'other_ms'; it has some_ms"),
        (["--cost", "some_ms"], "--training 900 leaves nothing to test on: the table has 60 networks"),
        (["--cost", "some_ms", "--training", "0"], "--training 0"),
        (["--cost", "some_ms", "--training", "40", "--epochs", "0"], "epochs=0"),
        (["--cost", "some_ms", "--training", "40", "--seeds", "0"], "--seeds 0"),
    ],
)
def test_options_that_leave_nothing_to_do_end_in_one_line(run, options, message):
    with pytest.raises(SystemExit, match=message):
        run(*options)
