"""A search space that a benchmark plays on: laid out, priced by layers, with a function of the user's for accuracies."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from metamodel.interface import MetamodelError, Setting, load_predictor
from nas.benchmarking.cost_file import read_layer_costs
from nas.controllers.encoding import Encoder
from nas.datasets.data import data_source
from nas.datasets.tables import parse_limits
from nas.errors import DataError, PredictorError, SettingsError
from nas.limits.costs import Budget, CostTable, PricedSignal
from nas.limits.pricing import Piece, Pieces, price_signals
from nas.networks.layers import network_layers, space_layers
from nas.space import Space, architecture_to_json
from nas.spaces import make_space
from nas.trellis import NOWHERE, Choices, FloatArray, IntArray, Trellis, architecture_of, space_trellis
from nas.user_code import load_function
from parsers.device_config import load_device_config
from parsers.schema import layer_to_json

SAMPLE = 1000
"""Networks that are drawn to know what networks cost in general."""
UTILITY_SAMPLE = 200
"""Networks that are asked about to know what one at random is worth."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpaceTask:
    """What is searched, and what answers; enough to build it again in another process."""

    space: str
    """Name, TOML file or ``file.py:function``."""
    data: str
    """Which says the image's size and the classes."""
    signal: str
    """``module:function`` that gives accuracies in percent."""
    cost: str
    """A column of the cost table, or one of the predictor's costs."""
    cost_table: Path | None = None
    model: Path | None = None
    device: str | None = None
    """A tier or phone that the predictor prices for."""


class PricedSpace:
    """A space's trellis with the costs of its decisions, and accuracies of its networks.

    Raises:
        NasError: the space, its costs or the function cannot be had.
    """

    def __init__(self, task: SpaceTask) -> None:
        source = data_source(task.data)
        self.task = task
        self.space = make_space(task.space, image=source.image, classes=source.classes)
        self.trellis = space_trellis(self.space)
        self.table = _costs(self.space, task)
        self.encoder = Encoder(self.trellis, np.zeros(0))
        self._function = load_function(task.signal, option="--signal")
        self._takes_layers = _takes_layers(self._function, task.signal)
        self.accuracy: Callable[[Choices], float] = functools.cache(self._accuracy)
        """Gives a network's accuracy in percent; the function is asked once about each."""

    def cost(self, choices: Choices) -> float:
        """Give what a network costs."""
        return self.table.total(self.trellis, choices)

    def budget(self, limit: float | None) -> Budget:
        """Hold a limit, or none."""
        return Budget(self.trellis, [PricedSignal(name=self.task.cost, unit="", tables=(self.table,), limit=limit)])

    @functools.cached_property
    def lowest(self) -> float:
        """What the cheapest network costs."""
        return self.budget(None).signals[0].lowest(self.trellis)

    @functools.cached_property
    def sample(self) -> tuple[Choices, ...]:
        """Networks drawn fairly from the whole space, always the same ones."""
        return tuple(map(tuple, fair_draws(self.trellis, SAMPLE, np.random.default_rng(0)).tolist()))

    def limits(self, text: str) -> tuple[float, ...]:
        """Read ``5,8,10``, and ``q20`` as what a fifth of the networks keeps.

        Raises:
            SettingsError: see :func:`nas.datasets.tables.parse_limits`.
        """
        costs = np.array([self.lowest, *map(self.cost, self.sample)])
        return parse_limits(text, costs, self.task.cost)

    def _accuracy(self, choices: Choices) -> float:
        architecture = architecture_of(self.space, choices)
        blocks = json.loads(architecture_to_json(architecture))
        layers = [layer_to_json(layer) for layer in network_layers(self.space, architecture)]
        given = self._function(blocks, layers) if self._takes_layers else self._function(blocks)
        if isinstance(given, bool) or not isinstance(given, int | float | np.number) or not 0 <= float(given) <= 100:
            raise SettingsError(f"{self.task.signal} gives {given!r} for a network; an accuracy is 0 to 100 percent.")
        return float(given)


@functools.lru_cache(maxsize=1)
def priced_space(task: SpaceTask) -> PricedSpace:
    """Build a priced space once per process."""
    return PricedSpace(task)


def fair_draws(trellis: Trellis, n: int, random: np.random.Generator) -> IntArray:
    """Draw n networks, each as likely as any other; shape (n, slots)."""
    ways: list[FloatArray] = [np.ones(trellis.nodes(trellis.slots))]
    for successor in reversed(trellis.successors):
        ways.append(np.where(successor == NOWHERE, 0.0, ways[-1][successor]).sum(axis=1))
    ways.reverse()
    nodes, taken = np.zeros(n, dtype=np.int64), []
    for slot, successor in enumerate(trellis.successors):
        behind = np.where(successor == NOWHERE, 0.0, ways[slot + 1][successor])[nodes].cumsum(axis=1)
        choice = (behind <= random.random((n, 1)) * behind[:, -1:]).sum(axis=1)
        taken.append(choice)
        nodes = successor[nodes, choice]
    return np.stack(taken, axis=1)


def _costs(space: Space, task: SpaceTask) -> CostTable:
    """Price decisions by the file, or by the predictor."""
    if task.cost_table is None:
        return _predicted(space, task)
    costs = read_layer_costs(task.cost_table, task.cost)
    layers = space_layers(space)
    missing = [layer for layer in layers if layer.key not in costs]
    if missing:
        raise DataError(
            f"{task.cost_table} has no cost of {len(missing)} of {space.name}'s layers, such as {missing[0].type} "
            f"{missing[0].key}. 'nas space layers' writes all of them."
        )
    by_layer = {layer: costs[layer.key] for layer in layers}

    def price(piece: Piece) -> float:
        return sum(by_layer[layer] for layer in piece.layers)

    return Pieces(space).table(price)


def _predicted(space: Space, task: SpaceTask) -> CostTable:
    if task.model is None or task.device is None:
        raise SettingsError(
            "Say what layers cost: --cost-table FILE, or --model FOLDER with --tier or --device-config."
        )
    device = load_device_config(task.device)
    setting = Setting(context=device.context, provider=device.provider, threads=device.threads, device=device.name)
    try:
        predictor = load_predictor(task.model)
    except MetamodelError as exc:
        raise PredictorError(str(exc)) from exc
    tables = price_signals(space, predictor, setting, [task.cost])[0].tables
    if len(tables) > 1:
        raise SettingsError(f"A benchmark limits one cost that adds up or a maximum; {task.cost} is of two pieces.")
    return tables[0]


def _takes_layers(function: Callable[..., object], reference: str) -> bool:
    """Tell whether a function wants a network's layers beside its blocks."""
    for count in (1, 2):
        try:
            inspect.signature(function).bind(*[None] * count)
        except TypeError:
            continue
        return count == 2
    raise SettingsError(f"{reference} cannot be called with a network's blocks, or with its blocks and its layers.")
