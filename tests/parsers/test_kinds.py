"""Every kind of dump is told from all others by how it begins, and no damage gets through its reader as another error."""

from __future__ import annotations

from pathlib import Path

import bench_mutations
import pytest

from parsers.dump import DumpSettings, mapped
from parsers.errors import DumpError
from parsers.kinds import KINDS, kind_named, kind_of

SAMPLES = bench_mutations.SAMPLES
FILES = sorted(path for path in SAMPLES.rglob("*") if path.is_file())


def test_every_kind_has_samples() -> None:
    assert {path.parent.name for path in FILES} == {kind.name for kind in KINDS}


def test_no_two_kinds_share_a_name() -> None:
    assert len({kind.name for kind in KINDS}) == len(KINDS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_dump_is_told_by_how_it_begins_and_by_nothing_else(path: Path) -> None:
    data = path.read_bytes()

    told = {kind.name for kind in KINDS if kind.looks_like(data, "dump")}

    assert kind_of(data, Path("dump")).name == path.parent.name
    assert told <= {path.parent.name, "logcat"} if path.parent.name == "runlog" else told == {path.parent.name}


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_sample_is_read_whole_whether_mapped_or_in_memory(path: Path) -> None:
    kind = kind_named(path.parent.name)
    with mapped(path) as data:
        dump = kind.read(data, DumpSettings(name="sample"))
        records, rejects = list(dump.records), list(dump.rejects)

    again = kind.read(path.read_bytes(), DumpSettings(name="sample"))

    assert records
    assert (list(again.records), list(again.rejects)) == (records, rejects)


@pytest.mark.parametrize(("data", "says"), [(b"", "is empty"), (b"to be, or not to be\n", "of no kind")])
def test_what_is_of_no_kind_is_refused_with_the_kinds_there_are(data: bytes, says: str) -> None:
    with pytest.raises(DumpError, match=f"{says}.*getprop, .*logcat"):
        kind_of(data, Path("dump"))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_damage_ends_in_records_or_in_an_error_of_ours_quickly_and_in_little_memory(kind) -> None:
    found = bench_mutations.samples_of([])
    others = [data for files in found.values() for data in files]

    tally = bench_mutations.run_chunk(kind.name, found[kind.name], others, range(150))

    assert tally.tried == 150
    assert tally.wrong == []


def test_a_reader_that_lets_damage_through_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(*_: object) -> None:
        raise KeyError("width")

    monkeypatch.setattr(bench_mutations, "read_whole", careless)

    tally = bench_mutations.run_chunk("getprop", [b"[a]: [b]\n"], [b"x"], range(3))

    assert len(tally.wrong) == 3
    assert "KeyError" in tally.wrong[0]
