"""A phone as a device: the real adb, the real runner, and a virtual phone that can go wrong in every way."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from parsers.schema import DeviceKind
from profiler.android.adb import Transport
from profiler.android.phone import AdbDevice
from profiler.device import BatchOrder, Conditions, RunnerInstall
from profiler.errors import (
    DeviceBusyError,
    DeviceGoneError,
    DeviceNotReadyError,
    RunnerError,
    StorageFullError,
)
from profiler.plan import RunPlan, render_plan
from tests.profiler.android.conftest import VirtualPhone

WAITING = Conditions(watchdog_s=60)


def model() -> tuple[str, bytes]:
    """A network of one addition, and its digest."""
    import hashlib

    value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "add", [value], [result])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    content = made.SerializeToString()
    return hashlib.sha256(content).hexdigest(), content


def order(*runs: int, budget_ms: int = 1) -> BatchOrder:
    sha256, content = model()
    plans = [
        RunPlan(
            job="add",
            run=run,
            model=f"models/{sha256}.onnx",
            out=f"out/add/run-{run}",
            warmup=1,
            checkpoints=(10,),
            target=0.5,
            budget_ms=budget_ms,
            profile_iterations=2,
            timeout_s=20,
        )
        for run in runs
    ]
    return BatchOrder(plan=render_plan(plans).encode(), models={sha256: content})


def work(
    device: AdbDevice, batch: BatchOrder, into: Path, *, heard: Callable[[str], None] = lambda _: None
) -> list[str]:
    """Have a batch done and return what was said."""
    said = []
    with device.batch(batch, into) as lines:
        for line in lines:
            said.append(line)
            heard(line)
    return said


class StopError(Exception):
    """The user stops the program."""


def stop_at(word: str) -> Callable[[str], None]:
    """Stop the program at a line that begins with a word."""

    def heard(line: str) -> None:
        if line.startswith(word):
            raise StopError(line)

    return heard


def runs_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.glob("*/*"))


@pytest.fixture
def device(virtual: VirtualPhone) -> AdbDevice:
    return AdbDevice(virtual.find(), campaign="c")


@pytest.fixture
def ready(device: AdbDevice) -> Iterator[AdbDevice]:
    """A device that is held and has everything to measure with."""
    with device.hold(WAITING):
        device.install()
        yield device


def services(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Count what is opened on phones from now on."""
    opened: list[str] = []
    original = Transport._opened

    def counting(transport: Transport) -> object:
        opened.append(transport.serial)
        return original(transport)

    monkeypatch.setattr(Transport, "_opened", counting)
    return opened


def test_a_phone_is_named_after_what_it_says_it_is(device: AdbDevice):
    assert device.name == "Virtual-low-V1"
    assert device.facts().kind is DeviceKind.VIRTUAL


def test_what_is_installed_is_pushed_once(device: AdbDevice, monkeypatch: pytest.MonkeyPatch):
    first = device.install()
    pushed: list[object] = []
    monkeypatch.setattr("profiler.android.wire.Sync.push", lambda *words, **_: pushed.append(words))

    second = device.install()

    assert isinstance(first, RunnerInstall)
    assert (second, pushed) == (first, [])
    assert device.shell(["sha256sum", str(first.runner)]).stdout.split()[0] == first.runner_sha256


def test_a_batch_brings_back_its_runs_at_the_cost_of_three_services(
    ready: AdbDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ready.models()
    opened = services(monkeypatch)

    said = [line.split()[0] for line in work(ready, order(0, 1), tmp_path / "0")]

    assert (said[-1], said.count("run"), "phone" in said) == ("end", 2, True)
    assert runs_in(tmp_path / "0") == ["add/run-0", "add/run-1"]
    assert len(opened) == 3
    assert ready.models() == {model()[0]}


def test_runs_that_were_fetched_are_not_salvaged_again(ready: AdbDevice, tmp_path: Path):
    work(ready, order(0), tmp_path / "0")

    ready.salvage(tmp_path / "1")

    assert (runs_in(tmp_path / "0"), runs_in(tmp_path / "1")) == (["add/run-0"], [])


def test_a_batch_that_the_host_leaves_is_ended_and_salvaged(ready: AdbDevice, virtual: VirtualPhone, tmp_path: Path):
    with pytest.raises(StopError):
        work(ready, order(0, 1, 2, budget_ms=3000), tmp_path / "0", heard=stop_at("run"))

    ready.salvage(tmp_path / "1")

    assert not (tmp_path / "0").exists()
    assert runs_in(tmp_path / "1")[0] == "add/run-0"
    assert not (virtual.bench / "runner.pid").exists()


def test_a_cable_pulled_during_a_batch_costs_no_finished_run(ready: AdbDevice, virtual: VirtualPhone, tmp_path: Path):
    def pull_the_cable(line: str) -> None:
        if line.startswith("run "):
            virtual.fault("gone 0:1")

    with pytest.raises(DeviceGoneError):
        work(ready, order(0, 1, 2), tmp_path / "0", heard=pull_the_cable)
    assert eventually(lambda: not why_not(ready))

    ready.salvage(tmp_path / "1")

    assert not (tmp_path / "0").exists()
    assert "add/run-0" in runs_in(tmp_path / "1")


def eventually(holds: Callable[[], bool]) -> bool:
    """Wait for what must happen by itself."""
    deadline = time.monotonic() + 30
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(0.2)
    return held


def test_a_phone_that_reboots_is_found_again_and_restored(device: AdbDevice, virtual: VirtualPhone):
    before = settings(device)
    with pytest.raises(DeviceGoneError), device.hold(WAITING):
        reboot(virtual, device)
    assert eventually(lambda: not why_not(device))

    with device.hold(WAITING):
        pass

    assert settings(device) == before


def why_not(device: AdbDevice) -> str:
    """Say why a phone cannot be found again; empty where it can."""
    try:
        device.reconnect()
    except (DeviceGoneError, DeviceNotReadyError) as error:
        return str(error)
    return ""


def settings(device: AdbDevice) -> str:
    script = (
        "settings list system; settings list global; cmd connectivity airplane-mode; logcat -b main -g | cut -d'(' -f1"
    )
    return device.shell(["sh", "-c", script]).stdout


def test_a_held_phone_is_set_up_and_restored_even_after_an_error(device: AdbDevice):
    before = settings(device)

    during: list[str] = []

    def measure() -> None:
        during.append(settings(device))
        raise StopError

    with pytest.raises(StopError), device.hold(WAITING):
        measure()

    assert "screen_brightness=60" in during[0]
    assert settings(device) == before


@pytest.mark.usefixtures("ready")
def test_a_phone_that_is_held_is_busy_for_others(virtual: VirtualPhone):
    other = AdbDevice(virtual.find(), campaign="other")

    with pytest.raises(DeviceBusyError, match=rf"is held by \S+:{os.getpid()}:c"), other.hold(WAITING):
        pass


def test_a_lock_of_a_program_that_was_killed_is_taken_over(device: AdbDevice, monkeypatch: pytest.MonkeyPatch):
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    monkeypatch.setattr("os.getpid", lambda: ended.pid)
    killed = device.hold(WAITING)
    killed.__enter__()
    monkeypatch.undo()

    with device.hold(WAITING):
        holder = device.shell(["cat", "/data/local/tmp/autocomet/lock/owner"]).stdout

    assert holder == f"{device.owner}\n"


def reboot(virtual: VirtualPhone, device: AdbDevice) -> None:
    """Start a phone anew, and notice."""
    virtual.fault("reboot")
    device.shell(["true"])


HOLDER = """
import sys, time
from profiler.android.phone import AdbDevice, find_phones
from profiler.device import Conditions
with AdbDevice(*find_phones(sys.argv[1:]), campaign="c").hold(Conditions(watchdog_s=2)):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_phone_restores_itself_when_its_program_is_killed(device: AdbDevice, virtual: VirtualPhone):
    before = settings(device)
    with subprocess.Popen([sys.executable, "-c", HOLDER, virtual.address], stdout=subprocess.PIPE) as program:
        assert program.stdout is not None
        program.stdout.readline()
        during = settings(device)
        time.sleep(3)  # longer than the watchdog waits: a program that lives keeps its phone
        later = settings(device)
        program.kill()

    assert during == later != before
    assert eventually(lambda: settings(device) == before and not (virtual.bench / "lock").exists())


def test_a_full_phone_is_told_from_a_broken_one(ready: AdbDevice, virtual: VirtualPhone, tmp_path: Path):
    virtual.fault("storage-full")

    with pytest.raises(StorageFullError, match="no room"):
        work(ready, order(0), tmp_path / "0")

    virtual.daemon.clear("storage-full")


def test_a_plan_that_the_runner_refuses_is_an_error_with_its_reason(ready: AdbDevice, tmp_path: Path):
    nonsense = BatchOrder(plan=b"no plan\n", models={})

    with pytest.raises(RunnerError, match=r"refused its plan: runner: plan\.txt"):
        work(ready, nonsense, tmp_path / "0")


def test_a_low_battery_is_waited_for_with_a_reason(virtual: VirtualPhone, device: AdbDevice, tmp_path: Path):
    virtual.fault("low-battery 20")
    with device.hold(WAITING):
        device.install()
        with pytest.raises(StopError, match="wait battery 20 %"):
            work(device, order(0), tmp_path / "0", heard=stop_at("wait"))


@pytest.mark.parametrize(
    ("state", "step"),
    [("unauthorized", "allow USB debugging"), ("recovery", "Reboot it"), ("offline", "Plug it in again")],
)
def test_a_phone_that_adb_cannot_use_has_a_next_step(virtual: VirtualPhone, device: AdbDevice, state: str, step: str):
    virtual.fault(state)

    assert eventually(lambda: step in why_not(device))


def test_cleaning_leaves_nothing_on_the_phone(device: AdbDevice, virtual: VirtualPhone, tmp_path: Path):
    before = settings(device)
    with device.hold(WAITING):
        device.install()
        work(device, order(0), tmp_path / "0")

    device.clean()

    assert (virtual.bench.exists(), settings(device)) == (False, before)
