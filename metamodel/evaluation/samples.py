"""Rows of stats tables as a judge needs them: features, truths, and what must not be parted between training and test.

Operators that somebody timed within their networks and published are that table's layers; our own ``in_network`` rows stand
beside isolated ones of the same layers and are left out. An operator whose shapes are known in part keeps what is known:
the rest of it is NaN. Formulas' rows are no evidence and are left out.

Throughput is latency told the other way round: inferences per second, one after the other, 1000 · batch / latency in ms. It is
learned as latency, and told only when it is scored.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from metamodel.conformal import Interval
from metamodel.errors import TableError
from metamodel.features import NUMBERS, FeatureSpace, Matrix
from metamodel.interface import FloatArray
from metamodel.model import places, response_values
from metamodel.rows import SETTING_COLUMNS, Reject
from metamodel.targets import RESPONSES, Response, Target
from parsers.operators import family_of
from parsers.schema import DeviceKind, Layer, Origin, Scope, Status

THROUGHPUT = "throughput"
"""The target that no column holds."""

Words = npt.NDArray[np.str_]
Rows = npt.NDArray[np.intp]

_ARCHITECTURE = tuple(item.name for item in fields(Layer))
_STAND_INS: dict[str, int | str] = {
    "batch": 1,
    "in_channels": 1,
    "channels": 1,
    "height": 1,
    "width": 1,
    "out_height": 1,
    "out_width": 1,
    "dilation": 1,
    "groups": 1,
    "expansion_ratio": 1,
    "idskip": 0,
    "input_volume": 0,
    "output_volume": 0,
    "weight_elements": 0,
}
"""What a layer must have to be described at all, where a table does not know it; the features of these become NaN."""

_STAND_IN_WORDS: dict[str, int | str] = {"fused_ops": "", "input_shapes": "", "output_shape": "", "attributes": "{}"}
_COUNTED_BY = {"fused_ops": "fused", "input_shapes": "inputs"}
"""Features that count what stands in a column of words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Samples:
    """Rows that are learned from or predicted; every array has one entry, or row, per sample."""

    matrix: Matrix
    """Features, shape (n, features)."""
    feature_names: tuple[str, ...]
    truth: FloatArray
    """The response, in its unit."""
    response: Response
    configuration: Words
    """Names the layer's configuration, the same on every device."""
    places: Rows
    """Numbers the configuration in its setting: a sample's repetitions share it."""
    setting: Rows
    """Numbers the context, provider, threads and device, whatever the caches held."""
    device: Words
    family: Words
    networks: tuple[frozenset[str], ...]
    batch: FloatArray
    """Inferences in one run; 1 where a table does not say."""
    per_second: bool = False
    """Whether inferences per second are asked for; the truth is a latency all the same."""

    def __len__(self) -> int:
        """Count the samples."""
        return len(self.truth)

    def take(self, rows: Rows) -> Samples:
        """Give some of the samples, in the order asked for."""
        return replace(
            self,
            matrix=self.matrix[rows],
            truth=self.truth[rows],
            configuration=self.configuration[rows],
            places=self.places[rows],
            setting=self.setting[rows],
            device=self.device[rows],
            family=self.family[rows],
            networks=tuple(self.networks[row] for row in rows),
            batch=self.batch[rows],
        )

    @property
    def target(self) -> str:
        """Name what is asked for."""
        return THROUGHPUT if self.per_second else self.response.target.value

    def told(self, values: FloatArray) -> FloatArray:
        """Turn responses of the samples, measured or predicted, into what is asked for, shape (n,)."""
        return 1e3 * self.batch / values if self.per_second else values

    def told_interval(self, interval: Interval) -> Interval:
        """Turn intervals around responses into intervals around what is asked for: the slowest end has the fewest per second."""
        lower, upper = self.told(interval.lower), self.told(interval.upper)
        return Interval(lower=np.minimum(lower, upper), upper=np.maximum(lower, upper))


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The samples of some tables, and how many rows were left out for what reason."""

    samples: Samples
    rejects: tuple[Reject, ...]


def asked_response(target: str) -> Response:
    """Find the response that a target is learned as.

    Raises:
        TableError: no such target.
    """
    learned = {one.target.value: one for one in RESPONSES}
    learned[THROUGHPUT] = learned[Target.LATENCY.value]
    if target not in learned:
        raise TableError(f"No target {target!r}. Known: {', '.join(learned)}.")
    return learned[target]


def select_samples(
    tables: Sequence[pd.DataFrame],
    response: Response,
    *,
    devices: Sequence[str] = (),
    include_virtual: bool = False,
    per_second: bool = False,
) -> Selection:
    """Take the rows that tell what a layer's response was.

    Args:
        tables: as :func:`parsers.stats.read_stats` gives them.
        response: what is learned.
        devices: only rows of these; of all devices where it is empty.
        include_virtual: admit rows of virtual phones.
        per_second: score a latency as the throughput that it implies.

    Raises:
        TableError: a device that no row is of, or no row that can be used; the message counts what was left out.
    """
    table = pd.concat(tables, ignore_index=True)
    absent = sorted(set(devices) - set(table["device"]))
    if absent:
        known = ", ".join(sorted(table["device"].dropna().unique())) or "none"
        raise TableError(f"No row is of device {absent[0]!r}. Devices of the tables: {known}.")
    rejects = []
    for reason, wanted in _conditions(table, response, devices, include_virtual=include_virtual):
        kept = wanted.reindex(table.index)
        if not kept.all():
            rejects.append(Reject(reason=reason, rows=int((~kept).sum())))
        table = table[kept]
    if table.empty:
        reasons = "; ".join(f"{reject.rows} × {reject.reason}" for reject in rejects) or "the tables are empty"
        raise TableError(f"No row tells the {response.target.value} of a layer: {reasons}.")
    samples = replace(_samples(table.reset_index(drop=True), response), per_second=per_second)
    return Selection(samples=samples, rejects=tuple(rejects))


def _conditions(
    table: pd.DataFrame, response: Response, devices: Sequence[str], *, include_virtual: bool
) -> list[tuple[str, pd.Series[bool]]]:
    values = pd.Series(response_values(table, response), index=table.index)
    published = (table["scope"] == Scope.IN_NETWORK.value) & (table["origin"] == Origin.IMPORTED.value)
    single = table["scope"].isin([Scope.ISOLATED.value, Scope.BLOCK.value]) | published
    return [
        ("another device", table["device"].isin(devices) if devices else table["device"].notna()),
        (
            "virtual phone (--include-virtual admits it)",
            (table["device_kind"] != DeviceKind.VIRTUAL.value) | include_virtual,
        ),
        ("a formula's row, which is no evidence", table["origin"] != Origin.MODELLED.value),
        ("no layer by itself: within a network of ours, or a whole network", single),
        ("not executed", table["status"] == Status.OK.value),
        (f"{response.column} is missing, zero, negative or infinite", values.between(0, np.inf, inclusive="neither")),
    ]


def _samples(table: pd.DataFrame, response: Response) -> Samples:
    space = FeatureSpace.of_table(table)
    configuration = _configurations(table)
    return Samples(
        matrix=_matrix(table, configuration, space),
        feature_names=space.names,
        truth=response_values(table, response),
        response=response,
        configuration=configuration,
        places=places(table.assign(layer_key=configuration)),
        setting=np.asarray(table.groupby(SETTING_COLUMNS, dropna=False, sort=False).ngroup(), dtype=np.intp),
        device=table["device"].to_numpy(dtype=str),
        family=np.array([family_of(kind).value for kind in table["type"]]),
        networks=tuple(_names(cell) for cell in table["networks"]),
        batch=pd.to_numeric(table["batch"]).fillna(1).to_numpy(dtype=np.float64),
    )


def _configurations(table: pd.DataFrame) -> Words:
    """Name each row's configuration: its layer's key, or, where only a part is known, a digest of that part."""
    keys = table["layer_key"].to_numpy(dtype=object, copy=True)
    part_known = table["layer_key"].isna()
    for row, cells in zip(
        np.flatnonzero(part_known), table.loc[part_known, [*_ARCHITECTURE]].to_dict("records"), strict=True
    ):
        known = {str(name): str(value) for name, value in cells.items() if pd.notna(value)}
        keys[row] = "~" + hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:16]
    return keys.astype(str)


def _matrix(table: pd.DataFrame, configuration: Words, space: FeatureSpace) -> Matrix:
    """Describe the rows, what is not known of a layer as NaN, shape (rows, features)."""
    stand_ins = {name: table[name].fillna(value) for name, value in (_STAND_INS | _STAND_IN_WORDS).items()}
    matrix = space.table_matrix(table.assign(layer_key=configuration, **stand_ins))
    for name in (*_STAND_INS, *_COUNTED_BY):
        matrix[table[name].isna().to_numpy(), NUMBERS.index(_COUNTED_BY.get(name, name))] = np.nan
    return matrix


def _names(cell: object) -> frozenset[str]:
    """Read the ``networks`` cell of a row; null, in whatever form, names none."""
    return frozenset(cell.split(";")) - {""} if isinstance(cell, str) else frozenset()
