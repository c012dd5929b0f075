from __future__ import annotations

import socket

import pytest

from profiler.virtual_phone.protocol import MAX_PAYLOAD, Command, Packet, ProtocolError, read_packet

OPEN_SYNC = bytes.fromhex("4f50454e 05000000 00000000 06000000 f7010000 b0afbab1") + b"sync:\0"
"""OPEN of ``sync:`` as stream 5, by hand from protocol.txt: the sum is 115+121+110+99+58 = 503 = 0x1f7."""


def test_a_packet_is_written_as_protocol_txt_says() -> None:
    packet = Packet(command=Command.OPEN, first=5, second=0, payload=b"sync:\0")

    assert packet.encoded(summed=True) == OPEN_SYNC


def test_the_sum_is_left_out_where_nobody_checks_it() -> None:
    packet = Packet(command=Command.OKAY, first=1, second=2, payload=b"\xff")

    assert packet.encoded(summed=False)[16:20] == bytes(4)


def test_packets_are_read_one_after_the_other_whatever_the_pieces_they_come_in() -> None:
    here, there = socket.socketpair()
    with here, there:
        for byte in OPEN_SYNC:
            there.send(bytes([byte]))
        there.sendall(OPEN_SYNC)
        there.close()
        read = [read_packet(here) for _ in range(3)]

    opened = Packet(command=Command.OPEN, first=5, second=0, payload=b"sync:\0")
    assert read == [opened, opened, None]


@pytest.mark.parametrize(
    ("sent", "complaint"),
    [
        (b"GET / HTTP/1.1\r\nHost: phone\r\n", "no adb packet"),
        (OPEN_SYNC[:-1], "hung up after 5 of 6 bytes"),
        (OPEN_SYNC[:24], "broke off"),
        (OPEN_SYNC[:12] + (MAX_PAYLOAD + 1).to_bytes(4, "little") + OPEN_SYNC[16:], "longer than"),
    ],
)
def test_bytes_that_are_no_packet_are_reported(sent: bytes, complaint: str) -> None:
    here, there = socket.socketpair()
    with here, there:
        there.sendall(sent)
        there.close()

        with pytest.raises(ProtocolError, match=complaint):
            read_packet(here)
