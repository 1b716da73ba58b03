"""What the claims on online learning share: runs on the hexagon, their frozen losses, slopes."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...attacks import FGSM, Adversary, GridMax, RandomNoise, Reused
from ...losses import Hinge, PseudoHuber
from ...networks import LinearizedNet, Network, TwoLayerNet, linearize
from ...samples import Sample, hexagon
from ...sets import Finite
from ...training.trajectory import Trajectory
from .place import empirical_ntk
from .tools import F64, attacked_losses, candidates, train

ANGLE = 0.2  # radians to either side of each point of the hexagon
WIDTH = 256
ATTACKS: tuple[Adversary, ...] = (GridMax(), FGSM(), RandomNoise(), Reused(GridMax(), every=50))


def arcs(angle: float = ANGLE, size: int = 21) -> Finite:
    """``size`` points on the arc of ``angle`` to either side of every point of the hexagon."""
    return candidates(hexagon(), 2 * math.sin(angle / 2), size)


def affine_net(seed: int, width: int = WIDTH, activation: str = "relu") -> LinearizedNet:
    """A linearised two-layer net for the hexagon, in float64."""
    return linearize(TwoLayerNet(2, width, activation=activation, seed=seed).to(F64))


def gradient_bound(net: nn.Module, sets: Finite) -> float:
    """G: the largest norm of the gradient of the output, over all candidates."""
    points = sets.candidates.flatten(0, 1)
    return math.sqrt(float(empirical_ntk(net, points).diagonal().max()))


def play(net: nn.Module, attack: Adversary, sets: Finite, **options: Any) -> Trajectory:
    """Adversarial training on the hexagon, all recorded, where ``options`` say nothing else."""
    plain: dict[str, Any] = {"sample": hexagon(), "record": ("attacked", "weights")}
    return train(net, perturbation=sets, attack=attack, **(plain | options))


def history(run: Trajectory) -> tuple[Tensor, Tensor]:
    """The weights (T+1, ...) and the attacked points (T, n, d) of a recorded two-layer run."""
    if run.weights is None or run.attacked is None:
        raise ValueError("run must be recorded with 'attacked' and 'weights'")
    return run.weights["weight"], run.attacked


def frozen_losses(net: Network, points: Tensor, weight: Tensor) -> Tensor:
    """l_t(W) (T,) of one W = ``weight`` at the points (T, n, d) attacked in all steps."""
    steps, n, d = points.shape
    with torch.no_grad():
        f = net.evaluate((weight,), points.reshape(-1, d))
        return PseudoHuber()(f, hexagon().y.repeat(steps)).reshape(steps, n).mean(1)


def frozen_gradients(net: Network, points: Tensor, weights: Tensor) -> Tensor:
    """The gradient of l_t at W_t for every step, from weights (T, ...) and points (T, n, d)."""
    found = []
    for weight, at in zip(weights, points, strict=True):
        leaf = weight.clone().requires_grad_()
        mean = PseudoHuber()(net.evaluate((leaf,), at), hexagon().y).mean()
        found.append(torch.autograd.grad(mean, leaf)[0])
    stacked: Tensor = torch.stack(found)
    return stacked


def robust(net: Network, weight: Tensor, sets: Finite) -> float:
    """L_*(W) at W = ``weight``, by the exact attack."""
    model = copy.deepcopy(net)
    with torch.no_grad():
        next(model.parameters()).copy_(weight)
    return float(attacked_losses(model, hexagon(), GridMax(), sets, PseudoHuber()).mean())


def in_ball(net: Network, radius: float, seed: int) -> Tensor:
    """Random weights at distance ``radius`` from the start."""
    (start,) = net.start()
    noise = torch.randn(start.shape, dtype=F64, generator=torch.Generator().manual_seed(seed))
    weight: Tensor = start + radius * noise / noise.norm()
    return weight


def worst_comparator(net: Network, gradients: Tensor, radius: float) -> Tensor:
    """The W of the ball with the largest regret against the linear functions <gradient_t, W>."""
    (start,) = net.start()
    mean = gradients.mean(0)
    weight: Tensor = start - radius * mean / mean.norm()
    return weight


class Inner(Network):
    """f(W, x) = <W, x> from W_0 = 0."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.d, self.bias = d, False
        self.weight = nn.Parameter(torch.zeros(d, dtype=F64))

    def start(self) -> tuple[Tensor, ...]:
        """W_0, one tensor."""
        return (torch.zeros_like(self.weight),)

    def evaluate(self, weights: Sequence[Tensor], x: Tensor) -> Tensor:
        """Outputs (n,) at points ``x`` (n, d)."""
        return x @ weights[0]


def slow_game(d: int, radius: float) -> Trajectory:
    """prop-slow-training with the tuned step: the regret bound holds with equality."""
    sample, sets = basis(d)
    return play(
        Inner(d),
        GridMax(),
        sets,
        steps=d,
        step_size=radius / math.sqrt(d),
        radius=radius,
        sample=sample,
        loss=Hinge(),
    )


def basis(d: int) -> tuple[Sample, Finite]:
    """One point of label -1 that an attack may move to any of the ``d`` unit vectors."""
    eye = torch.eye(d, dtype=F64)
    return Sample(eye[:1], -torch.ones(1, dtype=F64), "one point"), Finite(eye[None])
