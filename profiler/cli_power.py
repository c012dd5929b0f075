"""``profile power``: what would tell a phone's power, and how long a layer has to loop for it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from profiler.cli_common import JsonOption, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from parsers.energy_plan import Sensor
    from profiler.power import SensorFacts


def register(app: typer.Typer) -> None:
    """Add the command to ``profile``."""
    app.command("power")(power_command)


def power_command(
    device: Annotated[str | None, typer.Option("--device", help="A phone's serial or address.")] = None,
    power: Annotated[
        str, typer.Option("--power", help="Sensor to look for: auto, battery, odpm or monsoon:FILE.csv.")
    ] = "auto",
    sensor_period_s: Annotated[
        float | None,
        typer.Option("--sensor-period-s", min=1e-4, help="Without a phone: how often a sensor's reading changes, s."),
    ] = None,
    noise_mw: Annotated[
        float | None,
        typer.Option(
            "--noise-mw", min=0, help="With --sensor-period-s: standard deviation of one reading at rest, mW."
        ),
    ] = None,
    quantum_mw: Annotated[
        float | None, typer.Option("--quantum-mw", min=0, help="With --sensor-period-s: the reading's step, mW.")
    ] = None,
    settling_s: Annotated[
        float | None,
        typer.Option("--settling-s", min=0, help="With --sensor-period-s: until it shows 99 % of a step, s."),
    ] = None,
    error: Annotated[
        float, typer.Option("--error", min=0.01, max=1, help="Wanted half-width of the energy's 95 % interval over it.")
    ] = 0.1,
    expected_mw: Annotated[
        float, typer.Option("--expected-mw", min=1, help="What the layer is expected to add to the idle phone, mW.")
    ] = 300.0,
    adb: Annotated[
        list[str] | None, typer.Option("--adb", help="adb server of another bench host, as host:port. Repeatable.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Say how long one layer has to loop for a wanted error, from a minute's look at a phone's sensors or from figures."""
    if device is not None:
        if {sensor_period_s, noise_mw, quantum_mw, settling_s} != {None}:
            raise typer.BadParameter("give --device, or a sensor's figures; a phone's are looked at")
        _plan_for_phone(device, power, tuple(adb or ()), error=error, expected_mw=expected_mw, as_json=as_json)
        return
    if sensor_period_s is None or noise_mw is None:
        raise typer.BadParameter("name a phone with --device, or a sensor's figures: --sensor-period-s and --noise-mw")
    from parsers.energy_plan import Sensor

    sensor = Sensor(
        update_period_s=sensor_period_s, noise_mw=noise_mw, quantum_mw=quantum_mw or 0.0, settling_s=settling_s
    )
    _plan_for_figures(sensor, error=error, expected_mw=expected_mw, as_json=as_json)


def _plan_for_phone(
    device: str, power: str, servers: Sequence[str], *, error: float, expected_mw: float, as_json: bool
) -> None:
    from profiler.android.identity import find_phones
    from profiler.errors import ProfilerError
    from profiler.power import parse_power_option, plan_power
    from profiler.power_sensor import choose_sensor

    option = parse_power_option(power)
    (phone,) = find_phones([device], servers=servers)
    sensor = choose_sensor(option, lambda argv: phone.transport.shell(argv, timeout_s=180.0).stdout)
    if sensor is None:
        raise ProfilerError(f"{phone.name}: no power sensor that a shell may read. Try --power monsoon:FILE.csv.")
    plan = plan_power(sensor, expected_mw, error)
    if as_json:
        print_json({"device": phone.name, "sensor": asdict(sensor), "plan": asdict(plan)})
        return
    typer.echo(f"{phone.name}: {sensor.source or 'external monitor'}, {_described(sensor)}")
    typer.echo(str(plan))


def _plan_for_figures(sensor: Sensor, *, error: float, expected_mw: float, as_json: bool) -> None:
    from parsers.energy_plan import plan_loop
    from profiler.errors import ProfilerError

    try:
        plan = plan_loop(sensor, net_power_mw=expected_mw, wanted_relative_error=error)
    except ValueError as exc:
        raise ProfilerError(str(exc)) from exc
    if as_json:
        print_json({"device": None, "sensor": asdict(sensor), "plan": asdict(plan)})
        return
    missed = "" if plan.reached else f"; ±{error:.0%} is out of reach of this sensor"
    typer.echo(f"this sensor: {_described(sensor)}")
    typer.echo(
        f"loop {plan.loop_s:.0f} s between two idle windows of {plan.idle_s:.0f} s:"
        f" {plan.loop_s + 2 * plan.idle_s:.0f} s per layer, energy to about ±{plan.relative_error:.0%}{missed}"
    )


def _described(sensor: Sensor | SensorFacts) -> str:
    settling = "unknown until a first loop" if sensor.settling_s is None else f"{sensor.settling_s:.3g} s"
    return (
        f"updates every {sensor.update_period_s:.3g} s in steps of {sensor.quantum_mw:.3g} mW,"
        f" noise {sensor.noise_mw:.3g} mW, settling time {settling}"
    )
