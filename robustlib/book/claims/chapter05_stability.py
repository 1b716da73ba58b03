"""The statements of chapter 05 on the ball: movement, gradient stability, the worst weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...networks import DeepNet
from ...numerics import generator
from .depths import (
    DEEP_STEP,
    DEEP_STEPS,
    DEEP_WIDTHS,
    WORST_WIDTHS,
    aligned,
    deep_error,
    deep_net,
    deep_run,
    distances,
    gradient_changes,
    gradient_norms,
    relu_and_gelu,
    stability_bound,
    sweep,
    switched,
)
from .registry import Control, Evidence, claim
from .tools import F64
from .widths import SEEDS, MeanField, agrees, circle, rms, slopes_of, standard_run

DEPTH = 3
# Limit of m^(1/6) times the largest change of the last layer's gradient in the ball of radius 1.
LAST = (24 / math.pi) ** (1 / 6)
# The same for the linearisation error of units whose readout has one sign.
ERROR = 1.5 / math.sqrt(math.pi) * (16 * math.pi) ** (-1 / 6)


def ran(size: str, activation: str = "ReLU") -> str:
    """What most of these claims ran."""
    widths = DEEP_WIDTHS[size]
    return (
        f"{activation}, {DEPTH} trained layers, hexagon, FGSM, {DEEP_STEPS} steps of size "
        f"{DEEP_STEP}, m = {widths[0]} to {widths[-1]}"
    )


@claim(
    "deep-movement",
    statement="prop-deep-movement",
    title="How far the layers of a deep net move",
    chapter="05-depth",
)
def deep_movement(size: str) -> Evidence:
    """Every layer's distance from its start: slope 0, and below the length of the path."""
    share = 0.0

    def moved(width: int, seed: int) -> list[float]:
        nonlocal share
        net = deep_net(width, DEPTH, seed)
        weights = deep_run(net)
        norms = gradient_norms(sweep(net, weights, circle()))
        far = distances(net, weights)
        most = torch.maximum(norms, gradient_norms(sweep(net, net.start(), circle()))).amax(1)
        share = max(
            share,
            *(d / (DEEP_STEP * DEEP_STEPS * float(g)) for d, g in zip(far, most, strict=True)),
        )
        return far

    def free(width: int, seed: int) -> list[float]:
        net = MeanField(deep_net(width, DEPTH, seed).requires_grad_(True))
        final = standard_run(net, step_size=DEEP_STEP * width, steps=5).final
        assert isinstance(final, MeanField)
        return [max(final.net.drift().values())]

    layers = slopes_of(DEEP_WIDTHS[size], SEEDS[size], moved)
    (broken,) = slopes_of(DEEP_WIDTHS[size], SEEDS[size], free)
    return Evidence(
        predicted="slope 0 for every layer; none beyond alpha T L G",
        measured="slopes " + ", ".join(map(str, layers)) + f"; at most {share:.0%} of the bound",
        value=layers[0].mean,
        holds=share <= 1 and all(agrees(found.fits, 0.0, among=DEPTH) for found in layers),
        control=Control(
            broken="one more factor 1/sqrt(m) (mean field), step m alpha",
            measured=f"slope {broken}",
            holds=broken.contains(0.0),
        ),
        ran=f"{ran(size)}, {SEEDS[size]} seeds",
        interval=layers[0].interval,
    )


@claim(
    "deep-worst-case",
    statement="prop-deep-worst",
    title="The worst weights in the ball of a deep ReLU net",
    chapter="05-depth",
)
def deep_worst_case(size: str) -> Evidence:
    """The adversary in the last layer has the slope, and both constants."""
    x, last, errors, widths = circle(1), [], [], WORST_WIDTHS[size]

    def changed(width: int, seed: int) -> list[float]:
        net = deep_net(width, 2, seed)
        start = sweep(net, net.start(), x)
        one = gradient_changes(start, sweep(net, switched(net, x, 1.0, [1]), x))
        if width == widths[-1]:
            last.append(float(one[1]) * width ** (1 / 6))
            error = deep_error(net, aligned(net, x, 1.0), x)
            errors.append(float(error) * width ** (1 / 6))
        return [float(one[1])]

    def smooth(width: int, seed: int) -> list[float]:
        net = deep_net(width, 2, seed, "gelu")
        step = switched(net, x, 1.0, [1])
        change = gradient_changes(sweep(net, net.start(), x), sweep(net, step, x))
        return [float(change[1])]

    (found,) = slopes_of(widths, 8 * SEEDS[size], changed)
    (flat,) = slopes_of(widths, 4 * SEEDS[size], smooth)
    means = [sum(values) / len(values) for values in (last, errors)]
    right = agrees(last, LAST, among=2) and agrees(errors, ERROR, among=2)
    return Evidence(
        predicted=f"slope -1/6 in the last layer; constants {LAST:.3f} and, error, {ERROR:.3f}",
        measured=f"slope {found.mean:.3f}, constants {means[0]:.3f} and {means[1]:.3f}",
        value=found.mean,
        holds=found.contains(-1 / 6) and right,
        control=Control(
            broken="the GELU in place of the ReLU, the same adversary",
            measured=f"slope {flat}",
            holds=flat.contains(-1 / 6),
        ),
        ran=f"R = 1, 2 trained layers, m = {widths[0]} to {widths[-1]}, {8 * SEEDS[size]} seeds",
        interval=found.interval,
    )


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
    return Evidence(
        predicted="below the bound; trained: slope at most -1/6 (ReLU), at most -1/2 (GELU)",
        measured=f"at most {share:.1e} of the bound; slopes {kink} and {smooth}",
        value=smooth.mean,
        holds=share <= 1 and kink.at_most(-1 / 6) and smooth.at_most(-0.5),
        control=Control(
            broken="the ReLU's slope held against the smooth bound",
            measured=f"slope {kink}",
            holds=kink.at_most(-0.5),
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
