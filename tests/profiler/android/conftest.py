"""Virtual phones behind the real adb, whose server belongs to the tests alone."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from profiler.android.adb import AdbServer
from profiler.android.identity import Phone, find_phones
from profiler.errors import VirtualPhoneError
from profiler.virtual_phone.daemon import Daemon, listen
from profiler.virtual_phone.description import load_description
from profiler.virtual_phone.faults import parse_fault
from profiler.virtual_phone.handset import Handset


@pytest.fixture(scope="session")
def adb_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Port of an adb server that looks for no phones by itself."""
    import adbutils

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = int(taken.getsockname()[1])
    home = str(tmp_path_factory.mktemp("adb"))
    environment = os.environ | {"ADB_LOCAL_TRANSPORT_MAX_PORT": "5553", "HOME": home, "TMPDIR": home}
    command = [adbutils.adb_path(), "-P", str(port)]
    quiet = subprocess.DEVNULL
    subprocess.run([*command, "start-server"], env=environment, check=True, timeout=60, stdout=quiet, stderr=quiet)
    yield port
    subprocess.run([*command, "kill-server"], env=environment, check=True, timeout=60, stdout=quiet, stderr=quiet)


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualPhone:
    """A virtual phone, and the wire to it."""

    daemon: Daemon
    root: Path

    @property
    def address(self) -> str:
        return self.daemon.address

    def fault(self, order: str) -> None:
        self.daemon.order(parse_fault(order))

    def find(self) -> Phone:
        (phone,) = find_phones([self.address])
        return phone

    @property
    def bench(self) -> Path:
        """Where the bench's things lie on the phone."""
        return self.root / "data/local/tmp/autocomet"


@pytest.fixture
def new_phone(adb_port: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., VirtualPhone]]:
    """Make virtual phones: takes a serial number, the tier and further properties."""
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(adb_port))
    with ExitStack() as phones:

        def make(serialno: str = "V1", *, tier: str = "low", folder: str = "") -> VirtualPhone:
            root = tmp_path / (folder or serialno)
            root.mkdir()
            description = load_description(tier)
            named = replace(description, properties={**description.properties, "ro.serialno": serialno})
            try:
                daemon = phones.enter_context(Daemon(Handset(named, root, slow=1.0, turn=None), listen(0)))
            except VirtualPhoneError as error:
                pytest.skip(str(error))
            phones.callback(AdbServer(port=adb_port).ask, f"host:disconnect:{daemon.address}")
            return VirtualPhone(daemon=daemon, root=root)

        yield make


@pytest.fixture
def virtual(new_phone: Callable[..., VirtualPhone]) -> VirtualPhone:
    return new_phone()
