"""What every decision costs by the predictor, asked once before the search."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from metamodel.interface import LayerCosts, Predictor, Setting
from nas.costs import CostTable
from nas.errors import PredictorError
from nas.layers import head_layers, network_layers, slot_layers, stem_layers
from nas.space import Space
from parsers.schema import Layer


def latency_table(space: Space, predictor: Predictor, setting: Setting) -> CostTable:
    """Price every decision of a space by its share of the network's latency, in milliseconds.

    Every layer configuration is predicted once. That the shares add up to what the predictor says of a whole network is
    checked on the backbone.

    Raises:
        PredictorError: the predictor knows no latency, or its layers' shares do not add up.
    """
    if "latency" not in predictor.targets:
        raise PredictorError("The predictor was fitted without latencies. Fit one on a table that has execution times.")
    states = space.states()
    slots = range(len(space.slots))
    prices = _prices(
        [
            *stem_layers(space),
            *(
                layer
                for index in slots
                for carried in states[index]
                for choice in space.slots[index].choices
                if space.follow(index, carried, choice) is not None
                for layer in slot_layers(space, index, carried, choice)
            ),
            *(layer for carried in states[-1] for layer in head_layers(space, carried)),
        ],
        predictor,
        setting,
    )

    def price(layers: Sequence[Layer]) -> float:
        return sum(prices[layer.key] for layer in layers)

    steps = tuple(
        np.array(
            [
                [
                    np.inf
                    if space.follow(index, carried, choice) is None
                    else price(slot_layers(space, index, carried, choice))
                    for choice in space.slots[index].choices
                ]
                for carried in states[index]
            ]
        )
        for index in slots
    )
    _check_sum(price(network_layers(space, space.manual())), space, predictor, setting)
    return CostTable(
        start=price(stem_layers(space)),
        steps=steps,
        end=np.array([price(head_layers(space, carried)) for carried in states[-1]]),
    )


def _prices(layers: Sequence[Layer], predictor: Predictor, setting: Setting) -> dict[str, float]:
    unique = {layer.key: layer for layer in layers}
    costs: LayerCosts = predictor.predict_layers(tuple(unique.values()), setting)
    if costs.network_latency_ms is None:
        raise PredictorError("The predictor gives no latencies of layers. Fit one on a table that has execution times.")
    return dict(zip(unique, (float(cost) for cost in costs.network_latency_ms), strict=True))


def _check_sum(total_ms: float, space: Space, predictor: Predictor, setting: Setting) -> None:
    whole_ms = predictor.predict_network(network_layers(space, space.manual()), setting).latency_ms
    if whole_ms is None or not np.isclose(total_ms, whole_ms, rtol=1e-9):
        raise PredictorError(
            f"The predictor's layers add up to {total_ms:.6g} ms, but it gives their network {whole_ms} ms. "
            "The search needs a predictor whose layers add up."
        )
