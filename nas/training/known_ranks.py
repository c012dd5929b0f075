"""How well queries rank networks, where it was measured: by which a search chooses how it judges networks, and warns.

The coefficients are those of ``benchmarks/bench_ranks.py``, Spearman's between a query's accuracy and that of training alone,
of twenty networks near the low tier's limit; ``docs/data.md`` has them, too, and of how many seeds they are.
"""

from __future__ import annotations

from dataclasses import dataclass

from nas.training.accuracy import JUDGED_BY, AccuracyName
from nas.training.rank import WEAK


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownRanks:
    """Both ways on one space and data set."""

    space: str
    data: str
    shared: float
    brief: float

    def of(self, accuracy: str) -> float:
        """Give one way's coefficient."""
        return self.shared if accuracy == AccuracyName.SHARED else self.brief


KNOWN: tuple[KnownRanks, ...] = (KnownRanks(space="mobilenetv2-tiny", data="mnist-5k", shared=0.32, brief=0.48),)
"""Measured so far."""


def known_ranks(space: str, data: str) -> KnownRanks | None:
    """Find what was measured of a space and a data set; a folder of the same data does not matter."""
    kind = data.partition(":")[0]
    return next((one for one in KNOWN if (one.space, one.data) == (space, kind)), None)


def usual_accuracy(space: str, data: str) -> AccuracyName:
    """Choose how queries judge networks: as was measured to rank better, by a brief training where nobody measured."""
    known = known_ranks(space, data)
    return AccuracyName.SHARED if known is not None and known.shared > known.brief else AccuracyName.BRIEF


def rank_warning(space: str, data: str, accuracy: str) -> str | None:
    """Say what is to be said of queries that rank poorly; None where they do not, or nobody measured."""
    known = known_ranks(space, data)
    if known is None or known.of(accuracy) >= WEAK:
        return None
    other = usual_accuracy(space, data)
    better = f" --accuracy {other} comes to {known.of(other):.2f}." if other != accuracy else ""
    return (
        f"Queries by {JUDGED_BY[accuracy]} rank networks of {space} on {data} poorly: Spearman's coefficient with training "
        f"alone is {known.of(accuracy):.2f}.{better} Let more --finalists be trained alone."
    )
