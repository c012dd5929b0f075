"""Writes what ``dumpsys meminfo`` prints, in the formats that Android's source gives, with numbers of our own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

HEADER = ("Applications Memory Usage (in Kilobytes):", "Uptime: 2030149 Realtime: 3030149", "")
PROCESS = "** MEMINFO in pid 4711 [org.example.camera:ml] **"

ANDROID_14 = (("Pss", "Private", "Private", "SwapPss", "Rss"), ("Total", "Dirty", "Clean", "Dirty", "Total"))
ANDROID_9 = (("Pss", "Private", "Private", "SwapPss"), ("Total", "Dirty", "Clean", "Dirty"))
HEAP = (("Heap", "Heap", "Heap"), ("Size", "Alloc", "Free"))

Numbers = Sequence[int]


def cells(label: str, values: Sequence[object]) -> str:
    """One line of the table: ``%13s %8s %8s``."""
    return " ".join([f"{label:>13}", *(f"{value:>8}" for value in values)])


def table(header: tuple[Sequence[str], Sequence[str]], rows: Mapping[str, Numbers]) -> list[str]:
    """A table with the heap's columns behind the others; a row that has no heap is shorter."""
    above, below = ((*mine, *heap) for mine, heap in zip(header, HEAP, strict=True))
    ruler = ["------"] * len(above)
    lines = [cells("", above), cells("", below), cells("", ruler)]
    width = len(above)
    return [*lines, *(cells(name, [*row, *[""] * (width - len(row))]) for name, row in rows.items())]


def pair(name: str, number: int, other: str = "", other_number: int | None = None) -> str:
    """One line of names with numbers: ``%21s %8d %21s %8d``."""
    first = f"{name + ':':>21} {number:>8}"
    return first if other_number is None else f"{first} {other + ':' if other else '':>21} {other_number:>8}"


def size(kilobytes: int) -> str:
    """A size as Android 7 and later write it: ``%,9dK``."""
    return f"{kilobytes:>9,}K"


SUMMARY_14 = (
    " App Summary",
    f"{'':>21} {'Pss(KB)':>8} {'':>21} {'Rss(KB)':>8}",
    f"{'':>21} {'------':>8} {'':>21} {'------':>8}",
    pair("Java Heap", 2480, "", 18640),
    pair("Private Other", 2136),
    f"{'Unknown:':>21} {'':>8} {'':>21} {4000:>8}",
    " ",
    f"{pair('TOTAL PSS', 39321, 'TOTAL RSS', 124676)} {'TOTAL SWAP PSS:':>21} {545:>8}",
)
