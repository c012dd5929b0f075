"""``profile power``: what would tell a phone's power, and how long a layer has to loop for it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from profiler.cli_common import JsonOption, print_json


def register(app: typer.Typer) -> None:
    """Add the command to ``profile``."""
    app.command("power")(power_command)


def power_command(
    device: Annotated[str, typer.Option("--device", help="A phone's serial or address.")],
    power: Annotated[
        str, typer.Option("--power", help="Sensor to look for: auto, battery, odpm or monsoon:FILE.csv.")
    ] = "auto",
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
    """Watch a phone's power sensors for a minute, and say how long one layer has to loop for a wanted error."""
    from profiler.android.identity import find_phones
    from profiler.errors import ProfilerError
    from profiler.power import parse_power_option, plan_power
    from profiler.power_sensor import choose_sensor

    option = parse_power_option(power)
    (phone,) = find_phones([device], servers=tuple(adb or ()))
    sensor = choose_sensor(option, lambda argv: phone.transport.shell(argv, timeout_s=180.0).stdout)
    if sensor is None:
        raise ProfilerError(f"{phone.name}: no power sensor that a shell may read. Try --power monsoon:FILE.csv.")
    plan = plan_power(sensor, expected_mw, error)
    if as_json:
        print_json({"device": phone.name, "sensor": asdict(sensor), "plan": asdict(plan)})
        return
    settling = "unknown until a first loop" if sensor.settling_s is None else f"{sensor.settling_s:.3g} s"
    typer.echo(
        f"{phone.name}: {sensor.source or 'external monitor'}, updates every {sensor.update_period_s:.3g} s in steps of "
        f"{sensor.quantum_mw:.3g} mW, noise {sensor.noise_mw:.3g} mW, settling time {settling}"
    )
    typer.echo(str(plan))
