"""This machine as a device: what ``--device host`` measures on, single-board computers included.

Nothing crosses a wire, so ``push`` and ``pull`` are copies on the same disk; everything else is as on a phone.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from profiler.device import DeviceFacts, RunnerInstall, ShellResult
from profiler.errors import RunnerError
from profiler.host_facts import read_host_facts
from profiler.runner_build import host_runner, host_runtime, runner_sha256, runtime_version


class LocalDevice:
    """The machine that the program runs on; fits ``profiler.device.Device``."""

    def __init__(self, workdir: Path) -> None:
        """Take a folder for the device's side of a campaign."""
        self._workdir = workdir.resolve()
        self._facts = read_host_facts()

    @property
    def name(self) -> str:
        """``host-`` and the processor's name, so that rows of two kinds of host stay apart."""
        part = self._facts.context.core_part or "unknown"
        return "host-" + re.sub(r"[^a-z0-9]+", "-", part.lower()).strip("-")

    @property
    def workdir(self) -> PurePosixPath:
        """The folder given at construction."""
        return PurePosixPath(self._workdir)

    def facts(self) -> DeviceFacts:
        """Read ``/proc`` and ``/sys``."""
        return self._facts

    def install(self) -> RunnerInstall:
        """Build the runner where it is not built yet, and find the installed wheel's runtime."""
        runner = host_runner()
        return RunnerInstall(
            runner=PurePosixPath(runner),
            runtime=PurePosixPath(host_runtime()),
            runner_sha256=runner_sha256(runner),
            runtime_version=runtime_version(),
        )

    def shell(self, argv: Sequence[str]) -> ShellResult:
        """Run one command to its end."""
        done = subprocess.run(list(argv), capture_output=True, text=True, errors="replace", check=False)
        return ShellResult(exit_code=done.returncode, stdout=done.stdout, stderr=done.stderr)

    @contextlib.contextmanager
    def stream(self, argv: Sequence[str]) -> Iterator[Iterator[str]]:
        """Run one command and yield its output lines; it is ended with the context."""
        process = subprocess.Popen(
            list(argv), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        try:
            yield _lines_of(process)
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5)
            process.kill()
            process.communicate()

    def push(self, data: bytes, remote: PurePosixPath) -> None:
        """Write a file, replacing an existing one in one step."""
        target = Path(remote)
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f"{target.name}.part")
        part.write_bytes(data)
        part.rename(target)

    def pull(self, remote: PurePosixPath, local: Path) -> None:
        """Copy a folder."""
        shutil.copytree(remote, local)

    def clear(self, remote: PurePosixPath) -> None:
        """Remove a folder or file under the working folder."""
        target = Path(remote)
        if not target.is_relative_to(self._workdir):
            raise RunnerError(f"{target} lies outside {self._workdir}; nothing is removed there.")
        if target.is_dir():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)


def _lines_of(process: subprocess.Popen[str]) -> Iterator[str]:
    if process.stdout is None or process.stderr is None:
        return
    for line in process.stdout:
        yield line.rstrip("\n")
    complaint = process.stderr.read().strip()
    if process.wait() != 0:
        last = complaint.splitlines()[-1] if complaint else f"no message, exit code {process.returncode}"
        raise RunnerError(f"The runner stopped before its plan was done: {last}. The same command goes on from here.")


def measuring_lock_path() -> Path:
    """Where every program that measures on this machine takes its turn."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "autocomet" / "measuring.lock"
