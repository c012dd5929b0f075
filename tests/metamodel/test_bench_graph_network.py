from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from bench_graph_network import main


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
    title, heads, *lines = run("--cost", "some_ms", "--training", "40", "--seeds", "1", "--epochs", "1", "--pruned")

    assert title == "some_ms: 40 training networks, 20 test networks, 1 seeds; GCN: 1 epochs, batches of 30"
    assert heads.split()[:3] == ["±10", "%", "[%]"]
    assert [line[:12].rstrip() for line in lines] == ["twin", "B-o-B", "GCN", "GCN, pruned"]
    assert lines[0].split()[1:3] == ["100.0", "100.0"]
    assert [line.count("±") for line in lines[1:]] == [6, 6, 6]


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
