"""Folders of evidence, written by hand in the form of the runner and of ONNX Runtime, and the rows that they give."""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.errors import OrtProfileError, StatsError
from parsers.evidence import WholeNetwork, parse_job, read_run_status, read_whole_network
from parsers.jobs import DeviceRecord, JobLayer, JobSpec, job_to_json, write_verdict
from parsers.schema import Context, DeviceKind, Layer, Measurement, Row, Scope, Status

DEVICE = DeviceRecord(
    device="phone",
    kind=DeviceKind.VIRTUAL,
    soc=None,
    os_build=None,
    runtime_version="1.29.0",
    runner_sha256="0" * 64,
    context=Context(cores=4, memory_gb=4.0, clock_freq_ghz=2.0),
)
CONV = Layer(
    type="Conv",
    in_channels=3,
    channels=8,
    input_volume=48,
    output_volume=128,
    input_shapes=((1, 3, 4, 4),),
    output_shape=(1, 8, 4, 4),
)
RESIDUAL = replace(CONV, input_shapes=((1, 3, 4, 4), (1, 8, 4, 4)), fused_ops=("Add",))
NORMALISATION = replace(CONV, type="BatchNormalization")

CPU, XNNPACK, NNAPI = "CPUExecutionProvider", "XnnpackExecutionProvider", "NnapiExecutionProvider"
PHONE = "phone moment=before level=57 temperature_dc=312 thermal=0"
CLOCK = "clock cpu=0 khz=2000000 source=time_in_state start_khz=2000000 start_source=time_in_state"


# -- evidence --------------------------------------------------------------------------------------------------------


def node(name: str, op: str, index: int, dur: int, provider: str, channels: int = 8) -> str:
    """A node's event as ONNX Runtime writes it, here of a convolution with channels last."""
    return (
        f'{{"cat" : "Node","pid" :27650,"tid" :27650,"dur" :{dur},"ts" :{index},"ph" : "X","name" :"{name}_kernel_time",'
        f'"args" : {{"input_type_shape" : [{{"float":[1,4,4,3]}}],"thread_scheduling_stats" : "",'
        f'"output_type_shape" : [{{"float":[1,4,4,{channels}]}}],"output_size" : "512","parameter_size" : "896",'
        f'"activation_size" : "192","node_index" : "{index}","provider" : "{provider}","op_name" : "{op}"}}}}'
    )


def profile_of(nodes: Sequence[str], runs: int = 3) -> bytes:
    model_run = '{"cat" : "Session","pid" :1,"tid" :1,"dur" :200,"ts" :1,"ph" : "X","name" :"model_run","args" : {}}'
    return ("[\n" + ",\n".join([*nodes, model_run] * runs) + "\n]\n").encode()


def log_of(job: str, run: int, provider: str, profile: bytes | None, *extra: str) -> bytes:
    """A runner's log of four samples of 100 us, one profiled run warm-up and two that count."""
    records = [
        f"start protocol=1 monotonic_ns=1 boottime_ns=1 realtime_ns=1 provider={provider} threads=1 spin=0 model=m",
        "env runtime=1.29.0 affinity=0",
        "samples first=0 us=100.000,100.000,100.000,100.000",
        *extra,
    ]
    if profile is not None:
        fits = f"bytes={len(profile)} crc={zlib.crc32(profile):08x}"
        records.append(f"profile file=profile.json {fits} warmup=1 iterations=2 preempted=00")
    records.append(
        f"end status=ok lines={len(records) + 1} samples=4 dropped=0 monotonic_ns=2 boottime_ns=2 realtime_ns=2"
    )
    messages = [f"{number} {job} {run} {record}" for number, record in enumerate(records, start=1)]
    messages[-1] += f" crc={zlib.crc32(''.join(messages).encode()):08x}"
    return "".join(f"11-24 03:52:53.659     1     1 I AutoCoMET: {message}\n" for message in messages).encode()


def write_job(
    folder: Path,
    nodes: Sequence[str],
    *,
    provider: str = "cpu",
    layers: Sequence[Layer] = (CONV,),
    scope: Scope = Scope.ISOLATED,
    extra: Sequence[Sequence[str]] = ((), (), ()),
) -> Path:
    """Write a job of three runs, each with the same profile and with records of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    parts = [
        JobLayer(name=f"layer{index}", layer=layer, nodes=(f"layer{index}",), tensors=(f"t{index}",))
        for index, layer in enumerate(layers)
    ]
    spec = JobSpec(
        job="job",
        scope=scope,
        networks=("net",),
        layers=tuple(parts),
        provider=provider,
        threads=1,
        cpus=(0,),
        spinning=False,
        processes=3,
        evict_kb=0,
        model_sha256="",
    )
    (folder / "job.json").write_text(job_to_json(spec))
    profile = profile_of(nodes)
    for run, records in enumerate(extra):
        path = folder / f"run-{run}"
        path.mkdir(exist_ok=True)
        (path / "runner.log").write_bytes(log_of("job", run, provider, profile, *records))
        (path / "profile.json").write_bytes(profile)
    return folder


def rows_of(folder: Path) -> list[Row]:
    return parse_job(folder, DEVICE, campaign="c")


def row_of(folder: Path) -> Row:
    (row,) = rows_of(folder)
    return row


def verdict_on(row: Row) -> tuple[Status, str | None, float | None]:
    return row.measurement.status, row.execution.provider_used, row.measurement.execution_time_ms


ALONE = [node("layer0", "Conv", 0, 50, CPU)]


# -- good runs -------------------------------------------------------------------------------------------------------


def test_a_job_of_good_runs_is_one_row_with_the_phones_state_beside_it(tmp_path: Path) -> None:
    after = ("phone moment=after level=55 temperature_dc=330 thermal=0", CLOCK)
    extra = [(PHONE, CLOCK), (PHONE.replace("57", "56"), CLOCK), (PHONE.replace("57", "56"), *after)]

    row = row_of(write_job(tmp_path / "job", ALONE, extra=extra))

    assert row.measurement == Measurement(
        execution_time_ms=0.05,
        wall_ms=0.1,
        edge_ms=0.0,
        spread=0.0,
        processes=3,
        samples=12,
        samples_dropped=0,
        clock_observed_ghz=2.0,
        temperature_c=31.2,
        thermal_status=0,
        battery_percent_before=57.0,
        battery_percent_after=55.0,
    )
    assert row.execution.provider_used == "cpu"


def test_where_no_gate_told_of_the_phone_its_state_is_null(tmp_path: Path) -> None:
    measured = row_of(write_job(tmp_path / "job", ALONE)).measurement

    state = (measured.temperature_c, measured.thermal_status, measured.battery_percent_before)
    assert (*state, measured.battery_percent_after) == (None, None, None, None)


# -- runs that do not count ------------------------------------------------------------------------------------------


def test_a_profile_with_one_bit_flipped_loses_its_run_and_changes_no_number(tmp_path: Path) -> None:
    folder = write_job(tmp_path / "job", ALONE)
    clean = row_of(folder)
    path = folder / "run-1" / "profile.json"
    path.write_bytes(path.read_bytes().replace(b'"dur" :50', b'"dur" :70'))

    row = row_of(folder)

    assert read_run_status(folder / "run-1") is Status.LOST
    assert row.measurement == replace(clean.measurement, processes=2, samples=8)


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7), file=st.sampled_from(["profile.json", "runner.log"]))
def test_no_flipped_bit_ever_changes_a_number(
    tmp_path_factory: pytest.TempPathFactory, place: int, bit: int, file: str
) -> None:
    folder = write_job(tmp_path_factory.getbasetemp() / "flipped", ALONE)
    path = folder / "run-0" / file
    data = bytearray(path.read_bytes())
    data[place % len(data)] ^= 1 << bit
    path.write_bytes(data)

    row = row_of(folder)

    assert verdict_on(row) == (Status.OK, "cpu", 0.05)
    assert row.measurement.processes in {2, 3}  # a bit outside the messages, in a line's time say, alters nothing


@pytest.mark.parametrize("file", ["profile.json", "runner.log"])
def test_a_run_with_a_missing_file_is_lost(tmp_path: Path, file: str) -> None:
    folder = write_job(tmp_path / "job", ALONE)
    for run in range(3):
        (folder / f"run-{run}" / file).unlink()

    assert read_run_status(folder / "run-0") is Status.LOST
    assert row_of(folder).measurement == Measurement(status=Status.LOST, processes=0)


def test_a_profile_that_is_as_it_was_written_and_yet_none_is_an_error(tmp_path: Path) -> None:
    folder = write_job(tmp_path / "job", ALONE)
    (folder / "run-0" / "profile.json").write_bytes(b"{}")
    (folder / "run-0" / "runner.log").write_bytes(log_of("job", 0, "cpu", b"{}"))

    with pytest.raises(OrtProfileError, match="not a JSON array"):
        row_of(folder)


@pytest.mark.parametrize(
    "records",
    [
        (CLOCK.replace("khz=2000000", "khz=1899999", 1),),
        (PHONE, "phone moment=after level=57 temperature_dc=400 thermal=2"),
    ],
)
def test_a_throttled_run_is_never_averaged_in(tmp_path: Path, records: Sequence[str]) -> None:
    folder = write_job(tmp_path / "job", ALONE, extra=[(), records, ()])

    assert read_run_status(folder / "run-1") is Status.THROTTLED
    assert (row_of(folder).measurement.status, row_of(folder).measurement.processes) == (Status.OK, 2)


def test_a_job_most_of_whose_runs_were_throttled_is_throttled(tmp_path: Path) -> None:
    slow = (CLOCK.replace("khz=2000000", "khz=1000000", 1),)
    folder = write_job(tmp_path / "job", ALONE, extra=[slow, slow, ()])

    assert row_of(folder).measurement == Measurement(status=Status.THROTTLED, processes=1)


def test_a_run_that_something_was_found_out_against_later_counts_with_that(tmp_path: Path) -> None:
    folder = write_job(tmp_path / "job", ALONE)
    write_verdict(folder / "run-1", status=Status.THROTTLED, reason="a sentinel moved by 7 %")

    assert read_run_status(folder / "run-1") is Status.THROTTLED
    assert row_of(folder).measurement.processes == 2


def test_what_is_held_against_a_run_does_not_hide_that_it_failed_by_itself(tmp_path: Path) -> None:
    folder = write_job(tmp_path / "job", ALONE)
    (folder / "run-1" / "runner.log").write_bytes(b"")
    write_verdict(folder / "run-1", status=Status.THROTTLED, reason="a sentinel moved by 7 %")

    assert read_run_status(folder / "run-1") is Status.LOST


@pytest.mark.parametrize("text", ["{", "[]", '{"status": "tired", "reason": ""}', json.dumps({"status": "throttled"})])
def test_a_verdict_that_is_none_is_an_error_that_names_the_file(tmp_path: Path, text: str) -> None:
    folder = write_job(tmp_path / "job", ALONE)
    (folder / "run-0" / "verdict.json").write_text(text)

    with pytest.raises(StatsError, match=r"run-0.verdict\.json"):
        read_run_status(folder / "run-0")


# -- where it ran ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Conv_0_token_1", "XnnpackExecutionProvider_Conv_0"])
def test_one_convolution_on_xnnpack_is_ok_and_its_transposes_on_the_cpu_are_edges(tmp_path: Path, name: str) -> None:
    nodes = [  # names, operators and places as ONNX Runtime 1.29 gave them, without and with an activation
        node("Transpose", "Transpose", 1, 7, CPU),
        node(name, "Conv", 3, 40, XNNPACK),
        node("Transpose_token_0", "Transpose", 2, 6, CPU),
    ]

    row = row_of(write_job(tmp_path / "job", nodes, provider="xnnpack"))

    assert verdict_on(row) == (Status.OK, "xnnpack", 0.04)
    assert row.measurement.edge_ms == 0.013


def test_an_operator_that_xnnpack_does_not_take_is_a_fallback_and_the_row_says_what_ran_it(tmp_path: Path) -> None:
    row = row_of(write_job(tmp_path / "job", ALONE, provider="xnnpack"))

    assert verdict_on(row) == (Status.FALLBACK, "cpu", None)


def test_a_partition_on_nnapi_is_ok_under_any_spelling_of_the_provider(tmp_path: Path) -> None:
    name = "NnapiExecutionProvider_Nnapi_9273581279604050763_18_0"
    nodes = [node(name, "Nnapi_9273581279604050763_18", 6, 30, NNAPI)]

    for spelling in ("nnapi", "NNAPI", "NnapiExecutionProvider"):
        assert verdict_on(row_of(write_job(tmp_path / spelling, nodes, provider=spelling))) == (
            Status.OK,
            "nnapi",
            0.03,
        )


def test_a_layer_of_which_a_part_ran_elsewhere_is_a_fallback_of_both(tmp_path: Path) -> None:
    nodes = [node("NnapiExecutionProvider_Nnapi_1_0_0", "Nnapi_1_0", 6, 30, NNAPI), node("erf", "Erf", 7, 5, CPU)]

    assert verdict_on(row_of(write_job(tmp_path / "job", nodes, provider="nnapi"))) == (
        Status.FALLBACK,
        "cpu+nnapi",
        None,
    )


@pytest.mark.parametrize("layer", [RESIDUAL, NORMALISATION])
def test_a_layer_whose_edge_went_under_in_a_partition_has_no_time(tmp_path: Path, layer: Layer) -> None:
    nodes = [node("NnapiExecutionProvider_Nnapi_1_0_0", "Nnapi_1_0", 6, 30, NNAPI)]

    row = row_of(write_job(tmp_path / "job", nodes, provider="nnapi", layers=[layer]))

    assert verdict_on(row) == (Status.LOST, "nnapi", None)


def test_a_normalisation_that_fell_back_behind_a_renamed_edge_is_a_fallback(tmp_path: Path) -> None:
    nodes = [node("Conv", "Conv", 5, 9, XNNPACK), node("layer0", "BatchNormalization", 1, 20, CPU)]

    row = row_of(write_job(tmp_path / "job", nodes, provider="xnnpack", layers=[NORMALISATION]))

    assert verdict_on(row) == (Status.FALLBACK, "cpu+xnnpack", None)


def test_an_edge_on_the_cpu_is_known_by_its_name(tmp_path: Path) -> None:
    nodes = [node("edge_input_1_nchwc", "Conv", 5, 9, CPU), node("layer0", "Conv", 1, 20, CPU)]

    row = row_of(write_job(tmp_path / "job", nodes, layers=[RESIDUAL]))

    assert (verdict_on(row), row.measurement.edge_ms) == ((Status.OK, "cpu", 0.02), 0.009)


def in_network(folder: Path, nodes: Sequence[str], layers: Sequence[Layer], provider: str = "xnnpack") -> list[Row]:
    return rows_of(write_job(folder, nodes, provider=provider, scope=Scope.IN_NETWORK, layers=layers))


def test_in_a_network_each_layer_is_judged_by_its_own_nodes(tmp_path: Path) -> None:
    nodes = [
        node("layer0_token_5", "Conv", 13, 10, XNNPACK),
        node("layer1", "Sigmoid", 3, 20, CPU),
        node("layer2", "Gemm", 7, 30, XNNPACK),
    ]

    rows = in_network(tmp_path / "job", nodes, [CONV, CONV, CONV])

    assert [verdict_on(row) for row in rows] == [
        (Status.OK, "xnnpack", 0.01),
        (Status.FALLBACK, "cpu", None),
        (Status.OK, "xnnpack", 0.03),
    ]
    assert {row.measurement.network_wall_ms for row in rows} == {0.1}


def test_a_fused_node_belongs_to_the_one_layer_of_its_operator_and_shapes(tmp_path: Path) -> None:
    wider = replace(CONV, channels=16, output_shape=(1, 16, 4, 4))
    nodes = [
        node("XnnpackExecutionProvider_Conv_0", "Conv", 9, 20, XNNPACK, channels=16),
        node("XnnpackExecutionProvider_Conv_1", "Conv", 10, 10, XNNPACK),
    ]

    rows = in_network(tmp_path / "job", nodes, [CONV, wider])

    assert [verdict_on(row) for row in rows] == [(Status.OK, "xnnpack", 0.01), (Status.OK, "xnnpack", 0.02)]


@pytest.mark.parametrize(
    "layers",
    [
        (CONV, replace(CONV, dilation=2)),  # of the same shapes, but not alike
        (CONV, CONV, CONV),  # more than there are nodes
        (replace(CONV, type="MaxPool"), replace(CONV, type="MaxPool")),
    ],
)
def test_where_a_fused_node_may_be_several_layers_none_of_them_has_a_time(
    tmp_path: Path, layers: Sequence[Layer]
) -> None:
    nodes = [node(f"XnnpackExecutionProvider_Conv_{k}", "Conv", k, 10, XNNPACK) for k in (0, 1)]

    rows = in_network(tmp_path / "job", nodes, layers)

    assert {verdict_on(row) for row in rows} == {(Status.LOST, None, None)}
    assert {row.measurement.network_wall_ms for row in rows} == {0.1}


def test_layers_within_a_compiled_partition_have_no_time_of_their_own(tmp_path: Path) -> None:
    nodes = [node("NnapiExecutionProvider_Nnapi_1_0_0", "Nnapi_1_0", 6, 30, NNAPI), node("layer1", "Erf", 7, 5, CPU)]

    rows = in_network(tmp_path / "job", nodes, [CONV, CONV], provider="nnapi")

    assert [verdict_on(row) for row in rows] == [(Status.LOST, None, None), (Status.FALLBACK, "cpu", None)]


def test_in_a_network_a_layer_without_a_node_is_elided_where_none_can_hide_it(tmp_path: Path) -> None:
    nodes = [node("t0_nchwc", "Conv", 0, 10, CPU), node("of no layer", "Conv", 1, 10, CPU)]

    rows = in_network(tmp_path / "job", nodes, [CONV, CONV], provider="cpu")

    assert [verdict_on(row) for row in rows] == [(Status.OK, "cpu", 0.01), (Status.ELIDED, None, None)]


# -- a network as a whole --------------------------------------------------------------------------------------------


def test_a_networks_job_tells_each_processs_wall_time_and_peak_of_the_whole(tmp_path: Path) -> None:
    memory = "memory baseline_kb=1000 load_peak_kb=2000 resident_kb=2000 run_peak_kb=6000"
    folder = write_job(
        tmp_path / "job", ALONE, scope=Scope.IN_NETWORK, layers=[CONV, CONV], extra=([memory], [], [memory])
    )

    whole = read_whole_network(folder)

    assert whole == WholeNetwork(
        network="net", status=Status.OK, wall_ms=(0.1, 0.1, 0.1), run_peak_mb=(pytest.approx(5.12),) * 2
    )


def test_a_network_most_of_whose_runs_are_held_against_has_their_status_and_no_times(tmp_path: Path) -> None:
    folder = write_job(tmp_path / "job", ALONE, scope=Scope.IN_NETWORK)
    for run in (0, 2):
        write_verdict(folder / f"run-{run}", status=Status.THROTTLED, reason="slow")

    assert read_whole_network(folder) == WholeNetwork(network="net", status=Status.THROTTLED)


def test_a_single_layers_job_tells_of_no_network(tmp_path: Path) -> None:
    with pytest.raises(StatsError, match="a job of a single layer"):
        read_whole_network(write_job(tmp_path / "job", ALONE))
