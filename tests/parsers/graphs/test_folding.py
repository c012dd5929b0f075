"""Constants that are worked out, and those that are not."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

from parsers.graphs.folding import constant_of

SHAPE = np.array([2, 3, 4], dtype=np.int64)
FLAGS = np.array([True, False, True])
CASES: list[tuple[str, list[np.ndarray], dict[str, object]]] = [
    ("Add", [SHAPE, np.array([1])], {}),
    ("Sub", [SHAPE, SHAPE[::-1].copy()], {}),
    ("Mul", [SHAPE, np.array(2)], {}),
    ("Div", [np.array([7, -7, 8]), np.array([2, 2, -3])], {}),
    ("Div", [np.float32([1, 3]), np.float32([4, 4])], {}),
    ("Mod", [np.array([7, -7]), np.array([3, 3])], {}),
    ("Pow", [np.float32([2, 3]), np.float32([2, 0.5])], {}),
    ("Sqrt", [np.float32([4, 9])], {}),
    ("Neg", [SHAPE], {}),
    ("Max", [SHAPE, np.array([3]), np.array([1, 9, 1])], {}),
    ("Min", [SHAPE, np.array([3])], {}),
    ("Equal", [SHAPE, np.array([2, -1, 4])], {}),
    ("Less", [SHAPE, np.array([3])], {}),
    ("Not", [FLAGS], {}),
    ("And", [FLAGS, FLAGS[::-1].copy()], {}),
    ("Where", [FLAGS, SHAPE, np.array([0])], {}),
    ("Cast", [np.float32([1.7, -1.7])], {"to": onnx.TensorProto.INT64}),
    ("Concat", [SHAPE, np.array([-1])], {"axis": 0}),
    ("Gather", [SHAPE, np.array([0, -1])], {"axis": 0}),
    ("Gather", [SHAPE, np.array(1)], {}),
    ("Slice", [SHAPE, np.array([1]), np.array([2**63 - 1])], {}),
    ("Slice", [SHAPE, np.array([-1]), np.array([-(2**63)]), np.array([0]), np.array([-1])], {}),
    ("Slice", [SHAPE.reshape(1, 3), np.array([0]), np.array([2]), np.array([1])], {}),
    ("Squeeze", [SHAPE.reshape(1, 3, 1), np.array([0])], {}),
    ("Squeeze", [SHAPE.reshape(1, 3, 1)], {}),
    ("Unsqueeze", [SHAPE, np.array([0, 2])], {}),
    ("Reshape", [np.arange(12), np.array([0, -1])], {}),
    ("Reshape", [np.arange(12).reshape(3, 4), np.array([0, -1, 2])], {}),
    ("Range", [np.array(1), np.array(9), np.array(3)], {}),
    ("Expand", [np.array([[1], [2]]), np.array([1, 3])], {}),
    ("Transpose", [np.arange(6).reshape(2, 3)], {}),
    ("Transpose", [np.arange(6).reshape(1, 2, 3)], {"perm": [2, 0, 1]}),
    ("ReduceProd", [SHAPE], {"keepdims": 0}),
    ("ReduceMax", [np.arange(6).reshape(2, 3)], {"axes": [1]}),
    ("ConstantOfShape", [np.array([2, 2])], {"value": onnx.numpy_helper.from_array(np.array([7]))}),
    ("ConstantOfShape", [np.array([2])], {}),
]


@pytest.mark.parametrize(
    ("op", "operands", "attributes"), CASES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_constant_is_what_onnxs_reference_makes_of_it(
    op: str, operands: list[np.ndarray], attributes: dict[str, object]
):
    names = [f"x{index}" for index in range(len(operands))]
    node = onnx.helper.make_node(op, names, ["y"], **attributes)
    values = dict(zip(names, operands, strict=True))
    inputs = [
        onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
        for name, value in values.items()
    ]
    graph = onnx.helper.make_graph([node], "one", inputs, [onnx.helper.make_empty_tensor_value_info("y")])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)

    found = constant_of(node, values, lambda _: None)

    (wanted,) = ReferenceEvaluator(model).run(None, values)
    assert found is not None
    assert (found.dtype, found.tolist()) == (wanted.dtype, wanted.tolist())


def test_a_shape_is_a_constant_where_it_is_known():
    whole = onnx.helper.make_node("Shape", ["x"], ["y"])
    part = onnx.helper.make_node("Shape", ["x"], ["y"], start=1, end=-1)
    size = onnx.helper.make_node("Size", ["x"], ["y"])

    found = [constant_of(node, {}, {"x": (2, 3, 4)}.get) for node in (whole, part, size)]

    assert [value.tolist() for value in found if value is not None] == [[2, 3, 4], [3], 24]
    assert constant_of(whole, {}, {}.get) is None


@pytest.mark.parametrize(
    ("op", "operands"),
    [
        ("Expand", [np.array([1]), np.array([10**9, 10**9])]),
        ("ConstantOfShape", [np.array([2**40])]),
        ("Range", [np.array(0), np.array(2**60), np.array(1)]),
        ("Range", [np.array(0), np.array(5), np.array(0)]),
        ("Add", [np.zeros((4096, 1)), np.zeros((1, 4096))]),
        ("Gather", [np.zeros((1, 4096)), np.zeros(4096)]),
        ("Div", [np.array([1]), np.array([0])]),
        ("Concat", [np.zeros(1), np.zeros((1, 1))]),
        ("Reshape", [np.zeros(3), np.array([2, 2])]),
        ("Slice", [np.zeros(3), np.array([0]), np.array([2]), np.array([5])]),
        ("Unsqueeze", [np.zeros(3), np.array([9])]),
        ("Conv", [np.zeros((1, 1, 2, 2)), np.zeros((1, 1, 1, 1))]),
    ],
)
def test_what_is_too_large_or_does_not_fit_is_not_worked_out(op: str, operands: list[np.ndarray]):
    values = {f"x{index}": value for index, value in enumerate(operands)}

    assert constant_of(onnx.helper.make_node(op, list(values), ["y"], axis=0), values, lambda _: None) is None
