"""Profiles in the form in which each runtime writes them, with figures of our own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

import pytest

from parsers.device_config import DeviceConfig, MeasurementPolicy
from parsers.schema import Context

TFLITE_HEADER = "".join(
    f"\t{name:>24}"
    for name in ("[node type]", "[first]", "[avg ms]", "[%]", "[cdf%]", "[mem KB]", "[times called]", "[Name]")
)


def tflite_row(type_: str, ms: float, name: str) -> str:
    return f"\t{type_:>40}\t{ms * 1.1:9.3f}\t{ms:9.3f}\t{ms:7.3f}%\t{ms:7.3f}%\t{0:10.3f}\t{1:9}\t{name}"


TFLITE = "\n".join(
    [
        "STARTING!",
        "Num threads: [4]",
        "Graph: [/data/local/tmp/tiny.tflite]",
        "Profiling Info for Benchmark Initialization:",
        f"{'=' * 30} Run Order {'=' * 30}",
        TFLITE_HEADER,
        tflite_row("AllocateTensors", 0.2, "AllocateTensors/0"),
        "",
        "Operator-wise Profiling Info for Regular Benchmark Runs:",
        f"{'=' * 30} Run Order {'=' * 30}",
        TFLITE_HEADER,
        tflite_row("CONV_2D", 4.842, "[stem/Relu6]:0"),
        tflite_row("TfLiteXNNPackDelegate", 3.5, "[block]:12"),
        tflite_row("FULLY_CONNECTED", 0.103, "[logits]:13"),
        "",
        "Timings (microseconds): count=50 first=15130 curr=14950 min=14801 max=15130 avg=14945 std=60",
    ]
)

TFLITE_CSV = "\n".join(
    [
        "Operator-wise Profiling Info for Regular Benchmark Runs:",
        f"{'=' * 30} Run Order {'=' * 30}",
        "node type, start, first, avg_ms, %, cdf%, mem KB, times called, name",
        "CONV_2D, 0.031, 15.02, 14.842, 99.31%, 99.31%, 0, 1, [stem/Relu6, stem/Aux]:0",
        "ADD, 15.1, 0.11, 0.103, 0.69%, 100%, 0, 1, [sum]:1",
        "",
    ]
)


def ncnn_layer(type_: str, name: str, ms: float, shapes: str = "") -> str:
    return f"{type_:<24} {name:<30} {ms:8.2f}ms    |{shapes}"


CONV_SHAPES = f" {'[224, 224,   3 *1]':>22} -> {'[112, 112,   8 *4]':<22}     kernel: 3 x 5     stride: 2 x 1"
DENSE_SHAPES = f" {'[320 *4]':>22} -> {'[1000 *1]':<22}"

NCNN = "\n".join(
    [
        "loop_count = 2",
        "num_threads = 4",
        "powersave = 0",
        "gpu_device = -1",
        "cooling_down = 1",
        *(
            line
            for factor in (9, 1, 2)
            for line in (
                ncnn_layer("Input", "data", 0.0),
                ncnn_layer("Convolution", "conv1", 3.2 * factor, CONV_SHAPES),
                ncnn_layer("Eltwise", "add", 0.25 * factor),
                ncnn_layer("InnerProduct", "fc", 0.5 * factor, DENSE_SHAPES),
            )
        ),
        f"{'tiny':>20}  min = {4.1:7.2f}  max = {8.25:7.2f}  avg = {6.02:7.2f}",
        f"{'tiny_int8':>20}  min = {2.1:7.2f}  max = {4.25:7.2f}  avg = {3.02:7.2f}",
    ]
)

MNN_NETWORKS = "\n".join(
    [
        "MNN benchmark",
        "Forward type: **CPU** thread=4** precision=2",
        "--------> Benchmarking... loop = 20, warmup = 10",
        "[ - ] tiny.mnn                    max =   21.691 ms  min =   18.404 ms  avg =   19.157 ms",
        "[ - ] small-1.0.mnn               max =   41.334ms  min =   35.704ms  avg =   37.716ms",
    ]
)

MNN_OPERATORS = "\n".join(
    [
        "Use extra forward type: 7",
        "Open Model models/tiny.mnn",
        "Sort by node name !",
        "Node Name \tOp Type              \tAvg(ms)  \t%         \tFlops Rate \t",
        "conv1     \tConvolution          \t1.250000 \t60.000000 \t80.000000  \t",
        "conv2/dw  \tConvolutionDepthwise \t0.830000 \t40.000000 \t20.000000  \t",
        "Print <=20 slowest Op for Convolution, larger than 3.00",
        "",
        "Sort by time cost !",
        "Node Type            \tAvg(ms)  \t%         \tCalled times \tFlops Rate \t",
        "Convolution          \t1.250000 \t60.000000 \t1            \t80.000000  \t",
        "total time : 2.080000 ms, total mflops : 12.5 ",
    ]
)

SNPE = """\
Log File Created: Mon Jan  5 10:00:00 2026
Time Scale: 1e-06
Software library version: 2.30.0
------------------------------------------------------------

SNPE Execute Statistics (Averaged):
----------------------------------------
  Total Inference Time: 328 us
  RPC Execute Time: 0
  Num times yield occurred: 0

  Per-Layer Execution Times:
  ------------------------------
    0: Input OpId_2 (cycles) : 214 cycles : DSP
    1: head/MatMul:OpId_18 (cycles) : 1250 cycles : DSP
    2: head/Softmax : 12 us : CPU
"""

SNPE_OLD = """\
Software library version: 1.30.0

Average SNPE Statistics:
------------------------
Total Inference Time: 1328 us

Layer Times:
---------------
0: 67 us : GPU
1: 1234 us : GPU
"""

QNN = """\
Qnn Init/Prepare/Finalize/De-Init/Execute/Lib-Load Statistics:
------------------------------------------------------------
Init Stats:
-----------
    NetRun:  33115 us

Execute Stats (Average):
------------------------
Total Inference Time:
---------------------
Graph 0 (tiny):
    NetRun:  2952 us
    Backend (Number of HVX threads used): 4 count
    Backend (Accelerator (execute) time (cycles)): 12345 cycles
        conv:OpId_21 (cycles): 2345 cycles
        fc:OpId_22: 45 us

Execute Stats (Min):
------------------------
Total Inference Time:
---------------------
Graph 0 (tiny):
    NetRun:  2900 us
        fc:OpId_22: 41 us

Execute Stats (Overall):
------------------------
    NetRun IPS:  214.8888 inf/sec
"""

QNN_HEADER = "Msg Timestamp,Message,Time,Unit of Measurement,Timing Source,Event Level,Event Identifier"

QNN_CSV = "\n".join(
    [
        QNN_HEADER,
        *(
            line
            for us in (90, 40, 60)
            for line in (
                "UNKNOWN,EXECUTE,3100,US,BACKEND,ROOT,NULL",
                f"UNKNOWN,NODE,{us * 100},CYCLES,BACKEND,SUB-EVENT,conv:OpId_16 (cycles)",
                f"UNKNOWN,NODE,{us},US,BACKEND,SUB-EVENT,fc, the last:OpId_17",
            )
        ),
    ]
)


def ort_node(
    op: str, index: int, us: int, shapes: tuple[Sequence[Sequence[int]], Sequence[int]], bytes_: int
) -> object:
    inputs, output = shapes
    arguments = {
        "op_name": op,
        "node_index": str(index),
        "provider": "CPUExecutionProvider",
        "input_type_shape": [{"float": list(shape)} for shape in inputs],
        "output_type_shape": [{"float": list(output)}],
        "activation_size": str(bytes_),
        "parameter_size": "1792" if op == "Conv" else "0",
        "thread_scheduling_stats": "",
    }
    return {"cat": "Node", "dur": us, "ts": 1, "ph": "X", "name": f"n{index}_kernel_time", "args": arguments}


def ort_session(name: str, us: int) -> object:
    return {"cat": "Session", "dur": us, "ts": 1, "ph": "X", "name": name, "args": {}}


def ort_run(us: int, batch: int = 1) -> list[object]:
    image, features = (batch, 3, 8, 8), (batch, 16, 4, 4)
    weights = (16, 3, 3, 3), (16,)
    return [
        ort_node("ReorderInput", 7, 3, ([image], image), 768 * batch),
        ort_node("Conv", 8, us, ([image, *weights], features), 768 * batch),
        ort_node("Add", 9, 2 * us, ([features, features], features), 2048 * batch),
        ort_session("model_run", 4 * us),
    ]


def ort_profile(*runs: list[object]) -> bytes:
    events = [ort_session("model_loading_uri", 700), ort_session("session_initialization", 900)]
    events += [event for run in runs for event in run]
    return ("[\n" + ",\n".join(json.dumps(event) for event in events) + "\n]\n").encode()


@pytest.fixture
def profile_of_runs() -> Callable[..., bytes]:
    """Writes a profile of ONNX Runtime: for each run a time in microseconds and a batch."""

    def write(*runs: tuple[int, int]) -> bytes:
        return ort_profile(*(ort_run(us, batch) for us, batch in runs))

    return write


@pytest.fixture
def profiles() -> Mapping[str, bytes]:
    """One profile of each form."""
    texts = {
        "tflite": TFLITE,
        "tflite csv": TFLITE_CSV,
        "ncnn": NCNN,
        "mnn networks": MNN_NETWORKS,
        "mnn operators": MNN_OPERATORS,
        "snpe": SNPE,
        "snpe old": SNPE_OLD,
        "qnn": QNN,
        "qnn csv": QNN_CSV,
    }
    written = {name: (text.rstrip("\n") + "\n").encode() for name, text in texts.items()}
    return written | {"ort": ort_profile(ort_run(90), ort_run(20), ort_run(30), ort_run(50, batch=2))}


@pytest.fixture
def phone() -> DeviceConfig:
    """A phone whose figures are of its CPU."""
    return DeviceConfig(
        name="pixel",
        title="A phone",
        kind="phone",
        soc="sm8150",
        context=Context(cores=4, memory_gb=6.0, clock_freq_ghz=2.84, memory_bw_gbs=34.1, core_part="0xd0d"),
        provider="cpu",
        threads=4,
        measurement=MeasurementPolicy(
            policy="quick",
            processes=1,
            warmup=1,
            checkpoints=(1,),
            target_relative_error=0.1,
            budget_ms=1.0,
        ),
        source="made up",
    )
