"""Operators that are written out as several, and the same layer in several words."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests.parsers.sketch import Sketch, kinds


def scalar(sketch: Sketch, value: float) -> str:
    return sketch.constant(np.float32(value))


def erf_sum(sketch: Sketch, source: str, *, divides: bool = True, root: float = math.sqrt(2)) -> str:
    """1 + erf(x/√2)."""
    scaled = sketch.node(
        *(("Div", source, scalar(sketch, root)) if divides else ("Mul", source, scalar(sketch, 1 / root)))
    )
    return sketch.node("Add", sketch.node("Erf", scaled), scalar(sketch, 1))


def test_a_gelu_is_found_whichever_factors_come_first():
    sketch = Sketch((2, 3, 8))
    half = scalar(sketch, 0.5)
    inner_half = sketch.node("Mul", sketch.node("Mul", "x", half), erf_sum(sketch, "x"))
    outer_half = sketch.node("Mul", half, sketch.node("Mul", erf_sum(sketch, "x", divides=False), "x"))

    network = sketch.parse(inner_half, outer_half)

    assert kinds(network) == [("Gelu",), ("Gelu",)]
    assert network.layers[0].layer == network.layers[1].layer
    assert network.layers[0].inputs == ("x",)
    assert len(network.layers[0].nodes) == 5
    assert network.layers[0].layer.weight_elements == 0


@pytest.mark.parametrize("wrong", ["half", "root", "read elsewhere"])
def test_what_is_almost_a_gelu_stays_written_out(wrong: str):
    sketch = Sketch((2, 8))
    summed = erf_sum(sketch, "x", root=2.0 if wrong == "root" else math.sqrt(2))
    product = sketch.node("Mul", sketch.node("Mul", "x", summed), scalar(sketch, 0.4 if wrong == "half" else 0.5))

    network = sketch.parse(product, *([summed] if wrong == "read elsewhere" else []))

    assert "Gelu" not in {kind for (kind,) in kinds(network)}
    assert len(network.layers) == 5


def test_a_hard_swish_is_found_and_runs_with_its_convolution():
    sketch = Sketch((1, 4, 2, 2))
    convolved = sketch.convolution("x", 8, 4, 1, 1)
    gate = sketch.node("HardSigmoid", convolved, alpha=1 / 6, beta=0.5)

    network = sketch.parse(sketch.node("Mul", convolved, gate))

    assert kinds(network) == [("Conv", "HardSwish")]
    assert network.layers[0].nodes == ("Conv0", "HardSigmoid1", "Mul2")
    assert network.layers[0].tensors == ("t0", "t1", "t2")


def test_a_gate_with_other_factors_is_no_hard_swish():
    sketch = Sketch((1, 4))

    network = sketch.parse(sketch.node("Mul", sketch.node("HardSigmoid", "x"), "x"))

    assert kinds(network) == [("HardSigmoid",), ("Mul",)]  # by default, alpha is a fifth


def test_a_swish_is_an_operator_of_its_own():
    sketch = Sketch((1, 4, 2, 2))
    convolved = sketch.convolution("x", 8, 4, 1, 1)

    network = sketch.parse(sketch.node("Mul", convolved, sketch.node("Sigmoid", convolved)))

    assert kinds(network) == [("Conv",), ("Swish",)]


def layer_normalisation(sketch: Sketch, source: str, *, axis: int = -1, squares: bool = False) -> str:
    """Write (x − mean) / √(variance + ε) · scale + offset."""
    mean = sketch.node("ReduceMean", source, axes=[axis])
    difference = sketch.node("Sub", source, mean)
    square = (
        sketch.node("Mul", difference, difference) if squares else sketch.node("Pow", difference, scalar(sketch, 2))
    )
    variance = sketch.node("Add", sketch.node("ReduceMean", square, axes=[axis]), scalar(sketch, 1e-5))
    quotient = sketch.node("Div", difference, sketch.node("Sqrt", variance))
    return sketch.node("Add", sketch.node("Mul", quotient, sketch.weight(8)), sketch.weight(8))


@pytest.mark.parametrize("squares", [False, True])
def test_a_layer_normalisation_is_found_and_is_the_operator(squares: bool):
    written_out, operator = Sketch((2, 3, 8)), Sketch((2, 3, 8))

    found = written_out.parse(layer_normalisation(written_out, "x", squares=squares))
    wanted = operator.parse(operator.node("LayerNormalization", "x", operator.weight(8), operator.weight(8)))

    assert [item.layer for item in found.layers] == [item.layer for item in wanted.layers]


def test_a_normalisation_over_another_axis_stays_written_out():
    sketch = Sketch((2, 8, 8))

    assert len(sketch.parse(layer_normalisation(sketch, "x", axis=1)).layers) == 9


def test_a_mean_over_the_image_is_a_global_pooling():
    sketch = Sketch((1, 4, 6, 5), (1, 4, 5))
    operator = sketch.node("GlobalAveragePool", "x")
    mean = sketch.node("ReduceMean", "x", axes=[-1, -2])
    flat = sketch.node("ReduceMean", "x", axes=[2, 3], keepdims=0)
    rows = sketch.node("ReduceMean", "x", axes=[3])
    sequence = sketch.node("ReduceMean", "y", axes=[2])

    network = sketch.parse(operator, mean, flat, rows, sequence)

    assert [kind for (kind,) in kinds(network)] == ["GlobalAveragePool"] * 2 + ["ReduceMean"] * 3
    assert network.layers[0].layer == network.layers[1].layer


def test_a_flattening_is_a_reshape():
    sketch = Sketch((1, 4, 2, 2))
    reshaped = sketch.node("Reshape", "x", sketch.constant(np.array([1, 16])))

    first, second = sketch.parse(sketch.node("Flatten", "x"), reshaped).layers

    assert first.layer == second.layer


def test_a_constant_operand_that_may_stand_on_either_side_comes_last():
    sketch = Sketch((1, 4, 2))
    before = sketch.node("Mul", sketch.weight(4, 1), "x")
    behind = sketch.node("Mul", "x", sketch.weight(4, 1))
    from_it = sketch.node("Sub", sketch.weight(4, 1), "x")

    first, second, third = (item.layer for item in sketch.parse(before, behind, from_it).layers)

    assert first == second
    assert third.attributes == '{"constant_operands":{"0":[4,1]}}'
