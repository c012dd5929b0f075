from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from parsers.device_config import load_device_config
from profiler.errors import VirtualPhoneError
from profiler.virtual_phone.description import load_description
from profiler.virtual_phone.faults import parse_fault
from profiler.virtual_phone.folders import CPU
from profiler.virtual_phone.handset import Handset

_ENTER = ["unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "true"]

pytestmark = pytest.mark.skipif(
    shutil.which("unshare") is None or subprocess.run(_ENTER, capture_output=True, check=False).returncode != 0,
    reason="this machine does not let a user make namespaces",
)


@pytest.fixture(scope="module")
def phone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Handset]:
    handset = Handset(load_description("mid"), tmp_path_factory.mktemp("mid"), slow=3.0, serial="MID1")
    handset.boot()
    yield handset
    handset.shutdown()


def run(handset: Handset, command: str) -> str:
    """What a command prints, both streams together."""
    output, errors = handset.spawn(command).communicate(timeout=60)
    return (output + errors).decode().strip()


def end_of(pid: int) -> bool:
    """Whether a process ends within five seconds."""
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists() or "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("tier", ["flagship", "mid", "low"])
def test_a_tiers_phone_is_what_the_tiers_config_says(tier: str):
    phone, config = load_description(tier), load_device_config(tier).context

    fastest = max(phone.clusters, key=lambda cluster: cluster.frequencies_khz[-1])
    alike = [cluster for cluster in phone.clusters if cluster.part == fastest.part]

    assert sum(cluster.cores for cluster in alike) == config.cores
    assert fastest.part == config.core_part
    assert round(fastest.frequencies_khz[-1] / 1e6, 2) in {
        config.clock_freq_ghz,
        round(config.clock_freq_ghz, 1) + 0.01,
    }
    assert phone.last_level_cache_kb / 1024 == config.last_level_cache_mb
    assert 0.9 < phone.memory_kb / 2**20 / config.memory_gb < 1.0


def test_a_command_runs_as_the_shell_user_in_a_world_of_its_own(phone: Handset):
    assert run(phone, "id -un; pwd; hostname; ls / | tr '\\n' ' '").split("\n") == [
        "shell",
        "/",
        "localhost",
        run(phone, "echo bin data dev etc lib* mnt proc sbin sdcard storage sys system usr vendor"),
    ]
    assert run(phone, "cat /proc/1/cmdline | tr '\\0' ' '").count("boot.py") == 1


def test_the_machines_folders_cannot_be_written_and_no_privilege_is_left(phone: Handset):
    printed = run(
        phone, "touch /usr/x /etc/ld.so.cache; mount -t tmpfs none /mnt; chroot /data; grep CapEff /proc/self/status"
    )

    assert "CapEff:\t0000000000000000" in printed
    assert "'/usr/x': Read-only file system" in printed
    assert "'/etc/ld.so.cache': Read-only file system" in printed
    assert "mount: /mnt: must be superuser" in printed
    assert "chroot: cannot change root" in printed


def test_exit_codes_and_streams_come_back_apart(phone: Handset):
    process = phone.spawn("echo out; echo err >&2; exit 7")

    output, errors = process.communicate(timeout=60)

    assert (process.returncode, output, errors) == (7, b"out\n", b"err\n")


def test_a_shell_without_a_command_reads_its_input(phone: Handset):
    output, _ = phone.spawn(None).communicate(b"echo $((6 * 7))\n", timeout=60)

    assert output == b"42\n"


def test_a_signal_to_the_session_reaches_the_command(phone: Handset):
    process = phone.spawn("trap 'echo hung up; exit 3' HUP; echo ready; while :; do sleep 0.1; done")
    assert process.stdout is not None
    process.stdout.readline()

    os.killpg(process.pid, signal.SIGHUP)
    output, _ = process.communicate(timeout=60)

    assert output == b"hung up\n"


def test_every_source_of_time_says_the_same(phone: Handset):
    printed = run(
        phone, "read up _ </proc/uptime; date +%s.%N; sleep 6; date +%s.%N; read now _ </proc/uptime; echo $up $now"
    )

    before, after, uptimes = printed.split("\n")
    up, now = map(float, uptimes.split())
    assert now - up >= 6.0
    assert float(after) - float(before) == pytest.approx(now - up, abs=2.0)
    assert float(after) - float(before) >= 6.0


def test_a_phone_that_is_slow_sleeps_a_third_of_the_time_for_three(phone: Handset):
    begin = time.monotonic()

    run(phone, "sleep 6; timeout 30 sleep 3")

    assert time.monotonic() - begin >= 3.0 - 0.01


def test_a_deadline_in_phone_time_ends_a_command(phone: Handset):
    assert run(phone, "timeout 3 sleep 1000; echo $?") == "124"


def test_the_phones_processors_are_counted_and_named_as_its_own(phone: Handset):
    printed = run(phone, "nproc; taskset -c 6,7 nproc; getconf _NPROCESSORS_ONLN; grep -c '^processor' /proc/cpuinfo")

    assert printed.split() == ["8", "2", "8", "8"]


def test_time_in_state_advances_and_falls_to_lower_clocks_under_throttling(phone: Handset):
    def residency() -> dict[int, int]:
        lines = run(phone, f"cat /{CPU}/cpu7/cpufreq/stats/time_in_state").split("\n")
        return {int(khz): int(ticks) for khz, ticks in (line.split() for line in lines)}

    before = residency()
    phone.inject(parse_fault("throttle=0.5"))
    middle = residency()
    run(phone, "sleep 3")
    after = residency()
    current = run(phone, f"cat /{CPU}/cpu7/cpufreq/scaling_cur_freq; dumpsys thermalservice | grep '^Thermal Status'")
    phone.clear("throttle")

    assert middle[2208000] >= before[2208000] > 0
    grown = {khz for khz in after if after[khz] > middle[khz]}
    assert grown == {979200, 1132800}
    assert current.split("\n") == ["1104000", "Thermal Status: 3"]
    assert run(phone, "dumpsys thermalservice | grep '^Thermal Status'") == "Thermal Status: 0"


def test_a_full_storage_refuses_with_the_reason_and_recovers(phone: Handset):
    run(phone, "echo before >/data/local/tmp/old")
    phone.inject(parse_fault("storage-full"))
    left = phone.storage_left()
    attempts = (
        "echo x >new",
        "mkdir new",
        "dd if=/dev/zero of=new count=1",
        "tar -cf new /etc/hosts",
        "echo more >>old",
    )
    refusals = [run(phone, f"cd /data/local/tmp && {attempt}") for attempt in attempts]
    phone.clear("storage-full")

    assert left == 0
    assert all("No space left on device" in refusal for refusal in refusals[:4])
    assert "error" in refusals[4]  # dash names no reason for a failed write
    assert phone.storage_left() > 0
    assert run(phone, "cd /data/local/tmp; cat old; ls new 2>&1; echo x >new && cat new").split("\n")[::2] == [
        "before",
        "x",
    ]


def test_the_wall_clock_is_set_back_and_the_uptime_is_not(phone: Handset):
    before = int(run(phone, "date +%s"))
    phone.inject(parse_fault("clock-back=86400"))

    after, up = run(phone, "date +%s; cut -d. -f1 /proc/uptime").split()

    assert before - 86400 <= int(after) < before - 86400 + 600
    assert 0 < int(up) < 86400


def test_battery_faults_show_in_dumpsys(phone: Handset):
    def told() -> set[str]:
        lines = run(phone, "dumpsys battery").split("\n")
        return {line.strip() for line in lines} & {
            "level: 65",
            "level: 12",
            "status: 2",
            "status: 3",
            "USB powered: true",
        }

    start = told()
    phone.inject(parse_fault("low-battery=12"))
    phone.inject(parse_fault("charging"))
    low = told()
    phone.clear("low-battery")
    phone.clear("charging")

    assert (start, low, told()) == ({"level: 65", "status: 3"}, {"level: 12", "status: 2", "USB powered: true"}, start)


def test_unit_and_sign_of_the_current_follow_the_order(phone: Handset):
    def shown() -> int:
        return int(run(phone, "cat /sys/class/power_supply/battery/current_now"))

    start = shown()
    phone.inject(parse_fault("current-unit=ma"))
    phone.inject(parse_fault("current-sign=1"))
    milli = shown()
    phone.clear("current-unit")
    phone.clear("current-sign")

    assert start < -100_000
    assert 100 < milli < 10_000
    assert shown() < -100_000


def test_a_fault_of_the_wire_is_refused(phone: Handset):
    with pytest.raises(VirtualPhoneError, match="the daemon's"):
        phone.inject(parse_fault("offline"))


def test_a_reboot_is_a_new_boot_with_the_old_data_and_no_old_process(tmp_path: Path):
    phone = Handset(load_description("low"), tmp_path / "low")
    phone.inject(parse_fault("low-battery=9"))
    phone.boot()
    old = run(
        phone, "cat /proc/sys/kernel/random/boot_id; echo kept >/data/local/tmp/file; settings put global wifi_on 0"
    )
    sleeper = phone.spawn("echo started; sleep 1000")
    assert sleeper.stdout is not None
    sleeper.stdout.readline()

    phone.reboot()
    new = run(
        phone,
        "cat /proc/sys/kernel/random/boot_id /data/local/tmp/file; settings get global wifi_on; getprop persist.a",
    )
    uptime_s = float(run(phone, "cut -d' ' -f1 /proc/uptime"))
    battery = run(phone, "dumpsys battery get level")
    phone.shutdown()

    assert sleeper.communicate(timeout=10) == (b"", b"")
    assert new.split("\n")[1:] == ["kept", "0"]
    assert new.split("\n")[0] != old
    assert 20 <= uptime_s < 60
    assert battery == "9"


def test_nothing_is_left_when_it_is_switched_off(tmp_path: Path):
    phone = Handset(load_description("low"), tmp_path / "low")
    phone.boot()
    sleeper = phone.spawn("setsid sleep 1000 & echo started; wait")
    assert sleeper.stdout is not None
    sleeper.stdout.readline()

    phone.shutdown()
    sleeper.communicate(timeout=10)
    shutil.rmtree(tmp_path / "low")

    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()
    with pytest.raises(OSError, match="off"):
        phone.spawn("true")


def test_a_killed_program_leaves_no_phone_behind(tmp_path: Path):
    program = f"""
import sys
from pathlib import Path
from profiler.virtual_phone.description import load_description
from profiler.virtual_phone.handset import Handset
phone = Handset(load_description("low"), Path({str(tmp_path / "low")!r}))
phone.boot()
phone.spawn("sleep 1000")
print(phone._init_pid, flush=True)
sys.stdin.read()
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    init = int(process.stdout.readline())

    process.kill()
    process.communicate()

    assert end_of(init)


def test_paths_stay_in_the_phone_whatever_its_links_say(phone: Handset):
    root = phone.resolve("/")
    run(
        phone,
        "cd /data/local/tmp; ln -s /etc/passwd absolute; ln -s ../../../../../../etc/hosts up; ln -s a b; ln -s b a",
    )

    assert phone.resolve("/data/local/tmp/absolute") == root / "etc/passwd"
    assert phone.resolve("/data/local/tmp/up") == root / "etc/hosts"
    assert phone.resolve("/../../data/./local") == root / "data/local"
    assert phone.resolve("/data/local/tmp/new/file") == root / "data/local/tmp/new/file"
    with pytest.raises(PermissionError, match="circle"):
        phone.resolve("/data/local/tmp/a")
    with pytest.raises(PermissionError, match="absolute"):
        phone.resolve("data")


def test_somebody_elses_folder_is_refused_untouched(tmp_path: Path):
    (tmp_path / "lib").mkdir()

    with pytest.raises(VirtualPhoneError, match="not empty"):
        Handset(load_description("low"), tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["lib"]


def test_a_machine_without_unshare_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    phone = Handset(load_description("low"), tmp_path / "low")

    with pytest.raises(VirtualPhoneError, match="util-linux"):
        phone.boot()


def test_the_file_for_taking_turns_is_the_machines_own(tmp_path: Path):
    turn = tmp_path / "turn"
    phone = Handset(load_description("low"), tmp_path / "low", turn=turn)
    phone.boot()
    holder = phone.spawn('exec 9>"$AUTOCOMET_TURN"; flock 9; echo held; sleep 1000')
    assert holder.stdout is not None
    holder.stdout.readline()

    with turn.open("r") as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    phone.shutdown()
    holder.communicate(timeout=10)

    with turn.open("r") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_properties_are_those_that_getprop_prints(phone: Handset):
    printed = run(phone, "setprop debug.mine 'a b'; getprop debug.mine; getprop nothing; getprop ro.serialno; getprop")

    lines = printed.split("\n")
    assert lines[:3] == ["a b", "", "MID1"]
    assert {*lines[3:]} == {f"[{name}]: [{value}]" for name, value in phone.properties.items()}
    assert phone.properties["ro.autocomet.virtual"] == "1"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (("sdk = 28\n", ""), "'sdk' of PhoneDescription .* is missing"),
        (("sdk = 28\n", "sdk = 28\ncolour = 1\n"), "'colour' of PhoneDescription .* is not understood"),
        (("first_cpu = 0", "first_cpu = 1"), "without a gap"),
        (("core_ma = [110.0]", "core_ma = []"), "one figure for each"),
        (("sdk = 28", "sdk ="), "is no TOML"),
    ],
)
def test_a_description_that_cannot_be_is_refused_by_name(tmp_path: Path, change: tuple[str, str], complaint: str):
    source = Path(sys.modules[load_description.__module__].__file__ or "").parent / "phones/low.toml"
    path = tmp_path / "mine.toml"
    path.write_text(source.read_text().replace(*change, 1))

    with pytest.raises(VirtualPhoneError, match=complaint):
        load_description(str(path))


def test_an_unknown_phone_is_answered_with_the_known_ones():
    with pytest.raises(VirtualPhoneError, match="Known: flagship, low, mid"):
        load_description("fancy")
