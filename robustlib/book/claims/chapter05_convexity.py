"""The statements of chapter 05 on the linearisation of deep nets, and near-convexity."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from ...activations import Activation
from ...attacks import FGSM
from ...losses import PseudoHuber
from ...networks import DeepNet
from ...numerics import generator
from ...samples import hexagon
from ...sets import SphereCap
from .chapter05_ball import DEPTH, ran
from .depths import (
    DEEP_WIDTHS,
    aligned,
    at_kinks,
    deep_error,
    deep_net,
    deep_run,
    distances,
    place_units,
    relu_and_gelu,
    stability_bound,
)
from .registry import Control, Evidence, claim
from .sharp import divided
from .tools import F64
from .widths import RADIUS, SEEDS, circle, lift, rms, slopes_of


@claim(
    "deep-linearisation",
    statement="cor-deep-linearisation",
    title="The linearisation error of deep nets",
    chapter="05-depth",
)
def deep_linearisation(size: str) -> Evidence:
    """Trained and worst weights below the bound; one-sided slopes of training."""
    x, point, share = circle(24), circle(1), 0.0

    def trained(width: int, seed: int, activation: str) -> list[float]:
        nonlocal share
        net = deep_net(width, DEPTH, seed, activation)
        weights = deep_run(net)
        far = distances(net, weights)
        error = deep_error(net, weights, x)
        if width <= 256:
            bound = DEPTH * max(far) * stability_bound(net, x, max(far))
            share = max(share, float(error.max()) / bound)
        # one-sided: the bound grows like R^(4/3) (ReLU) and R^2 (GELU)
        return [rms(error) / max(far) ** (4 / 3 if activation == "relu" else 2)]

    def worst(width: int, seed: int) -> list[float]:
        nonlocal share
        net = deep_net(width, 2, seed)
        weights, other = (aligned(net, point, 1.0, sign) for sign in (1.0, -1.0))
        error = float(deep_error(net, weights, point))
        if width <= 256:
            bound = 2 * stability_bound(net, point, 1.0)
            share = max(share, error / bound)
            share = max(share, pair_error(net, weights, other, point) / (4 * bound))
        return [error]

    (adversary,) = slopes_of(DEEP_WIDTHS[size], 4 * SEEDS[size], worst)
    kink, smooth = relu_and_gelu(size, trained)
    net, step = at_kinks(256, radius=0.1)
    near = float(deep_error(net, step, point)) / (0.1 * stability_bound(net, point, 0.1))
    pairs = _steep_pair()
    return Evidence(
        predicted="below H R E from W_0, below 4 H R E for pairs; trained: slope at most -1/6 "
        "(ReLU), at most -1/2 (GELU)",
        measured=f"at most {share:.1e} of the bounds, {near:.2f} where one layer starts at its "
        f"kinks, {pairs:.2f} for a pair in one steep unit; slopes {kink} and {smooth}",
        value=smooth.mean,
        holds=max(share, near, pairs) <= 1 and kink.at_most(-1 / 6) and smooth.at_most(-0.5),
        ratio=min(near, pairs),
        control=divided(
            divided(
                Control(
                    broken="the adversary held against the smooth bound, -1/2",
                    measured=f"slope {adversary.mean:.2f}",
                    holds=adversary.at_most(-0.5),
                    short="smooth exponent",
                ),
                near,
            ),
            pairs,
            3,
        ),
        ran=f"{ran(size, 'ReLU and GELU')}, {SEEDS[size]} seeds; adversary R = 1; for smooth pairs "
        "gradients change in step with the way, which leaves a half",
        interval=smooth.interval,
    )


def pair_error(net: DeepNet, here: Sequence[Tensor], there: Sequence[Tensor], x: Tensor) -> float:
    """The linearisation error around ``here`` of the output at ``there``, at x (1, d)."""
    return shortfall(net, here, there, x, torch.zeros(1, dtype=F64))[1]


def _steep_pair() -> float:
    """Share of 4 H R E for two steps of one unit from the steepest place of a fast wave."""
    net, x, radius = deep_net(64, 1, 0), circle(1), 1e-5
    net.activation = Activation(
        "fast wave",
        lambda z: torch.sin(100 * z) / 100,
        lambda z: torch.cos(100 * z),
        slope=1.0,
        curvature=100.0,
    )
    place_units(net, math.pi / 200)
    hidden = (lift(x) @ net.first.T)[0]
    step = torch.zeros_like(net.start()[0])
    step[net.readout.abs().argmax()] = radius * hidden / hidden.norm()
    (start,) = net.start()
    error = pair_error(net, [start + step], [start - step], x)
    return error / (4 * radius * stability_bound(net, x, radius))


@claim(
    "near-convexity",
    statement="prop-near-convexity",
    title="Near-convexity of the loss in the ball",
    chapter="05-depth",
)
def near_convexity(size: str) -> Evidence:
    """Random, trained and adversarial pairs of weights; a narrow net against a wide net's error."""
    width = DEEP_WIDTHS[size][-1]
    worst, error, used = -math.inf, 0.0, 0.0
    for seed in range(SEEDS[size]):
        for activation in ("relu", "gelu"):
            for here, there, net, x, y in _pairs(width, activation, seed):
                gap, off = shortfall(net, here, there, x, y)
                worst, error = max(worst, gap - off), max(error, off)
                used = max(used, gap / off)
    narrow = max(
        shortfall(net, here, there, x, y)[0]
        for seed in range(SEEDS[size])
        for here, there, net, x, y in _pairs(16, "relu", seed)
    )
    return Evidence(
        predicted="loss at W' at least the tangent at W minus L eps_lin, for every pair",
        measured=f"{'always' if worst <= 1e-12 else 'not always'}; {used:.0%} of L eps_lin used",
        value=worst,
        holds=worst <= 1e-12 and used >= 0.5,
        ratio=used,
        control=divided(
            Control(
                broken=f"m = 16 with the largest error of m = {width}",
                measured=f"{narrow / error:.1f} times L eps_lin used",
                holds=narrow <= error,
                short="too narrow",
            ),
            used,
        ),
        ran=f"hexagon under FGSM, R = 1, 2 trained layers, ReLU and GELU, {SEEDS[size]} seeds",
    )


Pair = tuple[Sequence[Tensor], Sequence[Tensor], DeepNet, Tensor, Tensor]


def _pairs(width: int, activation: str, seed: int) -> list[Pair]:
    """Pairs of weights in the ball of radius 1, with the net and the points they are tried at."""
    net, sample = deep_net(width, 2, seed, activation), hexagon()
    attacked = FGSM()(net, sample.x, sample.y, perturbation=SphereCap(RADIUS), loss=PseudoHuber())
    start, draw, found = net.start(), generator(seed, 6), []
    for _ in range(4):
        found.append([_inside(w, torch.randn(w.shape, dtype=F64, generator=draw)) for w in start])
    moved = deep_run(net, steps=5)
    net.requires_grad_(False)
    found.append([_inside(w, v - w) for w, v in zip(start, moved, strict=True)])
    pairs: list[Pair] = [
        (here, there, net, attacked, sample.y)
        for here, there in zip([start, *found], [*found, start], strict=True)
    ]
    one = sample.x[:1]
    for sign in (1.0, -1.0):  # labels that pull the way in which the error points
        label = torch.full((1,), 20.0 * sign, dtype=F64)
        pushed = aligned(net, one, 1.0, sign)
        pairs += [(start, pushed, net, one, label), (pushed, start, net, one, label)]
    return pairs


def _inside(w: Tensor, step: Tensor) -> Tensor:
    """``w`` moved along ``step``, by at most 1."""
    return w + step / max(1.0, float(step.norm()))


def shortfall(
    net: DeepNet, here: Sequence[Tensor], there: Sequence[Tensor], x: Tensor, y: Tensor
) -> tuple[float, float]:
    """How far the loss at ``there`` lies below the tangent at ``here``; L times the largest error.

    The tangent comes from automatic differentiation of the mean loss, the error from that of f.
    """
    loss = PseudoHuber()
    weights = [w.detach().requires_grad_(True) for w in here]
    outputs = net.evaluate(weights, x)
    mean = loss(outputs, y).mean()
    step = [v - w.detach() for v, w in zip(there, weights, strict=True)]

    def tangent(value: Tensor) -> float:
        slopes = torch.autograd.grad(value, weights, retain_graph=True)
        along = sum(float((g * s).sum()) for g, s in zip(slopes, step, strict=True))
        return value.item() + along

    after = net.evaluate(there, x).detach()
    off = max(abs(float(v) - tangent(f)) for v, f in zip(after, outputs, strict=True))
    return tangent(mean) - float(loss(after, y).mean()), loss.lipschitz * off
