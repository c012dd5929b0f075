"""What a layer must compute and move, and the time no processor can go below (Williams et al., CACM 2009).

Counts follow the field's convention: a multiply-accumulate is two floating-point operations; biases and what is fused
behind a convolution come free. They are counted from the layer's attributes alone, so they hold for a layer read from a
table as well as for one read from a network.

Notation::

    N  batch                     H×W    input height and width       k_h×k_w  kernel
    C  input channels            H'×W'  output height and width      g        groups
    M  output channels           E      middle channels of a block   K        features (Gemm)
"""

from __future__ import annotations

import json
import math

from parsers.operators import Family, family_of
from parsers.schema import Context, Layer

_ELEMENT_BYTES = {
    "float64": 8,
    "int64": 8,
    "float32": 4,
    "int32": 4,
    "float16": 2,
    "bfloat16": 2,
    "int8": 1,
    "uint8": 1,
}

_SOFTMAX_FLOPS = 5
"""Per element: compare for the maximum, subtract, exponentiate, accumulate, divide."""


_STATISTICS_FLOPS = 7
"""Per element: accumulate the mean, subtract it, square, accumulate the variance, divide, scale, shift."""

_BY_STATISTICS = frozenset({"LayerNormalization", "InstanceNormalization", "GroupNormalization"})


def macs(layer: Layer) -> int:
    """Count the multiply-accumulates of one run.

    Convolutions: N·M·H'·W' · (C/g)·k_h·k_w. A transposed one counts from its input: N·C·H·W · (M/g)·k_h·k_w. Gemm and MatMul:
    every output takes K. Einsum: once for every choice of all its indices. Attention: every query meets every key, and every
    value. A block is the sum of its three convolutions and of what ``parsers.graphs.blocks`` says is beside them. Other operators
    multiply and accumulate nothing.
    """
    match family_of(layer.type):
        case Family.CONVOLUTION | Family.DEPTHWISE | Family.GROUPED:
            return layer.output_volume * (layer.in_channels // layer.groups) * _kernel_area(layer)
        case Family.TRANSPOSED:
            return layer.input_volume * (layer.channels // layer.groups) * _kernel_area(layer)
        case Family.DENSE:
            return layer.output_volume * layer.in_channels
        case Family.BLOCK:
            return _block_macs(layer) + _beside(layer, "macs")
        case _:
            return _other_macs(layer)


def flops(layer: Layer) -> int:
    """Count the floating-point operations of one run: twice the MACs where there are any.

    Else per element: pooling its window, softmax 5, LRN two per neighbour and three more, an addition of n inputs n − 1,
    other elementwise operators and unknown ones 1, batch normalisation 2 (its folded form), normalisations that take their
    statistics from the data 7, moving data 0.
    """
    if family_of(layer.type) is Family.BLOCK:
        return 2 * _block_macs(layer) + _beside(layer, "flops")
    return 2 * macs(layer) or _elementary_flops(layer)


def _elementary_flops(layer: Layer) -> int:
    match family_of(layer.type):
        case Family.MOVEMENT:
            return 0
        case Family.POOLING if layer.kernel_height:
            return layer.output_volume * _kernel_area(layer)
        case Family.POOLING:
            return layer.input_volume
        case Family.NORMALISATION:
            return layer.output_volume * _normalisation_flops(layer)
        case _:
            return layer.output_volume * max(1, len(layer.input_shapes) - 1)


def bytes_moved(layer: Layer) -> int:
    """Count the bytes that one run must read and write (:func:`elements_moved`)."""
    return elements_moved(layer) * _ELEMENT_BYTES.get(layer.precision, 4)


def elements_moved(layer: Layer) -> int:
    """Count the elements that one run must read and write: activation inputs and outputs, and weights, each once.

    Of a table that is looked up in (Gather), only what is taken is read. A block moves what its operators move: what lies
    between them counts twice (written, then read), and so does its input where it is added.
    """
    weights = layer.weight_elements
    if layer.type == "Gather":
        weights = min(weights, layer.output_volume)
    elements = layer.input_volume + layer.output_volume + weights
    if family_of(layer.type) is Family.BLOCK:
        elements += 2 * _between_volume(layer) + layer.idskip * layer.input_volume + _beside(layer, "elements")
    return elements


def roofline_ms(layer: Layer, context: Context, *, efficiency: float = 1.0, overhead_ms: float = 0.0) -> float:
    """Give the time of one run under the roof, in milliseconds.

    ::

        t = max(FLOPs / (efficiency · peak), bytes / bandwidth) + overhead

    A peak that the context does not know leaves its side out; NaN where it knows neither, since there is no roof then.

    Args:
        layer: what is run.
        context: where; ``peak_gflops`` and ``memory_bw_gbs`` are used.
        efficiency: share of the peak that is reached, in (0, 1].
        overhead_ms: what every operator costs beside its work.
    """
    sides_ms = []
    if context.peak_gflops:
        sides_ms.append(flops(layer) / (efficiency * context.peak_gflops * 1e6))
    if context.memory_bw_gbs:
        sides_ms.append(bytes_moved(layer) / (context.memory_bw_gbs * 1e6))
    return max(sides_ms) + overhead_ms if sides_ms else math.nan


def _kernel_area(layer: Layer) -> int:
    return (layer.kernel_height or 1) * (layer.kernel_width or 1)


def _middle_channels(layer: Layer) -> int:
    return round(layer.in_channels * layer.expansion_ratio)


def _block_macs(layer: Layer) -> int:
    """Add up expansion N·H·W·C·E (absent where E = C), depthwise N·H'·W'·E·k_h·k_w and projection N·H'·W'·E·M."""
    middle = _middle_channels(layer)
    inside = layer.batch * layer.height * layer.width
    outside = layer.batch * layer.out_height * layer.out_width
    expansion = inside * layer.in_channels * middle if middle != layer.in_channels else 0
    return expansion + outside * middle * (_kernel_area(layer) + layer.channels)


def _between_volume(layer: Layer) -> int:
    """Count the elements between a block's operators: the expansion's output (if it expands) and the depthwise's."""
    middle = _middle_channels(layer)
    expanded = layer.height * layer.width if middle != layer.in_channels else 0
    return layer.batch * middle * (expanded + layer.out_height * layer.out_width)


def _beside(layer: Layer, what: str) -> int:
    """Read what a block does beside its three convolutions."""
    if '"beside"' not in layer.attributes:
        return 0
    return int(json.loads(layer.attributes)["beside"][what])


def _other_macs(layer: Layer) -> int:
    match layer.type:
        case "Einsum":
            return _einsum_macs(layer)
        case "Attention" | "MultiHeadAttention" if len(layer.input_shapes) >= 3 and len(layer.input_shapes[1]) in {
            3,
            4,
        }:
            # Queries meet keys, then weights meet values: T_k products for each element of the query and of the result.
            return (math.prod(layer.input_shapes[0]) + math.prod(layer.output_shape)) * layer.input_shapes[1][-2]
        case _:
            return 0


def _einsum_macs(layer: Layer) -> int:
    """Multiply the sizes of all indices; 0 where an operand is missing, or the equation leaves indices out (``...``)."""
    described = json.loads(layer.attributes)
    terms = str(described.get("equation", "")).replace(" ", "").split("->")[0].split(",")
    operands = {int(index): tuple(shape) for index, shape in described.get("constant_operands", {}).items()}
    read = list(reversed(layer.input_shapes))
    shapes = [operands[index] if index in operands else read.pop() if read else () for index in range(len(terms))]
    if len(terms) < 2 or any(len(term) != len(shape) for term, shape in zip(terms, shapes, strict=True)):
        return 0
    return math.prod(
        {
            index: side
            for term, shape in zip(terms, shapes, strict=True)
            for index, side in zip(term, shape, strict=True)
        }.values()
    )


def _normalisation_flops(layer: Layer) -> int:
    if layer.type == "LRN":
        return 2 * int(json.loads(layer.attributes).get("size", 5)) + 3
    if layer.type in _BY_STATISTICS:
        return _STATISTICS_FLOPS
    return _SOFTMAX_FLOPS if "oftmax" in layer.type else 2
