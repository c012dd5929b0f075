"""What an ELF file says of itself: for which processor it is, and what it asks of the machine that loads it.

Reads only what decides whether Android loads a program or a library. Sizes and offsets come from the file, so each is
checked before it is followed. Format: System V ABI, "Object Files" and "Program Loading and Dynamic Linking".
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum


class Machine(IntEnum):
    """``e_machine`` of the processors in phones and benches."""

    X86 = 3
    ARM = 40
    X86_64 = 62
    AARCH64 = 183


PT_LOAD, PT_DYNAMIC, PT_INTERP, PT_TLS = 1, 2, 3, 7
ET_DYN = 3
_DT_NULL, _DT_NEEDED, _DT_HASH, _DT_STRTAB, _DT_SYMTAB = 0, 1, 4, 5, 6
_LONGEST_NAME = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class ElfFile:
    """A program or shared library. Absent things are empty."""

    bits: int
    """32 or 64."""
    machine: int
    """``e_machine``; see :class:`Machine`."""
    flags: int
    """``e_flags``: on ARM the version of the calling convention, and whether floats travel in float registers."""
    position_independent: bool
    """``ET_DYN``: a shared library or a PIE."""
    interpreter: str
    needed: tuple[str, ...]
    """Libraries that the loader opens first."""
    load_alignments: tuple[int, ...]
    """Bytes, one for each segment that is loaded."""
    has_tls: bool
    """Whether there is a segment of thread-local variables."""
    imports: frozenset[str]
    """Symbols that other libraries have to offer, weak ones included. Empty where the file has no ``DT_HASH``."""


def read_elf(data: bytes) -> ElfFile:
    """Read a little-endian ELF program or library.

    Raises:
        ValueError: ``data`` is something else, or is cut off.
    """
    if data[:4] != b"\x7fELF" or data[4:5] not in {b"\1", b"\2"} or data[5:6] != b"\1":
        raise ValueError("this is no little-endian ELF file")
    try:
        return _Reader(data).read()
    except struct.error as exc:
        raise ValueError(f"the ELF file is cut off: {exc}") from exc


@dataclass(frozen=True, slots=True)
class _Segment:
    kind: int
    offset: int
    address: int
    file_size: int
    alignment: int


class _Reader:
    """The file's layout: addresses are turned into offsets by the loaded segments."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._bits = 64 if data[4] == 2 else 32
        self._segments = list(self._read_segments())

    def read(self) -> ElfFile:
        """Gather what :class:`ElfFile` tells."""
        kind, machine = self._unpack("HH", 16)
        (flags,) = self._unpack("I", 48 if self._bits == 64 else 36)
        dynamic = list(self._dynamic())
        values = dict(dynamic)
        strings = self._offset(values[_DT_STRTAB]) if _DT_STRTAB in values else 0
        interpreters = [segment for segment in self._segments if segment.kind == PT_INTERP]
        return ElfFile(
            bits=self._bits,
            machine=machine,
            flags=flags,
            position_independent=kind == ET_DYN,
            interpreter=self._string(interpreters[0].offset) if interpreters else "",
            needed=tuple(self._string(strings + value) for tag, value in dynamic if tag == _DT_NEEDED),
            load_alignments=tuple(segment.alignment for segment in self._segments if segment.kind == PT_LOAD),
            has_tls=any(segment.kind == PT_TLS for segment in self._segments),
            imports=frozenset(self._imports(values, strings)),
        )

    def _read_segments(self) -> Iterator[_Segment]:
        if self._bits == 64:
            (table,), (size, count) = self._unpack("Q", 32), self._unpack("HH", 54)
        else:
            (table,), (size, count) = self._unpack("I", 28), self._unpack("HH", 42)
        for at in range(table, table + size * count, max(size, 1)):
            if self._bits == 64:
                kind, _, offset, address, _, file_size, _, alignment = self._unpack("IIQQQQQQ", at)
            else:
                kind, offset, address, _, file_size, _, _, alignment = self._unpack("IIIIIIII", at)
            yield _Segment(kind, offset, address, file_size, alignment)

    def _dynamic(self) -> Iterator[tuple[int, int]]:
        entry = "qQ" if self._bits == 64 else "iI"
        step = struct.calcsize(f"<{entry}")
        for segment in self._segments:
            if segment.kind != PT_DYNAMIC:
                continue
            for at in range(segment.offset, segment.offset + segment.file_size, step):
                tag, value = self._unpack(entry, at)
                if tag == _DT_NULL:
                    return
                yield tag, value

    def _imports(self, dynamic: dict[int, int], strings: int) -> Iterator[str]:
        if _DT_HASH not in dynamic or _DT_SYMTAB not in dynamic:
            return
        _, count = self._unpack("II", self._offset(dynamic[_DT_HASH]))
        table = self._offset(dynamic[_DT_SYMTAB])
        step, section_at = (24, 6) if self._bits == 64 else (16, 14)
        for at in range(table + step, table + step * count, step):  # the first symbol is always undefined and nameless
            (name,), (section,) = self._unpack("I", at), self._unpack("H", at + section_at)
            if section == 0:
                yield self._string(strings + name)

    def _offset(self, address: int) -> int:
        for segment in self._segments:
            if segment.kind == PT_LOAD and segment.address <= address < segment.address + segment.file_size:
                return address - segment.address + segment.offset
        raise ValueError(f"the ELF file loads nothing at address {address:#x}")

    def _string(self, at: int) -> str:
        end = self._data.find(b"\0", at, at + _LONGEST_NAME)
        if end < 0:
            raise ValueError("the ELF file is cut off in a name")
        return self._data[at:end].decode("utf-8", "replace")

    def _unpack(self, layout: str, at: int) -> tuple[int, ...]:
        return struct.unpack_from(f"<{layout}", self._data, at)
