"""The cable between hosts and the phone: whether it is plugged in, what of it is out of order, who hangs on it."""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress

from profiler.virtual_phone.faults import Fault, FaultName

DEFAULT_AWAY_S = 3.0

_GREETINGS = (FaultName.OFFLINE, FaultName.UNAUTHORIZED, FaultName.RECOVERY)


class Wire:
    """The state that all connections share; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hosts: set[socket.socket] = set()
        self._greetings: set[FaultName] = set()
        self._gone: Fault | None = None
        self._bytes_left = 0
        self._back_at_s = 0.0

    @property
    def greeting(self) -> FaultName | None:
        """How a host is received: ``None`` as a phone does that is fine."""
        with self._lock:
            return next((name for name in _GREETINGS if name in self._greetings), None)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What was ordered of the wire and is still so, or still to come."""
        with self._lock:
            ordered = [Fault(name=name) for name in _GREETINGS if name in self._greetings]
            return (*ordered, self._gone) if self._gone else tuple(ordered)

    def order(self, fault: Fault) -> None:
        """Put the wire out of order; who hangs on it is cut off, so that he sees the new state."""
        if fault.name is FaultName.GONE:
            with self._lock:
                self._gone, self._bytes_left = fault, int(fault.numbers[0])
            self.settle()
            return
        with self._lock:
            self._greetings.add(fault.name)
        self.pull(0.0)

    def clear(self, name: FaultName) -> None:
        """Put it in order again."""
        with self._lock:
            if name is FaultName.GONE:
                self._gone, self._back_at_s = None, 0.0
            ended = name in self._greetings
            self._greetings.discard(name)
        if ended:
            self.pull(0.0)

    def take(self, host: socket.socket) -> bool:
        """Let a host connect; false while the cable is pulled."""
        with self._lock:
            plugged = time.monotonic() >= self._back_at_s
            if plugged:
                self._hosts.add(host)
            return plugged

    def drop(self, host: socket.socket) -> None:
        """Forget a host that has hung up."""
        with self._lock:
            self._hosts.discard(host)

    def allow(self, count: int) -> int:
        """Say how many of these bytes still reach the host; :meth:`settle` follows when they are sent."""
        with self._lock:
            if self._gone is None:
                return count
            allowed = min(count, self._bytes_left)
            self._bytes_left -= allowed
            return allowed

    def settle(self) -> None:
        """Pull the cable if its last byte has been sent."""
        with self._lock:
            if self._gone is None or self._bytes_left:
                return
            away_s = (*self._gone.numbers[1:], DEFAULT_AWAY_S)[0]
            self._gone = None
        self.pull(away_s)

    def pull(self, away_s: float) -> None:
        """Cut off every host, and take none for so many seconds."""
        with self._lock:
            self._back_at_s = time.monotonic() + away_s
            hosts, self._hosts = self._hosts, set()
        for host in hosts:
            with suppress(OSError):
                host.shutdown(socket.SHUT_RDWR)

    def plug(self) -> None:
        """Take hosts again."""
        with self._lock:
            self._back_at_s = 0.0
