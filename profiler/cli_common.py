"""Options and printing that several ``profile`` commands share."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from parsers.console import tell

if TYPE_CHECKING:
    from parsers.dump import Reject
    from parsers.schema import Row
    from profiler.suite import Suite

SuiteOption = Annotated[str | None, typer.Option("--suite", help="demo, paper or networks; see 'profile suite'.")]
LayersOption = Annotated[Path | None, typer.Option("--layers", help="Layers to measure, from 'nas space layers'.")]
ModelOption = Annotated[
    list[Path] | None, typer.Option("--model", help="An ONNX file: its layers, and the whole network. Repeatable.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]


def choose_suite(name: str | None, layers: Path | None, models: Sequence[Path] | None) -> Suite:
    """Read what is to be measured; exactly one of the three must say it."""
    from profiler.suite import load_suite, suite_from_layers, suite_from_models

    given = [option for option in (name, layers, models) if option]
    if len(given) != 1:
        raise typer.BadParameter("say what to measure with one of --suite, --layers, --model")
    if name:
        return load_suite(name)
    return suite_from_layers(layers) if layers else suite_from_models(models or [])


def counts(rows: Sequence[Row]) -> dict[str, int]:
    """Count rows by their status."""
    return dict(Counter(row.measurement.status.value for row in rows))


def print_counts(rows: Sequence[Row]) -> None:
    """Say in one line what rows there are."""
    if not rows:
        typer.echo("No rows yet.")
        return
    devices = sorted({f"{row.provenance.origin} on {row.provenance.device}" for row in rows})
    told = ", ".join(f"{count} {status}" for status, count in counts(rows).items())
    typer.echo(f"{len(rows)} rows, {'; '.join(devices)}: {told}")


def tell_rejects(placed: Iterable[tuple[str, Reject]]) -> None:
    """Say how many pieces could not be read, and for each reason where the first of them stands.

    Args:
        placed: the pieces, each behind the words that lead to its offset: ``at``, or ``in FILE,``.
    """
    counted: Counter[str] = Counter()
    first: dict[str, str] = {}
    for place, reject in placed:
        counted[reject.reason] += 1
        if reject.reason not in first:
            first[reject.reason] = f"{place} byte {reject.offset}: {reject.text[:60]!r}"
    for reason, count in counted.most_common():
        tell(f"not read: {count} × {reason}, the first {first[reason]}")


def print_json(document: dict[str, object]) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(document))
