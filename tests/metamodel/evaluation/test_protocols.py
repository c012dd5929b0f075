from __future__ import annotations

import numpy as np
import pytest

from metamodel.errors import TableError
from metamodel.evaluation.protocols import Protocol, Unit, folds_of, network_family
from metamodel.evaluation.samples import select_samples
from metamodel.targets import RESPONSES


@pytest.fixture
def samples(bench):
    """Six networks that share no layer, on two devices."""
    layers = list(dict.fromkeys(bench.layers(80)))[:60]
    networks = {f"net-{number}": layers[number::6] for number in range(6)}
    rows = bench.campaign(networks) + bench.campaign(networks, device="other")
    return select_samples([bench.frame(rows)], RESPONSES[0]).samples


@pytest.mark.parametrize("protocol", list(Protocol))
def test_every_sample_is_tested_once_and_trains_all_other_folds(samples, protocol):
    folds = list(folds_of(samples, protocol, folds=3, seed=0))

    assert len(folds) == (2 if protocol is Protocol.UNSEEN_PHONE else 3)
    assert sorted(np.concatenate([fold.test for fold in folds])) == list(range(len(samples)))
    for fold in folds:
        assert sorted([*fold.train, *fold.test]) == list(range(len(samples)))


def test_no_network_of_a_test_has_a_layer_that_trains(samples):
    for fold in folds_of(samples, Protocol.UNSEEN_NETWORKS, folds=3, seed=1):
        tested = {name for row in fold.test for name in samples.networks[row]}
        assert tested
        assert all(not samples.networks[row] & tested for row in fold.train)


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("Thinnet", "thinnet"),
        ("thinnet50_w2", "thinnet"),
        ("thinnet_large", "thinnet"),
        ("thinnet-b0", "thinnet"),
        ("thinnetv2_small", "thinnet"),
        ("convnet", "convnet"),
        ("v2net", "v"),
        ("3d-net", "3d-net"),
        ("", ""),
    ],
)
def test_a_family_is_the_letters_that_a_name_begins_with(name, family):
    assert network_family(name) == family


def test_networks_of_a_family_are_held_out_together(bench):
    nets = {name: bench.layers(3) for name in ("thin18", "thin50", "wide_s", "wide_l", "odd")}
    samples = select_samples([bench.frame(bench.campaign(nets))], RESPONSES[0]).samples

    folds = list(folds_of(samples, Protocol.UNSEEN_NETWORKS, folds=3, seed=0, unit=Unit.NETWORK_FAMILY))

    tested = [sorted({name for row in fold.test for name in samples.networks[row]}) for fold in folds]
    assert sorted(tested) == [["odd"], ["thin18", "thin50"], ["wide_l", "wide_s"]]
    for fold in folds:
        assert sorted([*fold.train, *fold.test]) == list(range(len(samples)))


def test_fewer_families_than_folds_are_refused(samples):
    with pytest.raises(TableError, match="3 folds of 1 families of networks"):
        list(folds_of(samples, Protocol.UNSEEN_NETWORKS, folds=3, seed=0, unit=Unit.NETWORK_FAMILY))


def test_a_layer_shared_by_two_networks_is_tested_with_each_and_never_trains_beside_it(bench):
    shared, first, second, third = bench.layers(4)
    nets = {"a": [shared, first], "b": [shared, second], "c": [third]}
    samples = select_samples([bench.frame(bench.campaign(nets))], RESPONSES[0]).samples

    folds = list(folds_of(samples, Protocol.UNSEEN_NETWORKS, folds=3, seed=0))

    with_shared = [fold for fold in folds if 0 in fold.test]
    assert len(with_shared) == 2


def test_a_configuration_is_unseen_on_every_device(samples):
    for fold in folds_of(samples, Protocol.UNSEEN_LAYERS, folds=4, seed=2):
        assert not set(samples.configuration[fold.test]) & set(samples.configuration[fold.train])


def test_a_seed_deals_the_same_way_again_and_another_does_not(samples):
    dealt = [
        [list(fold.test) for fold in folds_of(samples, Protocol.UNSEEN_LAYERS, folds=3, seed=seed)]
        for seed in (5, 5, 6)
    ]

    assert dealt[0] == dealt[1] != dealt[2]


@pytest.mark.parametrize(
    ("protocol", "says"),
    [(Protocol.UNSEEN_NETWORKS, "9 folds of 6 networks"), (Protocol.UNSEEN_PHONE, "two devices or more")],
)
def test_too_few_units_are_refused(bench, protocol, says):
    samples = select_samples([bench.frame(bench.campaign(bench.networks(6)))], RESPONSES[0]).samples

    with pytest.raises(TableError, match=says):
        list(folds_of(samples, protocol, folds=9, seed=0))
