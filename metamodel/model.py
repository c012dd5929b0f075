"""Bags per response variable, fitted to a table's rows (Algorithm 1, LEARNMETA, lines 27-32).

Measurements and formulas are different grounds and get bags of their own; a prediction in a setting comes from the ground
that the setting's rows stand on. So a response that was only ever modelled (power on a host without a sensor) is not
predicted where layers were measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
from xgboost import Booster

from metamodel.adaptation import Adaptation, PhoneAdaptation, widened
from metamodel.bag import predict_mean
from metamodel.compiled import CompiledBag, compile_bag
from metamodel.conformal import Interval, IntervalModel, IntervalRecord, fit_intervals
from metamodel.errors import CompileError
from metamodel.features import EVICTED, FeatureSpace, Matrix
from metamodel.interface import FloatArray, Setting
from metamodel.recipe import RECIPE, FittedBag, Judged, Recipe, fit_bag
from metamodel.rows import SETTING_COLUMNS, Ground, RowCount, count_rows, grounds, setting_key
from metamodel.targets import Response, Target
from parsers.operators import family_of
from parsers.schema import Layer, Origin

MIN_LAYERS = 10
"""Fewer different layer configurations than this are no basis for a model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginError:
    """Mean and median absolute percentage error on one origin's rows, predicted by members that did not see them."""

    origin: str
    rows: int
    mape_percent: float
    median_ape_percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseRecord:
    """What a response's bag stands on, and what it scores out of bag, per origin."""

    response: Response
    ground: Ground
    types: tuple[str, ...]
    """Layer types that it was fitted to."""
    rows: tuple[RowCount, ...]
    members: int
    out_of_bag: tuple[OriginError, ...]
    interval: IntervalRecord | None
    """What intervals rest on; None for formulas, which need none, and for models of earlier releases."""


@dataclass(frozen=True, kw_only=True)
class ResponseModel:
    """A response's bag on one ground: predicts from a feature matrix."""

    record: ResponseRecord
    members: tuple[Booster, ...]
    spread: Booster | None = None
    """The residual model of its intervals, if they have one."""
    columns: tuple[int, ...] | None = None
    """Features that the trees were fitted to, of those that are computed today; None is all of them."""

    def predict(self, matrix: Matrix) -> FloatArray:
        """Predict in the response's unit, shape (rows,)."""
        seen = self._seen(matrix)
        learned = predict_mean(self.members, seen) if self._compiled is None else self._compiled.predict(seen)
        return self.record.response.decode(learned, matrix)

    def interval(self, prediction: FloatArray, families: Sequence[str], matrix: Matrix) -> Interval | None:
        """Give the ends around predictions of this model, each of shape (rows,); None where it has no intervals."""
        if self.record.interval is None:
            return None
        model = IntervalModel(record=self.record.interval, spread=self.spread)
        return model.interval(prediction, families, self._seen(matrix))

    def _seen(self, matrix: Matrix) -> Matrix:
        return matrix if self.columns is None else np.ascontiguousarray(matrix[:, self.columns])

    @cached_property
    def _compiled(self) -> CompiledBag | None:
        """Compile the bag when it is first asked; None for trees that are too deep for that."""
        try:
            return compile_bag(self.members)
        except CompileError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingRecord:
    """A setting that rows were fitted in."""

    setting_key: str
    device: str
    rows: tuple[RowCount, ...]
    memory_base_mb: float | None
    """What a run holds beside its tensors; None where no row tells."""

    @property
    def ground(self) -> Ground:
        """Measurements wherever there are any."""
        modelled = all(count.origin == Origin.MODELLED.value for count in self.rows)
        return Ground.FORMULA if modelled else Ground.EVIDENCE


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerModel:
    """All bags, and the settings that tell which of them speaks where."""

    space: FeatureSpace
    models: tuple[ResponseModel, ...]
    settings: tuple[SettingRecord, ...]
    adaptations: tuple[PhoneAdaptation, ...] = ()

    def ground(self, setting: Setting) -> Ground:
        """Tell which ground a setting stands on: that of its rows, else of its device's, else measurements, as where one adapted.

        A model without any bag on that ground answers from the other.
        """
        key = setting_key(setting)
        in_setting = {seen.ground for seen in self.settings if seen.setting_key == key}
        on_device = {seen.ground for seen in self.settings if seen.device == setting.device}
        adapted = {Ground.EVIDENCE for one in self.adaptations if one.applies(setting, key)}
        wanted = adapted or in_setting or on_device or {Ground.EVIDENCE}
        ground = Ground.EVIDENCE if Ground.EVIDENCE in wanted else Ground.FORMULA
        fitted = {model.record.ground for model in self.models}
        return ground if ground in fitted else fitted.pop()

    def targets(self, setting: Setting) -> frozenset[Target]:
        """Tell which responses were fitted on the setting's ground."""
        ground = self.ground(setting)
        return frozenset(model.record.response.target for model in self.models if model.record.ground is ground)

    def predict(self, layers: Sequence[Layer], setting: Setting) -> Mapping[Target, FloatArray]:
        """Predict every response that was fitted on the setting's ground, each of shape (layers,)."""
        return self.predict_described(self.space.layer_matrix(layers, setting), setting)

    def predict_described(self, matrix: Matrix, setting: Setting) -> Mapping[Target, FloatArray]:
        """Predict the same from the layers' features, shape (layers, features); a phone's adaptation is in it."""
        ground = self.ground(setting)
        return {
            model.record.response.target: self._adapted(model, matrix, setting)
            for model in self.models
            if model.record.ground is ground
        }

    def _adapted(self, model: ResponseModel, matrix: Matrix, setting: Setting) -> FloatArray:
        predicted, adaptation = model.predict(matrix), self._adaptation(model, setting)
        if adaptation is None or not len(predicted):
            return predicted
        shifted: FloatArray = predicted * np.exp(adaptation.shift(matrix, self.space.names, np.log(predicted)))
        return shifted

    def _adaptation(self, model: ResponseModel, setting: Setting) -> Adaptation | None:
        key, target = setting_key(setting), model.record.response.target
        applying = (one for one in self.adaptations if one.target is target and one.applies(setting, key))
        return next((one.adaptation for one in applying), None)

    def network_doubt(self, layers: Sequence[Layer], setting: Setting, latency_ms: FloatArray) -> float:
        """Give the standard deviation of a total latency's logarithm that an adaptation leaves; 0 where there is none.

        Args:
            layers: of the network.
            setting: where they would run.
            latency_ms: of each, finite, shape (layers,).
        """
        ground = self.ground(setting)
        wanted = (Target.LATENCY, ground)
        model = next(one for one in self.models if (one.record.response.target, one.record.ground) == wanted)
        adaptation = self._adaptation(model, setting)
        if adaptation is None or not len(layers):
            return 0.0
        matrix = self.space.layer_matrix(layers, setting)
        logs = np.log(model.predict(matrix))
        return adaptation.doubt_of_sum(matrix, self.space.names, logs, latency_ms / latency_ms.sum())

    def intervals(
        self, layers: Sequence[Layer], setting: Setting, predicted: Mapping[Target, FloatArray]
    ) -> Mapping[Target, Interval]:
        """Give the ends around predictions of :meth:`predict`, where there are any; wider where an adaptation is in them."""
        matrix = self.space.layer_matrix(layers, setting)
        families = [family_of(layer.type).value for layer in layers]
        ground = self.ground(setting)
        found: dict[Target, Interval] = {}
        for model in (one for one in self.models if one.record.ground is ground):
            target, adaptation = model.record.response.target, self._adaptation(model, setting)
            interval = model.interval(predicted[target], families, matrix)
            if interval is not None and model.record.interval is not None and adaptation is not None and len(matrix):
                doubt = adaptation.doubt(matrix, self.space.names, np.log(model.predict(matrix)))
                interval = widened(interval, predicted[target], doubt, model.record.interval.alpha)
            if interval is not None:
                found[target] = interval
        return found


@dataclass(frozen=True, kw_only=True)
class FittedResponse:
    """A response's bag, and what the fit tells of rows that it did not see."""

    model: ResponseModel
    unseen: FloatArray
    """Each row of the table predicted by what saw no row of its configuration, shape (rows,); NaN where nothing did."""


def has_response(table: pd.DataFrame, response: Response) -> npt.NDArray[np.bool_]:
    """Tell which rows hold a finite positive value of a response, shape (rows,)."""
    values = response_values(table, response)
    with np.errstate(invalid="ignore"):
        return np.isfinite(values) & (values > 0)


def response_values(table: pd.DataFrame, response: Response) -> FloatArray:
    """Read a response's column, shape (rows,); NaN where it was not observed."""
    return pd.to_numeric(table[response.column]).to_numpy(dtype=np.float64, na_value=np.nan)


def configurations(table: pd.DataFrame) -> npt.NDArray[np.str_]:
    """Name each row's layer configuration, the same on every device, shape (rows,): what is held out together."""
    return table["layer_key"].to_numpy(dtype=str)


def places(table: pd.DataFrame) -> npt.NDArray[np.intp]:
    """Number what each row measured, a layer in a setting, shape (rows,): repetitions have the same number."""
    cases = table.groupby(["layer_key", "scope", EVICTED, *SETTING_COLUMNS], dropna=False, sort=False)
    return np.asarray(cases.ngroup(), dtype=np.intp)


def fit_response(
    table: pd.DataFrame,
    matrix: Matrix,
    response: Response,
    ground: Ground,
    *,
    seed: int,
    recipe: Recipe = RECIPE,
    jobs: int = 1,
) -> FittedResponse:
    """Fit one response to the rows of one ground that hold it.

    Evidence is cross-fitted; formulas, which nobody needs an interval around, get the cheaper error out of bag.

    Args:
        table: rows as :func:`metamodel.rows.select_rows` keeps them.
        matrix: their features, shape (rows, features).
        response: what to fit.
        ground: which rows to fit it to.
        seed: the bag's seed.
        recipe: how the bag is fitted.
        jobs: members fitted at once; the result does not depend on it.
    """
    held = has_response(table, response) & (grounds(table) == ground.value)
    part, features = table[held], matrix[held]
    values = response_values(part, response)
    fitted = fit_bag(
        features,
        values,
        response,
        places=places(part),
        groups=configurations(part),
        seed=seed,
        judged=Judged.CROSS_FIT if ground is Ground.EVIDENCE else Judged.OUT_OF_BAG,
        recipe=recipe,
        jobs=jobs,
    )
    members = tuple(member for member in fitted.bag.members_ if isinstance(member, Booster))
    intervals = _fit_intervals(part, features, fitted, values, seed) if ground is Ground.EVIDENCE else None
    record = ResponseRecord(
        response=fitted.response,
        ground=ground,
        types=tuple(sorted(part["type"].unique())),
        rows=count_rows(part),
        members=len(members),
        out_of_bag=_errors_by_origin(part["origin"].to_numpy(dtype=str), fitted.unseen, values),
        interval=None if intervals is None else intervals.record,
    )
    unseen = np.full(len(table), np.nan)
    if fitted.unseen is not None:
        unseen[held] = fitted.unseen
    model = ResponseModel(record=record, members=members, spread=None if intervals is None else intervals.spread)
    return FittedResponse(model=model, unseen=unseen)


def _fit_intervals(
    table: pd.DataFrame, matrix: Matrix, fitted: FittedBag, values: FloatArray, seed: int
) -> IntervalModel | None:
    """Fit intervals to the cross-fit's predictions; None where nothing was held out."""
    if fitted.unseen is None or not np.isfinite(fitted.unseen).all():
        return None
    families = [family_of(kind).value for kind in table["type"]]
    return fit_intervals(fitted.unseen, values, configurations(table), families, matrix, seed=seed)


def _errors_by_origin(
    origins: npt.NDArray[np.str_], prediction: FloatArray | None, truth: FloatArray
) -> tuple[OriginError, ...]:
    if prediction is None:
        return ()
    errors = []
    for origin in sorted(set(origins)):
        seen = (origins == origin) & np.isfinite(prediction)
        if seen.any():
            ape = absolute_percentage_errors(prediction[seen], truth[seen])
            errors.append(
                OriginError(
                    origin=origin,
                    rows=int(seen.sum()),
                    mape_percent=float(ape.mean()),
                    median_ape_percent=float(np.median(ape)),
                )
            )
    return tuple(errors)


def absolute_percentage_errors(prediction: FloatArray, truth: FloatArray) -> FloatArray:
    """Compare predictions with positive truths, in percent of the truth."""
    return 100.0 * np.abs(prediction / truth - 1.0)
