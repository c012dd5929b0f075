"""More rows of operator families that a table has few of, made between those that it has (SMOTE, Chawla et al. 2002).

The paper super-samples with imbalanced-learn; its SMOTE-NC is for classes, and a response is a number. So the class is what
must not be rare, an operator family in a setting, and the response is one more number beside the features: a row that lies a
share of the way between two neighbours has the response that lies there, too. What layers have no half of (type, activation,
kernel, stride, alignment, where it runs) is one category, a *kind*: it is never interpolated and never mixed, and the
neighbours vote for it. Rows of which other attributes are known are of another class: nothing is interpolated with what is
missing. Numbers are interpolated on logarithms, where a product of sizes stays one.

This belongs into training folds alone. Rows made of a layer give it away, so a cross-fit over the rows made here would see
what it holds out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from imblearn.over_sampling import SMOTENC

from metamodel.features import NUMBERS, Matrix
from metamodel.interface import FloatArray

INTERPOLATED = (
    "in_channels",
    "channels",
    "groups",
    "height",
    "width",
    "out_height",
    "out_width",
    "input_volume",
    "output_volume",
    "weight_elements",
    "flops",
    "bytes",
    "intensity",
    "flops_per_output",
    "channels_per_group",
    "in_slices",
    "out_slices",
    "out_positions",
    "out_slice_positions",
    "winograd_tiles",
    "roofline_ms",
    "evicted_mb",
)
"""Features that have a middle; all others make the kind. None of them is ever negative."""
_COLUMNS = [NUMBERS.index(name) for name in INTERPOLATED]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cases:
    """What a regressor learns from: the cases that were given, then those that were made."""

    matrix: Matrix
    """Features, shape (cases, features)."""
    learned: FloatArray
    """What the regressor learns of each, shape (cases,)."""
    weight: FloatArray
    """Shape (cases,)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Oversampling:
    """How much is made of what is rare."""

    share: float = 0.1
    """A class with fewer cases than this share of the largest one's is raised to it."""
    neighbours: int = 5
    """A case is interpolated with one of so many nearest of its class; a class that has no more cases stays as it is."""
    seed: int = 0

    def extend(self, cases: Cases, classes: npt.ArrayLike) -> Cases:
        """Make cases of rare classes; each made one weighs as much as a case that was measured once.

        Args:
            cases: one per configuration and setting.
            classes: names what must not be rare, shape (cases,).
        """
        labels = _class_numbers(cases.matrix, np.asarray(classes))
        wanted = self._wanted(labels)
        if not wanted:
            return cases
        kinds, exemplars = _kinds(cases.matrix)
        numbers = _Scale.of(np.column_stack([np.log1p(cases.matrix[:, _COLUMNS], dtype=np.float64), cases.learned]))
        sampler = SMOTENC(
            [len(_COLUMNS) + 1], sampling_strategy=wanted, k_neighbors=self.neighbours, random_state=self.seed
        )
        told, _ = sampler.fit_resample(np.column_stack([numbers.scaled, kinds]), labels)
        made = told[len(labels) :]
        values = numbers.undo(made[:, :-1])
        matrix = cases.matrix[exemplars[made[:, -1].astype(np.intp)]]
        known = ~np.isnan(matrix[:, _COLUMNS])
        matrix[:, _COLUMNS] = np.where(known, np.maximum(np.expm1(values[:, :-1]), 0.0), np.nan)
        return Cases(
            matrix=np.concatenate([cases.matrix, matrix]),
            learned=np.concatenate([cases.learned, values[:, -1]]),
            weight=np.concatenate([cases.weight, np.ones(len(made))]),
        )

    def _wanted(self, labels: npt.NDArray[np.intp]) -> dict[int, int]:
        """Say how many cases each class that is raised shall have."""
        sizes = np.bincount(labels)
        goal = int(self.share * sizes.max())
        return {label: goal for label, size in enumerate(sizes.tolist()) if self.neighbours < size < goal}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Scale:
    """Columns brought to one scale, so that each counts in a distance; what is unknown is 0, and so tells nothing apart."""

    scaled: FloatArray
    middle: FloatArray
    spread: FloatArray

    @classmethod
    def of(cls, columns: FloatArray) -> _Scale:
        known = np.isfinite(columns)
        count = np.maximum(known.sum(axis=0), 1)
        middle = np.where(known, columns, 0.0).sum(axis=0) / count
        off = np.where(known, columns - middle, 0.0)
        spread = np.sqrt((off**2).sum(axis=0) / count)
        spread[spread == 0] = 1.0
        return cls(scaled=off / spread, middle=middle, spread=spread)

    def undo(self, scaled: FloatArray) -> FloatArray:
        return scaled * self.spread + self.middle


def _class_numbers(matrix: Matrix, classes: npt.NDArray[np.str_]) -> npt.NDArray[np.intp]:
    """Number the classes, shape (cases,): those that are named, by which attributes are known."""
    _, named = np.unique(classes, return_inverse=True)
    _, labels = np.unique(np.column_stack([named, np.isnan(matrix)]), axis=0, return_inverse=True)
    return np.asarray(labels, dtype=np.intp).ravel()


def _kinds(matrix: Matrix) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Number what is kept whole.

    Returns:
        The kind of each case, shape (cases,); a case of each kind, shape (kinds,).
    """
    whole = np.delete(matrix, _COLUMNS, axis=1)
    _, exemplars, kinds = np.unique(
        np.column_stack([np.nan_to_num(whole), np.isnan(matrix)]), axis=0, return_index=True, return_inverse=True
    )
    return np.asarray(kinds, dtype=np.intp).ravel(), exemplars
