"""One bag per response variable, fitted to a table's rows (Algorithm 1, LEARNMETA, lines 27-32)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from xgboost import Booster

from metamodel.bag import BagOfBoosted, predict_mean
from metamodel.features import Matrix
from metamodel.interface import FloatArray
from metamodel.rows import RowCount, count_rows
from metamodel.targets import Response

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
    """What a response's bag stands on, and what it scores out of bag, per origin (a formula's rows are no evidence)."""

    response: Response
    rows: tuple[RowCount, ...]
    members: int
    out_of_bag: tuple[OriginError, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ResponseModel:
    """A response's bag: predicts from a feature matrix."""

    record: ResponseRecord
    members: tuple[Booster, ...]

    def predict(self, matrix: Matrix) -> FloatArray:
        """Predict in the response's unit, shape (rows,)."""
        return self.record.response.decode(predict_mean(self.members, matrix), matrix)


def has_response(table: pd.DataFrame, response: Response) -> npt.NDArray[np.bool_]:
    """Tell which rows hold a finite positive value of a response, shape (rows,)."""
    values = response_values(table, response)
    with np.errstate(invalid="ignore"):
        return np.isfinite(values) & (values > 0)


def response_values(table: pd.DataFrame, response: Response) -> FloatArray:
    """Read a response's column, shape (rows,); NaN where it was not observed."""
    return pd.to_numeric(table[response.column]).to_numpy(dtype=np.float64, na_value=np.nan)


def configurations(table: pd.DataFrame) -> npt.NDArray[np.str_]:
    """Name each row's layer configuration on its device, shape (rows,): what is drawn or left out together."""
    return (table["layer_key"].astype(str) + "@" + table["device"].astype(str)).to_numpy(dtype=str)


def new_bag(seed: int) -> BagOfBoosted:
    """Make a bag as ``metamodel fit`` grows it: members see 90 % of the configurations each.

    On published phone measurements of unseen layers, members on bootstrap samples (63 % of the configurations) lose to
    one XGBoost; on 90 % without replacement they win, and the rest still gives an out-of-bag error to stop by.
    """
    return BagOfBoosted(bootstrap=False, max_samples=0.9, seed=seed)


def fit_response(table: pd.DataFrame, matrix: Matrix, response: Response, *, seed: int) -> ResponseModel:
    """Fit one response to the rows that hold it.

    Args:
        table: rows as :func:`metamodel.rows.select_rows` keeps them.
        matrix: their features, shape (rows, features).
        response: what to fit.
        seed: the bag's seed.
    """
    held = has_response(table, response)
    part, features = table[held], matrix[held]
    values = response_values(part, response)
    bag = new_bag(seed).fit(features, response.encode(values, features), groups=configurations(part))
    out_of_bag = response.decode(bag.oob_prediction_, features)
    record = ResponseRecord(
        response=response,
        rows=count_rows(part),
        members=len(bag.members_),
        out_of_bag=_errors_by_origin(part["origin"].to_numpy(dtype=str), out_of_bag, values),
    )
    return ResponseModel(record=record, members=tuple(bag.members_))


def _errors_by_origin(
    origins: npt.NDArray[np.str_], prediction: FloatArray, truth: FloatArray
) -> tuple[OriginError, ...]:
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
