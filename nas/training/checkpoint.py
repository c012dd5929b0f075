"""A training that can be stopped at any moment, and goes on to the last bit.

Everything that a step depends on is kept: weights and buffers, momentum, the order of the epoch's images, and where the
random streams stand. It lies in one file, which is written beside its place and renamed, so that a process that is killed
leaves the state before or the one after, never half of one. Loading it runs no code.
"""

from __future__ import annotations

import dataclasses
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from nas.errors import ResumeError
from nas.training.curve import CurvePoint
from nas.writing import GO_ON, writing
from parsers.atomic import written_whole

SECONDS_BETWEEN = 20.0
"""How much work a killed training loses at most, beside the step it was in."""

_SCHEMA = 2


class Stream(Protocol):
    """A random stream that a training draws from beside torch's."""

    def state(self) -> str:
        """Say where it stands."""
        ...

    def restore(self, state: str) -> None:
        """Go on from where it stood."""
        ...


@dataclass(slots=True, kw_only=True)
class Training:
    """A training on its way: what changes from step to step."""

    module: nn.Module
    optimiser: torch.optim.SGD
    generator: torch.Generator
    """Of the order of the images and of how they are changed."""
    step: int = 0
    """Steps that are done."""
    order: torch.Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))
    """Of the images in this epoch."""
    curve: list[CurvePoint] = field(default_factory=list)
    """The looks at it so far."""


class Checkpoint:
    """Where a training's state is kept.

    Args:
        path: of the file.
        stream: another random stream that the training draws from.
        seconds: between two writes; 0 writes after every step.
    """

    def __init__(self, path: Path, *, stream: Stream | None = None, seconds: float = SECONDS_BETWEEN) -> None:
        self._path, self._stream, self._seconds = path, stream, seconds
        self._written = time.monotonic()

    def restore(self, training: Training) -> None:
        """Put a fresh training where the kept one stood; without a file, leave it at its start.

        Raises:
            ResumeError: the file is no checkpoint of this training.
        """
        if not self._path.exists():
            return
        try:
            with safe_open(self._path, framework="pt") as file:
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
                metadata = file.metadata() or {}
            if metadata.get("schema") != str(_SCHEMA):
                raise ResumeError(f"{self._path} is of another version. Start over with --fresh.")
            self._put(training, tensors, metadata)
        except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError) as exc:
            reason = str(exc).splitlines()[0]
            raise ResumeError(f"Cannot go on from {self._path}: {reason}. Start over with --fresh.") from exc

    def offer(self, training: Training, *, last: bool) -> None:
        """Keep a training's state where the last one is old enough, and after the last step always.

        Raises:
            OutputError: the file cannot be written; the last one is kept.
        """
        if not last and time.monotonic() - self._written < self._seconds:
            return
        metadata = {
            "schema": str(_SCHEMA),
            "step": str(training.step),
            "curve": json.dumps([dataclasses.asdict(point) for point in training.curve]),
            "stream": json.dumps(self._stream.state() if self._stream else None),
        }
        with writing(self._path, GO_ON), written_whole(self._path) as file:
            file.write(save(_tensors(training), metadata))
        self._written = time.monotonic()

    def _put(self, training: Training, tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> None:
        names = training.module.state_dict()
        # Values are copied into the module's own tensors, whose layout in memory decides which kernels run.
        training.module.load_state_dict({name: tensors[f"module.{name}"] for name in names})
        for name, parameter in training.module.named_parameters():
            momentum = tensors.get(f"momentum.{name}")
            if momentum is not None:
                kept = torch.empty_like(parameter, memory_format=torch.preserve_format)
                training.optimiser.state[parameter]["momentum_buffer"] = kept.copy_(momentum).detach()
        training.generator.set_state(tensors["generator"])
        torch.set_rng_state(tensors["default_generator"])
        training.order, training.step = tensors["order"], int(metadata["step"])
        training.curve[:] = [CurvePoint(**point) for point in json.loads(metadata["curve"])]
        state = json.loads(metadata["stream"])
        if self._stream is not None:
            self._stream.restore(state)


def _tensors(training: Training) -> dict[str, torch.Tensor]:
    """List what is kept; parameters that no step has touched have no momentum."""
    kept = {f"module.{name}": tensor for name, tensor in training.module.state_dict().items()}
    for name, parameter in training.module.named_parameters():
        momentum = training.optimiser.state.get(parameter, {}).get("momentum_buffer")
        if momentum is not None:
            kept[f"momentum.{name}"] = momentum
    kept |= {
        "generator": training.generator.get_state(),
        "default_generator": torch.get_rng_state(),
        "order": training.order,
    }
    return {name: tensor.detach().cpu().contiguous() for name, tensor in kept.items()}
