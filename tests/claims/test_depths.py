"""The passes that claims about depth write out, against automatic differentiation."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from robustlib.book.claims.chapter05_ball import knapsack, multiplier
from robustlib.book.claims.depths import (
    aligned,
    deep_error,
    deep_net,
    gradient_changes,
    gradient_norms,
    stability_bound,
    sweep,
    switched,
)
from robustlib.book.claims.widths import circle
from robustlib.networks import DeepNet


def gradients(net: DeepNet, weights: list[Tensor], x: Tensor) -> list[list[Tensor]]:
    leaves = [w.clone().requires_grad_(True) for w in weights]
    outputs = net.evaluate(leaves, x)
    return [list(torch.autograd.grad(f, leaves, retain_graph=True)) for f in outputs]


@pytest.mark.parametrize("activation", ["relu", "gelu", "softplus"])
@pytest.mark.parametrize("depth", [1, 3])
def test_gradients_and_their_changes(activation: str, depth: int) -> None:
    net, x = deep_net(20, depth, 1, activation), circle(3)
    start = list(net.start())
    draw = torch.Generator().manual_seed(0)
    moved = [w + 0.3 * torch.randn(w.shape, generator=draw, dtype=torch.float64) for w in start]
    before, after = gradients(net, start, x), gradients(net, moved, x)
    norms = torch.tensor([[float(g.norm()) for g in row] for row in before], dtype=torch.float64).T
    changes = torch.tensor(
        [
            [float((b - a).norm()) for a, b in zip(one, other, strict=True)]
            for one, other in zip(before, after, strict=True)
        ],
        dtype=torch.float64,
    ).T
    here, there = sweep(net, start, x), sweep(net, moved, x)
    torch.testing.assert_close(gradient_norms(here), norms, rtol=1e-12, atol=0)
    torch.testing.assert_close(gradient_changes(here, there), changes, rtol=1e-11, atol=1e-14)
    products = (here.hidden[-1] * here.into[-1]).sum(1)
    torch.testing.assert_close(products, net(x), rtol=1e-12, atol=1e-14)


def test_the_adversaries_stay_in_the_ball_and_cross() -> None:
    net, x = deep_net(128, 3, 0), circle(1)
    start = sweep(net, net.start(), x)
    weights = switched(net, x, 1.0, [0, 1, 2])
    there = sweep(net, weights, x)
    for w, w0, z, z0 in zip(weights, net.start(), there.before, start.before, strict=True):
        assert 0.8 < float((w - w0).norm()) <= 1 + 1e-9  # full, but for the next unit in order
        assert int((z * z0 < 0).sum()) >= 15
    weights = aligned(net, x, 1.0)
    assert all(torch.equal(w, w0) for w, w0 in zip(weights[:2], net.start()[:2], strict=True))
    assert math.isclose(float((weights[2] - net.start()[2]).norm()), 1.0, abs_tol=1e-12)
    assert float(deep_error(net, weights, x)) > 0.1


def test_the_bound_of_one_smooth_layer_by_hand() -> None:
    net, x = deep_net(64, 1, 0, "softplus"), circle(1)
    start = sweep(net, net.start(), x)
    size = max(float(h.norm()) for h in start.hidden) / 8
    spread, radius = float(net.readout.abs().max()), 0.5
    shift = radius * size
    slopes = 0.25 * shift + radius  # C_1 s + C_0^2 R
    bound = spread / 8 * (slopes * (size + shift / 8) + shift)
    assert math.isclose(stability_bound(net, x, radius), bound, rel_tol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_the_best_of_all_subsets_lies_between_what_is_found_and_the_bound(seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    y, a = torch.randn(2, 10, dtype=torch.float64, generator=draw)
    subsets = (torch.arange(1024)[:, None] >> torch.arange(10) & 1).double()
    for radius in (0.3, 1.0, 2.0):
        held = subsets @ y.square() <= radius**2
        best = float((subsets[held] @ a.square()).max())
        found, bound = knapsack(y, a, radius)
        assert found <= best + 1e-12
        assert best <= bound + 1e-12
        positive = subsets * (a > 0)
        shifts = radius * (positive @ a.square()).sqrt() - positive @ (a * y.abs())
        found, bound = multiplier(y, a, radius)
        assert found <= float(shifts.max()) + 1e-12
        assert float(shifts.max()) <= bound + 1e-12
