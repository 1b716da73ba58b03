"""Euclidean balls."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..numerics import choose, surely
from .ball_hull import BallHull, cut_support
from .balls import Ball, BallSteps
from .base import Length
from .projections import furthest_l2, nearest_l2
from .steps import along, scaled, squares

_ROUNDS = 12  # at most so many to find a multiplier, each feasible or made so ...
_CLOSE = 1e-4  # ... or until so little of the radius is missing
_STRETCH = 1e3  # how far a step is lengthened for what the box takes off it


class L2Steps(BallSteps):
    """Euclidean balls, for loops."""

    def _near(self, z: Tensor) -> Tensor:
        return self._within(z - self.flat)

    def _within(self, v: Tensor) -> Tensor:
        """x + v, or its projection; in the memory of ``v``."""
        if not self.boxed:
            size = squares(v, self.scratch).sqrt()
            scale = torch.where(size > self.reach, (self.eps / size).clamp(max=1), 1.0)
            return v.mul_(scale).add_(self.flat)
        outside = squares(self._cut(v), self.scratch).sqrt() > self.reach
        if not surely(outside.logical_not()):
            size, cut = self._filled(v)
            v = choose(outside.flatten(), cut.mul_((self.eps / size).clamp(max=1)), v)
        return self._clipped(v.add_(self.flat))

    def _cut(self, v: Tensor) -> Tensor:
        """Offsets from x, cut by the box."""
        return v.clamp(self.limits[0] - self.flat, self.limits[1] - self.flat)

    def _filled(self, v: Tensor) -> tuple[Tensor, Tensor]:
        """The norm (n, 1) of cut(s v) and that itself, with the largest s that the ball allows.

        x + cut(s v) is the projection of x + v where that is outside. |cut(s v)|^2 is concave in
        s^2, so that secants from the left never overshoot, but for rounding.
        """
        limit = self.eps**2
        q = limit / squares(v, self.scratch)
        last_q, last = torch.zeros_like(q), torch.zeros_like(q)
        low, high = self.limits[0] - self.flat, self.limits[1] - self.flat
        cut = torch.empty_like(v)
        for _ in range(_ROUNDS):
            torch.mul(v, q.sqrt(), out=cut).clamp_(low, high)
            now = squares(cut, self.scratch)
            todo = (now < limit * (1 - _CLOSE)) & (q < 1)
            if surely(todo.logical_not()):
                break
            further = q + (limit - now) * (q - last_q) / (now - last)
            last_q, last = torch.where(todo, q, last_q), torch.where(todo, now, last)
            q = torch.where(todo, further.nan_to_num(1.0).clamp(max=1), q)
        return now.sqrt(), cut

    def _up(self, z: Tensor, g: Tensor, length: Length) -> Tensor:
        # good to d roundings, and quicker than ``squares``
        g, size = scaled(g, torch.linalg.vector_norm(g, dim=1, keepdim=True))
        length = length / size
        if self.boxed:  # what the box takes off the step goes to the other coordinates
            taken = torch.addcmul(z, g, length).clamp_(*self.limits).sub_(z)
            taken_size = squares(taken, self.scratch).sqrt()
            length = length * (length * size / taken_size).clamp(max=_STRETCH)
        return self._within(along(z, g, length).sub_(self.flat))


@dataclass(frozen=True)
class L2Hull(BallHull):
    """Euclidean balls, for proofs."""

    p = 2.0

    def support_function(self, g: Tensor) -> tuple[Tensor, Tensor]:
        low, high, radius = self.like(g)
        if not self.whole:
            return cut_support(g, low, high, radius, 2.0)
        norm = torch.linalg.vector_norm(g, dim=-1, keepdim=True)
        v = g * (radius / torch.where(norm > 0, norm, 1.0))
        return (norm * radius).squeeze(-1), v

    def project(self, v: Tensor) -> Tensor:
        return self.in_orthant(v, nearest_l2)


@dataclass(frozen=True, repr=False)
class L2Ball(Ball):
    """{x': |x' - x|_2 <= eps}, cut by lo <= x' <= hi where ``box=(lo, hi)`` is given.

    Every example x must be in the box: ``ValueError`` names the worst coordinate that is not.
    ``random`` with a box is exactly uniform by rejection where that succeeds in 16 rounds, else
    the end of 24 sweeps of Gibbs sampling, whose stationary law is uniform.
    """

    p = 2.0
    _steps = L2Steps
    _proved = L2Hull
    _nearest = staticmethod(nearest_l2)
    _furthest = staticmethod(furthest_l2)
