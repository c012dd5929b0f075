"""The trees of a bag of XGBoost boosters as flat arrays, read from the boosters' own documented form.

Notation::

    m   members of the bag
    t   trees of all members, in the members' order
    n   nodes of all trees, tree after tree

The names and the meaning of the fields are those of XGBoost's ``doc/model.schema`` (releases 2.1 to 3.2): a node without a
left child is a leaf, and a leaf's value stands where a split has its threshold. A row goes left where its value, in
float32, is less than the threshold, and where it is NaN and ``default_left`` is set. Only boosters whose prediction is
their base score plus the sum of their leaves are read: no categorical splits, no link function, no dropout, one output.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from xgboost import Booster

from metamodel.errors import CompileError
from metamodel.ubjson import read_ubjson

IntArray = npt.NDArray[np.int64]

_IDENTITY_OBJECTIVES = frozenset({"reg:squarederror", "reg:absoluteerror", "reg:pseudohubererror"})
"""Objectives whose prediction is the sum of the leaves itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trees:
    """All trees of a bag; node numbers count through all of them."""

    members: int
    features: int
    base_score: float
    """The mean of the members' base scores."""
    roots: IntArray
    """Each tree's first node, shape (t,)."""
    left: IntArray
    """Left child of each node, shape (n,); a leaf's own number."""
    right: IntArray
    """Right child of each node, shape (n,); a leaf's own number."""
    feature: IntArray
    """The feature that is compared, shape (n,)."""
    threshold: npt.NDArray[np.float32]
    """What it is compared with, shape (n,); a leaf's value."""
    default_left: npt.NDArray[np.bool_]
    """Whether NaN goes left, shape (n,)."""

    @property
    def is_leaf(self) -> npt.NDArray[np.bool_]:
        """Whether a node is a leaf, shape (n,)."""
        leaf: npt.NDArray[np.bool_] = self.left == np.arange(len(self.left))
        return leaf


def read_trees(members: Sequence[Booster]) -> Trees:
    """Read the trees of a bag's members.

    Raises:
        CompileError: there are no members, they differ in their number of features, or one of them does more than add
            up leaves.
    """
    learners = [_learner(member) for member in members]
    widths = {int(learner["learner_model_param"]["num_feature"]) for learner in learners}
    if len(widths) != 1:
        raise CompileError(f"A bag needs members of one width, not of {sorted(widths) or 'no'} features.")
    trees = [tree for learner in learners for tree in learner["gradient_booster"]["model"]["trees"]]
    sizes = [len(tree["left_children"]) for tree in trees]
    ends = np.cumsum(sizes, dtype=np.int64)
    roots = ends - sizes
    left = _joined(trees, "left_children", np.int64)
    right = _joined(trees, "right_children", np.int64)
    is_leaf = left < 0
    own, offset = np.arange(len(left)), np.repeat(roots, sizes)
    return Trees(
        members=len(members),
        features=widths.pop(),
        base_score=float(np.mean([_base_score(learner) for learner in learners])),
        roots=roots,
        left=np.where(is_leaf, own, left + offset),
        right=np.where(is_leaf, own, right + offset),
        feature=_joined(trees, "split_indices", np.int64),
        threshold=_joined(trees, "split_conditions", np.float32),
        default_left=_joined(trees, "default_left", np.uint8).astype(np.bool_),
    )


def _learner(member: Booster) -> dict[str, Any]:
    """Read a booster and see that it only adds up leaves."""
    document = cast("dict[str, Any]", read_ubjson(bytes(member.save_raw("ubj"))))
    learner = document["learner"]
    kind, objective = learner["gradient_booster"]["name"], learner["objective"]["name"]
    if kind != "gbtree":
        raise CompileError(f"The booster is a {kind}; only gbtree adds up leaves.")
    if objective not in _IDENTITY_OBJECTIVES:
        raise CompileError(f"Objective {objective} is not one of {', '.join(sorted(_IDENTITY_OBJECTIVES))}.")
    parameters, model = learner["learner_model_param"], learner["gradient_booster"]["model"]
    if int(parameters["num_class"]) > 1 or int(parameters["num_target"]) > 1:
        raise CompileError("The booster has several outputs.")
    if not model["trees"]:
        raise CompileError("The booster has no trees.")
    if any(len(tree["categories"]) for tree in model["trees"]):
        raise CompileError("The booster splits by categories.")
    return cast("dict[str, Any]", learner)


def _base_score(learner: dict[str, Any]) -> float:
    """Give what the leaves are added to; XGBoost writes a number, from 3.1 on a list of one."""
    return float(np.float32(learner["learner_model_param"]["base_score"].strip("[]")))


def _joined(trees: Sequence[dict[str, Any]], name: str, kind: npt.DTypeLike) -> npt.NDArray[Any]:
    return np.concatenate([tree[name] for tree in trees], dtype=kind, casting="same_kind")
