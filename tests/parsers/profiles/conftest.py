"""The samples of each runtime's profiles, and a writer of ONNX Runtime's."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from parsers.device_config import DeviceConfig, MeasurementPolicy
from parsers.schema import Context

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
FILES = {
    "ort": "ort-profile/session.json",
    "tflite": "tflite-profile/xnnpack.txt",
    "tflite csv": "tflite-profile/old.csv",
    "ncnn": "ncnn-profile/benchncnn.txt",
    "mnn networks": "mnn-profile/benchmark.txt",
    "mnn operators": "mnn-profile/time_profile.txt",
    "snpe": "snpe-profile/diagview.txt",
    "snpe old": "snpe-profile/diagview_old.txt",
    "qnn": "qnn-profile/profile_viewer.txt",
    "qnn csv": "qnn-profile/events.csv",
}


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
    """One profile of each form, in the form in which the runtime writes it, with figures of our own."""
    return {name: (SAMPLES / file).read_bytes() for name, file in FILES.items()}


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
