"""Build the library that is preloaded into every process of a virtual phone, with the runner's compiler and cache."""

from __future__ import annotations

from pathlib import Path

from profiler.runner_build import FLAGS, building, cache_folder, fingerprint, host_compiler, run_tool

_SOURCES = Path(__file__).parent / "shim"
_FLAGS = (*FLAGS, "-shared", "-fPIC", "-U_FORTIFY_SOURCE")


def shim_library() -> Path:
    """Return the library built for this machine, building it where the cache does not have it.

    Raises:
        RunnerBuildError: no compiler, a compiler error, or a cache folder that cannot be written.
    """
    compiler, version = host_compiler()
    sources = sorted(path for path in _SOURCES.iterdir() if path.suffix in {".c", ".h"})
    library = cache_folder("shim") / fingerprint((*compiler, version, *_FLAGS), sources) / "libvirtualphone.so"
    if not library.exists():
        units = [str(source) for source in sources if source.suffix == ".c"]
        with building(library) as unfinished:
            run_tool([*compiler, *_FLAGS, *units, "-o", str(unfinished), "-ldl"])
    return library
