"""What the campaign needs of a device, whichever wire leads to it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from parsers.schema import Context, DeviceKind


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellResult:
    """How a command on the device ended."""

    exit_code: int
    stdout: str
    stderr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceFacts:
    """What a device says of itself. What it does not say is ``None``."""

    kind: DeviceKind
    soc: str | None
    os_build: str | None
    context: Context
    clusters: tuple[tuple[int, ...], ...]
    """CPU numbers of each cluster, the fastest cluster first."""
    flops_per_cycle: float | None
    """Peak float32 operations per core and clock cycle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerInstall:
    """Where the runner and the runtime lie on the device."""

    runner: PurePosixPath
    runtime: PurePosixPath
    runner_sha256: str
    runtime_version: str


class Device(Protocol):
    """A machine on which the runner runs."""

    @property
    def name(self) -> str:
        """The name under which its rows are kept."""

    @property
    def workdir(self) -> PurePosixPath:
        """A folder on the device that belongs to this campaign alone."""

    def facts(self) -> DeviceFacts:
        """Ask the device what it is."""

    def install(self) -> RunnerInstall:
        """Put the runner and the runtime on the device, where they are not there yet."""

    def shell(self, argv: Sequence[str]) -> ShellResult:
        """Run one command to its end."""

    def stream(self, argv: Sequence[str]) -> AbstractContextManager[Iterator[str]]:
        """Run one command and yield its output lines as they come; leaving the context ends it.

        The iterator raises ``RunnerError`` where the command fails.
        """

    def push(self, data: bytes, remote: PurePosixPath) -> None:
        """Write a file on the device; folders are made, an existing file is replaced."""

    def pull(self, remote: PurePosixPath, local: Path) -> None:
        """Copy a folder from the device into a folder that does not exist yet."""

    def clear(self, remote: PurePosixPath) -> None:
        """Remove a folder or file under ``workdir`` on the device; an absent one is no error."""
