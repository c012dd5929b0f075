"""How much of the bench's time is measuring, and does a rack of phones scale? On virtual phones, behind the real adb.

    python benchmarks/bench_rack.py overhead --suite paper     # wall time over the phone's measuring time, one phone
    python benchmarks/bench_rack.py loop --suite demo          # the same jobs, pushed, run and pulled one by one
    python benchmarks/bench_rack.py scale --phones 8           # a rack against one phone, jobs that only sleep

The loop is how nn-Meter's builder measures: for every layer a push of its model, a start of the benchmark program, a pull of what
it printed. Here it uses this project's runner and runtime, so that only the way of driving the phone differs.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from adbutils import AdbClient, AdbDevice
from virtual_rack import VirtualPhone, profile, sleeping_runtime, virtual_rack

from parsers.jobs import RUN_PREFIX
from parsers.runlog import parse_runlog
from parsers.schema import layer_to_json
from profiler.microbench import layer_model
from profiler.plan import RunPlan, render_plan
from profiler.runner_build import host_runner, host_runtime
from profiler.suite import Suite, SuiteLayer, load_suite

PROCESSES = 3
BUDGET_MS = 400
SLEEPING_JOBS = 34
"""With three processes each about a batch of 100 runs."""
COLLECT = ("collect", "--battery", "10-100", "--processes", str(PROCESSES))


def main() -> None:
    """Print what one of the three commands finds."""
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory(prefix="rack-") as name:
        folder = Path(name)
        match arguments.what:
            case "overhead":
                overhead(arguments.suite, arguments.policy, folder)
            case "loop":
                loop(arguments.suite, folder)
            case "scale":
                scale(arguments.phones, folder)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=("overhead", "loop", "scale"))
    parser.add_argument("--suite", default="demo")
    parser.add_argument("--policy", choices=("strict", "quick"), default="strict")
    parser.add_argument("--phones", type=int, default=8)
    return parser.parse_args()


def overhead(suite: str, policy: str, folder: Path) -> None:
    """Collect a suite on one phone and print wall time over measuring time, and services per batch."""
    with virtual_rack(["flagship"], folder / "phones") as (phones, environment):
        services_before = services(phones[0])
        wall_s = collect(["--all", "--suite", suite, "--policy", policy, "--campaign", "overhead"], environment, folder)
        opened = services(phones[0]) - services_before
    campaign = folder / "runs" / "overhead"
    measured = [measuring_s(log) for log in campaign.glob(f"*/*/{RUN_PREFIX}*/runner.log")]
    looks = [float(line.rpartition(",")[2]) for path in campaign.glob("*/sentinels.csv") for line in rows_of(path)]
    busy_s = sum(measured) + sum(looks)
    print(
        f"{suite}, {policy}: {len(measured)} runs in {wall_s:.1f} s, of which {sum(measured):.1f} s measuring and {sum(looks):.1f} s in {len(looks)} sentinel runs"
    )
    print(f"wall / measuring, sentinels included: {wall_s / busy_s:.3f}")
    print(f"services opened: {opened}, {100 * opened / len(measured):.1f} per 100 runs")


def loop(suite: str, folder: Path) -> None:
    """Measure a suite's layers with a push, a start and a pull each, and print wall time over measuring time."""
    with virtual_rack(["flagship"], folder / "phones") as (phones, environment):
        device = AdbClient(port=int(environment["ANDROID_ADB_SERVER_PORT"])).device(phones[0].address)
        home = PurePosixPath("/data/local/tmp/loop")
        for source, name in ((host_runner(), "runner"), (host_runtime(), "libonnxruntime.so")):
            device.sync.push(source, str(home / name), mode=0o755)
        services_before, began_s, measured_s, runs = services(phones[0]), time.monotonic(), 0.0, 0
        for part in load_suite(suite).layers:
            model = layer_model(part.layer).SerializeToString(deterministic=True)
            for process in range(PROCESSES):
                measured_s += push_run_pull(device, home, model, process, folder)
                runs += 1
        wall_s = time.monotonic() - began_s
        opened = services(phones[0]) - services_before
    print(f"{suite}, one by one: {runs} runs in {wall_s:.1f} s, of which {measured_s:.1f} s measuring")
    print(f"wall / measuring: {wall_s / measured_s:.3f}")
    print(f"services opened: {opened}, {100 * opened / runs:.1f} per 100 runs")


def push_run_pull(device: AdbDevice, home: PurePosixPath, model: bytes, process: int, folder: Path) -> float:
    """Measure one model as the loop does; returns for how long the phone measured, s."""
    plan = RunPlan(job="layer", run=process, model="model.onnx", out="out", budget_ms=BUDGET_MS, min_iterations=10)
    (folder / "model.onnx").write_bytes(model)
    (folder / "plan.txt").write_text(render_plan([plan]))
    device.sync.push(folder / "model.onnx", str(home / "model.onnx"))
    device.sync.push(folder / "plan.txt", str(home / "plan.txt"))
    device.shell(f"cd {home} && rm -rf out && ./runner --runtime ./libonnxruntime.so --plan plan.txt")
    device.sync.pull(str(home / "out" / "runner.log"), folder / "runner.log")
    device.sync.pull(str(home / "out" / "profile.json"), folder / "profile.json")
    return measuring_s(folder / "runner.log")


def scale(phones: int, folder: Path) -> None:
    """Collect sleeping jobs on one phone and on a rack, and print the ratio."""
    runtime = sleeping_runtime(folder)
    layers = folder / "layers.json"
    suite = Suite(name="layers", layers=tuple(SuiteLayer(layer=part.layer) for part in load_suite("paper").layers))
    light = sorted(
        {part.layer.key: part.layer for part in suite.layers}.values(), key=lambda layer: layer.weight_elements
    )
    layers.write_text(json.dumps({"schema": 1, "layers": [layer_to_json(layer) for layer in light[:SLEEPING_JOBS]]}))
    options = ["--all", "--layers", str(layers), "--runtime", str(runtime)]
    walls_s = []
    for count in (1, phones):
        with virtual_rack(["flagship"] * count, folder / f"phones-{count}", options=("--no-turn",)) as (_, environment):
            walls_s.append(collect([*options, "--campaign", f"scale-{count}"], environment, folder))
            print(f"{count} phone{'s' * (count > 1)}, {SLEEPING_JOBS} sleeping jobs each: {walls_s[-1]:.1f} s")
    print(f"{phones} phones / 1 phone: {walls_s[1] / walls_s[0]:.2f}")


def collect(options: Sequence[str], environment: dict[str, str], folder: Path) -> float:
    """Run ``profile collect``; returns its wall time, s."""
    began_s = time.monotonic()
    done = profile(*COLLECT, "--budget-ms", str(BUDGET_MS), *options, environment=environment, cwd=folder)
    if done.returncode != 0:
        sys.exit(f"collect ended with exit code {done.returncode}:\n{done.stderr}")
    return time.monotonic() - began_s


def services(phone: VirtualPhone) -> int:
    """How many services hosts have opened on the phone so far."""
    return int(phone.order("services").rpartition(" ")[2])


def rows_of(path: Path) -> list[str]:
    """The lines of a CSV file behind its head."""
    return path.read_text().splitlines()[1:]


def measuring_s(log: Path) -> float:
    """How long a run took on the phone, by the phone's own clock."""
    return parse_runlog(log.read_bytes()).took_s or 0.0


if __name__ == "__main__":
    main()
