"""The one recipe by which B-o-B is fitted to a response: ``metamodel fit`` writes what ``metamodel evaluate`` scores.

Notation::

    c       a case: one layer configuration in one setting; its n_c rows are repetitions
    y_c     median of the repetitions' responses, with weight √n_c
    z_c     what the trees learn: log y_c − offset (:meth:`metamodel.targets.Response.encode`)
    g(c)    group: what is held out as a whole in the cross-fit

Each case counts once, however often a campaign happened to repeat it. Members see all cases and differ by their seeds, which
draw rows and columns. A bag that is cross-fitted, for intervals and an honest error, grows until that error stops
improving; one that is not, for speed, has a fixed number of the same members.

Ten folds: predictions cross-fitted on few folds are worse than the bag's own, and intervals around the bag's predictions then
are too wide (:mod:`metamodel.conformal`).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt
import pandas as pd

from metamodel.bag import BagOfBoosted
from metamodel.features import Matrix
from metamodel.interface import FloatArray
from metamodel.targets import Response


@dataclass(frozen=True, slots=True, kw_only=True)
class Trees:
    """Parameters of boosted trees, under XGBoost's own names."""

    n_estimators: int = 600
    max_depth: int = 6
    learning_rate: float = 0.05
    subsample: float = 0.8
    colsample_bytree: float = 0.6
    min_child_weight: float = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a bag is fitted; plain numbers, fit for a manifest."""

    trees: Trees = Trees()
    members: int = 4
    """Of a bag that nothing judges."""
    least_members: int = 3
    most_members: int = 8
    """One that is judged grows between these, until its error stops improving."""
    folds: int = 10
    """Of the cross-fit."""


RECIPE = Recipe()
"""What is fitted unless somebody asks for something else."""


class Judged(StrEnum):
    """By which predictions of unseen cases a bag is judged while it is fitted."""

    NOT = "not"
    """By none. The members are the first ones of ``CROSS_FIT``, in a number that it usually ends near."""
    CROSS_FIT = "cross_fit"
    """By members fitted without a fold of the groups: ``folds`` times more fits."""
    OUT_OF_BAG = "out_of_bag"
    """By those members that did not draw a group. Each draws nine tenths of them, so that a member sees less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cases:
    """Rows put together by what they measured."""

    first_row: npt.NDArray[np.intp]
    """Row that describes each case, shape (cases,), in the order of the rows."""
    response: FloatArray
    """Median of the repetitions, shape (cases,)."""
    weight: FloatArray
    """Root of how many there are, shape (cases,)."""
    of_row: npt.NDArray[np.intp]
    """Case of each row, shape (rows,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedBag:
    """A response's bag, and what is known of its error."""

    bag: BagOfBoosted
    response: Response
    """As it was learned: with the rates that the rows told."""
    unseen: FloatArray | None
    """Each row predicted by members that saw no row of its group, in the response's unit, shape (rows,), NaN where there
    are none; None where the bag was not judged."""

    def predict(self, matrix: Matrix) -> FloatArray:
        """Predict in the response's unit, shape (rows,)."""
        return self.response.decode(self.bag.predict(matrix), matrix)


def cases_of(places: npt.ArrayLike, values: FloatArray) -> Cases:
    """Put the rows of each case together.

    Args:
        places: names the case of each row, shape (rows,).
        values: the response of each row, shape (rows,).
    """
    frame = pd.DataFrame({"place": np.asarray(places), "row": np.arange(len(values)), "value": values})
    groups = frame.groupby("place", sort=False)
    return Cases(
        first_row=groups["row"].first().to_numpy(dtype=np.intp),
        response=groups["value"].median().to_numpy(dtype=np.float64),
        weight=np.sqrt(groups.size().to_numpy(dtype=np.float64)),
        of_row=np.asarray(groups.ngroup(), dtype=np.intp),
    )


def new_bag(seed: int, *, judged: Judged = Judged.NOT, recipe: Recipe = RECIPE, jobs: int = 1) -> BagOfBoosted:
    """Make the bag that a response model is fitted with.

    Args:
        seed: its only source of randomness.
        judged: what the fit shall tell of its error.
        recipe: how it is fitted.
        jobs: members fitted at once; the result does not depend on it.
    """
    out_of_bag = judged is Judged.OUT_OF_BAG
    return BagOfBoosted(
        sampling="subset" if out_of_bag else "all",
        max_samples=0.9 if out_of_bag else 1.0,
        growth="cross_fit" if judged is Judged.CROSS_FIT else "out_of_bag",
        folds=recipe.folds,
        max_members=recipe.members if judged is Judged.NOT else recipe.most_members,
        min_members=recipe.members if judged is Judged.NOT else min(recipe.least_members, recipe.most_members),
        seed=seed,
        n_jobs=jobs,
        **asdict(recipe.trees),
    )


def fit_bag(
    matrix: Matrix,
    values: FloatArray,
    response: Response,
    *,
    places: npt.ArrayLike,
    groups: npt.ArrayLike,
    seed: int,
    judged: Judged = Judged.NOT,
    recipe: Recipe = RECIPE,
    jobs: int = 1,
) -> FittedBag:
    """Fit B-o-B to a response.

    Args:
        matrix: features of the rows, shape (rows, features).
        values: their positive responses, shape (rows,), in the response's unit.
        response: which response it is.
        places: names the case of each row, shape (rows,): equal for repetitions.
        groups: names what is held out as a whole, shape (rows,): a layer's configuration, for errors on unseen layers.
        seed: of the bag.
        judged: what the fit shall tell of its error.
        recipe: how it is fitted.
        jobs: members fitted at once; the result does not depend on it.
    """
    cases = cases_of(places, values)
    described = matrix[cases.first_row]
    response = response.fitted_to(described, cases.response, cases.weight)
    bag = new_bag(seed, judged=judged, recipe=recipe, jobs=jobs).fit(
        described,
        response.encode(cases.response, described),
        sample_weight=cases.weight,
        groups=np.asarray(groups)[cases.first_row],
    )
    match judged:
        case Judged.NOT:
            unseen = None
        case Judged.CROSS_FIT:
            unseen = response.decode(bag.cross_prediction_[cases.of_row], matrix)
        case Judged.OUT_OF_BAG:
            unseen = response.decode(bag.oob_prediction_[cases.of_row], matrix)
    return FittedBag(bag=bag, response=response, unseen=unseen)
