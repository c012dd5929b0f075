"""A real phone as a device: everything that a campaign asks of one, over adb.

The phone's side is ``bench.sh``, which is pushed like the runner. A batch costs three services: push the bundle, run it,
pull the results. The pulling also tells the phone that they arrived, so that a batch that is cut off at any point can be
salvaged and none comes back twice.
"""

from __future__ import annotations

import contextlib
import getpass
import hashlib
import os
import re
import shlex
import socket
import tempfile
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from parsers.printable import printable
from profiler.android.bundle import MOST_BYTES, pack_bundle, unpack_results
from profiler.android.facts import read_phone_facts
from profiler.android.identity import Phone, find_again, find_phones
from profiler.android.lookup import ROOT
from profiler.android.programs import Program, Programs, bench_script, programs_for
from profiler.android.usb_power import switch_port
from profiler.android.wire import NO_ROOM, ShellStream
from profiler.device import BatchOrder, Conditions, DeviceFacts, RunnerInstall, ShellResult
from profiler.errors import (
    AdbServerError,
    BatchCutOffError,
    DeviceBusyError,
    DeviceGoneError,
    DeviceNotReadyError,
    ProfilerError,
    RunnerError,
    StorageFullError,
    TransferError,
)

__all__ = ["AdbDevice", "find_phones"]

_STORE = PurePosixPath(ROOT) / "store"
_WORK_S = 180.0
"""The longest silence of bench.sh: settings of an Android 7 take a second each."""
_SIGN_S = 10.0
_SILENCE_S = 120.0
"""After so long without a line from the runner the phone is asked whether it is still there."""
_PULLS = 3
_NOT_THERE, _WAIT = 66, 75
_RUNNER_REFUSED, _RUNNER_STOPPED = 2, 3
_RESULTS = re.compile(r"results (\d{1,12}) (sha256|md5) ([0-9a-f]{32,64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Results:
    """What the phone says of an archive that it offers."""

    size: int
    algorithm: str
    digest: str


class AdbDevice:
    """A phone on an adb wire; fits ``profiler.device.Device``. Not for several threads at once."""

    def __init__(
        self, phone: Phone, *, campaign: str, runtime: Path | None = None, usb_power: Sequence[str] = ()
    ) -> None:
        """Take a phone for a campaign.

        Args:
            phone: from :func:`find_phones`.
            campaign: names the working folder on the phone.
            runtime: the ONNX Runtime for Android that the user names; ``None`` takes the one that is fetched.
            usb_power: the command that switches the power of its port, see ``profiler.android.usb_power``.
        """
        self._phone, self._runtime, self._usb_power = phone, runtime, tuple(usb_power)
        self._campaign = re.sub(r"[^A-Za-z0-9_-]+", "-", campaign)
        self._script = bench_script()
        self._programs: Programs | None = None
        self._models: frozenset[str] | None = None
        self._gate = "exit 0\n"
        self._runner_beats = threading.Event()

    @property
    def name(self) -> str:
        """``<model>-<ro.serialno>``."""
        return self._phone.name

    @property
    def workdir(self) -> PurePosixPath:
        """The campaign's folder on the phone."""
        return PurePosixPath(ROOT) / "work" / self._campaign

    @property
    def owner(self) -> str:
        """What the lock on the phone says of this program."""
        return f"{_me()}:{os.getpid()}:{self._campaign}"

    def facts(self) -> DeviceFacts:
        """Ask the phone for its processor, memory, SoC and build."""
        return read_phone_facts(lambda argv: self.shell(argv).stdout)

    def shell(self, argv: Sequence[str]) -> ShellResult:
        """Run one command to its end; raises DeviceGoneError where the wire breaks."""
        return self._phone.transport.shell(argv)

    def install(self) -> RunnerInstall:
        """Push what the phone's store lacks, have it checked there, and drop what is of no use any more."""
        if self._programs is None:
            self._programs = programs_for(self._phone.look, self._runtime)
        programs = (self._script, self._programs.runner, self._programs.runtime)
        there = set(re.findall(r"^store ([0-9a-f]{64}) ", self.contact(), re.MULTILINE))
        with self._phone.transport.sync() as sync:
            for program in programs:
                if program.sha256 not in there:
                    with program.path.open("rb") as file:
                        sync.push(iter(lambda: file.read(1 << 20), b""), _STORE / f"{program.sha256}.part", mode=0o755)
        self._bench("adopt", *(word for program in programs for word in (program.sha256, program.name)))
        return RunnerInstall(
            runner=_place(self._programs.runner),
            runtime=_place(self._programs.runtime),
            runner_sha256=self._programs.runner.sha256,
            runtime_version=self._programs.runtime_version,
        )

    def contact(self) -> str:
        """Bring ``bench.sh`` to the phone where it is missing, and let it repair what an earlier start left behind.

        Returns:
            What it says of the phone: ``lock none|fresh|stale OWNER``, ``store SHA256 NAME`` for each, ``restored``.
        """
        place = shlex.quote(str(_place(self._script)))
        run = f"if [ -f {place} ]; then exec sh {place} contact; fi; exit {_NOT_THERE}"
        result = self._phone.transport.shell(["sh", "-c", run], timeout_s=_WORK_S)
        if result.exit_code == _NOT_THERE:
            part = _STORE / f"{self._script.sha256}.part"
            with self._phone.transport.sync() as sync:
                sync.push(self._script.path.read_bytes(), part)
            adopt = f"mkdir -p {_STORE}/{self._script.sha256} && chmod 755 {part} && mv -f {part} {place} && {run}"
            result = self._phone.transport.shell(["sh", "-c", adopt], timeout_s=_WORK_S)
        return self._checked(result).stdout

    @contextlib.contextmanager
    def hold(self, conditions: Conditions) -> Iterator[None]:
        """Take the phone's lock, set it up and have it watch over itself; everything is put back with the context.

        Raises:
            DeviceBusyError: another program has it.
            DeviceGoneError: the wire broke. The phone puts its settings back by itself.
        """
        self._models = None
        self.contact()
        self._lock(conditions.watchdog_s)
        try:
            self._gate = self._gate_script(conditions)
            self._bench("prepare", *([] if self._phone.transport.is_wired else ["keep-wifi"]))
            self._bench("watch", str(conditions.watchdog_s))
            with self._signs_of_life(conditions.watchdog_s / 4):
                yield
        except BaseException:
            with contextlib.suppress(ProfilerError):
                self._bench("unlock", self.owner)
            raise
        self._bench("unlock", self.owner)

    def models(self) -> frozenset[str]:
        """SHA-256 of the models in the working folder; asked once, then known."""
        if self._models is None:
            listing = self._bench("models", str(self.workdir)).stdout
            self._models = frozenset(re.findall(r"^([0-9a-f]{64})\.onnx$", listing, re.MULTILINE))
        return self._models

    @contextlib.contextmanager
    def batch(self, order: BatchOrder, into: Path) -> Iterator[Iterator[str]]:
        """Work through a plan and yield the runner's lines; see ``profiler.device.Device.batch``."""
        models = self.models()
        command = self._command("batch", *self._send(order))
        offers: list[str] = []
        self._runner_beats.set()
        try:
            responds = self._phone.transport.responds
            with self._phone.transport.stream(command, timeout_s=_SILENCE_S, is_alive=responds) as stream:
                lines = _runner_lines(stream, offers)
                yield lines
                for _ in lines:  # whoever does not read to the end still gets all that was measured
                    pass
        finally:
            self._runner_beats.clear()
        self._raise_for(stream.exit_code, stream.stderr)
        self._fetch(_read_offer(self.name, offers), into)
        self._models = models | frozenset(order.models)

    def let_charge(self, charge: bool) -> bool:
        """Switch the port's power; see ``profiler.device.Detachable.let_charge``."""
        if not self._usb_power:
            return False
        serial = self._phone.look.serialno or self._phone.transport.serial
        switch_port(self._usb_power, on=charge, serial=serial)
        return True

    def start(self, order: BatchOrder) -> None:
        """Leave a batch to the phone; see ``profiler.device.Detachable.start``."""
        self._bench("detach", *self._send(order))

    @contextlib.contextmanager
    def follow(self) -> Iterator[Iterator[str]]:
        """Listen to the batch that the phone was left with; see ``profiler.device.Detachable.follow``."""
        command = self._command("follow", str(self.workdir), self.owner)
        self._runner_beats.set()
        try:
            responds = self._phone.transport.responds
            with self._phone.transport.stream(command, timeout_s=_SILENCE_S, is_alive=responds) as stream:
                yield _runner_lines(stream, [])
        finally:
            self._runner_beats.clear()
        if stream.exit_code == _WAIT:
            raise BatchCutOffError(f"{self.name}: {_last_line(stream.stderr)}.")
        self._raise_for(stream.exit_code, stream.stderr)

    def salvage(self, into: Path) -> None:
        """Fetch the finished runs of a batch that was cut off; its runner is ended first where it still works."""
        self._models = None
        offers: list[str] = []
        lines = self._bench("salvage", str(self.workdir)).stdout.splitlines()
        offers += [line for line in lines if line.startswith("results ")]
        self._fetch(_read_offer(self.name, offers), into)

    def clear(self) -> None:
        """Remove the working folder."""
        self._models = None
        self._bench("clear", str(self.workdir))

    def reconnect(self) -> None:
        """Look for the phone again, whichever wire it hangs on now; see ``profiler.device.Device.reconnect``."""
        self._models = None
        try:
            self._phone = find_again(self._phone)
        except AdbServerError as exc:
            raise DeviceGoneError(f"{self.name} cannot be looked for: {exc}") from exc

    def clean(self) -> None:
        """Remove everything of the bench from the phone, and put its settings back.

        Raises:
            DeviceBusyError: another program is measuring on it.
        """
        self.contact()
        self._lock(60)
        self._bench("clean")

    def _send(self, order: BatchOrder) -> tuple[str, ...]:
        """Push a batch's bundle; returns the arguments with which ``bench.sh`` works through it."""
        install = self._programs or programs_for(self._phone.look, self._runtime)
        self._models = None
        with self._phone.transport.sync() as sync:
            sync.push(pack_bundle(order, self._gate), self.workdir / "bundle.tar")
        return str(self.workdir), str(_place(install.runner)), str(_place(install.runtime)), self.owner

    def _lock(self, delay_s: int) -> None:
        result = self._run("lock", self.owner, str(delay_s))
        if result.exit_code == _WAIT and _is_dead(result.stdout.strip()):
            result = self._run("lock", self.owner, str(delay_s), result.stdout.strip())
        if result.exit_code == _WAIT:
            holder = printable(result.stdout.strip())
            raise DeviceBusyError(f"{self.name} is held by {holder}. Wait until that has ended, or end it.")
        self._checked(result)

    def _gate_script(self, conditions: Conditions) -> str:
        limits = (
            conditions.min_battery_percent,
            conditions.max_battery_percent,
            round(10 * conditions.max_temperature_c),
            conditions.max_thermal_status,
        )
        return f"exec {shlex.join(self._command('gate', *map(str, limits)))}\n"

    @contextlib.contextmanager
    def _signs_of_life(self, every_s: float) -> Iterator[None]:
        """Tell the phone that it is still wanted while no runner does."""
        done = threading.Event()

        def give() -> None:
            while not done.wait(every_s):
                if not self._runner_beats.is_set():
                    with contextlib.suppress(ProfilerError):
                        self._run("sign", self.owner, timeout_s=_SIGN_S)

        thread = threading.Thread(target=give, name=f"{self.name}-signs", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _fetch(self, offer: _Results, into: Path) -> None:
        """Pull the results, unpack them, and tell the phone that they are here."""
        into.parent.mkdir(parents=True, exist_ok=True)
        remote = self.workdir / "results.tar"
        with tempfile.TemporaryFile(dir=into.parent) as archive, self._phone.transport.sync() as sync:
            for _ in range(_PULLS):
                archive.seek(0)
                if _copy(sync.pull(remote), archive, offer.algorithm) == (offer.size, offer.digest):
                    break
            else:
                raise DeviceGoneError(f"{self.name}: the results arrive damaged. Try another cable or port.")
            archive.seek(0)
            unpack_results(archive, into)
            sync.push(b"", remote)

    def _command(self, *words: str) -> list[str]:
        return ["sh", str(_place(self._script)), *words]

    def _run(self, *words: str, timeout_s: float = _WORK_S) -> ShellResult:
        return self._phone.transport.shell(self._command(*words), timeout_s=timeout_s)

    def _bench(self, *words: str) -> ShellResult:
        return self._checked(self._run(*words))

    def _checked(self, result: ShellResult) -> ShellResult:
        self._raise_for(result.exit_code, result.stderr)
        return result

    def _raise_for(self, exit_code: int, stderr: str) -> None:
        """Say in our words how ``bench.sh`` or the runner ended."""
        if exit_code == 0:
            return
        reason = _last_line(stderr) or f"exit code {exit_code}, no message"
        if NO_ROOM in stderr:
            raise StorageFullError(f"{self.name} has no room left ({reason}). Free some, or: profile clean --device.")
        if exit_code == _RUNNER_STOPPED:
            raise DeviceNotReadyError(self.name, state="unfit to measure", next_step=f"It says: {reason}.")
        if exit_code == _WAIT:
            raise DeviceGoneError(f"{self.name}: {reason}.")
        if exit_code == _RUNNER_REFUSED:
            raise RunnerError(f"{self.name}: the runner refused its plan: {reason}.")
        raise RunnerError(f"{self.name}: {reason}. The same command goes on from here.")


def _last_line(stderr: str) -> str:
    return printable(stderr.strip().splitlines()[-1]) if stderr.strip() else ""


def _place(program: Program) -> PurePosixPath:
    return _STORE / program.sha256 / program.name


def _runner_lines(stream: ShellStream, offers: list[str]) -> Iterator[str]:
    """Yield the runner's lines and keep ``bench.sh``'s own last one."""
    for line in stream:
        if line.startswith("results "):
            offers.append(line)
        else:
            yield printable(line)


def _read_offer(device: str, offers: Sequence[str]) -> _Results:
    match = _RESULTS.fullmatch(offers[-1]) if offers else None
    if match is None or int(match[1]) > MOST_BYTES:
        raise TransferError(f"{device} offers no results that can be fetched: {offers[-1:]}.")
    return _Results(size=int(match[1]), algorithm=match[2], digest=match[3])


def _copy(blocks: Iterator[bytes], archive: IO[bytes], algorithm: str) -> tuple[int, str]:
    """Write an archive that arrives, replacing what is there; returns its size and digest."""
    digest = hashlib.new(algorithm, usedforsecurity=False)
    size = 0
    for block in blocks:
        size += len(block)
        if size > MOST_BYTES:
            raise TransferError(f"The phone's results are longer than {MOST_BYTES >> 30} GiB.")
        digest.update(block)
        archive.write(block)
    archive.truncate()
    return size, digest.hexdigest()


def _me() -> str:
    return f"{getpass.getuser()}@{socket.gethostname()}".replace(":", "-")


def _is_dead(owner: str) -> bool:
    """Whether a lock's owner was a program of this user on this machine that has ended without a word."""
    match owner.split(":"):
        case [who, pid, _] if who == _me() and pid.isdecimal():
            try:
                os.kill(int(pid), 0)
            except ProcessLookupError:
                return True
            except PermissionError:
                return False
    return False
