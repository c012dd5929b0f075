"""The set-up: an environment is whole or absent, whoever is killed when, and a refusal says what to do."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import environment
from environment import SetupError

TOOLS = Path(environment.__file__).parent

BUILD = """
import os, signal, subprocess, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import environment

def build(root, lock):
    venv = root / ".venv"
    venv.mkdir()
    (venv / sys.argv[3]).touch()
    with (root / "builds").open("a") as builds:
        builds.write(sys.argv[3] + "\\n")
    {body}

environment.ensure(Path(sys.argv[2]), build)
print("done", flush=True)
"""
"""A set-up whose build leaves a file with its own name, and goes on as ``body`` says."""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    (root / "tools").mkdir(parents=True)
    (root / "pyproject.toml").write_text('[project]\nname = "tiny"\ndependencies = []\n')
    (root / "constraints.txt").write_text("torch==2.13.0\n")
    (root / "tools" / "environment.py").write_text("# the script\n")
    return root


def start(checkout: Path, name: str, body: str = "pass") -> subprocess.Popen[str]:
    script = BUILD.format(body=body)
    return subprocess.Popen(
        [sys.executable, "-c", script, str(TOOLS), str(checkout), name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def builds(checkout: Path) -> list[str]:
    return (checkout / "builds").read_text().split()


def files_in_venv(checkout: Path) -> list[str]:
    names = sorted(path.name for path in (checkout / ".venv").iterdir())
    return ["complete" if name.startswith("complete-") else name for name in names]


def test_an_environment_that_stands_is_not_made_again(checkout: Path):
    for name in ("first", "second"):
        start(checkout, name).communicate()

    assert builds(checkout) == ["first"]
    assert files_in_venv(checkout) == ["complete", "first"]


def test_changed_versions_throw_the_old_environment_away(checkout: Path):
    start(checkout, "first").communicate()
    (checkout / "constraints.txt").write_text("torch==2.13.1\n")
    start(checkout, "second").communicate()

    assert builds(checkout) == ["first", "second"]
    assert files_in_venv(checkout) == ["complete", "second"]


def test_a_set_up_killed_half_way_is_redone_from_nothing(checkout: Path):
    killed = start(checkout, "killed", body="os.kill(os.getpid(), signal.SIGKILL)")
    killed.communicate()
    left_by_the_killed = files_in_venv(checkout)
    start(checkout, "second").communicate()

    assert killed.returncode == -signal.SIGKILL
    assert left_by_the_killed == ["killed"]
    assert files_in_venv(checkout) == ["complete", "second"]


def test_a_build_that_fails_leaves_no_stamp(checkout: Path):
    failed = start(checkout, "failed", body="sys.exit(1)")
    failed.communicate()

    assert failed.returncode == 1
    assert files_in_venv(checkout) == ["failed"]


def test_of_two_set_ups_at_once_the_second_waits_and_finds_the_work_done(checkout: Path):
    first = start(checkout, "first", body='print("building", flush=True); sys.stdin.readline()')
    assert first.stdout is not None
    assert first.stdout.readline() == "building\n"
    second = start(checkout, "second")
    assert second.stdout is not None
    waiting = second.stdout.readline()
    first.communicate("go on\n")
    said_after, _ = second.communicate()

    assert waiting == "Another set-up is at work in this checkout: waiting for it to end.\n"
    assert said_after == "done\n"
    assert builds(checkout) == ["first"]


def test_a_child_that_outlives_its_killed_set_up_is_waited_for(checkout: Path):
    body = (
        'subprocess.Popen(["cat"], pass_fds=(lock,)); print("started", flush=True); '
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = start(checkout, "killed", body=body)
    assert killed.stdout is not None
    assert killed.stdin is not None
    assert killed.stdout.readline() == "started\n"
    killed.wait()
    second = start(checkout, "second")
    assert second.stdout is not None
    waiting = second.stdout.readline()
    builds_while_the_child_lives = builds(checkout)
    killed.stdin.close()  # cat, who inherited it, ends
    second.communicate()
    killed.stdout.close()

    assert waiting == "Another set-up is at work in this checkout: waiting for it to end.\n"
    assert builds_while_the_child_lives == ["killed"]
    assert files_in_venv(checkout) == ["complete", "second"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pyproject.toml", '[project]\nname = "tiny"\ndependencies = ["numpy"]\n'),
        ("constraints.txt", "torch==2.13.1\n"),
        ("tools/environment.py", "# another script\n"),
    ],
)
def test_the_stamp_is_another_when_an_input_changes(checkout: Path, name: str, text: str):
    before = environment.stamp(checkout)
    (checkout / name).write_text(text)

    assert environment.stamp(checkout) != before


def test_the_stamp_stays_when_only_a_checker_is_set_otherwise(checkout: Path):
    before = environment.stamp(checkout)
    with (checkout / "pyproject.toml").open("a") as settings:
        settings.write("[tool.ruff]\nline-length = 100\n")

    assert environment.stamp(checkout) == before


def test_a_checkout_that_was_moved_asks_for_a_new_environment(checkout: Path):
    before = environment.stamp(checkout).name
    moved = checkout.rename(checkout.with_name("moved"))

    assert environment.stamp(moved).name != before


def test_an_old_python_is_refused_with_a_sentence():
    with pytest.raises(SetupError) as refusal:
        environment.check_python((3, 10, 4))

    assert str(refusal.value) == (
        "this is Python 3.10.4, AutoCoMET needs 3.11 or newer. Install one and name it: make PYTHON=python3.11 …"
    )


def test_the_oldest_python_that_is_supported_is_taken():
    assert environment.check_python((3, 11, 0)) is None


def test_a_python_without_its_venv_parts_is_refused_with_the_package_to_install():
    with pytest.raises(SetupError, match=r"no module 'no_such_module', .* apt install python3-venv$"):
        environment.check_modules(("sys", "no_such_module"))


def test_a_full_disk_is_refused_before_anything_is_written(tmp_path: Path):
    with pytest.raises(SetupError, match=r"GB free, the environment needs 1000000\.0\. Make room first\.$"):
        environment.check_disk(tmp_path, needed_gb=1e6)


def test_settings_that_are_no_toml_are_refused(checkout: Path):
    (checkout / "pyproject.toml").write_text("[project\n")

    with pytest.raises(SetupError, match=r"^pyproject\.toml is not TOML: "):
        environment.stamp(checkout)


def test_an_install_that_fails_shows_the_end_of_what_it_said(checkout: Path, capsys: pytest.CaptureFixture[str]):
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    script = "import sys; print(*range(100), sep='\\n'); sys.exit(3)"

    with environment.locked(checkout / "lock", "set-up") as lock, pytest.raises(SetupError) as refusal:
        environment.run_quietly(checkout, lock, "the rest", "-c", script)

    assert capsys.readouterr().out.split() == ["installing", "the", "rest", "…", *map(str, range(85, 100))]
    assert str(refusal.value) == (
        f"could not install the rest; above is the end of {checkout}/.venv/setup.log. "
        "Where the network was at fault, run the same command again."
    )


def test_what_is_installed_quietly_inherits_the_lock(checkout: Path):
    python = checkout / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)

    with environment.locked(checkout / "lock", "set-up") as lock:
        script = f"import os; print(os.path.samestat(os.fstat({lock}), os.stat('lock')))"
        environment.run_quietly(checkout, lock, "nothing", "-c", script)

    assert (checkout / ".venv" / "setup.log").read_text() == "True\n"
