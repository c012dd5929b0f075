"""A rack of virtual phones behind an adb server of its own: the bed of the bench's benchmarks and of its tests.

The adb server listens on a free port, so that neither a user's server nor his phones are touched; it is stopped at the end.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from adbutils import adb_path

from profiler.runner_build import host_compiler, run_tool

PROGRAM = (sys.executable, "-c", "from profiler.cli import main; main()")
"""``profile``, of the environment that runs this."""

_START_S = 60.0


class VirtualPhone:
    """A running ``profile virtual-phone``, and the line on which it takes orders."""

    def __init__(self, serial: str, *, tier: str, root: Path, options: Sequence[str] = ()) -> None:
        """Start it; returns when it can be connected to."""
        self.serial = serial
        self._lock = threading.Lock()
        command = [*PROGRAM, "virtual-phone", "--tier", tier, "--port", "0", "--serial", serial, "--root", str(root)]
        self._process = subprocess.Popen(
            [*command, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("pipes were asked for")
        self._orders, self._answers = self._process.stdin, self._process.stdout
        first = self._read()
        self.address = first.split()[3].rstrip(":") if first.startswith("Virtual phone on ") else ""
        if not self.address:
            raise RuntimeError(f"{serial} did not start: {first!r}")

    def order(self, line: str) -> str:
        """Give an order, such as ``fault reboot``, and return the answer."""
        with self._lock:
            self._orders.write(line + "\n")
            while not (answer := self._read()).startswith(("ok", "error")):
                pass
        if answer.startswith("error"):
            raise RuntimeError(f"{self.serial}: {line!r} was answered with {answer!r}")
        return answer

    def stop(self) -> None:
        """Switch it off."""
        self._process.terminate()
        self._process.communicate(timeout=_START_S)

    def _read(self) -> str:
        line = self._answers.readline()
        if not line:
            raise RuntimeError(f"{self.serial} has ended with exit code {self._process.wait()}")
        return line.rstrip("\n")


@contextlib.contextmanager
def adb_server() -> Iterator[dict[str, str]]:
    """Start an adb server of one's own; yields the environment in which it is everybody's server."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    environment = {**os.environ, "ANDROID_ADB_SERVER_PORT": str(port)}
    adb = [adb_path(), "-P", str(port)]
    subprocess.run([*adb, "start-server"], check=True, capture_output=True, env=environment)
    try:
        yield environment
    finally:
        subprocess.run([*adb, "kill-server"], check=False, capture_output=True, env=environment)


@contextlib.contextmanager
def virtual_rack(
    tiers: Sequence[str], folder: Path, *, options: Sequence[str] = ()
) -> Iterator[tuple[list[VirtualPhone], dict[str, str]]]:
    """Start a virtual phone per tier and connect all to an adb server; yields them and the environment to work in."""
    with adb_server() as environment, contextlib.ExitStack() as stack:
        phones = []
        for number, tier in enumerate(tiers):
            phone = VirtualPhone(f"rack{number}", tier=tier, root=folder / f"rack{number}", options=options)
            stack.callback(phone.stop)
            phones.append(phone)
            connect(phone.address, environment)
        yield phones, environment


def connect(address: str, environment: dict[str, str]) -> None:
    """Have the adb server connect to an address."""
    port = environment["ANDROID_ADB_SERVER_PORT"]
    subprocess.run([adb_path(), "-P", port, "connect", address], check=True, capture_output=True, env=environment)


def profile(*arguments: str, environment: dict[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run ``profile`` to its end."""
    return subprocess.run([*PROGRAM, *arguments], env=environment, cwd=cwd, capture_output=True, text=True, check=False)


def sleeping_runtime(folder: Path) -> Path:
    """Build the runtime that sleeps; see ``sleeping_runtime.c``."""
    source, library = Path(__file__).with_name("sleeping_runtime.c"), folder / "libonnxruntime.so"
    compiler, _ = host_compiler()
    run_tool([*compiler, "-shared", "-fPIC", "-O2", str(source), "-o", str(library)])
    return library
