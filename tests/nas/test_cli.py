from __future__ import annotations

import json
from pathlib import Path
from typing import NoReturn

import pyarrow.parquet as pq
import pytest

import parsers
from nas.networks.layers import space_layers
from nas.space import Space
from nas.spaces import SPACES
from profiler.suite import suite_from_layers
from tests.nas.conftest import Nas


@pytest.fixture
def tiny(nas: Nas, tiny_world: None, predictor, monkeypatch: pytest.MonkeyPatch) -> Nas:  # noqa: ARG001
    """Run a tiny search with a predictor by formula."""
    monkeypatch.setattr("metamodel.interface.load_predictor", lambda _: predictor)
    settings = (
        "--tier=low",
        "--space=small",
        "--data=stripes",
        "--accuracy=shared",
        "--shared-epochs=1",
        "--alone-epochs=1",
    )
    return lambda *arguments: nas("run", *settings, "--budget=2", "--finalists=1", *arguments)


def files_below(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_search_prints_its_winner_and_the_paths_of_what_it_wrote(tiny: Nas, tmp_path: Path):
    code, out, _ = tiny("--limit=latency=15ms", "-o", "found")

    files = {"best.onnx", "front.csv", "front.png", "learning_curve.png", "history.parquet"}
    assert code == 0
    assert out.startswith("Winner of 2: k")
    assert "limit 15" in out
    assert all(f"found/{name}" in out and (tmp_path / "found" / name).stat().st_size > 0 for name in files)


def test_json_is_one_document_on_standard_output_that_agrees_with_the_files(tiny: Nas, tmp_path: Path):
    code, out, _ = tiny("--limit=latency=15ms", "--json")

    document = json.loads(out)
    history = pq.read_table(tmp_path / document["files"]["history"])
    assert code == 0
    assert document["queries"] == history.num_rows == 2
    assert document["latency_limit_ms"] == 15.0
    assert document["latency_ms"] in history.column("latency_ms").to_pylist()
    assert document["search"].startswith("searches/low-small-stripes-comet-seed0")
    assert all((tmp_path / path).is_file() for path in document["files"].values())


def test_the_same_command_twice_gives_the_same_history_but_for_its_timings(
    tiny: Nas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("nas.searching.output.export_onnx", lambda _network, _image, path: path.write_bytes(b"onnx"))
    for name in ("first", "second"):
        tiny("--limit=latency=15ms", "-o", name)

    first, second = (
        pq.read_table(tmp_path / name / "history.parquet").drop_columns(["seconds"]) for name in ("first", "second")
    )
    assert first.equals(second)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--tier=giant"], "No tier or phone 'giant'"),
        ([], "Name one device: --tier flagship"),
        (["--tier=low", "--device-config=mid"], "Name one device: --tier flagship"),
        (["--tier=low", "--space=resnet"], "No search space 'resnet'. Known: "),
        (
            ["--tier=low", "--data=imagenet"],
            "No data set 'imagenet'. Known: coco, coco-largest, fashion-mnist, images, ",
        ),
        (["--tier=low", "--controller=magic"], "No controller 'magic'. Known: comet, "),
        (["--tier=low", "--potential=magic"], "No potential 'magic'. Known: exact, learned, online."),
        (["--tier=low", "--budget=0"], "A budget of 0 accuracy queries finds nothing. Give --budget 1 or more."),
        (["--tier=low", "--finalists=0"], "0 finalists leave no winner. Give --finalists 1 or more."),
        (["--tier=low", "--limit=25ms"], "Write a limit as latency=25ms"),
        (["--tier=low", "--limit=latency=fast"], "The limit 'latency=fast' has no number."),
        (["--tier=low", "--limit=beauty=3"], "Cannot limit 'beauty'."),
        (["--tier=low", "--limit=latency=-3ms"], "must be above zero"),
        (["--tier=low", "--limit=latency=9", "--limit=latency=8"], "latency has 2 limits: latency=9, latency=8."),
        (["--tier=low", "--model=nowhere"], "nowhere"),
        (["--tier=low", "-o", "/dev/null/search"], "Name another folder with -o."),
        (["--tier=low", "--torch-device=tpu"], "No --torch-device 'tpu'. Known: cpu, cuda, cuda:0, cuda:1 and so on."),
        (["--tier=low", "--torch-device=cuda:77"], "There is no GPU cuda:77 that torch"),
        (["--tier=low", "--patience=-1"], "A patience of -1 queries cannot be."),
        (["--tier=low", "--resume", "--fresh"], "--resume goes on and --fresh starts over: give one of them."),
        (["--resume", "-o", "nowhere"], "There is no search in nowhere to go on with. Start one: nas run --tier low."),
    ],
)
def test_bad_input_is_one_line_with_exit_code_1_and_writes_nothing(
    nas: Nas, tmp_path: Path, arguments: list[str], message: str
):
    code, out, err = nas("run", *arguments)

    assert (code, out) == (1, "")
    assert err.startswith("nas: ")
    assert message in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_limit_that_no_network_keeps_is_one_line_with_the_lowest_possible(tiny: Nas, tmp_path: Path):
    code, out, err = tiny("--limit=latency=1ms")

    assert (code, out) == (1, "")
    assert err == (
        "nas: No network of the space keeps latency within 1 ms: the lowest possible is 9.002 ms. "
        "Give --limit latency=10.8ms or more.\n"
    )
    assert files_below(tmp_path) == set()


def test_a_folder_that_holds_something_else_is_refused_before_the_search(tiny: Nas, tmp_path: Path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")

    code, _, err = tiny("-o", "mine")

    assert code == 1
    assert err == "nas: mine is there already and is no search folder. Name another one with -o.\n"
    assert files_below(tmp_path) == {"mine/thesis.txt"}


def test_ctrl_c_ends_with_130_and_leaves_what_the_search_goes_on_from(
    tiny: Nas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("nas.searching.output.export_onnx", interrupt)
        code, out, err = tiny("--limit=latency=15ms", "-o", "found")

    assert (code, out) == (130, "")
    assert [line for line in err.splitlines() if line.startswith("nas:")] == [
        "nas: stopped. A search that had begun goes on with --resume; nothing else was written."
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["found.unfinished"]


@pytest.fixture
def stopped(tiny: Nas, monkeypatch: pytest.MonkeyPatch) -> Nas:
    """Leave a search that was stopped in ``found.unfinished``."""

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("nas.searching.output.write_history", interrupt)
        assert tiny("--limit=latency=15ms", "-o", "found")[0] == 130
    monkeypatch.setattr("nas.searching.output.export_onnx", lambda _network, _image, path: path.write_bytes(b"onnx"))
    return tiny


def test_an_unfinished_search_asks_whether_to_go_on_or_to_start_over(stopped: Nas, tmp_path: Path):
    before = files_below(tmp_path)

    code, out, err = stopped("--limit=latency=15ms", "-o", "found")

    assert (code, out) == (1, "")
    assert err == (
        "nas: found.unfinished holds a search that was stopped. Go on with it by --resume, or start over by --fresh.\n"
    )
    assert files_below(tmp_path) == before


def test_a_search_goes_on_with_the_settings_it_began_with(stopped: Nas, nas: Nas, tmp_path: Path):
    del stopped

    code, out, err = nas("run", "--resume", "-o", "found", "--json")

    assert code == 0
    assert json.loads(out)["latency_limit_ms"] == 15.0
    assert "Searching: 2/2" in err
    assert {path.name for path in tmp_path.iterdir()} == {"found"}


def test_options_that_say_something_else_than_the_unfinished_search_are_one_line(
    stopped: Nas, nas: Nas, tmp_path: Path
):
    del stopped
    before = files_below(tmp_path)

    code, _, err = nas("run", "--resume", "-o", "found", "--budget=2", "--limit=latency=15", "--seed=7")

    assert code == 1
    assert err == (
        "nas: --seed 7 does not go with found.unfinished/run.toml, which says 0. Leave it out, or start over with --fresh.\n"
    )
    assert files_below(tmp_path) == before


def test_starting_over_throws_the_unfinished_search_away(stopped: Nas, tmp_path: Path):
    code, out, _ = stopped("--limit=latency=14ms", "-o", "found", "--fresh")

    assert code == 0
    assert "limit 14" in out
    assert {path.name for path in tmp_path.iterdir()} == {"found"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("schema = 3", "schema = 1", "found.unfinished/run.toml is of another version of AutoCoMET (schema 1"),
        ("torch = ", 'torch = "1.0" #', "began with another version of torch"),
        ("processor = ", 'processor = "z80" #', "began with another kind of processor"),
        ("budget = 2", "budgt = 2", "budgt in found.unfinished/run.toml is not understood."),
        ("budget = 2", 'budget = "2"', "budget in found.unfinished/run.toml must be of type int, not '2'."),
    ],
)
def test_an_unfinished_search_of_another_version_is_one_line(
    stopped: Nas, nas: Nas, tmp_path: Path, old: str, new: str, message: str
):
    del stopped
    run_toml = tmp_path / "found.unfinished" / "run.toml"
    run_toml.write_text(run_toml.read_text().replace(old, new))

    code, out, err = nas("run", "--resume", "-o", "found")

    assert (code, out) == (1, "")
    assert message in err
    assert err.count("\n") == 1


def test_another_history_than_the_controllers_is_one_line(stopped: Nas, nas: Nas, tmp_path: Path):
    del stopped
    journal = tmp_path / "found.unfinished" / "state" / "journal.jsonl"
    first, second = journal.read_text().splitlines()
    journal.write_text(f"{second}\n{first}\n")

    code, out, err = nas("run", "--resume", "-o", "found")

    assert (code, out) == (1, "")
    assert err.splitlines()[-1].startswith("nas: The search does not repeat what it did before it was stopped:")


def test_a_finished_search_says_so_and_prints_its_result_again(tiny: Nas, nas: Nas, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("nas.searching.output.export_onnx", lambda _network, _image, path: path.write_bytes(b"onnx"))
    _, first, _ = tiny("--limit=latency=15ms", "-o", "found")

    code, out, err = nas("run", "--resume", "-o", "found")

    assert (code, out, err) == (0, first, "found is finished already.\n")


def test_resuming_where_nothing_began_begins(tiny: Nas, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("nas.searching.output.export_onnx", lambda _network, _image, path: path.write_bytes(b"onnx"))

    code, out, _ = tiny("--limit=latency=15ms", "--resume")

    assert code == 0
    assert out.startswith("Winner of 2: k")


def test_event_files_for_tensorboard_are_written_where_asked(
    tiny: Nas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("nas.searching.output.export_onnx", lambda _network, _image, path: path.write_bytes(b"onnx"))

    tiny("--limit=latency=15ms", "-o", "found", "--tensorboard")

    (events,) = (tmp_path / "found" / "tensorboard").iterdir()
    assert events.name.startswith("events.out.tfevents.")


def test_a_searchs_own_file_starts_it_again(tiny: Nas, nas: Nas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("nas.searching.output.export_onnx", lambda _network, _image, path: path.write_bytes(b"onnx"))
    tiny("--limit=latency=15ms", "-o", "first")

    code, _, _ = nas("run", "--config", "first/run.toml", "-o", "second")
    overridden, out, _ = nas("run", "--config", "first/run.toml", "-o", "third", "--budget=1", "--json")

    assert (code, overridden) == (0, 0)
    assert (tmp_path / "second" / "run.toml").read_bytes() == (tmp_path / "first" / "run.toml").read_bytes()
    first, second = (
        pq.read_table(tmp_path / name / "history.parquet").drop_columns(["seconds"]) for name in ("first", "second")
    )
    assert first.equals(second)
    assert json.loads(out)["queries"] == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('device = "low"\ncolour = "blue"\n', "colour in mine.toml is not understood. Known: accuracy, alone_epochs, "),
        ('device = "low"\nbudget = 0\n', "A budget of 0 accuracy queries finds nothing."),
        ('device = "low"\nbudget = 1.5\n', "budget in mine.toml must be of type int, not 1.5."),
        ('device = "low"\nlimits = "latency=3"\n', "limits in mine.toml must be a list of words."),
        ('device = "giant"\n', "No tier or phone 'giant'"),
        ("device = \n", "mine.toml is no TOML"),
        ("budget = 3\n", "Name one device: --tier flagship"),
        ("schema = 9\n", "mine.toml is of another version of AutoCoMET (schema 9; this one knows 3)."),
    ],
)
def test_a_config_that_cannot_be_is_one_line(nas: Nas, tmp_path: Path, content: str, message: str):
    (tmp_path / "mine.toml").write_text(content)

    code, out, err = nas("run", "--config", "mine.toml")

    assert (code, out) == (1, "")
    assert message in err
    assert err.count("\n") == 1
    assert files_below(tmp_path) == {"mine.toml"}


def test_a_config_that_is_not_there_is_one_line(nas: Nas):
    code, _, err = nas("run", "--config", "missing.toml")

    assert (code, err) == (
        1,
        "nas: Cannot read missing.toml: No such file or directory. Name the run.toml of a search.\n",
    )


def test_the_layers_of_a_space_are_a_suite_that_can_be_measured(nas: Nas, space: Space, tmp_path: Path):
    code, out, _ = nas("space", "layers", "--space", "mobilenetv2-tiny", "-o", "layers.json")

    document = json.loads((tmp_path / "layers.json").read_text(encoding="utf-8"))
    suite = suite_from_layers(tmp_path / "layers.json")
    assert code == 0
    assert out == f"{len(suite.layers)} layers: layers.json\n"
    assert (set(document), document["schema"]) == ({"schema", "layers"}, 1)
    assert tuple(item.layer for item in suite.layers) == space_layers(space)


def test_a_layers_file_that_cannot_be_written_is_one_line(nas: Nas):
    code, _, err = nas("space", "layers", "-o", "missing/layers.json")

    assert code == 1
    assert err == "nas: Cannot write missing/layers.json: No such file or directory. Name another file with -o.\n"


def test_a_space_is_shown_slot_by_slot(nas: Nas):
    code, out, _ = nas("space", "show", "--space", "mobilenetv2-tiny")

    assert code == 0
    assert out.startswith("mobilenetv2-tiny: 9 slots, 28x28 images, 10 classes\n")
    assert out.splitlines()[1] == "6.21e+13 networks; by hand 1,126,064 multiply-accumulates, 42,538 weights"
    assert out.splitlines()[3].split() == ["1", "1", "1", "54", "no", "k3", "e1", "c8", "+"]
    assert len(out.splitlines()) == 3 + 9


@pytest.mark.parametrize("command", [["space", "show"], ["space", "layers", "-o", "layers.json"]])
def test_an_unknown_space_is_one_line_whoever_asks(nas: Nas, command: list[str]):
    code, _, err = nas(*command, "--space=resnet")

    known = ", ".join(sorted(SPACES))
    wanted = f"nas: No search space 'resnet'. Known: {known}; or name a .toml file, or file.py:function.\n"
    assert (code, err) == (1, wanted)


def test_a_phones_config_without_a_limit_asks_for_one(nas: Nas, tmp_path: Path):
    shipped = Path(parsers.__file__).parent.parent / "device_configs" / "low.toml"
    lines = [line for line in shipped.read_text().splitlines() if not line.startswith("latency_limit_ms")]
    (tmp_path / "mine.toml").write_text("\n".join(lines).replace('kind = "tier"', 'kind = "phone"'))

    code, _, err = nas("run", f"--device-config={tmp_path / 'mine.toml'}")

    assert (code, err) == (
        1,
        "nas: mine has no latency_limit_ms. Say how long a network may take: --limit latency=25ms.\n",
    )
