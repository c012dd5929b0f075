from __future__ import annotations

import codecs
import mmap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parsers.logcat.encoding import LONGEST_LINE, Charset, Ending, TextLine, lines, text_of


def read(data: bytes, piece: int = 1 << 16) -> list[TextLine]:
    text = text_of(data)
    return list(lines(text, text.start, piece=piece))


@pytest.mark.parametrize(
    ("data", "charset", "start"),
    [
        (b"plain", Charset.UTF8, 0),
        (codecs.BOM_UTF8 + b"x", Charset.UTF8, 3),
        (codecs.BOM_UTF16_LE + b"x\0", Charset.UTF16_LE, 2),
        (codecs.BOM_UTF16_BE + b"\0x", Charset.UTF16_BE, 2),
        ("12-31 23:59:59.998".encode("utf-16-le"), Charset.UTF16_LE, 0),
        ("12-31 23:59:59.998".encode("utf-16-be"), Charset.UTF16_BE, 0),
        (b"", Charset.UTF8, 0),
        (b"\0" * 40, Charset.UTF8, 0),
    ],
)
def test_the_encoding_is_told_from_the_beginning(data: bytes, charset: Charset, start: int) -> None:
    text = text_of(data)

    assert (text.charset, text.start) == (charset, start)


def test_lines_have_the_bytes_at_which_they_begin() -> None:
    newline, ends = Ending.NEWLINE, Ending.DUMP_ENDS

    assert read(b"a\n\nxyz") == [(0, "a", newline), (2, "", newline), (3, "xyz", ends)]
    assert read("推\nb\n".encode()) == [(0, "推", newline), (4, "b", newline)]
    assert read(b"\xff\nb\n") == [(0, "\udcff", newline), (2, "b", newline)]
    assert read(codecs.BOM_UTF16_LE + "a😀\r\nb".encode("utf-16-le")) == [(2, "a😀\r", newline), (12, "b", ends)]
    assert read(b"") == []


def test_half_a_utf_16_character_becomes_the_invalid_bytes_that_it_would_be() -> None:
    data = codecs.BOM_UTF16_LE + "a\ud83db\n".encode("utf-16-le", errors="surrogatepass") + b"c"

    assert read(data) == [(2, "a\udced\udca0\udcbdb", Ending.NEWLINE)]


@given(st.binary(max_size=300), st.integers(1, 40))
def test_pieces_of_any_size_give_the_lines_of_the_whole(data: bytes, piece: int) -> None:
    assert read(data, piece) == read(data)
    assert [line.encode(errors="surrogateescape") for _, line, _ in read(data, piece)] == expected(data)


def expected(data: bytes) -> list[bytes]:
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return [line.encode(errors="surrogateescape") for _, line, _ in read(data)]
    parts = data.removeprefix(codecs.BOM_UTF8).split(b"\n")
    return parts if parts[-1] else parts[:-1]


@given(
    st.lists(st.text(st.characters(codec="utf-16", exclude_characters="\n"), max_size=9), max_size=9),
    st.sampled_from(["utf-16-le", "utf-16-be"]),
    st.integers(2, 30),
)
def test_utf_16_is_read_as_the_text_that_it_is(parts: list[str], charset: str, piece: int) -> None:
    data = ("\ufeff" + "".join(part + "\n" for part in parts)).encode(charset)

    found = read(data, piece)

    assert [line for _, line, _ in found] == parts
    for offset, line, _ in found:
        assert data[offset:].startswith(f"{line}\n".encode(charset))


@pytest.mark.parametrize("charset", ["utf-8", "utf-16-le"])
@pytest.mark.parametrize("piece", [100, 1 << 20])
def test_a_line_that_no_log_holds_is_marked_and_the_next_is_read(charset: str, piece: int) -> None:
    data = ("\ufeff" + "x" * (LONGEST_LINE + 1) + "\nnext\n").encode(charset)

    first, second = read(data, piece)

    assert first[2] is Ending.TOO_LONG
    assert second[1:] == ("next", Ending.NEWLINE)
    assert data[second[0] :] == "next\n".encode(charset)


def test_a_mapped_file_reads_as_its_bytes_do(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes("é line\n".encode() * 30_000)

    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        text = text_of(mapped)
        found = list(lines(text, text.start))

    assert found == read(path.read_bytes())
    assert len(found) == 30_000
