"""Whose work a profile's nodes are, and on which execution provider they ran.

On the CPU a node keeps a name by which its layer is known. Other providers want another layout (XNNPACK, WebGPU) or compile
a whole partition (NNAPI), and then ONNX Runtime makes nodes with names of its own: ``Conv_token_3``, ``XnnpackExecutionProvider_
Conv_0``, ``NnapiExecutionProvider_Nnapi_9273581279604050763_18_0``. Of those nobody can tell which layers are in them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from parsers.jobs import JobLayer
from parsers.operators import CONVOLUTIONS, EDGE_PREFIX
from parsers.ort_profile import NodeTime
from parsers.schema import Layer, Status

CPU = "cpu"

_BLOCKED_NODE = re.compile(r"(?P<tensor>(?P<part>.+?)(_bn|_mul)?)_nchwc")
"""How ONNX Runtime names a node in blocked layout: by a tensor of the layer, and which part of a normalisation it is."""

_SUFFIX = "executionprovider"


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
    """Give each layer the nodes that bear its nodes' names or its tensors' names."""
    by_node = {name: index for index, part in enumerate(layers) for name in part.nodes}
    by_tensor = {tensor: index for index, part in enumerate(layers) for tensor in part.tensors}
    shares: list[list[NodeTime]] = [[] for _ in layers]
    unclaimed: list[NodeTime] = []
    for node in nodes:
        owner = by_node.get(node.name.removeprefix("fused "))
        blocked = _BLOCKED_NODE.fullmatch(node.name)
        if owner is None and blocked:
            owner = by_tensor.get(blocked["tensor"], by_tensor.get(blocked["part"]))
        (unclaimed if owner is None else shares[owner]).append(node)
    return Shares(of_layer=tuple(map(tuple, shares)), unclaimed=tuple(unclaimed))


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
