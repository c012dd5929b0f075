"""What every decision costs: each layer is asked about once, before the search, and laid down over the space's trellis.

Costs that add up over a network's layers (latency by the layers' shares, energy, multiply-accumulates, weights) and such
of which the largest counts (power: that of the layer that draws most) need one figure per decision. Memory is base +
weights + live activations, as the predictor has it: what adds up, and what takes a maximum. A layer that is infeasible
(the paper's set B) costs infinity by the predictor, and so does every decision that holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from metamodel.interface import LayerCosts, NetworkCosts, Predictor, Setting
from nas.errors import PredictorError, SettingsError
from nas.limits.costs import CostTable, PricedSignal
from nas.limits.live import live_elements
from nas.limits.signals import COUNTED, UNITS
from nas.limits.user_signal import UserSignal
from nas.networks.layers import layers_of, network_layers
from nas.networks.operations import IMAGE, Operation
from nas.space import Architecture, Carried, Choice, Space
from nas.trellis import FloatArray
from parsers.roofline import macs
from parsers.schema import Layer

_MB_PER_ELEMENT = 4e-6
_TRIED = 8
"""Networks on which a user's signal is tried out, beside two that are always there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A piece of a network: the stem, what a slot holds, or the head."""

    choices: tuple[Choice, ...]
    """The slot's choice; none of stem and head."""
    layers: tuple[Layer, ...]
    live: int
    """Most activation elements that are alive at once while it runs."""


Price = Callable[[Piece], float]
"""Gives what a piece costs; infinite where it cannot run."""


class Pieces:
    """All pieces that a space's networks are put together from."""

    def __init__(self, space: Space) -> None:
        self.space = space
        states = space.states()
        self.start = _piece((), space.stem_operations(), given=IMAGE, carried=None)
        self.steps: list[list[list[Piece | None]]] = [
            [[_slot_piece(space, index, carried, choice) for choice in slot.choices] for carried in states[index]]
            for index, slot in enumerate(space.slots)
        ]
        """Per slot, node and choice; None where the choice does not fit."""
        self.end = [
            _piece((), space.head_operations(carried), given=_given(space, len(space.slots)), carried=carried)
            for carried in states[-1]
        ]

    def layers(self) -> tuple[Layer, ...]:
        """List every layer once."""
        inner = [piece for rows in self.steps for row in rows for piece in row if piece is not None]
        found = dict.fromkeys(layer for piece in (self.start, *inner, *self.end) for layer in piece.layers)
        return tuple({layer.key: layer for layer in found}.values())

    def of(self, architecture: Architecture) -> tuple[Piece, ...]:
        """List the pieces of a network."""
        carried = self.space.carried(architecture)
        inner = (_slot_piece(self.space, place, carried[place], choice) for place, choice in enumerate(architecture))
        end = _piece((), self.space.head_operations(carried[-1]), given="", carried=None)
        return (self.start, *(piece for piece in inner if piece is not None), end)

    def table(self, price: Price, *, is_maximum: bool = False) -> CostTable:
        """Lay prices out over the space's trellis."""
        return CostTable(
            start=price(self.start),
            steps=tuple(
                np.array([[np.inf if piece is None else price(piece) for piece in row] for row in rows])
                for rows in self.steps
            ),
            end=np.array([price(piece) for piece in self.end]),
            is_maximum=is_maximum,
        )


def price_signals(
    space: Space, predictor: Predictor, setting: Setting, names: Sequence[str], own: Sequence[UserSignal] = ()
) -> tuple[PricedSignal, ...]:
    """Price every decision of a space by some signals; none is limited yet.

    That layers' costs come to what the predictor says of whole networks is checked on the backbone.

    Args:
        space: what is searched.
        predictor: asked once about all layers.
        setting: where networks would run.
        names: of :data:`nas.limits.signals.UNITS`, or of the user's.
        own: the user's signals.

    Raises:
        PredictorError: the predictor does not know one of them, or its layers' costs do not come to its networks'.
        SettingsError: a signal of the user's is no cost, or neither a sum nor a maximum over a network's pieces.
    """
    others = {signal.name: signal for signal in own}
    for name in names:
        if name not in (*COUNTED, *others) and name not in predictor.targets:
            raise PredictorError(
                f"The predictor was fitted without {name}; it knows {', '.join(predictor.targets)}. "
                f"Fit one on a table that has it, or search without {name}."
            )
    pieces = Pieces(space)
    costs = _LayerPrices(pieces, predictor, setting) if set(names) - COUNTED - set(others) else None
    signals = []
    for name in names:
        if name in others:
            signals.append(PricedSignal(name=name, unit="", tables=(_own_table(pieces, others[name]),)))
        elif costs is None or name in COUNTED:
            counted = (pieces.table(_COUNTS[name]),)
            signals.append(PricedSignal(name=name, unit=UNITS[name], tables=counted, ticks_per_unit=1.0))
        else:
            signals.append(PricedSignal(name=name, unit=UNITS[name], tables=costs.tables(name)))
    return tuple(signals)


class _LayerPrices:
    """The predictor's answers about every layer of a space, and tables of them."""

    def __init__(self, pieces: Pieces, predictor: Predictor, setting: Setting) -> None:
        self._pieces, self._predictor, self._setting = pieces, predictor, setting
        layers = pieces.layers()
        self._places = {layer: place for place, layer in enumerate(layers)}
        self._costs: LayerCosts = predictor.predict_layers(layers, setting)
        self._manual = network_layers(pieces.space, pieces.space.manual())
        self._network: NetworkCosts = predictor.predict_network(self._manual, setting)

    def tables(self, name: str) -> tuple[CostTable, ...]:
        """Lay one of the predictor's costs out.

        Raises:
            PredictorError: it gives none of layers, or layers' costs do not come to its networks'.
        """
        match name:
            case "latency":
                known = self._of_layers(name, self._costs.network_latency_ms)
                self._check_sum(name, known, self._network.latency_ms)
                return (self._pieces.table(lambda piece: self._sum(known, piece.layers)),)
            case "energy":
                known = self._of_layers(name, self._costs.energy_mj)
                self._check_sum(name, known, self._network.energy_mj)
                return (self._pieces.table(lambda piece: self._sum(known, piece.layers)),)
            case "power":
                drawn = self._of_layers(name, self._costs.power_mw)
                return (self._pieces.table(lambda piece: self._largest(drawn, piece.layers), is_maximum=True),)
            case _:
                return self._memory_tables()

    def _memory_tables(self) -> tuple[CostTable, CostTable]:
        """Lay out base + weights, which add up, and live activations, of which the largest count.

        Raises:
            SettingsError: slots do not run one after the other, so that none of them tells what is alive.
        """
        space = self._pieces.space
        if any(operation.order for operation in space.operations(space.manual())):
            raise SettingsError(
                f"The slots of {space.name} do not run one after the other, so the memory of its networks cannot be "
                "planned. Limit weights instead."
            )
        known = self._of_layers("memory", self._costs.memory_mb)
        base_mb = self._base_mb()

        def weights_mb(piece: Piece) -> float:
            return _MB_PER_ELEMENT * _weights(piece) + (base_mb if piece is self._pieces.start else 0.0)

        def live_mb(piece: Piece) -> float:
            feasible = np.isfinite(self._largest(known, piece.layers))
            return _MB_PER_ELEMENT * piece.live if feasible else np.inf

        return self._pieces.table(weights_mb), self._pieces.table(live_mb, is_maximum=True)

    def _base_mb(self) -> float:
        """Find what the predictor gives a network beside its weights and its largest layer's activations.

        Raises:
            PredictorError: it is not the same for two networks.
        """
        found = []
        for layers in (self._manual, network_layers(self._pieces.space, _first_member(self._pieces.space))):
            memory_mb = self._predictor.predict_network(layers, self._setting).memory_mb
            largest = max(layer.input_volume + layer.output_volume for layer in layers)
            own_mb = _MB_PER_ELEMENT * (sum(layer.weight_elements for layer in layers) + largest)
            found.append(np.nan if memory_mb is None else memory_mb - own_mb)
        finite = [base for base in found if np.isfinite(base)]
        if not finite or np.ptp(finite) > 1e-6 * max(1.0, abs(finite[0])):
            raise PredictorError(
                "The predictor's memory of networks is not base + weights + largest activations. "
                "The search needs a predictor whose layers tell it."
            )
        return max(0.0, float(finite[0]))

    def _of_layers(self, name: str, costs: FloatArray | None) -> FloatArray:
        if costs is None:
            raise PredictorError(
                f"The predictor gives no {name} of layers on {self._setting.device or 'this device'}. "
                "Fit one on a table that has it."
            )
        return costs

    def _check_sum(self, name: str, known: FloatArray, whole: float | None) -> None:
        total, unit = self._sum(known, self._manual), UNITS[name]
        if whole is None or not np.isclose(total, whole, rtol=1e-9):
            raise PredictorError(
                f"The predictor's layers add up to {total:.6g} {unit}, but it gives their network {whole} {unit}. "
                "The search needs a predictor whose layers add up."
            )

    def _sum(self, known: FloatArray, layers: Sequence[Layer]) -> float:
        return sum(float(known[self._places[layer]]) for layer in layers)

    def _largest(self, known: FloatArray, layers: Sequence[Layer]) -> float:
        return max((float(known[self._places[layer]]) for layer in layers), default=0.0)


def _own_table(pieces: Pieces, signal: UserSignal) -> CostTable:
    """Lay out a signal of the user's; whether it adds up or takes a maximum shows on some networks.

    Raises:
        SettingsError: it does neither.
    """
    space = pieces.space
    sums = maxima = True
    for architecture in (space.manual(), _first_member(space), *_some_members(space, _TRIED)):
        whole = signal.cost(architecture, network_layers(space, architecture))
        costs = [signal.cost(piece.choices, piece.layers) for piece in pieces.of(architecture)]
        sums = sums and bool(np.isclose(whole, sum(costs)))
        maxima = maxima and bool(np.isclose(whole, max(costs)))
    if not (sums or maxima):
        raise SettingsError(
            f"{signal.name} of a network is neither the sum nor the largest over its pieces, so that the search cannot plan "
            "with it. It can be the primary signal, which is asked of whole networks."
        )
    return pieces.table(lambda piece: signal.cost(piece.choices, piece.layers), is_maximum=not sums)


def _weights(piece: Piece) -> float:
    return float(sum(layer.weight_elements for layer in piece.layers))


_COUNTS: dict[str, Price] = {
    "macs": lambda piece: float(sum(map(macs, piece.layers))),
    "weights": _weights,
}


def _slot_piece(space: Space, index: int, carried: Carried, choice: Choice) -> Piece | None:
    if space.follow(index, carried, choice) is None:
        return None
    operations, given = space.slot_operations(index, carried, choice), _given(space, index)
    if index + 1 < len(space.slots) and space.slots[index + 1].inside:
        # What is handed to a block stays until its last branch has read it.
        given, carried = "", replace(carried, kept=(*carried.kept, carried.features))
    return _piece((choice,), operations, given=given, carried=carried)


def _piece(
    choices: tuple[Choice, ...], operations: Sequence[Operation], *, given: str, carried: Carried | None
) -> Piece:
    beside = sum(shape.volume for shape in carried.kept) if carried else 0
    return Piece(
        choices=choices,
        layers=layers_of(operations),
        live=live_elements(operations, given=given, beside=beside),
    )


def _given(space: Space, index: int) -> str:
    """Name the tensor that is handed to a slot, or behind the last one; none where it is one of those that are kept."""
    if index and space.slots[index - 1].keeps:
        return ""
    return space.slots[index].reads if index < len(space.slots) else space.slots[-1].writes


def _some_members(space: Space, count: int) -> Iterator[Architecture]:
    """Draw some networks by fair choices, the same at every call."""
    random = np.random.default_rng(0)
    for _ in range(count):
        yield _member(space, lambda fitting: int(random.integers(fitting)))


def _first_member(space: Space) -> Architecture:
    """Give the network of every slot's first choice that fits."""
    return _member(space, lambda _: 0)


def _member(space: Space, pick: Callable[[int], int]) -> Architecture:
    """Walk through a space; ``pick`` says which of so many choices that fit is taken."""
    carried, choices = space.start(), []
    for index, slot in enumerate(space.slots):
        fitting = [
            (choice, following)
            for choice in slot.choices
            if (following := space.follow(index, carried, choice)) is not None
        ]
        choice, carried = fitting[pick(len(fitting))]
        choices.append(choice)
    return tuple(choices)
