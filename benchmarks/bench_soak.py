"""Does a rack of phones keep its books straight, whatever happens to it? Virtual phones, random faults, a killed host.

    python benchmarks/bench_soak.py --minutes 30 --phones 8

Campaigns are collected one after the other on all phones at once, while phones are unplugged, restarted, filled up, throttled,
drained, while results are damaged, and while the collecting program itself is killed. Then every fault is cleared and the
last campaign is brought to its end. The runtime is one that sleeps (``sleeping_runtime.c``): how long a model takes follows
from its size, so that every value in the table can be checked to the last digit. Printed are the counts; the exit code is
1 where anything is lost, doubled, torn, wrong, left behind or not put back.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import onnx
from adbutils import adb_path
from virtual_rack import PROGRAM, VirtualPhone, sleeping_runtime, virtual_rack

from parsers.jobs import RUN_PREFIX, read_job
from parsers.schema import Status, layer_to_json
from parsers.stats import read_stats
from profiler.microbench import layer_model
from profiler.suite import Suite, SuiteLayer, load_suite

TIERS = ("flagship", "mid", "low")
LAYERS = 40
LARGEST_WEIGHT_ELEMENTS = 20_000

COLLECT = (
    *("collect", "--all", "--processes", "3", "--budget-ms", "60", "--timeout-s", "30"),
    *("--patience-s", "60", "--cool-down-s", "0.5", "--watchdog-s", "20", "--battery", "10-100"),
)

_UNTOLD = {Status.CONTENDED.value, Status.LOST.value, Status.THROTTLED.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """A fault, and after how many seconds it ends; 0 where it ends by itself."""

    name: str
    argument: Callable[[random.Random], str] = lambda _: ""
    lasts_s: float = 0.0


DISTURBANCES = (
    Disturbance(name="gone", argument=lambda draw: f"{draw.randrange(100_000)}:{draw.uniform(0.2, 4):.1f}"),
    Disturbance(name="reboot"),
    Disturbance(name="killed-child"),
    Disturbance(name="bit-flip"),
    Disturbance(name="clock-back", argument=lambda _: "86400"),
    Disturbance(name="lost-log-lines", argument=lambda _: "0.05", lasts_s=20),
    Disturbance(name="offline", lasts_s=4),
    Disturbance(name="unauthorized", lasts_s=4),
    Disturbance(name="recovery", lasts_s=4),
    Disturbance(name="storage-full", lasts_s=4),
    Disturbance(name="throttle", argument=lambda _: "0.5", lasts_s=4),
    Disturbance(name="low-battery", argument=lambda _: "5", lasts_s=4),
)


@dataclass(slots=True)
class Counts:
    """What happened, and what is wrong."""

    disturbances: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    campaigns: int = 0
    jobs: int = 0
    runs: int = 0
    wrong: list[str] = field(default_factory=list)


def main() -> None:
    """Soak a rack and print the counts."""
    arguments = parse_arguments()
    counts = Counts()
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name)
        suite = small_suite()
        layers = folder / "layers.json"
        layers.write_text(json.dumps({"schema": 1, "layers": [layer_to_json(part.layer) for part in suite.layers]}))
        runtime = sleeping_runtime(folder)
        tiers = [TIERS[number % len(TIERS)] for number in range(arguments.phones)]
        with virtual_rack(tiers, folder / "phones", options=("--no-turn",)) as (phones, environment):
            before = {phone.serial: settings_of(phone, environment) for phone in phones}
            deadline_s = time.monotonic() + 60 * arguments.minutes
            draw = random.Random(arguments.seed)  # noqa: S311 - a soak, not a secret
            while time.monotonic() < deadline_s:
                command = [*COLLECT, "--layers", str(layers), "--runtime", str(runtime)]
                command += ["--campaign", f"soak-{counts.campaigns}"]
                soak(command, phones, environment, folder, draw, deadline_s, counts)
                check_campaign(folder / "runs" / f"soak-{counts.campaigns}", phones, suite, counts)
                counts.campaigns += 1
            for phone in phones:
                check_phone(phone, before[phone.serial], environment, counts)
        check_processes(folder, counts)
    report(counts, arguments.phones)
    sys.exit(bool(counts.wrong))


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--phones", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def small_suite() -> Suite:
    """Take layers whose models are small, since nothing of them counts but their sizes."""
    parts = [part for part in load_suite("paper").layers if part.layer.weight_elements <= LARGEST_WEIGHT_ELEMENTS]
    return Suite(name="layers", layers=tuple(SuiteLayer(layer=part.layer) for part in parts[:LAYERS]))


def soak(
    command: list[str],
    phones: list[VirtualPhone],
    environment: dict[str, str],
    folder: Path,
    draw: random.Random,
    deadline_s: float,
    counts: Counts,
) -> None:
    """Collect one campaign, with disturbances until the deadline; the same command is given until it is complete."""
    ending: list[tuple[float, VirtualPhone, str]] = []
    program = start(command, environment, folder)
    while True:
        code = program.poll()
        if code == 0:
            break
        if code is not None:
            if code not in {3, -9}:
                said = (folder / "collect.log").read_text().splitlines()[-1]
                counts.wrong.append(f"collect ended with exit code {code}: {said}")
                print(counts.wrong[-1], file=sys.stderr, flush=True)
            program = start(command, environment, folder)
        now_s = time.monotonic()
        for end in [end for end in ending if end[0] <= now_s or now_s > deadline_s]:
            end[1].order(f"clear {end[2]}")
            ending.remove(end)
        if now_s < deadline_s:
            if draw.random() < 0.03:
                program.kill()
                program.wait()
                counts.disturbances["killed host program"] += 1
            disturb(draw.choice(phones), draw.choice(DISTURBANCES), draw, ending, counts)
        time.sleep(draw.uniform(0.3, 1.5) * 8 / len(phones))
    for _, phone, name in ending:
        phone.order(f"clear {name}")


def start(command: list[str], environment: dict[str, str], folder: Path) -> subprocess.Popen[bytes]:
    """Start ``profile collect``; what it says goes into a file."""
    with (folder / "collect.log").open("ab") as log:
        return subprocess.Popen(
            [*PROGRAM, *command],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def disturb(
    phone: VirtualPhone,
    disturbance: Disturbance,
    draw: random.Random,
    ending: list[tuple[float, VirtualPhone, str]],
    counts: Counts,
) -> None:
    """Do one phone some harm."""
    phone.order(f"fault {disturbance.name} {disturbance.argument(draw)}".strip())
    counts.disturbances[disturbance.name] += 1
    if disturbance.lasts_s:
        ending.append((time.monotonic() + draw.uniform(0.5, 1) * disturbance.lasts_s, phone, disturbance.name))


def check_campaign(campaign: Path, phones: list[VirtualPhone], suite: Suite, counts: Counts) -> None:
    """Hold a campaign's table against what it must be."""
    table = read_stats(campaign / "stats.parquet")
    expected = {part.layer.key: expected_ms(layer_model(part.layer)) for part in suite.layers}
    counts.jobs += len(table)
    counts.runs += sum(1 for _ in campaign.glob(f"*/*/{RUN_PREFIX}*"))
    counts.statuses.update(table["status"])
    by_device = table.groupby("device")["layer_key"]
    if by_device.ngroups != len(phones):
        counts.wrong.append(f"{campaign.name}: rows of {by_device.ngroups} phones, not of {len(phones)}")
    for device, keys in by_device:
        if sorted(keys) != sorted(expected):
            counts.wrong.append(
                f"{campaign.name}, {device}: {len(keys)} jobs, {len(set(keys) & set(expected))} of them right"
            )
    for row in table.itertuples():
        if row.status == Status.OK.value:
            if abs(row.execution_time_ms - expected[row.layer_key]) > 1e-9:
                counts.wrong.append(
                    f"{campaign.name}, {row.device}, {row.job}: {row.execution_time_ms} ms is a wrong value"
                )
        elif row.status not in _UNTOLD:
            counts.wrong.append(f"{campaign.name}, {row.device}, {row.job}: {row.status} is a wrong status")
        elif row.execution_time_ms == row.execution_time_ms:
            counts.wrong.append(f"{campaign.name}, {row.device}, {row.job}: {row.status}, yet it has a value")
    for job in campaign.glob("*/[!.]*/job.json"):
        read_job(job.parent)
    left = [path for path in campaign.rglob("*") if path.suffix == ".part" or path.name in {".staging", ".incoming"}]
    counts.wrong += [f"{path} is left over" for path in left]


def expected_ms(model: onnx.ModelProto) -> float:
    """How long the sleeping runtime takes for a model."""
    return float(1 + len(model.SerializeToString(deterministic=True)) % 8)


def settings_of(phone: VirtualPhone, environment: dict[str, str]) -> str:
    """Everything of a phone that a campaign changes."""
    lists = "; ".join(f"settings list {space}" for space in ("global", "system", "secure"))
    return shell(phone, f"{lists}; logcat -b main -g | sed 's/(.*//'", environment)


def check_phone(phone: VirtualPhone, before: str, environment: dict[str, str], counts: Counts) -> None:
    """Look whether a phone is as it was found."""
    deadline_s = time.monotonic() + 60
    while (after := settings_of(phone, environment)) != before and time.monotonic() < deadline_s:
        time.sleep(1)
    if after != before:
        counts.wrong.append(f"{phone.serial}: settings are not as they were: {before!r} became {after!r}")
    left = shell(
        phone,
        "cd /data/local/tmp/autocomet && ls -d work/*/* lock journal runner.pid watchdog 2>/dev/null",
        environment,
    )
    if left.strip():
        counts.wrong.append(f"{phone.serial}: left on the phone: {left.split()}")
    running = shell(phone, "cat /proc/[0-9]*/cmdline | tr '\\0' ' '", environment)
    if "autocomet" in running:
        counts.wrong.append(f"{phone.serial}: still running: {running!r}")


def shell(phone: VirtualPhone, command: str, environment: dict[str, str]) -> str:
    """Run a command on a phone with plain adb."""
    adb = [adb_path(), "-P", environment["ANDROID_ADB_SERVER_PORT"], "-s", phone.address]
    for _ in range(60):
        done = subprocess.run([*adb, "shell", command], capture_output=True, text=True, env=environment, check=False)
        if "not found" not in done.stderr and "offline" not in done.stderr:
            return done.stdout
        subprocess.run([*adb[:3], "connect", phone.address], capture_output=True, env=environment, check=False)
        time.sleep(0.5)
    raise SystemExit(f"{phone.serial} cannot be reached: {done.stderr.strip()}")


def check_processes(folder: Path, counts: Counts) -> None:
    """Look for processes of this soak that outlived it."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ")
        except OSError:
            continue
        if os.fsencode(folder) in command and int(entry.name) != os.getpid():
            counts.wrong.append(f"process {entry.name} is left: {command!r}")


def report(counts: Counts, phones: int) -> None:
    """Print the counts."""
    print(f"{phones} virtual phones, {counts.campaigns} campaigns, {counts.jobs} jobs, {counts.runs} runs")
    print("disturbances: " + ", ".join(f"{count} {name}" for name, count in counts.disturbances.most_common()))
    print("statuses: " + ", ".join(f"{count} {status}" for status, count in counts.statuses.most_common()))
    print(f"wrong: {len(counts.wrong)}")
    for line in counts.wrong[:20]:
        print(f"  {line}")


if __name__ == "__main__":
    main()
