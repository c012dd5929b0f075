"""ONNX files into protobuf models, and why a file is none.

Protobuf and ``onnx`` have errors of their own for what is wrong with a file; here they become one line. Weights that lie in
files of their own (external data) are read only from the model's folder and below: a model that points elsewhere could
make us read any file of this machine.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf publishes no types
from onnx import NodeProto, TensorProto, external_data_helper

from parsers.errors import NetworkError
from parsers.graphs.values import graphs_in, walk

_ADVICE = "Export the network as ONNX."


def load_model(path: Path) -> onnx.ModelProto:
    """Read an ONNX file, external weights included, as it is needed to run it.

    Raises:
        NetworkError: no such file, no ONNX, or weights that are absent or outside the model's folder.
    """
    model = load_structure(path)
    for tensor in _external_tensors(model):
        try:
            external_data_helper.load_external_data_for_tensor(tensor, str(path.parent))
        except (OSError, ValueError, onnx.checker.ValidationError) as exc:
            raise NetworkError(f"{path}: cannot read the weight {tensor.name!r} ({first_line(exc)}).") from exc
        tensor.data_location = TensorProto.DEFAULT
        del tensor.external_data[:]
    return model


def load_structure(path: Path) -> onnx.ModelProto:
    """Read an ONNX file without the weights that lie in files of their own: all that layers are told by.

    Raises:
        NetworkError: no such file, no ONNX, or weights outside the model's folder.
    """
    try:
        data = path.read_bytes()
    except OSError as exc:
        raise NetworkError(f"Cannot read the network {path}: {exc.strerror or exc}.") from exc
    return model_of(data, name=str(path))


def model_of(data: bytes | mmap.mmap, *, name: str) -> onnx.ModelProto:
    """Read an ONNX model from its bytes; weights in files of their own are not looked for.

    Raises:
        NetworkError: no ONNX, or weights outside the model's folder.
    """
    model = onnx.ModelProto()
    try:
        with memoryview(data) as view:  # of a mapped file, no copy
            model.ParseFromString(view)
    except DecodeError as exc:
        raise NetworkError(f"{name} is no ONNX file ({first_line(exc)}). {_ADVICE}") from exc
    for tensor in _external_tensors(model):
        _refuse_outside(tensor, name)
    return model


def first_line(exc: Exception) -> str:
    """Give the first line of a library's message, without its full stop."""
    lines = [line.strip() for line in str(exc).splitlines() if line.strip()]
    return lines[0].rstrip(".") if lines else type(exc).__name__


def _external_tensors(model: onnx.ModelProto) -> Iterator[TensorProto]:
    """Give the tensors of a model, those in its nodes and functions included, that lie in files of their own."""
    yield from _external_in(model.graph.initializer, model.graph.node)
    for function in model.functions:
        yield from _external_in((), function.node)


def _external_in(tensors: Iterable[TensorProto], nodes: Iterable[NodeProto]) -> Iterator[TensorProto]:
    yield from filter(external_data_helper.uses_external_data, tensors)
    for attribute in (attribute for node in walk(nodes) for attribute in node.attribute):
        inner = (tensor for graph in graphs_in(attribute) for tensor in graph.initializer)
        yield from filter(external_data_helper.uses_external_data, (attribute.t, *attribute.tensors, *inner))


def _refuse_outside(tensor: TensorProto, name: str) -> None:
    """Refuse a location that is absolute, on a drive, or climbs out of the model's folder."""
    for entry in tensor.external_data:
        if entry.key != "location":
            continue
        windows = PureWindowsPath(entry.value)
        if PurePosixPath(entry.value).is_absolute() or windows.anchor or ".." in windows.parts:
            message = f"{name}: the weight {tensor.name!r} lies in {entry.value!r}, outside the model's folder."
            raise NetworkError(f"{message} Save the model again with its weights beside it.")
