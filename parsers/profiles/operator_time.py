"""What a profile says of one operator, the same for every runtime.

Most profiles name operators without their shapes. Where they tell shapes, :class:`LayerShape` holds what is certain of
them, and nothing that would have to be inferred: a stride is not the quotient of two heights.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from parsers.dump import Json
from parsers.dump_numbers import decimal
from parsers.schema import Shape, Value, shape_text

_LARGEST_VOLUME = 2**62
"""Elements of a tensor: what a table's column holds."""
_HIGHEST_RANK = 16
LARGEST_FIGURE = 1e12
"""No time in milliseconds is longer, and no network takes more cycles."""
_PER_MS = {"us": 1000, "ms": 1}
_IMAGE_IN = ("batch", "in_channels", "height", "width")
_IMAGE_OUT = ("batch", "channels", "out_height", "out_width")


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerShape:
    """What a profile tells of an operator's tensors."""

    input_shapes: tuple[Shape, ...]
    """Of all activation inputs; empty where they cannot be told from weights."""
    output_shapes: tuple[Shape, ...]
    """Of all outputs; empty where not told."""
    is_image: bool = False
    """Input and output are certainly NCHW."""
    is_dense: bool = False
    """Input and output are certainly images per run times features."""
    size: tuple[int, int] | None = None
    """The input's height and width in pixels, where nothing else is told of it."""
    kernel: tuple[int, int] | None = None
    """Height and width in pixels."""
    stride: tuple[int, int] | None = None
    """Vertical and horizontal, in pixels."""
    groups: int | None = None
    weight_elements: int | None = None
    precision: str | None = None
    """Element type of the activations."""

    def cells(self) -> dict[str, Value]:
        """Give the layer's columns of ``stats.parquet`` that are known."""
        cells: dict[str, Value] = {
            "input_volume": _volume(self.input_shapes),
            "output_volume": _volume(self.output_shapes),
            "groups": self.groups,
            "weight_elements": self.weight_elements,
            "precision": self.precision,
        }
        if self.input_shapes:
            cells["input_shapes"] = ";".join(shape_text(shape) for shape in self.input_shapes)
        if self.output_shapes:
            cells["output_shape"] = shape_text(self.output_shapes[0])
        for name, sides in (("kernel", self.kernel), ("stride", self.stride)):
            if sides is not None:
                cells |= {f"{name}_height": sides[0], f"{name}_width": sides[1]}
        if self.size is not None:
            cells |= {"height": self.size[0], "width": self.size[1]}
        if self.kernel is not None:
            cells["kernel_size"] = max(self.kernel)
        if self.stride is not None:
            cells["stride"] = max(self.stride)
        return cells | self._sides()

    def _sides(self) -> dict[str, Value]:
        """Name the sides of the first input and output."""
        if self.is_image:
            cells: dict[str, Value] = {}
            names: tuple[tuple[str, ...], ...] = _IMAGE_IN, _IMAGE_OUT
        elif self.is_dense:
            cells = dict.fromkeys(("height", "width", "out_height", "out_width"), 1)
            names = ("batch", "in_channels"), ("batch", "channels")
        else:
            return {}
        for shapes, sides in zip((self.input_shapes, self.output_shapes), names, strict=True):
            if shapes and len(shapes[0]) == len(sides):
                cells |= dict(zip(sides, shapes[0], strict=True))
        return cells


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorTime:
    """One line of a profile: an operator, a part of the network, or the whole of it."""

    section: str
    """Table or run of the profile that it stands in."""
    order: int
    """Its place in the section, from 0."""
    type: str
    """As the profile spells it; empty where it tells none."""
    name: str
    value: float
    """The figure as it stands, in its unit: the mean of one call, where it is a time."""
    unit: str
    """As it stands: ``ms``, ``us``, ``cycles``, ``count``; empty where none does."""
    provider: str
    """Runtime and processor, as ``tflite-cpu``."""
    first_ms: float | None = None
    """The first call, where told apart."""
    min_ms: float | None = None
    max_ms: float | None = None
    percent: float | None = None
    """Share of the section's time, as the profile says it."""
    memory_kb: float | None = None
    calls: int | None = None
    """In one run of the network."""
    shape: LayerShape | None = None

    @property
    def time_ms(self) -> float | None:
        """The figure, where it is a time."""
        per_ms = _PER_MS.get(self.unit.lower())
        return self.value / per_ms if per_ms is not None else None

    @property
    def cycles(self) -> int | None:
        """The figure, where it counts cycles; never turned into a time, since the clock is not known."""
        return int(self.value) if self.unit.lower() == "cycles" else None

    def to_json(self) -> dict[str, Json]:
        """Give the fields, and the figure by its meaning before them; a shape as the columns that it fills."""
        written: dict[str, Json] = {
            "section": self.section,
            "order": self.order,
            "type": self.type,
            "name": self.name,
            "time_ms": self.time_ms,
            "cycles": self.cycles,
            "value": self.value,
            "unit": self.unit,
            "provider": self.provider,
            "first_ms": self.first_ms,
            "min_ms": self.min_ms,
            "max_ms": self.max_ms,
            "percent": self.percent,
            "memory_kb": self.memory_kb,
            "calls": self.calls,
        }
        known = self.shape.cells() if self.shape is not None else {}
        return written | {"shape": {name: cell for name, cell in known.items() if cell is not None} or None}


def figure_of(text: str) -> float | None:
    """Read a figure; ``None`` where the text is no number, negative, or too large to be one."""
    value = decimal(text)
    return value if value is not None and 0 <= value <= LARGEST_FIGURE else None


def _volume(shapes: tuple[Shape, ...]) -> int | None:
    if not shapes or any(len(shape) > _HIGHEST_RANK for shape in shapes):
        return None
    volume = sum(math.prod(shape) for shape in shapes)
    return volume if volume <= _LARGEST_VOLUME else None
