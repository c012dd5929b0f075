"""Two pictures of a benchmark: how regret falls, and the paper's learning curve (Fig. 3)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter

from nas.benchmarking.benchmark import Play
from nas.benchmarking.scores import bootstrap, learning_curves
from nas.errors import OutputError
from nas.trellis import FloatArray
from parsers.plot_style import BLUE, GREY, STYLE

_POINTS = 60
"""Places on the axis at which intervals are taken."""


def draw_benchmark(plays: Sequence[Play], title: str, folder: Path) -> None:
    """Draw ``regret.png`` and ``learning_curve.png`` into a folder, which is made where it is not there.

    Raises:
        OutputError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        plot_regret(plays, title, folder / "regret.png")
        plot_learning_curves(plays, title, folder / "learning_curve.png")
    except OSError as exc:
        raise OutputError(f"Cannot draw into {folder}: {exc.strerror or exc}. Name another one with --plots.") from exc


def plot_regret(plays: Sequence[Play], title: str, path: Path) -> None:
    """Draw every controller's mean regret by queries, with its 95 % interval."""
    queries = len(plays[0].regret)
    at = np.unique(np.geomspace(1, queries, _POINTS).round().astype(int))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 4.8), layout="constrained", dpi=150)
        axes = figure.subplots()
        for name, colour, own in _by_controller(plays):
            _band(axes, name, colour, at, np.array([one.regret for one in own])[:, at - 1])
        axes.set(title=title, xlabel="accuracy queries", ylabel="regret [points]", xscale="log", yscale="log")
        axes.set_ylim(bottom=0.02)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FormatStrFormatter("%g"))
        figure.legend(loc="outside right upper", fontsize=9)
        figure.savefig(path)


def plot_learning_curves(plays: Sequence[Play], title: str, path: Path) -> None:
    """Draw every controller's normalised return by epochs of ten queries, with its 95 % interval."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 4.8), layout="constrained", dpi=150)
        axes = figure.subplots()
        for name, colour, own in _by_controller(plays):
            curves = learning_curves(own)
            _band(axes, name, colour, np.arange(1, curves.shape[1] + 1), curves)
        axes.axhline(0.9, color=GREY, linestyle=":", linewidth=1.2)
        axes.set(title=title, xlabel="epoch (10 accuracy queries)", ylabel="normalised return")
        figure.legend(loc="outside right upper", fontsize=9)
        figure.savefig(path)


def _by_controller(plays: Sequence[Play]) -> list[tuple[str, object, list[Play]]]:
    """Give every controller's name, colour and plays; the first one is blue."""
    names = list(dict.fromkeys(one.controller for one in plays))
    colours = [BLUE, *(mpl.colormaps["tab20"](2 + index % 18) for index in range(len(names) - 1))]
    return [
        (name, colour, [one for one in plays if one.controller == name])
        for name, colour in zip(names, colours, strict=True)
    ]


def _band(axes: Axes, name: str, colour: object, at: FloatArray, curves: FloatArray) -> None:
    """Draw the mean of curves of shape (searches, len(at)), and its interval."""
    intervals = [bootstrap(column) for column in curves.T]
    axes.plot(at, [one.mean for one in intervals], color=colour, linewidth=1.6, label=name)
    axes.fill_between(
        at,
        [one.ci95[0] for one in intervals],
        [one.ci95[1] for one in intervals],
        color=colour,
        alpha=0.15,
        linewidth=0,
    )
