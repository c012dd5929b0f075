"""What a search leaves in its folder: the network, what is known of it, and how it was found."""

from __future__ import annotations

import json
from pathlib import Path

from nas.export import export_onnx, save_weights
from nas.history import SCHEMA_VERSION, write_front, write_history
from nas.plots import plot_front, plot_learning_curve
from nas.run import Finalist, Outcome
from nas.space import architecture_to_json, choice_label
from nas.writing import GO_ON, writing

FILES = {
    "network": "best.onnx",
    "weights": "best.safetensors",
    "architecture": "architecture.json",
    "front": "front.csv",
    "front_plot": "front.png",
    "learning_curve": "learning_curve.png",
    "history": "history.parquet",
}
"""By what they are."""


def write_search(outcome: Outcome, folder: Path) -> None:
    """Write everything that a search found into its folder.

    Raises:
        OutputError: the folder cannot be written.
        ExportError: the exported network does not compute what torch computes.
    """
    settings, winner, space = outcome.settings, outcome.winner, outcome.space
    title = f"{space.name} on {settings.device.name}, {settings.data}: {settings.controller}"
    place = {name: folder / file for name, file in FILES.items()}
    with writing(folder, GO_ON):
        export_onnx(winner.network, space.image, place["network"])
        save_weights(winner.network, place["weights"])
        place["architecture"].write_text(_architecture_json(outcome), encoding="utf-8")
        write_history(outcome.records, space, place["history"])
        write_front(outcome.records, space, place["front"])
        plot_front(
            outcome.records, winner.record, settings.limit, outcome.manual_latency_ms, title, place["front_plot"]
        )
        plot_learning_curve(outcome.records, title, place["learning_curve"])


def _architecture_json(outcome: Outcome) -> str:
    winner, space = outcome.winner, outcome.space
    queries = {record.choices: number for number, record in enumerate(outcome.records, start=1)}
    described = {
        "schema": SCHEMA_VERSION,
        "space": space.name,
        "image": [space.image.channels, space.image.height, space.image.width],
        "classes": space.classes,
        "latency_limit_ms": outcome.settings.limit.value,
        "manual_latency_ms": outcome.manual_latency_ms,
        "queries": len(outcome.records),
        **_described(winner, queries),
        "finalists": [_described(one, queries) for one in outcome.finalists],
    }
    return json.dumps(described, indent=2) + "\n"


def _described(finalist: Finalist, queries: dict[tuple[int, ...], int]) -> dict[str, object]:
    return {
        "query": queries[finalist.record.choices],
        "blocks": json.loads(architecture_to_json(finalist.architecture)),
        "labels": [choice_label(choice) for choice in finalist.architecture],
        "predicted_latency_ms": finalist.record.cost,
        "shared_accuracy": finalist.record.accuracy,
        "validation_accuracy": finalist.validation_accuracy,
        "test_accuracy": finalist.test_accuracy,
        "test_images": finalist.test_images,
        "macs": finalist.macs,
        "weight_elements": finalist.weight_elements,
    }
