"""Tables in, a fitted model out (Algorithm 1, LEARNMETA)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

from metamodel.artefact import Artefact
from metamodel.correction import fit_corrections, tensor_bytes
from metamodel.errors import TableError
from metamodel.evaluate import Protocol, evaluate_unseen_networks, plan
from metamodel.feasibility import fit_feasibility
from metamodel.features import FeatureSpace, Matrix
from metamodel.interface import FloatArray, Setting
from metamodel.manifest import Manifest, ParentTable, Versions
from metamodel.model import (
    MIN_LAYERS,
    FittedResponse,
    LayerModel,
    SettingRecord,
    fit_response,
    has_response,
    response_values,
)
from metamodel.outside import OutsideCheck
from metamodel.parallel import run_all
from metamodel.recipe import RECIPE, Recipe
from metamodel.rows import (
    Ground,
    TrainingRows,
    count_rows,
    grounds,
    layers_of,
    select_rows,
    setting_key,
    settings_of,
)
from metamodel.tables import read_tables
from metamodel.targets import RESPONSES, Response, Target
from parsers.console import Advance
from parsers.schema import SCHEMA_VERSION, Layer, Origin

_SCORED = (Origin.MEASURED, Origin.IMPORTED)
"""Origins whose rows are scored; predicting what a formula made is no evidence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BagPlan:
    """A bag to be fitted."""

    response: Response
    ground: Ground


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """Tables read, sorted and described: what fitting and evaluating share."""

    tables: tuple[ParentTable, ...]
    rows: TrainingRows
    space: FeatureSpace
    matrix: Matrix
    """Features of ``rows.layers``, shape (rows, features)."""
    bags: tuple[BagPlan, ...]
    missing: tuple[str, ...]
    """Bags that the rows are no basis for, each with the reason."""


def prepare(paths: Sequence[Path], *, include_virtual: bool = False) -> Prepared:
    """Read stats tables and describe the rows that can be fitted to.

    Raises:
        parsers.errors.StatsError: a table is absent, torn or of another version.
        TableError: the tables hold too few usable rows, or times in another unit than their column says.
    """
    frames = read_tables(paths)
    tables = tuple(
        ParentTable(name=path.name, sha256=hashlib.sha256(path.read_bytes()).hexdigest(), rows=len(frame))
        for path, frame in zip(paths, frames, strict=True)
    )
    rows = select_rows(frames, include_virtual=include_virtual)
    bags, missing = _plan_bags(rows.layers)
    if not any(bag.response.target is Target.LATENCY for bag in bags):
        raise TableError(f"Too few rows to fit to: {'; '.join(missing)}. Collect more, or add another table.")
    space = FeatureSpace.of_table(rows.tried)
    return Prepared(
        tables=tables,
        rows=rows,
        space=space,
        matrix=space.table_matrix(rows.layers),
        bags=bags,
        missing=missing,
    )


def fit_artefact(prepared: Prepared, *, seed: int, workers: int, advance: Advance, recipe: Recipe = RECIPE) -> Artefact:
    """Fit every response that the rows hold, and the step from layers to networks.

    Args:
        prepared: from :func:`prepare`.
        seed: the only source of randomness; the same seed and tables give the same model, byte for byte.
        workers: bags fitted at once.
        advance: takes the number of fitted bags, of ``len(prepared.bags)``.
        recipe: how the bags are fitted.
    """
    rows = prepared.rows
    jobs = max(1, workers // len(prepared.bags))
    tasks = [
        partial(
            fit_response,
            rows.layers,
            prepared.matrix,
            bag.response,
            bag.ground,
            seed=seed,
            recipe=recipe,
            jobs=jobs,
        )
        for bag in prepared.bags
    ]
    notes = [f"{bag.response.target.value}, {bag.ground.value}" for bag in prepared.bags]
    fitted = run_all(tasks, notes=notes, advance=advance, workers=workers)
    models = tuple(one.model for one in fitted)
    beside_mb = _memory_beside_tensors(rows.layers)
    settings = _settings(rows.layers, beside_mb)
    layer_model = LayerModel(space=prepared.space, models=models, settings=settings)
    feasibility = fit_feasibility(rows.tried, prepared.space, seed=seed)
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        versions=_versions(),
        seed=seed,
        space=prepared.space,
        feature_names=prepared.space.names,
        responses=tuple(model.record for model in models),
        missing=prepared.missing,
        rows=rows.counts,
        network_rows=rows.network_counts,
        rejects=rows.rejects,
        infeasible=feasibility.known,
        feasibility=feasibility.record,
        outside=OutsideCheck.of_table(rows.layers, prepared.matrix),
        corrections=fit_corrections(rows, partial(_predict_latency, layer_model), _unseen_latency(fitted)),
        settings=settings,
        memory_base_mb=_memory_base(beside_mb),
        evaluations=(),
        tables=prepared.tables,
        parent=None,
        adaptations=(),
    )
    return Artefact(manifest=manifest, models=models, feasibility=feasibility)


def protocols(prepared: Prepared) -> tuple[Protocol, ...]:
    """Plan the evaluation on unseen networks: one protocol per origin that is evidence and names two networks."""
    if not any(bag.ground is Ground.EVIDENCE for bag in prepared.bags):
        return ()
    planned = (plan(prepared.rows.layers, origin) for origin in _SCORED)
    return tuple(protocol for protocol in planned if protocol is not None)


def with_evaluation(
    artefact: Artefact,
    prepared: Prepared,
    protocol: Protocol,
    *,
    seed: int,
    workers: int,
    advance: Advance,
    recipe: Recipe = RECIPE,
) -> Artefact:
    """Score latency on unseen networks and remember it in the manifest; ``advance`` counts ``protocol.folds``."""
    evidence = grounds(prepared.rows.layers) == Ground.EVIDENCE.value
    latency = next(bag.response for bag in prepared.bags if bag.response.target is Target.LATENCY)
    evaluation = evaluate_unseen_networks(
        prepared.rows.layers[evidence],
        prepared.matrix[evidence],
        latency,
        protocol,
        seed=seed,
        workers=workers,
        advance=advance,
        recipe=recipe,
    )
    evaluations = (*artefact.manifest.evaluations, evaluation)
    return replace(artefact, manifest=replace(artefact.manifest, evaluations=evaluations))


def _plan_bags(table: pd.DataFrame) -> tuple[tuple[BagPlan, ...], tuple[str, ...]]:
    """Choose the bags that the rows are a basis for; say what the others lack."""
    bags: list[BagPlan] = []
    missing: list[str] = []
    of_row = grounds(table)
    for response in RESPONSES:
        held = has_response(table, response)
        for ground in Ground:
            if not (of_row == ground.value).any():
                continue
            layers = table.loc[held & (of_row == ground.value), "layer_key"].nunique()
            if layers >= MIN_LAYERS:
                bags.append(BagPlan(response=response, ground=ground))
            else:
                missing.append(
                    f"{response.target.value} from {ground.value} "
                    f"({layers} layers hold {response.column}, {MIN_LAYERS} are needed)"
                )
    return tuple(bags), tuple(missing)


def _predict_latency(model: LayerModel, layers: Sequence[Layer], setting: Setting) -> FloatArray:
    return model.predict(layers, setting)[Target.LATENCY]


def _unseen_latency(fitted: Sequence[FittedResponse]) -> FloatArray | None:
    """Give the measured rows' latencies by the cross-fit, shape (rows,); None where no measurements were fitted to."""
    latency = (Target.LATENCY, Ground.EVIDENCE)
    records = [one.model.record for one in fitted]
    return next(
        (
            one.unseen
            for one, record in zip(fitted, records, strict=True)
            if (record.response.target, record.ground) == latency
        ),
        None,
    )


def _settings(table: pd.DataFrame, beside_mb: FloatArray) -> tuple[SettingRecord, ...]:
    records = [
        SettingRecord(
            setting_key=setting_key(setting),
            device=str(setting.device),
            rows=count_rows(table.iloc[rows]),
            memory_base_mb=_memory_base(beside_mb[rows]),
        )
        for rows, setting in settings_of(table)
    ]
    return tuple(sorted(records, key=lambda record: (record.device, record.setting_key)))


def _memory_beside_tensors(table: pd.DataFrame) -> FloatArray:
    """Take weights and activations off every row's peak memory, shape (rows,), MB; NaN where it was not observed."""
    memory = next(response for response in RESPONSES if response.target is Target.MEMORY)
    tensors_mb = {key: tensor_bytes(layer) / 1e6 for key, layer in layers_of(table).items()}
    held_mb = table["layer_key"].map(tensors_mb).to_numpy(dtype=np.float64)
    return np.where(has_response(table, memory), response_values(table, memory) - held_mb, np.nan)


def _memory_base(beside_mb: FloatArray) -> float | None:
    known = beside_mb[np.isfinite(beside_mb)]
    return max(0.0, float(np.median(known))) if len(known) else None


def _versions() -> Versions:
    return Versions(
        autocomet=version("autocomet"),
        numpy=version("numpy"),
        pandas=version("pandas"),
        scikit_learn=version("scikit-learn"),
        xgboost=version("xgboost"),
    )
