from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from parsers.dump import Dump, DumpSettings
from parsers.errors import DumpError
from parsers.ort_profile import NodeTime
from parsers.profiles.operator_time import LayerShape
from parsers.profiles.ort import KIND
from parsers.profiles.ort_shapes import layer_type, shape_of

IMAGE, FEATURES = (1, 16, 8, 8), (1, 32, 8, 8)
WARM_UP = "Of several runs of a sort, the first is taken for warm-up: first_ms, not in the mean."
LAYOUT = "1 nodes only reorder data for the kernels: records, but no rows."


def read(data: bytes) -> Dump:
    dump = KIND.read(data, DumpSettings(name="session"))
    return replace(dump, records=list(dump.records), rejects=list(dump.rejects))


def known(row: Mapping[str, object], *names: str) -> tuple[object, ...]:
    return tuple(row[name] for name in names)


def node(op: str = "Conv", **changes: object) -> NodeTime:
    whole = NodeTime(
        name="n",
        op=op,
        provider="CPUExecutionProvider",
        index=0,
        kernel_us=(1.0,),
        input_shapes=(IMAGE, (32, 16, 3, 1), (32,)),
        output_shapes=(FEATURES,),
        element_type="float",
        activation_bytes=4 * 16 * 64,
        parameter_bytes=4 * (32 * 16 * 3 + 32),
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def test_of_several_runs_the_first_is_warm_up_and_the_others_are_averaged(
    profile_of_runs: Callable[..., bytes],
) -> None:
    dump = read(profile_of_runs((90, 1), (20, 1), (30, 1)))

    assert [
        (time.section, time.type, time.time_ms, time.first_ms, time.min_ms, time.max_ms) for time in dump.records
    ] == [
        ("runs", "ReorderInput", 0.003, 0.003, 0.003, 0.003),
        ("runs", "Conv", 0.025, 0.09, 0.02, 0.03),
        ("runs", "Add", 0.05, 0.18, 0.04, 0.06),
        ("runs", "Network", 0.1, 0.36, 0.08, 0.12),
    ]
    assert (dump.rejects, dump.notes) == ([], [WARM_UP, LAYOUT])


def test_layers_are_rows_with_what_the_shapes_tell(profile_of_runs: Callable[..., bytes]) -> None:
    conv, add = read(profile_of_runs((90, 1), (20, 1))).cells

    names = ("type", "execution_time_ms", "samples", "provider", "input_volume", "output_volume", "precision")
    assert known(conv, *names) == ("Conv", 0.02, 1, "cpu", 192, 256, "float32")
    assert known(add, *names) == ("Add", 0.04, 1, "cpu", 512, 256, "float32")
    sides = ("batch", "in_channels", "height", "width", "channels", "out_height", "kernel_size", "groups")
    assert known(conv, *sides, "weight_elements") == (1, 3, 8, 8, 16, 4, 3, 1, 448)
    assert known(add, *sides) == (None,) * len(sides)
    assert known(conv, "stride", "padding", "network_wall_ms", "threads", "scope") == (
        None, None, None, None, "in_network",
    )  # fmt: skip


def test_runs_on_other_shapes_are_not_averaged_with_the_others(profiles: Mapping[str, bytes]) -> None:
    dump = read(profiles["ort"])

    assert [known(row, "job", "batch", "execution_time_ms", "samples") for row in dump.cells][::2] == [
        ("runs 1/0001-n8", 1, 0.025, 2),
        ("runs 2/0001-n8", 2, 0.05, 1),
    ]
    assert dump.notes[0] == "Runs differ in shapes or nodes: 2 sorts, of 3, 1 runs, are kept apart."


def test_a_run_with_an_event_that_cannot_be_read_is_left_out_whole(profile_of_runs: Callable[..., bytes]) -> None:
    data = profile_of_runs((90, 1), (20, 1), (30, 1))
    damaged = data.replace(b'"dur": 40', b'"dur": 4:0', 1)

    dump = read(damaged)

    assert [time.time_ms for time in dump.records] == [0.003, 0.03, 0.06, 0.12]
    assert [(reject.reason, reject.offset) for reject in dump.rejects] == [
        ("an event that cannot be read", damaged.rindex(b"\n", 0, damaged.index(b"4:0")) + 1)
    ]
    assert dump.notes[1] == "1 runs are left out. The first: A line of it is no JSON event."


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b'"dur": 40', b'"dur": -4', "a run whose events contradict each other"),
        (b'"dur": 40', b'"dur": NaN', "an event that cannot be read"),
        (b'"dur": 40', b'"dur": ' + b"9" * 5000, "an event that cannot be read"),
        (b'"dur": 40', b'"dur": ' + b"[" * 9000, "an event that cannot be read"),
    ],
)  # fmt: skip
def test_a_time_that_is_none_is_not_guessed(
    profile_of_runs: Callable[..., bytes], old: bytes, new: bytes, reason: str
) -> None:
    data = profile_of_runs((90, 1), (20, 1), (30, 1)).replace(old, new, 1)

    assert [reject.reason for reject in read(data).rejects] == [reason]


def test_a_node_in_a_loop_has_the_sum_of_its_times(profile_of_runs: Callable[..., bytes]) -> None:
    lines = profile_of_runs((90, 1)).splitlines(keepends=True)
    (conv,) = (line for line in lines if b"n8_kernel" in line)

    dump = read(b"".join([*lines[:4], conv * 99, *lines[4:]]))

    assert [time.time_ms for time in dump.records if time.type == "Conv"] == [pytest.approx(100 * 0.09)]


def test_of_a_cut_profile_the_whole_runs_count(profile_of_runs: Callable[..., bytes]) -> None:
    data = profile_of_runs((90, 1), (20, 1), (30, 1))
    cut = data[: data.rindex(b'"n8_kernel')]

    dump = read(cut)

    assert [time.time_ms for time in dump.records] == [0.003, 0.02, 0.04, 0.08]
    assert [reject.reason for reject in dump.rejects] == ["an event that cannot be read", "a run whose end is missing"]


def test_a_profile_on_one_line_is_read_too(profiles: Mapping[str, bytes]) -> None:
    joined = json.dumps(json.loads(profiles["ort"])).encode()

    assert list(read(joined).records) == list(read(profiles["ort"]).records)


@pytest.mark.parametrize("indent", [None, 0, 1, "\t"])
def test_a_long_profile_that_was_written_anew_is_read_too(
    profile_of_runs: Callable[..., bytes], indent: int | str | None
) -> None:
    data = profile_of_runs(*[(90, 1)] * 200)
    written = json.dumps(json.loads(data), indent=indent).encode()

    dump = read(written)

    assert len(written) > 65_536
    assert list(dump.records) == list(read(data).records)
    assert dump.rejects == []
    assert KIND.looks_like(written[:65_536], "")


def test_damage_in_a_profile_that_was_written_anew_costs_the_runs_that_it_hits(
    profile_of_runs: Callable[..., bytes],
) -> None:
    written = json.dumps(json.loads(profile_of_runs((90, 1), (20, 1))), indent=1).encode()
    torn = written[: written.rindex(b'"args"')]

    dump = read(torn)

    assert [time.time_ms for time in dump.records] == [0.003, 0.09, 0.18, 0.36]
    assert [reject.reason for reject in dump.rejects] == ["an event that cannot be read", "a run whose end is missing"]


def test_a_sessions_log_is_refused_with_what_is_needed() -> None:
    with pytest.raises(DumpError, match="not the session's log"):
        read(b"[I:onnxruntime:, inference_session.cc:593 ConstructorCommon] Dynamic block base set to 0\n")


def test_weights_tell_a_convolutions_kernel_and_groups() -> None:
    assert shape_of(node()) == LayerShape(
        input_shapes=(IMAGE,),
        output_shapes=(FEATURES,),
        is_image=True,
        kernel=(3, 1),
        groups=1,
        weight_elements=32 * 16 * 3 + 32,
        precision="float32",
    )


@pytest.mark.parametrize(
    ("changed", "type_"),
    [
        (node(), "Conv"),
        (node(input_shapes=(IMAGE, (16, 1, 3, 3)), parameter_bytes=4 * 144), "DepthwiseConv"),
        (node(input_shapes=(IMAGE, (32, 4, 3, 3)), parameter_bytes=4 * 32 * 36), "GroupedConv"),
        (node(op="FusedConv"), "Conv"),
        (node(input_shapes=(IMAGE,), parameter_bytes=0), "Conv"),
        (node(op="Relu"), "Relu"),
    ],
)
def test_convolutions_are_told_apart_by_their_weights(changed: NodeTime, type_: str) -> None:
    assert layer_type(changed, shape_of(changed)) == type_


@pytest.mark.parametrize(
    "changed",
    [
        node(input_shapes=(IMAGE, FEATURES), parameter_bytes=4),  # a residual, the weights packed
        node(input_shapes=(IMAGE,)),
        node(provider="XnnpackExecutionProvider"),
        node(element_type="uint8", activation_bytes=16 * 64),
        node(op="QLinearConv"),
        node(parameter_bytes=None),
    ],
    ids=["residual", "packed", "NHWC provider", "quantised", "quantised convolution", "old runtime"],
)
def test_what_may_be_something_else_than_weights_tells_no_kernel(changed: NodeTime) -> None:
    shape = shape_of(changed)

    assert shape is not None
    assert (shape.kernel, shape.groups, shape.weight_elements) == (None, None, None)


def test_inputs_that_cannot_be_told_from_weights_have_no_volume() -> None:
    shape = shape_of(node(activation_bytes=1))

    assert shape is not None
    assert (shape.input_shapes, shape.cells()["input_volume"]) == ((), None)
    assert shape_of(node(input_shapes=())) is None


@pytest.mark.parametrize("pattern", ["onnxruntime_profile_opt*", "onnxruntime_profile_noopt*"])
def test_profiles_that_the_runtime_wrote_are_read(pattern: str) -> None:
    files = sorted(Path(os.environ.get("AUTOCOMET_DATA", ""), "dumps", "profiles").glob(f"{pattern}.json"))
    if not files:
        pytest.skip(f"AUTOCOMET_DATA names no folder with dumps/profiles/{pattern}.json")
    data = files[0].read_bytes()

    dump = read(data)

    events = json.loads(data)
    runs = [event["dur"] for event in events if event["name"] == "model_run"]
    batch_1 = [time.time_ms for time in dump.records if (time.section, time.type) == ("runs 1", "Network")]
    assert batch_1 == [pytest.approx(sum(runs[1:5]) / 4 / 1000)]
    assert {row["batch"] for row in dump.cells if row["type"] == "Conv"} == {1, 2}
    assert [row["type"] for row in dump.cells].count("DepthwiseConv") == 2
    assert dump.rejects == []
    assert KIND.looks_like(data, files[0].name)


def test_a_verbose_log_is_no_profile() -> None:
    files = sorted(Path(os.environ.get("AUTOCOMET_DATA", ""), "dumps", "profiles").glob("ort_verbose*.log"))
    if not files:
        pytest.skip("AUTOCOMET_DATA names no folder with dumps/profiles/ort_verbose*.log")
    data = files[0].read_bytes()

    assert not KIND.looks_like(data, files[0].name)
    with pytest.raises(DumpError, match="not the session's log"):
        read(data)
