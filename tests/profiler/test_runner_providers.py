"""How the real runner asks the runtime for an execution provider.

The runtime of this machine has few; so that XNNPACK, NNAPI and others can be asked for, a library stands before it that
reports them, notes what it is asked and passes everything else on.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from parsers.ort_profile import parse_ort_profile
from parsers.runlog import RunLog, parse_runlog
from parsers.schema import Status
from profiler.plan import RunPlan, render_plan
from profiler.runner_build import host_runner, host_runtime

ZIG = (sys.executable, "-m", "ziglang", "cc")

STAND_IN = r"""
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { THREADS = 24, PROVIDERS = 125, CONFIG = 130, APPEND = 216, COUNT = 217 }; /* places in OrtApi */

struct base { const void *const *(*get_api)(uint32_t); const char *(*get_version)(void); };

static const void *const *real;
static const void *table[COUNT];
static struct base base;
static char *names[] = {"NnapiExecutionProvider", "XnnpackExecutionProvider", "WebGpuExecutionProvider",
                        "CPUExecutionProvider"};

static void note(const char *what, const char *which, const char *value) {
    FILE *file = fopen(NOTES, "a");
    fprintf(file, "%s %s %s\n", what, which, value);
    fclose(file);
}

static void *threads(void *options, int count) {
    char text[16];
    snprintf(text, sizeof text, "%d", count);
    note("threads", "intra_op", text);
    return ((void *(*)(void *, int))real[THREADS])(options, count);
}

static void *config(void *options, const char *key, const char *value) {
    note("config", key, value);
    return ((void *(*)(void *, const char *, const char *))real[CONFIG])(options, key, value);
}

static void *providers(char ***list, int *count) {
    *list = names;
    *count = 4;
    return NULL;
}

/* As runtimes did before 1.23: short names only. */
static void *append(void *options, const char *name, const char *const *keys, const char *const *values, size_t count) {
    (void)options;
    if (strcmp(name, "XNNPACK") != 0)
        return ((void *(*)(int, const char *))real[0])(2, "Unknown provider name. Currently supported: 'XNNPACK'");
    note("append", name, "-");
    for (size_t i = 0; i < count; i++) note("option", keys[i], values[i]);
    return NULL;
}

void *OrtSessionOptionsAppendExecutionProvider_Nnapi(void *options, uint32_t flags) {
    (void)options;
    note("append", "nnapi", flags ? "some flags" : "no flags");
    return NULL;
}

static const void *const *get_api(uint32_t version) {
    (void)version;
    return table;
}

const struct base *OrtGetApiBase(void) {
    void *library = dlopen(RUNTIME, RTLD_NOW | RTLD_LOCAL);
    const struct base *(*get_base)(void) = (const struct base *(*)(void))dlsym(library, "OrtGetApiBase");
    real = get_base()->get_api(17);
    memcpy(table, real, sizeof table);
    table[THREADS] = (const void *)threads;
    table[PROVIDERS] = (const void *)providers;
    table[CONFIG] = (const void *)config;
    table[APPEND] = (const void *)append;
    base = (struct base){get_api, get_base()->get_version};
    return &base;
}
"""


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stand-in")
    source, library = folder / "stand_in.c", folder / "libonnxruntime.so"
    source.write_text(STAND_IN)
    defines = [f'-DRUNTIME="{host_runtime()}"', f'-DNOTES="{folder / "notes"}"']
    compiler = [*ZIG, "-O2", "-shared", "-fPIC"]
    subprocess.run([*compiler, *defines, source, "-o", library, "-ldl"], check=True, timeout=120)
    nothing = folder / "nothing.c"
    nothing.write_text("int nothing;")
    subprocess.run([*compiler, nothing, "-o", folder / "libneuralnetworks.so"], check=True, timeout=120)
    return library


@pytest.fixture
def plan(tmp_path: Path) -> RunPlan:
    described = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 8]) for name in "xyz"]
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "y"], ["z"], name="add")], "g", described[:2], described[2:]
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "add.onnx")
    model_path, out = str(tmp_path / "add.onnx"), str(tmp_path / "out")
    return RunPlan(job="add", model=model_path, out=out, threads=4, spin=True, checkpoints=(12,), profile_iterations=3)


def run(plan: RunPlan, runtime: Path, environment: Mapping[str, str] | None = None) -> RunLog:
    path = Path(plan.model).with_name("plan")
    path.write_text(render_plan([plan]))
    command = [str(host_runner()), "--runtime", str(runtime), "--plan", str(path)]
    subprocess.run(command, check=True, timeout=60, capture_output=True, env={**os.environ, **(environment or {})})
    return parse_runlog(Path(plan.out, "runner.log").read_bytes())


def asked_of(plan: RunPlan, stand_in: Path) -> tuple[RunLog, list[str]]:
    """Run, and give what the runtime was asked for one session."""
    notes = stand_in.with_name("notes")
    notes.unlink(missing_ok=True)
    log = run(plan, stand_in, {"LD_LIBRARY_PATH": str(stand_in.parent)})
    lines = notes.read_text().splitlines()
    once = lines[: len(lines) // 3]  # the runtime's own first session, the timed one, the profiled one
    assert lines == once * 3
    return log, once


def test_xnnpack_gets_the_threads_and_the_session_one_that_does_not_spin(plan: RunPlan, stand_in: Path) -> None:
    log, asked = asked_of(replace(plan, provider="Xnnpack"), stand_in)

    assert asked == [
        "threads intra_op 1",
        "config session.intra_op.allow_spinning 0",
        "append XNNPACK -",
        "option intra_op_num_threads 4",
    ]
    assert (log.status, log.provider, log.threads) == (Status.OK, "Xnnpack", 4)
    assert log.providers == (
        "NnapiExecutionProvider",
        "XnnpackExecutionProvider",
        "WebGpuExecutionProvider",
        "CPUExecutionProvider",
    )


@pytest.mark.parametrize("provider", ["nnapi", "NnapiExecutionProvider"])
def test_nnapi_is_asked_for_by_the_function_that_the_library_exports(
    plan: RunPlan, stand_in: Path, provider: str
) -> None:
    log, asked = asked_of(replace(plan, provider=provider), stand_in)

    assert asked == ["threads intra_op 4", "config session.intra_op.allow_spinning 1", "append nnapi no flags"]
    assert log.status is Status.OK


def test_a_device_without_nnapi_is_not_brought_to_crash_by_it(plan: RunPlan, stand_in: Path) -> None:
    log = run(replace(plan, provider="nnapi"), stand_in)

    assert (log.status, log.detail) == (
        Status.UNSUPPORTED,
        "provider nnapi: the device has no libneuralnetworks.so",
    )


def test_the_cpu_needs_no_asking(plan: RunPlan, stand_in: Path) -> None:
    _, asked = asked_of(replace(plan, provider="CPU", threads=2, spin=False), stand_in)

    assert asked == ["threads intra_op 2", "config session.intra_op.allow_spinning 0"]


def test_a_provider_that_the_runtime_reports_and_yet_refuses_is_unsupported_in_its_words(
    plan: RunPlan, stand_in: Path
) -> None:
    log = run(replace(plan, provider="webgpu"), stand_in)

    assert (log.status, log.detail) == (
        Status.UNSUPPORTED,
        "provider webgpu: Unknown provider name. Currently supported: 'XNNPACK'",
    )


def test_a_provider_that_the_runtime_has_not_is_unsupported_with_those_that_it_has(
    plan: RunPlan, stand_in: Path
) -> None:
    log = run(replace(plan, provider="qnn"), stand_in)

    assert log.status is Status.UNSUPPORTED
    assert log.detail == (
        "the runtime has no provider qnn; it has NnapiExecutionProvider,XnnpackExecutionProvider,"
        "WebGpuExecutionProvider,CPUExecutionProvider"
    )


def test_a_provider_of_the_real_runtime_that_takes_no_node_leaves_a_profile_that_says_so(plan: RunPlan) -> None:
    log = run(replace(plan, provider="azure"), host_runtime())

    if log.status is Status.UNSUPPORTED:
        pytest.skip(f"this machine's runtime has no Azure provider: {log.detail}")
    profile = parse_ort_profile(Path(plan.out, "profile.json").read_bytes(), warmup_runs=log.profile_warmup_runs)
    assert log.status is Status.OK
    assert [node.provider for node in profile.nodes] == ["CPUExecutionProvider"]


def test_the_runner_prints_the_providers_of_a_runtime(stand_in: Path, tmp_path: Path) -> None:
    runner = host_runner()

    done = subprocess.run([runner, "--providers", stand_in], capture_output=True, text=True, timeout=60, check=False)
    refused = subprocess.run([runner, "--providers", tmp_path], capture_output=True, text=True, timeout=60, check=False)

    listed = "NnapiExecutionProvider\nXnnpackExecutionProvider\nWebGpuExecutionProvider\nCPUExecutionProvider\n"
    assert (done.returncode, done.stdout) == (0, listed)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith(f"runner: {tmp_path}: ")
