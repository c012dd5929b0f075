"""The networks that a search found best, each trained alone: queries find them, this chooses among them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from joblib import Parallel, delayed

from nas.datasets.data import Data
from nas.datasets.table_accuracy import TableAccuracy
from nas.networks.layers import network_layers
from nas.networks.network import Network
from nas.searching.prepared import Prepared, Stage, workers_for
from nas.searching.search import Record
from nas.searching.settings import RunSettings
from nas.searching.workspace import Workspace
from nas.space import Architecture, Space
from nas.training.checkpoint import Checkpoint
from nas.training.curve import CurvePoint
from nas.training.quality import accuracy_of
from nas.training.train import train_alone, while_parent_lives
from nas.trellis import architecture_of
from parsers.roofline import macs


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalist:
    """A network that was found, trained alone."""

    record: Record
    """Of the query that found it: validation accuracy, predicted latency."""
    architecture: Architecture
    network: Network
    validation_accuracy: float
    """Which decides who wins."""
    test_accuracy: float
    """On images that no choice has seen."""
    macs: int
    weight_elements: int
    test_images: int = 0
    """0 where a table told the accuracies, and the weights are as they began."""
    curve: tuple[CurvePoint, ...] = ()
    """Validation accuracy while it trained."""


def winner_of(trained: Sequence[Finalist]) -> Finalist:
    """Give the best by validation accuracy alone, the cheaper of two that are equally good."""
    return min(trained, key=lambda one: (-one.validation_accuracy, one.record.cost))


def train_finalists(
    prepared: Prepared, records: Sequence[Record], stage: Stage, workspace: Workspace | None = None
) -> tuple[Finalist, ...]:
    """Train networks that were found alone, each from fresh weights, and judge them.

    Each has a core of its own: they know nothing of each other, so that together they come out as one by one.
    """
    settings = prepared.settings
    jobs = (
        delayed(_train_finalist)(
            prepared.problem.space,
            record,
            prepared.images,
            settings,
            workspace.checkpoint(f"finalist-{number}") if workspace else None,
        )
        for number, record in enumerate(records, start=1)
    )
    trained: list[Finalist] = []
    with stage(f"Training the best {len(records)} alone", len(records)) as advance:
        for finalist in Parallel(n_jobs=workers_for(settings, len(records)), return_as="generator")(jobs):
            trained.append(finalist)
            advance(len(trained), f"{finalist.validation_accuracy:.1%} at {finalist.record.cost:.1f} ms")
    return tuple(trained)


def tell_finalists(answers: TableAccuracy | None, records: Sequence[Record], space: Space) -> tuple[Finalist, ...]:
    """Let a table say what networks are worth that were found: as they stand, their weights are not trained."""
    if answers is None:
        return ()
    return tuple(
        _finalist(
            space,
            record,
            Network(space, architecture_of(space, record.choices)).eval(),
            validation=answers.accuracy(architecture_of(space, record.choices)),
            test=answers.reported(architecture_of(space, record.choices)),
        )
        for record in records
    )


def _train_finalist(
    space: Space, record: Record, data: Data, settings: RunSettings, checkpoint: Checkpoint | None
) -> Finalist:
    architecture = architecture_of(space, record.choices)
    trained = train_alone(
        space,
        architecture,
        data,
        settings.alone,
        seed=settings.seed,
        threads=settings.threads,
        advance=while_parent_lives(),
        checkpoint=checkpoint,
    )
    validation, test = (accuracy_of(trained.network, part) for part in (data.validation, data.test))
    found = _finalist(space, record, trained.network.cpu(), validation=validation, test=test)
    return replace(found, curve=trained.curve, test_images=len(data.test))


def _finalist(space: Space, record: Record, network: Network, *, validation: float, test: float) -> Finalist:
    architecture = architecture_of(space, record.choices)
    layers = network_layers(space, architecture)
    return Finalist(
        record=record,
        architecture=architecture,
        network=network,
        validation_accuracy=validation,
        test_accuracy=test,
        macs=sum(map(macs, layers)),
        weight_elements=sum(layer.weight_elements for layer in layers),
    )
