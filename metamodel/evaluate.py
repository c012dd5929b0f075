"""How well layers of unseen networks are predicted, beside one XGBoost and beside what measuring again would give.

A network is held out whole: no training row belongs to it, and none shares a layer configuration with it, whatever
device or origin it comes from. With many networks, several are held out at once, which is only harder. B-o-B and one
XGBoost with its default settings see the same folds, features, offsets, logarithms, medians and weights, so that only the bag differs.

Scores are per origin. A row that a formula made is predicted well by whoever learns the formula, so ``modelled`` rows
are neither scored nor trained on here; their out-of-bag error is reported as agreement with a formula.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd
from xgboost import XGBRegressor

from metamodel.conformal import network_factor
from metamodel.features import EVICTED, Matrix
from metamodel.interface import FloatArray
from metamodel.model import absolute_percentage_errors, configurations, has_response, places, response_values
from metamodel.parallel import run_all
from metamodel.recipe import RECIPE, Cases, Recipe, cases_of, fit_bag
from metamodel.rows import SETTING_COLUMNS
from metamodel.targets import Response
from parsers.console import Advance

MAX_FOLDS = 10
"""With more networks than this, several are held out at once."""

_TWINS = 2 / np.sqrt(np.pi)
"""E|X − Y| of two independent normal values, in their standard deviation: √2 · √(2/π)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkScore:
    """Mean absolute percentage errors over one unseen network's rows."""

    network: str
    rows: int
    bob_mape_percent: float
    xgboost_mape_percent: float
    bob_sum_ratio: float | None
    """B-o-B's total over the measured one, on the device where the two are furthest apart; None where an earlier release
    did not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """Mean and standard deviation over networks, in percent."""

    mean: float
    sd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseCeiling:
    """How well one measurement of a configuration on a device predicts another: no predictor can be asked for more."""

    mape_percent: float | None
    source: str
    """``duplicates``, ``spread`` or ``unknown``."""
    basis: int
    """Pairs of duplicates, or rows with a spread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Unseen networks of one origin, one response."""

    origin: str
    target: str
    rows: int
    networks: tuple[NetworkScore, ...]
    bob: Score
    xgboost: Score
    noise_ceiling: NoiseCeiling
    network_factor: float | None
    """A network's total lies within its prediction times or over this factor in 90 of 100 cases; None with too few networks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """Which rows are tested together, and on which rows what predicts them is trained."""

    origin: str
    networks: tuple[str, ...]
    folds: tuple[tuple[str, ...], ...]


def plan(table: pd.DataFrame, origin: str) -> Protocol | None:
    """Deal the networks of an origin's rows into folds; None where fewer than two networks are named."""
    names = sorted({name for cell in table.loc[table["origin"] == origin, "networks"] for name in _names(cell)})
    if len(names) < 2:
        return None
    n_folds = min(len(names), MAX_FOLDS)
    folds = tuple(tuple(names[start::n_folds]) for start in range(n_folds))
    return Protocol(origin=origin, networks=tuple(names), folds=folds)


def evaluate_unseen_networks(
    table: pd.DataFrame,
    matrix: Matrix,
    response: Response,
    protocol: Protocol,
    *,
    seed: int,
    workers: int,
    advance: Advance,
    recipe: Recipe = RECIPE,
) -> Evaluation:
    """Predict every network of a protocol by what was fitted without it.

    Args:
        table: rows as :func:`metamodel.rows.select_rows` keeps them, of every origin that is evidence.
        matrix: their features, shape (rows, features).
        response: what to predict.
        protocol: from :func:`plan`.
        seed: seed of the bags and of the XGBoost beside them.
        workers: folds fitted at once.
        advance: takes the number of finished folds, of ``len(protocol.folds)``.
        recipe: how the bags are fitted.
    """
    held = has_response(table, response)
    part, features = table[held].reset_index(drop=True), matrix[held]
    tasks = [
        partial(_score_fold, part, features, response, networks, origin=protocol.origin, seed=seed, recipe=recipe)
        for networks in protocol.folds
    ]
    notes = [networks[0] if len(networks) == 1 else f"{len(networks)} networks" for networks in protocol.folds]
    scores = [score for fold in run_all(tasks, notes=notes, advance=advance, workers=workers) for score in fold]
    tested = part[part["origin"] == protocol.origin]
    return Evaluation(
        origin=protocol.origin,
        target=response.target.value,
        rows=len(tested),
        networks=tuple(sorted(scores, key=lambda score: score.network)),
        bob=_score([score.bob_mape_percent for score in scores]),
        xgboost=_score([score.xgboost_mape_percent for score in scores]),
        noise_ceiling=noise_ceiling(tested, response),
        network_factor=network_factor(
            np.ones(len(scores)), np.array([score.bob_sum_ratio for score in scores], dtype=np.float64)
        ),
    )


def noise_ceiling(table: pd.DataFrame, response: Response) -> NoiseCeiling:
    """Say how well a measurement of a configuration on a device predicts its twin.

    Duplicates (the same layer in the same setting, another campaign or job) tell it directly. Where there are fewer than
    ten, the spread between processes does: a row is the mean of its ``processes``, so two rows of relative standard
    deviation σ = spread / √processes differ by 2σ/√π on average. Processes of one campaign are more alike than campaigns
    are, so this is the lower of the two. Only ``execution_time_ms`` has a spread; elsewhere it is unknown.
    """
    values = pd.Series(response_values(table, response), index=table.index)
    twins = values.groupby([table[name] for name in ("layer_key", "scope", EVICTED, *SETTING_COLUMNS)], dropna=False)
    differences = [
        difference for _, group in twins for pair in combinations(group, 2) for difference in _differences(*pair)
    ]
    if len(differences) >= 20:
        return NoiseCeiling(mape_percent=float(np.mean(differences)), source="duplicates", basis=len(differences) // 2)
    if response.column == "execution_time_ms":
        spread = pd.to_numeric(table["spread"]) / np.sqrt(pd.to_numeric(table["processes"]))
        spread = spread[np.isfinite(spread.to_numpy(dtype=np.float64, na_value=np.nan))]
        if len(spread):
            expected = 100.0 * _TWINS * float(spread.mean())
            return NoiseCeiling(mape_percent=expected, source="spread", basis=len(spread))
    return NoiseCeiling(mape_percent=None, source="unknown", basis=0)


def _differences(first: float, second: float) -> tuple[float, float]:
    """Predict each of two measurements by the other, in percent."""
    return 100.0 * abs(first / second - 1), 100.0 * abs(second / first - 1)


def _score_fold(
    table: pd.DataFrame,
    matrix: Matrix,
    response: Response,
    networks: Sequence[str],
    *,
    origin: str,
    seed: int,
    recipe: Recipe,
) -> list[NetworkScore]:
    names = [_names(cell) for cell in table["networks"]]
    tested = _belongs(names, networks) & (table["origin"] == origin).to_numpy()
    leaks = table["layer_key"].isin(table.loc[tested, "layer_key"]).to_numpy()
    trained = ~_belongs(names, networks) & ~leaks
    if not tested.any() or not trained.any():
        return []
    values = response_values(table, response)
    place = places(table[trained])
    bob = fit_bag(
        matrix[trained],
        values[trained],
        response,
        places=place,
        groups=configurations(table[trained]),
        seed=seed,
        recipe=recipe,
    )
    single = _fit_single(matrix[trained], cases_of(place, values[trained]), bob.response, seed)
    predicted = bob.predict(matrix[tested])
    single_predicted = bob.response.decode(single.predict(matrix[tested]).astype(np.float64), matrix[tested])
    bob_ape, single_ape = (absolute_percentage_errors(one, values[tested]) for one in (predicted, single_predicted))
    devices = table.loc[tested, ["device", "provider", "threads"]].astype(str).agg("/".join, axis=1).to_numpy(dtype=str)
    tested_names = [names[row] for row in np.flatnonzero(tested)]
    scores = []
    for network in networks:
        rows = _belongs(tested_names, [network])
        if rows.any():
            scores.append(
                NetworkScore(
                    network=network,
                    rows=int(rows.sum()),
                    bob_mape_percent=float(bob_ape[rows].mean()),
                    xgboost_mape_percent=float(single_ape[rows].mean()),
                    bob_sum_ratio=_worst_ratio(values[tested][rows], predicted[rows], devices[rows]),
                )
            )
    return scores


def _worst_ratio(measured: FloatArray, predicted: FloatArray, devices: npt.NDArray[np.str_]) -> float:
    """Add up what was predicted and what was measured per device; give the ratio that is furthest from one."""
    ratios = [float(predicted[devices == one].sum() / measured[devices == one].sum()) for one in np.unique(devices)]
    return max(ratios, key=lambda ratio: abs(float(np.log(ratio))))


def _fit_single(matrix: Matrix, cases: Cases, response: Response, seed: int) -> XGBRegressor:
    described = matrix[cases.first_row]
    wanted = response.encode(cases.response, described)
    return XGBRegressor(n_jobs=1, random_state=seed).fit(described, wanted, sample_weight=cases.weight)


def _belongs(names: Sequence[frozenset[str]], networks: Sequence[str]) -> npt.NDArray[np.bool_]:
    return np.array([not row.isdisjoint(networks) for row in names], dtype=bool)


def _names(cell: object) -> frozenset[str]:
    """Read the ``networks`` cell of a row; null, in whatever form, names none."""
    return frozenset(cell.split(";")) - {""} if isinstance(cell, str) else frozenset()


def _score(values: Sequence[float]) -> Score:
    return Score(mean=float(np.mean(values)), sd=float(np.std(values)))
