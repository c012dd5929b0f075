"""How every plot looks: few lines, two colours that differ in grey, too, and text that is dark on white."""

from __future__ import annotations

from typing import Any

INK, BLUE, ORANGE, GREY = "#22252b", "#2f6db3", "#d95f02", "#9aa3ad"

STYLE: dict[Any, Any] = {
    "font.size": 10,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#e6e9ed",
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.frameon": False,
}
"""Matplotlib's rc parameters."""
