"""Cases near equality for chapter 07: a unit at its kink, one step to the edge, the slow game."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...attacks import GridMax
from ...losses import Hinge
from ...networks import Network, TwoLayerNet
from ...training.trajectory import Trajectory
from .online import Inner, basis, play, slow_game
from .sharp import RIPPLE, STEEPEST, at_one_spot, pushed
from .tools import F64
from .widths import circle, lift

RADIUS = 0.5


def kink_share(steps: int = 400) -> float:
    """Of thm-projected: one ReLU unit at its kink, where the gradient is 0 and no step moves it.

    The share of D L G/sqrt(T) + L eps_lin that is used, where the second term is the larger.
    """
    net = TwoLayerNet(2, 1, activation="relu", symmetric=False).to(F64)
    net.readout.fill_(1.0)
    run = pushed(
        at_one_spot(net, 0.0), step_size=RADIUS / math.sqrt(steps), steps=steps, radius=RADIUS
    )
    best = RADIUS * lift(circle(1))  # of length D towards the point
    rise = float(net.evaluate((best,), circle(1)))  # the gradient says 0, so this is eps_lin
    excess = float(run.surrogate_loss.mean()) - (1 - rise)
    return excess / (RADIUS / math.sqrt(steps) + rise)


def game_share(directions: int = 25) -> float:
    """Of thm-projected without curvature: the slow game, where D L G/sqrt(T) is attained."""
    run = slow_game(directions, RADIUS)
    best = 1 - RADIUS / math.sqrt(directions)
    return (float(run.surrogate_loss.mean()) - best) / (RADIUS / math.sqrt(directions))


def step_share(epsilon: float = 1e-3, width: int = 2500) -> float:
    """Of thm-two-layer: alpha eps over the fall of one step, its width and step taken to the edge.

    All units are where the wave bends most, and W_* is R away, half of the units to either side, so
    that the curvature of the output on the way is as large as it can be. 0 where the gap is less.
    """
    net = TwoLayerNet(2, width, symmetric=False).to(F64)
    net = at_one_spot(net, STEEPEST, RIPPLE)
    net.readout.fill_(1.0)
    rate = epsilon / (2 * RIPPLE.slope**2)
    radius = math.sqrt(math.sqrt(width) * epsilon / (2 * RIPPLE.curvature))
    drift = 0.751 * epsilon / math.sqrt(width)  # of every unit: the gradient sees this part only
    turn = math.sqrt(radius**2 / width - drift**2)
    sides = torch.ones(width, dtype=F64)
    sides[1::2] = -1
    star = net.initial + (drift + turn * sides)[:, None] * lift(circle(1))
    run = pushed(net, step_size=rate, label=1.0)
    with torch.no_grad():
        gap = float(run.surrogate_loss[0]) - (1 - float(net.evaluate((star,), circle(1))))
    fall = float((net.initial - star).square().sum() - (_end(run) - star).square().sum())
    return rate * epsilon / fall if gap >= epsilon else 0.0


def _end(run: Trajectory) -> Tensor:
    if not isinstance(run.final, Network):
        raise TypeError(f"run.final must be a Network, got {type(run.final).__name__}")
    (weight,) = run.final.parameters()
    return weight.detach()


def horizon_share(directions: int = 25) -> float:
    """Of thm-two-layer: when the gap closes in the slow game, as a share of T.

    The game's model is a net of one linear unit; eps is just below R/sqrt(d), and the step the
    largest that the theorem allows, so that every direction has to be pushed once.
    """
    least = RADIUS / math.sqrt(directions)
    epsilon = least * (1 - 1e-9)
    rate, sample_sets = epsilon / 2, basis(directions)
    horizon = math.ceil(RADIUS**2 / (rate * epsilon))
    run = play(
        Inner(directions),
        GridMax(),
        sample_sets[1],
        sample=sample_sets[0],
        steps=horizon,
        step_size=rate,
        loss=Hinge(),
    )
    closed = (run.surrogate_loss - (1 - least) < epsilon).nonzero()
    return float(closed[0]) / horizon
