from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from parsers.dump import mapped
from parsers.logcat import tag_search as module
from parsers.logcat.record import LogRecord
from parsers.logcat.tag_search import tag_search
from parsers.logcat.threadtime import parse_threadtime

HEADER = b"12-31 23:59:59.998  1234 31256 I "
LINE = HEADER + b"AutoCoMET: 1 conv 0 start\n"

WORDS = (b"AutoCoMET", b"ab", b"a", b"x", b"\xff\xfe", b": ", b"       : ", b" ", b"\r", b"I ", HEADER)
TEXTS = st.lists(st.sampled_from(WORDS), max_size=8).map(b"".join)
LOGS = st.lists(st.tuples(st.sampled_from([HEADER, b""]), TEXTS).map(b"".join), max_size=12)
TAGS = st.sampled_from(["AutoCoMET", "ab", "a", "", "\udcff\udcfe", "a ", "missing", "ET"])


def expected(log: bytes, tag: str) -> list[LogRecord]:
    return [record for record in parse_threadtime(log) if record.tag == tag]


@given(LOGS, st.sampled_from([b"\n", b"\r\n"]), st.sampled_from([b"", b"\n", b"\r\n"]), TAGS)
@example([], b"\n", b"", "AutoCoMET")
@example([b"a"], b"\n", b"", "AutoCoMET")
@example([LINE[:-1]], b"\n", b"", "AutoCoMET")
@example([LINE + LINE.replace(b"\n", b"\r\n")], b"\n", b"", "AutoCoMET")
def test_the_records_are_those_of_the_whole_log_with_that_tag(
    lines: list[bytes], between: bytes, at_the_end: bytes, tag: str
) -> None:
    log = between.join(lines) + at_the_end

    assert list(tag_search(log, tag)) == expected(log, tag)


@pytest.mark.parametrize("has_memmem", [True, False])
def test_a_line_across_the_border_of_two_windows_is_found_once(
    monkeypatch: pytest.MonkeyPatch, *, has_memmem: bool
) -> None:
    border = 4096
    monkeypatch.setattr(module, "_WINDOW_BYTES", border)
    if not has_memmem:
        monkeypatch.setattr(module, "_memmem", lambda: None)
    for before in range(border - len(LINE) - 1, border + 1):
        log = b"x" * (before - 1) + b"\n" + LINE * 2

        found = [record.offset for record in tag_search(log, "AutoCoMET")]

        assert found == [before, before + len(LINE)]


def test_a_tag_that_only_the_message_names_is_no_record_of_the_tag() -> None:
    log = HEADER + b"lowmemorykiller: Kill AutoCoMET: now\n" + LINE

    assert [record.offset for record in tag_search(log, "AutoCoMET")] == [len(log) - len(LINE)]


@pytest.mark.parametrize("window_bytes", [64, 1000, 1 << 18])
def test_a_mapped_log_is_searched_as_one_in_memory_and_can_be_closed_in_the_middle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, window_bytes: int
) -> None:
    monkeypatch.setattr(module, "_WINDOW_BYTES", window_bytes)
    log = (LINE + HEADER + b"libc    : " + b"x" * 1000 + b"\n") * 1000 + LINE[:-1]
    (tmp_path / "a.log").write_bytes(log)

    with mapped(tmp_path / "a.log") as data:
        first = next(tag_search(data, "AutoCoMET"))
    with mapped(tmp_path / "a.log") as data:
        whole = list(tag_search(data, "AutoCoMET"))

    assert whole == expected(log, "AutoCoMET")
    assert first == whole[0]


def test_a_log_that_grows_while_it_is_searched_gives_what_it_held_before(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(LINE * 2)

    with mapped(path) as data:
        with path.open("ab") as handle:
            handle.write(LINE)

        assert list(tag_search(data, "AutoCoMET")) == expected(LINE * 2, "AutoCoMET")


def test_a_text_that_repeats_the_tag_without_a_line_end_takes_no_longer_than_its_length() -> None:
    log = b" AutoCoMET" * 300_000

    assert list(tag_search(log, "AutoCoMET")) == []


def test_a_process_number_that_no_process_has_makes_no_record() -> None:
    endless = LINE.replace(b" 1234", b" " + b"1" * 5000)

    assert [record.offset for record in tag_search(endless + LINE, "AutoCoMET")] == [len(endless)]
