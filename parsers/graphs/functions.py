"""A model's own functions, written out into its graph."""

from __future__ import annotations

from collections.abc import Iterable

import onnx
import onnx.inliner
from onnx import NodeProto

from parsers.errors import NetworkError
from parsers.graphs.files import first_line
from parsers.graphs.values import walk

_MOST_NODES = 200_000
"""A network of more nodes is refused: a few lines of functions that call each other can ask for any number."""

_DEEPEST = 64
"""So many functions may call each other in a row."""


def written_out(skeleton: onnx.ModelProto, model: onnx.ModelProto, *, name: str) -> onnx.ModelProto:
    """Write the functions of a model out into a skeleton of it, in place.

    Args:
        skeleton: the model without its functions, and without the weights that would be carried along.
        model: where the functions are.
        name: of the network, for messages.

    Raises:
        NetworkError: functions that call themselves, or that are written out to more nodes than anybody needs.
    """
    skeleton.functions.extend(model.functions)
    _refuse_endless(skeleton, name)
    try:
        return onnx.inliner.inline_local_functions(skeleton)
    except (onnx.checker.ValidationError, RuntimeError, ValueError) as exc:
        raise NetworkError(f"{name} is no valid ONNX network: {first_line(exc)}.") from exc


def _refuse_endless(model: onnx.ModelProto, name: str) -> None:
    """Count the nodes that the functions would be written out to, before anybody writes them."""
    functions = {(item.domain, item.name): item.node for item in model.functions}
    counts: dict[tuple[str, str], int] = {}

    def count(nodes: Iterable[NodeProto], depth: int) -> int:
        """Count nodes as they would be written out, given how many functions lie around them."""
        if depth > _DEEPEST:
            raise NetworkError(f"{name} is no valid ONNX network: its functions call each other without an end.")
        total = 0
        for node in walk(nodes):
            key = (node.domain, node.op_type)
            if key in functions and key not in counts:
                counts[key] = count(functions[key], depth + 1)
            total += counts.get(key, 1)
        return total

    if count(model.graph.node, 0) > _MOST_NODES:
        raise NetworkError(f"{name} has more than {_MOST_NODES} nodes once its functions are written out.")
