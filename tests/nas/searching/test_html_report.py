from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from nas.networks.layers import network_layers
from nas.searching.front import pareto_front
from nas.searching.html_report import report_html
from nas.searching.run import Outcome

PNG = b"\x89PNG"


class Cells(HTMLParser):
    """Collects the rows of a page's tables."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self._is_cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag == "tbody":
            self.tables.append([])
        elif tag == "tr" and self.tables:
            self.tables[-1].append([])
        self._is_cell = tag == "td"
        if self._is_cell:
            self.tables[-1][-1].append("")

    def handle_data(self, data: str) -> None:
        if self._is_cell:
            self.tables[-1][-1][-1] += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "td":
            self._is_cell = False


def page_of(outcome: Outcome) -> str:
    return report_html(outcome, model=Path("models/bench"), front=PNG, learning_curve=PNG)


@pytest.fixture
def tables(tiny_outcome: Outcome) -> list[list[list[str]]]:
    cells = Cells()
    cells.feed(page_of(tiny_outcome))
    return [[row for row in table if row] for table in cells.tables]


def test_the_page_needs_nothing_from_elsewhere(tiny_outcome: Outcome):
    page = page_of(tiny_outcome)

    assert "<script" not in page
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []
    assert page.count("data:image/png;base64,") == 2


def test_predicted_and_measured_figures_are_told_apart(tiny_outcome: Outcome):
    page = page_of(tiny_outcome)
    winner = tiny_outcome.winner

    assert f"scores {winner.test_accuracy:.1%} on 96 test images (the share that it gets right; measured here" in page
    assert "nobody measured them" in page  # a tier is a formula's phone
    assert "models/bench" in page


def test_the_winners_costs_stand_beside_their_limits(tiny_outcome: Outcome, tables: list[list[list[str]]]):
    (signal,) = tiny_outcome.signals

    assert tables[0] == [["latency, ms", f"{tiny_outcome.winner.record.cost:.4g}", "15", f"{signal.manual:.4g}"]]


def test_the_winners_layers_have_their_shares_of_the_latency(tiny_outcome: Outcome, tables: list[list[list[str]]]):
    layers = network_layers(tiny_outcome.space, tiny_outcome.winner.architecture)
    rows = tables[2]

    assert [row[4] for row in rows] == [str(layer.channels) for layer in layers]
    assert sum(float(row[7]) for row in rows) == pytest.approx(tiny_outcome.winner.record.cost, abs=0.001 * len(rows))
    assert sum(float(row[8].rstrip("%")) for row in rows) == pytest.approx(100, abs=0.1 * len(rows))


def test_the_front_and_the_finalists_stand_in_their_tables(tiny_outcome: Outcome, tables: list[list[list[str]]]):
    front, finalists = tables[3], tables[4]

    assert [row[1] for row in front] == [f"{record.cost:.4g}" for record in pareto_front(tiny_outcome.records)]
    assert [row[4] for row in finalists] == [f"{one.test_accuracy:.1%}" for one in tiny_outcome.finalists]
    assert [one for row, one in zip(finalists, tiny_outcome.finalists, strict=True) if "winner" in row[0]] == [
        tiny_outcome.winner
    ]


def test_accuracies_that_a_table_told_are_not_called_measured(tiny_outcome: Outcome):
    told = tuple(dataclasses.replace(one, test_images=0) for one in tiny_outcome.finalists)

    page = page_of(dataclasses.replace(tiny_outcome, finalists=told))

    assert "measured here" not in page
    assert "Accuracies are those of the table stripes." in page


def test_queries_beyond_the_limits_and_an_early_end_are_told(tiny_outcome: Outcome):
    settings = dataclasses.replace(tiny_outcome.settings, budget=20)
    beyond = dataclasses.replace(tiny_outcome.records[-1], within=False)
    outcome = dataclasses.replace(tiny_outcome, settings=settings, records=(*tiny_outcome.records[:-1], beyond))

    assert "8 accuracy queries of 20, where it ended; 1 of them about networks beyond the limits." in page_of(outcome)
