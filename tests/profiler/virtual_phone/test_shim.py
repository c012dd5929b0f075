from __future__ import annotations

import ctypes
import json
import re
import shutil
import statistics
import subprocess
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from profiler.plan import RunPlan, render_plan
from profiler.runner_build import host_compiler, host_runner, host_runtime
from profiler.virtual_phone import parameters, shim_build
from profiler.virtual_phone.description import load_description
from profiler.virtual_phone.faults import parse_fault
from profiler.virtual_phone.handset import Handset
from tests.profiler.virtual_phone.test_handset import pytestmark as needs_namespaces

_WORK = "/data/local/tmp/autocomet/work/shim"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A phone with the runner, the runtime and a model on it."""

    phone: Handset
    work: Path

    def measure(self, *, threads: int = 1, cpus: tuple[int, ...] = ()) -> tuple[str, Path]:
        """Run the model once; the runner's verdict, and the folder that it left."""
        shutil.rmtree(self.work / "out", ignore_errors=True)
        (self.work / "out/job").mkdir(parents=True)
        run = RunPlan(
            job="job",
            model="model.onnx",
            out="out/job/run-0",
            threads=threads,
            cpus=cpus,
            checkpoints=(30,),
            warmup=3,
            timeout_s=86_400,
        )
        (self.work / "plan.txt").write_text(render_plan([run]))
        command = f"cd {_WORK} && ./runner --runtime ./libonnxruntime.so --plan plan.txt"
        output, errors = self.phone.spawn(command).communicate(timeout=120)
        return (output + errors).decode(), self.work / "out/job/run-0"


def records(folder: Path) -> list[str]:
    """The messages of a run's log."""
    return [line.partition("AutoCoMET: ")[2] for line in (folder / "runner.log").read_text().splitlines()]


def intact(folder: Path) -> bool:
    """Whether log and profile are what the runner wrote, by the runner's own checksums."""
    try:
        lines = records(folder)
        digest = re.search(r" file=profile.json bytes=(\d+) crc=([0-9a-f]{8})", "\n".join(lines))
        profile = (folder / "profile.json").read_bytes()
        body, _, crc = "".join(lines).rpartition(" crc=")
        return (
            digest is not None
            and zlib.crc32(profile) == int(digest[2], 16)
            and len(profile) == int(digest[1])
            and zlib.crc32(body.encode()) == int(crc, 16)
        )
    except (UnicodeDecodeError, ValueError):
        return False


@pytest.fixture(scope="module")
def phone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handset]:
    handset = Handset(load_description("flagship"), tmp_path_factory.mktemp("flagship"), slow=3.0)
    handset.boot()
    yield handset
    handset.shutdown()


def equip(phone: Handset, model: Path) -> Bench:
    """Put on a phone what a measurement needs."""
    work = phone.resolve(_WORK)
    work.mkdir(parents=True, exist_ok=True)
    for source, name in ((model, "model.onnx"), (host_runner(), "runner"), (host_runtime(), "libonnxruntime.so")):
        if not (work / name).exists():
            shutil.copy(source, work / name)
    return Bench(phone=phone, work=work)


@pytest.fixture
def bench(phone: Handset, tiny_model: Path) -> Bench:
    return equip(phone, tiny_model)


def test_both_sides_of_the_shared_file_put_every_field_in_the_same_place(tmp_path: Path):
    kinds = {"struct parameters": parameters._Shared, "struct policy": parameters._Policy}
    names = [(kind, name) for kind, record in kinds.items() for name, *_ in record._fields_]
    prints = "".join(f'printf("%zu\\n", offsetof({kind}, {name}));' for kind, name in names)
    sizes = "".join(f'printf("%zu\\n", sizeof({kind}));' for kind in kinds)
    source = tmp_path / "layout.c"
    source.write_text(
        f'#include "parameters.h"\n#include <stddef.h>\n#include <stdio.h>\nint main(void) {{ {prints}{sizes} }}\n'
    )
    folder = Path(shim_build.__file__).parent / "shim"
    subprocess.run([*host_compiler()[0], f"-I{folder}", str(source), "-o", str(tmp_path / "layout")], check=True)

    printed = subprocess.run([str(tmp_path / "layout")], capture_output=True, text=True, check=True).stdout

    offsets = [getattr(kinds[kind], name).offset for kind, name in names]
    assert [int(line) for line in printed.split()] == offsets + [ctypes.sizeof(record) for record in kinds.values()]


@needs_namespaces
def test_the_runner_measures_with_the_real_runtime_on_the_phones_processors(bench: Bench):
    verdict, folder = bench.measure(threads=4, cpus=(4, 5, 6, 7))

    assert verdict == "run job 0 ok\nend 1\n"
    assert intact(folder)
    log = "\n".join(records(folder))
    assert " affinity=4-7 " in log
    assert " clock cpu=4 khz=2419200 " in log
    assert {"samples", "memory", "profile", "end"} <= {line.split()[3] for line in records(folder)}


@needs_namespaces
def test_the_runtimes_profiler_counts_in_the_phones_time(tmp_path: Path, tiny_model: Path):
    phone = Handset(load_description("low"), tmp_path / "low", slow=1000.0)
    phone.boot()
    _, folder = equip(phone, tiny_model).measure()
    phone.shutdown()

    # The runner's iterations, and the same ones as the runtime times them: some microseconds, a thousand times as long.
    samples = re.findall(r" us=([0-9.,!]+)", "\n".join(records(folder)))
    wall_us = statistics.median(float(text.rstrip("!")) for line in samples for text in line.split(","))
    profile = json.loads((folder / "profile.json").read_text())
    profiled_us = statistics.median(event["dur"] for event in profile if event["name"] == "model_run")
    assert wall_us > 1000
    assert profiled_us > wall_us / 2


@needs_namespaces
def test_the_log_is_in_logcat_word_for_word(bench: Bench):
    bench.phone.spawn("logcat -c").communicate(timeout=60)
    _, folder = bench.measure()

    output, _ = bench.phone.spawn("logcat -d -s AutoCoMET").communicate(timeout=60)

    lines = output.decode().splitlines()[1:]
    assert [line.partition("AutoCoMET: ")[2] for line in lines] == records(folder)


@needs_namespaces
def test_lost_lines_are_missing_from_logcat_alone(bench: Bench):
    bench.phone.inject(parse_fault("lost-log-lines=0.5"))
    bench.phone.spawn("logcat -c").communicate(timeout=60)
    written = sum(len(records(bench.measure()[1])) for _ in range(4))
    output, _ = bench.phone.spawn("logcat -d -s AutoCoMET").communicate(timeout=60)
    bench.phone.clear("lost-log-lines")

    arrived = len(output.decode().splitlines()) - 1
    assert 0.2 * written < arrived < 0.8 * written


@needs_namespaces
def test_one_process_is_killed_on_order_and_the_next_is_not(bench: Bench):
    bench.phone.inject(parse_fault("killed-child"))

    verdicts = [bench.measure()[0].split("\n")[0] for _ in range(2)]

    assert verdicts == ["run job 0 out_of_memory", "run job 0 ok"]


@needs_namespaces
def test_one_bit_is_flipped_on_order_in_one_result(bench: Bench):
    found = []
    for _ in range(2):
        bench.phone.inject(parse_fault("bit-flip"))
        verdict, folder = bench.measure()
        found.append((verdict.split("\n")[0], intact(folder)))
    _, folder = bench.measure()

    assert [verdict for verdict, _ in found] == ["run job 0 ok"] * 2
    assert intact(folder)
    assert not all(whole for _, whole in found)  # of the log's line heads, no checksum is kept


@needs_namespaces
def test_a_runner_on_a_full_storage_says_so(bench: Bench):
    shutil.rmtree(bench.work / "out", ignore_errors=True)
    (bench.work / "out/job").mkdir(parents=True)
    bench.phone.inject(parse_fault("storage-full"))
    process = bench.phone.spawn(f"cd {_WORK} && ./runner --runtime ./libonnxruntime.so --plan plan.txt")
    _, errors = process.communicate(timeout=60)
    bench.phone.clear("storage-full")

    assert process.returncode == 2
    assert b"No space left on device" in errors
