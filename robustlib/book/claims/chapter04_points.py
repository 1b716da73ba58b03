"""The statements of chapter 04 on single points: small angles, and Grams of distinct points."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...numerics import generator, row_norm
from ...samples import digits, hexagon, sphere
from .chapter04 import SEEDS
from .place import ntk
from .registry import Control, Evidence, claim
from .sharp import divided
from .tools import F64

ODD_PART_LINEAR = ("relu", "softplus", "gelu", "silu")  # s(z) - s(-z) = z


@claim(
    "angle-form",
    statement="prop-angle",
    title="The angle from differences, not from the cosine",
    chapter="04-kernel",
)
def angle_form(size: str) -> Evidence:
    """The three inequalities, then float32 kernels over nine orders of magnitude of the angle."""
    worst, naive = 0.0, 0.0
    shares, least = _angle_shares(SEEDS[size])
    for seed in range(SEEDS[size]):
        for exponent in range(-6, 1):
            for reach in (10.0**exponent, math.pi - 10.0**exponent):
                x, z = (points.float() for points in pairs_at(reach, 20, 16, seed))
                truth = relu_kernel(angle_from_differences(x.double(), z.double()))
                truth *= (row_norm(x.double()) * row_norm(z.double()))[:, None].squeeze(1)
                found = ntk(x, z, bias=False).diagonal().double()
                worst = max(worst, float(((found - truth) / truth).abs().max()))
                cosine = (x * z).sum(1) / (row_norm(x) * row_norm(z))
                single = relu_kernel(torch.acos(cosine.clamp(-1, 1))).double()
                naive = max(naive, float(((single - truth) / truth).abs().max()))
    return Evidence(
        predicted="error at most 2 eta theta/(1 - eta) from norms, at least sqrt(2u) and u from "
        "cosines; float32 kernels within 5e-7 at angles from 1e-6 to pi - 1e-6",
        measured=f"at most {shares:.4f} of the bound, at least {least:.4f} of the other two; "
        + ("within 5e-7" if worst <= 5e-7 else f"off by {worst:.1e}"),
        value=worst,
        holds=worst <= 5e-7 and shares <= 1 + 1e-9 and least >= 1 - 1e-9,
        ratio=min(shares, 1 / least),
        control=divided(
            Control(
                broken="the angle as arccos of the float32 cosine",
                measured="no digit right for some pairs" if naive >= 1 else f"off by {naive:.0e}",
                holds=naive <= 5e-7,
                short="angle from cosine",
            ),
            min(shares, 1 / least),
        ),
        ran=f"{SEEDS[size]} seeds, 280 pairs each in d = 16, ReLU; 20000 wrong norms",
    )


def _angle_shares(seeds: int) -> tuple[float, float]:
    """Largest share of the bound for wrong norms, smallest multiple of those for wrong cosines.

    Angles of all sizes, errors up to eta of both signs, the worst signs among them.
    """
    most, least = 0.0, math.inf
    for seed in range(seeds):
        draw = generator(seed, 5)
        theta = math.pi * 10 ** (-8 * torch.rand(4000, dtype=F64, generator=draw))
        for eta in (1e-7, 0.01, 0.5):
            errors = eta * (2 * torch.rand(2, 4000, dtype=F64, generator=draw) - 1)
            errors[:, ::2] = eta * torch.tensor([[1.0], [-1.0]], dtype=F64)
            p, q = 2 * torch.sin(theta / 2), 2 * torch.cos(theta / 2)
            found = 2 * torch.atan((1 + errors[0]) * p / ((1 + errors[1]) * q))
            bound = 2 * eta / (1 - eta) * theta
            # rounding of the angle itself, which is not what the statement is about
            most = max(most, float((((found - theta).abs() - 1e-15 * theta) / bound).max()))
        for u in (1e-4, 0.01, 0.5):
            least = min(least, math.acos(1 - u) / math.sqrt(2 * u))
            wide = torch.linspace(0, math.acos(u - 1), 4001, dtype=F64)
            error = torch.acos((wide.cos() - u).clamp(min=-1)) - wide
            least = min(least, float(error.min()) / u)
    return most, least


def pairs_at(angle: float, n: int, d: int, seed: int) -> tuple[Tensor, Tensor]:
    """Pairs of unit vectors (n, d) at this angle, in float64."""
    x, u = sphere(n, d, seed=seed).x, sphere(n, d, seed=seed + 1000).x
    u = u - (u * x).sum(1, keepdim=True) * x
    return x, math.cos(angle) * x + math.sin(angle) * u / row_norm(u)[:, None]


def angle_from_differences(x: Tensor, z: Tensor) -> Tensor:
    """The angles (n,) between rows, relatively right however small they are."""
    u, v = (points / row_norm(points)[:, None] for points in (x, z))
    return 2 * torch.atan2(row_norm(u - v), row_norm(u + v))


def relu_kernel(angle: Tensor) -> Tensor:
    """The ReLU kernel of unit vectors at this angle."""
    return torch.cos(angle) * (math.pi - angle) / (2 * math.pi)


@claim(
    "gram-positive",
    statement="thm-gram-positive",
    title="Distinct points give a positive definite Gram",
    chapter="04-kernel",
)
def gram_positive(size: str) -> Evidence:
    """The smallest eigenvalue with the lift, against rounding; without it, K y at the hexagon."""
    hexa = hexagon()
    lost, seen = (
        [float((ntk(hexa.x, activation=name, bias=False) @ hexa.y).norm()) for name in group]
        for group in (ODD_PART_LINEAR, ("erf", "tanh"))
    )
    names = ("relu", "gelu", "softplus", "erf")
    sets = [hexa.x, digits(n=20 * SEEDS[size]).x, sphere(40, 5, seed=2).x]
    smallest = math.inf
    for x in sets:
        for name in names if len(x) < 10 else ("relu",):
            values = torch.linalg.eigvalsh(ntk(x, activation=name))
            smallest = min(smallest, float(values[0] / values[-1]))
    least = 1e3 * len(sets[1]) * torch.finfo(F64).eps
    flat = torch.linalg.eigvalsh(ntk(hexa.x, bias=False))
    return Evidence(
        predicted="smallest eigenvalue > 0 at distinct points, with the lift; without it K y = 0 "
        "at the hexagon for four activations, and for erf and tanh not",
        measured=f"smallest over largest eigenvalue at least {smallest:.1e}; length of K y "
        + ("0 to 1e-12" if max(lost) <= 1e-12 else f"{max(lost):.1e}")
        + f" for the four, {seen[0]:.3f} and {seen[1]:.3f}",
        value=smallest,
        holds=smallest > least and max(lost) <= 1e-12 and min(seen) > 0.1,
        control=Control(
            broken="no lift, at the hexagon",
            measured="0 to 1e-12" if abs(float(flat[0])) <= 1e-12 else f"{float(flat[0]):.1e}",
            holds=float(flat[0]) > 1e-12,
            short="no bias lift",
        ),
        ran=f"hexagon ({', '.join(names)}), {len(sets[1])} digits and 40 random points (ReLU)",
    )
