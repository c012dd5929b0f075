"""``profile``: measure layers on devices, and turn what came back into rows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from parsers.console import run_command
from parsers.errors import ParsersError
from profiler import cli_collect, cli_detect, cli_import, cli_parse, cli_phones, cli_power, cli_runner, cli_virtual
from profiler.cli_common import (
    JsonOption,
    LayersOption,
    ModelOption,
    SuiteOption,
    choose_suite,
    counts,
    print_counts,
    print_json,
)
from profiler.errors import PlatformError, ProfilerError

if TYPE_CHECKING:
    from parsers.schema import Layer

app = typer.Typer(
    name="profile",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cli_collect.register(app)
cli_detect.register(app)
cli_import.register(app)
cli_parse.register(app)
cli_phones.register(app)
cli_power.register(app)
cli_runner.register(app)
cli_virtual.register(app)


def main() -> None:
    """Run the ``profile`` command line."""
    kept = "What was measured is kept; the same command goes on from there."
    run_command(app, name="profile", expected=(ProfilerError, ParsersError), kept=kept)


@app.callback()
def profile_command() -> None:
    """Measure layers on devices with ONNX Runtime, and turn what came back into rows."""
    if not sys.platform.startswith("linux"):
        raise PlatformError(f"This needs Linux, and here is {sys.platform}. 'metamodel' and 'nas' run here too.")


@app.command("suite")
def suite_command(
    name: Annotated[str | None, typer.Argument(help="The suite to list; all suites if left out.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List what a suite measures."""
    from parsers.schema import layer_to_json
    from profiler.suite import SUITES, load_suite

    if name is None:
        for known, meaning in SUITES.items():
            typer.echo(f"{known:10} {meaning}")
        return
    suite = load_suite(name)
    if as_json:
        layers = [{"networks": list(part.networks), **layer_to_json(part.layer)} for part in suite.layers]
        print_json({"suite": name, "layers": layers, "networks": [part.name for part in suite.networks]})
        return
    for part in suite.layers:
        typer.echo(f"{part.layer.key}  {part.layer.type:20} {_size(part.layer):28} {', '.join(part.networks)}")
    typer.echo(
        f"{len(suite.layers)} layers; whole networks: {', '.join(part.name for part in suite.networks) or 'none'}"
    )


@app.command("model")
def model_command(
    tier: Annotated[str, typer.Option("--tier", help="flagship, mid, low, or the path of a device config.")],
    suite: SuiteOption = None,
    layers: LayersOption = None,
    model: ModelOption = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Table to write.")] = None,
    fit: Annotated[
        bool, typer.Option("--fit", help="Only fit the tier's two factors to the paper's Table I, and show residuals.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Write a tier's rows from the roofline formula: origin 'modelled', no evidence about any phone."""
    from parsers.device_config import load_device_config
    from parsers.stats import write_stats
    from profiler.modelled import model_tier

    config = load_device_config(tier)
    if fit:
        _print_fit(config.name, as_json=as_json)
        return
    rows = model_tier(config, choose_suite(suite, layers, model))
    path = output or Path("runs") / f"modelled-{config.name}" / "stats.parquet"
    write_stats(rows, path)
    if as_json:
        print_json({"stats": str(path), "rows": counts(rows)})
    else:
        print_counts(rows)
        typer.echo(path)


def _size(layer: Layer) -> str:
    inputs = " + ".join("x".join(str(side) for side in shape) for shape in layer.input_shapes)
    return f"{inputs} k{layer.kernel_size}" if layer.kernel_size else inputs


def _print_fit(tier: str, *, as_json: bool) -> None:
    from profiler.modelled import fit_tier

    fit = fit_tier(tier)
    if as_json:
        print_json({"tier": tier, "efficiency": fit.efficiency, "overhead_ms": fit.overhead_ms})
        return
    typer.echo(f"{tier}: efficiency = {fit.efficiency:.4g}, overhead_ms = {fit.overhead_ms:.4g}")
    for residual in fit.residuals:
        typer.echo(f"  {residual.network:22} paper {residual.paper_ms:6.1f} ms, formula {residual.model_ms:6.1f} ms")
