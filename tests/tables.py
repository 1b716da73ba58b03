"""What the tests of many rooms share."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from robustlib import PGD, L1Ball, L2Ball, LinfBall, Perturbation, SphereCap
from robustlib.activations import ACTIVATIONS, Activation, Parity
from robustlib.losses import Hinge, LogCosh, Logistic, Loss, PseudoHuber
from robustlib.networks import DeepNet, TwoLayerNet

# --- sets: one of each kind, as examples on the sphere suit them -------------------------------

# A set that is added stands here; the tests of sets, attacks, bounds and search then run on it.
SETS: list[Perturbation] = [SphereCap(0.3), L2Ball(0.3), LinfBall(0.1), L1Ball(0.5)]


def boxed(lo: float, hi: float) -> list[Perturbation]:
    """Every ball, large enough that the box takes something off it."""
    box = (lo, hi)
    return [L2Ball(0.4, box=box), LinfBall(0.2, box=box), L1Ball(0.8, box=box)]


# --- activations, losses and nets --------------------------------------------------------------

LOSSES: list[Loss] = [PseudoHuber(), LogCosh(), Logistic(), Hinge()]


def mish(z: Tensor) -> Tensor:
    return z * torch.tanh(functional.softplus(z, threshold=40.0))


def mish_slope(z: Tensor) -> Tensor:
    t = torch.tanh(functional.softplus(z, threshold=40.0))
    return t + z * (1 - t * t) * torch.sigmoid(z)


def leaky(z: Tensor) -> Tensor:
    return functional.leaky_relu(z, 0.1)


def leaky_slope(z: Tensor) -> Tensor:
    return 0.1 + 0.9 * torch.relu(z.detach()).sign()


def hard_tanh_slope(z: Tensor) -> Tensor:
    return (z.detach().abs() < 1).to(z.dtype)


def sine_range(low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """Ends, and 1 or -1 where a crest or a trough lies between them."""

    def holds(at: float) -> Tensor:
        turns = torch.ceil((low - at) / (2 * math.pi))
        return at + 2 * math.pi * turns <= high

    ends = torch.sin(low), torch.sin(high)
    top = torch.where(holds(math.pi / 2), 1.0, torch.maximum(*ends))
    return torch.where(holds(-math.pi / 2), -1.0, torch.minimum(*ends)), top


# Activations that the library does not know, as users would write them.
OWN: dict[str, Activation] = {
    a.name: a
    for a in (
        Activation("mish", mish, mish_slope, slope=1.0885, curvature=0.6443, strip=0.75 * math.pi),
        Activation(
            "sine",
            torch.sin,
            torch.cos,
            slope=1.0,
            curvature=1.0,
            third=1.0,
            parity=Parity("odd"),
            range=sine_range,
            strip=math.inf,
        ),
        Activation(
            "leaky",
            leaky,
            leaky_slope,
            slope=1.0,
            monotone=True,
            degree=1,
            parity=Parity("even", 1),
        ),
        Activation(
            "hard tanh",
            functional.hardtanh,
            hard_tanh_slope,
            slope=1.0,
            monotone=True,
            parity=Parity("odd"),
        ),
    )
}

# One of ours would hide one that is built in.
assert not ACTIVATIONS.keys() & OWN.keys()

# Nets of 5 inputs by activation; an activation that is added gets its own.
NETS: dict[str, Callable[[int], nn.Module]] = {
    **{
        f"two-layer {name}": lambda seed, a=a: TwoLayerNet(  # type: ignore[misc]
            5, 12, activation=a, symmetric=bool(seed % 2), bias=seed % 3 > 0, seed=seed
        )
        for name, a in (ACTIVATIONS | OWN).items()
    },
    **{
        f"deep {name}": lambda seed, a=a: DeepNet(  # type: ignore[misc]
            5, 8, 1 + seed % 3, activation=a, bias=seed % 3 > 0, seed=seed
        )
        for name, a in (ACTIVATIONS | OWN).items()
    },
}


# --- attacks -----------------------------------------------------------------------------------


def many_starts(
    net: nn.Module, x: Tensor, y: Tensor, sets: Perturbation, loss: Loss, starts: int = 8
) -> Tensor:
    """What PGD finds (starts, n, d) from x and, all at once, from random points of the sets."""
    rows, labels = x.repeat(starts - 1, 1), y.repeat(starts - 1)
    options = {"perturbation": sets, "loss": loss}
    natural = PGD()(net, x, y, **options)
    others = PGD(start="random", seed=3)(net, rows, labels, **options)
    return torch.cat([natural[None], others.reshape(-1, *x.shape)])


@dataclass(frozen=True)
class Unproved(Perturbation):
    """A cube round x, by four methods: without a support function."""

    eps: float

    @property
    def radius(self) -> float:
        return 2 * self.eps

    def with_radius(self, radius: float) -> Unproved:
        return Unproved(radius / 2)

    def _project(self, z: Tensor, x: Tensor) -> Tensor:
        return z.clamp(x - self.eps, x + self.eps)

    def _argmax_linear(self, g: Tensor, x: Tensor) -> Tensor:
        return x + self.eps * g.sign()
