"""A folder with the files of a phone or another machine, as somebody copied them, into its facts.

The folder holds what the machine has at the same place: ``proc/cpuinfo``, ``proc/meminfo``, ``sys/devices/system/cpu/…``,
``sys/devices/soc0/machine``, the GPU's own file; and what ``getprop`` printed, in files ``getprop*.txt``. Any of them may
be missing. Nothing outside the folder is read: a link that leads out of it is left out, with a note.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from parsers.errors import DumpError
from parsers.facts.facts import GPU_FILES, SOC_FILES, Facts, facts_of
from parsers.facts.getprop import parse_properties
from parsers.facts.socs import read_socs
from parsers.facts.tree import CPU, PATTERNS, read_tree

_PROPERTIES = "getprop*.txt"


def is_facts_folder(path: Path) -> bool:
    """Tell whether a folder holds a machine's files."""
    return any((path / name).exists() for name in ("proc/cpuinfo", "proc/meminfo", CPU)) or any(path.glob(_PROPERTIES))


def read_facts_folder(path: Path) -> Facts:
    """Read a machine's facts from a folder of its files.

    Raises:
        DumpError: there is no such folder, or none of the files.
        DeviceConfigError: the table of SoCs cannot be read.
    """
    if not path.is_dir():
        raise DumpError(f"{path} is no folder. Name one that holds proc/, sys/ or getprop*.txt of a phone.")
    files = read_tree(path, (*PATTERNS, *GPU_FILES, *SOC_FILES))
    printed = read_tree(path, (_PROPERTIES,))
    notes = [f"left out {name}" for name in (*files.left_out, *printed.left_out)]
    if not files.texts and not printed.texts:
        why = f" ({notes[0]})" if notes else ""
        raise DumpError(f"{path} holds no file of proc/, {CPU}/ or getprop*.txt that can be read{why}. Name another.")
    properties, contradictions = _agreed(printed.texts)
    return facts_of(files, properties, socs=read_socs(), notes=(*notes, *contradictions))


def _agreed(texts: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Put several files' properties together; what they contradict each other in is not known."""
    agreed: dict[str, str] = {}
    contradicted: set[str] = set()
    for text in texts.values():
        for name, value in parse_properties(text).items():
            if agreed.setdefault(name, value) != value:
                contradicted.add(name)
    notes = [f"left out the property {name}: the files contradict each other" for name in sorted(contradicted)]
    return {name: value for name, value in agreed.items() if name not in contradicted}, notes
