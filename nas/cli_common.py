"""What the subcommands of ``nas`` have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_MODEL = Path("models/default")

SpaceOption = Annotated[str, typer.Option("--space", help="Search space.")]
DataOption = Annotated[str, typer.Option("--data", help="mnist-5k, fashion-mnist or fashion-mnist:FOLDER.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
