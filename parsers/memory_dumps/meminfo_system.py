"""What ``dumpsys meminfo`` prints of all processes and of the machine, for people and in its compact form.

Android prints both in ``ActivityManagerService.java`` (``dumpApplicationMemoryUsage``, ``dumpMemItems``). Sizes were
``1234 kB`` up to Android 6 and are ``1,234K`` since; what a process has in swap stands behind its line or, since Android
12, on the next one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from parsers.dump_lines import Line, Rejects
from parsers.dump_numbers import whole_in_groups
from parsers.memory_dumps.meminfo_records import Grouping, Measure, SystemFigure, SystemMemory

GROUP_TITLE = re.compile(r"Total (PSS|RSS) by (process|OOM adjustment|category):")

_SIZE = r"(-?[0-9]{1,3}(?:,[0-9]{3}){1,5}|-?[0-9]{1,18})"
_UNIT = r" ?(?:kB|K)"
_ITEM = re.compile(rf"([ \t]*{_SIZE}){_UNIT}: (.+)")
_SWAP = re.compile(rf"\([ ]*{_SIZE}{_UNIT} in swap(?:,[ ]+{_SIZE}{_UNIT} private dirty)?\)$")
_DIRTY = re.compile(rf"\([ ]*{_SIZE}{_UNIT} private dirty\)$")
_USER = re.compile(r" \(user ([0-9]{1,9})\)$")
_PID = re.compile(r" \(pid ([0-9]{1,9})( / activities)?\)$")
_FIGURE = re.compile(rf"[ \t]*([A-Za-z][^:]{{0,40}}):[ \t]+({_SIZE}{_UNIT}\b.*)")
_UNSHARED = re.compile(rf"[ \t]*{_SIZE}{_UNIT} unshared;.*")
_STATUS = re.compile(r"\(status ([a-z0-9 ]{1,40})\)")
_PART = re.compile(rf"{_SIZE}(?:{_UNIT}\b)?(?: +([A-Za-z][A-Za-z -]{{0,40}}))?")
_TUNING = re.compile(
    rf"[ \t]*Tuning: ([0-9]{{1,6}}) \(large ([0-9]{{1,6}})\), oom +{_SIZE}{_UNIT}"
    rf"(?:, restore limit +{_SIZE}{_UNIT})?(?: \([a-z-]{{1,20}}\)){{0,4}}"
)
_GROUPINGS = {
    "process": Grouping.PROCESS,
    "OOM adjustment": Grouping.OOM_ADJUSTMENT,
    "category": Grouping.CATEGORY,
}
_DEEPER = 3
"""Characters by which a part is set in at least: four, less one where a size of ten characters moves its line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    measure: Measure
    grouping: Grouping


class SystemSections:
    """Reads the sections of all processes line by line; a process is given when the line after it has been seen."""

    def __init__(self, rejects: Rejects) -> None:
        self._rejects = rejects
        self._group: _Group | None = None
        self._outer_end: int | None = None
        self._outer_name: str | None = None
        self._held: SystemMemory | None = None

    @property
    def is_open(self) -> bool:
        """Whether a section of items has begun."""
        return self._group is not None

    def begin(self, text: str) -> bool:
        """Take the line that begins a section; false where it is another."""
        title = GROUP_TITLE.fullmatch(text.strip(" \t"))
        if title is None:
            return False
        self._group = _Group(measure=Measure(title[1].lower()), grouping=_GROUPINGS[title[2]])
        self._outer_end = self._outer_name = None
        return True

    def leave(self) -> Iterator[SystemMemory]:
        """End the section; gives the process that was waited with."""
        self._group = None
        yield from self.release()

    def release(self) -> Iterator[SystemMemory]:
        """Give the process that was waited with."""
        if self._held is not None:
            yield self._held
        self._held = None

    def read(self, line: Line) -> Iterator[SystemMemory]:
        """Read one line of the section."""
        text = line.text.strip(" \t")
        amounts = _SWAP.fullmatch(text) or _DIRTY.fullmatch(text)
        if amounts and self._held is not None and self._held.swap_kb is None and self._held.private_dirty_kb is None:
            self._held = _with_amounts(self._held, text)
            return
        yield from self.release()
        item = _ITEM.fullmatch(line.text)
        if item is None or self._group is None:
            self._rejects.add(line, "no '1,234K: name'")
            return
        self._held = self._item(line, item, self._group)

    def _item(self, line: Line, item: re.Match[str], group: _Group) -> SystemMemory:
        end, size, text = len(item[1]), whole_in_groups(item[2]) or 0, item[3].rstrip(" \t")
        bare = _DIRTY.sub("", _SWAP.sub("", text)).rstrip(" \t")
        user = _USER.search(bare)
        bare = bare[: user.start()] if user else bare
        pid = _PID.search(bare)
        name = bare[: pid.start()] if pid else bare
        if self._outer_end is None:
            self._outer_end = end
        is_part = group.grouping is not Grouping.PROCESS and end >= self._outer_end + _DEEPER
        if not is_part:
            self._outer_name = name
        found = SystemMemory(
            offset=line.offset,
            measure=group.measure,
            grouping=group.grouping,
            name=name,
            parent=self._outer_name if is_part else None,
            pid=int(pid[1]) if pid else None,
            user=int(user[1]) if user else None,
            has_activities=bool(pid[2]) if pid else None,
            size_kb=size,
        )
        return _with_amounts(found, text)


def read_figures(line: Line, rejects: Rejects) -> Iterator[SystemFigure] | None:
    """Read a line of the machine's memory, as ``Free RAM: 3K (1K cached pss + 2K free)``; ``None`` where it is another."""
    if tuning := _TUNING.fullmatch(line.text):
        return _tuning(line, tuning)
    if _UNSHARED.fullmatch(line.text):
        return _figures(line, "KSM", line.text, rejects)
    figure = _FIGURE.fullmatch(line.text)
    return _figures(line, figure[1], figure[2], rejects) if figure else None


def _tuning(line: Line, tuning: re.Match[str]) -> Iterator[SystemFigure]:
    """The limits of an app's Java heap, in megabytes, and of the machine's free memory."""
    heap, large = int(tuning[1]) * 1024, int(tuning[2]) * 1024
    parts = {"heap": heap, "large heap": large, "oom": whole_in_groups(tuning[3]), "restore limit": _number(tuning[4])}
    for part, size in parts.items():
        if size is not None:
            yield SystemFigure(offset=line.offset, name="Tuning", part=part, size_kb=size)


def _figures(line: Line, name: str, text: str, rejects: Rejects) -> Iterator[SystemFigure]:
    status = _STATUS.search(text)
    rest = _STATUS.sub("", text)
    if _PART.sub("", rest).strip(" \t()+;,"):
        rejects.add(line, "a figure with words that are not understood")
        return
    word: str | None = None
    for number, part in enumerate(_PART.finditer(rest)):
        # KSM's second number has its word before it: "1K saved from shared 2K"
        word = part[2].rstrip(" ") if part[2] else word and word.rpartition(" ")[2]
        yield SystemFigure(
            offset=line.offset,
            name=name.strip(" \t"),
            part=word,
            size_kb=whole_in_groups(part[1]) or 0,
            status=status[1] if status and number == 0 else None,
        )


def _with_amounts(item: SystemMemory, text: str) -> SystemMemory:
    """Add what a process has in swap and what is its own and changed, where the line says so."""
    if swap := _SWAP.search(text):
        return replace(item, swap_kb=whole_in_groups(swap[1]), private_dirty_kb=_number(swap[2]))
    if dirty := _DIRTY.search(text):
        return replace(item, private_dirty_kb=whole_in_groups(dirty[1]))
    return item


def _number(text: str | None) -> int | None:
    return None if text is None else whole_in_groups(text)
