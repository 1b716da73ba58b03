"""Branching on the input: exact for few coordinates, for every net whose layers are known.

A piece is a box: of the coordinates of x' - x itself for most sets, of the stereographic projection
for caps, as ``Hull.charts`` has it. Linear bounds on a piece are off by the square of its side
where f is smooth, so that halving pieces ends.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..numerics import row_norm
from ..sets.hull import Hull
from .affine import Layers
from .relaxation import relax
from .search import Nodes

DIMENSIONS = 3  # up to which pieces are few enough
_SMALLEST = 1e-12  # diagonal of a piece that is not cut any more


class PieceTree:
    """The pieces of the sets of all examples, for f and for -f."""

    def __init__(self, layers: Layers, hull: Hull) -> None:
        self.layers, self.hull = layers, hull

    def roots(self) -> Nodes:
        """The boxes of every set, one for each chart."""
        charts = self.hull.charts()
        rows = torch.arange(2 * len(self.hull), device=self.hull.centre.device)
        low, high = (
            torch.cat([ends[rows // 2] for ends in side]) for side in zip(*charts, strict=True)
        )
        chart = torch.arange(len(charts), device=rows.device).repeat_interleave(len(rows))
        return Nodes(rows.repeat(len(charts)), (low, high, chart))

    def bound(self, nodes: Nodes, *, last: bool = False) -> tuple[Tensor, Tensor, Nodes, Tensor]:
        """Upper bounds (B,) of s f on the pieces, points (2, B, d), the nodes, and which can be
        cut further."""
        low, high, chart = nodes.parts
        part, middle, empty = self.hull.piece(nodes.row // 2, low, high, chart)
        bounds = relax(self.layers, part, linear=True)
        up = nodes.row % 2 == 0
        value = torch.where(up, bounds.high, -bounds.low)
        v = torch.where(up[:, None], bounds.highest, bounds.lowest)
        value = torch.where(empty, -math.inf, value)
        points = torch.stack([part.centre + v, middle])
        return value, points, nodes, row_norm(high - low) > _SMALLEST

    def split(self, nodes: Nodes) -> tuple[Nodes, Tensor]:
        """Both halves of every piece, cut across its longest side."""
        parent = torch.arange(len(nodes), device=nodes.row.device).repeat_interleave(2)
        low, high, chart = nodes.take(parent).parts
        at = torch.arange(len(parent), device=parent.device)
        side = (high - low).argmax(1)
        middle = (low + high)[at, side] / 2
        first = at % 2 == 0
        low[at, side] = torch.where(first, low[at, side], middle)
        high[at, side] = torch.where(first, middle, high[at, side])
        return Nodes(nodes.row[parent], (low, high, chart)), parent
