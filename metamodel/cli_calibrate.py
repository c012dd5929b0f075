"""``metamodel calibrate``: learn a new phone from a few layers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metamodel.cli_common import DEFAULT_MODEL
from parsers.console import progress, result_console

if TYPE_CHECKING:
    from metamodel.adaptation import PhoneAdaptation
    from metamodel.calibrate import Calibration


def register(app: typer.Typer) -> None:
    """Add the command to ``metamodel``."""
    app.command("calibrate")(calibrate_command)


def calibrate_command(
    device: Annotated[
        str | None,
        typer.Option("--device", help="Phone to measure: its serial, or host. With --rows, the device of the rows."),
    ] = None,
    rows: Annotated[Path | None, typer.Option("--rows", help="Stats table to read instead of measuring.")] = None,
    count: Annotated[int, typer.Option("-k", min=1, help="Layers to measure.")] = 10,
    layers: Annotated[
        Path | None, typer.Option("--layers", help="Layers file to choose from, instead of the suite 'paper'.")
    ] = None,
    provider: Annotated[str, typer.Option("--provider", help="Execution provider to measure with.")] = "cpu",
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads to measure with.")] = 1,
    model: Annotated[Path, typer.Option("--model", help="Folder of the model.")] = DEFAULT_MODEL,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the adapted model; MODEL-DEVICE if not given.")
    ] = None,
    runs: Annotated[Path, typer.Option("--runs", help="Folder of all campaigns.")] = Path("runs"),
    adb: Annotated[
        list[str] | None, typer.Option("--adb", help="adb server of another bench host, as host:port. Repeatable.")
    ] = None,
    runtime: Annotated[
        Path | None, typer.Option("--runtime", help="ONNX Runtime for Android: the official AAR, or a library.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Draws the candidates, where they are many.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")] = False,
) -> None:
    """Adapt a model to a new phone by the k layers that tell most, measured there or read from rows."""
    if device is None and rows is None:
        raise typer.BadParameter("give --device, --rows, or both")
    from metamodel.artefact import check_output, load_artefact, manifest_sha256, save_artefact
    from metamodel.calibrate import calibrate_by_measuring, calibrate_by_rows
    from metamodel.tables import read_tables

    artefact, parent = load_artefact(model), manifest_sha256(model)
    if output is not None:
        check_output(output)
    if rows is not None:
        (table,) = read_tables([rows])
        calibration = calibrate_by_rows(artefact, parent, table, device=device, count=count, seed=seed)
    else:
        with progress(f"Measuring layers on {device}", count) as advance:
            calibration = calibrate_by_measuring(
                artefact,
                parent,
                device=device or "",
                candidates=layers,
                provider=provider,
                threads=threads,
                count=count,
                seed=seed,
                runs=runs,
                servers=adb or (),
                runtime=runtime,
                advance=advance,
            )
    name = calibration.adaptations[0].device.replace("/", "_")
    folder = output or model.with_name(f"{model.name}-{name}")
    save_artefact(calibration.artefact, folder)
    if as_json:
        print(json.dumps(calibration_json(calibration, folder)))
    else:
        _show(calibration, folder)


def calibration_json(calibration: Calibration, folder: Path) -> dict[str, object]:
    """Lay a calibration out as the JSON document that ``--json`` prints."""
    from metamodel.manifest import to_json

    return {
        "model": str(folder),
        "parent": calibration.artefact.manifest.parent,
        "phones": [
            {
                "target": one.target.value,
                "device": one.device,
                "provider": one.provider,
                "threads": one.threads,
                "layers": to_json(one.layers),
                "expected_error_percent": one.expected_error_percent,
            }
            for one in calibration.adaptations
        ],
        "others": {
            "layers": calibration.others,
            "median_ape_before": calibration.others_before_percent,
            "median_ape_after": calibration.others_after_percent,
        },
    }


def _show(calibration: Calibration, folder: Path) -> None:
    for one in calibration.adaptations:
        _show_phone(one)
    before, after = calibration.others_before_percent, calibration.others_after_percent
    if before is not None and after is not None:
        print(
            f"{calibration.others} layers of the rows were not used: median error of {before:.1f} %, now {after:.1f} %."
        )
    print(f"Model: {folder}")


def _show_phone(one: PhoneAdaptation) -> None:
    from rich.table import Table

    from metamodel.targets import RESPONSES

    unit = next(response.unit for response in RESPONSES if response.target is one.target)
    table = Table(title=f"{one.target.value} on {one.device}, {one.provider}, {one.threads} thread(s)")
    for name in ("layer", f"measured, {unit}", "before", "after", "without this layer"):
        table.add_column(name, justify="left" if name == "layer" else "right")
    for layer in one.layers:
        told = (_signed(layer.before, layer.measured), _signed(layer.after, layer.measured))
        left_out = "" if layer.left_out is None else _signed(layer.left_out, layer.measured)
        table.add_row(f"{layer.type} {layer.layer_key[:8]}", f"{layer.measured:.4g}", *told, left_out)
    result_console(pipe_width=100).print(table)
    expected = one.expected_error_percent
    if expected is not None:
        print(f"Expected error of {one.target.value} on {one.device}: {expected:.1f} %, each layer told by the others.")


def _signed(predicted: float, measured: float) -> str:
    return f"{100 * (predicted / measured - 1):+.1f} %"
