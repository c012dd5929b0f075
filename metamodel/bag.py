"""B-o-B, the paper's bag of boosted regressors (Section III-C.2; Algorithm 1, lines 27-31).

Notation::

    m     members of the bag so far
    g     group: rows that must be drawn, or left out, together (one layer configuration on one device)
    S_m   the rows that member m was boosted on, S_m ⊆ Z | B
    OOB   out of bag: rows predicted by the members that did not see their group

The paper grows the bag "while NOT Converged" and does not say what that means. Here it has converged when the OOB error
has not improved for ``patience`` members; the bag is cut back to its best size. Drawing whole groups keeps a repeated
measurement of a configuration from vouching for itself.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data
from xgboost import Booster, XGBRegressor

from metamodel.interface import FloatArray

IntArray = npt.NDArray[np.intp]


class BagOfBoosted(RegressorMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn publishes no types
    """A bag of XGBoost regressors on samples of groups, grown until its grouped out-of-bag error stops improving.

    Args:
        max_members: the bag never grows beyond this.
        min_members: the out-of-bag error is not asked before this many.
        patience: members without improvement that end the growth.
        tolerance: the relative improvement that counts as one.
        max_samples: the share of groups drawn for a member.
        bootstrap: draw groups with replacement; without it and with ``max_samples=1`` every member sees all rows, there
            is no out-of-bag error, and the bag grows to ``max_members``.
        n_estimators: trees of a member. The remaining arguments are XGBoost's own, member by member.
        threads: OpenMP threads of a fit; results do not depend on it.
        seed: the bag's only source of randomness.

    Attributes:
        members_: the boosters, as many as the bag kept.
        oob_errors_: OOB mean absolute error after each member grown, NaN where no row was out of bag.
        oob_prediction_: OOB prediction of the kept bag, shape (n,), NaN for rows that were never out of bag.
        n_features_in_: columns of ``X``.
    """

    def __init__(
        self,
        *,
        max_members: int = 10,
        min_members: int = 4,
        patience: int = 2,
        tolerance: float = 0.002,
        max_samples: float = 1.0,
        bootstrap: bool = True,
        n_estimators: int = 300,
        max_depth: int = 6,
        learning_rate: float = 0.07,
        subsample: float = 0.8,
        colsample_bytree: float = 0.8,
        min_child_weight: float = 1.0,
        threads: int = 1,
        seed: int = 0,
    ) -> None:
        self.max_members = max_members
        self.min_members = min_members
        self.patience = patience
        self.tolerance = tolerance
        self.max_samples = max_samples
        self.bootstrap = bootstrap
        self.n_estimators = n_estimators
        self.max_depth = max_depth
        self.learning_rate = learning_rate
        self.subsample = subsample
        self.colsample_bytree = colsample_bytree
        self.min_child_weight = min_child_weight
        self.threads = threads
        self.seed = seed

    def fit(
        self,
        X: npt.ArrayLike,  # noqa: N803 - scikit-learn's name
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
        *,
        groups: npt.ArrayLike | None = None,
    ) -> BagOfBoosted:
        """Grow the bag.

        Args:
            X: features, shape (n, d); NaN is missing.
            y: targets, shape (n,).
            sample_weight: weights, shape (n,); None is all ones.
            groups: group of each row, shape (n,); None makes every row a group.

        Raises:
            ValueError: shapes that do not fit, no rows, or a parameter outside its range.
        """
        self._check_parameters()
        matrix, wanted = self._validated(X, y)
        n_rows = len(wanted)
        weight = np.ones(n_rows) if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        group = _group_numbers(groups, n_rows)
        random = np.random.default_rng(self.seed)
        self.seeds_ = np.random.SeedSequence(self.seed).generate_state(self.max_members)
        self.members_: list[Booster] = []
        errors: list[float] = []
        out_of_bag: list[FloatArray] = []  # per member: its predictions, NaN for rows that it saw
        while len(self.members_) < self.max_members and not self._has_converged(errors):
            times = self._draw(group, random)
            rows = np.repeat(np.arange(n_rows), times)
            member = self._boost(matrix[rows], wanted[rows], weight[rows], seed=int(self.seeds_[len(self.members_)]))
            self.members_.append(member)
            out_of_bag.append(np.where(times == 0, predict_mean([member], matrix), np.nan))
            errors.append(_mean_absolute_error(_mean_of_known(out_of_bag), wanted, weight))
        self.oob_errors_ = np.array(errors)
        kept = self._best_size(errors)
        self.members_ = self.members_[:kept]
        self.oob_prediction_ = _mean_of_known(out_of_bag[:kept])
        return self

    def predict(self, X: npt.ArrayLike) -> FloatArray:  # noqa: N803 - scikit-learn's name
        """Predict by the mean of the members, shape (n,)."""
        check_is_fitted(self, "members_")
        matrix = validate_data(self, X, dtype=np.float32, ensure_all_finite="allow-nan", reset=False)
        return predict_mean(self.members_, matrix)

    def _validated(self, features: npt.ArrayLike, y: npt.ArrayLike) -> tuple[npt.NDArray[np.float32], FloatArray]:
        matrix, wanted = validate_data(
            self, features, y, dtype=np.float32, ensure_all_finite="allow-nan", y_numeric=True
        )
        return matrix, np.asarray(wanted, dtype=np.float64)

    def _check_parameters(self) -> None:
        if self.max_members < 1 or self.min_members < 1 or self.patience < 1:
            raise ValueError(
                f"max_members={self.max_members}, min_members={self.min_members} and patience={self.patience} "
                "must be at least 1."
            )
        if not 0 < self.max_samples <= 1:
            raise ValueError(f"max_samples={self.max_samples} must be in (0, 1].")

    def _draw(self, group: IntArray, random: np.random.Generator) -> IntArray:
        """Draw groups for one member; say how often each row is in its sample, shape (n,)."""
        n_groups = int(group.max()) + 1
        size = max(1, round(self.max_samples * n_groups))
        drawn = random.choice(n_groups, size=size, replace=self.bootstrap)
        return np.bincount(drawn, minlength=n_groups)[group]

    def _boost(self, matrix: npt.NDArray[np.float32], y: FloatArray, weight: FloatArray, *, seed: int) -> Booster:
        base = XGBRegressor(
            n_estimators=self.n_estimators,
            max_depth=self.max_depth,
            learning_rate=self.learning_rate,
            subsample=self.subsample,
            colsample_bytree=self.colsample_bytree,
            min_child_weight=self.min_child_weight,
            tree_method="hist",
            n_jobs=self.threads,
            random_state=seed,
        )
        return base.fit(matrix, y, sample_weight=weight).get_booster()

    def _has_converged(self, errors: Sequence[float]) -> bool:
        """Whether the last ``patience`` members brought the out-of-bag error down by less than ``tolerance``."""
        asked = errors[self.min_members - 1 :]
        if len(asked) <= self.patience:
            return False
        before, since = min(asked[: -self.patience]), min(asked[-self.patience :])
        return since >= before * (1 - self.tolerance)  # False for NaN: without an error there is nothing to stop by

    def _best_size(self, errors: Sequence[float]) -> int:
        """Find the size with the least out-of-bag error; the whole bag where there is none to go by."""
        asked = np.array(errors[self.min_members - 1 :])
        if not np.isfinite(asked).any():
            return len(errors)
        return self.min_members + int(np.nanargmin(asked))


def predict_mean(members: Sequence[Booster], matrix: npt.NDArray[np.float32]) -> FloatArray:
    """Average the members' predictions in float64, shape (n,)."""
    total = np.zeros(len(matrix))
    for member in members:
        total += member.inplace_predict(matrix)
    return total / len(members)


def _group_numbers(groups: npt.ArrayLike | None, n_rows: int) -> IntArray:
    """Number the groups from 0 in sorted order, shape (n,)."""
    if groups is None:
        return np.arange(n_rows)
    labels = np.asarray(groups)
    if labels.shape != (n_rows,):
        raise ValueError(f"groups has shape {labels.shape}, but X has {n_rows} rows.")
    return np.unique(labels, return_inverse=True)[1]


def _mean_of_known(predictions: Sequence[FloatArray]) -> FloatArray:
    """Average over the members that did not see a row, shape (n,); NaN where all of them did."""
    stack = np.array(predictions)
    known = np.isfinite(stack)
    with np.errstate(invalid="ignore"):  # 0 / 0 is the NaN that is wanted
        mean: FloatArray = np.where(known, stack, 0.0).sum(axis=0) / known.sum(axis=0)
        return mean


def _mean_absolute_error(prediction: FloatArray, y: FloatArray, weight: FloatArray) -> float:
    known = np.isfinite(prediction)
    if not known.any():
        return float("nan")
    return float(np.average(np.abs(prediction - y)[known], weights=weight[known]))
