"""Euclidean balls."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from ..numerics import mended, mostly, surely
from .ball_hull import BallHull, cut_support
from .balls import Ball, BallSteps
from .base import Length
from .projections import furthest_l2, nearest_l2
from .steps import along, scaled, squares

_ROUNDS = 12  # at most so many to find a multiplier, each feasible or made so ...
_CLOSE = 1e-4  # ... or until so little of the radius is missing
_STRETCH = 1e3  # how far a step is lengthened for what the box takes off it


class L2Steps(BallSteps):
    """Euclidean balls, for loops: the way is longer for rows that leave the box."""

    def _near(self, z: Tensor) -> Tensor:
        near = self._within(z.clone())
        if not self.boxed:
            return near
        parts = z, self.flat, self.reach
        return mended(self._beyond(z), self._cut_near, near, *parts, owned=True)

    def _within(self, z: Tensor) -> Tensor:
        v = z.sub_(self.flat)
        size = squares(v, self.scratch).sqrt()
        scale = torch.where(size > self.reach, (self.eps / size).clamp(max=1), 1.0)
        near = v.mul_(scale).add_(self.flat)
        return near.clamp_(*self.limits) if self.boxed else near

    def _up(self, z: Tensor, g: Tensor, length: Length) -> Tensor:
        g, size = _measured(g)
        length = length / size
        if not self.boxed:
            return self._within(along(z, g, length))
        moved = torch.addcmul(z, g, length)
        beyond = self._beyond(moved)
        parts = z, g, length, size, self.flat, self.reach
        if mostly(beyond):  # the longer way serves the others as well
            return self._cut_up(*parts)
        return mended(beyond, self._cut_up, self._within(moved), *parts, owned=True)

    def _straight(self, z: Tensor, g: Tensor, length: Length) -> Tensor:
        g, size = _measured(g)
        return torch.addcmul(z, g, length / size)

    def _cut_up(
        self, z: Tensor, g: Tensor, length: Tensor, size: Tensor, x: Tensor, reach: Tensor
    ) -> Tensor:
        """A step of rows: what the box takes off it goes to the other coordinates."""
        taken = torch.addcmul(z, g, length).clamp_(*self.limits).sub_(z)
        taken_size = squares(taken, taken).sqrt()
        length = length * (length * size / taken_size).clamp(max=_STRETCH)
        return self._cut_near(torch.addcmul(z, g, length, out=taken), x, reach)

    def _cut_near(self, z: Tensor, x: Tensor, reach: Tensor) -> Tensor:
        """The projections of rows ``z``."""
        v = z - x
        low, high = self.limits[0] - x, self.limits[1] - x
        cut = v.clamp(low, high)
        outside = (squares(cut, cut).sqrt() > reach).flatten()
        v = mended(outside, self._filled, v, v, low, high, owned=True)
        return v.add_(x).clamp_(*self.limits)

    def _filled(self, v: Tensor, low: Tensor, high: Tensor) -> Tensor:
        """cut(s v), cut by ``low`` and ``high``, with the largest s that the ball allows.

        x + cut(s v) is the projection of x + v where that is outside. |cut(s v)|^2 is concave in
        s^2, so that secants from the left never overshoot, but for rounding.
        """
        limit, scratch = self.eps**2, self.scratch[: len(v)]
        q = limit / squares(v, scratch)
        last_q, last = torch.zeros_like(q), torch.zeros_like(q)
        cut = torch.empty_like(v)
        for _ in range(_ROUNDS):
            torch.mul(v, q.sqrt(), out=cut).clamp_(low, high)
            now = squares(cut, scratch)
            todo = (now < limit * (1 - _CLOSE)) & (q < 1)
            if surely(todo.logical_not()):
                break
            further = q + (limit - now) * (q - last_q) / (now - last)
            last_q, last = torch.where(todo, q, last_q), torch.where(todo, now, last)
            q = torch.where(todo, further.nan_to_num(1.0).clamp(max=1), q)
        return cut.mul_((self.eps / now.sqrt()).clamp(max=1))


def _measured(g: Tensor) -> tuple[Tensor, Tensor]:
    """Directions and their norms (n, 1), good to d roundings and quicker than ``squares``."""
    return scaled(g, torch.linalg.vector_norm(g, dim=1, keepdim=True))


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
