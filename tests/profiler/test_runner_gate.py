"""The real runner behind a gate: when it measures, what it says meanwhile, and that it never leaves anything running."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from parsers.phone_state import PhoneState
from parsers.runlog import RunLog, parse_runlog
from parsers.schema import Status
from profiler.plan import RunPlan, render_plan
from profiler.runner_build import build_runner, host_runner, host_runtime

ZIG = (sys.executable, "-m", "ziglang", "cc")
PATIENCE_S = 20
STATE = "level=57 temperature_dc=312 thermal=0 status=4 plugged=1"


@pytest.fixture(scope="module")
def runner() -> Path:
    return host_runner()


@pytest.fixture(scope="module")
def brisk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A runner whose ten seconds are a tenth of one."""
    path = tmp_path_factory.mktemp("brisk") / "runner"
    build_runner(path, compiler=ZIG, defines=["GATE_PERIOD_MS=100", "GATE_PATIENCE_MS=1000", "BEAT_PERIOD_MS=50"])
    return path


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """A working folder with one tiny model."""
    described = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 8]) for name in "xyz"]
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "y"], ["z"], name="add")], "g", described[:2], described[2:]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "add.onnx")
    return tmp_path


def command(runner: Path, bench: Path, gate: str, *options: str, **changes: int) -> list[str]:
    """Write a plan of two runs and a gate script; give the command that works through them."""
    values = {"warmup": 1, "checkpoints": (12,), "min_iterations": 2, "profile_iterations": 3, **changes}
    runs = [RunPlan(job="add", run=run, model="add.onnx", out=f"out/add/run-{run}", **values) for run in (0, 1)]  # type: ignore[arg-type]
    (bench / "plan").write_text(render_plan(runs))
    (bench / "gate.sh").write_text(gate)
    return [str(runner), "--runtime", str(host_runtime()), "--plan", "plan", "--gate", "gate.sh", *options]


def execute(argv: list[str], bench: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(argv, cwd=bench, capture_output=True, text=True, timeout=60, check=False)


def log_of(bench: Path, run: int = 0) -> RunLog:
    return parse_runlog((bench / f"out/add/run-{run}/runner.log").read_bytes())


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def commands() -> Iterator[str]:
    """Yield the command line of everything alive."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                yield (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
            except (FileNotFoundError, ProcessLookupError):
                continue


# -- go, wait, stop --------------------------------------------------------------------------------------------------


def test_a_gate_is_asked_before_the_first_run_and_at_the_end_and_what_it_told_is_in_every_log(
    runner: Path, bench: Path
) -> None:
    done = execute(command(runner, bench, f"echo noise\necho {STATE}\n"), bench)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"phone {STATE}\nrun add 0 ok\nrun add 1 ok\nphone {STATE}\nend 2\n"
    before = PhoneState(battery_percent=57.0, temperature_c=31.2, thermal_status=0)
    assert [(log_of(bench, run).phone_before, log_of(bench, run).phone_after) for run in (0, 1)] == [(before, None)] * 2


def test_after_a_long_run_the_state_is_asked_for_again(brisk: Path, bench: Path) -> None:
    gate = "echo x >> asked\necho level=57 temperature_dc=$(wc -l < asked)0 thermal=0\n"

    done = execute(command(brisk, bench, gate, checkpoints=(90000,), budget_ms=300, target=0), bench)

    log = log_of(bench)
    assert done.returncode == 0
    assert (log.phone_before, log.phone_after) == (
        PhoneState(battery_percent=57.0, temperature_c=1.0, thermal_status=0),
        PhoneState(battery_percent=57.0, temperature_c=2.0, thermal_status=0),
    )


def test_a_gate_that_says_wait_is_asked_until_it_says_go(brisk: Path, bench: Path) -> None:
    gate = (
        "echo x >> asked\n"
        f"echo {STATE}\n"
        "if [ $(wc -l < asked) -lt 3 ]; then echo '41.2 above 38.0' >&2; echo more >&2; exit 75; fi\n"
    )

    done = execute(command(brisk, bench, gate), bench)

    assert done.returncode == 0
    assert done.stdout.startswith(f"phone {STATE}\nwait 41.2 above 38.0\n" * 2 + f"phone {STATE}\nrun add 0 ok\n")
    assert done.stdout.endswith("end 2\n")


@pytest.mark.parametrize(
    ("gate", "reason"),
    [
        ("echo 'the OS was updated' >&2\nexit 1\n", "the OS was updated"),
        ("exit 4\n", "exit code 4"),
        ("kill -9 $$\n", "killed by signal 9"),
        ("echo 57 percent\n", "it says '57 percent', which is not key=value ..."),
        ("echo 'level=57 temperature=%41'\n", "it says 'level=57 temperature=%41', which is not key=value ..."),
        ("echo 'level=5\x1b[31m'\nprintf '\\033[31mred\\n' >&2\nexit 1\n", "?[31mred"),
        ("sleep 98761\n", "no answer in 1000 ms"),
    ],
)
def test_a_gate_that_says_stop_or_nothing_sensible_ends_the_runner(
    brisk: Path, bench: Path, gate: str, reason: str
) -> None:
    done = execute(command(brisk, bench, gate), bench)

    assert (done.returncode, done.stdout, done.stderr) == (3, "", f"runner: the gate: {reason}\n")
    assert not (bench / "out").exists()
    assert "sleep 98761" not in commands()


def test_a_gate_that_tells_no_state_is_a_gate_all_the_same(runner: Path, bench: Path) -> None:
    done = execute(command(runner, bench, "exit 0\n"), bench)

    assert (done.returncode, done.stdout) == (0, "run add 0 ok\nrun add 1 ok\nend 2\n")
    assert log_of(bench).phone_before is None


def test_what_a_gate_leaves_running_holds_nobody_up(runner: Path, bench: Path) -> None:
    done = execute(command(runner, bench, f"sleep 3 &\necho {STATE}\n"), bench)

    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "end 2")


@pytest.mark.parametrize("gate", ["sleep 98762\n", "echo level=9 >> asked\nexit 75\n"])
def test_a_runner_told_to_stop_at_its_gate_stops_and_so_does_the_gate(brisk: Path, bench: Path, gate: str) -> None:
    argv = command(brisk, bench, f"echo > asked\n{gate}")
    with subprocess.Popen(argv, cwd=bench, stdout=subprocess.PIPE) as process:
        until((bench / "asked").exists)
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)

    assert process.returncode == 128 + signal.SIGTERM
    assert "sleep 98762" not in commands()
    assert not (bench / "out").exists()


def test_a_runner_told_to_stop_while_it_asks_after_a_run_keeps_the_run(brisk: Path, bench: Path) -> None:
    gate = "echo x >> asked\nif [ $(wc -l < asked) -gt 1 ]; then echo > late; sleep 98763; fi\n"
    argv = command(brisk, bench, gate, checkpoints=(90000,), budget_ms=300, target=0)
    with subprocess.Popen(argv, cwd=bench, stdout=subprocess.PIPE, text=True) as process:
        until((bench / "late").exists)
        process.terminate()
        output, _ = process.communicate(timeout=PATIENCE_S)

    assert (process.returncode, output) == (128 + signal.SIGTERM, "run add 0 ok\n")
    assert log_of(bench).status is Status.OK
    assert "sleep 98763" not in commands()


# -- signs of life, turns --------------------------------------------------------------------------------------------


def test_signs_of_life_are_seconds_of_uptime_and_go_on_while_it_waits(brisk: Path, bench: Path) -> None:
    beat = bench / "beat"
    beat.write_text("999999999999999\n")  # of an earlier boot
    argv = command(brisk, bench, "echo > asked; exit 75\n", "--beat", "beat")

    with subprocess.Popen(argv, cwd=bench, stdout=subprocess.DEVNULL) as process:
        until((bench / "asked").exists)
        first = beat.stat().st_mtime_ns
        until(lambda: beat.stat().st_mtime_ns > first)
        process.terminate()

    uptime = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert uptime - PATIENCE_S < int(beat.read_text()) <= uptime


def test_a_run_waits_for_its_turn_and_the_waiting_is_not_held_against_it(runner: Path, bench: Path) -> None:
    turn = bench / "turn"
    argv = command(runner, bench, f"echo {STATE}\n", timeout_s=1)
    with turn.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        environment = {**os.environ, "AUTOCOMET_TURN": str(turn)}
        with subprocess.Popen(argv, cwd=bench, env=environment, stdout=subprocess.PIPE, text=True) as process:
            time.sleep(1.5)
            waited = process.poll() is None and not (bench / "out/add/run-0").exists()
            fcntl.flock(lock, fcntl.LOCK_UN)
            output, _ = process.communicate(timeout=PATIENCE_S)

    assert waited
    assert output.splitlines()[1:3] == ["run add 0 ok", "run add 1 ok"]
    assert log_of(bench).status is Status.OK


def test_a_turn_that_cannot_be_had_is_refused(runner: Path, bench: Path) -> None:
    environment = {**os.environ, "AUTOCOMET_TURN": str(bench / "absent" / "turn")}
    argv = command(runner, bench, "exit 0\n")

    done = subprocess.run(argv, cwd=bench, env=environment, capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"runner: add: cannot open {bench}/absent/turn: No such file or directory\n"


def test_the_parent_stays_small_however_much_its_gate_prints(runner: Path, bench: Path) -> None:
    argv = command(runner, bench, "yes | head -c 60000\necho 'too hot' >&2\nexit 75\n")
    with subprocess.Popen(argv, cwd=bench, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        status = dict(line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
        process.terminate()

    assert said == "wait too hot\n"
    assert int(status["VmHWM"].removesuffix("kB")) < 5000
