"""``profile``: measure layers on devices, and turn what came back into rows."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from parsers.console import progress, run_command, tell
from parsers.errors import ParsersError
from profiler import cli_runner
from profiler.errors import PlatformError, ProfilerError

if TYPE_CHECKING:
    from parsers.schema import Layer, Row
    from profiler.measure import Measured
    from profiler.settings import CampaignSettings
    from profiler.suite import Suite

app = typer.Typer(
    name="profile",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
cli_runner.register(app)

SuiteOption = Annotated[str | None, typer.Option("--suite", help="demo, paper or networks; see 'profile suite'.")]
LayersOption = Annotated[Path | None, typer.Option("--layers", help="Layers to measure, from 'nas space layers'.")]
ModelOption = Annotated[
    list[Path] | None, typer.Option("--model", help="An ONNX file: its layers, and the whole network. Repeatable.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]


def main() -> None:
    """Run the ``profile`` command line."""
    kept = "What was measured is kept; the same command goes on from there."
    run_command(app, name="profile", expected=(ProfilerError, ParsersError), kept=kept)


@app.callback()
def profile_command() -> None:
    """Measure layers on devices with ONNX Runtime, and turn what came back into rows."""
    if not sys.platform.startswith("linux"):
        raise PlatformError(f"This needs Linux, and here is {sys.platform}. 'metamodel' and 'nas' run here too.")


@app.command("collect")
def collect_command(
    device: Annotated[str, typer.Option("--device", help="The device to measure on: host is this machine.")],
    suite: SuiteOption = None,
    layers: LayersOption = None,
    model: ModelOption = None,
    provider: Annotated[str, typer.Option("--provider", help="Execution provider to ask for.")] = "cpu",
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads inside an operator.")] = 1,
    processes: Annotated[int, typer.Option("--processes", min=1, help="Processes per job; 3 give an error bar.")] = 3,
    budget_ms: Annotated[int, typer.Option("--budget-ms", min=1, help="Measuring time of one process, ms.")] = 400,
    timeout_s: Annotated[int, typer.Option("--timeout-s", min=1, help="A run longer than this is ended.")] = 120,
    seed: Annotated[int, typer.Option("--seed", help="Seed of weights, inputs and the order of jobs.")] = 0,
    campaign: Annotated[str | None, typer.Option("--campaign", help="Name of the campaign's folder.")] = None,
    runs: Annotated[Path, typer.Option("--runs", help="Folder of all campaigns.")] = Path("runs"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Start the campaign over.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure a suite; the same command again goes on where it was stopped."""
    from profiler.campaign import fingerprint
    from profiler.settings import CampaignSettings

    chosen = _choose_suite(suite, layers, model)
    settings = CampaignSettings(
        suite=chosen.name,
        suite_sha256=fingerprint(chosen),
        device=device,
        provider=provider,
        threads=threads,
        processes=processes,
        budget_ms=budget_ms,
        timeout_s=timeout_s,
        seed=seed,
    )
    for reason in chosen.left_out:
        tell(f"left out: {reason}")
    measured = _collect(chosen, settings, runs, campaign, fresh=fresh)
    for reject in measured.rejects:
        tell(f"not read: {reject}")
    if as_json:
        _print_json({"campaign": measured.campaign, "stats": str(measured.stats_path), "rows": _counts(measured.rows)})
    else:
        _print_counts(measured.rows)
        typer.echo(measured.stats_path)


@app.command("parse")
def parse_command(
    sources: Annotated[list[Path], typer.Argument(help="Campaign folders and stats tables.", show_default=False)],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Table to write; a single campaign's own if left out.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Parse campaigns into one table, a pure function of what lies in their folders."""
    from parsers.stats import gather

    parsed = gather(sources, output)
    for reject in parsed.rejects:
        tell(f"not read: {reject}")
    if as_json:
        _print_json({"stats": str(parsed.path), "rows": parsed.rows, "rejects": list(parsed.rejects)})
    else:
        typer.echo(f"{parsed.rows} rows")
        typer.echo(parsed.path)


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
        _print_json({"suite": name, "layers": layers, "networks": [part.name for part in suite.networks]})
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
    rows = model_tier(config, _choose_suite(suite, layers, model))
    path = output or Path("runs") / f"modelled-{config.name}" / "stats.parquet"
    write_stats(rows, path)
    if as_json:
        _print_json({"stats": str(path), "rows": _counts(rows)})
    else:
        _print_counts(rows)
        typer.echo(path)


def _size(layer: Layer) -> str:
    inputs = " + ".join("x".join(str(side) for side in shape) for shape in layer.input_shapes)
    return f"{inputs} k{layer.kernel_size}" if layer.kernel_size else inputs


def _choose_suite(name: str | None, layers: Path | None, models: Sequence[Path] | None) -> Suite:
    from profiler.suite import load_suite, suite_from_layers, suite_from_models

    given = [option for option in (name, layers, models) if option]
    if len(given) != 1:
        raise typer.BadParameter("say what to measure with one of --suite, --layers, --model")
    if name:
        return load_suite(name)
    return suite_from_layers(layers) if layers else suite_from_models(models or [])


def _collect(suite: Suite, settings: CampaignSettings, runs: Path, campaign: str | None, *, fresh: bool) -> Measured:
    from profiler.campaign import Progress
    from profiler.measure import measure_suite, open_bench

    bench = open_bench(settings, runs=runs, campaign=campaign)
    total = settings.processes * (len(suite.layers) + len(suite.networks))
    with progress(f"Measuring {suite.name} on {settings.device}", total) as advance:

        def report(state: Progress) -> None:
            advance(state.done, f"{state.job} {state.status}")

        return measure_suite(
            suite,
            settings,
            bench,
            fresh=fresh,
            report=report,
            waiting=lambda: tell("Another program is measuring on this machine; waiting for it."),
        )


def _print_fit(tier: str, *, as_json: bool) -> None:
    from profiler.modelled import fit_tier

    fit = fit_tier(tier)
    if as_json:
        _print_json({"tier": tier, "efficiency": fit.efficiency, "overhead_ms": fit.overhead_ms})
        return
    typer.echo(f"{tier}: efficiency = {fit.efficiency:.4g}, overhead_ms = {fit.overhead_ms:.4g}")
    for residual in fit.residuals:
        typer.echo(f"  {residual.network:22} paper {residual.paper_ms:6.1f} ms, formula {residual.model_ms:6.1f} ms")


def _counts(rows: Sequence[Row]) -> dict[str, int]:
    return dict(Counter(row.measurement.status.value for row in rows))


def _print_counts(rows: Sequence[Row]) -> None:
    devices = sorted({f"{row.provenance.origin} on {row.provenance.device}" for row in rows})
    counts = ", ".join(f"{count} {status}" for status, count in _counts(rows).items())
    typer.echo(f"{len(rows)} rows, {'; '.join(devices)}: {counts}")


def _print_json(document: dict[str, object]) -> None:
    typer.echo(json.dumps(document))
