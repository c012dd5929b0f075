from __future__ import annotations

import json
from dataclasses import replace

import pytest

from metamodel.features import FeatureSpace
from metamodel.interface import Setting
from metamodel.manifest import from_json, to_json
from metamodel.outside import OutsideCheck, Range


@pytest.fixture
def seen(bench):
    """Convolutions of 16 to 64 channels and a Gemm, on one phone."""
    layers = [bench.convolution(channels) for channels in (16, 32, 64)] + [bench.gemm(512, 1000)]
    table = bench.frame([bench.row(layer, device="phone") for layer in layers])
    space = FeatureSpace.of_table(table)
    return OutsideCheck.of_table(table, space.table_matrix(table)), space


def reasons(seen, layers, setting):
    check, space = seen
    return check.layer_reasons(layers, space.layer_matrix(layers, setting))


def test_what_was_seen_is_inside_and_so_is_what_lies_between(bench, seen, setting):
    layers = [bench.convolution(16), bench.convolution(48), bench.convolution(64), bench.gemm(512, 1000)]

    assert reasons(seen, layers, setting) == [(), (), (), ()]
    assert seen[0].setting_reasons(setting) == ()


def test_a_number_beyond_the_margin_is_named_with_its_value_and_the_limit_of_its_type(bench, seen, setting):
    wide, narrow = (
        next(reason for reason in reasons(seen, [bench.convolution(channels)], setting)[0] if ": channels" in reason)
        for channels in (81, 12)
    )

    assert wide == "Conv: channels 81 is above the largest seen, 64"
    assert narrow == "Conv: channels 12 is below the smallest seen, 16"


def test_a_number_within_the_margin_is_inside(bench, seen, setting):
    assert reasons(seen, [bench.convolution(80), bench.convolution(13)], setting) == [(), ()]


def test_numbers_are_compared_within_their_type(bench, seen, setting):
    (convolution,) = reasons(seen, [bench.convolution(1000, in_channels=512)], setting)

    assert any("channels 1000 is above" in reason for reason in convolution)
    assert reasons(seen, [bench.gemm(512, 1000)], setting) == [()]


def test_words_that_were_never_seen_are_named(bench, seen, setting):
    known = bench.convolution(32)
    layers = [
        replace(known, type="Winograd"),
        replace(known, fused_ops=("Relu", "Tanh")),
        replace(known, precision="int8"),
        replace(bench.gemm(512, 1000), fused_ops=("Relu",)),
    ]

    assert [found[0] if found else None for found in reasons(seen, layers, setting)] == [
        "type Winograd was never seen",
        "Relu+Tanh fused behind a layer was never seen",
        "precision int8 was never seen",
        None,
    ]


def test_no_operator_behind_a_layer_is_a_word_too(bench, setting):
    table = bench.frame([bench.row(bench.convolution(16))])
    space = FeatureSpace.of_table(table)
    check = OutsideCheck.of_table(table, space.table_matrix(table))

    (found,) = reasons((check, space), [bench.convolution(16, fused="")], setting)

    assert found == ("no operator fused behind a layer was never seen",)


def test_a_number_that_no_layer_of_the_type_had_is_outside(bench, seen, setting):
    layer = replace(bench.gemm(512, 1000), kernel_height=3)

    assert reasons(seen, [layer], setting) == [("Gemm: kernel_height 3, where it was never known",)]


def test_a_phone_that_was_never_measured_is_said_to_be_even_where_its_numbers_are_usual(bench, seen):
    similar = Setting(context=replace(bench.phone, memory_gb=8.5))

    assert seen[0].setting_reasons(similar) == (
        "no row was measured in this context, provider and thread count together",
    )


def test_what_is_unusual_about_a_phone_is_said(bench, seen):
    other = Setting(context=replace(bench.phone, memory_gb=2.0, compute_units=4), provider="gpu", threads=8)

    assert seen[0].setting_reasons(other) == (
        "no row was measured in this context, provider and thread count together",
        "provider gpu was never seen",
        "compute_units 4 is above the largest seen, 0",
        "memory_gb 2 is below the smallest seen, 8",
        "threads 8 is above the largest seen, 1",
    )


def test_a_number_that_a_phone_does_not_tell_is_not_beyond_a_range(bench, seen):
    silent = Setting(context=replace(bench.phone, peak_gflops=None, memory_bw_gbs=None))

    assert seen[0].setting_reasons(silent) == (
        "no row was measured in this context, provider and thread count together",
    )


def test_the_devices_name_is_no_part_of_a_setting(bench, seen):
    assert seen[0].setting_reasons(Setting(context=bench.phone, device="another of the kind")) == ()


@pytest.mark.parametrize(
    ("value", "inside"),
    [(12.5, True), (12.6, False), (3.2, True), (3.1, False), (0.0, False), (-1.0, False), (1e9, False)],
)
def test_a_range_from_4_to_10_reaches_from_4_over_to_10_times_the_margin(value, inside):
    beyond = Range(name="height", smallest=4.0, largest=10.0).beyond(value, 1.25)

    assert (beyond is None) == inside


@pytest.mark.parametrize(("value", "inside"), [(-12.5, True), (-12.6, False), (-3.2, True), (-3.1, False)])
def test_a_margin_widens_a_range_below_zero_too(value, inside):
    beyond = Range(name="offset", smallest=-10.0, largest=-4.0).beyond(value, 1.25)

    assert (beyond is None) == inside


def test_a_check_survives_json(seen):
    check, _ = seen

    again = from_json(OutsideCheck, json.loads(json.dumps(to_json(check), allow_nan=False)), where="outside")

    assert again == check


def test_no_layers_have_no_reasons(seen, setting):
    assert reasons(seen, [], setting) == []


@pytest.mark.parametrize("margin", [0.9, float("nan")])
def test_a_margin_that_narrows_is_refused(bench, margin):
    table = bench.frame([bench.row(bench.convolution(16))])
    matrix = FeatureSpace.of_table(table).table_matrix(table)

    with pytest.raises(ValueError, match=f"margin={margin} must be at least 1"):
        OutsideCheck.of_table(table, matrix, margin=margin)
