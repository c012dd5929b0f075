"""How much of a network's activations is alive at once while a piece of it runs.

A tensor lives from the operation that writes it to the last one that reads it. An operation that looks at each element
once writes its result over an input that nobody needs after it, as ``parsers.graphs.liveness`` has it, which asks the
same of a whole graph. Here a slot is asked alone, since a search puts slots together: what is kept for later slots counts
for as long as the slot runs.
"""

from __future__ import annotations

from collections.abc import Sequence

from nas.networks.operations import Kind, Operation

_IN_PLACE = frozenset({Kind.ADD, Kind.RELU, Kind.FLATTEN})


def live_elements(operations: Sequence[Operation], *, given: str, beside: int) -> int:
    """Count the activation elements that are alive at once, at most.

    Args:
        operations: in the order in which they run.
        given: name of the tensor that is handed over, which nobody needs behind the last operation that reads it here.
        beside: elements of everything else that is there from the start; it stays.

    Returns:
        0 where nothing runs.
    """
    last_read = {name: place for place, operation in enumerate(operations) for name in operation.reads}
    sizes = {
        name: shape.volume
        for operation in reversed(operations)
        for name, shape in zip(operation.reads, operation.inputs, strict=True)
        if name == given
    }
    most = 0
    for place, operation in enumerate(operations):
        gone = {name for name in operation.reads if name in sizes and last_read[name] == place}
        before = sum(sizes.values())
        over = _written_over(operation, gone)
        most = max(most, before + operation.output.volume - (sizes[over] if over else 0))
        sizes = {name: size for name, size in sizes.items() if name not in gone}
        sizes[operation.writes] = operation.output.volume
    return beside + most if operations else 0


def _written_over(operation: Operation, gone: set[str]) -> str | None:
    """Name the input whose place the result takes, if there is one."""
    if operation.kind in _IN_PLACE:
        candidates = list(zip(operation.reads, operation.inputs, strict=True))
    elif operation.adds:
        candidates = [(operation.reads[-1], operation.inputs[-1])]
    else:
        return None
    volume = operation.output.volume
    return next((name for name, shape in candidates if name in gone and shape.volume == volume), None)
