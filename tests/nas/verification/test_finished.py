from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from nas.errors import SearchFolderError, SettingsError
from nas.searching.finished import FinishedSearch, read_finished
from nas.searching.run import Outcome
from nas.trellis import architecture_of


def test_a_finished_search_is_read_back_as_it_was_found(tiny_search: Path, tiny_outcome: Outcome):
    found = read_finished(tiny_search)

    space, records = tiny_outcome.space, tiny_outcome.records
    assert found.space == space
    assert found.settings.limits == tiny_outcome.settings.limits
    assert [one.architecture for one in found.networks] == [architecture_of(space, one.choices) for one in records]
    assert [one.accuracy for one in found.networks] == [one.accuracy for one in records]
    assert [one.latency_ms for one in found.networks] == [one.cost for one in records]
    assert found.winner.architecture == tiny_outcome.winner.architecture
    trained = [one.architecture for one in tiny_outcome.finalists]
    assert [found.networks[query - 1].architecture for query in found.finalists] == trained
    assert found.network_file == tiny_search / "best.onnx"


def test_the_best_are_the_winner_then_the_finalists_then_the_rest_by_accuracy(tiny_search: Path):
    found = read_finished(tiny_search)

    ranked = found.best(8)

    assert ranked[0] == found.winner
    assert {one.query for one in ranked[:5]} == set(found.finalists)
    rest = [one.accuracy for one in ranked[5:]]
    assert rest == sorted(rest, reverse=True)
    assert len(set(ranked)) == len(ranked) == len(found.networks)
    assert found.best(1) == (found.winner,)


def test_networks_beyond_the_limits_are_not_among_the_best(tiny_search: Path):
    found = read_finished(tiny_search)
    beyond = [dataclasses.replace(one, is_within=one.query % 2 == 0, accuracy=1.0) for one in found.networks]
    winner = beyond[found.winner.query - 1]

    best = dataclasses.replace(found, networks=tuple(beyond), winner=winner).best(100)

    assert {one.query for one in best} == {2, 4, 6, 8, winner.query}


def edit(path: Path, **changes: object) -> None:
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, **changes}))


def unfinished(folder: Path) -> None:
    folder.rename(folder.with_name("tiny.unfinished"))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (
            lambda folder: (folder / "run.toml").unlink(),
            "tiny is no search folder. 'nas run' makes one under searches/.",
        ),
        (unfinished, "The search in .*tiny is not finished. Go on with it: 'nas run --resume'."),
        (lambda folder: (folder / "architecture.json").unlink(), "is not finished"),
        (lambda folder: edit(folder / "architecture.json", schema=99), r"another version of AutoCoMET \(schema 99"),
        (lambda folder: (folder / "run.toml").write_text("schema = 99"), r"another version of AutoCoMET \(schema 99"),
        (lambda folder: edit(folder / "architecture.json", query=99), "is no whole search"),
        (lambda folder: (folder / "architecture.json").write_text("{"), "Cannot read .*architecture.json"),
        (lambda folder: (folder / "architecture.json").write_text("[]"), "is not what a search writes"),
        (lambda folder: (folder / "history.parquet").write_bytes(b"PAR1"), "Cannot read .*history.parquet"),
        (lambda folder: (folder / "history.parquet").unlink(), "Cannot read .*history.parquet"),
        (lambda folder: (folder / "best.onnx").unlink(), "has lost its best.onnx"),
    ],
)
def test_what_is_no_finished_search_of_this_version_is_one_line(tiny_search: Path, spoil, message: str):
    spoil(tiny_search)

    with pytest.raises(SearchFolderError, match=message) as told:
        read_finished(tiny_search)

    assert "\n" not in str(told.value)


def test_the_current_folder_has_a_name_too(tiny_search: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tiny_search)

    assert read_finished(Path()).folder == tiny_search.resolve()


def test_an_absent_folder_is_no_search_folder(tmp_path: Path):
    with pytest.raises(SearchFolderError, match="is no search folder"):
        read_finished(tmp_path / "absent")


def test_a_limit_that_cannot_be_in_the_file_is_named(tiny_search: Path):
    path = tiny_search / "run.toml"
    path.write_text(path.read_text().replace("latency=15.0ms", "beauty=3"))

    with pytest.raises(SettingsError, match="Cannot limit 'beauty'"):
        read_finished(tiny_search)


def test_best_can_be_asked_for_more_than_there_are(tiny_search: Path):
    found: FinishedSearch = read_finished(tiny_search)

    assert len(found.best(100)) == 8
