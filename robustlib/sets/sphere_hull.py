"""Caps of the sphere, and parts of them, as proofs see them."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..numerics import row_norm
from .great_circle import furthest
from .hull import UNIT, Hull, gamma


@dataclass(frozen=True)
class CapHull(Hull):
    """{|x'| <= 1, <x', u> >= 1 - radius^2/2} round unit vectors u: the hulls of caps."""

    @property
    def reach(self) -> Tensor:
        reach = self.centre.abs() + (self.radius + self.slack)[:, None]
        return torch.minimum(reach, 1 + self.slack[:, None]) * (1 + 4 * UNIT)

    @property
    def length(self) -> Tensor:
        return self.radius

    def support_function(self, g: Tensor) -> tuple[Tensor, Tensor]:
        if g.dim() == 3:
            return furthest(g, self.centre[:, None], self.radius[:, None, None])
        return furthest(g, self.centre, self.radius[:, None])

    def project(self, v: Tensor) -> Tensor:
        centre, radius = self.centre, self.radius[:, None]
        x = centre + v
        cosine = 1 - radius * radius / 2
        radial = x / torch.linalg.vector_norm(x, dim=-1, keepdim=True).clamp(min=1)
        inside = (radial * centre).sum(-1, keepdim=True) >= cosine
        across = x - (x * centre).sum(-1, keepdim=True) * centre
        norm = torch.linalg.vector_norm(across, dim=-1, keepdim=True)
        sine = ((1 - cosine) * (1 + cosine)).clamp(min=0).sqrt()
        disc = cosine * centre + across * (sine / norm.clamp(min=1e-300)).clamp(max=1)
        return torch.where(inside, radial, disc) - centre

    # --- pieces: boxes of the stereographic projection, which maps balls to caps ----------------

    @functools.cached_property
    def basis(self) -> Tensor:
        """Orthonormal bases (n, d, d - 1) of the planes orthogonal to the centres."""
        return _tangents(self.centre)

    @functools.cached_property
    def rim(self) -> Tensor:
        """The radius (n, 2) that a cap has in either chart."""
        return torch.stack([self._half.tan().clamp(max=1.0), torch.ones_like(self._half)], 1)

    @functools.cached_property
    def hole(self) -> Tensor:
        """The radius (n, 2) up to which there is nothing of the cap in either chart."""
        rest = (math.pi / 2 - self._half).tan()
        return torch.stack([-torch.ones_like(self._half), rest], 1)

    @functools.cached_property
    def _half(self) -> Tensor:
        """Half the angle of each cap."""
        return torch.where(self.radius < 2, self.radius / 2, 1.0).asin()

    def charts(self) -> list[tuple[Tensor, Tensor]]:
        """The hemisphere round x in one chart, what is left in that round -x."""
        count = 2 if bool((self._half > math.pi / 4).any()) else 1
        wide = (self.rim[:, k, None].expand(-1, self.basis.shape[2]) for k in range(count))
        return [(-rim, rim) for rim in wide]

    def piece(
        self, example: Tensor, low: Tensor, high: Tensor, chart: Tensor
    ) -> tuple[Hull, Tensor, Tensor]:
        """The cap that holds a piece, cut by the half-space of the whole one.

        The chart w -> ((1 - |w|^2) c + 2 T w) / (1 + |w|^2) maps the ball of radius r round q to
        a cap whose diameter, on the great circle of q, ends at the angles 2 atan(|q| -+ r).
        """
        part = self.rows(example)
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
        cosine = 1 - part.radius**2 / 2 - 8 * UNIT
        return _CutCap(centre, radius, part.slack, cosine, part.centre), middle, empty[:, 0]


@dataclass(frozen=True)
class _CutCap(CapHull):
    """The part of a cap in the half-space <axis, x'> >= ``cosine`` (n,), ``axis`` (n, d)."""

    cosine: Tensor
    axis: Tensor

    def support_function(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """The half-space counts for a single direction (n, 1, d), by its multiplier mu >= 0:

        <g, x'> <= <g, x'> + mu (<axis, x'> - cosine), least where the maximiser of the right side
        meets the half-space's edge. Bisection finds mu, and any mu is sound.
        """
        if g.dim() != 3 or g.shape[1] != 1:
            return super().support_function(g)
        axis = self.axis[:, None]
        depth = ((self.axis * self.centre).sum(1) - self.cosine)[:, None]
        size = torch.linalg.vector_norm(g, dim=-1)
        low, high = torch.full_like(size, 1e-6), torch.full_like(size, 1e6)
        for _ in range(30):
            middle = (low * high).sqrt()
            _, v = super().support_function(g + (middle * size)[..., None] * axis)
            outside = depth + (v * axis).sum(-1) < 0
            low, high = torch.where(outside, middle, low), torch.where(outside, high, middle)
        best, at = super().support_function(g)
        mu = high * size
        value, v = super().support_function(g + mu[..., None] * axis)
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
