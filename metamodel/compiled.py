"""A whole bag of boosters as one structure, for a search that asks for a few layers at a time.

Notation::

    m   members of the bag
    t   trees of all members
    D   depth of the deepest tree
    f   features
    s   segments, 2 f: a feature with "NaN goes left", and the same feature with "NaN goes right"
    r   rows, at most 64 at a time

Every tree is padded to a complete tree of depth D, so that the nodes of one level are one array and the child of node p is
node 2 p, or 2 p + 1 to the right. A split is one integer, its *key*: the segment in the upper half, and in the lower
half the threshold's float32 bits, put so that they sort as the numbers do. A row has one key per segment, NaN being the least
or the greatest of its segment; then "goes right" is "the row's key >= the split's key", exactly as XGBoost compares float32.

A few rows walk down one by one, all trees side by side: D gathers over t nodes. More rows walk together, one bit each:
the rows' bits are worked out once per different split (a sorted list of keys: rows with their keys to the right of a
split go right there, a running XOR), gathered for every node, and the splits of one level are narrowed down by the bits of the
levels above to one bit per tree and row. So 64 rows cost little more than ten.

Leaves are added up in float64 over all trees of all members, in one order whatever the rows: a row's prediction does not
depend on its neighbours. XGBoost adds up float32 per member; the difference is its rounding. (Merging the members into one
booster instead rounds the sum of the whole bag, ten times as long, to float32.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from xgboost import Booster

from metamodel.errors import CompileError
from metamodel.interface import FloatArray
from metamodel.trees import IntArray, Trees, read_trees

MAX_DEPTH = 8
"""A tree of this depth is padded to 256 leaves, whose number fits a byte."""
_FEW_ROWS = 6
"""As many rows walk down one by one in the time that up to eight take together."""
_WORD_TYPES = (np.uint8, np.uint16, np.uint32, np.uint64)
_CHUNK = 64
"""Rows of the widest word."""

_Words = npt.NDArray[np.unsignedinteger]
"""One bit per row in each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledBag:
    """The trees of a bag, padded and joined: predicts what the mean of the members predicts."""

    members: int
    features: int
    base_score: float
    levels: tuple[IntArray, ...]
    """Keys of each level's nodes, tree after tree, shapes (t,), (2 t,), …, (2^(D-1) t,)."""
    leaves: npt.NDArray[np.float32]
    """Values of the leaves, tree after tree, shape (2^D t,); half the cache that float64 would take."""
    splits: IntArray
    """All different keys, sorted, shape (u,)."""
    segment_starts: IntArray
    """Where each segment starts in ``splits``, shape (s,)."""
    split_of_node: npt.NDArray[np.int32]
    """Where each node's key is in ``splits``: level by level, node by node, all trees side by side, shape (2^D - 1, t)."""

    @property
    def trees(self) -> int:
        """How many trees there are."""
        return len(self.levels[0])

    def predict(self, matrix: npt.NDArray[np.float32]) -> FloatArray:
        """Predict by the mean of the members, shape (rows,).

        Raises:
            ValueError: the matrix has another number of features than the bag was fitted to.
        """
        if matrix.ndim != 2 or matrix.shape[1] != self.features:
            raise ValueError(f"The bag was fitted to {self.features} features; the matrix has shape {matrix.shape}.")
        total = np.empty(len(matrix))
        for start in range(0, len(matrix), _CHUNK):
            chunk = slice(start, start + _CHUNK)
            keys = _row_keys(matrix[chunk])
            if len(keys) <= _FEW_ROWS:
                total[chunk] = [self._sum_alone(row) for row in keys]
            else:
                total[chunk] = self._sums_together(keys)
        return total / self.members + self.base_score

    def _sum_alone(self, keys: IntArray) -> np.float64:
        """Add up the leaves that one row reaches; keys has shape (s + 1,)."""
        node = np.arange(self.trees)
        for level in self.levels:
            key = level.take(node)
            goes_right = keys.take(key >> 32) >= key
            node += node
            node += goes_right
        total: np.float64 = self.leaves.take(node).astype(np.float64).sum()
        return total

    def _sums_together(self, keys: IntArray) -> FloatArray:
        """Add up the leaves that each row reaches, shape (r,); keys has shape (r, s + 1)."""
        words = self._words(keys)
        paths = np.zeros((self.trees, 8 * words.itemsize), dtype=np.uint8)  # turns so far, the first one foremost
        for turn in self._turns(words):
            paths += paths
            paths |= np.unpackbits(
                turn.astype(turn.dtype.newbyteorder("<"), copy=False).view(np.uint8), bitorder="little"
            ).reshape(paths.shape)
        leaf = np.add(paths[:, : len(keys)].T, np.arange(self.trees) << len(self.levels), order="C")  # (r, t)
        sums: FloatArray = self.leaves.take(leaf).astype(np.float64).sum(axis=1)
        return sums

    def _words(self, keys: IntArray) -> _Words:
        """Work out per different split which rows go right there, shape (u + 1,); keys has shape (r, s + 1)."""
        rows, segments = len(keys), len(self.segment_starts)
        kind = next(kind for kind in _WORD_TYPES if rows <= np.iinfo(kind).bits)
        bits = np.left_shift(kind(1), np.arange(rows, dtype=kind))
        # A row's bit is on from its segment's start to its own place there: the splits that it is not less than.
        ends = np.searchsorted(self.splits, keys[:, :segments].T.ravel(), side="right")
        words = np.zeros(len(self.splits) + 1, dtype=kind)
        np.bitwise_xor.at(words, self.segment_starts, np.bitwise_or.reduce(bits))
        np.bitwise_xor.at(words, ends, np.tile(bits, segments))
        running: _Words = np.bitwise_xor.accumulate(words)
        return running

    def _turns(self, words: _Words) -> list[_Words]:
        """Tell level by level which rows turn right in each tree, each of shape (t,)."""
        nodes = words.take(self.split_of_node)  # (2^D - 1, t)
        turns: list[_Words] = []
        for level in range(len(self.levels)):
            reached = nodes[2**level - 1 : 2 ** (level + 1) - 1]
            for turn in turns:
                left, right = np.split(reached, 2)
                reached = left ^ ((left ^ right) & turn)
            turns.append(reached[0])
        return turns


def compile_bag(members: Sequence[Booster]) -> CompiledBag:
    """Compile a bag's members.

    Raises:
        CompileError: a tree is deeper than :data:`MAX_DEPTH`, or as :func:`metamodel.trees.read_trees`.
    """
    trees = read_trees(members)
    levels, leaves = _padded(trees)
    splits, split_of_node = np.unique(np.concatenate(levels), return_inverse=True)
    sizes = np.cumsum([len(level) for level in levels])[:-1]
    return CompiledBag(
        members=trees.members,
        features=trees.features,
        base_score=trees.base_score,
        levels=levels,
        leaves=leaves,
        splits=splits,
        segment_starts=np.searchsorted(splits, np.arange(2 * trees.features) << 32),
        split_of_node=np.vstack(
            [part.reshape(len(trees.roots), -1).T for part in np.split(split_of_node.astype(np.int32), sizes)]
        ),
    )


def _padded(trees: Trees) -> tuple[tuple[IntArray, ...], npt.NDArray[np.float32]]:
    """Pad the trees: the keys of each level's nodes and the values of the leaves.

    A leaf above the last level becomes a split where every row goes left, to the leaf itself; its other leaves are never
    reached.
    """
    is_leaf = trees.is_leaf
    segment = 2 * trees.feature + ~trees.default_left
    key = (np.where(is_leaf, 2 * trees.features, segment) << 32) | _sortable(trees.threshold)
    key[is_leaf] = 2 * trees.features << 32
    levels: list[IntArray] = []
    node = trees.roots
    while not (levels and is_leaf[node].all()):
        if len(levels) == MAX_DEPTH:
            raise CompileError(f"A tree is deeper than {MAX_DEPTH}.")
        levels.append(key[node])
        node = np.column_stack([trees.left[node], trees.right[node]]).ravel()
    return tuple(levels), trees.threshold[node]


def _row_keys(matrix: npt.NDArray[np.float32]) -> IntArray:
    """Give each row's key in each segment, and one that is less than the key of a padded leaf, shape (r, s + 1)."""
    rows, features = matrix.shape
    bits, missing = _sortable(matrix), np.isnan(matrix)
    keys = np.empty((rows, 2 * features + 1), dtype=np.int64)
    keys[:, 0:-1:2] = np.where(missing, 0, bits)
    keys[:, 1::2] = np.where(missing, 0xFFFFFFFF, bits)
    keys[:, -1] = -1
    keys[:, :-1] |= np.arange(2 * features) << 32
    return keys


def _sortable(numbers: npt.NDArray[np.float32]) -> IntArray:
    """Map float32 to 32 bits that sort as they do; both zeros are one."""
    bits = (np.asarray(numbers, dtype=np.float32) + np.float32(0)).view(np.uint32)
    return np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31)).astype(np.int64)
