from __future__ import annotations

import pytest
from rich.console import Console

from metamodel.cli_evaluate_table import LEAD, NOTE, devices_cell, lead_cell, new_table, number_cell, spread_cell
from metamodel.evaluation.scores import Figure


@pytest.mark.parametrize(
    ("lead", "told"),
    [
        (None, ""),
        ({"mean": -1.0, "low": -1.5, "high": -0.5}, "+1.00±0.50"),
        ({"mean": 0.25, "low": -0.25, "high": 0.75}, "-0.25±0.50 ties"),
        ({"mean": -78.46, "low": -84.66, "high": -72.26}, "+78.5±6.2"),
        ({"mean": -540.2, "low": -662.2, "high": -418.2}, "+540±122"),
        ({"mean": 0.004, "low": 0.001, "high": 0.007}, "-0.00±0.00"),
        ({"mean": -0.5, "low": -0.5, "high": -0.5}, "+0.50±0.00"),
        ({"mean": -2.0, "low": float("-inf"), "high": float("inf")}, "+2"),
    ],
)
def test_a_lead_has_the_digits_that_its_interval_leaves_it_and_ties_where_that_holds_zero(lead, told):
    assert lead_cell(lead) == told


def test_what_has_no_value_is_left_blank():
    assert (number_cell(None), spread_cell(Figure(mean=None, sd=None))) == ("", "")
    assert (number_cell(6.666), spread_cell(Figure(mean=6.666, sd=1.05))) == ("6.67", "6.67±1.1")


def test_a_few_devices_are_named_and_many_are_counted():
    assert devices_cell(["a", "b", "c"]) == "a, b, c"
    assert devices_cell(["a", "b", "c", "d"]) == "4 devices"


def test_a_row_and_the_note_fit_into_a_hundred_columns_without_a_break():
    table = new_table(("model", *("Spearman",) * 6, LEAD), words=("model",))
    table.add_row("xgboost-tuned", *("12.3±0.45",) * 6, "+12.34±0.56 ties")
    console = Console(width=100, force_terminal=False, color_system=None)

    with console.capture() as printed:
        console.print(table)

    lines = printed.get().splitlines()
    assert len(lines) == 3
    assert lines[2].endswith("+12.34±0.56 ties ")
    assert len(NOTE) <= 100
