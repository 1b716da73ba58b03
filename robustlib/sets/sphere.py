"""The paper's perturbation set: a cap of the unit sphere."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from ..checks import check_floats, check_real
from ..numerics import row_norm
from .base import Length, Perturbation, StepSets
from .great_circle import orthogonal, split, step_on_sphere, turn
from .projections import distances, unit_rows
from .sphere_hull import CapHull
from .steps import FlatSteps, scaled, squares
from .uniform import cap_point

# How far from norm 1 a row may be and still be called a unit row; as a Sample has it.
_UNIT_ULPS = 64


class CapSteps(FlatSteps):
    """Caps, for loops: steps and projections along great circles."""

    def __init__(self, sets: Perturbation, x: Tensor) -> None:
        super().__init__(sets, x)
        self.centre = unit_rows(self.flat.double()).to(x)  # the rounded x serves as well

    def _surely_inside(self, z: Tensor) -> Tensor:
        ulp = torch.finfo(z.dtype).eps
        size = torch.linalg.vector_norm(z, dim=1, dtype=torch.float64)
        away = torch.linalg.vector_norm(z - self.centre, dim=1, dtype=torch.float64)
        # of the 8 roundings allowed, 5 may be along the normal and 2 along the sphere
        angle = 2 * (away.clamp(max=2) / 2).asin()
        reach = 2 * math.asin(min(self.eps, 2.0) / 2)
        inside: Tensor = ((size - 1).abs() <= 5 * ulp) & (angle <= reach + 2 * ulp)
        return inside

    def _near(self, z: Tensor) -> Tensor:
        return turn(self.centre, z, min(self.eps, 2.0), self.scratch)

    def _up(self, z: Tensor, g: Tensor, length: Length) -> Tensor:
        chord = length.clamp(max=2) if isinstance(length, Tensor) else min(length, 2.0)
        g, size = scaled(g, squares(g, self.scratch).sqrt())
        return self._near(turn(z, g.div_(size), chord, self.scratch))


@dataclass(frozen=True, repr=False)
class SphereCap(Perturbation):
    """{x' on the unit sphere: |x' - x| <= rho}, for x on the unit sphere.

    ``rho`` >= 0 is a chord, not an angle; from 2 on the cap is the whole sphere. Raises
    ``ValueError`` for rows of x off the sphere; rows on it to rounding are centred exactly.
    """

    rho: float

    on_sphere = fills_cap = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "rho", check_real("rho", self.rho, minimum=0))

    def __repr__(self) -> str:
        return f"SphereCap({self.rho!r})"

    @property
    def radius(self) -> float:
        """The chord ``rho``."""
        return self.rho

    def with_radius(self, radius: float) -> SphereCap:
        """The cap of chord ``radius``."""
        return SphereCap(check_real("radius", radius, minimum=0))

    def at(self, x: Tensor) -> StepSets:
        """The caps round the fixed examples ``x`` (n, ...), for loops: see ``Perturbation``."""
        check_floats("x", x, min_dim=2)
        # S^0 is two points: no great circle to move on
        return CapSteps(self, x) if x[:1].numel() != len(x[:1]) else StepSets(self, x)

    def _hull(self, x: Tensor, dtype: torch.dtype) -> CapHull:
        centre = x / torch.linalg.vector_norm(x, dim=1, keepdim=True)
        # x as it was given is in its set, though its norm may be off by more roundings than that
        slack = torch.maximum(2 * row_norm(x - centre), self._slack(x, dtype))
        # S^0 is two points
        rho = 0.0 if x.shape[1] == 1 and self.rho < 2 else min(self.rho, 2.0)
        return CapHull(centre, torch.full_like(x[:, 0], rho), slack)

    def _check_centre(self, x: Tensor, flat: Tensor) -> None:
        off = (row_norm(flat) - 1).abs() > _UNIT_ULPS * torch.finfo(x.dtype).eps
        if bool(off.any()):
            row = int(off.nonzero()[0, 0])
            norm = float(row_norm(flat[row : row + 1])[0])
            raise ValueError(f"x must have rows of norm 1, got norm {norm:.9g} in row {row}")

    def _size(self, x: Tensor) -> Tensor:
        return torch.ones_like(x[:, 0])

    def _inside(self, z: Tensor, x: Tensor, slack: Tensor, dtype: torch.dtype) -> Tensor:
        # x itself is in its cap, however its own norm was rounded
        return (row_norm(z - self._project(z, x)) <= slack) | (z == x).all(1)

    def _keeps(self, z: Tensor, x: Tensor, nearest: Tensor, dtype: torch.dtype) -> Tensor:
        # No row of floats has norm exactly 1: what rounding a point of the cap may give is kept.
        return (row_norm(z - nearest) <= 4 * torch.finfo(dtype).eps) | (z == x).all(1)

    def _project(self, z: Tensor, x: Tensor) -> Tensor:
        """z/|z| where the cap holds it, else the point of the rim on the way there.

        On the great circle through x and z, at angle phi from x towards z, the inner product
        with z is |z| cos(phi - psi), psi in [0, pi] the angle of z; off that circle it is
        smaller. |z - p|^2 = |z|^2 + 1 - 2 <z, p>, so the nearest point of the cap is the one at
        phi = min(psi, theta), whatever |z| > 0 and wherever z is. For z = 0 all points of the
        cap are equally near, and x is taken; for z on the far side of x's axis all points of the
        rim are, and the one towards the axis least aligned with x is taken.
        """
        zero, start = (z == 0).all(1, keepdim=True), x
        x, z = unit_rows(x), unit_rows(z)
        if x.shape[1] == 1:
            return torch.where(zero | (self.rho < 2), x, z)
        if self.rho >= 2:
            return torch.where(zero, start, z)
        tangent, sine, cosine = split(z, x)
        # sin(psi/2), half the chord from x to z/|z|: each formula cancels where the other is used
        near, far = sine / torch.hypot(sine, 1 + cosine.clamp(min=0)), ((1 - cosine) / 2).sqrt()
        half_sine = torch.where(cosine > 0, near, far)
        rim = step_on_sphere(x, tangent, torch.full_like(half_sine, self.rho / 2))
        nearest = torch.where(2 * half_sine <= self.rho, z, rim)
        return torch.where(zero, start, nearest)

    def _argmax_linear(self, g: Tensor, x: Tensor) -> Tensor:
        # |g - p|^2 and -2 <g, p> differ by a constant on the sphere
        return self._project(g, x)

    def _random(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return cap_point(unit_rows(x), self.rho, generator)

    def _grid(self, x: Tensor, size: int) -> Tensor:
        """On the circle ``size`` steps of equal angle between both ends of the arc.

        On the sphere in three dimensions a spiral of equal areas, and the rim in equal steps.
        """
        x = unit_rows(x)
        chord = min(self.rho, 2.0)
        if x.shape[1] == 1:
            return (-x if chord == 2 else x).unsqueeze(1)
        if x.shape[1] == 2:
            angles = torch.linspace(-1, 1, max(size, 2), dtype=x.dtype, device=x.device)
            half = angles * math.asin(chord / 2)
            tangent = torch.stack([-x[:, 1], x[:, 0]], 1)
            return step_on_sphere(x[:, None], tangent[:, None], half.sin()[:, None])
        # a ring as dense as the spiral is
        ring = max(3, round(2 * math.sqrt(math.pi * size * (1 - chord**2 / 4))))
        share = torch.arange(1, size + 1, dtype=x.dtype, device=x.device) / size
        golden = math.pi * (3 - math.sqrt(5))
        turn = torch.cat(
            [
                golden * torch.arange(size, dtype=x.dtype, device=x.device),
                2 * math.pi / ring * torch.arange(ring, dtype=x.dtype, device=x.device),
            ]
        )
        half_sine = chord / 2 * torch.cat([share.sqrt(), share.new_ones(ring)])
        first = orthogonal(x)
        second = torch.linalg.cross(x, first)
        tangent = turn.cos()[:, None] * first[:, None] + turn.sin()[:, None] * second[:, None]
        return step_on_sphere(x[:, None], tangent, half_sine[:, None])

    def _gaps(self, x: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
        """Chord between the rims: the angle between the centres less twice the cap's angle."""
        a, b = unit_rows(x[rows]), unit_rows(x[cols])
        apart = distances(a, b, 2.0)
        if self.rho >= 2:
            return torch.zeros_like(apart)
        # two points of S^0 have nothing between them that a cap could reach
        reach = 0.0 if x.shape[1] == 1 else 4 * math.asin(self.rho / 2)
        angle = 2 * torch.atan2(apart, distances(a, -b, 2.0))
        return 2 * ((angle - reach).clamp(min=0) / 2).sin()
