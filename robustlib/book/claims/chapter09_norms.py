"""The statements of chapter 09 on norms: how large R is, for gaps and for many sets."""

from __future__ import annotations

import math

import numpy as np
import torch

from ...expressivity.zonal import ZonalKernel
from ...samples import Sample, sphere
from ...sets import SphereCap
from ...solvers.shortest_vector import shortest
from .gaps import gap_norm
from .place import ntk
from .registry import Control, Evidence, claim
from .sharp import divided
from .tools import F64
from .widths import SEEDS

GAPS = (0.2, 0.1, 0.05, 0.025, 0.0125)


def margin_bound(gap: float) -> float:
    """The norm of the affine function of prop-gap that has margin 1 at both edges."""
    middle = math.pi / 3
    edges = (math.cos(middle - gap / 2) - 0.5, 0.5 - math.cos(middle + gap / 2))
    return 2 * math.sqrt(2.5) / min(edges)


@claim(
    "gap-norm",
    statement="prop-gap",
    title="What a small gap costs",
    chapter="09-robust-networks",
)
def gap_norms(size: str) -> Evidence:
    """Least norms for two caps on spheres of dimension 1 to 4, and their local slopes."""
    kernel = ZonalKernel("relu", True, "first", 1)
    low, high, above, off = math.inf, 0.0, 0.0, 0.0
    for d in (2, 3, 4, 5):
        rates = (d - 1) / 2, min((d - 1) / 2, 1.0)
        fit = [gap_norm(d, gap, 0.8, 1.2) for gap in GAPS]
        margin = [gap_norm(d, gap, 1.0) for gap in GAPS]
        low = min(low, *(r * kernel.distance(gap) / 2 for gap, r in zip(GAPS, margin, strict=True)))
        high = max(high, *(r / margin_bound(gap) for gap, r in zip(GAPS, margin, strict=True)))
        above = max(above, *(r / margin_bound(gap) for gap, r in zip(GAPS, fit, strict=True)))
        for rate, norms in zip(rates, (fit, margin), strict=True):
            local = np.diff(np.log(norms)) / math.log(2)
            off = max(off, abs(float(local[-1]) - rate))
    pair = pair_share(kernel)
    near = min(high, pair)
    return Evidence(
        predicted="margin norms between the two bounds; last local slopes -(d-1)/2 for a "
        "tolerance, -min((d-1)/2, 1) for a margin",
        measured=f"at least {low:.2f} times the lower and {high:.2f} times the upper bound; "
        f"slopes within {off:.2f}; lower bound {pair:.2f} of the norm for two points",
        value=off,
        holds=low >= 1 and high <= 1 and off <= 0.1 and pair <= 1 + 1e-6,
        ratio=near,
        control=divided(
            Control(
                broken="the upper bound for margins, asked of a tolerance",
                measured=f"up to {above:.1f} times the bound",
                holds=above <= 1,
                short="tolerance for margin",
            ),
            near,
        ),
        ran=f"two caps, ReLU, d = 2 to 5, gaps {GAPS[0]} to {GAPS[-1]} rad, tolerance 0.2",
    )


def pair_share(kernel: ZonalKernel, gap: float = 0.2) -> float:
    """The lower bound for two points over their least norm, which the solver finds."""
    angles = torch.tensor([0.0, gap], dtype=F64)
    x = torch.stack([angles.cos(), angles.sin()], 1)
    gram = ntk(x).numpy() * np.array([[1, -1], [-1, 1]])
    found = shortest(gram, np.ones(2), np.full(2, math.inf))
    return 2 / kernel.distance(gap) / math.sqrt(found.square)


def power_weight(p: int) -> float:
    """The coefficient of t^p in the biased ReLU kernel."""
    total = 0.25 * 0.5 * (p <= 1)
    for j in range(300):
        power = 2 * j + 2
        if power >= p:
            weight = math.comb(2 * j, j) / 4**j / (2 * math.pi * (2 * j + 1))
            total += weight * math.comb(power, p) / 2**power
    return total


def sum_of_powers(sample: Sample, reach: float) -> tuple[float, float]:
    """Norm over bound, and least y g found on the caps, of the g that prop-polynomial names.

    The radius of the caps is ``reach`` times the least distance of the points.
    """
    n, x, y, apart = len(sample.x), sample.x, sample.y, float(torch.pdist(sample.x).min())
    cap = SphereCap(reach * apart)
    t1, t2 = 1 - cap.rho**2 / 2, 1 - (apart - cap.rho) ** 2 / 2
    degree = max(1, math.ceil(math.log(2 * n) / math.log((1 + t1) / (1 + t2))))
    weights = [power_weight(p) for p in range(degree + 1)]
    square = sum(
        float(y @ (x @ x.T) ** p @ y) * (2 * math.comb(degree, p) / (1 + t1) ** degree) ** 2 / b
        for p, b in enumerate(weights)
    )
    bound = 2 * n * (2 / (1 + t1)) ** degree / math.sqrt(min(weights))
    least = math.inf
    for toward in x:  # the rims of all caps, where they are nearest to one of the points
        z = cap.argmax_linear(toward.expand_as(x), x)
        least = min(least, float((y * (2 * ((1 + z @ x.T) / (1 + t1)) ** degree @ y)).min()))
    return math.sqrt(square) / bound, least


@claim(
    "polynomial-norm",
    statement="prop-polynomial",
    title="Powers of one coordinate cost the same in every dimension",
    chapter="09-robust-networks",
)
def polynomial_norm(size: str) -> Evidence:
    """The norm that values of <u, x>^p need, against 1/sqrt(b_p); the sums of powers for n sets."""
    worst, longer = 0.0, 0.0
    twelve = [sphere(12, d, seed=seed) for d in (10, 100) for seed in range(SEEDS[size])]
    sums = [sum_of_powers(sample, 0.4) for sample in twelve]
    poles = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=F64)
    sums.append(sum_of_powers(Sample(poles, poles[:, 0], "two poles"), 0.05))
    share, margin = max(share for share, _ in sums), min(least for _, least in sums)
    for d in (2, 10, 100):
        for seed in range(SEEDS[size]):
            x = sphere(60, d, seed=seed).x
            K = ntk(x)
            for p in range(1, 6):
                values = (x @ x[0]) ** p
                need = math.sqrt(max(0.0, float(values @ torch.linalg.solve(K, values))))
                ratio = need * math.sqrt(power_weight(p))
                worst, longer = max(worst, ratio), max(longer, ratio * 2**p)
    total = abs(sum(power_weight(p) for p in range(200)) - 0.5)
    return Evidence(
        predicted="norm at most 1/sqrt(b_p), whatever d; all b_p add up to K(x, x) = 1/2; "
        "sums of powers below their bound, with y g >= 1",
        measured=f"at most {worst:.2f} of the bound; sum right to {total:.0e}; at most {share:.2f} "
        f"of the bound, with y g >= {margin:.2f}",
        value=worst,
        holds=worst <= 1 + 1e-6 and total <= 0.1 and share <= 1 and margin >= 1,
        ratio=min(worst, share),
        control=divided(
            divided(
                Control(
                    broken="a vector u of length 2",
                    measured=f"up to {longer:.1f} of the bound",
                    holds=longer <= 1,
                    short="a longer vector",
                ),
                worst,
            ),
            share,
            3,
        ),
        ran=f"p = 1 to 5, d = 2, 10, 100, 60 points, {SEEDS[size]} samples each; 12 caps, and "
        "two at opposite poles",
    )
