"""This machine as a device: what ``--device host`` measures on, single-board computers included.

Nothing crosses a wire, so files are moved and not sent; everything else is as on a phone.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from parsers.jobs import RUN_PREFIX
from profiler.device import BatchOrder, Conditions, DeviceFacts, RunnerInstall, ShellResult
from profiler.errors import RunnerError
from profiler.host_facts import read_host_facts
from profiler.job_plans import MODELS, OUT, model_path
from profiler.runner_build import host_runner, host_runtime, runner_sha256, runtime_version
from profiler.store import held


class LocalDevice:
    """The machine that the program runs on; fits ``profiler.device.Device``."""

    def __init__(self, workdir: Path, *, waiting: Callable[[], None] = lambda: None) -> None:
        """Take a folder for the device's side of a campaign.

        Args:
            workdir: the folder; it is made when it is needed.
            waiting: called once where another program is measuring on this machine and is waited for.
        """
        self._workdir, self._waiting = workdir.resolve(), waiting
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
    def hold(self, conditions: Conditions) -> Iterator[None]:  # noqa: ARG002 - a machine on the mains has no conditions
        """Take this machine's turn to measure; two programs at once would measure each other."""
        with held(measuring_lock_path(), busy=self._waiting):
            yield

    def models(self) -> frozenset[str]:
        """List the models in the working folder by their names."""
        return frozenset(path.stem for path in (self._workdir / MODELS).glob("*.onnx"))

    @contextlib.contextmanager
    def batch(self, order: BatchOrder, into: Path) -> Iterator[Iterator[str]]:
        """Run the runner in the working folder; its runs are moved, not copied."""
        self._discard_out()
        for sha256, model in order.models.items():
            _write(self._workdir / model_path(sha256), model)
        plan = self._workdir / "plan.txt"
        _write(plan, order.plan)
        install = self.install()
        command = [str(install.runner), "--runtime", str(install.runtime), "--plan", str(plan)]
        process = subprocess.Popen(
            command,
            cwd=self._workdir,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield _lines_of(process)
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=5)
            process.kill()
            process.communicate()
        self.salvage(into)

    def salvage(self, into: Path) -> None:
        """Move the finished runs of the last batch."""
        part = into.with_name(f"{into.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        for run in (self._workdir / OUT).glob(f"*/{RUN_PREFIX}*"):
            if run.suffix != ".part":
                target = part / run.parent.name / run.name
                target.parent.mkdir(exist_ok=True)
                run.rename(target)
        part.rename(into)
        self._discard_out()

    def clear(self) -> None:
        """Remove the working folder."""
        shutil.rmtree(self._workdir, ignore_errors=True)

    def reconnect(self) -> None:
        """This machine does not go away."""

    def _discard_out(self) -> None:
        shutil.rmtree(self._workdir / OUT, ignore_errors=True)


def _write(target: Path, data: bytes) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    part.write_bytes(data)
    part.rename(target)


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
