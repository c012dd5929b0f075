"""The records of one tag out of a log of any size: its bytes are looked for first, and only the lines that hold them are read.

A line whose tag is TAG holds `` TAG``. Of two neighbouring bytes of that text, one pair stands at an even place of the
file wherever the line begins. So all two-byte words of the log are compared with two such pairs, one for either case, the
rarest of each; hardly a word is then looked at twice. That is faster than Python's own search for bytes, and keeps pace
with ``grep -F`` (``benchmarks/bench_parsers.py``). Whether the bytes stand in the tag's place, only the parser of records says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from parsers.dump import HEAD_BYTES, Buffer
from parsers.logcat.slices import let_go
from parsers.logcat.threadtime import LogRecord, parse_line, parse_threadtime

_CHUNK_BYTES = 1 << 18
"""So much is compared at once: it stays in the processor's cache."""
_LET_GO_BYTES = 1 << 25
"""So much is let go of at once: each time costs."""
_FEW = 64
"""Places that are sooner looked at one by one than all at once."""
_WORD = np.dtype("<u2")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pair:
    """Two neighbouring bytes of the text that is looked for."""

    at: int
    """Where in the text they stand."""
    word: np.uint16


def tag_search(data: Buffer, tag: str) -> Iterator[LogRecord]:
    """Read the records of a ``threadtime`` log that have this tag, in the log's order.

    They equal those of :func:`parsers.logcat.threadtime.parse_threadtime`. A mapped file's pages are let go of on the way.

    Args:
        data: the log, in memory or mapped.
        tag: as a record has it.
    """
    text = b" " + tag.encode(errors="surrogateescape")
    if len(text) <= _WORD.itemsize:
        yield from (record for record in parse_threadtime(data) if record.tag == tag)
        return
    first_line = bytes(data[:HEAD_BYTES]).partition(b"\n")[0]
    carriage_return = b"\r" if first_line.endswith(b"\r") else b""
    for start, line in _lines_with(data, text):
        terminated = line.endswith(b"\n")
        record = parse_line(start, line.removesuffix(b"\n").removesuffix(carriage_return), terminated=terminated)
        if record is not None and record.tag == tag:
            yield record


def _lines_with(data: Buffer, text: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that hold a text, with their newlines, and where they begin."""
    pairs = tuple(_rarest(data, text, parity) for parity in (0, 1))
    masks = np.empty((2, _CHUNK_BYTES // 2), bool)
    start = end = let_go_from = 0
    for chunk in range(0, len(data), _CHUNK_BYTES):
        for place in _places(data, chunk, text, pairs, masks):
            if place < end or data[place : place + len(text)] != text:
                continue
            start = data.rfind(b"\n", end, place) + 1 or end
            end = data.find(b"\n", place) + 1 or len(data)
            yield start, bytes(data[start:end])
        if chunk - let_go_from >= _LET_GO_BYTES:
            let_go(data, let_go_from, chunk)
            let_go_from = chunk


def _rarest(data: Buffer, text: bytes, parity: int) -> _Pair:
    """Choose, of the pairs at even or at odd places of the text, the one that the log's beginning holds least often."""
    sample = np.frombuffer(data, _WORD, count=min(len(data), _CHUNK_BYTES) // 2)
    pairs = [
        _Pair(at=at, word=np.frombuffer(text, _WORD, count=1, offset=at)[0]) for at in range(parity, len(text) - 1, 2)
    ]
    return min(pairs, key=lambda pair: np.count_nonzero(sample == pair.word))


def _places(data: Buffer, start: int, text: bytes, pairs: tuple[_Pair, ...], masks: NDArray[np.bool_]) -> list[int]:
    """Find where the text may begin, in order: wherever a word of the chunk is one of the pairs.

    The arrays over the data do not outlive the call, since a mapped file could not be closed meanwhile.
    """
    words = np.frombuffer(data, _WORD, offset=start, count=min(len(data) - start, _CHUNK_BYTES) // 2)
    found, also = (np.equal(words, pair.word, out=mask[: len(words)]) for pair, mask in zip(pairs, masks, strict=True))
    found |= also
    words_at = start + 2 * np.flatnonzero(found)
    places = np.concatenate([words_at - pair.at for pair in pairs])
    if len(places) > _FEW:
        places = places[(places >= 0) & (places < len(data))]
        places = places[np.frombuffer(data, np.uint8)[places] == text[0]]
    return sorted(places.tolist())
