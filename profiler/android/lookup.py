"""What one look at a phone tells: who it is, and whether it could measure now. One service; nothing is left on the phone."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from parsers.printable import printable
from profiler.android.facts import FACTS_COMMAND

ROOT = "/data/local/tmp/autocomet"
"""Where everything of the bench lies on a phone."""

_PROPERTIES = (
    "ro.serialno",
    "ro.product.model",
    "ro.product.cpu.abilist",
    "ro.product.cpu.abi",
    "ro.build.version.sdk",
    "ro.build.version.release",
    "ro.autocomet.virtual",
)
_FACTS = "== more"

LOOK = f"""for name in {" ".join(_PROPERTIES)}; do echo "$name=$(getprop $name)"; done
read -r up idle </proc/uptime; echo "uptime=$up"
for file in /proc/sys/kernel/random/boot_id {ROOT}/beat {ROOT}/lock/owner {ROOT}/lock/boot_id {ROOT}/lock/delay; do
    line=; [ -r "$file" ] && read -r line <"$file"; echo "$file=$line"
done
dumpsys battery </dev/null 2>/dev/null || true"""
"""Prints what :func:`read_look` reads."""

LOOK_WITH_FACTS = f"{LOOK}\necho '{_FACTS}'\nexec {shlex.join(FACTS_COMMAND)}"
"""The same, and what :func:`profiler.android.facts.parse_phone_facts` reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneLook:
    """What a phone said when it was looked at. Its texts are printable; what it did not say is empty or ``None``."""

    serialno: str
    model: str
    boot_id: str
    abis: tuple[str, ...]
    """Its processor's instruction sets, the preferred first."""
    api_level: int | None
    android_version: str
    is_virtual: bool
    battery_percent: float | None
    temperature_c: float | None
    is_charging: bool | None
    holder: str
    """Who has its lock and showed a sign of life lately; empty where nobody has."""
    facts_text: str = ""
    """The rest of a look with facts."""


def read_look(text: str) -> PhoneLook:
    """Read what :data:`LOOK` or :data:`LOOK_WITH_FACTS` printed."""
    own, _, facts_text = text.partition(f"{_FACTS}\n")
    told = dict(line.partition("=")[::2] for line in own.splitlines() if "=" in line)
    battery = dict(re.findall(r"^ *([A-Za-z ]+): *(\S+)\r?$", own, re.MULTILINE))
    level, scale = _number(battery.get("level")), _number(battery.get("scale"))
    temperature_dc = _number(battery.get("temperature"))
    status = battery.get("status")
    abis = told.get("ro.product.cpu.abilist") or told.get("ro.product.cpu.abi", "")
    api_level = told.get("ro.build.version.sdk", "")
    return PhoneLook(
        serialno=printable(told.get("ro.serialno", "")),
        model=printable(told.get("ro.product.model", "")),
        boot_id=told.get("/proc/sys/kernel/random/boot_id", ""),
        abis=tuple(printable(abi) for abi in abis.split(",") if abi),
        api_level=int(api_level) if api_level.isdecimal() else None,
        android_version=printable(told.get("ro.build.version.release", "")),
        is_virtual=told.get("ro.autocomet.virtual") == "1",
        battery_percent=100 * level / scale if level is not None and scale else None,
        temperature_c=None if temperature_dc is None else temperature_dc / 10,
        is_charging=None if status is None else status == "2",
        holder=_holder(told),
        facts_text=facts_text,
    )


def _holder(told: dict[str, str]) -> str:
    """Name the lock's owner where its last sign of life is of this boot and not too old."""
    owner = told.get(f"{ROOT}/lock/owner", "")
    if told.get(f"{ROOT}/lock/boot_id") != told.get("/proc/sys/kernel/random/boot_id"):
        return ""
    now, beat, delay = (_number(told.get(key)) for key in ("uptime", f"{ROOT}/beat", f"{ROOT}/lock/delay"))
    if now is None or beat is None or delay is None or not 0 <= int(now) - beat <= delay:
        return ""
    return printable(owner)


def _number(text: str | None) -> float | None:
    return float(text) if text and re.fullmatch(r"-?\d{1,15}(\.\d{1,9})?", text) else None
