from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.nas.conftest import Nas


@pytest.fixture
def bench(nas: Nas) -> Nas:
    """Run a small benchmark in a folder that holds a table."""
    one, two = (index.ravel() for index in np.indices((5, 5)))
    np.savez("table.npz", op1=one, op2=two, seen=50.0 + one * 3 + two, final=60.0 + one, ms=1.0 + one + two)
    usual = ["--table=table.npz", "--signal=seen", "--report=final", "--latency=ms", "--seeds=2", "--workers=1"]
    return lambda *arguments: nas("benchmark", *usual, *arguments)


def test_a_benchmark_prints_a_row_for_every_controller_and_writes_all_scores(bench: Nas, tmp_path: Path):
    code, out, _ = bench("--limits=3,q80", "--budget=25", "--controllers=comet,random", "--json=scores.json")

    written = json.loads((tmp_path / "scores.json").read_text())
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()[2:]] == ["comet", "random"]
    assert written["limits"] == [3.0, 7.0]
    assert written["seeds"] == [1000, 1001]
    assert written["controllers"]["comet"]["regret"]["25"] == {"mean": 0.0, "ci95": [0.0, 0.0]}
    assert written["controllers"]["random"]["test_accuracy"]["50"] is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scores.json", "table.npz"]


def test_the_same_benchmark_gives_the_same_scores_but_for_the_times(bench: Nas, tmp_path: Path):
    found = []
    for name in ("first.json", "second.json"):
        bench("--limits=3", "--budget=8", f"--json={name}")
        written = json.loads((tmp_path / name).read_text())
        for score in written["controllers"].values():
            score.pop("ms_per_network")
        found.append(written)

    assert found[0] == found[1]


def test_variants_of_a_controller_stand_side_by_side_as_written_and_are_drawn(bench: Nas, tmp_path: Path):
    names = ["comet", "comet:epsilon=constant:shaping=both", "random:assist=mask"]

    code, _, _ = bench("--limits=3", "--budget=4", f"--controllers={','.join(names)}", "--json=s.json", "--plots=drawn")

    assert code == 0
    assert list(json.loads((tmp_path / "s.json").read_text())["controllers"]) == names
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["learning_curve.png", "regret.png"]


def test_what_a_predictor_that_errs_does_is_printed(bench: Nas):
    _, out, _ = bench("--limits=4", "--budget=4", "--controllers=random", "--noise=0.3")

    assert out.splitlines()[-1].startswith("Final picks that break the limit, by their true cost: random ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--limits=0.5"], "the lowest possible is 1"),
        (["--limits=3", "--latency=joules"], "no column 'joules'"),
        (["--limits=3", "--table=none.npz"], "Cannot read none.npz"),
        (["--limits=3", "--budget=0"], "A budget of 0"),
        (["--limits=3", "--seeds=0"], "No seed"),
        (["--limits=3", "--assist=some"], "No --assist 'some'. Known: none, mask, near-budget"),
        (["--limits=3", "--potential=some"], "No --potential 'some'. Known: exact, learned, online"),
        (["--limits=3", "--epsilon=some"], "No --epsilon 'some'. Known: co-regulated, constant"),
        (["--limits=3", "--shaping=some"], "No --shaping 'some'. Known: policy, update, both"),
        (["--limits=3", "--noise=-1"], "A noise of -1"),
        (["--limits=3", "--confidence=2"], "A confidence of 2"),
        (["--limits=3", "--reference=60"], "'60' is no accuracy and cost"),
        (["--limits=3", "--controllers=comet:epsilon=high"], "epsilon cannot be 'high'. Known: co-regulated, constant"),
        (["--limits=3", "--controllers=comet,"], "No controller ''"),
        (["--limits=3", "--plots=table.npz"], "Cannot draw into table.npz: it is no folder"),
        (["--limits=3", "--json=nowhere/scores.json"], "its folder is not there"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(bench: Nas, arguments: list[str], message: str):
    code, out, err = bench(*arguments)

    assert (code, out) == (1, "")
    assert err.startswith("nas: ")
    assert message in err
    assert err.count("\n") == 1
