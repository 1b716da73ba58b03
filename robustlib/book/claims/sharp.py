"""Cases near equality: a bound of which runs use a thousandth is not tested by them."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from ...activations import Activation
from ...attacks import NoAttack
from ...losses import Hinge
from ...networks import Network, TwoLayerNet
from ...samples import Sample
from ...sets import SphereCap
from ...training.trajectory import Trajectory
from .place import adversarial_training
from .registry import Control
from .tools import F64
from .widths import circle, lift

# s(z) = z + sin(10 z)/1000: slopes between 0.99 and 1.01, and the second and third derivative
# large beside what they would be for other activations with such slopes.
RIPPLE = Activation(
    "ripple",
    lambda z: z + torch.sin(10 * z) / 1000,
    lambda z: 1 + torch.cos(10 * z) / 100,
    slope=1.01,
    curvature=0.1,
    third=1.0,
)
# s'(z) = 1 + min(|z|, 1)/10: bends by as much as it may, away from 0 on both sides.
BENT = Activation(
    "bent",
    lambda z: z + torch.where(z.abs() <= 1, z * z.abs() / 2, z - z.sign() / 2) / 10,
    lambda z: 1 + z.abs().clamp(max=1) / 10,
    slope=1.1,
    curvature=0.1,
)
# s'(z) = cos z, of which the kernel is known: <x, z> cosh<x, z>/e on the sphere.
SINE = Activation("sine", torch.sin, torch.cos, slope=1.0, curvature=1.0)
# Phases of the wave where s'' is largest, and where s''' is.
STEEPEST, SHARPEST = -math.pi / 20, math.pi / 10
PARTS = {2: "half", 3: "a third", 20: "a twentieth"}


def divided(control: Control, share: float, part: int = 2) -> Control:
    """``control``, and beside it the bound with its constant divided by ``part``.

    ``share`` is the largest share of the whole bound that was measured. Both have to fail.
    """
    return replace(
        control,
        broken=f"{control.broken}; {PARTS[part]} of the constant",
        measured=f"{control.measured}; {part * share:.2f} of that bound",
        holds=control.holds or part * share <= 1,
    )


def doubled(control: Control, share: float) -> Control:
    """The same for a lower bound, of which ``share`` is bound over measured: twice the constant."""
    return replace(
        control,
        broken=f"{control.broken}; twice the constant",
        measured=f"{control.measured}; {1 / (2 * share):.2f} of that bound",
        holds=control.holds or 2 * share <= 1,
    )


def at_one_spot(
    net: TwoLayerNet, z: float, activation: Activation | None = None, x: Tensor | None = None
) -> TwoLayerNet:
    """``net`` with all rows equal, so that every unit has the input ``z`` at the point ``x``."""
    with torch.no_grad():
        inputs = lift(circle(1) if x is None else x)[0]
        net.initial.copy_((z * inputs).expand_as(net.initial))
        net.weight.copy_(net.initial)
    if activation is not None:
        net.activation = activation
    return net


def ripple_net(z: float, width: int = 64) -> TwoLayerNet:
    """A symmetric net with the ripple, all of whose units are at ``z``."""
    return at_one_spot(TwoLayerNet(2, width).to(F64), z, RIPPLE)


def pushed(
    net: Network,
    *,
    step_size: float,
    steps: int = 1,
    label: float = 1.0,
    radius: float | None = None,
) -> Trajectory:
    """Training of ``net`` at a single point, all pushes in one direction.

    The hinge loss has slope 1 as long as the output has not reached the label.
    """
    return adversarial_training(
        net,
        Sample(circle(1), torch.full((1,), label, dtype=F64), "one point"),
        perturbation=SphereCap(0.1),
        attack=NoAttack(),
        loss=Hinge(),
        step_size=step_size,
        steps=steps,
        radius=radius,
        progress=False,
    )
