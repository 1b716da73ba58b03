"""The same sets for loops: bound to their examples once, then moved in without a check.

A step of a gradient attack must cost next to nothing beside the model. So these work in the
dtype of the data, without the checks and the detour through float64 of the public methods, and
where the exact answer takes a sort they may stop early: every point is in the set to rounding,
not always the nearest one.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..numerics import choose
from .base import Length, Perturbation, Region
from .projections import unit_rows

ROUNDING = 4  # roundings of a point that is in its set
_ROUNDS = 12  # at most so many to find a multiplier, each feasible or made so ...
_CLOSE = 1e-4  # ... or until so little of the radius is missing
_STRETCH = 1e3  # how far a step is lengthened for what the box takes off it
_TOP = 32  # coordinates of a step in the 1-norm
_SMALL = 1e-12  # squares of larger numbers are far from underflow, even in float32


class FlatRegion(Region):
    """Regions that compute on the flattened (n, d) tensors of the data."""

    def __init__(self, sets: Perturbation, x: Tensor) -> None:
        super().__init__(sets, x)
        self.flat, self.eps = self.x.flatten(1), self.radius
        # for what is needed only inside a line: fresh memory costs more than the arithmetic in it
        self.scratch = torch.empty_like(self.flat)

    @property
    def is_point(self) -> bool:
        return self.eps == 0

    def project(self, z: Tensor) -> Tensor:
        return self._near(z.flatten(1)).reshape(z.shape)

    def highest(self, g: Tensor) -> Tensor:
        return self._up(self.flat, g.flatten(1), self.eps).reshape(g.shape)

    def ascend(self, z: Tensor, g: Tensor, length: Length) -> Tensor:
        if isinstance(length, Tensor):
            length = length.to(z).reshape(-1, 1)
        return self._up(z.flatten(1), g.flatten(1), length).reshape(z.shape)

    def contains(self, z: Tensor) -> Tensor:
        flat = z.flatten(1)
        quick = self._surely_inside(flat)
        return quick if bool(quick.all()) else super().contains(z)

    def _surely_inside(self, z: Tensor) -> Tensor:
        raise NotImplementedError

    def _near(self, z: Tensor) -> Tensor:
        raise NotImplementedError

    def _up(self, z: Tensor, g: Tensor, length: Length) -> Tensor:
        raise NotImplementedError


class BallRegion(FlatRegion):
    """Balls, with the box as numbers of the data's dtype; (-inf, inf) without one.

    ``reach`` (n, 1) is the radius with what rounding a point to floats may add to it.
    """

    def __init__(
        self, sets: Perturbation, x: Tensor, box: tuple[float, float] | None, p: float
    ) -> None:
        super().__init__(sets, x)
        self.p = p
        lo, hi = (float(torch.tensor(v, dtype=x.dtype)) for v in box or (-math.inf, math.inf))
        self.limits, self.boxed = (lo, hi), box is not None
        size = self._size(self.flat).unsqueeze(1) + self.eps
        self.reach = (self.eps + ROUNDING * torch.finfo(x.dtype).eps * size).to(x)

    def highest(self, g: Tensor) -> Tensor:
        # one step from x is the answer, unless a box takes something off it
        return self.sets.argmax_linear(g, self.x) if self.boxed else super().highest(g)

    def _surely_inside(self, z: Tensor) -> Tensor:
        size = self._size(torch.sub(z, self.flat, out=self.scratch))
        inside: Tensor = size <= self.reach[:, 0]
        return inside & (self._clipped(z) == z).all(1) if self.boxed else inside

    def _size(self, v: Tensor) -> Tensor:
        """The norms (n,) of the rows."""
        if math.isinf(self.p):  # far quicker than vector_norm
            return torch.abs(v, out=self.scratch).amax(1)
        size: Tensor = torch.linalg.vector_norm(v, ord=self.p, dim=1, dtype=torch.float64)
        return size

    def _clipped(self, z: Tensor) -> Tensor:
        """In the box, which holds x: no coordinate of z - x grows, so a ball is not left."""
        return z.clamp(*self.limits) if self.boxed else z


class LinfRegion(BallRegion):
    """Cubes: every coordinate on its own between two limits."""

    def __init__(
        self, sets: Perturbation, x: Tensor, box: tuple[float, float] | None, p: float
    ) -> None:
        super().__init__(sets, x, box, p)
        self.low = self._clipped(self.flat - self.eps)
        self.high = self._clipped(self.flat + self.eps)

    def highest(self, g: Tensor) -> Tensor:
        return FlatRegion.highest(self, g)

    def _near(self, z: Tensor) -> Tensor:
        return z.clamp(self.low, self.high)

    def _up(self, z: Tensor, g: Tensor, length: Length) -> Tensor:
        return _along(z, g.sign_(), length).clamp_(self.low, self.high)


class L2Region(BallRegion):
    """Euclidean balls."""

    def _near(self, z: Tensor) -> Tensor:
        return self._within(z - self.flat)

    def _within(self, v: Tensor) -> Tensor:
        """x + v, or its projection; in the memory of ``v``."""
        if not self.boxed:
            size = squares(v, self.scratch).sqrt()
            scale = torch.where(size > self.reach, (self.eps / size).clamp(max=1), 1.0)
            return v.mul_(scale).add_(self.flat)
        outside = squares(self._cut(v), self.scratch).sqrt() > self.reach
        if bool(outside.any()):
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
            if not bool(todo.any()):
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
        return self._within(_along(z, g, length).sub_(self.flat))


class L1Region(BallRegion):
    """Cross-polytopes: a step goes up the steepest coordinates, one of them without a box."""

    def _near(self, z: Tensor) -> Tensor:
        z = self._clipped(z)
        v = z - self.flat
        a = torch.abs(v, out=self.scratch)
        total = a.sum(1, keepdim=True)
        outside = total > self.reach
        if not bool(outside.any()):
            return z
        t = torch.zeros_like(total)
        above, signs = a.clone(), torch.empty_like(a)
        for _ in range(_ROUNDS):  # Newton on a convex function: t rises to its value
            count = torch.sign(above, out=signs).sum(1, keepdim=True)
            more = ((total - self.eps) / count).clamp(min=0) * outside
            if bool((more * count <= _CLOSE * self.eps).all()):
                break
            t += more
            total = torch.sub(a, t, out=above).clamp_(min=0).sum(1, keepdim=True)
        scale = torch.where(outside, (self.eps / total).clamp(max=1), 1.0)
        nearest = torch.copysign(above, v, out=above).mul_(scale).add_(self.flat)
        if not bool(outside.all()):
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


def squares(v: Tensor, scratch: Tensor) -> Tensor:
    """The sum of squares (n, 1) of each row: summed by halves, so exact to rounding in any d."""
    return torch.mul(v, v, out=scratch).sum(1, keepdim=True)


def scaled(v: Tensor, size: Tensor) -> tuple[Tensor, Tensor]:
    """``v`` and its norms ``size`` (n, 1), but unit rows for those too small or too large for them.

    Zero rows stay zero, with norm 1.
    """
    odd = ((size > _SMALL) & (size < 1 / _SMALL)).logical_not().flatten()
    if bool(odd.any()):
        v = choose(odd, unit_rows(v), v)
        size = choose(odd, torch.ones_like(size), size)
    return v, size


def _along(z: Tensor, g: Tensor, length: Length) -> Tensor:
    """z + length g, in the memory of ``g``."""
    if isinstance(length, Tensor):
        return torch.addcmul(z, g, length, out=g)
    return torch.add(z, g, alpha=length, out=g)
