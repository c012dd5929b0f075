from __future__ import annotations

import dataclasses
import struct
from pathlib import Path

import pytest
from tensorboardX.proto.event_pb2 import Event

from nas.errors import OutputError
from nas.searching.events import event_files
from nas.searching.search import Record

FIRST = Record(
    choices=(0,),
    accuracy=0.5,
    costs=(12.5, 3.0),
    epsilon=0.75,
    growth=0.25,
    within=True,
    feasible_share=1.0,
    seconds=2.0,
)
SECOND = dataclasses.replace(FIRST, accuracy=0.25, costs=(8.0, 2.0), epsilon=None, growth=None)
COSTS = ("latency_ms", "energy_mj")


def scalars(folder: Path) -> dict[str, list[tuple[int, float]]]:
    """Read event files: records of length, checksum, event, checksum."""
    found: dict[str, list[tuple[int, float]]] = {}
    for path in sorted(folder.iterdir()):
        content, place = path.read_bytes(), 0
        while place < len(content):
            (length,) = struct.unpack_from("<Q", content, place)
            event = Event.FromString(content[place + 12 : place + 12 + length])
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value.simple_value))
            place += 16 + length
    return found


def write(folder: Path, *records: Record) -> None:
    with event_files(folder, COSTS) as events:
        for count in range(1, len(records) + 1):
            events.query(records[:count])


def test_every_query_is_written_with_the_best_so_far_and_its_costs(tmp_path: Path):
    write(tmp_path / "tensorboard", FIRST, SECOND)

    assert scalars(tmp_path / "tensorboard") == {
        "search/accuracy": [(1, 0.5), (2, 0.25)],
        "search/best_accuracy": [(1, 0.5), (2, 0.5)],
        "search/epsilon": [(1, 0.75)],
        "search/delta": [(1, 0.25)],
        "search/feasible_share": [(1, 1.0), (2, 1.0)],
        "search/seconds": [(1, 2.0), (2, 2.0)],
        "predicted/latency_ms": [(1, 12.5), (2, 8.0)],
        "predicted/energy_mj": [(1, 3.0), (2, 2.0)],
    }


def test_a_network_beyond_the_limits_is_not_the_best(tmp_path: Path):
    write(tmp_path / "tensorboard", dataclasses.replace(FIRST, within=False))

    assert "search/best_accuracy" not in scalars(tmp_path / "tensorboard")


def test_a_search_that_goes_on_writes_its_queries_once(tmp_path: Path):
    write(tmp_path / "tensorboard", FIRST)
    write(tmp_path / "tensorboard", FIRST, SECOND)

    assert scalars(tmp_path / "tensorboard")["search/accuracy"] == [(1, 0.5), (2, 0.25)]


def test_events_that_cannot_be_written_are_one_clear_line(tmp_path: Path):
    (tmp_path / "file").write_text("mine")

    with pytest.raises(OutputError, match=r"Cannot write .*tensorboard: "):
        write(tmp_path / "file" / "tensorboard", FIRST)
