"""Two pictures of a search: what it found, and how fast."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from nas.limits.signals import CountedSignal
from nas.searching.front import pareto_front
from nas.searching.search import Record, best_record
from parsers.plot_style import BLUE, GREY, ORANGE, STYLE


def plot_front(
    records: Sequence[Record], winner: Record, signal: CountedSignal, path: Path, *, title: str, sought: str
) -> None:
    """Draw every network that was asked about by its first cost and accuracy, the Pareto front and the winner.

    Args:
        records: the search's history.
        winner: which of them won once it was trained alone.
        signal: the first cost; its limit, if it has one, is drawn as the border that no network crosses.
        path: of the PNG.
        title: above the picture.
        sought: what queries told.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 4.6), layout="constrained", dpi=150)
        axes = figure.subplots()
        points = axes.scatter(
            [record.cost for record in records],
            [record.accuracy for record in records],
            c=range(1, len(records) + 1),
            cmap="viridis_r",
            s=26,
            linewidths=0,
            label="networks asked about",
        )
        front = pareto_front(records)
        axes.plot(
            [record.cost for record in front],
            [record.accuracy for record in front],
            drawstyle="steps-post",
            color=BLUE,
            linewidth=1.4,
            label="Pareto front",
            zorder=1.5,
        )
        axes.scatter(
            winner.cost, winner.accuracy, marker="*", s=240, color=ORANGE, edgecolors="white", label="winner", zorder=3
        )
        if signal.limit is not None:
            label = f"limit {signal.limit:g} {signal.unit}".rstrip()
            axes.axvline(signal.limit, color=ORANGE, linestyle="--", linewidth=1.2, label=label)
        if signal.manual <= 2.5 * (signal.limit or max(record.cost for record in records)):
            axes.axvline(
                signal.manual,
                color=GREY,
                linestyle=":",
                linewidth=1.2,
                label=f"the one by hand, {signal.manual:.1f} {signal.unit}".rstrip(),
            )
        axes.set(
            title=title,
            xlabel=f"predicted {signal.name}" + (f" [{signal.unit}]" if signal.unit else ""),
            ylabel=sought,
        )
        _percent(axes)
        figure.legend(loc="outside lower center", ncols=3, fontsize=9)
        bar = figure.colorbar(points, ax=axes, label="query", pad=0.02)
        bar.outline.set_visible(False)
        bar.locator = MaxNLocator(integer=True)
        figure.savefig(path)


def plot_learning_curve(records: Sequence[Record], path: Path, *, title: str, sought: str) -> None:
    """Draw the answer of every query and the best so far, and below it how the controller was regulated.

    Args:
        records: the search's history.
        path: of the PNG.
        title: above the picture.
        sought: what queries told.
    """
    queries = range(1, len(records) + 1)
    found = [best_record(records[:count]) for count in queries]
    best = [record.accuracy if record else math.nan for record in found]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 5.0), layout="constrained", dpi=150)
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        top.scatter(
            queries, [record.accuracy for record in records], s=22, color=GREY, linewidths=0, label="asked about"
        )
        top.plot(queries, best, drawstyle="steps-post", color=BLUE, linewidth=1.8, label="best so far")
        top.set(title=title, ylabel=sought.replace(", ", ",\n"))
        _percent(top)
        top.legend(loc="lower right", fontsize=9)
        if records[0].epsilon is not None:
            bottom.plot(
                queries,
                [record.epsilon for record in records],
                color=ORANGE,
                linewidth=1.6,
                label="ε, weight of the potential",
            )
        shares = [record.feasible_share for record in records]
        bottom.plot(
            queries, shares, color=BLUE, linewidth=1.2, linestyle="--", label="share of choices within the limit"
        )
        bottom.set(xlabel="accuracy query", ylim=(0, 1.08))
        bottom.legend(loc="lower left", fontsize=9, ncols=2)
        bottom.xaxis.set_major_locator(MaxNLocator(integer=True))
        figure.savefig(path)


def _percent(axes: Axes) -> None:
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=1))
