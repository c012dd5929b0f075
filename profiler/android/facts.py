"""What a phone says of itself, asked with one command: its processor, memory, GPU, system on a chip and build.

The command prints sections: the files of ``/proc`` and ``/sys`` with their path before every line, the properties, and
the graphics driver's line. Everything after it is a pure function of that text. What a phone hides or has switched off
stays ``None``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from parsers.facts.facts import GPU_FILES, SOC_FILES, cluster_context, context_of, facts_of
from parsers.facts.facts import Facts as PhoneFacts
from parsers.facts.getprop import parse_properties
from parsers.facts.socs import Soc, read_socs
from parsers.facts.tree import PATTERNS, parse_listing
from profiler.device import DeviceFacts
from profiler.errors import DeviceAnswerError

_FILES, _PROPERTIES, _GRAPHICS, _END = "== files", "== properties", "== graphics", "== end"
_SCRIPT = f"""cd "${{1:-/}}" || exit 1
echo '{_FILES}'
grep -H '' {" ".join((*PATTERNS, *GPU_FILES, *SOC_FILES))} 2>/dev/null
echo '{_PROPERTIES}'
getprop
echo '{_GRAPHICS}'
dumpsys SurfaceFlinger </dev/null 2>/dev/null | grep -m 1 'GLES: '
echo '{_END}'
"""

FACTS_COMMAND: tuple[str, ...] = ("sh", "-c", _SCRIPT)
"""Prints everything that :func:`parse_phone_facts` reads; ``grep`` exits with 2 where one file is hidden, ``echo`` with 0."""


def read_phone_facts(read: Callable[[Sequence[str]], str]) -> DeviceFacts:
    """Ask a phone what it is.

    Args:
        read: runs one command on the phone and returns what it prints.

    Raises:
        DeviceAnswerError: the answer is cut off.
        DeviceConfigError: the table of SoCs cannot be read.
    """
    return device_facts(parse_phone_facts(read(FACTS_COMMAND), read_socs()))


def parse_phone_facts(text: str, socs: Sequence[Soc]) -> PhoneFacts:
    """Read the answer to :data:`FACTS_COMMAND`.

    Raises:
        DeviceAnswerError: the answer is cut off.
    """
    listing, properties_text, graphics = _sections(text)
    files, properties = parse_listing(iter(listing.splitlines())), parse_properties(properties_text)
    return facts_of(files, properties, graphics=graphics, socs=socs)


def device_facts(phone: PhoneFacts) -> DeviceFacts:
    """Reduce a phone's facts to what a campaign needs; its context is the fastest cluster's."""
    fastest = phone.clusters[0] if phone.clusters else None
    return DeviceFacts(
        kind=phone.kind,
        soc=phone.soc_name,
        os_build=phone.os_build,
        context=context_of(phone),
        clusters=tuple(cluster.numbers for cluster in phone.clusters),
        cluster_contexts=tuple(cluster_context(phone, cluster) for cluster in phone.clusters),
        flops_per_cycle=fastest.design.flops_per_cycle if fastest and fastest.design else None,
    )


def _sections(text: str) -> tuple[str, str, str]:
    plain = text.replace("\r\n", "\n")
    parts = re.split(f"^(?:{_FILES}|{_PROPERTIES}|{_GRAPHICS}|{_END})$", plain, flags=re.MULTILINE)
    if len(parts) != 5:
        last = plain.strip().splitlines()[-1:] or ["nothing"]
        raise DeviceAnswerError(f"The phone's answer about itself is cut off; it ends with {last[0]!r}. Ask again.")
    return parts[1], parts[2], parts[3]
