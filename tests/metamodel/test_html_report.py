from __future__ import annotations

import base64
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from metamodel.cli import main
from metamodel.evaluation.samples import select_samples
from metamodel.html_report import coverage
from metamodel.targets import RESPONSES
from parsers.schema import Origin
from parsers.stats import write_stats

VOID = {"meta", "img"}


class Page(HTMLParser):
    """Sees that every tag is closed, and keeps what the tests ask for."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open, self.tags, self.images, self.text = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        if tag == "img":
            self.images.append(dict(attributes))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def report(monkeypatch, *arguments) -> int:
    monkeypatch.setattr(sys, "argv", ["metamodel", "report", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        main()
    return int(left.value.code or 0)


@pytest.fixture
def table(bench, tmp_path: Path) -> Path:
    rows = bench.campaign(bench.networks(3), device="<b>phone & $x$")
    rows += [bench.row(layer, origin=Origin.MODELLED, device="tier") for layer in bench.layers(4)]
    write_stats(rows, tmp_path / "rows.parquet")
    return tmp_path / "rows.parquet"


OPTIONS = ("--folds", "2", "--models", "xgboost,flops")


def test_the_page_is_whole_and_needs_nothing_from_elsewhere(monkeypatch, table, tmp_path: Path):
    assert report(monkeypatch, table, "-o", tmp_path / "out/a.html", *OPTIONS, "--targets", "latency,power") == 0

    text = (tmp_path / "out/a.html").read_text()
    page = Page(text)
    said = " ".join(page.text)
    assert page.open == []
    assert "b" not in page.tags
    assert "<b>phone & $x$" in said
    assert not re.search(r"(src|href)=\"(?!data:)|https?://|url\(|<script", text)
    assert all(image["alt"] for image in page.images)
    assert all(base64.b64decode(image["src"].split(",")[1])[1:4] == b"PNG" for image in page.images)
    assert page.tags.count("caption") == page.tags.count("table") > 0
    for words in ("2 folds, 1 seed.", "0.91", "noise ceiling", "modelled", "Not scored: power"):
        assert words in said


def test_the_same_seed_gives_the_same_page_but_for_the_times(monkeypatch, table, tmp_path: Path):
    for name in ("a.html", "b.html"):
        assert report(monkeypatch, table, "-o", tmp_path / name, *OPTIONS) == 0

    first, second = (re.sub(r"[\d.]+ ± [\d.]+ µs", "", (tmp_path / name).read_text()) for name in ("a.html", "b.html"))
    assert first == second


def test_throughput_has_a_section_of_its_own_and_is_drawn_per_second(monkeypatch, table, tmp_path: Path):
    drawn = []
    monkeypatch.setattr(
        "metamodel.html_report.response_plot", lambda truth, _, unit: drawn.append((unit, truth)) or b"no plot"
    )

    assert report(monkeypatch, table, "-o", tmp_path / "a.html", *OPTIONS, "--targets", "latency,throughput") == 0

    (latency_unit, latency_ms), (throughput_unit, per_second) = drawn
    assert "<h2>Throughput, unseen-layers</h2>" in (tmp_path / "a.html").read_text()
    assert (latency_unit, throughput_unit) == ("ms", "1/s")
    np.testing.assert_allclose(per_second, 1e3 / latency_ms)


def test_intervals_are_held_to_their_promise(bench):
    samples = select_samples([bench.frame([bench.row(layer) for layer in bench.layers(150)])], RESPONSES[0]).samples
    random = np.random.default_rng(0)
    noisy = replace(samples, truth=samples.truth * np.exp(0.2 * random.standard_normal(len(samples))))

    observed = coverage(noisy, samples.truth)

    assert set(observed) == {50, 60, 70, 80, 90, 95}
    assert all(abs(covered - nominal) < 12 for nominal, covered in observed.items())
    assert coverage(samples.take(np.arange(3)), samples.truth[:3]) == {}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--targets", "speed"), "No target 'speed'. Known: latency"),
        (("--protocol", "rows"), "No protocol 'rows' to report on. Known: unseen-networks"),
        (("--models", "oracle"), "No model 'oracle' to compare"),
        (("--targets", "power"), "No row tells the power of a layer"),
    ],
)
def test_what_makes_no_sense_gets_one_line(monkeypatch, table, tmp_path: Path, capsys, options, says):
    code = report(monkeypatch, table, "-o", tmp_path / "a.html", *options)

    assert code == 1
    assert says in capsys.readouterr().err
    assert not (tmp_path / "a.html").exists()
