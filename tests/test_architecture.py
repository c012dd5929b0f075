"""The house keeps its rules: who imports whom, what is never called, and that what is shipped is what lies there.

The import table is DESIGN's. A package not in a row's list may not be imported by it, wherever in a file the import
stands. The checks are pure functions over source text, so each is shown to fail on a planted violation.
"""

from __future__ import annotations

import ast
import fnmatch
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = ("parsers", "profiler", "metamodel", "nas")

MAY_IMPORT = {
    "parsers": ("parsers",),
    "profiler": ("profiler", "parsers"),
    "metamodel": ("metamodel", "parsers"),
    "nas": ("nas", "parsers", "metamodel.interface"),
}
MAY_IMPORT_ALSO = {
    "metamodel.cli": ("profiler.measure",),
    "metamodel.calibrate": ("profiler.measure",),
    "nas.cli": ("profiler.measure",),
    "nas.verify": ("profiler.measure",),
}
STANDARD_LIBRARY_ONLY = ("parsers.schema",)

PICKLES = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "marshal", "shelve", "jsonpickle"}
RUNS_CODE = {"eval", "exec", "__import__", "import_module", "os.system", "os.popen"}
RUNS_WHAT_THE_USER_NAMES = "nas.user_code"
"""The one module that runs a user's file, which the user names on the command line."""
LOADS_A_PICKLE = {"joblib.load", "joblib.dump", "pd.read_pickle", "pandas.read_pickle"}


def source_files() -> dict[str, Path]:
    """Every module of ours by its dotted name."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts): path
        for package in OURS
        for path in sorted((ROOT / package).rglob("*.py"))
    }


def imported_names(source: str) -> Iterator[str]:
    """Every name that a module imports, dotted in full; a relative import starts with a dot."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{'.' * node.level}{node.module or ''}.{name.name}" for name in node.names)


def is_within(name: str, allowed: str) -> bool:
    return name == allowed or name.startswith(allowed + ".")


def import_faults(module: str, source: str) -> list[str]:
    """What ``module`` imports against the table."""
    allowed = MAY_IMPORT[module.partition(".")[0]] + MAY_IMPORT_ALSO.get(module, ())
    faults = []
    for name in imported_names(source):
        top = name.partition(".")[0]
        relative = name.startswith(".")
        foreign = top in OURS and not any(is_within(name, one) for one in allowed)
        heavy = module in STANDARD_LIBRARY_ONLY and not relative and top not in sys.stdlib_module_names
        if relative or foreign or heavy:
            faults.append(f"{module} imports {name}")
    return faults


def call_faults(module: str, source: str) -> list[str]:
    """What ``module`` does that could run code from a file, a string or a shell."""
    faults = [f"{module} imports {name}" for name in imported_names(source) if name.partition(".")[0] in PICKLES]
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        set_true = {
            word.arg for word in node.keywords if isinstance(word.value, ast.Constant) and word.value.value is True
        }
        runs_code = name in RUNS_CODE or name.endswith(".import_module")
        runs_code |= name.endswith(".exec_module") and module != RUNS_WHAT_THE_USER_NAMES
        unsafe_torch = name == "torch.load" and "weights_only" not in set_true
        if runs_code or unsafe_torch or name in LOADS_A_PICKLE or set_true & {"shell", "allow_pickle"}:
            faults.append(f"{module}:{node.lineno} calls {ast.unparse(node)}")
    return faults


def declared_dependencies() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    requirements = project["dependencies"] + [
        one for extra in project["optional-dependencies"].values() for one in extra
    ]
    return {normal(one.partition(">")[0].partition("[")[0].partition("=")[0]) for one in requirements}


def normal(distribution: str) -> str:
    return distribution.strip().lower().replace("_", "-")


@pytest.mark.parametrize("module", source_files())
def test_a_module_imports_only_what_the_table_allows(module: str):
    source = source_files()[module].read_text()

    assert import_faults(module, source) == []


@pytest.mark.parametrize("module", source_files())
def test_a_module_runs_no_code_from_a_file_a_string_or_a_shell(module: str):
    source = source_files()[module].read_text()

    assert call_faults(module, source) == []


def test_what_is_imported_from_outside_is_a_declared_dependency():
    providers = metadata.packages_distributions()
    imported = {
        name.partition(".")[0]: module
        for module, path in source_files().items()
        for name in imported_names(path.read_text())
    }
    outside = {top: module for top, module in imported.items() if top not in {*sys.stdlib_module_names, *OURS}}

    undeclared = {
        f"{top}, in {module}"
        for top, module in outside.items()
        if not {normal(name) for name in providers.get(top, [])} & declared_dependencies()
    }

    assert undeclared == set()


def test_every_package_that_lies_there_is_one_that_is_installed():
    packages = {
        ".".join(path.parent.relative_to(ROOT).parts) for name in OURS for path in (ROOT / name).rglob("__init__.py")
    }

    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]

    assert {*packages, "device_configs"} == set(settings["packages"])


def test_every_data_file_beside_the_code_is_installed_with_it():
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    data_files = [
        path
        for name in (*OURS, "device_configs")
        for path in (ROOT / name).rglob("*")
        if path.is_file() and path.suffix not in {".py", ".pyc"} and path.name != "README.md"
    ]

    def is_installed(path: Path) -> bool:
        """Whether the package that it lies in, at any depth, has a pattern for it."""
        inside = path.relative_to(ROOT)
        return any(
            fnmatch.fnmatch(inside.relative_to(folder).as_posix(), pattern)
            for folder in inside.parents
            for pattern in patterns.get(".".join(folder.parts), [])
        )

    left_out = [str(path.relative_to(ROOT)) for path in data_files if not is_installed(path)]

    assert left_out == []


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("parsers.stats", "import profiler.store"),
        ("parsers.stats", "from nas import space"),
        ("parsers.stats", "from .schema import Layer"),
        ("parsers.stats", "from . import schema"),
        ("parsers.schema", "import numpy"),
        ("profiler.store", "from metamodel.interface import Predictor"),
        ("metamodel.fit", "from profiler.measure import measure_suite"),
        ("metamodel.cli", "from profiler.store import Store"),
        ("metamodel.cli", "import profiler"),
        ("metamodel.fit", "from nas.space import Space"),
        ("nas.searching.search", "from metamodel.fit import fit"),
        ("nas.searching.search", "import metamodel"),
        ("nas.searching.search", "from metamodel.interface_of_another import Predictor"),
        ("nas.searching.search", "def late():\n    from profiler.measure import measure_suite"),
        ("nas.cli", "from metamodel.model import Model"),
    ],
)
def test_an_import_against_the_table_is_seen(module: str, line: str):
    assert len(import_faults(module, line)) == 1


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("parsers.stats", "import numpy\nfrom parsers.schema import Layer"),
        ("parsers.schema", "from __future__ import annotations\nimport collections.abc"),
        ("profiler.cli", "from parsers.stats import gather"),
        ("metamodel.cli", "from profiler.measure import measure_suite"),
        ("metamodel.calibrate", "import profiler.measure"),
        ("nas.searching.search", "from metamodel.interface import Predictor\nfrom metamodel import interface"),
        ("nas.verify", "from profiler import measure"),
    ],
)
def test_an_import_that_the_table_allows_is_no_fault(module: str, line: str):
    assert import_faults(module, line) == []


@pytest.mark.parametrize(
    "line",
    [
        "import pickle",
        "from cloudpickle import dumps",
        "eval('1')",
        "exec('x = 1')",
        "os.system('ls')",
        "subprocess.run('ls', shell=True)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "numpy.load(path, allow_pickle=True)",
        "joblib.load(path)",
        "importlib.import_module('nas')",
        "spec.loader.exec_module(module)",
        "__import__('nas')",
    ],
)
def test_a_call_that_runs_foreign_code_is_seen(line: str):
    assert len(call_faults("nas.searching.search", line)) == 1


@pytest.mark.parametrize(
    "line",
    ["model.eval()", "torch.load(path, weights_only=True)", "subprocess.run(['ls'], shell=False)", "numpy.load(path)"],
)
def test_a_harmless_call_is_no_fault(line: str):
    assert call_faults("nas.searching.search", line) == []
