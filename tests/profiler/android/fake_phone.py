"""A folder that looks like a phone to ``bench.sh``: its commands are small scripts, its settings are files."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import profiler.android

BENCH = Path(profiler.android.__file__).with_name("bench.sh")

SCRIPTS = {
    "settings": """
        file=$PHONE/settings/$2.$3
        case $1 in
        get) if [ -f "$file" ]; then cat "$file"; else echo null; fi ;;
        put) [ ! -f "$PHONE/refuses.$3" ] || exit 255; echo "$4" >"$file" ;;
        delete) rm -f "$file" ;;
        esac""",
    "svc": """
        case $2 in enable) echo 1 ;; *) echo 0 ;; esac >"$PHONE/settings/global.$1_on" """,
    "cmd": """
        case "$1 $2 $3" in
        "connectivity airplane-mode ") cat "$PHONE/airplane" ;;
        "connectivity airplane-mode "*) echo "$3d" >"$PHONE/airplane" ;;
        "power help ") echo set-fixed-performance-mode-enabled ;;
        "power set-fixed"*) echo "$3" >"$PHONE/fixed" ;;
        esac""",
    "logcat": """
        case $3 in
        -g) echo "main: ring buffer is $(cat "$PHONE/log")b (12Kb consumed), max entry is 5120b" ;;
        -G) echo "$4" >"$PHONE/log" ;;
        -d) [ "$*" = "-b main -d -v threadtime -s AutoCoMET:I" ] && cat "$PHONE/lines" ;;
        esac""",
    "dumpsys": """
        cat "$PHONE/dumpsys.$1" 2>/dev/null""",
    "input": "",
    "wm": "",
}

LOG_LINE = "11-24 03:52:53.659     1     1 I AutoCoMET: 1 conv 0 start"

RUNNER = """
for word in "$@"; do echo "$word"; done >arguments
mkdir -p out/conv/run-0 out/conv/run-1.part
echo log >out/conv/run-0/log
echo half >out/conv/run-1.part/log
[ ! -f linger ] || { echo waits; sleep 30 & wait; }
echo "run conv 0 ok"
echo "end 1"
exit $(cat code 2>/dev/null || echo 0)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class FakePhone:
    """The phone's folder, and the shell that it has."""

    home: Path
    shell: str
    tools: Path | None = None
    """A folder of commands that come before this machine's, toybox's for instance."""

    @property
    def root(self) -> Path:
        return self.home / "autocomet"

    @property
    def bench_path(self) -> Path:
        return self.root / "store" / "b" / "bench.sh"

    def command(self, *words: str) -> list[str]:
        return [self.shell, str(self.bench_path), *words]

    def environment(self) -> dict[str, str]:
        folders = [self.home / "bin", *([self.tools] if self.tools else []), os.environ["PATH"]]
        return {"PATH": os.pathsep.join(map(str, folders)), "PHONE": str(self.home)}

    def bench(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words), env=self.environment(), capture_output=True, text=True, check=False, timeout=60
        )

    def state(self) -> dict[str, str]:
        """Everything that can be set, and what it is set to."""
        files = [*(self.home / "settings").iterdir(), self.home / "airplane", self.home / "log", self.home / "fixed"]
        return {path.name: path.read_text().strip() for path in sorted(files) if path.is_file()}

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")

    def workdir(self) -> Path:
        return self.root / "work" / "c"

    def processes(self) -> list[str]:
        """Command lines of what still runs from this phone's store."""
        found = []
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                words = path.read_bytes().split(b"\0")
            except OSError:
                continue
            if any(word.startswith(os.fsencode(self.root)) for word in words):
                found.append(b" ".join(words).decode(errors="replace"))
        return found


def make_phone(home: Path, shell: str, tools: Path | None = None) -> FakePhone:
    """Make a phone whose screen goes dark after a minute and whose Wi-Fi is on."""
    phone = FakePhone(home=home, shell=shell, tools=tools)
    (home / "bin").mkdir(parents=True)
    for name, script in SCRIPTS.items():
        path = home / "bin" / name
        path.write_text(f"#!{shutil.which('sh')}\n{script}\n")
        path.chmod(0o755)
    (home / "bin" / "sh").symlink_to(shutil.which(shell) or shell)
    (home / "settings").mkdir()
    originals = {
        "system.screen_off_timeout": "60000",
        "system.screen_brightness_mode": "1",
        "system.screen_brightness": "180",
        "global.animator_duration_scale": "1.0",
        "global.wifi_on": "1",
        "global.bluetooth_on": "0",
    }
    for name, value in originals.items():
        (home / "settings" / name).write_text(value + "\n")
    (home / "airplane").write_text("disabled\n")
    (home / "fixed").write_text("false\n")
    (home / "log").write_text("256K\n")
    (home / "lines").write_text(f"{LOG_LINE}\n")
    (home / "dumpsys.battery").write_text(battery())
    (home / "dumpsys.thermalservice").write_text("IsStatusOverride: false\nThermal Status: 0\n")
    phone.bench_path.parent.mkdir(parents=True)
    shutil.copy(BENCH, phone.bench_path)
    return phone


def battery(*, level: int = 57, temperature_dc: int = 312, status: int = 2, usb: bool = True) -> str:
    """Write what ``dumpsys battery`` prints."""
    return (
        "Current Battery Service state:\n  AC powered: false\n"
        f"  USB powered: {'true' if usb else 'false'}\n  Wireless powered: false\n"
        f"  Max charging current: 500000\n  status: {status}\n  health: 2\n  present: true\n"
        f"  level: {level}\n  scale: 100\n  voltage: 4123\n  temperature: {temperature_dc}\n  technology: Li-ion\n"
    )
