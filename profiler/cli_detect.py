"""``profile detect`` and ``profile repeatability``: what a device is, and whether it says the same twice."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from parsers.console import tell
from profiler.cli_common import JsonOption, print_json

if TYPE_CHECKING:
    from profiler.android.detect import Detected
    from profiler.repeatability import Repeatability


def register(app: typer.Typer) -> None:
    """Add the commands to ``profile``."""
    app.command("detect")(detect_command)
    app.command("repeatability")(repeatability_command)


def detect_command(
    device: Annotated[str, typer.Option("--device", help="A phone's serial or address, or host for this machine.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Config to write, as device_configs/NAME.toml.")
    ] = None,
    limit: Annotated[
        float | None, typer.Option("--limit", help="The longest that a searched network may take, ms.", min=0.001)
    ] = None,
    adb: Annotated[
        list[str] | None, typer.Option("--adb", help="adb server of another bench host, as host:port. Repeatable.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the config.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Find out what a device is, say where each value comes from, and write it as a device config."""
    from profiler.android.detect import config_text, write_config

    detected = _detect(device, tuple(adb or ()))
    if output is not None:
        write_config(config_text(detected, limit_ms=limit), output, force=force)
    if as_json:
        print_json({**asdict(detected), "config": str(output) if output else None})
        return
    typer.echo(f"{detected.title}: {detected.soc or 'unknown system on a chip'}")
    for found in detected.context:
        value = "unknown" if found.value is None else found.value
        typer.echo(f"  {found.key:20} {value!s:10} {'to fill in: ' if found.value is None else ''}{found.note}")
    for remark in detected.remarks:
        typer.echo(f"  {remark}")
    if output is not None:
        typer.echo(output)


def repeatability_command(
    before: Annotated[Path, typer.Argument(help="Campaign folder or table of the first day.", show_default=False)],
    after: Annotated[Path, typer.Argument(help="Campaign folder or table of the second day.", show_default=False)],
    device: Annotated[str | None, typer.Option("--device", help="Which device, where both have several.")] = None,
    worst: Annotated[int, typer.Option("--worst", min=0, help="How many of the worst layers to list.")] = 10,
    as_json: JsonOption = False,
) -> None:
    """Compare two campaigns of one device: how much each layer changed, against the spread within a day."""
    from profiler.repeatability import compare_campaigns

    found = compare_campaigns(before, after, device=device)
    for remark in found.remarks:
        tell(remark)
    if as_json:
        print_json(_repeatability_json(found))
        return
    typer.echo(
        f"{found.device} ({found.kind}): {len(found.layers)} layers measured twice; changed by {found.median_change:.1%} "
        f"(median), {found.p90_change:.1%} (90 % of the layers)."
    )
    if found.judged:
        typer.echo(
            f"{found.beyond} of {found.judged} changed by more than their own spread explains; "
            f"chance alone: about {0.05 * found.judged:.0f}."
        )
    if found.left_out:
        typer.echo(f"{found.left_out} jobs left out: in one campaign only, or not ok in both.")
    for layer in found.layers[:worst]:
        expected = "spread unknown" if layer.expected is None else f"spread explains {layer.expected:.1%}"
        mark = "beyond" if layer.is_beyond else ""
        typer.echo(
            f"  {layer.change:+7.1%}  {layer.before_ms:9.4g} -> {layer.after_ms:9.4g} ms  {expected:24} {mark:7} {layer.job}"
        )


def _detect(device: str, servers: tuple[str, ...]) -> Detected:
    from profiler.android.detect import detect_host, detect_phone

    if device == "host":
        from profiler.host_facts import read_host_facts

        return detect_host(read_host_facts())
    from parsers.facts.socs import read_socs
    from profiler.android.facts import FACTS_COMMAND, parse_phone_facts
    from profiler.android.identity import find_phones

    (phone,) = find_phones([device], servers=servers)
    return detect_phone(parse_phone_facts(phone.transport.shell(FACTS_COMMAND).stdout, read_socs()))


def _repeatability_json(found: Repeatability) -> dict[str, object]:
    return {
        "device": found.device,
        "device_kind": found.kind.value,
        "layers": [
            {**asdict(layer), "change": layer.change, "beyond": layer.is_beyond if layer.expected is not None else None}
            for layer in found.layers
        ],
        "median_change": found.median_change,
        "p90_change": found.p90_change,
        "judged": found.judged,
        "beyond": found.beyond,
        "left_out": found.left_out,
        "remarks": list(found.remarks),
    }
