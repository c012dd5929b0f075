"""The runner and ONNX Runtime as they are on 64-bit ARM, under emulation: a layer of every operator family.

The program is the arm64 *Linux* build, the library the aarch64 wheel's: the same sources as on a phone, for the same
processor, with another C library. Emulated times mean nothing and become no rows; whether a run is ``ok`` does.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import onnx
import pytest

from parsers.operators import Family, family_of
from parsers.ort_profile import is_layout, parse_ort_profile
from parsers.roofline import flops
from parsers.runlog import parse_runlog
from parsers.schema import Layer, Status
from profiler.microbench import layer_model
from profiler.networks import NETWORKS, network_graph
from profiler.plan import RunPlan, render_plan
from profiler.runner_build import build_runner, cache_folder, runtime_version

QEMU = shutil.which("qemu-aarch64-static") or shutil.which("qemu-aarch64")
LIBRARIES = Path("/usr/aarch64-linux-gnu/lib")
ZIG = (sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-gnu.2.28")
WHEELS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux_2_17_aarch64")
WARMUP, ITERATIONS, PROFILED = 1, 4, 2


def missing(what: str) -> None:
    """Skip; but where continuous integration has installed all that is needed, a skip would hide a broken set-up."""
    if os.environ.get("AUTOCOMET_EMULATION") == "required":
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="module")
def phone_like(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root folder for the emulated program: Debian's arm64 libraries, and empty files that ORT's cpuinfo survives."""
    if QEMU is None or not (LIBRARIES / "libc.so.6").exists() or not (LIBRARIES / "libstdc++.so.6").exists():
        missing("needs an emulator: apt-get install qemu-user-static libc6-arm64-cross libstdc++6-arm64-cross")
    root = tmp_path_factory.mktemp("arm64")
    (root / "lib").symlink_to(LIBRARIES)
    for cpu in ("cpu0", "cpu1"):
        cache = root / "sys" / "devices" / "system" / "cpu" / cpu / "cache" / "index2"
        cache.mkdir(parents=True)
        for name in ("level", "size", "shared_cpu_list"):
            (cache / name).touch()
    return root


@pytest.fixture(scope="module")
def runtime() -> Path:
    """The library of this machine's ONNX Runtime version, from the wheel for 64-bit ARM."""
    version = runtime_version()
    library = cache_folder("wheels") / f"libonnxruntime-{version}-aarch64.so"
    if not library.exists():
        library.parent.mkdir(parents=True, exist_ok=True)
        options = [word for name in WHEELS for word in ("--platform", name)]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", *options]
        done = subprocess.run(
            [*command, "--dest", str(library.parent), f"onnxruntime=={version}"],
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        wheels = list(library.parent.glob(f"onnxruntime-{version}-*_aarch64.whl"))
        if not wheels:
            missing(f"pip cannot fetch onnxruntime {version} for aarch64: {done.stderr.strip()[-200:]}")
        with zipfile.ZipFile(wheels[0]) as wheel:
            library.write_bytes(wheel.read(f"onnxruntime/capi/libonnxruntime.so.{version}"))
        wheels[0].unlink()
    return library


def smallest_layers() -> Iterator[Layer]:
    """The cheapest layer of each operator family that the suites' networks have."""
    layers = (item.layer for name in NETWORKS for item in network_graph(name).layers)
    found: dict[Family, Layer] = {}
    for layer in sorted(layers, key=lambda layer: (flops(layer), layer.input_volume)):
        found.setdefault(family_of(layer.type), layer)
    return iter(found.values())


def test_a_layer_of_every_operator_family_runs_on_64_bit_arm(phone_like: Path, runtime: Path, tmp_path: Path) -> None:
    runner = tmp_path / "runner"
    build_runner(runner, compiler=ZIG)
    layers = {family_of(layer.type): layer for layer in smallest_layers()}
    runs = []
    for family, layer in layers.items():
        onnx.save(layer_model(layer), tmp_path / f"{family}.onnx")
        runs.append(
            RunPlan(
                job=family.value, model=f"{family}.onnx", out=f"out/{family}", warmup=WARMUP, min_iterations=1,
                checkpoints=(ITERATIONS,), target=0.0, budget_ms=60_000, profile_iterations=PROFILED, timeout_s=120,
            )
        )  # fmt: skip
    (tmp_path / "plan").write_text(render_plan(runs))

    done = subprocess.run(
        [str(QEMU), "-L", str(phone_like), str(runner), "--runtime", str(runtime), "--plan", "plan"],
        cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "")
    assert set(layers) == set(Family) - {Family.BLOCK, Family.OTHER}
    for family in layers:
        log = parse_runlog((tmp_path / "out" / family / "runner.log").read_bytes())
        assert (family, log.status, log.complete, log.detail) == (family, Status.OK, True, "")
        assert (len(log.wall_us) + log.dropped, log.runtime_version) == (ITERATIONS, runtime_version())
        profile = parse_ort_profile((tmp_path / "out" / family / "profile.json").read_bytes(), warmup_runs=WARMUP)
        computed = [node for node in profile.nodes if not is_layout(node.op, node.name)]
        assert profile.runs == PROFILED
        assert {node.provider for node in computed} == {"CPUExecutionProvider"}
        assert computed
