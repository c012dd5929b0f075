"""The Android program itself, run here: the x86_64 one, with this machine's C library dressed up as bionic.

That shows that the program starts, and that its own headers agree with the kernel and, where 64-bit bionic and glibc are
alike (structures, numbers for flags), with a C library. It shows nothing of bionic: a small library gives what bionic
has and glibc has not, its entry and its one-word signal sets.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from parsers.ort_profile import parse_ort_profile
from parsers.runlog import parse_runlog
from parsers.schema import Status
from profiler.abi import Abi
from profiler.elf import read_elf
from profiler.plan import RunPlan, render_plan
from profiler.runner_android import android_runner
from profiler.runner_build import host_runtime, run_tool, runtime_version

pytestmark = pytest.mark.skipif(platform.machine() != "x86_64", reason="the program is for x86_64")

CPU = min(os.sched_getaffinity(0))
BIONIC = """
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
typedef int program(int, char **, char **);
void __libc_init(void **stack, void (*at_exit)(void), program *begin, void **constructors) {
    int count = (int)*(long *)stack;
    if (at_exit || constructors[0] || constructors[1] || constructors[2]) abort();
    exit(begin(count, (char **)stack + 1, (char **)stack + count + 2));
}
int *__errno(void) { return &errno; }
int sigemptyset(sigset_t *set) { return *(unsigned long *)set = 0; }
int sigaddset(sigset_t *set, int number) { *(unsigned long *)set |= 1UL << (number - 1); return 0; }
int sigprocmask(int how, const sigset_t *set, sigset_t *old) {
    return (int)syscall(SYS_rt_sigprocmask, how, set, old, sizeof(long));
}
int sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *time) {
    return (int)syscall(SYS_rt_sigtimedwait, set, info, time, sizeof(long));
}
"""


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """How the program is started: by this machine's loader, which is told where ``libc.so`` and ``libdl.so`` are."""
    folder = tmp_path_factory.mktemp("bionic")
    (folder / "bionic.c").write_text(BIONIC)
    for name in ("libc.so", "libdl.so"):
        command = [sys.executable, "-m", "ziglang", "cc", "-shared", "-fPIC", "-O1", f"-Wl,-soname,{name}"]
        run_tool([*command, "bionic.c", "-o", name], folder=folder)
    loader = read_elf(Path(sys.executable).read_bytes()).interpreter
    return [loader, "--library-path", str(folder), str(android_runner(Abi.X86_64).path)]


def test_the_program_starts_at_its_own_entry_and_tells_its_version(start: list[str]) -> None:
    done = subprocess.run([*start, "--version"], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("autocomet-runner ")


def test_the_program_measures_a_convolution(start: list[str], tmp_path: Path) -> None:
    weights = np.random.default_rng(0).normal(size=(16, 3, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], name="conv", pads=[1, 1, 1, 1])],
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 32, 32])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 16, 32, 32])],
        [numpy_helper.from_array(weights, "w")],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "conv.onnx")
    run = RunPlan(
        job="conv",
        model="conv.onnx",
        out="out/conv",
        checkpoints=(8,),
        target=0.0,
        warmup=1,
        profile_iterations=2,
        cpus=(CPU,),
    )
    missing = RunPlan(job="missing", model="missing.onnx", out="out/missing")
    (tmp_path / "plan").write_text(render_plan([run, missing]))
    (tmp_path / "out" / "conv.part").mkdir(parents=True)
    (tmp_path / "out" / "conv.part" / "left over").touch()

    done = subprocess.run(
        [*start, "--runtime", str(host_runtime()), "--plan", "plan"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip

    assert (done.returncode, done.stdout, done.stderr) == (0, "run conv 0 ok\nrun missing 0 crashed\nend 2\n", "")
    log = parse_runlog((tmp_path / "out" / "conv" / "runner.log").read_bytes())
    assert (log.status, log.complete, log.runtime_version, log.affinity) == (
        Status.OK,
        True,
        runtime_version(),
        str(CPU),
    )
    assert len(log.wall_us) + log.dropped == 8
    profile = parse_ort_profile((tmp_path / "out" / "conv" / "profile.json").read_bytes(), warmup_runs=1)
    assert (profile.runs, profile.complete) == (2, True)
    detail = parse_runlog((tmp_path / "out" / "missing" / "runner.log").read_bytes()).detail
    assert detail == "cannot read the model missing.onnx: No such file or directory"
