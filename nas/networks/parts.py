"""Which channels of a tensor come from which branch: weights that read a concatenation are cut branch by branch.

Of a tensor, a path of a weight-sharing network uses the first so many channels. Of a concatenation that would be wrong:
where the first branch is narrower, the second one begins earlier, and would meet the weights of the first. So every
part of a concatenation is known by where it comes from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from nas.networks.operations import Kind, Operation


class Part(NamedTuple):
    """Channels of one origin."""

    origin: str
    """The names under which they were put together; empty for a tensor in one piece."""
    channels: int


Parts = tuple[Part, ...]


def parts_read(operations: Iterable[Operation], *, of_all_paths: bool = False) -> Iterator[tuple[Operation, Parts]]:
    """Give the parts of what every operation reads first.

    Args:
        operations: in the order in which they run.
        of_all_paths: whether they are those of many networks one after the other, as ``Space.every_operation`` lists
            them: then a tensor has the parts of all operations that write it, each as wide as its widest.
    """
    known: dict[str, Parts] = {}
    for operation in operations:
        whole = tuple((Part("", shape.channels),) for shape in operation.inputs)
        found = [known.get(name, alone) for name, alone in zip(operation.reads, whole, strict=True)]
        read = [
            (Part(parts[0].origin, one[0].channels),) if len(parts) == 1 else parts
            for parts, one in zip(found, whole, strict=True)
        ]
        yield operation, read[0]
        made = _made(operation, read)
        known[operation.writes] = _joined(known.get(operation.writes, ()), made) if of_all_paths else made


def _joined(first: Parts, second: Parts) -> Parts:
    """Give the parts of either, each as wide as its wider."""
    widths = dict(first)
    for origin, channels in second:
        widths[origin] = max(channels, widths.get(origin, 0))
    return tuple(map(Part._make, widths.items()))


def _made(operation: Operation, read: Sequence[Parts]) -> Parts:
    """Give the parts of what an operation writes."""
    if operation.kind is Kind.CONCATENATE:
        return tuple(
            Part(f"{name}/{part.origin}", part.channels)
            for name, parts in zip(operation.reads, read, strict=True)
            for part in parts
        )
    mixes = operation.kind in {Kind.CONVOLUTION, Kind.DECONVOLUTION, Kind.DENSE} and not operation.depthwise
    return (Part("", operation.output.channels),) if mixes else read[0]
