"""The words of a battery history: those of the text, and the abbreviations that a check-in dump has for them.

From ``BatteryStats.HISTORY_STATE_DESCRIPTIONS``, ``HISTORY_STATE2_DESCRIPTIONS``, ``HISTORY_EVENT_CHECKIN_NAMES`` and
``HistoryPrinter`` of Android 5 to 16. A word that is in no table is the maker's, and stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType


def _frozen(words: dict[str, str]) -> Mapping[str, str]:
    return MappingProxyType(words)


NAMES = _frozen(
    {
        # What the battery is.
        "Bl": "level",
        "Bs": "status",
        "Bh": "health",
        "Bp": "plug",
        "Bt": "temp",
        "Bv": "volt",
        "Bcc": "charge",
        "Mrc": "modemRailChargemAh",
        "Wrc": "wifiRailChargemAh",
        # States that are on or off, or have a value.
        "r": "running",
        "w": "wake_lock",
        "s": "sensor",
        "g": "gps",
        "Wl": "wifi_full_lock",
        "Ws": "wifi_scan",
        "Wm": "wifi_multicast",
        "Wr": "wifi_radio",
        "Pr": "mobile_radio",
        "Psc": "phone_scanning",
        "a": "audio",
        "S": "screen",
        "BP": "plugged",
        "Sd": "screen_doze",
        "Pcn": "data_conn",
        "Pst": "phone_state",
        "Pss": "phone_signal_strength",
        "Sb": "brightness",
        "ps": "power_save",
        "v": "video",
        "Ww": "wifi_running",
        "W": "wifi",
        "fl": "flashlight",
        "di": "device_idle",
        "ch": "charging",
        "Ud": "usb_data",
        "Pcl": "phone_in_call",
        "b": "bluetooth",
        "Wss": "wifi_signal_strength",
        "Wsp": "wifi_suppl",
        "ca": "camera",
        "bles": "ble_scan",
        "Chtp": "cellular_high_tx_power",
        "Gss": "gps_signal_quality",
        "nrs": "nr_state",
        "wr": "wake_reason",
        # Events.
        "Enl": "null",
        "Epr": "proc",
        "Efg": "fg",
        "Etp": "top",
        "Esy": "sync",
        "Ewl": "wake_lock_in",
        "Ejb": "job",
        "Eur": "user",
        "Euf": "userfg",
        "Ecn": "conn",
        "Eac": "active",
        "Epi": "pkginst",
        "Epu": "pkgunin",
        "Eal": "alarm",
        "Est": "stats",
        "Eai": "pkginactive",
        "Eaa": "pkgactive",
        "Etw": "tmpwhitelist",
        "Esw": "screenwake",
        "Ewa": "wakeupap",
        "Elw": "longwake",
        "Esc": "state",
        "Eds": "display_state_changed",
    }
)
"""A check-in dump's abbreviation, and the text's word for it."""

POOLED = frozenset(
    {"wake_lock", "wake_reason"} | {word for short, word in NAMES.items() if short.startswith("E") and len(short) == 3}
)
"""Words whose value in a check-in dump is a number in its pool of strings."""

_BRIGHTNESS = dict(enumerate(("dark", "dim", "medium", "light", "bright")))
_SIGNAL = dict(enumerate(("none", "poor", "moderate", "good", "great")))
_NR_STATES = dict(enumerate(("none", "restricted", "not_restricted", "connected")))

VALUES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "status": _frozen(
            {"?": "unknown", "c": "charging", "d": "discharging", "n": "not-charging", "f": "full"},
        ),
        "health": _frozen(
            {
                "?": "unknown",
                "g": "good",
                "h": "overheat",
                "d": "dead",
                "v": "over-voltage",
                "f": "failure",
                "c": "cold",
            }
        ),
        "plug": _frozen({"n": "none", "a": "ac", "u": "usb", "w": "wireless", "d": "dock"}),
        "phone_state": _frozen({"em": "emergency"}),
        "phone_signal_strength": _frozen({str(number): word for number, word in _SIGNAL.items()}),
        "brightness": _frozen({str(number): word for number, word in _BRIGHTNESS.items()}),
        "nr_state": _frozen({str(number): word for number, word in _NR_STATES.items()}),
        "wifi_suppl": _frozen(
            {
                "inv": "invalid",
                "dsc": "disconn",
                "dis": "disabled",
                "inact": "inactive",
                "scan": "scanning",
                "auth": "authenticating",
                "ascing": "associating",
                "asced": "associated",
                "4-way": "4-way-handshake",
                "group": "group-handshake",
                "compl": "completed",
                "dorm": "dormant",
            }
        ),
    }
)
"""By word: a check-in dump's abbreviations of its values."""
