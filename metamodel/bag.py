"""B-o-B, the paper's bag of boosted regressors (Section III-C.2; Algorithm 1, lines 27-31).

An outer bag averages boosted regressors: trees (XGBoost), or boosted multi-layer perceptrons. With several targets, trees
are grown for each target apart, and a perceptron has an output for each, as in the paper. :mod:`metamodel.growth` has the
equations: what a member sees, and when the bag has grown enough.

The bag knows no unit, no logarithm, no roofline and no infeasible layer. Callers fit it to what they want to be learned.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt
from joblib import effective_n_jobs
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits
from xgboost import Booster, XGBRegressor

from metamodel.boosted_mlp import BoostedMLP
from metamodel.growth import (
    Growth,
    IntArray,
    Rows,
    Sampling,
    StoppingRule,
    deal_folds,
    draw_rows,
    group_numbers,
    grow,
)
from metamodel.interface import FloatArray
from metamodel.row_weights import checked_weights

Member = Booster | BoostedMLP
Base = Literal["trees", "mlp"]
Judge = Literal["cross_fit", "out_of_bag"]


class BagOfBoosted(RegressorMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn publishes no types
    """A bag of boosted regressors, grown until its error on groups that its members did not see stops improving.

    It passes scikit-learn's ``check_estimator`` but for the equivalence of a weight and as many repetitions of a row:
    samples, folds and mini-batches are drawn at random from rows and groups, and a repeated row is drawn otherwise than a
    heavy one.

    Args:
        base: what members are: ``trees``, or ``mlp``.
        sampling: groups drawn for a member: ``bootstrap`` (with replacement), ``subset`` (without), or ``all``; members
            then differ by their seeds, which draw rows and columns within them.
        growth: the error that ends the growth: ``cross_fit``, or ``out_of_bag``, which costs a fraction, but tells nothing
            where every member sees all rows. Without an error to go by, the bag grows to ``max_members``.
        max_members: the bag never grows beyond this.
        min_members: the error is not asked before this many.
        patience: members without improvement that end the growth.
        tolerance: the relative improvement that counts as one.
        max_samples: the share of groups drawn for a member; ``all`` does not ask it.
        folds: folds of groups for ``cross_fit``.
        n_estimators: trees of a member. This and the five that follow are XGBoost's own, for ``trees``.
        max_depth: depth of a tree.
        learning_rate: shrinkage of a tree.
        subsample: share of rows that a tree sees.
        colsample_bytree: share of columns that a tree sees.
        min_child_weight: least weight of rows in a leaf.
        mlp: the regressor that ``mlp`` members are copies of, with seeds of their own; None is ``BoostedMLP()``.
        n_jobs: members fitted at once, as joblib counts them; results do not depend on it.
        threads: threads of one member's fit; with trees, results do not depend on it.
        seed: the bag's only source of randomness.

    Attributes:
        members_: the boosters, or perceptrons, as many as the bag kept.
        seeds_: seed of each member.
        n_features_in_: columns of ``X``.
        target_shape_: ``()`` for targets of shape (n,), ``(t,)`` for (n, t): the shape of a row's prediction.
        cross_errors_, oob_errors_: E(1), E(2) … of each member grown, NaN where no prediction is known.
        cross_prediction_, oob_prediction_: what members that did not see a row's group predict for it, of the shape of
            ``y``, NaN where there are none. Of each pair, the one that ``growth`` names is there.
        folds_: fold of each row, shape (n,), with ``cross_fit``; 0 for all where there is but one group.
    """

    def __init__(
        self,
        *,
        base: Base = "trees",
        sampling: Sampling = "all",
        growth: Judge = "cross_fit",
        max_members: int = 10,
        min_members: int = 4,
        patience: int = 2,
        tolerance: float = 0.002,
        max_samples: float = 1.0,
        folds: int = 5,
        n_estimators: int = 600,
        max_depth: int = 6,
        learning_rate: float = 0.05,
        subsample: float = 0.8,
        colsample_bytree: float = 0.6,
        min_child_weight: float = 2.0,
        mlp: BoostedMLP | None = None,
        n_jobs: int | None = None,
        threads: int = 1,
        seed: int = 0,
    ) -> None:
        self.base = base
        self.sampling = sampling
        self.growth = growth
        self.max_members = max_members
        self.min_members = min_members
        self.patience = patience
        self.tolerance = tolerance
        self.max_samples = max_samples
        self.folds = folds
        self.n_estimators = n_estimators
        self.max_depth = max_depth
        self.learning_rate = learning_rate
        self.subsample = subsample
        self.colsample_bytree = colsample_bytree
        self.min_child_weight = min_child_weight
        self.mlp = mlp
        self.n_jobs = n_jobs
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
            y: targets, shape (n,) or (n, t).
            sample_weight: weights, shape (n,); None is all ones.
            groups: group of each row, shape (n,); None makes every row a group.

        Raises:
            ValueError: shapes that do not fit, no rows, weights without one above zero, or a parameter outside its range.
        """
        self._check_parameters()
        rows = self._validated(X, y, sample_weight, groups)
        self.seeds_ = np.random.SeedSequence(self.seed).generate_state(self.max_members)
        if self.growth == "cross_fit":
            grown = self._cross_fit(rows)
            self.cross_errors_ = grown.errors
            self.cross_prediction_ = self._shaped(grown.prediction)
            random = np.random.default_rng(self.seed)
            draws = [self._draw(rows, random) for _ in range(grown.size)]
            self.members_ = self._boost((rows, times, seed) for times, seed in zip(draws, self.seeds_, strict=False))
        else:
            grown = self._grow_out_of_bag(rows)
            self.oob_errors_ = grown.errors
            self.oob_prediction_ = self._shaped(grown.prediction)
        return self

    def predict(self, X: npt.ArrayLike) -> FloatArray:  # noqa: N803 - scikit-learn's name
        """Predict every target by the mean of the members, shape (n,) or (n, t), as ``y`` was."""
        check_is_fitted(self, "members_")
        matrix = validate_data(self, X, dtype=np.float32, ensure_all_finite="allow-nan", reset=False)
        return self._shaped(predict_mean(self.members_, matrix))

    def __sklearn_tags__(self) -> object:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.multi_output = True
        return tags

    def _shaped(self, prediction: FloatArray) -> FloatArray:
        return prediction.reshape(len(prediction), *self.target_shape_)

    def _validated(
        self,
        features: npt.ArrayLike,
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None,
        groups: npt.ArrayLike | None,
    ) -> Rows:
        matrix, wanted = validate_data(
            self,
            features,
            y,
            dtype=np.float32,
            ensure_all_finite="allow-nan",
            y_numeric=True,
            multi_output=True,
        )
        targets = np.asarray(wanted, dtype=np.float64)
        largest = float(np.abs(targets).max())
        if largest > float(np.finfo(np.float32).max):
            raise ValueError(f"y holds a target of size {largest:g}, which float32 cannot hold; rescale it.")
        self.target_shape_ = targets.shape[1:]
        return Rows(
            matrix=matrix,
            y=targets.reshape(len(targets), -1),
            weight=checked_weights(sample_weight, len(targets)),
            group=group_numbers(groups, len(targets)),
        )

    def _check_parameters(self) -> None:
        for name, choices in (("base", Base), ("sampling", Sampling), ("growth", Judge)):
            if getattr(self, name) not in get_args(choices):
                raise ValueError(f"{name}={getattr(self, name)!r} must be one of {', '.join(get_args(choices))}.")
        if self.max_members < 1 or self.min_members < 1 or self.patience < 1:
            raise ValueError(
                f"max_members={self.max_members}, min_members={self.min_members} and patience={self.patience} "
                "must be at least 1."
            )
        if not 0 < self.max_samples <= 1:
            raise ValueError(f"max_samples={self.max_samples} must be in (0, 1].")
        if self.folds < 2:
            raise ValueError(f"folds={self.folds} must be at least 2.")

    def _rule(self) -> StoppingRule:
        return StoppingRule(
            max_members=self.max_members,
            min_members=self.min_members,
            patience=self.patience,
            tolerance=self.tolerance,
        )

    def _draw(self, rows: Rows, random: np.random.Generator) -> IntArray:
        return draw_rows(rows, self.sampling, self.max_samples, random)

    def _grow_out_of_bag(self, rows: Rows) -> Growth:
        """Grow the bag itself by equation (2)."""
        random = np.random.default_rng(self.seed)
        members: list[Member] = []

        def grow_more(count: int) -> list[FloatArray]:
            """Boost so many members for each fold; give what each predicts of the rows that it did not see."""
            draws = [self._draw(rows, random) for _ in range(count)]
            seeds = self.seeds_[len(members) :]
            grown = self._boost((rows, times, seed) for times, seed in zip(draws, seeds, strict=False))
            members.extend(grown)
            return [_out_of_bag(member, rows, times) for member, times in zip(grown, draws, strict=True)]

        growth = grow(self._rule(), rows, grow_more, at_once=effective_n_jobs(self.n_jobs))
        self.members_ = members[: growth.size]
        return growth

    def _cross_fit(self, rows: Rows) -> Growth:
        """Find the bag's size by equation (1), with members that are then thrown away."""
        dealer, *streams = np.random.SeedSequence(self.seed).spawn(1 + self.folds)
        dealt = deal_folds(rows, self.folds, np.random.default_rng(dealer))
        if dealt is None:
            self.folds_ = np.zeros(len(rows), dtype=np.intp)
            nothing = np.full_like(rows.y, np.nan)
            return Growth(errors=np.full(self.max_members, np.nan), size=self.max_members, prediction=nothing)
        self.folds_ = dealt
        seen = [rows.where(dealt != fold) for fold in range(dealt.max() + 1)]
        randoms = [np.random.default_rng(stream) for stream in streams]
        seeds = iter(self.seeds_)

        def grow_more(count: int) -> list[FloatArray]:
            """Boost so many members for each fold; give what each predicts of the rows that it did not see."""
            tasks = [
                (part, self._draw(part, random), seed)
                for seed in [next(seeds) for _ in range(count)]
                for part, random in zip(seen, randoms, strict=False)
            ]
            members = self._boost(tasks)
            starts = range(0, len(members), len(seen))
            return [_of_unseen(members[start : start + len(seen)], rows, dealt) for start in starts]

        at_once = -(-effective_n_jobs(self.n_jobs) // len(seen))
        return grow(self._rule(), rows, grow_more, at_once=at_once)

    def _boost(self, tasks: Iterable[tuple[Rows, IntArray, int]]) -> list[Member]:
        """Fit a member to each task's rows, drawn as often as it says, with its seed."""
        # XGBoost leaves Python's lock while it boosts; the perceptrons' many small steps keep it.
        run = Parallel(n_jobs=self.n_jobs, prefer="threads" if self.base == "trees" else "processes")
        # XGBoost copies data in with all threads that there are, whatever ``n_jobs`` it was given; on a busy machine they
        # wait for each other longer than a small fit takes.
        with threadpool_limits(limits=self.threads, user_api="openmp"):
            members: list[Member] = run(
                delayed(_fit_member)(self._new_member(int(seed)), rows, times) for rows, times, seed in tasks
            )
        return members

    def _new_member(self, seed: int) -> XGBRegressor | BoostedMLP:
        if self.base == "mlp":
            member: BoostedMLP = clone(self.mlp or BoostedMLP()).set_params(seed=seed, threads=self.threads)
            return member
        return XGBRegressor(
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


def predict_mean(members: Sequence[Member], matrix: npt.NDArray[np.float32]) -> FloatArray:
    """Average the members' predictions in float64, shape (n,), or (n, t) with several targets."""
    first, *others = (_predict(member, matrix) for member in members)
    return sum(others, first) / len(members)


def _predict(member: Member, matrix: npt.NDArray[np.float32]) -> FloatArray:
    predicted = member.inplace_predict(matrix) if isinstance(member, Booster) else member.predict(matrix)
    return np.asarray(predicted, dtype=np.float64)


def _fit_member(member: XGBRegressor | BoostedMLP, rows: Rows, times: IntArray) -> Member:
    drawn = np.repeat(np.arange(len(rows)), times)
    y = rows.y[drawn, 0] if rows.y.shape[1] == 1 else rows.y[drawn]
    member.fit(rows.matrix[drawn], y, sample_weight=rows.weight[drawn])
    return member if isinstance(member, BoostedMLP) else member.get_booster()


def _out_of_bag(member: Member, rows: Rows, times: IntArray) -> FloatArray:
    """Predict what a member did not see, shape (n, t), NaN for what it saw."""
    out = times == 0
    prediction = np.full_like(rows.y, np.nan)
    if out.any():
        prediction[out] = _predict(member, rows.matrix[out]).reshape(-1, rows.y.shape[1])
    return prediction


def _of_unseen(members: Sequence[Member], rows: Rows, fold: IntArray) -> FloatArray:
    """Predict each fold by the member that was boosted without it, shape (n, t)."""
    prediction = np.empty_like(rows.y)
    for number, member in enumerate(members):
        unseen = fold == number
        prediction[unseen] = _predict(member, rows.matrix[unseen]).reshape(-1, rows.y.shape[1])
    return prediction
