from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from virtual_rack import virtual_rack

from nas import cli
from nas.errors import InfeasibleError, MissedLimit
from parsers.schema import Status
from tests.nas.conftest import Nas
from tests.nas.verification.conftest import FakeDevice, ran


@pytest.fixture
def nas(nas: Nas, monkeypatch: pytest.MonkeyPatch, predictor) -> Nas:
    """Run a command line where a predictor by formula stands in for the model's folder."""
    monkeypatch.setattr("metamodel.interface.load_predictor", lambda _: predictor)
    return nas


@pytest.fixture
def shelf(monkeypatch: pytest.MonkeyPatch) -> Callable[[object], FakeDevice]:
    """Let every device take what a law says."""

    def put(law) -> FakeDevice:
        device = FakeDevice(law)
        monkeypatch.setattr("nas.verify.OnDevice.__call__", lambda _self, *args, **named: device(*args, **named))
        monkeypatch.setattr("nas.verify.OnDevice.check", lambda _self: None)
        return device

    return put


@pytest.mark.usefixtures("tiny_search")
def test_a_verification_prints_a_table_of_100_columns_and_its_findings_and_writes_a_document(
    nas: Nas, shelf, tmp_path: Path
):
    shelf(lambda name, _layers: 20.0 if name == "winner" else 12.3456)

    code, out, _ = nas("verify", "tiny", "--device", "R58", "--best", 2, "--random", 3)

    lines = out.splitlines()
    assert code == 0
    assert lines[0] == "Measured on shelf-phone (a phone), cpu, 4 threads."
    assert max(map(len, lines[: lines.index("tiny/verify.json")])) <= 120
    assert max(len(line) for line in lines if "random-" in line or "winner " in line[:10]) <= 100
    assert "latency within 15 ms, on shelf-phone: the winner breaks it, by 33.3 %. 4 of 5 networks keep it." in lines
    assert json.loads((tmp_path / "tiny/verify.json").read_text())["verdict"] == "breaks"


@pytest.mark.usefixtures("tiny_search")
def test_json_is_the_document_that_was_written_and_nothing_else(nas: Nas, shelf, tmp_path: Path):
    shelf(lambda _name, _layers: 10.0)

    code, out, _ = nas("verify", "tiny", "--device", "R58", "--best", 1, "--random", 1, "--json")

    assert code == 0
    assert json.loads(out) == json.loads((tmp_path / "tiny/verify.json").read_text())
    assert json.loads(out)["verdict"] == "keeps"


@pytest.mark.usefixtures("tiny_search")
def test_a_network_that_was_not_measured_leaves_work_incomplete(nas: Nas, shelf):
    shelf(lambda name, _layers: ran(status=Status.CONTENDED) if name == "random-1" else 10.0)

    code, out, _ = nas("verify", "tiny", "--device", "R58", "--best", 1, "--random", 1)

    assert code == 3
    assert "Not known: random-1: contended." in out.splitlines()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["verify", "nowhere", "--device=host"],
            "nas: nowhere is no search folder. 'nas run' makes one under searches/.",
        ),
        (["verify", "tiny", "--device=R58M12ABCDE"], "R58M12ABCDE"),
        (["verify", "tiny", "--device=all"], "Networks are compared on one device at a time, not on 'all'; name one."),
        (["run", "--tier=low", "--verify=R58M12ABCDE"], "R58M12ABCDE"),
    ],
)
@pytest.mark.usefixtures("tiny_search")
def test_bad_input_is_one_line_with_exit_code_1_and_writes_nothing(
    nas: Nas, tmp_path: Path, arguments: list[str], message: str
):
    code, out, err = nas(*arguments)

    said = [line for line in err.splitlines() if line.startswith("nas: ")]
    assert (code, out) == (1, "")
    assert len(said) == 1
    assert message in said[0]
    assert [path.name for path in tmp_path.iterdir()] == ["tiny"]
    assert not (tmp_path / "tiny/verify.json").exists()


def test_a_predictor_that_is_gone_is_one_line(
    tiny_search: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(sys, "argv", ["nas", "verify", str(tiny_search), "--device=host", "--model=gone"])

    with pytest.raises(SystemExit) as stop:
        cli.main()

    assert stop.value.code == 1
    assert capsys.readouterr().err.startswith("nas: No model in gone; run 'metamodel fit' first")


@pytest.mark.usefixtures("tiny_search")
def test_a_search_can_be_verified_as_soon_as_it_ends(nas: Nas, shelf, tmp_path: Path):
    shelf(lambda _name, _layers: 10.0)
    tiny = ("--tier=low", "--space=small", "--data=stripes", "--budget=2", "--finalists=1", "--limit=latency=15ms")

    code, out, _ = nas(
        "run",
        *tiny,
        "--accuracy=shared",
        "--shared-epochs=1",
        "--tuning-epochs=0",
        "--alone-epochs=1",
        "--verify=R58",
        "-o",
        "new",
        "--json",
    )

    document = json.loads(out)
    assert code == 0
    assert document["verification"] == json.loads((tmp_path / "new/verify.json").read_text())
    assert document["verification"]["measured_on"]["asked_for"] == "R58"


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch, tiny_search_files: Path) -> list[tuple[object, Path, bool]]:
    """Note what is searched again; what is found is the tiny search's."""
    import shutil

    from metamodel.interface import NetworkCalibration
    from nas.searching.run_file import run_toml

    asked = []

    def run_search(options, *, config, output, resume, fresh):
        assert (config, resume) == (None, not fresh)
        asked.append((options, output, fresh))
        shutil.copytree(tiny_search_files, output)
        (output / "run.toml").write_text(run_toml(options))

    def calibrate(_model, _setting, networks, output):
        output.mkdir(parents=True, exist_ok=True)
        (output / "manifest.json").write_text(str(len(networks)))
        return NetworkCalibration(networks=len(networks), before_percent=40.0, after_percent=3.0)

    monkeypatch.setattr("nas.cli_run.run_search", run_search)
    monkeypatch.setattr("nas.verification.rounds.calibrate_predictor", calibrate)
    return asked


@pytest.mark.usefixtures("tiny_search")
def test_a_miss_is_calibrated_away_and_searched_again_until_a_winner_keeps_the_limit(
    nas: Nas, shelf, searches, tmp_path: Path
):
    took = iter([20.0, 10.0])
    device = shelf(lambda _name, _layers: device.now)
    measured = device.__class__.__call__

    def one_round(self, models, **named):
        self.now = next(took)
        return measured(self, models, **named)

    device.__class__ = type("Rounds", (FakeDevice,), {"__call__": one_round})

    code, out, err = nas("verify", "tiny", "--device=R58", "--best=2", "--random=1", "--calibrate")

    ((options, folder, fresh),) = searches
    assert code == 0
    assert out.splitlines()[-1] == "The winner keeps its limits."
    assert (folder.name, fresh, options.model) == ("tiny-round2", True, "tiny-round2.given/model")
    assert "tiny-round2: the predictor was 40.0 % off the median of 3 networks, now 3.0 %" in err
    verdicts = [
        json.loads((tmp_path / name / "verify.json").read_text())["verdict"] for name in ("tiny", "tiny-round2")
    ]
    assert verdicts == ["breaks", "keeps"]


@pytest.mark.usefixtures("tiny_search", "searches")
def test_a_limit_that_no_network_keeps_by_what_was_measured_ends_the_rounds(
    nas: Nas, shelf, monkeypatch: pytest.MonkeyPatch
):
    def run_search(*_arguments, **_named):
        raise InfeasibleError([MissedLimit(target="latency", limit=15.0, lowest=18.0, unit="ms")])

    monkeypatch.setattr("nas.cli_run.run_search", run_search)
    shelf(lambda _name, _layers: 20.0)

    code, out, _ = nas("verify", "tiny", "--device=R58", "--best=1", "--random=1", "--calibrate")

    assert code == 3
    assert out.splitlines()[-1].startswith(
        "By what was measured, there is none: No network of the space keeps latency within 15 ms: the lowest possible is 18 ms."
    )


@pytest.mark.usefixtures("tiny_search")
def test_rounds_that_find_none_say_so_and_keep_their_folders(nas: Nas, shelf, searches, tmp_path: Path):
    shelf(lambda _name, _layers: 20.0)

    code, out, _ = nas(
        "verify", "tiny", "--device=R58", "--best=1", "--random=1", "--calibrate", "--rounds=2", "--json"
    )

    document = json.loads(out)
    assert code == 3
    assert len(searches) == 1
    assert document["outcome"] == "None of 2 searches found a network that surely keeps its limit on shelf-phone."
    assert [one["search"] for one in document["rounds"]] == ["tiny", "tiny-round2"]
    assert (tmp_path / "tiny-round2/verify.json").is_file()


@pytest.mark.usefixtures("tiny_search")
def test_a_virtual_phone_behind_the_real_adb_is_measured_and_named_as_virtual(
    nas: Nas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    with virtual_rack(["low"], tmp_path / "phones") as (phones, environment):
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", environment["ANDROID_ADB_SERVER_PORT"])
        code, out, err = nas(
            *("verify", "tiny", "--device", phones[0].address, "--threads=1", "--best=1", "--random=1"),
            *("--processes=2", "--policy=quick", "--json"),
        )

    document = json.loads(out)
    assert code in {0, 3}, err  # 3 where other programs took the processor
    assert document["measured_on"]["device_kind"] == "virtual"
    assert document["measured_on"]["device"].startswith("Virtual-low-")
    assert document["searched_for"]["is_measured_device"] is False
    assert {one["status"] for one in document["networks"]} <= {"ok", "contended"}
