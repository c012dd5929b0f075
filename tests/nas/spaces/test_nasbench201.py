from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from metamodel.interface import Predictor, Setting
from nas.errors import SettingsError, SpaceError
from nas.limits.costs import Budget
from nas.limits.pricing import price_signals
from nas.networks.export import check_against_torch, to_onnx
from nas.networks.layers import network_layers, space_layers
from nas.networks.network import Convolution, Network
from nas.networks.supernet import SuperNetwork
from nas.space import Architecture, Image, Space, architecture_from_json, architecture_to_json, choice_label
from nas.spaces.cell import EDGES, PUBLISHED_EDGES, EdgeOperation, fits
from nas.spaces.nasbench201 import Edge, nasbench201
from nas.trellis import architecture_of, choices_of, space_trellis
from parsers.network import parse_network
from parsers.roofline import macs

SMALL = Image(channels=2, height=8, width=8)
CIFAR = Image(channels=3, height=32, width=32)


@pytest.fixture(scope="module")
def small() -> Space:
    """Two cells per stage: all that five have, and less to wait for."""
    return nasbench201(SMALL, 10, cells=2)


@pytest.fixture(scope="module")
def published() -> Space:
    return nasbench201(CIFAR, 10)


def cell(text: str) -> Architecture:
    """Read a cell by its edges 3←2, 3←1, 3←0, 2←1, 2←0, 1←0: n(one), s(kip), 1, 3, p(ool)."""
    letters = dict(zip("ns13p", EdgeOperation, strict=True))
    return tuple(Edge(operation=letters[letter]) for letter in text)


def all_cells() -> Iterator[tuple[EdgeOperation, ...]]:
    """Every cell in which each edge has a part."""
    for chosen in itertools.product(EdgeOperation, repeat=6):
        if all(fits(chosen[:place], operation) for place, operation in enumerate(chosen)):
            yield chosen


def trained(space: Space, member: Architecture) -> Network:
    """A network with statistics as training leaves them: biases that are nil would not be exported."""
    network, generator = Network(space, member), torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
            module.running_mean.normal_(generator=generator)
    return network.eval()


def test_the_layers_of_random_networks_are_those_of_their_exported_graphs(small: Space):
    random, cells = np.random.default_rng(3), list(all_cells())
    for place in random.choice(len(cells), 200, replace=False):
        member = tuple(Edge(operation=operation) for operation in cells[place])
        network, written = trained(small, member), network_layers(small, member)

        read = parse_network(to_onnx(network, SMALL), name="member")

        assert tuple(item.layer for item in read.layers) == written, [choice_label(edge) for edge in member]
        assert read.macs == sum(map(macs, written))
        parts = [layer.folded() if isinstance(layer, Convolution) else layer for layer in network.layers.values()]
        weights = sum(tensor.numel() for part in parts for tensor in part.state_dict().values() if tensor.dim())
        assert weights == sum(layer.weight_elements for layer in written)


@pytest.mark.parametrize(
    "text",
    ["sns3n3", "nnsnnn", "ns3nn3", "snpsn3", "s1n3n3", "pnn1ns", "sspnsp", "3np3s1", "nsnnns", "ssnn33", "nspnn1"],
)
def test_an_exported_network_computes_what_the_network_computes_and_what_the_cell_says(small: Space, text: str):
    network = trained(small, cell(text))

    check_against_torch(to_onnx(network, SMALL), network, SMALL)

    images = torch.randn(2, 2, 8, 8, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(network(images), by_the_book(network, text, images))


def by_the_book(network: Network, text: str, images: torch.Tensor) -> torch.Tensor:
    """Compute a network of two cells per stage as the paper draws it: every node is the sum of its edges."""
    x = convolved(network, "stem", images)
    for stage in range(3):
        if stage:
            inner = convolved(network, f"reduction{stage}_first", x.relu()).relu()
            shortcut = convolved(network, f"reduction{stage}_shortcut", functional.avg_pool2d(x, 2))
            x = shortcut + convolved(network, f"reduction{stage}_second", inner)
        for number in (2 * stage + 1, 2 * stage + 2):
            nodes = [x]
            for target in (1, 2, 3):
                edges = [(f"cell{number}_{target}from{source}", source) for source in range(target)]
                operations = [text[EDGES.index((target, source))] for source in range(target)]
                nodes.append(
                    sum(
                        (
                            edge_by_the_book(network, name, operation, nodes[source])
                            for (name, source), operation in zip(edges, operations, strict=True)
                        ),
                        start=torch.zeros_like(x),
                    )
                )
            x = nodes[3]
    x = network.layers["last"].normalisation(x) if "last" in network.layers else x
    scores: torch.Tensor = network.layers["classifier"](x.relu().mean((2, 3)))
    return scores


def edge_by_the_book(network: Network, name: str, operation: str, x: torch.Tensor) -> torch.Tensor:
    match operation:
        case "n":
            return torch.zeros_like(x)
        case "s":
            return x
        case "p":
            return functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        case side:
            return convolved(network, f"{name}_conv{side}x{side}", x.relu())


def convolved(network: Network, name: str, x: torch.Tensor) -> torch.Tensor:
    """Convolve and normalise, without the activation and what the layer adds."""
    layer = network.layers[name]
    assert isinstance(layer, Convolution)
    y: torch.Tensor = layer.convolution(x)
    return y if layer.normalisation is None else layer.normalisation(y)


def test_paths_of_the_weight_sharing_network_compute_what_they_compute_alone(small: Space):
    torch.manual_seed(0)
    supernet, images = SuperNetwork(small), torch.randn(4, 2, 8, 8)

    for text in ("sns3n3", "nnsnnn", "s1n3n3", "snpsn3"):
        alone = supernet.cut_out(cell(text)).train()

        torch.testing.assert_close(alone(images), supernet(images, cell(text)))


def test_a_cell_is_listed_if_and_only_if_each_of_its_edges_leads_from_the_input_to_the_output():
    def has_no_dead_edge(chosen: Sequence[EdgeOperation]) -> bool:
        edges = [edge for edge, each in zip(EDGES, chosen, strict=True) if each is not EdgeOperation.NONE]
        fed, used = {0}, {3}
        for _ in range(3):
            fed |= {target for target, source in edges if source in fed}
            used |= {source for target, source in edges if target in used}
        return bool(edges) and all(source in fed and target in used for target, source in edges)

    listed = set(all_cells())

    assert listed == set(filter(has_no_dead_edge, itertools.product(EdgeOperation, repeat=6)))
    assert len(listed) == 9444


def test_the_trellis_has_one_path_for_every_cell(small: Space):
    trellis, walked = space_trellis(small), {(): 0}
    for successor in trellis.successors:
        walked = {
            (*path, choice): int(following)
            for path, node in walked.items()
            for choice, following in enumerate(successor[node])
            if following >= 0
        }

    operations = list(EdgeOperation)
    assert {tuple(operations[choice] for choice in path) for path in walked} == set(all_cells())
    assert small.carried(architecture_of(small, next(iter(walked))))[-1].channels == 64


def test_the_costs_of_a_network_are_in_its_edges_each_once(small: Space):
    """What is certain at an edge and what comes later add up to the whole, whatever the order of the steps."""
    for text in ("sns3n3", "nnsnnn", "s1n3n3", "pnn1ns"):
        states = small.carried(cell(text))
        parts = [
            *small.stem_operations(),
            *(
                operation
                for index, choice in enumerate(cell(text))
                for operation in small.slot_operations(index, states[index], choice)
            ),
            *small.head_operations(states[-1]),
        ]

        assert sorted(map(repr, parts)) == sorted(map(repr, small.operations(cell(text))))
        assert len({operation.order for operation in parts[:-3]}) == len(parts) - 3


def test_a_network_costs_what_its_layers_cost_and_its_memory_cannot_be_planned(
    small: Space, predictor: Predictor, setting: Setting
):
    budget = Budget(space_trellis(small), price_signals(small, predictor, setting, ["latency", "macs"]))

    for text in ("sns3n3", "nnsnnn", "s1n3n3", "snpsn3", "sspnsp"):
        layers = network_layers(small, cell(text))
        latency, operations = budget.costs(choices_of(small, cell(text)))

        assert latency == pytest.approx(predictor.predict_network(layers, setting).latency_ms)
        assert operations == sum(map(macs, layers))
    with pytest.raises(SettingsError, match="slots of nasbench201 do not run one after the other, so the memory"):
        price_signals(small, predictor, setting, ["memory"])


def test_an_edge_into_a_node_that_nobody_reads_cannot_be_there(small: Space):
    with pytest.raises(SpaceError, match="Slot 6 of nasbench201 cannot hold 'conv3x3' here"):
        small.carried(cell("nnsnn3"))
    with pytest.raises(SpaceError, match="Slot 3 of nasbench201 cannot hold 'none' here"):
        small.carried(cell("nnnnnn"))


def test_the_design_by_hand_is_resnets_block(small: Space):
    assert small.manual() == cell("sns3n3")
    assert small.carried(small.manual())[-1].features == Image(channels=64, height=2, width=2)


def test_a_cell_survives_its_json(small: Space):
    assert architecture_from_json(architecture_to_json(cell("s1n3n3")), small) == cell("s1n3n3")


def test_images_that_cannot_be_halved_twice_are_refused():
    with pytest.raises(SpaceError, match="multiples of 4, not 30x32"):
        nasbench201(Image(channels=3, height=30, width=32), 10)


def test_a_space_has_few_layers_to_measure(published: Space):
    layers = space_layers(published)

    assert {layer.type for layer in layers} == {
        *("Conv", "AveragePool", "Add", "Relu", "BatchNormalization", "GlobalAveragePool", "Reshape", "Gemm"),
    }
    assert len(layers) < 60


def test_a_network_without_edges_but_a_skip_has_the_published_size(published: Space):
    """Worked by hand: 432·32² (stem), 4,608·16² + 9,216·16² + 512·16², a quarter of four times as many, 640 to score."""
    network = Network(published, cell("nnsnnn"))

    counted = sum(map(macs, network_layers(published, cell("nnsnnn"))))
    weights = sum(parameter.numel() for parameter in network.parameters())

    assert counted == 432 * 32**2 + 2 * (4608 + 9216 + 512) * 16**2 + 640
    # 73,306 published; the shortcuts have 32 and 64 biases here.
    assert weights == 73_306 + 96


@pytest.mark.skipif("AUTOCOMET_DATA" not in os.environ, reason="set AUTOCOMET_DATA to the folder of the real data")
def test_networks_have_as_many_operations_and_parameters_as_nasbench201_publishes(published: Space):
    """Published: multiply-accumulates of all convolutions and part of the 640 of the classifier; normalisations have two
    parameters a channel."""
    path = Path(os.environ["AUTOCOMET_DATA"]) / "nasbench" / "nb201_core.npz"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    with np.load(path, allow_pickle=False) as table:
        columns = {name: table[name] for name in (*(f"op{n}" for n in range(1, 7)), "mflops", "params")}
    operations, random = list(EdgeOperation), np.random.default_rng(0)
    checked = 0
    for row in random.permutation(len(columns["params"]))[:250]:
        held = {edge: operations[columns[f"op{n}"][row]] for n, edge in enumerate(PUBLISHED_EDGES, start=1)}
        chosen = tuple(held[edge] for edge in EDGES)
        if not all(fits(chosen[:place], each) for place, each in enumerate(chosen)):
            continue
        member = tuple(Edge(operation=operation) for operation in chosen)
        network = Network(published, member)

        counted = sum(map(macs, network_layers(published, member)))
        weights = sum(parameter.numel() for parameter in network.parameters()) - 96
        weights += 0 if "last" in network.layers else 128

        assert 0 < counted - 1e6 * columns["mflops"][row] < 640
        assert weights == columns["params"][row]
        checked += 1
    assert checked > 100
