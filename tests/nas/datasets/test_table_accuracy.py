from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

from nas.datasets.table_accuracy import TableAccuracy, TableOptions, parse_table, table_image
from nas.errors import DataError
from nas.space import Architecture, Image, Space
from nas.spaces.cell import EDGES, PUBLISHED_EDGES, EdgeOperation
from nas.spaces.nasbench201 import Edge, nasbench201

OPERATIONS = list(EdgeOperation)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table in which a network's accuracy tells what it is: its operations are the digits of a number."""
    rows = np.array(list(itertools.product(range(5), repeat=6)))
    number = rows @ 5.0 ** np.arange(6)
    order = np.random.default_rng(0).permutation(len(rows))
    path = tmp_path_factory.mktemp("tables") / "cells.npz"
    np.savez(
        path,
        signal=(number / 5**6 * 100)[order],
        report=(100 - number / 5**6 * 100)[order],
        **{f"op{place + 1}": rows[order, place] for place in range(6)},
    )
    return path


@pytest.fixture(scope="module")
def cells() -> Space:
    return nasbench201(Image(channels=3, height=8, width=8), 10)


def member(text: str) -> Architecture:
    """Read a cell in the published order of edges: 1←0, 2←0, 2←1, 3←0, 3←1, 3←2."""
    held = dict(zip(PUBLISHED_EDGES, map(int, text), strict=True))
    return tuple(Edge(operation=OPERATIONS[held[edge]]) for edge in EDGES)


def test_a_cell_is_found_in_the_published_order_of_edges(cells: Space, path: Path):
    table = TableAccuracy(cells, path, TableOptions(signal="signal", report="report"))

    for text in ("300001", "301431", "123412"):
        number = sum(int(digit) * 5**place for place, digit in enumerate(text))
        assert table.accuracy(member(text)) == pytest.approx(number / 5**6)
        assert table.reported(member(text)) == pytest.approx(1 - number / 5**6)


def test_without_a_column_to_report_the_signal_is_reported(cells: Space, path: Path):
    table = TableAccuracy(cells, path, TableOptions(signal="signal"))

    assert table.reported(member("301431")) == table.accuracy(member("301431"))


def test_a_table_of_another_space_is_refused(small_space: Space, path: Path):
    with pytest.raises(DataError, match="has 5 x 5 x 5 x 5 x 5 x 5 networks; small has 16 x 17 x 8 x 17 ways"):
        TableAccuracy(small_space, path, TableOptions(signal="signal"))


def test_a_column_that_is_not_there_is_refused(cells: Space, path: Path):
    with pytest.raises(DataError, match="has no column 'accuracy'"):
        TableAccuracy(cells, path, TableOptions(signal="accuracy"))


def test_columns_classes_and_image_are_read_from_what_is_said():
    path, options = parse_table("my/table.npz@signal=val,report=test,classes=100,side=16")

    assert path == Path("my/table.npz")
    assert options == TableOptions(signal="val", report="test", classes=100, side=16)
    assert table_image(options) == Image(channels=3, height=16, width=16)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("t.npz", r"Say which column of t\.npz answers: --data table:t\.npz@signal=COLUMN"),
        ("t.npz@classes=10", "Say which column"),
        ("t.npz@signal=a,classes=0", "classes=0 of the table .* is no positive whole number"),
        ("t.npz@signal=a,side=big", "side=big of the table"),
        ("t.npz@signal=a,colour=red", "'colour=red' says nothing of a table"),
        ("t.npz@signal", "'signal' says nothing of a table"),
    ],
)
def test_what_says_nothing_of_a_table_is_refused(text: str, complaint: str):
    with pytest.raises(DataError, match=complaint):
        parse_table(text)
