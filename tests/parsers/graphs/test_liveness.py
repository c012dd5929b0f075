"""How much is alive at once, and what is written over."""

from __future__ import annotations

import numpy as np
import pytest
from bench_live_activations import BYTES_PER_ELEMENT, TOLERANCE, Api, held

from profiler.networks import build_network, network_graph
from tests.parsers.sketch import Sketch


def test_an_elementwise_operator_writes_over_an_input_that_nobody_needs_any_more():
    sketch = Sketch((1, 4, 2, 2))
    wide = sketch.convolution("x", 32, 4, 1, 1)
    other = sketch.convolution("x", 32, 4, 1, 1)

    network = sketch.parse(sketch.node("Sqrt", sketch.node("Mul", wide, other)))

    # Two of 128 and the picture of 16; the product and its root lie where the first was.
    assert network.peak_live_elements == 128 + 128 + 16


def test_the_networks_own_input_is_not_written_over():
    sketch = Sketch((1, 4, 2, 2))

    assert sketch.parse(sketch.node("Sqrt", "x")).peak_live_elements == 16 + 16


def test_an_input_that_is_needed_again_is_not_written_over():
    sketch = Sketch((1, 4, 2, 2))
    wide = sketch.convolution("x", 32, 4, 1, 1)
    root = sketch.node("Sqrt", wide)

    assert sketch.parse(sketch.node("Concat", wide, root, axis=1)).peak_live_elements == 128 + 128 + 256


def test_a_convolution_adds_into_its_residual():
    sketch = Sketch((1, 32, 2, 2))
    first = sketch.node("Relu", sketch.convolution("x", 32, 32, 1, 1))
    narrow = sketch.node("Relu", sketch.convolution(first, 8, 32, 1, 1))

    network = sketch.parse(sketch.node("Add", sketch.convolution(narrow, 32, 8, 1, 1), first))

    # The picture and the first: 256. The residual, the narrow one and the sum, which lies over the residual: 160.
    assert network.peak_live_elements == 128 + 128


def test_a_reshape_moves_nothing():
    sketch = Sketch((1, 4, 2, 2))
    wide = sketch.convolution("x", 64, 4, 1, 1)
    flat = sketch.node("Reshape", wide, sketch.constant(np.array([1, 256])))

    assert sketch.parse(sketch.node("Gemm", flat, sketch.weight(256, 10))).peak_live_elements == 256 + 16


def test_what_is_turned_into_numbers_of_another_size_lies_elsewhere():
    sketch = Sketch((1, 4, 2, 2))
    wide = sketch.convolution("x", 64, 4, 1, 1)
    parameters = (sketch.constant(np.float32(1)), sketch.constant(np.uint8(0)))

    assert sketch.parse(sketch.node("QuantizeLinear", wide, *parameters)).peak_live_elements == 256 + 256


def test_of_several_results_the_first_may_lie_over_the_input_and_all_count():
    sketch = Sketch((1, 6, 2, 2))
    wide = sketch.convolution("x", 12, 6, 1, 1)
    sketch.node("Split", wide, outputs=2, axis=1)

    assert sketch.parse("t1", "t1b").peak_live_elements == 48 + 48


@pytest.mark.parametrize("name", ["squeezenet", "mobilenet_v1", "mobilenet_v2", "resnet50"])
def test_what_is_alive_at_once_is_what_onnx_runtimes_arena_has_given_out(name: str):
    runtime = held(Api(), build_network(name))

    assert BYTES_PER_ELEMENT * network_graph(name).peak_live_elements == pytest.approx(runtime.in_use, rel=TOLERANCE)
