from __future__ import annotations

from dataclasses import replace

import pytest

from parsers.dump import Dump, DumpSettings, Reject
from parsers.errors import DumpError
from parsers.profiles.operator_time import OperatorTime
from parsers.profiles.tflite import KIND, layer_type, provider_of

OLD = ("[node type]", "[start]", "[first]", "[avg ms]", "[%]", "[cdf%]", "[mem KB]", "[times called]", "[Name]")
NEW = tuple(column for column in OLD if column != "[start]")
SUMMARY = ("[Node type]", "[count]", "[avg ms]", "[avg %]", "[cdf %]", "[mem KB]", "[times called]")
CSV = "node type, first, avg_ms, %, cdf%, mem KB, times called, name"
CONV = ("CONV_2D", "15.020", "14.842", "99.31%", "99.31%", "0.000", "1", "[stem/Relu6]:0")
GEMM = ("FULLY_CONNECTED", "0.110", "0.103", "0.69%", "100.00%", "0.000", "1", "[logits]:1")
INIT = "Profiling Info for Benchmark Initialization:"
RUNS = "Operator-wise Profiling Info for Regular Benchmark Runs:"


def line(cells: tuple[str, ...]) -> str:
    return "".join(f"\t{cell:>24}" if index < len(cells) - 1 else f"\t{cell}" for index, cell in enumerate(cells))


def title(text: str) -> str:
    return f"{'=' * 30} {text} {'=' * 30}"


def table(name: str, header: tuple[str, ...], *rows: tuple[str, ...]) -> list[str]:
    return [title(name), line(header), *(line(row) for row in rows), ""]


def started(row: tuple[str, ...]) -> tuple[str, ...]:
    """A row of the old table: its start stands before the first time."""
    return (row[0], "0.031", *row[1:])


def log(*parts: list[str] | str) -> bytes:
    lines = [text for part in parts for text in ([part] if isinstance(part, str) else part)]
    return ("\n".join(lines) + "\n").encode()


def read(data: bytes, name: str = "bench") -> Dump:
    dump = KIND.read(data, DumpSettings(name=name))
    return replace(dump, records=list(dump.records), rejects=list(dump.rejects))


HEAD = ["STARTING!", "Num threads: [4]", "Graph: [/data/local/tmp/tiny.tflite]", "Enable op profiling: [1]"]
FOOT = [
    "Timings (microseconds): count=50 first=15130 curr=14950 min=14801 max=15130 avg=14945 std=60",
    "Memory (bytes): count=0",
]
STEP = ("AllocateTensors", "0.200", "0.200", "100.00%", "100.00%", "64.000", "1", "AllocateTensors/0")
WHOLE = log(
    HEAD,
    INIT,
    table("Run Order", NEW, STEP),
    table("Top by Computation Time", NEW, STEP),
    FOOT,
    RUNS,
    table("Run Order", NEW, CONV, GEMM),
    table("Top by Computation Time", NEW, CONV, GEMM),
    "Number of nodes executed: 2",
    table("Summary by node type", SUMMARY, ("CONV_2D", "1", "14.842", "99.310%", "99.310%", "0.000", "1")),
    FOOT,
)


def conv(section: str, order: int = 0) -> OperatorTime:
    return OperatorTime(
        section=section,
        order=order,
        type="CONV_2D",
        name="[stem/Relu6]:0",
        value=14.842,
        unit="ms",
        provider="tflite-cpu",
        first_ms=15.02,
        percent=99.31,
        memory_kb=0.0,
        calls=1,
    )


def test_tables_of_initialisation_runs_and_types_are_told_apart() -> None:
    dump = read(WHOLE)

    assert [(time.section, time.type) for time in dump.records] == [
        ("initialization: run order", "AllocateTensors"),
        ("initialization: top by computation time", "AllocateTensors"),
        ("runs: run order", "CONV_2D"),
        ("runs: run order", "FULLY_CONNECTED"),
        ("runs: top by computation time", "CONV_2D"),
        ("runs: top by computation time", "FULLY_CONNECTED"),
        ("runs: summary by node type", "CONV_2D"),
    ]
    assert (dump.rejects, dump.notes) == ([], [])


def test_the_runs_operators_are_rows_each_once() -> None:
    cells = read(WHOLE).cells

    kept = ("type", "execution_time_ms", "scope", "origin", "device", "device_kind", "campaign", "job", "networks")
    assert [tuple(row[name] for name in kept) for row in cells] == [
        (
            "Conv", 14.842, "in_network", "imported", "unknown", "none", "bench",
            "runs: run order/0000-[stem/Relu6]:0", "tiny",
        ),
        ("Gemm", 0.103, "in_network", "imported", "unknown", "none", "bench", "runs: run order/0001-[logits]:1", "tiny"),
    ]  # fmt: skip
    assert [(row["threads"], row["samples"], row["status"], row["provider"]) for row in cells] == [
        (4, 50, "ok", "tflite-cpu")
    ] * 2
    unknown = ("input_volume", "layer_key", "kernel_size", "stride", "cores", "clock_freq_ghz", "task_text", "batch")
    assert all(row[name] is None for row in cells for name in unknown)


@pytest.mark.parametrize(
    "data",
    [
        log(RUNS, table("Run Order", NEW, CONV)),
        log(RUNS, table("Run Order", OLD, started(CONV))),
        log(RUNS, title("Run Order"), CSV, ", ".join(CONV)),
        log(RUNS, title("Run Order"), CSV.replace("first", "start, first"), ", ".join(started(CONV))),
        log(table("Run Order", OLD, started(CONV))),
        log(RUNS, table("Run Order", (*NEW[:3], "[std dev]", *NEW[3:]), (*CONV[:3], "0.020", *CONV[3:]))),
        log(RUNS, table("Run Order", NEW, CONV)).replace(b"\t", b"  "),
        log(RUNS, table("Run Order", NEW, CONV)).replace(b"\n", b"\r\n"),
        "\n".join(["", *log(RUNS, table("Run Order", NEW, CONV)).decode().splitlines()]).encode("utf-16"),
    ],
    ids=["new", "old", "csv", "old csv", "no phase", "another column", "spaces", "CRLF", "UTF-16"],
)
def test_a_time_is_found_by_the_name_of_its_column(data: bytes) -> None:
    assert list(read(data).records) == [conv("runs: run order")]


def test_a_percentage_is_never_taken_for_a_time() -> None:
    shifted = ("CONV_2D", "14.842", "99.31%", "99.31%", "0.000", "1", "[stem/Relu6]:0")

    dump = read(log(RUNS, table("Run Order", NEW, shifted, GEMM)))

    assert [time.type for time in dump.records] == ["FULLY_CONNECTED"]
    assert [reject.reason for reject in dump.rejects] == ["a line of a table that does not fit its header"]


def test_commas_in_a_types_name_do_not_move_its_numbers() -> None:
    inside = (
        "Convolution (NHWC, F32) GEMM",
        "1.5",
        "1.25",
        "90%",
        "90%",
        "0",
        "1",
        "Delegate/Convolution (NHWC\t F32) GEMM:0",
    )

    dump = read(log(RUNS, "Delegate internal: ", title("Run Order"), CSV, ", ".join(inside)))

    (time,) = dump.records
    assert (time.section, time.type, time.time_ms, time.name) == (
        "runs, delegate internal: run order",
        "Convolution (NHWC, F32) GEMM",
        1.25,
        "Delegate/Convolution (NHWC, F32) GEMM:0",
    )


def test_a_delegates_partition_is_a_row_and_what_ran_inside_is_not() -> None:
    partition = ("TfLiteXNNPackDelegate", "2.0", "1.9", "95.0%", "95.0%", "0.0", "1", "[out]:7")
    inside = ("DelegateOpInvoke", "1.0", "0.9", "100.0%", "100.0%", "0.0", "1", "Delegate/Add (ND) F32:3")

    dump = read(
        log(
            RUNS, table("Run Order", NEW, partition), FOOT, "Delegate internal: ", table("Run Order", NEW, inside), FOOT
        )
    )

    assert [(row["type"], row["provider"], row["execution_time_ms"]) for row in dump.cells] == [
        ("TfLiteXNNPackDelegate", "tflite-xnnpack", 1.9)
    ]
    assert [time.section for time in dump.records] == ["runs: run order", "runs, delegate internal: run order"]
    assert dump.notes == ["1 operators ran inside delegates' partitions: records, no rows."]


def test_subgraphs_and_several_benchmarks_in_a_log_have_sections_of_their_own() -> None:
    one = [
        RUNS,
        "Primary graph (name: main) profile:",
        *table("Run Order", NEW, CONV),
        "Subgraph (index: 1, name: body) profile:",
        *table("Run Order", NEW, CONV),
    ]

    dump = read(log(one, one))

    assert [time.section for time in dump.records] == [
        "runs: run order",
        "runs, subgraph 1: run order",
        "runs 2: run order",
        "runs 2, subgraph 1: run order",
    ]
    assert len({row["job"] for row in dump.cells}) == 4


def test_a_node_that_is_called_several_times_costs_all_of_its_calls() -> None:
    dump = read(log(RUNS, table("Run Order", NEW, (*CONV[:6], "3", CONV[7]))))

    (row,) = dump.cells
    assert row["execution_time_ms"] == pytest.approx(3 * 14.842)
    assert dump.notes == ["1 operators ran several times a run; their rows hold all of it."]


def test_a_log_out_of_logcat_is_read_without_the_lines_of_others() -> None:
    lines = log(RUNS, table("Run Order", NEW, CONV, GEMM)).decode().splitlines()
    prefixed = [f"05-31 10:31:13.006 21767 21767 I tflite  : {text}" for text in lines]
    prefixed.insert(4, "05-31 10:31:13.007   822   901 W audit   : something else")

    dump = read(log(prefixed))

    assert next(iter(dump.records)) == conv("runs: run order")
    assert (len(list(dump.records)), dump.rejects) == (2, [])


def test_a_line_inside_a_table_that_does_not_fit_is_a_reject_with_its_place() -> None:
    data = log(RUNS, table("Run Order", NEW, CONV), "noise outside")
    damaged = data.replace(b"14.842", b"14.8!2")

    dump = read(damaged + log(table("Top by Computation Time", NEW, CONV)))

    start = data.index(b"CONV_2D") - 18
    assert dump.rejects == [
        Reject(
            offset=start,
            reason="a line of a table that does not fit its header",
            text=damaged[start:].splitlines()[0],
        )
    ]


@pytest.mark.parametrize(
    ("lines", "reasons"),
    [
        (
            [title("Run Order"), "\t[nod type]\t[avg ms]", line(CONV), ""],
            ["a line of a table whose header was not understood"] * 2,
        ),
        (
            ["\t[node type]\t[first]", line(CONV), ""],
            [
                "a table's header without node type and avg ms, or with a column twice",
                "a line of a table whose header was not understood",
            ],
        ),
        ([line(CONV)], ["a line of a table without its header"]),
        ([*table("Run Order", NEW, CONV, CONV)], ["a line of a table that stands there twice"]),
        ([title("Run Order"), line(NEW), line(NEW), line(CONV)], ["a table's header that stands there twice"]),
    ],
    ids=["no header", "no mean", "no table", "line twice", "header twice"],
)
def test_what_cannot_be_told_is_counted(lines: list[str], reasons: list[str]) -> None:
    dump = read(log(table("Top by Computation Time", NEW, GEMM), lines))

    assert [reject.reason for reject in dump.rejects] == reasons


def test_a_share_of_nothing_is_unknown_and_a_time_that_is_no_number_is_a_reject() -> None:
    rows = [(*CONV[:3], "-nan%", "nan%", *CONV[5:]), ("ADD", "nan", *GEMM[2:])]

    dump = read(log(RUNS, table("Run Order", NEW, *rows)))

    assert list(dump.records) == [replace(conv("runs: run order"), percent=None)]
    assert len(dump.rejects) == 1


@pytest.mark.parametrize(
    ("place", "figure"), [(2, "-1.0"), (2, "1e300"), (1, "x"), (6, "1.5"), (6, "9" * 20), (3, "1.0")]
)
def test_a_figure_that_cannot_be_one_makes_the_line_a_reject(place: int, figure: str) -> None:
    damaged = (*CONV[:place], figure, *CONV[place + 1 :])

    dump = read(log(RUNS, table("Run Order", NEW, damaged, GEMM)))

    assert [time.type for time in dump.records] == ["FULLY_CONNECTED"]
    assert len(dump.rejects) == 1


def test_a_log_without_tables_is_refused() -> None:
    with pytest.raises(DumpError, match="no operator table of TFLite"):
        read(log(HEAD))


@pytest.mark.parametrize(
    ("type_", "provider", "layer"),
    [
        ("DEPTHWISE_CONV_2D", "tflite-cpu", "DepthwiseConv"),
        ("TfLiteGpuDelegateV2", "tflite-gpu", "TfLiteGpuDelegateV2"),
        ("TfLiteNnapiDelegate/7", "tflite-nnapi", "TfLiteNnapiDelegate/7"),
        ("ADD/with a word", "tflite-cpu", "Add"),
        ("Delegate", "tflite-delegate", "Delegate"),
        ("CUSTOM", "tflite-cpu", "CUSTOM"),
    ],
)
def test_operators_are_spelled_as_onnx_does_where_that_is_certain(type_: str, provider: str, layer: str) -> None:
    assert (provider_of(type_), layer_type(type_)) == (provider, layer)


def test_a_table_is_told_by_its_header_but_not_inside_another_log() -> None:
    prefixed = "\n".join(f"I/tflite  ( 822): {text}" for text in WHOLE.decode().splitlines()).encode()

    assert KIND.looks_like(WHOLE, "x.txt")
    assert KIND.looks_like(log(title("Run Order"), CSV), "x.csv")
    assert not KIND.looks_like(prefixed, "x.txt")
    assert not KIND.looks_like(b"", "x")
