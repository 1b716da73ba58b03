"""The statements of chapter 05 on the ball: movement, and the worst weights of the last layer."""

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
    gradient_changes,
    gradient_norms,
    sweep,
    switched,
)
from .registry import Control, Evidence, claim
from .sharp import divided, pushed
from .tools import F64
from .widths import SEEDS, MeanField, agrees, circle, slope, slopes_of, standard_run

DEPTH = 3
# Limits of m^(1/6) times the largest change of the last layer's gradient in the ball of radius 1,
# and times the largest linearisation error.
LAST = (192 / math.pi**2) ** (1 / 6)
ERROR = 0.75 / math.pi * (2 * math.pi**2) ** (1 / 3)
# Widths at which the last layer's numbers are drawn from their law, without a net.
DRAWN: dict[str, tuple[int, ...]] = {
    "smoke": (2**15, 2**18, 2**21),
    "laptop": (2**16, 2**19, 2**22),
    "gpu": (2**16, 2**19, 2**22, 2**24),
}


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
        far = [float((w - w0).norm()) for w, w0 in zip(weights, net.start(), strict=True)]
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
    near, same = _one_direction()
    (broken,) = slopes_of(DEEP_WIDTHS[size], SEEDS[size], free)
    return Evidence(
        predicted="slope 0 for every layer; none beyond min(R, alpha T L G)",
        measured="slopes "
        + ", ".join(map(str, layers))
        + f"; at most {share:.0%} of the bound, {near:.2f} in one direction; "
        + ("idle projections change no bit" if same else "idle projections change the run"),
        value=layers[0].mean,
        holds=max(share, near) <= 1 + 1e-9
        and same
        and all(agrees(found.fits, 0.0, among=DEPTH) for found in layers),
        ratio=near,
        control=divided(
            Control(
                broken="one more factor 1/sqrt(m) (mean field), step m alpha",
                measured=f"slope {broken}",
                holds=broken.contains(0.0),
                short="mean field",
            ),
            near,
        ),
        ran=f"{ran(size)}, {SEEDS[size]} seeds",
        interval=layers[0].interval,
    )


def _one_direction() -> tuple[float, bool]:
    """Smallest share of min(R, Lambda G) at one point, for R above and below; is R above idle?"""
    net, x, length = deep_net(64, DEPTH, 0), circle(1), 5 * 1e-3
    net.requires_grad_(True)
    label = -1.0 if float(net(x).detach()) > 0 else 1.0
    free = pushed(net, step_size=1e-3, steps=5, label=label).final
    weights = [w.detach() for w in free.parameters()]
    pair = (gradient_norms(sweep(net, w, x))[:, 0] for w in (net.start(), weights))
    bounds = length * torch.maximum(*pair)
    far = torch.tensor([float((w - w0).norm()) for w, w0 in zip(weights, net.start(), strict=True)])
    shares, same = [float((far / bounds).min())], True
    for radius in (2 * float(bounds.max()), 0.5 * float(bounds.min())):
        kept = pushed(net, step_size=1e-3, steps=5, label=label, radius=radius).final
        assert isinstance(kept, DeepNet)
        drifts = zip(kept.drift().values(), bounds, strict=True)
        shares += [drift / min(radius, float(bound)) for drift, bound in drifts]
        if radius > float(bounds.max()):
            same = all(torch.equal(v, w) for v, w in zip(kept.parameters(), weights, strict=True))
    assert max(shares) <= 1 + 1e-9
    return min(shares), same


@claim(
    "deep-worst-case",
    statement="prop-deep-worst",
    title="The worst weights of the last layer of a deep ReLU net",
    chapter="05-depth",
)
def deep_worst_case(size: str) -> Evidence:
    """The adversary on nets, between her formula and a dual bound; her constants by the law."""
    x, widths, off, gap = circle(1), WORST_WIDTHS[size], 0.0, 0.0
    for seed in range(2 * SEEDS[size]):
        net = deep_net(widths[-1], 2, seed)
        start, scale = sweep(net, net.start(), x), math.sqrt(net.width)
        size_below = float(start.hidden[1].norm())
        y, c = start.before[1][0] * scale / size_below, size_below / scale
        worth, least = knapsack(y, net.readout, 1.0)
        moved = gradient_changes(start, sweep(net, switched(net, x, 1.0, [1]), x))[1]
        off = max(off, abs(float(moved) - c / scale * math.sqrt(worth)))
        gain, most = multiplier(y, net.readout, 1.0)
        error = float(deep_error(net, aligned(net, x, 1.0), x))
        off = max(off, abs(error - c / scale * gain))
        gap = max(gap, 1 - math.sqrt(worth / least), 1 - gain / most)

    drawn = DRAWN[size]
    seen = [[_by_law(m, seed) for m in drawn] for seed in range(2 * SEEDS[size])]
    found = slope(drawn, [[at[0] for at in row] for row in seen])
    close = max(row[-1][2] for row in seen)
    last, errors = ([row[-1][k] * drawn[-1] ** (1 / 6) for row in seen] for k in range(2))
    means = [sum(values) / len(values) for values in (last, errors)]
    right = agrees(last, LAST, among=2) and agrees(errors, ERROR, among=2)

    def smooth(width: int, seed: int) -> list[float]:
        net = deep_net(width, 2, seed, "gelu")
        step = switched(net, x, 1.0, [1])
        change = gradient_changes(sweep(net, net.start(), x), sweep(net, step, x))
        return [float(change[1])]

    (flat,) = slopes_of(widths, 4 * SEEDS[size], smooth)
    return Evidence(
        predicted=f"slope -1/6, constants {LAST:.3f} and, error, {ERROR:.4f}; dual bound near",
        measured=f"slope {found.mean:.3f}, constants {means[0]:.3f} and {means[1]:.4f}; at most "
        f"{gap:.0%} below a dual bound on nets, {100 * close:.2f} % by the law",
        value=found.mean,
        holds=found.contains(-1 / 6) and right and off <= 1e-9 and gap <= 0.1 and close <= 0.001,
        control=Control(
            broken="the GELU instead of the ReLU, the same adversary",
            measured=f"slope {flat}",
            holds=flat.contains(-1 / 6),
            short="GELU for ReLU",
        ),
        ran=f"R = 1; nets with 2 trained layers, m = {widths[-1]}; the last layer's law, "
        f"m = {drawn[0]} to {drawn[-1]}, {len(seen)} seeds",
        interval=found.interval,
    )


def knapsack(y: Tensor, a: Tensor, radius: float) -> tuple[float, float]:
    """The largest sum of a^2 over units whose y^2 add up to less than radius^2: found, and bound.

    Units are taken by y^2/a^2; the bound is the Lagrangian at the ratio where the radius is spent.
    """
    ratio, squares = (y / a).square(), y.square()
    order = ratio.argsort()
    taken = int((squares[order].cumsum(0) < radius**2).sum())
    price = float(ratio[order[min(taken, len(order) - 1)]])
    bound = float((a.square() - squares / price).clamp(min=0).sum()) + radius**2 / price
    return float(a[order[:taken]].square().sum()), bound


def multiplier(y: Tensor, a: Tensor, radius: float) -> tuple[float, float]:
    """The largest sum of a (t - |y|)_+ over a > 0 with |t| <= radius: found, and bound.

    Units are taken by |y|/a, which is the best order but for one unit or two.
    """
    y, a = y[a > 0].abs(), a[a > 0]
    order = (y / a).argsort()
    y, a = y[order], a[order]
    gains = radius * a.square().cumsum(0).sqrt() - (a * y).cumsum(0)
    k = int(gains.argmax())
    s = radius / float(a[: k + 1].norm())
    bound = float((s * a.square() / 2 - a * y).clamp(min=0).sum()) + radius**2 / (2 * s)
    return float(gains[k]), bound


def _by_law(width: int, seed: int) -> tuple[float, float, float]:
    """Change of the gradient and error above infinitely wide layers, and how near their bounds."""
    draw = generator(seed, 12)
    y = math.sqrt(2) * torch.randn(width, dtype=F64, generator=draw)
    a = torch.randn(width, dtype=F64, generator=draw)
    near = y.abs() < 0.3 * a.abs()  # the others are out of reach at these widths
    (worth, least), (gain, most) = (
        knapsack(y[near], a[near], 1.0),
        multiplier(y[near], a[near], 1.0),
    )
    scale = math.sqrt(2 / width)
    gap = max(1 - math.sqrt(worth / least), 1 - gain / most)
    return scale * math.sqrt(worth), scale * gain, gap
