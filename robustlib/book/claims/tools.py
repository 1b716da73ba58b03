"""What several claims need: an affine model, the losses an attack finds, exact finite sets."""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn

from ...attacks import Adversary
from ...losses import Loss, PseudoHuber
from ...numerics import generator, row_norm
from ...samples import Sample
from ...sets import Finite, Perturbation, SphereCap
from .place import adversarial_training

F64 = torch.float64
# Training as most claims do it: with the loss that meets every assumption, and without a bar.
train = partial(adversarial_training, loss=PseudoHuber(), progress=False)


class Affine(nn.Module):
    """f(x) = <w, x> + b with w and b drawn from ``seed``, in float64."""

    def __init__(self, d: int, seed: int) -> None:
        super().__init__()
        noise = torch.randn(d + 1, dtype=F64, generator=generator(seed))
        self.w, self.b = nn.Parameter(noise[:d]), nn.Parameter(noise[d])

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (n,) at points ``x`` (n, d)."""
        return x @ self.w + self.b


def attacked_losses(
    net: nn.Module, sample: Sample, attack: Adversary, perturbation: Perturbation, loss: Loss
) -> Tensor:
    """The loss (n,) at the points that ``attack`` finds."""
    points = attack(net, sample.x, sample.y, perturbation=perturbation, loss=loss)
    with torch.no_grad():
        return loss(net(points), sample.y)


def candidates(sample: Sample, rho: float, size: int = 401) -> Finite:
    """The caps of ``sample`` as finite sets, over which the inner maximum is exact."""
    return Finite(SphereCap(rho).grid(sample.x, size))


def nearest_on_arc(x: Tensor, z: Tensor, rho: float) -> Tensor:
    """Distance (n,) from z to the cap, by search along the arc from x towards z, refined twice."""
    theta = 2 * math.asin(min(rho, 2.0) / 2)
    side = z - (z * x).sum(1, keepdim=True) * x
    side = side / row_norm(side)[:, None]
    low, high = torch.zeros(len(x), 1, dtype=F64), torch.full((len(x), 1), theta, dtype=F64)
    for _ in range(6):
        beta = low + (high - low) * torch.linspace(0, 1, 101, dtype=F64)
        arc = beta.cos()[..., None] * x[:, None] + beta.sin()[..., None] * side[:, None]
        distance: Tensor = torch.linalg.vector_norm(z[:, None] - arc, dim=2)
        near, best = distance.min(1, keepdim=True)
        low = beta.gather(1, (best - 1).clamp(min=0))
        high = beta.gather(1, (best + 1).clamp(max=100))
    return near.squeeze(1)
