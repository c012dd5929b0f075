"""Adapt a fitted model to a phone that it never saw, by k layers that are measured there or read from its rows.

The layers are chosen by what the model predicts of all candidates, never by a time (:mod:`metamodel.adaptation`). The trees
stay as they are: the new artefact holds the adaptation beside them, and the digest of its parent's manifest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from metamodel.adaptation import (
    LayerMap,
    MeasuredLayer,
    PhoneAdaptation,
    choose_layers,
    fit_adaptation,
)
from metamodel.artefact import Artefact
from metamodel.errors import MeasuringError, TableError
from metamodel.features import FeatureSpace, Matrix
from metamodel.interface import FloatArray, Setting
from metamodel.model import LayerModel, has_response, response_values
from metamodel.rows import Ground, grounds, select_rows, setting_key, settings_of
from metamodel.targets import RESPONSES, Response, Target
from metamodel.units import check_against_model
from parsers.console import Advance
from parsers.schema import Context, Layer, Status
from parsers.stats import read_stats
from profiler.measure import ALL, TROUBLE, Wires, measure_chosen


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """A model that was adapted, and how it did on what else the rows hold."""

    artefact: Artefact
    adaptations: tuple[PhoneAdaptation, ...]
    """Latency's first."""
    others: int
    """Layers of the rows that were not used."""
    others_before_percent: float | None
    """Median error on their latency without the adaptation; None where there are none."""
    others_after_percent: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cases:
    """Each layer of a phone's rows once, at the median of its repetitions."""

    rows: pd.DataFrame
    setting: Setting
    matrix: Matrix
    medians: dict[Target, FloatArray]
    """Per response, shape (layers,); NaN where it was not observed."""


def calibrate_by_rows(
    artefact: Artefact, parent: str, table: pd.DataFrame, *, device: str | None, count: int, seed: int
) -> Calibration:
    """Choose the layers among a table's, and adapt to what it says of them.

    Args:
        artefact: the model.
        parent: SHA-256 of its manifest file.
        table: rows of the new phone, perhaps beside others'.
        device: the phone; may be None where the table holds one device alone.
        count: k.
        seed: draws the candidates where they are too many.

    Raises:
        TableError: the phone is not in the rows, has fewer than k usable layers, ran on a provider that the model never
            saw, or in several settings.
    """
    cases = _cases(artefact, table, device)
    if len(cases.rows) < count:
        raise TableError(
            f"{cases.setting.device} has {len(cases.rows)} usable layers, but {count} are asked for; measure more, or give "
            "a smaller -k."
        )
    predicted = _predict(artefact.layer_model, cases.matrix, cases.setting)[Target.LATENCY]
    layer_map, chosen = _choose(artefact.manifest.space, cases.matrix, predicted, count, seed)
    return _adapt(artefact, parent, cases, layer_map, chosen)


def calibrate_by_measuring(
    artefact: Artefact,
    parent: str,
    *,
    device: str,
    candidates: Path | None,
    provider: str,
    threads: int,
    count: int,
    seed: int,
    runs: Path,
    servers: Sequence[str],
    runtime: Path | None,
    advance: Advance,
) -> Calibration:
    """Measure the layers on a phone, or on this machine, and adapt to what comes back.

    Args:
        artefact: the model.
        parent: SHA-256 of its manifest file.
        device: ``host``, or a phone's serial.
        candidates: a layers file; without one, the layers of the suite ``paper``.
        provider: the execution provider.
        threads: of the provider.
        count: k.
        seed: draws the candidates where they are too many.
        runs: the folder of all campaigns.
        servers: adb servers of other bench hosts, as ``host:port``.
        runtime: the ONNX Runtime for Android; None takes the one that is fetched.
        advance: takes the number of layers that are measured, of k.

    Raises:
        TableError: several devices, fewer candidates than k, or a provider that the model never saw.
        MeasuringError: the device is absent or cannot measure, or the candidates cannot be read.
    """
    if device == ALL or "+" in device:
        raise TableError(f"One phone is calibrated at a time, not {device!r}; name it with --device.")
    _refuse_unknown_provider(artefact, provider)
    chooser = _Chooser(artefact=artefact, provider=provider, threads=threads, device=device, count=count, seed=seed)
    try:
        measured = measure_chosen(
            chooser.choose,
            device=device,
            candidates=candidates,
            provider=provider,
            threads=threads,
            runs=runs,
            wires=Wires(servers=tuple(servers), runtime=runtime),
            report=lambda seen: advance(count * seen.done // max(1, seen.total), seen.note),
        )
    except TROUBLE as error:
        raise MeasuringError(str(error)) from error
    cases = _cases(artefact, read_stats(measured.stats_path), None)
    if chooser.layer_map is None or len(cases.rows) < count:
        failed = Counter(row.measurement.status.value for row in measured.rows if row.measurement.status != Status.OK)
        reasons = ", ".join([*(f"{rows} {status}" for status, rows in failed.items()), *measured.rejects])
        raise TableError(
            f"{len(cases.rows)} of {count} layers could be measured ({reasons}); let nothing else run there, or give a "
            f"smaller -k, and say it again. What came back is in {measured.stats_path}."
        )
    return _adapt(artefact, parent, cases, chooser.layer_map, np.arange(len(cases.rows)))


@dataclass(slots=True, kw_only=True)
class _Chooser:
    """Chooses what to measure once the device is there, and remembers by which map."""

    artefact: Artefact
    provider: str
    threads: int
    device: str
    count: int
    seed: int
    layer_map: LayerMap | None = None

    def choose(self, layers: Sequence[Layer], context: Context) -> list[int]:
        """Give the indices of the layers to measure.

        Raises:
            TableError: too few candidates are of types that the model was fitted to.
        """
        known = [index for index, layer in enumerate(layers) if layer.type in _types(self.artefact)]
        if len(known) < self.count:
            raise TableError(
                f"{len(known)} candidates are of types that the model was fitted to, but {self.count} are asked for; name "
                "more with --layers, or give a smaller -k."
            )
        setting = Setting(context=context, provider=self.provider, threads=self.threads, device=self.device)
        space = self.artefact.manifest.space
        matrix = space.layer_matrix([layers[index] for index in known], setting)
        predicted = _predict(self.artefact.layer_model, matrix, setting)[Target.LATENCY]
        self.layer_map, chosen = _choose(space, matrix, predicted, self.count, self.seed)
        return [known[index] for index in chosen]


def _cases(artefact: Artefact, table: pd.DataFrame, device: str | None) -> _Cases:
    """Keep a phone's usable rows, each layer once.

    Raises:
        TableError: as :func:`calibrate_by_rows`.
    """
    devices = sorted(table["device"].dropna().unique())
    if device is None:
        if not devices:
            raise TableError("The rows are of no device: the table is empty.")
        if len(devices) > 1:
            raise TableError(f"The rows are of several devices ({', '.join(devices)}); name one with --device.")
        (device,) = devices
    if device not in devices:
        raise TableError(f"No row is of device {device!r}. Devices of the rows: {', '.join(devices)}.")
    layers = select_rows([table[table["device"] == device]], include_virtual=True).layers
    layers = layers[grounds(layers) == Ground.EVIDENCE.value].reset_index(drop=True)
    settings = [setting for _, setting in settings_of(layers)]
    if not settings:
        raise TableError(f"All rows of {device} are a formula's, which is no evidence.")
    if len(settings) > 1:
        kinds = ", ".join(f"{one.provider} × {one.threads}" for one in settings)
        raise TableError(
            f"The rows of {device} are of several settings ({kinds}); where these are alike, hardware attributes differ. "
            "Keep those of one."
        )
    (setting,) = settings
    _refuse_unknown_provider(artefact, setting.provider)
    unique = layers.drop_duplicates("layer_key").reset_index(drop=True)
    return _Cases(
        rows=unique,
        setting=setting,
        matrix=artefact.manifest.space.table_matrix(unique),
        medians={response.target: _medians(layers, unique, response) for response in RESPONSES},
    )


def _medians(layers: pd.DataFrame, unique: pd.DataFrame, response: Response) -> FloatArray:
    values = pd.Series(response_values(layers, response)).where(has_response(layers, response))
    medians = values.groupby(layers["layer_key"].to_numpy()).median()
    return np.asarray(medians.reindex(unique["layer_key"]), dtype=np.float64)


def _refuse_unknown_provider(artefact: Artefact, provider: str) -> None:
    words = next(one.words for one in artefact.manifest.space.vocabularies if one.name == "provider")
    if provider not in words:
        raise TableError(
            f"The model never saw provider {provider!r}, so that nothing can be adapted. It knows {', '.join(words)}."
        )


def _types(artefact: Artefact) -> frozenset[str]:
    return frozenset(kind for record in artefact.manifest.responses for kind in record.types)


def _predict(model: LayerModel, matrix: Matrix, setting: Setting) -> dict[Target, FloatArray]:
    """Predict without any adaptation."""
    return dict(replace(model, adaptations=()).predict_described(matrix, setting))


def _choose(
    space: FeatureSpace, matrix: Matrix, predicted: FloatArray, count: int, seed: int
) -> tuple[LayerMap, npt.NDArray[np.intp]]:
    logs = np.log(predicted)
    layer_map = LayerMap.of(matrix, space.names, logs)
    return layer_map, choose_layers(layer_map.place(matrix, space.names, logs), count, seed=seed)


def _adapt(
    artefact: Artefact, parent: str, cases: _Cases, layer_map: LayerMap, chosen: npt.NDArray[np.intp]
) -> Calibration:
    predicted = _predict(artefact.layer_model, cases.matrix, cases.setting)
    measured_ms = cases.medians[Target.LATENCY][chosen]
    check_against_model(measured_ms, predicted[Target.LATENCY][chosen], device=str(cases.setting.device))
    adaptations = tuple(
        _adapt_response(artefact, cases, layer_map, chosen, target, before)
        for target, before in predicted.items()
        if np.isfinite(cases.medians[target][chosen]).all()
    )
    others = np.setdiff1d(np.arange(len(cases.rows)), chosen)
    truth, before = cases.medians[Target.LATENCY][others], predicted[Target.LATENCY][others]
    latency = next(one for one in adaptations if one.target is Target.LATENCY)
    shift = latency.adaptation.shift(cases.matrix[others], artefact.manifest.space.names, np.log(before))
    return Calibration(
        artefact=_with_adaptations(artefact, parent, cases.setting, adaptations),
        adaptations=adaptations,
        others=len(others),
        others_before_percent=_median_ape(before, truth),
        others_after_percent=_median_ape(before * np.exp(shift), truth),
    )


def _adapt_response(
    artefact: Artefact,
    cases: _Cases,
    layer_map: LayerMap,
    chosen: npt.NDArray[np.intp],
    target: Target,
    predicted: FloatArray,
) -> PhoneAdaptation:
    names = artefact.manifest.space.names
    matrix, before, measured = cases.matrix[chosen], predicted[chosen], cases.medians[target][chosen]
    adapted = fit_adaptation(layer_map, matrix, names, np.log(before), np.log(measured))
    after = before * np.exp(adapted.shift(matrix, names, np.log(before)))
    left_out = measured / np.exp(adapted.errors_left_out())
    layers = tuple(
        MeasuredLayer(
            layer_key=str(row["layer_key"]),
            type=str(row["type"]),
            measured=float(measured[place]),
            before=float(before[place]),
            after=float(after[place]),
            left_out=float(left_out[place]) if len(chosen) > 1 else None,
        )
        for place, row in enumerate(cases.rows.iloc[chosen].to_dict("records"))
    )
    setting = cases.setting
    return PhoneAdaptation(
        target=target,
        device=str(setting.device),
        provider=setting.provider,
        threads=setting.threads,
        setting_key=setting_key(setting),
        layers=layers,
        adaptation=adapted,
    )


def _with_adaptations(
    artefact: Artefact, parent: str, setting: Setting, adaptations: tuple[PhoneAdaptation, ...]
) -> Artefact:
    """Put the adaptations in, in the place of earlier ones of the same setting."""
    manifest, key = artefact.manifest, setting_key(setting)
    kept = tuple(one for one in manifest.adaptations if not one.applies(setting, key))
    return replace(artefact, manifest=replace(manifest, parent=parent, adaptations=(*kept, *adaptations)))


def _median_ape(prediction: FloatArray, truth: FloatArray) -> float | None:
    return float(np.median(100 * np.abs(prediction / truth - 1))) if len(truth) else None
