"""A signal that the user computes: a cost of a network or of a piece of it, or the primary signal itself.

The function is called with two lists of JSON-able values, blocks and layers, and gives one number::

    def reads(blocks: list[dict | None], layers: list[dict]) -> float: ...

Blocks are the choices of an architecture as in ``architecture.json`` (null for a dropped slot), layers their attributes as
in a layer suite. As the primary signal it is called with whole networks, and higher is better, in [0, 1]. As a secondary
one it is a cost, called with the pieces that networks are put together from: the search plans with pieces, so a network's
cost must be the sum or the largest of its pieces' costs, which is tried out.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nas.errors import SettingsError
from nas.limits.signals import ACCURACY, THROUGHPUT, UNITS
from nas.networks.layers import network_layers
from nas.space import Architecture, Choice, Space, architecture_to_json
from parsers.schema import Layer, layer_to_json

Compute = Callable[[list[object], list[object]], float]
"""Gives a number for blocks and layers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSignal:
    """A named function of the user's."""

    name: str
    compute: Compute

    def cost(self, choices: Sequence[Choice], layers: Sequence[Layer]) -> float:
        """Give what a network, or a piece of one, costs; infinite where it cannot run.

        Raises:
            SettingsError: the function gives no number, or one below 0.
        """
        value = self._value(choices, layers)
        if value < 0:
            raise SettingsError(f"{self.name} gives {value:g} for {len(layers)} layers: a cost is at least 0.")
        return value

    def quality(self, space: Space, architecture: Architecture) -> float:
        """Give what a network is worth.

        Raises:
            SettingsError: the function gives no number in [0, 1].
        """
        value = self._value(architecture, network_layers(space, architecture))
        if not 0 <= value <= 1:
            raise SettingsError(
                f"{self.name} gives {value:g} for a network: as the primary signal it must be in 0 to 1, higher is better."
            )
        return value

    def _value(self, choices: Sequence[Choice], layers: Sequence[Layer]) -> float:
        given = self.compute(json.loads(architecture_to_json(choices)), [layer_to_json(layer) for layer in layers])
        try:
            value = float(given)
        except (TypeError, ValueError) as exc:
            raise SettingsError(f"{self.name} gives {given!r} for {len(layers)} layers, which is no number.") from exc
        if math.isnan(value):
            raise SettingsError(f"{self.name} gives not a number (NaN) for {len(layers)} layers.")
        return value


def load_user_signals(references: Sequence[str]) -> tuple[UserSignal, ...]:
    """Load the functions that a user named, each by ``module:function``; a signal is called as its function.

    Raises:
        SettingsError: no such function, or a name that is taken.
    """
    from nas.user_code import load_function  # noqa: PLC0415 - runs code that the user names, and only then

    signals: dict[str, UserSignal] = {}
    for reference in references:
        name = reference.rpartition(":")[2]
        if name in (ACCURACY, THROUGHPUT, *UNITS, *signals):
            raise SettingsError(
                f"--signal {reference}: there is a signal {name!r} already. Call the function otherwise."
            )
        signals[name] = UserSignal(name=name, compute=load_function(reference, option="--signal"))
    return tuple(signals.values())


def signal_names(references: Sequence[str]) -> tuple[str, ...]:
    """Give the names of user's signals without loading them."""
    return tuple(reference.rpartition(":")[2] for reference in references)
