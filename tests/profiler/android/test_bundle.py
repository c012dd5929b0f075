from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from profiler.android.bundle import pack_bundle, unpack_results
from profiler.device import BatchOrder
from profiler.errors import TransferError

SHA256 = "ab" * 32


def archive_of(*members: tuple[str, bytes]) -> io.BytesIO:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    file.seek(0)
    return file


def archive_with(member: tarfile.TarInfo) -> io.BytesIO:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        archive.addfile(member)
    file.seek(0)
    return file


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_bundle_holds_plan_gate_and_models_in_the_form_that_android_7_reads():
    order = BatchOrder(plan=b"plan", models={SHA256: b"m" * 700})

    packed = b"".join(pack_bundle(order, "exit 0\n"))

    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        read = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
    assert read == {"plan.txt": b"plan", "gate.sh": b"exit 0\n", f"models/{SHA256}.onnx": b"m" * 700}
    assert packed[257:262] == b"ustar"


def test_a_model_that_is_not_named_by_its_digest_is_refused():
    with pytest.raises(ValueError, match="no SHA-256"):
        list(pack_bundle(BatchOrder(plan=b"", models={"../../x": b""}), ""))


def test_results_become_a_folder_of_runs_and_the_phones_log(tmp_path: Path):
    runs = ("out/conv/run-0/log", b"a log"), ("./out/conv/run-12/profile.json", b"{}")
    archive = archive_of(*runs, ("out/logcat.txt", b"the phone's"))

    unpack_results(archive, tmp_path / "0")

    assert contents(tmp_path / "0") == {
        "conv/run-0/log": b"a log",
        "conv/run-12/profile.json": b"{}",
        "logcat.txt": b"the phone's",
    }
    assert [path.name for path in tmp_path.iterdir()] == ["0"]


def test_results_of_nothing_become_an_empty_folder(tmp_path: Path):
    unpack_results(archive_of(), tmp_path / "0")

    assert list((tmp_path / "0").iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "out/../../etc/run-0/passwd",
        "/etc/passwd",
        "out/conv/run-0/..",
        "out/conv/run-0/a/b",
        "out/conv/run-0.part/log",
        "out/.hidden/run-0/log",
        "out/other.txt",
        "out/conv/run-0/lo\ng",
        "elsewhere/conv/run-0/log",
    ],
)
def test_a_name_that_no_batch_makes_leaves_nothing_behind(tmp_path: Path, name: str):
    with pytest.raises(TransferError, match="which no batch makes"):
        unpack_results(archive_of(("out/conv/run-0/log", b"good"), (name, b"bad")), tmp_path / "0")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_what_is_no_regular_file_is_refused(tmp_path: Path, kind: bytes):
    member = tarfile.TarInfo("out/conv/run-0/log")
    member.type, member.linkname = kind, "/etc/passwd"

    with pytest.raises(TransferError, match="which no batch makes"):
        unpack_results(archive_with(member), tmp_path / "0")

    assert list(tmp_path.iterdir()) == []


def test_more_than_a_batch_can_make_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("profiler.android.bundle.MOST_BYTES", 5)

    with pytest.raises(TransferError, match="which no batch makes"):
        unpack_results(archive_of(("out/conv/run-0/log", b"six...")), tmp_path / "0")


@pytest.mark.parametrize("damage", [slice(0, 700), slice(300, None)])
def test_a_damaged_archive_leaves_nothing_behind(tmp_path: Path, damage: slice):
    whole = archive_of(("out/conv/run-0/log", b"x" * 2000)).getvalue()

    with pytest.raises(TransferError):
        unpack_results(io.BytesIO(whole[damage]), tmp_path / "0")

    assert list(tmp_path.iterdir()) == []


def test_the_same_file_twice_is_refused(tmp_path: Path):
    twice: Sequence[tuple[str, bytes]] = [("out/conv/run-0/log", b"one"), ("out/conv/run-0/log", b"two")]

    with pytest.raises(TransferError, match="which no batch makes"):
        unpack_results(archive_of(*twice), tmp_path / "0")
