"""The statements of chapter 03 on the ReLU: the worst weights in the ball, and trained ones."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...networks import TwoLayerNet
from .registry import Control, Evidence, claim
from .tools import F64
from .widths import (
    LENGTH,
    RAN,
    SEEDS,
    WIDTHS,
    agrees,
    circle,
    gradient_change,
    lift,
    linearisation_error,
    over_widths,
    rms,
    slope,
    standard_net,
    standard_run,
    two_layer,
)

DENSITY = math.sqrt(2 / math.pi)  # of |Z| at 0, Z ~ N(0, 1)
# Limits of m^(1/6) times the largest change of the gradient, the error where units are reflected,
# and the largest error, in the ball of radius 1.
LIMITS = (
    (3 * DENSITY**2) ** (1 / 6),
    (3 * DENSITY**2 / 4) ** (2 / 3) / (2 * DENSITY),
    0.75 * (DENSITY / 2) ** (1 / 3),
)
WORST_WIDTHS = {
    "smoke": (2**10, 2**12, 2**14),
    "laptop": (2**12, 2**15, 2**18),
    "gpu": (2**12, 2**15, 2**18, 2**21),
}
WORST_SEEDS = {"smoke": 8, "laptop": 8, "gpu": 20}


def flipped(z: Tensor, radius: float) -> Tensor:
    """Steps (m,) of norm at most ``radius`` that take as many z (m,) as possible across 0."""
    return _smallest(-(1 + 1e-9) * z, radius)


def reflected(z: Tensor, radius: float) -> Tensor:
    """Steps (m,) of norm at most ``radius`` that take the smallest z (m,) to -z."""
    return _smallest(-2 * z, radius)


def _smallest(steps: Tensor, radius: float) -> Tensor:
    """The smallest ``steps`` (m,), as many as norm ``radius`` allows; 0 for the others."""
    order, chosen = steps.abs().argsort(), torch.zeros_like(steps)
    index = order[: int((steps[order].square().cumsum(0) <= radius**2).sum())]
    chosen[index] = steps[index]
    return chosen


def shifted(z: Tensor, radius: float) -> Tensor:
    """Steps (m,) of norm ``radius`` with the largest linearisation error: all of one length."""
    order, chosen = z.abs().argsort(), torch.zeros_like(z)
    index = order[: int(_gains(z, radius).argmax()) + 1]
    chosen[index] = -torch.sign(z[index]) * radius / math.sqrt(len(index))
    return chosen


def _gains(z: Tensor, radius: float) -> Tensor:
    """R sqrt(k) minus the sum of the k smallest of z (m,), for k = 1..m."""
    count = torch.arange(1, len(z) + 1, dtype=F64)
    return radius * count.sqrt() - z.abs().sort()[0].cumsum(0)


def _aligned_net(width: int, seed: int, activation: str = "relu") -> TwoLayerNet:
    """A net without twins all of whose units count positively, so that errors add up."""
    net = TwoLayerNet(2, width, activation=activation, symmetric=False, seed=seed).to(F64)
    net.readout.fill_(1.0)
    return net


def worst_case(net: TwoLayerNet, x: Tensor, radius: float) -> tuple[float, float, float]:
    """Change of the gradient, and error of reflected and shifted units, at the point x (1, d)."""
    inputs = lift(x)
    z = net.initial @ inputs[0]
    flip, turn, shift = (
        net.initial + steps(z, radius)[:, None] * inputs for steps in (flipped, reflected, shifted)
    )
    return (
        float(gradient_change(net, flip, x)),
        float(linearisation_error(net, turn, x)),
        float(linearisation_error(net, shift, x)),
    )


@claim(
    "relu-worst-case",
    statement="prop-relu-worst",
    title="The worst weights in the ball of a ReLU net",
    chapter="03-lazy",
)
def relu_worst_case(size: str) -> Evidence:
    """The constructions, carried out: exact maximum, slope -1/6 and three constants."""
    widths, x = WORST_WIDTHS[size], circle(1)
    seeds = range(WORST_SEEDS[size])
    seen = [[worst_case(_aligned_net(m, seed), x, 1.0) for m in widths] for seed in seeds]
    slopes = [slope(widths, [[at[k] for at in row] for row in seen]) for k in range(3)]
    scale = widths[-1] ** (1 / 6)
    constants = [[scale * row[-1][k] for row in seen] for k in range(3)]
    means = [sum(values) / len(values) for values in constants]
    limits = all(agrees(v, c, among=6) for v, c in zip(constants, LIMITS, strict=True))
    rates = all(agrees(found.fits, -1 / 6, among=6) for found in slopes)
    net = _aligned_net(widths[0], 0)
    exact = float(_gains(net.initial @ lift(x)[0], 1.0).max()) / math.sqrt(widths[0])
    smooth = slope(widths, [[_smooth_error(m, seed, x) for m in widths] for seed in seeds])
    return Evidence(
        predicted="slope -1/6, constants " + ", ".join(f"{c:.4f}" for c in LIMITS),
        measured=f"slope {slopes[0].mean:.3f}, constants " + ", ".join(f"{c:.3f}" for c in means),
        value=slopes[0].mean,
        holds=limits and rates and abs(seen[0][0][2] - exact) <= 1e-9,
        control=Control(
            broken="softplus in place of the ReLU, the same weights",
            measured=f"error has slope {smooth}",
            holds=smooth.contains(-1 / 6),
        ),
        ran=f"R = 1, one input, m = {widths[0]} to {widths[-1]}, {len(seeds)} seeds",
        interval=slopes[0].interval,
    )


def _smooth_error(width: int, seed: int, x: Tensor) -> float:
    """The error of a softplus net at the weights that are worst for the ReLU net."""
    net = _aligned_net(width, seed, "softplus")
    steps = shifted(net.initial @ lift(x)[0], 1.0)
    return float(linearisation_error(net, net.initial + steps[:, None] * lift(x), x))


@claim(
    "relu-training",
    statement="prop-relu-training",
    title="What training does to a ReLU net",
    chapter="03-lazy",
)
def relu_training(size: str) -> Evidence:
    """Only units near 0 can cross it: both bounds on the circle, and the slope of the error."""
    x, worst, control = circle(), 0.0, 0.0

    def measured(width: int, seed: int) -> tuple[float, float]:
        nonlocal worst, control
        net = two_layer(standard_run(standard_net(width, seed, "relu")).final)
        reach = LENGTH / math.sqrt(width)  # no row moves farther
        room = (reach - (lift(x) @ net.initial.T).abs()).clamp(min=0)
        change_bound = (room > 0).double().mean(1).sqrt()
        error_bound = room.sum(1) / math.sqrt(width)
        change = gradient_change(net, net.weight, x)
        error = linearisation_error(net, net.weight, x)
        worst = max(worst, float((change / change_bound).max()))
        worst = max(worst, float((error / error_bound).max()))
        z = net.initial @ lift(x[:1])[0]
        adversary = net.initial + flipped(z, LENGTH)[:, None] * lift(x[:1])
        spent = float(gradient_change(net, adversary, x[:1]))
        control = max(control, spent / float(change_bound[0]))
        return rms(change), rms(error)

    change, error = over_widths(size, measured)
    widths = WIDTHS[size]
    return Evidence(
        predicted="at most the bounds, which fall like m^(-1/4) and m^(-1/2)",
        measured=f"at most {worst:.2f} of the bounds; slopes {change} and, of the error, {error}",
        value=worst,
        holds=worst <= 1 and error.at_most(-0.5),
        control=Control(
            broken="weights in the same ball, chosen by an adversary",
            measured=f"{control:.2f} of the bound",
            holds=control <= 1,
        ),
        ran=f"{RAN}, m = {widths[0]} to {widths[-1]}, {SEEDS[size]} seeds",
        interval=error.interval,
    )
