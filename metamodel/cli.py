"""``metamodel``: fit a predictor to stats tables, and ask it what a network would cost."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metamodel import cli_calibrate, cli_evaluate, cli_report, cli_show
from metamodel.cli_common import DEFAULT_MODEL
from metamodel.errors import MetamodelError
from parsers.console import progress, result_console, run_command
from parsers.errors import ParsersError

if TYPE_CHECKING:
    from metamodel.artefact import Artefact
    from metamodel.fit import Prepared

app = typer.Typer(
    name="metamodel",
    help="Learn what any layer costs on any phone, and predict it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

cli_evaluate.register(app)
cli_report.register(app)
cli_show.register(app)
cli_calibrate.register(app)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]


def main() -> None:
    """Run the ``metamodel`` command line."""
    run_command(app, name="metamodel", expected=(MetamodelError, ParsersError), kept="Nothing was written.")


@app.command("fit")
def fit_command(
    tables: Annotated[list[Path], typer.Argument(help="Stats tables, as 'profile collect' and 'profile model' write.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of the model.")] = DEFAULT_MODEL,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed and tables give the same model.")] = 0,
    include_virtual: Annotated[
        bool, typer.Option("--include-virtual", help="Fit to rows of virtual phones, too.")
    ] = False,
    evaluate: Annotated[
        bool, typer.Option("--evaluate/--no-evaluate", help="Score the fit on unseen networks before saving it.")
    ] = True,
    as_json: JsonOption = False,
) -> None:
    """Fit a bag of boosted regressors per response and write it to a model folder."""
    from metamodel.artefact import check_output, save_artefact
    from metamodel.fit import prepare
    from metamodel.report import fit_summary

    check_output(output)
    artefact = _fit(prepare(tables, include_virtual=include_virtual), seed=seed, evaluate=evaluate)
    save_artefact(artefact, output)
    if as_json:
        from metamodel.manifest import to_json

        print(json.dumps({"model": str(output), **to_json(artefact.manifest)}))
    else:
        result_console().print(fit_summary(artefact.manifest))
        print(f"Model: {output}")


@app.command("predict")
def predict_command(
    network: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="The network, with fixed shapes.")],
    tier: Annotated[str | None, typer.Option("--tier", help="flagship, mid or low.")] = None,
    device_config: Annotated[
        str | None, typer.Option("--device-config", help="A phone's TOML: its name or its path.")
    ] = None,
    model: Annotated[Path, typer.Option("--model", help="Folder of the model.")] = DEFAULT_MODEL,
    threads: Annotated[
        int | None, typer.Option("--threads", min=1, help="Threads, instead of the device config's.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Predict what each layer of a network, and the network, would cost on a device."""
    if (tier is None) == (device_config is None):
        raise typer.BadParameter("give either --tier or --device-config")
    from metamodel.features import evicted_mb
    from metamodel.interface import Setting
    from metamodel.prediction_report import predict, prediction_json, prediction_table
    from metamodel.predictor import load_trained_predictor
    from parsers.device_config import load_device_config
    from parsers.network import read_network, require_shapes

    config = load_device_config(tier or device_config or "")
    predictor = load_trained_predictor(model)
    read = require_shapes(read_network(network))
    layers = [item.layer for item in read.layers]
    setting = Setting(
        context=config.context,
        provider=config.provider,
        threads=threads or config.threads,
        device=config.name,
        evicted_mb=evicted_mb(layers, config.context, live_elements=read.peak_live_elements),
    )
    prediction = predict(predictor, read, config, setting)
    if as_json:
        print(json.dumps(prediction_json(prediction)))
    else:
        result_console().print(prediction_table(prediction))


def _fit(prepared: Prepared, *, seed: int, evaluate: bool) -> Artefact:
    """Fit, and evaluate where asked, telling how far it is."""
    from metamodel.fit import fit_artefact, protocols, with_evaluation
    from metamodel.parallel import available_cores
    from metamodel.recipe import RECIPE

    workers = available_cores()
    with progress("Fitting the bags", len(prepared.bags)) as advance:
        artefact = fit_artefact(prepared, seed=seed, workers=workers, advance=advance, recipe=RECIPE)
    for protocol in protocols(prepared) if evaluate else ():
        title = f"Scoring unseen networks ({protocol.origin})"
        with progress(title, len(protocol.folds)) as advance:
            artefact = with_evaluation(
                artefact, prepared, protocol, seed=seed, workers=workers, advance=advance, recipe=RECIPE
            )
    return artefact
