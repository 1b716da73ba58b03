"""The statements of chapter 12 on the start: what a random function leaves for an attack."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ...networks import TwoLayerNet
from ...samples import Sample, sphere
from .registry import Control, Evidence, claim, interval_over_seeds
from .sharp import BENT, divided
from .tools import F64
from .widths import Slope

DIMENSIONS = {"smoke": (25, 100, 400), "laptop": (25, 100, 400, 1600), "gpu": (25, 100, 400, 1600)}
WIDTH = {"smoke": 1024, "laptop": 2048, "gpu": 16_384}
SEEDS = {"smoke": 3, "laptop": 5, "gpu": 20}
POINTS = 16
RADII = np.geomspace(1e-3, 2, 240)


def plain_net(d: int, width: int, symmetric: bool, seed: int, name: str = "relu") -> TwoLayerNet:
    """A two-layer net without the bias lift, in float64."""
    net = TwoLayerNet(d, width, activation=name, bias=False, symmetric=symmetric, seed=seed)
    return net.to(F64)


def fitted(net: TwoLayerNet, sample: Sample, steps: int = 600) -> Tensor:
    """Weights after gradient descent on half the sum of squares, step 0.5, until all are in 0.05.

    Steps never leave the span of the inputs, so that they are taken in its coordinates.
    """
    x, y, start = sample.x, sample.y, net.initial
    at, gram, a = x @ start.T, x @ x.T, net.readout / math.sqrt(net.width)
    moved = torch.zeros_like(at)  # coordinates (n, m) of W - W_0
    for _ in range(steps):
        z = at + gram @ moved
        off = net.activation.function(z) @ a - y
        if float(off.abs().max()) < 0.05:
            break
        moved -= 0.5 * off[:, None] * net.activation.derivative(z) * a
    return start + moved.T @ x


def input_gradients(net: TwoLayerNet, weights: Tensor, x: Tensor) -> Tensor:
    """The gradient (n, d) of f(W, .) at the points x."""
    leaf = x.clone().requires_grad_()
    (found,) = torch.autograd.grad(net.evaluate((weights,), leaf).sum(), leaf)
    return found


def flip_radius(net: TwoLayerNet, weights: Tensor, sample: Sample) -> float:
    """The median over the sample of the least step along the gradient that changes the sign."""
    x, y = sample.x, sample.y
    gradient = input_gradients(net, weights, x)
    ahead = -y[:, None] * gradient / gradient.norm(dim=1, keepdim=True)
    z, slope = x @ weights.T, ahead @ weights.T  # the units' inputs are affine along a step
    found = torch.full_like(y, math.inf)
    for radius in RADII[::-1]:
        f = net.activation.function(z + float(radius) * slope) @ net.readout
        found[y * f <= 0] = float(radius)
    return float(found.median())


def flip_slope(size: str, symmetric: bool) -> Slope:
    """The exponents of the flip radius in the dimension, one a seed."""
    fits = []
    for seed in range(SEEDS[size]):
        radii = []
        for d in DIMENSIONS[size]:
            sample = sphere(POINTS, d, seed)
            net = plain_net(d, WIDTH[size], symmetric, seed)
            radii.append(flip_radius(net, fitted(net, sample), sample))
        fits.append(float(np.polyfit(np.log(DIMENSIONS[size]), np.log(radii), 1)[0]))
    return Slope(fits)


@claim(
    "plain-start",
    statement="prop-plain-start",
    title="A random start hands the attack a gradient of length sqrt(d/2)",
    chapter="12-left-out",
)
def plain_start(size: str) -> Evidence:
    """Squares of outputs and gradients at the start, and the flip radius of fitted nets."""
    outputs, gradients = [], []
    for seed in range(20 * SEEDS[size]):
        d = (5, 20, 80)[seed % 3]
        net, sample = plain_net(d, 256, False, seed), sphere(POINTS, d, seed)
        with torch.no_grad():
            outputs.append(2 * float(net(sample.x).square().mean()))
        length = input_gradients(net, net.initial, sample.x).norm(dim=1)
        gradients.append(float(length.square().mean()) / (d / 2))
    low, high = interval_over_seeds(outputs)
    under, over = interval_over_seeds(gradients)
    plain, twins = flip_slope(size, False), flip_slope(size, True)

    def as_predicted(slope: Slope) -> bool:
        return abs(slope.mean + 0.5) <= 0.1 and slope.interval[1] < -0.3

    return Evidence(
        predicted="mean squares 1/2 of the output, d/2 of the gradient; after fitting, the sign "
        "flips at a radius with slope near -1/2 in d",
        measured="intervals of 2 f^2 and 2 |grad f|^2/d "
        f"{'hold' if low < 1 < high else 'MISS'} and "
        f"{'hold' if under < 1 < over else 'MISS'} 1; slope {plain}",
        value=plain.mean,
        interval=plain.interval,
        holds=low < 1 < high and under < 1 < over and as_predicted(plain),
        control=Control(
            broken="twins at the start",
            measured=f"slope {twins}",
            holds=as_predicted(twins),
            short="twins",
        ),
        ran=f"{20 * SEEDS[size]} random nets of width 256; {POINTS} random labels fitted at width "
        f"{WIDTH[size]} for d = {', '.join(map(str, DIMENSIONS[size]))}, {SEEDS[size]} seeds",
    )


def smoothness_share(net: TwoLayerNet, weights: Tensor, x: Tensor, *, whole: bool = False) -> float:
    """How much of the bound of prop-doubled-start is used at most, by what training added.

    With ``whole`` by all of the gradient.
    """
    c0, c1 = net.activation.slope, net.activation.curvature
    if c1 is None:
        raise ValueError(f"the activation {net.activation.name!r} has no curvature")
    radius = float((weights - net.initial).norm())
    stretch = float(torch.linalg.matrix_norm(net.initial, 2)) / math.sqrt(net.width)
    change = input_gradients(net, weights, x)
    if not whole:
        change = change - input_gradients(net, net.initial, x)
    return float(change.norm(dim=1).max()) / (radius * (c0 + c1 * stretch))


def tight_share() -> float:
    """The share of the bound in a net all of whose units are where they bend most."""
    net = plain_net(3, 64, True, 0)
    x = torch.tensor([[0.6, 0.0, 0.8]], dtype=F64)
    with torch.no_grad():
        net.initial.copy_((0.999 * x).expand_as(net.initial))
        net.weight.copy_(net.initial)
    net.activation = BENT
    return smoothness_share(net, net.initial + 1e-6 * net.readout[:, None] * x, x)


@claim(
    "doubled-start",
    statement="prop-doubled-start",
    title="What training adds is smooth in the input, in every dimension",
    chapter="12-left-out",
)
def doubled_start(size: str) -> Evidence:
    """The bound on fitted and random weights, near equality, and the slope with twins."""
    shares, bare = [], []
    for seed in range(SEEDS[size]):
        for d in (10, 100):
            sample = sphere(POINTS, d, seed)
            net, other = (plain_net(d, 512, twins, seed, "gelu") for twins in (True, False))
            shares.append(smoothness_share(net, fitted(net, sample), sample.x))
            near = torch.lerp(other.initial, fitted(other, sample), 0.01)
            bare.append(smoothness_share(other, near, sample.x, whole=True))
    tight = tight_share()
    twins = flip_slope(size, True)
    return Evidence(
        predicted="|grad_x f(W, x) - grad_x f(W_0, x)| <= R (C_0 + C_1 |W_0|/sqrt(m)); with twins "
        "the flip radius does not fall with d",
        measured=f"at most {max(shares):.2f} of the bound in fitted nets, {tight:.3f} where all "
        f"units bend; slope {twins}",
        value=twins.mean,
        interval=twins.interval,
        holds=max(*shares, tight) <= 1 + 1e-9 and twins.interval[0] > 0,
        ratio=tight,
        control=divided(
            Control(
                broken="the whole gradient of nets without twins, at a hundredth of the way",
                measured=f"{'above' if min(bare) > 1 else 'NOT above'} the bound in all",
                holds=min(bare) <= 1,
                short="no twins",
            ),
            tight,
        ),
        ran=f"GELU nets of width 512, d = 10 and 100, {SEEDS[size]} seeds; the slope as in the "
        "claim before",
    )
