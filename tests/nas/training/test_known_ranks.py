from __future__ import annotations

import pytest

from nas.datasets.data import PLACES, SOURCES
from nas.spaces import SPACES
from nas.training.known_ranks import KNOWN, KnownRanks, rank_warning, usual_accuracy


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> None:
    known = (
        KnownRanks(space="short", data="drawings", shared=0.8, brief=0.6),
        KnownRanks(space="long", data="drawings", shared=0.1, brief=0.6),
        KnownRanks(space="long", data="noise", shared=0.1, brief=0.3),
    )
    monkeypatch.setattr("nas.training.known_ranks.KNOWN", known)


@pytest.mark.parametrize(
    ("space", "data", "accuracy"),
    [
        ("short", "drawings", "shared"),
        ("short", "drawings:elsewhere/on/disk", "shared"),
        ("long", "drawings", "brief"),
        ("unknown", "drawings", "brief"),
    ],
)
def test_queries_judge_as_was_measured_to_rank_better(space: str, data: str, accuracy: str):
    assert usual_accuracy(space, data) == accuracy


def test_a_way_that_ranks_poorly_is_warned_of_and_a_better_one_named():
    assert rank_warning("long", "drawings", "shared") == (
        "Queries by shared weights rank networks of long on drawings poorly: Spearman's coefficient with training alone is "
        "0.10. --accuracy brief comes to 0.60. Let more --finalists be trained alone."
    )
    assert rank_warning("long", "noise", "brief") == (
        "Queries by brief training rank networks of long on noise poorly: Spearman's coefficient with training alone is "
        "0.30. Let more --finalists be trained alone."
    )


def test_nothing_is_said_of_a_way_that_ranks_well_or_that_nobody_measured():
    assert rank_warning("long", "drawings", "brief") is None
    assert rank_warning("unknown", "drawings", "shared") is None


def test_what_was_measured_is_of_spaces_and_data_that_there_are():
    assert {one.space for one in KNOWN} <= set(SPACES)
    assert {one.data for one in KNOWN} <= {*SOURCES, *PLACES}
