"""``profile runner``: the C program that measures on a device, and the runtime that it opens."""

from __future__ import annotations

import typer

runner_app = typer.Typer(help="The C program that runs on the device.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add ``runner`` to the ``profile`` command line."""
    app.add_typer(runner_app, name="runner")


@runner_app.command("build")
def build_command() -> None:
    """Build the runner for this machine, where it is not built yet, and print its path."""
    from profiler.runner_build import host_runner

    typer.echo(host_runner())
