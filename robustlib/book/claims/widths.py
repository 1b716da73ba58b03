"""What claims about width share: trained nets of many widths, their slopes, one standard run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional

from ...attacks import FGSM, Attack
from ...losses import PseudoHuber
from ...networks import DeepNet, TwoLayerNet
from ...samples import hexagon
from ...sets import SphereCap
from ...training.trajectory import Trajectory
from .registry import interval_over_seeds
from .tools import F64, train

# How far above an exponent the mean of a fit and the end of its interval may lie, to support "at
# most this exponent".
ABOVE, FAR_ABOVE = 0.15, 0.35
# Below 512 units a row's movement is not small beside the row, and slopes mean little.
WIDTHS = {
    "smoke": (512, 2048),
    "laptop": (1024, 4096, 16_384),
    "gpu": (1024, 4096, 16_384, 65_536),
}
SEEDS = {"smoke": 4, "laptop": 5, "gpu": 20}
# The standard run: the hexagon, caps of radius 0.2, step size 1, 20 steps. The pseudo-Huber loss
# has Lipschitz constant 1, so LENGTH bounds by how much all steps together can push an output.
STEP, STEPS, RADIUS = 1.0, 20, 0.2
LENGTH = STEP * STEPS * PseudoHuber().lipschitz
RAN = "hexagon, rho = 0.2, FGSM, 20 steps of size 1"


@dataclass(frozen=True)
class Slope:
    """Exponents of a power law of the width, one a seed; prints as their mean."""

    fits: list[float]

    @property
    def mean(self) -> float:
        """Their mean."""
        return float(np.mean(self.fits))

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the mean."""
        return interval_over_seeds(self.fits)

    def contains(self, exponent: float) -> bool:
        """Whether the interval contains ``exponent``."""
        return self.interval[0] <= exponent <= self.interval[1]

    def at_most(self, exponent: float) -> bool:
        """Whether the exponent is shown to be ``exponent`` or less: one-sided, for upper bounds.

        The interval reaches ``exponent``, and neither its middle nor its upper end is far above: a
        fit so noisy that its interval reaches everything shows nothing.
        """
        low, high = self.interval
        return low <= exponent and self.mean <= exponent + ABOVE and high <= exponent + FAR_ABOVE

    def __str__(self) -> str:
        return f"{round(self.mean, 2) + 0.0:.2f}"  # never -0.00


def slope(widths: Sequence[int], values: Sequence[Sequence[float]]) -> Slope:
    """The slope of log values against log width, fitted for each seed: one row of values each."""
    logs = np.log(np.asarray(values, dtype=float))
    return Slope([float(np.polyfit(np.log(widths), row, 1)[0]) for row in logs])


def agrees(values: Sequence[float], expected: float, *, among: int) -> bool:
    """Whether the mean of ``values`` is compatible with ``expected``, as one of several tests.

    Student's t test over seeds; all ``among`` tests together reject a true statement in at most
    5 % of cases (Bonferroni).
    """
    error = float(stats.sem(values)) * stats.t.ppf(1 - 0.025 / among, len(values) - 1)
    return bool(abs(float(np.mean(values)) - expected) <= error)


def slopes_of(
    widths: Sequence[int], seeds: int, measure: Callable[[int, int], Sequence[float]]
) -> list[Slope]:
    """The slopes of every number that ``measure(width, seed)`` returns, in its order."""
    seen = [[measure(m, seed) for m in widths] for seed in range(seeds)]
    return [slope(widths, [[at[k] for at in row] for row in seen]) for k in range(len(seen[0][0]))]


def over_widths(size: str, measure: Callable[[int, int], Sequence[float]]) -> list[Slope]:
    """The same over the widths and seeds of the standard run."""
    return slopes_of(WIDTHS[size], SEEDS[size], measure)


def lift(x: Tensor) -> Tensor:
    """The bias lift (x, 1)/sqrt(2) that nets apply inside: rows of norm 1 keep it."""
    return functional.pad(x, (0, 1), value=1.0) * math.sqrt(0.5)


def circle(points: int = 180) -> Tensor:
    """Points (points, 2) evenly spaced on the circle."""
    turn = 2 * math.pi * torch.arange(points, dtype=F64) / points
    return torch.stack([turn.cos(), turn.sin()], dim=1)


def standard_net(width: int, seed: int, activation: str = "gelu") -> TwoLayerNet:
    """The net of the standard run, in float64."""
    return TwoLayerNet(2, width, activation=activation, seed=seed).to(F64)


def standard_run(
    net: nn.Module,
    *,
    attack: Attack | None = None,
    step_size: float = STEP,
    steps: int = STEPS,
    radius: float | None = None,
) -> Trajectory:
    """Adversarial training of ``net`` on the hexagon against ``attack`` (default: FGSM)."""
    return train(
        net,
        hexagon(),
        perturbation=SphereCap(RADIUS),
        attack=FGSM() if attack is None else attack,
        step_size=step_size,
        steps=steps,
        radius=radius,
    )


class MeanField(nn.Module):
    """``net`` with one more factor 1/sqrt(m): 1/m instead of 1/sqrt(m)."""

    def __init__(self, net: TwoLayerNet | DeepNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (n,) at points x (n, d)."""
        outputs: Tensor = self.net(x) / math.sqrt(self.net.width)
        return outputs


def two_layer(net: nn.Module) -> TwoLayerNet:
    """The two-layer net of a finished run, inside its ``MeanField`` where it has one."""
    found = net.net if isinstance(net, MeanField) else net
    if not isinstance(found, TwoLayerNet):
        raise TypeError(f"net must be or hold a TwoLayerNet, got {type(net).__name__}")
    return found


def gradient_change(net: TwoLayerNet, weights: Tensor, x: Tensor) -> Tensor:
    """|grad_W f(weights, x) - grad_W f(W_0, x)|_F (n,) for points x of norm 1."""
    inputs, slopes = lift(x), net.activation.derivative
    with torch.no_grad():
        change = slopes(inputs @ weights.T) - slopes(inputs @ net.initial.T)
    return (change**2).mean(1).sqrt()


def linearisation_error(net: TwoLayerNet, weights: Tensor, x: Tensor) -> Tensor:
    """|f(W) - f(W_0) - <grad_W f(W_0), W - W_0>| (n,) at W = ``weights`` and points x."""
    with torch.no_grad():
        linear = net.expand((weights - net.initial,), x)
        return (net.evaluate((weights,), x) - linear).abs()


def rms(values: Tensor) -> float:
    """The root mean square."""
    return float((values**2).mean().sqrt())
