"""Real networks as ONNX models: those that ``onnx`` bundles as light models, and those written here.

Every model is pinned to one opset and IR version, has unique node names (a runtime's profile calls nodes by name), real
inputs only, and seeded weights. ``network_graph`` reads one as layers without making its weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

import onnx
from onnx import version_converter

from parsers.graphs.values import unique_node_names
from parsers.network import Network, parse_network
from profiler import architectures
from profiler.errors import SuiteError
from profiler.weights import IR_VERSION, OPSET, fill_weights

_LIGHT_FOLDER = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"

_LIGHT = MappingProxyType(
    {
        "alexnet": "bvlc_alexnet",
        "densenet121": "densenet121",
        "googlenet": "inception_v1",
        "inception_v2": "inception_v2",
        "resnet50": "resnet50",
        "shufflenet": "shufflenet",
        "squeezenet": "squeezenet",
        "vgg19": "vgg19",
        "zfnet512": "zfnet512",
    }
)
"""Our name for each light model, and its file's."""

_BUILT: Mapping[str, Callable[[], onnx.ModelProto]] = MappingProxyType(
    {
        "faster_rcnn_backbone": architectures.faster_rcnn_backbone,
        "faster_rcnn_head": architectures.faster_rcnn_head,
        "inception_v3": architectures.inception_v3,
        "mobilenet_v1": architectures.mobilenet_v1,
        "mobilenet_v2": architectures.mobilenet_v2,
        "mobilenet_v2_decoder": architectures.mobilenet_v2_decoder,
    }
)

NETWORKS = tuple(sorted((*_LIGHT, *_BUILT)))
"""Every network that can be asked for by name."""


def build_network(name: str, *, seed: int = 0) -> onnx.ModelProto:
    """Build a network with seeded weights, ready to run.

    Raises:
        SuiteError: no network of that name.
    """
    return fill_weights(light_network(name), seed=seed)


def network_graph(name: str) -> Network:
    """Read a network as layers; its node and tensor names are those of :func:`build_network`'s model.

    Raises:
        SuiteError: no network of that name.
    """
    return parse_network(light_network(name), name=name)


def name_nodes(model: onnx.ModelProto) -> onnx.ModelProto:
    """Give every node of a model a unique name, in place where it has none; returns the model."""
    for node, name in zip(model.graph.node, unique_node_names(model.graph.node), strict=True):
        node.name = name
    return model


def light_network(name: str) -> onnx.ModelProto:
    """Give a network's light model (see ``profiler.weights``).

    Raises:
        SuiteError: no network of that name.
    """
    if name in _BUILT:
        return _BUILT[name]()
    if name not in _LIGHT:
        raise SuiteError(f"No network {name!r}. Known: {', '.join(NETWORKS)}. A path to an .onnx file works too.")
    path = _LIGHT_FOLDER / f"light_{_LIGHT[name]}.onnx"
    if not path.is_file():
        raise SuiteError(f"The installed onnx {onnx.__version__} bundles no {path.name}. Install onnx 1.17 or later.")
    return _modernised(onnx.load(path))


def _modernised(light: onnx.ModelProto) -> onnx.ModelProto:
    """Lift a bundled model to the pinned opset and name its nodes, which come without names."""
    model = version_converter.convert_version(light, OPSET)
    model.ir_version = IR_VERSION
    for index, node in enumerate(model.graph.node):
        node.name = f"{node.op_type}_{index}"
    return model
