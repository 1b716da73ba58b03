"""Branching on the input: exact for few coordinates, for every net whose layers are known.

A piece is a box of coordinates: of x' - x itself for balls, of the stereographic projection for
caps, which maps balls of the plane to caps of the sphere. Linear bounds on a piece are off by the
square of its side where f is smooth, so that halving pieces ends.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..numerics import row_norm
from .layers import Layers
from .relaxation import relax
from .search import Nodes
from .supports import UNIT, Support, gamma

DIMENSIONS = 3  # up to which pieces are few enough
_SMALLEST = 1e-12  # diagonal of a piece that is not cut any more


class PieceTree:
    """The pieces of the sets of all examples, for f and for -f."""

    def __init__(self, layers: Layers, support: Support) -> None:
        self.layers, self.support = layers, support
        if support.p is None:
            self.basis = _tangents(support.centre)
            # the hemisphere round x in one chart, what is left in that round -x
            half = torch.where(support.radius < 2, support.radius / 2, 1.0).asin()
            self.rim = torch.stack([half.tan().clamp(max=1.0), torch.ones_like(half)], 1)
            self.hole = torch.stack([-torch.ones_like(half), (math.pi / 2 - half).tan()], 1)
            self.charts = 2 if bool((half > math.pi / 4).any()) else 1

    def roots(self) -> Nodes:
        """The box round every set; two, one for each hemisphere, where a cap exceeds one."""
        n = len(self.support)
        rows = torch.arange(2 * n, device=self.support.centre.device)
        if self.support.p is not None:
            reach = self.support.radius[:, None]
            low, high = (
                torch.maximum(self.support.low, -reach),
                torch.minimum(self.support.high, reach),
            )
            example = rows // 2
            return Nodes(rows, (low[example], high[example], torch.zeros_like(rows)))
        rows = rows.repeat(self.charts)
        chart = torch.arange(self.charts, device=rows.device).repeat_interleave(2 * n)
        rim = self.rim[rows // 2, chart][:, None].expand(-1, self.basis.shape[2])
        return Nodes(rows, (-rim, rim, chart))

    def bound(self, nodes: Nodes, *, last: bool = False) -> tuple[Tensor, Tensor, Nodes, Tensor]:
        """Upper bounds (B,) of s f on the pieces, points (2, B, d), the nodes, and which can be
        cut further."""
        low, high, chart = nodes.parts
        example = nodes.row // 2
        part = self.support.rows(example)
        if self.support.p is not None:
            part = replace(part, low=low, high=high)
            middle = part.centre + (low + high) / 2
            # nothing of the ball is in the piece where its nearest point to the centre is outside
            nearest = torch.zeros_like(low).clamp(min=low, max=high)
            norm = torch.linalg.vector_norm(nearest, ord=self.support.p, dim=1)
            empty = norm > part.radius * (1 + 1e-12)
        else:
            part, middle, empty = self._cap(part, low, high, chart, example)
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

    def _cap(
        self, part: Support, low: Tensor, high: Tensor, chart: Tensor, example: Tensor
    ) -> tuple[Support, Tensor, Tensor]:
        """The cap that holds a piece, the piece's middle, and whether it misses the set.

        The chart w -> ((1 - |w|^2) c + 2 T w) / (1 + |w|^2) maps the ball of radius r round q to
        a cap whose diameter, on the great circle of q, ends at the angles 2 atan(|q| -+ r).
        """
        pole = part.centre * (1 - 2 * chart[:, None])
        q, r = (low + high) / 2, row_norm(high - low)[:, None] / 2 * (1 + 1e-12)
        size = row_norm(q)[:, None]
        direction = (self.basis[example] @ q[..., None])[..., 0]
        direction = direction / torch.where(size > 0, size, 1.0)
        near, far = (size - r).atan(), (size + r).atan()
        centre = (near + far).cos() * pole + (near + far).sin() * direction
        # wider by far more than the rounding of its centre
        radius = 2 * ((far - near) / 2).sin()[:, 0] * (1 + 1e-12) + 1e-14
        middle = (2 * size.atan()).cos() * pole + (2 * size.atan()).sin() * direction
        rim, hole = self.rim[example, chart][:, None], self.hole[example, chart][:, None]
        empty = (size - r > rim * (1 + 1e-9) + 1e-14) | (size + r < hole * (1 - 1e-9) - 1e-14)
        whole = (1 - part.radius**2 / 2 - 8 * UNIT, part.centre)
        fields = (centre, radius, part.low, part.high, part.slack)
        return _CutCap(None, *fields, *whole), middle, empty[:, 0]


@dataclass(frozen=True)
class _CutCap(Support):
    """The part of a cap in the half-space <axis, x'> >= ``cosine`` (n,), ``axis`` (n, d)."""

    cosine: Tensor
    axis: Tensor

    def largest(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """The half-space counts for a single direction (n, 1, d), by its multiplier mu >= 0:

        <g, x'> <= <g, x'> + mu (<axis, x'> - cosine), least where the maximiser of the right side
        meets the half-space's edge. Bisection finds mu, and any mu is sound.
        """
        if g.dim() != 3 or g.shape[1] != 1:
            return super().largest(g)
        axis = self.axis[:, None]
        depth = ((self.axis * self.centre).sum(1) - self.cosine)[:, None]
        size = torch.linalg.vector_norm(g, dim=-1)
        low, high = torch.full_like(size, 1e-6), torch.full_like(size, 1e6)
        for _ in range(30):
            middle = (low * high).sqrt()
            _, v = super().largest(g + (middle * size)[..., None] * axis)
            outside = depth + (v * axis).sum(-1) < 0
            low, high = torch.where(outside, middle, low), torch.where(outside, high, middle)
        best, at = super().largest(g)
        mu = high * size
        value, v = super().largest(g + mu[..., None] * axis)
        value = value + mu * depth + gamma(4 * g.shape[-1] + 64) * (size + mu)
        return torch.minimum(best, value), torch.where((value < best)[..., None], v, at)


def _tangents(centre: Tensor) -> Tensor:
    """Orthonormal bases (n, d, d - 1) of the planes orthogonal to unit rows."""
    n, d = centre.shape
    eye = torch.eye(d, dtype=centre.dtype, device=centre.device).expand(n, -1, -1)
    # the reflection that maps the first axis to +-centre maps the others to a basis
    sign = torch.where(centre[:, :1] >= 0, 1.0, -1.0)
    axis = torch.cat([centre[:, :1] + sign, centre[:, 1:]], 1)
    axis = axis / row_norm(axis)[:, None]
    mirror = eye - 2 * axis[:, :, None] * axis[:, None, :]
    return mirror[:, :, 1:]
