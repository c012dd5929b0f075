from __future__ import annotations

import contextlib
import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from metamodel.interface import Predictor
from nas.datasets.data import data_source
from nas.errors import DataError, ResumeError
from nas.searching.output import write_search
from nas.searching.prepared import Prepared, prepare
from nas.searching.run import Outcome, conduct
from nas.searching.run_file import RunOptions, check_versions, run_toml
from nas.searching.settings import RunSettings
from nas.space import Space
from nas.trellis import choices_of


def silent(_title: str, _total: int) -> contextlib.AbstractContextManager[object]:
    return contextlib.nullcontext(lambda _now, _note: None)


@pytest.fixture(scope="module")
def path(small_space: Space, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Accuracies of the small space: the first choices are the worst; reported is something else."""
    sizes = [range(len(slot.choices)) for slot in small_space.slots]
    rows = np.array(list(itertools.product(*sizes)))
    path = tmp_path_factory.mktemp("tables") / "small.npz"
    signal = 50 + 40 * rows.sum(axis=1) / rows.sum(axis=1).max()
    np.savez(path, found=signal, told=signal / 2, **{f"op{place + 1}": rows[:, place] for place in range(4)})
    return path


@pytest.fixture
def settings(tiny_world: None, tiny_settings: RunSettings, path: Path) -> RunSettings:  # noqa: ARG001
    return replace(
        tiny_settings,
        data=f"table:{path}@signal=found,report=told,classes=3,channels=1,side=12",
        budget=12,
        finalists=3,
    )


@pytest.fixture
def prepared(settings: RunSettings, predictor: Predictor) -> Prepared:
    return prepare(settings, predictor)


@pytest.fixture
def outcome(prepared: Prepared) -> Outcome:
    return conduct(prepared, silent)


def told(outcome: Outcome, column: str, path: Path, place: int) -> float:
    with np.load(path) as table:
        choices = choices_of(outcome.space, outcome.finalists[place].architecture)
        row = np.flatnonzero(np.all([table[f"op{slot + 1}"] == choice for slot, choice in enumerate(choices)], axis=0))
        return float(table[column][row[0]]) / 100


def test_a_table_answers_for_the_search_and_for_its_finalists_and_nothing_is_trained(outcome: Outcome, path: Path):
    assert len(outcome.records) == 12
    assert len(outcome.finalists) == 3
    for place, finalist in enumerate(outcome.finalists):
        assert finalist.record.accuracy == finalist.validation_accuracy == told(outcome, "found", path, place)
        assert finalist.test_accuracy == told(outcome, "told", path, place)
        assert (finalist.test_images, finalist.curve) == (0, ())
        assert finalist.record.cost <= 15.0
    assert outcome.winner == outcome.finalists[0]


def test_the_folder_has_a_network_to_measure_and_says_that_no_image_was_looked_at(outcome: Outcome, tmp_path: Path):
    write_search(outcome, tmp_path)

    described = json.loads((tmp_path / "architecture.json").read_text())
    assert (tmp_path / "best.onnx").stat().st_size > 0
    assert described["test_images"] == 0
    assert described["test_accuracy"] == outcome.winner.test_accuracy


def test_the_same_seed_gives_the_same_search(prepared: Prepared, outcome: Outcome):
    again = conduct(prepared, silent)

    assert [one.choices for one in again.records] == [one.choices for one in outcome.records]


def test_where_something_has_to_be_trained_a_table_is_refused(prepared: Prepared, settings: RunSettings):
    with pytest.raises(DataError, match="has no images to train networks on"):
        _ = prepared.images
    with pytest.raises(DataError, match="is a table of accuracies: it has no images"):
        data_source(settings.data).load(0)


def test_a_search_goes_on_only_while_its_table_is_the_same(settings: RunSettings, path: Path, tmp_path: Path):
    copied, kept = tmp_path / "copied.npz", tmp_path / "run.toml"
    copied.write_bytes(path.read_bytes())
    data = settings.data.replace(str(path), str(copied))
    kept.write_text(run_toml(RunOptions(device="low", data=data, model=str(tmp_path))))

    check_versions(kept)
    copied.write_bytes(path.read_bytes() + b" ")

    with pytest.raises(ResumeError, match="began with another version of the table of table:"):
        check_versions(kept)
