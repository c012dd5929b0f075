from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import OrtProfileError
from parsers.ort_profile import NodeTime, OrtProfile, is_layout, parse_ort_profile, trimmed_mean_us

CPU = "CPUExecutionProvider"


def session(name: str, dur: int) -> dict[str, object]:
    return {"cat": "Session", "pid": 1, "tid": 1, "dur": dur, "ts": 0, "ph": "X", "name": name, "args": {}}


def node(name: str, op: str, index: int, dur: int, provider: str = CPU) -> dict[str, object]:
    arguments = {"op_name": op, "node_index": str(index), "provider": provider, "thread_scheduling_stats": ""}
    return {"cat": "Node", "dur": dur, "ts": 0, "ph": "X", "name": f"{name}_kernel_time", "args": arguments}


def profile_of(*events: dict[str, object]) -> bytes:
    """Write events as ONNX Runtime does, one a line."""
    return ("[\n" + ",\n".join(json.dumps(event) for event in events) + "\n]\n").encode()


def run_of(reorder: int, conv: int) -> list[dict[str, object]]:
    return [
        node("ReorderInput", "ReorderInput", 7, reorder),
        {"cat": "Node", "dur": 3, "ts": 0, "name": "c_nchwc_fence_before", "args": {"op_name": "Conv"}},
        node("c_nchwc", "Conv", 9, conv),
        session("SequentialExecutor::Execute", reorder + conv + 5),
        session("model_run", reorder + conv + 9),
    ]


START = [session("model_loading_uri", 700), session("session_initialization", 900)]
WHOLE = profile_of(*START, *run_of(90, 900), *run_of(10, 100), *run_of(12, 110))


def test_each_node_has_its_time_in_each_run_behind_the_warm_up() -> None:
    assert parse_ort_profile(WHOLE, warmup_runs=1) == OrtProfile(
        nodes=(
            NodeTime(name="ReorderInput", op="ReorderInput", provider=CPU, index=7, kernel_us=(10.0, 12.0)),
            NodeTime(name="c_nchwc", op="Conv", provider=CPU, index=9, kernel_us=(100.0, 110.0)),
        ),
        run_us=(119.0, 131.0),
        complete=True,
    )


def test_runs_that_were_preempted_are_left_out() -> None:
    profile = parse_ort_profile(WHOLE, warmup_runs=1, skip_runs=(0,))

    assert (profile.run_us, [node.kernel_us for node in profile.nodes]) == ((131.0,), [(12.0,), (110.0,)])


def test_a_node_that_runs_several_times_in_one_run_counts_with_their_sum_and_where_it_does_not_run_with_zero() -> None:
    body = node("body", "Add", 3, 5)
    profile = parse_ort_profile(profile_of(body, body, session("model_run", 20), session("model_run", 4)))

    assert [node.kernel_us for node in profile.nodes] == [(10.0, 0.0)]


def test_a_node_has_the_shapes_that_its_kernel_got_and_gave() -> None:
    event = node("c", "Conv", 1, 5)
    event["args"] |= {  # type: ignore[operator]
        "input_type_shape": [{"float": [1, 32, 32, 3]}, {"int64": []}],
        "output_type_shape": [{"float": [1, 32, 32, 16]}],
    }

    (conv,) = parse_ort_profile(profile_of(event, session("model_run", 9))).nodes

    assert (conv.input_shapes, conv.output_shapes) == (((1, 32, 32, 3), ()), ((1, 32, 32, 16),))


@given(st.integers(1, len(WHOLE)))
def test_a_cut_profile_gives_the_runs_that_were_whole_and_no_others(length: int) -> None:
    whole = parse_ort_profile(WHOLE)
    try:
        profile = parse_ort_profile(WHOLE[:length])
    except OrtProfileError:
        assert WHOLE[:length].count(b"model_run") <= 1
        return

    assert profile.complete == (WHOLE[length:].strip() == b"")
    assert profile.run_us == whole.run_us[: profile.runs]
    assert [node.kernel_us for node in profile.nodes] == [node.kernel_us[: profile.runs] for node in whole.nodes]


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "no ONNX Runtime profile"),
        (b"{}", "not a JSON array"),
        (b"[1, 2]", "not a JSON array"),
        (b"no json", "no ONNX Runtime profile"),
        (b"[]", "Of the 0 whole runs"),
        (profile_of(*START, *run_of(1, 2)), "Of the 1 whole runs of the profile, 1 are warm-up"),
        (profile_of({"cat": "Node", "dur": 1, "name": "c_kernel_time"}), "c_kernel_time of the profile has no arg"),
        (profile_of({**node("c", "", 1, 1)}), "does not say its index, operator and provider"),
        (profile_of({**node("c", "Conv", 1, 1), "dur": "1"}), "has the duration '1'"),
        (profile_of({**node("c", "Conv", 1, 1), "dur": -1}), "has the duration -1"),
        (profile_of({**node("c", "Conv", 1, 1), "dur": float("nan")}), "has the duration nan"),
        (profile_of({**node("c", "Conv", 1, 1), "dur": 10**400}), "has the duration 1000"),
        (profile_of(node("c", "Conv", 10**20, 1)), "does not say its index"),
        (b"[" * 100_000, "no ONNX Runtime profile"),
        (b'[{"dur": ' + b"9" * 5000 + b"}]", "no ONNX Runtime profile"),
    ],
)
def test_what_is_no_profile_is_refused_with_the_reason(data: bytes, complaint: str) -> None:
    with pytest.raises(OrtProfileError, match=complaint):
        parse_ort_profile(data, warmup_runs=1)


def test_a_node_says_what_it_read_and_what_of_it_were_weights() -> None:
    event = node("c", "Conv", 1, 20)
    arguments = {
        "input_type_shape": [{"float": [1, 3, 8, 8]}, {"float": [16, 3, 3, 3]}],
        "output_type_shape": [{"float": [1, 16, 4, 4]}],
        "activation_size": "768",
        "parameter_size": "1728",
    }

    (read,) = parse_ort_profile(
        profile_of({**event, "args": {**event["args"], **arguments}}, session("model_run", 9))  # type: ignore[dict-item]
    ).nodes

    assert read == NodeTime(
        name="c",
        op="Conv",
        provider=CPU,
        index=1,
        kernel_us=(20.0,),
        input_shapes=((1, 3, 8, 8), (16, 3, 3, 3)),
        output_shapes=((1, 16, 4, 4),),
        element_type="float",
        activation_bytes=768,
        parameter_bytes=1728,
    )


@pytest.mark.parametrize("shapes", ["text", [{"float": 3}], [{"float": [1, -1]}], [{"float": [2**40]}], [["float"]]])
def test_shapes_that_are_none_are_left_out(shapes: object) -> None:
    event = node("c", "Conv", 1, 20)
    arguments = {**event["args"], "input_type_shape": shapes}  # type: ignore[dict-item]

    (read,) = parse_ort_profile(profile_of({**event, "args": arguments}, session("model_run", 9))).nodes

    assert read.input_shapes == ()


@pytest.mark.parametrize(
    ("op", "name", "layout"),
    [
        ("ReorderInput", "ReorderInput_token_3", True),
        ("ReorderOutput", "ReorderOutput", True),
        ("MemcpyToHost", "Memcpy_1", True),
        ("MemcpyFromHost", "Memcpy", True),
        ("Transpose", "Transpose", True),
        ("Transpose", "Transpose_token_12", True),
        ("Transpose", "Transpose_12", False),  # an unnamed node of the network: operator and index
        ("Transpose", "shuffle/Transpose", False),
        ("Cast", "InsertedPrecisionFreeCast_x", True),
        ("Cast", "to_int", False),
        ("Conv", "ReorderInput", False),
        ("Reshape", "Reshape_3", False),
    ],
)
def test_what_the_runtime_inserted_is_told_from_what_the_network_asked_for(op: str, name: str, layout: bool) -> None:
    assert is_layout(op, name) is layout


def test_a_trimmed_mean_leaves_a_tenth_out_at_either_end() -> None:
    times = [1000.0, *[10.0, 12.0] * 4, 0.0]

    assert trimmed_mean_us(times) == 11.0
    assert trimmed_mean_us(times, trim=0.0) == 108.8
    assert trimmed_mean_us([7.0]) == 7.0


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 0.49))
def test_a_trimmed_mean_lies_among_the_times(times: list[float], trim: float) -> None:
    assert min(times) * (1 - 1e-9) <= trimmed_mean_us(times, trim=trim) <= max(times) * (1 + 1e-9)


@pytest.mark.parametrize(("times", "trim"), [([], 0.1), ([1.0], 0.5), ([1.0], -0.1)])
def test_a_mean_of_nothing_is_an_error(times: list[float], trim: float) -> None:
    with pytest.raises(ValueError, match="one time is needed"):
        trimmed_mean_us(times, trim=trim)


@pytest.mark.parametrize(
    ("pattern", "reordered"), [("onnxruntime_profile_opt*", True), ("onnxruntime_profile_noopt*", False)]
)
def test_profiles_that_the_runtime_wrote_are_read(pattern: str, reordered: bool) -> None:
    files = sorted(Path(os.environ.get("AUTOCOMET_DATA", ""), "dumps", "profiles").glob(f"{pattern}.json"))
    if not files:
        pytest.skip(f"AUTOCOMET_DATA names no folder with dumps/profiles/{pattern}.json")

    profile = parse_ort_profile(files[0].read_bytes())

    events = json.loads(files[0].read_bytes())
    kernels = [event["dur"] for event in events if event["name"].endswith("_kernel_time")]
    assert profile.complete
    assert profile.runs == sum(event["name"] == "model_run" for event in events)
    assert sum(sum(node.kernel_us) for node in profile.nodes) == sum(kernels)
    assert any(is_layout(node.op, node.name) for node in profile.nodes) is reordered
