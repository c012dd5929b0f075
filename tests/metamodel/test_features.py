from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metamodel.features import (
    CATEGORIES,
    NUMBERS,
    FeatureSpace,
    Vocabulary,
    evicted_mb,
    winograd_applies,
    winograd_tiles,
)
from metamodel.interface import Setting
from parsers.roofline import bytes_moved, flops, roofline_ms
from parsers.schema import PAPER_ATTRIBUTES, Context, Execution, Layer, Scope

EMPTY_SPACE = FeatureSpace(
    vocabularies=tuple(Vocabulary(name=name, words=("known",)) for name in CATEGORIES),
    block_types=(),
    usual_evicted_mb=None,
)


@pytest.fixture
def space(bench):
    return FeatureSpace.of_table(bench.frame(bench.campaign(bench.networks(2))))


def column(space, matrix, name):
    return matrix[:, space.names.index(name)].tolist()


def test_every_attribute_of_the_paper_but_the_response_is_a_feature(space):
    kinds = {name.partition("=")[0] for name in space.names}

    assert set(PAPER_ATTRIBUTES.values()) - {"execution_time_ms"} <= kinds


def test_work_traffic_and_roofline_are_those_of_the_one_definition(space, bench, setting):
    layers = [bench.convolution(64, in_channels=32), bench.gemm(128, 10)]

    matrix = space.layer_matrix(layers, setting)

    assert column(space, matrix, "flops") == [flops(layer) for layer in layers]
    assert column(space, matrix, "bytes") == [bytes_moved(layer) for layer in layers]
    roofs = np.float32([roofline_ms(layer, setting.context) for layer in layers])
    assert column(space, matrix, "roofline_ms") == roofs.tolist()


def test_channel_alignment_and_channels_per_group_are_worked_by_hand(space, bench, setting):
    layer = bench.convolution(70, in_channels=70, groups=70)

    matrix = space.layer_matrix([layer], setting)

    assert column(space, matrix, "channels_mod_4") == [2]
    assert column(space, matrix, "channels_mod_16") == [6]
    assert column(space, matrix, "channels_per_group") == [1]


def test_a_table_and_its_layers_are_described_alike(bench):
    layers = bench.layers(20)
    rows = [bench.row(layer) for layer in layers] + [
        bench.row(layer, context=bench.slow_phone, device="slow-phone") for layer in layers
    ]
    space = FeatureSpace.of_table(bench.frame(rows))

    matrix = space.table_matrix(bench.frame(rows))

    for rows_of_setting, context in ((slice(0, 20), bench.phone), (slice(20, 40), bench.slow_phone)):
        direct = space.layer_matrix(layers, Setting(context=context))
        np.testing.assert_array_equal(matrix[rows_of_setting], direct)


def test_a_word_outside_the_vocabulary_is_other_all_zeros(space, bench, setting):
    layer = replace(bench.convolution(8), type="Einsum", fused_ops=("Mish",))

    matrix = space.layer_matrix([layer], setting)

    words = [name for name in space.names if name.startswith(("type=", "family=", "fused_ops="))]
    assert {name: column(space, matrix, name)[0] for name in words} == dict.fromkeys(words, 0)


def test_a_known_word_marks_its_own_column_only(space, bench, setting):
    matrix = space.layer_matrix([bench.gemm(8, 4)], setting)

    marked = [name for name in space.names[len(NUMBERS) :] if column(space, matrix, name) == [1.0]]

    assert marked == ["type=Gemm", "family=dense", "fused_ops=", "precision=float32", "provider=cpu", "core_part=0xd0b"]


def test_what_a_layer_or_a_phone_does_not_have_is_nan(space, bench):
    unknown = Context(cores=None, memory_gb=4.0, clock_freq_ghz=None)

    matrix = space.layer_matrix([bench.gemm(8, 4)], Setting(context=unknown))

    missing = {name for name, value in zip(space.names, matrix[0], strict=True) if np.isnan(value)}
    kernel = {"kernel_size", "kernel_height", "kernel_width", "stride", "padding"}
    phone = {"cores", "clock_freq_ghz", "memory_bw_gbs", "last_level_cache_mb", "peak_gflops", "roofline_ms"}
    assert missing == kernel | phone | {"evicted_mb"}


def test_a_type_measured_as_a_block_is_marked_a_block_in_tables_and_in_the_search(bench, setting):
    block = replace(bench.convolution(24), type="InvertedResidual", expansion_ratio=6.0)
    row = bench.row(block)
    rows = [replace(row, execution=Execution(scope=Scope.BLOCK)), bench.row(bench.gemm(8, 4))]
    space = FeatureSpace.of_table(bench.frame(rows))

    of_table = space.table_matrix(bench.frame(rows))
    of_search = space.layer_matrix([block, bench.gemm(8, 4)], setting)

    assert column(space, of_table, "block") == [1.0, 0.0]
    assert column(space, of_search, "block") == [1.0, 0.0]


def evicting(row, evicted_mb):
    return replace(row, execution=replace(row.execution, evicted_mb=evicted_mb))


def test_what_a_network_evicts_is_the_rows_own_and_the_usual_where_nobody_says(bench, setting):
    rows = [evicting(bench.row(layer), mb) for layer, mb in zip(bench.layers(4), (1.0, 5.0, 9.0, None), strict=True)]
    space = FeatureSpace.of_table(bench.frame(rows))

    of_table = space.table_matrix(bench.frame(rows))
    said = space.layer_matrix(bench.layers(1), replace(setting, evicted_mb=2.0))
    unsaid = space.layer_matrix(bench.layers(1), setting)

    assert column(space, of_table, "evicted_mb") == [1.0, 5.0, 9.0, 5.0]
    assert column(space, said, "evicted_mb") == [2.0]
    assert column(space, unsaid, "evicted_mb") == [5.0]


def test_a_network_evicts_its_weights_and_what_is_alive_up_to_one_and_a_half_caches(bench):
    layers = [bench.gemm(1000, 500), bench.gemm(10, 5)]
    small_cache = replace(bench.phone, last_level_cache_mb=0.5)

    assert evicted_mb(layers, bench.phone) == 4 * (500_500 + 55 + 1500) / 2**20
    assert evicted_mb(layers, bench.phone, live_elements=7) == 4 * (500_500 + 55 + 7) / 2**20
    assert evicted_mb(layers, small_cache) == 0.75
    assert evicted_mb([], bench.phone) == 0.0


def test_no_layers_make_an_empty_matrix(space, setting):
    assert space.layer_matrix([], setting).shape == (0, len(space.names))


sizes = st.integers(min_value=1, max_value=4096)


@given(
    kind=st.text(max_size=8),
    fused=st.lists(st.text(max_size=8), max_size=3),
    channels=sizes,
    size=sizes,
    part=st.none() | st.text(max_size=4),
    peak=st.none() | st.floats(min_value=0.1, max_value=1e5),
)
def test_any_layer_in_any_context_has_every_feature_and_raises_nothing(kind, fused, channels, size, part, peak):
    layer = Layer(
        type=kind,
        in_channels=channels,
        channels=size,
        input_volume=channels,
        output_volume=size,
        fused_ops=tuple(fused),
    )
    context = Context(cores=None, memory_gb=1.0, clock_freq_ghz=None, core_part=part, peak_gflops=peak)

    matrix = EMPTY_SPACE.layer_matrix([layer], Setting(context=context))

    assert matrix.shape == (1, len(EMPTY_SPACE.names))
    assert np.isfinite(matrix[0, EMPTY_SPACE.names.index("flops")])


@pytest.mark.parametrize(
    ("layer", "tiles", "applies"),
    [
        ({"channels": 64, "in_channels": 64, "size": 28}, 49, True),
        ({"channels": 64, "in_channels": 60, "size": 28}, 49, False),  # 15 slices
        ({"channels": 61, "in_channels": 61, "size": 28}, 49, True),  # 16 slices, the last one part empty
        ({"channels": 64, "in_channels": 64, "size": 20}, 25, False),  # too few tiles
        ({"channels": 64, "in_channels": 64, "size": 28, "kernel": 5}, 0, False),
        ({"channels": 64, "in_channels": 64, "size": 28, "groups": 64}, 0, False),
    ],
)
def test_winograd_s_kernel_is_told_by_rule(bench, layer, tiles, applies):
    convolution = bench.convolution(**layer)

    assert (winograd_tiles(convolution), winograd_applies(convolution)) == (tiles, applies)


def test_a_strided_convolution_has_no_winograd_tiles(bench):
    strided = replace(bench.convolution(64, in_channels=64), stride_height=2, stride_width=2)

    assert winograd_tiles(strided) == 0
