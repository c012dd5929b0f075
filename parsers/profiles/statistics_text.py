"""The text that Qualcomm's viewers of profiles print: titles underlined with dashes, and below each ``label: 12 us`` a line.

``snpe-diagview`` and ``qnn-profile-viewer`` print it alike. Their sources are not public; the form is the one that SNPE
2.37 and QNN 2 print, and that SNPE's own ``snpebm_parser.py`` (2.5) takes apart. A label may hold colons, and
behind the figure the processor may stand::

    Per-Layer Execution Times:
    ------------------------------
      1: features/conv:OpId_18 (cycles) : 1252 cycles : DSP
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from parsers.dump_lines import Line, Rejects
from parsers.profiles.operator_time import figure_of

_FIGURE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,9})?) {0,4}([A-Za-z/]{0,12})")
_PROCESSOR = re.compile(r"[A-Z][A-Z0-9_]{1,15}")
_NEW_LOG = ("Log File Created:", "Software library version:")
"""In the banner of a log; in a file there may be several."""
_GRAPH = "Graph "
_SUBTITLE = "Total Inference Time"
"""A second title below that of a network's figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One figure."""

    log: int
    """Number of the log within the file, from 1."""
    section: str
    graph: str
    label: str
    value: float
    unit: str
    """Empty where none stands there, as behind a zero."""
    processor: str


class _Titles:
    """Knows below which title a line stands."""

    def __init__(self, rejects: Rejects) -> None:
        self.log, self.section, self.graph = 1, "", ""
        self.is_understood = True
        self._rejects = rejects
        self._title: Line | None = None

    def take(self, line: Line, text: str) -> bool:
        """Take a line that is not blank; false where it is neither title, dashes nor banner."""
        if text.startswith(_NEW_LOG):
            self.log += bool(self.section)
            self.section, self.graph, self.is_understood = "", "", True
        elif len(text) > 2 and set(text) == {"-"}:
            self._underline()
        else:
            if self._title is not None:
                self._rejects.add(self._title, "a title without dashes below it")
                self.is_understood, self._title = False, None
            if not text.endswith(":"):
                return not self.section
            if text.startswith(_GRAPH) and self.section:
                self.graph = text.removesuffix(":")
            else:
                self._title = line
        return True

    def _underline(self) -> None:
        title, self._title = self._title, None
        name = title.text.strip().removesuffix(":") if title is not None else ""
        if name == _SUBTITLE and self.section:
            return
        self.is_understood = bool(name) or not self.section
        self.section, self.graph = name or self.section, ""


def entries_of(lines: Iterable[Line], rejects: Rejects) -> Iterator[Entry]:
    """Yield the figures below titles; what stands before the first title is a banner."""
    titles = _Titles(rejects)
    for line in lines:
        text = line.text.strip()
        if not text or titles.take(line, text):
            continue
        entry = _entry(text, log=titles.log, section=titles.section, graph=titles.graph)
        if not titles.is_understood:
            rejects.add(line, "a figure below a title that was not understood")
        elif entry is None:
            rejects.add(line, "a line below a title that is no figure")
        else:
            yield entry


def _entry(text: str, *, log: int, section: str, graph: str) -> Entry | None:
    label, colon, last = text.rpartition(":")
    processor = ""
    if _PROCESSOR.fullmatch(last.strip()):
        processor = last.strip()
        label, colon, last = label.rpartition(":")
    figure = _FIGURE.fullmatch(last.strip())
    value = figure_of(figure[1]) if figure else None
    if not colon or not label.strip() or figure is None or value is None:
        return None
    return Entry(
        log=log,
        section=section,
        graph=graph,
        label=label.strip(),
        value=value,
        unit=figure[2],
        processor=processor,
    )
