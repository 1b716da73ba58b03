"""The statement of chapter 10 on the search for narrow nets: it is correct."""

from __future__ import annotations

import itertools

import numpy as np
import torch

from ...capacity import Narrowest, narrowest_net
from ...capacity.patterns import whole_rows
from ...numerics import generator
from ...solvers import strict_system
from .chapter10_width import Points
from .registry import Control, Evidence, claim
from .tools import F64

PROBLEMS = {"smoke": 4, "laptop": 10, "gpu": 100}
SCALES = ((1e-9, 0.0), (1e9, -3e5), (1e-6, 1e6), (7.0, 1e6))


def small_problem(seed: int) -> Points:
    """Five points of the plane with random labels; every other sample has whole coordinates."""
    draw = generator(seed)
    x = torch.randn(5, 2, dtype=F64, generator=draw)
    if seed % 2:
        places = torch.randperm(9, generator=draw)[:5]
        x = torch.stack([places // 3, places % 3], 1).double()
    return Points(x, 2 * torch.randint(0, 2, (5,), generator=draw).double() - 1)


def every_pattern(points: Points, width: int, *, drop: int = 0) -> bool:
    """Whether ``width`` units fit, from all sign vectors: one system for each choice of patterns.

    ``drop`` of them are forgotten.
    """
    rows = whole_rows(np.hstack([points.x.numpy(), np.ones((len(points.x), 1))]))
    labels, size = [int(y) for y in points.y.tolist()], len(rows[0])
    signs = list(itertools.product((1, -1), repeat=len(rows)))

    def soluble(table: list[tuple[int, ...]], strict: list[bool]) -> bool:
        floats = np.array([[e / max(1, *map(abs, row)) for e in row] for row in table])
        return not strict_system(floats, strict, table.__getitem__, sure=True).impossible

    cells = [
        cell
        for cell in signs
        if soluble([tuple(s * e for e in z) for s, z in zip(cell, rows, strict=True)], [True] * 5)
    ][drop:]
    for outer in itertools.combinations_with_replacement((1, -1), width):
        for units in itertools.product(cells, repeat=width):
            table = []
            for i, z in enumerate(rows):
                pairs = zip(outer, units, strict=True)
                blocks = [labels[i] * s * (u[i] > 0) * e for s, u in pairs for e in z]
                table.append((*blocks, labels[i] * z[-1]))
            for r, unit in enumerate(units):
                for i, z in enumerate(rows):
                    line = [0] * (width * size + 1)
                    line[r * size : (r + 1) * size] = [unit[i] * e for e in z]
                    table.append(tuple(line))
            if soluble(table, [True] * len(rows) + [False] * (width * len(rows))):
                return True
    return False


def right(found: Narrowest, points: Points) -> bool:
    """Whether the net, if there is one, has the right sign at every point."""
    return found.net is None or bool((found.net(points.x) * points.y > 0).all())


@claim(
    "search",
    statement="prop-search",
    title="The search for the narrowest net is correct",
    chapter="10-capacity",
)
def search(size: str) -> Evidence:
    """Against all sign vectors, for scaled and shifted points, and at points 1e-8 apart."""
    agree, same, correct, closed, tried, short = 0, 0, True, 0, PROBLEMS[size], 0
    for seed in range(tried):
        points = small_problem(seed)
        found = narrowest_net(points, max_width=3)
        least = next(width for width in range(4) if every_pattern(points, width))
        short += not every_pattern(points, least, drop=12)
        agree += found.closed and found.width == least
        images = []
        for scale, shift in SCALES:
            moved = Points(scale * (points.x + shift), points.y)
            images.append((moved, narrowest_net(moved, max_width=3)))
        correct &= right(found, points) and all(right(one, moved) for moved, one in images)
        closed += sum(one.closed for _, one in images)
        same += all(one.width == least for _, one in images if one.closed)
    x = 1e-8 * torch.arange(4, dtype=F64)[:, None]
    close = Points(x, torch.tensor([1.0, -1, 1, -1], dtype=F64))
    line = narrowest_net(close, max_width=4)  # three changes of label: three units
    correct &= right(line, close) and line.closed and line.width == 3
    return Evidence(
        predicted="the width found by trying all sign vectors; the same for all scales and shifts",
        measured=f"{agree} of {tried} agree; {same} of {tried} the same under {len(SCALES)} maps, "
        f"{closed} of {len(SCALES) * tried} closed; nets {'right' if correct else 'WRONG'} at "
        "all points",
        value=float(agree),
        holds=agree == same == tried and correct and closed > 0,
        control=Control(
            broken="a list of patterns that lacks twelve of them",
            measured=f"no net of the least width for {short} of {tried}",
            holds=short == 0,
            short="patterns forgotten",
        ),
        ran=f"{tried} samples of 5 points in the plane, scales 1e-9 to 1e9, shifts to 1e6 of them",
    )
