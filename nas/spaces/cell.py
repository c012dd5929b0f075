"""NAS-Bench-201's cell (Dong & Yang, ICLR 2020): six edges between four nodes, and what a network of such cells runs.

A network is one cell, written many times. What has to run for one edge depends on the others: a convolution adds another
edge's result while it writes its own, an activation belongs to a convolution if nobody else reads that, and a node can be
another one's copy. So steps are worked out for whole cells, and a step belongs to the first decision from which on it is
certain, however the rest is decided. Decisions that leave the same steps to the rest are one state.

Edges are decided from the output back. So it is known whether anybody reads a node before its own edges are decided: a
node that nobody reads has no edges, one that is read has at least one, and no step computes what is never used.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum, StrEnum, auto
from typing import NamedTuple

from nas.networks.operations import IMAGE, Activation, Kind


class EdgeOperation(StrEnum):
    """What an edge does to the node that it reads."""

    NONE = "none"
    SKIP = "skip"
    CONVOLUTION_1X1 = "conv1x1"
    """ReLU, convolution, batch normalisation."""
    CONVOLUTION_3X3 = "conv3x3"
    AVERAGE_POOL = "avgpool3x3"


KERNELS = {EdgeOperation.CONVOLUTION_1X1: 1, EdgeOperation.CONVOLUTION_3X3: 3}

OUTPUT = 3
"""The node that leaves the cell; 0 is what enters it."""

EDGES = ((3, 2), (3, 1), (3, 0), (2, 1), (2, 0), (1, 0))
"""The node that an edge writes, and the one that it reads, in the order in which they are decided."""

PUBLISHED_EDGES = ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2))
"""The same in the order in which the benchmark writes a cell down; its operations are numbered as :class:`EdgeOperation` is."""

X = "x"
"""Name of what enters a cell, and of what leaves it."""


class Part(Enum):
    """Where in a network a step stands; cells differ by who reads their output."""

    STEM = auto()
    INNER_CELL = auto()
    """Followed by another cell."""
    STAGE_END = auto()
    """The last cell in front of a reduction."""
    NETWORK_END = auto()
    """The last cell."""
    REDUCTION = auto()
    """The end of a residual block: its last convolution adds the shortcut."""
    HEAD = auto()


class Step(NamedTuple):
    """One operation in every place of a part."""

    part: Part
    rank: int
    """Steps of a part run by rising rank."""
    kind: Kind
    reads: tuple[str, ...]
    writes: str
    weights: str = ""
    kernel: int = 1
    activation: Activation | None = None


class Branch(NamedTuple):
    """What a choice brings: steps that are certain from now on, and the state that it leads to."""

    steps: tuple[Step, ...]
    state: int


Decisions = tuple[tuple[Mapping[EdgeOperation, Branch], ...], ...]
"""All cells as a graph of decisions: per slot and state the choices that fit. State 0 of slot 0 is where they start."""


class _Need(Enum):
    """How a tensor is read."""

    AS_IT_IS = auto()
    ACTIVATED = auto()


class _Term(NamedTuple):
    """One summand of a node."""

    operation: EdgeOperation
    source: int
    edge: str


Sums = Mapping[int, Sequence[_Term]]
"""What each node that is read adds up."""


@functools.cache
def decisions() -> Decisions:
    """Work all cells out: about a second, once."""
    known: list[dict[object, int]] = [{} for _ in EDGES]
    branches: list[list[Mapping[EdgeOperation, Branch]]] = [[] for _ in EDGES]

    def explore(chosen: tuple[EdgeOperation, ...]) -> tuple[frozenset[Step], int]:
        """Give the steps that all cells have that begin so, and the state behind these choices."""
        slot = len(chosen)
        if slot == len(EDGES):
            return frozenset(cell_steps(chosen)), 0
        ways = {each: explore((*chosen, each)) for each in EdgeOperation if fits(chosen, each)}
        certain = frozenset.intersection(*(steps for steps, _ in ways.values())) if slot else frozenset[Step]()
        node = {each: Branch(_in_order(steps - certain), state) for each, (steps, state) in ways.items()}
        signature = tuple(node.items())
        if signature not in known[slot]:
            known[slot][signature] = len(branches[slot])
            branches[slot].append(node)
        return certain, known[slot][signature]

    explore(())
    return tuple(map(tuple, branches))


def fits(chosen: Sequence[EdgeOperation], operation: EdgeOperation) -> bool:
    """Tell whether the next edge can be this: a node has edges if, and only if, somebody reads it."""
    target, source = EDGES[len(chosen)]
    present = [edge for edge, each in zip(EDGES, chosen, strict=False) if each is not EdgeOperation.NONE]
    if target != OUTPUT and all(read != target for _, read in present):
        return operation is EdgeOperation.NONE
    return operation is not EdgeOperation.NONE or source != 0 or any(made == target for made, _ in present)


def cell_steps(chosen: Sequence[EdgeOperation]) -> Iterator[Step]:
    """List the steps of a network whose cells hold these operations, in the order of :data:`EDGES`."""
    sums: dict[int, list[_Term]] = {}
    for (target, source), operation in zip(EDGES, chosen, strict=True):
        if operation is not EdgeOperation.NONE:
            sums.setdefault(target, []).append(_Term(operation, source, f"{target}from{source}"))
    entry = _needs(sums, set())[0]
    is_convolution = _is_convolution(sums, _root(sums, OUTPUT))
    yield from _made(Part.STEM, 0, Kind.CONVOLUTION, (IMAGE,), X, entry, weights="stem", kernel=3)
    if _root(sums, OUTPUT) != 0:
        yield from _one_cell(sums, Part.INNER_CELL, entry)
        yield from _one_cell(sums, Part.STAGE_END, {_Need.AS_IT_IS})
        yield from _one_cell(sums, Part.NETWORK_END, {_Need.ACTIVATED if is_convolution else _Need.AS_IT_IS})
    residual = ("middle", "shortcut")
    yield from _made(Part.REDUCTION, 10, Kind.CONVOLUTION, residual, X, entry, weights="second", kernel=3)
    if not is_convolution:
        yield Step(Part.HEAD, 0, Kind.NORMALISATION, (X,), activated(X), "last", activation=Activation.RELU)


def activated(name: str) -> str:
    """Name what is behind a tensor's activation."""
    return f"{name}_activated"


def _needs(sums: Sums, at_exit: AbstractSet[_Need]) -> dict[int, set[_Need]]:
    """Tell how nodes are read: by convolutions activated, else as they are; through a copy, as the copy is read."""
    needs: dict[int, set[_Need]] = {node: set() for node in range(OUTPUT)} | {OUTPUT: set(at_exit)}
    for node in (3, 2, 1):
        for term in sums.get(node, []):
            own = _Need.ACTIVATED if term.operation in KERNELS else _Need.AS_IT_IS
            needs[term.source] |= needs[node] if _is_copy(sums, node) else {own}
    return needs


def _is_copy(sums: Sums, node: int) -> bool:
    return [term.operation for term in sums.get(node, [])] == [EdgeOperation.SKIP]


def _is_convolution(sums: Sums, node: int) -> bool:
    terms = sums.get(node, [])
    return len(terms) == 1 and terms[0].operation in KERNELS


def _root(sums: Sums, node: int) -> int:
    """Give the node that a node is a copy of in the end; itself where it is none."""
    while _is_copy(sums, node):
        node = sums[node][0].source
    return node


def _uses(sums: Sums, node: int) -> int:
    """Count who reads a node, itself or a copy of it."""
    if node == OUTPUT:
        return 1
    readers = [made for made, terms in sums.items() for term in terms if term.source == node]
    return sum(_uses(sums, made) if _is_copy(sums, made) else 1 for made in readers)


def _absorbed(sums: Sums) -> dict[int, _Term]:
    """Find nodes that are one convolution, read once, by an addition: the convolution adds, and the node is none.

    An addition of its own is left only where several summands are no convolutions.
    """
    found: dict[int, _Term] = {}
    for terms in sums.values():
        others = [term for term in terms if term.operation not in KERNELS]
        for term in others if len(others) > 1 else []:
            root = _root(sums, term.source)
            if term.operation is EdgeOperation.SKIP and _is_convolution(sums, root) and _uses(sums, root) == 1:
                found[term.source] = sums[root][0]
    return found


def _one_cell(sums: Sums, part: Part, at_exit: AbstractSet[_Need]) -> Iterator[Step]:
    """List a cell's steps, node by node."""
    needs, absorbed = _needs(sums, at_exit), _absorbed(sums)
    gone = {*absorbed, *(_root(sums, node) for node in absorbed)}
    for node, terms in sorted(sums.items()):
        if node in gone:
            continue
        if _is_copy(sums, node):
            read, made = _name(terms[0].source), _name(node)
            if _Need.AS_IT_IS in needs[node]:
                yield Step(part, node * 100, Kind.ALIAS, (read,), made)
            if _Need.ACTIVATED in needs[node]:
                yield Step(part, node * 100 + 1, Kind.ALIAS, (activated(read),), activated(made))
        else:
            merged = [absorbed.get(one.source, one) if one.operation is EdgeOperation.SKIP else one for one in terms]
            yield from _one_node(node, merged, part, needs[node])


def _one_node(node: int, terms: Sequence[_Term], part: Part, needs: AbstractSet[_Need]) -> Iterator[Step]:
    """Add up what is no convolution first; then every convolution adds what there is while it writes its own result."""
    so_far: tuple[str, ...] = ()
    for count, term in enumerate(sorted(terms, key=lambda one: (one.operation in KERNELS, one.edge)), start=1):
        is_last, rank = count == len(terms), node * 100 + count * 10
        made, made_needs = (_name(node), needs) if is_last else ("sum", {_Need.AS_IT_IS})
        source = _name(term.source)
        if term.operation in KERNELS:
            weights, kernel = f"{term.edge}_{term.operation}", KERNELS[term.operation]
            reads = (activated(source), *so_far)
            yield from _made(part, rank, Kind.CONVOLUTION, reads, made, made_needs, weights=weights, kernel=kernel)
            so_far = (made,)
            continue
        operand = source
        if term.operation is EdgeOperation.AVERAGE_POOL:
            operand = _name(node) if len(terms) == 1 else f"pooled_{term.edge}"
            pool_needs = needs if len(terms) == 1 else {_Need.AS_IT_IS}
            yield from _made(part, rank, Kind.AVERAGE_POOL, (source,), operand, pool_needs, kernel=3)
        if so_far:
            yield from _made(part, rank + 5, Kind.ADD, (*so_far, operand), made, made_needs)
        so_far = (made,) if so_far else (operand,)


def _made(
    part: Part,
    rank: int,
    kind: Kind,
    reads: tuple[str, ...],
    name: str,
    needs: AbstractSet[_Need],
    *,
    weights: str = "",
    kernel: int = 1,
) -> Iterator[Step]:
    """Make a tensor as it is read; a convolution activates its result itself where nobody reads it as it is."""
    if kind is Kind.CONVOLUTION and needs == {_Need.ACTIVATED}:
        yield Step(part, rank, kind, reads, activated(name), weights, kernel, Activation.RELU)
        return
    yield Step(part, rank, kind, reads, name, weights, kernel)
    if _Need.ACTIVATED in needs:
        yield Step(part, rank + 1, Kind.RELU, (name,), activated(name))


def _name(node: int) -> str:
    return X if node in {0, OUTPUT} else f"node{node}"


def _in_order(steps: frozenset[Step]) -> tuple[Step, ...]:
    return tuple(sorted(steps, key=lambda step: (step.part.value, step.rank)))
