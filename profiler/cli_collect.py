"""``profile collect``: measure a suite on this machine, on a phone, or on a rack of them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from parsers.console import EXIT_INCOMPLETE, tell
from profiler.cli_common import (
    JsonOption,
    LayersOption,
    ModelOption,
    SuiteOption,
    choose_suite,
    counts,
    print_counts,
    print_json,
)

if TYPE_CHECKING:
    from profiler.device import Conditions
    from profiler.measure import Measured

_WINDOW = re.compile(r"(\d{1,3})-(\d{1,3})")


def register(app: typer.Typer) -> None:
    """Add the command to ``profile``."""
    app.command("collect")(collect_command)


def collect_command(
    device: Annotated[
        list[str] | None,
        typer.Option("--device", help="A phone's serial or address, or host for this machine. Repeatable."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every phone that is ready; see 'profile devices'.")] = False,
    suite: SuiteOption = None,
    layers: LayersOption = None,
    model: ModelOption = None,
    provider: Annotated[
        str, typer.Option("--provider", help="Execution provider to ask for: cpu, xnnpack, nnapi or the runtime's own.")
    ] = "cpu",
    threads: Annotated[int, typer.Option("--threads", min=1, help="Threads inside an operator.")] = 1,
    policy: Annotated[
        str, typer.Option("--policy", help="strict measures again what was throttled or contended; quick says so.")
    ] = "strict",
    processes: Annotated[int, typer.Option("--processes", min=1, help="Processes per job; 3 give an error bar.")] = 3,
    budget_ms: Annotated[int, typer.Option("--budget-ms", min=1, help="Measuring time of one process, ms.")] = 400,
    timeout_s: Annotated[int, typer.Option("--timeout-s", min=1, help="A run longer than this is ended.")] = 120,
    seed: Annotated[int, typer.Option("--seed", help="Seed of weights, inputs and the order of jobs.")] = 0,
    campaign: Annotated[str | None, typer.Option("--campaign", help="Name of the campaign's folder.")] = None,
    runs: Annotated[Path, typer.Option("--runs", help="Folder of all campaigns.")] = Path("runs"),
    fresh: Annotated[bool, typer.Option("--fresh", help="Start the campaign over.")] = False,
    adb: Annotated[
        list[str] | None, typer.Option("--adb", help="adb server of another bench host, as host:port. Repeatable.")
    ] = None,
    share: Annotated[
        bool, typer.Option("--share", help="Phones that are alike divide the jobs instead of doing all of them each.")
    ] = False,
    power: Annotated[
        str, typer.Option("--power", help="Measure energy too: auto, battery, odpm or monsoon:FILE.csv; none does not.")
    ] = "none",
    usb_power: Annotated[
        str,
        typer.Option("--usb-power", help="Command that switches the phone's USB power: gets off or on as last word."),
    ] = "",
    unplug_s: Annotated[
        float, typer.Option("--unplug-s", min=0, help="How long a phone that charges waits for its cable's pulling, s.")
    ] = 600.0,
    runtime: Annotated[
        Path | None, typer.Option("--runtime", help="ONNX Runtime for Android: the official AAR, or a library.")
    ] = None,
    battery: Annotated[
        str, typer.Option("--battery", help="Battery window in which a phone may measure, in percent.")
    ] = "40-80",
    max_temperature_c: Annotated[
        float, typer.Option("--max-temperature-c", help="Battery temperature above which a phone must cool, °C.")
    ] = 38.0,
    watchdog_s: Annotated[
        int, typer.Option("--watchdog-s", min=5, help="A phone left alone restores its settings after so long, s.")
    ] = 600,
    patience_s: Annotated[
        float, typer.Option("--patience-s", min=0, help="How long a phone that went away is waited for, s.")
    ] = 600.0,
    cool_down_s: Annotated[
        float, typer.Option("--cool-down-s", min=0, help="Pause before a phone that slowed down is tried again, s.")
    ] = 60.0,
    as_json: JsonOption = False,
) -> None:
    """Measure a suite; the same command again goes on where it was stopped. Exit code 3: some phone is not done."""
    from profiler.campaign import Patience
    from profiler.display import rack_display
    from profiler.job_plans import fingerprint
    from profiler.measure import Wires, measure_suite, open_bench
    from profiler.power_campaign import refusals
    from profiler.settings import CampaignSettings

    chosen = choose_suite(suite, layers, model)
    conditions = _conditions(battery, max_temperature_c, watchdog_s)
    if policy not in {"strict", "quick"}:
        raise typer.BadParameter(f"--policy is strict or quick, not {policy!r}")
    settings = CampaignSettings(
        suite=chosen.name,
        suite_sha256=fingerprint(chosen),
        device=_asked_for(device or [], every=every),
        policy="strict" if policy == "strict" else "quick",
        provider=provider,
        threads=threads,
        processes=processes,
        budget_ms=budget_ms,
        timeout_s=timeout_s,
        share=share,
        power=_power(power, device or [], every=every),
        seed=seed,
    )
    for reason in chosen.left_out:
        tell(f"left out: {reason}")
    bench = open_bench(
        settings,
        runs=runs,
        campaign=campaign,
        wires=Wires(servers=tuple(adb or ()), runtime=runtime, usb_power=_words(usb_power)),
        waiting=lambda: tell("Another program is measuring on this machine; waiting for it."),
    )
    with rack_display(f"Measuring {chosen.name}") as report:
        measured = measure_suite(
            chosen,
            settings,
            bench,
            fresh=fresh,
            conditions=conditions,
            patience=Patience(away_s=patience_s, cool_down_s=cool_down_s, unplug_s=unplug_s),
            report=report,
        )
    if settings.power != "none":
        for refusal in refusals(measured.rows):
            tell(refusal)
    _print_result(measured, as_json=as_json)
    if measured.shortfalls:
        raise typer.Exit(EXIT_INCOMPLETE)


def _asked_for(devices: Sequence[str], *, every: bool) -> str:
    """Write the devices as one word; the order in which they are given says nothing."""
    from profiler.measure import ALL, HOST

    if every == bool(devices):
        raise typer.BadParameter("say where to measure: --device SERIAL (repeatable), --device host, or --all")
    if HOST in devices and len(set(devices)) > 1:
        raise typer.BadParameter("--device host is measured alone: it also drives the phones")
    return ALL if every else "+".join(sorted(set(devices)))


def _power(text: str, devices: Sequence[str], *, every: bool) -> str:
    """Check ``--power`` before anything is measured; a monitor's recording is of one phone."""
    from profiler.power import parse_power_option

    option = parse_power_option(text)
    if option.file is not None and (every or len(set(devices)) != 1):
        raise typer.BadParameter("--power monsoon:FILE.csv is of one phone: give one --device SERIAL")
    return text


def _words(command: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(command))
    except ValueError as error:
        raise typer.BadParameter(f"--usb-power {command!r}: {error}") from error


def _conditions(battery: str, max_temperature_c: float, watchdog_s: int) -> Conditions:
    from profiler.device import Conditions

    window = _WINDOW.fullmatch(battery)
    if window is None or not 0 <= int(window[1]) < int(window[2]) <= 100:
        raise typer.BadParameter(f"--battery is a window such as 40-80, not {battery!r}")
    return Conditions(
        min_battery_percent=int(window[1]),
        max_battery_percent=int(window[2]),
        max_temperature_c=max_temperature_c,
        watchdog_s=watchdog_s,
    )


def _print_result(measured: Measured, *, as_json: bool) -> None:
    for reject in measured.rejects:
        tell(f"not read: {reject}")
    for shortfall in measured.shortfalls:
        tell(f"not done: {shortfall.device}: {shortfall.error}")
    if as_json:
        incomplete: list[object] = [{"device": part.device, "reason": str(part.error)} for part in measured.shortfalls]
        document: dict[str, object] = {
            "campaign": measured.campaign,
            "stats": str(measured.stats_path),
            "rows": counts(measured.rows),
            "incomplete": incomplete,
        }
        print_json(document)
        return
    print_counts(measured.rows)
    typer.echo(measured.stats_path)
