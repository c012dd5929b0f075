"""A table of whole networks that repeat one cell, as graphs for a graph network and as features for trees.

A cell has V points; each pair of points is joined by one operation, so there are N = V(V−1)/2 of them, and a network is the
operations ``op1..opN`` in the order 1←0 | 2←0, 2←1 | 3←0, 3←1, 3←2 | … (point 0 is the cell's input, point V−1 its
output). Operation 0 is no connection, 1 hands its input on, and every larger number computes something; what it computes is
not known here. The table is an ``.npz`` of one-dimensional columns, a row a network; beside the operations it may hold any
signals and costs. How many networks, operations and costs there are is read from the file.

The graph is that of BRP-NAS's predictor (Dudziak et al., "BRP-NAS: Prediction-based NAS using GCNs", NeurIPS 2020;
SamsungLabs/eagle at b9833fe, ``eagle/models/nasbench201/utils.py``): an operation is a node, and so are input, output and a
global node that takes the state of all. There, identities are passed over, and operations that the input does not reach, or
that do not reach the output, are cut away. That is right where the runtime does the same, and throws away what is being
paid for where it does not; so here every operation stays a node unless ``pruned`` is asked for, and no connection is a kind
like the others, whose links alone are cut. The trees are told both.

Notation::

    n     networks                      N     operations of a cell
    K     largest operation + 1         G     nodes of a graph: global, input, N operations, output = N + 3
    A     adjacency, (n, G, G): A[i, j] = 1 where node i takes the state of node j
"""

from __future__ import annotations

import itertools
import math
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from metamodel.errors import TableError
from metamodel.interface import FloatArray

NO_CONNECTION = 0
IDENTITY = 1
MOST_KINDS = 256
"""Operations are small integers; a larger one is another column under an operation's name."""

GLOBAL, INPUT = 0, 1  # the first nodes of a graph; the operations follow, and the output is the last

IntArray = npt.NDArray[np.intp]
BoolArray = npt.NDArray[np.bool_]
SingleArray = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Networks and one of their costs, a row each."""

    operations: IntArray
    """Shape (n, N)."""
    cost_name: str
    costs: FloatArray
    """Shape (n,); finite and positive."""

    def __len__(self) -> int:
        return len(self.costs)


@dataclass(frozen=True, slots=True, kw_only=True)
class CellGraphs:
    """Graphs of equal size, whose first node takes the state of every node."""

    adjacency: SingleArray
    """Shape (n, G, G); 1 where node i takes the state of node j: its own, and its successors'."""
    kinds: SingleArray
    """One-hot kind of a node, shape (n, G, K + 3): K operations, input, output, global; one that was cut away has none."""

    def __len__(self) -> int:
        return len(self.adjacency)

    def rows(self, chosen: IntArray) -> CellGraphs:
        """Give some of the graphs, in the order of their row numbers."""
        return CellGraphs(adjacency=self.adjacency[chosen], kinds=self.kinds[chosen])


def read_cells(path: Path, cost: str, *, floor: float = 0.0) -> Cells:
    """Read the operations and one cost of a table.

    Args:
        path: of the ``.npz``.
        cost: the column.
        floor: costs below it are taken for it: a clock that rounds to zero says "less than this".

    Raises:
        TableError: the file is no such table, has no such column, or a cost is not finite and positive.
    """
    try:
        with path.open("rb") as file:  # numpy leaves a damaged file open
            table = np.load(file, allow_pickle=False)
            if not isinstance(table, np.lib.npyio.NpzFile):
                raise TableError(f"{path} holds one array, not a table of columns; save it with numpy.savez.")
            operations = _operations(table, path)
            costs = _costs(table, path, cost, floor, rows=len(operations))
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise TableError(f"Cannot read {path} as an .npz table of networks: {error}") from error
    return Cells(operations=operations, cost_name=cost, costs=costs)


def _operations(table: np.lib.npyio.NpzFile, path: Path) -> IntArray:
    numbers = sorted(int(name[2:]) for name in table.files if name.startswith("op") and name[2:].isdecimal())
    if not numbers or numbers != list(range(1, len(numbers) + 1)):
        raise TableError(f"{path} has the operations {numbers}; expected columns op1, op2, … without a gap.")
    points_of(len(numbers))
    columns = [table[f"op{number}"] for number in numbers]
    for number, column in zip(numbers, columns, strict=True):
        if column.ndim != 1 or column.dtype.kind not in "iu" or len(column) != len(columns[0]):
            raise TableError(
                f"{path}: op{number} is {column.dtype} of shape {column.shape}; expected integers of shape "
                f"({columns[0].size},), one a network."
            )
        if column.size and not 0 <= column.min() <= column.max() < MOST_KINDS:
            raise TableError(
                f"{path}: op{number} goes from {column.min()} to {column.max()}; operations are 0 to {MOST_KINDS - 1}."
            )
    return np.stack(columns, axis=1).astype(np.intp)


def _costs(table: np.lib.npyio.NpzFile, path: Path, cost: str, floor: float, *, rows: int) -> FloatArray:
    if cost not in table.files:
        others = ", ".join(name for name in table.files if not (name.startswith("op") and name[2:].isdecimal()))
        raise TableError(f"{path} has no column {cost!r}; it has {others or 'operations alone'}.")
    column = table[cost]
    if column.dtype.kind not in "iuf" or column.shape != (rows,):
        raise TableError(
            f"{path}: {cost} is {column.dtype} of shape {column.shape}; expected numbers of shape ({rows},)."
        )
    costs: FloatArray = np.maximum(column.astype(np.float64), floor)  # NaN stays NaN
    bad = np.flatnonzero(~(np.isfinite(costs) & (costs > 0)))
    if bad.size:
        raise TableError(
            f"{path}: {cost} is not finite and positive in {bad.size} of {rows} rows, first {costs[bad[0]]} in row "
            f"{bad[0]}; drop such networks, or give the least cost that the clock can tell as a floor."
        )
    return costs


def points_of(operations: int) -> int:
    """Count the points V of a cell of N = V(V−1)/2 operations.

    Raises:
        TableError: no V gives that N.
    """
    points = (1 + math.isqrt(1 + 8 * operations)) // 2
    if operations < 1 or points * (points - 1) // 2 != operations:
        raise TableError(
            f"{operations} operations join no whole number of points pair by pair; expected 1, 3, 6, 10, 15, …"
        )
    return points


def kinds_of(operations: IntArray) -> int:
    """Count the kinds of operation, K: the largest that occurs, and those below it."""
    return int(operations.max(initial=IDENTITY)) + 1


def cell_graphs(operations: IntArray, *, kinds: int, pruned: bool = False) -> CellGraphs:
    """Turn cells into graphs.

    Args:
        operations: shape (n, N).
        kinds: K, that of the table that a predictor learns from.
        pruned: keep what runs alone, as BRP-NAS does, in place of every operation.

    Raises:
        ValueError: an operation outside 0 to K − 1.
    """
    _check_kinds(operations, kinds)
    places = operations.shape[1]
    links = _flow(operations) if pruned else _links(operations)
    nodes = links.shape[1] + 1
    adjacency = np.zeros((len(operations), nodes, nodes), dtype=np.float32)
    adjacency[:, 1:, 1:] = links
    adjacency[:, GLOBAL, :] = 1
    adjacency[:, np.arange(nodes), np.arange(nodes)] = 1
    one_hot = np.zeros((len(operations), nodes, kinds + 3), dtype=np.float32)
    row, place = np.nonzero(links[:, 1:-1].any(axis=2) if pruned else np.ones(operations.shape, dtype=np.bool_))
    one_hot[row, place + INPUT + 1, operations[row, place]] = 1
    for kind, node in enumerate((INPUT, INPUT + 1 + places, GLOBAL), start=kinds):
        one_hot[:, node, kind] = 1
    return CellGraphs(adjacency=adjacency, kinds=one_hot)


def cell_features(operations: IntArray, *, kinds: int) -> SingleArray:
    """Describe cells to trees, shape (n, 3·(N·K + K)).

    Three times the one-hot kind per place, shape (N·K,), and how often each kind occurs, shape (K,): of the operations as
    written, of those that reach the output, and of those that also the input reaches. Others count as no connection.

    Raises:
        ValueError: an operation outside 0 to K − 1.
    """
    _check_kinds(operations, kinds)
    links = _links(operations)
    reaching = _reaching(links)[:, 1:-1]
    flowing = reaching & _reached(links)[:, 1:-1]
    parts = []
    for kept in (np.ones_like(reaching), reaching, flowing):
        one_hot = np.eye(kinds, dtype=np.float32)[np.where(kept, operations, NO_CONNECTION)]  # (n, N, K)
        parts += [one_hot.reshape(len(operations), operations.shape[1] * kinds), one_hot.sum(axis=1)]
    return np.concatenate(parts, axis=1)


def cell_classes(operations: IntArray) -> IntArray:
    """Number networks so that those which differ in the order of their cell's inner points alone share a number, shape (n,).

    Such twins do the same work and were measured apart, so that one is a duplicate measurement of the other.
    Takes (V − 2)! renumberings of each network, which is few for the cells that are in use.
    """
    points = points_of(operations.shape[1])
    target, source = np.tril_indices(points, -1)  # in the layout's order
    best = [row.tobytes() for row in operations.astype(np.uint8)]
    for inner in itertools.permutations(range(1, points - 1)):
        number = np.array([0, *inner, points - 1])
        new_target, new_source = number[target], number[source]
        forward = new_target > new_source
        place = np.where(forward, new_target * (new_target - 1) // 2 + new_source, 0)
        renamed = np.zeros(operations.shape, dtype=np.uint8)
        renamed[:, place[forward]] = operations[:, forward]
        allowed = (operations[:, ~forward] == NO_CONNECTION).all(axis=1)
        names = [row.tobytes() for row in renamed]
        best = [min(name, other) if may else name for name, other, may in zip(best, names, allowed, strict=True)]
    return np.unique(np.array(best, dtype=object), return_inverse=True)[1]


def _check_kinds(operations: IntArray, kinds: int) -> None:
    if operations.size and not 0 <= operations.min() <= operations.max() < kinds:
        raise ValueError(
            f"Operations go from {operations.min()} to {operations.max()}, but only 0 to {kinds - 1} are known."
        )


def _links(operations: IntArray) -> BoolArray:
    """Say which node hands on to which among input, operations and output, shape (n, N + 2, N + 2).

    Nodes stand in topological order: an operation's number is larger than those of all that lead to it.
    """
    points = points_of(operations.shape[1])
    starts = np.append(np.concatenate([np.arange(point) for point in range(1, points)]), points - 1)
    ends = np.insert(np.repeat(np.arange(1, points), np.arange(1, points)), 0, 0)
    every = np.zeros((len(starts) + 1, len(starts) + 1), dtype=np.bool_)
    every[:-1, 1:] = ends[:, None] == starts[None, :]  # what ends at a point hands on to what starts there
    connects = np.pad(operations != NO_CONNECTION, ((0, 0), (1, 1)), constant_values=True)
    links: BoolArray = every & connects[:, :, None] & connects[:, None, :]
    return links


def _flow(operations: IntArray) -> BoolArray:
    """Say which computing operation hands on to which, past identities, on the way from input to output; as ``_links``."""
    links = _links(operations)
    for place in range(operations.shape[1]):
        node, skips = place + 1, operations[:, place] == IDENTITY
        past = links[skips, :, node, None] & links[skips, None, node, :]
        links[skips] |= past
        links[skips, :, node] = links[skips, node, :] = False
    on_a_way = _reached(links) & _reaching(links)
    links &= on_a_way[:, :, None] & on_a_way[:, None, :]
    return links


def _reached(links: BoolArray) -> BoolArray:
    """Say which nodes the input reaches, shape (n, N + 2)."""
    reached = np.zeros(links.shape[:2], dtype=np.bool_)
    reached[:, 0] = True
    for node in range(1, links.shape[1]):
        reached[:, node] = (reached & links[:, :, node]).any(axis=1)
    return reached


def _reaching(links: BoolArray) -> BoolArray:
    """Say which nodes reach the output, shape (n, N + 2)."""
    return _reached(links[:, ::-1, ::-1].swapaxes(1, 2))[:, ::-1]
