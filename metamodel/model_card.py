"""What a model folder says about itself, read from its manifest alone: no trees, no XGBoost, at once.

A folder of another release, or one that was edited, is shown all the same, and that is said: the question what a folder
is comes up most where loading it is refused.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from metamodel.errors import ModelError

MANIFEST_FILE = "manifest.json"
_NOTHING = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """A manifest as it stands in its folder, and what is wrong with the folder."""

    folder: Path
    format: Any
    files: int
    size_mb: float
    """Of all files of the model, in 10⁶ bytes."""
    problems: tuple[str, ...]
    """What would keep the model from being loaded, as far as a look at the files tells."""
    manifest: Mapping[str, Any]
    """As JSON holds it."""


def read_card(folder: Path) -> ModelCard:
    """Read a model folder's manifest and look at its files.

    Raises:
        ModelError: there is no manifest, or it is no JSON object that holds one.
    """
    path = folder / MANIFEST_FILE
    if not path.is_file():
        raise ModelError(f"No model in {folder}; run 'metamodel fit' first, or name its folder with --model.")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        json.dumps(document, ensure_ascii=False).encode()  # no half of a character, which nothing can print
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} is no JSON ({error}).") from error
    manifest = document.get("manifest") if isinstance(document, dict) else None
    files = document.get("files") if isinstance(document, dict) else None
    if not isinstance(manifest, dict) or not isinstance(files, dict):
        raise ModelError(f"{path} is no manifest of a model.")
    present = {one.name: one.stat().st_size for one in folder.iterdir() if one.is_file()}
    sizes = [present.get(name, 0) for name in (MANIFEST_FILE, *files)]
    return ModelCard(
        folder=folder,
        format=document.get("format"),
        files=len(files),
        size_mb=sum(sizes) / 1e6,
        problems=tuple(_problems(folder, document)),
        manifest=manifest,
    )


def card_json(card: ModelCard) -> dict[str, Any]:
    """Lay a card out for a program: the manifest's own keys, and what the look at the folder tells."""
    return {
        "model": str(card.folder),
        "format": card.format,
        "files": card.files,
        "size_mb": card.size_mb,
        "problems": list(card.problems),
        **card.manifest,
    }


def model_card(card: ModelCard) -> RenderableType:
    """Lay a card out for a person.

    Raises:
        ModelError: the manifest lacks what every release's has.
    """
    try:
        parts = [_facts(card), *_tables(card.manifest)]
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise ModelError(
            f"{card.folder / MANIFEST_FILE} is no manifest that can be shown ({type(error).__name__}: {error})."
        ) from error
    return Group(*parts)


def _problems(folder: Path, document: Mapping[str, Any]) -> Iterator[str]:
    content = {name: value for name, value in document.items() if name != "sha256"}
    if document.get("sha256") != hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest():
        yield f"{MANIFEST_FILE} was edited after it was written"
    present = {one.name for one in folder.iterdir() if one.is_file()}  # a name may lead elsewhere, or be none
    for name, digest in document["files"].items():
        if name not in present:
            yield f"{name} is missing"
        elif hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            yield f"{name} is not the file that was written (SHA-256 differs)"


def _facts(card: ModelCard) -> Table:
    """Tell the few things that are one line each."""
    manifest = card.manifest
    known = manifest["infeasible"]
    versions = ", ".join(f"{name.replace('_', '-')} {number}" for name, number in manifest["versions"].items())
    table = Table.grid(padding=(0, 2))
    for name, told in (
        ("Model", f"{card.folder}, {card.files} files beside the manifest, {card.size_mb:.1f} MB"),
        ("State", "; ".join(card.problems) or "whole: every file is the one that was written"),
        ("Format", f"{card.format}, rows of schema version {manifest['schema_version']}"),
        ("Made with", versions),
        ("Seed", manifest["seed"]),
        ("Parent", manifest.get("parent") or "none: fitted to tables"),
        ("Features", len(manifest["feature_names"])),
        ("Set B", f"{len(known)} pairs of layer and setting could not be executed{_by(known, 'status')}"),
        ("Likely B", _likely(manifest.get("feasibility"))),
        ("Settings", f"{len(manifest['settings'])} on {_by(manifest['settings'], 'device')[2:] or _NOTHING}"),
    ):
        table.add_row(Text(name, style="bold"), Text(str(told)))
    return table


def _by(records: Sequence[Mapping[str, Any]], key: str) -> str:
    counts: dict[str, int] = {}
    for record in records:
        counts[record[key]] = counts.get(record[key], 0) + 1
    return ": " + ", ".join(f"{name} {count}" for name, count in sorted(counts.items())) if counts else ""


def _likely(record: Mapping[str, Any] | None) -> str:
    if record is None:
        return "not told by this release's models"
    calibration = record["calibration"]
    if calibration is None:
        return f"not told: {record['reason']}"
    return (
        f"where the probability of failing is above {calibration['threshold']:.2f}: finds "
        f"{100 * calibration['detection_rate']:.0f} % of failed configurations, at most "
        f"{100 * record['false_alarm_rate']:g} % false alarms"
    )


def _tables(manifest: Mapping[str, Any]) -> Iterator[RenderableType]:
    yield _table(
        "Tables that it was fitted to",
        ("name", "rows", "SHA-256"),
        [(one["name"], one["rows"], one["sha256"]) for one in manifest["tables"]],
    )
    uses = (("layers", manifest["rows"]), ("networks", manifest["network_rows"]))
    yield _table(
        "Rows",
        ("used for", "origin", "device kind", "rows"),
        [(use, one["origin"], one["device_kind"], one["rows"]) for use, counts in uses for one in counts],
    )
    yield _table(
        "Responses (error: out of bag, on rows of the origin named)",
        ("response", "from", "members", "error", "90 % interval"),
        [_response(record) for record in manifest["responses"]],
    )
    if manifest["missing"]:
        yield Text("Not fitted: " + "; ".join(manifest["missing"]))
    if manifest["evaluations"]:
        yield _table(
            "Unseen networks, MAPE: mean ± sd over networks",
            ("response", "origin", "networks", "rows", "B-o-B", "one XGBoost", "noise ceiling"),
            [_evaluation(one) for one in manifest["evaluations"]],
        )
    if manifest["corrections"]:
        yield _table(
            "From layers to networks",
            ("device", "provider", "threads", "a · Σt", "b, µs a node", "c, µs a MB", "networks", "90 % factor"),
            [_correction(one) for one in manifest["corrections"]],
        )
    if manifest["rejects"]:
        yield _table("Left out", ("rows", "reason"), [(one["rows"], one["reason"]) for one in manifest["rejects"]])


def _response(record: Mapping[str, Any]) -> tuple[object, ...]:
    response, interval = record["response"], record.get("interval")
    errors = [
        f"{one['mape_percent']:.1f} % mean, {one['median_ape_percent']:.1f} % median, {one['rows']} {one['origin']}"
        for one in record["out_of_bag"]
    ]
    told = _NOTHING
    if interval is not None:
        told = f"{interval['configurations']} configurations, {len(interval['families'])} families of their own"
    return (
        f"{response['target']}, {response['unit']}",
        record["ground"],
        record["members"],
        "; ".join(errors) or "not known",
        told,
    )


def _evaluation(one: Mapping[str, Any]) -> tuple[object, ...]:
    bob, single, ceiling = (one[name] for name in ("bob", "xgboost", "noise_ceiling"))
    floor = ceiling["mape_percent"]
    return (
        one["target"],
        one["origin"],
        len(one["networks"]),
        one["rows"],
        f"{bob['mean']:.1f} ± {bob['sd']:.1f} %",
        f"{single['mean']:.1f} ± {single['sd']:.1f} %",
        "unknown" if floor is None else f"{floor:.1f} %",
    )


def _correction(one: Mapping[str, Any]) -> tuple[object, ...]:
    return (
        one["device"],
        one["provider"],
        one["threads"],
        f"{one['per_time']:.3f}",
        f"{1e3 * one['per_node_ms']:.2f}",
        f"{1e9 * one['per_byte_ms']:.2f}",
        len(one["networks"]),
        "not told" if one.get("network_factor") is None else f"{one['network_factor']:.3f}",
    )


def _table(title: str, headings: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    table = Table(title=Text(title, style="bold"), title_justify="left")
    numeric = [bool(rows) and isinstance(cell, int | float) for cell in rows[0]] if rows else [False] * len(headings)
    for heading, right in zip(headings, numeric, strict=True):
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*(Text(str(cell)) for cell in row))
    return table
