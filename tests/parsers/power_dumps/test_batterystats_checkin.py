from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parsers.dump import Dump, DumpSettings
from parsers.errors import DumpError
from parsers.power_dumps import batterystats
from parsers.power_dumps.batterystats_checkin import KIND, uid_text
from parsers.power_dumps.history import HistoryChange, HistoryEntry, HistoryKind
from parsers.power_dumps.history_words import NAMES, POOLED, VALUES

DUMP = r"""9,0,i,vers,36,215,AP3A,AP3A
9,hsp,0,0,"bcl irq"
9,hsp,1,10275,"says \"hi\" with a \\"
9,h,0:RESET:TIME:1709164798000
9,h,0,Bl=87,Bs=d,Bh=g,Bp=n,Bt=305,Bv=4112,Bcc=3404,+r,+S,Pss=4,Wsp=compl,Sb=1
9,h,250,+w=1,wr=0
9,h,1000,-S,+Efg=u0a7:"over""flow, really",Ejb=99
9,h,0,Dcpu=10:20/1000:1:2
9,h,0,Dpst=1,2,3,4,5,6,
NEXT: 12345
9,0,l,bt,0,24014,1811
9,10275,l,cpu,24,8,0
"""
ENTRIES = [
    HistoryEntry(
        offset=DUMP.index("9,h,0:RESET"),
        kind=HistoryKind.RESET,
        stamp="0",
        time_ms=0,
        clock="2024-02-28T23:59:58.000+00:00",
    ),
    HistoryEntry(
        offset=DUMP.index("9,h,0,Bl"),
        kind=HistoryKind.UPDATE,
        stamp="0",
        time_ms=0,
        clock="2024-02-28T23:59:58.000+00:00",
        level_percent=87,
        status="discharging",
        health="good",
        plug="none",
        voltage_mv=4112,
        temperature_c=30.5,
        charge_mah=3404,
        changes=(
            HistoryChange(name="running", mark="+"),
            HistoryChange(name="screen", mark="+"),
            HistoryChange(name="phone_signal_strength", mark="", value="great"),
            HistoryChange(name="wifi_suppl", mark="", value="completed"),
            HistoryChange(name="brightness", mark="", value="dim"),
        ),
    ),
    HistoryEntry(
        offset=DUMP.index("9,h,250"),
        kind=HistoryKind.UPDATE,
        stamp="250",
        time_ms=250,
        clock="2024-02-28T23:59:58.250+00:00",
        changes=(
            HistoryChange(name="wake_lock", mark="+", uid="u0a275", text='says "hi" with a \\'),
            HistoryChange(name="wake_reason", mark="", uid="0", text="bcl irq"),
        ),
    ),
    HistoryEntry(
        offset=DUMP.index("9,h,1000"),
        kind=HistoryKind.UPDATE,
        stamp="1000",
        time_ms=1250,
        clock="2024-02-28T23:59:59.250+00:00",
        changes=(
            HistoryChange(name="screen", mark="-"),
            HistoryChange(name="fg", mark="+", uid="u0a7", text='over"flow, really'),
            HistoryChange(name="job", mark="", value="99"),
        ),
    ),
]
"""What DUMP tells."""


def read(text: str) -> tuple[list[HistoryEntry], Dump]:
    dump = KIND.read(text.encode(), DumpSettings())
    return list(dump.records), dump


def test_an_entry_has_its_words_and_strings_written_out() -> None:
    entries, dump = read(DUMP)

    assert entries == ENTRIES
    assert list(dump.rejects) == []
    assert dump.notes == [
        "section vers: 1 lines that are no entries",
        "section h, details of entries: 2 lines that are no entries",
        "section bt: 1 lines that are no entries",
        "section cpu: 1 lines that are no entries",
        "1 strings are not in the pool; the number stands in their place",
    ]


@pytest.mark.parametrize(
    "line",
    ["9,h,12,Bt=warm", '9,h,12,+Efg=u0a7:"cut', "9,h,12:NOON", "9,h,x,+r", '9,hsp,one,0,"a"', "8,h,0,+r", "9,h,5,,+r"],
)
def test_a_line_that_cannot_be_read_is_a_reject_and_moves_no_time(line: str) -> None:
    entries, dump = read(f"9,h,0,+r\n{line}\n9,h,7,-r\n")

    assert [entry.time_ms for entry in entries] == [0, 7]
    assert [(reject.offset, reject.text) for reject in dump.rejects] == [(9, line.encode())]


def test_another_dump_behind_it_has_a_pool_of_its_own() -> None:
    entries, _ = read('9,hsp,0,0,"a"\n9,h,0,wr=0\n9,hsp,0,0,"b"\n9,h,0,wr=0\n')

    assert [entry.changes[0].text for entry in entries] == ["a", "b"]


@pytest.mark.parametrize(
    ("uid", "text"),
    [
        (1000, "1000"),
        (10275, "u0a275"),
        (99910130, "u999a130"),
        (99012, "u0i12"),
        (90003, "u0ai3"),
        (1001000, "u10s1000"),
    ],
)
def test_a_user_id_is_written_as_android_writes_it(uid: int, text: str) -> None:
    assert uid_text(uid) == text


@pytest.mark.parametrize("text", ["", "Battery History (0% used):\n", "9,0,i,vers,36\n"])
def test_a_file_without_a_history_is_refused(text: str) -> None:
    with pytest.raises(DumpError, match="no line '9,h,'"):
        read(text)


def test_it_is_told_by_its_first_lines() -> None:
    assert KIND.looks_like(DUMP.encode(), "x")
    assert KIND.looks_like(b'9,hsp,0,0,"a"\n', "x")
    assert not KIND.looks_like(b"9,8,7,6\n", "checkin.csv")


def test_broken_dumps_raise_nothing_but_our_errors(read_mutations) -> None:
    assert read_mutations(KIND, DUMP.encode()) > 200


# A test's own renderer of a history, in both of its forms, from the words and abbreviations of Android's source.

SHORT = {word: short for short, word in NAMES.items()}
FLAGS = ("running", "sensor", "gps", "audio", "screen", "plugged", "wifi", "charging", "camera")
VALUED = {
    "device_idle": ("off", "light", "full"),
    "wifi_signal_strength": ("0", "4"),
    **{
        name: tuple(VALUES[name].values()) for name in ("brightness", "nr_state", "wifi_suppl", "phone_signal_strength")
    },
}
TEXTS = st.text(alphabet="abcXYZ.,/:\\\"'=- é", max_size=12).map(lambda text: text.strip().replace("= ", ""))
EVENTS = tuple(sorted(POOLED - {"wake_lock", "wake_reason", "pkginst", "state"}))


@st.composite
def updates(draw) -> dict:
    flags = draw(st.lists(st.sampled_from(FLAGS), unique=True, max_size=3))
    values = draw(st.lists(st.sampled_from(sorted(VALUED)), unique=True, max_size=2))
    changes = [HistoryChange(name=name, mark=draw(st.sampled_from("+-"))) for name in flags]
    changes += [HistoryChange(name=name, mark="", value=draw(st.sampled_from(VALUED[name]))) for name in values]
    if draw(st.booleans()):
        changes.append(
            HistoryChange(name="wake_lock", mark="+", uid=uid_text(draw(st.integers(0, 19_999))), text=draw(TEXTS))
        )
    if draw(st.booleans()):
        event, mark = draw(st.sampled_from(EVENTS)), draw(st.sampled_from(["", "+", "-"]))
        changes.append(
            HistoryChange(name=event, mark=mark, uid=uid_text(draw(st.integers(0, 19_999))), text=draw(TEXTS))
        )
    return {
        "step_ms": draw(st.integers(0, 10**8)),
        "level_percent": draw(st.integers(0, 100)),
        "status": draw(st.none() | st.sampled_from(sorted(VALUES["status"].values()))),
        "plug": draw(st.none() | st.sampled_from(sorted(VALUES["plug"].values()))),
        "voltage_mv": draw(st.none() | st.integers(0, 9999)),
        "temperature_dc": draw(st.none() | st.integers(-300, 900)),
        "changes": tuple(changes),
    }


def words_of(update: dict) -> list[tuple[str, str]]:
    pairs = [
        ("status", update["status"]),
        ("plug", update["plug"]),
        ("temp", update["temperature_dc"]),
        ("volt", update["voltage_mv"]),
    ]
    return [(name, str(value)) for name, value in pairs if value is not None]


def as_text(history: list[dict]) -> str:
    lines, time_ms = ["Battery History (0% used, 1KB used of 9KB, 1 strings using 2):"], 0
    for update in history:
        time_ms += update["step_ms"]
        words = [f"{name}={value}" for name, value in words_of(update)]
        for change in update["changes"]:
            own = (change.text or "").replace('"', '""' if change.name == "wake_lock" else '"')
            value = change.value if change.uid is None else f'{change.uid}:"{own}"'
            words.append(f"{change.mark}{change.name}" + ("" if value is None else f"={value}"))
        stamp = elapsed(time_ms)
        lines.append(" ".join([f"  {stamp:>18} (2) {update['level_percent']:03d}", *words]))
    return "\n".join(lines) + "\n"


def elapsed(time_ms: int) -> str:
    seconds, milliseconds = divmod(time_ms, 1000)
    minutes, hours = seconds // 60, seconds // 3600
    parts = ((hours // 24, "d"), (hours % 24, "h"), (minutes % 60, "m"), (seconds % 60, "s"))
    leading = "".join(f"{count}{unit}" for count, unit in parts if count)
    return f"+{leading}{milliseconds}ms" if time_ms else "0"


def as_checkin(history: list[dict]) -> str:
    pool: list[str] = []
    entries = []
    for update in history:
        words = [f"Bl={update['level_percent']}"]
        words += [f"{SHORT[name]}={abbreviated(name, value)}" for name, value in words_of(update)]
        for change in update["changes"]:
            value = None if change.value is None else abbreviated(change.name, change.value)
            if change.uid is not None:
                own = (change.text or "").replace("\\", "\\\\").replace('"', '\\"')
                value = str(len(pool))
                pool.append(f'9,hsp,{value},{uid_number(change.uid)},"{own}"')
            words.append(f"{change.mark}{SHORT[change.name]}" + ("" if value is None else f"={value}"))
        entries.append(f"9,h,{update['step_ms']},{','.join(words)}")
    return "\n".join([*pool, *entries]) + "\n"


def abbreviated(name: str, value: str) -> str:
    return next((short for short, word in VALUES.get(name, {}).items() if word == value), value)


def uid_number(text: str) -> int:
    return 10_000 + int(text.removeprefix("u0a")) if text.startswith("u0a") else int(text)


@settings(max_examples=80)
@given(st.lists(updates(), min_size=1, max_size=8))
def test_a_history_in_both_forms_is_read_back_the_same(history: list[dict]) -> None:
    expected, time_ms = [], 0
    for update in history:
        time_ms += update["step_ms"]
        temperature_dc = update["temperature_dc"]
        expected.append(
            HistoryEntry(
                offset=0,
                kind=HistoryKind.UPDATE,
                stamp="",
                time_ms=time_ms,
                clock=None,
                level_percent=update["level_percent"],
                status=update["status"],
                plug=update["plug"],
                voltage_mv=update["voltage_mv"],
                temperature_c=None if temperature_dc is None else temperature_dc / 10,
                changes=update["changes"],
            )
        )

    for kind, text in ((KIND, as_checkin(history)), (batterystats.KIND, as_text(history))):
        dump = kind.read(text.encode(), DumpSettings())
        entries = [replace(entry, offset=0, stamp="") for entry in dump.records]
        assert (entries, list(dump.rejects)) == (expected, [])
