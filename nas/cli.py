"""``nas``: search for the network to ship on a device, with the predictor in the loop."""

from __future__ import annotations

import typer

from nas import cli_space
from nas.cli_benchmark import benchmark_command
from nas.cli_run import run_search_command
from nas.cli_verify import verify_command
from nas.errors import NasError
from parsers.console import run_command
from parsers.errors import ParsersError

app = typer.Typer(
    name="nas",
    help="Search for the most accurate network that keeps a device's limits.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("run")(run_search_command)
app.command("verify")(verify_command)
app.command("benchmark")(benchmark_command)
app.add_typer(cli_space.app, name="space")


def main() -> None:
    """Run the ``nas`` command line."""
    run_command(
        app,
        name="nas",
        expected=(NasError, ParsersError),
        kept="A search that had begun goes on with --resume; nothing else was written.",
    )
