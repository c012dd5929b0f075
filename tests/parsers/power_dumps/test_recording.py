from __future__ import annotations

import pytest

from parsers.power_dumps.recording import boottime_ns_of


@pytest.mark.parametrize(
    ("text", "boottime_ns"),
    [
        ("@ 0", 0),
        ("@ 12345678901", 12345678901),
        ("@ " + "9" * 19, None),
        ("@12", None),
        ("@ -1", None),
        ("@ 5 x", None),
    ],
)
def test_the_line_above_a_dump_says_when_it_was_taken(text: str, boottime_ns: int | None) -> None:
    assert boottime_ns_of(text) == boottime_ns
