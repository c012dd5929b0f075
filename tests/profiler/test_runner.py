"""The real runner, on real ONNX Runtime and small real models. Nothing here depends on how long anything takes."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from parsers.evidence import run_status
from parsers.ort_profile import parse_ort_profile
from parsers.runlog import RunLog, parse_runlog
from parsers.schema import Status
from profiler import plan as plan_module
from profiler import runner as runner_package
from profiler.plan import RunPlan, render_plan
from profiler.runner_build import build_runner, host_runner, host_runtime, runtime_version

ZIG = (sys.executable, "-m", "ziglang", "cc")
SOURCES = Path(str(runner_package.__file__)).parent
CPU = min(os.sched_getaffinity(0))
PATIENCE_S = 20


# -- models ----------------------------------------------------------------------------------------------------------


def save(path: Path, nodes: Sequence[onnx.NodeProto], inputs: dict, outputs: dict, weights: dict | None = None) -> Path:
    """Write a model; inputs and outputs map a name to (element type, shape)."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(name, *described) for name, described in inputs.items()],
        [helper.make_tensor_value_info(name, *described) for name, described in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in (weights or {}).items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("nobody.knows", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def add(folder: Path) -> Path:
    described = (TensorProto.FLOAT, [1, 8])
    node = helper.make_node("Add", ["x", "y"], ["z"], name="add")
    return save(folder / "add.onnx", [node], {"x": described, "y": described}, {"z": described})


def conv(folder: Path) -> Path:
    weights = np.random.default_rng(0).normal(size=(16, 3, 3, 3)).astype(np.float32)
    node = helper.make_node("Conv", ["x", "w"], ["y"], name="conv", pads=[1, 1, 1, 1])
    inputs, outputs = (TensorProto.FLOAT, [1, 3, 32, 32]), (TensorProto.FLOAT, [1, 16, 32, 32])
    return save(folder / "conv.onnx", [node], {"x": inputs}, {"y": outputs}, {"w": weights})


def gemm_of_64_mb(folder: Path) -> Path:
    weights = np.random.default_rng(0).random((4096, 4096), dtype=np.float32)
    node = helper.make_node("Gemm", ["x", "w"], ["y"], name="gemm")
    described = (TensorProto.FLOAT, [1, 4096])
    return save(folder / "gemm.onnx", [node], {"x": described}, {"y": described}, {"w": weights})


def endless(folder: Path) -> Path:
    """A loop of a thousand million steps: nothing that a test would wait for."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["go_on"]), helper.make_node("Neg", ["a"], ["b"])],
        "body",
        [
            helper.make_tensor_value_info("step", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("a", TensorProto.FLOAT, [4]),
        ],
        [
            helper.make_tensor_value_info("go_on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("b", TensorProto.FLOAT, [4]),
        ],
    )
    node = helper.make_node("Loop", ["steps", "", "x"], ["y"], name="loop", body=body)
    described = (TensorProto.FLOAT, [4])
    steps = {"steps": np.array(10**9)}
    return save(folder / "endless.onnx", [node], {"x": described}, {"y": described}, steps)


# -- running ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def runner() -> Path:
    return host_runner()


def quick(job: str, model: Path, folder: Path, **changes: object) -> RunPlan:
    plan = RunPlan(
        job=job,
        model=str(model),
        out=str(folder / job),
        warmup=1,
        checkpoints=(12,),
        min_iterations=2,
        profile_iterations=3,
        timeout_s=PATIENCE_S,
    )
    return replace(plan, **changes)


def write_plan(folder: Path, *runs: RunPlan) -> Path:
    path = folder / "plan"
    path.write_text(render_plan(runs))
    return path


def command(runner: Path, plan: Path, runtime: Path | None = None) -> list[str]:
    return [str(runner), "--runtime", str(runtime or host_runtime()), "--plan", str(plan)]


def execute(runner: Path, folder: Path, *runs: RunPlan) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(runner, write_plan(folder, *runs)), capture_output=True, text=True, timeout=60, check=False
    )


def log_of(plan: RunPlan) -> RunLog:
    return parse_runlog(Path(plan.out, "runner.log").read_bytes())


def run_one(runner: Path, plan: RunPlan, folder: Path) -> RunLog:
    done = execute(runner, folder, plan)
    assert (done.returncode, done.stderr) == (0, "")
    return log_of(plan)


def until(condition: Callable[[], object]) -> object:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
    return found


def processes() -> Iterator[tuple[int, int]]:
    """Yield (pid, parent's pid) of everything alive that is no zombie."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if state != "Z":
                yield int(entry.name), int(parent)


def child_of(pid: int) -> int | None:
    return next((process for process, parent in processes() if parent == pid), None)


def is_alive(pid: int) -> bool:
    return pid in dict(processes())


def loaded_child(pid: int) -> int:
    """Wait until the runner's child is at work on its model, and return its pid."""

    def look() -> int | None:
        child = child_of(pid)
        maps = Path(f"/proc/{child}/maps") if child else None
        return child if maps and maps.exists() and "libonnxruntime" in maps.read_text() else None

    found = until(look)
    assert isinstance(found, int)
    return found


@pytest.fixture
def busy(runner: Path, tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], RunPlan]]:
    """A runner in the middle of an endless run."""
    plan = quick("endless", endless(tmp_path), tmp_path, timeout_s=10 * PATIENCE_S)
    with subprocess.Popen(command(runner, write_plan(tmp_path, plan)), stdout=subprocess.PIPE, text=True) as process:
        yield process, plan
        process.kill()


# -- what comes back -------------------------------------------------------------------------------------------------


def test_a_convolution_leaves_a_folder_with_a_whole_log_and_a_profile(runner: Path, tmp_path: Path) -> None:
    plan = quick("conv", conv(tmp_path), tmp_path, target=0.0)

    done = execute(runner, tmp_path, plan)

    log = log_of(plan)
    profile = parse_ort_profile(Path(plan.out, "profile.json").read_bytes(), warmup_runs=log.profile_warmup_runs)
    assert (done.returncode, done.stdout, done.stderr) == (0, "run conv 0 ok\nend 1\n", "")
    assert (log.status, log.complete, log.iterations) == (Status.OK, True, 12)
    assert all(duration > 0 for duration in log.wall_us)
    assert (log.profile_warmup_runs, log.profile_runs, profile.runs, profile.complete) == (1, 3, 3, True)
    written = Path(plan.out, "profile.json").read_bytes()
    assert (log.profile_bytes, log.profile_crc32) == (len(written), zlib.crc32(written))
    assert {(node.op, node.provider) for node in profile.nodes if node.op == "Conv"} == {
        ("Conv", "CPUExecutionProvider")
    }
    assert sorted(path.name for path in Path(plan.out).iterdir()) == ["profile.json", "runner.log"]


def test_the_log_says_how_it_was_measured(runner: Path, tmp_path: Path) -> None:
    plan = quick("conv", conv(tmp_path), tmp_path, run=3, threads=2, cpus=(CPU,), spin=True, profile_iterations=0)

    log = run_one(runner, plan, tmp_path)

    assert (log.job, log.run, log.provider, log.threads) == ("conv", 3, "cpu", 2)
    assert (log.affinity, log.spinning, log.protocol) == (str(CPU), True, 1)
    assert log.runtime_version == runtime_version()
    assert not Path(plan.out, "profile.json").exists()


def test_weights_of_64_mb_show_in_memory_and_a_tiny_addition_does_not(runner: Path, tmp_path: Path) -> None:
    large = quick("gemm", gemm_of_64_mb(tmp_path), tmp_path, profile_iterations=0)
    tiny = quick("add", add(tmp_path), tmp_path, profile_iterations=0, evict_kb=64 * 1024)
    execute(runner, tmp_path, large, tiny)

    gemm, addition = log_of(large), log_of(tiny)

    for figure in (gemm.load_peak_mb, gemm.resident_mb, gemm.run_peak_mb):
        assert figure is not None
        assert 60 <= figure <= 260
    assert gemm.run_peak_mb < gemm.load_peak_mb
    assert (addition.load_peak_mb, addition.resident_mb, addition.run_peak_mb) == (None, None, None)
    assert addition.baseline_mb is not None
    assert addition.baseline_mb > 64


@pytest.mark.parametrize(
    ("name", "nodes", "inputs", "outputs"),
    [
        (
            "indices",
            [helper.make_node("Gather", ["x", "i"], ["y"])],
            {"x": (TensorProto.FLOAT, [2, 4]), "i": (TensorProto.INT64, [8])},
            {"y": (TensorProto.FLOAT, [8, 4])},
        ),
        (
            "bool",
            [helper.make_node("Where", ["c", "x", "x"], ["y"])],
            {"c": (TensorProto.BOOL, [9]), "x": (TensorProto.DOUBLE, [9])},
            {"y": (TensorProto.DOUBLE, [9])},
        ),
        (
            "half",
            [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)],
            {"x": (TensorProto.FLOAT16, [9])},
            {"y": (TensorProto.FLOAT, [9])},
        ),
        (
            "output of a shape that only the run tells",
            [helper.make_node("NonZero", ["x"], ["y"])],
            {"x": (TensorProto.FLOAT, [3, 3])},
            {"y": (TensorProto.INT64, [2, "n"])},
        ),
        (
            "scalar",
            [helper.make_node("Neg", ["x"], ["y"])],
            {"x": (TensorProto.FLOAT, [])},
            {"y": (TensorProto.FLOAT, [])},
        ),
    ],
)
def test_inputs_and_outputs_of_every_kind_are_fed(
    runner: Path, tmp_path: Path, name: str, nodes: list[onnx.NodeProto], inputs: dict, outputs: dict
) -> None:
    model = save(tmp_path / "model.onnx", nodes, inputs, outputs)

    log = run_one(runner, quick("kind", model, tmp_path), tmp_path)

    assert (name, log.status, log.detail) == (name, Status.OK, "")


def test_measuring_goes_on_to_the_last_check_point_unless_the_budget_ends_it(runner: Path, tmp_path: Path) -> None:
    model = add(tmp_path)
    patient = quick("patient", model, tmp_path, checkpoints=(5, 21), target=0.0)
    hurried = quick("hurried", model, tmp_path, checkpoints=(5, 90000), target=0.0, budget_ms=1, min_iterations=7)
    execute(runner, tmp_path, patient, replace(hurried, evict_kb=8192))

    assert log_of(patient).iterations == 21
    assert 7 <= log_of(hurried).iterations < 90000


def test_iterations_during_which_others_took_the_cpu_are_dropped(runner: Path, tmp_path: Path) -> None:
    plan = quick("gemm", gemm_of_64_mb(tmp_path), tmp_path, cpus=(CPU,), checkpoints=(60,), target=0.0)
    rival = f"import os\nos.sched_setaffinity(0, [{CPU}])\nprint(flush=True)\nwhile True: pass"

    with subprocess.Popen([sys.executable, "-c", rival], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        log = run_one(runner, plan, tmp_path)
        process.kill()

    assert (log.status, log.detail) == (Status.OK, "")
    assert log.dropped > 0


def test_no_line_is_longer_than_1_kib(runner: Path, tmp_path: Path) -> None:
    checkpoints = tuple(range(400, 528))
    plan = quick("j" * 100, add(tmp_path), tmp_path, checkpoints=checkpoints, profile_iterations=500, target=0.0)
    lost = quick("k" * 100, tmp_path / f"{'%' * 200}.onnx", tmp_path)
    execute(runner, tmp_path, plan, lost)

    lines = [line for out in (plan.out, lost.out) for line in Path(out, "runner.log").read_bytes().splitlines()]

    assert max(len(line) for line in lines) < 1024
    assert (log_of(plan).status, log_of(plan).iterations) == (Status.OK, 527)
    assert log_of(lost).status is Status.CRASHED


def test_the_parent_stays_small_and_the_child_offers_itself_first_when_memory_runs_out(
    busy: tuple[subprocess.Popen[str], RunPlan],
) -> None:
    process, _ = busy
    child = loaded_child(process.pid)

    status = dict(line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())

    assert int(status["VmHWM"].removesuffix("kB")) < 5000
    assert Path(f"/proc/{child}/oom_score_adj").read_text() == "900\n"


# -- what goes wrong -------------------------------------------------------------------------------------------------


def test_an_operator_that_the_runtime_does_not_know_is_unsupported(runner: Path, tmp_path: Path) -> None:
    described = (TensorProto.FLOAT, [4])
    node = helper.make_node("Frobnicate", ["x"], ["y"], domain="nobody.knows")
    model = save(tmp_path / "unknown.onnx", [node], {"x": described}, {"y": described})

    log = run_one(runner, quick("unknown", model, tmp_path), tmp_path)

    assert (log.status, log.complete, log.wall_us) == (Status.UNSUPPORTED, True, ())
    assert "Frobnicate" in log.detail


def test_an_input_of_dynamic_shape_is_unsupported(runner: Path, tmp_path: Path) -> None:
    described = (TensorProto.FLOAT, ["n", 4])
    model = save(tmp_path / "m.onnx", [helper.make_node("Neg", ["x"], ["y"])], {"x": described}, {"y": described})

    log = run_one(runner, quick("dynamic", model, tmp_path), tmp_path)

    assert (log.status, log.detail) == (Status.UNSUPPORTED, "input x has no static shape")


def test_models_that_cannot_be_read_crash_alone_and_the_next_run_goes_on(runner: Path, tmp_path: Path) -> None:
    garbage = tmp_path / "garbage.onnx"
    garbage.write_bytes(b"this is no model")
    missing, unreadable = (quick(path.stem, path, tmp_path) for path in (tmp_path / "missing.onnx", garbage))
    fine = quick("fine", add(tmp_path), tmp_path)

    done = execute(runner, tmp_path, missing, unreadable, fine)

    assert done.stdout == "run missing 0 crashed\nrun garbage 0 crashed\nrun fine 0 ok\nend 3\n"
    assert "No such file" in log_of(missing).detail
    assert "Protobuf parsing failed" in log_of(unreadable).detail


def test_a_run_that_hangs_is_killed_in_time_and_the_next_one_goes_on(runner: Path, tmp_path: Path) -> None:
    hanging = quick("hanging", endless(tmp_path), tmp_path, timeout_s=1)

    done = execute(runner, tmp_path, hanging, quick("fine", add(tmp_path), tmp_path))

    assert done.stdout == "run hanging 0 timed_out\nrun fine 0 ok\nend 2\n"
    assert log_of(hanging) == RunLog(
        job="hanging",
        run=0,
        status=Status.TIMED_OUT,
        detail="killed after 1 s",
        complete=True,
        took_s=pytest.approx(1, abs=0.5),
        protocol=1,
        runtime_version=runtime_version(),
        providers=log_of(hanging).providers,
        provider="cpu",
        threads=1,
        affinity=log_of(hanging).affinity,
        spinning=False,
    )


def test_a_run_that_would_not_fit_into_memory_is_not_tried(runner: Path, tmp_path: Path) -> None:
    log = run_one(runner, quick("huge", add(tmp_path), tmp_path, evict_kb=1 << 40), tmp_path)

    assert (log.status, log.runtime_version) == (Status.OUT_OF_MEMORY, None)
    assert log.detail.startswith("not tried")


@pytest.mark.parametrize(
    ("number", "status", "word"),
    [(signal.SIGKILL, Status.OUT_OF_MEMORY, "SIGKILL"), (signal.SIGSEGV, Status.CRASHED, "Segmentation fault")],
)
def test_a_child_killed_by_others_is_told_from_one_that_crashed(
    busy: tuple[subprocess.Popen[str], RunPlan], number: signal.Signals, status: Status, word: str
) -> None:
    process, plan = busy
    os.kill(loaded_child(process.pid), number)

    process.wait(PATIENCE_S)

    assert (process.returncode, log_of(plan).status) == (0, status)
    assert word in log_of(plan).detail


# -- no traces -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_runner_told_to_stop_leaves_no_child_and_no_folder(
    busy: tuple[subprocess.Popen[str], RunPlan], number: signal.Signals
) -> None:
    process, plan = busy
    child = loaded_child(process.pid)
    process.send_signal(number)

    process.wait(PATIENCE_S)

    assert process.returncode == 128 + number
    assert not is_alive(child)
    assert not list(Path(plan.out).parent.glob("endless*.part"))
    assert not Path(plan.out).exists()


def test_a_killed_runner_leaves_no_child_and_what_it_left_is_replaced(
    runner: Path, busy: tuple[subprocess.Popen[str], RunPlan], tmp_path: Path
) -> None:
    process, plan = busy
    child = loaded_child(process.pid)
    process.kill()
    process.wait(PATIENCE_S)
    until(lambda: not is_alive(child))
    left = Path(f"{plan.out}.part").exists()

    log = run_one(runner, replace(plan, model=str(add(tmp_path))), tmp_path)

    assert (left, log.status) == (True, Status.OK)
    assert not Path(f"{plan.out}.part").exists()


def test_a_runner_ends_with_its_parent(runner: Path, tmp_path: Path) -> None:
    plan = write_plan(tmp_path, quick("endless", endless(tmp_path), tmp_path, timeout_s=3 * PATIENCE_S))
    starter = (
        "import subprocess, sys, time\n"
        "print(subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL).pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", starter, *command(runner, plan)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        orphan = int(parent.stdout.readline())
        child = loaded_child(orphan)
        parent.kill()

    until(lambda: not is_alive(orphan) and not is_alive(child))

    assert sorted(path.name for path in tmp_path.iterdir()) == ["endless.onnx", "plan"]


def test_a_runner_whose_parent_was_gone_before_it_began_does_nothing(runner: Path, tmp_path: Path) -> None:
    plan = write_plan(tmp_path, quick("add", add(tmp_path), tmp_path))

    done = subprocess.run([*command(runner, plan), "--parent", "1073741824"], check=False, timeout=60)

    assert done.returncode == 128 + signal.SIGTERM
    assert not (tmp_path / "add").exists()


def test_a_runner_that_nobody_reads_stops_after_the_run_at_hand(runner: Path, tmp_path: Path) -> None:
    first, second = quick("first", add(tmp_path), tmp_path), quick("second", add(tmp_path), tmp_path)
    reading, writing = os.pipe()
    os.close(reading)

    done = subprocess.run(command(runner, write_plan(tmp_path, first, second)), stdout=writing, check=False, timeout=60)

    os.close(writing)
    assert done.returncode == 128 + signal.SIGPIPE
    assert (Path(first.out).exists(), Path(second.out).exists()) == (True, False)


# -- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda text: text.replace("autocomet-plan 1", "autocomet-plan 2"), "does not begin with 'autocomet-plan 1'"),
        (lambda text: text.replace("threads=1", "threads=0"), "line 2: threads=0 is out of range or malformed"),
        (lambda text: text.replace("threads=1", "threads=1x"), "line 2: threads=1x is out of range or malformed"),
        (lambda text: text.replace("checkpoints=12", "checkpoints=12,12"), "checkpoints=12,12 is out of range"),
        (lambda text: text.replace("job=add", "job=a/b"), "job=a/b is out of range or malformed"),
        (lambda text: text.replace("\tspin=0", ""), "line 2: spin is missing"),
        (lambda text: text.replace("\tspin=0", "\tspin=0\tspin=0"), "line 2: spin stands twice"),
        (lambda text: text.replace("\tspin=0", "\tspun=0"), "line 2: unknown key spun"),
        (lambda text: text.replace("\tspin=0", "\tspin"), "line 2: 'spin' is not key=value"),
        (lambda text: text.replace("add.onnx", "add%4"), "is out of range or malformed"),
        (lambda text: text[:-1], "line 2: the last line has no end, so the file is cut"),
    ],
)
def test_a_bad_plan_is_refused_before_anything_is_run(
    runner: Path, tmp_path: Path, spoil: Callable[[str], str], complaint: str
) -> None:
    plan = tmp_path / "plan"
    plan.write_text(spoil(render_plan([quick("add", add(tmp_path), tmp_path)])))

    done = subprocess.run(command(runner, plan), capture_output=True, text=True, check=False, timeout=60)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"runner: {plan}: ")
    assert complaint in done.stderr
    assert not (tmp_path / "add").exists()


@pytest.mark.parametrize("end", [0, 1])
def test_host_and_runner_draw_the_same_bounds(runner: Path, tmp_path: Path, end: int) -> None:
    bounds = {name: (values[end],) for name, values in plan_module._LIST_BOUNDS.items()}
    bounds |= {name: values[end] for name, values in plan_module._BOUNDS.items()}
    plan = RunPlan(job="absent", model=str(tmp_path / "absent"), out=str(tmp_path / "absent"), target=float(end))

    log = run_one(runner, replace(plan, **{**bounds, "cpus": ()}), tmp_path)

    assert (log.status, log.run) == (Status.CRASHED, bounds["run"])


def test_a_folder_that_is_there_already_is_not_touched(runner: Path, tmp_path: Path) -> None:
    plan = quick("add", add(tmp_path), tmp_path)
    Path(plan.out).mkdir()

    done = execute(runner, tmp_path, plan)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"runner: add: cannot make the folder {plan.out}: File exists\n"
    assert list(Path(plan.out).iterdir()) == []


def test_a_runtime_that_is_none_is_refused(runner: Path, tmp_path: Path) -> None:
    fake = tmp_path / "libonnxruntime.so"
    fake.write_bytes(b"no library")
    plan = write_plan(tmp_path, quick("add", add(tmp_path), tmp_path))

    outcomes = [
        subprocess.run(command(runner, plan, runtime), capture_output=True, text=True, check=False, timeout=60)
        for runtime in (fake, tmp_path / "absent.so")
    ]

    assert [done.returncode for done in outcomes] == [2, 2]
    assert "cannot use the runtime" in outcomes[0].stderr
    assert "no such runtime library" in outcomes[1].stderr
    assert not list(tmp_path.glob("add*.part"))


@pytest.mark.parametrize("size", ["4k", "8k", "16k"])
def test_a_full_disk_ends_the_plan_with_the_reason_and_leaves_nothing(runner: Path, tmp_path: Path, size: str) -> None:
    (tmp_path / "disk").mkdir()
    plan = write_plan(tmp_path, quick("add", add(tmp_path), tmp_path / "disk", profile_iterations=30))
    mounted = f'mount -t tmpfs -o size={size} none disk || exit 77\n"$@"; code=$?; ls -A disk; exit $code'

    done = subprocess.run(
        ["unshare", "-Urm", "sh", "-c", mounted, "sh", *command(runner, plan)],  # noqa: S607 - of util-linux
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    if done.returncode in {1, 77}:
        pytest.skip(f"no namespaces here: {done.stderr.strip()}")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "runner: add: cannot write the profile: No space left on device\n"


def test_the_runner_tells_its_version_and_its_usage(runner: Path) -> None:
    version = subprocess.run([runner, "--version"], capture_output=True, text=True, check=False, timeout=60)
    usage = subprocess.run([runner, "--plan"], capture_output=True, text=True, check=False, timeout=60)

    assert (version.returncode, version.stdout) == (0, "autocomet-runner 1 protocol 1 plan 1\n")
    assert (usage.returncode, usage.stderr[:13]) == (2, "usage: runner")


# -- what this machine may not have ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def sysfs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree in place of /sys/devices/system/cpu; `runner` in it reads there."""
    folder = tmp_path_factory.mktemp("sysfs")
    build_runner(folder / "runner", compiler=ZIG, defines=[f'SYSFS_CPU="{folder}"'])
    (folder / f"cpu{CPU}" / "cpufreq" / "stats").mkdir(parents=True)
    return folder


@contextmanager
def counting(sysfs: Path, clock_khz: Callable[[], int]) -> Iterator[None]:
    """Count time at a clock as the kernel does, 200 ticks a second."""
    frequencies = sysfs / f"cpu{CPU}" / "cpufreq"
    ticks = {1000000: 0, 2400000: 0}
    stop = threading.Event()

    def count() -> None:
        while not stop.wait(0.005):
            ticks[clock_khz()] += 1
            (frequencies / "next").write_text("".join(f"{khz} {count}\n" for khz, count in ticks.items()))
            (frequencies / "next").replace(frequencies / "stats" / "time_in_state")

    writer = threading.Thread(target=count)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join()
        (frequencies / "stats" / "time_in_state").unlink(missing_ok=True)


def test_the_clock_is_the_average_over_the_measured_pass(sysfs: Path, tmp_path: Path) -> None:
    (sysfs / f"cpu{CPU}" / "cpufreq" / "scaling_cur_freq").write_text("1800000\n")
    still = quick("still", add(tmp_path), tmp_path, cpus=(CPU,))
    counted = replace(still, job="counted", out=str(tmp_path / "counted"), checkpoints=(90000,), budget_ms=300)
    counted = replace(counted, target=0.0)

    without_counters = run_one(sysfs / "runner", still, tmp_path)
    with counting(sysfs, lambda: 2400000):
        with_counters = run_one(sysfs / "runner", counted, tmp_path)

    assert (without_counters.clock_ghz, with_counters.clock_ghz) == (1.8, 2.4)
    assert (without_counters.clock_averaged, with_counters.clock_averaged) == (False, True)
    assert without_counters.clock_start_ghz == 1.8
    assert with_counters.clock_start_ghz in {1.8, 2.4}  # a reading, where no tick fell into the warm-up


def test_a_run_that_the_device_slows_down_is_throttled(sysfs: Path, tmp_path: Path) -> None:
    plan = quick("hot", add(tmp_path), tmp_path, cpus=(CPU,), warmup=60, evict_kb=32 * 1024, checkpoints=(90000,))
    plan = replace(plan, target=0.0, budget_ms=500, profile_iterations=0)
    seen = []

    def clock_khz() -> int:
        """Slow down a tenth of a second into the warm-up, so that most of the timed loop is slow."""
        log = Path(f"{plan.out}.part", "runner.log")
        if log.exists() and " env " in log.read_text():
            seen.append(time.monotonic())
        return 1000000 if seen and time.monotonic() > seen[0] + 0.1 else 2400000

    with counting(sysfs, clock_khz):
        log = run_one(sysfs / "runner", plan, tmp_path)

    assert (log.status, log.throttled) == (Status.OK, True)
    assert run_status(log) is Status.THROTTLED


def test_every_record_goes_to_androids_log_too_where_there_is_one_and_not_faster_than_it_takes_them(
    runner: Path, tmp_path: Path
) -> None:
    source, library, logcat = tmp_path / "log.c", tmp_path / "log.so", tmp_path / "logcat"
    source.write_text(
        "#include <stdarg.h>\n#include <stdio.h>\n#include <time.h>\n"
        "int __android_log_print(int priority, const char *tag, const char *format, ...) {\n"
        "    struct timespec now;\n    clock_gettime(CLOCK_MONOTONIC, &now);\n"
        f'    FILE *file = fopen("{logcat}", "a");\n'
        "    va_list arguments;\n    va_start(arguments, format);\n"
        '    fprintf(file, "%lld %d %s ", now.tv_sec * 1000000000LL + now.tv_nsec, priority, tag);\n'
        "    vfprintf(file, format, arguments);\n"
        "    va_end(arguments);\n    fputc('\\n', file);\n    return fclose(file);\n}\n"
    )
    subprocess.run([*ZIG, "-O2", "-shared", "-fPIC", source, "-o", library], check=True, timeout=120)
    plan = quick("add", add(tmp_path), tmp_path, checkpoints=(2000,), target=0.0)
    environment = {**os.environ, "LD_PRELOAD": str(library)}

    subprocess.run(command(runner, write_plan(tmp_path, plan)), env=environment, check=True, timeout=60)

    written = [line.partition("AutoCoMET: ")[2] for line in Path(plan.out, "runner.log").read_text().splitlines()]
    lines = [line.split(" ", 1) for line in logcat.read_text().splitlines()]
    moments_ns = [int(moment) for moment, _ in lines]
    assert [line for _, line in lines] == [f"4 AutoCoMET {message}" for message in written]
    assert len(lines) > 10
    assert all(later - earlier >= 5_000_000 for earlier, later in pairwise(moments_ns))


# -- values ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def fill(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, type, int], np.ndarray]:
    library = tmp_path_factory.mktemp("values") / "values.so"
    command = [*ZIG, "-O2", "-shared", "-fPIC", "-D_GNU_SOURCE", SOURCES / "values.c", "-o", library]
    subprocess.run(command, check=True, timeout=120)
    function = ctypes.CDLL(str(library)).fill_values

    def call(element_type: int, dtype: type, seed: int) -> np.ndarray:
        values = np.zeros(20000, dtype)
        function(
            values.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(values.nbytes), element_type, ctypes.c_uint64(seed)
        )
        return values

    return call


@pytest.mark.parametrize(
    ("element_type", "dtype", "low", "high"),
    [
        (TensorProto.FLOAT, np.float32, -1, 1),
        (TensorProto.DOUBLE, np.float64, -1, 1),
        (TensorProto.FLOAT16, np.float16, -1, 1),
        (TensorProto.UINT8, np.uint8, 0, 127),
        (TensorProto.INT8, np.int8, 0, 127),
        (TensorProto.INT16, np.int16, 0, 1),
        (TensorProto.INT32, np.int32, 0, 1),
        (TensorProto.INT64, np.int64, 0, 1),
        (TensorProto.BOOL, np.bool_, 0, 1),
    ],
)
def test_values_are_ordinary_and_the_seed_decides_them(
    fill: Callable[[int, type, int], np.ndarray], element_type: int, dtype: type, low: int, high: int
) -> None:
    values = fill(element_type, dtype, 7)

    spread = values.astype(np.float64)
    assert low <= spread.min() < spread.mean() < spread.max() <= high
    assert abs(spread.mean() - (low + high) / 2) < 0.02 * (high - low)
    np.testing.assert_array_equal(values, fill(element_type, dtype, 7))
    assert not np.array_equal(values, fill(element_type, dtype, 8))
    if np.issubdtype(dtype, np.floating):
        assert np.abs(values).min() >= np.finfo(dtype).smallest_normal
