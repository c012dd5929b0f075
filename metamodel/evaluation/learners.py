"""What competes: B-o-B and its peers, all on the same rows, features, targets and weights.

Every learner sees each configuration in a setting once, at the median of its repetitions, with weight √n, and learns the
logarithm of how far the response is from its offset (:meth:`metamodel.targets.Response.encode`). Only what does the learning
differs. Peers that know no missing values get the median and a column that says so; those that live on distances and
products get logarithms of what spans decades.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVR
from xgboost import XGBRegressor

from metamodel.bag import BagOfBoosted
from metamodel.conformal import Interval, IntervalModel, fit_intervals
from metamodel.errors import TableError
from metamodel.evaluation.samples import Rows, Samples
from metamodel.interface import FloatArray
from metamodel.oversampling import Cases, Oversampling
from metamodel.recipe import RECIPE, FittedBag, Judged, cases_of, fit_bag, new_bag
from metamodel.targets import Response


class Learner(Protocol):
    """Learns a response from samples and predicts it, in its unit."""

    def fit(self, samples: Samples) -> Learner:
        """Learn from samples."""

    def predict(self, samples: Samples) -> FloatArray:
        """Predict the response of samples, shape (n,); their truths are not looked at."""


@runtime_checkable
class Cautious(Protocol):
    """A learner that says how far a truth may be from its prediction."""

    def interval(self, samples: Samples, prediction: FloatArray) -> Interval | None:
        """Put an interval around each prediction that holds its truth in 90 of 100 cases; None where nothing is promised."""


@dataclass(slots=True)
class LogRatio:
    """A regressor on log(response / offset), over unique configurations."""

    regressor: Any
    takes_weights: bool = True
    oversampling: Oversampling | None = None
    """Makes cases of operator families that are rare in a setting."""
    response: Response | None = None

    def fit(self, samples: Samples) -> LogRatio:
        """Learn from samples."""
        unique, truth, weight = once_each(samples)
        matrix = samples.matrix[unique]
        self.response = samples.response.fitted_to(matrix, truth, weight)
        cases = Cases(matrix=matrix, learned=self.response.encode(truth, matrix), weight=weight)
        if self.oversampling is not None:
            where = np.char.mod("%d", samples.setting)
            cases = self.oversampling.extend(cases, np.char.add(np.char.add(samples.family, "@"), where)[unique])
        if self.takes_weights:
            self.regressor.fit(cases.matrix, cases.learned, **_weights(self.regressor, cases.weight))
        else:
            self.regressor.fit(cases.matrix, cases.learned)
        return self

    def predict(self, samples: Samples) -> FloatArray:
        """Predict the response of samples, shape (n,).

        Raises:
            NotFittedError: nothing was learned yet.
        """
        if self.response is None:
            raise NotFittedError("The learner has not learned anything yet; call fit first.")
        learned = np.asarray(self.regressor.predict(samples.matrix), dtype=np.float64)
        return self.response.decode(learned, samples.matrix)


@dataclass(slots=True)
class Bob:
    """B-o-B, as ``metamodel fit`` fits it, with its intervals."""

    seed: int = 0
    judged: Judged = Judged.CROSS_FIT
    """``NOT`` spares the cross-fit where nobody asks for intervals; the bag then does not grow, but has its usual size."""
    fitted: FittedBag | None = None
    intervals: IntervalModel | None = None

    def fit(self, samples: Samples) -> Bob:
        """Learn from samples."""
        self.fitted = fit_bag(
            samples.matrix,
            samples.truth,
            samples.response,
            places=samples.places,
            groups=samples.configuration,
            seed=self.seed,
            judged=self.judged,
        )
        unseen = self.fitted.unseen
        if unseen is not None and np.isfinite(unseen).all():  # one configuration alone leaves nothing to judge by
            self.intervals = fit_intervals(
                unseen,
                samples.truth,
                samples.configuration,
                samples.family.tolist(),
                samples.matrix,
                seed=self.seed,
            )
        return self

    def predict(self, samples: Samples) -> FloatArray:
        """Predict the response of samples, shape (n,).

        Raises:
            NotFittedError: nothing was learned yet.
        """
        if self.fitted is None:
            raise NotFittedError("B-o-B has not learned anything yet; call fit first.")
        return self.fitted.predict(samples.matrix)

    def interval(self, samples: Samples, prediction: FloatArray) -> Interval | None:
        """Put an interval around each prediction; None where the rows learned from promise none."""
        if self.intervals is None:
            return None
        return self.intervals.interval(prediction, samples.family.tolist(), samples.matrix)


@dataclass(slots=True)
class FlopsLine:
    """A straight line through log FLOPs and log response, one per setting; the naive predictor of the field."""

    seed: int = 0
    everywhere: Any = None
    lines: dict[int, Any] = field(default_factory=dict)

    def fit(self, samples: Samples) -> FlopsLine:
        """Learn from samples."""
        unique, truth, weight = once_each(samples)
        flops, setting = _log_flops(samples)[unique], samples.setting[unique]
        self.everywhere = LinearRegression().fit(flops, np.log(truth), weight)
        self.lines = {
            one: LinearRegression().fit(flops[setting == one], np.log(truth[setting == one]), weight[setting == one])
            for one in np.unique(setting).tolist()
        }
        return self

    def predict(self, samples: Samples) -> FloatArray:
        """Predict the response of samples, shape (n,); a setting that was never seen gets the line through all."""
        flops = _log_flops(samples)
        predicted = np.asarray(self.everywhere.predict(flops), dtype=np.float64)
        for setting, line in self.lines.items():
            rows = samples.setting == setting
            if rows.any():
                predicted[rows] = line.predict(flops[rows])
        return np.exp(predicted)


def _log_flops(samples: Samples) -> FloatArray:
    """Take the one feature that the line is drawn through, shape (n, 1); an unknown count is none."""
    column = samples.matrix[:, [samples.feature_names.index("flops")]].astype(np.float64)
    return np.log1p(np.nan_to_num(column))


def once_each(samples: Samples) -> tuple[Rows, FloatArray, FloatArray]:
    """Keep each configuration in a setting once.

    Returns:
        Rows of the first of each, in their order; the median of its repetitions' truths; the root of how many there are.
    """
    cases = cases_of(samples.places, samples.truth)
    return cases.first_row, cases.response, cases.weight


LearnerMaker = Callable[[int], Learner]
"""Makes a learner from a seed."""


def _bob_mlp(seed: int) -> Learner:
    bag = BagOfBoosted(
        base="mlp",
        sampling="all",
        growth="out_of_bag",  # which tells nothing of members that see all rows: the bag grows to its full size
        max_members=RECIPE.members,
        min_members=RECIPE.members,
        seed=seed,
    )
    return LogRatio(bag)


def _bob_quick(seed: int) -> Learner:
    return Bob(seed=seed, judged=Judged.NOT)


def _bob_smote(seed: int) -> Learner:
    return LogRatio(new_bag(seed), oversampling=Oversampling(seed=seed))


def _xgboost(seed: int) -> Learner:
    return LogRatio(XGBRegressor(n_jobs=1, random_state=seed))


def _xgboost_tuned(seed: int) -> Learner:
    return LogRatio(XGBRegressor(n_jobs=1, random_state=seed, **asdict(RECIPE.trees)))


def _forest(seed: int) -> Learner:
    forest = RandomForestRegressor(n_estimators=200, min_samples_leaf=2, max_features=0.4, n_jobs=1, random_state=seed)
    return LogRatio(
        make_pipeline(SimpleImputer(strategy="constant", fill_value=-1.0, keep_empty_features=True), forest)
    )


def _ridge(seed: int) -> Learner:
    return LogRatio(_smooth(Ridge(alpha=1.0, random_state=seed)))


def _svr(seed: int) -> Learner:  # noqa: ARG001 - nothing in it is random
    return LogRatio(_smooth(SVR(C=30.0, epsilon=0.01, gamma="scale")))


def _mlp(seed: int) -> Learner:
    network = MLPRegressor(hidden_layer_sizes=(128, 64), alpha=1e-4, max_iter=400, random_state=seed)
    return LogRatio(_smooth(network), takes_weights=False)


LEARNERS: Mapping[str, LearnerMaker] = MappingProxyType(
    {
        "bob": Bob,
        "bob-mlp": _bob_mlp,
        "xgboost": _xgboost,
        "xgboost-tuned": _xgboost_tuned,
        "forest": _forest,
        "svr": _svr,
        "mlp": _mlp,
        "ridge": _ridge,
        "flops": FlopsLine,
        "bob-quick": _bob_quick,
        "bob-smote": _bob_smote,
    }
)
"""Everything that can be asked for with ``--models``; the first is judged against the others."""

COMPETITORS = tuple(name for name in LEARNERS if name not in {"bob-quick", "bob-smote"})
"""Who competes unless somebody says otherwise. The ablation does not, nor does the bag of the same size beside it, whose
cases are those that were given."""


def refuse_unknown(names: Iterable[str]) -> None:
    """See that every name is one of :data:`LEARNERS`.

    Raises:
        TableError: one is not; the message names those that are.
    """
    unknown = [name for name in names if name not in LEARNERS]
    if unknown:
        raise TableError(f"No model {unknown[0]!r} to compare. Known: {', '.join(LEARNERS)}.")


def _smooth(regressor: Any) -> Pipeline:
    """Bring features to what a regressor of distances or products needs."""
    return make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        FunctionTransformer(_signed_log),
        StandardScaler(),
        regressor,
    )


def _signed_log(matrix: FloatArray) -> FloatArray:
    logs: FloatArray = np.sign(matrix) * np.log1p(np.abs(matrix))
    return logs


def _weights(regressor: Any, weight: FloatArray) -> dict[str, FloatArray]:
    """Name the weights as the regressor, or the last step of a pipeline, takes them."""
    if isinstance(regressor, Pipeline):
        return {f"{regressor.steps[-1][0]}__sample_weight": weight}
    return {"sample_weight": weight}
