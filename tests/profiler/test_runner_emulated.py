"""The runner on the processors of phones, under emulation.

First the arm64 *Linux* build with the aarch64 wheel's ONNX Runtime: the same sources as on a phone, for the same
processor, with another C library; a layer of every operator family. Then the four Android programs themselves, with
glibc dressed up as bionic: they start at their own entry, and what ``bionic.h`` says of structures and numbers meets a
kernel and a C library. Of bionic itself nothing is shown. Emulated times mean nothing and become no rows.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import onnx
import pytest

from parsers.operators import Family, family_of
from parsers.ort_profile import is_layout, parse_ort_profile
from parsers.roofline import flops
from parsers.runlog import RunLog, parse_runlog
from parsers.schema import Layer, Status
from profiler.abi import Abi
from profiler.microbench import layer_model
from profiler.networks import NETWORKS, network_graph
from profiler.plan import RunPlan, render_plan
from profiler.runner_android import android_runner
from profiler.runner_build import build_runner, cache_folder, run_tool, runtime_version

ZIG = (sys.executable, "-m", "ziglang")
WHEELS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux_2_17_aarch64")
WARMUP, ITERATIONS, PROFILED = 1, 4, 2

# By ABI: the emulator, Debian's cross libraries, their loader, and what Zig calls that glibc.
MACHINES = {
    Abi.ARM64: ("qemu-aarch64-static", "aarch64-linux-gnu", "ld-linux-aarch64.so.1", "aarch64-linux-gnu.2.34"),
    Abi.ARM: ("qemu-arm-static", "arm-linux-gnueabi", "ld-linux.so.3", "arm-linux-gnueabi.2.34"),
    Abi.X86_64: ("qemu-x86_64-static", "x86_64-linux-gnu", "ld-linux-x86-64.so.2", "x86_64-linux-gnu.2.34"),
    Abi.X86: ("qemu-i386-static", "i686-linux-gnu", "ld-linux.so.2", "x86-linux-gnu.2.34"),
}

# What bionic has and glibc has not: its entry, signal sets of one word, and on 32 bits large files and other flags.
BIONIC = """
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

typedef int program(int, char **, char **);
typedef unsigned long word_set;

void __libc_init(void **stack, void (*at_exit)(void), program *begin, void **constructors) {
    int count = (int)*(long *)stack;
    if (at_exit || constructors[0] || constructors[1] || constructors[2]) abort();
    exit(begin(count, (char **)stack + 1, (char **)stack + count + 2));
}
int *__errno(void) { return &errno; }
int sigemptyset(sigset_t *set) { *(word_set *)set = 0; return 0; }
int sigaddset(sigset_t *set, int number) { *(word_set *)set |= 1UL << (number - 1); return 0; }
int sigprocmask(int how, const sigset_t *set, sigset_t *old) {
    unsigned long long wide = *(const word_set *)set;
    if (old) abort();
    return (int)syscall(SYS_rt_sigprocmask, how, &wide, 0, sizeof wide);
}
int sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *time) {
    unsigned long long wide = *(const word_set *)set;
    return (int)syscall(SYS_rt_sigtimedwait, &wide, info, time, sizeof wide);
}
#ifndef __LP64__
int fstat(int fd, struct stat *about) { return fstat64(fd, (struct stat64 *)about); }
int lstat(const char *path, struct stat *about) { return lstat64(path, (struct stat64 *)about); }
struct dirent *readdir(DIR *folder) { return (struct dirent *)readdir64(folder); }
void *dlopen(const char *path, int flags) { if (flags != 0) abort(); return (void)path, NULL; }
void *dlsym(void *handle, const char *name) { if (handle != (void *)-1) abort(); return (void)name, NULL; }
#endif
"""


# -- machines --------------------------------------------------------------------------------------------------------


def missing(what: str) -> NoReturn:
    """Skip; but where continuous integration has installed all that is needed, a skip would hide a broken set-up."""
    if os.environ.get("AUTOCOMET_EMULATION") == "required":
        pytest.fail(what)
    pytest.skip(what)


def cross_libraries(abi: Abi) -> Path:
    """Debian's C library for a foreign processor; this machine's own for its own."""
    emulator, folder, loader, _ = MACHINES[abi]
    libraries = Path("/usr") / folder / "lib" if abi is not Abi.X86_64 else Path("/lib64")
    emulated = abi is not Abi.X86_64
    if (emulated and shutil.which(emulator) is None) or not (libraries / loader).exists():
        missing(
            "needs emulators: apt-get install qemu-user-static libc6-arm64-cross libstdc++6-arm64-cross libc6-armel-cross "
            "libc6-i386-cross"
        )
    return libraries


@pytest.fixture(scope="module")
def phone_like(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root folder for emulated programs: the arm64 libraries, and empty files that keep ORT's cpuinfo from crashing."""
    root = tmp_path_factory.mktemp("arm64")
    (root / "lib").symlink_to(cross_libraries(Abi.ARM64))
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
        command += ["--dest", str(library.parent), f"onnxruntime=={version}"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        wheels = list(library.parent.glob(f"onnxruntime-{version}-*_aarch64.whl"))
        if not wheels:
            missing(f"pip cannot fetch onnxruntime {version} for aarch64: {done.stderr.strip()[-200:]}")
        with zipfile.ZipFile(wheels[0]) as wheel:
            part = library.with_suffix(".part")
            part.write_bytes(wheel.read(f"onnxruntime/capi/libonnxruntime.so.{version}"))
        part.rename(library)
        wheels[0].unlink()
    return library


def run(command: Sequence[object], folder: Path) -> tuple[int, str, str]:
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    return done.returncode, done.stdout, done.stderr


# -- plans -----------------------------------------------------------------------------------------------------------


def smallest_layers() -> dict[Family, Layer]:
    """The cheapest layer of each operator family that the suites' networks have."""
    layers = (item.layer for name in NETWORKS for item in network_graph(name).layers)
    found: dict[Family, Layer] = {}
    for layer in sorted(layers, key=lambda layer: (flops(layer), layer.input_volume)):
        found.setdefault(family_of(layer.type), layer)
    return found


def plan_for(family: Family) -> RunPlan:
    return RunPlan(
        job=family.value,
        model=f"{family}.onnx",
        out=f"out/{family}",
        warmup=WARMUP,
        checkpoints=(ITERATIONS,),
        min_iterations=1,
        target=0.0,
        budget_ms=60_000,
        profile_iterations=PROFILED,
        timeout_s=120,
    )


def log_of(folder: Path, job: str) -> RunLog:
    return parse_runlog((folder / "out" / job / "runner.log").read_bytes())


def check_run(folder: Path, family: Family) -> None:
    """A whole log, all iterations, and a profile in which the CPU provider ran the layer."""
    log = log_of(folder, family)
    profile = parse_ort_profile((folder / "out" / family / "profile.json").read_bytes(), warmup_runs=WARMUP)
    computed = [node.provider for node in profile.nodes if not is_layout(node.op, node.name)]
    assert (family, log.status, log.complete, log.detail) == (family, Status.OK, True, "")
    assert (len(log.wall_us) + log.dropped, log.runtime_version) == (ITERATIONS, runtime_version())
    assert (profile.runs, profile.complete, set(computed)) == (PROFILED, True, {"CPUExecutionProvider"})


# -- tests -----------------------------------------------------------------------------------------------------------


def test_a_layer_of_every_operator_family_runs_on_64_bit_arm(phone_like: Path, runtime: Path, tmp_path: Path) -> None:
    emulator, _, _, target = MACHINES[Abi.ARM64]
    build_runner(tmp_path / "runner", compiler=(*ZIG, "cc", "-target", target))
    layers = smallest_layers()
    for family, layer in layers.items():
        onnx.save(layer_model(layer), tmp_path / f"{family}.onnx")
    (tmp_path / "plan").write_text(render_plan([plan_for(family) for family in layers]))

    result = run([emulator, "-L", phone_like, "./runner", "--runtime", runtime, "--plan", "plan"], tmp_path)

    assert set(layers) == set(Family) - {Family.BLOCK, Family.OTHER}
    assert result == (0, "".join(f"run {family} 0 ok\n" for family in layers) + f"end {len(layers)}\n", "")
    for family in layers:
        check_run(tmp_path, family)


def android_program(abi: Abi, folder: Path, root: Path | None = None) -> list[object]:
    """How the Android program is started here: by glibc's loader, which is told where ``libc.so`` and ``libdl.so`` are."""
    libraries = cross_libraries(abi)
    emulator, _, loader, target = MACHINES[abi]
    (folder / "bionic.c").write_text(BIONIC)
    run_tool([*ZIG, "cc", "-target", target, "-fPIC", "-c", "bionic.c"], folder=folder)
    link = [*ZIG, "ld.lld", "-shared", "bionic.o"]
    run_tool([*link, "-soname", "libc.so.6", "-o", "glibc.so"], folder=folder)  # by name only: the loader finds it
    for name in ("libc.so", "libdl.so"):
        run_tool([*link, "glibc.so", "-soname", name, "-o", name], folder=folder)
    start = [emulator, "-L", root] if root else [emulator]
    if abi is Abi.X86_64:
        return [libraries / loader, "--library-path", folder, android_runner(abi).path]
    return [*start, libraries / loader, "--library-path", f"{folder}:{libraries}", android_runner(abi).path]


@pytest.mark.parametrize("abi", list(Abi))
def test_the_android_program_starts_works_through_a_plan_and_leaves_whole_logs(abi: Abi, tmp_path: Path) -> None:
    start = android_program(abi, tmp_path)
    plan = RunPlan(job="job", model="absent.onnx", out="out/job", target=0.0625)
    (tmp_path / "plan").write_text(render_plan([plan]))
    (tmp_path / "out" / "job.part").mkdir(parents=True)
    (tmp_path / "out" / "job.part" / "left over").touch()

    version = run([*start, "--version"], tmp_path)
    result = run([*start, "--runtime", "plan", "--plan", "plan"], tmp_path)
    again = run([*start, "--runtime", "plan", "--plan", "plan"], tmp_path)

    assert (version[0], version[1][:17], version[2]) == (0, "autocomet-runner ", "")
    assert result == (0, "run job 0 crashed\nend 1\n", "")
    assert again == (2, "", "runner: job: cannot make the folder out/job: File exists\n")
    assert [path.name for path in (tmp_path / "out").rglob("*")] == ["job", "runner.log"]
    log = log_of(tmp_path, "job")
    assert (log.complete, log.detail) == (True, "cannot read the model absent.onnx: No such file or directory")
    assert b" target=0.0625 " in (tmp_path / "out" / "job" / "runner.log").read_bytes()


def test_the_android_program_for_64_bit_arm_measures_a_convolution(
    phone_like: Path, runtime: Path, tmp_path: Path
) -> None:
    onnx.save(layer_model(smallest_layers()[Family.CONVOLUTION]), tmp_path / f"{Family.CONVOLUTION}.onnx")
    (tmp_path / "plan").write_text(render_plan([plan_for(Family.CONVOLUTION)]))

    start = android_program(Abi.ARM64, tmp_path, phone_like)
    result = run([*start, "--runtime", runtime, "--plan", "plan"], tmp_path)

    assert result == (0, "run convolution 0 ok\nend 1\n", "")
    check_run(tmp_path, Family.CONVOLUTION)
