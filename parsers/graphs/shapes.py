"""Shapes of a model's tensors, by ONNX's own inference and a little more.

What ONNX alone leaves open is closed here where it follows: shapes that a network computes from its own shapes
(``parsers.graphs.folding``), branches that a constant chooses, operators of ONNX Runtime's own that are standard ones in
another dress (``parsers.graphs.twins``), and the input of an operator that keeps its shape. Nothing is assumed: a shape that
does not follow stays unknown.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

import onnx
from onnx import NodeProto, ValueInfoProto

from parsers.errors import NetworkError
from parsers.graphs.files import first_line
from parsers.graphs.flat import FlatModel, keep_constant, lay_flat, tensor_of
from parsers.graphs.folding import constant_of, inlined_branch
from parsers.graphs.twins import is_known, stand_ins
from parsers.graphs.values import graphs_in, schema_of
from parsers.operators import KEEPS_SHAPE

_ROUNDS = 16
"""So often shapes and values may wait for each other; a branch in a branch takes one more."""


def read_shapes(model: onnx.ModelProto, *, name: str) -> FlatModel:
    """Lay a model flat and find the shape of every tensor, as far as it follows.

    Raises:
        NetworkError: a graph that ONNX's own checker refuses, or that contradicts itself.
    """
    flat = lay_flat(model, name=name)
    told = {value.name: value for value in model.graph.value_info}
    told = _infer(flat, told, is_first=True)
    for _ in range(_ROUNDS):
        found = _propagate(flat)
        if all(name in flat.known for node in flat.nodes for name in node.output if name):
            break
        if not (_look_backwards(flat) or found):
            break
        told |= {name: value for name, value in flat.known.items() if name not in flat.weights}
        told = _infer(flat, told)
    return flat


def _infer(flat: FlatModel, told: Mapping[str, ValueInfoProto], *, is_first: bool = False) -> dict[str, ValueInfoProto]:
    """Infer the shapes of the skeleton, and give back those told of tensors that can be believed.

    Shapes in the file that contradict the inferred ones are forgotten: a quantiser leaves those of the network that it read.
    ONNX's own propagation of values is not used: it takes memory and time for every element of any vector that is added.
    """
    foreign = {name for node in flat.nodes if not is_known(node, flat.opset) for name in node.output}
    beliefs = [dict(told), {name: value for name, value in told.items() if name in foreign}, {}]
    nodes = [twin for node in flat.nodes for twin in stand_ins(node, flat.opset)]
    for believed in beliefs:
        skeleton = flat.skeleton(nodes, believed)
        try:
            if is_first:
                onnx.checker.check_model(skeleton)
            graph = onnx.shape_inference.infer_shapes(skeleton, strict_mode=True).graph
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as exc:
            if not believed:
                raise NetworkError(f"{flat.name} is no valid ONNX network: {first_line(exc)}.") from exc
            continue
        values = (*graph.input, *graph.value_info, *graph.output)
        flat.known |= {value.name: value for value in values if tensor_of(value).is_known}
        return believed
    return {}


def _propagate(flat: FlatModel) -> bool:
    """Go through the nodes once: fold constants, lay open the branches that they choose, and infer shapes from both.

    Returns:
        Whether anything was found that was not known before.
    """
    waiting = deque(flat.nodes)
    flat.nodes = []
    found = False
    while waiting:
        node = waiting.popleft()
        if (value := constant_of(node, flat.values, flat.shape)) is not None:
            flat.values[node.output[0]] = value
            found = True
        elif (branch := inlined_branch(node, flat.values)) is not None:
            waiting.extendleft(inner for inner in reversed(branch) if not keep_constant(flat, inner))
            found = True
        else:
            flat.nodes.append(node)
            found |= _infer_node(node, flat)
    return found


def _infer_node(node: NodeProto, flat: FlatModel) -> bool:
    """Infer what one node makes, with the values of its small constants, where that is not known yet."""
    unknown = [name for name in node.output if name and name not in flat.known]
    found = False
    for twin in stand_ins(node, flat.opset) if unknown else ():
        types = {name: kind for name in twin.input if name and (kind := flat.type_of(name)) is not None}
        schema = schema_of(twin.op_type, twin.domain, flat.opset)
        has_graphs = any(graphs_in(attribute) for attribute in twin.attribute)
        if twin.domain or schema is None or has_graphs or any(name not in types for name in twin.input if name):
            continue
        data = {name: onnx.numpy_helper.from_array(flat.values[name], name) for name in types if name in flat.values}
        imports = [onnx.helper.make_opsetid("", flat.opset)]
        try:
            made = onnx.shape_inference.infer_node_outputs(schema, twin, types, data, None, imports, flat.ir_version)
        except onnx.checker.ValidationError:
            continue  # an element type that the operator does not take; a stand-in's may be one
        except onnx.shape_inference.InferenceError as exc:
            raise NetworkError(f"{flat.name} is no valid ONNX network: {first_line(exc)}.") from exc
        values = (ValueInfoProto(name=name, type=kind) for name, kind in made.items())
        news = {value.name: value for value in values if value.name not in flat.known and tensor_of(value).is_known}
        flat.known |= news
        found |= bool(news)
    return found


def _look_backwards(flat: FlatModel) -> bool:
    """Where an operator keeps its input's shape, what it makes tells what it reads."""
    found = False
    for node in reversed(flat.nodes):
        made = flat.known.get(node.output[0]) if node.output else None
        if node.domain or node.op_type not in KEEPS_SHAPE or made is None or not node.input:
            continue
        if (source := node.input[0]) not in flat.known and source not in flat.values and source:
            flat.known[source] = ValueInfoProto(name=source, type=made.type)
            found = True
    return found
