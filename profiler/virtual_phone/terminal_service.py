"""Commands on the phone that have a terminal: ``shell,v2,pty:``, which a person who types ``adb shell`` gets."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
from contextlib import suppress

from profiler.virtual_phone.phone import Phone
from profiler.virtual_phone.shell_protocol import Id, ShellRequest, shell_packet, shell_packets
from profiler.virtual_phone.shell_service import hang_up, pipes, wait_for
from profiler.virtual_phone.stream import Stream, StreamClosedError
from profiler.virtual_phone.terminal import resize

_READ_BYTES = 1 << 16
_ON_TERMINAL = (
    "exec 3>&1 && exec <>{path} >&0 2>&1 && echo >&3 && TERM={term} exec setsid --wait --ctty sh {command} 3>&-"
)
"""Take the terminal in place of the pipes, say so through the old output, and lead a session on it."""


def serve_terminal(phone: Phone, request: ShellRequest, stream: Stream) -> None:
    """Run one command on a terminal of its own; a phone that cannot start it refuses the stream."""
    try:
        ours, path = phone.open_terminal()
    except OSError:
        return
    try:
        process = _start(phone, request, path)
    except OSError:
        os.close(ours)
        return
    stream.accept()
    stream.when_gone(lambda: _hang_up(process, ours))
    feeder = threading.Thread(target=_feed, args=(stream, ours), name="terminal-input")
    feeder.start()
    with suppress(StreamClosedError):
        _forward(stream, ours)
    exit_code = wait_for(process, stream)
    with suppress(StreamClosedError):
        stream.write(shell_packet(Id.EXIT, bytes([exit_code])))
    stream.close()
    feeder.join()
    os.close(ours)


def _start(phone: Phone, request: ShellRequest, path: str) -> subprocess.Popen[bytes]:
    """Start the command, and return when it has the terminal.

    Raises:
        OSError: the phone is off, or has no such terminal.
    """
    command = f"-c {shlex.quote(request.command)}" if request.command is not None else ""
    line = _ON_TERMINAL.format(path=path, term=shlex.quote(request.terminal or ""), command=command)
    process = phone.spawn(line)
    stdin, stdout, stderr = pipes(process)
    with stdin, stdout, stderr:
        if stdout.read(1):
            return process
    process.wait()
    raise OSError(f"the phone has no {path}")


def _forward(stream: Stream, terminal: int) -> None:
    """Pass on what is written to the terminal, until nobody has it open any more."""
    while True:
        try:
            data = os.read(terminal, _READ_BYTES)
        except OSError:  # EIO: the last one has closed it
            return
        stream.write(shell_packet(Id.STDOUT, data))


def _feed(stream: Stream, terminal: int) -> None:
    """Pass on what the host types and how large its window is; a terminal's input alone cannot be closed."""
    with suppress(StreamClosedError, OSError):
        for kind, data in shell_packets(stream):
            if kind == Id.STDIN:
                _write(terminal, data)
            elif kind == Id.WINDOW_SIZE:
                resize(terminal, bytes(data))


def _write(terminal: int, data: bytes | memoryview) -> None:
    while data:
        data = data[os.write(terminal, data) :]


def _hang_up(process: subprocess.Popen[bytes], terminal: int) -> None:
    """Do as a terminal does that is gone: SIGHUP to whoever leads its session, and to what runs in the foreground."""
    hang_up(process)
    with suppress(OSError):  # it has ended meanwhile
        foreground = os.tcgetpgrp(terminal)
        for group in {os.getsid(foreground), foreground} if foreground > 0 else ():  # 0 would be ourselves
            os.killpg(group, signal.SIGHUP)
