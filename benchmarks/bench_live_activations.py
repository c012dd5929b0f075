"""Does the most that is alive at once, as ``parsers.graphs.liveness`` counts it, agree with ONNX Runtime's own arena?

    python benchmarks/bench_live_activations.py [NETWORK...]

Each network runs twice on one thread, at the highest optimisation level, with memory patterns on. The runtime's C API tells
what its arena holds (``AllocatorGetStats``, since ONNX Runtime 1.23):

- *in use*: the most bytes handed out at once in the first run, less those handed out before it (weights). Every tensor is
  allocated when it is made and freed after its last reader then, so this is what is alive.
- *planned*: the one block that the second run takes for all its tensors, laid out by the pattern of the first. Where
  tensors of different sizes follow each other it is larger: it has gaps.

The arena is told to give out exactly what is asked for. By default it rounds its blocks up to powers of two and gives out the
whole of one rather than split it (``max_dead_bytes_per_chunk``, 128 MB), which measures its generosity: 1.26 times as much
for SqueezeNet. The network's input is the caller's memory and in neither figure; in ours it counts, but no network here
still reads it when most is alive.

What the arena has beside activations: room for a kernel's intermediate results (LRN squares and pads its input; a transposed
convolution unrolls it), and copies of a tensor in another layout (normalisations that no convolution precedes, in DenseNet).
"""

from __future__ import annotations

import argparse
import ctypes
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ctypes import POINTER, byref, c_char_p, c_int, c_int64, c_size_t, c_void_p
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime

from parsers.network import parse_network
from profiler.networks import build_network

API_VERSION = 23
TOLERANCE = 0.2
BYTES_PER_ELEMENT = 4

NETWORKS = (
    "squeezenet",
    "mobilenet_v1",
    "mobilenet_v2",
    "resnet50",
    "inception_v2",
    "inception_v3",
    "shufflenet",
    "mobilenet_v2_decoder",
    "densenet121",
    "googlenet",
)
"""VGG-19, AlexNet and ZFNet can be named too; their weights take half a gigabyte."""

# Indices in struct OrtApi, github.com/microsoft/onnxruntime: the table only ever grows at its end.
GET_ERROR_MESSAGE, CREATE_ENV, CREATE_SESSION_FROM_ARRAY, RUN, CREATE_SESSION_OPTIONS = 2, 3, 8, 9, 10
SET_INTRA_OP_THREADS, CREATE_TENSOR_WITH_DATA, CREATE_CPU_MEMORY_INFO = 24, 49, 69
RELEASE_ENV, RELEASE_SESSION, RELEASE_VALUE, RELEASE_SESSION_OPTIONS = 92, 95, 96, 100
ADD_SESSION_CONFIG, CREATE_ALLOCATOR, REGISTER_ALLOCATOR, CREATE_ARENA_CONFIG = 130, 131, 144, 164
GET_KEY_VALUE, ALLOCATOR_GET_STATS = 297, 319

ARENA_ALLOCATOR, DEFAULT_MEMORY, ERRORS_ONLY, FLOAT = 1, 0, 3, 1
SAME_AS_REQUESTED, NO_DEAD_BYTES = 1, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Arena:
    """What an arena holds, in bytes."""

    in_use: int
    most_in_use: int
    allocated: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What two runs of a network took from the arena, in bytes."""

    in_use: int
    planned: int


class RuntimeFailedError(Exception):
    """ONNX Runtime refused a call."""


class Api:
    """ONNX Runtime's C API, by index."""

    def __init__(self) -> None:
        (path,) = Path(onnxruntime.__file__).parent.glob("capi/libonnxruntime.so.*")
        get_base = ctypes.CDLL(str(path)).OrtGetApiBase
        get_base.restype = POINTER(c_void_p * 2)
        get_api = ctypes.CFUNCTYPE(c_void_p, ctypes.c_uint32)(get_base().contents[0])
        table = get_api(API_VERSION)
        if not table:
            raise RuntimeFailedError(f"ONNX Runtime {onnxruntime.__version__} has no API {API_VERSION}; 1.23 has.")
        self._table = ctypes.cast(table, POINTER(c_void_p * (ALLOCATOR_GET_STATS + 1))).contents

    def call(self, index: int, *arguments: object) -> None:
        """Call a function that returns a status."""
        status = ctypes.CFUNCTYPE(c_void_p)(self._table[index])(*arguments)  # what has no type here brings its own
        if status:
            message = ctypes.CFUNCTYPE(c_char_p, c_void_p)(self._table[GET_ERROR_MESSAGE])(status)
            raise RuntimeFailedError(message.decode())

    def make(self, index: int, *arguments: object) -> c_void_p:
        """Call a function whose last argument is where it puts what it makes."""
        made = c_void_p()
        self.call(index, *arguments, byref(made))
        return made

    def release(self, index: int, made: c_void_p) -> None:
        """Give something back."""
        ctypes.CFUNCTYPE(None, c_void_p)(self._table[index])(made)

    def value(self, pairs: c_void_p, key: str) -> int:
        """Read a number from key-value pairs."""
        get = ctypes.CFUNCTYPE(c_char_p, c_void_p, c_char_p)(self._table[GET_KEY_VALUE])
        return int(get(pairs, key.encode()))


@contextmanager
def session_with_exact_arena(api: Api, model: bytes) -> Iterator[tuple[c_void_p, c_void_p, c_void_p]]:
    """Give a session, its arena, and the description of the memory that both use."""
    environment = api.make(CREATE_ENV, c_int(ERRORS_ONLY), b"bench")
    memory = api.make(CREATE_CPU_MEMORY_INFO, c_int(ARENA_ALLOCATOR), c_int(DEFAULT_MEMORY))
    keys = (c_char_p * 2)(b"arena_extend_strategy", b"max_dead_bytes_per_chunk")
    settings = (c_size_t * 2)(SAME_AS_REQUESTED, NO_DEAD_BYTES)
    api.call(REGISTER_ALLOCATOR, environment, memory, api.make(CREATE_ARENA_CONFIG, keys, settings, c_size_t(2)))
    options = api.make(CREATE_SESSION_OPTIONS)
    api.call(SET_INTRA_OP_THREADS, options, c_int(1))
    for key in (b"session.use_env_allocators", b"session.use_device_allocator_for_initializers"):
        api.call(ADD_SESSION_CONFIG, options, key, b"1")
    session = api.make(CREATE_SESSION_FROM_ARRAY, environment, model, c_size_t(len(model)), options)
    try:
        yield session, api.make(CREATE_ALLOCATOR, session, memory), memory
    finally:
        api.release(RELEASE_SESSION, session)
        api.release(RELEASE_SESSION_OPTIONS, options)
        api.release(RELEASE_ENV, environment)


def arena(api: Api, allocator: c_void_p) -> Arena:
    """Ask an arena what it holds."""
    pairs = api.make(ALLOCATOR_GET_STATS, allocator)
    return Arena(
        in_use=api.value(pairs, "InUse"),
        most_in_use=api.value(pairs, "MaxInUse"),
        allocated=api.value(pairs, "TotalAllocated"),
    )


def held(api: Api, model: onnx.ModelProto) -> Held:
    """Run a network of one input twice, and see what the arena gave out."""
    (source,) = model.graph.input
    shape = [side.dim_value for side in source.type.tensor_type.shape.dim]
    picture = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
    outputs = [value.name.encode() for value in model.graph.output]
    with session_with_exact_arena(api, model.SerializeToString()) as (session, allocator, memory):
        value = api.make(
            CREATE_TENSOR_WITH_DATA,
            memory,
            c_void_p(picture.ctypes.data),
            c_size_t(picture.nbytes),
            (c_int64 * len(shape))(*shape),
            c_size_t(len(shape)),
            c_int(FLOAT),
        )
        steps = [arena(api, allocator)]
        for _ in range(2):
            results = (c_void_p * len(outputs))()
            api.call(
                RUN,
                session,
                None,
                (c_char_p * 1)(source.name.encode()),
                (c_void_p * 1)(value),
                c_size_t(1),
                (c_char_p * len(outputs))(*outputs),
                c_size_t(len(outputs)),
                results,
            )
            steps.append(arena(api, allocator))
            for result in results:
                api.release(RELEASE_VALUE, c_void_p(result))
        api.release(RELEASE_VALUE, value)
    before, first, second = steps
    return Held(in_use=first.most_in_use - before.in_use, planned=second.allocated - first.allocated)


def main(names: Sequence[str] = ()) -> int:
    """Print one line per network; exit code 1 if fewer than three agree within TOLERANCE."""
    options = argparse.ArgumentParser(description="Compare peak live activations with ONNX Runtime's arena.")
    options.add_argument("networks", nargs="*", default=list(NETWORKS), help="networks to run")
    api, agreeing = Api(), 0
    print(f"ONNX Runtime {onnxruntime.__version__}; bytes")
    print(f"{'network':22} {'ours':>10} {'in use':>10} {'ours/':>6} {'planned':>10} {'ours/':>6}")
    for name in options.parse_args(names or None).networks:
        model = build_network(name)
        ours = BYTES_PER_ELEMENT * parse_network(model, name=name).peak_live_elements
        runtime = held(api, model)
        agreeing += abs(ours / runtime.in_use - 1) <= TOLERANCE
        print(
            f"{name:22} {ours:10} {runtime.in_use:10} {ours / runtime.in_use:6.3f} "
            f"{runtime.planned:10} {ours / runtime.planned:6.3f}"
        )
    print(f"{agreeing} within {TOLERANCE:.0%} of what is in use")
    return 0 if agreeing >= 3 else 1


if __name__ == "__main__":
    sys.exit(main())
