"""The search folder: written beside its place and renamed into it, so that no half of it is ever seen."""

from __future__ import annotations

import contextlib
import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path

from nas.errors import OutputError
from nas.export import export_onnx, save_weights
from nas.history import SCHEMA_VERSION, write_front, write_history
from nas.plots import plot_front, plot_learning_curve
from nas.run import Outcome
from nas.space import architecture_to_json

MARK = "run.toml"
"""Written last; a folder that holds it is a finished search."""


def check_output(folder: Path) -> None:
    """Refuse a folder that cannot become this search's, before anything is computed.

    Raises:
        OutputError: it holds something else, or its parent cannot be written.
    """
    if folder.exists() and not (folder.is_dir() and ((folder / MARK).is_file() or not any(folder.iterdir()))):
        raise OutputError(f"{folder} is there already and is no search folder. Name another one with -o.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder.parent):
            pass
    except OSError as exc:
        raise OutputError(
            f"Cannot write in {folder.parent}: {exc.strerror or exc}. Name another folder with -o."
        ) from exc


def write_search(outcome: Outcome, folder: Path, model: Path) -> None:
    """Write everything that a search found; an older search in its place is replaced.

    Raises:
        OutputError: the folder cannot be written.
        ExportError: the exported network does not compute what torch computes.
    """
    check_output(folder)
    try:
        with _beside(folder) as partial:
            _write_files(outcome, partial, model)
            _move_into_place(partial, folder)
    except OSError as exc:
        raise OutputError(f"Cannot write {folder}: {exc.strerror or exc}. Name another folder with -o.") from exc


def _write_files(outcome: Outcome, folder: Path, model: Path) -> None:
    settings, winner, space = outcome.settings, outcome.winner, outcome.space
    title = f"{space.name} on {settings.device.name}, {settings.data}: {settings.controller}"
    export_onnx(winner.network, space.image, folder / "best.onnx")
    save_weights(winner.network, folder / "best.safetensors")
    (folder / "architecture.json").write_text(_architecture_json(outcome), encoding="utf-8")
    write_history(outcome.records, space, folder / "history.parquet")
    write_front(outcome.records, space, folder / "front.csv")
    plot_front(outcome.records, winner.record, settings.limit, outcome.manual_latency_ms, title, folder / "front.png")
    plot_learning_curve(outcome.records, title, folder / "learning_curve.png")
    (folder / MARK).write_text(_run_toml(outcome, model), encoding="utf-8")


def _architecture_json(outcome: Outcome) -> str:
    winner, space = outcome.winner, outcome.space
    described = {
        "schema": SCHEMA_VERSION,
        "space": space.name,
        "image": [space.image.channels, space.image.height, space.image.width],
        "classes": space.classes,
        "blocks": json.loads(architecture_to_json(winner.architecture)),
        "predicted_latency_ms": winner.record.cost,
        "shared_accuracy": winner.record.accuracy,
        "validation_accuracy": winner.validation_accuracy,
        "test_accuracy": winner.test_accuracy,
        "test_images": winner.test_images,
        "macs": winner.macs,
        "weight_elements": winner.weight_elements,
    }
    return json.dumps(described, indent=2) + "\n"


def _run_toml(outcome: Outcome, model: Path) -> str:
    settings = outcome.settings
    tables: dict[str, Mapping[str, str | int | float]] = {
        "": {
            "schema": SCHEMA_VERSION,
            "device": settings.device.name,
            "space": settings.space,
            "data": settings.data,
            "controller": settings.controller,
            "potential": settings.potential,
            "budget": settings.budget,
            "seed": settings.seed,
            "threads": settings.threads,
            "shared_epochs": settings.shared.epochs,
            "tuning_epochs": settings.tuning.epochs,
            "finalists": settings.finalists,
            "alone_epochs": settings.alone.epochs,
            "model": model.as_posix(),
        },
        "limits": {settings.limit.target: settings.limit.value},
        "versions": {name: metadata.version(name) for name in ("autocomet", "torch", "numpy", "onnxruntime")},
    }
    lines = []
    for name, values in tables.items():
        lines += [f"\n[{name}]"] if name else []
        # A JSON string or number is a TOML one, too.
        lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    return "\n".join(lines) + "\n"


@contextlib.contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """Give a fresh hidden folder beside the wanted one; gone afterwards unless it was moved away."""
    partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    partial.chmod(0o755)
    try:
        yield partial
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _move_into_place(partial: Path, folder: Path) -> None:
    if not folder.exists():
        partial.rename(folder)
        return
    with _beside(folder) as retired:
        folder.rename(retired / "old")
        partial.rename(folder)
