"""The statements of chapter 03 on training: movement, gradients, linearisation error."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from ...activations import ACTIVATIONS
from ...attacks import PGD, NoAttack, RandomNoise
from .registry import Control, Evidence, claim
from .sharp import RIPPLE, SHARPEST, STEEPEST, divided, pushed, ripple_net
from .widths import (
    LENGTH,
    RAN,
    SEEDS,
    STEP,
    WIDTHS,
    MeanField,
    agrees,
    circle,
    gradient_change,
    lift,
    linearisation_error,
    over_widths,
    rms,
    standard_net,
    standard_run,
    two_layer,
)

GELU_THIRD = ACTIVATIONS["gelu"].third


# Training of the ripple net at one point: the length of its path is that of all steps together.
PUSH: dict[str, Any] = {"step_size": 0.01, "steps": 5}
PUSHED = 0.01 * 5


def rows_moved(net: nn.Module) -> Tensor:
    """How far every row of a trained two-layer net is from its start."""
    found = two_layer(net)
    rows: Tensor = torch.linalg.vector_norm(found.weight.detach() - found.initial, dim=1)
    return rows


@claim(
    "movement",
    statement="prop-movement",
    title="How far adversarial training moves the weights",
    chapter="03-lazy",
)
def movement(size: str) -> Evidence:
    """No row beyond its bound, against any attack; slopes of the mean row and of all weights."""
    share = 0.0

    def moved(width: int, seed: int) -> tuple[float, float]:
        nonlocal share
        rows = rows_moved(standard_run(standard_net(width, seed)).final)
        share = max(share, float(rows.max()) / _row_bound(width))
        return float(rows.mean()), float(rows.norm())

    def moved_mean_field(width: int, seed: int) -> tuple[float]:
        net = MeanField(standard_net(width, seed))
        run = standard_run(net, step_size=STEP * width)
        return (float(rows_moved(run.final).mean()),)

    rows, total = over_widths(size, moved)
    for attack in (NoAttack(), RandomNoise(), PGD(steps=5)):
        for radius in (None, 0.2):
            run = standard_run(standard_net(512, 0), attack=attack, radius=radius)
            share = max(share, float(rows_moved(run.final).max()) / _row_bound(512))
    near = float(rows_moved(pushed(ripple_net(0.0), **PUSH).final).max())
    near /= PUSHED * RIPPLE.slope / math.sqrt(ripple_net(0.0).width)
    (free,) = over_widths(size, moved_mean_field)
    return Evidence(
        predicted="slope -1/2 for the mean row, 0 for all weights; no row beyond its bound",
        measured=f"slopes {rows} and {total}; largest row {share:.0%} of bound, ripple {near:.2f}",
        value=rows.mean,
        holds=max(share, near) <= 1
        and agrees(rows.fits, -0.5, among=2)
        and agrees(total.fits, 0.0, among=2),
        ratio=near,
        control=divided(
            Control(
                broken="factor 1/m (mean field) instead of 1/sqrt(m), step m alpha",
                measured=f"slope {free} for the mean row",
                holds=free.contains(-0.5),
                short="mean field",
            ),
            near,
        ),
        ran=_ran(size),
        interval=rows.interval,
    )


def _row_bound(width: int) -> float:
    return LENGTH * ACTIVATIONS["gelu"].slope / math.sqrt(width)


def _ran(size: str) -> str:
    widths = WIDTHS[size]
    return f"{RAN}, m = {widths[0]} to {widths[-1]}, {SEEDS[size]} seeds"


@claim(
    "gradient-stability",
    statement="cor-stability",
    title="Gradients hardly change",
    chapter="03-lazy",
)
def gradient_stability(size: str) -> Evidence:
    """Change of the gradient along training: below its bound on the circle, slope -1/2."""
    share = 0.0

    def changed(width: int, seed: int, activation: str = "gelu") -> tuple[float]:
        nonlocal share
        net = two_layer(standard_run(standard_net(width, seed, activation)).final)
        change = gradient_change(net, net.weight, circle())
        if activation == "gelu":
            bound = ACTIVATIONS["gelu"].curvature * _row_bound(width)
            share = max(share, float(change.max()) / bound)
        return (rms(change),)

    (smooth,) = over_widths(size, changed)
    (kink,) = over_widths(size, lambda width, seed: changed(width, seed, "relu"))
    net = two_layer(pushed(ripple_net(STEEPEST), **PUSH).final)
    near = float(gradient_change(net, net.weight, circle(1)))
    near /= RIPPLE.slope * RIPPLE.curvature * PUSHED / math.sqrt(net.width)
    return Evidence(
        predicted="slope -1/2, below C_0 C_1 alpha T L/sqrt(m)",
        measured=f"slope {smooth}; at most {share:.1%} of the bound, ripple {near:.2f}",
        value=smooth.mean,
        holds=max(share, near) <= 1 and smooth.contains(-0.5),
        ratio=near,
        control=divided(
            Control(
                broken="the ReLU instead of the GELU",
                measured=f"slope {kink}",
                holds=kink.contains(-0.5),
                short="ReLU for GELU",
            ),
            near,
        ),
        ran=_ran(size),
        interval=smooth.interval,
    )


@claim(
    "linearisation",
    statement="thm-linearisation",
    title="The linearisation error of symmetric smooth nets",
    chapter="03-lazy",
)
def linearisation(size: str) -> Evidence:
    """Error after training: below its bound of order 1/m, and with slope at most -1."""
    share, c0, c1 = 0.0, ACTIVATIONS["gelu"].slope, ACTIVATIONS["gelu"].curvature

    def errors(width: int, seed: int) -> tuple[float, float]:
        nonlocal share
        run = standard_run(standard_net(width, seed))
        net = two_layer(run.final)
        error = linearisation_error(net, net.weight, circle())
        far = float(run.drift.max())
        bound = LENGTH * far**2 / width * (c1**2 + c0 * GELU_THIRD / 6)
        share = max(share, float(error.max()) / bound)
        x = circle(1)  # the same distance, all of it in the unit nearest to its sharpest bend
        weights = net.initial.clone()
        unit = int((net.initial @ lift(x)[0]).abs().argmin())
        weights[unit] += far * lift(x)[0]
        return rms(error), float(linearisation_error(net, weights, x))

    trained, one_unit = over_widths(size, errors)
    run = pushed(ripple_net(SHARPEST), **PUSH)
    net = two_layer(run.final)
    near = float(linearisation_error(net, net.weight, circle(1)))
    near /= PUSHED * float(run.drift.max()) ** 2 / net.width
    near /= RIPPLE.curvature**2 + RIPPLE.slope * RIPPLE.third / 6
    return Evidence(
        predicted="slope at most -1, below (C_1^2 + C_0 C_2/6) alpha T L D^2/m",
        measured=f"slope {trained}; at most {share:.1e} of the bound, ripple {near:.2f}",
        value=trained.mean,
        holds=max(share, near) <= 1 and trained.at_most(-1.0),
        ratio=near,
        control=divided(
            Control(
                broken="as far from W_0, but one unit moved instead of training",
                measured=f"slope {one_unit}",
                holds=one_unit.at_most(-1.0),
                short="one unit moved",
            ),
            near,
        ),
        ran=_ran(size),
        interval=trained.interval,
    )
