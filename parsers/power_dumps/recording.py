"""What the runner puts between the dumps that it gathers into one recording: a line ``@ NANOSECONDS`` above each.

``profiler/runner/power.c`` writes it; the clock is CLOCK_BOOTTIME, which runs while the phone sleeps.
"""

from __future__ import annotations

import re

_STAMP = re.compile(r"@ ([0-9]{1,18})")


def boottime_ns_of(text: str) -> int | None:
    """Read the line that says when the dump below it was taken; ``None`` where it is another."""
    found = _STAMP.fullmatch(text)
    return None if found is None else int(found[1])
