from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from metamodel.interface import Standing
from nas.errors import OutputError
from nas.searching.finished import read_finished
from nas.verification.comparison import Verification
from nas.verification.report import (
    findings,
    headline,
    table_cells,
    table_columns,
    verification_json,
    write_verification,
)
from nas.verify import How, verify
from parsers.schema import DeviceKind, Status
from tests.nas.verification.conftest import FakeDevice, ran


@pytest.fixture
def found(tiny_search: Path, predictor) -> Verification:
    """The winner takes 20 ms of 15, query's others 10, the random ones half of what is predicted; one is contended."""

    def law(name: str, layers):
        if name == "winner":
            return ran([19.0, 20.0, 21.0], memory_mb=[5.0, 6.0])
        if name == "random-2":
            return ran(status=Status.CONTENDED)
        return 10.0 if name.startswith("query") else predictor.predict_network(layers, None).latency_ms / 2

    return verify(read_finished(tiny_search), predictor, FakeDevice(law), How(best=2, random=2))


def test_the_document_holds_every_network_with_its_two_predictions_and_what_it_took(found: Verification):
    document = json.loads(json.dumps(verification_json(found, search=Path("s"), model=Path("m"), serial="R58")))

    assert document["schema"] == 1
    assert document["verdict"] == "breaks"
    assert document["measured_on"]["asked_for"] == "R58"
    assert {
        key: document["measured_on"][key] for key in ("device", "device_kind", "origin", "provider", "threads")
    } == {
        "device": "shelf-phone",
        "device_kind": "phone",
        "origin": "measured",
        "provider": "cpu",
        "threads": 4,
    }
    assert document["searched_for"]["is_measured_device"] is False
    assert document["searched_for"]["context"]["memory_gb"] == 3.0
    winner, other, random, lost = document["networks"]
    assert (winner["query"], winner["winner"], winner["group"]) == (found.winner.candidate.query, True, "best")
    assert winner["measured_ms"] == 20.0
    assert winner["measured_range_ms"] == [19.0, 21.0]
    assert winner["processes_ms"] == [19.0, 20.0, 21.0]
    assert winner["range_confidence"] == 0.75
    assert winner["signed_error"] == pytest.approx(winner["predicted_ms"] / 20.0 - 1)
    assert winner["search_predicted"]["latency_ms"] == pytest.approx(winner["predicted_ms"])
    assert winner["measured_memory_mb"] == 5.5
    assert other["measured_memory_mb"] is None
    assert (random["query"], random["query_accuracy"]) == ("random", None)
    assert random["signed_error"] == pytest.approx(1.0)
    assert (lost["status"], lost["measured_ms"], lost["signed_error"]) == ("contended", None, None)
    assert document["missing"] == ["random-2: contended"]
    (limit,) = document["limits"]
    assert (limit["target"], limit["limit"], limit["unit"]) == ("latency", 15.0, "ms")
    assert limit["networks"]["winner"] == {"verdict": "breaks", "beyond": pytest.approx(1 / 3)}
    assert limit["networks"]["random-2"] == {"verdict": "not measured", "beyond": None}
    assert document["groups"]["random"] == {"networks": 1, "mean_signed_error": pytest.approx(1.0), "ci95": None}


def test_a_document_is_written_whole_beside_the_search_and_replaces_an_older_one(tiny_search: Path):
    before = {path.name for path in tiny_search.iterdir()}
    for number in (1, 2):
        path = write_verification({"number": number}, tiny_search)

    assert json.loads(path.read_text()) == {"number": 2}
    assert {item.name for item in tiny_search.iterdir()} == before | {"verify.json"}


def test_a_document_that_cannot_be_written_is_one_line(tmp_path: Path):
    (tmp_path / "verify.json").mkdir()

    with pytest.raises(OutputError, match=r"Cannot write .*verify.json: .*what was measured is kept\."):
        write_verification({}, tmp_path)


def test_predictions_for_another_device_are_told_apart_in_words(found: Verification):
    assert list(headline(found)) == [
        "Measured on shelf-phone (a phone), cpu, 4 threads.",
        "The search was for low (a tier, no device): what it saw is in column 'search', of another device.",
        "Column 'predicted', its intervals and errors are of predictions for shelf-phone.",
    ]
    assert "search" in table_columns(found)
    modelled = Standing(modelled=True, known=True, outside=())
    unknown = Standing(modelled=False, known=False, outside=("a reason",))
    told = list(headline(dataclasses.replace(found, target_standing=modelled, standing=unknown)))
    assert "(a tier, no device, modelled by a formula)" in told[1]
    assert told[-1] == (
        "The predictor never saw shelf-phone with cpu, 4 threads: it goes by what the device says of its hardware."
    )


def test_another_predictor_than_the_searchs_is_told(found: Verification):
    winner, *others = found.networks
    changed = dataclasses.replace(winner, candidate=dataclasses.replace(winner.candidate, searched_ms=99.0))
    told = dataclasses.replace(found, networks=(changed, *others))

    assert next(line for line in headline(told) if "another than" in line).startswith(
        "The predictor is another than the search's, which had 99.0 ms for the winner where this one has "
    )
    documents = [verification_json(one, search=Path("s"), model=Path("m"), serial="x") for one in (found, told)]
    assert [one["predictor"]["is_the_searchs"] for one in documents] == [True, False]


def test_on_the_device_that_was_searched_for_there_is_one_prediction(found: Verification):
    target = dataclasses.replace(found, is_target=True)

    assert list(headline(target)) == ["Measured on shelf-phone (a phone), cpu, 4 threads."]
    assert "search" not in table_columns(target)
    assert all(
        len(table_cells(one, each)) == len(table_columns(each)) for each in (found, target) for one in each.networks
    )


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (DeviceKind.VIRTUAL, "a virtual phone: this machine's times under a phone's name"),
        (DeviceKind.HOST, "this machine"),
    ],
)
def test_a_virtual_phone_and_this_machine_are_named_as_such(found: Verification, kind: DeviceKind, told: str):
    other = dataclasses.replace(found, on=dataclasses.replace(found.on, kind=kind))

    assert next(iter(headline(other))) == f"Measured on shelf-phone ({told}), cpu, 4 threads."
    old = dataclasses.replace(found, on=dataclasses.replace(found.on, is_old=True))
    assert list(headline(old))[1] == "All of it was measured before; --fresh measures anew."


def test_a_row_shows_figures_with_three_digits_and_their_ends(found: Verification):
    cells = table_cells(found.networks[0], found)

    assert cells[0] == "winner"
    assert cells[4:] == ("20.0 (19.0–21.0)", f"{100 * found.networks[0].error:+.0f} %", "breaks")
    lost = table_cells(found.networks[3], found)
    assert lost[4:] == ("contended", "", "")


def test_findings_say_who_breaks_what_and_what_is_not_known(found: Verification):
    told = list(findings(found))

    assert told[-2:] == [
        "latency within 15 ms, on shelf-phone: the winner breaks it, by 33.3 %. 2 of 4 networks keep it.",
        "Not known: random-2: contended.",
    ]
    assert told[0].startswith("The best 2 are predicted ")


def test_a_limit_that_a_device_cannot_tell_of_says_why(tiny_search: Path, predictor):
    path = tiny_search / "run.toml"
    limits = 'limits = ["latency=15.0ms", "energy=900mJ", "memory=90MB", "weights=1M"]'
    path.write_text("\n".join(limits if line.startswith("limits") else line for line in path.read_text().splitlines()))
    device = FakeDevice(lambda _name, _layers: 10.0)

    found = verify(read_finished(tiny_search), predictor, device, How(best=1, random=1))

    assert {one.signal.name: one.unmeasured is None for one in found.limits} == {
        "latency": True,
        "energy": False,
        "memory": False,
        "weights": False,
    }
    assert [line for line in findings(found) if line.startswith("Cannot")] == [
        (
            "Cannot be checked here: energy within 900 mJ; energy of a whole network is not measured; "
            "'profile collect --power' measures that of layers."
        ),
        (
            "Cannot be checked here: memory within 90 MB; memory is below 1 MB, which cannot be told from what the runtime "
            "itself takes."
        ),
        "Cannot be checked here: weights within 1e+06; weights is counted, which needs no device.",
    ]
    device.law = lambda _name, _layers: ran([10.0, 10.0], memory_mb=[80.0, 95.0])
    again = verify(read_finished(tiny_search), predictor, device, How(best=1, random=1))
    assert again.verdict("winner").value == "cannot tell"
