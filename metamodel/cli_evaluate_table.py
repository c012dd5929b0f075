"""What the tables of ``metamodel evaluate`` have in common: a terminal of 100 columns holds them without a broken line."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from parsers.console import result_console

if TYPE_CHECKING:
    from rich.table import Table

    from metamodel.evaluation.scores import Figure

LEAD = "− first"
NOTE = f"Errors and widths in %, mean ± sd; {LEAD}: MAPE less the first model's ± half its 95 % interval."
_DEVICES_NAMED = 3
_PIPE_WIDTH = 120


def new_table(headings: Sequence[str], *, words: Sequence[str]) -> Table:
    """Start a table; headings that are words stand on the left, numbers on the right."""
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(box=SIMPLE, padding=(0, 1, 0, 0), show_edge=False)
    for heading in headings:
        table.add_column(heading, justify="left" if heading in words else "right", no_wrap=True)
    return table


def print_table(table: Table, title: str) -> None:
    """Print a table below its title, and what its figures are."""
    console = result_console(pipe_width=_PIPE_WIDTH)
    console.print(title, style="bold")
    console.print(table)
    console.print(NOTE, style="dim")


def devices_cell(devices: Sequence[str]) -> str:
    """Name a few devices, and count many."""
    return ", ".join(devices) if len(devices) <= _DEVICES_NAMED else f"{len(devices)} devices"


def number_cell(value: float | None) -> str:
    """Write a figure in three digits; nothing where it has no value."""
    return "" if value is None else f"{value:.3g}"


def spread_cell(figure: Figure) -> str:
    """Write a figure with its standard deviation."""
    return "" if figure.mean is None else f"{figure.mean:.3g}±{figure.sd:.2g}"


def lead_cell(lead: Mapping[str, float] | None) -> str:
    """Say how far a learner's MAPE is from the first's, in half the interval's digits; "ties" where the interval holds 0."""
    if lead is None:
        return ""
    half = lead["high"] - lead["mean"]
    if not math.isfinite(half):
        return f"{-lead['mean']:+.3g}"
    digits = min(2, max(0, 1 - math.floor(math.log10(half)))) if half > 0 else 2
    told = f"{-lead['mean']:+.{digits}f}±{half:.{digits}f}"
    return f"{told} ties" if lead["low"] <= 0 <= lead["high"] else told
