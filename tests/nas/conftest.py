"""Stand-ins for what a search needs: a predictor by formula, small spaces, a puzzle of a few decisions, easy images."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from metamodel.interface import LayerCosts, NetworkCosts, Setting
from nas import cli
from nas.controllers.encoding import Encoder
from nas.datasets.data import SOURCES, Data, Source, Split
from nas.limits.costs import Budget, CostTable, PricedSignal
from nas.limits.pricing import price_signals
from nas.limits.rewards import secondary_reward, utility
from nas.limits.signals import Limit
from nas.searching.run import Outcome, run
from nas.searching.settings import RunSettings
from nas.space import Image, Space
from nas.spaces import SPACES
from nas.spaces.inverted_residual import ClassifierHead, ConvolutionStem, Stage, stage_slots
from nas.spaces.mobilenetv2 import mobilenetv2_tiny
from nas.training.schedule import Schedule
from nas.trellis import Choices, Trellis, space_trellis
from parsers.device_config import load_device_config
from parsers.roofline import bytes_moved, flops
from parsers.schema import Context, Layer


class FormulaPredictor:
    """A roofline with an overhead per operator: what the tiers' modelled rows follow."""

    targets: tuple[str, ...] = ("latency", "throughput", "memory", "power", "energy")

    def __init__(self, overhead_ms: float = 1.0, base_mb: float = 3.0) -> None:
        self.overhead_ms, self.base_mb = overhead_ms, base_mb

    def predict_layers(self, layers: Sequence[Layer], setting: Setting) -> LayerCosts:  # noqa: ARG002
        latency = np.array([self.overhead_ms + flops(one) / 5e6 + bytes_moved(one) / 1e7 for one in layers])
        elements = np.array([one.weight_elements + one.input_volume + one.output_volume for one in layers])
        power = 100 + np.array([flops(one) / 1e4 for one in layers])
        return LayerCosts(
            latency_ms=latency,
            network_latency_ms=latency,
            memory_mb=4e-6 * elements,
            power_mw=power,
            energy_mj=latency * power / 1e3,
        )

    def predict_network(self, layers: Sequence[Layer], setting: Setting) -> NetworkCosts:
        costs = self.predict_layers(layers, setting)
        latency, energy = float(np.sum(costs.latency_ms)), float(np.sum(costs.energy_mj))
        elements = sum(one.weight_elements for one in layers) + max(
            one.input_volume + one.output_volume for one in layers
        )
        return NetworkCosts(
            latency_ms=latency,
            memory_mb=self.base_mb + 4e-6 * elements,
            power_mw=1e3 * energy / latency,
            energy_mj=energy,
            layers=costs,
        )


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Keep torch off the other cores: what tests compute is too small to share."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def predictor() -> FormulaPredictor:
    return FormulaPredictor()


@pytest.fixture(scope="session")
def context() -> Context:
    return Context(cores=4, memory_gb=4.0, clock_freq_ghz=2.0, memory_bw_gbs=10.0)


@pytest.fixture(scope="session")
def setting(context: Context) -> Setting:
    return Setting(context=context, device="bench")


@pytest.fixture(scope="session")
def space() -> Space:
    return mobilenetv2_tiny(Image(channels=1, height=28, width=28), 10)


@pytest.fixture(scope="session")
def small_space() -> Space:
    return make_small_space()


def make_small_space() -> Space:
    """Four slots in two stages, 12 pixels a side: a few thousand networks."""
    return Space(
        name="small",
        image=Image(channels=1, height=12, width=12),
        classes=3,
        stem=ConvolutionStem(channels=4, stride=2),
        slots=stage_slots(
            (
                Stage(slots=2, stride=1, widths=(4, 6), manual_width=4, manual_expansion=1),
                Stage(slots=2, stride=2, widths=(4, 8), manual_width=8, manual_expansion=2),
            ),
            stem_channels=4,
            kernel_sizes=(3, 5),
            expansions=(1, 2),
        ),
        head=ClassifierHead(channels=8),
    )


@pytest.fixture(scope="session")
def six_slots() -> Space:
    """Six slots in two stages: some thousand states, few enough to enumerate."""
    stages = (
        Stage(slots=3, stride=1, widths=(4, 8), manual_width=4, manual_expansion=1),
        Stage(slots=3, stride=2, widths=(8, 16), manual_width=8, manual_expansion=3),
    )
    return Space(
        name="six",
        image=Image(channels=1, height=28, width=28),
        classes=10,
        stem=ConvolutionStem(channels=4, stride=2),
        slots=stage_slots(stages, stem_channels=4, kernel_sizes=(3,), expansions=(1, 3)),
        head=ClassifierHead(channels=16),
    )


@pytest.fixture(scope="session")
def easy_data() -> Data:
    return make_easy_data()


def make_easy_data() -> Data:
    """Three kinds of stripes in noise, 12 pixels a side."""
    random = np.random.default_rng(7)

    def part(n: int) -> Split:
        labels = np.arange(n) % 3
        images = random.normal(0, 0.6, (n, 1, 12, 12))
        images[labels == 0, :, ::3, :] += 1.5
        images[labels == 1, :, :, ::3] += 1.5
        return Split(images=torch.tensor(images, dtype=torch.float32), labels=torch.tensor(labels))

    return Data(name="stripes", classes=3, train=part(192), validation=part(96), test=part(96))


MakeBudget = Callable[..., Budget]


@pytest.fixture(scope="session")
def puzzle() -> MakeBudget:
    """Build a budget over independent decisions from what each choice costs."""

    def build(costs: Sequence[Sequence[float]], *, limit: float, start: float = 0.0) -> Budget:
        trellis = Trellis(
            successors=tuple(np.zeros((1, len(row)), dtype=np.int64) for row in costs),
            backbone=tuple(np.zeros(1, dtype=np.int64) for _ in costs),
            attributes=tuple(np.eye(max(map(len, costs)))[None, : len(row)] for row in costs),
            carried=tuple(np.zeros((1, 1)) for _ in range(len(costs) + 1)),
        )
        table = CostTable(start=start, steps=tuple(np.array([row], dtype=float) for row in costs), end=np.zeros(1))
        return Budget(trellis, [PricedSignal(name="latency", unit="ms", tables=(table,), limit=limit)])

    return build


@pytest.fixture
def small_budget(small_space: Space, predictor: FormulaPredictor, setting: Setting) -> Budget:
    """The small space under a limit that rules out about half of it."""
    trellis = space_trellis(small_space)
    priced = price_signals(small_space, predictor, setting, ["latency"])
    return Budget(trellis, [dataclasses.replace(latency, limit=15.0) for latency in priced])


@pytest.fixture
def encoder_of() -> Callable[[Budget], Encoder]:
    return lambda budget: Encoder(budget.trellis, np.array([0.5]))


@pytest.fixture
def every_network() -> Callable[[Trellis], list[Choices]]:
    """List all networks of a trellis, within a limit or not."""

    def enumerate_all(trellis: Trellis) -> list[Choices]:
        found: list[Choices] = []
        for choices in itertools.product(*(range(step.shape[1]) for step in trellis.successors)):
            node = 0
            for slot, choice in enumerate(choices):
                node = int(trellis.successors[slot][node, choice])
                if node < 0:
                    break
            else:
                found.append(choices)
        return found

    return enumerate_all


State = tuple[int, tuple[int, ...]]
"""A node, and what is spent in every column."""


@pytest.fixture(scope="session")
def soft_values() -> Callable[[Budget, int, float], list[dict[State, np.ndarray]]]:
    """Enumerate every state of every slot, and one signal's log Σ exp r_S over the completions of each choice."""

    def enumerate_all(budget: Budget, signal: int, sharpness: float) -> list[dict[State, np.ndarray]]:
        trellis, columns = budget.trellis, budget.columns.of([signal])
        reference = budget.references[signal] * budget.signals[signal].ticks_per_unit
        reached: set[State] = {(0, tuple(budget.start.tolist()))}
        states: list[dict[State, dict[int, State]]] = []
        for slot in range(trellis.slots):
            states.append({})
            for node, spent in reached:
                offered = budget.allowed(slot, np.array([node]), np.array([spent]))[0]
                states[-1][node, spent] = {
                    int(choice): (
                        int(trellis.successors[slot][node, choice]),
                        tuple(budget.add(np.array(spent), budget.steps[slot][node, choice]).tolist()),
                    )
                    for choice in np.flatnonzero(offered)
                }
            reached = {state for choices in states[-1].values() for state in choices.values()}
        value: dict[State, float] = {}
        for node, spent in reached:
            share = budget.add(np.array(spent), budget.end[node])[columns].sum() / reference
            reward = secondary_reward if budget.limited[signal] else utility
            value[node, spent] = float(reward(np.array(share), sharpness))
        found: list[dict[State, np.ndarray]] = []
        for slot in reversed(range(trellis.slots)):
            rows: dict[State, np.ndarray] = {}
            for state, choices in states[slot].items():
                row = np.full(trellis.successors[slot].shape[1], -np.inf)
                for choice, following in choices.items():
                    row[choice] = value[following]
                rows[state] = row
            found.append(rows)
            value = {state: float(np.logaddexp.reduce(row)) for state, row in rows.items()}
        return found[::-1]

    return enumerate_all


@pytest.fixture(scope="session")
def tiny_settings() -> RunSettings:
    """A search that takes a second or two in the tiny world."""
    return RunSettings(
        device=load_device_config("low"),
        limits=(Limit(target="latency", value=15.0),),
        space="small",
        data="stripes",
        budget=8,
        accuracy="shared",
        shared=Schedule(epochs=6),
        tuning=Schedule(epochs=2, learning_rate=0.05, warmup=0.0),
        alone=Schedule(epochs=12),
    )


@contextlib.contextmanager
def only_tiny_things(small_space: Space, easy_data: Data) -> Iterator[None]:
    """Make the small space and the easy images known by name, beside those that ship."""
    source = Source(image=small_space.image, classes=easy_data.classes, load=lambda _: easy_data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nas.datasets.data.SOURCES", {**SOURCES, "stripes": source})
        patch.setattr("nas.spaces.SPACES", {**SPACES, "small": lambda *_: small_space})
        yield


@pytest.fixture
def tiny_world(small_space: Space, easy_data: Data) -> Iterator[None]:
    with only_tiny_things(small_space, easy_data):
        yield


@pytest.fixture(scope="session")
def tiny_outcome(
    tiny_settings: RunSettings, predictor: FormulaPredictor, small_space: Space, easy_data: Data
) -> Outcome:
    """What a tiny search found."""
    with only_tiny_things(small_space, easy_data):
        return run(tiny_settings, predictor, lambda _title, _total: contextlib.nullcontext(lambda _now, _note: None))


Ran = tuple[int, str, str]
"""Exit code, standard output, standard error."""
Nas = Callable[..., Ran]


@pytest.fixture
def nas(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Nas:
    """Run a command line in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run_nas(*arguments: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["nas", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run_nas
