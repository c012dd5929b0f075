from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from profiler.android.adb import AdbServer, Transport, local_server, parse_server, parse_transports
from profiler.android.states import explain_state, state_word
from profiler.errors import AdbServerError, DeviceGoneError, DeviceNotReadyError

SERVER = AdbServer(host="bench-2", port=5037)

LISTING = """\
R58M123ABC             device usb:1-2 product:beyond1 model:SM_G973F device:beyond1 transport_id:7
192.168.1.20:5555      offline product:raven model:Pixel_6_Pro device:raven transport_id:9
????????????           no permissions (user in plugdev group; are your udev rules wrong?); see [http://developer.android.com/tools/device.html] usb:3-1 transport_id:3
emulator-5554          unauthorized transport_id:1
0123456789ABCDEF\tdevice
"""


def way(serial: str, state: str, number: int | None = None, path: str = "") -> Transport:
    return Transport(server=SERVER, serial=serial, state=state, number=number, path=path)


def test_a_servers_list_is_read_with_states_that_are_sentences():
    sentence = (
        "no permissions (user in plugdev group; are your udev rules wrong?); "
        "see [http://developer.android.com/tools/device.html]"
    )

    assert parse_transports(LISTING, SERVER) == (
        way("R58M123ABC", "device", 7, "usb:1-2"),
        way("192.168.1.20:5555", "offline", 9),
        way("????????????", sentence, 3, "usb:3-1"),
        way("emulator-5554", "unauthorized", 1),
        way("0123456789ABCDEF", "device"),
    )


@pytest.mark.parametrize(("serial", "path", "wired"), [("R58", "usb:1-2", True), ("10.0.0.2:5555", "", False)])
def test_a_phone_without_a_cable_needs_its_wifi(serial: str, path: str, wired: bool):
    assert way(serial, "device", path=path).is_wired is wired


@pytest.mark.parametrize(
    "state",
    ["unauthorized", "offline", "recovery", "no permissions (missing udev rules?)", "bootloader", "sideload", "rescue"],
)
def test_every_state_has_a_next_step_of_its_own(state: str):
    words, step = explain_state(state, "S1")

    assert state_word(state) in words
    assert "devices -l" not in step


def test_a_state_that_nobody_knows_is_passed_on():
    assert explain_state("asleep", "S1", adb="/x/adb") == ("'asleep'", "See what '/x/adb devices -l' says of it.")


@pytest.mark.parametrize(
    ("text", "server"),
    [("bench-2", SERVER), ("bench-2:5037", SERVER), ("[::1]:99", AdbServer(host="::1", port=99))],
)
def test_a_server_is_read_from_host_and_port(text: str, server: AdbServer):
    assert parse_server(text) == server


@pytest.mark.parametrize("text", ["", ":5037", "bench:x", "bench:0", "bench:65536"])
def test_what_is_no_server_is_refused(text: str):
    with pytest.raises(AdbServerError, match="no adb server"):
        parse_server(text)


def test_adbs_own_variables_name_the_local_server(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "5099")

    assert local_server() == AdbServer(host="127.0.0.1", port=5099)


def test_a_server_on_another_host_is_never_started_from_here():
    with pytest.raises(AdbServerError, match="Start one there"):
        AdbServer(host="127.0.0.2", port=1).transports()


@contextmanager
def server_that_answers(*answers: bytes) -> Iterator[AdbServer]:
    """An adb server that answers every connection's first request with the next of these."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for answer in answers:
                request = b""
                while not request:  # a connection that says nothing only asks whether the server is there
                    connection, _ = listener.accept()
                    with connection:
                        if request := connection.recv(4096):
                            connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield AdbServer(port=listener.getsockname()[1])
        thread.join(10)


def test_a_phone_whose_adb_cannot_tell_how_commands_end_is_too_old():
    with server_that_answers(b"OKAY0003cmd") as server:
        old = Transport(server=server, serial="S1", state="device", number=4)

        with pytest.raises(DeviceNotReadyError, match="Device S1 is too old"):
            old.require_shell_v2()


def test_a_transport_that_the_server_has_lost_is_a_phone_that_is_gone():
    with server_that_answers(b"FAIL001eno device with transport id 4") as server:
        lost = Transport(server=server, serial="S1", state="device", number=4)

        with pytest.raises(DeviceGoneError, match=r"S1 cannot be reached\..*no device with transport id"):
            lost.shell(["ls"])


def test_an_address_that_cannot_be_connected_says_what_to_check():
    refusal = b"OKAY0021failed to connect to 10.0.0.9:5555"

    with (
        server_that_answers(refusal) as server,
        pytest.raises(DeviceGoneError, match=r"10\.0\.0\.9:5555 cannot be connected"),
    ):
        server.connect("10.0.0.9:5555")
