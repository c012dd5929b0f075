"""A fitted model as a folder that a person can open: ``manifest.json``, one XGBoost UBJSON file per member, one ONNX per bag.

Loading runs no code: JSON and UBJSON are data, file names follow from the manifest's responses and are never read from
it, every file's SHA-256 is checked before XGBoost sees it, and the manifest's own digest tells when it was edited. A
folder is written beside its place and renamed, so that a reader finds the old model or the new one, never half of one.

The ONNX files are for other runtimes. Loading neither needs nor reads them: a model whose ONNX was taken away predicts as
before. Their digests are in the manifest, and ``metamodel show`` checks them.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xgboost import Booster
from xgboost.core import XGBoostError

from metamodel.errors import ModelError, OutputError
from metamodel.feasibility import Feasibility
from metamodel.features import FeatureSpace
from metamodel.formats import FORMAT, upgraded
from metamodel.manifest import Manifest, from_json, to_json
from metamodel.manifest_check import check_manifest
from metamodel.model import LayerModel, ResponseModel, ResponseRecord
from metamodel.rows import Ground
from parsers.schema import SCHEMA_VERSION

MANIFEST_FILE = "manifest.json"
_CLASSIFIER_FILE = "feasibility.ubj"
_AGAIN = "Fit it again with 'metamodel fit'."


@dataclass(frozen=True, slots=True, kw_only=True)
class Artefact:
    """A fitted model: what it says about itself, and its bags."""

    manifest: Manifest
    models: tuple[ResponseModel, ...]
    feasibility: Feasibility

    @property
    def layer_model(self) -> LayerModel:
        """What predicts layers."""
        return LayerModel(
            space=self.manifest.space,
            models=self.models,
            settings=self.manifest.settings,
            adaptations=self.manifest.adaptations,
        )

    def adapted(self, model: ResponseModel) -> tuple[str, ...]:
        """Name the devices on which a bag's predictions are adapted: what its ONNX file, the bag alone, does not tell."""
        if model.record.ground is not Ground.EVIDENCE:
            return ()
        target = model.record.response.target
        return tuple(dict.fromkeys(one.device for one in self.manifest.adaptations if one.target is target))


def save_artefact(artefact: Artefact, folder: Path) -> None:
    """Write a model folder; an existing model there is replaced once the new one is complete.

    Raises:
        OutputError: the folder cannot be written, or something that is no model is in its place.
    """
    files = dict(_files(artefact))
    content = {
        "format": FORMAT,
        "files": {name: _sha256(data) for name, data in files.items()},
        "manifest": to_json(artefact.manifest),
    }
    text = json.dumps({**content, "sha256": _digest(content)}, indent=2, ensure_ascii=False, allow_nan=False)
    try:
        check_output(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{folder.name}.", dir=folder.parent) as beside:
            complete = Path(beside) / "new"
            complete.mkdir()
            for name, data in files.items():
                (complete / name).write_bytes(data)
            (complete / MANIFEST_FILE).write_text(text + "\n", encoding="utf-8")
            _put_in_place(complete, folder, old=Path(beside) / "old")
    except OSError as error:
        raise OutputError(f"Cannot write the model {folder}: {error.strerror or error}.") from error


def check_output(folder: Path) -> None:
    """See that a model may be written to a folder: nothing is there, or an older model.

    Raises:
        OutputError: something else is there, which is not overwritten, or nothing can be.
    """
    try:
        free = not folder.exists()
        free = free or (folder.is_dir() and ((folder / MANIFEST_FILE).is_file() or not any(folder.iterdir())))
    except OSError as error:
        raise OutputError(f"Cannot write the model {folder}: {error.strerror or error}.") from error
    if not free:
        raise OutputError(f"{folder} exists and is no model; name another folder with -o.")


def load_artefact(folder: Path) -> Artefact:
    """Read a model folder.

    Raises:
        ModelError: the folder is absent, incomplete, edited or of another version.
    """
    document = _read_document(folder)
    try:
        current = upgraded(document["manifest"], format_number=document["format"])
        manifest = from_json(Manifest, current, where="manifest")
        check_manifest(manifest)
    except ModelError as error:
        raise ModelError(f"{folder / MANIFEST_FILE}: {error} {_AGAIN}") from error
    columns = _columns(manifest.feature_names, manifest.space, folder)
    files = _Files(folder=folder, digests=document["files"], features=len(manifest.feature_names))
    models = tuple(_read_model(files, record, columns) for record in manifest.responses)
    classifier = None if manifest.feasibility.calibration is None else files.booster(_CLASSIFIER_FILE)
    feasibility = Feasibility(
        record=manifest.feasibility, known=manifest.infeasible, classifier=classifier, columns=columns
    )
    return Artefact(manifest=manifest, models=models, feasibility=feasibility)


def manifest_sha256(folder: Path) -> str:
    """Name the model that a folder holds, by the SHA-256 of its manifest."""
    return _sha256((folder / MANIFEST_FILE).read_bytes())


def _files(artefact: Artefact) -> Iterator[tuple[str, bytes]]:
    """Lay out all files but the manifest, by name."""
    from metamodel.export import onnx_of  # noqa: PLC0415 - it imports ONNX Runtime, which no prediction needs

    for name, booster in _boosters(artefact):
        yield name, bytes(booster.save_raw("ubj"))
    for model in artefact.models:
        written = onnx_of(model, artefact.manifest.space.names, adapted=artefact.adapted(model))
        yield _onnx_file(model.record), written.SerializeToString(deterministic=True)


def _boosters(artefact: Artefact) -> Iterator[tuple[str, Booster]]:
    for model in artefact.models:
        yield from zip(_member_files(model.record), model.members, strict=True)
        if model.spread is not None:
            yield _spread_file(model.record), model.spread
    if artefact.feasibility.classifier is not None:
        yield _CLASSIFIER_FILE, artefact.feasibility.classifier


def _columns(fitted: Sequence[str], space: FeatureSpace, folder: Path) -> tuple[int, ...] | None:
    """Find the features that a model was fitted to among today's; None where they are the same.

    Raises:
        ModelError: one of them is computed no more.
    """
    place = {name: column for column, name in enumerate(space.names)}
    lost = [name for name in fitted if name not in place]
    if lost:
        raise ModelError(f"{folder}: fitted to the feature {lost[0]!r}, which this program does not compute. {_AGAIN}")
    return None if tuple(fitted) == space.names else tuple(place[name] for name in fitted)


def _spread_file(record: ResponseRecord) -> str:
    return f"{record.response.target.value}-{record.ground.value}-spread.ubj"


def _onnx_file(record: ResponseRecord) -> str:
    return f"{record.response.target.value}-{record.ground.value}.onnx"


def _member_files(record: ResponseRecord) -> Iterator[str]:
    return (f"{record.response.target.value}-{record.ground.value}-{index:02d}.ubj" for index in range(record.members))


def _put_in_place(complete: Path, folder: Path, *, old: Path) -> None:
    """Swap a complete folder in; put the old one back if that fails."""
    if not folder.exists():
        complete.rename(folder)
        return
    folder.rename(old)
    try:
        complete.rename(folder)
    except OSError:
        old.rename(folder)
        raise


def _read_document(folder: Path) -> Mapping[str, Any]:
    """Read the manifest's JSON and see that it is whole, of this format, and as ``metamodel fit`` wrote it."""
    path = folder / MANIFEST_FILE
    if not path.is_file():
        raise ModelError(f"No model in {folder}; run 'metamodel fit' first, or name its folder with --model.")
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8"))
        json.dumps(document, allow_nan=False, ensure_ascii=False).encode()  # neither NaN nor half a character
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"{path} is no JSON ({error}). {_AGAIN}") from error
    if not isinstance(document, dict) or set(document) != {"format", "files", "manifest", "sha256"}:
        raise ModelError(f"{path} is no manifest of a model. {_AGAIN}")
    if not isinstance(document["files"], dict):
        raise ModelError(f"{path} does not list its files. {_AGAIN}")
    if type(document["format"]) is not int or document["format"] not in range(1, FORMAT + 1):
        raise ModelError(f"{path} has format {document['format']!r}; this program reads 1 to {FORMAT}. {_AGAIN}")
    schema_version = document["manifest"].get("schema_version") if isinstance(document["manifest"], dict) else None
    if schema_version != SCHEMA_VERSION:
        raise ModelError(f"{path} has schema version {schema_version!r}; this program reads {SCHEMA_VERSION}. {_AGAIN}")
    if document.pop("sha256") != _digest(document):
        raise ModelError(f"{path} was edited after it was written. {_AGAIN}")
    return document


@dataclass(frozen=True, slots=True, kw_only=True)
class _Files:
    """The boosters of a model folder."""

    folder: Path
    digests: Mapping[str, str]
    features: int
    """As many as the manifest names."""

    def booster(self, name: str, *, beside: int = 0) -> Booster:
        """Read one, if it is the file that was written, fitted to the features and as many columns ``beside`` them."""
        path = self.folder / name
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ModelError(f"Cannot read {path}: {error.strerror}. The model is incomplete. {_AGAIN}") from error
        if _sha256(data) != self.digests.get(name):
            raise ModelError(f"{path} is not the file that 'metamodel fit' wrote (SHA-256 differs). {_AGAIN}")
        try:
            booster = Booster(model_file=bytearray(data))
        except XGBoostError as error:
            raise ModelError(f"{path}: this XGBoost cannot read it ({str(error).splitlines()[0]}). {_AGAIN}") from error
        if booster.num_features() != self.features + beside:
            raise ModelError(f"{path} was not fitted to the {self.features} features that the manifest names. {_AGAIN}")
        booster.set_param({"nthread": 1})
        return booster


def _read_model(files: _Files, record: ResponseRecord, columns: tuple[int, ...] | None) -> ResponseModel:
    has_spread = record.interval is not None and _spread_file(record) in files.digests
    return ResponseModel(
        record=record,
        members=tuple(files.booster(name) for name in _member_files(record)),
        spread=files.booster(_spread_file(record), beside=1) if has_spread else None,
        columns=columns,
    )


def _digest(content: Mapping[str, Any]) -> str:
    return _sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode())


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
