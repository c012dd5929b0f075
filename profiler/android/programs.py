"""What is pushed to a phone: the script, the runner and the runtime for its instruction set, named by their SHA-256."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

from profiler.abi import Abi
from profiler.android.lookup import PhoneLook
from profiler.errors import DeviceNotReadyError, RunnerBuildError
from profiler.runner_build import host_runner, host_runtime, runner_sha256, runtime_version

RUNNER = "runner"
RUNTIME = "libonnxruntime.so"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A file for the phone's store."""

    name: str
    path: Path
    """Here."""
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    """What measures on a phone."""

    runner: Program
    runtime: Program
    runtime_version: str


def bench_script() -> Program:
    """Return ``bench.sh``, the bench's side on the phone."""
    path = Path(__file__).with_name("bench.sh")
    return Program(name=path.name, path=path, sha256=hashlib.sha256(path.read_bytes()).hexdigest())


def programs_for(look: PhoneLook, runtime: Path | None) -> Programs:
    """Build or find what a phone needs. A virtual phone runs what this machine runs.

    Args:
        look: tells the phone's instruction sets.
        runtime: the ONNX Runtime that the user names: for Android an AAR or a library, for a virtual phone a library
            of this machine.

    Raises:
        DeviceNotReadyError: no runner exists for its instruction sets.
        RunnerBuildError: the runner cannot be built, or no runtime is there.
    """
    if look.is_virtual:
        if runtime is not None and zipfile.is_zipfile(runtime):
            raise RunnerBuildError(f"{runtime} is for Android; a virtual phone runs Linux. Leave out --runtime.")
        library = runtime or host_runtime()
        return Programs(
            runner=Program(name=RUNNER, path=host_runner(), sha256=runner_sha256(host_runner())),
            runtime=Program(name=RUNTIME, path=library, sha256=runner_sha256(library)),
            runtime_version=runtime_version() if runtime is None else runtime.name,
        )
    from profiler.runner_android import android_runner  # noqa: PLC0415 - a virtual phone needs no cross compiler
    from profiler.runtime import android_runtime  # noqa: PLC0415

    abi = next((Abi(abi) for abi in look.abis if abi in set(Abi)), None)
    if abi is None:
        step = f"There are runners for {', '.join(Abi)}."
        raise DeviceNotReadyError(look.model, state=f"of instruction set {look.abis or 'unknown'}", next_step=step)
    built, found = android_runner(abi), android_runtime(abi, runtime)
    return Programs(
        runner=Program(name=RUNNER, path=built.path, sha256=built.sha256),
        runtime=Program(name=RUNTIME, path=found.path, sha256=found.sha256),
        runtime_version=found.version,
    )
