"""The script that runs on the phone, run here by dash; by mksh and toybox, which are Android's, where they are installed."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.profiler.android.fake_phone import LOG_LINE, RUNNER, FakePhone, battery, make_phone

UPTIME = int(float(Path("/proc/uptime").read_text().split()[0]))
BOOT = Path("/proc/sys/kernel/random/boot_id").read_text().strip()


@pytest.fixture(params=["sh", "mksh"])
def phone(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FakePhone]:
    if shutil.which(request.param) is None:
        pytest.skip(f"no {request.param} here")
    tools = None
    if request.param == "mksh" and (toybox := shutil.which("toybox")):
        tools = tmp_path / "toybox"
        tools.mkdir()
        for name in subprocess.run([toybox], capture_output=True, text=True, check=True).stdout.split():
            (tools / name).symlink_to(toybox)
    made = make_phone(tmp_path / "phone", request.param, tools)
    yield made
    made.bench("clean")


def hold(phone: FakePhone, *, delay_s: int = 600) -> None:
    assert phone.bench("lock", "me", str(delay_s)).returncode == 0
    assert phone.bench("prepare").returncode == 0


def eventually(holds: object) -> bool:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if callable(holds) and holds():
            return True
        time.sleep(0.05)
    return False


def send_bundle(phone: FakePhone, **files: str) -> None:
    phone.workdir().mkdir(parents=True, exist_ok=True)
    with tarfile.open(phone.workdir() / "bundle.tar", "w", format=tarfile.USTAR_FORMAT) as bundle:
        for name, text in {"plan.txt": "plan", "gate.sh": "exit 0", **files}.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            bundle.addfile(member, io.BytesIO(text.encode()))
    runner = phone.root / "store" / "r" / "runner"
    runner.parent.mkdir(exist_ok=True)
    runner.write_text(f"#!{phone.home / 'bin' / 'sh'}{RUNNER}")
    runner.chmod(0o755)


def batch_words(phone: FakePhone, owner: str = "me") -> list[str]:
    return ["batch", str(phone.workdir()), str(phone.root / "store/r/runner"), "runtime.so", owner]


def packed(phone: FakePhone) -> list[str]:
    """Name the files that the phone offers."""
    with tarfile.open(phone.workdir() / "results.tar") as archive:
        return sorted(member.name for member in archive if member.isreg())


def test_a_phone_is_set_up_for_measuring_and_restored_to_what_it_was(phone: FakePhone):
    before = phone.state()

    hold(phone)
    during = phone.state()
    released = phone.bench("unlock", "me")

    assert during == {
        "airplane": "enabled",
        "fixed": "true",
        "global.animator_duration_scale": "0",
        "global.bluetooth_on": "0",
        "global.low_power": "0",
        "global.stay_on_while_plugged_in": "7",
        "global.transition_animation_scale": "0",
        "global.wifi_on": "0",
        "global.window_animation_scale": "0",
        "log": "8M",
        "system.screen_brightness": "60",
        "system.screen_brightness_mode": "0",
        "system.screen_off_timeout": "2147483647",
    }
    assert (released.returncode, released.stderr, phone.state()) == (0, "", before)
    assert not (phone.root / "lock").exists()


def test_a_phone_on_wifi_keeps_its_wifi(phone: FakePhone):
    phone.bench("prepare", "keep-wifi")

    assert (phone.state()["airplane"], phone.state()["global.wifi_on"]) == ("disabled", "1")


def test_setting_up_twice_keeps_the_first_originals(phone: FakePhone):
    before = phone.state()

    hold(phone)
    phone.bench("prepare")
    phone.bench("restore")

    assert phone.state() == before


def test_what_the_phone_refuses_to_change_is_said(phone: FakePhone):
    (phone.home / "refuses.screen_brightness").touch()

    told = phone.bench("prepare").stdout

    assert told == "refused system screen_brightness\n"


def test_a_journal_line_of_a_stranger_is_not_obeyed(phone: FakePhone):
    hold(phone)
    with (phone.root / "journal").open("a") as journal:
        journal.write("secure adb_enabled 0\n")

    phone.bench("restore")

    assert "secure.adb_enabled" not in phone.state()


def test_settings_that_cannot_be_restored_keep_the_journal_and_say_so(phone: FakePhone):
    hold(phone)
    (phone.home / "refuses.screen_off_timeout").touch()

    failed = phone.bench("restore")
    (phone.home / "refuses.screen_off_timeout").unlink()
    repeated = phone.bench("restore")

    assert (failed.returncode, failed.stderr) == (1, "could not be set back yet: system/screen_off_timeout\n")
    assert (repeated.returncode, (phone.root / "journal").exists()) == (0, False)


def test_the_next_contact_restores_what_a_reboot_interrupted(phone: FakePhone):
    before = phone.state()
    hold(phone)
    phone.write("lock/boot_id", "another boot")

    told = phone.bench("contact").stdout.splitlines()

    assert told == ["restored", "lock stale me", "store b bench.sh"]
    assert phone.state() == before


def test_a_contact_during_a_measurement_changes_nothing(phone: FakePhone):
    hold(phone)
    during = phone.state()

    told = phone.bench("contact").stdout.splitlines()

    assert (told[0], phone.state()) == ("lock fresh me", during)


def test_a_second_owner_is_told_who_has_the_phone(phone: FakePhone):
    phone.bench("lock", "one@here:1:c", "600")

    refused = phone.bench("lock", "two@there:2:c", "600")

    assert (refused.returncode, refused.stdout) == (75, "one@here:1:c\n")


@pytest.mark.parametrize(
    "stale",
    [{"lock/boot_id": "another boot"}, {"beat": str(max(0, UPTIME - 700))}, {"beat": str(UPTIME + 5000)}],
    ids=["of another boot", "silent for too long", "of a future"],
)
def test_a_stale_lock_is_taken_over(phone: FakePhone, stale: dict[str, str]):
    phone.bench("lock", "gone", "600")
    for name, text in stale.items():
        phone.write(name, text)

    taken = phone.bench("lock", "me", "600")

    assert (taken.returncode, (phone.root / "lock/owner").read_text()) == (0, "me\n")


def test_a_lock_is_taken_from_an_owner_who_is_named_as_dead(phone: FakePhone):
    phone.bench("lock", "dead", "600")

    taken = phone.bench("lock", "me", "600", "dead")

    assert (taken.returncode, (phone.root / "lock/owner").read_text()) == (0, "me\n")


def test_who_has_lost_the_lock_leaves_the_settings_to_the_new_owner(phone: FakePhone):
    hold(phone)
    phone.write("lock/owner", "other")
    during = phone.state()

    phone.bench("unlock", "me")

    assert (phone.state(), (phone.root / "lock/owner").read_text()) == (during, "other\n")


def test_the_watchdog_restores_a_phone_that_is_left_alone_and_ends(phone: FakePhone):
    before = phone.state()
    hold(phone, delay_s=1)

    started = phone.bench("watch", "1")

    assert (started.returncode, started.stderr) == (0, "")
    assert eventually(lambda: phone.state() == before and not phone.processes())
    assert not (phone.root / "lock").exists()
    assert not (phone.root / "watchdog").exists()


def test_the_watchdog_stays_away_from_a_phone_that_gives_signs_of_life(phone: FakePhone):
    hold(phone, delay_s=1)
    phone.bench("watch", "1")
    during = phone.state()

    for _ in range(5):
        phone.bench("sign", "me")
        time.sleep(0.5)

    assert phone.state() == during


def test_restoring_ends_the_watchdog(phone: FakePhone):
    hold(phone)
    phone.bench("watch", "600")
    watched = phone.processes()

    phone.bench("unlock", "me")

    assert len(watched) == 1
    assert eventually(lambda: not phone.processes())


def test_cleaning_leaves_nothing_behind(phone: FakePhone):
    before = phone.state()
    hold(phone)
    phone.bench("watch", "600")

    cleaned = phone.bench("clean")

    assert (cleaned.returncode, cleaned.stderr, phone.root.exists(), phone.state()) == (0, "", False, before)
    assert eventually(lambda: not phone.processes())


def test_a_pushed_file_is_checked_stored_and_replaces_its_forerunner(phone: FakePhone):
    content = b"a runner"
    sha256 = hashlib.sha256(content).hexdigest()
    phone.write("store/old/runner", "an old runner")
    (phone.root / "store" / f"{sha256}.part").write_bytes(content)

    adopted = phone.bench("adopt", "b", "bench.sh", sha256, "runner")

    stored = phone.root / "store" / sha256 / "runner"
    assert (adopted.returncode, adopted.stderr) == (0, "")
    assert (stored.read_bytes(), os.access(stored, os.X_OK)) == (content, True)
    assert sorted(path.name for path in (phone.root / "store").iterdir()) == sorted(["b", sha256])


def test_a_file_that_arrived_damaged_is_not_stored(phone: FakePhone):
    (phone.root / "store" / "0123.part").write_bytes(b"another content")

    refused = phone.bench("adopt", "0123", "runner")

    assert (refused.returncode, refused.stderr) == (1, "runner arrived damaged\n")
    assert sorted(path.name for path in (phone.root / "store").iterdir()) == ["b"]


def test_the_store_of_somebody_who_measures_is_left_alone(phone: FakePhone):
    phone.bench("lock", "other", "600")
    phone.write("store/theirs/runner", "their runner")

    phone.bench("adopt", "b", "bench.sh")

    assert (phone.root / "store/theirs/runner").exists()


def test_the_gate_tells_the_phones_state(phone: FakePhone):
    told = phone.bench("gate", "40", "80", "380", "0")

    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout == "level=57 temperature_dc=312 thermal=0 status=charging plugged=USB\n"


@pytest.mark.parametrize(
    ("state", "thermal", "reason"),
    [
        (battery(level=30), "0", "battery 30 %, charging to 40 %"),
        (battery(level=30, status=3, usb=False), "0", "battery 30 %, below 40 %: plug it in"),
        (battery(level=30, status=4), "0", "battery 30 %, below 40 %, and does not charge: check charger and cable"),
        (battery(level=90), "0", "battery 90 %, charging above 80 %: it is measured when full"),
        (battery(temperature_dc=391), "0", "battery 39.1 C, above 38.0 C: cooling down"),
        (battery(), "2", "thermal status 2, above 0: cooling down"),
    ],
)
def test_the_gate_is_closed_with_a_reason(phone: FakePhone, state: str, thermal: str, reason: str):
    (phone.home / "dumpsys.battery").write_text(state)
    (phone.home / "dumpsys.thermalservice").write_text(f"Thermal Status: {thermal}\n")

    told = phone.bench("gate", "40", "80", "380", "0")

    assert (told.returncode, told.stdout, told.stderr) == (75, "", reason + "\n")


def test_a_full_phone_on_its_charger_may_measure(phone: FakePhone):
    (phone.home / "dumpsys.battery").write_text(battery(level=100, status=5))

    assert phone.bench("gate", "40", "80", "380", "0").returncode == 0


def test_a_phone_without_a_thermal_service_is_judged_by_its_battery(phone: FakePhone):
    (phone.home / "dumpsys.thermalservice").unlink()

    told = phone.bench("gate", "40", "80", "380", "0")

    assert told.stdout == "level=57 temperature_dc=312 status=charging plugged=USB\n"


def test_a_batch_packs_what_was_finished(phone: FakePhone):
    phone.bench("lock", "me", "600")
    send_bundle(phone, **{"models/abc.onnx": "a model"})

    done = phone.bench(*batch_words(phone))

    *lines, offer = done.stdout.splitlines()
    results = phone.workdir() / "results.tar"
    assert (done.returncode, done.stderr, lines) == (0, "", ["run conv 0 ok", "end 1"])
    assert offer == f"results {results.stat().st_size} sha256 {hashlib.sha256(results.read_bytes()).hexdigest()}"
    assert packed(phone) == ["out/conv/run-0/log", "out/logcat.txt"]
    assert phone.bench("models", str(phone.workdir())).stdout == "abc.onnx\n"
    assert sorted(path.name for path in phone.workdir().iterdir() if path.name != "arguments") == [
        "gate.sh",
        "models",
        "plan.txt",
        "results.tar",
    ]


def test_what_the_phones_log_holds_comes_with_a_batch_behind_the_time_of_its_begin(phone: FakePhone):
    phone.bench("lock", "me", "600")
    send_bundle(phone)

    phone.bench(*batch_words(phone))

    with tarfile.open(phone.workdir() / "results.tar") as archive:
        member = archive.extractfile("out/logcat.txt")
        assert member is not None
        since, *lines = member.read().decode().splitlines()
    assert UPTIME <= int(since.removeprefix("since ")) <= UPTIME + 3600
    assert lines == [LOG_LINE]


def test_a_phone_whose_log_cannot_be_read_brings_its_runs_back_all_the_same(phone: FakePhone):
    phone.bench("lock", "me", "600")
    send_bundle(phone)
    (phone.home / "lines").unlink()

    done = phone.bench(*batch_words(phone))

    assert (done.returncode, done.stderr, packed(phone)) == (0, "", ["out/conv/run-0/log"])


def test_a_phone_without_room_for_its_log_brings_its_runs_back_all_the_same(phone: FakePhone):
    phone.bench("lock", "me", "600")
    send_bundle(phone)
    tar = phone.home / "bin" / "tar"
    tar.write_text(
        f"#!{phone.home / 'bin' / 'sh'}\n"
        'if [ "$1" = -cf ] && [ -f out/logcat.txt ]; then echo "no room" >&2; exit 1; fi\n'
        f'exec {shutil.which("tar")} "$@"\n'
    )
    tar.chmod(0o755)

    done = phone.bench(*batch_words(phone))

    assert (done.returncode, packed(phone)) == (0, ["out/conv/run-0/log"])


def test_a_log_that_was_packed_once_is_not_replaced_by_what_the_phone_still_has(phone: FakePhone):
    phone.bench("lock", "me", "600")
    send_bundle(phone)
    phone.bench(*batch_words(phone))
    (phone.home / "lines").write_text("")  # a reboot empties the log

    phone.bench("salvage", str(phone.workdir()))

    assert LOG_LINE.encode() in (phone.workdir() / "results.tar").read_bytes()


def test_a_batch_starts_the_runner_with_gate_and_beat(phone: FakePhone):
    phone.bench("lock", "me", "600")
    send_bundle(phone)

    phone.bench(*batch_words(phone))

    words = (phone.workdir() / "arguments").read_text().split()
    assert words[:5] == ["--runtime", "runtime.so", "--plan", "plan.txt", "--parent"]
    assert words[6:] == ["--gate", "gate.sh", "--beat", str(phone.root / "beat")]


def test_a_batch_whose_runner_stops_keeps_its_exit_code_and_its_finished_runs(phone: FakePhone):
    phone.bench("lock", "me", "600")
    send_bundle(phone)
    (phone.workdir() / "code").write_text("3")

    stopped = phone.bench(*batch_words(phone))

    assert (stopped.returncode, stopped.stdout.splitlines()[-1].split()[0]) == (3, "results")


def test_a_batch_without_the_lock_is_refused(phone: FakePhone):
    phone.bench("lock", "other", "600")
    send_bundle(phone)

    refused = phone.bench(*batch_words(phone))

    assert (refused.returncode, refused.stderr) == (75, "the phone was let go: no sign of life for too long\n")


def test_a_batch_that_is_hung_up_ends_its_runner_and_is_salvaged(phone: FakePhone):
    phone.bench("lock", "me", "600")
    send_bundle(phone)
    (phone.workdir() / "linger").touch()
    with subprocess.Popen(
        phone.command(*batch_words(phone)), env=phone.environment(), stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        running.stdout.readline()
        running.send_signal(signal.SIGHUP)
        code = running.wait(timeout=20)

    offer = phone.bench("salvage", str(phone.workdir()))

    assert (code, offer.returncode, offer.stderr) == (129, 0, "")
    assert eventually(lambda: not phone.processes())
    assert packed(phone) == ["out/conv/run-0/log", "out/logcat.txt"]


def test_a_runner_that_outlived_its_wire_is_ended_before_its_runs_are_salvaged(phone: FakePhone):
    phone.bench("lock", "me", "600")
    send_bundle(phone)
    (phone.workdir() / "linger").touch()
    with subprocess.Popen(
        phone.command(*batch_words(phone)), env=phone.environment(), stdout=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        running.stdout.readline()

        phone.bench("salvage", str(phone.workdir()))

    assert eventually(lambda: not phone.processes())


def test_results_that_never_arrived_are_salvaged_with_what_came_later(phone: FakePhone):
    phone.bench("lock", "me", "600")
    send_bundle(phone)
    phone.bench(*batch_words(phone))
    phone.write("work/c/out/conv/run-5/log", "later")

    phone.bench("salvage", str(phone.workdir()))

    assert packed(phone) == ["out/conv/run-0/log", "out/conv/run-5/log", "out/logcat.txt"]


def test_results_that_were_fetched_do_not_come_back(phone: FakePhone):
    phone.bench("lock", "me", "600")
    send_bundle(phone)
    phone.bench(*batch_words(phone))
    (phone.workdir() / "results.tar").write_bytes(b"")

    phone.bench("salvage", str(phone.workdir()))

    assert packed(phone) == []


def test_only_a_working_folder_can_be_cleared(phone: FakePhone):
    phone.write("work/c/plan.txt", "plan")

    phone.bench("clear", str(phone.root / "store"))
    phone.bench("clear", str(phone.workdir()))

    assert (phone.bench_path.exists(), phone.workdir().exists()) == (True, False)
