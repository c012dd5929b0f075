"""Commands on the phone: ``shell:`` and ``exec:``, with pipes, plain or in the shell protocol.

A command of a ``shell`` service gets SIGHUP when its host goes; one of ``exec`` only the end of its input, as
``adb exec-in`` wants.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import IO

from profiler.virtual_phone.phone import Phone
from profiler.virtual_phone.shell_protocol import Id, ShellRequest, shell_packet, shell_packets
from profiler.virtual_phone.stream import Stream, StreamClosedError

_READ_BYTES = 1 << 16


def serve_shell(phone: Phone, request: ShellRequest, stream: Stream) -> None:
    """Run one command; a phone that cannot start it refuses the stream."""
    try:
        process = phone.spawn(request.command)
    except OSError:
        return
    stdin, stdout, stderr = pipes(process)
    stream.accept()
    if request.hang_up:
        stream.when_gone(lambda: hang_up(process))
    feeder = threading.Thread(target=_feed, args=(stream, stdin, request), name="shell-input")
    feeder.start()
    try:
        with stdout, stderr, suppress(StreamClosedError):
            _forward(stream, {stdout: Id.STDOUT, stderr: Id.STDERR}, request)
    finally:
        exit_code = wait_for(process, stream)
        with suppress(StreamClosedError):
            if request.packets:
                stream.write(shell_packet(Id.EXIT, bytes([exit_code])))
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
                    stream.write(shell_packet(key.data, data))
                else:
                    stream.write(data)


def _feed(stream: Stream, stdin: IO[bytes], request: ShellRequest) -> None:
    """Pass on what the host types, until either side has had enough."""
    with suppress(StreamClosedError, BrokenPipeError), stdin:
        for data in _typed(stream) if request.packets else iter(stream.read, b""):
            stdin.write(data)
            stdin.flush()
    with suppress(StreamClosedError):
        while stream.read():  # what comes after the end of the input: let the host go on
            pass


def _typed(stream: Stream) -> Iterator[bytes | memoryview]:
    """The input among the packets, until the host closes it."""
    for kind, data in shell_packets(stream):
        if kind == Id.CLOSE_STDIN:
            return
        if kind == Id.STDIN:
            yield data


def pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
    """The pipes to its input, and from its output and error output."""
    if process.stdin is None or process.stdout is None or process.stderr is None:
        raise TypeError("A phone's command has three pipes.")
    return process.stdin, process.stdout, process.stderr


def wait_for(process: subprocess.Popen[bytes], stream: Stream) -> int:
    """Wait for the end of a command, which may outlive its host; its exit code as a shell counts it."""
    with suppress(ChildProcessError):  # the phone itself has waited for it
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    stream.when_gone(None)  # from here on its process number may belong to another
    code = process.wait()
    return 128 - code if code < 0 else code


def hang_up(process: subprocess.Popen[bytes]) -> None:
    """Tell a command, and what it started in its session, that its host has gone."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGHUP)
