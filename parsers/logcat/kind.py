"""Android's log as a kind of dump."""

from __future__ import annotations

from parsers.dump import Kind
from parsers.logcat.reader import looks_like_logcat, read_logcat

KIND = Kind(
    name="logcat",
    meaning="Android's log: logcat in any form, binary ones, the logs of a bug report, Android Studio's exports",
    looks_like=looks_like_logcat,
    read=read_logcat,
)
