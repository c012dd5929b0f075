"""What of a log could not be read, as it is met."""

from __future__ import annotations

from parsers.dump import LONGEST_REJECT, Reject

_LISTED_IN_A_ROW = 1000


class Rejects:
    """Collects rejected lines.

    Of those that follow each other without a record between, a thousand are listed one by one, and the rest as one piece:
    a dump that is no log would otherwise take many times its size.
    """

    def __init__(self, *, keep: bool = True) -> None:
        """Without ``keep`` nothing is collected: for a pass over a log that another follows."""
        self._keep = keep
        self.items: list[Reject] = []
        self._in_a_row = 0

    def add(self, offset: int, reason: str, text: str | bytes) -> None:
        """Take a piece."""
        if not self._keep:
            return
        self._in_a_row += 1
        if self._in_a_row <= _LISTED_IN_A_ROW:
            data = text[:LONGEST_REJECT].encode(errors="surrogateescape") if isinstance(text, str) else text
            self.items.append(Reject(offset=offset, reason=reason, text=bytes(data[:LONGEST_REJECT])))
        elif self._in_a_row == _LISTED_IN_A_ROW + 1:
            rest = f"{reason}; all that follows up to the next record"
            self.items.append(Reject(offset=offset, reason=rest, text=b""))

    def end_row(self) -> None:
        """Say that a record was read: the next reject begins a new row."""
        self._in_a_row = 0
