"""Searches that are killed, and gone on with."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nas.searching.history import TIMING_COLUMNS


def history(folder: Path) -> pa.Table:
    return pq.read_table(folder / "history.parquet").drop_columns(list(TIMING_COLUMNS))


STAGES = (
    "run.toml",
    "state/shared.safetensors",
    "state/journal.jsonl",
    "state/finalist-1.safetensors",
    "state/finalist-2.safetensors",
    "architecture.json",
)
"""What comes into an unfinished search's folder, in this order."""


@pytest.fixture(scope="module")
def searches(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Search undisturbed, and twice in processes that are killed in every stage; how the starts ended is noted."""
    folder = tmp_path_factory.mktemp("searches")
    moments = random.Random(0)  # noqa: S311 - when to kill
    arguments = [str(folder / "undisturbed")]
    for name in ("killed", "killed-too"):
        arguments += ["--", str(folder / name), *(f"{stage}:{moments.uniform(0, 0.15)}" for stage in STAGES)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.nas.killed_search", *arguments],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (folder / "ended.txt").write_text(done.stdout)
    return folder


def test_searches_were_killed_on_their_way_and_ended_without_an_error(searches: Path):
    undisturbed, *disturbed = (
        [int(code) for code in line.split()] for line in (searches / "ended.txt").read_text().splitlines()
    )

    assert undisturbed == [0]
    assert [ended[:4] for ended in disturbed] == [[-9, -9, -9, -9]] * 2
    assert {code for ended in disturbed for code in ended} == {-9, 0}


@pytest.mark.parametrize("name", ["killed", "killed-too"])
def test_a_search_that_was_killed_and_resumed_finds_the_same_winner_with_the_same_history(searches: Path, name: str):
    undisturbed, folder = searches / "undisturbed", searches / name

    assert history(folder).equals(history(undisturbed))
    assert {path.name for path in folder.iterdir()} == {path.name for path in undisturbed.iterdir()}
    for file in ("architecture.json", "best.safetensors", "front.csv", "run.toml"):
        assert (folder / file).read_bytes() == (undisturbed / file).read_bytes()


def test_nothing_is_left_beside_a_search_that_was_killed(searches: Path):
    assert {path.name for path in searches.iterdir()} == {"undisturbed", "killed", "killed-too", "ended.txt"}


def test_the_undisturbed_search_is_one_worth_comparing_with(searches: Path):
    described = json.loads((searches / "undisturbed" / "architecture.json").read_text(encoding="utf-8"))

    assert (described["queries"], len(described["finalists"])) == (6, 2)
    assert len(set(history(searches / "undisturbed").column("architecture").to_pylist())) == 6
