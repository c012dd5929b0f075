"""What of a virtual phone changes with time, and the files that tell of it: battery, heat, uptime, memory, clocks.

One thread per phone looks about once in a second of the phone's at how busy its processes are, lets battery and case follow,
and renews the files. The clocks themselves need nobody: the processes make them (``shim/``).
"""

from __future__ import annotations

import math
import os
import threading
from pathlib import Path

from profiler.virtual_phone.description import PhoneDescription
from profiler.virtual_phone.draw import PowerDraw
from profiler.virtual_phone.folders import BATTERY, CPU, THERMAL, meminfo
from profiler.virtual_phone.gauge import Gauge
from profiler.virtual_phone.parameters import Parameters

STATUS_FILE = "system/etc/thermal_status"
ENERGY_FILE = "system/etc/energy_uws"

_BEAT_S = 1.0
"""On the phone's clock."""
_LEAST_BEAT_S = 0.4
_LEAST_LOOK_S = 0.3
"""Processor time is counted in ticks of 10 ms: over less than this it tells nothing."""
_CHARGER_MA = 1500.0
_AMBIENT_C, _WARMING_C_PER_MA, _WARMING_S = 27.0, 0.006, 300.0
"""A case of some 150 g: 1 A at 4 V warms it by about 6 degrees in the end, by two thirds of it in five minutes; a choice."""
_SEVERE = 3
"""Android's thermal status while the throttle fault holds."""
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


class Vitals:
    """A phone's battery and heat, over all its boots.

    Args:
        root: the phone's folder.
        description: which phone.
        seed: which specimen.
    """

    def __init__(self, root: Path, description: PhoneDescription, seed: int) -> None:
        self._root, self._description = root, description
        self.gauge = Gauge(description.battery, seed)
        self.charging = False
        self._draw = PowerDraw(description.draw, seed)
        self._temperature_c = _AMBIENT_C
        self._boot_s = 0.0
        """The gauge's time at the last boot: the battery lives on when the phone reboots."""
        self._busy_ticks: dict[str, int] = {}
        self._busy = (0.0,) * len(description.clusters)
        self._rails_uws = [0.0] * len(description.odpm_rails)
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def start(self, parameters: Parameters, processes: Path) -> None:
        """Begin to look after the files.

        Args:
            parameters: of the phone that has just booted.
            processes: its ``/proc``, as seen from here.
        """
        self._boot_s = self.gauge.now_s - parameters.uptime_s()
        self._stop.clear()
        self._busy_ticks = {}
        self.beat(parameters, processes)
        self._thread = threading.Thread(target=self._run, args=(parameters, processes), name="vitals", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Leave the files as they are."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def beat(self, parameters: Parameters, processes: Path) -> None:
        """Bring battery, heat and files to this moment."""
        with self._lock:
            uptime_s = parameters.uptime_s()
            elapsed_s = max(0.0, self._boot_s + uptime_s - self.gauge.now_s)
            busy = self._busy_cores(processes, elapsed_s / parameters.slow)
            draw_ma = self._draw.at(self._boot_s + uptime_s, busy, clock=parameters.clock_part)
            net_ma = draw_ma - (_CHARGER_MA if self.charging else 0.0)
            self.gauge.advance(self.gauge.now_s + elapsed_s, net_ma)
            self._warm(draw_ma, elapsed_s)
            self._meter(draw_ma, elapsed_s)
            self._renew(parameters)

    def _run(self, parameters: Parameters, processes: Path) -> None:
        while not self._stop.wait(max(_LEAST_BEAT_S, _BEAT_S / parameters.slow)):
            self.beat(parameters, processes)

    def _busy_cores(self, processes: Path, elapsed_s: float) -> tuple[float, ...]:
        """Say how many cores of each cluster were busy; the fastest are used first."""
        if elapsed_s < _LEAST_LOOK_S:
            return self._busy
        ticks = {path.parent.name: _processor_ticks(path) for path in processes.glob("[0-9]*/stat")}
        spent = sum(max(0, now - self._busy_ticks.get(name, 0)) for name, now in ticks.items())
        self._busy_ticks = ticks
        left = spent / _TICKS_PER_S / elapsed_s
        busy = []
        for cluster in reversed(self._description.clusters):
            busy.append(min(left, float(cluster.cores)))
            left -= busy[-1]
        self._busy = tuple(reversed(busy))
        return self._busy

    def _warm(self, draw_ma: float, elapsed_s: float) -> None:
        goal_c = _AMBIENT_C + _WARMING_C_PER_MA * draw_ma
        self._temperature_c += (goal_c - self._temperature_c) * (1 - math.exp(-elapsed_s / _WARMING_S))

    def _meter(self, draw_ma: float, elapsed_s: float) -> None:
        """Count energy on the rails; a fixed division, as nothing here knows what a real rail carries."""
        power_uw = draw_ma * self.gauge.read().voltage_uv / 1000
        for index in range(len(self._rails_uws)):
            self._rails_uws[index] += power_uw * elapsed_s / len(self._rails_uws)

    def _renew(self, parameters: Parameters) -> None:
        """Write every file that changes."""
        throttled, uptime_s = parameters.clock_part < 1, parameters.uptime_s()
        texts: dict[str, str | int] = {
            f"{THERMAL}/type": "skin",
            f"{THERMAL}/temp": round((self._temperature_c + (15.0 if throttled else 4.0)) * 1000),
            STATUS_FILE: _SEVERE if throttled else 0,
            "proc/uptime": f"{uptime_s:.2f} {uptime_s * self._description.cpus:.2f}",
            "proc/meminfo": meminfo(self._description.memory_kb, self._available_kb()),
            **self._battery_files(),
        }
        for cluster, ticks in zip(self._description.clusters, parameters.residency(), strict=True):
            policy = f"{CPU}/cpufreq/policy{cluster.first_cpu}"
            texts[f"{policy}/stats/time_in_state"] = ticks
            texts[f"{policy}/scaling_cur_freq"] = round(cluster.frequencies_khz[-1] * parameters.clock_part)
        if self._rails_uws:
            rails = zip(self._description.odpm_rails, self._rails_uws, strict=True)
            texts[ENERGY_FILE] = "\n".join(f"{rail} {uws:.0f}" for rail, uws in rails)
        for name, value in texts.items():
            _put(self._root / name, f"{value}".rstrip() + "\n")

    def _battery_files(self) -> dict[str, str | int]:
        reading = self.gauge.read()
        return {
            f"{BATTERY}/current_now": reading.current,
            f"{BATTERY}/voltage_now": reading.voltage_uv,
            f"{BATTERY}/charge_counter": reading.charge_counter_uah,
            f"{BATTERY}/capacity": reading.capacity_percent,
            f"{BATTERY}/temp": round(self._temperature_c * 10),
            f"{BATTERY}/status": "Charging" if self.charging else "Discharging",
            f"{BATTERY}/health": "Good",
            f"{BATTERY}/present": 1,
            f"{BATTERY}/technology": "Li-ion",
            f"{BATTERY}/charge_full": round(self._description.battery.capacity_mah * 1000),
            "sys/class/power_supply/usb/online": int(self.charging),
            "sys/class/power_supply/ac/online": 0,
        }

    def _available_kb(self) -> int:
        """Say what the machine can spare, as far as the phone would have it."""
        with Path("/proc/meminfo").open(encoding="ascii") as file:
            figures = {line.split(":")[0]: int(line.split()[1]) for line in file}
        return min(figures.get("MemAvailable", 0), self._description.memory_kb * 6 // 10)


def _processor_ticks(stat: Path) -> int:
    """Read a process's processor time; 0 when it has just ended."""
    try:
        fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def _put(path: Path, text: str) -> None:
    """Write a short file in one piece, in place: some of them are mounted over the phone's ``/proc``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.write(descriptor, text.encode())
        os.ftruncate(descriptor, len(text.encode()))
    finally:
        os.close(descriptor)
