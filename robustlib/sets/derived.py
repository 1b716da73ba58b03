"""What follows for a set that gives its projection, linear maximiser and support function only.

``project(z, x)``, ``argmax_linear(g, x)`` and ``support(g, x)`` are those three, see ``base.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product

import torch
from torch import Tensor

from ..checks import check_indices
from ..numerics import row_norm
from .hull import UNIT, Hull, box_support, gamma
from .uniform import ball_offset

Hook = Callable[[Tensor, Tensor], Tensor]

_PROPOSALS = 16  # for a random point, before one is projected
_ROUNDS = 4000  # of alternating projections between two sets
_CLOSE = 1e-10  # between the bounds of a distance, at the size of the numbers
_NUMBERS = 2**22  # held at once


def random_points(
    x: Tensor, radius: float, project: Hook, on_sphere: bool, generator: torch.Generator
) -> Tensor:
    """Uniform by rejection from the ball of ``radius``; projections of the last proposals."""
    result, todo = x.clone(), torch.arange(len(x), device="cpu")
    for _ in range(1 if on_sphere else _PROPOSALS):
        near = x[todo]
        draw = near + ball_offset(2.0, len(near), near.shape[1], radius, generator)
        result[todo] = project(draw, near)
        todo = todo[row_norm(draw - result[todo]) > 64 * UNIT * (row_norm(near) + radius)]
        if not len(todo):
            break
    return result


def lattice(x: Tensor, argmax_linear: Hook, project: Hook, size: int) -> Tensor:
    """A cubic lattice (n, k, d) over the bounding box, its points projected onto the set."""
    n, d = x.shape
    steps = max(2, round(size ** (1 / d)))
    line = torch.linspace(0, 1, steps, dtype=x.dtype, device=x.device)
    share = torch.cartesian_prod(*[line] * d).reshape(-1, d)
    axes = torch.eye(d, dtype=x.dtype, device=x.device)
    ends = [
        torch.stack([argmax_linear(s * axes[j].expand(n, d), x)[:, j] for j in range(d)], 1)
        for s in (-1.0, 1.0)
    ]
    points = ends[0][:, None] + (ends[1] - ends[0])[:, None] * share
    centres = x[:, None].expand_as(points).flatten(0, 1)
    return project(points.flatten(0, 1), centres).reshape(points.shape)


def gaps(
    name: str, x: Tensor, rows: Tensor, cols: Tensor, argmax_linear: Hook, project: Hook
) -> Tensor:
    """Euclidean distances between the sets of x[rows] and x[cols], the smallest to 1e-10.

    Alternating projections: their points are at least as far apart as the sets, and the planes
    through both, orthogonal to the way between them, show how far the sets are. A pair is left
    once it is seen not to be the nearest one.
    """
    i, j = torch.cartesian_prod(rows, cols).unbind(1)
    p, q = x[i], x[j]
    scale = float(row_norm(x).max()) + float(row_norm(p - q).max())
    least, most = torch.zeros_like(p[:, 0]), row_norm(p - q)
    todo = torch.arange(len(i), device=x.device)
    for _ in range(_ROUNDS):
        a, b = x[i[todo]], x[j[todo]]
        p[todo] = project(q[todo], a)
        q[todo] = project(p[todo], b)
        way = q[todo] - p[todo]
        most[todo] = row_norm(way)
        u = way / most[todo].clamp(min=1e-300)[:, None]
        apart = (u * (argmax_linear(-u, b) - argmax_linear(u, a))).sum(1)
        least[todo] = torch.maximum(least[todo], apart)
        meet = most[todo] <= 16 * UNIT * scale
        open_ = (most - least)[todo] > _CLOSE * scale
        todo = todo[open_ & ~meet & (least[todo] <= most.min())]
        if not len(todo):
            break
    else:
        pair = int(i[todo[0]]), int(j[todo[0]])
        raise ValueError(
            f"whether the sets of examples {pair[0]} and {pair[1]} meet was not found out: their "
            f"distance is between {float(least[todo[0]]):.3g} and {float(most[todo[0]]):.3g}; "
            f"_gaps(x, rows, cols) of {name} may know it"
        )
    found = torch.where(most <= 16 * UNIT * scale, 0.0, least)
    return found.reshape(len(rows), len(cols))


def nearest_pair(
    gaps: Callable[[Tensor, Tensor], Tensor], rows: Tensor, cols: Tensor, side: int, n: int
) -> tuple[float, tuple[int, int]]:
    """The least of ``gaps(rows, cols)`` of ``n`` sets, ``side`` by ``side``, and whose it is."""
    rows, cols = check_indices("rows", rows, n), check_indices("cols", cols, n)
    gap, pair = math.inf, (0, 0)
    for some_rows, some_cols in product(torch.split(rows, side), torch.split(cols, side)):
        block = gaps(some_rows, some_cols)
        least, where = block.flatten().min(0)
        if float(least) < gap:
            i, j = divmod(int(where), len(some_cols))
            gap, pair = float(least), (int(some_rows[i]), int(some_cols[j]))
    return gap, pair


@dataclass(frozen=True)
class OwnHull(Hull):
    """Any sets by their support functions; a part of them is their intersection with a box.

    The offsets v are in ``low`` <= v <= ``high`` (n, d), those of the whole sets within
    ``extent`` (n, d) of 0.
    """

    low: Tensor
    high: Tensor
    extent: Tensor
    support: Hook
    argmax_linear: Hook
    nearest: Hook

    @property
    def reach(self) -> Tensor:
        most = torch.maximum((self.centre + self.low).abs(), (self.centre + self.high).abs())
        return (torch.maximum(most, self.centre.abs()) + self.slack[:, None]) * (1 + 4 * UNIT)

    @property
    def length(self) -> Tensor:
        return row_norm(torch.maximum(self.low.abs(), self.high.abs()))

    def support_function(self, g: Tensor) -> tuple[Tensor, Tensor]:
        if g.dim() == 3:
            n, k = g.shape[:2]
            wide = self.rows(torch.arange(n, device=g.device).repeat_interleave(k))
            value, v = wide.support_function(g.flatten(0, 1))
            return value.reshape(n, k), v.reshape(g.shape)
        rounding = gamma(4 * g.shape[1] + 64) * (g.abs() * self.extent).sum(1)
        value = self.support(g, self.centre) + rounding
        v = self.argmax_linear(g, self.centre) - self.centre
        boxed, corner = box_support(self.low, self.high, g)
        return torch.minimum(value, boxed), torch.where((boxed < value)[:, None], corner, v)

    def project(self, v: Tensor) -> Tensor:
        return self.nearest(self.centre + v, self.centre) - self.centre

    def charts(self) -> list[tuple[Tensor, Tensor]]:
        return [(self.low, self.high)]

    def piece(
        self, example: Tensor, low: Tensor, high: Tensor, chart: Tensor
    ) -> tuple[Hull, Tensor, Tensor]:
        whole = self.rows(example)
        middle, half = (low + high) / 2, (high - low) / 2
        # a plane between the box and its nearest point of the set proves that they do not meet
        g = middle - whole.project(middle)
        value, _ = whole.support_function(g)
        sizes = g.abs() * (middle.abs() + half + whole.extent)
        rounding = gamma(4 * g.shape[1] + 64) * sizes.sum(1)
        empty = (g * middle).sum(1) - (g.abs() * half).sum(1) > value + rounding
        return replace(whole, low=low, high=high), whole.centre + middle, empty


def own_hull(
    x: Tensor, slack: Tensor, radius: float, support: Hook, argmax_linear: Hook, project: Hook
) -> OwnHull:
    """The hulls of sets round ``x`` (n, d), their boxes found along the axes."""
    n, d = x.shape
    low, high = torch.zeros_like(x), torch.zeros_like(x)
    if radius == 0:
        return OwnHull(x, slack * 0 + low[:, 0], slack, low, high, low, _none, _still, _still)
    axes = torch.eye(d, dtype=x.dtype, device=x.device)
    # a width is known to the rounding of the promise, which is in units of itself
    outward = 1 + gamma(4 * d + 64)
    for part in torch.split(torch.arange(d, device=x.device), max(1, _NUMBERS // max(1, n * d))):
        g = axes[part].repeat(n, 1)
        centres = x.repeat_interleave(len(part), 0)
        high[:, part] = support(g, centres).reshape(n, -1).clamp(min=0) * outward
        low[:, part] = -support(-g, centres).reshape(n, -1).clamp(min=0) * outward
    extent = torch.maximum(high, -low)
    return OwnHull(x, row_norm(extent), slack, low, high, extent, support, argmax_linear, project)


def _none(g: Tensor, x: Tensor) -> Tensor:
    return torch.zeros_like(x[:, 0])


def _still(z: Tensor, x: Tensor) -> Tensor:
    return x
