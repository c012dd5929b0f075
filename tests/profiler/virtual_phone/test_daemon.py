from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from profiler.errors import VirtualPhoneError
from profiler.virtual_phone.daemon import Daemon, listen
from profiler.virtual_phone.faults import FaultName, parse_fault
from profiler.virtual_phone.protocol import AUTH_PUBLIC_KEY, AUTH_SIGNATURE, MAX_PAYLOAD, VERSION, Command

BANNER = (
    b"device::ro.product.name=folder;ro.product.model=Folder Phone;ro.product.device=folder;"
    b"features=shell_v2,cmd,fixed_push_mkdir"
)


def test_a_host_is_greeted_with_what_the_phone_is(new_host) -> None:
    host = new_host()

    host.send(Command.CONNECT, VERSION, MAX_PAYLOAD, b"host::features=shell_v2")

    assert host.read() == (Command.CONNECT, VERSION, MAX_PAYLOAD, BANNER)


def test_only_a_host_of_an_old_version_gets_sums(new_host) -> None:
    sums = []
    for version in (VERSION - 1, VERSION):
        host = new_host()
        host.send(Command.CONNECT, version, MAX_PAYLOAD, b"host::")
        host.read()
        host.send(Command.OPEN, 1, 0, b"shell:printf ab")
        host.read()
        sums.append(host.wire.recv(26)[16:20])

    assert sums == [(97 + 98).to_bytes(4, "little"), bytes(4)]


def test_a_packet_is_never_longer_than_the_host_takes(new_host) -> None:
    host = new_host()
    host.send(Command.CONNECT, VERSION, 1000, b"host::")
    host.read()
    theirs = host.open("exec:head -c 2500 /dev/zero", stream=1)

    lengths = []
    while (packet := host.read())[0] is Command.WRITE:
        lengths.append(len(packet[3]))
        host.send(Command.OKAY, 1, theirs)

    assert (max(lengths), sum(lengths)) == (1000, 2500)


def test_a_stream_waits_for_the_okay_before_it_sends_more_or_closes(host) -> None:
    theirs = host.open("exec:printf done", stream=7)
    first = host.read()
    early = host.has_something_to_read(within_s=0.2)
    host.send(Command.OKAY, 7, theirs)

    assert (first, early) == ((Command.WRITE, theirs, 7, b"done"), False)
    assert host.read() == (Command.CLOSE, theirs, 7, b"")


def test_data_is_acknowledged_when_the_command_has_room_for_it(host) -> None:
    theirs = host.open("exec:sleep 0.5; cat >got; sleep 5", stream=1)
    piece = bytes(MAX_PAYLOAD)
    host.send(Command.WRITE, 1, theirs, piece)
    taken = host.read()
    host.send(Command.WRITE, 1, theirs, piece)
    early = host.has_something_to_read(within_s=0.1)

    assert (taken, early) == ((Command.OKAY, theirs, 1, b""), False)
    assert host.read() == (Command.OKAY, theirs, 1, b"")


def test_a_host_that_never_waits_for_an_okay_is_hung_up_on(host) -> None:
    theirs = host.open("exec:sleep 5", stream=1)

    with suppress(ConnectionError):
        for _ in range(8):
            host.send(Command.WRITE, 1, theirs, bytes(1 << 17))

    assert host.was_hung_up_on()


def test_streams_of_one_host_are_served_side_by_side(host) -> None:
    slow = host.open("exec:sleep 5", stream=1)
    quick = host.open("exec:printf quick", stream=2)

    assert slow != quick
    assert host.read() == (Command.WRITE, quick, 2, b"quick")


@pytest.mark.parametrize(
    "service", ["framebuffer:", "jdwp", "tcp:1", "tcp:80:example.org", "localabstract:x", "reboot:bootloader"]
)
def test_a_service_that_the_phone_does_not_have_is_refused(host, service: str) -> None:
    host.send(Command.OPEN, 3, 0, service.encode())

    assert host.read() == (Command.CLOSE, 0, 3, b"")


def test_the_hosts_close_is_answered_once(host) -> None:
    theirs = host.open("exec:cat", stream=1)

    host.send(Command.CLOSE, 1, theirs)
    host.send(Command.CLOSE, 1, theirs)

    assert host.read() == (Command.CLOSE, theirs, 1, b"")
    assert not host.has_something_to_read(within_s=0.2)


def test_root_is_refused_in_the_words_of_a_phone_as_it_is_sold(host) -> None:
    host.open("root:", stream=1)

    assert host.read()[3] == b"adbd cannot run as root in production builds\n"


def test_bytes_that_are_no_packet_end_the_connection_and_nobody_elses(host, new_host) -> None:
    stranger = new_host()

    stranger.wire.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")

    assert stranger.was_hung_up_on()
    assert host.open("exec:true", stream=1)


def test_a_phone_that_is_offline_says_nothing(daemon, new_host) -> None:
    daemon.order(parse_fault("offline"))
    host = new_host()

    host.send(Command.CONNECT, VERSION, MAX_PAYLOAD, b"host::")

    assert not host.has_something_to_read(within_s=0.2)


def test_no_key_opens_a_phone_that_is_unauthorized_and_a_public_key_waits_for_somebody_to_allow_it(
    daemon, new_host
) -> None:
    daemon.order(parse_fault("unauthorized"))
    host = new_host()

    asked = []
    host.send(Command.CONNECT, VERSION, MAX_PAYLOAD, b"host::")
    asked.append(host.read())
    host.send(Command.AUTH, AUTH_SIGNATURE, 0, bytes(256))
    asked.append(host.read())
    host.send(Command.AUTH, AUTH_PUBLIC_KEY, 0, b"key\0")

    assert [(packet[:3], len(packet[3])) for packet in asked] == [((Command.AUTH, 1, 0), 20)] * 2
    assert asked[0] != asked[1]
    assert not host.has_something_to_read(within_s=0.2)


def test_a_phone_in_recovery_says_so_and_runs_nothing(daemon, new_host) -> None:
    daemon.order(parse_fault("recovery"))
    host = new_host()

    host.send(Command.CONNECT, VERSION, MAX_PAYLOAD, b"host::")
    greeting = host.read()
    host.send(Command.OPEN, 3, 0, b"shell:true")

    assert greeting[3] == BANNER.replace(b"device::", b"recovery::")
    assert host.read() == (Command.CLOSE, 0, 3, b"")


def test_a_cable_is_pulled_after_exactly_the_bytes_ordered_and_plugged_in_again(daemon, host, new_host) -> None:
    theirs = host.open("exec:sleep 0.3; head -c 100000 /dev/zero", stream=1)
    daemon.order(parse_fault("gone=1000:0.3"))

    received = b""
    while data := host.wire.recv(1 << 16):
        received += data
    refused = new_host().wire.recv(1)
    time.sleep(0.4)

    assert (len(received), refused) == (1000, b"")
    assert daemon.faults == ()
    assert new_host().connect().open("exec:true", stream=1) == theirs


def test_gone_after_no_bytes_is_gone_now(daemon, host) -> None:
    daemon.order(parse_fault("gone=0"))

    assert host.wire.recv(1) == b""


def test_a_reboot_cuts_off_every_host_and_the_phone_is_back_when_the_order_is_done(
    daemon, phone, host, new_host
) -> None:
    host.open("exec:sleep 100", stream=1)

    daemon.order(parse_fault("reboot"))

    assert (host.wire.recv(1), phone.boots) == (b"", 2)
    assert new_host().connect().open("exec:true", stream=1)


def test_a_host_can_reboot_the_phone(phone, host) -> None:
    theirs = host.open("reboot:", stream=1)
    ended, cut = host.read(), host.was_hung_up_on()
    deadline = time.monotonic() + 10
    while phone.boots < 2 and time.monotonic() < deadline:
        time.sleep(0.01)

    assert (ended, cut, phone.boots) == ((Command.CLOSE, theirs, 1, b""), True, 2)


def test_faults_of_the_phone_are_passed_on_and_listed_until_they_are_cleared(daemon, phone) -> None:
    daemon.order(parse_fault("throttle=0.5"))
    daemon.order(parse_fault("storage-full"))
    daemon.order(parse_fault("recovery"))
    listed = [str(fault) for fault in daemon.faults]
    daemon.clear(FaultName.THROTTLE)
    daemon.clear(FaultName.RECOVERY)

    assert listed == ["recovery", "throttle=0.5", "storage-full"]
    assert ([str(fault) for fault in daemon.faults], phone.injected) == (["storage-full"], ["storage-full"])


def test_a_port_in_use_is_told_in_one_line() -> None:
    with listen(0) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(
            VirtualPhoneError, match=f"Port {port} cannot be had: Address already in use. Choose another."
        ):
            listen(port)


def test_only_this_machine_can_reach_the_phone(daemon) -> None:
    assert daemon.address.startswith("127.0.0.1:")


def test_nothing_is_left_when_the_phone_is_switched_off(phone, new_host, daemon) -> None:
    busy = [new_host().connect() for _ in range(3)]
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        for host in busy:
            host.open("shell:trap '' HUP; sleep 100", stream=1)
            host.open(f"tcp:{elsewhere.getsockname()[1]}", stream=2)
            host.open("exec:yes", stream=3)
        pids = [process.pid for process in phone.processes]

        daemon.stop()

    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("adb-")] == []
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []


def test_the_phone_is_on_only_while_the_daemon_runs(phone) -> None:
    with Daemon(phone, listen(0)):
        phone.spawn("true").communicate()

    with pytest.raises(OSError, match="off"):
        phone.spawn("true")


def test_a_forwarded_port_carries_both_ways_and_ends_with_the_other_side(host) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        theirs = host.open(f"tcp:{server.getsockname()[1]}", stream=1)
        peer, _ = server.accept()
    with peer:
        peer.sendall(b"from the phone")
        got = host.read()
        host.send(Command.OKAY, 1, theirs)
        host.send(Command.WRITE, 1, theirs, b"from the host")
        taken = host.read()
        sent = peer.recv(100)

    assert (got, taken, sent) == (
        (Command.WRITE, theirs, 1, b"from the phone"), (Command.OKAY, theirs, 1, b""), b"from the host",
    )  # fmt: skip
    assert host.read() == (Command.CLOSE, theirs, 1, b"")


def test_the_real_adb_lists_the_phone_with_its_state(adb_server, daemon, address) -> None:
    def state_when(wanted: str) -> str:
        for _ in range(100):
            states = adb_server("devices").stdout.decode().split()
            state = states[states.index(address) + 1]
            if state == wanted:
                break
            time.sleep(0.1)
        return state

    adb_server("connect", address)
    seen = [state_when("device")]
    for fault in ("offline", "unauthorized", "recovery"):
        daemon.order(parse_fault(fault))
        seen.append(state_when(fault))
        daemon.clear(FaultName(fault))
    seen.append(state_when("device"))
    adb_server("disconnect", address)

    assert seen == ["device", "offline", "unauthorized", "recovery", "device"]


def test_the_real_adb_connects_and_disconnects_again_and_again(adb_server, address) -> None:
    for _ in range(10):
        connected = adb_server("connect", address).stdout
        told = adb_server("-s", address, "shell", "echo here").stdout
        adb_server("disconnect", address)

        assert (connected, told) == (f"connected to {address}\n".encode(), b"here\n")


def test_the_real_adb_forwards_a_port(adb) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        forwarded = int(adb("forward", "tcp:0", f"tcp:{server.getsockname()[1]}").stdout)
        with socket.create_connection(("127.0.0.1", forwarded), timeout=10) as client:
            peer, _ = server.accept()
            with peer:
                client.sendall(b"ping")
                asked = peer.recv(10)
                peer.sendall(b"pong")
                answered = client.recv(10)
    adb("forward", "--remove-all")

    assert (asked, answered) == (b"ping", b"pong")
