"""``nas run``: search, train the best, write the search folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nas.cli_common import DEFAULT_MODEL, DataOption, JsonOption, SpaceOption
from nas.errors import SettingsError
from parsers.console import progress

if TYPE_CHECKING:
    from metamodel.interface import Predictor
    from nas.costs import Limit
    from nas.run import Outcome
    from parsers.device_config import DeviceConfig

SEARCHES = Path("searches")


def run_search_command(
    tier: Annotated[str | None, typer.Option("--tier", help="flagship, mid or low.")] = None,
    device_config: Annotated[
        str | None, typer.Option("--device-config", help="A phone's TOML: its name or its path.")
    ] = None,
    space: SpaceOption = "mobilenetv2",
    data: DataOption = "mnist-5k",
    controller: Annotated[str, typer.Option("--controller", help="comet or random.")] = "comet",
    potential: Annotated[
        str, typer.Option("--potential", help="Shaping potential: exact (dynamic programming) or learned offline.")
    ] = "exact",
    budget: Annotated[int, typer.Option("--budget", help="Accuracy queries, each about another network.")] = 50,
    limit: Annotated[
        list[str] | None, typer.Option("--limit", help="As latency=25ms, instead of the device config's. Repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same seed gives the same search.")] = 0,
    model: Annotated[
        Path, typer.Option("--model", help="Folder of the predictor, from 'metamodel fit'.")
    ] = DEFAULT_MODEL,
    shared_epochs: Annotated[
        int | None, typer.Option("--shared-epochs", min=1, help="How long the weight-sharing network is trained.")
    ] = None,
    tuning_epochs: Annotated[
        int | None,
        typer.Option("--tuning-epochs", min=0, help="How long a path's weights are tuned before it is judged."),
    ] = None,
    finalists: Annotated[
        int, typer.Option("--finalists", help="How many of the best are trained alone to find the winner.")
    ] = 5,
    alone_epochs: Annotated[
        int | None, typer.Option("--alone-epochs", min=1, help="How long every finalist is trained alone.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the search, instead of one under searches/.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Search, train the best alone, and write the winner as ONNX with its history, front and learning curve."""
    from dataclasses import replace

    from nas.output import check_output, write_search
    from nas.run import RunSettings, check_settings, run, search_name

    device = _device(tier, device_config)
    settings = RunSettings(
        device=device,
        limit=_limit(limit or [], device),
        space=space,
        data=data,
        controller=controller,
        potential=potential,
        budget=budget,
        seed=seed,
        finalists=finalists,
    )
    settings = replace(
        settings,
        shared=replace(settings.shared, epochs=shared_epochs or settings.shared.epochs),
        tuning=replace(settings.tuning, epochs=settings.tuning.epochs if tuning_epochs is None else tuning_epochs),
        alone=replace(settings.alone, epochs=alone_epochs or settings.alone.epochs),
    )
    check_settings(settings)
    folder = output or SEARCHES / search_name(settings, model)
    check_output(folder)
    outcome = run(settings, _predictor(model), progress)
    write_search(outcome, folder, model)
    _print_outcome(outcome, folder, as_json=as_json)


def _device(tier: str | None, device_config: str | None) -> DeviceConfig:
    from parsers.device_config import load_device_config

    wanted = [name for name in (tier, device_config) if name is not None]
    if len(wanted) != 1:
        raise SettingsError("Name one device: --tier flagship, or --device-config with a phone's name or TOML file.")
    return load_device_config(wanted[0])


def _limit(written: Sequence[str], device: DeviceConfig) -> Limit:
    from nas.costs import Limit, parse_limit

    limits = [parse_limit(text) for text in written]
    if len(limits) > 1:
        raise SettingsError(f"latency has {len(limits)} limits: {', '.join(written)}. Give one.")
    if limits:
        return limits[0]
    if device.latency_limit_ms is None:
        raise SettingsError(
            f"{device.name} has no latency_limit_ms. Say how long a network may take: --limit latency=25ms."
        )
    return Limit(target="latency", value=device.latency_limit_ms)


def _predictor(folder: Path) -> Predictor:
    from metamodel.interface import MetamodelError, load_predictor
    from nas.errors import PredictorError

    try:
        return load_predictor(folder)
    except MetamodelError as exc:
        raise PredictorError(str(exc)) from exc


def _print_outcome(outcome: Outcome, folder: Path, *, as_json: bool) -> None:
    from nas.space import choice_label

    winner, limit = outcome.winner, outcome.settings.limit
    files = {
        "network": folder / "best.onnx",
        "front": folder / "front.csv",
        "front_plot": folder / "front.png",
        "learning_curve": folder / "learning_curve.png",
        "history": folder / "history.parquet",
    }
    if as_json:
        document = {
            "search": str(folder),
            "queries": len(outcome.records),
            "blocks": [choice_label(choice) for choice in winner.architecture],
            "latency_ms": winner.record.cost,
            "latency_limit_ms": limit.value,
            "manual_latency_ms": outcome.manual_latency_ms,
            "shared_accuracy": winner.record.accuracy,
            "validation_accuracy": winner.validation_accuracy,
            "test_accuracy": winner.test_accuracy,
            "test_images": winner.test_images,
            "macs": winner.macs,
            "weight_elements": winner.weight_elements,
            "files": {name: str(path) for name, path in files.items()},
        }
        print(json.dumps(document))
        return
    print(f"Winner of {len(outcome.records)}: {' | '.join(choice_label(choice) for choice in winner.architecture)}")
    print(
        f"  predicted latency {winner.record.cost:.1f} {limit.unit} (limit {limit.value:g}; by hand {outcome.manual_latency_ms:.1f}), "
        f"{winner.macs / 1e6:.2f} MMACs, {winner.weight_elements / 1e3:.1f} k weights"
    )
    print(
        f"  test accuracy {winner.test_accuracy:.1%} of {winner.test_images} images; best of {len(outcome.finalists)} trained alone"
    )
    for name, path in files.items():
        print(f"  {name.replace('_', ' ')}: {path}")
