from __future__ import annotations

import pytest
import torch

from nas.networks.network import activate
from nas.networks.operations import Activation


@pytest.mark.parametrize(
    ("activation", "expected"), [(Activation.RELU, torch.relu), (Activation.RELU6, torch.nn.functional.relu6)]
)
def test_activations_in_place_have_the_values_and_gradients_of_torchs_own(activation: Activation, expected):
    values = torch.cat([torch.linspace(-3, 9, 97), torch.tensor([0.0, 6.0])])
    weights = torch.arange(99.0)
    given, reference = values.clone().requires_grad_(), values.clone().requires_grad_()

    result = activate(given * 1, activation)
    (result * weights).sum().backward()

    assert torch.equal(result, expected(reference))
    (expected(reference) * weights).sum().backward()
    assert torch.equal(given.grad, reference.grad)


def test_without_gradients_an_activation_overwrites_what_it_reads():
    x = torch.tensor([-1.0, 3.0, 8.0])

    with torch.no_grad():
        result = activate(x, Activation.RELU6)

    assert result.data_ptr() == x.data_ptr()
    assert x.tolist() == [0.0, 3.0, 6.0]
