"""The statements of chapter 10 on narrowest nets: on a line, and along a zigzag."""

from __future__ import annotations

import math

import torch

from ...capacity import line_net, narrowest_net
from ...sets import L2Ball, LinfBall
from .chapter10_width import Points, half_separation
from .registry import Control, Evidence, claim
from .tools import F64


def alternating(changes: int) -> Points:
    """Points on a line with this many changes of label."""
    t = torch.arange(changes + 1, dtype=F64)
    return Points(t[:, None], 1 - 2 * (t % 2))


@claim(
    "line",
    statement="prop-line",
    title="In one dimension robustness costs no unit",
    chapter="10-capacity",
)
def line(size: str) -> Evidence:
    """Narrowest nets by search, plain and on intervals, against explicit nets."""
    rows = []
    for s in range(4) if size == "smoke" else range(5):
        points = alternating(s)
        plain = narrowest_net(points, linear_programs=3000)
        robust = narrowest_net(points, perturbation=LinfBall(0.45), linear_programs=3000)
        rows.append((plain.width, robust.width, plain.closed and robust.closed, plain.lower))
    explicit = [line_net(alternating(s).x, alternating(s).y, 0.49) for s in range(30)]
    formula = [0, 1, 2, 3, *range(3, 29)]
    good = all(net.robust for net in explicit) and [net.width for net in explicit] == formula
    searched = [f"{a}" if a == b and closed else f"{a}/{b}" for a, b, closed, _ in rows]
    bent = Points(
        torch.tensor([[-1.0, 0], [1, 0], [0, 0.35]], dtype=F64), alternating(2).y[[0, 0, 1]]
    )
    widths = [narrowest_net(bent, perturbation=p).width for p in (None, L2Ball(0.3))]
    return Evidence(
        predicted="widths 0, 1, 2, 3, 3, 4, 5, ... for 0, 1, 2, ... changes, plain and robust",
        measured=f"by search {', '.join(searched)}; explicit nets robust up to 29 changes",
        value=float(len(rows)),
        holds=good and all(r[:3] == (f, f, True) for r, f in zip(rows, formula, strict=False)),
        control=Control(
            broken="a plane instead of the line",
            measured=f"{widths[0]} unit for three points, {widths[1]} for their balls",
            holds=widths[0] == widths[1],
            short="plane for line",
        ),
        ran=f"0 to {len(rows) - 1} changes by linear programs, intervals of 0.9 of the gaps; "
        "widths are exact, no constant to halve",
    )


def zigzag(n: int, rho: float) -> Points:
    """n points on two parallel lines of the plane, labels by line, for balls of ratio ``rho``."""
    height = rho / (2 * math.sqrt(1 - rho**2))  # the radius, where neighbours are 1 apart
    t = torch.arange(n, dtype=F64)
    side = 1 - 2 * (t % 2)
    return Points(torch.stack([t, height * side], 1), side)


@claim(
    "zigzag",
    statement="prop-zigzag",
    title="Separable by a line, and n - 2 units for the balls",
    chapter="10-capacity",
)
def zigzag_width(size: str) -> Evidence:
    """One unit fits the points; on the axis, inside all balls, the labels alternate."""
    good, factor = True, 0.0
    for n in (3, 5, 10, 40):
        for rho in (0.05, 0.5, 0.7):
            points = zigzag(n, rho)
            radius = rho * half_separation(points)
            axis = torch.stack([points.x[:, 0], torch.zeros(n, dtype=F64)], 1)
            reach = (axis - points.x).norm(dim=1)
            net = line_net(points.x, points.y, radius)
            plain = line_net(points.x, points.y, 0.0, direction=torch.tensor([0.0, 1.0], dtype=F64))
            good &= float(reach.max()) <= radius * (1 + 1e-12) and net.robust and plain.robust
            good &= plain.width == 1 and net.width == (n - 2 if n > 4 else n - 1)
            factor = max(factor, net.width / plain.width)
    sets = zigzag(4, 0.7)
    # a little more than what just reaches the axis: there rounding would decide
    ball = L2Ball((1 + 1e-6) * 0.7 * half_separation(sets))
    found = [narrowest_net(sets, perturbation=p, linear_programs=3000) for p in (None, ball)]
    good &= found[0].width == 1 and found[1].lower == 3
    small = narrowest_net(
        sets, perturbation=L2Ball(0.5 * half_separation(sets)), linear_programs=300
    )
    return Evidence(
        predicted="1 unit for the points; for the balls n - 2 (n > 4), n - 1 (n <= 4)",
        measured=f"n = 4 by search {found[0].width} and {found[1].lower}; others to {factor:.0f}",
        value=factor,
        holds=good,
        control=Control(
            broken="smaller balls, which do not reach the axis",
            measured=f"{small.width} unit{'s' * (small.width != 1)} for n = 4",
            holds=small.lower == 3,
            short="smaller balls",
        ),
        ran="n = 3 to 40, rho = 0.05 to 0.7; n = 4 by linear programs; attained: half as many "
        "units are too few at n = 4",
    )
