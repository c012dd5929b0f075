"""The pictures of an evaluation's report, each as PNG bytes that one seed always makes alike."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from metamodel.interface import FloatArray
from parsers.plot_style import BLUE, ORANGE, STYLE

_COLUMNS = 2


def response_plot(truth: FloatArray, predictions: Mapping[str, FloatArray], unit: str) -> bytes:
    """Draw true against predicted on logarithmic axes, a panel per predictor, all on the same scale.

    Args:
        truth: positive, shape (n,).
        predictions: by predictor, positive, shape (n,); NaN where a sample was not tested.
        unit: of both.
    """
    rows = -(-len(predictions) // _COLUMNS)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 3.5 * rows), layout="constrained", dpi=110)
        panels = figure.subplots(rows, _COLUMNS, squeeze=False, sharex=True, sharey=True).ravel()
        known = [values[np.isfinite(values)] for values in predictions.values()]
        low = min(float(values.min()) for values in (truth, *known) if len(values)) / 1.3
        high = max(float(values.max()) for values in (truth, *known) if len(values)) * 1.3
        for panel, (name, values) in zip(panels, predictions.items(), strict=False):
            panel.plot([low, high], [low, high], color=ORANGE, linewidth=1.2)
            panel.scatter(truth, values, s=7, color=BLUE, alpha=0.35, linewidths=0)
            panel.set(title=name, xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
            panel.xaxis.set_major_formatter("{x:g}")
            panel.yaxis.set_major_formatter("{x:g}")
            panel.minorticks_off()
            panel.tick_params(labelbottom=True, labelleft=True)
        for panel in panels[len(predictions) :]:
            panel.set_visible(False)
        figure.supxlabel(f"true [{unit}]")
        figure.supylabel(f"predicted [{unit}]")
        return _png(figure)


def coverage_plot(nominal: Sequence[float], covered: Sequence[float]) -> bytes:
    """Draw how often intervals hold against how often they promise to, both in percent."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6, 4.0), layout="constrained", dpi=110)
        axes = figure.subplots()
        ends = (min(*nominal, *covered) - 3, 100)
        axes.plot(ends, ends, color=ORANGE, linewidth=1.2, label="as promised")
        axes.plot(nominal, covered, color=BLUE, marker="o", linewidth=1.6, label="observed")
        axes.set(xlabel="nominal coverage [%]", ylabel="observed coverage [%]", xlim=ends, ylim=ends)
        axes.legend(loc="upper left")
        return _png(figure)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()
