"""What the subcommands of ``nas`` have in common."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from metamodel.interface import Predictor

DEFAULT_MODEL = Path("models/default")

SpaceOption = Annotated[str, typer.Option("--space", help="Search space: a name, a TOML file, or file.py:function.")]
DATA_HELP = "mnist-5k, fashion-mnist, silhouettes, or KIND:PLACE as images:FOLDER@64, coco:FOLDER, masks:FILE.npz, table:FILE.npz@signal=COLUMN (docs/data.md)."
DataOption = Annotated[str, typer.Option("--data", help=DATA_HELP)]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]


def load_model(folder: Path) -> Predictor:
    """Load the predictor.

    Raises:
        PredictorError: the folder holds none that could be loaded.
    """
    from metamodel.interface import MetamodelError, load_predictor
    from nas.errors import PredictorError

    try:
        return load_predictor(folder)
    except MetamodelError as exc:
        raise PredictorError(str(exc)) from exc
