from __future__ import annotations

import os
import stat
import struct
import subprocess
from pathlib import Path

import pytest

from profiler.virtual_phone.protocol import Command


class SyncHost:
    """Sync requests over a raw host, packet by packet."""

    def __init__(self, host) -> None:
        self.host = host
        self.theirs = host.open("sync:", stream=1)
        self.answers = b""
        self.closed = False

    def ask(self, *parts: bytes) -> None:
        """Send, and wait until it is taken; answers that come meanwhile are kept."""
        for part in parts:
            self.host.send(Command.WRITE, 1, self.theirs, part)
            while self._read() is not Command.OKAY:
                pass

    def rest(self) -> bytes:
        """Read to the end of the service."""
        while not self.closed:
            self._read()
        return self.answers

    def _read(self) -> Command:
        command, _, _, payload = self.host.read()
        if command is Command.WRITE:
            self.answers += payload
            self.host.send(Command.OKAY, 1, self.theirs)
        self.closed = self.closed or command is Command.CLOSE
        return command


@pytest.fixture
def sync(host):
    return SyncHost(host)


def request(kind: bytes, path: str | bytes = b"") -> bytes:
    encoded = path.encode() if isinstance(path, str) else path
    return struct.pack("<4sI", kind, len(encoded)) + encoded


def pushed(path: str, *blocks: bytes, mode: int = 0o100644, time_s: int = 0) -> list[bytes]:
    return [
        request(b"SEND", f"{path},{mode}"),
        *(request(b"DATA", block) for block in blocks),
        struct.pack("<4sI", b"DONE", time_s),
    ]


OKAY = struct.pack("<4sI", b"OKAY", 0)


def test_a_push_makes_the_folders_and_keeps_time_and_the_owners_rights(sync, phone) -> None:
    sync.ask(*pushed("/data/new/dir/file", b"first ", b"second", mode=0o100744, time_s=1_000_000_000))
    sync.ask(request(b"QUIT"))

    assert sync.rest() == OKAY
    made = phone.root / "data/new/dir/file"
    assert (made.read_bytes(), stat.S_IMODE(made.stat().st_mode), made.stat().st_mtime) == (b"first second", 0o777, 1e9)


def test_a_program_that_is_running_can_be_pushed_over(sync, phone) -> None:
    program = phone.root / "data/program"
    program.write_bytes(Path("/bin/sleep").read_bytes())
    program.chmod(0o755)
    with subprocess.Popen([program, "100"]) as running:
        sync.ask(*pushed("/data/program", b"another"), request(b"QUIT"))
        answered = sync.rest()
        still_runs = running.poll() is None
        running.kill()

    assert (still_runs, answered, program.read_bytes()) == (True, OKAY, b"another")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/data/folder", "couldn't create file: Is a directory"),
        ("/data/out/file", "couldn't create file: Permission denied"),
        ("/data/file/below", "couldn't create file: Not a directory"),
        ("/" + 300 * "n", "couldn't create file: File name too long"),
    ],
)
def test_what_cannot_be_written_is_told_after_all_of_it_was_taken(sync, phone, path: str, reason: str) -> None:
    (phone.root / "data/folder").mkdir()
    (phone.root / "data/file").touch()
    (phone.root / "data/out").symlink_to("/usr")

    sync.ask(*pushed(path, *[bytes(1 << 16)] * 20))

    assert sync.rest() == request(b"FAIL", reason)


def test_a_full_phone_takes_what_fits_and_keeps_nothing_of_the_rest(sync, phone) -> None:
    phone.room = 100_000

    sync.ask(*pushed("/data/small", bytes(60_000)))
    sync.ask(*pushed("/data/large", bytes(60_000), bytes(60_000), bytes(60_000)))

    assert sync.rest() == OKAY + request(b"FAIL", "write failed: No space left on device")
    assert [path.name for path in (phone.root / "data").iterdir() if path.is_file()] == ["small"]


def test_a_push_that_breaks_off_leaves_no_half_file(sync, daemon, phone) -> None:
    sync.ask(*pushed("/data/half", bytes(60_000))[:-1])
    there = (phone.root / "data/half").exists()

    sync.host.wire.close()
    daemon.stop()

    assert (there, (phone.root / "data/half").exists()) == (True, False)


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        ([request(b"SEND", "/data/file")], "bad path or mode"),
        ([request(b"SEND", "/data/file,0644x")], "bad path or mode"),
        ([request(b"SEND", "/data/file,33188"), request(b"STAT", "/data")], "invalid data message"),
        ([request(b"SEND", "/data/file,33188"), struct.pack("<4sI", b"DATA", 1 << 17)], "oversize data message"),
        ([request(b"LIS2", "/data")], "unknown command"),
        ([struct.pack("<4sI", b"STAT", 5000)], "path too long"),
    ],
)
def test_a_malformed_request_is_told_and_ends_the_service(sync, phone, sent: list[bytes], reason: str) -> None:
    sync.ask(*sent, *([struct.pack("<4sI", b"DONE", 0)] if "bad" in reason else []))

    assert sync.rest() == request(b"FAIL", reason)
    assert not (phone.root / "data/file").exists()


def test_a_link_is_pushed_as_a_link(sync, phone) -> None:
    sync.ask(*pushed("/data/deep/link", b"../target", mode=stat.S_IFLNK | 0o777), request(b"QUIT"))

    assert (sync.rest(), (phone.root / "data/deep/link").readlink()) == (OKAY, Path("../target"))


def test_stat_tells_mode_size_and_time_and_zeros_of_what_is_not_there(sync, phone) -> None:
    (phone.root / "data/file").write_bytes(b"12345")
    os.utime(phone.root / "data/file", (1e9, 1e9))
    (phone.root / "data/file").chmod(0o640)
    (phone.root / "data/link").symlink_to("file")
    (phone.root / "data/out").symlink_to("/etc")

    paths = ["/data/file", "/data/none", "/data/out/passwd", "/data/link/", "/data/../data/file"]
    sync.ask(*(request(b"STAT", path) for path in [*paths, "/data/link"]), request(b"QUIT"))

    records = [struct.unpack_from("<4s3I", sync.rest(), 16 * index) for index in range(6)]
    file, nothing = (b"STAT", 0o100640, 5, 10**9), (b"STAT", 0, 0, 0)
    assert records[:5] == [file, nothing, nothing, nothing, file]
    assert stat.S_ISLNK(records[5][1])


def test_a_folder_is_listed_and_one_that_cannot_be_read_has_no_entries(sync, phone) -> None:
    (phone.root / "data/list").mkdir()
    (phone.root / "data/list/ä ö").write_bytes(b"123")

    sync.ask(request(b"LIST", "/data/list"), request(b"LIST", "/data/none"), request(b"QUIT"))

    entries, rest = [], sync.rest()
    while rest:
        kind, mode, size, _, length = struct.unpack_from("<4s4I", rest)
        entries.append((kind, stat.S_IFMT(mode), size if stat.S_ISREG(mode) else 0, rest[20 : 20 + length].decode()))
        rest = rest[20 + length :]
    done = (b"DONE", 0, 0, "")
    folder = (b"DENT", stat.S_IFDIR, 0)
    assert entries == [(*folder, "."), (*folder, ".."), (b"DENT", stat.S_IFREG, 3, "ä ö"), done, done]


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/data/none", "open failed: No such file or directory"),
        ("/data/out/passwd", "open failed: Permission denied"),
        ("/data", "read failed: Is a directory"),
    ],
)
def test_what_cannot_be_read_is_told(sync, phone, path: str, reason: str) -> None:
    (phone.root / "data/out").symlink_to("/etc")

    sync.ask(request(b"RECV", path))

    assert sync.rest() == request(b"FAIL", reason)


def test_a_link_is_followed_inside_the_phone(sync, phone) -> None:
    (phone.root / "data/file").write_bytes(b"inside")
    (phone.root / "data/link").symlink_to("file")

    sync.ask(request(b"RECV", "/data/link"), request(b"QUIT"))

    assert sync.rest() == request(b"DATA", b"inside") + struct.pack("<4sI", b"DONE", 0)


def test_the_real_adb_pushes_and_pulls_a_tree(adb, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "sub/deeper").mkdir(parents=True)
    (tree / "sub/empty file").touch()
    (tree / "sub/deeper/ä").write_bytes(os.urandom(200_000))
    (tree / "program").write_text("#!/bin/sh\n")
    (tree / "program").chmod(0o755)
    os.utime(tree / "program", (1e9, 1e9))

    pushed_ = adb("push", str(tree), "/data/local/tmp/new/")
    pulled = adb("pull", "-a", "/data/local/tmp/new", str(tmp_path / "back"))

    assert (pushed_.returncode, pulled.returncode) == (0, 0), pushed_.stderr + pulled.stderr
    assert _files(tmp_path / "back") == _files(tree)
    back = (tmp_path / "back/program").stat()
    assert (back.st_mtime, bool(back.st_mode & 0o100)) == (1e9, True)


def test_the_real_adb_pulls_what_a_link_leads_to(adb, phone, tmp_path: Path) -> None:
    (phone.root / "data/target").write_bytes(b"here")
    (phone.root / "data/link").symlink_to("target")

    adb("pull", "/data/link", str(tmp_path / "got"))

    assert (tmp_path / "got").read_bytes() == b"here"


def test_the_real_adb_carries_a_hundred_megabytes_both_ways(adb, phone, tmp_path: Path) -> None:
    data = os.urandom(1 << 20) * 100
    (tmp_path / "large").write_bytes(data)

    adb("push", str(tmp_path / "large"), "/data/large")
    adb("pull", "/data/large", str(tmp_path / "back"))

    assert (phone.root / "data/large").stat().st_size == len(data)
    assert (tmp_path / "back").read_bytes() == data


def test_the_real_adb_tells_a_full_phone(adb, phone, tmp_path: Path) -> None:
    phone.room = 1_000_000
    (tmp_path / "large").write_bytes(bytes(10_000_000))

    done = adb("push", str(tmp_path / "large"), "/data/large")

    assert done.returncode == 1
    assert b"No space left on device" in done.stdout + done.stderr


@pytest.mark.usefixtures("adb")
def test_several_adbs_work_at_once(adb_server, address, tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(os.urandom(5_000_000))
    each = [
        ["push", str(tmp_path / "part"), "/data/{}"],
        ["shell", "head -c 3000000 /dev/zero"],
        ["exec-out", "head -c 3000000 /dev/zero"],
    ]
    running = [
        subprocess.Popen(
            [adb_server.binary, "-s", address, *(word.format(number) for word in command)],
            env=adb_server.environment,
            stdout=subprocess.PIPE,
        )
        for number in range(3)
        for command in each
    ]
    sizes = [len(process.communicate(timeout=60)[0]) for process in running]

    assert [process.returncode for process in running] == [0] * 9
    assert [size for size in sizes if size >= 3_000_000] == [3_000_000] * 6


def test_adbutils_transfers_files(adb_server, address, tmp_path: Path) -> None:
    from adbutils import AdbClient

    client = AdbClient(host="127.0.0.1", port=adb_server.server_port)
    client.connect(address)
    sync = client.device(address).sync
    data = os.urandom(300_000)
    (tmp_path / "sent").write_bytes(data)

    sent = sync.push(tmp_path / "sent", "/data/new/sent", mode=0o755)
    facts = sync.stat("/data/new/sent")
    listed = sorted(entry.path for entry in sync.iter_directory("/data/new"))
    back = sync.read_bytes("/data/new/sent")
    pulled = sync.pull("/data/new/sent", tmp_path / "pulled")
    client.disconnect(address)

    assert (sent, facts.size, stat.S_IMODE(facts.mode), listed) == (300_000, 300_000, 0o777, [".", "..", "sent"])
    assert (back == data, pulled, (tmp_path / "pulled").read_bytes() == data) == (True, 300_000, True)


def _files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
