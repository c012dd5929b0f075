"""A group of nodes as a :class:`~parsers.schema.Layer`: the paper's architecture attributes, read off the graph.

What a column holds is in its column; whatever else decides how the operator runs goes into ``attributes``, so that the
layer can be built again. How a weight is stored (``transB``), names, and values of weights decide nothing and are left
out: two layers that run alike are equal.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypedDict

from parsers.errors import NetworkError
from parsers.graphs.flat import UNKNOWN, Tensor
from parsers.graphs.fusion import Group, clip_bounds, operator_name
from parsers.graphs.graph import Graph, Node
from parsers.graphs.values import Attribute
from parsers.operators import CONV, DEPTHWISE_CONV, GROUPED_CONV, Family, family_of
from parsers.schema import Layer, Shape

_IN_COLUMNS = frozenset({"kernel_shape", "strides", "pads", "auto_pad", "dilations", "group"})
"""Attributes of windows that columns carry."""

_WINDOWED = frozenset({"Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool"})

_DECIDES_NOTHING: Mapping[str, frozenset[str]] = {
    "BatchNormalization": frozenset({"epsilon", "momentum", "spatial", "is_test", "training_mode"}),
    "ConvTranspose": frozenset({"output_shape"}),
    "Gemm": frozenset({"transB", "broadcast"}),
    "Reshape": frozenset({"shape", "allowzero"}),
    "Expand": frozenset({"shape"}),
}
"""What shapes give away already, or what changes nothing at inference."""

_NO_NUMBERS = frozenset({"int64", "int32", "bool", "object"})
"""Element types of indices, shapes, conditions and text."""

_WEIGHTS_IMPLIED = frozenset({"Conv", "ConvTranspose", "Gemm", "BatchNormalization"})
"""Operators whose weights' shapes follow from the columns."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """A layer and the activation tensors that it reads and makes."""

    layer: Layer
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class _Window(TypedDict, total=False):
    """The columns of an operator that slides a window over an image."""

    kernel_height: int
    kernel_width: int
    stride_height: int
    stride_width: int
    pad_top: int
    pad_bottom: int
    pad_left: int
    pad_right: int
    dilation: int
    groups: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Image:
    """How a shape reads as images: the last two axes are height and width, all between them and the batch is channels."""

    batch: int
    channels: int
    height: int
    width: int


_NO_IMAGE = _Image(batch=1, channels=0, height=0, width=0)
"""What a tensor of unknown shape reads as."""


def describe(group: Group, graph: Graph) -> Description:
    """Describe a group as a layer.

    A shape that is not known before the network runs counts as nothing: the volumes and what follows from them are less
    than what runs, and ``attributes`` tell so by ``unknown_inputs`` and ``unknown_outputs``, the positions in question.

    Raises:
        NetworkError: a window of three dimensions, or one that contradicts itself.
    """
    head = group.head
    read = [graph.tensor(tensor) for tensor in group.inputs]
    made = [graph.tensor(tensor) for tensor in group.outputs]
    window = _window(head, graph)
    layer_type = _type(group, window.get("groups", 1), graph)
    source, result = _images(layer_type, (read or made or [UNKNOWN])[0], (made or read or [UNKNOWN])[0], head)
    layer = Layer(
        type=layer_type,
        batch=source.batch,
        in_channels=source.channels,
        channels=result.channels,
        height=source.height,
        width=source.width,
        out_height=result.height,
        out_width=result.width,
        input_volume=sum(tensor.volume for tensor in read),
        output_volume=sum(tensor.volume for tensor in made),
        weight_elements=_weight_elements(group, result.channels, graph),
        fused_ops=tuple(operator_name(node) for node in group.fused),
        precision=_precision([*read, *made]),
        input_shapes=tuple(tensor.shape for tensor in read),
        output_shape=made[0].shape if made else (),
        attributes=_attributes(group, read, made, graph),
        **window,
    )
    return Description(layer=layer, inputs=group.inputs, outputs=group.outputs)


def _precision(tensors: Sequence[Tensor]) -> str:
    """Give the first element type that is no index or condition, of what is read and then of what is made."""
    precisions = [tensor.precision for tensor in tensors if tensor.is_known]
    numbers = [precision for precision in precisions if precision not in _NO_NUMBERS]
    return (numbers or precisions or [UNKNOWN.precision])[0]


def _type(group: Group, groups: int, graph: Graph) -> str:
    head = group.head
    if head.op == "MatMul" and group.folded:
        return "Gemm"
    if head.op != CONV or groups == 1:
        return operator_name(head)
    weight = graph.tensor(head.inputs[1]).shape if len(head.inputs) > 1 else ()
    return DEPTHWISE_CONV if weight[1:2] == (1,) else GROUPED_CONV


def _images(layer_type: str, read: Tensor, made: Tensor, head: Node) -> tuple[_Image, _Image]:
    if family_of(layer_type) is not Family.DENSE:
        return _as_image(read), _as_image(made)
    is_second = 0 in head.weights
    is_turned = bool(head.attributes.get("transB")) != is_second if is_second else head.attributes.get("transA")
    shape = (*read.shape[:-2], *reversed(read.shape[-2:])) if is_turned else read.shape
    return _as_features(replace(read, shape=shape)), _as_features(made)


def _as_image(tensor: Tensor) -> _Image:
    """Read NCHW; two dimensions are (batch, features), three (batch, channels, length)."""
    shape = tensor.shape
    if not tensor.is_known:
        return _NO_IMAGE
    if len(shape) < 4:
        batch, channels, width = {0: (1, 1, 1), 1: (1, *shape, 1), 2: (*shape, 1)}.get(len(shape), shape)
        return _Image(batch=batch, channels=channels, height=1, width=width)
    return _Image(batch=shape[0], channels=math.prod(shape[1:-2]), height=shape[-2], width=shape[-1])


def _as_features(tensor: Tensor) -> _Image:
    """Read a matrix product's operand: features last, rows that are neither batch nor features as height."""
    if not tensor.is_known:
        return _NO_IMAGE
    padded = (1,) * (2 - len(tensor.shape)) + tensor.shape
    return _Image(batch=padded[0], channels=padded[-1], height=math.prod(padded[1:-1]), width=1)


def _window(head: Node, graph: Graph) -> _Window:
    """Read kernel, stride, padding (SAME resolved), dilation and groups off an operator that has a window."""
    if not _has_window(head):
        return {}
    kernel = _kernel(head, graph)
    if not kernel:
        return {}
    if len(kernel) > 2:
        message = f"{graph.name}: {head.op} {head.name!r} has a window of {len(kernel)} dimensions; at most 2 are read."
        raise NetworkError(message)
    if not _is_consistent(head, len(kernel)) or _groups(head) < 1:
        raise NetworkError(f"{graph.name}: the window of {head.op} {head.name!r} contradicts itself.")
    strides, dilations = _per_axis(head, "strides", 1), _per_axis(head, "dilations", 1)
    window = _Window(
        kernel_height=(1, *kernel)[-2],
        kernel_width=kernel[-1],
        stride_height=strides[0],
        stride_width=strides[1],
        dilation=max(dilations),
        groups=_groups(head),
    )
    if (pads := _pads(head, graph, (1, *kernel)[-2:])) is not None:
        window["pad_top"], window["pad_left"], window["pad_bottom"], window["pad_right"] = pads
    return window


def _kernel(head: Node, graph: Graph) -> Shape:
    written = _whole_numbers(head.attributes.get("kernel_shape"))
    return written or (graph.tensor(head.inputs[1]).shape[2:] if len(head.inputs) > 1 else ())


def _groups(head: Node) -> int:
    groups = head.attributes.get("group", 1)
    return groups if isinstance(groups, int) else 1


def _is_consistent(head: Node, axes: int) -> bool:
    wanted = {"strides": axes, "dilations": axes, "pads": 2 * axes}
    return all(len(_whole_numbers(head.attributes.get(name))) in {0, length} for name, length in wanted.items())


def _has_window(node: Node) -> bool:
    """Tell whether an operator slides a window; of one that nobody knows, only where it says so in known words."""
    if node.op in _WINDOWED:
        return True
    kernel = _whole_numbers(node.attributes.get("kernel_shape"))
    return 0 < len(kernel) < 3 and _is_consistent(node, len(kernel))


def _pads(head: Node, graph: Graph, kernel: Shape) -> tuple[int, int, int, int] | None:
    """Give the padding as top, left, bottom, right; ``None`` where it follows from a shape that is not known.

    SAME is resolved by ONNX's rule: with the output's size o, the input's size i, stride s and the extent
    e = dilation · (kernel − 1) + 1, the total is (o − 1)·s + e − i, and the odd one goes behind for SAME_UPPER. For a
    transposed convolution, input and output change places.
    """
    written = _whole_numbers(head.attributes.get("pads")) or (0,) * 4
    if "auto_pad" not in head.attributes and "output_shape" not in head.attributes:
        return (0, written[0], 0, written[1]) if len(written) == 2 else (written[0], written[1], written[2], written[3])
    read, made = graph.tensor(head.inputs[0]), graph.tensor(head.outputs[0])
    if not (read.is_known and made.is_known):
        return None
    source, result = _as_image(read), _as_image(made)
    extra = _per_axis(head, "output_padding", 0)
    if head.op == "ConvTranspose":
        source, result = result, source
    strides, dilations = _per_axis(head, "strides", 1), _per_axis(head, "dilations", 1)
    ends: list[tuple[int, int]] = []
    for axis, (inside, outside) in enumerate(((source.height, result.height), (source.width, result.width))):
        extent = dilations[axis] * (kernel[axis] - 1) + 1
        total = max(0, (outside - 1) * strides[axis] + extent + extra[axis] - inside)
        total = 0 if head.attributes.get("auto_pad") == "VALID" else total
        near = total // 2 if head.attributes.get("auto_pad") == "SAME_UPPER" else total - total // 2
        ends.append((near, total - near))
    (top, bottom), (left, right) = ends
    return top, left, bottom, right


def _weight_elements(group: Group, channels: int, graph: Graph) -> int:
    """Count weights as they are at run time: what is folded leaves one bias per channel and nothing else behind."""
    is_folded = bool(group.folded)
    kept = [tensor for index, tensor in group.head.weights.items() if not (is_folded and index == 2)]
    kept += [tensor for node in group.fused for tensor in node.weights.values()]
    held = sum(node.inner_weight_elements for node in (group.head, *group.fused))
    return sum(graph.tensor(tensor).volume for tensor in kept) + held + (channels if is_folded else 0)


def _attributes(group: Group, read: Sequence[Tensor], made: Sequence[Tensor], graph: Graph) -> str:
    head = group.head
    described = _settings(head, graph)
    for name, tensors in (("unknown_inputs", read), ("unknown_outputs", made)):
        if unknown := [index for index, tensor in enumerate(tensors) if not tensor.is_known]:
            described[name] = unknown
    if group.folded:
        described.pop("constant_operands", None)
    dilations = _whole_numbers(head.attributes.get("dilations"))
    if len(set(dilations)) > 1:
        described["dilations"] = dilations
    if len(made) > 1:
        described["outputs"] = len(made)
    for node in group.fused:
        if settings := _settings(node, graph):
            described[operator_name(node)] = settings
    return json.dumps(described, sort_keys=True, separators=(",", ":"))


def _settings(node: Node, graph: Graph) -> dict[str, object]:
    """Collect what decides how a node runs and no column carries."""
    if node.op == "Clip":
        low, high = clip_bounds(node)
        return {"min": low, "max": high} if operator_name(node) == "Clip" else {}
    left_out = _DECIDES_NOTHING.get(node.op, frozenset()) | (_IN_COLUMNS if _has_window(node) else frozenset())
    settings: dict[str, object] = {
        key: value for key, value in node.written.items() if key not in left_out and value != ()
    }
    if node.op not in _WEIGHTS_IMPLIED and node.weights:
        operands = {str(index): graph.tensor(tensor).shape for index, tensor in node.weights.items()}
        settings["constant_operands"] = operands
    return settings


def _per_axis(head: Node, name: str, default: int) -> tuple[int, int]:
    """Read an attribute with one number per image axis; a window of one dimension is a flat one of two."""
    values = (default, *(_whole_numbers(head.attributes.get(name)) or (default, default)))
    return values[-2], values[-1]


def _whole_numbers(value: Attribute | None) -> Shape:
    return tuple(side for side in value if isinstance(side, int)) if isinstance(value, tuple) else ()
