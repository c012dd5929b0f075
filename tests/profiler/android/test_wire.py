"""Shell and sync, spoken to a phone that answers from a script."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import PurePosixPath

import pytest

from profiler.android.wire import ShellStream, Sync
from profiler.errors import DeviceGoneError, StorageFullError, TransferError

REMOTE = PurePosixPath("/data/local/tmp/file")


@contextmanager
def wire(serve: Callable[[socket.socket], object]) -> Iterator[socket.socket]:
    """Connect to a phone whose side is a function."""
    ours, theirs = socket.socketpair()

    def serve_until_hung_up() -> None:
        with suppress(BrokenPipeError):
            serve(theirs)

    thread = threading.Thread(target=serve_until_hung_up)
    thread.start()
    with ours, theirs:
        yield ours
        ours.close()
        thread.join(5)


def read(connection: socket.socket, count: int) -> bytes:
    return connection.recv(count, socket.MSG_WAITALL)


def accept(connection: socket.socket) -> str:
    service = read(connection, int(read(connection, 4), 16)).decode()
    connection.sendall(b"OKAY")
    return service


def packet(kind: int, data: bytes) -> bytes:
    return struct.pack("<BI", kind, len(data)) + data


def shell_of(*packets: bytes) -> Callable[[socket.socket], None]:
    def serve(connection: socket.socket) -> None:
        accept(connection)
        connection.sendall(b"".join(packets))
        connection.shutdown(socket.SHUT_WR)

    return serve


def run(connection: socket.socket) -> ShellStream:
    return ShellStream("S1", connection, ["ls"], timeout_s=5)


def test_lines_are_put_together_from_packets_and_the_end_is_known():
    with wire(shell_of(packet(1, b"one\r\ntw"), packet(2, b"oh"), packet(1, b"o\nlast"), packet(3, b"\x07"))) as phone:
        stream = run(phone)
        lines = list(stream)

    assert (lines, stream.exit_code, stream.stderr) == (["one", "two", "last"], 7, "oh")


def test_a_command_is_quoted_for_the_phones_shell():
    asked: list[str] = []

    def serve(connection: socket.socket) -> None:
        asked.append(accept(connection))
        asked.append("input closed" if read(connection, 5) == packet(4, b"") else "")
        connection.sendall(packet(3, b"\0"))

    with wire(serve) as phone:
        list(ShellStream("S1", phone, ["echo", "a b; reboot"], timeout_s=5))

    assert asked == ["shell,v2,raw:echo 'a b; reboot'", "input closed"]


def test_a_wire_that_breaks_before_the_end_is_told_from_an_end():
    with wire(shell_of(packet(1, b"one\n"))) as phone:
        lines = iter(run(phone))
        first = next(lines)

        with pytest.raises(DeviceGoneError, match="S1 went away"):
            next(lines)
    assert first == "one"


def test_a_service_that_is_refused_says_why():
    def serve(connection: socket.socket) -> None:
        read(connection, int(read(connection, 4), 16))
        connection.sendall(b"FAIL000ddevice\x1b[2J off")

    with wire(serve) as phone, pytest.raises(DeviceGoneError, match=r"S1 does not answer: device\\x1b\[2J of"):
        run(phone)


def test_silence_is_borne_while_the_phone_is_alive_and_no_longer():
    answers = iter([True, True, False])
    with wire(accept) as phone:
        stream = ShellStream("S1", phone, ["sleep"], timeout_s=0.05, is_alive=lambda: next(answers))

        with pytest.raises(DeviceGoneError, match="fallen silent"):
            list(stream)
    assert list(answers) == []


def test_a_packet_of_absurd_length_is_not_waited_for():
    with (
        wire(shell_of(struct.pack("<BI", 1, 1 << 31))) as phone,
        pytest.raises(DeviceGoneError, match="no shell packet"),
    ):
        list(run(phone))


def serve_sync(answer: bytes, size: int, *, taken: list[bytes] | None = None) -> Callable[[socket.socket], None]:
    """Take one file, block by block, give an answer, then tell a size."""

    def serve(connection: socket.socket) -> None:
        accept(connection)
        while (header := read(connection, 8))[:4] != b"DONE":
            block = read(connection, int.from_bytes(header[4:], "little"))
            if taken is not None and header[:4] == b"DATA":
                taken.append(block)
        connection.sendall(answer)
        read(connection, 8 + len(str(REMOTE)))
        connection.sendall(struct.pack("<4s3I", b"STAT", 0o100644, size, 0))

    return serve


def failure(reason: bytes) -> bytes:
    return struct.pack("<4sI", b"FAIL", len(reason)) + reason


OKAY = struct.pack("<4sI", b"OKAY", 0)


def test_a_file_larger_than_a_block_is_pushed_and_counted():
    taken: list[bytes] = []
    with wire(serve_sync(OKAY, 200_000, taken=taken)) as phone:
        Sync("S1", phone).push([b"x" * 150_000, b"y" * 50_000], REMOTE)

    assert b"".join(taken) == b"x" * 150_000 + b"y" * 50_000
    assert max(map(len, taken)) <= 64 * 1024


def test_a_file_that_arrives_in_part_is_an_error():
    with wire(serve_sync(OKAY, 2)) as phone, pytest.raises(TransferError, match="2 bytes there instead of 3"):
        Sync("S1", phone).push(b"abc", REMOTE)


def test_a_full_phone_is_told_from_one_that_refuses():
    full, refused = (
        failure(b"write failed: No space left on device"),
        failure(b"couldn't create file: Permission denied"),
    )
    with wire(serve_sync(full, 0)) as phone, pytest.raises(StorageFullError, match="S1 has no room for file"):
        Sync("S1", phone).push(b"abc", REMOTE)
    with wire(serve_sync(refused, 0)) as phone, pytest.raises(TransferError, match="Permission denied"):
        Sync("S1", phone).push(b"abc", REMOTE)


def test_a_file_is_pulled_block_by_block():
    def serve(connection: socket.socket) -> None:
        accept(connection)
        read(connection, 8 + len(str(REMOTE)))
        for block in (b"abc", b"de"):
            connection.sendall(struct.pack("<4sI", b"DATA", len(block)) + block)
        connection.sendall(struct.pack("<4sI", b"DONE", 0))

    with wire(serve) as phone:
        blocks = list(Sync("S1", phone).pull(REMOTE))

    assert blocks == [b"abc", b"de"]
