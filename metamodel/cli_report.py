"""``metamodel report``: an evaluation as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from metamodel.errors import TableError
from parsers.console import progress

if TYPE_CHECKING:
    import pandas as pd

    from metamodel.evaluation.contest import Plan
    from metamodel.html_report import Section
    from metamodel.targets import Response


def register(app: typer.Typer) -> None:
    """Add the command to ``metamodel``."""
    app.command("report")(report_command)


def report_command(
    tables: Annotated[list[Path], typer.Argument(help="Stats tables; rows that a formula made are left out.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")] = Path("report.html"),
    protocol: Annotated[
        str, typer.Option("--protocol", help="What is unseen: unseen-networks, unseen-layers or unseen-phone.")
    ] = "unseen-layers",
    device: Annotated[
        list[str] | None, typer.Option("--device", help="Rows of this device only; several make one model for all.")
    ] = None,
    folds: Annotated[int, typer.Option("--folds", min=2, help="Parts that are held out in turn.")] = 5,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="How often the parts are dealt anew.")] = 1,
    targets: Annotated[
        str, typer.Option("--targets", help="latency, throughput, memory, power or energy; with commas.")
    ] = "latency",
    models: Annotated[
        str, typer.Option("--models", help="Who competes, with commas; the first is compared with the others.")
    ] = "bob,xgboost,svr,mlp",
    include_virtual: Annotated[bool, typer.Option("--include-virtual", help="Admit rows of virtual phones.")] = False,
) -> None:
    """Write one HTML page: response plots, errors beside the paper's, calibration, and what it all stands on."""
    import hashlib

    import pandas as pd

    from metamodel.evaluation.contest import Plan
    from metamodel.evaluation.protocols import Protocol
    from metamodel.evaluation.samples import THROUGHPUT, asked_response
    from metamodel.html_report import Report, report_html
    from metamodel.manifest import ParentTable
    from metamodel.output import check_file, write_file
    from metamodel.rows import count_rows
    from metamodel.tables import read_tables

    offered = [one.value for one in (Protocol.UNSEEN_NETWORKS, Protocol.UNSEEN_LAYERS, Protocol.UNSEEN_PHONE)]
    if protocol not in offered:
        raise TableError(f"No protocol {protocol!r} to report on. Known: {', '.join(offered)}.")
    asked = {name: asked_response(name) for name in targets.split(",")}
    plan = Plan(protocol=Protocol(protocol), learners=tuple(dict.fromkeys(models.split(","))), folds=folds, seeds=seeds)
    check_file(output)
    frames = read_tables(tables)
    sections, absent = [], []
    for name, response in asked.items():
        try:
            sections.append(
                _section(
                    frames,
                    response,
                    plan,
                    device or [],
                    include_virtual=include_virtual,
                    per_second=name == THROUGHPUT,
                )
            )
        except TableError as error:
            absent.append(f"{name}: {error}")
    if not sections:
        raise TableError(absent[0])
    parents = tuple(
        ParentTable(name=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest(), rows=len(frame))
        for path, frame in zip(tables, frames, strict=True)
    )
    counts = count_rows(pd.concat(frames, ignore_index=True))
    page = report_html(Report(sections=tuple(sections), absent=tuple(absent), tables=parents, rows=counts))
    write_file(page.encode(), output)
    print(f"Report: {output}")


def _section(
    frames: list[pd.DataFrame],
    response: Response,
    plan: Plan,
    devices: list[str],
    *,
    include_virtual: bool,
    per_second: bool,
) -> Section:
    from metamodel.evaluation.contest import count_runs, hold
    from metamodel.evaluation.samples import select_samples
    from metamodel.html_report import Section
    from metamodel.parallel import available_cores

    selection = select_samples(
        frames, response, devices=devices, include_virtual=include_virtual, per_second=per_second
    )
    with progress(f"Evaluating {selection.samples.target}", count_runs(selection.samples, plan)) as advance:
        contest = hold(selection.samples, plan, workers=available_cores(), advance=advance)
    return Section(contest=contest, samples=selection.samples, rejects=selection.rejects)
