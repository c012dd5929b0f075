"""What the regressors ask of row weights."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from metamodel.interface import FloatArray


def checked_weights(sample_weight: npt.ArrayLike | None, n_rows: int) -> FloatArray:
    """Give row weights as an array of shape (n,); None is all ones.

    Raises:
        ValueError: another shape, a weight that is negative or not finite, or none above zero.
    """
    if sample_weight is None:
        return np.ones(n_rows)
    weight = np.asarray(sample_weight, dtype=np.float64)
    if weight.shape != (n_rows,):
        raise ValueError(f"sample_weight has shape {weight.shape}, but X has {n_rows} rows.")
    if not np.isfinite(weight).all() or (weight < 0).any():
        raise ValueError("sample_weight must be finite and at least zero; leave a row out, or give it the weight 0.")
    if not (weight > 0).any():
        raise ValueError("sample_weight is zero for every row: there is nothing to fit to.")
    return weight
