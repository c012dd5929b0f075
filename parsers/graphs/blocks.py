"""Inverted residuals as one layer each (Sandler et al., CVPR 2018, Fig. 4b): the unit in which the paper's search thinks.

A block expands by a 1×1 convolution with an activation (not where the ratio is 1), convolves each channel by itself, and
projects by a 1×1 convolution without an activation; where its input and output are alike it may add its input (``idskip``).
Squeeze-and-excitation (Howard et al., ICCV 2019) may stand before the projection. A depthwise convolution whose projection
has an activation (MobileNetV1) is none. A quantised network hides its activations in the ranges of its numbers; there a block
is told by its widths alone, and one that does not expand cannot be told.

The layer's columns say what the three convolutions are: kernel, stride and padding are the depthwise one's. Its ``attributes``
say the rest: ``activations`` of expansion and depthwise convolution, ``squeeze`` (the channels between the two convolutions
of squeeze-and-excitation) and ``gate`` (its last activation), the parts' own ``settings``, and ``beside``: MACs, FLOPs and
elements moved of whatever is not one of the three convolutions, so that a block costs what its parts cost.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from parsers.network_layer import NetworkLayer
from parsers.operators import ACTIVATIONS, ADDITIONS, CONV, DEPTHWISE_CONV, INVERTED_RESIDUAL
from parsers.roofline import elements_moved, flops, macs
from parsers.schema import Layer

_APART = ACTIVATIONS | {"Gelu", "Mish"}
"""Activations that may be layers of their own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """The parts of one block, as positions in the list of layers."""

    depthwise: int
    projection: int
    expansion: int | None
    beside: tuple[int, ...]
    """Activations and additions that are layers of their own, squeeze-and-excitation."""
    squeeze: tuple[int, int] | None
    """The two convolutions of squeeze-and-excitation."""
    idskip: bool
    source: str
    """The tensor that the block reads."""

    @property
    def parts(self) -> tuple[int, ...]:
        """All positions, in order."""
        expansion = () if self.expansion is None else (self.expansion,)
        return tuple(sorted((*expansion, self.depthwise, self.projection, *self.beside)))


@dataclass(slots=True)
class _Chain:
    """The layers, and who makes and reads each tensor."""

    layers: Sequence[NetworkLayer]
    leaving: frozenset[str]
    """Tensors that leave the network."""
    makers: dict[str, int] = field(default_factory=dict)
    readers: dict[str, list[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for index, item in enumerate(self.layers):
            self.makers.update(dict.fromkeys(item.outputs, index))
            for tensor in item.inputs:
                self.readers.setdefault(tensor, []).append(index)

    def only_reader(self, index: int) -> int | None:
        """Give the one layer that reads what a layer makes, once, where nobody else does."""
        outputs = self.layers[index].outputs
        readers = self.readers.get(outputs[0], []) if len(outputs) == 1 and outputs[0] not in self.leaving else []
        return readers[0] if len(readers) == 1 else None

    def before(self, index: int) -> int | None:
        """Give the layer whose only reader this one is, by its first input."""
        maker = self.makers.get(self.layers[index].inputs[0])
        return maker if maker is not None and self.only_reader(maker) == index else None

    def type_of(self, index: int | None) -> str:
        return "" if index is None else self.layers[index].layer.type


def group_blocks(layers: Sequence[NetworkLayer], *, leaving: frozenset[str]) -> tuple[NetworkLayer, ...]:
    """Put one layer in the place of the parts of each inverted residual; other layers stay as they are.

    Args:
        layers: in the order in which they run.
        leaving: the tensors that leave the network.
    """
    chain = _Chain(layers, leaving)
    found = (_block_around(index, chain) for index, item in enumerate(layers) if item.layer.type == DEPTHWISE_CONV)
    blocks = {block.parts[-1]: block for block in found if block is not None}
    gone = {part for block in blocks.values() for part in block.parts}
    return tuple(
        _merged(blocks[index], layers) if index in blocks else item
        for index, item in enumerate(layers)
        if index in blocks or index not in gone
    )


def _block_around(depthwise: int, chain: _Chain) -> _Block | None:
    """Look before a depthwise convolution for its expansion, and behind it for squeeze-and-excitation and projection."""
    layer, source = chain.layers[depthwise].layer, chain.layers[depthwise].inputs[0]
    if not layer.channels or layer.channels != layer.in_channels or len(chain.layers[depthwise].inputs) != 1:
        return None
    beside: list[int] = []
    expansion, source = _expansion_of(depthwise, source, beside, chain)
    tail = _behind_activation(depthwise, beside, chain)
    squeeze = _squeeze_behind(tail, chain)
    if squeeze is not None:
        beside += squeeze
        tail = squeeze[-1]
    projection = chain.only_reader(tail)
    if projection is None or not _is_projection(projection, chain):
        return None
    if _is_quantised(chain.layers[depthwise]) and not _narrows(expansion, projection, chain):
        return None
    idskip = _addition_behind(projection, source, chain)
    if idskip is None:
        return None
    return _Block(
        depthwise=depthwise,
        projection=projection,
        expansion=expansion,
        beside=(*beside, *idskip),
        squeeze=None if squeeze is None else _convolutions(squeeze, chain),
        idskip=bool(idskip) or bool(chain.layers[projection].layer.fused_ops),
        source=source,
    )


def _expansion_of(depthwise: int, source: str, beside: list[int], chain: _Chain) -> tuple[int | None, str]:
    """Give the convolution that expands and what it reads; without one, the depthwise convolution reads the block's input."""
    before = chain.before(depthwise)
    apart = before if chain.type_of(before) in _APART else None
    expansion = chain.before(apart) if apart is not None else before
    if expansion is None or not _is_pointwise(expansion, chain):
        return None, source
    item = chain.layers[expansion]
    is_active = apart is not None or bool(ACTIVATIONS.intersection(item.layer.fused_ops)) or _is_quantised(item)
    if not is_active or len(item.inputs) != 1 or item.layer.in_channels in {0, item.layer.channels}:
        return None, source
    if apart is not None:
        beside.append(apart)
    return expansion, item.inputs[0]


def _behind_activation(index: int, beside: list[int], chain: _Chain) -> int:
    """Give the activation that alone reads a layer, or the layer where there is none."""
    follower = chain.only_reader(index)
    if follower is None or chain.type_of(follower) not in _APART or len(chain.layers[follower].inputs) != 1:
        return index
    beside.append(follower)
    return follower


def _squeeze_behind(index: int, chain: _Chain) -> list[int] | None:
    """Give the layers of squeeze-and-excitation: pooling, two 1×1 convolutions with activations, and the product."""
    (made,) = chain.layers[index].outputs[:1] or ("",)
    readers = chain.readers.get(made, [])
    pooling = next((reader for reader in readers if chain.type_of(reader) == "GlobalAveragePool"), None)
    if pooling is None or len(readers) != 2 or made in chain.leaving:
        return None
    parts = [pooling]
    while (follower := chain.only_reader(parts[-1])) is not None and chain.type_of(follower) != "Mul":
        if not (_is_pointwise(follower, chain) or chain.type_of(follower) in _APART):
            return None
        parts.append(follower)
    if follower is None or sorted(readers) != sorted((pooling, follower)):
        return None
    parts.append(follower)
    return parts if len(_convolutions(parts, chain) or ()) == 2 else None


def _convolutions(parts: Sequence[int], chain: _Chain) -> tuple[int, int] | None:
    found = [part for part in parts if chain.type_of(part) == CONV]
    return (found[0], found[1]) if len(found) == 2 else None


def _is_pointwise(index: int, chain: _Chain) -> bool:
    layer = chain.layers[index].layer
    window = (layer.kernel_height, layer.kernel_width, layer.stride_height, layer.stride_width, layer.padding)
    return layer.type == CONV and window == (1, 1, 1, 1, 0) and (layer.pad_left, layer.pad_right) == (0, 0)


def _is_projection(index: int, chain: _Chain) -> bool:
    is_linear = set(chain.layers[index].layer.fused_ops) <= ADDITIONS
    return _is_pointwise(index, chain) and is_linear and chain.type_of(chain.only_reader(index)) not in _APART


def _is_quantised(item: NetworkLayer) -> bool:
    return item.layer.precision.startswith(("int", "uint"))


def _narrows(expansion: int | None, projection: int, chain: _Chain) -> bool:
    """Tell a block by its widths: wide inside, narrow outside."""
    if expansion is None:
        return False
    before, behind = chain.layers[expansion].layer, chain.layers[projection].layer
    return before.in_channels < before.channels and behind.channels < behind.in_channels


def _addition_behind(projection: int, source: str, chain: _Chain) -> tuple[int, ...] | None:
    """Give the layer of its own that adds the block's input; empty where there is none, ``None`` for another's residual."""
    item = chain.layers[projection]
    if item.layer.fused_ops:
        return () if item.inputs[1:] == (source,) else None
    follower = chain.only_reader(projection)
    if follower is None or chain.type_of(follower) not in ADDITIONS:
        return ()
    adding = chain.layers[follower]
    is_own = sorted(adding.inputs) == sorted((source, item.outputs[0])) and not adding.layer.fused_ops
    return (follower,) if is_own else ()


def _merged(block: _Block, layers: Sequence[NetworkLayer]) -> NetworkLayer:
    parts = [layers[index] for index in block.parts]
    return NetworkLayer(
        name=parts[0].name,
        layer=_block_layer(block, layers),
        nodes=tuple(name for part in parts for name in part.nodes),
        tensors=tuple(name for part in parts for name in part.tensors),
        inputs=(block.source,),
        outputs=parts[-1].outputs,
    )


def _block_layer(block: _Block, layers: Sequence[NetworkLayer]) -> Layer:
    depthwise, projection = layers[block.depthwise].layer, layers[block.projection].layer
    first = depthwise if block.expansion is None else layers[block.expansion].layer
    layer = replace(
        depthwise,
        type=INVERTED_RESIDUAL,
        in_channels=first.in_channels,
        channels=projection.channels,
        height=first.height,
        width=first.width,
        groups=1,
        expansion_ratio=depthwise.channels / first.in_channels,
        idskip=int(block.idskip),
        input_volume=first.input_volume,
        output_volume=projection.output_volume,
        weight_elements=sum(layers[index].layer.weight_elements for index in block.parts),
        fused_ops=(),
        input_shapes=first.input_shapes[:1],
        output_shape=projection.output_shape,
        attributes="{}",
    )
    described = _described(block, layers)
    parts = [layers[index].layer for index in block.parts]
    beside = {
        "macs": sum(map(macs, parts)) - macs(layer),
        "flops": sum(map(flops, parts)) - flops(layer),
        "elements": sum(map(elements_moved, parts)) - elements_moved(layer),
    }
    if any(beside.values()):
        described["beside"] = beside
    return replace(layer, attributes=json.dumps(described, sort_keys=True, separators=(",", ":")))


def _described(block: _Block, layers: Sequence[NetworkLayer]) -> dict[str, object]:
    three = [layers[index].layer for index in (block.expansion, block.depthwise) if index is not None]
    apart = [layers[index].layer.type for index in block.beside if layers[index].layer.type in _APART]
    described: dict[str, object] = {"activations": [op for layer in three for op in layer.fused_ops] or apart}
    if block.squeeze is not None:
        first, second = (layers[index].layer for index in block.squeeze)
        described["squeeze"] = first.channels
        described["gate"] = "+".join(second.fused_ops)
    settings = {
        key: value
        for index in block.parts
        for key, value in json.loads(layers[index].layer.attributes).items()
        if key != "constant_operands"
    }
    return described | ({"settings": settings} if settings else {})
