"""The one place that runs a user's own Python: a function that the user names on the command line.

``module:function`` is looked for in the current folder first and then among what is installed; ``path/to/file.py:function`` is
that file's. Nothing is ever loaded by what stands in a file of results, only by what the user says.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from nas.errors import SettingsError


def load_function(reference: str, *, option: str) -> Callable[..., Any]:
    """Load the function that a reference names.

    Args:
        reference: ``module:function`` or ``file.py:function``.
        option: the option that it was given by, for the error's text.

    Raises:
        SettingsError: no reference, or no such module or function.
    """
    where, _, name = reference.rpartition(":")
    if not where or not name.isidentifier():
        raise SettingsError(f"{option} {reference!r} names no function. Write module:function or file.py:function.")
    module = _loaded(where, option) or _load(where, option)
    function = getattr(module, name, None)
    if not callable(function):
        raise SettingsError(f"{where} has no function {name!r}, which {option} names.")
    found: Callable[..., Any] = function
    return found


def _loaded(where: str, option: str) -> ModuleType | None:
    """Give the module if it is loaded; a file must not have the name of another one that is."""
    module = sys.modules.get(_module_name(where))
    if module is not None and where.endswith(".py"):
        file = getattr(module, "__file__", None)
        if file is None or Path(file).resolve() != Path(where).resolve():
            raise SettingsError(f"{where}, which {option} names, has the name of another module. Rename the file.")
    return module


def _load(where: str, option: str) -> ModuleType:
    folder = Path(where).resolve().parent if where.endswith(".py") else Path.cwd()
    # What stands beside the user's file can be imported by it, as from a script; workers inherit the path.
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        spec = _spec(where)
        if spec is None or spec.loader is None:
            raise SettingsError(f"No module {where!r}, which {option} names, here or among what is installed.")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    except (ImportError, SyntaxError, OSError) as exc:
        sys.modules.pop(_module_name(where), None)
        raise SettingsError(f"Cannot load {where}, which {option} names: {exc}.") from exc
    return module


def _spec(where: str) -> ModuleSpec | None:
    if where.endswith(".py"):
        return importlib.util.spec_from_file_location(_module_name(where), where)
    return importlib.util.find_spec(where)


def _module_name(where: str) -> str:
    return Path(where).stem if where.endswith(".py") else where
