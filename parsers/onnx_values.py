"""Values out of ONNX protobufs: attributes, small constants and operators' defaults, as plain Python values.

Operators' defaults changed between opsets; attributes are told in the words of one, whatever opset a model has, so that
the same operator is described alike.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import NodeProto, TensorProto

Attribute = int | float | str | tuple[int | float | str, ...]
"""An attribute's or a small constant's value."""

REFERENCE_OPSET = 17
"""The opset in whose words nodes are described; defaults changed between opsets."""


def schema_of(proto: NodeProto, opset: int) -> onnx.defs.OpSchema | None:
    """Give an operator's schema; ``None`` for one that ONNX does not know."""
    if onnx.defs.has(proto.op_type, opset, proto.domain):
        return onnx.defs.get_schema(proto.op_type, opset, proto.domain)
    return None


def attributes_of(proto: NodeProto, schema: onnx.defs.OpSchema | None) -> dict[str, Attribute]:
    """Give a node's attributes that are not at their defaults; tensors and graphs are left out.

    The defaults are those of :data:`REFERENCE_OPSET`, or of the node's own opset for attributes that one does not have.
    """
    written = {item.name: _plain(onnx.helper.get_attribute_value(item)) for item in proto.attribute}
    own = _defaults(schema)
    usual = {**own, **_defaults(schema_of(proto, REFERENCE_OPSET))}
    effective = {**own, **written}
    return {name: value for name, value in effective.items() if value is not None and value != usual.get(name)}


def _defaults(schema: onnx.defs.OpSchema | None) -> dict[str, Attribute | None]:
    known = schema.attributes.values() if schema else ()
    return {
        item.name: _plain(onnx.helper.get_attribute_value(item.default_value))
        for item in known
        if item.default_value.name
    }


def _plain(value: object) -> Attribute | None:
    """Turn an attribute into plain values; tensors and graphs are nothing that a layer is described by."""
    match value:
        case bool() | int() | str():
            return value
        case float():
            return _short(value)
        case bytes():
            return value.decode(errors="replace")
        case list() if all(isinstance(item, int | float | str | bytes) for item in value):
            items = (_plain(item) for item in value)
            return tuple(item for item in items if item is not None and not isinstance(item, tuple))
        case _:
            return None


def plain_array(array: np.ndarray) -> Attribute:
    """Turn an array into a tuple of its elements, or into the one that it holds."""
    items = tuple(_short(item) if isinstance(item, float) else item for item in array.ravel().tolist())
    return items if array.ndim else items[0]


def _short(value: float) -> float:
    """Write 0.1 as 0.1 though the file holds the float32 nearest to it."""
    return float(str(np.float32(value)))


def constant_value(proto: NodeProto) -> dict[str, np.ndarray]:
    """Read what a Constant node holds, where it is a small tensor or a scalar."""
    if proto.op_type != "Constant" or not proto.attribute:
        return {}
    value = onnx.helper.get_attribute_value(proto.attribute[0])
    if isinstance(value, TensorProto):
        array = onnx.numpy_helper.to_array(value)
    elif isinstance(value, float | int | list):
        array = np.asarray(value, dtype=np.float32 if proto.attribute[0].name.startswith("value_float") else np.int64)
    else:
        return {}
    return {proto.output[0]: array}
