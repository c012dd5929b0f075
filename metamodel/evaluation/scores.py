"""How predictions are scored, and what no predictor can be asked to beat.

Notation::

    t, p     truth and prediction of a sample, both positive
    APE      100 · |p / t − 1|                                                    [%]
    R²       1 − Σ (t − p)² / Σ (t − mean t)²; of logarithms likewise
    twin     another measurement of the same configuration on the same device
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from metamodel.conformal import Interval, coverage_percent, mean_width_percent
from metamodel.evaluation.samples import Samples
from metamodel.interface import FloatArray
from parsers.energy import student_t95

_SAMPLES = "samples"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Figures of one learner on one fold's test samples."""

    mape: float
    """Mean APE, %."""
    median_ape: float
    within_5: float
    """Share of samples whose APE is at most 5 %, in percent."""
    within_10: float
    r2: float
    r2_log: float
    rmse: float
    """In the response's unit."""
    spearman: float
    predict_us: float
    """Time to predict one sample of the fold, µs; NaN where it was not taken."""
    coverage_90: float
    """Share of samples inside their 90 % interval, in percent; NaN of a learner that gives none."""
    width_90: float
    """Mean width of the intervals, % of the prediction."""
    never_seen_mape: float
    """MAPE of the samples whose configuration no training row has, on any device; NaN where there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """Mean and standard deviation over folds and seeds; folds in which it has no value do not count."""

    mean: float | None
    sd: float | None

    def to_json(self) -> dict[str, float | None]:
        """Give both as a JSON document has them."""
        return asdict(self)


def figures_json(figures: Mapping[str, Figure]) -> dict[str, dict[str, float | None]]:
    """Lay figures out for a JSON document."""
    return {name: one.to_json() for name, one in figures.items()}


def ceiling_json(ceiling: Mapping[str, float | None]) -> dict[str, Any]:
    """Lay :func:`noise_ceiling` out likewise: it is one number over all samples, so nothing spreads."""
    known = {name: value for name, value in ceiling.items() if name != _SAMPLES}
    return {
        **{name: Figure(mean=value, sd=None if value is None else 0.0).to_json() for name, value in known.items()},
        _SAMPLES: ceiling[_SAMPLES],
    }


def score(
    truth: FloatArray,
    prediction: FloatArray,
    *,
    interval: Interval | None = None,
    never_seen: npt.NDArray[np.bool_] | None = None,
    predict_us: float = float("nan"),
) -> Scores:
    """Score positive predictions of positive truths.

    Args:
        truth: shape (n,).
        prediction: shape (n,).
        interval: 90 % intervals around the predictions, ends of shape (n,).
        never_seen: which samples have no twin among those that were learned from, shape (n,).
        predict_us: time to predict one, µs.
    """
    new = np.zeros(len(truth), dtype=bool) if never_seen is None else never_seen
    ape = 100 * np.abs(prediction / truth - 1)
    return Scores(
        mape=float(ape.mean()),
        median_ape=float(np.median(ape)),
        within_5=float(100 * np.mean(ape <= 5)),
        within_10=float(100 * np.mean(ape <= 10)),
        r2=_r2(truth, prediction),
        r2_log=_r2(np.log(truth), np.log(prediction)),
        rmse=float(np.sqrt(np.mean((truth - prediction) ** 2))),
        spearman=_spearman(truth, prediction),
        predict_us=predict_us,
        coverage_90=float("nan") if interval is None else coverage_percent(interval, truth),
        width_90=float("nan") if interval is None else mean_width_percent(interval, prediction),
        never_seen_mape=float(ape[new].mean()) if new.any() else float("nan"),
    )


def score_samples(
    samples: Samples,
    prediction: FloatArray,
    *,
    interval: Interval | None = None,
    never_seen: npt.NDArray[np.bool_] | None = None,
    predict_us: float = float("nan"),
) -> Scores:
    """Score predicted responses of samples, in what is asked for; arguments as :func:`score` takes them."""
    return score(
        samples.told(samples.truth),
        samples.told(prediction),
        interval=None if interval is None else samples.told_interval(interval),
        never_seen=never_seen,
        predict_us=predict_us,
    )


def noise_ceiling(samples: Samples) -> dict[str, float | None]:
    """Predict every sample that has twins by their median: no predictor of attributes can be asked for more.

    Returns:
        Figures of :class:`Scores`, and ``samples``, how many have a twin. None where that are fewer than two.
    """
    frame = pd.DataFrame({"place": samples.places, "truth": samples.told(samples.truth)})
    truth, twin = [], []
    for _, group in frame.groupby("place")["truth"]:
        values = group.to_numpy()
        if len(values) > 1:
            truth += list(values)
            twin += [float(np.median(np.delete(values, row))) for row in range(len(values))]
    names = ("mape", "median_ape", "within_5", "within_10", "r2", "r2_log")
    if len(truth) < 2:
        return {**dict.fromkeys(names), _SAMPLES: float(len(truth))}
    measured, predicted = np.array(truth), np.array(twin)
    ape = 100 * np.abs(predicted / measured - 1)
    figures = (ape.mean(), np.median(ape), 100 * np.mean(ape <= 5), 100 * np.mean(ape <= 10), _r2(measured, predicted))
    return {
        **dict(zip(names, (*map(float, figures), _r2(np.log(measured), np.log(predicted))), strict=True)),
        _SAMPLES: float(len(truth)),
    }


def figures(scores: Sequence[Scores]) -> dict[str, Figure]:
    """Give each score's mean and standard deviation over folds and seeds."""
    return {item.name: figure([asdict(one)[item.name] for one in scores]) for item in fields(Scores)}


def network_sum_mape(samples: Samples, prediction: FloatArray) -> float:
    """Compare each network's sum in each setting: mean APE of the sums, %.

    NaN where no sample names a network, and for throughput: what layers do per second does not add up.

    Args:
        samples: all of them.
        prediction: of each by what did not learn from it, shape (n,).
    """
    parts = [
        (name, setting, row)
        for row, (names, setting) in enumerate(zip(samples.networks, samples.setting, strict=True))
        for name in names
    ]
    if not parts or samples.per_second:
        return float("nan")
    rows = [row for _, _, row in parts]
    frame = pd.DataFrame(parts, columns=["network", "setting", "row"])
    sums = frame.assign(truth=samples.truth[rows], prediction=prediction[rows]).groupby(["network", "setting"])
    totals = sums[["truth", "prediction"]].sum()
    return float((100 * (totals["prediction"] / totals["truth"] - 1).abs()).mean())


def paired_difference(first: Sequence[Scores], second: Sequence[Scores]) -> dict[str, float]:
    """Compare two learners' MAPE fold by fold: mean of first − second, with its 95 % interval by Student's t."""
    differences = np.array([one.mape - other.mape for one, other in zip(first, second, strict=True)])
    mean = float(differences.mean())
    if len(differences) < 2:
        return {"mean": mean, "low": float("-inf"), "high": float("inf")}
    half = student_t95(len(differences) - 1) * float(differences.std(ddof=1)) / math.sqrt(len(differences))
    return {"mean": mean, "low": mean - half, "high": mean + half}


def figure(values: Sequence[float]) -> Figure:
    """Give the mean and standard deviation of what is known of some values."""
    known = [value for value in values if np.isfinite(value)]
    return Figure(mean=float(np.mean(known)), sd=float(np.std(known))) if known else Figure(mean=None, sd=None)


def _r2(truth: FloatArray, prediction: FloatArray) -> float:
    spread = float(((truth - truth.mean()) ** 2).sum())
    return 1 - float(((truth - prediction) ** 2).sum()) / spread if spread > 0 else float("nan")


def _spearman(truth: FloatArray, prediction: FloatArray) -> float:
    if np.ptp(truth) == 0 or np.ptp(prediction) == 0:
        return float("nan")
    ranks = pd.DataFrame({"truth": truth, "prediction": prediction}).rank()
    return float(np.corrcoef(ranks["truth"], ranks["prediction"])[0, 1])
