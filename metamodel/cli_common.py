"""What the subcommands of ``metamodel`` have in common."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

DEFAULT_MODEL = Path("models/default")


def result_console(*, pipe_width: int = 140) -> Console:
    """Open standard output for tables: as wide as a terminal is, and ``pipe_width`` wide where there is none.

    Names in square brackets are printed as they are.
    """
    import sys

    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else pipe_width, highlight=False, markup=False)
