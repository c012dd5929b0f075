"""``metamodel show`` and ``metamodel export``: what a model folder is, and its bags for other runtimes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from metamodel.cli_common import DEFAULT_MODEL
from metamodel.errors import ModelError
from parsers.console import result_console

_ModelOption = Annotated[Path, typer.Option("--model", help="Folder of the model.")]


def register(app: typer.Typer) -> None:
    """Add the commands to ``metamodel``."""
    app.command("show")(show_command)
    app.command("export")(export_command)


def show_command(
    model: _ModelOption = DEFAULT_MODEL,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Say what a model is: what it stands on, what it predicts, how well, and whether its files are whole (else exit 1)."""
    from metamodel.model_card import card_json, model_card, read_card

    card = read_card(model)
    if as_json:
        print(json.dumps(card_json(card)))
    else:
        result_console().print(model_card(card))
    if card.problems:
        raise ModelError(f"{model} is not whole: {'; '.join(card.problems)}.")


def export_command(
    onnx: Annotated[Path, typer.Option("--onnx", help="File to write.")],
    model: _ModelOption = DEFAULT_MODEL,
    target: Annotated[str, typer.Option("--target", help="latency, memory, power or energy.")] = "latency",
    ground: Annotated[
        str | None, typer.Option("--ground", help="evidence or formula; evidence, where the model has it.")
    ] = None,
) -> None:
    """Write the whole bag of one response as one ONNX file, checked in ONNX Runtime against the bag."""
    from metamodel.artefact import load_artefact
    from metamodel.export import check_against_bag, onnx_of, save_onnx

    artefact = load_artefact(model)
    bags = {(one.record.response.target.value, one.record.ground.value): one for one in artefact.models}
    grounds = (ground,) if ground else ("evidence", "formula")
    bag = next((bags[target, one] for one in grounds if (target, one) in bags), None)
    if bag is None:
        wanted = f"{target} from {ground}" if ground else target
        known = ", ".join(f"{one} from {basis}" for one, basis in bags)
        raise ModelError(f"{model} has no bag for {wanted}. It has {known}.")
    adapted = artefact.adapted(bag)
    written = onnx_of(bag, artefact.manifest.space.names, adapted=adapted)
    difference = check_against_bag(written, bag)
    save_onnx(written, onnx)
    print(
        f"{onnx}: {target} from {bag.record.ground.value}, {len(bag.members)} members, "
        f"{len(artefact.manifest.space.names)} features; within {difference:.1e} of the bag (relative)"
    )
    if adapted:
        print(
            f"The bag alone: the calibration to {', '.join(adapted)} is not in the file, and there it predicts as before it."
        )
