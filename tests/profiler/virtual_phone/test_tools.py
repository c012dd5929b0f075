from __future__ import annotations

from collections.abc import Iterator

import pytest

from profiler.virtual_phone.description import load_description
from profiler.virtual_phone.handset import Handset
from tests.profiler.virtual_phone.test_handset import pytestmark, run  # noqa: F401 - pytest reads the mark


@pytest.fixture(scope="module", params=["flagship", "low"])
def phone(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handset]:
    handset = Handset(load_description(request.param), tmp_path_factory.mktemp(request.param))
    handset.boot()
    yield handset
    handset.shutdown()


def sdk(phone: Handset) -> int:
    return int(phone.properties["ro.build.version.sdk"])


def test_settings_are_put_got_listed_and_deleted(phone: Handset):
    printed = run(
        phone,
        "settings get secure mine; settings put secure mine 'a b'; settings get secure mine; settings list secure | grep mine;"
        "settings delete secure mine; settings delete secure mine; settings get SECURE mine",
    )

    assert printed.split("\n") == ["null", "a b", "mine=a b", "Deleted 1 rows", "Deleted 0 rows", "null"]


@pytest.mark.parametrize(
    "wrong", ["settings get elsewhere a", "settings get global ../a", "settings put global a", "settings fetch"]
)
def test_settings_refuse_what_they_do_not_know(phone: Handset, wrong: str):
    assert run(phone, f"{wrong} >/dev/null 2>&1; echo $?") == "255"


def test_properties_that_are_read_only_stay_as_they_are(phone: Handset):
    printed = run(
        phone, "setprop ro.product.model other 2>/dev/null; echo $?; getprop ro.product.model; getprop none fallback"
    )

    assert printed.split("\n") == ["1", phone.properties["ro.product.model"], "fallback"]


def test_radios_remember_through_airplane_mode_what_they_were(phone: Handset):
    radios = "settings get global wifi_on; settings get global bluetooth_on; settings get global airplane_mode_on"
    printed = run(
        phone,
        f"cmd connectivity airplane-mode enable; {radios}; cmd connectivity airplane-mode disable; {radios};"
        f"svc wifi disable; settings get global wifi_on; svc wifi enable; settings get global wifi_on",
    ).split("\n")

    if sdk(phone) >= 30:
        assert printed == ["3", "2", "1", "1", "1", "0", "0", "1"]
    else:  # an Android this old has no such command, and says so twice
        assert printed == ["1", "1", "0", "1", "1", "0", "0", "1", *["No shell command implementation."] * 2]


def test_dumpsys_battery_is_in_the_form_of_android(phone: Handset):
    lines = run(phone, "dumpsys battery").split("\n")

    values = dict(line.strip().split(": ") for line in lines[1:])
    assert lines[0] == "Current Battery Service state:"
    assert (values["level"], values["scale"], values["status"], values["present"]) == ("65", "100", "3", "true")
    assert 3300 < int(values["voltage"]) < 4400
    assert 250 < int(values["temperature"]) < 350
    assert 0.6 < int(values["Charge counter"]) / 1000 / load_description(tier(phone)).battery.capacity_mah < 0.7


def test_a_cable_can_be_unplugged_in_words_alone(phone: Handset):
    printed = run(
        phone, "dumpsys battery unplug; dumpsys battery | sed -n 2p; cmd battery reset; dumpsys battery get level"
    )

    assert printed.split("\n") == ["(UPDATES STOPPED -- use 'reset' to restart)", "65"] or printed.split("\n") == [
        "  (UPDATES STOPPED -- use 'reset' to restart)".strip(),
        "65",
    ]


def test_services_come_and_go_with_androids_age(phone: Handset):
    thermal = run(phone, "dumpsys thermalservice; echo $?")
    performance = run(
        phone, "cmd power set-fixed-performance-mode-enabled true; echo $?; cmd power help | grep -c set-fixed"
    )
    rails = run(phone, "dumpsys android.hardware.power.stats.IPowerStats/default")

    if sdk(phone) >= 30:
        assert (
            "\nThermal Status: 0\nCached temperatures:\n\tTemperature{mValue=30.0, mType=3, mName=skin, mStatus=0}"
            in thermal
        )
        assert performance.split("\n") == ["0", "1"]
        assert "[S2M_VDD_CPUCL2]:CPU(BIG)" in rails
        assert rails.endswith("========== End of PowerStats HAL 2.0 energy meter ==========")
    else:
        assert thermal.split("\n") == ["0", "Can't find service: thermalservice"]
        assert performance.split("\n") == ["Unknown command: set-fixed-performance-mode-enabled", "255", "0"]
        assert rails == "Can't find service: android.hardware.power.stats.IPowerStats/default"


def test_an_unknown_service_is_androids_exit_code(phone: Handset):
    assert run(phone, "cmd nothing; echo $?").split("\n") == ["20", "cmd: Can't find service: nothing"]


def test_the_gpu_says_its_name(phone: Handset):
    assert run(phone, "dumpsys SurfaceFlinger").startswith("GLES: ")


def test_logcat_filters_by_tag_and_priority(phone: Handset):
    run(
        phone, "logcat -c; log -t One first; log -p w -t One second; log -p e -t 'B[.*/x' third; log -p d -t One fourth"
    )

    def messages(options: str) -> list[str]:
        return run(phone, f"logcat -d -v raw {options}").split("\n")[1:]

    assert messages("") == ["first", "second", "third", "fourth"]
    assert messages("-s One:W") == ["second"]
    assert messages("'*:W'") == ["second", "third"]
    assert messages("One:S") == ["third"]
    assert messages("-s 'B[.*/x'") == ["third"]
    assert messages("-t 1") == ["fourth"]


def test_logcat_has_the_formats_that_people_ask_for(phone: Handset):
    run(phone, "logcat -c; log -p e -t Tag 'a: b'")

    threadtime, brief, tag = (
        run(phone, f"logcat -d -v {form}").split("\n")[1] for form in ("threadtime", "brief", "tag")
    )

    assert threadtime.partition(" E ")[2] == "Tag     : a: b"
    assert brief.startswith("E/Tag     (")
    assert brief.endswith("): a: b")
    assert tag == "E/Tag     : a: b"
    assert run(phone, "logcat -d -v odd; echo $?").split("\n") == ["1", 'Invalid parameter "odd" to -v']


def test_logcat_follows_until_it_is_stopped(phone: Handset):
    run(phone, "logcat -c")
    follower = phone.spawn("exec logcat -v raw -s Mine")
    assert follower.stdout is not None
    follower.stdout.readline()
    run(phone, "log -t Other no; log -t Mine yes")

    line = follower.stdout.readline()
    run(phone, "kill $(pidof tail sed)")
    follower.communicate(timeout=60)

    assert line == b"yes\n"


def test_the_log_buffer_has_a_size_that_can_be_changed(phone: Handset):
    unit = "KiB" if sdk(phone) >= 30 else "Kb"
    sizes = run(phone, "logcat -g; logcat -G 8M; logcat -b main -g; logcat -G lots; echo $?").split("\n")

    assert [size.split(" (")[0].replace(" KiB", "KiB") for size in sizes[:2]] == [
        f"main: ring buffer is 256{unit}",
        f"main: ring buffer is 8192{unit}",
    ]
    assert sizes[2:] == ["1", "logcat: Invalid -G 'lots'"]


def test_a_screen_that_nobody_sees_takes_every_order(phone: Handset):
    assert run(
        phone, "input keyevent 224; wm dismiss-keyguard; wm size; am force-stop a; input dance 2>&1; echo $?"
    ).split("\n") == [
        "Physical size: 1080x2280",
        "Error: Unknown command: dance",
        "255",
    ]


def tier(phone: Handset) -> str:
    return phone.properties["ro.product.device"]
