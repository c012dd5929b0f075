from __future__ import annotations

import json

import pytest

from metamodel.errors import ModelError
from metamodel.manifest import Manifest, ParentTable, SettingRecord, from_json, to_json
from metamodel.rows import RowCount
from metamodel.targets import Response, Target


def test_a_manifest_survives_json(lab_artefact):
    text = json.dumps(to_json(lab_artefact.manifest), allow_nan=False)

    assert from_json(Manifest, json.loads(text), where="manifest") == lab_artefact.manifest


def test_a_whole_number_is_read_where_a_fraction_belongs():
    values = {"setting_key": "k", "device": "d", "rows": [], "memory_base_mb": 2}

    record = from_json(SettingRecord, values, where="setting")

    assert record == SettingRecord(setting_key="k", device="d", rows=(), memory_base_mb=2.0)


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        (ParentTable, {"name": "t", "sha256": "0"}, "table must hold name, rows, sha256, not name, sha256"),
        (ParentTable, {"name": "t", "sha256": "0", "rows": 1, "x": 1}, "table must hold .*, not name, rows, sha256, x"),
        (ParentTable, {"name": "t", "sha256": "0", "rows": "1"}, "table.rows must be of type int, not '1'"),
        (ParentTable, {"name": "t", "sha256": "0", "rows": True}, "table.rows must be of type int, not True"),
        (ParentTable, [], r"table must hold name, rows, sha256, not \[\]"),
        (tuple[RowCount, ...], {}, "table must be a list"),
        (tuple[int, ...], [1, 2.5], r"table\[1\] must be of type int, not 2.5"),
        (Target, "beauty", "table must be one of latency, memory, power, energy, not 'beauty'"),
        (Response, None, "table must hold column, fitted, offset_feature"),
    ],
)
def test_a_value_of_another_shape_is_named_with_its_place(kind, value, message):
    with pytest.raises(ModelError, match=message):
        from_json(kind, value, where="table")
