"""Small constants that a network computes from its own shapes, and the branches that such a constant chooses.

Exporters write a reshape as arithmetic on shapes: ``Shape``, ``Slice``, ``Concat``, now and then an ``If``. A runtime works it
out while loading; so does this, on arrays of at most :data:`_MOST` elements. Operators that are not in the table, and
whatever cannot be worked out, stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import GraphProto, NodeProto

from parsers.graphs.values import graphs_in
from parsers.schema import Shape

Array = NDArray[Any]
Constants = dict[str, Array]
"""Values of constants, by tensor."""

_MOST = 4096
"""Elements that a folded constant may have. Shapes have a handful; a hostile file may ask for any number."""

_UNARY: Mapping[str, Callable[[Array], Array]] = MappingProxyType(
    {
        "Identity": np.asarray,
        "Neg": np.negative,
        "Abs": np.abs,
        "Floor": np.floor,
        "Ceil": np.ceil,
        "Sqrt": np.sqrt,
        "Not": np.logical_not,
        "Reciprocal": np.reciprocal,
    }
)

_BINARY: Mapping[str, Callable[[Array, Array], Array]] = MappingProxyType(
    {
        "Add": np.add,
        "Sub": np.subtract,
        "Mul": np.multiply,
        "Pow": np.power,
        "Mod": np.mod,
        "Min": np.minimum,
        "Max": np.maximum,
        "Equal": np.equal,
        "Less": np.less,
        "LessOrEqual": np.less_equal,
        "Greater": np.greater,
        "GreaterOrEqual": np.greater_equal,
        "And": np.logical_and,
        "Or": np.logical_or,
    }
)

_REDUCTIONS: Mapping[str, Callable[..., Array]] = MappingProxyType(
    {"ReduceProd": np.prod, "ReduceSum": np.sum, "ReduceMax": np.max, "ReduceMin": np.min}
)

_CANNOT = (ValueError, TypeError, IndexError, KeyError, OverflowError, ZeroDivisionError, AttributeError)
"""What numpy and onnx raise where operands do not fit an operator."""


def constant_of(node: NodeProto, values: Mapping[str, Array], shape_of: Callable[[str], Shape | None]) -> Array | None:
    """Work out the one output of a node whose inputs are known; ``None`` where that cannot be done.

    Args:
        node: any node.
        values: small constants.
        shape_of: gives a tensor's shape, where it is known.
    """
    if len(node.output) != 1 or node.domain:
        return None
    attributes = {item.name: item for item in node.attribute}
    try:
        with np.errstate(all="ignore"):
            if node.op_type in {"Shape", "Size"}:
                shape = shape_of(node.input[0])
                return None if shape is None else _of_shape(node.op_type, shape, attributes)
            operands = [values[name] if name else None for name in node.input]
            if not operands or operands[0] is None:
                return None
            result = _work_out(node.op_type, operands, attributes)
    except _CANNOT:
        return None
    return result if result is not None and result.size <= _MOST and result.dtype.kind in "biuf" else None


def inlined_branch(node: NodeProto, values: Mapping[str, Array]) -> list[NodeProto] | None:
    """Give the nodes of the branch that an If with a constant condition takes; ``None`` for any other node.

    Names made in the branch get the node's name in front, for two branches may use the same ones.
    """
    if node.op_type != "If" or node.domain or not node.input:
        return None
    condition = values.get(node.input[0])
    if condition is None or condition.size != 1:
        return None
    wanted = "then_branch" if bool(condition.ravel()[0]) else "else_branch"
    branch = next((item.g for item in node.attribute if item.name == wanted), None)
    if branch is None or len(branch.output) != len(node.output):
        return None
    made = {name for inner in branch.node for name in inner.output if name}
    made |= {tensor.name for tensor in branch.initializer}
    nodes = [onnx.helper.make_node("Constant", [], [tensor.name], value=tensor) for tensor in branch.initializer]
    nodes += branch.node
    renamed = [_renamed(inner, made, f"{node.name}/") for inner in nodes]
    for inside, outside in zip(branch.output, node.output, strict=True):
        source = f"{node.name}/{inside.name}" if inside.name in made else inside.name
        renamed.append(onnx.helper.make_node("Identity", [source], [outside], name=f"{node.name}/{outside}"))
    return renamed


def _renamed(node: NodeProto, made: set[str], prefix: str) -> NodeProto:
    """Copy a node with a prefix before the names in ``made``, in graphs of its own too, unless those make them anew."""
    copy = NodeProto()
    copy.CopyFrom(node)
    copy.name = f"{prefix}{node.name or node.op_type}"
    copy.input[:] = [prefix + name if name in made else name for name in node.input]
    copy.output[:] = [prefix + name if name in made else name for name in node.output]
    for attribute in copy.attribute:
        for graph in graphs_in(attribute):
            _rename_inside(graph, made, prefix)
    return copy


def _rename_inside(graph: GraphProto, made: set[str], prefix: str) -> None:
    own = {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
    own |= {name for node in graph.node for name in node.output}
    outer = made - own
    renamed = [_renamed(node, outer, prefix) for node in graph.node]
    del graph.node[:]
    graph.node.extend(renamed)
    for value in graph.output:
        value.name = prefix + value.name if value.name in outer else value.name


_Attributes = Mapping[str, onnx.AttributeProto]


def _of_shape(op: str, shape: Shape, attributes: _Attributes) -> Array:
    if op == "Size":
        return np.asarray(np.prod(np.asarray(shape, dtype=object)), dtype=np.int64)
    start = attributes["start"].i if "start" in attributes else 0
    end = attributes["end"].i if "end" in attributes else None
    return np.asarray(shape[start:end], dtype=np.int64)


def _work_out(op: str, operands: Sequence[Array | None], attributes: _Attributes) -> Array | None:
    given = [operand for operand in operands if operand is not None]
    first = given[0]
    if op in _UNARY:
        return np.asarray(_UNARY[op](first)).astype(first.dtype)
    if op in _BINARY or op == "Div":
        return _combined(op, given)
    if op in _REDUCTIONS:
        axes = _axes(operands, attributes)
        keep = "keepdims" not in attributes or bool(attributes["keepdims"].i)
        return np.asarray(_REDUCTIONS[op](first, axis=axes, keepdims=keep)).astype(first.dtype)
    if op in _MOVES:
        return _MOVES[op](operands, attributes)
    return None


def _combined(op: str, operands: Sequence[Array]) -> Array:
    _refuse_large(np.broadcast_shapes(*(operand.shape for operand in operands)))
    result = operands[0]
    for operand in operands[1:]:
        result = _quotient(result, operand) if op == "Div" else np.asarray(_BINARY[op](result, operand))
    return result


def _refuse_large(shape: Shape) -> None:
    if math.prod(shape) > _MOST:
        raise ValueError


def _quotient(dividend: Array, divisor: Array) -> Array:
    """Divide as ONNX does: whole numbers towards zero."""
    if dividend.dtype.kind not in "iu":
        return np.asarray(dividend / divisor)
    if not np.all(divisor):
        raise ZeroDivisionError
    return np.asarray(np.sign(dividend) * np.sign(divisor) * (np.abs(dividend) // np.abs(divisor))).astype(
        dividend.dtype
    )


def _axes(operands: Sequence[Array | None], attributes: _Attributes) -> tuple[int, ...] | None:
    """Read axes where an operator set has them: as an attribute, or as the second input."""
    if "axes" in attributes:
        return tuple(attributes["axes"].ints)
    if len(operands) > 1 and operands[1] is not None:
        return tuple(int(axis) for axis in operands[1].ravel())
    return None


def _axis(attributes: _Attributes, default: int) -> int:
    return attributes["axis"].i if "axis" in attributes else default


def _given(operands: Sequence[Array | None], index: int) -> Array:
    operand = operands[index]
    if operand is None:
        raise IndexError
    return operand


def _cast(operands: Sequence[Array | None], attributes: _Attributes) -> Array:
    return _given(operands, 0).astype(onnx.helper.tensor_dtype_to_np_dtype(attributes["to"].i))


def _concat(operands: Sequence[Array | None], attributes: _Attributes) -> Array:
    return np.concatenate([operand for operand in operands if operand is not None], axis=_axis(attributes, 0))


def _gather(operands: Sequence[Array | None], attributes: _Attributes) -> Array:
    data, indices, axis = _given(operands, 0), _given(operands, 1).astype(np.int64), _axis(attributes, 0)
    _refuse_large((data.size // max(1, data.shape[axis]), indices.size))
    return np.take(data, indices, axis=axis)


def _slice(operands: Sequence[Array | None], attributes: _Attributes) -> Array:
    data = _given(operands, 0)
    if "starts" in attributes:
        starts, ends = list(attributes["starts"].ints), list(attributes["ends"].ints)
        axes = list(attributes["axes"].ints) if "axes" in attributes else list(range(len(starts)))
        steps = [1] * len(starts)
    else:
        starts, ends = (_given(operands, index).ravel().tolist() for index in (1, 2))
        axes = operands[3].ravel().tolist() if len(operands) > 3 and operands[3] is not None else [*range(len(starts))]
        steps = operands[4].ravel().tolist() if len(operands) > 4 and operands[4] is not None else [1] * len(starts)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        # ONNX writes "from the end backwards to the very first" with an end far below -n, which Python reads alike.
        data = np.take(data, np.arange(data.shape[axis])[start:end:step], axis=axis)
    return data


def _squeeze(operands: Sequence[Array | None], attributes: _Attributes) -> Array:
    return np.squeeze(_given(operands, 0), axis=_axes(operands, attributes))


def _unsqueeze(operands: Sequence[Array | None], attributes: _Attributes) -> Array:
    axes = _axes(operands, attributes)
    return np.expand_dims(_given(operands, 0), () if axes is None else axes)


def _reshape(operands: Sequence[Array | None], attributes: _Attributes) -> Array:
    data, wanted = _given(operands, 0), _given(operands, 1).ravel().tolist()
    keeps_zero = "allowzero" in attributes and attributes["allowzero"].i
    sides = [data.shape[axis] if side == 0 and not keeps_zero else side for axis, side in enumerate(wanted)]
    return data.reshape(sides)


def _where(operands: Sequence[Array | None], attributes: _Attributes) -> Array:  # noqa: ARG001 - as all in _MOVES
    condition, first, second = (_given(operands, index) for index in range(3))
    _refuse_large(np.broadcast_shapes(condition.shape, first.shape, second.shape))
    return np.where(condition, first, second)


def _range(operands: Sequence[Array | None], attributes: _Attributes) -> Array:  # noqa: ARG001 - as all in _MOVES
    start, limit, step = (_given(operands, index).ravel()[0] for index in range(3))
    if not abs((float(limit) - float(start)) / float(step)) <= _MOST:
        raise ValueError
    return np.arange(start, limit, step, dtype=_given(operands, 0).dtype)


def _filled(operands: Sequence[Array | None], attributes: _Attributes) -> Array:
    shape = _shape(_given(operands, 0))
    _refuse_large(shape)
    value = onnx.numpy_helper.to_array(attributes["value"].t) if "value" in attributes else np.zeros(1, np.float32)
    return np.full(shape, value.ravel()[0], dtype=value.dtype)


def _expanded(operands: Sequence[Array | None], attributes: _Attributes) -> Array:  # noqa: ARG001 - as all in _MOVES
    data = _given(operands, 0)
    shape = np.broadcast_shapes(data.shape, _shape(_given(operands, 1)))
    _refuse_large(shape)
    return np.broadcast_to(data, shape).copy()


def _transposed(operands: Sequence[Array | None], attributes: _Attributes) -> Array:
    return np.transpose(_given(operands, 0), tuple(attributes["perm"].ints) if "perm" in attributes else None)


def _shape(sides: Array) -> Shape:
    return tuple(int(side) for side in sides.ravel())


_MOVES: Mapping[str, Callable[[Sequence[Array | None], _Attributes], Array]] = MappingProxyType(
    {
        "Cast": _cast,
        "Concat": _concat,
        "Gather": _gather,
        "Slice": _slice,
        "Squeeze": _squeeze,
        "Unsqueeze": _unsqueeze,
        "Reshape": _reshape,
        "Where": _where,
        "Range": _range,
        "ConstantOfShape": _filled,
        "Expand": _expanded,
        "Transpose": _transposed,
    }
)
