"""The contract of every perturbation set, and the checks they share.

A set of your own gives five methods; points are float64 matrices (n, d), ``radius`` is > 0, and no
tensor is to be changed in place:

- ``radius``, a property: no point of B(x) is further from x, in the Euclidean norm; 0 means {x};
- ``with_radius(radius)``: the same kind of set with another radius;
- ``_project(z, x)``: the points of B(x) nearest to z, exact to rounding;
- ``_argmax_linear(g, x)``: points x' of B(x) where <g, x'> is largest, exact to rounding;
- ``_support_function(g, x)``: at least max <g, x' - x> over B(x), (n,), but for the rounding of
  about 4 d + 64 operations. By a formula of its own, not from ``_argmax_linear``, which no proof
  may rest on. Without it everything but proofs works, and they refuse by name.

All else follows (``derived.py``) where B(x) is closed, convex and holds x, or is a closed part of
the unit sphere and says ``on_sphere = True``. A set that knows better answers better:
``_check_centre``, ``_random``, ``_grid``, ``_gaps``, ``at``, ``_hull``.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from functools import cached_property, partial
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from ..checks import check_alike, check_floats, check_integer, check_real, check_shape
from ..numerics import per_row, row_norm
from . import derived
from .hull import Hull, UnknownHull
from .projections import distances

# How far outside its set a point counts as inside, in machine epsilons at its size: rounding.
INSIDE_ULPS = 8
_FORGIVEN = 12  # what a proof takes INSIDE_ULPS for, with room for the rounding of the test
_BLOCK = 2**22  # distances held at a time: 32 MiB of float64

Length = float | Tensor  # of a step: one for all examples, or (n,)


class Perturbation(ABC):
    """A closed set B(x) round every example x, which always holds x itself.

    Examples are rows: ``x`` and ``z`` are (n, ...), float32 or float64, and all axes but the
    first are coordinates. The geometry is computed in float64 and rounded once to the dtype of
    ``x``; answers carry no gradient. Every method raises ``TypeError`` or ``ValueError`` for
    tensors that differ in shape, dtype or device, for NaN and infinite entries, and for an ``x``
    at which the set is not defined. ``finite`` says that ``grid`` lists all of B(x), ``on_sphere``
    that it is part of the unit sphere, ``fills_cap`` all of that within ``radius`` of x.
    """

    finite: ClassVar[bool] = False
    on_sphere: ClassVar[bool] = False
    fills_cap: ClassVar[bool] = False

    @property
    @abstractmethod
    def radius(self) -> float:
        """How far B(x) reaches, in the set's own norm."""

    @abstractmethod
    def with_radius(self, radius: float) -> Self:
        """The same kind of set with another radius >= 0."""

    def project(self, z: Tensor, x: Tensor) -> Tensor:
        """The point of B(x) nearest to ``z`` in the Euclidean norm, exact to rounding.

        Points of the set come back unchanged, bit by bit (on a sphere, which hardly any row of
        floats is on, within a few roundings), as does ``x`` for radius 0. Of several, always one.
        """
        flat_z, flat_x = self._flat("z", z, x)
        if self.radius == 0:
            return x.detach().clone()
        nearest = self._project(flat_z, flat_x)
        keeps = self._keeps(flat_z, flat_x, nearest, x.dtype)
        return torch.where(per_row(keeps, x), z.detach(), self._rounded(nearest, x))

    def argmax_linear(self, g: Tensor, x: Tensor) -> Tensor:
        """A point x' of B(x) where <g, x'> is largest, exact to rounding; ``x`` where g = 0."""
        flat_g, flat_x = self._flat("g", g, x)
        return self._maximiser(flat_g, flat_x, x)

    def _maximiser(self, flat_g: Tensor, flat_x: Tensor, x: Tensor) -> Tensor:
        if self.radius == 0:
            return x.detach().clone()
        moved = self._rounded(self._argmax_linear(flat_g, flat_x), x)
        return torch.where(per_row((flat_g == 0).all(1), x), x.detach(), moved)

    def contains(self, z: Tensor, x: Tensor, tol: float | None = None) -> Tensor:
        """Whether each row of ``z`` is within ``tol`` of B(x), as a bool tensor (n,).

        ``tol`` is a distance in the set's own norm; by default a few units of rounding at the
        size of the numbers involved. A box is held exactly, whatever ``tol``.
        """
        if tol is not None:
            tol = check_real("tol", tol, minimum=0)
        flat_z, flat_x = self._flat("z", z, x)
        ulps = INSIDE_ULPS * torch.finfo(x.dtype).eps
        slack = self._size(flat_x) * ulps if tol is None else torch.full_like(flat_x[:, 0], tol)
        return self._inside(flat_z, flat_x, slack, x.dtype)

    def random(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """One point of B(x) for each example, from a CPU ``generator``: uniform in the set.

        Without a law of the set's own: uniform where one of 16 points of the ball of its radius
        hits it, else the last one's projection. Drawn on the CPU in float64, for every device.
        """
        if not isinstance(generator, torch.Generator) or generator.device.type != "cpu":
            raise TypeError(f"generator must be a torch.Generator on the CPU, got {generator!r}")
        _, flat = self._flat("x", x, x)
        if self.radius == 0 or not len(x):
            return x.detach().clone()
        return self._rounded(self._random(flat.cpu(), generator), x)

    def grid(self, x: Tensor, size: int) -> Tensor:
        """About ``size`` points that cover B(x), ``x`` first: (n, k, ...), the same k for all.

        For examples of one, two or three coordinates; ``ValueError`` for others.
        """
        size = check_integer("size", size, minimum=1)
        _, flat = self._flat("x", x, x)
        if flat.shape[1] > 3:
            raise ValueError(
                f"x must have at most 3 coordinates per example for a grid, got {flat.shape[1]}"
            )
        centre = x.detach().unsqueeze(1)
        if self.radius == 0 or size == 1:
            return centre.clone()
        points = self._grid(flat, size)
        k = points.shape[1]
        repeated = centre.expand(-1, k, *x.shape[1:]).flatten(0, 1)
        covered = self._rounded(points.flatten(0, 1), repeated).reshape(len(x), k, *x.shape[1:])
        return torch.cat([centre, covered], 1)

    def at(self, x: Tensor) -> StepSets:
        """These sets at the fixed examples ``x`` (n, ...), for loops that must not check again.

        What answers faster than the methods above does so in the dtype of ``x``, to rounding.
        """
        return StepSets(self, x)

    def hull(self, x: Tensor) -> Hull:
        """The convex hulls of the sets of ``x`` (n, ...), in float64, for proofs.

        They hold every tensor of the dtype of ``x`` that ``contains`` accepts, within their
        ``slack``. ``TypeError`` where the set has no ``_support_function``.
        """
        _, flat = self._flat("x", x, x)
        return self._hull(flat, x.dtype)

    def nearest_pair(self, x: Tensor, rows: Tensor, cols: Tensor) -> tuple[float, tuple[int, int]]:
        """The least distance between B(x_i), i in ``rows``, and B(x_j), j in ``cols``; and i, j.

        0.0 for sets that touch, or come closer than rounding can tell. All pairs are looked at, in
        blocks of bounded memory; both index tensors hold at least one.
        """
        _, flat = self._flat("x", x, x)
        side = max(1, math.isqrt(_BLOCK // self._compared(flat)))
        gap, pair = derived.nearest_pair(partial(self._gaps, flat), rows, cols, side, len(flat))
        rounding = INSIDE_ULPS * torch.finfo(x.dtype).eps * float(self._size(flat).max())
        return (0.0 if gap <= rounding else gap), pair

    def _flat(self, name: str, z: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Both as checked float64 matrices (n, d)."""
        check_floats("x", x, min_dim=2)
        if z is not x:
            check_floats(name, z)
            check_shape(name, z, x.shape, fits="x")
            check_alike(name, z, "x", x)
        flat = x.detach().flatten(1).double()
        if not flat.shape[1]:
            raise ValueError(f"x must have at least one coordinate, got shape {tuple(x.shape)}")
        self._check_centre(x, flat)
        return flat if z is x else z.detach().flatten(1).double(), flat

    def _rounded(self, points: Tensor, like: Tensor) -> Tensor:
        """Float64 rows in the shape, dtype and place of ``like``."""
        return points.to(like.device, like.dtype).reshape(like.shape)

    def _slack(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """More than a tensor may be outside its set that ``contains`` accepts: (n,)."""
        return _FORGIVEN * torch.finfo(dtype).eps * self._size(x)

    @abstractmethod
    def _project(self, z: Tensor, x: Tensor) -> Tensor:
        """The projection, radius > 0."""

    @abstractmethod
    def _argmax_linear(self, g: Tensor, x: Tensor) -> Tensor:
        """The linear maximiser where g is not 0, radius > 0."""

    def _support_function(self, g: Tensor, x: Tensor) -> Tensor:
        """At least max <g, x' - x> over B(x), (n,), radius > 0."""
        raise UnknownHull(
            f"{type(self).__name__} has no support function, so nothing is proved from above: add "
            "_support_function(g, x), at least the largest <g, x' - x> over B(x)"
        )

    def _check_centre(self, x: Tensor, flat: Tensor) -> None:
        """Raise where B is not defined at ``x``; ``flat`` is its float64 matrix."""
        return None

    def _size(self, x: Tensor) -> Tensor:
        """The size (n,) of the numbers that make up a point of B(x), in the set's own norm."""
        return row_norm(x) + self.radius

    def _inside(self, z: Tensor, x: Tensor, slack: Tensor, dtype: torch.dtype) -> Tensor:
        """Which rows are within ``slack`` (n,) of the set; ``dtype`` is that of the data."""
        nearest = x if self.radius == 0 else self._project(z, x)
        return (row_norm(z - nearest) <= slack) | (z == x).all(1)

    def _keeps(self, z: Tensor, x: Tensor, nearest: Tensor, dtype: torch.dtype) -> Tensor:
        """Which rows of ``z`` are in the set as they stand, or but for rounding."""
        return row_norm(z - nearest) <= 4 * torch.finfo(dtype).eps * self._size(x)

    def _random(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Points of the set, radius > 0; everything on the CPU."""
        return derived.random_points(x, self.radius, self._project, self.on_sphere, generator)

    def _grid(self, x: Tensor, size: int) -> Tensor:
        """Grid points (n, k, d) to stand behind x, d at most 3, radius > 0."""
        return derived.lattice(x, self._argmax_linear, self._project, size)

    def _compared(self, x: Tensor) -> int:
        """How many numbers ``_gaps`` holds for one pair of examples."""
        return 8 * x.shape[1]

    def _gaps(self, x: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
        """Distances between the sets of x[rows] and x[cols]; all but the least may be too small."""
        if self.radius == 0:
            return distances(x[rows], x[cols], 2.0)
        return derived.gaps(type(self).__name__, x, rows, cols, self._argmax_linear, self._project)

    def _hull(self, x: Tensor, dtype: torch.dtype) -> Hull:
        """``hull`` of float64 rows (n, d) that come from data of ``dtype``."""
        hooks = self._support_function, self._argmax_linear, self._project
        return derived.own_hull(x, self._slack(x, dtype), self.radius, *hooks)


class StepSets:
    """The sets B(x) of the examples ``x`` (n, ...), checked once: see ``Perturbation.at``.

    This class serves any set. ``separable`` says that every coordinate moves on its own;
    ``rows(places)`` are the sets of some examples (k,), where each is known from its x alone.
    """

    separable: ClassVar[bool] = False
    rows: ClassVar[Any] = None

    def __init__(self, sets: Perturbation, x: Tensor) -> None:
        sets._flat("x", x, x)
        self.sets, self.x = sets, x.detach()

    @cached_property
    def radius(self) -> float:
        """The radius of the sets."""
        return self.sets.radius

    @property
    def is_point(self) -> bool:
        """Whether every set is known to hold its x alone."""
        return not self.sets.finite and self.radius == 0

    def contains(self, z: Tensor) -> Tensor:
        """Whether each row of ``z`` (n, ...) is in its set to rounding: (n,)."""
        return self.sets.contains(z, self.x)

    def project(self, z: Tensor) -> Tensor:
        """A point of the set near ``z`` (n, ...), the nearest one where that is quickly found."""
        return self.sets.project(z, self.x)

    def argmax_linear(self, g: Tensor) -> Tensor:
        """A point of the set where <g, x'> is largest; x where g = 0. As ``ascend`` with ``g``."""
        return self.sets.argmax_linear(g, self.x)

    def ascend(self, z: Tensor, g: Tensor, length: Length) -> Tensor:
        """From ``z`` in the set, a step of ``length`` (in the set's norm) up ``g``, in the set.

        A list has no small steps: to the point furthest up ``g``. ``g`` may be overwritten.
        """
        if self.sets.finite:
            return self.argmax_linear(g)
        lengths = torch.as_tensor(length, dtype=torch.float64, device="cpu").cpu()
        moved = z
        for value in sorted(set(lengths.flatten().tolist())):
            around = self.sets.with_radius(value)
            # no check of z as a centre: it is in its set to rounding
            far = around._maximiser(g.flatten(1).double(), z.flatten(1).double(), z)
            there = self.sets.project(far, self.x)
            here = per_row((lengths == value).expand(len(z)).to(z.device), z)
            moved = torch.where(here, there, moved)
        return moved


def check_perturbation(perturbation: object) -> None:
    """Raise where that is not a set, but a class, say, or a radius."""
    if not isinstance(perturbation, Perturbation):
        raise TypeError(f"perturbation must be a set such as L2Ball(0.1), got {perturbation!r}")
