from __future__ import annotations

from parsers.printable import printable


def test_a_phones_text_cannot_move_the_terminals_cursor() -> None:
    assert printable("Pixel\x1b[2J\n7 ü\u202e") == "Pixel\\x1b[2J\\n7 ü\\u202e"
