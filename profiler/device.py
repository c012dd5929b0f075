"""What the campaign needs of a device, whichever wire leads to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol, runtime_checkable

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
    """CPU numbers of each cluster, the fastest cluster first, and in each the fastest CPU last."""
    cluster_contexts: tuple[Context, ...] = ()
    """What a run bound to each cluster can use, as ``clusters``; empty where the device's context serves for all."""
    flops_per_cycle: float | None
    """Peak float32 operations per core and clock cycle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerInstall:
    """Where the runner and the runtime lie on the device."""

    runner: PurePosixPath
    runtime: PurePosixPath
    runner_sha256: str
    runtime_version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """Under which conditions a device may measure; a phone is waited for until they hold."""

    min_battery_percent: int = 40
    max_battery_percent: int = 80
    """Above it a battery charges or drains unlike itself; also the level at which a phone on a charger stays."""
    max_temperature_c: float = 38.0
    """Of the battery, which is the temperature that every phone tells."""
    max_thermal_status: int = 0
    """Android's thermal status: 0 none, 1 light, ... 6 shutdown."""
    watchdog_s: int = 600
    """How long after the last sign of life the device puts its settings back by itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOrder:
    """What one start of the runner works through."""

    plan: bytes
    """Text of ``plan.txt``; its paths are relative to the working folder."""
    models: Mapping[str, bytes]
    """ONNX files that the device lacks, by the hexadecimal SHA-256 of their bytes; they become ``models/<it>.onnx``."""


class Device(Protocol):
    """A machine on which the runner runs."""

    @property
    def name(self) -> str:
        """The name under which its rows are kept: what the device says it is, not the wire it hangs on."""

    @property
    def workdir(self) -> PurePosixPath:
        """A folder on the device that belongs to this campaign alone; the runner runs in it."""

    def facts(self) -> DeviceFacts:
        """Ask the device what it is."""

    def install(self) -> RunnerInstall:
        """Put the runner and the runtime on the device, where they are not there yet."""

    def hold(self, conditions: Conditions) -> AbstractContextManager[None]:
        """Have the device for oneself, made ready to measure; leaving the context puts everything back.

        Raises:
            DeviceBusyError: another program holds it.
        """

    def shell(self, argv: Sequence[str]) -> ShellResult:
        """Run one command to its end."""

    def models(self) -> frozenset[str]:
        """SHA-256 of the models that lie in the working folder already."""

    def batch(self, order: BatchOrder, into: Path) -> AbstractContextManager[Iterator[str]]:
        """Start the runner on a plan and yield the lines it prints; leaving the context ends it.

        When the context ends without an error, ``into``, which must not exist before, holds the runs that were finished,
        as ``<job>/run-<n>``, and the device has them no more.

        Raises:
            DeviceGoneError: the wire broke; what was finished by then can be salvaged later.
            StorageFullError: the device has no room.
            RunnerError: the runner stopped before its plan was done.
        """

    def salvage(self, into: Path) -> None:
        """Fetch the finished runs of a batch that was cut off, as :meth:`batch` does; ``into`` is made, maybe empty."""

    def clear(self) -> None:
        """Remove the working folder; an absent one is no error."""

    def reconnect(self) -> None:
        """Look for the device again, whichever wire it hangs on now.

        Raises:
            DeviceGoneError: it is not there.
            DeviceNotReadyError: it is there, but cannot measure now.
        """


@runtime_checkable
class Detachable(Device, Protocol):
    """A device that can be left alone with a batch, so that its cable can be pulled: a cable charges."""

    def let_charge(self, charge: bool) -> bool:
        """Switch the power of the port that the phone hangs on; ``False`` where nobody has said how.

        Raises:
            PowerSwitchError: the port cannot be switched.
        """

    def start(self, order: BatchOrder) -> None:
        """Start the runner on a plan; it goes on when the wire breaks. Raises as :meth:`batch`."""

    def follow(self) -> AbstractContextManager[Iterator[str]]:
        """Yield the lines that the runner of :meth:`start` prints, all of them from the first on, until it has ended.

        What it has measured is fetched with :meth:`salvage`.

        Raises:
            DeviceGoneError: the wire broke; what was started goes on, and can be followed again.
            BatchCutOffError: what was started was ended before its plan was done.
            DeviceNotReadyError, StorageFullError, RunnerError: it ended like that.
        """
