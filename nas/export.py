"""From torch to ONNX: the file that goes onto the phone, checked against the network that it came from.

Batch normalisation is folded into the convolutions first, so that the file holds what a runtime would run. Operator set
17, IR version 8 and static shapes load in every ONNX Runtime from 1.17 on.
"""

from __future__ import annotations

import contextlib
import copy
import io
import itertools
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnxscript import opset18
from safetensors.torch import save
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from nas.errors import ExportError
from nas.space import Image

OPSET = 17
IR_VERSION = 8
TOLERANCE = 1e-4
"""Scores may differ by so much, relative to the largest score: both sides round to 24 bits in another order."""


def export_onnx(network: nn.Module, image: Image, path: Path) -> None:
    """Write a trained network as ONNX (input ``image``, output ``scores``, batch 1) and check it.

    Raises:
        ExportError: ONNX Runtime's scores differ from torch's.
    """
    folded = fold_normalisation(network)
    model = to_onnx(folded, image)
    onnx.save(model, path)
    check_against_torch(model, folded, image)


def save_weights(network: nn.Module, path: Path) -> None:
    """Write a network's weights as safetensors, under the names of its torch module."""
    path.write_bytes(save({name: tensor.contiguous() for name, tensor in network.state_dict().items()}))


def fold_normalisation(network: nn.Module) -> nn.Module:
    """Copy a network in evaluation mode with every batch normalisation folded into the convolution before it."""
    folded = copy.deepcopy(network).eval()
    for module in list(folded.modules()):
        if isinstance(module, nn.Sequential):
            _fold_sequence(module)
    return folded


def to_onnx(network: nn.Module, image: Image) -> onnx.ModelProto:
    """Export a network in evaluation mode, for one image at a time."""
    example = torch.zeros(1, image.channels, image.height, image.width)
    with _quiet():
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            opset_version=18,
            input_names=["image"],
            output_names=["scores"],
            custom_translation_table={torch.ops.aten.mean.dim: _global_average_pool},
            verbose=False,
        )
    if program is None:  # pragma: no cover - only torch's older exporter returns nothing
        raise ExportError("torch exported nothing; AutoCoMET needs torch's dynamo exporter (torch >= 2.6).")
    # What these networks hold is the same in both operator sets; only the number in the file changes.
    model = onnx.version_converter.convert_version(program.model_proto, OPSET)
    model.ir_version = IR_VERSION
    onnx.checker.check_model(model, full_check=True)
    return model


def check_against_torch(model: onnx.ModelProto, network: nn.Module, image: Image) -> None:
    """Compare ONNX Runtime with torch on eight random images.

    Raises:
        ExportError: the scores differ by more than :data:`TOLERANCE`.
    """
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    images = torch.randn(8, 1, image.channels, image.height, image.width, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = np.stack([network(item).numpy() for item in images])
    actual = np.stack([session.run(["scores"], {"image": item.numpy()})[0] for item in images])
    worst = float(np.max(np.abs(actual - expected)) / max(1.0, float(np.max(np.abs(expected)))))
    if not worst <= TOLERANCE:
        raise ExportError(
            f"The exported network's scores differ from torch's by {worst:.2g} of the largest (allowed: {TOLERANCE:g})."
        )


def _fold_sequence(sequence: nn.Sequential) -> None:
    for index, (first, second) in enumerate(itertools.pairwise(list(sequence))):
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
            sequence[index] = fuse_conv_bn_eval(first, second)
            sequence[index + 1] = nn.Identity()


def _global_average_pool(x, dim, keepdim=True, dtype=None):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """Translate the mean over height and width; torch would write ReduceMean, which operator set 17 spells otherwise."""
    return opset18.GlobalAveragePool(x)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter from talking: about torchvision that is not there, and about its own deprecations."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            # torch 2.13's pytree warns about its own use of LeafSpec.
            warnings.filterwarnings("ignore", message=r".*LeafSpec.*", category=FutureWarning)
            yield
    finally:
        logger.setLevel(level)
