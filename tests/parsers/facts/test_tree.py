from __future__ import annotations

import os
from pathlib import Path

import pytest

from parsers.facts.tree import LONGEST_FILE, read_tree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "phone/proc").mkdir(parents=True)
    (tmp_path / "secret").write_text("MemTotal: 1 kB\n")
    return tmp_path / "phone"


def test_a_link_within_the_folder_is_followed(root: Path) -> None:
    (root / "meminfo.txt").write_text("MemTotal: 2 kB\r\n")
    (root / "proc/meminfo").symlink_to("../meminfo.txt")

    files = read_tree(root)

    assert (dict(files.texts), files.left_out) == ({"proc/meminfo": "MemTotal: 2 kB\n"}, ())


@pytest.mark.parametrize("target", ["../../secret", "/proc/self/environ", "../../phone/../secret"])
def test_a_link_that_leads_out_of_the_folder_is_not(root: Path, target: str) -> None:
    (root / "proc/meminfo").symlink_to(target)

    files = read_tree(root)

    assert (dict(files.texts), files.left_out) == ({}, ("proc/meminfo: a link that leads out of the folder",))


def test_nor_is_a_folder_that_is_such_a_link(root: Path) -> None:
    (root / "proc").rmdir()
    (root / "proc").symlink_to("/proc")

    files = read_tree(root)

    assert dict(files.texts) == {}
    assert set(files.left_out) == {
        f"proc/{name}: a link that leads out of the folder" for name in ("cpuinfo", "meminfo")
    }


def test_a_pipe_is_not_opened(root: Path) -> None:
    os.mkfifo(root / "proc/meminfo")

    assert read_tree(root).left_out == ("proc/meminfo: no plain file",)


def test_links_in_a_circle_and_dead_ones_end(root: Path) -> None:
    (root / "proc/meminfo").symlink_to("cpuinfo")
    (root / "proc/cpuinfo").symlink_to("meminfo")

    assert dict(read_tree(root).texts) == {}


def test_a_file_longer_than_any_of_the_kernels_is_left_out(root: Path) -> None:
    with (root / "proc/meminfo").open("wb") as handle:
        handle.truncate(LONGEST_FILE + 1)

    assert read_tree(root).left_out == ("proc/meminfo: longer than any of the kernel's files",)
