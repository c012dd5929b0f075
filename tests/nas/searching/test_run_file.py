from __future__ import annotations

from pathlib import Path

import pytest

from nas.errors import ResumeError
from nas.searching.run_file import RunOptions, check_versions, run_toml

OWN = """
[stem]
channels = 4

[[stage]]
kind = "convolution"
slots = 1
widths = [4, 8]

[head]
channels = 8
"""


def test_a_search_in_a_space_of_the_users_goes_on_only_while_its_file_is_the_same(tmp_path: Path):
    own, kept = tmp_path / "own.toml", tmp_path / "run.toml"
    own.write_text(OWN)
    kept.write_text(run_toml(RunOptions(device="low", space=str(own), model=str(tmp_path))))

    check_versions(kept)
    own.write_text(OWN.replace("[4, 8]", "[4, 6]"))

    with pytest.raises(ResumeError, match=r"began with another version of the search space .*own\.toml\. Start over"):
        check_versions(kept)


def test_a_search_in_a_known_space_has_no_file_to_look_at(tmp_path: Path):
    kept = tmp_path / "run.toml"
    kept.write_text(run_toml(RunOptions(device="low", space="mobilenetv2", model=str(tmp_path))))

    check_versions(kept)

    assert "space_sha256" not in kept.read_text()
