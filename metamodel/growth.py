"""How a bag grows: which rows a member sees, by which error the bag is judged, and when it has grown enough.

Notation::

    i         row, of group g(i) (one layer configuration on one device), with target y_i and weight w_i
    Z         the rows that were executed, Z | B in the paper's words: the caller leaves the infeasible set B out
    Z_k       the rows of fold k of K; a group lies in one fold as a whole, and k(i) is the fold of row i
    A_m(Z)    what member m's recipe makes of Z: draw groups of Z, boost on their rows S_m ⊆ Z with the member's seed
    f_m       A_m(Z), a member of the bag
    f_m^{-k}  A_m(Z ∖ Z_k), the member as it would be without fold k

The paper grows the bag "while NOT Converged" (Algorithm 1, line 27) and does not say what that means. Here, with M members
the bag predicts a row from members that did not see the row's group, in one of two ways::

    cross-fitted   ŷ_i(M) = 1/M Σ_{m ≤ M} f_m^{-k(i)}(x_i)                                                            (1)
    out of bag     ŷ_i(M) = the mean of f_m(x_i) over those m ≤ M with i ∉ S_m; unknown where there is none           (2)

    E(M) = Σ_i w_i |y_i − ŷ_i(M)| / Σ_i w_i       over the rows with a known ŷ_i(M)                                   (3)

With several targets, each target's error is divided by that of its median, and E is their mean, so that units do not
matter. With M_0 members at least, patience P and tolerance τ, the growth ends at the first M ≥ M_0 + P with ::

    min { E(j) : M − P < j ≤ M }  ≥  (1 − τ) min { E(j) : M_0 ≤ j ≤ M − P }                                           (4)

or at the largest M allowed, and the bag is cut back to its best size ::

    M* = argmin { E(j) : M_0 ≤ j ≤ M },      f(x) = 1/M* Σ_{m ≤ M*} f_m(x)                                            (5)

ŷ_i(M*) depends on y_i, and on its group's, through nothing but the integer M*. So |y_i − ŷ_i(M*)| stands for an error on
an unseen configuration, as a conformal interval needs it. It costs K + 1 fits per member where out of bag costs one, and
it works for members that see all rows, where nothing is out of bag.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from metamodel.interface import FloatArray

IntArray = npt.NDArray[np.intp]

Sampling = Literal["bootstrap", "subset", "all"]
"""Groups drawn for a member: with replacement, without, or all of them, so that members differ by their seeds alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Rows that a bag, or a fold of it, is fitted to."""

    matrix: npt.NDArray[np.float32]
    """Features, shape (n, d)."""
    y: FloatArray
    """Targets, shape (n, t)."""
    weight: FloatArray
    """Shape (n,)."""
    group: IntArray
    """Numbers of groups from 0, shape (n,)."""

    def __len__(self) -> int:
        return len(self.weight)

    def where(self, kept: npt.NDArray[np.bool_]) -> Rows:
        """Keep some rows; their groups keep their numbers."""
        return Rows(matrix=self.matrix[kept], y=self.y[kept], weight=self.weight[kept], group=self.group[kept])


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppingRule:
    """Equations (4) and (5)."""

    max_members: int
    min_members: int
    patience: int
    tolerance: float

    @property
    def certain_members(self) -> int:
        """Members that are grown whatever their errors are."""
        return min(self.max_members, self.min_members + self.patience)

    def has_ended(self, errors: Sequence[float]) -> bool:
        """Tell from E(1) … E(M) whether the growth ends at M."""
        if len(errors) >= self.max_members:
            return True
        asked = errors[self.min_members - 1 :]
        if len(asked) <= self.patience:
            return False
        before, since = min(asked[: -self.patience]), min(asked[-self.patience :])
        return since >= before * (1 - self.tolerance)  # False for NaN: without an error there is nothing to stop by

    def best_size(self, errors: Sequence[float]) -> int:
        """Find M*; all members where there is no error to go by."""
        asked = np.array(errors[self.min_members - 1 :])
        if not np.isfinite(asked).any():
            return len(errors)
        return self.min_members + int(np.nanargmin(asked))


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """How a bag grew."""

    errors: FloatArray
    """E(1) … E(M), NaN where no row's prediction is known."""
    size: int
    """M*."""
    prediction: FloatArray
    """ŷ(M*), shape (n, t), NaN where it is unknown."""


def grow(rule: StoppingRule, rows: Rows, grow_more: Callable[[int], Sequence[FloatArray]], *, at_once: int) -> Growth:
    """Grow members until the rule ends it.

    Members may be grown ahead of their turn, ``at_once`` of them; the rule never sees those after its end, so that the
    result does not depend on ``at_once``.

    Args:
        rule: when to end.
        rows: what the members are asked about.
        grow_more: grows so many members more; gives each one's predictions, shape (n, t), NaN for rows that it saw.
        at_once: members to grow together once the rule may end the growth at any of them.
    """
    grown: list[FloatArray] = []
    errors: list[float] = []
    while not rule.has_ended(errors):
        if len(errors) == len(grown):
            wanted = at_once if grown else rule.certain_members
            grown.extend(grow_more(min(wanted, rule.max_members - len(grown))))
        errors.append(weighted_error(mean_of_known(grown[: len(errors) + 1]), rows))
    size = rule.best_size(errors)
    return Growth(errors=np.array(errors), size=size, prediction=mean_of_known(grown[:size]))


def draw_rows(rows: Rows, sampling: Sampling, max_samples: float, random: np.random.Generator) -> IntArray:
    """Draw groups for one member; say how often each row is in its sample, shape (n,).

    Groups of weight zero are never drawn: they would leave nothing to fit to.
    """
    if sampling == "all":
        return np.ones(len(rows), dtype=np.intp)
    heavy = np.unique(rows.group[rows.weight > 0])
    size = max(1, round(max_samples * len(heavy)))
    drawn = random.choice(heavy, size=size, replace=sampling == "bootstrap")
    return np.bincount(drawn, minlength=int(rows.group.max()) + 1)[rows.group]


def deal_folds(rows: Rows, folds: int, random: np.random.Generator) -> IntArray | None:
    """Deal the groups into folds of almost equally many groups, shape (n,); None where there are fewer than two groups.

    With fewer groups than folds, each is a fold. Groups of weight zero are dealt last, so that every fold leaves some
    weight outside it.
    """
    n_groups = int(rows.group.max()) + 1
    weightless = np.bincount(rows.group, weights=rows.weight, minlength=n_groups) == 0
    n_folds = min(folds, int((~weightless).sum()))
    if n_folds < 2:
        return None
    shuffled = random.permutation(n_groups)
    dealt = shuffled[np.argsort(weightless[shuffled], kind="stable")]
    fold = np.empty(n_groups, dtype=np.intp)
    fold[dealt] = np.arange(n_groups) % n_folds
    return fold[rows.group]


def group_numbers(groups: npt.ArrayLike | None, n_rows: int) -> IntArray:
    """Number the groups from 0 in sorted order, shape (n,); None makes every row a group.

    Raises:
        ValueError: groups of another shape.
    """
    if groups is None:
        return np.arange(n_rows)
    labels = np.asarray(groups)
    if labels.shape != (n_rows,):
        raise ValueError(f"groups has shape {labels.shape}, but X has {n_rows} rows.")
    return np.unique(labels, return_inverse=True)[1]


def mean_of_known(predictions: Sequence[FloatArray]) -> FloatArray:
    """Average over the members that did not see a row, shape (n, t); NaN where all of them did."""
    stack = np.array(predictions)
    known = np.isfinite(stack)
    with np.errstate(invalid="ignore"):  # 0 / 0 is the NaN that is wanted
        mean: FloatArray = np.where(known, stack, 0.0).sum(axis=0) / known.sum(axis=0)
        return mean


def weighted_error(prediction: FloatArray, rows: Rows) -> float:
    """Compute equation (3), targets balanced where there are several; NaN where nothing of any weight is known."""
    known = np.isfinite(prediction).all(axis=1) & (rows.weight > 0)
    if not known.any():
        return float("nan")
    y, weight = rows.y[known], rows.weight[known]
    error: FloatArray = np.average(np.abs(prediction[known] - y), axis=0, weights=weight)
    if len(error) == 1:
        return float(error[0])
    spread = np.average(np.abs(y - np.median(y, axis=0)), axis=0, weights=weight)
    return float(np.mean(error / np.where(spread > 0, spread, 1.0)))
