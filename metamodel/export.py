"""A whole bag as one ONNX file: a feature matrix in, the response in its unit out, for any ONNX Runtime.

Notation::

    n   rows; f features; m members
    x   features, float32, NaN where one is missing                          (n, f)
    s   per member, base score plus leaves, added up in float32              (n, m)
    o   offset of the response's logarithm, float64                          (n,)
    y   exp(mean over m of s + o), computed in float64, given as float32     (n,)

The members are the outputs of one ``TreeEnsembleRegressor`` (``ai.onnx.ml``), so leaves are added up in float32 per
member, as XGBoost does; the order is the runtime's. The compiled bag adds up float64. The three differ by rounding only.

Features are :attr:`metamodel.features.FeatureSpace.names`, in this order; the file's metadata lists them, and the unit. An
infeasible layer (the set B) is not in the file: a caller without our predictor must know what cannot be executed. Nor are
adaptations to phones that were calibrated: they rest on the bag's predictions and are a page of numbers in the manifest.

The graph is built from our own reading of the boosters. The converters of the field bring two packages, parse text dumps,
and end at the boosters; the mean, the offset and the exponential would be ours to add all the same.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
from onnx import TensorProto, helper

from metamodel.errors import OutputError
from metamodel.export_offset import Graph, add_offset
from metamodel.features import Matrix
from metamodel.model import ResponseModel
from metamodel.output import write_file
from metamodel.trees import Trees, read_trees

OPSET, ML_OPSET, IR_VERSION = 17, 3, 8
"""What every ONNX Runtime from 1.17 on loads."""
INPUT, OUTPUT = "features", "response"
TOLERANCE = 1e-4


def onnx_of(model: ResponseModel, feature_names: Sequence[str], *, adapted: Sequence[str] = ()) -> onnx.ModelProto:
    """Write a response's bag as one ONNX graph.

    Args:
        model: the bag.
        feature_names: of the matrix that it predicts from, in order.
        adapted: devices on which the model adapts the bag's predictions; the metadata say that the file does not.

    Returns:
        A checked model: input ``features``, float32 of shape (n, f); output ``response``, float32 of shape (n,).

    Raises:
        CompileError: a booster does more than add up leaves.
    """
    response = model.record.response
    graph = Graph(matrix=INPUT)
    fitted = INPUT
    if model.columns is not None:
        fitted = graph.node("Gather", INPUT, graph.constant(model.columns, np.int64), axis=1)
    graph.nodes.append(_ensemble([read_trees([member]) for member in model.members], fitted, "members"))
    learned = graph.node("ReduceMean", graph.double("members"), axes=[1], keepdims=1)
    logarithm = graph.node("Add", learned, add_offset(graph, response))
    decoded = graph.node("Cast", graph.node("Exp", logarithm), to=TensorProto.FLOAT)
    graph.node("Squeeze", decoded, graph.constant([1], np.int64), name=OUTPUT)
    written = helper.make_model(
        helper.make_graph(
            graph.nodes,
            f"{response.target.value}-{model.record.ground.value}",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["n", len(feature_names)])],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["n"])],
            initializer=graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)],
        ir_version=IR_VERSION,
        producer_name="autocomet",
    )
    helper.set_model_props(written, _metadata(model, feature_names, adapted))
    onnx.checker.check_model(written, full_check=True)
    return written


def check_against_bag(written: onnx.ModelProto, model: ResponseModel, *, rows: int = 256, seed: int = 0) -> float:
    """Run a file in ONNX Runtime beside the bag that it came from, on values at and around the trees' thresholds.

    Returns:
        The largest relative difference.

    Raises:
        OutputError: it is above :data:`TOLERANCE`.
    """
    width = written.graph.input[0].type.tensor_type.shape.dim[1].dim_value
    matrix = _around_thresholds(model, width, rows, np.random.default_rng(seed))
    session = onnxruntime.InferenceSession(written.SerializeToString(), providers=["CPUExecutionProvider"])
    ours, theirs = model.predict(matrix), session.run([OUTPUT], {INPUT: matrix})[0].astype(np.float64)
    difference = float(np.max(np.abs(theirs / ours - 1)))
    if not difference <= TOLERANCE:
        raise OutputError(
            f"The ONNX file predicts otherwise than the bag, by up to {difference:.2g} of the prediction."
        )
    return difference


def _around_thresholds(model: ResponseModel, width: int, rows: int, random: np.random.Generator) -> Matrix:
    """Draw a matrix of thresholds, their neighbours below, and NaN, shape (rows, width)."""
    trees = read_trees(model.members)
    matrix = np.full((rows, width), np.nan, dtype=np.float32)
    splits = ~trees.is_leaf
    for feature in np.unique(trees.feature[splits]):
        values = np.unique(trees.threshold[splits & (trees.feature == feature)])
        values = np.concatenate([values, np.nextafter(values, np.float32(-np.inf)), [np.float32(np.nan)]])
        matrix[:, feature if model.columns is None else model.columns[feature]] = random.choice(values, rows)
    return matrix


def save_onnx(model: onnx.ModelProto, path: Path) -> None:
    """Write an ONNX file; it is there whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    write_file(model.SerializeToString(deterministic=True), path)


def _ensemble(members: Sequence[Trees], matrix: str, output: str) -> onnx.NodeProto:
    """Make one operator of all members' trees, a target for each member: output of shape (n, m)."""
    counts = [len(trees.roots) for trees in members]
    first_tree = np.cumsum([0, *counts[:-1]])
    parts = [
        _tree_attributes(trees, int(first), target)
        for target, (trees, first) in enumerate(zip(members, first_tree, strict=True))
    ]
    attributes: dict[str, Any] = {name: np.concatenate([part[name] for part in parts]).tolist() for name in parts[0]}
    modes = np.where(np.array(attributes.pop("is_leaf"), dtype=bool), "LEAF", "BRANCH_LT")
    return helper.make_node(
        "TreeEnsembleRegressor",
        [matrix],
        [output],
        domain="ai.onnx.ml",
        n_targets=len(members),
        aggregate_function="SUM",
        post_transform="NONE",
        base_values=[trees.base_score for trees in members],
        nodes_modes=modes.tolist(),
        **attributes,
    )


def _tree_attributes(trees: Trees, first_tree: int, target: int) -> dict[str, npt.NDArray[Any]]:
    """Lay a member's trees out as the operator wants them: nodes count from 0 in each tree, leaves stand apart."""
    leaf = trees.is_leaf
    ends = np.append(trees.roots[1:], len(trees.left))
    tree = np.repeat(np.arange(len(trees.roots)), ends - trees.roots)
    start = trees.roots[tree]
    node = np.arange(len(trees.left)) - start
    return {
        "nodes_treeids": tree + first_tree,
        "nodes_nodeids": node,
        "nodes_featureids": np.where(leaf, 0, trees.feature),
        "nodes_values": np.where(leaf, np.float32(0), trees.threshold),
        "nodes_truenodeids": np.where(leaf, 0, trees.left - start),
        "nodes_falsenodeids": np.where(leaf, 0, trees.right - start),
        "nodes_missing_value_tracks_true": (trees.default_left & ~leaf).astype(np.int64),
        "is_leaf": leaf,
        "target_treeids": tree[leaf] + first_tree,
        "target_nodeids": node[leaf],
        "target_ids": np.full(int(leaf.sum()), target),
        "target_weights": trees.threshold[leaf],
    }


def _metadata(model: ResponseModel, feature_names: Sequence[str], adapted: Sequence[str]) -> dict[str, str]:
    record = model.record
    return {
        "target": record.response.target.value,
        "unit": record.response.unit,
        "ground": record.ground.value,
        "members": str(len(model.members)),
        "feature_names": json.dumps(list(feature_names), ensure_ascii=False),
        "offset": json.dumps(asdict(record.response)),
        "rows": json.dumps([asdict(count) for count in record.rows]),
        "adaptations_left_out": json.dumps(list(adapted), ensure_ascii=False),
        "accumulation": "float32 per member, float64 from their mean on",
    }
