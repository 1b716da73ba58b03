"""What claims about depth share: forward and backward passes written out, and an adversary."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ...networks import DeepNet
from .chapter03_relu import shifted
from .tools import F64
from .widths import SEEDS, Slope, circle, lift, slopes_of, standard_run

# Deep nets store m^2 weights a layer, and slopes need several widths.
DEEP_WIDTHS = {
    "smoke": (128, 256, 512),
    "laptop": (96, 192, 384, 768),
    "gpu": (256, 512, 1024, 2048, 4096),
}
# Without training wider nets are within reach.
WORST_WIDTHS = {
    "smoke": (128, 256, 512),
    "laptop": (128, 256, 512, 768),
    "gpu": (256, 512, 1024, 2048, 4096, 8192),
}
# A gradient grows with the number of layers, so that deep nets get smaller steps.
DEEP_STEP, DEEP_STEPS = 0.5, 10


@dataclass(frozen=True)
class Pass:
    """All that one forward and one backward pass through a deep net compute at n points.

    ``hidden`` x_0..x_H, ``before`` z_1..z_H, ``into`` b_1..b_H (the derivative of f in x_h) and
    ``back`` e_1..e_H (the derivative of f in z_h), each (n, m). The gradient of f in layer h is
    the outer product of e_h and x_(h-1), divided by sqrt(m).
    """

    hidden: list[Tensor]
    before: list[Tensor]
    into: list[Tensor]
    back: list[Tensor]


def sweep(net: DeepNet, weights: Sequence[Tensor], x: Tensor) -> Pass:
    """The passes of ``net`` at other ``weights`` than its own, without automatic derivatives."""
    root = math.sqrt(net.width)
    with torch.no_grad():
        hidden, before = [lift(x) @ net.first.T], []
        for w in weights:
            before.append(hidden[-1] @ w.T / root)
            hidden.append(net.activation.function(before[-1]))
        into = [(net.readout / root).expand_as(hidden[0])]
        back = [into[0] * net.activation.derivative(before[-1])]
        for w, z in zip(reversed(weights[1:]), reversed(before[:-1]), strict=True):
            into.insert(0, back[0] @ w / root)
            back.insert(0, into[0] * net.activation.derivative(z))
    return Pass(hidden, before, into, back)


def gradient_norms(run: Pass) -> Tensor:
    """The norms (H, n) of the gradient in every layer."""
    width = run.hidden[0].shape[1]
    pairs = zip(run.back, run.hidden, strict=False)
    return torch.stack([d.norm(dim=1) * x.norm(dim=1) for d, x in pairs]) / math.sqrt(width)


def gradient_changes(here: Pass, there: Pass) -> Tensor:
    """The norms (H, n) of the change of the gradient in every layer, right for small ones too."""
    width, rows = here.hidden[0].shape[1], []
    layers = zip(here.back, there.back, here.hidden, there.hidden, strict=False)
    for (
        d,
        other,
        x,
        moved,
    ) in layers:  # other moved^T - d x^T = (other - d) moved^T + d (moved - x)^T
        change, shift = other - d, moved - x
        square = (change**2).sum(1) * (moved**2).sum(1) + (d**2).sum(1) * (shift**2).sum(1)
        square += 2 * (change * d).sum(1) * (moved * shift).sum(1)
        rows.append((square.clamp(min=0) / width).sqrt())
    return torch.stack(rows)


def deep_net(width: int, depth: int, seed: int, activation: str = "relu") -> DeepNet:
    """A deep net for points of the circle, in float64."""
    net = DeepNet(2, width, depth, activation=activation, seed=seed).to(F64)
    return net.requires_grad_(False)


def switched(net: DeepNet, x: Tensor, radius: float, layers: Sequence[int]) -> list[Tensor]:
    """Weights that switch as many units as ``radius`` allows at the point ``x`` (1, d).

    In each of the given ``layers`` (0 is the first), one after another: with what is left of the
    input from there, units go to the other side of 0 than at W_0, those first that cost least for
    what they pass on.
    """
    start, root = sweep(net, net.start(), x), math.sqrt(net.width)
    weights = [w.clone() for w in net.start()]
    hidden = start.hidden[0][0]
    for h, w in enumerate(weights):
        z, first = w @ hidden / root, start.before[h][0]
        if h in layers:
            side = torch.sign(first)
            step = torch.where(z * side > 0, -z - 1e-9 * first, torch.zeros_like(z))
            cost = step**2 * net.width / float(hidden.square().sum())
            order = (cost / start.into[h][0].square()).argsort()
            chosen = order[cost[order].cumsum(0) <= radius**2]
            move = torch.zeros_like(z)
            move[chosen] = step[chosen]
            w += move[:, None] * hidden * (root / float(hidden.square().sum()))
        hidden = net.activation.function(w @ hidden / root)
    return weights


def aligned(net: DeepNet, x: Tensor, radius: float, sign: float = 1.0) -> list[Tensor]:
    """Weights with (nearly) the largest error at x (1, d) that the last layer can make."""
    start = sweep(net, net.start(), x)
    weights = [w.clone() for w in net.start()]
    direction = start.hidden[-2][0] / start.hidden[-2][0].norm()
    chosen = sign * net.readout > 0
    step = torch.zeros_like(net.readout)
    worth = net.readout[chosen].abs()
    step[chosen] = shifted(weights[-1][chosen] @ direction, radius, worth)
    weights[-1] += step[:, None] * direction
    return weights


def place_units(net: DeepNet, z: float) -> Tensor:
    """Give every unit of a net of one layer the input ``z`` at ``circle(1)``; returns A x (m,)."""
    hidden = (lift(circle(1)) @ net.first.T)[0]
    weight = net.initial[0]
    off = z * math.sqrt(net.width) - weight @ hidden
    weight += off[:, None] * hidden / float(hidden.square().sum())
    with torch.no_grad():
        net.layers[0].copy_(weight)
    return hidden


def at_kinks(width: int, *, radius: float) -> tuple[DeepNet, list[Tensor]]:
    """A ReLU net of one layer with all units just above 0, and weights that take all below."""
    net = deep_net(width, 1, 0)
    net.readout.fill_(1.0)
    hidden = place_units(net, 1e-9)
    step = torch.full((width, 1), radius / math.sqrt(width), dtype=F64)
    return net, [net.start()[0] - step * hidden / hidden.norm()]


def stability_bound(net: DeepNet, x: Tensor, radius: float) -> float:
    """The right side of thm-deep-stability: how far a layer's gradient can change in the ball."""
    start, root, depth = sweep(net, net.start(), x), math.sqrt(net.width), net.depth
    norm = max(float(torch.linalg.matrix_norm(w, 2)) for w in net.start()) / root
    slope = net.activation.slope
    beta = max(1.0, slope * (norm + radius / root))
    size = max(float(h.norm(dim=1).max()) for h in start.hidden) / root
    spread = root * max(float(g.abs().max()) for g in start.into)
    shift = depth * beta ** (depth - 1) * radius * size
    if not net.activation.smooth:  # the number of units that can change sides
        squares = torch.stack(start.before).square().sort(dim=2).values.cumsum(2)
        slopes = math.sqrt(int((squares <= shift**2).sum(2).max()))
    else:
        slopes = net.activation.curvature * shift
    inner = depth * beta ** (depth - 1) * (slopes + slope**2 * radius)
    return spread / root * (inner * (size + slope * shift / root) + slope**2 * shift)


def deep_run(net: DeepNet, *, steps: int = DEEP_STEPS) -> list[Tensor]:
    """The weights after adversarial training on the hexagon against FGSM."""
    run = standard_run(net.requires_grad_(True), step_size=DEEP_STEP, steps=steps)
    return [w.detach() for w in run.final.parameters()]


def deep_error(net: DeepNet, weights: Sequence[Tensor], x: Tensor) -> Tensor:
    """The linearisation error (n,) around W_0."""
    with torch.no_grad():
        step = [w - w0 for w, w0 in zip(weights, net.start(), strict=True)]
        return (net.evaluate(weights, x) - net.expand(step, x)).abs()


def distances(net: DeepNet, weights: Sequence[Tensor]) -> list[float]:
    """How far every layer is from its start."""
    return [float((w - w0).norm()) for w, w0 in zip(weights, net.start(), strict=True)]


def relu_and_gelu(size: str, measure: Callable[[int, int, str], list[float]]) -> list[Slope]:
    """The slopes of ``measure(width, seed, activation)``, one number, for both activations."""

    def both(width: int, seed: int) -> list[float]:
        return measure(width, seed, "relu") + measure(width, seed, "gelu")

    return slopes_of(DEEP_WIDTHS[size], SEEDS[size], both)
