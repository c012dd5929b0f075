"""Build the C runner for this machine, and find the ONNX Runtime library that it opens.

The binary is cached under the hash of everything that decides it, so it is built once and never stale. The module
knows nothing of phones: their runner is built elsewhere from the same sources.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from profiler.errors import RunnerBuildError

FLAGS = ("-std=c11", "-D_GNU_SOURCE", "-O2", "-s", "-Wall", "-Wextra", "-Werror")
_TIMEOUT_S = 300


def host_runner() -> Path:
    """Return the runner built for this machine, building it where the cache does not have it.

    Raises:
        RunnerBuildError: no compiler, a compiler error, or a cache folder that cannot be written.
    """
    compiler, version = _compiler()
    key = hashlib.sha256("\0".join((*compiler, version, *FLAGS)).encode())
    for source in _sources():
        key.update(source.name.encode() + b"\0" + source.read_bytes() + b"\0")
    runner = _cache_folder() / key.hexdigest()[:32] / "runner"
    if not runner.exists():
        build_runner(runner, compiler=compiler)
    return runner


def build_runner(target: Path, *, compiler: Sequence[str], defines: Sequence[str] = ()) -> None:
    """Compile the runner and rename it into place, so that ``target`` is whole or absent.

    Args:
        target: where the binary goes; folders above it are made.
        compiler: how a compiler is started, as ``("cc",)``.
        defines: preprocessor definitions, as ``NAME=VALUE``.

    Raises:
        RunnerBuildError: as :func:`host_runner`.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".build-") as scratch:
            binary = Path(scratch) / "runner"
            sources = [str(source) for source in _sources() if source.suffix == ".c"]
            command = [*compiler, *FLAGS, *(f"-D{define}" for define in defines), *sources, "-o", str(binary), "-ldl"]
            _compile(command)
            binary.replace(target)
    except OSError as exc:
        raise RunnerBuildError(
            f"Cannot write the runner to {target}: {exc}. XDG_CACHE_HOME names another place."
        ) from exc


def runner_sha256(path: Path) -> str:
    """Return the hexadecimal digest that ``runner_sha256`` in a row stands for."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def host_runtime() -> Path:
    """Find the shared library in the installed onnxruntime, without importing it.

    Raises:
        RunnerBuildError: onnxruntime is not installed, or its wheel has no such library.
    """
    spec = importlib.util.find_spec("onnxruntime")
    if spec is None or spec.origin is None:
        raise RunnerBuildError("onnxruntime is not installed. Install it: pip install onnxruntime")
    folder = Path(spec.origin).parent / "capi"
    libraries = sorted(folder.glob("libonnxruntime.so*"))
    if not libraries:
        raise RunnerBuildError(
            f"No libonnxruntime.so in {folder}. Reinstall it: pip install --force-reinstall onnxruntime"
        )
    return libraries[-1]


def runtime_version() -> str:
    """Return the version of the library that :func:`host_runtime` finds; raises as that does."""
    suffix = host_runtime().name.removeprefix("libonnxruntime.so").lstrip(".")
    return suffix or importlib.metadata.version("onnxruntime")


def _sources() -> list[Path]:
    folder = Path(__file__).parent / "runner"
    return sorted(path for path in folder.iterdir() if path.suffix in {".c", ".h"})


def _compiler() -> tuple[tuple[str, ...], str]:
    """Return how the compiler is started, and what tells its version."""
    if importlib.util.find_spec("ziglang"):
        return (sys.executable, "-m", "ziglang", "cc"), importlib.metadata.version("ziglang")
    found = shutil.which("cc")
    if found is None:
        raise RunnerBuildError("No C compiler. Install one: pip install ziglang (or apt-get install gcc)")
    return (found,), ""


def _compile(command: Sequence[str]) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise RunnerBuildError(f"The compiler {command[0]} did not do its work: {exc}") from exc
    if done.returncode != 0:
        lines = done.stderr.splitlines() or [f"exit code {done.returncode}"]
        reason = next((line for line in lines if "error" in line), lines[0])
        raise RunnerBuildError(f"The runner does not compile: {reason.strip()}")


def _cache_folder() -> Path:
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "autocomet" / "runner"
