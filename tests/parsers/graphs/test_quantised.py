"""Quantised networks as ONNX Runtime's quantiser writes them, and the corners of its rules."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnxruntime.quantization import (
    CalibrationDataReader,
    QuantFormat,
    QuantType,
    quantize_dynamic,
    quantize_static,
)

from parsers.network import Network, parse_network, read_network
from tests.parsers.sketch import Sketch, kinds


class Pictures(CalibrationDataReader):
    """Two random inputs, from which the quantiser takes its ranges."""

    def __init__(self) -> None:
        random = np.random.default_rng(0)
        self._left: Iterator[dict[str, np.ndarray]] = iter(
            [{"x": random.random((1, 4, 8, 8), dtype=np.float32)} for _ in range(2)]
        )

    def get_next(self) -> dict[str, np.ndarray] | None:
        return next(self._left, None)


@pytest.fixture
def real(tmp_path: Path) -> Path:
    """Convolution, depthwise convolution, residual, pooling and a product, with weights that are no zeros."""
    random = np.random.default_rng(0)
    sketch = Sketch((1, 4, 8, 8))
    sketch.weight = lambda *shape: sketch.constant(random.random(shape, dtype=np.float32))  # type: ignore[method-assign]
    first = sketch.node("Relu", sketch.convolution("x", 8, 4, 3, 3, bias=True, pads=[1] * 4))
    second = sketch.convolution(first, 8, 1, 3, 3, bias=True, pads=[1] * 4, group=8)
    added = sketch.node("Add", first, second)
    pooled = sketch.node("GlobalAveragePool", added)
    flat = sketch.node("Reshape", pooled, sketch.constant(np.array([1, 8])))
    path = tmp_path / "real.onnx"
    onnx.save(sketch.model(sketch.node("Gemm", flat, sketch.weight(8, 10), sketch.weight(10))), path)
    return path


def quantised(path: Path, quant_format: QuantFormat, activations: QuantType, *, per_channel: bool) -> Network:
    logging.getLogger().setLevel(logging.ERROR)
    result = path.with_name("quantised.onnx")
    quantize_static(
        path,
        result,
        Pictures(),
        quant_format=quant_format,
        activation_type=activations,
        weight_type=QuantType.QInt8 if quant_format is QuantFormat.QDQ else QuantType.QUInt8,
        per_channel=per_channel,
    )
    return read_network(result)


def described(network: Network) -> list[tuple[str, str, int]]:
    return [(item.layer.type, item.layer.precision, item.layer.weight_elements) for item in network.layers]


@pytest.mark.parametrize(
    ("quant_format", "activations", "per_channel", "precision"),
    [
        (QuantFormat.QDQ, QuantType.QUInt8, True, "uint8"),
        (QuantFormat.QDQ, QuantType.QInt8, False, "int8"),
        (QuantFormat.QOperator, QuantType.QUInt8, False, "uint8"),
    ],
    ids=["quantise-dequantise, per channel", "signed", "quantised operators"],
)
def test_a_quantised_network_has_the_layers_of_the_real_one_in_whole_numbers(
    real: Path, quant_format: QuantFormat, activations: QuantType, per_channel: bool, precision: str
):
    network = quantised(real, quant_format, activations, per_channel=per_channel)

    assert described(network) == [
        ("QuantizeLinear", "float32", 2),
        ("Conv", precision, 8 * 4 * 9 + 8),
        ("DepthwiseConv", precision, 8 * 9 + 8),
        ("Add", precision, 0),
        ("GlobalAveragePool", precision, 0),
        ("Reshape", precision, 0),
        ("Gemm", precision, 8 * 10 + 10),
        ("DequantizeLinear", precision, 2),
    ]
    assert network.macs == read_network(real).macs
    names = [name for item in network.layers for name in item.nodes]
    assert len(set(names)) == len(
        {node.name for node in onnx.load(real.with_name("quantised.onnx")).graph.node} & set(names)
    )


def test_ranges_found_at_run_time_are_layers_around_products_in_whole_numbers(real: Path):
    result = real.with_name("dynamic.onnx")
    quantize_dynamic(real, result, weight_type=QuantType.QUInt8)

    network = read_network(result)

    assert described(network)[:4] == [
        ("DynamicQuantizeLinear", "float32", 0),
        ("Mul", "float32", 1),
        ("Conv", "uint8", 8 * 4 * 9),
        ("Cast", "float32", 0),
    ]
    assert network.macs == read_network(real).macs


class Quantiser(Sketch):
    """Writes nodes between whole and real numbers."""

    def quantise(self, source: str) -> str:
        return self.node("QuantizeLinear", source, *self._parameters())

    def dequantise(self, source: str) -> str:
        return self.node("DequantizeLinear", source, *self._parameters())

    def quantised_weight(self, *shape: int) -> str:
        return self.dequantise(self.constant(np.ones(shape, np.uint8)))

    def _parameters(self) -> tuple[str, str]:
        return self.constant(np.float32(0.5)), self.constant(np.uint8(3))


def test_a_convolution_with_real_weights_works_on_real_numbers():
    sketch = Quantiser((1, 4, 8, 8))
    real = sketch.dequantise(sketch.quantise("x"))
    result = sketch.quantise(sketch.convolution(real, 8, 4, 1, 1))

    assert kinds(sketch.parse(result)) == [("QuantizeLinear",), ("DequantizeLinear",), ("Conv",), ("QuantizeLinear",)]


def test_an_activation_between_a_convolution_and_its_range_runs_with_it():
    sketch = Quantiser((1, 4, 8, 8))
    convolved = sketch.node("Conv", sketch.dequantise(sketch.quantise("x")), sketch.quantised_weight(8, 4, 1, 1))

    network = sketch.parse(sketch.quantise(sketch.node("Relu", convolved)))

    assert kinds(network) == [("QuantizeLinear",), ("Conv", "Relu")]
    assert network.layers[1].layer.precision == "uint8"
    assert (network.layers[1].inputs, network.layers[1].outputs) == (("t0",), ("t5",))


def test_an_operator_that_has_no_form_in_whole_numbers_keeps_both_sides():
    sketch = Quantiser((1, 4, 8, 8))

    network = sketch.parse(sketch.quantise(sketch.node("Tanh", sketch.dequantise(sketch.quantise("x")))))

    assert kinds(network) == [("QuantizeLinear",), ("DequantizeLinear",), ("Tanh",), ("QuantizeLinear",)]


def test_a_number_that_is_dequantised_for_two_stays_for_the_one_that_needs_it():
    sketch = Quantiser((1, 4, 8, 8))
    real = sketch.dequantise(sketch.quantise("x"))
    convolved = sketch.quantise(sketch.node("Conv", real, sketch.quantised_weight(8, 4, 1, 1)))

    network = sketch.parse(convolved, sketch.node("Tanh", real))

    assert kinds(network) == [("QuantizeLinear",), ("DequantizeLinear",), ("Conv",), ("Tanh",)]
    assert network.layers[2].layer.precision == "uint8"


def test_a_product_may_end_in_real_numbers_and_an_addition_may_not():
    sketch = Quantiser((2, 4))
    real = sketch.dequantise(sketch.quantise("x"))
    product = sketch.node("MatMul", real, sketch.quantised_weight(4, 5))
    added = sketch.node("Add", real, real)

    network = sketch.parse(product, added)

    assert kinds(network) == [("QuantizeLinear",), ("DequantizeLinear",), ("MatMul",), ("Add",)]
    assert [item.layer.precision for item in network.layers] == ["float32", "uint8", "uint8", "float32"]


def test_parts_of_a_split_are_quantised_each():
    sketch = Quantiser((1, 4))
    sketch.node("Split", sketch.dequantise(sketch.quantise("x")), outputs=2, axis=1)

    network = sketch.parse(sketch.quantise("t2"), sketch.quantise("t2b"))

    assert kinds(network) == [("QuantizeLinear",), ("Split",)]
    assert network.layers[1].outputs == ("t3", "t4")
    assert network.layers[1].layer.output_volume == 4


def test_a_table_of_whole_numbers_is_looked_up_as_such():
    sketch = Quantiser((1, 4))
    indices = sketch.node("Cast", "x", to=onnx.TensorProto.INT64)
    network = sketch.parse(sketch.quantise(sketch.node("Gather", sketch.quantised_weight(100, 16), indices)))

    assert kinds(network) == [("Cast",), ("Gather",)]
    assert network.layers[1].layer.precision == "uint8"
    assert network.layers[1].layer.output_shape == (1, 4, 16)


def test_a_quantised_operator_that_reads_channels_last_keeps_its_own_name():
    sketch = Quantiser((1, 8, 8, 4))
    scale, zero = sketch.constant(np.float32(1)), sketch.constant(np.uint8(0))
    pooled = sketch.node(
        "QLinearGlobalAveragePool",
        sketch.quantise("x"),
        scale,
        zero,
        scale,
        zero,
        domain="com.microsoft",
        channels_last=1,
    )
    model = sketch.model(pooled)
    model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info(pooled, onnx.TensorProto.UINT8, (1, 1, 1, 4)))

    network = parse_network(model, name="sketch")

    assert kinds(network) == [("QuantizeLinear",), ("QLinearGlobalAveragePool",)]
    assert network.layers[1].layer.output_shape == (1, 1, 1, 4)
