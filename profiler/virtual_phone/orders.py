"""Orders to a running virtual phone: one a line on the program's standard input, each answered with one line.

::

    fault NAME [ARGUMENT]   do something wrong         ok fault NAME=ARGUMENT
    clear NAME              stop doing so              ok clear NAME
    faults                  what is ordered            ok faults NAME=ARGUMENT NAME ...
    services                how many hosts opened      ok services 12
    quit                    switch the phone off       ok quit
"""

from __future__ import annotations

import os
import selectors
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from profiler.errors import VirtualPhoneError
from profiler.virtual_phone.daemon import Daemon
from profiler.virtual_phone.faults import parse_fault, parse_name

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_READ_BYTES = 4096
_QUIT = "quit"


def obey(order: str, daemon: Daemon) -> str:
    """Do what a line says and return the answer: ``ok`` and the order as it was understood, or ``error`` and the reason."""
    word, _, rest = order.strip().partition(" ")
    try:
        if word == "fault":
            fault = parse_fault(rest)
            daemon.order(fault)
            return f"ok fault {fault}"
        if word == "clear":
            name = parse_name(rest.strip())
            daemon.clear(name)
            return f"ok clear {name}"
    except VirtualPhoneError as error:
        return f"error {error}"
    answers = {
        "faults": " ".join(["ok faults", *map(str, daemon.faults)]),
        "services": f"ok services {daemon.services_opened}",
        _QUIT: "ok quit",
    }
    unknown = f"error No order {word!r}. There are: fault NAME [ARGUMENT], clear NAME, faults, services, quit."
    return answers.get(word, unknown)


def serve_orders(source: int | None, daemon: Daemon, answer: Callable[[str], None], stopped: socket.socket) -> None:
    """Obey the lines from a file descriptor until one says ``quit`` or ``stopped`` has something to read.

    When the source ends, or there is none, the phone goes on without it.
    """
    rest = b""
    with selectors.PollSelector() as selector:  # unlike epoll it takes a file or /dev/null as source
        selector.register(stopped, selectors.EVENT_READ)
        if source is not None:
            selector.register(source, selectors.EVENT_READ)
        while True:
            ready = {key.fd for key, _ in selector.select()}
            if source is None or stopped.fileno() in ready:
                return
            data = _read(source)
            if not data:
                selector.unregister(source)
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                order = line.decode(errors="replace").strip()
                if order:
                    answer(obey(order, daemon))
                if order == _QUIT:
                    return


def _read(source: int) -> bytes:
    """Read what is there; nothing at the end, which a terminal has for a program in the background."""
    try:
        return os.read(source, _READ_BYTES)
    except OSError:
        return b""


@contextmanager
def ending_signals() -> Iterator[socket.socket]:
    """Turn the signals that end a program into a byte to read, so that it ends in an orderly way.

    SIGTTIN is ignored meanwhile: reading from a terminal in the background is then an error and not a halt.
    """
    readable, writable = socket.socketpair()
    with readable, writable:
        writable.setblocking(False)
        before = {number: signal.signal(number, _noted) for number in _ENDING}
        before[signal.SIGTTIN] = signal.signal(signal.SIGTTIN, signal.SIG_IGN)
        previous = signal.set_wakeup_fd(writable.fileno())
        try:
            yield readable
        finally:
            signal.set_wakeup_fd(previous)
            for number, handler in before.items():
                signal.signal(number, handler)


def _noted(number: int, frame: object) -> None:
    """Do nothing: the byte on the wake-up socket says it."""
    del number, frame
