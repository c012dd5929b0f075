"""``profile runner``: the C program that measures on a device, and the runtime that it opens."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from parsers.console import tell
from profiler.abi import Abi

runner_app = typer.Typer(help="The C program that runs on the device, and its runtime.", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]


def register(app: typer.Typer) -> None:
    """Add ``runner`` to the ``profile`` command line."""
    app.add_typer(runner_app, name="runner")


@runner_app.command("build")
def build_command(
    abi: Annotated[
        list[Abi] | None, typer.Option("--abi", help="Phones to build for; this machine if left out. Repeatable.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Build the runner where it is not built yet, and print its path.

    For phones with the NDK that ANDROID_NDK_HOME names, or with ziglang.
    """
    from profiler.runner_android import android_runner
    from profiler.runner_build import host_compiler, host_runner, runner_sha256

    built = [asdict(android_runner(one)) for one in abi or ()]
    if not built:
        path, (start, version) = host_runner(), host_compiler()
        compiler = f"ziglang {version}" if version else start[0]
        built = [{"abi": "host", "path": path, "sha256": runner_sha256(path), "compiler": compiler}]
    if as_json:
        typer.echo(json.dumps(built, default=str))
        return
    for runner in built:
        typer.echo(runner["path"])


@runner_app.command("fetch")
def fetch_command(
    abi: Annotated[
        list[Abi] | None, typer.Option("--abi", help="Phones to fetch for; arm64-v8a if left out. Repeatable.")
    ] = None,
    runtime: Annotated[
        Path | None, typer.Option("--runtime", help="The onnxruntime-android AAR; a repack from npm if left out.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Put ONNX Runtime for phones into the cache, and print its path."""
    from profiler.runtime import NPM_PACKAGE, android_runtime

    if runtime is None:
        tell(f"No --runtime: taking {NPM_PACKAGE} from npm (150 MB once), a third party's repack of ONNX Runtime.")
    found = [android_runtime(one, runtime) for one in abi or [Abi.ARM64]]
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found], default=str))
        return
    for one in found:
        typer.echo(f"{one.abi}  ONNX Runtime {one.version}  {one.path}")
