"""The statements of chapter 03 on the net itself: parametrisation, start, curvature."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ...activations import ACTIVATIONS
from ...networks import DeepNet, Network, TwoLayerNet
from ...numerics import generator
from ...samples import sphere
from .registry import Control, Evidence, claim, interval_over_seeds
from .sharp import divided
from .tools import F64
from .widths import (
    SEEDS,
    agrees,
    circle,
    gradient_change,
    lift,
    linearisation_error,
    standard_run,
)

# Where |s''| is largest.
SHARPEST = {
    name: s.sharpest
    for name, s in ACTIVATIONS.items()
    if s.sharpest is not None and math.isfinite(s.slope)
}


class NoFactors(Network):
    """The weights of ``net`` divided by sqrt(m), and no factor 1/sqrt(m) in the formula."""

    def __init__(self, net: DeepNet) -> None:
        super().__init__()
        root = math.sqrt(net.width)
        self.first, self.readout, self.function = net.first / root, net.readout, net.activation
        self.begun = tuple(w / root for w in net.start())
        self.layers = nn.ParameterList(nn.Parameter(v.clone()) for v in self.begun)

    def start(self) -> tuple[Tensor, ...]:
        """The divided weights at the start."""
        return self.begun

    def evaluate(self, weights: Sequence[Tensor], x: Tensor) -> Tensor:
        """Outputs (n,) at points x (n, d)."""
        hidden = lift(x) @ self.first.T
        for v in weights:
            hidden = self.function.function(hidden @ v.T)
        return hidden @ self.readout

    def project(self, radius: float) -> None:
        """Bring every layer back into its ball: not by the library's own projection."""
        with torch.no_grad():
            for v, v0 in zip(self.layers, self.begun, strict=True):
                v.copy_(v0 + (v - v0) * min(1.0, radius / float((v - v0).norm())))


@claim(
    "parametrisations",
    statement="prop-parametrisations",
    title="Two parametrisations of one training run",
    chapter="03-lazy",
)
def parametrisations(size: str) -> Evidence:
    """Projected training in both conventions ends with the same function."""
    worst = max(_gap("relu", seed) for seed in range(SEEDS[size]))
    smooth = min(_gap("gelu", seed) for seed in range(SEEDS[size]))
    return Evidence(
        predicted="equal outputs after training, step alpha/m, radius R/sqrt(m)",
        measured="equal to 1e-9" if worst <= 1e-9 else f"differ by {worst:.1e}",
        value=worst,
        holds=worst <= 1e-9,
        control=Control(
            broken="the smooth GELU instead of the ReLU",
            measured=f"outputs differ by at least {smooth:.2f}",
            holds=smooth <= 1e-9,
            short="GELU for ReLU",
        ),
        ran=f"{SEEDS[size]} nets of width 64 with 2 trained layers, 10 steps, R = 0.4",
    )


def _gap(activation: str, seed: int) -> float:
    """Largest difference of outputs between the two conventions after the same training."""
    net = DeepNet(2, 64, 2, activation=activation, seed=seed).to(F64)
    mine = standard_run(net, steps=10, step_size=0.5, radius=0.4).final
    other = standard_run(NoFactors(net), steps=10, step_size=0.5 / 64, radius=0.4 / 8).final
    with torch.no_grad():
        return float((mine(circle()) - other(circle())).abs().max())


@claim(
    "symmetric-start",
    statement="prop-symmetric",
    title="Symmetric initialisation starts at zero",
    chapter="03-lazy",
)
def symmetric_start(size: str) -> Evidence:
    """f(W_0, x) is 0 bit by bit; without the twins it has the variance E s(Z)^2."""
    x, nets = sphere(50, 3, seed=1).x, 100 * SEEDS[size]
    zero = 0.0
    for dtype in (torch.float32, torch.float64):
        for name in ACTIVATIONS:
            net = TwoLayerNet(3, 256, activation=name, seed=2).to(dtype)
            zero = max(zero, float(net(x.to(dtype)).detach().abs().max()))
    z, weight = np.polynomial.hermite_e.hermegauss(200)
    expected = float(weight @ ACTIVATIONS["gelu"].function(torch.from_numpy(z)).numpy() ** 2)
    expected /= math.sqrt(2 * math.pi)
    plain = [_start(m, seed, x[:1]) for m in (16, 256) for seed in range(nets)]
    squares = [f**2 for f in plain]
    inside = all(agrees(part, expected, among=2) for part in (squares[:nets], squares[nets:]))
    return Evidence(
        predicted=f"f(W_0, x) = 0; without twins E f^2 = {expected:.3f}, whatever the width",
        measured=f"largest output {zero:g}; E f^2 = {np.mean(squares):.3f}",
        value=zero,
        holds=zero == 0.0 and inside,
        control=Control(
            broken="no twins",
            measured=f"outputs up to {max(map(abs, plain)):.1f}",
            holds=max(map(abs, plain)) == 0.0,
            short="no twins",
        ),
        ran=f"{len(ACTIVATIONS)} activations, float32 and float64; "
        f"{2 * nets} plain nets of width 16 and 256",
        interval=interval_over_seeds(squares),
    )


def _start(width: int, seed: int, x: Tensor) -> float:
    net = TwoLayerNet(3, width, activation="gelu", symmetric=False, seed=seed).to(F64)
    return float(net(x).detach())


@claim(
    "curvature",
    statement="lem-curvature",
    title="Gradient and curvature of a two-layer net",
    chapter="03-lazy",
)
def curvature(size: str) -> Evidence:
    """Three bounds at random weights, near and far, and the weights where two are attained."""
    units = [share for name in SHARPEST for share in _one_unit(name, 0.001)]
    worst = max(_shares(name, seed) for name in SHARPEST for seed in range(SEEDS[size]))
    kink = max(_shares("relu", seed, second=1.0) for seed in range(SEEDS[size]))
    return Evidence(
        predicted="measured/bound at most 1, and near 1 for one unit at the sharpest bend",
        measured=f"at most {max(worst, *units):.4f}; one unit {min(units):.4f}",
        value=max(worst, *units),
        holds=max(worst, *units) <= 1 + 1e-6 and min(units) >= 0.99,
        ratio=min(units),
        control=divided(
            Control(
                broken="the ReLU, with 1 for the missing constant",
                measured=f"measured/bound up to {kink:.0f}",
                holds=kink <= 1 + 1e-6,
                short="ReLU for smooth",
            ),
            min(units),
        ),
        ran=f"{len(SHARPEST)} activations, {SEEDS[size]} seeds, width 64, steps of 0.06 to 200",
    )


def _shares(name: str, seed: int, second: float | None = None) -> float:
    """The largest measured/bound over random pairs of weights and points."""
    net, draw = TwoLayerNet(5, 64, activation=name, seed=seed).to(F64), generator(seed, 3)
    first = net.activation.slope
    second = net.activation.curvature if second is None else second
    x, largest, root = sphere(8, 5, seed=seed).x, 0.0, math.sqrt(net.width)

    def output(weights: Tensor) -> Tensor:
        return net.evaluate((weights,), x)

    jacobian = torch.func.jacrev(output)
    for scale in (0.003, 0.03, 0.3, 3.0, 10.0):
        w = net.initial + torch.randn(net.initial.shape, dtype=F64, generator=draw)
        step = scale * torch.randn(w.shape, dtype=F64, generator=draw)
        there, here, length = jacobian(w + step), jacobian(w), float(step.norm())
        error = output(w + step) - output(w) - (here * step).sum((1, 2))
        change = torch.linalg.vector_norm(there - here, dim=(1, 2))
        shares = (
            torch.linalg.vector_norm(there, dim=(1, 2)) / first,
            change * root / (second * length),
            error.abs() * 2 * root / (second * length**2),
        )
        largest = max(largest, *(float(share.max()) for share in shares))
    return largest


def _one_unit(name: str, step: float) -> tuple[float, float]:
    """Error and change of the gradient over their bounds: one unit moves from its sharpest z."""
    net = TwoLayerNet(2, 64, activation=name, seed=0).to(F64)
    x = circle(1)
    with torch.no_grad():
        net.initial[0] += (SHARPEST[name] - lift(x) @ net.initial[0]) * lift(x)[0]
        net.initial[32] = net.initial[0]  # its twin
    weights = net.initial.clone()
    weights[0] += step * lift(x)[0]
    bound = net.activation.curvature * step / math.sqrt(net.width)
    error = float(linearisation_error(net, weights, x)) / (bound * step / 2)
    return error, float(gradient_change(net, weights, x)) / bound
