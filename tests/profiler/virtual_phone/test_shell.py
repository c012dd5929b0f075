from __future__ import annotations

import os
import struct
import time

import pytest

from profiler.virtual_phone.protocol import Command
from profiler.virtual_phone.shell_protocol import ShellRequest, read_request


@pytest.mark.parametrize(
    ("service", "request_"),
    [
        ("shell:ls", ShellRequest(command="ls", packets=False, hang_up=True)),
        ("shell:", ShellRequest(command=None, packets=False, hang_up=True)),
        ("exec:a:b", ShellRequest(command="a:b", packets=False, hang_up=False)),
        ("shell,v2,TERM=xterm-256color,raw:ls", ShellRequest(command="ls", packets=True, hang_up=True)),
        ("shell,v2,raw:export X=1; exec logcat", ShellRequest(command="export X=1; exec logcat", packets=True, hang_up=True)),
        (
            "shell,v2,TERM=xterm-256color,pty:",
            ShellRequest(command=None, packets=True, hang_up=True, terminal="xterm-256color"),
        ),
        ("shellfish:ls", None),
        ("sync:", None),
    ],
)  # fmt: skip
def test_a_service_says_what_to_run_and_how(service: str, request_: ShellRequest | None) -> None:
    assert read_request(service) == request_


def test_the_exit_code_and_both_outputs_survive(adb) -> None:
    done = adb("shell", "echo out; echo err >&2; exit 7")

    assert (done.returncode, done.stdout, done.stderr) == (7, b"out\n", b"err\n")


def test_a_command_that_a_signal_ended_counts_from_128(adb) -> None:
    assert adb("shell", "kill -SEGV $$").returncode == 128 + 11


def test_a_command_reads_its_input_to_the_end(adb) -> None:
    data = os.urandom(3_000_000)

    done = adb("shell", "cat; echo end >&2", given=data)

    assert (done.stdout == data, done.stderr) == (True, b"end\n")


def test_exec_out_is_clean_to_the_last_bit(adb, phone) -> None:
    data = bytes(range(256)) * 5000
    (phone.root / "data/all").write_bytes(data)

    assert adb("exec-out", "cat data/all").stdout == data


def test_exec_in_is_taken_to_the_end_after_the_host_has_gone(adb, phone) -> None:
    data = os.urandom(3_000_000)

    adb("exec-in", "cat > data/part; mv data/part data/whole", given=data)
    whole = phone.root / "data/whole"
    for _ in range(100):
        if whole.exists():
            break
        time.sleep(0.05)

    assert whole.read_bytes() == data


def test_the_last_packet_of_a_client_that_has_gone_may_come_before_the_okay(host, phone) -> None:
    theirs = host.open("exec:sleep 0.2; cat > data/part", stream=1)

    for piece in (bytes(200_000), bytes(200_000), b"end"):
        host.send(Command.WRITE, 1, theirs, piece)
    host.send(Command.CLOSE, 1, theirs)
    while host.read()[0] is not Command.CLOSE:
        pass
    phone.processes[0].wait(timeout=10)

    assert (phone.root / "data/part").read_bytes() == bytes(400_000) + b"end"


def test_logcat_is_a_command_of_the_phone(adb, phone) -> None:
    tool = phone.root / "logcat"
    tool.write_text('#!/bin/sh\necho "$@"\n')
    tool.chmod(0o755)

    assert adb("logcat", "-d", "-v", "threadtime").stdout == b"-d -v threadtime\n"


def test_a_command_gets_sighup_when_its_host_goes(host, phone) -> None:
    theirs = host.open("shell:trap 'echo over > data/over; exit' HUP; echo; sleep 100 & wait", stream=1)
    host.read()

    host.send(Command.CLOSE, 1, theirs)
    phone.processes[0].wait(timeout=10)

    assert (phone.root / "data/over").read_text() == "over\n"


def test_a_command_gets_sighup_when_the_wire_breaks_and_it_does_not_read_its_input(host, phone) -> None:
    theirs = host.open("shell:echo; sleep 100", stream=1)
    host.read()
    host.send(Command.WRITE, 1, theirs, bytes(1 << 20))

    host.wire.close()

    assert phone.processes[0].wait(timeout=10) == -1


def test_a_detached_process_outlives_its_host(host, phone) -> None:
    detached = "echo; exec >/dev/null 2>&1; sleep 0.5; echo alive > data/alive"
    theirs = host.open(f"shell:setsid sh -c '{detached}' & wait", stream=1)
    host.read()

    host.send(Command.CLOSE, 1, theirs)
    ended = phone.processes[0].wait(timeout=10)
    time.sleep(1.0)

    assert (ended, (phone.root / "data/alive").read_text()) == (-1, "alive\n")


def test_the_shell_protocol_goes_packet_by_packet(host) -> None:
    theirs = host.open("shell,v2,raw:read line; echo got $line; cat >&2", stream=1)

    window, line, end = struct.pack("<BI", 5, 4) + b"24x8", struct.pack("<BI", 0, 3) + b"ab\n", struct.pack("<BI", 4, 0)
    host.send(Command.WRITE, 1, theirs, window + line + end)
    said = []
    while (packet := host.read())[0] is not Command.CLOSE:
        if packet[0] is Command.WRITE:
            said.append(packet[3])
            host.send(Command.OKAY, 1, theirs)

    assert said == [struct.pack("<BI", 1, 7) + b"got ab\n", struct.pack("<BI", 3, 1) + b"\0"]


def test_a_shell_without_a_command_reads_its_commands(host) -> None:
    theirs = host.open("shell:", stream=1)

    host.send(Command.WRITE, 1, theirs, b"echo $((6 * 7)); exit\n")

    assert [host.read()[0], host.read()[3]] == [Command.OKAY, b"42\n"]


def test_a_phone_that_is_off_refuses_the_shell(phone, host) -> None:
    phone.shutdown()

    host.send(Command.OPEN, 1, 0, b"shell:true")

    assert host.read() == (Command.CLOSE, 0, 1, b"")


def test_adbutils_runs_commands(adb_server, address) -> None:
    from adbutils import AdbClient

    client = AdbClient(host="127.0.0.1", port=adb_server.server_port)
    client.connect(address)
    device = client.device(address)
    plain = device.shell("echo plain")
    second = device.shell2("echo out; echo err >&2; exit 3", v2=True)
    client.disconnect(address)

    assert (plain, second.returncode, second.stdout, second.stderr) == ("plain", 3, "out\n", "err\n")
