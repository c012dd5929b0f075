from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from parsers.energy import Energy
from parsers.errors import PowerSamplesError, RunLogError
from parsers.monsoon import MonitorPiece, piece_to_csv
from parsers.power_run import MONITOR_FILE, PowerFinding, read_power, with_energy
from parsers.power_samples import BatterySamples
from parsers.schema import Measurement

ENERGY = Energy(
    source="battery",
    energy_mj=10.0,
    energy_error_mj=1.0,
    power_mw=500.0,
    power_gross_mw=900.0,
    update_period_s=1.0,
    settling_s=2.0,
    evidence="",
)


def write_log(folder: Path, *records: str) -> None:
    folder.mkdir(exist_ok=True)
    lines = [
        f"11-24 08:45:48.068  1  1 I AutoCoMET: {n} j 1000 {record}\n" for n, record in enumerate(records, start=1)
    ]
    (folder / "runner.log").write_text("".join(lines))


def borders(windows) -> str:
    names = ("idle_from_ns", "loop_from_ns", "loop_to_ns", "idle_to_ns", "iterations")
    return " ".join(f"{name}={getattr(windows, name)}" for name in names)


def csv_of(samples: BatterySamples) -> bytes:
    columns = (samples.boottime_ns, samples.current, samples.voltage, samples.charge, samples.status)
    rows = (f"{t},{i:.0f},{v:.0f},{q:.0f},{s}" for t, i, v, q, s in zip(*columns, strict=True))
    return "\n".join(["boottime_ns,current_now,voltage_now,charge_counter,status", *rows, ""]).encode()


def text_of(samples: BatterySamples) -> bytes:
    columns = (samples.boottime_ns, samples.current, samples.voltage, samples.charge)
    blocks = (
        f"@ {t}\n  status: 3\n  voltage: {v / 1e3:.0f}\n  Charge counter: {q:.0f}\ncurrent now: {i:.0f}\n"
        for t, i, v, q in zip(*columns, strict=True)
    )
    return "".join(blocks).encode()


def rails_of(windows) -> bytes:
    blocks = []
    for second in range(80):
        energy = 300 * second + 900 * min(max(second - 20, 0), 40)
        blocks.append(
            f"@ {windows.idle_from_ns + second * 10**9}\n"
            "============= PowerStats HAL 2.0 energy meter ==============\n"
            f"  [S4M_VDD_CPUCL0]:CPU(LITTLE)   {energy:14.2f} mWs\n"
            "========== End of PowerStats HAL 2.0 energy meter ==========\n"
            "  status: 3\n"
        )
    return "".join(blocks).encode()


def write_samples(folder: Path, windows, source: str, file: str, data: bytes) -> None:
    fits = f"file={file} bytes={len(data)} crc={zlib.crc32(data):08x}"
    write_log(folder, f"power source={source} {borders(windows)} brightness=120 {fits}")
    (folder / file).write_bytes(data)


def test_a_run_that_was_not_to_measure_power_says_nothing_of_it(tmp_path: Path) -> None:
    write_log(tmp_path, "start protocol=1")

    assert read_power(tmp_path) is None


@pytest.mark.parametrize(("source", "file", "write"), [("sysfs", "power.csv", csv_of), ("cmd", "power.txt", text_of)])
def test_a_battery_s_recording_beside_the_log_becomes_an_energy(phone, tmp_path: Path, source, file, write) -> None:
    write_samples(tmp_path, phone.windows, source, file, write(phone.recording()))

    finding = read_power(tmp_path)

    assert finding is not None
    assert finding.energy is not None
    assert finding.energy.energy_mj == pytest.approx(phone.true_mj, rel=0.02)
    assert abs(finding.energy.energy_mj - phone.true_mj) <= finding.energy.energy_error_mj


def test_a_board_s_own_meter_becomes_an_energy_and_is_refused_while_charging(phone, tmp_path: Path) -> None:
    data = rails_of(phone.windows)
    write_samples(tmp_path / "discharging", phone.windows, "odpm", "power.txt", data)
    write_samples(
        tmp_path / "charging", phone.windows, "odpm", "power.txt", data.replace(b"status: 3", b"status: 2", 1)
    )

    discharging, charging = read_power(tmp_path / "discharging"), read_power(tmp_path / "charging")

    assert discharging is not None
    assert discharging.energy is not None
    assert discharging.energy.energy_mj == pytest.approx(900 * 40 / 1000, rel=0.01)
    assert charging == PowerFinding(
        energy=None, refused="the battery was 'Charging', not 'Discharging', 0.0 s into the windows", source="odpm"
    )


def test_a_phone_that_went_on_charging_keeps_the_runner_s_reason(tmp_path: Path) -> None:
    write_log(tmp_path, "power source=sysfs refused=the%20battery%20did%20not%20discharge%20within%201000%20ms")

    finding = read_power(tmp_path)

    assert finding == PowerFinding(
        energy=None, refused="the battery did not discharge within 1000 ms", source="sysfs", looped=False
    )


def test_a_loop_for_a_monitor_waits_for_its_recording(phone, tmp_path: Path) -> None:
    write_log(tmp_path, f"power source=none {borders(phone.windows)}")

    without = read_power(tmp_path)
    samples = phone.recording()
    power_mw = abs(samples.current) / 1000 * phone.voltage_v
    piece = MonitorPiece(boottime_ns=samples.boottime_ns.repeat(5), power_mw=power_mw.repeat(5))
    (tmp_path / MONITOR_FILE).write_text(piece_to_csv(piece))
    with_piece = read_power(tmp_path)

    assert without == PowerFinding(
        energy=None, refused="no recording of an external monitor was given for the run", source="none"
    )
    assert with_piece is not None
    assert with_piece.energy is not None
    assert with_piece.energy.source == "monsoon"


@pytest.mark.parametrize("harm", ["flip", "cut", "absent"])
def test_samples_that_are_not_as_they_were_written_are_no_evidence(phone, tmp_path: Path, harm: str) -> None:
    data = csv_of(phone.recording())
    write_samples(tmp_path, phone.windows, "sysfs", "power.csv", data)
    path = tmp_path / "power.csv"
    flipped = data[:500] + bytes([data[500] ^ 1]) + data[501:]
    path.write_bytes(flipped if harm == "flip" else data[:-1])
    if harm == "absent":
        path.unlink()

    with pytest.raises(PowerSamplesError, match="Measure this run again"):
        read_power(tmp_path)


def test_windows_in_the_wrong_order_contradict(phone, tmp_path: Path) -> None:
    swapped = replace(phone.windows, loop_to_ns=phone.windows.idle_from_ns - 1)
    write_log(tmp_path, f"power source=none {borders(swapped)}")

    with pytest.raises(RunLogError, match="windows"):
        read_power(tmp_path)


def test_several_power_runs_are_averaged_and_their_bar_reaches_over_all_of_them() -> None:
    near, far = replace(ENERGY, energy_mj=10.5), replace(ENERGY, energy_mj=16.0)

    alike = with_energy(Measurement(), [PowerFinding(energy=ENERGY), PowerFinding(energy=near)])
    apart = with_energy(Measurement(), [PowerFinding(energy=ENERGY), PowerFinding(energy=far)])

    assert (alike.energy_mj, alike.energy_error_mj) == (10.25, 1.0)
    assert (apart.energy_mj, apart.energy_error_mj) == (13.0, 3.0)
    assert (alike.power_mw, alike.power_gross_mw, alike.power_source) == (500.0, 900.0, "battery")


def test_a_job_without_power_runs_has_null_power_and_one_that_was_refused_says_why() -> None:
    refused = with_energy(Measurement(), [PowerFinding(energy=None, refused="it was charging")])

    assert with_energy(Measurement(), []) == Measurement()
    assert refused == Measurement(power_source="refused: it was charging")
