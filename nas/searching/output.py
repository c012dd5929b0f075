"""What a search leaves in its folder: the network, what is known of it, and how it was found."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from nas.limits.signals import CountedSignal, column_name
from nas.networks.export import export_onnx, save_weights
from nas.searching.finalists import Finalist
from nas.searching.history import SCHEMA_VERSION, write_front, write_history
from nas.searching.html_report import report_html
from nas.searching.plots import plot_front, plot_learning_curve
from nas.searching.run import Outcome
from nas.searching.run_file import DEFAULT_MODEL
from nas.space import architecture_to_json, choice_label
from nas.training.rank import RankCheck
from nas.writing import GO_ON, writing

FILES = {
    "network": "best.onnx",
    "weights": "best.safetensors",
    "architecture": "architecture.json",
    "front": "front.csv",
    "front_plot": "front.png",
    "learning_curve": "learning_curve.png",
    "history": "history.parquet",
    "report": "report.html",
}
"""By what they are."""


def write_search(outcome: Outcome, folder: Path, *, model: Path = Path(DEFAULT_MODEL)) -> None:
    """Write everything that a search found into its folder.

    Args:
        outcome: what was found.
        folder: is there already.
        model: folder of the predictor, which the report names.

    Raises:
        OutputError: the folder cannot be written.
        ExportError: the exported network does not compute what torch computes.
    """
    settings, winner, space, signals = outcome.settings, outcome.winner, outcome.space, outcome.signals
    title = f"{space.name} on {settings.device.name}, {settings.data}: {settings.controller}"
    place = {name: folder / file for name, file in FILES.items()}
    with writing(folder, GO_ON):
        export_onnx(winner.network, space.image, place["network"])
        save_weights(winner.network, place["weights"])
        place["architecture"].write_text(_architecture_json(outcome), encoding="utf-8")
        write_history(outcome.records, space, signals, place["history"])
        write_front(outcome.records, space, signals, place["front"])
        shown = {"title": title, "sought": outcome.sought}
        plot_front(outcome.records, winner.record, signals[0], place["front_plot"], **shown)
        plot_learning_curve(outcome.records, place["learning_curve"], **shown)
        page = report_html(
            outcome,
            model=model,
            front=place["front_plot"].read_bytes(),
            learning_curve=place["learning_curve"].read_bytes(),
        )
        place["report"].write_text(page, encoding="utf-8")


def _architecture_json(outcome: Outcome) -> str:
    winner, space = outcome.winner, outcome.space
    queries = {record.choices: number for number, record in enumerate(outcome.records, start=1)}
    described = {
        "schema": SCHEMA_VERSION,
        "space": space.name,
        "image": [space.image.channels, space.image.height, space.image.width],
        "classes": space.classes,
        "task": str(space.task),
        "latency_limit_ms": next((one.limit for one in outcome.signals if one.name == "latency"), None),
        "manual_latency_ms": next((one.manual for one in outcome.signals if one.name == "latency"), None),
        "primary": outcome.settings.primary,
        "limits": {column_name(one.name): one.limit for one in outcome.signals if one.limit is not None},
        "manual": {column_name(one.name): one.manual for one in outcome.signals},
        "queries": len(outcome.records),
        "ranks": _ranks(outcome.ranks),
        **_described(winner, outcome.signals, queries),
        "finalists": [_described(one, outcome.signals, queries) for one in outcome.finalists],
    }
    return json.dumps(described, indent=2) + "\n"


def _ranks(ranks: RankCheck | None) -> dict[str, object] | None:
    if ranks is None:
        return None
    return {"networks": ranks.networks, "correlation": ranks.correlation, "weak": ranks.weak}


def _described(
    finalist: Finalist, signals: Sequence[CountedSignal], queries: dict[tuple[int, ...], int]
) -> dict[str, object]:
    costs = {signal.name: cost for signal, cost in zip(signals, finalist.record.costs, strict=True)}
    return {
        "query": queries[finalist.record.choices],
        "blocks": json.loads(architecture_to_json(finalist.architecture)),
        "labels": [choice_label(choice) for choice in finalist.architecture],
        "predicted_latency_ms": costs.get("latency"),
        "predicted": {column_name(name): cost for name, cost in costs.items()},
        "query_accuracy": finalist.record.accuracy,
        "validation_accuracy": finalist.validation_accuracy,
        "test_accuracy": finalist.test_accuracy,
        "test_images": finalist.test_images,
        "macs": finalist.macs,
        "weight_elements": finalist.weight_elements,
        "curve": [[point.epochs, point.accuracy] for point in finalist.curve],
    }
