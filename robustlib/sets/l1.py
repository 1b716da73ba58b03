"""Balls of the 1-norm: cross-polytopes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ..numerics import mended, surely
from .ball_hull import BallHull, cut_support
from .balls import Ball, BallSteps
from .base import Length
from .hull import Polytope
from .projections import furthest_l1, nearest_l1

_ROUNDS = 12  # at most so many to find a threshold, each feasible or made so ...
_CLOSE = 1e-4  # ... or until so little of the radius is missing
_FEW, _MOST = 8, 32  # coordinates of a step: few are found far quicker, and mostly enough


class L1Steps(BallSteps):
    """Cross-polytopes: a step goes up the steepest coordinate, more of them where a box is met."""

    def _near(self, z: Tensor) -> Tensor:
        return self._within(z.clamp(*self.limits))

    def _within(self, z: Tensor) -> Tensor:
        v = torch.sub(z, self.flat, out=self.scratch)
        outside = v.abs_().sum(1) > self.reach[:, 0]
        return mended(outside, self._shrunk, z, z, self.flat, owned=True)

    def _shrunk(self, z: Tensor, x: Tensor) -> Tensor:
        """The projections of rows ``z`` of the box, none of them in its ball."""
        v, t = z - x, z.new_zeros(len(z), 1)
        a, signs = v.abs(), self.scratch[: len(z)]
        above, total = a.clone(), a.sum(1, keepdim=True)
        for _ in range(_ROUNDS):  # Newton on a convex function: t rises to its value
            count = torch.sign(above, out=signs).sum(1, keepdim=True)
            more = ((total - self.eps) / count).clamp(min=0)
            done = (more * count <= _CLOSE * self.eps).all()
            if surely(done):
                break
            t += torch.where(done, 0.0, more)  # once done it stays so, where nobody asks
            total = torch.sub(a, t, out=above).clamp_(min=0).sum(1, keepdim=True)
        scale = (self.eps / total).clamp(max=1)
        return torch.copysign(above, v, out=above).mul_(scale).add_(x).clamp_(*self.limits)

    def _straight(self, z: Tensor, g: Tensor, length: Length) -> Tensor:
        place = torch.abs(g, out=self.scratch).argmax(1, keepdim=True)
        return z.scatter_add(1, place, length * g.gather(1, place).sign())

    def _up(self, z: Tensor, g: Tensor, length: Length) -> Tensor:
        moved = self._straight(z, g, length)
        if self.boxed:
            if not isinstance(length, Tensor):
                length = z.new_full((len(z), 1), length)
            enough = surely(length <= _FEW / 2 * (self.limits[1] - self.limits[0]))
            spread = partial(self._spread, _FEW if enough else _MOST)
            moved = mended(self._beyond(moved), spread, moved, z, g, length, owned=True)
        return self._within(moved)

    def _spread(self, most: int, z: Tensor, g: Tensor, length: Tensor) -> Tensor:
        """A step of rows up the steepest coordinates, each to the box: so many, or ``_MOST``."""
        signs = g.sign()
        room = torch.maximum((self.limits[1] - z) * signs, (self.limits[0] - z) * signs)
        steep, place = g.abs().mul_(room > 0).topk(min(most, g.shape[1]), dim=1)
        wanted = room.gather(1, place).clamp(min=0) * (steep > 0)
        before = wanted.cumsum(1) - wanted
        taken = torch.minimum(wanted, (length - before).clamp(min=0))
        moved = z.scatter_add(1, place, taken * g.gather(1, place).sign()).clamp_(*self.limits)
        if most == _MOST:
            return moved
        short = (wanted.sum(1) < length[:, 0]) & (steep[:, -1] > 0)
        return mended(short, partial(self._spread, _MOST), moved, z, g, length, owned=True)


@dataclass(frozen=True)
class L1Hull(BallHull):
    """Cross-polytopes, for proofs."""

    p = 1.0

    def dual_norm(self, g: Tensor) -> Tensor:
        norms: Tensor = torch.linalg.vector_norm(g, ord=math.inf, dim=-1)
        return norms

    def support_function(self, g: Tensor) -> tuple[Tensor, Tensor]:
        low, high, radius = self.like(g)
        if not self.whole:
            return cut_support(g, low, high, radius, 1.0)
        norm, place = g.abs().max(dim=-1, keepdim=True)
        v = torch.zeros_like(g).scatter(-1, place, radius * g.gather(-1, place).sign())
        return (norm * radius).squeeze(-1), v

    def project(self, v: Tensor) -> Tensor:
        return self.in_orthant(v, nearest_l1)

    def polytope(self) -> Polytope:
        low, high, eps = (t[0].cpu().numpy() for t in (self.low, self.high, self.radius))
        most = np.concatenate([np.minimum(high, eps), np.minimum(-low, eps)])
        return Polytope(np.zeros_like(most), most, np.ones((1, len(most))), np.full(1, eps), True)


@dataclass(frozen=True, repr=False)
class L1Ball(Ball):
    """{x': |x' - x|_1 <= eps}, cut by lo <= x' <= hi where ``box=(lo, hi)`` is given.

    Every example x must be in the box: ``ValueError`` names the worst coordinate that is not.
    ``random`` with a box is exactly uniform by rejection where that succeeds in 16 rounds, else
    the end of 24 sweeps of Gibbs sampling, whose stationary law is uniform.
    """

    p = 1.0
    _steps = L1Steps
    _proved = L1Hull
    _nearest = staticmethod(nearest_l1)
    _furthest = staticmethod(furthest_l1)
