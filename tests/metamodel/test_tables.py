from __future__ import annotations

import numpy as np
import pytest

from metamodel.errors import TableError
from metamodel.tables import check_values, read_tables
from parsers.stats import write_stats


@pytest.fixture
def table(bench):
    return bench.frame([bench.row(layer) for layer in bench.layers(4)])


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("channels", 0, "holds 0; it must be greater than 0"),
        ("groups", 0, "holds 0; it must be greater than 0"),
        ("in_channels", None, "holds nothing; a layer has it"),
        ("fused_ops", None, "holds nothing; a layer has it"),
        ("weight_elements", -1, "holds -1; it must be 0 or more"),
        ("height", 2**62, f"holds {2**62}; it must be greater than 0, and at most 1e+15"),
        ("clock_freq_ghz", np.inf, "holds inf; it must be greater than 0"),
        ("evicted_mb", np.inf, "holds inf; it must be 0 or more"),
        ("input_shapes", "1xwide", "holds '1xwide'; write it as 1x3x224x224"),
        ("execution_time_ms", 1e300, "holds 1e+300; no latency is outside 1e-09 to 1e+09 ms"),
        ("execution_time_ms", 1e-300, "holds 1e-300; no latency is outside 1e-09 to 1e+09 ms"),
        ("threads", -3, "holds -3; it must be 0 or more"),
    ],
)
def test_a_value_that_cannot_be_is_named_with_its_table_column_device_and_job(table, column, value, told):
    table[column] = table[column].astype(object)
    table.loc[1, column] = value
    table[column] = table[column].infer_objects()

    with pytest.raises(TableError) as caught:
        check_values(table, name="mine.parquet")

    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"mine.parquet: {column} of job {table['job'][1]} on phone ")
    assert told in message


def test_an_operator_without_shapes_may_lack_anything(table):
    table[["input_volume", "channels"]] = np.nan
    table["fused_ops"] = None

    check_values(table, name="mine.parquet")


@pytest.mark.parametrize("time_ms", [np.nan, np.inf, 0.0, -1.0])
def test_times_that_are_left_out_and_counted_later_pass(table, time_ms):
    table.loc[1, "execution_time_ms"] = time_ms

    check_values(table, name="mine.parquet")


def test_tables_that_are_sound_are_read_as_they_are(bench, tmp_path):
    rows = [bench.row(layer) for layer in bench.layers(4)]
    write_stats(rows, tmp_path / "rows.parquet")

    (read,) = read_tables([tmp_path / "rows.parquet"])

    assert read["job"].tolist() == [row.provenance.job for row in rows]


def test_times_in_microseconds_are_refused_where_tables_are_read(bench, tmp_path):
    table = bench.frame([bench.row(bench.convolution(4 * n, size=112)) for n in range(20, 40)])
    write_stats(table.assign(execution_time_ms=1000 * table["execution_time_ms"]), tmp_path / "rows.parquet")

    with pytest.raises(TableError, match="Is it in microseconds"):
        read_tables([tmp_path / "rows.parquet"])
