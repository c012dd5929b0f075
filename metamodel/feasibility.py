"""The set B (Eq. 1): which layers could not be executed in a setting, known and likely.

Notation::

    x       features of a pair (layer, setting), as the regressors see them
    m(x)    margin: the log-odds of failing that boosted trees give, cross-fitted by configuration
    P(x)    calibrated probability of failing, 1 / (1 + exp(−(a·m(x) + b)))
    θ       threshold on P; a pair above it is likely in B

A known member failed and never ran: its behaviour is infinite without any model. The paper stops there; a search asks
mostly for layers that nobody tried. Its likely members are those that a classifier puts above θ.

Failures are few beside what ran, so they weigh as much in the trees, and the margins no longer are log-odds; Platt's
sigmoid (1999, with his smoothed targets) turns them into probabilities again. It is fitted to margins of pairs whose
configuration the trees did not see. Isotonic regression would need hundreds of failures, and its steps would tie pairs
that the margins tell apart.

θ is chosen for a false-alarm rate: of the configurations that can be executed, at most that share is called infeasible. It
is the conformal quantile of P over executed pairs (:func:`metamodel.conformal.conformal_quantile`), but never below 1/2: what more
likely runs than not is no member of B, though a lower threshold would find more of B.

With too few failures, too few executed layers, or failures that no feature tells from the rest, nothing is fitted: only
known members are in B then, and the record says why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.linear_model import LogisticRegression
from xgboost import Booster, XGBClassifier

from metamodel.conformal import conformal_quantile
from metamodel.features import FeatureSpace, Matrix
from metamodel.interface import FloatArray, Setting
from metamodel.rows import Infeasible, setting_key, settings_of
from parsers.schema import INFEASIBLE, Layer, Status

MIN_CONFIGURATIONS = 10
"""Layer configurations that must have failed, and as many that must have been executed."""
FOLDS = 5

BoolArray = npt.NDArray[np.bool_]
_FAILURES = frozenset(status.value for status in INFEASIBLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """From the trees' margins to probabilities, and to likely members of B."""

    slope: float
    intercept: float
    threshold: float
    """Likely members have a higher probability of failing than this."""
    detection_rate: float
    """The share of failed pairs of unseen configurations that are found, cross-fitted."""

    def probability(self, margin: FloatArray) -> FloatArray:
        """Give the probability of failing, of the margins' shape."""
        return _sigmoid(margin, self.slope, self.intercept)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeasibilityRecord:
    """Everything but the trees and the known members; plain numbers, fit for a manifest."""

    failed: int
    """Layer configurations that failed in some setting and were never executed there."""
    executed: int
    """Layer configurations that were executed in some setting."""
    false_alarm_rate: float
    """The share of executable configurations that may be called infeasible."""
    calibration: Calibration | None
    """None where only known members are in B."""
    reason: str | None
    """Why that is so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feasibility:
    """Says which layers could not be executed in a setting."""

    record: FeasibilityRecord
    known: tuple[Infeasible, ...]
    classifier: Booster | None
    """None where the record says why."""
    columns: tuple[int, ...] | None = None
    """Features that the classifier was fitted to, of those that are computed today; None is all of them."""

    def probability(self, layers: Sequence[Layer], setting: Setting, matrix: Matrix) -> FloatArray:
        """Give each layer's probability of failing in a setting, shape (layers,): 1 for known members of B.

        Args:
            layers: the layers.
            setting: where they would run.
            matrix: their features, as the classifier was fitted to them, shape (layers, features).
        """
        learned = np.zeros(len(layers))
        if self.classifier is not None and self.record.calibration is not None and len(layers):
            seen = matrix if self.columns is None else np.ascontiguousarray(matrix[:, self.columns])
            learned = self.record.calibration.probability(_margin(self.classifier, seen))
        return np.where(self._is_known(layers, setting), 1.0, learned)

    def infeasible(self, layers: Sequence[Layer], setting: Setting, matrix: Matrix) -> BoolArray:
        """Tell the layers that are in B, known or likely, shape (layers,); arguments as of :meth:`probability`."""
        known = self._is_known(layers, setting)
        if self.record.calibration is None:
            return known
        return known | (self.probability(layers, setting, matrix) > self.record.calibration.threshold)

    def _is_known(self, layers: Sequence[Layer], setting: Setting) -> BoolArray:
        key = setting_key(setting)
        members = {member.layer_key for member in self.known if member.setting_key == key}
        return np.array([bool(members) and layer.key in members for layer in layers], dtype=bool)


def fit_feasibility(
    table: pd.DataFrame, space: FeatureSpace, *, false_alarm_rate: float = 0.01, seed: int = 0
) -> Feasibility:
    """Collect the known members of B, and fit the classifier where there are failures enough.

    Args:
        table: rows of layers in a stats table, of any status. Failures of whole networks do not belong here: they do not
            tell which layer failed.
        space: describes the rows; its vocabularies should know the words of the failures, too.
        false_alarm_rate: the share of executable configurations that may be called infeasible.
        seed: of folds and trees.

    Raises:
        ValueError: a false-alarm rate outside (0, 1).
    """
    if not 0 < false_alarm_rate < 1:
        raise ValueError(f"false_alarm_rate={false_alarm_rate} must be between 0 and 1.")
    pairs, known = _pairs(table)
    failed = (pairs["status"] != Status.OK.value).to_numpy(dtype=bool)
    group = np.unique(pairs["layer_key"].to_numpy(dtype=str), return_inverse=True)[1]
    counts = (len(np.unique(group[failed])), len(np.unique(group[~failed])))
    reason, calibration, classifier = _too_few(*counts, false_alarm_rate=false_alarm_rate), None, None
    if reason is None:
        matrix = space.table_matrix(pairs)
        margin = _cross_fitted_margin(matrix, failed, group, seed)
        calibration = _calibrate(margin, failed, group, false_alarm_rate)
        if calibration is None:
            reason = "failed layer configurations that were held out look no likelier to fail than executed ones"
        else:
            classifier = _new_classifier(seed, failed).fit(matrix, failed).get_booster()
    record = FeasibilityRecord(
        failed=counts[0],
        executed=counts[1],
        false_alarm_rate=false_alarm_rate,
        calibration=calibration,
        reason=reason,
    )
    return Feasibility(record=record, known=known, classifier=classifier)


def _pairs(table: pd.DataFrame) -> tuple[pd.DataFrame, tuple[Infeasible, ...]]:
    """Keep one row for each (layer, setting): executed at least once, or failed and never executed."""
    described = table["layer_key"].notna() & table["input_volume"].notna()
    table = table[described & table["status"].isin([Status.OK.value, *_FAILURES])]
    keys = np.empty(len(table), dtype=object)
    for rows, setting in settings_of(table):
        keys[rows] = setting_key(setting)
    executed_first = table.assign(setting_key=keys, was_failed=table["status"] != Status.OK.value).sort_values(
        ["layer_key", "setting_key", "was_failed", "status"], kind="stable"
    )
    pairs = executed_first.drop_duplicates(["layer_key", "setting_key"]).reset_index(drop=True)
    members = pairs[pairs["was_failed"]]
    columns = (members[name].astype(str) for name in ("layer_key", "setting_key", "status"))
    known = tuple(
        Infeasible(layer_key=layer, setting_key=setting, status=status)
        for layer, setting, status in zip(*columns, strict=True)
    )
    return pairs, known


def _too_few(failed: int, executed: int, *, false_alarm_rate: float) -> str | None:
    """Say why so many configurations are no basis for a classifier; None where they are."""
    needed = max(MIN_CONFIGURATIONS, int(np.ceil(1 / false_alarm_rate - 1e-9)) - 1)
    if failed < MIN_CONFIGURATIONS:
        return f"{failed} layer configurations failed; {MIN_CONFIGURATIONS} are needed to tell what fails"
    if executed < needed:
        return (
            f"{executed} layer configurations were executed; {needed} are needed for a false-alarm rate of "
            f"{false_alarm_rate:g}"
        )
    return None


def _cross_fitted_margin(matrix: Matrix, failed: BoolArray, group: npt.NDArray[np.intp], seed: int) -> FloatArray:
    """Predict each pair's margin by trees that saw no pair of its configuration, shape (n,)."""
    margin = np.empty(len(failed))
    for held_out in _folds(group, failed, np.random.default_rng(seed)):
        classifier = _new_classifier(seed, failed[~held_out]).fit(matrix[~held_out], failed[~held_out])
        margin[held_out] = _margin(classifier.get_booster(), matrix[held_out])
    return margin


def _folds(group: npt.NDArray[np.intp], failed: BoolArray, random: np.random.Generator) -> Iterator[BoolArray]:
    """Yield the held-out rows of each fold: whole configurations, failing and executed ones dealt out evenly.

    Configurations that only failed, those that did both, and those that were only executed are dealt in this order, so
    that any ten that failed, and any ten that were executed, are spread over all folds.
    """
    n_groups = int(group.max()) + 1
    ever_failed = np.bincount(group, weights=failed, minlength=n_groups) > 0
    ever_executed = np.bincount(group, weights=~failed, minlength=n_groups) > 0
    order = np.lexsort((random.permutation(n_groups), ever_executed.astype(int) - ever_failed.astype(int)))
    fold = np.empty(n_groups, dtype=np.intp)
    fold[order] = np.arange(n_groups) % FOLDS
    for number in range(FOLDS):
        yield fold[group] == number


def _calibrate(
    margin: FloatArray, failed: BoolArray, group: npt.NDArray[np.intp], false_alarm_rate: float
) -> Calibration | None:
    """Fit the sigmoid and choose the threshold, both on cross-fitted margins; None where these rank at random or worse."""
    slope, intercept = _platt(margin, failed)
    if slope <= 0:
        return None
    probability = _sigmoid(margin, slope, intercept)
    quantile = conformal_quantile(probability[~failed], group[~failed], false_alarm_rate)
    threshold = max(0.5, 1.0 if quantile is None else quantile)
    return Calibration(
        slope=slope,
        intercept=intercept,
        threshold=threshold,
        detection_rate=float(np.mean(probability[failed] > threshold)),
    )


def _platt(margin: FloatArray, failed: BoolArray) -> tuple[float, float]:
    """Fit P = 1 / (1 + exp(−(a·m + b))) to Platt's targets, (n₊ + 1)/(n₊ + 2) and 1/(n₋ + 2); give (a, b).

    Every row is there twice, as failed and as executed, weighing its target and what its target lacks of 1: the same
    maximum likelihood. The weak penalty only keeps the maximum finite where the classes are far apart.
    """
    n_failed, n_executed = int(failed.sum()), int((~failed).sum())
    target = np.where(failed, (n_failed + 1) / (n_failed + 2), 1 / (n_executed + 2))
    twice, label = np.concatenate([margin, margin])[:, None], np.repeat([True, False], len(margin))
    fitted = LogisticRegression(C=1e6).fit(twice, label, sample_weight=np.concatenate([target, 1 - target]))
    return float(fitted.coef_[0, 0]), float(fitted.intercept_[0])


def _new_classifier(seed: int, failed: BoolArray) -> XGBClassifier:
    return XGBClassifier(
        n_estimators=200,
        max_depth=4,
        learning_rate=0.1,
        subsample=0.8,
        colsample_bytree=0.8,
        scale_pos_weight=float((~failed).sum() / failed.sum()),
        tree_method="hist",
        n_jobs=1,
        random_state=seed,
    )


def _margin(classifier: Booster, matrix: Matrix) -> FloatArray:
    return np.asarray(classifier.inplace_predict(matrix, predict_type="margin"), dtype=np.float64)


def _sigmoid(margin: FloatArray, slope: float, intercept: float) -> FloatArray:
    """Compute the logistic function without overflow."""
    probability: FloatArray = 0.5 * (1.0 + np.tanh(0.5 * (slope * margin + intercept)))
    return probability
