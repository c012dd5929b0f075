from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from nas.datasets.tables import Table, load_table, parse_limits
from nas.errors import DataError, SettingsError


def columns_of(shape: tuple[int, ...] = (2, 3), **changed: object) -> dict[str, object]:
    """Every combination once, in a shuffled order, with a signal that tells the place of each."""
    places = np.random.default_rng(0).permutation(int(np.prod(shape)))
    indices = np.unravel_index(places, shape)
    columns = {f"op{slot}": index.astype(np.uint8) for slot, index in enumerate(indices, start=1)}
    columns |= {"seen": places.astype(float), "final": places / 2, "ms": places.astype(np.float32)}
    return {name: value for name, value in (columns | changed).items() if value is not None}


def saved(folder: Path, **columns: object) -> Path:
    path = folder / "table.npz"
    np.savez(path, **columns)
    return path


def load(path: Path, *, cost_floor: float = 0.5) -> Table:
    return load_table(path, signal="seen", report="final", cost="ms", cost_floor=cost_floor)


def table_of(costs: np.ndarray) -> Table:
    return Table(signal=np.zeros(costs.shape), report=np.zeros(costs.shape), cost=costs, cost_name="ms")


def test_a_table_is_laid_out_by_its_choices_whatever_the_order_of_its_rows(tmp_path: Path):
    table = load(saved(tmp_path, **columns_of()))

    assert table.signal.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    assert table.report.tolist() == [[0.0, 0.5, 1.0], [1.5, 2.0, 2.5]]
    assert table.cost.tolist() == [[0.5, 1.0, 2.0], [3.0, 4.0, 5.0]]  # 0 is raised to the floor


def test_a_tables_whole_numbers_need_not_be_consecutive(tmp_path: Path):
    table = load(saved(tmp_path, **columns_of(op1=columns_of()["op1"] * 7 + 2)))

    assert table.signal.tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"op1": None}, "has no columns op1"),
        ({"ms": None}, "has no column 'ms'; it has op1, op2, seen, final"),
        ({"seen": np.array([0, 1, np.nan, 3, 4, 5])}, r"seen is not a number \(NaN\) in row 2"),
        ({"ms": np.array([0, 1, 2, -np.inf, 4, 5])}, "ms is minus infinity in row 3"),
        ({"seen": np.arange(6) * 30.0}, "seen goes from 0 to 150"),
        ({"final": np.arange(6) - 1.0}, "final goes from -1 to 4"),
        ({"ms": np.array(list("abcdef"))}, "ms holds <U1, not numbers"),
        ({"ms": np.arange(5.0)}, r"ms has shape \(5,\), op1 has \(6,\)"),
        ({"op2": np.arange(6) / 2}, "op2 must be one whole number per network"),
        ({"op1": np.array([0, 0, 0, 1, 1, 2]), "op2": np.array([0, 1, 2, 0, 1, 2])}, "6 rows for 9 combinations"),
        ({"op1": np.array([0, 0, 0, 1, 1, 1]), "op2": np.array([0, 1, 2, 0, 1, 1])}, "row 4 is there 2 times"),
        ({"seen": np.array([None] * 6, dtype=object)}, "Object arrays cannot be loaded"),
    ],
)
def test_a_table_that_cannot_be_is_refused_in_one_line(tmp_path: Path, changed: dict[str, object], message: str):
    path = saved(tmp_path, **columns_of(**changed))

    with pytest.raises(DataError, match=message) as caught:
        load(path)

    assert "\n" not in str(caught.value)


def test_a_file_that_is_no_table_is_refused(tmp_path: Path):
    empty, text, nameless = tmp_path / "empty.npz", tmp_path / "text.npz", tmp_path / "one.npz"
    empty.touch()
    text.write_text("op1,op2\n0,1\n")
    with nameless.open("wb") as file:
        np.save(file, np.arange(3))
    whole = saved(tmp_path, **columns_of())
    cut = tmp_path / "cut.npz"
    cut.write_bytes(whole.read_bytes()[:200])

    for path in (empty, text, nameless, cut, tmp_path / "absent.npz", tmp_path):
        with pytest.raises(DataError, match=str(path)):
            load(path)


@pytest.mark.parametrize("floor", [0.0, -1.0, np.nan, np.inf])
def test_a_cost_floor_that_is_not_positive_is_refused(tmp_path: Path, floor: float):
    with pytest.raises(SettingsError, match="--cost-floor above 0"):
        load(saved(tmp_path, **columns_of()), cost_floor=floor)


def test_limits_are_costs_or_quantiles_of_the_costs():
    costs = np.arange(1.0, 11.0).reshape(2, 5)

    assert parse_limits("3.5, q20,q100", costs, "ms") == (3.5, 3.0, 10.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("0.5", "the lowest possible is 1. Give --limits 1.2 or more"),
        ("5,fast", "'fast' is no number"),
        ("", "'' is no number"),
        ("q120", "no quantile"),
        ("qnan", "no quantile"),
        ("-1", "above zero and finite"),
        ("inf", "above zero and finite"),
    ],
)
def test_limits_that_cannot_be_are_refused(text: str, message: str):
    with pytest.raises(SettingsError, match=message):
        parse_limits(text, np.arange(1.0, 11.0).reshape(2, 5), "ms")


def test_a_cost_that_equals_the_limit_keeps_it():
    table = table_of(np.array([[0.1, 0.3], [0.3000001, np.inf]]))

    assert table.within(0.1 + 0.2).tolist() == [[True, True], [False, False]]
    assert table.within(0.3).tolist() == [[True, True], [False, False]]


def test_a_published_table_has_the_optima_that_are_published_with_it():
    folder = os.environ.get("AUTOCOMET_DATA")
    if not folder or not (path := Path(folder) / "nasbench" / "nb201_core.npz").exists():
        pytest.skip("AUTOCOMET_DATA names no folder with nasbench/nb201_core.npz")
    table = load_table(path, signal="c10_val12", report="c10_test200", cost="lat_pixel3")

    best = [round(float(table.report[table.within(limit)].max()), 2) for limit in (5, 10, 15, 20)]

    assert best == [91.08, 93.62, 94.06, 94.31]


@pytest.mark.parametrize("text", [b"", b"# A table of networks\n", b"PK"])
def test_a_file_that_numpy_did_not_write_is_called_so_and_nobody_is_told_to_unpickle_it(tmp_path: Path, text: bytes):
    (tmp_path / "table.npz").write_bytes(text)

    with pytest.raises(DataError, match=r"table.npz is no (.npz file|table of plain numbers)") as caught:
        load_table(tmp_path / "table.npz", signal="seen", report="final", cost="ms")

    assert "pickle" not in str(caught.value)
