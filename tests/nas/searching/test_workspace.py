from __future__ import annotations

import contextlib
from pathlib import Path

import pytest

from nas.errors import OutputError, ResumeError
from nas.searching.workspace import Workspace


def fill(workspace: Workspace, name: str, content: str) -> None:
    (workspace.folder / name).write_text(content)


def below(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_search_lies_beside_its_place_until_it_is_published(tmp_path: Path):
    workspace = Workspace(tmp_path / "found")

    with workspace.opened("seed = 1\n"):
        fill(workspace, "best.onnx", "network")
        seen = (workspace.begun, workspace.finished, sorted(path.name for path in tmp_path.iterdir()))
        workspace.publish()

    assert seen == (True, False, ["found.unfinished"])
    assert (workspace.begun, workspace.finished) == (False, True)
    assert below(tmp_path) == {"found/run.toml": "seed = 1\n", "found/best.onnx": "network"}


def test_an_older_search_stays_until_the_new_one_is_whole_and_is_gone_as_a_whole_then(tmp_path: Path):
    older = tmp_path / "found"
    older.mkdir()
    (older / "run.toml").write_text("seed = 0\n")
    (older / "left-over.txt").write_text("old")
    workspace = Workspace(older)

    workspace.check()
    with workspace.opened("seed = 1\n"):
        before = below(older)
        workspace.publish()

    assert before == {"run.toml": "seed = 0\n", "left-over.txt": "old"}
    assert below(tmp_path) == {"found/run.toml": "seed = 1\n"}


def test_what_started_an_unfinished_search_is_not_written_over(tmp_path: Path):
    for text in ("seed = 1\n", "seed = 2\n"):
        with Workspace(tmp_path / "found").opened(text):
            pass

    assert (tmp_path / "found.unfinished" / "run.toml").read_text() == "seed = 1\n"


def test_two_processes_do_not_work_on_one_search(tmp_path: Path):
    with Workspace(tmp_path / "found").opened(""):
        other = Workspace(tmp_path / "found")

        with pytest.raises(ResumeError, match=r"Another process is at work in .*found\.unfinished"), other.opened(""):
            pass
        with pytest.raises(ResumeError, match="Another process is at work"):
            other.discard()

    with Workspace(tmp_path / "found").opened(""):
        pass


def test_a_search_that_is_thrown_away_leaves_nothing(tmp_path: Path):
    workspace = Workspace(tmp_path / "found")
    with workspace.opened(""):
        fill(workspace, "best.onnx", "network")

    workspace.discard()
    workspace.discard()

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("killed_at", ["before the older one was put aside", "after it", "before tidying up"])
def test_a_process_killed_while_it_publishes_leaves_what_the_next_one_ends(tmp_path: Path, killed_at: str):
    older = tmp_path / "found"
    older.mkdir()
    (older / "run.toml").write_text("seed = 0\n")
    workspace = Workspace(older)
    with workspace.opened("seed = 1\n"):
        if killed_at != "before the older one was put aside":
            older.rename(workspace.folder / "state" / "replaced")
        if killed_at == "before tidying up":
            workspace.folder.rename(older)

    again = Workspace(older)
    if again.begun:
        again.check()
        with again.opened(""):
            again.publish()
    else:
        again.tidy()

    assert below(tmp_path) == {"found/run.toml": "seed = 1\n"}


@pytest.mark.parametrize("name", ["found", "found.unfinished"])
def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path, name: str):
    (tmp_path / name).mkdir()
    (tmp_path / name / "thesis.txt").write_text("mine")

    with pytest.raises(OutputError, match=rf"{name} is there already and is no search folder\. Name another one"):
        Workspace(tmp_path / "found").check()


def test_a_file_in_the_folders_place_is_left_alone(tmp_path: Path):
    (tmp_path / "taken").write_text("mine")

    with pytest.raises(OutputError, match="is there already and is no search folder"):
        Workspace(tmp_path / "taken").check()


def test_a_parent_that_is_no_folder_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("mine")

    with pytest.raises(OutputError, match=r"Cannot write .*file: .*Name another folder with -o\."):
        Workspace(tmp_path / "file" / "search").check()


@pytest.mark.parametrize("name", [".", "..", "/"])
def test_a_folder_that_cannot_be_moved_into_place_is_refused(name: str):
    with pytest.raises(OutputError, match="names no folder of its own"):
        Workspace(Path(name)).check()


def test_an_empty_folder_and_a_missing_parent_are_fine(tmp_path: Path):
    (tmp_path / "empty").mkdir()

    for folder in (tmp_path / "empty", tmp_path / "missing" / "search"):
        workspace = Workspace(folder)
        workspace.check()
        assert not (tmp_path / "missing").exists()  # nothing is made before there is something to keep
        with workspace.opened(""):
            workspace.publish()

    assert below(tmp_path) == {"empty/run.toml": "", "missing/search/run.toml": ""}


def test_a_process_killed_before_its_settings_were_written_leaves_a_place_to_begin(tmp_path: Path):
    workspace = Workspace(tmp_path / "found")
    (workspace.folder / "state").mkdir(parents=True)
    (workspace.folder / ".run.toml.17.part").write_text("see")

    workspace.check()
    with workspace.opened("seed = 1\n"), contextlib.suppress(KeyError):
        workspace.publish()

    assert below(tmp_path) == {"found/run.toml": "seed = 1\n"}
