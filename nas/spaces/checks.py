"""What a space must hold to so that a search can walk through it: asked of spaces that users write."""

from __future__ import annotations

from nas.errors import SpaceError
from nas.networks.operations import IMAGE, FeatureMap
from nas.space import Image, Space


def check_space(space: Space, image: Image, classes: int) -> None:
    """Refuse a space whose parts do not fit together.

    Raises:
        SpaceError: it is of other images or classes, has no slots, a slot out of its place, a design by hand that is no
            network of it, something to carry that no choice fits behind, or operations that do not fit each other.
    """
    if (space.image, space.classes) != (image, classes):
        raise SpaceError(f"{space.name} is not of the images and classes that it was asked for.")
    if not space.slots:
        raise SpaceError(f"{space.name} has no slots. A space has one or more.")
    for index, slot in enumerate(space.slots):
        if slot.number != index:
            raise SpaceError(f"Slot {index + 1} of {space.name} says that its number is {slot.number}, not {index}.")
        if len(set(slot.choices)) < len(slot.choices):
            raise SpaceError(f"Slot {index + 1} of {space.name} has a choice twice.")
    space.carried(space.manual())
    for index, (nodes, slot) in enumerate(zip(space.states(), space.slots, strict=False)):
        for carried in nodes:
            if all(space.follow(index, carried, choice) is None for choice in slot.choices):
                raise SpaceError(f"No choice of slot {index + 1} of {space.name} fits behind {carried}.")
    _check_operations(space)


def _check_operations(space: Space) -> None:
    """See that the design by hand computes scores from an image: tensors are there when they are read, and as large."""
    known: dict[str, FeatureMap] = {IMAGE: space.image}
    operations = space.operations(space.manual())
    for operation in operations:
        for name, shape in zip(operation.reads, operation.inputs, strict=True):
            if known.get(name) != shape:
                raise SpaceError(
                    f"{space.name}: {operation.kind} {operation.weights} reads {name!r} as {_sides(shape)}, but it is "
                    f"{_sides(known[name]) if name in known else 'not there'}."
                )
        known[operation.writes] = operation.output
    if operations[-1].output.channels != space.classes:
        raise SpaceError(f"{space.name} ends in {operations[-1].output.channels} scores for {space.classes} classes.")


def _sides(shape: FeatureMap) -> str:
    return f"{shape.channels} channels of {shape.height}x{shape.width}"
