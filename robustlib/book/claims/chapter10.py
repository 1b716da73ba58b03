"""The statements of chapter 10 on capacity: the gadget, its range, and the maximum norm."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor

from ...capacity import check_shattering, hypercube_gadget, robust_vc_bound, simplex_gadget
from ...capacity.simplex import best_size, corners, least_ratio
from ...numerics import generator
from .registry import Control, Evidence, claim
from .sharp import divided
from .tools import F64

SIZES = ((2, 2), (2, 5), (2, 8), (4, 3), (4, 4), (6, 2))


@claim(
    "capacity",
    statement="thm-capacity",
    title="Theorem E: robust interpolation needs capacity",
    chapter="10-capacity",
)
def capacity(size: str) -> Evidence:
    """Every labelling of every gadget is forced; with balls a little smaller it is not."""
    cases = [(n, d, least_ratio(d + 1), d + 1) for n, d in SIZES]
    cases += [(n, d, 1.0, d + 1) for n, d in ((1, 3), (3, 2), (5, 2), (3, 1))]
    cases += [(2, 8, 0.6, 2), (2, 8, 0.7, 3), (2, 8, 0.85, 4), (2, 8, 0.9, 6), (5, 2, 0.9, 3)]
    if size != "smoke":
        cases += [(4, 5, 1.0, 6)]
    labellings, holds, spare = 0, True, math.inf
    for n, d, rho, k in cases:
        gadget = simplex_gadget(n, d, rho=rho)
        seen = check_shattering(gadget)
        bound = robust_vc_bound(n, d, rho=rho).value
        counted = n // 2 * k + n % 2
        holds &= seen.holds and seen.exhaustive
        holds &= len(gadget.points) == counted and bound == max(n, counted)
        spare = min(spare, seen.separation - 2)
        labellings += seen.labellings
    small = [
        check_shattering(simplex_gadget(2, k - 1, rho=least_ratio(k) - 1e-6, per_pair=k))
        for k in (2, 3, 4, 6, 8, 10)
    ]
    reach = max(seen.distance - seen.allowed for seen in small)
    return Evidence(
        predicted="floor(n/2) k + (n odd) points, all labellings forced; k = d + 1 from "
        "sqrt(1 - 1/d) on, in the plane from 2/3",
        measured=f"all {labellings} labellings forced" if holds else "some labelling is not",
        value=spare,
        holds=holds and spare >= -1e-9,
        ratio=max(seen.allowed / seen.distance for seen in small),
        control=Control(
            broken="rho smaller than its threshold by 1e-6, for k = 2, 3, 4, 6, 8, 10",
            measured=f"a point is {reach:.1e} delta outside of its ball",
            holds=any(seen.holds for seen in small),
            short="rho too small",
        ),
        ran=f"{len(cases)} gadgets, n = 1 to {max(c[0] for c in cases)}, d = 1 to 8, exhaustively; "
        "the control is as near equality as can be, so no constant is halved",
    )


def ratios_needed(points: Tensor, labellings: Tensor) -> Tensor:
    """For each labelling v the root mean square over j of the least |z_j - c - v_j u|.

    The least over all c and all |u| >= 1: two balls need at least this ratio, and mostly more.
    """
    centred = points - points.mean(0)
    mean = labellings.mean(1)
    lean = (labellings - mean[:, None]) @ points / len(points)
    spread = float((centred**2).sum()) / len(points)
    # the best c leaves spread - 2 <lean, u> + |u|^2 (1 - mean(v)^2), and u points along lean
    share, length = 1 - mean**2, lean.norm(dim=1)
    best = (length / share).clamp(min=1.0)
    needed: Tensor = (spread - 2 * length * best + best**2 * share).clamp(min=0).sqrt()
    return needed


def lower_ratio(k: int) -> float:
    """The least ratio that prop-pairs allows for k points."""
    return math.sqrt(1 - 1 / (k - 1) if k % 2 == 0 else 1 - (k + 2) / k**2)


def hard_labellings(k: int) -> Tensor:
    """Those of prop-pairs (labellings, k): with as many +1 as -1, or one more."""
    every = itertools.product((1.0, -1.0), repeat=k)
    return torch.tensor([v for v in every if sum(v) == k % 2], dtype=F64)


def rival(points: Tensor, labellings: Tensor, steps: int, seed: int) -> float:
    """The least ratio needed that a random descent over the positions of the points finds."""
    draw, scale = generator(seed), 0.3

    def needed(z: Tensor) -> float:
        return float(ratios_needed(z, labellings).max())

    best = needed(points)
    for _ in range(steps):
        moved = points + scale * torch.randn(points.shape, dtype=F64, generator=draw)
        found = needed(moved)
        if found < best:
            points, best = moved, found
        else:
            scale *= 0.97
    return best


@claim(
    "pairs",
    statement="prop-pairs",
    title="What a pair of balls can shatter",
    chapter="10-capacity",
)
def pairs(size: str) -> Evidence:
    """The ratio that k points need: over gadgets, rivals that improve themselves, and simplices."""
    excess, tight, close, spare = math.inf, 0.0, math.inf, 0.0
    last, steps = (7, 100) if size == "smoke" else (8 if size == "laptop" else 10, 1000)
    for k in range(3, last + 1):
        least, hard = lower_ratio(k), hard_labellings(k)
        starts = [corners(k), hypercube_gadget(2, k, rho=1.0).points]
        starts += [torch.randn(k, d, dtype=F64, generator=generator(10 * k + d)) for d in (2, k)]
        for points in starts[: 4 if k <= 6 else 2]:
            found = rival(points, hard, steps, k)
            excess, close = min(excess, found - least), min(close, found - least)
        # the simplex, with all labellings and all distances
        ratio = 2 / best_size(k)[1]
        at = check_shattering(simplex_gadget(2, k - 1, rho=ratio, per_pair=k))
        below = check_shattering(simplex_gadget(2, k - 1, rho=ratio - 1e-6, per_pair=k))
        excess = min(excess, 0.0 if at.holds and at.exhaustive and not below.holds else -1.0)
        excess = min(excess, ratio - least)
        if k % 2 == 0 or k == 3:
            tight = max(tight, ratio - least)
        else:
            spare = max(spare, ratio - least)
    easy = min(2 / best_size(k)[1] - lower_ratio(k + 2) for k in (4, 6))
    return Evidence(
        predicted="no k points below sqrt(1 - 1/(k - 1)) for k even, sqrt(1 - (k + 2)/k^2) for k "
        "odd; the simplex attains it for k even and k = 3",
        measured=f"rivals not below by more than {max(-excess, 1e-9):.0e}, the nearest "
        f"{'less' if close < 0.01 else 'more'} than 0.01 above; simplex equal to "
        f"{max(tight, 1e-9):.0e}, for odd k >= 5 up to {spare:.4f} above",
        value=excess,
        holds=excess >= -1e-9 and tight <= 1e-9,
        ratio=lower_ratio(4) / (2 / best_size(4)[1]),
        control=Control(
            broken="the bound for two points more",
            measured=f"missed by up to {-easy:.2f}",
            holds=easy >= -1e-9,
            short="two points more",
        ),
        ran=f"k = 3 to {last}, all labellings of simplices; rivals of {steps} random steps from "
        "up to 4 starts; the bound is attained, and the control leaves more than half of 1/(k - 1)",
    )


@claim(
    "maximum-norm",
    statement="prop-maximum-norm",
    title="Pairs in the maximum norm",
    chapter="10-capacity",
)
def maximum_norm(size: str) -> Evidence:
    """The gadget's points are shattered; boxes that are disjoint give threshold splits only."""
    shattered, splits, foreign, met = True, 0.0, 0, 0
    for d in (1, 2, 3, 7) if size == "smoke" else (1, 2, 3, 7, 15, 31):
        for rho in (0.5, 0.51, 1.0):
            gadget = hypercube_gadget(2, d, rho=rho, norm="linf")
            shattered &= check_shattering(gadget).holds
            shattered &= gadget.per_pair == 1 + int(math.log2(d + 1))
            k = gadget.per_pair
            thresholds = len(threshold_splits(gadget.points))
            shattered &= thresholds == 2 ** (k - 1) - 1
        draw = generator(d)
        for _ in range(200):  # two boxes at random and points in them
            one, other = 2 * torch.randn(2, d, dtype=F64, generator=draw)
            inside = 2 * torch.rand(2, 4, d, dtype=F64, generator=draw) - 1
            if float((one - other).abs().max()) <= 2:
                met += 1
                continue
            points = torch.cat([one + inside[0], other + inside[1]])
            found = threshold_splits(points)
            foreign += tuple([True] * 4 + [False] * 4) not in found
            splits = max(splits, len(found) / (d * 7))
    corner = hypercube_gadget(2, 3, rho=1.0)  # centres +-v and points e_j, in the maximum norm
    x, _ = corner.data(torch.tensor([1.0, -1.0, 1.0], dtype=F64))
    middle = float((x / x.abs().max()).abs().amax(1).max())
    return Evidence(
        predicted="1 + floor(log2(d + 1)) points per pair from rho = 1/2 on; disjoint boxes split "
        "points by a threshold, of which there are at most d (k - 1)",
        measured=f"{'shattered' if shattered else 'not shattered'}; {foreign} other splits; at "
        f"most {splits:.2f} of d (k - 1)",
        value=splits,
        holds=shattered and not foreign and splits <= 1,
        ratio=splits,
        control=divided(
            Control(
                broken="corners of the cube as centres, radius delta: d points per pair",
                measured=f"one point is {middle:g} delta from both centres, in boxes of both",
                holds=middle > 1,
                short="cube for splits",
            ),
            splits,
        ),
        ran=f"d = 1 to 7 or 31, rho = 0.5, 0.51 and 1, all labellings; random boxes, {met} of them "
        "met and were left out",
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
