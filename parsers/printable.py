"""A device's words, fit for a person's terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """Make a phone's text fit for a terminal: control characters become visible, and one line stays one line."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)
