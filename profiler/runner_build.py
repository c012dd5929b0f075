"""Build the C runner for this machine, and find the ONNX Runtime library that it opens.

The binary is cached under the hash of everything that decides it, so it is built once and never stale. The module
knows nothing of phones: their runner is built from the same sources in ``runner_android.py``, with this one's tools.
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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from profiler.errors import RunnerBuildError

FLAGS = ("-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror")
_TIMEOUT_S = 300


def host_runner() -> Path:
    """Return the runner built for this machine, building it where the cache does not have it.

    Raises:
        RunnerBuildError: no compiler, a compiler error, or a cache folder that cannot be written.
    """
    compiler, version = host_compiler()
    runner = cache_folder("runner") / fingerprint((*compiler, version, *FLAGS), sources()) / "runner"
    if not runner.exists():
        build_runner(runner, compiler=compiler)
    return runner


def build_runner(target: Path, *, compiler: Sequence[str], defines: Sequence[str] = ()) -> None:
    """Compile the runner for a Linux of the GNU kind and rename it into place, so that it is whole or absent.

    Args:
        target: where the binary goes; folders above it are made.
        compiler: how a compiler is started, as ``("cc",)``.
        defines: preprocessor definitions, as ``NAME=VALUE``.

    Raises:
        RunnerBuildError: as :func:`host_runner`.
    """
    units = [str(source) for source in sources() if source.suffix == ".c"]
    with building(target) as binary:
        run_tool([*compiler, *FLAGS, "-s", *(f"-D{define}" for define in defines), *units, "-o", str(binary), "-ldl"])


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


def sources() -> list[Path]:
    """List the runner's C sources and headers."""
    folder = Path(__file__).parent / "runner"
    return sorted(path for path in folder.iterdir() if path.suffix in {".c", ".h"})


def zig() -> tuple[tuple[str, ...], str] | None:
    """Return how Zig is started, which brings a C compiler and a linker for every target, and its version, if any."""
    if importlib.util.find_spec("ziglang") is None:
        return None
    return (sys.executable, "-m", "ziglang"), importlib.metadata.version("ziglang")


def host_compiler() -> tuple[tuple[str, ...], str]:
    """Return how a compiler for this machine is started, and what tells its version.

    Raises:
        RunnerBuildError: there is none.
    """
    if found := zig():
        start, version = found
        return (*start, "cc"), version
    compiler = shutil.which("cc")
    if compiler is None:
        raise RunnerBuildError("No C compiler. Install one: pip install ziglang (or apt-get install gcc)")
    return (compiler,), ""


def fingerprint(words: Sequence[str], files: Sequence[Path]) -> str:
    """Name a build by what decides it: words and the contents of files."""
    key = hashlib.sha256("\0".join(words).encode())
    for file in files:
        key.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return key.hexdigest()[:32]


@contextmanager
def building(target: Path) -> Iterator[Path]:
    """Give a path in a scratch folder beside ``target``, and rename what lies there into place at the end.

    Raises:
        RunnerBuildError: the folder cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".build-") as scratch:
            binary = Path(scratch) / target.name
            yield binary
            binary.replace(target)
    except OSError as exc:
        raise RunnerBuildError(f"Cannot write {target}: {exc}. XDG_CACHE_HOME names another place.") from exc


def run_tool(command: Sequence[str], *, folder: Path | None = None) -> None:
    """Run a compiler or a linker in ``folder``.

    Raises:
        RunnerBuildError: it could not be started, took too long, or found an error, which is told in its first line.
    """
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise RunnerBuildError(f"The compiler {command[0]} did not do its work: {exc}") from exc
    if done.returncode != 0:
        lines = done.stderr.splitlines() or [f"exit code {done.returncode}"]
        reason = next((line for line in lines if "error" in line), lines[0])
        raise RunnerBuildError(f"The runner does not compile: {reason.strip()}")


def cache_folder(kind: str) -> Path:
    """Return where things of one kind are cached; it need not exist yet."""
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "autocomet" / kind
