"""``metamodel evaluate``: B-o-B beside its peers on what none of them has seen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from metamodel.cli_evaluate_table import LEAD, devices_cell, lead_cell, new_table, number_cell, print_table, spread_cell
from metamodel.errors import TableError
from parsers.console import progress, tell

if TYPE_CHECKING:
    from metamodel.evaluation.contest import Contest
    from metamodel.evaluation.protocols import Unit

_CEILING = "noise ceiling"
_SHOWN = {
    "mape": "MAPE",
    "median_ape": "median",
    "r2": "R²",
    "r2_log": "log R²",
    "spearman": "Spearman",
    "network_sum_mape": "sums",
    "coverage_90": "in 90 %",
    "width_90": "width",
}
"""What the table shows of the figures, and what it calls them; the document has the rest."""


def register(app: typer.Typer) -> None:
    """Add the command to ``metamodel``."""
    app.command("evaluate")(evaluate_command)


def evaluate_command(
    tables: Annotated[list[Path], typer.Argument(help="Stats tables; rows that a formula made are left out.")],
    protocol: Annotated[
        str,
        typer.Option(
            "--protocol", help="What is unseen: unseen-networks, unseen-layers, unseen-phone or calibrated-phone."
        ),
    ] = "unseen-networks",
    by: Annotated[
        str,
        typer.Option(
            "--by",
            help="What stays together where networks are unseen: network, or network-family, the letters that a network's "
            "name begins with, up to the first digit or mark, or a version's v.",
        ),
    ] = "network",
    measurements: Annotated[
        list[int] | None,
        typer.Option(
            "-k", min=1, help="Layers measured on the new phone, for calibrated-phone; repeatable. 5, 10, 20."
        ),
    ] = None,
    device: Annotated[
        list[str] | None, typer.Option("--device", help="Rows of this device only; several make one model for all.")
    ] = None,
    target: Annotated[str, typer.Option("--target", help="latency, throughput, memory, power or energy.")] = "latency",
    folds: Annotated[int, typer.Option("--folds", min=2, help="Parts that are held out in turn.")] = 5,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How often the parts are dealt anew.")] = 3,
    models: Annotated[
        str | None,
        typer.Option(
            "--models",
            help="Who competes, with commas; the first is compared with the others. By request alone: bob-quick, B-o-B "
            "of a fixed size without intervals, and bob-smote, the same with rare operator families super-sampled.",
        ),
    ] = None,
    include_virtual: Annotated[bool, typer.Option("--include-virtual", help="Admit rows of virtual phones.")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", help="File to write the figures to.")] = None,
) -> None:
    """Score predictors on networks, layers or phones that they have not seen, beside what measuring again would give."""
    from metamodel.cli_evaluate_calibrated import evaluate_calibrated
    from metamodel.evaluation.calibrated import CALIBRATED_PHONE
    from metamodel.evaluation.contest import Plan, count_runs, hold
    from metamodel.evaluation.learners import COMPETITORS
    from metamodel.evaluation.protocols import Protocol
    from metamodel.evaluation.samples import THROUGHPUT, asked_response, select_samples
    from metamodel.output import check_file
    from metamodel.parallel import available_cores
    from metamodel.tables import read_tables

    if protocol not in {*Protocol, CALIBRATED_PHONE}:
        raise TableError(f"No protocol {protocol!r}. Known: {', '.join((*Protocol, CALIBRATED_PHONE))}.")
    unit = _unit(by, protocol)
    response = asked_response(target)
    names = tuple(dict.fromkeys(models.split(","))) if models else COMPETITORS
    if json_file is not None:
        check_file(json_file)
    frames = read_tables(tables)
    selection = select_samples(
        frames, response, devices=device or (), include_virtual=include_virtual, per_second=target == THROUGHPUT
    )
    for reject in selection.rejects:
        tell(f"left out: {reject.rows} × {reject.reason}")
    if protocol == CALIBRATED_PHONE:
        document = evaluate_calibrated(selection.samples, names, measurements or (), folds=folds, seeds=seeds)
        if json_file is not None:
            _write(document, json_file)
        return
    plan = Plan(protocol=Protocol(protocol), learners=names, folds=folds, seeds=seeds, unit=unit)
    with progress(f"Evaluating {protocol}", count_runs(selection.samples, plan)) as advance:
        contest = hold(selection.samples, plan, workers=available_cores(), advance=advance)
    if json_file is not None:
        _write(contest_json(contest), json_file)
    _show(contest)


def _unit(by: str, protocol: str) -> Unit:
    from metamodel.evaluation.protocols import Protocol, Unit

    if by not in set(Unit):
        raise TableError(f"Networks are not held out by {by!r}. Known: {', '.join(Unit)}.")
    if by != Unit.NETWORK and protocol != Protocol.UNSEEN_NETWORKS:
        raise TableError(f"--by {by} goes with --protocol {Protocol.UNSEEN_NETWORKS}, not with {protocol}.")
    return Unit(by)


def contest_json(contest: Contest) -> dict[str, Any]:
    """Lay a contest out as the JSON document that ``--json`` writes."""
    from metamodel.evaluation.protocols import Protocol
    from metamodel.evaluation.scores import ceiling_json, figures_json

    plan = contest.plan
    return {
        "protocol": plan.protocol.value,
        **({"by": plan.unit.value} if plan.protocol is Protocol.UNSEEN_NETWORKS else {}),
        "target": contest.target,
        "rows": contest.rows,
        "devices": list(contest.devices),
        "folds": plan.folds,
        "seeds": plan.seeds,
        "noise_ceiling": ceiling_json(contest.noise_ceiling),
        "models": {
            name: {
                **figures_json(standing.figures),
                **(
                    {"per_device": {key: figures_json(one) for key, one in standing.per_device.items()}}
                    if standing.per_device
                    else {}
                ),
                **(
                    {"coverage_90_by_family": figures_json(standing.coverage_by_family)}
                    if standing.coverage_by_family
                    else {}
                ),
                **({"lead_of_first": dict(standing.lead)} if standing.lead else {}),
            }
            for name, standing in contest.standings.items()
        },
    }


def _write(document: dict[str, Any], path: Path) -> None:
    from metamodel.output import write_file

    write_file((json.dumps(document, indent=1) + "\n").encode(), path)


def _show(contest: Contest) -> None:
    words = ("model",)
    table = new_table((*words, *_SHOWN.values(), LEAD), words=words)
    ceiling = contest.noise_ceiling
    table.add_row(_CEILING, *(number_cell(ceiling.get(name)) for name in _SHOWN), "", style="dim")
    for name, standing in contest.standings.items():
        figures = [
            spread_cell(standing.figures[item]) if item == "mape" else number_cell(standing.figures[item].mean)
            for item in _SHOWN
        ]
        table.add_row(name, *figures, lead_cell(standing.lead))
    unit = "" if contest.plan.unit.value == "network" else f" by {contest.plan.unit.value}"
    devices = devices_cell(contest.devices)
    print_table(table, f"{contest.plan.protocol.value}{unit}, {contest.target}: {contest.rows} rows of {devices}")
