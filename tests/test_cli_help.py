"""``profile``, ``metamodel`` and ``nas``: --help imports nothing heavy, and everything in it is explained."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from typing import Any

import pytest

COMMANDS = ("profile", "metamodel", "nas")
HEAVY = {
    "adbutils", "gymnasium", "joblib", "matplotlib", "mlxtend", "numpy", "onnx", "onnxruntime", "onnxscript", "pandas",
    "pyarrow", "ray", "safetensors", "scipy", "sklearn", "torch", "xgboost", "ziglang",
}  # fmt: skip

LOOK = """
import json, sys
from importlib.metadata import entry_points
from typer.main import get_command
from typer.testing import CliRunner

(script,) = entry_points(group="console_scripts", name=sys.argv[1])
module = sys.modules[script.load().__module__]
found = []

def walk(command, path):
    shown = CliRunner().invoke(module.app, [*path, "--help"])
    found.append({
        "path": " ".join([sys.argv[1], *path]),
        "help": command.help,
        "exit_code": shown.exit_code,
        "parameters": {one.name: one.help for one in command.params if one.name != "help"},
    })
    for name, child in getattr(command, "commands", {}).items():
        walk(child, [*path, name])

walk(get_command(module.app), [])
print(json.dumps({"commands": found, "modules": sorted({name.partition(".")[0] for name in sys.modules})}))
"""


@cache
def look(command: str) -> dict[str, Any]:
    """Ask a fresh interpreter for the help of ``command`` and of all below it, and for what that imported."""
    done = subprocess.run([sys.executable, "-c", LOOK, command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("command", COMMANDS)
def test_help_imports_nothing_heavy(command: str):
    modules = look(command)["modules"]

    assert HEAVY.intersection(modules) == set()


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_is_shown(command: str):
    exit_codes = {one["path"]: one["exit_code"] for one in look(command)["commands"]}

    assert len(exit_codes) > 1
    assert set(exit_codes.values()) == {0}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_option_and_argument_has_help(command: str):
    commands = look(command)["commands"]

    unexplained = [one["path"] for one in commands if not one["help"]]
    unexplained += [
        f"{one['path']}: {name}" for one in commands for name, text in one["parameters"].items() if not text
    ]

    assert unexplained == []


@pytest.mark.parametrize("command", COMMANDS)
def test_an_unknown_option_is_a_malformed_command_line_with_exit_code_2(command: str):
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"from {'profiler' if command == 'profile' else command}.cli import main; main()",
            "--bogus",
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "--bogus" in done.stderr
