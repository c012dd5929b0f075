"""How fast is a bag compiled into one structure, beside the same boosters in scikit-learn's BaggingRegressor?

    python benchmarks/bench_predictor.py

Ten XGBoost members of 300 trees of depth 6 are fitted to made layers on five made phones, described by the metamodel's own
features, about 80 columns; both sides then predict from the same boosters and the same rows, on one thread, turn by turn.
Times are of the processor, medians, so that a busy machine does not bend a ratio; a turn is ten calls in a row, or one where
caches are to be cold. The last lines are the whole way of a search, through
``TrainedPredictor``, of a model fitted to the table that ships: features, bags, the set B, and what is remembered. A minute
on an idle core.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before anything loads OpenMP

import numpy as np
from sklearn.ensemble import BaggingRegressor
from threadpoolctl import threadpool_limits
from xgboost import XGBRegressor

from metamodel.bag import predict_mean
from metamodel.compiled import CompiledBag, compile_bag
from metamodel.features import FeatureSpace, Vocabulary
from metamodel.fit import fit_artefact, prepare
from metamodel.interface import Setting
from metamodel.predictor import TrainedPredictor
from metamodel.rows import settings_of
from parsers.roofline import roofline_ms
from parsers.schema import Context, Layer

TABLE = Path(__file__).parents[1] / "datasets" / "stats.parquet"
NETWORK = 60
"""Layers of a network."""
_ACTIVATIONS = ("", "Clip", "HardSwish", "Relu", "Sigmoid")
_CORES = ("0x802", "0x804", "0xd03", "0xd05", "0xd0b")
_PROVIDERS = ("cpu", "gpu", "nnapi", "xnnpack")


def main() -> None:
    """Fit, compile, and print each ratio beside its bar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="turns of each side")
    parser.add_argument("--seed", type=int, default=0, help="seed of layers, phones and members")
    options = parser.parse_args()

    random = np.random.default_rng(options.seed)
    settings = [made_setting(random) for _ in range(5)]
    with threadpool_limits(1):
        peer = fitted_peer(random, settings, seed=options.seed)
        members = [member.get_booster() for member in peer.estimators_]
        began = time.process_time()
        bag = compile_bag(members)
        compiling_s = time.process_time() - began
        new = space().layer_matrix([made_layer(random) for _ in range(5000)], settings[0])
        print(f"{len(members)} members, {bag.trees} trees of depth {len(bag.levels)}, {bag.features} features")
        print(f"compiled once in {compiling_s:.2f} s")
        print_difference(bag, members, new)
        rounds = options.rounds
        compare("one new layer", bag, peer, new[:1], rounds=rounds, calls=10, bar=50)
        compare("with cold caches", bag, peer, new[:1], rounds=rounds, calls=1, bar=None)
        compare(f"{NETWORK} new layers", bag, peer, new[:NETWORK], rounds=rounds, calls=10, bar=4)
        compare(f"{len(new)} new layers", bag, peer, new, rounds=3, calls=1, bar=None)
        print_whole_way(random, rounds=rounds)


def space() -> FeatureSpace:
    """Describe layers as a fit on several phones does: types, activations, providers and cores as columns."""
    words = {
        "type": ("Conv", "DepthwiseConv", "Gemm", "GroupedConv"),
        "family": ("convolution", "linear"),
        "fused_ops": _ACTIVATIONS,
        "precision": ("float16", "float32"),
        "provider": _PROVIDERS,
        "core_part": _CORES,
    }
    vocabularies = tuple(Vocabulary(name=name, words=tuple(sorted(of_name))) for name, of_name in words.items())
    return FeatureSpace(vocabularies=vocabularies, block_types=(), usual_evicted_mb=8.0)


def made_setting(random: np.random.Generator) -> Setting:
    """Make up a phone."""
    context = Context(
        cores=int(random.choice([2, 4, 8])),
        memory_gb=float(random.choice([3, 4, 6, 8, 12])),
        clock_freq_ghz=float(random.uniform(1.4, 3.2)),
        memory_bw_gbs=float(random.uniform(6, 50)),
        core_part=str(random.choice(_CORES)),
        last_level_cache_mb=float(random.choice([0.5, 1, 2, 4])),
        peak_gflops=float(random.uniform(20, 400)),
    )
    return Setting(context=context, provider=str(random.choice(_PROVIDERS)), threads=int(random.choice([1, 2, 4])))


def made_layer(random: np.random.Generator) -> Layer:
    """Make up a convolution: dense, grouped or depthwise."""
    inputs, outputs = (8 * int(random.integers(1, 65)) for _ in range(2))
    size, kernel, stride = (int(random.choice(of)) for of in ([7, 14, 28, 56, 112], [1, 3, 5, 7], [1, 2]))
    groups = int(random.choice([1, 1, 8, inputs]))
    outputs = inputs if groups == inputs else outputs
    after = -(-size // stride)
    fused = str(random.choice(_ACTIVATIONS))
    return Layer(
        type={1: "Conv", inputs: "DepthwiseConv"}.get(groups, "GroupedConv"),
        in_channels=inputs,
        channels=outputs,
        height=size,
        width=size,
        out_height=after,
        out_width=after,
        kernel_height=kernel,
        kernel_width=kernel,
        stride_height=stride,
        stride_width=stride,
        groups=groups,
        input_volume=inputs * size * size,
        output_volume=outputs * after * after,
        weight_elements=outputs * (inputs // groups) * kernel * kernel + outputs,
        fused_ops=(fused,) if fused else (),
        input_shapes=((1, inputs, size, size),),
        output_shape=(1, outputs, after, after),
    )


def fitted_peer(random: np.random.Generator, settings: Sequence[Setting], *, seed: int) -> BaggingRegressor:
    """Fit scikit-learn's bag to the made layers' logarithmic times: a roofline, bent by kernel and groups, and noise."""
    matrices, times_ms = [], []
    for setting in settings:
        layers = [made_layer(random) for _ in range(1000)]
        matrices.append(space().layer_matrix(layers, setting))
        times_ms += [
            roofline_ms(layer, setting.context) * (1 + layer.kernel_size / 4) * layer.groups**0.1 + 0.01
            for layer in layers
        ]
    member = XGBRegressor(
        n_estimators=300, max_depth=6, learning_rate=0.05, subsample=0.8, colsample_bytree=0.6, n_jobs=1
    )
    logarithms = np.log(times_ms) + 0.05 * random.normal(size=len(times_ms))
    return BaggingRegressor(member, n_estimators=10, n_jobs=1, random_state=seed).fit(np.vstack(matrices), logarithms)


def print_difference(bag: CompiledBag, members: Sequence, matrix: np.ndarray) -> None:
    """Print how far the compiled bag is from the mean of its members, as times."""
    ratio = np.exp(bag.predict(matrix) - predict_mean(members, matrix))
    print(
        f"times differ from the members' mean by at most {np.abs(ratio - 1).max():.1e} (bar 1e-5), {len(matrix)} layers"
    )


def compare(
    what: str, bag: CompiledBag, peer: BaggingRegressor, matrix: np.ndarray, *, rounds: int, calls: int, bar: int | None
) -> None:
    """Time both sides turn by turn; print the medians and their ratio."""
    sides = [lambda: bag.predict(matrix), lambda: peer.predict(matrix)]
    ours_ms, peers_ms = medians_ms(sides, rounds=rounds, calls=calls)
    told = "" if bar is None else f" (bar 1/{bar})"
    print(
        f"{what:16} compiled {ours_ms:9.3f} ms   BaggingRegressor {peers_ms:9.3f} ms   1/{peers_ms / ours_ms:.1f}{told}"
    )


def print_whole_way(random: np.random.Generator, *, rounds: int) -> None:
    """Print what layers cost a search that asks a model fitted to the table that ships: new ones, and the same again."""
    prepared = prepare([TABLE])
    artefact = fit_artefact(prepared, seed=0, workers=1, advance=lambda *_: None)
    (setting, *_) = (setting for _, setting in settings_of(prepared.rows.layers))
    layers = [made_layer(random) for _ in range(NETWORK)]
    asked = TrainedPredictor(artefact)
    asked.predict_network(layers, setting)
    for what, way in {
        "1 new layer": lambda: TrainedPredictor(artefact).predict_layers(layers[:1], setting),
        f"{NETWORK} new layers": lambda: TrainedPredictor(artefact).predict_network(layers, setting),
        "the same again": lambda: asked.predict_network(layers, setting),
    }.items():
        (whole_ms,) = medians_ms([way], rounds=rounds, calls=10)
        print(f"{what:16} through TrainedPredictor, all responses, features included {whole_ms:9.3f} ms")


def medians_ms(sides: Sequence[Callable[[], object]], *, rounds: int, calls: int = 1) -> list[float]:
    """Let every side have its turns, each of some calls in a row; give the medians over its calls."""
    taken_ms: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds):
        for side, taken in zip(sides, taken_ms, strict=True):
            for _ in range(calls):
                began = time.process_time()
                side()
                taken.append(1e3 * (time.process_time() - began))
    return [statistics.median(taken) for taken in taken_ms]


if __name__ == "__main__":
    main()
