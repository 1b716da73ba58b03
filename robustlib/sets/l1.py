"""Balls of the 1-norm: cross-polytopes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..numerics import choose, surely
from .ball_hull import BallHull, cut_support
from .balls import Ball, BallSteps
from .base import Length
from .hull import Polytope
from .projections import furthest_l1, nearest_l1

_ROUNDS = 12  # at most so many to find a threshold, each feasible or made so ...
_CLOSE = 1e-4  # ... or until so little of the radius is missing
_TOP = 32  # coordinates of a step


class L1Steps(BallSteps):
    """Cross-polytopes: a step goes up the steepest coordinates, one of them without a box."""

    def _near(self, z: Tensor) -> Tensor:
        z = self._clipped(z)
        v = z - self.flat
        a = torch.abs(v, out=self.scratch)
        total = a.sum(1, keepdim=True)
        outside = total > self.reach
        if surely(outside.logical_not()):
            return z
        t = torch.zeros_like(total)
        above, signs = a.clone(), torch.empty_like(a)
        for _ in range(_ROUNDS):  # Newton on a convex function: t rises to its value
            count = torch.sign(above, out=signs).sum(1, keepdim=True)
            more = ((total - self.eps) / count).clamp(min=0) * outside
            done = (more * count <= _CLOSE * self.eps).all()
            if surely(done):
                break
            t += torch.where(done, 0.0, more)  # once done it stays so, where nobody asks
            total = torch.sub(a, t, out=above).clamp_(min=0).sum(1, keepdim=True)
        scale = torch.where(outside, (self.eps / total).clamp(max=1), 1.0)
        nearest = torch.copysign(above, v, out=above).mul_(scale).add_(self.flat)
        if not surely(outside):
            nearest = choose(outside.flatten(), nearest, z)
        return self._clipped(nearest)

    def _up(self, z: Tensor, g: Tensor, length: Length) -> Tensor:
        steep = torch.abs(g, out=self.scratch)
        if not self.boxed:
            place = steep.argmax(1, keepdim=True)
            return self._near(z.scatter_add(1, place, length * g.gather(1, place).sign()))
        room = torch.where(g > 0, self.limits[1] - z, z - self.limits[0])
        steep, place = steep.mul_(room > 0).topk(min(_TOP, g.shape[1]), dim=1)
        wanted = room.gather(1, place).clamp(min=0) * (steep > 0)
        before = wanted.cumsum(1) - wanted
        taken = torch.minimum(wanted, (length - before).clamp(min=0))
        return self._near(z.scatter_add(1, place, taken * g.gather(1, place).sign()))


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
