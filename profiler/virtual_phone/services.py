"""Which service a host's OPEN names, and who serves it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

from profiler.virtual_phone.forward_service import read_port, serve_port
from profiler.virtual_phone.phone import Phone
from profiler.virtual_phone.shell_protocol import read_request
from profiler.virtual_phone.shell_service import serve_shell
from profiler.virtual_phone.stream import Stream, StreamClosedError
from profiler.virtual_phone.sync_service import serve_sync
from profiler.virtual_phone.terminal_service import serve_terminal

_SAID = {
    "root:": "adbd cannot run as root in production builds\n",
    "unroot:": "adbd not running as root\n",
    "remount:": 'Not running as root. Try "adb root" first.\n',
}
"""What adb's daemon answers on a phone as it is sold."""


def serve(name: str, stream: Stream, *, phone: Phone, reboot: Callable[[], None]) -> None:
    """Serve one stream to its end; a service that the phone does not have is refused."""
    try:
        with suppress(StreamClosedError):
            _serving(name, phone, reboot)(stream)
    finally:
        stream.close()


def _serving(name: str, phone: Phone, reboot: Callable[[], None]) -> Callable[[Stream], None]:
    if (request := read_request(name)) is not None:
        return partial(serve_shell if request.terminal is None else serve_terminal, phone, request)
    if (port := read_port(name)) is not None:
        return partial(serve_port, port)
    if name == "sync:":
        return partial(serve_sync, phone)
    if name == "reboot:":
        return partial(_reboot, reboot)
    if name in _SAID:
        return partial(_say, _SAID[name])
    return _refuse


def _say(text: str, stream: Stream) -> None:
    stream.accept()
    stream.write(text.encode())


def _reboot(reboot: Callable[[], None], stream: Stream) -> None:
    stream.accept()
    stream.close()
    reboot()


def _refuse(stream: Stream) -> None:
    """Leave the stream unaccepted: closing it says no."""
    del stream
