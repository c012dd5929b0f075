"""The boosted multi-layer perceptron, B-o-B's other weak learner (Section III-C.2; Algorithm 1, line 29).

The paper names it and gives no equations. Here it is L2 boosting (Friedman, "Greedy function approximation", 2001) with
perceptrons in place of trees, all targets at once.

Notation::

    x     features, prepared: (d,)
    y     targets, standardised: (t,)
    w     row weights, of mean 1: (n,)
    F_s   prediction after s stages: (t,)
    h_s   perceptron of stage s, ReLU inside, linear at its end: (t,)
    ν     shrinkage

Equations::

    F_0 = Σ_i w_i y_i / Σ_i w_i
    h_s = argmin_h Σ_{i ∈ I_s} w_i |y_i − F_{s−1}(x_i) − h(x_i[J_s])|²      I_s rows, J_s columns of stage s, drawn at random
    F_s = F_{s−1} + ν h_s

The minimum is sought by Adam (Kingma and Ba, 2015) in mini-batches, with weight decay and a rate that falls linearly to
zero. Sizes of layers span orders of magnitude and perceptrons have no thresholds to absorb that, so features are
prepared as sign(x) log(1 + |x|), missing ones filled in by the median, each such column with an indicator beside it, and
standardised. This module knows neither units nor what the columns mean.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.impute import SimpleImputer
from sklearn.utils.validation import check_is_fitted, validate_data
from threadpoolctl import threadpool_limits

from metamodel.interface import FloatArray
from metamodel.row_weights import checked_weights

IntArray = npt.NDArray[np.intp]

_FIRST_DECAY, _SECOND_DECAY, _EPSILON = 0.9, 0.999, 1e-8  # Adam's own


class BoostedMLP(RegressorMixin, BaseEstimator):  # type: ignore[misc] # scikit-learn publishes no types
    """Multi-layer perceptrons, each fitted to what those before it left over.

    Args:
        n_estimators: stages.
        learning_rate: the shrinkage ν.
        hidden: units of each hidden layer of a stage; empty makes a stage linear.
        epochs: passes of a stage over its rows.
        batch_size: rows of a gradient step.
        step_size: Adam's rate at a stage's first step.
        weight_decay: the share of a weight that a step of rate 1 takes off it.
        subsample: the share of rows that a stage sees.
        colsample: the share of columns that a stage sees.
        threads: threads of the linear algebra; with 1 the same seed gives the same bits, with more it may not.
        seed: the only source of randomness.

    Attributes:
        stages_: the fitted stages.
        n_features_in_: columns of ``X``.
        target_shape_: ``()`` for targets of shape (n,), ``(t,)`` for (n, t): the shape of a row's prediction.
    """

    def __init__(
        self,
        *,
        n_estimators: int = 8,
        learning_rate: float = 0.5,
        hidden: tuple[int, ...] = (64, 64),
        epochs: int = 30,
        batch_size: int = 32,
        step_size: float = 1e-2,
        weight_decay: float = 1e-3,
        subsample: float = 0.9,
        colsample: float = 0.9,
        threads: int = 1,
        seed: int = 0,
    ) -> None:
        self.n_estimators = n_estimators
        self.learning_rate = learning_rate
        self.hidden = hidden
        self.epochs = epochs
        self.batch_size = batch_size
        self.step_size = step_size
        self.weight_decay = weight_decay
        self.subsample = subsample
        self.colsample = colsample
        self.threads = threads
        self.seed = seed

    def fit(
        self,
        X: npt.ArrayLike,  # noqa: N803 - scikit-learn's name
        y: npt.ArrayLike,
        sample_weight: npt.ArrayLike | None = None,
    ) -> BoostedMLP:
        """Fit the stages, one after the other.

        Args:
            X: features, shape (n, d); NaN is missing.
            y: targets, shape (n,) or (n, t).
            sample_weight: weights, shape (n,); None is all ones.

        Raises:
            ValueError: shapes that do not fit, no rows, weights without one above zero, or a parameter outside its range.
        """
        self._check_parameters()
        raw, wanted = validate_data(
            self, X, y, dtype=np.float64, ensure_all_finite="allow-nan", y_numeric=True, multi_output=True
        )
        targets = np.asarray(wanted, dtype=np.float64)
        self.target_shape_ = targets.shape[1:]
        weight = checked_weights(sample_weight, len(targets))
        with threadpool_limits(limits=self.threads, user_api="blas"):
            self._fit_stages(raw, targets.reshape(len(targets), -1), weight / weight.mean())
        return self

    def predict(self, X: npt.ArrayLike) -> FloatArray:  # noqa: N803 - scikit-learn's name
        """Predict every target, shape (n,) or (n, t), as ``y`` was."""
        check_is_fitted(self, "stages_")
        raw = validate_data(self, X, dtype=np.float64, ensure_all_finite="allow-nan", reset=False)
        filled: FloatArray = self.imputer_.transform(_squash(raw))
        prepared = (filled - self.feature_center_) / self.feature_spread_
        total = np.zeros((len(prepared), len(self.center_)))
        for stage in self.stages_:
            total += self.learning_rate * stage.predict(prepared)
        prediction: FloatArray = self.center_ + self.spread_ * total
        return prediction.reshape(len(prepared), *self.target_shape_)

    def __sklearn_tags__(self) -> object:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.target_tags.multi_output = True
        return tags

    def _check_parameters(self) -> None:
        if self.n_estimators < 1 or self.epochs < 1 or self.batch_size < 1 or self.threads < 1:
            raise ValueError(
                f"n_estimators={self.n_estimators}, epochs={self.epochs}, batch_size={self.batch_size} and "
                f"threads={self.threads} must be at least 1."
            )
        if any(units < 1 for units in self.hidden):
            raise ValueError(f"hidden={self.hidden} must hold at least one unit a layer.")
        if not (self.learning_rate > 0 and self.step_size > 0 and self.weight_decay >= 0):
            raise ValueError(
                f"learning_rate={self.learning_rate} and step_size={self.step_size} must be above zero, "
                f"weight_decay={self.weight_decay} at least zero."
            )
        if not (0 < self.subsample <= 1 and 0 < self.colsample <= 1):
            raise ValueError(f"subsample={self.subsample} and colsample={self.colsample} must be in (0, 1].")

    def _fit_stages(self, raw: FloatArray, targets: FloatArray, weight: FloatArray) -> None:
        squashed = _squash(raw)
        self.imputer_ = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
        filled: FloatArray = self.imputer_.fit_transform(squashed)
        self.feature_center_: FloatArray = np.average(filled, axis=0, weights=weight)
        spread = _root_mean_square(filled - self.feature_center_, weight)
        constant = spread <= 1e-9 * np.abs(self.feature_center_)  # what is left of it is rounding
        self.feature_spread_ = np.where(constant, 1.0, spread)
        prepared = (filled - self.feature_center_) / self.feature_spread_
        self.center_: FloatArray = np.average(targets, axis=0, weights=weight)
        self.spread_ = _root_mean_square(targets - self.center_, weight)
        residual = (targets - self.center_) / self.spread_
        random = np.random.default_rng(self.seed)
        self.stages_: list[Stage] = []
        for _ in range(self.n_estimators):
            stage = self._fit_stage(prepared, residual, weight, random)
            residual = residual - self.learning_rate * stage.predict(prepared)
            self.stages_.append(stage)

    def _fit_stage(
        self, prepared: FloatArray, residual: FloatArray, weight: FloatArray, random: np.random.Generator
    ) -> Stage:
        """Fit one perceptron to the residual on rows and columns drawn for it."""
        rows = _draw_share(len(prepared), self.subsample, random)
        columns = _draw_share(prepared.shape[1], self.colsample, random)
        seen, left, row_weight = prepared[np.ix_(rows, columns)], residual[rows], weight[rows]
        # A late residual is small; in its own scale, Adam's rate fits it as well as the first.
        scale = _root_mean_square(left, row_weight) if row_weight.any() else np.ones(left.shape[1])
        network = Perceptron.random((len(columns), *self.hidden, left.shape[1]), random)
        self._descend(network, seen, left / scale, row_weight, random)
        return Stage(columns=columns, network=network, scale=scale)

    def _descend(
        self,
        network: Perceptron,
        seen: FloatArray,
        wanted: FloatArray,
        weight: FloatArray,
        random: np.random.Generator,
    ) -> None:
        """Bring the weighted mean squared error down, in place, by Adam with decoupled weight decay."""
        vector, gradient = network.vector, np.empty_like(network.vector)
        first, second = np.zeros_like(vector), np.zeros_like(vector)
        starts = range(0, len(seen), self.batch_size)
        n_steps = self.epochs * len(starts)
        step = 0
        for _ in range(self.epochs):
            order = random.permutation(len(seen))
            for start in starts:
                batch = order[start : start + self.batch_size]
                rate = self.step_size * (1 - step / n_steps)
                step += 1
                network.write_gradient(seen[batch], wanted[batch], weight[batch], gradient)
                first += (1 - _FIRST_DECAY) * (gradient - first)
                second += (1 - _SECOND_DECAY) * (gradient * gradient - second)
                size = rate * np.sqrt(1 - _SECOND_DECAY**step) / (1 - _FIRST_DECAY**step)
                vector -= size * first / (np.sqrt(second) + _EPSILON) + rate * self.weight_decay * vector


@dataclass(frozen=True, slots=True, kw_only=True)
class Perceptron:
    """A multi-layer perceptron whose parameters lie in one vector, so that a step is one operation on all of them."""

    sizes: tuple[int, ...]
    """Units of each layer, inputs and outputs included."""
    vector: FloatArray
    """Weights (inputs, outputs) and biases (outputs,) of each layer, in order."""

    @classmethod
    def random(cls, sizes: tuple[int, ...], random: np.random.Generator) -> Perceptron:
        """Draw hidden weights as He et al. (2015) do; the last layer is zero, so that a stage begins by changing nothing."""
        vector = np.zeros(sum((before + 1) * after for before, after in pairwise(sizes)))
        network = cls(sizes=sizes, vector=vector)
        for weights, _ in network.layers(vector)[:-1]:
            weights[:] = random.normal(scale=np.sqrt(2 / len(weights)), size=weights.shape)
        return network

    def layers(self, vector: FloatArray) -> list[tuple[FloatArray, FloatArray]]:
        """View a vector as each layer's weights and biases."""
        views, start = [], 0
        for before, after in pairwise(self.sizes):
            middle, end = start + before * after, start + (before + 1) * after
            views.append((vector[start:middle].reshape(before, after), vector[middle:end]))
            start = end
        return views

    def predict(self, inputs: FloatArray) -> FloatArray:
        """Compute the outputs, shape (n, t)."""
        return self._activations(inputs, self.layers(self.vector))[-1]

    def write_gradient(self, inputs: FloatArray, wanted: FloatArray, weight: FloatArray, gradient: FloatArray) -> None:
        """Write the gradient of Σ_i w_i |wanted_i − output_i|² / (2 n) into ``gradient``, of the shape of ``vector``."""
        layers = self.layers(self.vector)
        activations = self._activations(inputs, layers)
        delta = (activations[-1] - wanted) * (weight / len(wanted))[:, None]
        for index, (of_weights, of_biases) in reversed(list(enumerate(self.layers(gradient)))):
            np.matmul(activations[index].T, delta, out=of_weights)
            delta.sum(axis=0, out=of_biases)
            if index > 0:
                delta = (delta @ layers[index][0].T) * (activations[index] > 0)

    @staticmethod
    def _activations(inputs: FloatArray, layers: Sequence[tuple[FloatArray, FloatArray]]) -> list[FloatArray]:
        """Give the inputs and what each layer makes of them."""
        activations = [inputs]
        for weights, biases in layers[:-1]:
            activations.append(np.maximum(activations[-1] @ weights + biases, 0.0))
        weights, biases = layers[-1]
        activations.append(activations[-1] @ weights + biases)
        return activations


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A perceptron, the columns that it reads, and the scale of its outputs, shape (t,)."""

    columns: IntArray
    network: Perceptron
    scale: FloatArray

    def predict(self, prepared: FloatArray) -> FloatArray:
        """Predict the residual, shape (n, t)."""
        return self.scale * self.network.predict(prepared[:, self.columns])


def _squash(raw: FloatArray) -> FloatArray:
    squashed: FloatArray = np.sign(raw) * np.log1p(np.abs(raw))
    return squashed


def _root_mean_square(values: FloatArray, weight: FloatArray) -> FloatArray:
    """Weighted, over the rows, shape (t,); 1 where all are zero."""
    size: FloatArray = np.sqrt(np.average(values * values, axis=0, weights=weight))
    return np.where(size > 0, size, 1.0)


def _draw_share(count: int, share: float, random: np.random.Generator) -> IntArray:
    """Draw that share of 0 … count − 1, at least one, in rising order."""
    return np.sort(random.choice(count, size=max(1, round(share * count)), replace=False))
