"""How kernels are called, and what they answer with: options by name, results that stay."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from robustlib.kernels import (
    empirical_ntk,
    kernel_flow,
    kernel_regression,
    kernel_spectrum,
    load_gram,
    nngp,
    ntk,
    robust_gram,
    store_gram,
)
from robustlib.losses import PseudoHuber
from robustlib.networks import TwoLayerNet
from robustlib.samples import hexagon

X, Y = hexagon().x, hexagon().y
K, NET = ntk(X), TwoLayerNet(2, 8).double()


@pytest.mark.parametrize(
    "call",
    [
        lambda: ntk(X, X, "relu"),  # type: ignore[misc]
        lambda: nngp(X, X, "relu"),  # type: ignore[misc]
        lambda: empirical_ntk(NET, X, X, False),  # type: ignore[misc]
        lambda: robust_gram(NET, X, (2,)),  # type: ignore[misc]
        lambda: kernel_regression(K, Y, 0.1),  # type: ignore[misc]
        lambda: kernel_flow(K, Y, "squared", [1.0]),  # type: ignore[misc]
        lambda: kernel_spectrum(3, "relu"),  # type: ignore[misc]
        lambda: store_gram("k.npy", ntk, X, None, 8),  # type: ignore[misc]
        lambda: load_gram("k.npy", False),  # type: ignore[misc]
    ],
)
def test_options_are_given_by_name(call: Callable[[], object]) -> None:
    with pytest.raises(TypeError, match="positional argument"):
        call()


def test_all_arguments_have_names(tmp_path: Path) -> None:
    for kernel in (ntk, nngp):
        assert torch.equal(kernel(x=X, z=X), kernel(X, X))
    assert torch.equal(empirical_ntk(net=NET, x=X, z=X), empirical_ntk(NET, X, X))
    assert torch.equal(robust_gram(net=NET, attacked=X).gram, empirical_ntk(NET, X))
    assert repr(kernel_regression(K=K, y=Y)) == repr(kernel_regression(K, Y))
    flows = (
        kernel_flow(K=K, y=Y, loss="squared", times=[1.0]),
        kernel_flow(K, Y, loss="squared", times=[1.0]),
    )
    assert torch.equal(flows[0].outputs, flows[1].outputs)
    assert repr(kernel_spectrum(d=3)) == repr(kernel_spectrum(3))
    stored = store_gram(path=tmp_path / "k.npy", kernel=ntk, x=X, z=X)
    assert torch.equal(load_gram(path=tmp_path / "k.npy").values, stored.values)


def test_random_states_are_left_alone(tmp_path: Path) -> None:
    """Models, losses and kernels of a user may draw from them."""

    def draw() -> float:
        return float(torch.rand(())) + random.random() + float(np.random.rand())  # noqa: NPY002

    class Model(torch.nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x)[:, 0] + draw()

    class Own(PseudoHuber):
        def derivative(self, f: Tensor, y: Tensor) -> Tensor:
            return super().derivative(f, y) + 0 * draw()

    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    right = draw()
    model = Model(2, 1).double()
    for call in (
        lambda: empirical_ntk(model, X),
        lambda: kernel_flow(K, Y, loss=Own(), times=[1.0]),
        lambda: store_gram(tmp_path / "k.npy", lambda a, b: ntk(a, b) + 0 * draw(), X),
    ):
        torch.manual_seed(1)
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        call()
        assert draw() == right


def test_results_are_frozen_and_equal_to_themselves_alone(tmp_path: Path) -> None:
    """Their fields are tensors, of which == would make a tensor."""
    for make in (
        lambda: robust_gram(NET, X),
        lambda: kernel_regression(K, Y),
        lambda: kernel_flow(K, Y, loss="squared", times=[1.0]),
        lambda: kernel_spectrum(3, max_degree=3),
        lambda: store_gram(tmp_path / "k.npy", ntk, X),
    ):
        one, other = make(), make()
        assert one == one
        assert one != other
        assert repr(one) == repr(other)
        assert len({one, other}) == 2
        for name in vars(one):
            with pytest.raises(FrozenInstanceError):
                setattr(one, name, None)
