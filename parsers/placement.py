"""Whose work a profile's nodes are, and on which execution provider they ran.

On the CPU a node keeps a name by which its layer is known. Providers that want channels last (XNNPACK, WebGPU) make ONNX
Runtime copy it, and then it is called ``<name>_token_<n>``; with an activation fused into it, ``XnnpackExecutionProvider_
Conv_0``: of such a node only operator and shapes tell the layer. A provider that compiles (NNAPI) leaves one node for a
whole partition, ``NnapiExecutionProvider_Nnapi_9273581279604050763_18_0``, and nobody can tell the layers in it apart.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from parsers.jobs import JobLayer
from parsers.operators import CONV, CONVOLUTIONS, EDGE_PREFIX
from parsers.ort_profile import NodeTime
from parsers.schema import Layer, Shape, Status

CPU = "cpu"

_BLOCKED_NODE = re.compile(r"(?P<tensor>(?P<part>.+?)(_bn|_mul)?)_nchwc")
"""How ONNX Runtime names a node in blocked layout: by a tensor of the layer, and which part of a normalisation it is."""

_COPY = re.compile(r"(?P<name>.+)_token_\d+")
"""How ONNX Runtime names the copy of a node in another layout."""

_SUFFIX = "executionprovider"

_Signature = tuple[str, tuple[Shape, ...], Shape]
"""ONNX operator, shape of the first activation input, shape of the output; channels first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """A profile's nodes, each with the layer that it works for."""

    of_layer: tuple[tuple[NodeTime, ...], ...]
    """One entry per layer."""
    unclaimed: tuple[NodeTime, ...]
    """Those that bear no layer's name."""


def provider_name(provider: str) -> str:
    """Give the plan's name of a provider: ``xnnpack`` for ``XnnpackExecutionProvider`` as for ``XNNPACK``."""
    return provider.lower().removesuffix(_SUFFIX)


def providers_used(nodes: Sequence[NodeTime]) -> str | None:
    """Name the providers that ran these nodes, joined with ``+``; ``None`` where there are none."""
    return "+".join(sorted({provider_name(node.provider) for node in nodes})) or None


def placement(asked: str, nodes: Sequence[NodeTime]) -> Status:
    """Say how a layer's nodes ran: ``ok``, ``fallback`` where one ran elsewhere than asked, ``elided`` where none is left.

    Args:
        asked: the provider asked for.
        nodes: the layer's nodes, layout nodes left out: those may run anywhere.
    """
    if not nodes:
        return Status.ELIDED
    elsewhere = any(provider_name(node.provider) != provider_name(asked) for node in nodes)
    return Status.FALLBACK if elsewhere else Status.OK


def share_out(layers: Sequence[JobLayer], nodes: Sequence[NodeTime]) -> Shares:
    """Give each layer the nodes that bear its nodes' names or its tensors' names, or that only it can be."""
    by_node = {name: index for index, part in enumerate(layers) for name in part.nodes}
    by_tensor = {tensor: index for index, part in enumerate(layers) for tensor in part.tensors}
    shares: list[list[NodeTime]] = [[] for _ in layers]
    nameless: list[NodeTime] = []
    for node in nodes:
        owner = by_node.get(node.name.removeprefix("fused "))
        if owner is None and (copy := _COPY.fullmatch(node.name)):
            owner = by_node.get(copy["name"])
        if owner is None and (blocked := _BLOCKED_NODE.fullmatch(node.name)):
            owner = by_tensor.get(blocked["tensor"], by_tensor.get(blocked["part"]))
        (nameless if owner is None else shares[owner]).append(node)
    unclaimed = _claim_by_shape(layers, nameless, shares)
    return Shares(of_layer=tuple(map(tuple, shares)), unclaimed=tuple(unclaimed))


def _claim_by_shape(
    layers: Sequence[JobLayer], nameless: Sequence[NodeTime], shares: Sequence[list[NodeTime]]
) -> list[NodeTime]:
    """Give the fused nodes of a provider to the layers of the same operator and shapes; return those left over.

    Only where the layers that come into question are as many as the nodes and all alike: then it does not matter which is
    which.
    """
    waiting: dict[_Signature | None, list[int]] = defaultdict(list)
    for index, part in enumerate(layers):
        if not shares[index]:
            waiting[_signature_of_layer(part.layer)].append(index)
    arrived: dict[_Signature | None, list[NodeTime]] = defaultdict(list)
    for node in nameless:
        arrived[_signature_of_node(node)].append(node)
    left_over: list[NodeTime] = []
    for signature, nodes in arrived.items():
        owners = waiting[signature]
        if len(owners) == len(nodes) and len({layers[owner].layer.key for owner in owners}) == 1:
            for owner, node in zip(owners, nodes, strict=True):
                shares[owner].append(node)
        else:
            left_over += nodes
    return left_over


def _signature_of_layer(layer: Layer) -> _Signature:
    return CONV if layer.type in CONVOLUTIONS else layer.type, layer.input_shapes[:1], layer.output_shape


def _signature_of_node(node: NodeTime) -> _Signature | None:
    """Give operator and shapes, channels first; ``None`` for a node that no provider has fused."""
    if not node.name.startswith(f"{node.provider}_{node.op}_"):
        return None
    inputs = tuple(map(_channels_first, node.input_shapes[:1]))
    return node.op, inputs, _channels_first(node.output_shapes[0]) if node.output_shapes else ()


def _channels_first(shape: Shape) -> Shape:
    return (shape[0], shape[-1], *shape[1:-1]) if len(shape) > 2 else shape


def hides_layers(asked: str, unclaimed: Sequence[NodeTime]) -> bool:
    """Whether layers without a node may be in these: a layer that is hidden is not one that was elided."""
    return provider_name(asked) != CPU and bool(unclaimed)


def hides_edge(asked: str, layer: Layer, nodes: Sequence[NodeTime]) -> bool:
    """Whether a one-layer model's edge (``profiler.microbench``) went under in the layer's nodes.

    Args:
        asked: the provider asked for.
        layer: the layer.
        nodes: all nodes of the profile.
    """
    has_edge = layer.type == "BatchNormalization" or (layer.type in CONVOLUTIONS and len(layer.input_shapes) > 1)
    return provider_name(asked) != CPU and has_edge and not any(node.name.startswith(EDGE_PREFIX) for node in nodes)
