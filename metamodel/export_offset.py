"""The offset of a response's logarithm as nodes of an ONNX graph, for :mod:`metamodel.export`.

What :meth:`metamodel.targets.Response.offset` computes, in float64, from the matrix that the graph gets. The rates of the
settings that were seen are constants of the graph, and so is what an unseen setting's declared rates are multiplied with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper

from metamodel.features import NUMBERS
from metamodel.offset import SETTING, FittedOffset
from metamodel.targets import Response

_UNKNOWN = np.float32(-1.0)
"""Stands for a hardware attribute that is NaN, since NaN equals nothing; attributes themselves are never negative."""


@dataclass(slots=True)
class Graph:
    """Nodes and constants, in the order in which they were asked for."""

    matrix: str
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def node(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Add a node; gives the name of its output."""
        output = name or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def constant(self, value: npt.ArrayLike, kind: npt.DTypeLike = np.float64) -> str:
        """Add a constant; gives its name."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(onnx.numpy_helper.from_array(np.asarray(value, dtype=kind), name))
        return name

    def columns(self, features: Sequence[str]) -> str:
        """Take some numerical features of the matrix, float32 of shape (n, features)."""
        positions = [NUMBERS.index(feature) for feature in features]
        return self.node("Gather", self.matrix, self.constant(positions, np.int64), axis=1)

    def double(self, value: str) -> str:
        """Turn numbers or truths into float64."""
        return self.node("Cast", value, to=TensorProto.DOUBLE)


def add_offset(graph: Graph, response: Response) -> str:
    """Add what computes a response's offset; gives the name of it, float64 of shape (n, 1) or (1, 1)."""
    if response.fitted is not None:
        return _by_rates(graph, response.fitted)
    zero = graph.constant([[0.0]])
    if response.offset_feature is None:
        return zero
    known = graph.columns([response.offset_feature])
    unknown = graph.node("Or", graph.node("IsNaN", known), graph.node("IsInf", known))
    scaled = graph.node("Mul", graph.double(known), graph.constant(response.offset_scale))
    logarithm = graph.node("Log", graph.node("Add", scaled, graph.constant(response.offset_floor)))
    return graph.node("Where", unknown, zero, logarithm)


def _by_rates(graph: Graph, offset: FittedOffset) -> str:
    """Add log(p·f + q·b + o), with (p, q, o) of the row's setting, or as its declared rates lead to expect."""
    setting = graph.columns(SETTING)  # (n, 8)
    is_seen, own = _own_rates(graph, offset, setting)
    parts = graph.node("Concat", *_expected_rates(graph, offset), axis=1)  # (n, 3)
    rates = graph.node("Where", is_seen, own, parts)
    work = graph.columns(["flops", "bytes"])
    known_work = graph.node("Where", graph.node("IsNaN", work), graph.constant(0.0, np.float32), work)
    one = graph.node("Expand", graph.constant([[1.0]]), _one_column(graph, work))
    terms = graph.node("Mul", rates, graph.node("Concat", graph.double(known_work), one, axis=1))
    return graph.node("Log", graph.node("ReduceSum", terms, graph.constant([1], np.int64), keepdims=1))


def _own_rates(graph: Graph, offset: FittedOffset, setting: str) -> tuple[str, str]:
    """Look the row's setting up: whether it was seen, shape (n, 1), and its rates, shape (n, 3), zeros elsewhere."""
    seen = [[float(_UNKNOWN) if value is None else value for value in rates.setting] for rates in offset.settings]
    known = graph.node("Where", graph.node("IsNaN", setting), graph.constant(_UNKNOWN, np.float32), setting)
    rows = graph.node("Unsqueeze", known, graph.constant([1], np.int64))  # (n, 1, 8)
    same = graph.double(graph.node("Equal", rows, graph.constant([seen], np.float32)))  # (n, s, 8)
    match = graph.node("ReduceMin", same, axes=[2], keepdims=0)  # (n, s)
    table = [[rates.per_flop, rates.per_byte, rates.floor] for rates in offset.settings]
    is_seen = graph.node("Cast", graph.node("ReduceMax", match, axes=[1], keepdims=1), to=TensorProto.BOOL)
    return is_seen, graph.node("MatMul", match, graph.constant(table))


def _expected_rates(graph: Graph, offset: FittedOffset) -> tuple[str, str, str]:
    """Say what an unseen setting's declared rates lead to expect of p, q and o, each of shape (n, 1)."""
    declared = {name: graph.columns([name]) for name in ("peak_gflops", "memory_bw_gbs")}
    expected = []
    for parameter, order in (
        ("per_flop", ("peak_gflops", "memory_bw_gbs")),
        ("per_byte", ("memory_bw_gbs", "peak_gflops")),
    ):
        values = [getattr(rates, parameter) for rates in offset.settings]
        answer = graph.node("Expand", graph.constant([[np.median(values)]]), _one_column(graph, declared[order[0]]))
        for name in reversed(order):
            place = SETTING.index(name)
            products = [
                value * known
                for value, rates in zip(values, offset.settings, strict=True)
                if (known := rates.setting[place])
            ]
            if products:
                rate = declared[name]
                is_unknown = graph.node(
                    "Or", graph.node("IsNaN", rate), graph.node("Equal", rate, graph.constant(0.0, np.float32))
                )
                by_rate = graph.node("Div", graph.constant(np.median(products)), graph.double(rate))
                answer = graph.node("Where", is_unknown, answer, by_rate)
        expected.append(answer)
    floor = graph.constant([[np.median([rates.floor for rates in offset.settings])]])
    return expected[0], expected[1], graph.node("Expand", floor, _one_column(graph, declared["peak_gflops"]))


def _one_column(graph: Graph, rows: str) -> str:
    """Give the shape of one column of as many rows, (n, 1)."""
    count = graph.node("Slice", graph.node("Shape", rows), graph.constant([0], np.int64), graph.constant([1], np.int64))
    return graph.node("Concat", count, graph.constant([1], np.int64), axis=0)
