"""Commands on the phone: ``shell:`` and ``exec:``, plain and in the shell protocol, version 2.

In version 2 the stream carries packets: a byte that says what it is, the length as a little-endian word, the data. Source:
``shell_protocol.h`` of Android's adb. A command of a ``shell`` service gets SIGHUP when its host goes; one of ``exec`` only
the end of its input, as ``adb exec-in`` wants.
"""

from __future__ import annotations

import os
import selectors
import signal
import struct
import subprocess
import threading
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from typing import IO

from profiler.virtual_phone.phone import Phone
from profiler.virtual_phone.stream import Stream, StreamClosedError

_HEADER = struct.Struct("<BI")
_READ_BYTES = 1 << 16


class Id(IntEnum):
    """What a packet of the shell protocol carries."""

    STDIN = 0
    STDOUT = 1
    STDERR = 2
    EXIT = 3
    CLOSE_STDIN = 4
    WINDOW_SIZE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellRequest:
    """What a host asks for."""

    command: str | None
    """``None``: a shell that reads its input."""
    packets: bool
    """Whether the stream carries packets of the shell protocol."""
    hang_up: bool
    """Whether the command gets SIGHUP when the host goes."""


def read_request(service: str) -> ShellRequest | None:
    """Read ``shell:COMMAND``, ``shell,v2,raw:COMMAND``, ``exec:COMMAND`` and the like; ``None`` for any other service."""
    name, _, command = service.partition(":")
    kind, *options = name.split(",")
    if kind not in {"shell", "exec"}:
        return None
    packets = kind == "shell" and "v2" in options
    return ShellRequest(command=command or None, packets=packets, hang_up=kind == "shell")


def serve_shell(phone: Phone, request: ShellRequest, stream: Stream) -> None:
    """Run one command; a phone that cannot start it refuses the stream."""
    try:
        process = phone.spawn(request.command)
    except OSError:
        return
    stdin, stdout, stderr = _pipes(process)
    stream.accept()
    if request.hang_up:
        stream.when_gone(lambda: _hang_up(process))
    feeder = threading.Thread(target=_feed, args=(stream, stdin, request), name="shell-input")
    feeder.start()
    try:
        with stdout, stderr, suppress(StreamClosedError):
            _forward(stream, {stdout: Id.STDOUT, stderr: Id.STDERR}, request)
    finally:
        exit_code = _wait(process, stream)
        with suppress(StreamClosedError):
            if request.packets:
                stream.write(_packet(Id.EXIT, bytes([exit_code])))
        stream.close()
        feeder.join()


def _forward(stream: Stream, outputs: dict[IO[bytes], Id], request: ShellRequest) -> None:
    """Pass on what the command writes, until it and whatever it started have closed both outputs."""
    with selectors.DefaultSelector() as selector:
        for output, kind in outputs.items():
            selector.register(output, selectors.EVENT_READ, kind)
        while selector.get_map():
            for key, _ in selector.select():
                data = os.read(key.fd, _READ_BYTES)
                if not data:
                    selector.unregister(key.fd)
                elif request.packets:
                    stream.write(_packet(key.data, data))
                else:
                    stream.write(data)


def _feed(stream: Stream, stdin: IO[bytes], request: ShellRequest) -> None:
    """Pass on what the host types, until either side has had enough."""
    with suppress(StreamClosedError, BrokenPipeError), stdin:
        while request.packets:
            kind, length = _HEADER.unpack(stream.read_exactly(_HEADER.size))
            data = stream.read_exactly(length)
            if kind == Id.CLOSE_STDIN:
                break
            if kind == Id.STDIN:
                stdin.write(data)
                stdin.flush()
        while not request.packets and (data := stream.read()):
            stdin.write(data)
            stdin.flush()
    with suppress(StreamClosedError):
        while stream.read():  # what comes after the end of the input: let the host go on
            pass


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise TypeError("A phone's command has three pipes.")
    return process.stdin, process.stdout, process.stderr


def _wait(process: subprocess.Popen[bytes], stream: Stream) -> int:
    """Wait for the end of a command, which may outlive its host; its exit code as a shell counts it."""
    with suppress(ChildProcessError):  # the phone itself has waited for it
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    stream.when_gone(None)  # from here on its process number may belong to another
    code = process.wait()
    return 128 - code if code < 0 else code


def _hang_up(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGHUP)


def _packet(kind: Id, data: bytes) -> bytes:
    return _HEADER.pack(kind, len(data)) + data
