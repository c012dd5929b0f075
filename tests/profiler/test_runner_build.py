from __future__ import annotations

import importlib.util
import shutil
import sys
from pathlib import Path

import pytest

from profiler import runner_build
from profiler.errors import RunnerBuildError
from profiler.runner_build import build_runner, host_runner, host_runtime, runner_sha256, runtime_version

ZIG = (sys.executable, "-m", "ziglang", "cc")


@pytest.fixture(autouse=True)
def compilers_own_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep Zig's cache where it is while a test moves ours: filling it takes ten seconds."""
    monkeypatch.setenv("ZIG_GLOBAL_CACHE_DIR", str(Path.home() / ".cache" / "zig"))


def test_the_runner_is_built_once_and_then_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    first = host_runner()
    written = first.stat().st_mtime_ns

    second = host_runner()

    assert (second, second.stat().st_mtime_ns) == (first, written)
    assert first.relative_to(tmp_path).parts[:2] == ("autocomet", "runner")
    assert [path.name for path in first.parent.iterdir()] == ["runner"]


def test_other_sources_make_another_runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    before = host_runner()
    copies = [Path(shutil.copy(source, tmp_path)) for source in runner_build.sources()]
    (tmp_path / "main.c").write_text((tmp_path / "main.c").read_text() + "/* changed */\n")
    monkeypatch.setattr(runner_build, "sources", lambda: copies)

    after = host_runner()

    assert after.parent != before.parent


def test_a_build_does_not_depend_on_where_it_is_made(tmp_path: Path) -> None:
    for name in ("a", "b"):
        build_runner(tmp_path / name / "runner", compiler=ZIG)

    assert runner_sha256(tmp_path / "a" / "runner") == runner_sha256(tmp_path / "b" / "runner")


def test_a_compiler_error_is_told_in_its_first_line_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RunnerBuildError, match=r"does not compile: .*error: .*NONSENSE"):
        build_runner(tmp_path / "runner", compiler=ZIG, defines=["SYSFS_CPU=NONSENSE"])

    assert list(tmp_path.iterdir()) == []


def test_a_compiler_that_cannot_be_started_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunnerBuildError, match="no-such-compiler did not do its work"):
        build_runner(tmp_path / "runner", compiler=(str(tmp_path / "no-such-compiler"),))


def test_without_any_compiler_the_message_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(shutil, "which", lambda _: None)

    with pytest.raises(RunnerBuildError, match="pip install ziglang"):
        host_runner()


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))

    with pytest.raises(RunnerBuildError, match="XDG_CACHE_HOME names another place"):
        host_runner()


def test_the_runtime_is_found_without_importing_it() -> None:
    loaded = "onnxruntime" in sys.modules

    runtime = host_runtime()

    assert runtime.is_file()
    assert runtime.name == f"libonnxruntime.so.{runtime_version()}"
    assert ("onnxruntime" in sys.modules) == loaded


def test_a_missing_runtime_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(RunnerBuildError, match="pip install onnxruntime"):
        host_runtime()

    spec = importlib.util.spec_from_file_location("onnxruntime", tmp_path / "__init__.py")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    with pytest.raises(RunnerBuildError, match=r"No libonnxruntime\.so in"):
        host_runtime()
