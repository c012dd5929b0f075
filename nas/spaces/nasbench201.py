"""The NAS-Bench-201 space (Dong & Yang, ICLR 2020): one cell, in three stages of five, between a stem and a head.

As published: a 3×3 convolution to 16 channels with normalisation, stages at 16, 32 and 64 channels with a residual block of
stride 2 between, batch normalisation, ReLU, the mean over the image, a score per class. Two things are otherwise, neither
of which changes what a network can compute: the 1×1 convolutions beside the residual blocks have a bias, and a network
that ends in a single convolution, which is normalised already, is not normalised again.

A network is decided edge by edge, six in all, and only such networks are listed in which every edge has a part in the
result: of the 15,625 ways to fill in a cell, each other one computes what one of these computes, or nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from nas.errors import SpaceError
from nas.networks.operations import IMAGE, Activation, FeatureMap, Kind, Operation, classifier, convolution
from nas.space import Carried, Image, Slot, Space
from nas.spaces.cell import EDGES, EdgeOperation, Part, Step, X, activated, decisions

CHANNELS = (16, 32, 64)
"""Of the stages."""
CELLS = 5
"""Of each stage."""

_ROOM = 1000
"""How many ranks each piece of the network has among all of them."""

_BY_HAND = (
    EdgeOperation.SKIP,
    EdgeOperation.NONE,
    EdgeOperation.SKIP,
    EdgeOperation.CONVOLUTION_3X3,
    EdgeOperation.NONE,
    EdgeOperation.CONVOLUTION_3X3,
)
"""ResNet's basic block, by edges as they are decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided(Carried):
    """The edges so far, as far as they matter to the others, and what they are part of."""

    state: int
    """Of ``nas.spaces.cell.decisions``."""
    image: Image
    cells: int
    """Of each stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """What one edge of the cell does."""

    operation: EdgeOperation

    @property
    def label(self) -> str:
        """Its operation."""
        return self.operation.value

    @property
    def attributes(self) -> tuple[float, ...]:
        """One number per operation but none, 1 for its own: they have no order."""
        return tuple(float(self.operation is each) for each in EdgeOperation if each is not EdgeOperation.NONE)

    def follow(self, slot: Slot, carried: Carried) -> Carried | None:
        """Give what is known behind it; an edge into a node that nobody reads can only be none."""
        decided = _decided(carried)
        branch = decisions()[slot.number][decided.state].get(self.operation)
        if branch is None:
            return None
        if not slot.closes:
            return replace(decided, state=branch.state)
        last = _shape(decided.image, len(CHANNELS) - 1)
        return Carried(channels=last.channels, height=last.height, width=last.width)

    def operations(self, slot: Slot, carried: Carried) -> tuple[Operation, ...]:
        """List what is certain to run now that this edge is decided, all over the network."""
        decided = _decided(carried)
        steps = decisions()[slot.number][decided.state][self.operation].steps
        return tuple(operation for step in steps for operation in _written(step, decided))


class _Place(NamedTuple):
    """Where a step stands."""

    name: str
    """Begins the names of its weights."""
    order: int
    """Of its first step."""
    stage: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stem:
    """What runs whatever the cells hold; the convolution itself comes with the cell, which may activate it."""

    cells: int

    def start(self, image: Image) -> Carried:
        """Give what the first edge is handed: nothing is decided."""
        first = _shape(image, 0)
        return Decided(
            channels=first.channels,
            height=first.height,
            width=first.width,
            state=0,
            image=image,
            cells=self.cells,
        )

    def operations(self, image: Image) -> tuple[Operation, ...]:
        """List the residual blocks without their last convolutions: shortcut (mean of 2×2, 1×1) and first convolution."""
        return tuple(
            replace(operation, order=place.order + rank)
            for place in _places(Part.REDUCTION, self.cells)
            for rank, operation in enumerate(_reduction(place, _shape(image, place.stage - 1)))
        )


class _Head:
    """The mean over the image, a score per class."""

    def operations(self, name: str, carried: Carried, classes: int) -> tuple[Operation, ...]:
        """List three operations, behind all others."""
        return tuple(replace(one, order=_ROOM**2) for one in classifier(name, carried.features, classes))


def nasbench201(image: Image, classes: int, *, cells: int = CELLS) -> Space:
    """Build the space.

    Args:
        image: of any number of channels; its sides can be halved twice.
        classes: that are scored.
        cells: of each stage, two or more; the published ones have :data:`CELLS`.

    Raises:
        SpaceError: sides that are no multiples of four.
    """
    if image.height % 4 or image.width % 4:
        raise SpaceError(
            f"nasbench201 halves images twice, so their sides must be multiples of 4, not {image.height}x{image.width}. "
            "Choose other data, or another space."
        )
    last = len(EDGES) - 1
    slots = tuple(
        Slot(
            number=number,
            stage=0,
            opens=True,
            closes=number == last,
            stride=1,
            choices=tuple(Edge(operation=operation) for operation in EdgeOperation),
            manual=Edge(operation=by_hand),
            reads=X,
            writes=activated(X),
        )
        for number, by_hand in enumerate(_BY_HAND)
    )
    return Space(name="nasbench201", image=image, classes=classes, stem=_Stem(cells=cells), slots=slots, head=_Head())


def _decided(carried: Carried) -> Decided:
    if not isinstance(carried, Decided):
        raise TypeError("an edge of a cell can only follow other edges of it")
    return carried


def _shape(image: Image, stage: int) -> FeatureMap:
    return FeatureMap(channels=CHANNELS[stage], height=image.height >> stage, width=image.width >> stage)


def _places(part: Part, cells: int) -> Iterator[_Place]:
    """List the places of a part in the network; a residual block belongs to the stage behind it."""
    stages = range(len(CHANNELS))
    piece = {stage: 1 + stage * (cells + 1) for stage in stages}
    match part:
        case Part.STEM:
            yield _Place("", 0, 0)
        case Part.REDUCTION:
            for stage in stages[1:]:
                yield _Place(f"reduction{stage}_", (piece[stage] - 1) * _ROOM, stage)
        case Part.HEAD:
            yield _Place("", (piece[stages[-1]] + cells) * _ROOM, stages[-1])
        case _:
            inside = range(cells - 1) if part is Part.INNER_CELL else [cells - 1]
            those = {Part.STAGE_END: stages[:-1], Part.NETWORK_END: stages[-1:]}.get(part, stages)
            for stage in those:
                for cell in inside:
                    yield _Place(f"cell{stage * cells + cell + 1}_", (piece[stage] + cell) * _ROOM, stage)


def _written(step: Step, decided: Decided) -> Iterator[Operation]:
    """Write a step down in every place of its part."""
    for place in _places(step.part, decided.cells):
        shape = _shape(decided.image, place.stage)
        source = decided.image if step.reads == (IMAGE,) else shape
        yield Operation(
            kind=step.kind,
            reads=step.reads,
            writes=step.writes,
            inputs=(source, *(shape for _ in step.reads[1:])),
            output=shape,
            weights=f"{place.name}{step.weights}" if step.weights else "",
            kernel=(step.kernel, step.kernel),
            padding=(step.kernel // 2, step.kernel // 2),
            adds=step.kind is Kind.CONVOLUTION and len(step.reads) > 1,
            activation=step.activation,
            order=place.order + step.rank,
        )


def _reduction(place: _Place, source: FeatureMap) -> Iterator[Operation]:
    half = replace(source, height=source.height // 2, width=source.width // 2)
    channels = CHANNELS[place.stage]
    yield Operation(kind=Kind.RELU, reads=(X,), writes=activated(X), inputs=(source,), output=source)
    yield Operation(
        kind=Kind.AVERAGE_POOL,
        reads=(X,),
        writes="shortcut",
        inputs=(source,),
        output=half,
        kernel=(2, 2),
        stride=2,
    )
    yield convolution(
        activated(X),
        source,
        channels=channels,
        weights=f"{place.name}first",
        writes="middle",
        kernel=3,
        stride=2,
        activation=Activation.RELU,
    )
    yield convolution(
        "shortcut",
        half,
        channels=channels,
        weights=f"{place.name}shortcut",
        writes="shortcut",
        normalised=False,
    )
