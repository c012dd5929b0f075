import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.operators import Family, family_of
from parsers.roofline import bytes_moved, flops, macs, roofline_ms
from parsers.schema import Context, Layer

PHONE = Context(cores=4, memory_gb=8.0, clock_freq_ghz=2.0, memory_bw_gbs=10.0, peak_gflops=100.0)


def convolution(layer_type: str = "Conv", *, groups: int = 1, channels: int = 8) -> Layer:
    """3×3 over 4×16×16, stride 2, padding 1."""
    return Layer(
        type=layer_type,
        in_channels=4,
        channels=channels,
        height=16,
        width=16,
        out_height=8,
        out_width=8,
        kernel_height=3,
        kernel_width=3,
        stride_height=2,
        stride_width=2,
        groups=groups,
        input_volume=4 * 16 * 16,
        output_volume=channels * 8 * 8,
        weight_elements=channels * (4 // groups) * 9 + channels,
        input_shapes=((1, 4, 16, 16),),
        output_shape=(1, channels, 8, 8),
    )


def elementwise(layer_type: str, *, inputs: int, attributes: str = "{}") -> Layer:
    return Layer(
        type=layer_type,
        in_channels=5,
        channels=5,
        height=2,
        width=3,
        out_height=2,
        out_width=3,
        input_volume=30 * inputs,
        output_volume=30,
        input_shapes=((1, 5, 2, 3),) * inputs,
        output_shape=(1, 5, 2, 3),
        attributes=attributes,
    )


def test_a_convolution_multiplies_every_output_with_its_window_over_all_input_channels():
    layer = convolution()

    assert macs(layer) == 8 * 8 * 8 * 4 * 3 * 3
    assert flops(layer) == 2 * 18432


def test_groups_divide_a_convolutions_work():
    assert macs(convolution("GroupedConv", groups=2)) == 18432 // 2
    assert macs(convolution("DepthwiseConv", groups=4, channels=4)) == 4 * 8 * 8 * 9


def test_a_transposed_convolution_counts_from_its_input():
    layer = Layer(
        type="ConvTranspose",
        in_channels=6,
        channels=4,
        height=5,
        width=5,
        kernel_height=2,
        kernel_width=2,
        groups=2,
        input_volume=150,
        output_volume=400,
    )

    assert macs(layer) == 6 * 5 * 5 * (4 // 2) * 2 * 2


def test_a_gemm_multiplies_every_output_with_all_features():
    layer = Layer(type="Gemm", batch=2, in_channels=512, channels=10, input_volume=1024, output_volume=20)

    assert (macs(layer), flops(layer)) == (10240, 20480)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (elementwise("Relu", inputs=1), 30),
        (elementwise("Add", inputs=2), 30),
        (elementwise("Sum", inputs=4), 90),
        (elementwise("Softmax", inputs=1), 150),
        (elementwise("LRN", inputs=1, attributes='{"size":3}'), 30 * 9),
        (elementwise("BatchNormalization", inputs=1), 60),
        (elementwise("Transpose", inputs=1), 0),
        (elementwise("NobodyKnows", inputs=1), 30),
        (elementwise("GlobalAveragePool", inputs=1), 30),
        (elementwise("LayerNormalization", inputs=1), 210),
        (elementwise("Gather", inputs=1), 0),
    ],
    ids=lambda value: value.type if isinstance(value, Layer) else "",
)
def test_operators_without_multiplication_count_per_element(layer: Layer, expected: int):
    assert (macs(layer), flops(layer)) == (0, expected)


@pytest.mark.parametrize(
    ("equation", "shapes", "attributes", "expected"),
    [
        ("bhid,bhjd->bhij", ((2, 4, 5, 8), (2, 4, 7, 8)), {}, 2 * 4 * 5 * 7 * 8),
        ("ij, jk -> ik", ((3, 4),), {"constant_operands": {"1": [4, 6]}}, 3 * 4 * 6),
        ("ij,jk", ((4, 6),), {"constant_operands": {"0": [3, 4]}}, 3 * 4 * 6),
        ("ii->i", ((5, 5),), {}, 0),  # takes a diagonal
        ("...ij,...jk->...ik", ((2, 3, 4), (2, 4, 5)), {}, 0),  # says not which indices
        ("ij,jk,kl->il", ((3, 4), (4, 5)), {}, 0),  # an operand is missing
    ],
)
def test_an_einsum_multiplies_once_for_every_choice_of_its_indices(
    equation: str, shapes: tuple[tuple[int, ...], ...], attributes: dict[str, object], expected: int
):
    layer = Layer(
        type="Einsum",
        in_channels=1,
        channels=1,
        input_volume=1,
        output_volume=7,
        input_shapes=shapes,
        attributes=json.dumps({"equation": equation, **attributes}),
    )

    assert macs(layer) == expected
    assert flops(layer) == (2 * expected or 7 * max(1, len(shapes) - 1))


def test_attention_multiplies_queries_with_keys_and_weights_with_values():
    heads, queries, keys, width = 4, 5, 7, 8
    apart = ((2, heads, queries, width), *[(2, heads, keys, width)] * 2)
    joined = ((2, queries, heads * width), *[(2, keys, heads * width)] * 2)

    found = [
        macs(
            Layer(
                type="Attention",
                in_channels=1,
                channels=1,
                input_volume=1,
                output_volume=1,
                input_shapes=shapes,
                output_shape=shapes[0],
            )
        )
        for shapes in (apart, joined)
    ]

    assert found == [2 * heads * queries * keys * width * 2] * 2


def test_pooling_counts_its_window():
    layer = Layer(
        type="MaxPool", in_channels=5, channels=5, kernel_height=3, kernel_width=2, input_volume=240, output_volume=60
    )

    assert flops(layer) == 60 * 6


def test_an_inverted_residual_costs_what_its_three_convolutions_cost():
    block = Layer(
        type="InvertedResidual",
        in_channels=4,
        channels=6,
        height=8,
        width=8,
        out_height=4,
        out_width=4,
        kernel_height=3,
        kernel_width=3,
        expansion_ratio=2.0,
        input_volume=256,
        output_volume=96,
        weight_elements=100,
    )
    expansion, depthwise, projection = 64 * 4 * 8, 16 * 8 * 9, 16 * 8 * 6

    assert macs(block) == expansion + depthwise + projection
    assert bytes_moved(block) == 4 * (256 + 96 + 100 + 2 * (8 * 64 + 8 * 16))


def test_an_inverted_residual_that_does_not_expand_has_no_expansion():
    block = Layer(
        type="InvertedResidual",
        in_channels=4,
        channels=6,
        height=8,
        width=8,
        out_height=8,
        out_width=8,
        kernel_height=3,
        kernel_width=3,
        input_volume=256,
        output_volume=384,
    )

    assert macs(block) == 64 * 4 * 9 + 64 * 4 * 6
    assert bytes_moved(block) == 4 * (256 + 384 + 2 * 4 * 64)


def test_a_block_that_adds_its_input_reads_it_twice_and_what_is_beside_its_convolutions_counts():
    block = Layer(
        type="InvertedResidual",
        in_channels=4,
        channels=4,
        height=8,
        width=8,
        out_height=8,
        out_width=8,
        kernel_height=3,
        kernel_width=3,
        idskip=1,
        input_volume=256,
        output_volume=256,
        attributes='{"beside":{"elements":11,"flops":100,"macs":30}}',
    )
    convolutions = 64 * 4 * 9 + 64 * 4 * 4

    assert (macs(block), flops(block)) == (convolutions + 30, 2 * convolutions + 100)
    assert bytes_moved(block) == 4 * (256 + 256 + 2 * 256 + 256 + 11)


def test_of_a_table_only_what_is_looked_up_is_read():
    layer = Layer(
        type="Gather", in_channels=1, channels=1, input_volume=16, output_volume=16 * 32, weight_elements=30_000 * 32
    )

    assert bytes_moved(layer) == 4 * (16 + 2 * 16 * 32)


def test_bytes_are_inputs_outputs_and_weights_of_the_precision():
    layer = convolution()
    half = Layer(type="Relu", in_channels=1, channels=1, input_volume=10, output_volume=10, precision="float16")

    assert bytes_moved(layer) == 4 * (1024 + 512 + 8 * 4 * 9 + 8)
    assert bytes_moved(half) == 40


def test_the_roof_is_the_slower_of_computing_and_moving():
    compute_bound = Layer(type="Gemm", in_channels=1000, channels=1, input_volume=10**6, output_volume=10**6)
    memory_bound = Layer(type="Concat", in_channels=1, channels=1, input_volume=10**6, output_volume=10**6)

    # 2·10⁹ FLOPs at 100 GFLOP/s are 20 ms; 8·10⁶ bytes at 10 GB/s are 0.8 ms.
    assert roofline_ms(compute_bound, PHONE) == pytest.approx(20.0)
    assert roofline_ms(compute_bound, PHONE, efficiency=0.5, overhead_ms=1.0) == pytest.approx(41.0)
    assert roofline_ms(memory_bound, PHONE) == pytest.approx(0.8)


def test_an_unknown_peak_leaves_its_side_out_and_no_peak_leaves_no_roof():
    layer = convolution()
    no_bandwidth = Context(cores=1, memory_gb=1.0, clock_freq_ghz=None, peak_gflops=100.0)
    nothing = Context(cores=1, memory_gb=1.0, clock_freq_ghz=None)

    assert roofline_ms(layer, no_bandwidth) == pytest.approx(36864 / 100e6)
    assert math.isnan(roofline_ms(layer, nothing))


@given(efficiency=st.floats(0.01, 1.0), overhead_ms=st.floats(0.0, 10.0))
def test_less_efficiency_and_more_overhead_never_make_a_layer_faster(efficiency: float, overhead_ms: float):
    layer = convolution()

    slowed = roofline_ms(layer, PHONE, efficiency=efficiency, overhead_ms=overhead_ms)

    assert slowed >= roofline_ms(layer, PHONE)


def test_unknown_operators_are_a_family_of_their_own():
    assert family_of("NobodyKnows") is Family.OTHER
    assert family_of("GroupedConv") is Family.GROUPED
