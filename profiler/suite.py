"""Suites: which layers, and which whole networks, a campaign measures.

A layer that several networks share is measured once. Each knows its networks, and how much memory the smallest of them
touches: between two runs of a layer inside a network, that much passes through the cache, so its isolated run must not
find its data still there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType

import onnx

from parsers.graphs.files import load_model
from parsers.network import Network, read_network, require_shapes
from parsers.operators import Family, family_of
from parsers.schema import Layer, layer_from_values
from profiler.errors import SuiteError
from profiler.microbench import light_layer_model
from profiler.networks import build_network, name_nodes, network_graph

LAYERS_SCHEMA = 1
"""Version of ``layers.json``."""

SUITES: Mapping[str, str] = MappingProxyType(
    {
        "demo": "a few layers of each kind from SqueezeNet and MobileNetV2, and SqueezeNet as a whole; under a minute",
        "paper": "all layers of the networks that the paper names: AlexNet, GoogLeNet, MobileNetV1, MobileNetV2, R-CNN "
        "(backbone and head), SqueezeNet, VGG-19",
        "networks": "all layers of DenseNet-121, GoogLeNet, ResNet-50, ShuffleNet, SqueezeNet, VGG-19, and each as a whole",
    }
)
"""The suites that ship, and what they measure."""

_RCNN = ("faster_rcnn_backbone", "faster_rcnn_head")
_PAPER = ("alexnet", *_RCNN, "googlenet", "mobilenet_v1", "mobilenet_v2", "squeezenet", "vgg19")
_WHOLE = ("densenet121", "googlenet", "resnet50", "shufflenet", "squeezenet", "vgg19")
_DEMO = ("mobilenet_v2", "squeezenet")
_DEMO_PER_KIND = 3

_BYTES_PER_ELEMENT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteLayer:
    """A layer to measure alone."""

    layer: Layer
    networks: tuple[str, ...] = ()
    """Networks that contain it, in order."""
    count: int = 1
    """How often they contain it, all together."""
    footprint_mb: float | None = None
    """Memory that one run of the smallest of its networks touches, MB of 2^20 bytes; ``None`` where it has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteNetwork:
    """A network to measure as a whole."""

    name: str
    network: Network
    model: Callable[[], onnx.ModelProto]
    """Builds or loads it; its node names are those of ``network``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Suite:
    """What a campaign measures."""

    name: str
    layers: tuple[SuiteLayer, ...]
    networks: tuple[SuiteNetwork, ...] = ()
    left_out: tuple[str, ...] = ()
    """Why layers of the user's models cannot be measured alone, one line each."""


def load_suite(name: str) -> Suite:
    """Give one of :data:`SUITES`.

    Raises:
        SuiteError: no suite of that name.
    """
    match name:
        case "demo":
            networks = [_built(network) for network in _DEMO]
            whole = tuple(part for part in networks if part.name == "squeezenet")
            return Suite(name=name, layers=_few_of_each_kind(_unique_layers(networks)), networks=whole)
        case "paper":
            return Suite(name=name, layers=_unique_layers([_built(network) for network in _PAPER]))
        case "networks":
            networks = [_built(network) for network in _WHOLE]
            return Suite(name=name, layers=_unique_layers(networks), networks=tuple(networks))
        case _:
            known = ", ".join(SUITES)
            raise SuiteError(f"No suite {name!r}. Known: {known}; or name your own with --layers or --model.")


def suite_from_models(paths: Sequence[Path]) -> Suite:
    """Measure the user's ONNX files: the layers of each, and each as a whole.

    A layer that cannot be built alone (an operator of the user's own) is left out, with the reason.

    Raises:
        SuiteError: no files, or two of the same name.
        NetworkError: a file that is no ONNX, or has dynamic shapes.
    """
    names = [path.stem for path in paths]
    if not names:
        raise SuiteError("No ONNX file is given, so there is nothing to measure.")
    if len(set(names)) < len(names):
        raise SuiteError(
            f"Two ONNX files have the same name ({', '.join(names)}): rename one, rows are told apart by it."
        )
    networks = [
        SuiteNetwork(name=path.stem, network=require_shapes(read_network(path)), model=partial(_load_named, path))
        for path in paths
    ]
    layers, left_out = _buildable(_unique_layers(networks))
    return Suite(name="-".join(names), layers=layers, networks=tuple(networks), left_out=left_out)


def suite_from_layers(path: Path) -> Suite:
    """Measure the layers of a file ``{"schema": 1, "layers": [...]}``, as ``nas space layers`` writes it.

    Raises:
        SuiteError: no such file, not that format, no layers, or a layer that cannot be built.
    """
    layers = {layer.key: layer for layer in _read_layers(path)}
    if not layers:
        raise SuiteError(f"{path} holds no layers, so there is nothing to measure.")
    for layer in layers.values():
        light_layer_model(layer)
    return Suite(name=path.stem, layers=tuple(SuiteLayer(layer=layer) for layer in layers.values()))


def _read_layers(path: Path) -> list[Layer]:
    wrong = f'{path} is no layers file: expected {{"schema": {LAYERS_SCHEMA}, "layers": [...]}}'
    advice = "Write it with `nas space layers`."
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise SuiteError(f"Cannot read the layers file {path}: {exc.strerror or exc}. {advice}") from exc
    except ValueError as exc:
        raise SuiteError(f"{wrong}, but it is no JSON ({exc}). {advice}") from exc
    if not isinstance(document, dict) or not isinstance(document.get("layers"), list):
        raise SuiteError(f"{wrong}. {advice}")
    if document.get("schema") != LAYERS_SCHEMA:
        raise SuiteError(f"{wrong}, but its schema is {document.get('schema')!r}. {advice}")
    try:
        return [layer_from_values(values) for values in document["layers"]]
    except (KeyError, TypeError, ValueError) as exc:
        raise SuiteError(f"{path} holds a layer that cannot be read ({exc!r}). {advice}") from exc


def _built(name: str) -> SuiteNetwork:
    return SuiteNetwork(name=name, network=network_graph(name), model=partial(build_network, name))


def _load_named(path: Path) -> onnx.ModelProto:
    return name_nodes(load_model(path))


def _unique_layers(networks: Sequence[SuiteNetwork]) -> tuple[SuiteLayer, ...]:
    """List each layer once, in the order in which the networks first have them."""
    found: dict[str, tuple[Layer, list[SuiteNetwork]]] = {}
    for part in networks:
        for item in part.network.layers:
            found.setdefault(item.layer.key, (item.layer, []))[1].append(part)
    return tuple(
        SuiteLayer(
            layer=layer,
            networks=tuple(dict.fromkeys(part.name for part in parts)),
            count=len(parts),
            footprint_mb=min(_footprint_mb(part.network) for part in parts),
        )
        for layer, parts in found.values()
    )


def _footprint_mb(network: Network) -> float:
    """Runtimes reuse the activations' memory, so a run touches all weights but only the most that is alive at once."""
    return (network.peak_live_elements + network.weight_elements) * _BYTES_PER_ELEMENT / 2**20


def _few_of_each_kind(layers: Iterable[SuiteLayer]) -> tuple[SuiteLayer, ...]:
    """Take up to three layers of each type and fusion, spread evenly; what only moves shapes is no work to show."""
    kinds: dict[tuple[str, ...], list[SuiteLayer]] = {}
    for part in layers:
        if part.layer.type == "Concat" or family_of(part.layer.type) is not Family.MOVEMENT:
            kinds.setdefault((part.layer.type, *part.layer.fused_ops), []).append(part)
    return tuple(part for members in kinds.values() for part in _spread(members, _DEMO_PER_KIND))


def _spread(members: list[SuiteLayer], wanted: int) -> list[SuiteLayer]:
    if len(members) <= wanted:
        return members
    return [members[round(index * (len(members) - 1) / (wanted - 1))] for index in range(wanted)]


def _buildable(layers: Iterable[SuiteLayer]) -> tuple[tuple[SuiteLayer, ...], tuple[str, ...]]:
    kept: list[SuiteLayer] = []
    reasons: list[str] = []
    for part in layers:
        try:
            light_layer_model(part.layer)
        except SuiteError as exc:
            reasons.append(str(exc))
        else:
            kept.append(part)
    return tuple(kept), tuple(reasons)
