"""BRP-NAS's latency predictor: a graph convolutional network over a whole network's graph. A peer of B-o-B.

Dudziak et al., "BRP-NAS: Prediction-based NAS using GCNs", NeurIPS 2020. Sizes and settings are those of the authors' program,
SamsungLabs/eagle: the network ``eagle/predictors/gcn/gcn.py`` at b9833fe, the latency settings
``configs/predictors/lat_gcn_nasbench201_desktop.yaml`` at b50570e: four layers of 600 units with layer normalisation, summed
neighbours, weights uniform in ±1/sqrt(600), the state of a global node into one linear unit; 250 epochs of AdamW at 4e-4 with
weight decay 5e-4 on the absolute error.

Departures: there a schedule that waits for a plateau, and early stopping, look at 100 validation networks; here the rate falls
along a cosine (their accuracy predictors do so, too), so that no network beyond the training set is used. Latencies are learned
as standardised logarithms, since they are judged relatively; batches hold 30 networks for their one; their dropout of 0.2 % is left
out; and float32 stands for float64. The last layer is computed for the global node alone, the only one that is read.

This module knows graphs whose first node takes the state of every node; it knows no operations, tables or files.

Notation::

    A     adjacency, (b, G, G)            X     node states, (b, G, units); at first the one-hot kinds, (b, G, F)
    W     weights, (units, units)         b     graphs of a batch
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from metamodel.cell_tables import CellGraphs
from metamodel.interface import FloatArray

PREDICTED_AT_ONCE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphSettings:
    """Size of the network and schedule of its training."""

    layers: int = 4
    units: int = 600
    epochs: int = 250
    batch: int = 30
    learning_rate: float = 4e-4
    weight_decay: float = 5e-4

    def __post_init__(self) -> None:
        if min(self.layers, self.units, self.epochs, self.batch) < 1:
            raise ValueError(
                f"layers={self.layers}, units={self.units}, epochs={self.epochs} and batch={self.batch} must be at least 1."
            )


class GraphConvolution(nn.Module):
    """One layer: ``relu(norm(A X W + bias))``."""

    def __init__(self, inputs: int, units: int, generator: torch.Generator) -> None:
        super().__init__()
        spread = 1 / math.sqrt(units)
        self.weight = nn.Parameter(torch.empty(inputs, units).uniform_(-spread, spread, generator=generator))
        self.bias = nn.Parameter(torch.empty(units).uniform_(-spread, spread, generator=generator))
        self.norm = nn.LayerNorm(units)

    def forward(self, adjacency: Tensor, states: Tensor) -> Tensor:
        """Give the next states of the nodes that ``adjacency`` has rows for, shape (b, rows, units)."""
        return torch.relu(self.norm(torch.bmm(adjacency, states) @ self.weight + self.bias))


class GraphNetwork(nn.Module):
    """Graph convolutions, then one linear unit on the state of the global node."""

    def __init__(self, kinds: int, settings: GraphSettings, generator: torch.Generator) -> None:
        super().__init__()
        widths = [kinds, *[settings.units] * (settings.layers - 1)]
        self.convolutions = nn.ModuleList(GraphConvolution(width, settings.units, generator) for width in widths)
        # Without its own start, which would draw from torch's global generator.
        self.head: nn.Linear = nn.utils.skip_init(nn.Linear, settings.units, 1)  # type: ignore[no-untyped-call]
        spread = 1 / math.sqrt(settings.units)
        for parameter in self.head.parameters():
            nn.init.uniform_(parameter, -spread, spread, generator=generator)

    def forward(self, adjacency: Tensor, states: Tensor) -> Tensor:
        """Give one number per graph, shape (b,)."""
        last = len(self.convolutions) - 1
        for number, convolution in enumerate(self.convolutions):
            states = convolution(adjacency[:, :1] if number == last else adjacency, states)
        return torch.as_tensor(self.head(states[:, 0]).squeeze(1))


class GraphRegressor:
    """Learn a positive cost of graphs.

    Args:
        settings: of network and training.
        seed: the only source of randomness; the same seed gives the same predictions on the same machine and threads.

    Attributes:
        network_: the fitted network.
        location_, scale_: mean and standard deviation of the logarithms learned from.
    """

    def __init__(self, settings: GraphSettings | None = None, *, seed: int = 0) -> None:
        self.settings = settings or GraphSettings()
        self.seed = seed

    def fit(
        self, graphs: CellGraphs, costs: FloatArray, advance: Callable[[int, str], None] | None = None
    ) -> GraphRegressor:
        """Train a fresh network.

        Args:
            graphs: n graphs.
            costs: shape (n,); finite and positive.
            advance: takes the number of finished epochs and a note on the error.

        Raises:
            ValueError: no graphs, another number of costs, or a cost that is not finite and positive.
        """
        _check(graphs, costs)
        logs = np.log(costs)
        self.location_, self.scale_ = float(logs.mean()), float(logs.std()) or 1.0
        wanted = torch.from_numpy(((logs - self.location_) / self.scale_).astype(np.float32))
        generator = torch.Generator().manual_seed(self.seed)
        self.network_ = GraphNetwork(graphs.kinds.shape[2], self.settings, generator)
        for epoch, error in enumerate(_train(self.network_, graphs, wanted, self.settings, generator), start=1):
            if advance:
                advance(epoch, f"off by {error * self.scale_:.1%}")
        return self

    @torch.inference_mode()
    def predict(self, graphs: CellGraphs) -> FloatArray:
        """Predict costs, shape (n,)."""
        adjacency, kinds = torch.from_numpy(graphs.adjacency), torch.from_numpy(graphs.kinds)
        parts = [
            self.network_(adjacency[first : first + PREDICTED_AT_ONCE], kinds[first : first + PREDICTED_AT_ONCE])
            for first in range(0, len(graphs), PREDICTED_AT_ONCE)
        ]
        learned = torch.cat(parts).numpy() if parts else np.empty(0)
        return np.exp(learned.astype(np.float64) * self.scale_ + self.location_)


def _train(
    network: GraphNetwork, graphs: CellGraphs, wanted: Tensor, settings: GraphSettings, generator: torch.Generator
) -> Iterator[float]:
    """Minimise the absolute error; give its mean over each epoch as it was learned."""
    adjacency, kinds = torch.from_numpy(graphs.adjacency), torch.from_numpy(graphs.kinds)
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=settings.epochs)
    for _ in range(settings.epochs):
        total = 0.0
        dealt = torch.randperm(len(wanted), generator=generator)
        for rows in torch.tensor_split(dealt, tuple(range(settings.batch, len(wanted), settings.batch))):
            loss = (network(adjacency[rows], kinds[rows]) - wanted[rows]).abs().sum()
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item()
        schedule.step()
        yield total / len(wanted)


def _check(graphs: CellGraphs, costs: FloatArray) -> None:
    if not len(graphs) or costs.shape != (len(graphs),):
        raise ValueError(
            f"{len(graphs)} graphs and costs of shape {costs.shape}: expected at least one, and a cost each."
        )
    if not (np.isfinite(costs) & (costs > 0)).all():
        raise ValueError(f"Costs go from {costs.min()} to {costs.max()}; each must be finite and positive.")
