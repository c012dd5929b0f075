from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

PROFILE = [sys.executable, "-c", "from profiler.cli import main; main()", "virtual-phone"]


class Program:
    """``profile virtual-phone`` with a pipe for its orders."""

    def __init__(self, *arguments: str, temporary: Path, stdin: int = subprocess.PIPE) -> None:
        self.process = subprocess.Popen(
            [*PROFILE, "--port", "0", *arguments],
            stdin=stdin,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            env=os.environ | {"TMPDIR": str(temporary)},
        )
        self.greeting = ""
        while "profile collect" not in self.greeting:
            line = self.process.stdout.readline()
            assert line, f"it ended with {self.process.wait()}"
            self.greeting += line
        self.address = re.search(r"adb connect (\S+)", self.greeting).group(1)

    def order(self, line: str) -> str:
        self.process.stdin.write(line + "\n")
        return self.process.stdout.readline().strip()

    def ended(self, number: signal.Signals | None = None) -> int:
        if number is None:
            self.order("quit")
        else:
            self.process.send_signal(number)
        return self.process.wait(timeout=20)

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[object]:
    (tmp_path / "temporary").mkdir()
    with ExitStack() as opened:

        def program(*arguments: str, stdin: int = subprocess.PIPE) -> Program:
            made = Program(*arguments, temporary=tmp_path / "temporary", stdin=stdin)
            opened.callback(made.close)
            return made

        yield program


def test_it_says_what_it_is_and_what_to_type_next_and_leaves_nothing(start, adb_server, tmp_path: Path) -> None:
    phone = start("--tier", "low", "--slow", "2", "--serial", "DESK1", "--fault", "throttle=0.9")
    adb_server("connect", phone.address)
    told = adb_server("-s", phone.address, "shell", "getprop ro.serialno; getprop ro.autocomet.virtual; exit 3")
    adb_server("disconnect", phone.address)
    faults = phone.order("faults")

    assert "serial DESK1. No real phone" in phone.greeting
    assert "2 times as fast" in phone.greeting
    assert (told.stdout, told.returncode) == (b"DESK1\n1\n", 3)
    assert faults == "ok faults throttle=0.9"
    assert (phone.ended(), list((tmp_path / "temporary").iterdir())) == (0, [])


def test_who_types_adb_shell_gets_a_terminal_of_the_phones_own(start, adb_server) -> None:
    phone = start()
    adb_server("connect", phone.address)
    told = adb_server("-s", phone.address, "shell", "-t", "-t", "tty; id -un; exit 6")
    adb_server("disconnect", phone.address)

    assert (told.stdout, told.returncode) == (b"/dev/pts/0\r\nshell\r\n", 6)


def test_a_phone_with_a_folder_of_its_own_keeps_its_data(start, adb_server, tmp_path: Path) -> None:
    root = tmp_path / "phone"
    seen = []
    for _ in range(2):
        phone = start("--root", str(root), "--serial", "KEPT")
        adb_server("connect", phone.address)
        seen.append(
            adb_server(
                "-s", phone.address, "shell", "cat /data/local/tmp/note; echo kept > /data/local/tmp/note"
            ).stdout
        )
        seen.append(adb_server("-s", phone.address, "shell", "cat /proc/sys/kernel/random/boot_id").stdout)
        adb_server("disconnect", phone.address)
        assert phone.ended() == 0

    assert (seen[0], seen[2]) == (b"", b"kept\n")
    assert seen[1] != seen[3]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_without_orders_it_serves_until_a_signal_ends_it(start, tmp_path: Path, number: signal.Signals) -> None:
    phone = start(stdin=subprocess.DEVNULL)

    still_on = phone.process.poll() is None

    assert (still_on, phone.ended(number), list((tmp_path / "temporary").iterdir())) == (True, 0, [])


def test_a_folder_holds_one_phone_at_a_time(start, tmp_path: Path) -> None:
    start("--root", str(tmp_path / "phone"))

    second = subprocess.run(
        [*PROFILE, "--port", "0", "--root", str(tmp_path / "phone")], capture_output=True, text=True, check=False
    )

    assert (second.returncode, second.stdout) == (1, "")
    assert second.stderr == f"profile: Another virtual phone has its folder in {tmp_path / 'phone'}. Name another.\n"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--fault", "sunburn"], "profile: No fault 'sunburn'. There are: offline,"),
        (["--tier", "toaster"], "profile: No virtual phone 'toaster'"),
        (["--root", "/dev/null"], "profile: /dev/null cannot be a phone's folder: "),
    ],
)
def test_what_cannot_be_is_told_in_one_line(arguments: list[str], complaint: str) -> None:
    done = subprocess.run([*PROFILE, "--port", "0", *arguments], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith(complaint)


def test_the_faults_are_listed() -> None:
    done = subprocess.run([*PROFILE, "--faults"], capture_output=True, text=True, check=True)

    assert [line.split()[0] for line in done.stdout.splitlines()][:4] == [
        "offline", "unauthorized", "recovery", "gone=BYTES[:SECONDS]",
    ]  # fmt: skip
