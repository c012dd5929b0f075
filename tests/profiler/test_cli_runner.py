from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from profiler.cli import app
from profiler.runner_build import host_runner, runner_sha256


def invoke(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["runner", *words])
    return result.exit_code, result.stdout


def test_build_prints_one_path_for_each_kind_of_phone() -> None:
    code, output = invoke("build", "--abi", "arm64-v8a", "--abi", "x86")

    paths = [Path(line) for line in output.splitlines()]
    assert code == 0
    assert [path.read_bytes()[4] for path in paths] == [2, 1]  # 64 bits, 32 bits


def test_build_is_for_this_machine_where_no_phone_is_named() -> None:
    assert invoke("build") == (0, f"{host_runner()}\n")


def test_json_tells_what_a_row_needs_of_a_build() -> None:
    code, output = invoke("build", "--json", "--abi", "x86_64")

    (built,) = json.loads(output)
    assert (code, sorted(built), built["abi"]) == (0, ["abi", "compiler", "path", "sha256"], "x86_64")
    assert built["sha256"] == runner_sha256(Path(built["path"]))
    (host,) = json.loads(invoke("build", "--json")[1])
    assert (host["abi"], host["path"], sorted(host)) == ("host", str(host_runner()), sorted(built))


def test_fetch_takes_the_library_that_the_user_names(tmp_path: Path) -> None:
    library = tmp_path / "libonnxruntime.so"
    library.write_bytes(b"\x7fELF\2\1\1" + bytes(11) + b"\xb7" + bytes(45) + b"\0VERS_1.29.0\0")

    code, output = invoke("fetch", "--runtime", str(library))

    assert (code, output) == (0, f"arm64-v8a  ONNX Runtime 1.29.0  {library}\n")
    (found,) = json.loads(invoke("fetch", "--json", "--runtime", str(library))[1])
    assert (found["abi"], found["path"], found["version"]) == ("arm64-v8a", str(library), "1.29.0")
