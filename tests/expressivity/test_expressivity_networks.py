"""The explicit net of Theorem C: by its formula, by the rates of its errors, by an exact judge."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from robustlib.attacks import GridMax
from robustlib.expressivity import RKHSFunction, min_norm_interpolant
from robustlib.losses import PseudoHuber
from robustlib.samples import hexagon, sphere
from robustlib.sets import Finite, SphereCap
from robustlib.verification.robust_loss import robust_loss

CAP = SphereCap(2 * math.sin(0.1))  # 0.2 rad


@pytest.fixture(scope="module")
def g() -> RKHSFunction:
    return min_norm_interpolant(hexagon(), CAP, tolerance=0.1)


@pytest.mark.parametrize("activation", ["relu", "gelu", "quadratic_relu"])
@pytest.mark.parametrize("bias", [True, False])
def test_weights_follow_the_formula(activation: str, bias: bool) -> None:
    """w_r* = w_r + a_r c(w_r)/sqrt m with c(w) = sum_j beta_j x_j s'(<w, x_j>), unit by unit."""
    sample = hexagon().split(2)[0]
    f = min_norm_interpolant(sample, CAP, margin=1.0, activation=activation, bias=bias)
    found = f.to_network(8, seed=5)
    net = found.net
    for w0, w, a in zip(net.initial, net.weight.detach(), net.readout, strict=True):
        c = torch.zeros_like(w0)
        for beta, x in zip(f.coefficients, f.points, strict=True):
            x = functional.pad(x, (0, 1), value=1.0) / math.sqrt(2) if bias else x
            c += beta * x * net.activation.derivative(w0 @ x)
        torch.testing.assert_close(w, w0 + a * c / math.sqrt(8), rtol=1e-12, atol=1e-12)
    assert found.distance == pytest.approx(
        float((net.weight - net.initial).detach().norm()), rel=1e-12
    )
    assert found.distance <= found.bound
    # all points, lifted or not, have norm 1
    size = net.activation.slope * float(f.coefficients.abs().sum())
    assert found.bound == pytest.approx(size, rel=1e-12)


def test_distance_near_the_norm_and_robust_loss_falling(g: RKHSFunction) -> None:
    """The hexagon at 0.2 rad, tolerance 0.1: least norm 10.7198."""
    losses = []
    for width in (2**8, 2**10, 2**12, 2**14, 2**16):
        found = g.to_network(width)
        assert abs(found.distance / g.norm - 1) < 0.03
        assert found.sampling + found.curvature + g.error >= float(
            (found.outputs - hexagon().y[:, None]).abs().max()
        )
        losses.append(found.robust_loss(PseudoHuber()))
    assert losses == sorted(losses, reverse=True)
    # the known run of other weights had 0.299, 0.116, 0.0570, 0.0224, 0.0129
    np.testing.assert_allclose(losses, [0.299, 0.116, 0.0570, 0.0224, 0.0129], rtol=0.25)


def test_the_distance_tends_to_the_norm(g: RKHSFunction) -> None:
    errors = [
        np.mean([(g.to_network(m, seed=s).distance ** 2 - g.norm**2) ** 2 for s in range(20)])
        for m in (64, 1024)
    ]
    assert math.log(errors[1] / errors[0]) / math.log(16) == pytest.approx(-1, abs=0.4)


def test_the_judge_is_exact(g: RKHSFunction) -> None:
    loss, found = PseudoHuber(), g.to_network(64, seed=1)
    sample = hexagon()
    points = GridMax(size=401)(found.net, sample.x, sample.y, perturbation=CAP, loss=loss)
    with torch.no_grad():
        expected = float(loss(found.net(points), sample.y).mean())
    assert found.robust_loss(loss) == pytest.approx(expected, rel=1e-12)
    proved = robust_loss(found.net, sample, perturbation=CAP, loss=loss, effort="high")
    assert proved.exact
    assert proved.lower - 1e-3 <= found.robust_loss(loss) <= proved.upper + 1e-9


def test_errors_are_those_of_their_names(g: RKHSFunction) -> None:
    found = g.to_network(128, seed=2)
    net, flat = found.net, found.points.flatten(0, 1)
    linear = net.expand((net.weight - net.initial,), flat)
    with torch.no_grad():
        assert found.curvature == pytest.approx(float((net(flat) - linear).abs().max()), rel=1e-12)
        assert found.sampling == pytest.approx(float((linear - g(flat)).abs().max()), rel=1e-12)
    # in the mean over seeds nothing but sampling is left, and that is unbiased
    mean = torch.zeros(len(flat)).double()
    for seed in range(200):
        other = g.to_network(128, seed=seed).net
        with torch.no_grad():
            mean += other.expand((other.weight - other.initial,), flat) / 200
    assert float((mean - g(flat)).abs().max()) < 4 * found.sampling / math.sqrt(200)


def test_a_smooth_net_has_curvature_of_order_one_over_the_width() -> None:
    arcs = Finite(CAP.grid(hexagon().x, 21))
    f = min_norm_interpolant(hexagon(), arcs, tolerance=0.5, activation="gelu")
    bent = [np.mean([f.to_network(m, seed=s).curvature for s in range(4)]) for m in (2048, 8192)]
    slope = math.log(bent[1] / bent[0]) / math.log(4)
    assert slope < -0.5  # the bound; the typical rate is -1
    assert slope == pytest.approx(-1, abs=0.35)


def test_finite_sets_and_higher_dimensions() -> None:
    sample = sphere(2, 5, seed=0)
    found = min_norm_interpolant(sample, SphereCap(0.1), margin=1.0).to_network(512)
    assert found.points.shape == (2, 1, 5)
    with pytest.raises(ValueError, match=r"no exact judge for SphereCap\(0.1\) in 5 dimensions"):
        found.robust_loss(PseudoHuber())
    sets = Finite(torch.stack([sample.x, -sample.x], 1))
    listed = min_norm_interpolant(sample, sets, margin=1.0).to_network(64)
    with torch.no_grad():
        each = [PseudoHuber()(listed.net(z), sample.y) for z in sets.candidates.unbind(1)]
    expected = float(torch.maximum(*each).mean())
    assert listed.robust_loss(PseudoHuber()) == pytest.approx(expected, rel=1e-12)


def test_it_reads_as_a_sentence(g: RKHSFunction) -> None:
    text = repr(g.to_network(64))
    assert text.startswith("A two-layer net of width 64 at distance 1")
    assert "for a function of norm 10.7198" in text
