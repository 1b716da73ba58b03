"""The statements of chapter 03 on the ReLU: the worst weights in the ball, and trained ones."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...networks import TwoLayerNet
from ...numerics import generator
from .registry import Control, Evidence, claim
from .sharp import at_one_spot, divided, pushed
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


def shifted(z: Tensor, radius: float, worth: Tensor | None = None) -> Tensor:
    """Steps (m,) of norm ``radius`` with the largest linearisation error.

    ``worth`` (m,) > 0 weights the units' errors, 1 where nothing is said. Steps are in proportion
    to it, and units taken by |z|/worth: where worth differs, the best but for one unit or two.
    """
    a = torch.ones_like(z) if worth is None else worth
    order, chosen = (z.abs() / a).argsort(), torch.zeros_like(z)
    index = order[: int(_gains(z, radius, a).argmax()) + 1]
    chosen[index] = -torch.sign(z[index]) * a[index] * (radius / float(a[index].norm()))
    return chosen


def _gains(z: Tensor, radius: float, worth: Tensor) -> Tensor:
    """R |a| minus the sum of a |z| over the first k units by |z|/a, for k = 1..m."""
    order = (z.abs() / worth).argsort()
    a, cost = worth[order], (worth * z.abs())[order]
    return radius * a.square().cumsum(0).sqrt() - cost.cumsum(0)


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
    z = net.initial @ lift(x)[0]
    exact = float(_gains(z, 1.0, torch.ones_like(z)).max()) / math.sqrt(widths[0])
    rival = max(_rivals(seed) for seed in range(20))
    smooth = slope(widths, [[_smooth_error(m, seed, x) for m in widths] for seed in seeds])
    return Evidence(
        predicted="slope -1/6, constants " + ", ".join(f"{c:.4f}" for c in LIMITS),
        measured=f"slope {slopes[0].mean:.3f}, constants "
        + ", ".join(f"{c:.3f}" for c in means)
        + ("; no rival is worse" if rival <= 1e-9 else f"; a rival is worse by {rival:.1e}"),
        value=slopes[0].mean,
        holds=limits and rates and abs(seen[0][0][2] - exact) <= 1e-9 and abs(rival) <= 1e-9,
        control=Control(
            broken="softplus instead of the ReLU, the same weights",
            measured=f"error has slope {smooth}",
            holds=smooth.contains(-1 / 6),
            short="softplus for ReLU",
        ),
        ran=f"R = 1, one input, m = {widths[0]} to {widths[-1]}, {len(seeds)} seeds; rivals: all "
        "sets of 8 units, and random weights",
        interval=slopes[0].interval,
    )


def _rivals(seed: int) -> float:
    """How much worse than the formula the worst of many weights in the ball is; 0 if none is.

    In turn every set of units is moved across its kinks, all by one length, and the best set has
    to be the formula's; besides, random weights on the rim.
    """
    net, x = _aligned_net(8, seed), circle(1)
    z, draw = net.initial @ lift(x)[0], generator(seed, 8)
    formula = float(_gains(z, 1.0, torch.ones_like(z)).max().clamp(min=0)) / math.sqrt(8)
    sets = (torch.arange(1, 256)[:, None] >> torch.arange(8) & 1).to(F64)
    steps = torch.cat([-torch.sign(z) * sets, torch.randn(400, 8, dtype=F64, generator=draw)])
    steps = steps / steps.norm(dim=1, keepdim=True)
    errors = [
        float(linearisation_error(net, net.initial + step[:, None] * lift(x), x)) for step in steps
    ]
    return max([*errors, 0.0]) - formula


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
    """Only units near 0 can cross it: both bounds on the circle, their limits, and a slope."""
    x, worst, control = circle(), 0.0, 0.0
    limits: list[tuple[float, float]] = []

    def measured(width: int, seed: int) -> tuple[float, float]:
        nonlocal worst, control
        net = two_layer(standard_run(standard_net(width, seed, "relu")).final)
        reach = LENGTH / math.sqrt(width)  # no row moves farther
        room = (reach - (lift(x) @ net.initial.T).abs()).clamp(min=0)
        change_bound = (room > 0).double().mean(1).sqrt()
        error_bound = room.sum(1) / math.sqrt(width)
        change = gradient_change(net, net.weight, x)
        error = linearisation_error(net, net.weight, x)
        if width == WIDTHS[size][-1]:
            scale = math.sqrt(width) / (DENSITY * LENGTH)
            square = float(change_bound.square().mean())
            limits.append((square * scale, float(error_bound.mean()) * scale * 2 / LENGTH))
        worst = max(worst, float((change / change_bound).max()))
        worst = max(worst, float((error / error_bound).max()))
        z = net.initial @ lift(x[:1])[0]
        adversary = net.initial + flipped(z, LENGTH)[:, None] * lift(x[:1])
        spent = float(gradient_change(net, adversary, x[:1]))
        control = max(control, spent / float(change_bound[0]))
        return rms(change), rms(error)

    change, error = over_widths(size, measured)
    widths = WIDTHS[size]
    means = [sum(pair[k] for pair in limits) / len(limits) for k in range(2)]
    near = _all_cross()
    return Evidence(
        predicted="at most the bounds, of size kappa Lambda/sqrt(m) and kappa Lambda^2/(2 sqrt(m))",
        measured=f"at most {worst:.2f} of the bounds, {near:.2f} if all units cross; bounds "
        f"{means[0]:.2f} and {means[1]:.2f} of their limits; slopes {change} and, of the error, "
        f"{error}",
        value=worst,
        holds=max(worst, near) <= 1 + 1e-9
        and error.at_most(-0.5)
        and all(abs(mean - 1) <= 0.05 for mean in means),
        ratio=near,
        control=divided(
            Control(
                broken="weights in the same ball, chosen by an adversary",
                measured=f"{control:.2f} of the bound",
                holds=control <= 1,
                short="adversary's weights",
            ),
            near,
        ),
        ran=f"{RAN}, m = {widths[0]} to {widths[-1]}, {SEEDS[size]} seeds",
        interval=error.interval,
    )


def _all_cross() -> float:
    """The smaller of the two shares of the bounds where every unit crosses its kink in one step."""
    net = TwoLayerNet(2, 64, symmetric=False).to(F64)
    net.readout.fill_(1.0)
    start, x = at_one_spot(net, 1e-6), circle(1)
    final = two_layer(pushed(start, step_size=0.8, label=-1.0).final)
    reach = 0.8 / math.sqrt(64)
    error = float(linearisation_error(final, final.weight, x)) / (64 * (reach - 1e-6) / 8)
    return min(error, float(gradient_change(final, final.weight, x)))
