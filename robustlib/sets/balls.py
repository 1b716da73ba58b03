"""What the balls of the 1-, 2- and maximum norm share, alone or cut by a box.

Each norm has a file with its steps, its hull and its ball.
"""

from __future__ import annotations

import dataclasses
import math
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, Self

import torch
from torch import Tensor

from ..checks import check_floats, check_real, keep
from ..numerics import mended, row_norm
from .ball_hull import BallHull
from .base import Length, Perturbation
from .projections import ROUNDING, distances
from .steps import FlatSteps
from .uniform import ball_offset, cut_ball_offset

_FAR = 1e150  # whose square is a number


class BallSteps(FlatSteps):
    """Balls, with the box as numbers of the data's dtype; (-inf, inf) without one.

    ``reach`` (n, 1) is the radius with what rounding a point to floats may add to it.
    """

    def __init__(
        self, sets: Perturbation, x: Tensor, box: tuple[float, float] | None, p: float
    ) -> None:
        super().__init__(sets, x)
        self.p = p
        lo, hi = (
            float(torch.tensor(v, dtype=x.dtype, device="cpu"))
            for v in box or (-math.inf, math.inf)
        )
        self.limits, self.boxed = (lo, hi), box is not None
        size = self._size(self.flat).unsqueeze(1) + self.eps
        self.reach = (self.eps + ROUNDING * torch.finfo(x.dtype).eps * size).to(x)

    def argmax_linear(self, g: Tensor) -> Tensor:
        # one step from x is the answer, unless a box takes something off it
        if not self.boxed:
            return super().argmax_linear(g)
        flat = g.flatten(1)
        moved = self._straight(self.flat, flat, self.eps)
        beyond = self._beyond(moved)
        found = mended(beyond, self._exact, self._within(moved), flat, self.flat, owned=True)
        return found.reshape(g.shape)

    def _exact(self, g: Tensor, x: Tensor) -> Tensor:
        return self.sets._maximiser(g.double(), x.double(), x)

    def _straight(self, z: Tensor, g: Tensor, length: Length) -> Tensor:
        """A step from ``z`` that minds neither ball nor box; ``g`` stays as it is."""
        raise NotImplementedError

    def _within(self, z: Tensor) -> Tensor:
        """Points of the balls near ``z``, in its memory; in the box where ``z`` is."""
        raise NotImplementedError

    def _surely_inside(self, z: Tensor) -> Tensor:
        size = self._size(torch.sub(z, self.flat, out=self.scratch))
        inside: Tensor = size <= self.reach[:, 0]
        return inside & self._beyond(z).logical_not() if self.boxed else inside

    def _beyond(self, z: Tensor) -> Tensor:
        """Which rows (n,) leave the box: by reductions, ten times quicker than comparisons."""
        return (z.amin(1) < self.limits[0]) | (z.amax(1) > self.limits[1])

    def _size(self, v: Tensor) -> Tensor:
        """The norms (n,) of the rows."""
        if math.isinf(self.p):  # far quicker than vector_norm
            return torch.abs(v, out=self.scratch).amax(1)
        size: Tensor = torch.linalg.vector_norm(v, ord=self.p, dim=1, dtype=torch.float64)
        return size

    def _clipped(self, z: Tensor) -> Tensor:
        """In the box, which holds x: no coordinate of z - x grows, so a ball is not left."""
        return z.clamp(*self.limits) if self.boxed else z


@dataclass(frozen=True, repr=False)
class Ball(Perturbation):
    """{x': |x' - x|_p <= eps}, cut by lo <= x' <= hi where ``box=(lo, hi)`` is given.

    Every example x must be in the box: ``ValueError`` names the worst coordinate that is not.
    """

    eps: float
    box: tuple[float, float] | None = field(default=None, kw_only=True)

    p: ClassVar[float]
    _steps: ClassVar[type[BallSteps]]
    _proved: ClassVar[type[BallHull]]

    @staticmethod
    @abstractmethod
    def _nearest(a: Tensor, room: Tensor, eps: float) -> Tensor:
        """The projection in one orthant, see projections.py."""

    @staticmethod
    @abstractmethod
    def _furthest(a: Tensor, room: Tensor, eps: float) -> Tensor:
        """The linear maximiser in one orthant, see projections.py."""

    def __post_init__(self) -> None:
        keep(self, eps=check_real("eps", self.eps, minimum=0))
        if self.eps > _FAR:
            raise ValueError(f"eps must be at most {_FAR:g}, got {self.eps:g}")
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

    def at(self, x: Tensor) -> BallSteps:
        """The balls round the fixed examples ``x`` (n, ...), for loops: see ``Perturbation``."""
        return self._steps(self, x, self.box, self.p)

    def _limits(self, dtype: torch.dtype) -> tuple[float, float]:
        """The box as numbers of ``dtype``; the whole line without one."""
        lo, hi = self.box or (-math.inf, math.inf)
        return float(torch.tensor(lo, dtype=dtype, device="cpu")), float(
            torch.tensor(hi, dtype=dtype, device="cpu")
        )

    def _hull(self, x: Tensor, dtype: torch.dtype) -> BallHull:
        high = torch.full_like(x, math.inf)
        low = -high
        if self.box is not None:
            ends = torch.tensor(self.box, dtype=torch.float64, device="cpu")
            kept = ends.to(dtype).double()  # the box that data of this dtype is held to
            low = torch.minimum(ends, kept)[0].to(x) - x
            high = torch.maximum(ends, kept)[1].to(x) - x
        radius = torch.full_like(x[:, 0], self.eps)
        return self._proved(x, radius, self._slack(x, dtype), low, high)

    def _check_centre(self, x: Tensor, flat: Tensor) -> None:
        if self.box is None or not len(flat):
            return
        lo, hi = self._limits(x.dtype)
        if float(flat.min()) < lo or float(flat.max()) > hi:
            outside = torch.maximum(lo - flat, flat - hi)
            row, place = divmod(int(outside.argmax()), flat.shape[1])
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

    def _argmax_linear(self, g: Tensor, x: Tensor) -> Tensor:
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
