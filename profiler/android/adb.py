"""The one module that talks to adb: its servers, the phones they see, and the way to one.

A *server* is a program on a bench host; a *transport* is its way to one phone, by cable or Wi-Fi. adbutils finds the adb
program and speaks to the server; what is said to a phone beyond it is :mod:`profiler.android.wire`'s. Every error of
adbutils and of a socket ends here. A server is started where none runs on this machine, and never stopped: other people's
tools use it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from adbutils import AdbClient, AdbError, adb_path

from profiler.android.wire import ShellStream, Sync
from profiler.device import ShellResult
from profiler.errors import AdbServerError, DeviceGoneError, DeviceNotReadyError

DEFAULT_PORT = 5037
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_CONNECT_S = 3.0
_ANSWER_S = 30.0
_START_S = 30.0
_FIELD = re.compile(r"\s(?=(?:usb|product|model|device|transport_id):\S)")


@dataclass(frozen=True, slots=True, kw_only=True)
class AdbServer:
    """An adb server, on this machine or on another bench host."""

    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT

    def transports(self) -> tuple[Transport, ...]:
        """List the ways to phones that the server knows, usable or not.

        Raises:
            AdbServerError: the server cannot be reached.
        """
        return parse_transports(self.ask("host:devices-l"), self)

    def connect(self, address: str) -> None:
        """Have the server connect to a phone over Wi-Fi.

        Raises:
            AdbServerError: the server cannot be reached.
            DeviceGoneError: the phone does not answer.
        """
        answer = self.ask(f"host:connect:{address}")
        if not answer.startswith(("connected to", "already connected to")):
            raise DeviceGoneError(
                f"{address} cannot be connected ({answer.strip()}). Phone and host must be in one network, and the phone must "
                f"listen: over a cable '{adb_program()} tcpip 5555', or Wireless debugging in its developer options "
                f"(paired once by '{adb_program()} pair').",
            )

    def ask(self, command: str) -> str:
        """Ask the server for a text.

        Raises:
            AdbServerError: as :meth:`request`.
        """
        with contextlib.closing(self.request(command)) as connection:
            try:
                answer: str = connection.read_string_block()
            except (AdbError, OSError, ValueError) as exc:
                raise AdbServerError(f"The adb server at {self} broke off: {exc}") from exc
            return answer

    def request(self, command: str) -> Any:
        """Ask the server for something, having started it where it does not run, and return adbutils' connection.

        Raises:
            AdbServerError: it does not run and cannot be started, or it refuses; the text says why.
        """
        if not self._answers():
            self._start()
        try:
            connection = AdbClient(host=self.host, port=self.port).make_connection(timeout=_ANSWER_S)
        except (AdbError, OSError) as exc:
            raise AdbServerError(f"The adb server at {self} does not answer: {exc}") from exc
        try:
            connection.send_command(command)
            connection.check_okay()
        except (AdbError, OSError, ValueError) as exc:
            connection.close()
            raise AdbServerError(f"The adb server at {self} refuses: {_first_line(exc)}") from exc
        return connection

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self.host, self.port), timeout=_CONNECT_S):
                return True
        except OSError:
            return False

    def _start(self) -> None:
        if self.host not in _LOOPBACK:
            raise AdbServerError(
                f"No adb server at {self}. Start one there: adb -a -P {self.port} nodaemon server (inside a trusted network)."
            )
        try:
            command = [adb_path(), "-P", str(self.port), "start-server"]
            quiet = subprocess.DEVNULL
            subprocess.run(command, stdin=quiet, stdout=quiet, stderr=quiet, timeout=_START_S, check=True)
        except (AdbError, OSError, subprocess.SubprocessError) as exc:
            raise AdbServerError(f"The adb server at {self} cannot be started: {exc}") from exc

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def local_server() -> AdbServer:
    """Return this machine's server, or the one that adb's own environment variables name.

    Raises:
        AdbServerError: ANDROID_ADB_SERVER_PORT is no port.
    """
    host = os.environ.get("ANDROID_ADB_SERVER_HOST", "127.0.0.1")
    return parse_server(f"{host}:{os.environ.get('ANDROID_ADB_SERVER_PORT', DEFAULT_PORT)}")


def parse_server(text: str) -> AdbServer:
    """Read ``host`` or ``host:port``.

    Raises:
        AdbServerError: the text is neither.
    """
    host, colon, port = text.rpartition(":")
    if not colon:
        host, port = text, str(DEFAULT_PORT)
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise AdbServerError(f"{text!r} is no adb server: write host:port, as bench-2:{DEFAULT_PORT}.")
    return AdbServer(host=host.strip("[]"), port=int(port))


@dataclass(frozen=True, slots=True, kw_only=True)
class Transport:
    """A server's way to one phone."""

    server: AdbServer
    serial: str
    """adb's name for it: a serial number, ``host:port``, ``emulator-5554``."""
    state: str
    """``device`` where it can be used; else adb's word for why not."""
    number: int | None = None
    """The server's number for this connection; another after every reconnection."""
    path: str = ""
    """Where the cable is plugged in, as ``usb:1-2``; empty where there is none."""

    @property
    def is_wired(self) -> bool:
        """Whether the phone stays reachable with its radios off."""
        return self.path.startswith("usb:") or self.serial.startswith("emulator-")

    def shell(self, argv: Sequence[str], *, timeout_s: float = 60.0) -> ShellResult:
        """Run one command to its end.

        Raises:
            DeviceGoneError: the wire broke, or nothing came for ``timeout_s``.
            DeviceNotReadyError: the phone's Android is too old.
        """
        with self.stream(argv, timeout_s=timeout_s) as stream:
            lines = list(stream)
        return ShellResult(
            exit_code=stream.exit_code, stdout="".join(f"{line}\n" for line in lines), stderr=stream.stderr
        )

    @contextlib.contextmanager
    def stream(
        self, argv: Sequence[str], *, timeout_s: float, is_alive: Callable[[], bool] = lambda: False
    ) -> Iterator[ShellStream]:
        """Run one command and have its lines as they come; leaving the context hangs it up.

        Args:
            argv: the command.
            timeout_s: the longest silence that is no question.
            is_alive: asked after such a silence, whether to listen on.

        Raises:
            DeviceGoneError, DeviceNotReadyError: as :meth:`shell`.
        """
        with self._opened() as connection:
            yield ShellStream(self.serial, connection, argv, timeout_s=timeout_s, is_alive=is_alive)

    @contextlib.contextmanager
    def sync(self) -> Iterator[Sync]:
        """Open the service that moves files; any number of them, one after the other.

        Raises:
            DeviceGoneError: the wire broke.
        """
        with self._opened() as connection:
            yield Sync(self.serial, connection)

    def responds(self) -> bool:
        """Whether the phone still answers; costs a service."""
        try:
            return self.shell([":"], timeout_s=10.0).exit_code == 0
        except (DeviceGoneError, DeviceNotReadyError):
            return False

    def require_shell_v2(self) -> None:
        """Make sure that commands tell how they ended.

        Raises:
            DeviceGoneError: the wire broke.
            DeviceNotReadyError: the phone's Android is too old.
        """
        target = f"host-transport-id:{self.number}" if self.number else f"host-serial:{self.serial}"
        try:
            features = self.server.ask(f"{target}:features")
        except AdbServerError as exc:
            raise DeviceGoneError(f"{self.serial} cannot be reached. {exc}") from exc
        if "shell_v2" not in features.split(","):
            raise DeviceNotReadyError(
                self.serial,
                state="too old: its adb has no shell v2",
                next_step="Android 7 (API 24) or later is needed.",
            )

    @contextlib.contextmanager
    def _opened(self) -> Iterator[socket.socket]:
        """Have a connection on which the phone itself is asked next."""
        target = f"host:transport-id:{self.number}" if self.number else f"host:transport:{self.serial}"
        try:
            connection = self.server.request(target)
        except AdbServerError as exc:
            raise DeviceGoneError(f"{self.serial} cannot be reached. {exc}") from exc
        with contextlib.closing(connection):
            yield connection.conn


def parse_transports(listing: str, server: AdbServer) -> tuple[Transport, ...]:
    """Read the answer to ``host:devices-l``: one phone a line, whose state may be a sentence."""
    found = []
    for line in filter(str.strip, listing.splitlines()):
        serial, *rest = line.split(maxsplit=1)
        state, *fields = _FIELD.split(f" {''.join(rest)}")
        tags = dict(field.partition(":")[::2] for field in " ".join(fields).split())
        if not state.strip():
            continue
        number = tags.get("transport_id", "")
        found.append(
            Transport(
                server=server,
                serial=serial,
                state=state.strip(),
                number=int(number) if number.isdecimal() else None,
                path=f"usb:{tags['usb']}" if "usb" in tags else "",
            )
        )
    return tuple(found)


def adb_program() -> str:
    """Say how a person starts adb here: by its name where it is on the PATH, else by the path of the bundled one."""
    return "adb" if shutil.which("adb") else str(adb_path())


def _first_line(exc: Exception) -> str:
    return str(exc).strip().partition("\n")[0] or type(exc).__name__
