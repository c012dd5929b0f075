"""Whatever happens to a profile on its way, its reader says what it could not read, quickly, and in little memory."""

from __future__ import annotations

import random
import time
import tracemalloc
from collections.abc import Mapping

import pytest

from parsers.dump import Dump, DumpSettings, Kind, record_to_json
from parsers.errors import ParsersError
from parsers.profiles import mnn, ncnn, ort, qualcomm, tflite
from parsers.stats import cells_to_frame

KIND_OF: Mapping[str, Kind] = {
    "ort": ort.KIND,
    "tflite": tflite.KIND,
    "tflite csv": tflite.KIND,
    "ncnn": ncnn.KIND,
    "mnn networks": mnn.KIND,
    "mnn operators": mnn.KIND,
    "snpe": qualcomm.KINDS[0],
    "snpe old": qualcomm.KINDS[0],
    "qnn": qualcomm.KINDS[1],
    "qnn csv": qualcomm.KINDS[1],
}
MUTATIONS = 300
KEY = ["campaign", "device", "job"]


def mutated(data: bytes, rng: random.Random) -> bytes:
    """Flip bits, cut, splice and double lines, once or a few times."""
    for _ in range(rng.choice((1, 1, 2, 5))):
        if not data:
            break
        at = rng.randrange(len(data))
        match rng.randrange(6):
            case 0:
                data = data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
            case 1:
                data = data[:at]
            case 2:
                data = data[:at] + data[at + rng.randrange(60) :]
            case 3:
                other = rng.randrange(len(data))
                data = data[:at] + data[other : other + rng.randrange(200)] + data[at:]
            case 4:
                lines = data.splitlines(keepends=True)
                number = rng.randrange(len(lines))
                data = b"".join([*lines[: number + 1], *lines[number:]])
            case _:
                noise = rng.choice((b"\xff\xfe", b"\0", b"9" * 5000, b"nan", b"1e999", b"[" * 3000, b"\t", b":", b"-5"))
                data = data[:at] + noise + data[at:]
    return data


def read_whole(kind: Kind, data: bytes) -> Dump | None:
    try:
        dump = kind.read(data, DumpSettings(name="mutated"))
    except ParsersError:
        return None
    records = [record_to_json(record) for record in dump.records]
    assert records
    assert all(0 <= reject.offset <= len(data) for reject in dump.rejects)
    return dump


@pytest.mark.parametrize("name", KIND_OF)
def test_a_damaged_profile_raises_nothing_but_our_errors_and_its_rows_fit_a_table(
    name: str, profiles: Mapping[str, bytes]
) -> None:
    rng = random.Random(4)  # noqa: S311 - nothing secret
    kind = KIND_OF[name]

    for _ in range(MUTATIONS):
        data = mutated(profiles[name], rng)
        began = time.monotonic()
        dump = read_whole(kind, data)

        assert time.monotonic() - began < 1
        if dump is not None and dump.cells and rng.random() < 0.1:
            frame = cells_to_frame(dump.cells)
            assert not frame.duplicated(KEY).any()
            assert (frame["execution_time_ms"] >= 0).all()


@pytest.mark.parametrize("name", KIND_OF)
def test_a_long_profile_takes_less_than_four_times_its_size(name: str, profiles: Mapping[str, bytes]) -> None:
    data = longer(profiles[name], name)
    read_whole(KIND_OF[name], profiles[name])

    tracemalloc.start()
    dump = KIND_OF[name].read(data, DumpSettings(name="long"))
    count = sum(1 for _ in dump.records)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert (count > 0, list(dump.rejects)) == (True, [])
    assert peak < 4 * len(data)


def longer(data: bytes, name: str) -> bytes:
    """Repeat a profile until it is some hundred kilobytes long, without what may stand there once."""
    if name == "ort":
        lines = data.splitlines(keepends=True)
        return lines[0] + b"".join(line.rstrip(b"\n,") + b",\n" for line in lines[1:-1] * 60) + b"{}\n]\n"
    if name == "qnn csv":
        header, _, rest = data.partition(b"\n")
        return header + b"\n" + rest * 400
    return data * 400


@pytest.mark.parametrize("name", KIND_OF)
def test_each_profile_is_told_from_the_others(name: str, profiles: Mapping[str, bytes]) -> None:
    kinds = (ort.KIND, tflite.KIND, ncnn.KIND, mnn.KIND, *qualcomm.KINDS)

    assert [kind.name for kind in kinds if kind.looks_like(profiles[name], "dump.txt")] == [KIND_OF[name].name]


@pytest.mark.parametrize(
    "kind", [ort.KIND, tflite.KIND, ncnn.KIND, mnn.KIND, *qualcomm.KINDS], ids=lambda kind: kind.name
)
@pytest.mark.parametrize("data", [b"", b"\n", b"no profile\n", b"\xff\xfe", b"{}", b"\0" * 100], ids=repr)
def test_what_is_no_profile_is_refused(kind: Kind, data: bytes) -> None:
    assert not kind.looks_like(data, "x.txt")
    with pytest.raises(ParsersError, match=r"^This "):
        kind.read(data, DumpSettings())
