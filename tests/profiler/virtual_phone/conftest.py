"""A phone that is a folder and the machine's own sh: enough for the daemon, which knows no more of a phone than this."""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from profiler.virtual_phone.daemon import Daemon, listen
from profiler.virtual_phone.faults import Fault
from profiler.virtual_phone.protocol import MAX_PAYLOAD, VERSION, Command, Packet, read_packet
from profiler.virtual_phone.terminal import open_pseudo_terminal


class FolderPhone:
    """Commands run in the folder, which is first in ``$PATH``; links that lead out of it are refused."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.boots = 0
        self.room = 1 << 40
        self.injected: list[str] = []
        self._up = False
        self.processes: list[subprocess.Popen[bytes]] = []

    @property
    def properties(self) -> Mapping[str, str]:
        return {"ro.product.name": "folder", "ro.product.model": "Folder Phone", "ro.product.device": "folder"}

    def boot(self) -> None:
        self.boots += 1
        self._up = True

    def shutdown(self) -> None:
        self._up = False
        for process in self.processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        self.processes.clear()

    def reboot(self) -> None:
        self.shutdown()
        self.boot()

    def spawn(self, command: str | None) -> subprocess.Popen[bytes]:
        if not self._up:
            raise OSError(errno.EAGAIN, "the phone is off")
        process = subprocess.Popen(
            ["sh"] if command is None else ["sh", "-c", command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.root,
            env=os.environ | {"PATH": f"{self.root}:{os.environ['PATH']}"},
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def open_terminal(self) -> tuple[int, str]:
        return open_pseudo_terminal(Path("/dev/ptmx"))

    def resolve(self, path: str) -> Path:
        place = (self.root / path.lstrip("/")).resolve()
        if not place.is_relative_to(self.root):
            raise PermissionError(errno.EACCES, "outside the phone", path)
        return place

    def storage_left(self) -> int:
        return self.room

    def inject(self, fault: Fault) -> None:
        self.injected.append(str(fault))

    def clear(self, name: str) -> None:
        self.injected = [fault for fault in self.injected if not fault.startswith(name)]


@pytest.fixture
def phone(tmp_path: Path) -> FolderPhone:
    root = tmp_path / "phone"
    (root / "data/local/tmp").mkdir(parents=True)
    return FolderPhone(root.resolve())


@pytest.fixture
def daemon(phone: FolderPhone) -> Iterator[Daemon]:
    with Daemon(phone, listen(0)) as running:
        yield running


@pytest.fixture
def address(daemon: Daemon) -> str:
    return daemon.address


class Host:
    """The other side of the wire, packet by packet; every answer is waited for, and a silence is an error."""

    def __init__(self, address: str) -> None:
        name, port = address.split(":")
        self.wire = socket.create_connection((name, int(port)), timeout=10)

    def send(self, command: Command, first: int, second: int, payload: bytes = b"") -> None:
        self.wire.sendall(Packet(command=command, first=first, second=second, payload=payload).encoded(summed=True))

    def read(self) -> tuple[Command, int, int, bytes]:
        packet = read_packet(self.wire)
        assert packet is not None, "the phone has hung up"
        return Command(packet.command), packet.first, packet.second, bytes(packet.payload)

    def connect(self) -> Host:
        self.send(Command.CONNECT, VERSION, MAX_PAYLOAD, b"host::features=shell_v2")
        assert self.read()[0] is Command.CONNECT
        return self

    def open(self, service: str, *, stream: int) -> int:
        """Open a service and return the phone's number of the stream."""
        self.send(Command.OPEN, stream, 0, service.encode() + b"\0")
        command, theirs, ours, _ = self.read()
        assert (command, ours) == (Command.OKAY, stream)
        return theirs

    def was_hung_up_on(self) -> bool:
        """Read to the end, which must come."""
        with suppress(ConnectionResetError):
            while self.wire.recv(1 << 16):
                pass
        return True

    def has_something_to_read(self, *, within_s: float) -> bool:
        return bool(select.select([self.wire], [], [], within_s)[0])


@pytest.fixture
def new_host(address: str) -> Iterator[Callable[[], Host]]:
    with ExitStack() as opened:

        def host() -> Host:
            made = Host(address)
            opened.callback(made.wire.close)
            return made

        yield host


@pytest.fixture
def host(new_host: Callable[[], Host]) -> Host:
    """A host that is connected."""
    return new_host().connect()


@dataclass(frozen=True, slots=True, kw_only=True)
class Adb:
    """The real adb, with a server of its own."""

    binary: str
    server_port: int
    environment: Mapping[str, str]

    def __call__(self, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [self.binary, *arguments], input=given, capture_output=True, env=self.environment, timeout=60, check=False
        )


@pytest.fixture(scope="session")
def adb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Adb]:
    adbutils = pytest.importorskip("adbutils")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
    home = str(tmp_path_factory.mktemp("adb"))
    own = {"ANDROID_ADB_SERVER_PORT": str(port), "ADB_LOCAL_TRANSPORT_MAX_PORT": "5553", "HOME": home, "TMPDIR": home}
    adb = Adb(binary=adbutils.adb_path(), server_port=port, environment=os.environ | own)
    adb("start-server")
    yield adb
    adb("kill-server")


@pytest.fixture
def adb(adb_server: Adb, address: str) -> Iterator[Callable[..., subprocess.CompletedProcess[bytes]]]:
    """The real adb, connected to the phone: takes the command's arguments, and ``given`` as its input."""
    assert b"connected to" in adb_server("connect", address).stdout

    def run(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        return adb_server("-s", address, *arguments, given=given)

    yield run
    adb_server("disconnect", address)
