from __future__ import annotations

import signal
import struct
import time
from pathlib import Path

import pytest

from profiler.virtual_phone.protocol import Command


def packet(kind: int, data: bytes) -> bytes:
    return struct.pack("<BI", kind, len(data)) + data


class Terminal:
    """A raw host's end of a terminal."""

    def __init__(self, host, command: str = "") -> None:
        self.host = host
        self.theirs = host.open(f"shell,v2,TERM=vt100,pty:{command}", stream=1)
        self.shown = b""
        self.exit_code: int | None = None

    def type(self, kind: int, data: bytes) -> None:
        self.host.send(Command.WRITE, 1, self.theirs, packet(kind, data))

    def show_until(self, text: bytes) -> bytes:
        """Read until the text is shown, or to the end."""
        while text not in self.shown:
            command, _, _, payload = self.host.read()
            if command is Command.CLOSE:
                break
            if command is Command.WRITE:
                self.host.send(Command.OKAY, 1, self.theirs)
                self._take(payload)
        return self.shown

    def _take(self, payload: bytes) -> None:
        while payload:
            kind, length = struct.unpack_from("<BI", payload)
            data, payload = payload[5 : 5 + length], payload[5 + length :]
            if kind == 3:
                self.exit_code = data[0]
            else:
                self.shown += data


@pytest.fixture
def open_terminal(host):
    return lambda command="": Terminal(host, command)


def test_a_command_has_a_terminal_and_its_exit_code_survives(open_terminal) -> None:
    terminal = open_terminal("test -t 0 && test -t 1 && test -t 2 && echo $TERM; exit 4")

    assert (terminal.show_until(b"nothing"), terminal.exit_code) == (b"vt100\r\n", 4)


def test_what_is_typed_is_shown_and_run(open_terminal) -> None:
    terminal = open_terminal()

    terminal.type(0, b"echo $((6 * 7)); exit 9\n")

    shown = terminal.show_until(b"nothing")
    assert (b"echo $((6 * 7))" in shown, b"42\r\n" in shown, terminal.exit_code) == (True, True, 9)


def test_the_command_knows_how_large_the_window_is(open_terminal) -> None:
    terminal = open_terminal("trap 'stty size; exit' WINCH; echo ready; while :; do sleep 0.05; done")
    terminal.show_until(b"ready")

    terminal.type(5, b"25x99,800x600\0")

    assert b"25 99\r\n" in terminal.show_until(b"99\r\n")


@pytest.fixture
def interruptible():
    """Hear SIGINT: where the tests run in the background it is ignored, and a child inherits that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interruptible")
def test_control_c_interrupts_the_command_that_runs(open_terminal) -> None:
    terminal = open_terminal("trap 'echo stopped; exit 5' INT; echo ready; while :; do sleep 0.05; done")
    terminal.show_until(b"ready")

    terminal.type(0, b"\x03")

    assert (b"stopped\r\n" in terminal.show_until(b"nothing"), terminal.exit_code) == (True, 5)


def test_the_command_on_the_terminal_gets_sighup_when_the_host_goes(open_terminal, phone) -> None:
    terminal = open_terminal("trap 'echo over > data/over; exit' HUP; echo ready; while :; do sleep 0.05; done")
    terminal.show_until(b"ready")

    terminal.host.wire.close()
    over, deadline = phone.root / "data/over", time.monotonic() + 10
    while not (over.exists() and over.read_text()) and time.monotonic() < deadline:
        time.sleep(0.01)

    assert over.read_text() == "over\n"


def test_the_real_adb_allocates_a_terminal(adb) -> None:
    done = adb("shell", "-t", "-t", "tty; exit 6")

    assert (done.returncode, done.stdout.startswith(b"/dev/pts/")) == (6, True)


def test_no_terminal_is_left_open(open_terminal, daemon) -> None:
    before = set(Path("/dev/pts").iterdir())
    terminal = open_terminal("sleep 100")
    during = set(Path("/dev/pts").iterdir()) - before

    terminal.host.wire.close()
    daemon.stop()

    assert (len(during) >= 1, during & set(Path("/dev/pts").iterdir())) == (True, set())
