"""Which networks no other beats in both accuracy and cost."""

from __future__ import annotations

from collections.abc import Sequence

from nas.searching.search import Record


def pareto_front(records: Sequence[Record]) -> tuple[Record, ...]:
    """Give the records within the limits that no other matches in cost and accuracy and beats in one, by rising cost."""
    front: list[Record] = []
    for record in sorted((item for item in records if item.within), key=lambda item: (item.cost, -item.accuracy)):
        if not front or record.accuracy > front[-1].accuracy:
            front.append(record)
    return tuple(front)
