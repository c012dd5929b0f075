"""How each type of layer becomes an ONNX node: its operator, attributes, settings and weights, read off its columns.

The inverse of ``parsers.graphs.describe``: what that leaves out because the columns imply it is put back here.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import onnx

from parsers.operators import CONVOLUTIONS
from parsers.schema import Layer, Shape
from profiler.errors import SuiteError
from profiler.weights import OPSET

Setting = int | float | str | Sequence[int] | Sequence[float]

ONNX_DOMAIN = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """A layer's ``attributes``, read."""

    settings: Mapping[str, Setting] = field(default_factory=dict)
    """Attributes, and constant inputs by formal name."""
    operands: Mapping[int, Shape] = field(default_factory=dict)
    """Weights that no column implies, by input position."""
    outputs: int = 1
    fused: Mapping[str, Described] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One node to be: its operator, attributes, and the constants at its inputs."""

    op: str
    attributes: Mapping[str, Setting] = field(default_factory=dict)
    settings: Mapping[str, Setting] = field(default_factory=dict)
    """Constant inputs by formal name."""
    weights: Mapping[int, Shape] = field(default_factory=dict)
    """Weights by input position."""
    outputs: int = 1


def described_attributes(layer: Layer) -> Described:
    """Read a layer's ``attributes``; raises SuiteError where they cannot be read."""
    try:
        raw = json.loads(layer.attributes)
        fused = {op: _read(raw.pop(op)) for op in layer.fused_ops if op in raw}
        return replace(_read(raw), fused=fused)
    except (ValueError, TypeError, AttributeError) as exc:
        raise unbuildable(layer, f"its attributes are no JSON that can be read ({layer.attributes!r})") from exc


def _read(raw: dict[str, Any]) -> Described:
    operands = {int(index): tuple(shape) for index, shape in raw.pop("constant_operands", {}).items()}
    outputs = int(raw.pop("outputs", 1))
    return Described(
        settings={key: raw[key] for key in raw if raw[key] is not None}, operands=operands, outputs=outputs
    )


def recipe_of(layer: Layer, described: Described) -> Recipe:
    """Give the recipe of a layer's own node; raises SuiteError where its columns do not tell."""
    if layer.type in CONVOLUTIONS or layer.type == "ConvTranspose":
        return _convolution(layer, described)
    if layer.type == "Gemm":
        product = layer.channels * layer.in_channels
        bias = {2: (layer.channels,)} if layer.weight_elements > product else {}
        weights = {1: (layer.channels, layer.in_channels), **bias}
        return Recipe(op="Gemm", attributes={**described.settings, "transB": 1}, weights=weights)
    if layer.type == "BatchNormalization":
        return Recipe(op=layer.type, weights=dict.fromkeys(range(1, 5), (layer.in_channels,)))
    if layer.type in {"Reshape", "Expand"}:
        return Recipe(op=layer.type, settings={"shape": layer.output_shape})
    if layer.kernel_height is None:
        return operator_recipe(layer, layer.type, described)
    settings = {**described.settings, **_window(layer, described), "kernel_shape": _kernel(layer)}
    return operator_recipe(layer, layer.type, replace(described, settings=settings))


def _convolution(layer: Layer, described: Described) -> Recipe:
    kernel = _kernel(layer)
    weight = (layer.channels, layer.in_channels // layer.groups, *kernel)
    if layer.type == "ConvTranspose":
        weight = (layer.in_channels, layer.channels // layer.groups, *kernel)
    attributes = {**described.settings, **_window(layer, described), "kernel_shape": kernel, "group": layer.groups}
    bias = {2: (layer.channels,)} if layer.weight_elements > math.prod(weight) else {}
    op = layer.type if layer.type == "ConvTranspose" else "Conv"
    return Recipe(op=op, attributes=attributes, weights={1: weight, **bias})


def _kernel(layer: Layer) -> list[int]:
    return _sides(layer, layer.kernel_height, layer.kernel_width)


def _window(layer: Layer, described: Described) -> dict[str, Setting]:
    """Give strides, padding and dilations."""
    near = _sides(layer, layer.pad_top, layer.pad_left)
    far = _sides(layer, layer.pad_bottom, layer.pad_right)
    dilations = described.settings.get("dilations", _sides(layer, layer.dilation, layer.dilation))
    strides = _sides(layer, layer.stride_height, layer.stride_width)
    return {"strides": strides, "pads": near + far} | ({"dilations": dilations} if layer.dilation > 1 else {})


def _sides(layer: Layer, vertical: int | None, horizontal: int | None) -> list[int]:
    """Give one number per image axis: both, or the horizontal one where the input has but one axis."""
    if vertical is None or horizontal is None:
        raise unbuildable(layer, "its kernel, stride or padding is not known")
    return [vertical, horizontal] if layer.input_shapes and len(layer.input_shapes[0]) > 3 else [horizontal]


def operator_recipe(layer: Layer, op: str, described: Described) -> Recipe:
    """Sort what describes an operator into attributes, constant inputs and weights, as its schema has them."""
    if op == "Relu6":
        return Recipe(op="Clip", settings={"min": 0.0, "max": 6.0})
    if not onnx.defs.has(op, OPSET, ONNX_DOMAIN):
        raise unbuildable(layer, f"{op} is no operator of ONNX opset {OPSET}")
    schema = onnx.defs.get_schema(op, OPSET, ONNX_DOMAIN)
    formal = {item.name for item in schema.inputs}
    return Recipe(
        op=op,
        attributes={key: value for key, value in described.settings.items() if key in schema.attributes},
        settings={key: value for key, value in described.settings.items() if key in formal},
        weights=described.operands,
        outputs=described.outputs,
    )


def unbuildable(layer: Layer, reason: str) -> SuiteError:
    """Word the error for a layer that cannot be built."""
    return SuiteError(f"Cannot build layer {layer.key} ({layer.type}) as a model: {reason}. Leave it out of the suite.")
