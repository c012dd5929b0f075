from __future__ import annotations

import os
import signal
import threading

import pytest

from profiler.virtual_phone.orders import ending_signals, obey, serve_orders


@pytest.mark.parametrize(
    ("order", "answer"),
    [
        ("fault throttle 0.5", "ok fault throttle=0.5"),
        ("fault recovery", "ok fault recovery"),
        ("clear recovery", "ok clear recovery"),
        ("faults", "ok faults"),
        ("quit", "ok quit"),
        ("fault throttle 7", "error Fault 'throttle 7' is not understood. It is written throttle=FACTOR: "),
        ("clear nothing", "error No fault 'nothing'. There are: offline, "),
        ("explode", "error No order 'explode'. There are: fault NAME [ARGUMENT], clear NAME, faults, services, quit."),
    ],
)
def test_an_order_is_answered_with_one_line(daemon, order: str, answer: str) -> None:
    assert obey(order, daemon).startswith(answer)


def test_orders_are_lines_whatever_the_pieces_they_come_in(daemon, phone) -> None:
    said: list[str] = []
    read, write = os.pipe()
    with ending_signals() as stopped:
        serving = threading.Thread(target=serve_orders, args=(read, daemon, said.append, stopped))
        serving.start()
        for piece in (b"fault charg", b"ing\n\nfault gone 9:1\nfau", b"lts\nclear gone\nfaults\nquit\nfault offline\n"):
            os.write(write, piece)
        serving.join(timeout=10)
    os.close(read)
    os.close(write)

    assert said == [
        "ok fault charging", "ok fault gone=9:1", "ok faults gone=9:1 charging", "ok clear gone", "ok faults charging", "ok quit",
    ]  # fmt: skip
    assert phone.injected == ["charging"]


@pytest.mark.parametrize("source", ["ended", "none"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_phone_goes_on_without_orders_until_a_signal_ends_it(daemon, source: str, number: signal.Signals) -> None:
    descriptor = os.open(os.devnull, os.O_RDONLY)
    with ending_signals() as stopped:
        later = threading.Timer(0.2, lambda: signal.raise_signal(number))
        later.start()
        serve_orders(descriptor if source == "ended" else None, daemon, pytest.fail, stopped)
        told = stopped.recv(16)
        later.join()
    os.close(descriptor)

    assert told == bytes([number])
