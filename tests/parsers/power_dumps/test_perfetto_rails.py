from __future__ import annotations

import os
from pathlib import Path

import pytest

from parsers.dump import Dump, DumpSettings
from parsers.errors import DumpError
from parsers.power_dumps.perfetto_rails import KIND, TracedEnergy

TRACE = """packet {
  power_rails {
    rail_descriptor { index: 2 rail_name: "vdd_\\"cpu\\"" subsys_name: "cpu" }
    energy_data { index: 2 timestamp_ms: 7 energy: 1000 }
    energy_data {
      index: 9
      energy: 5
    }
  }
  timestamp: 8500000
}
packet { ftrace_events { cpu: 1 event { print { buf: "a } b {\\n" } } } }
"""
ESTIMATES = """packet {
  android_energy_estimation_breakdown {
    energy_consumer_descriptor {
      energy_consumers { energy_consumer_id: 3 ordinal: 0 type: "OTHER" name: "GPU" }
    }
  }
}
packet {
  timestamp: 2000000
  timestamp_clock_id: 6
  android_energy_estimation_breakdown {
    energy_consumer_id: 3
    energy_uws: 400
    per_uid_breakdown { uid: 10123 energy_uws: 30 }
  }
}
"""


def read(text: str) -> tuple[list[TracedEnergy], Dump]:
    dump = KIND.read(text.encode(), DumpSettings())
    return list(dump.records), dump


def energy(text: str, within: str, **values) -> TracedEnergy:
    defaults = {"source": "power_rails", "name": None, "group": None, "uid": None, "time_ms": None}
    return TracedEnergy(**{**defaults, "offset": within.index(text), **values})


def test_rails_have_the_names_of_their_descriptors_and_a_time_since_boot() -> None:
    energies, dump = read(TRACE)

    assert energies == [
        energy("    energy_data { i", TRACE, index=2, name='vdd_"cpu"', group="cpu", time_ms=7.0, energy_uws=1000),
        energy("    energy_data {\n", TRACE, index=9, time_ms=8.5, energy_uws=5),
    ]
    assert list(dump.rejects) == []
    assert dump.notes == [
        "energy: µWs since boot, as Perfetto documents",
        "1 packets of other kinds were left out",
    ]


def test_estimates_have_their_consumers_and_users() -> None:
    energies, dump = read(ESTIMATES)

    source = "android_energy_estimation_breakdown"
    gpu = {"source": source, "index": 3, "name": "GPU", "group": "OTHER", "time_ms": 2.0}
    assert energies == [
        energy("  android_energy_estimation_breakdown {\n    energy_consumer_id", ESTIMATES, energy_uws=400, **gpu),
        energy("    per_uid", ESTIMATES, uid=10123, energy_uws=30, **gpu),
    ]
    assert list(dump.rejects) == []


def test_a_time_on_another_clock_is_unknown() -> None:
    energies, _ = read(TRACE.replace("timestamp: 8500000", "timestamp: 8500000 timestamp_clock_id: 128"))

    assert [each.time_ms for each in energies] == [7.0, None]


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("energy: 1000", "energy: many", "an energy without its number or its value"),
        ("index: 9", "", "an energy without its number or its value"),
        ("index: 9", "index = 9", "no text of a trace"),
        ("  timestamp: 8500000\n}\n", "", "a packet that does not end"),
    ],
)
def test_what_cannot_be_read_is_a_reject(before: str, after: str, reason: str) -> None:
    _, dump = read(TRACE.replace(before, after))

    assert reason in {reject.reason for reject in dump.rejects}


def test_another_file_is_refused() -> None:
    with pytest.raises(DumpError, match="no power rails"):
        read("packet {\n}\n")


def test_it_is_told_by_its_first_packets() -> None:
    assert KIND.looks_like(TRACE.encode(), "x")
    assert not KIND.looks_like(b"packet {\n}\n", "power_rails.textproto")


def test_broken_dumps_raise_nothing_but_our_errors(read_mutations) -> None:
    assert read_mutations(KIND, (TRACE + ESTIMATES).encode()) > 200


def test_deep_nesting_is_counted_and_left() -> None:
    energies, _ = read("packet { power_rails {" + "a{\n" * 50_000 + "}\n" * 50_000 + "energy_data{index:1 energy:2}}}")

    assert [each.energy_uws for each in energies] == [2]


def test_perfetto_s_own_examples_are_read_whole() -> None:
    folder = Path(os.environ.get("AUTOCOMET_DATA", ""), "dumps", "battery")
    if not (folder / "power_rails.textproto").is_file():
        pytest.skip("AUTOCOMET_DATA names no folder with dumps/battery/power_rails.textproto")

    for path in sorted(folder.glob("*.textproto")):
        text = path.read_text()
        energies, dump = read(text)

        counted = text.count("energy_data {") + text.count("energy_uws:")
        assert (len(energies), list(dump.rejects)) == (counted, []), path.name
