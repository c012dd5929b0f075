from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest

from nas.limits.signals import CountedSignal
from nas.searching.plots import plot_front, plot_learning_curve
from nas.searching.search import Record

LATENCY = CountedSignal(name="latency", unit="ms", limit=24.0, manual=30.0)


def records(epsilon: float | None) -> list[Record]:
    random = np.random.default_rng(0)
    return [
        Record(
            choices=(index,),
            accuracy=float(random.uniform(0.8, 0.95)),
            costs=(float(random.uniform(18, 24)),),
            epsilon=epsilon,
            growth=None if epsilon is None else 0.0,
            within=True,
            feasible_share=0.8,
            seconds=0.1,
        )
        for index in range(20)
    ]


def colours(path: Path) -> set[int]:
    """Every colour of a picture, as 0xRRGGBB."""
    pixels = (matplotlib.image.imread(path)[..., :3] * 255).round().astype(np.int64)
    return set(np.unique(pixels @ [1 << 16, 1 << 8, 1]).tolist())


ORANGE, BLUE, GREY = 0xD95F02, 0x2F6DB3, 0x9AA3AD


def test_the_front_shows_the_winner_the_limit_and_the_front(tmp_path: Path):
    seen = records(0.5)

    plot_front(seen, seen[0], LATENCY, tmp_path / "front.png", title="a search", sought="accuracy")

    assert {ORANGE, BLUE} <= colours(tmp_path / "front.png")


@pytest.mark.parametrize("epsilon", [0.5, None])
def test_the_learning_curve_shows_epsilon_only_where_a_controller_has_one(epsilon: float | None, tmp_path: Path):
    plot_learning_curve(records(epsilon), tmp_path / "curve.png", title="a search", sought="accuracy")

    shown = colours(tmp_path / "curve.png")
    assert BLUE in shown
    assert (ORANGE in shown) == (epsilon is not None)


@pytest.mark.parametrize("few", [records(None)[:1], records(0.9)[:1]])
def test_a_search_of_one_query_is_drawn_too(few: Sequence[Record], tmp_path: Path):
    plot_front(few, few[0], replace(LATENCY, manual=1000.0), tmp_path / "front.png", title="one", sought="accuracy")
    plot_learning_curve(few, tmp_path / "curve.png", title="one", sought="accuracy")

    assert GREY in colours(tmp_path / "curve.png")
    assert ORANGE in colours(tmp_path / "front.png")
