from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from parsers.errors import StatsError
from parsers.schema import (
    COLUMNS,
    PAPER_ATTRIBUTES,
    Context,
    DeviceKind,
    Execution,
    Layer,
    Measurement,
    Origin,
    Provenance,
    Row,
    context_from_values,
    layer_from_values,
    layer_to_json,
)
from parsers.stats import cells_to_frame, read_stats, write_stats

CONV = Layer(
    type="Conv",
    in_channels=3,
    channels=64,
    height=224,
    width=224,
    out_height=112,
    out_width=112,
    kernel_height=7,
    kernel_width=5,
    stride_height=2,
    stride_width=2,
    pad_top=3,
    pad_bottom=2,
    pad_left=2,
    pad_right=2,
    input_volume=150_528,
    output_volume=802_816,
    weight_elements=6_784,
    fused_ops=("BatchNormalization", "Relu"),
    input_shapes=((1, 3, 224, 224),),
    output_shape=(1, 64, 112, 112),
)
GEMM = Layer(type="Gemm", in_channels=8, channels=4, input_volume=8, output_volume=4, weight_elements=36)
CONTEXT = Context(cores=1, memory_gb=8.0, clock_freq_ghz=2.84, memory_bw_gbs=34.1, core_part="0xd0b")


def row(layer: Layer, job: str) -> Row:
    return Row(
        layer=layer,
        context=CONTEXT,
        execution=Execution(threads=1, affinity="0", spinning=True),
        measurement=Measurement(execution_time_ms=1.25, wall_ms=1.5, processes=3, samples=90),
        provenance=Provenance(
            origin=Origin.MEASURED,
            device_kind=DeviceKind.HOST,
            device="host",
            campaign="demo",
            job=job,
            networks=("alexnet", "vgg19"),
        ),
    )


def rewrite(path: Path, name: str, cells: pa.Array) -> None:
    """Put other cells into a column of a table."""
    table = pq.read_table(path)
    pq.write_table(table.set_column(table.column_names.index(name), name, cells), path)


@pytest.mark.parametrize("count", [0, 1, 1000, 2001])
def test_cells_are_laid_out_in_their_order_however_many_they_are(count: int) -> None:
    frame = cells_to_frame({"job": f"job {number}", "samples": number} for number in range(count))

    assert list(frame.columns) == [column.name for column in COLUMNS]
    assert list(frame["job"]) == [f"job {number}" for number in range(count)]
    assert list(frame["samples"]) == list(range(count))
    assert frame["execution_time_ms"].isna().all()


def test_a_row_written_and_read_gives_back_the_same_layer_and_context(tmp_path: Path) -> None:
    path = tmp_path / "stats.parquet"

    written = write_stats([row(CONV, "a"), row(GEMM, "b")], path)

    table = read_stats(path)
    assert written == 2
    assert list(table.columns) == [column.name for column in COLUMNS]
    cells = table.to_dict("records")
    assert [layer_from_values(values) for values in cells] == [CONV, GEMM]
    assert [context_from_values(values) for values in cells] == [CONTEXT, CONTEXT]


def test_the_paper_s_seventeen_attributes_are_columns_and_null_where_an_operator_has_none(tmp_path: Path) -> None:
    path = tmp_path / "stats.parquet"
    write_stats([row(CONV, "a"), row(GEMM, "b")], path)

    table = read_stats(path)

    assert len(PAPER_ATTRIBUTES) == 17
    assert set(PAPER_ATTRIBUTES.values()) <= set(table.columns)
    assert table[["kernel_size", "stride", "padding"]].iloc[0].tolist() == [7, 2, 5]
    assert table[["kernel_size", "stride", "padding"]].iloc[1].isna().all()


def test_the_file_says_its_schema_version_and_every_column_s_unit(tmp_path: Path) -> None:
    path = tmp_path / "stats.parquet"
    write_stats([row(CONV, "a")], path)

    schema = pq.read_schema(path)

    assert schema.metadata[b"autocomet.schema_version"] == b"1"
    assert schema.field("execution_time_ms").metadata[b"unit"] == b"ms"


def test_two_rows_with_one_key_are_refused_and_the_old_table_stays(tmp_path: Path) -> None:
    path = tmp_path / "stats.parquet"
    write_stats([row(CONV, "a")], path)

    with pytest.raises(StatsError, match="two rows for job 'b'"):
        write_stats([row(CONV, "b"), row(GEMM, "b")], path)

    assert read_stats(path)["job"].tolist() == ["a"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["stats.parquet"]


def test_a_torn_table_is_named_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "stats.parquet"
    write_stats([row(CONV, "a")], path)
    path.write_bytes(path.read_bytes()[:-100])

    with pytest.raises(StatsError, match="not a whole Parquet file") as caught:
        read_stats(path)

    assert "\n" not in str(caught.value)


def test_a_missing_table_says_what_writes_one(tmp_path: Path) -> None:
    with pytest.raises(StatsError, match="profile collect"):
        read_stats(tmp_path / "none.parquet")


def test_a_layer_s_key_changes_with_any_attribute_and_not_with_the_machine() -> None:
    assert CONV.key == replace(CONV).key
    assert CONV.key != replace(CONV, fused_ops=("Relu",)).key
    assert layer_from_values(layer_to_json(CONV)) == CONV


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(StatsError, match="cannot be written"):
        write_stats([row(CONV, "a")], tmp_path / "file" / "stats.parquet")


def test_a_table_from_before_energies_had_bars_is_read_with_null_bars(tmp_path: Path) -> None:
    path = tmp_path / "stats.parquet"
    write_stats([row(CONV, "a")], path)
    older = pq.read_table(path).drop_columns(["energy_error_mj"])
    pq.write_table(older, path)

    table = read_stats(path)

    assert list(table.columns) == [column.name for column in COLUMNS]
    assert table["energy_error_mj"].isna().all()


def test_a_table_without_a_column_that_was_always_there_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "stats.parquet"
    write_stats([row(CONV, "a")], path)
    pq.write_table(pq.read_table(path).drop_columns(["energy_mj"]), path)

    with pytest.raises(StatsError, match="no column energy_mj"):
        read_stats(path)


@pytest.mark.parametrize(
    ("name", "cells", "told"),
    [
        ("execution_time_ms", pa.array(["1.25"]), "column execution_time_ms holds string, not double"),
        ("threads", pa.array(["four"]), "column threads holds string, not int64"),
        ("threads", pa.array([1.5]), "column threads does not hold int64"),
        ("device", pa.array([7]), "column device holds int64, not string"),
        ("device", pa.array([b"\xff"]), "column device holds binary, not string"),
        ("device", pa.array([b"\xff"]).view(pa.string()), "column device does not hold string"),
        ("spinning", pa.array(["yes"]), "column spinning holds string, not bool"),
        ("status", pa.array(["fine"]), "column status holds 'fine', which is none of ok, unsupported"),
        ("origin", pa.array([None], pa.string()), "column origin holds None, which is none of measured"),
        ("device", pa.array([None], pa.string()), "column device is empty in 1 rows"),
    ],
)
def test_a_column_that_does_not_hold_what_its_name_says_is_named(
    tmp_path: Path, name: str, cells: pa.Array, told: str
) -> None:
    path = tmp_path / "stats.parquet"
    write_stats([row(CONV, "a")], path)
    rewrite(path, name, cells)

    with pytest.raises(StatsError) as caught:
        read_stats(path)

    assert str(caught.value).startswith(f"{path}: {told}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "cells"),
    [
        ("execution_time_ms", pa.array([1.25], pa.float32())),
        ("threads", pa.array([1.0])),
        ("device", pa.array(["phone"]).dictionary_encode()),
        ("device", pa.array(["phone"], pa.large_string())),
        ("power_mw", pa.nulls(1)),
    ],
)
def test_a_column_of_another_width_of_its_kind_is_read_all_the_same(tmp_path: Path, name: str, cells: pa.Array) -> None:
    path = tmp_path / "stats.parquet"
    write_stats([row(CONV, "a")], path)
    expected = read_stats(path)
    expected[name] = cells.to_pylist()
    rewrite(path, name, cells)

    table = read_stats(path)

    assert table.equals(expected.astype(table.dtypes))
