"""Runs a tiny search in child processes that are killed: what ``test_resume`` starts in a process of its own.

The children are forked from one that has imported everything, so that each begins at once.

    python -m tests.nas.killed_search SEARCH FILE:SECONDS… [-- SEARCH FILE:SECONDS…]…

starts each search as often as there are files, kills it so many seconds after that file has come into its folder, and
then lets it end. It prints a line per search: how every start ended, negative for a signal.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch._dynamo  # noqa: F401

from nas import cli
from nas.searching import output, run, run_file, workspace  # noqa: F401 - what a child needs is there before the fork
from tests.nas.conftest import FormulaPredictor, make_easy_data, make_small_space, only_tiny_things

SETTINGS = (
    *(
        "--tier=low",
        "--limit=latency=15ms",
        "--space=small",
        "--data=stripes",
        "--accuracy=shared",
        "--shared-epochs=3",
        "--tuning-epochs=1",
    ),
    *("--budget=6", "--finalists=2", "--alone-epochs=3"),
)


def start(folder: Path) -> int:
    """Fork a child that searches; give its process id."""
    process = os.fork()
    if process:
        return process
    sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - closed with the process
    sys.stdout = sys.stderr
    sys.argv = ["nas", "run", *SETTINGS, "--resume", "-o", str(folder)]
    try:
        cli.main()
    except SystemExit as stop:
        os._exit(int(stop.code or 0))
    os._exit(0)


def main() -> None:
    """Search; kill, and kill again, then let it end."""
    os.environ["LOKY_MAX_CPU_COUNT"] = "1"  # finalists one by one, in the process that is killed
    with pytest.MonkeyPatch.context() as patch, only_tiny_things(make_small_space(), make_easy_data()):
        patch.setattr("metamodel.interface.load_predictor", lambda _: FormulaPredictor())
        patch.setattr("nas.searching.output.export_onnx", lambda _network, _image, path: path.write_bytes(b"onnx"))
        patch.setattr("nas.searching.workspace.SECONDS_BETWEEN", 0.0)
        for wanted in " ".join(sys.argv[1:]).split(" -- "):
            folder, *moments = wanted.split()
            sys.stdout.write(" ".join(map(str, killed(Path(folder), moments))) + "\n")


def killed(folder: Path, moments: Sequence[str]) -> list[int]:
    """Search until it is done, and give how every start ended."""
    unfinished = folder.with_name(folder.name + ".unfinished")
    ended = []
    for moment in moments:
        name, _, seconds = moment.partition(":")
        ended.append(kill(start(folder), unfinished / name, float(seconds)))
    _, status = os.waitpid(start(folder), 0)
    return [*ended, os.waitstatus_to_exitcode(status)]


def kill(process: int, file: Path, seconds: float) -> int:
    """Kill a child some time after a file is there; give its exit code, negative for a signal."""
    while not file.exists() and os.waitid(os.P_PID, process, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        time.sleep(0.002)
    time.sleep(seconds)
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    main()
