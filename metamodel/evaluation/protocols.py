"""What is held out together: networks, layer configurations, or phones; never rows, because duplicates leak.

A protocol deals the samples into folds; which samples train a fold and which test it follows from it alone, so that every
learner sees the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from metamodel.errors import TableError
from metamodel.evaluation.samples import Rows, Samples

_FAMILY = re.compile(r"[^\W\d_]+?(?=v?\d|[\W_]|$)", re.IGNORECASE)


class Protocol(StrEnum):
    """What is unseen in a test."""

    UNSEEN_NETWORKS = "unseen-networks"
    """Whole networks. Some of their layers may have a twin in another network, as in a lab's life."""
    UNSEEN_LAYERS = "unseen-layers"
    """Layer configurations, on every device."""
    UNSEEN_PHONE = "unseen-phone"
    """A device: it is known by its hardware attributes alone."""


class Unit(StrEnum):
    """What stays together when networks are held out."""

    NETWORK = "network"
    NETWORK_FAMILY = "network-family"
    """Networks of one design: a width or depth of it that trains tells much of another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fold:
    """Which samples train and which test, and what was held out, for people."""

    name: str
    train: Rows
    test: Rows


def network_family(name: str) -> str:
    """Tell the family of a network from its name: the letters that it begins with, whatever their case.

    They end before the first digit, mark or space, and before a version's "v": ``Net2``, ``net-large`` and ``netv3_small``
    are of the family ``net``. A name that begins otherwise is a family of its own.
    """
    found = _FAMILY.match(name)
    return found.group().casefold() if found else name


def folds_of(
    samples: Samples, protocol: Protocol, *, folds: int, seed: int, unit: Unit = Unit.NETWORK
) -> Iterator[Fold]:
    """Deal the samples into folds.

    Args:
        samples: of one device or several.
        protocol: what is held out.
        folds: how many; ``unseen-phone`` has one per device.
        seed: decides which units meet in a fold.
        unit: what stays together where networks are held out.

    Raises:
        TableError: there are fewer units than folds, or samples that belong to no unit.
    """
    match protocol:
        case Protocol.UNSEEN_NETWORKS:
            yield from _by_network(samples, folds, seed, unit)
        case Protocol.UNSEEN_LAYERS:
            dealt = _deal(sorted(set(samples.configuration)), folds, seed, what="layer configurations")
            for number, units in enumerate(dealt, start=1):
                yield _fold(f"layers {number}", np.isin(samples.configuration, sorted(units)))
        case Protocol.UNSEEN_PHONE:
            devices = sorted(set(samples.device))
            if len(devices) < 2:
                raise TableError(f"{protocol.value} needs rows of two devices or more; these are of {devices[0]}.")
            for device in devices:
                yield _fold(device, samples.device == device)


def _by_network(samples: Samples, folds: int, seed: int, unit: Unit) -> Iterator[Fold]:
    members, what = samples.networks, "networks"
    if unit is Unit.NETWORK_FAMILY:
        members = tuple(frozenset(map(network_family, networks)) for networks in members)
        what = "families of networks"
    names = sorted({name for units in members for name in units})
    for number, held_out in enumerate(_deal(names, folds, seed, what=what), start=1):
        yield _fold(f"{what} {number}", np.array([bool(units & held_out) for units in members]))


def _deal(units: Sequence[str], folds: int, seed: int, *, what: str) -> list[frozenset[str]]:
    if len(units) < folds or folds < 2:
        raise TableError(f"{folds} folds of {len(units)} {what}: there must be at least 2, and a unit for each.")
    shuffled = np.random.default_rng(seed).permutation(np.array(units, dtype=object))
    return [frozenset(shuffled[start::folds]) for start in range(folds)]


def _fold(name: str, tested: np.ndarray) -> Fold:
    return Fold(name=name, train=np.flatnonzero(~tested), test=np.flatnonzero(tested))
