from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from profiler.android import identity
from profiler.android.adb import AdbServer, Transport
from profiler.android.identity import find_again, find_phones, survey
from profiler.android.lookup import PhoneLook, read_look
from profiler.errors import (
    AdbServerError,
    DeviceGoneError,
    DeviceNotFoundError,
    DeviceNotReadyError,
    NoPhoneError,
)
from tests.profiler.android.conftest import VirtualPhone
from tests.profiler.android.fake_phone import battery

LOOK = PhoneLook(
    serialno="0123456789ABCDEF",
    model="X 100",
    boot_id="boot-1",
    abis=("arm64-v8a",),
    api_level=30,
    android_version="11",
    is_virtual=False,
    battery_percent=50.0,
    temperature_c=25.0,
    is_charging=True,
    holder="",
)


class Bench:
    """An adb server whose phones are said by the test; takes what its ways lead to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ways: list[tuple[Transport, PhoneLook]] = []
        self.connects_to: dict[str, PhoneLook] = {}
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "1")
        monkeypatch.setattr(AdbServer, "transports", lambda _: tuple(way for way, _ in self.ways))
        monkeypatch.setattr(AdbServer, "connect", lambda _, address: self._connect(address))
        original = identity._look_at
        monkeypatch.setattr(
            identity, "_look_at", lambda way, script: self._looks().get(way.serial) or original(way, script)
        )

    def _looks(self) -> Mapping[str, PhoneLook]:
        return {way.serial: look for way, look in self.ways if way.state == "device"}

    def _connect(self, address: str) -> None:
        if address not in self.connects_to:
            raise DeviceGoneError(f"{address} cannot be connected.")
        self.add(address, look=self.connects_to[address])

    def add(self, serial: str, *, path: str = "", state: str = "device", look: PhoneLook = LOOK) -> None:
        server = AdbServer(port=1)
        self.ways.append((Transport(server=server, serial=serial, state=state, path=path, number=1), look))

    def remove(self, serial: str) -> None:
        self.ways = [(way, look) for way, look in self.ways if way.serial != serial]


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def names() -> list[str]:
    return sorted(phone.name for phone in survey([AdbServer(port=1)]).phones)


def test_a_phone_on_cable_and_wifi_is_one_phone_and_the_cable_is_used(bench: Bench):
    bench.add("10.0.0.2:5555")
    bench.add("0123456789ABCDEF", path="usb:1-2")

    (phone,) = find_phones(None)

    assert phone.name == "X-100-0123456789ABCDEF"
    assert [way.serial for way in phone.transports] == ["0123456789ABCDEF", "10.0.0.2:5555"]


def test_two_phones_with_one_serial_number_are_told_apart_by_their_place(bench: Bench):
    bench.add("0123456789ABCDEF", path="usb:1-2")
    bench.add("10.0.0.2:5555", look=replace(LOOK, boot_id="boot-2"))

    assert names() == ["X-100-0123456789ABCDEF-10.0.0.2-5555", "X-100-0123456789ABCDEF-usb-1-2"]


def test_a_serial_number_that_fits_two_phones_is_no_answer(bench: Bench):
    bench.add("A", path="usb:1-2")
    bench.add("B", path="usb:1-3", look=replace(LOOK, boot_id="boot-2"))

    with pytest.raises(DeviceNotFoundError, match="usb-1-2, X-100-0123456789ABCDEF-usb-1-3"):
        find_phones(["0123456789ABCDEF"])


@pytest.mark.parametrize("word", ["A", "0123456789ABCDEF", "X-100-0123456789ABCDEF"])
def test_a_phone_is_found_by_adbs_serial_its_own_and_its_name(bench: Bench, word: str):
    bench.add("A", path="usb:1-2")

    assert [phone.transport.serial for phone in find_phones([word, word])] == ["A"]


def test_an_address_that_is_not_connected_is_connected(bench: Bench):
    bench.connects_to["10.0.0.2:5555"] = LOOK

    (phone,) = find_phones(["10.0.0.2:5555"])

    assert phone.transport.serial == "10.0.0.2:5555"


def test_a_phone_that_cannot_be_used_says_why_only_when_it_is_meant(bench: Bench):
    bench.add("A")
    bench.add("B", state="unauthorized")

    with pytest.raises(DeviceNotReadyError, match=r"Device B is unauthorized\. Unlock it"):
        find_phones(["B"])
    assert [phone.transport.serial for phone in find_phones(None)] == ["A"]


@pytest.mark.usefixtures("bench")
def test_without_any_phone_one_line_says_what_to_check():
    with pytest.raises(NoPhoneError, match="USB debugging"):
        find_phones(None)


def test_a_phones_name_stays_in_its_folder(bench: Bench):
    bench.add("A", look=replace(LOOK, model="../../etc", serialno="a/b\x1b[2J"))
    bench.add("B", look=replace(LOOK, model="手机", serialno=""))

    assert names() == ["B", "etc-a-b-2J"]


def test_a_phone_that_comes_back_with_another_boot_on_another_wire_is_the_same(bench: Bench):
    bench.add("A", path="usb:1-2")
    (phone,) = find_phones(None)
    bench.remove("A")
    bench.add("10.0.0.7:5555", look=replace(LOOK, boot_id="boot-9"))

    again = find_again(phone)

    assert (again.name, again.transport.serial) == (phone.name, "10.0.0.7:5555")


def test_a_twin_is_not_taken_for_a_phone_that_is_away(bench: Bench):
    bench.add("A", path="usb:1-2")
    bench.add("B", path="usb:1-3", look=replace(LOOK, boot_id="boot-2"))
    first, _ = sorted(find_phones(None), key=lambda phone: phone.name)
    bench.remove("A")

    with pytest.raises(DeviceGoneError, match="is not there"):
        find_again(first)


def test_a_twin_that_restarts_is_known_by_its_place(bench: Bench):
    bench.add("A", path="usb:1-2")
    bench.add("B", path="usb:1-3", look=replace(LOOK, boot_id="boot-2"))
    first, _ = sorted(find_phones(None), key=lambda phone: phone.name)
    bench.remove("A")
    bench.add("A", path="usb:1-2", look=replace(LOOK, boot_id="boot-9"))

    assert find_again(first).name == first.name


def test_a_wifi_phone_that_its_server_forgot_is_connected_again(bench: Bench):
    bench.connects_to["10.0.0.2:5555"] = LOOK
    (phone,) = find_phones(["10.0.0.2:5555"])
    bench.remove("10.0.0.2:5555")

    assert find_again(phone).transport.serial == "10.0.0.2:5555"


def test_a_silent_server_is_an_error_when_its_phones_are_wanted(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    def silent(server: AdbServer) -> tuple[Transport, ...]:
        if server.host == "bench-2":
            raise AdbServerError("No adb server at bench-2:5037.")
        return tuple(way for way, _ in bench.ways)

    bench.add("A")
    monkeypatch.setattr(AdbServer, "transports", silent)

    seen = survey([AdbServer(port=1), AdbServer(host="bench-2")])
    assert ([phone.transport.serial for phone in seen.phones], len(seen.silent)) == (["A"], 1)
    with pytest.raises(AdbServerError, match="bench-2"):
        find_phones(None, servers=["bench-2"])


def test_a_look_is_read_with_battery_lock_and_tamed_texts():
    text = (
        "ro.serialno=R58\nro.product.model=Pix\x1bel\nro.product.cpu.abilist=arm64-v8a,armeabi-v7a\n"
        "ro.product.cpu.abi=arm64-v8a\nro.build.version.sdk=30\nro.build.version.release=11\nro.autocomet.virtual=\n"
        "uptime=120.50\n/proc/sys/kernel/random/boot_id=b\n/data/local/tmp/autocomet/beat=100\n"
        "/data/local/tmp/autocomet/lock/owner=me@here:1:c\n/data/local/tmp/autocomet/lock/boot_id=b\n"
        "/data/local/tmp/autocomet/lock/delay=600\n" + battery(level=42, temperature_dc=305)
    )

    assert read_look(text) == PhoneLook(
        serialno="R58",
        model="Pix\\x1bel",
        boot_id="b",
        abis=("arm64-v8a", "armeabi-v7a"),
        api_level=30,
        android_version="11",
        is_virtual=False,
        battery_percent=42.0,
        temperature_c=30.5,
        is_charging=True,
        holder="me@here:1:c",
    )


@pytest.mark.parametrize(("beat", "boot"), [("0", "b"), ("100", "other"), ("900", "b"), ("x", "b")])
def test_a_lock_without_a_late_sign_of_life_holds_nobody_off(beat: str, boot: str):
    text = (
        f"uptime=700.0\n/proc/sys/kernel/random/boot_id=b\n/data/local/tmp/autocomet/beat={beat}\n"
        f"/data/local/tmp/autocomet/lock/owner=me\n/data/local/tmp/autocomet/lock/boot_id={boot}\n"
        "/data/local/tmp/autocomet/lock/delay=600\n"
    )

    assert read_look(text).holder == ""


def test_a_virtual_phone_on_two_wires_is_one_phone(virtual: VirtualPhone):
    port = virtual.address.rpartition(":")[2]

    (phone,) = find_phones([virtual.address, f"localhost:{port}"])

    assert {way.serial for way in phone.transports} == {virtual.address, f"localhost:{port}"}
    assert (phone.look.serialno, phone.look.is_virtual, phone.look.battery_percent) == ("V1", True, 65.0)
