"""What the pages tell a newcomer to type exists, and so does what they link to."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.main import get_command

import demo
import metamodel.cli
import nas.cli
import profiler.cli

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "datasets").glob("*.md")])
APPS = {"profile": profiler.cli.app, "metamodel": metamodel.cli.app, "nas": nas.cli.app}


def parse(line: str) -> None:
    """Parse a command line as the program would, without running it; raises what the program would report."""
    program, *words = shlex.split(line, comments=True)
    command = get_command(APPS[program])
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    command.make_context(line, words)


def typed_lines(page: str) -> Iterator[str]:
    """Command lines of ours in the page's code blocks, continued lines joined, prompt and environment left out."""
    for block in re.findall(r"^```(?:sh|bash|console)\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE):
        for line in block.replace("\\\n", " ").splitlines():
            bare = re.sub(r"^(\$ )?(\.venv/bin/)?", "", " ".join(line.split()))
            if bare.partition(" ")[0] in APPS:
                yield bare


@pytest.mark.parametrize("line", demo.COMMANDS)
def test_what_the_demo_types_is_a_command_line_that_is_understood(line: str):
    assert parse(line) is None


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_line_on_a_page_is_understood(page: Path):
    for line in typed_lines(page.read_text()):
        assert parse(line) is None, line


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_that_a_page_links_to_is_there(page: Path):
    targets = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", page.read_text())

    missing = [target for target in targets if not (page.parent / target).exists()]

    assert missing == []


def test_command_lines_are_found_in_code_blocks_only():
    page = "`nas run`\n```sh\n$ profile suite \\\n  demo # all\nls\n.venv/bin/nas run\n```\nnas run\n"

    assert list(typed_lines(page)) == ["profile suite demo # all", "nas run"]


def test_a_command_line_with_an_unknown_option_is_not_understood():
    with pytest.raises(Exception, match="No such option: --nonsense"):
        parse("profile suite demo --nonsense")
