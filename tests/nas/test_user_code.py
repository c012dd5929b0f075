from __future__ import annotations

from pathlib import Path

import pytest

from nas.errors import SettingsError
from nas.user_code import load_function


def test_a_file_is_loaded_once_and_imports_what_stands_beside_it(tmp_path: Path):
    (tmp_path / "helper_of_a_users_file.py").write_text("VALUE = 3\n")
    path = tmp_path / "file_of_a_user.py"
    path.write_text("from helper_of_a_users_file import VALUE\n\ndef three():\n    return VALUE\n")

    function = load_function(f"{path}:three", option="--signal")

    assert function() == 3
    assert load_function(f"{path}:three", option="--signal") is function


def test_an_installed_module_is_found_by_its_name():
    assert load_function("math:sqrt", option="--signal")(9) == 3


def test_a_file_with_the_name_of_another_module_is_refused(tmp_path: Path):
    path = tmp_path / "random.py"
    path.write_text("def own():\n    return 1\n")

    with pytest.raises(SettingsError, match=r"random\.py, which --signal names, has the name of another module"):
        load_function(f"{path}:own", option="--signal")


def test_a_module_that_imports_what_is_not_there_is_one_line(tmp_path: Path):
    path = tmp_path / "file_that_lacks_something.py"
    path.write_text("import no_such_module_anywhere\n")

    with pytest.raises(SettingsError, match=r"Cannot load .* No module named 'no_such_module_anywhere'"):
        load_function(f"{path}:own", option="--signal")
