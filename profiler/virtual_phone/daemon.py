"""The adb daemon of a virtual phone: listens on a port of the loopback interface, and does the wire's faults."""

from __future__ import annotations

import itertools
import math
import os
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Self

from profiler.errors import VirtualPhoneError
from profiler.virtual_phone.connection import Connection
from profiler.virtual_phone.faults import WIRE_FAULTS, Fault, FaultName
from profiler.virtual_phone.phone import Phone
from profiler.virtual_phone.services import serve
from profiler.virtual_phone.stream import Stream
from profiler.virtual_phone.wire import Wire

LOOPBACK = "127.0.0.1"


def listen(port: int) -> socket.socket:
    """Take a port of the loopback interface; 0 takes any free one.

    Raises:
        VirtualPhoneError: it is in use.
    """
    try:
        return socket.create_server((LOOPBACK, port))
    except OSError as error:
        raise VirtualPhoneError(
            f"Port {port} cannot be had: {os.strerror(error.errno or 0)}. Choose another."
        ) from error


class Daemon:
    """A phone that is switched on and can be reached; as a context manager it is off again at the end.

    Every host has a thread that reads its packets, every stream one that serves it.
    """

    def __init__(self, phone: Phone, listener: socket.socket) -> None:
        """Serve ``phone`` to whoever connects to ``listener``, which is closed at the end; see :func:`listen`."""
        self._phone, self._listener = phone, listener
        self._wire = Wire()
        self._phone_faults: dict[FaultName, Fault] = {}
        self._booting = threading.Lock()
        self._over = False
        self._services = itertools.count(1)
        self.services_opened = 0
        """How many services hosts have asked for so far; what a way of driving phones costs."""
        self._threads = _Threads()

    def __enter__(self) -> Self:
        try:
            self._phone.boot()
        except BaseException:
            self._listener.close()
            raise
        self._threads.start("adb-listen", self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Hang up, switch the phone off, and wait until nothing of either is left."""
        if self._over:
            return
        self._listener.shutdown(socket.SHUT_RDWR)
        self._wire.pull(math.inf)
        with self._booting:
            self._over = True
            self._phone.shutdown()
        self._threads.join()
        self._listener.close()

    @property
    def address(self) -> str:
        """What ``adb connect`` takes: ``127.0.0.1:5561``."""
        return "{}:{}".format(*self._listener.getsockname())

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What was ordered and not cleared."""
        return (*self._wire.faults, *self._phone_faults.values())

    def order(self, fault: Fault) -> None:
        """Do something wrong; a reboot has happened when this returns."""
        if fault.name is FaultName.REBOOT:
            self.reboot()
        elif fault.name in WIRE_FAULTS:
            self._wire.order(fault)
        else:
            self._phone.inject(fault)
            self._phone_faults[fault.name] = fault

    def clear(self, name: FaultName) -> None:
        """Stop doing so; what was not ordered is no error."""
        if name in WIRE_FAULTS:
            self._wire.clear(name)
        elif self._phone_faults.pop(name, None) is not None:
            self._phone.clear(name)

    def reboot(self) -> None:
        """Hang up, restart the phone, and take hosts again when it is up."""
        with self._booting:
            if self._over:
                return
            self._wire.pull(math.inf)
            self._phone.reboot()
            self._wire.plug()

    def _accept(self) -> None:
        with suppress(OSError):  # the listener was shut down
            while True:
                host, _ = self._listener.accept()
                self._threads.start("adb-host", partial(self._answer, host))

    def _answer(self, host: socket.socket) -> None:
        with host:
            if self._wire.take(host):
                host.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                Connection(host, self._wire, self._phone.properties, self._start).serve()
                self._wire.drop(host)

    def _start(self, name: str, stream: Stream) -> None:
        self.services_opened = next(self._services)
        self._threads.start("adb-stream", partial(serve, name, stream, phone=self._phone, reboot=self.reboot))


class _Threads:
    """Threads that are running, so that one can wait for all of them."""

    def __init__(self) -> None:
        self._running: set[threading.Thread] = set()
        self._lock = threading.Lock()

    def start(self, name: str, work: Callable[[], None]) -> None:
        def run() -> None:
            try:
                work()
            finally:
                with self._lock:
                    self._running.discard(threading.current_thread())

        thread = threading.Thread(target=run, name=name)
        with self._lock:
            self._running.add(thread)
        thread.start()

    def join(self) -> None:
        while True:
            with self._lock:
                thread = next(iter(self._running), None)
            if thread is None:
                return
            thread.join()
