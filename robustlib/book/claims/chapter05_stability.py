"""The statement of chapter 05 on gradient stability."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...networks import DeepNet
from ...numerics import generator
from .chapter05_ball import DEPTH, ran
from .depths import (
    at_kinks,
    deep_net,
    deep_run,
    distances,
    gradient_changes,
    relu_and_gelu,
    stability_bound,
    sweep,
    switched,
)
from .registry import Control, Evidence, claim
from .sharp import divided
from .tools import F64
from .widths import SEEDS, circle, rms


@claim(
    "deep-stability",
    statement="thm-deep-stability",
    title="Gradients of deep nets hardly change",
    chapter="05-depth",
)
def deep_stability(size: str) -> Evidence:
    """Trained, random and worst weights against the bound, and one-sided slopes of training."""
    x, share = circle(24), 0.0
    bounded = 256  # where the bound is compared: its operator norms are the costly part

    def changed(width: int, seed: int, activation: str) -> list[float]:
        nonlocal share
        net = deep_net(width, DEPTH, seed, activation)
        start, weights = sweep(net, net.start(), x), deep_run(net)
        pairs = zip(weights, net.start(), strict=True)
        far = math.sqrt(sum(float((w - w0).square().sum()) for w, w0 in pairs))
        change = gradient_changes(start, sweep(net, weights, x))
        if width <= bounded:
            largest = max(distances(net, weights))
            share = max(share, float(change.max()) / stability_bound(net, x, largest))
            share = max(share, *_in_the_ball(net, x[:1], seed))
        # the bound grows like R (GELU) and R^(1/3) (ReLU): the distance is divided out
        power = 1 / 3 if activation == "relu" else 1.0
        return [rms(change.square().sum(0).sqrt()) / far**power]

    kink, smooth = relu_and_gelu(size, changed)
    net, step = at_kinks(256, radius=0.1)
    start, there = (sweep(net, w, x[:1]) for w in (net.start(), step))
    near = float(gradient_changes(start, there)) / stability_bound(net, x[:1], 0.1)
    return Evidence(
        predicted="below the bound; trained: slope at most -1/6 (ReLU), at most -1/2 (GELU)",
        measured=f"at most {share:.1e} of the bound, {near:.2f} where one layer starts at its "
        f"kinks; slopes {kink} and {smooth}",
        value=smooth.mean,
        holds=max(share, near) <= 1 and kink.at_most(-1 / 6) and smooth.at_most(-0.5),
        ratio=near,
        control=divided(
            Control(
                broken="the ReLU's slope held against the smooth bound",
                measured=f"slope {kink}",
                holds=kink.at_most(-0.5),
                short="smooth exponent",
            ),
            near,
        ),
        ran=f"{ran(size, 'ReLU and GELU')}, {SEEDS[size]} seeds",
        interval=smooth.interval,
    )


def _in_the_ball(net: DeepNet, x: Tensor, seed: int) -> list[float]:
    """Change over bound at random weights and at the adversary's, R = 1, at the point x (1, d)."""
    draw, steps = generator(seed, 5), []
    for w in net.start():
        noise = torch.randn(w.shape, dtype=F64, generator=draw)
        steps.append(w + noise / noise.norm())
    start, bound = sweep(net, net.start(), x), stability_bound(net, x, 1.0)
    tried = [steps, switched(net, x, 1.0, range(net.depth))]
    return [float(gradient_changes(start, sweep(net, w, x)).max()) / bound for w in tried]
