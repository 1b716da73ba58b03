"""Balls of the 1-, 2- and maximum norm, alone or cut by a box."""

from __future__ import annotations

import dataclasses
import math
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, Self

import torch
from torch import Tensor

from ..checks import check_floats, check_real
from ..numerics import row_norm
from . import projections
from .base import Perturbation, distances
from .regions import BallRegion, L1Region, L2Region, LinfRegion
from .uniform import ball_offset, cut_ball_offset


@dataclass(frozen=True, repr=False)
class _Ball(Perturbation):
    """{x': |x' - x|_p <= eps}, cut by lo <= x' <= hi where ``box=(lo, hi)`` is given.

    Every example x must be in the box: ``ValueError`` names the worst coordinate that is not.
    """

    eps: float
    box: tuple[float, float] | None = field(default=None, kw_only=True)

    p: ClassVar[float]
    _region: ClassVar[type[BallRegion]]

    @staticmethod
    @abstractmethod
    def _nearest(a: Tensor, room: Tensor, eps: float) -> Tensor:
        """The projection in one orthant, see projections.py."""

    @staticmethod
    @abstractmethod
    def _furthest(a: Tensor, room: Tensor, eps: float) -> Tensor:
        """The linear maximiser in one orthant, see projections.py."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "eps", check_real("eps", self.eps, minimum=0))
        if self.box is None:
            return
        if not isinstance(self.box, tuple | list) or len(self.box) != 2:
            raise TypeError(f"box must be a pair (lo, hi), got {self.box!r}")
        lo, hi = (check_real(f"box[{i}]", value) for i, value in enumerate(self.box))
        if lo >= hi:
            raise ValueError(f"box must be (lo, hi) with lo < hi, got {self.box!r}")
        object.__setattr__(self, "box", (lo, hi))

    def __repr__(self) -> str:
        box = "" if self.box is None else f", box={self.box!r}"
        return f"{type(self).__name__}({self.eps!r}{box})"

    @property
    def radius(self) -> float:
        """The radius ``eps``, in the ball's own norm."""
        return self.eps

    def with_radius(self, radius: float) -> Self:
        """The ball of radius ``radius``, in the same box."""
        return dataclasses.replace(self, eps=check_real("radius", radius, minimum=0))

    def at(self, x: Tensor) -> BallRegion:
        """The balls round the fixed examples ``x`` (n, ...), for loops: see ``Perturbation``."""
        return self._region(self, x, self.box, self.p)

    def _limits(self, dtype: torch.dtype) -> tuple[float, float]:
        """The box as numbers of ``dtype``; the whole line without one."""
        lo, hi = self.box or (-math.inf, math.inf)
        return float(torch.tensor(lo, dtype=dtype)), float(torch.tensor(hi, dtype=dtype))

    def _check_centre(self, x: Tensor, flat: Tensor) -> None:
        if self.box is None or not len(flat):
            return
        lo, hi = self._limits(x.dtype)
        outside = torch.maximum(lo - flat, flat - hi)
        worst = int(outside.argmax())
        if float(outside.flatten()[worst]) > 0:
            row, place = divmod(worst, flat.shape[1])
            raise ValueError(
                f"x must be in the box {self.box}, got {float(flat[row, place]):g} "
                f"in row {row}, coordinate {place}"
            )

    def _rounded(self, points: Tensor, like: Tensor) -> Tensor:
        return super()._rounded(points, like).clamp(*self._limits(like.dtype))

    def _room(self, toward: Tensor, x: Tensor) -> Tensor:
        """How far each coordinate of x may go in the direction of ``toward``."""
        lo, hi = self.box or (-math.inf, math.inf)
        # x may be beyond a bound by the rounding of that bound to its dtype
        return torch.where(toward > 0, hi - x, x - lo).clamp(min=0)

    def _size(self, x: Tensor) -> Tensor:
        return row_norm(x, self.p) + self.eps

    def _inside(self, z: Tensor, x: Tensor, slack: Tensor, dtype: torch.dtype) -> Tensor:
        lo, hi = self._limits(dtype)
        return (row_norm(z - x, self.p) <= self.eps + slack) & ((lo <= z) & (z <= hi)).all(1)

    def _keeps(self, z: Tensor, x: Tensor, nearest: Tensor, dtype: torch.dtype) -> Tensor:
        return self._inside(z, x, torch.zeros_like(x[:, 0]), dtype)

    def _project(self, z: Tensor, x: Tensor) -> Tensor:
        offset = check_floats("z - x", z - x)
        room = self._room(offset, x)
        return self._moved(x, offset, self._nearest(offset.abs(), room, self.eps), room)

    def _argmax(self, g: Tensor, x: Tensor) -> Tensor:
        room = self._room(g, x)
        return self._moved(x, g, self._furthest(g.abs(), room, self.eps), room)

    def _moved(self, x: Tensor, toward: Tensor, v: Tensor, room: Tensor) -> Tensor:
        """x moved by sizes ``v`` towards ``toward``; exactly to the face where all room is used."""
        lo, hi = self.box or (-math.inf, math.inf)
        face = torch.where(toward > 0, hi, torch.where(toward < 0, lo, x))
        return torch.where(v < room, x + toward.sign() * v, face)

    def _random(self, x: Tensor, generator: torch.Generator) -> Tensor:
        n, d = x.shape
        if self.box is None:
            return x + ball_offset(self.p, n, d, self.eps, generator)
        low, high = -self._room(-torch.ones_like(x), x), self._room(torch.ones_like(x), x)
        return x + cut_ball_offset(self.p, low, high, self.eps, generator)

    def _grid(self, x: Tensor, size: int) -> Tensor:
        """A cubic lattice over the bounding box of the set, its points projected onto the set."""
        d = x.shape[1]
        steps = max(2, round(size ** (1 / d)))
        line = torch.linspace(0, 1, steps, dtype=x.dtype, device=x.device)
        lattice = torch.cartesian_prod(*[line] * d).reshape(-1, d)
        ones = torch.ones_like(x)
        low, high = (self._room(side, x).clamp(max=self.eps) for side in (-ones, ones))
        points = (x - low)[:, None] + (low + high)[:, None] * lattice
        centres = x[:, None].expand_as(points).flatten(0, 1)
        return self._project(points.flatten(0, 1), centres).reshape(points.shape)

    def _gaps(self, x: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
        """|x_i - x_j|_p - 2 eps, reached on the segment between the centres, which a box holds."""
        return (distances(x[rows], x[cols], self.p) - 2 * self.eps).clamp(min=0)


@dataclass(frozen=True, repr=False)
class L2Ball(_Ball):
    """{x': |x' - x|_2 <= eps}, cut by lo <= x' <= hi where ``box=(lo, hi)`` is given.

    Every example x must be in the box: ``ValueError`` names the worst coordinate that is not.
    ``random`` with a box is exactly uniform by rejection where that succeeds in 16 rounds, else
    the end of 24 sweeps of Gibbs sampling, whose stationary law is uniform.
    """

    p = 2.0
    _region = L2Region
    _nearest = staticmethod(projections.nearest_l2)
    _furthest = staticmethod(projections.furthest_l2)


@dataclass(frozen=True, repr=False)
class LinfBall(_Ball):
    """{x': |x' - x|_inf <= eps}, cut by lo <= x' <= hi where ``box=(lo, hi)`` is given.

    Every example x must be in the box: ``ValueError`` names the worst coordinate that is not.
    """

    p = math.inf
    _region = LinfRegion
    _nearest = staticmethod(projections.nearest_linf)
    _furthest = staticmethod(projections.furthest_linf)


@dataclass(frozen=True, repr=False)
class L1Ball(_Ball):
    """{x': |x' - x|_1 <= eps}, cut by lo <= x' <= hi where ``box=(lo, hi)`` is given.

    Every example x must be in the box: ``ValueError`` names the worst coordinate that is not.
    ``random`` with a box is exactly uniform by rejection where that succeeds in 16 rounds, else
    the end of 24 sweeps of Gibbs sampling, whose stationary law is uniform.
    """

    p = 1.0
    _region = L1Region
    _nearest = staticmethod(projections.nearest_l1)
    _furthest = staticmethod(projections.furthest_l1)
