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
from .steps import largest

_ROUNDS = 12  # at most so many to find a threshold, each feasible or made so ...
_CLOSE = 1e-4  # ... or until so little of the radius is missing
_FEW, _MOST = 3, 32  # coordinates of a step: few are found far quicker, and mostly enough
_SPARSE = 8  # so many times fewer coordinates than there are are few


class L1Steps(BallSteps):
    """Cross-polytopes: a step goes up the steepest coordinate, more of them where a box is met."""

    def _near(self, z: Tensor) -> Tensor:
        return self._within(z.clamp(*self.limits))

    def _within(self, z: Tensor) -> Tensor:
        if not (z.device.type == "cpu" and z.is_contiguous() and self._within_few(z)):
            v = torch.sub(z, self.flat, out=self.scratch)
            outside = v.abs_().sum(1) > self.reach[:, 0]
            z = mended(outside, self._shrunk, z, z, self.flat, owned=True)
        return z

    def _within_few(self, z: Tensor) -> bool:
        """Whether every row differs from x in few coordinates; then those are packed and projected.

        Steps up the steepest coordinates leave it so.
        """
        n, d = z.shape
        there, here = z.detach().numpy().reshape(-1), self.flat.numpy().reshape(-1)
        places = np.flatnonzero(there != here)
        rows = places // d
        counts = np.bincount(rows, minlength=n)
        width = int(counts.max(initial=1))
        if width * _SPARSE > d:
            return False
        here = here[places].astype(np.float64)
        v = there[places] - here
        slots = rows * width + np.arange(len(rows)) - (counts.cumsum() - counts)[rows]
        sizes = np.zeros((n, width))
        sizes.reshape(-1)[slots] = np.abs(v)
        outside = (sizes.sum(1) > self.reach.numpy()[:, 0])[rows]
        # at least so much goes; what is left is of the size of the radius, so is its rounding
        sizes -= (sizes.max(1, keepdims=True) - self.eps).clip(min=0)
        falling = -np.sort(-sizes, 1)
        means = (falling.cumsum(1) - self.eps) / np.arange(1, width + 1)
        last = (falling > means).sum(1, keepdims=True) - 1
        sizes -= np.take_along_axis(means, last, 1)
        near = here + np.copysign(sizes.clip(min=0).reshape(-1)[slots], v)
        there[places[outside]] = near[outside]
        return True

    def _shrunk(self, z: Tensor, x: Tensor) -> Tensor:
        """The projections of rows ``z`` of the box, none of them in its ball."""
        v = z - x
        a = v.abs()
        a = self._lowered(_ROUNDS, a, a.sum(1, keepdim=True).sub_(self.eps))
        scale = (self.eps / a.sum(1, keepdim=True)).clamp_(max=1)
        return torch.copysign(a, v, out=a).mul_(scale).add_(x).clamp_(*self.limits)

    def _lowered(self, rounds: int, a: Tensor, over: Tensor) -> Tensor:
        """Sizes ``a``, ``over`` (n, 1) too large in sum, less one number a row; in their memory.

        Newton on a convex function: the number rises to its value.
        """
        count = torch.sign(a, out=self.scratch[: len(a)]).sum(1, keepdim=True)
        a = a.sub_((over / count).clamp_(min=0)).clamp_(min=0)
        if rounds == 1:
            return a
        over = a.sum(1, keepdim=True).sub_(self.eps)
        late = (over > _CLOSE * self.eps).flatten()
        return mended(late, partial(self._lowered, rounds - 1), a, a, over, owned=True)

    def _straight(self, z: Tensor, g: Tensor, length: Length) -> Tensor:
        place = largest(torch.abs(g, out=self.scratch), 1)
        return z.scatter_add(1, place, length * g.gather(1, place).sign())

    def _up(self, z: Tensor, g: Tensor, length: Length) -> Tensor:
        if not self.boxed:
            return self._within(self._straight(z, g, length))
        if not isinstance(length, Tensor):
            length = z.new_full((len(z), 1), length)
        if not surely(length <= _FEW / 2 * (self.limits[1] - self.limits[0])):
            return self._within(self._spread(z, g, length))
        place = largest(torch.abs(g, out=self.scratch), min(_FEW, g.shape[1]))
        moved, short = self._filled(z, g, place, length)
        return self._within(mended(short, self._spread, moved, z, g, length, owned=True))

    def _spread(self, z: Tensor, g: Tensor, length: Tensor) -> Tensor:
        """A step of rows up the steepest coordinates that have room, ``_MOST`` at most."""
        signs = g.sign()
        room = torch.maximum((self.limits[1] - z) * signs, (self.limits[0] - z) * signs)
        place = largest(g.abs().mul_(room > 0), min(_MOST, g.shape[1]))
        return self._filled(z, g, place, length)[0]

    def _filled(self, z: Tensor, g: Tensor, place: Tensor, length: Tensor) -> tuple[Tensor, Tensor]:
        """A step in coordinates ``place`` (n, k), one after the other, each to the box.

        Also the rows (n,) for which there is more to go.
        """
        here, signs = z.gather(1, place), g.gather(1, place).sign()
        room = torch.maximum((self.limits[1] - here) * signs, (self.limits[0] - here) * signs)
        total = room.cumsum(1)
        taken = torch.minimum(room, (length - total).add_(room).clamp_(min=0))
        moved = z.scatter(1, place, here.addcmul_(taken, signs).clamp_(*self.limits))
        return moved, total[:, -1] < length[:, 0]


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
