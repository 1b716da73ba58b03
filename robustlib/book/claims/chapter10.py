"""The statements of chapter 10 on capacity: the gadget, its range, and the maximum norm."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from ...capacity import check_shattering, hypercube_gadget, robust_vc_bound
from ...numerics import generator
from .registry import Control, Evidence, claim
from .tools import F64

SIZES = ((2, 2), (2, 5), (2, 8), (4, 3), (4, 5), (6, 3))


@claim(
    "capacity",
    statement="thm-capacity",
    title="Theorem E: robust interpolation needs capacity",
    chapter="10-capacity",
)
def capacity(size: str) -> Evidence:
    """Every labelling of every gadget is forced; with balls a little smaller it is not."""
    cases = [(n, d, math.sqrt(1 - 1 / d), d) for n, d in SIZES]
    cases += [(n, d, 1.0, d) for n, d in ((1, 3), (3, 2), (5, 2), (3, 1))]
    cases += [(2, 8, 0.8, 2), (2, 8, 0.9, 5), (2, 8, math.sqrt(7 / 8), 8)]
    if size != "smoke":
        cases += [(4, 6, 1.0, 6), (8, 3, 0.9, 3), (10, 2, 1.0, 2)]
    labellings, holds, spare = 0, True, math.inf
    for n, d, rho, k in cases:
        gadget = hypercube_gadget(n, d, rho=rho)
        seen = check_shattering(gadget)
        bound = robust_vc_bound(n, d, rho=rho).value
        counted = n // 2 * k + n % 2
        holds &= seen.holds and seen.exhaustive
        holds &= len(gadget.points) == counted and bound == max(n, counted)
        spare = min(spare, seen.separation - 2)
        labellings += seen.labellings
    below = [
        check_shattering(hypercube_gadget(n, d, rho=math.sqrt(1 - 1 / d) - 1e-6, per_pair=d))
        for n, d in SIZES
    ]
    reach = max(seen.distance - seen.allowed for seen in below)
    return Evidence(
        predicted="floor(n/2) min(d, floor(1/(1 - rho^2))) + (n odd) points, all labellings forced",
        measured=f"all {labellings} labellings forced" if holds else "some labelling is not",
        value=spare,
        holds=holds and spare >= -1e-9,
        control=Control(
            broken="d points a pair, rho smaller than sqrt(1 - 1/d) by 1e-6",
            measured=f"a point is {reach:.1e} delta outside of its ball",
            holds=any(seen.holds for seen in below),
        ),
        ran=f"{len(cases)} gadgets, n = 1 to {max(c[0] for c in cases)}, d = 1 to 8, exhaustively",
    )


def ratio_needed(points: Tensor, v: Tensor) -> float:
    """Root mean square over j of the least |z_j - c - v_j u|, over all c and |u| >= 1."""
    centred = points - points.mean(0)
    lean = (v - v.mean()) @ points / len(points)
    spread = float((centred**2).sum()) / len(points)
    # the best c leaves spread - 2 <lean, u> + |u|^2 (1 - mean(v)^2), and u points along lean
    share, length = 1 - float(v.mean()) ** 2, float(lean.norm())
    best = max(1.0, length / share) if share > 0 else 1.0
    return math.sqrt(max(spread - 2 * length * best + best**2 * share, 0.0))


def simplex(k: int) -> Tensor:
    """The k corners of the regular simplex for which the bound on pairs is attained."""
    corners = torch.eye(k, dtype=F64) - 1 / k
    size: Tensor = corners.norm()
    return corners / size * math.sqrt(k / (k - 1))  # the best scale for |u| = 1


@claim(
    "pairs",
    statement="prop-pairs",
    title="What pairs of touching balls can shatter",
    chapter="10-capacity",
)
def pairs(size: str) -> Evidence:
    """The ratio that k points need, over points on gadgets, on simplices and at random."""
    excess, tight, control = math.inf, 0.0, math.inf
    for k in (4, 6, 8) if size == "smoke" else (4, 6, 8, 10):
        least = math.sqrt(1 - 1 / (k - 1))
        balanced = [
            torch.tensor(v, dtype=F64)
            for v in itertools.product((1.0, -1.0), repeat=k)
            if sum(v) == 0 and v[0] > 0
        ]
        noise = [
            scale * torch.randn(k, d, dtype=F64, generator=generator(10 * k + d))
            for d in (2, k - 1, 3 * k)
            for scale in (0.3, 1.0 / math.sqrt(d), 1.0)
        ]
        gadget = hypercube_gadget(2, k, rho=1.0).points
        for points in (simplex(k), gadget, *noise):
            needs = [ratio_needed(points, v) for v in balanced]
            excess = min(excess, max(needs) - least)
            control = min(control, min(needs) - least)
        tight = max(tight, abs(max(ratio_needed(simplex(k), v) for v in balanced) - least))
    return Evidence(
        predicted="no k points with rho < sqrt(1 - 1/(k - 1)), k even; a simplex attains it",
        measured=f"never below by more than {max(-excess, 1e-9):.0e}; simplex equal to "
        f"{max(tight, 1e-9):.0e}",
        value=excess,
        holds=excess >= -1e-9 and tight <= 1e-9,
        control=Control(
            broken="the easiest balanced labelling in place of the hardest",
            measured=f"rho below it by up to {-control:.2f}",
            holds=control >= -1e-9,
        ),
        ran="k = 4 to 8 or 10, all balanced labellings, 11 sets of points each",
    )


@claim(
    "maximum-norm",
    statement="prop-maximum-norm",
    title="Pairs in the maximum norm",
    chapter="10-capacity",
)
def maximum_norm(size: str) -> Evidence:
    """The gadget's points are shattered; random points have too few thresholds for more."""
    shattered, counts = True, []
    for d in (1, 2, 3, 7) if size == "smoke" else (1, 2, 3, 7, 15, 31):
        for rho in (0.51, 1.0):
            gadget = hypercube_gadget(2, d, rho=rho, norm="linf")
            shattered &= check_shattering(gadget).holds
            shattered &= gadget.per_pair == 1 + int(math.log2(d + 1))
            k = gadget.per_pair
            thresholds = len(threshold_splits(gadget.points))
            shattered &= thresholds == 2 ** (k - 1) - 1
        for k in range(2, 9):
            z = torch.randn(k, d, dtype=F64, generator=generator(k))
            counts.append(len(threshold_splits(z)) / (d * (k - 1)))
    v = torch.tensor([1.0, -1.0, 1.0], dtype=F64)
    origin = max(float((v * s).abs().max()) for s in (1.0, -1.0))
    return Evidence(
        predicted="1 + floor(log2(d + 1)) points a pair; at most d (k - 1) threshold splits",
        measured=f"shattered; splits at most {max(counts):.2f} of d (k - 1)",
        value=max(counts),
        holds=shattered and max(counts) <= 1,
        control=Control(
            broken="hypercube vertices as centres, radius delta: d points a pair",
            measured=f"the point between them is {origin:g} delta from both labels' centres",
            holds=origin > 1,
        ),
        ran="d = 1 to 7 or 31, rho = 0.51 and 1, all labellings; 2 to 8 random points",
    )


def threshold_splits(points: Tensor) -> set[tuple[bool, ...]]:
    """Splits of the points (k, d) in two non-empty parts by a threshold of one coordinate."""
    found = set()
    for column in points.T:
        for cut in column.tolist():
            side = column > cut
            if bool(side.any()):
                found.add(tuple((side == side[0]).tolist()))
    return found
