"""A whole bag of boosters as one structure, for a search that asks for a few layers at a time.

Notation::

    m   members of the bag
    t   trees of all members
    D   depth of the deepest tree
    f   features
    u   different splits of the bag
    s   segments, 2 f: the features with "NaN goes left", then the same features with "NaN goes right"
    r   rows, at most 64 at a time

Every tree is padded to a complete tree of depth D. The 2^l nodes of its level l stand in the order of the turns that lead
there, the first turn being the lowest bit, and all trees side by side: a turn to the right out of level l moves on by 2^l t
places, one to the left by none. A node holds the number of its *split*, a feature, a threshold and where NaN goes; the
bag's different splits are far fewer than its nodes, for XGBoost bins the features.

One row is compared with every different split first, in float32, exactly as XGBoost compares; then it walks down all trees
side by side, two gathers over t nodes a level, through a copy of the nodes that stands tree by tree. More rows walk together, one bit each: a split has one integer, its *key*,
the segment in the upper half, and in the lower half the threshold's float32 bits, put so that they sort as the
numbers do. A row has one key per segment, NaN being the least or the greatest of its segment; it goes right where its key
is not less than the split's. So the splits where a row goes right are a range of each segment's, found by bisection; a
running XOR over the sorted splits gives every split's bits, they are gathered for every node, and those of one level
are narrowed down by the bits of the levels above to one bit per tree and row. So 64 rows cost little more than ten.

Leaves are added up in float64 over all trees of all members, in one order whatever the rows: a row's prediction does not
depend on its neighbours. XGBoost adds up float32 per member; the difference is its rounding. (Merging the members into one
booster instead rounds the sum of the whole bag, ten times as long, to float32.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from xgboost import Booster

from metamodel.errors import CompileError
from metamodel.interface import FloatArray
from metamodel.trees import IntArray, Trees, read_trees

Scalar = TypeVar("Scalar", bound=np.generic)

MAX_DEPTH = 8
"""A tree of this depth is padded to 256 leaves, whose number fits a byte."""
_FEW_ROWS = 6
"""As many rows walk down one by one in the time that up to eight take together."""
_WORD_TYPES = (np.uint8, np.uint16, np.uint32, np.uint64)
_CHUNK = 64
"""Rows of the widest word."""

_PADDED = -1
"""Key of a leaf above the last level: in no segment, so that every row goes left."""
_LOWER = 0xFFFFFFFF
"""The half of a key that holds the threshold."""

_Words = npt.NDArray[np.unsignedinteger]
"""One bit per row in each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledBag:
    """The trees of a bag, padded and joined: predicts what the mean of the members predicts."""

    members: int
    features: int
    base_score: float
    levels: tuple[npt.NDArray[np.intp], ...]
    """Which split each node of a level is, a node's trees side by side, shapes (t,), (2 t,), …, (2^(D-1) t,)."""
    leaves: npt.NDArray[np.float32]
    """Values of the leaves, likewise, shape (2^D t,); half the cache that float64 would take."""
    levels_by_tree: tuple[npt.NDArray[np.intp], ...]
    """The same tree after tree, each tree's nodes from left to right: there, node p's children are 2 p and 2 p + 1."""
    leaves_by_tree: npt.NDArray[np.float32]
    """Shape (t 2^D,)."""
    first_children: npt.NDArray[np.intp]
    """Where each tree's second level begins, shape (t,)."""
    splits: IntArray
    """Keys of all different splits, sorted, shape (u,); that of a padded leaf, :data:`_PADDED`, is the least."""
    segment_starts: IntArray
    """Where each segment starts in ``splits``, shape (s,)."""
    segment_sizes: IntArray
    """Splits of each segment, shape (s,); the first one's with the padded leaf that stands before it."""
    threshold: npt.NDArray[np.float32]
    """What it is compared with, shape (u,); NaN for a padded leaf, which is never passed to the right."""

    @property
    def trees(self) -> int:
        """How many trees there are."""
        return self.levels[0].size

    def predict(self, matrix: npt.NDArray[np.float32]) -> FloatArray:
        """Predict by the mean of the members, shape (rows,).

        Raises:
            ValueError: the matrix has another number of features than the bag was fitted to.
        """
        if matrix.ndim != 2 or matrix.shape[1] != self.features:
            raise ValueError(f"The bag was fitted to {self.features} features; the matrix has shape {matrix.shape}.")
        if len(matrix) == 1:
            return np.array([self._sum_alone(matrix[0]) / self.members + self.base_score])
        total = np.empty(len(matrix))
        for start in range(0, len(matrix), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            rows = matrix[chunk]
            if len(rows) <= _FEW_ROWS:
                total[chunk] = [self._sum_alone(row) for row in rows]
            else:
                total[chunk] = self._sums_together(rows)
        return total / self.members + self.base_score

    def _sum_alone(self, row: npt.NDArray[np.float32]) -> np.float64:
        """Add up the leaves that one row reaches; row has shape (f,)."""
        upper = np.where(np.isnan(row), np.float32(np.inf), row)
        right = np.repeat(np.concatenate([row, upper]), self.segment_sizes) >= self.threshold  # NaN never is, ∞ always
        turn = right.astype(np.intp)
        node = turn.take(self.levels_by_tree[0])
        node += self.first_children
        for level in self.levels_by_tree[1:]:
            turned = turn.take(level.take(node))
            node += node
            node += turned
        total: np.float64 = self.leaves_by_tree.take(node).astype(np.float64).sum()
        return total

    def _sums_together(self, rows: npt.NDArray[np.float32]) -> FloatArray:
        """Add up the leaves that each row reaches, shape (r,); rows has shape (r, f)."""
        words = self._words(_row_keys(rows))
        paths = np.zeros((self.trees, 8 * words.itemsize), dtype=np.uint8)
        for turn in reversed(self._turns(words)):
            paths += paths
            paths |= np.unpackbits(
                turn.astype(turn.dtype.newbyteorder("<"), copy=False).view(np.uint8), bitorder="little"
            ).reshape(paths.shape)
        leaf = np.multiply(paths[:, : len(rows)].T, np.intp(self.trees), order="C")  # (r, t)
        leaf += np.arange(self.trees)
        sums: FloatArray = self.leaves.take(leaf).astype(np.float64).sum(axis=1)
        return sums

    def _words(self, keys: IntArray) -> _Words:
        """Work out per different split which rows go right there, shape (u + 1,); keys has shape (r, s)."""
        rows, segments = len(keys), len(self.segment_starts)
        kind = next(kind for kind in _WORD_TYPES if rows <= np.iinfo(kind).bits)
        bits = np.left_shift(kind(1), np.arange(rows, dtype=kind))
        # A row's bit is on from its segment's start to its own place there: the splits that it is not less than.
        ends = np.searchsorted(self.splits, keys.T.ravel(), side="right")
        words = np.zeros(len(self.splits) + 1, dtype=kind)
        np.bitwise_xor.at(words, self.segment_starts, np.bitwise_or.reduce(bits))
        np.bitwise_xor.at(words, ends, np.tile(bits, segments))
        running: _Words = np.bitwise_xor.accumulate(words)
        return running

    def _turns(self, words: _Words) -> list[_Words]:
        """Tell level by level which rows turn right in each tree, each of shape (t,)."""
        turns: list[_Words] = []
        for level in self.levels:
            reached = words.take(level.reshape(-1, self.trees))
            for turn in turns:
                left, right = reached[0::2], reached[1::2]
                reached = left ^ ((left ^ right) & turn)
            turns.append(reached[0])
        return turns


def compile_bag(members: Sequence[Booster]) -> CompiledBag:
    """Compile a bag's members.

    Raises:
        CompileError: a tree is deeper than :data:`MAX_DEPTH`, or as :func:`metamodel.trees.read_trees`.
    """
    trees = read_trees(members)
    keys, leaves = _padded(trees)
    splits, numbers = np.unique(np.concatenate(keys), return_inverse=True)  # (u,), (2^D - 1, t)
    first = [(2**level - 1) * len(trees.roots) for level in range(1, len(keys))]
    starts = np.searchsorted(splits, np.arange(2 * trees.features) << 32)
    levels = tuple(np.split(numbers.ravel().astype(np.intp, copy=False), first))
    return CompiledBag(
        members=trees.members,
        features=trees.features,
        base_score=trees.base_score,
        levels=levels,
        leaves=leaves.ravel(),
        levels_by_tree=tuple(_by_tree(level, depth) for depth, level in enumerate(levels)),
        leaves_by_tree=_by_tree(leaves.ravel(), len(levels)),
        first_children=2 * np.arange(len(trees.roots)),
        splits=splits,
        segment_starts=starts,
        segment_sizes=np.diff(starts[1:], prepend=0, append=len(splits)),
        threshold=np.where(splits == _PADDED, np.float32(np.nan), _number(splits & _LOWER)),
    )


def _padded(trees: Trees) -> tuple[list[IntArray], npt.NDArray[np.float32]]:
    """Pad the trees: the keys of each level's nodes, shapes (2^l, t), and the values of the leaves, shape (2^D, t).

    A leaf above the last level becomes a split where every row goes left, to the leaf itself; its other leaves are never
    reached.
    """
    is_leaf = trees.is_leaf
    segment = trees.feature + trees.features * ~trees.default_left
    key = np.where(is_leaf, _PADDED, (segment << 32) | _sortable(trees.threshold))
    levels: list[IntArray] = []
    node = trees.roots[None]
    while not (levels and is_leaf[node].all()):
        if len(levels) == MAX_DEPTH:
            raise CompileError(f"A tree is deeper than {MAX_DEPTH}.")
        levels.append(key[node])
        node = np.concatenate([trees.left[node], trees.right[node]])
    return levels, trees.threshold[node]


def _by_tree(level: npt.NDArray[Scalar], depth: int) -> npt.NDArray[Scalar]:
    """Turn a level round, whose places are the turns that lead there and then the tree: (last … first turn, t) to the reverse."""
    return level.reshape(*[2] * depth, -1).T.ravel()


def _row_keys(rows: npt.NDArray[np.float32]) -> IntArray:
    """Give each row's key in each segment, shape (r, s)."""
    bits, missing = _sortable(rows), np.isnan(rows)
    keys = np.hstack([np.where(missing, 0, bits), np.where(missing, _LOWER, bits)])
    keys |= np.arange(keys.shape[1]) << 32
    return keys


def _sortable(numbers: npt.NDArray[np.float32]) -> IntArray:
    """Map float32 to 32 bits that sort as they do; both zeros are one."""
    bits = (np.asarray(numbers, dtype=np.float32) + np.float32(0)).view(np.uint32)
    return np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31)).astype(np.int64)


def _number(bits: IntArray) -> npt.NDArray[np.float32]:
    """Map what :func:`_sortable` gives back to float32."""
    unsigned = bits.astype(np.uint32)
    return np.where(unsigned >> 31, unsigned ^ np.uint32(1 << 31), ~unsigned).view(np.float32)
