"""Where a function is lowest and highest on perturbation sets of the sphere."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from ..attacks import PGD
from ..losses import Logistic
from ..numerics import row_norm
from ..samples import Sample
from ..sets import Perturbation, check_perturbation

Function = Callable[[Tensor], Tensor]

_UNIT = 64  # roundings a candidate may be off the sphere, as for samples
_POINTS = 2**17  # on all arcs together
_ARC = 10_001  # and on one
_BLOCK = 2**14  # points evaluated at a time
_COARSE = 16  # steps of the grid in one of a quick look
_PARTS = 16  # of a finite list, each asked for its own extremes
_GOLDEN = (math.sqrt(5) - 1) / 2
_QUICK, _STRONG = (PGD(steps=15), 1), (PGD(steps=60), 8)  # attacks, and how often from each x


@dataclass(frozen=True, eq=False)
class Extremes:
    """Points (k, d) of the sets of the examples ``rows`` (k,), and the values (k,) of y g there."""

    points: Tensor
    rows: Tensor
    values: Tensor


class SphereSets:
    """The sets B(x_i) of a sample, all on the unit sphere, as float64 points.

    ``grid`` (n, k, d) holds the whole of a finite set, or points along an arc, ends included; it
    is None for caps in more than two dimensions and for parts of caps. Every point of a set is
    within the angle ``cover`` of its grid (of x where there is none).
    """

    def __init__(self, sample: Sample, perturbation: Perturbation) -> None:
        if not isinstance(sample, Sample):
            raise TypeError(f"sample must be a Sample, got {type(sample).__name__}")
        check_perturbation(perturbation)
        if not (perturbation.finite or perturbation.on_sphere):
            raise TypeError(
                "perturbation must keep points on the unit sphere, SphereCap or Finite, "
                f"got {perturbation!r}; a set of your own that does says on_sphere = True"
            )
        self.sample, self.perturbation = sample, perturbation
        x, self.y = sample.x.double(), sample.y.double()
        self.x = x / row_norm(x)[:, None]  # float32 rows have norm 1 to 1e-7 only
        self.cover, self.reach, self.grid = 0.0, 0.0, None
        if perturbation.finite:
            self.grid = perturbation.grid(sample.x, 1).double()
            _check_unit(self.grid, torch.finfo(sample.x.dtype).eps)
            return
        self.reach = 2 * math.asin(min(perturbation.radius, 2.0) / 2)
        if self.reach == 0:
            self.grid = self.x[:, None]
        elif not perturbation.fills_cap:
            self.cover = self.reach
        elif sample.d == 1:
            self.grid = perturbation.grid(self.x, 2)
        elif sample.d == 2:
            size = min(_ARC, max(101, _POINTS // sample.n))
            self.cover = self.reach / (size - 1)
            self.grid = self.turned(
                slice(None), self._angles(torch.arange(size, device="cpu"))[None, :]
            )
        else:
            self.cover = self.reach

    @property
    def finite(self) -> bool:
        """Whether the grid is all there is."""
        return self.cover == 0

    def values(self, g: Function, points: Tensor) -> Tensor:
        """y g (n, k) at points (n, k, d) of the sets, in blocks."""
        with torch.no_grad():
            found = torch.cat([g(block) for block in torch.split(points.flatten(0, 1), _BLOCK)])
        return found.reshape(points.shape[:2]) * self.y[:, None]

    def extremes(self, g: Function, *, upper: bool = True, quick: bool = False) -> Extremes:
        """Points of every set where y g is lowest and, with ``upper``, where it is highest.

        By enumeration for finite sets; on arcs all local extremes of the grid, or with ``quick`` of
        some of its points, each refined to 1e-7 of a step; on other sets what a strong attack
        finds, or with ``quick`` a weaker one.
        """
        if self.grid is None:
            return self._attacked(g, upper, *(_QUICK if quick else _STRONG))
        if not self.finite:
            size = self.grid.shape[1]
            looked = torch.arange(0, size, _COARSE if quick else 1, device=self.grid.device)
            looked[-1] = size - 1  # the grid ends where the arc does
            return self._refined(g, looked)
        values = self.values(g, self.grid)
        # of every part of the list, so that long lists take few rounds of cutting planes
        size, places = max(1, -(-values.shape[1] // _PARTS)), []
        for start in range(0, values.shape[1], size):
            part = values[:, start : start + size]
            places += [start + part.argmin(1), start + part.argmax(1)]
        columns = torch.cat(places)
        rows = torch.arange(len(values), device=values.device).repeat(len(places))
        return Extremes(self.grid[rows, columns], rows, values[rows, columns])

    def turned(self, rows: Tensor | slice, angles: Tensor) -> Tensor:
        """The points of arcs ``rows`` at ``angles`` (..., k) from their centres, d = 2."""
        x = self.x[rows]
        if angles.dim() > 1:
            x = x[:, None]
        side = torch.stack([-x[..., 1], x[..., 0]], -1)
        return angles.cos()[..., None] * x + angles.sin()[..., None] * side

    def _angles(self, places: Tensor) -> Tensor:
        return (2 * self.cover * places.double() - self.reach).to(self.x.device)

    def _refined(self, g: Function, grid: Tensor) -> Extremes:
        """Golden section between the neighbours of each local extreme at these places (k,)."""
        assert self.grid is not None
        values = self.values(g, self.grid[:, grid])
        both = torch.stack([values, -values])
        ends = functional.pad(both, (1, 1), value=math.inf)
        lowest = (both < ends[..., :-2]) & (both <= ends[..., 2:])
        upper, rows, places = lowest.nonzero().unbind(1)
        signs = 1.0 - 2.0 * upper
        last = len(grid) - 1
        labels = self.y[rows] * signs

        def at(angles: Tensor) -> Tensor:
            with torch.no_grad():
                return g(self.turned(rows, angles)) * labels

        near = [places - 1, places, places + 1]
        a, best, b = (self._angles(grid[k.clamp(min=0, max=last)]) for k in near)
        least = values[rows, places] * signs
        p, q = b - _GOLDEN * (b - a), a + _GOLDEN * (b - a)
        at_p, at_q = at(p), at(q)
        for _ in range(40):
            left = at_p < at_q  # the better of the two, and the end next to it stays one
            best = torch.where(torch.minimum(at_p, at_q) < least, torch.where(left, p, q), best)
            least = torch.minimum(torch.minimum(at_p, at_q), least)
            a, b = torch.where(left, a, p), torch.where(left, q, b)
            new = torch.where(left, b - _GOLDEN * (b - a), a + _GOLDEN * (b - a))
            value = at(new)
            p, q = torch.where(left, new, q), torch.where(left, p, new)
            at_p, at_q = torch.where(left, value, at_q), torch.where(left, at_p, value)
        return Extremes(self.turned(rows, best), rows, least * signs)

    def _attacked(self, g: Function, upper: bool, attack: PGD, times: int) -> Extremes:
        x, rows = self.x.repeat(times, 1), torch.arange(self.sample.n, device=self.x.device)
        points, values = [], []
        for side in (1, -1)[: 1 + upper]:
            labels = side * self.y.repeat(times)
            z = attack(g, x, labels, perturbation=self.perturbation, loss=Logistic())
            with torch.no_grad():
                margins = (g(z) * labels).reshape(times, -1)
            best = margins.argmin(0)
            points.append(z.reshape(times, *self.x.shape)[best, rows])
            values.append(side * margins[best, rows])
        return Extremes(torch.cat(points), rows.repeat(len(points)), torch.cat(values))


def _check_unit(points: Tensor, eps: float) -> None:
    off = (torch.linalg.vector_norm(points, dim=2) - 1).abs()
    if float(off.max()) > _UNIT * eps:
        i, k = divmod(int(off.argmax()), points.shape[1])
        norm = float(torch.linalg.vector_norm(points[i, k]))
        raise ValueError(
            "perturbation must have candidates on the unit sphere, got norm "
            f"{norm:.9g} in candidate {k} of example {i}"
        )
