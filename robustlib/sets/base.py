"""The contract of every perturbation set, and the checks they share."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from typing import Self

import torch
from torch import Tensor

from ..checks import check_alike, check_floats, check_integer, check_real, check_shape
from ..numerics import per_row

# How far outside its set a point may be and still count as inside, in units of the dtype's
# machine epsilon at the size of the numbers involved: what rounding the coordinates may cost.
INSIDE_ULPS = 8

Length = float | Tensor  # of a step: one for all examples, or (n,)


class Perturbation(ABC):
    """A closed set B(x) round every example x, which always holds x itself.

    Examples are rows: ``x`` and ``z`` are (n, ...), float32 or float64, and all axes but the
    first are coordinates. The geometry is computed in float64 and rounded once to the dtype of
    ``x``; answers carry no gradient. Every method raises ``TypeError`` or ``ValueError`` for
    tensors that differ in shape, dtype or device, for NaN and infinite entries, and for an ``x``
    at which the set is not defined.
    """

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
        floats is on: points within a few roundings of it); radius 0 gives ``x``, bit by bit.
        Where several points are nearest, one of them, the same each time.
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
        if self.radius == 0:
            return x.detach().clone()
        moved = self._rounded(self._argmax(flat_g, flat_x), x)
        return torch.where(per_row((flat_g == 0).all(1), x), x.detach(), moved)

    def contains(self, z: Tensor, x: Tensor, tol: float | None = None) -> Tensor:
        """Whether each row of ``z`` is within ``tol`` of B(x), as a bool tensor (n,).

        ``tol`` is a distance in the set's own norm; by default a few units of rounding at the
        size of the numbers involved. A box is held exactly, whatever ``tol``.
        """
        if tol is not None:
            check_real("tol", tol, minimum=0)
        flat_z, flat_x = self._flat("z", z, x)
        ulps = INSIDE_ULPS * torch.finfo(x.dtype).eps
        slack = self._size(flat_x) * ulps if tol is None else torch.full_like(flat_x[:, 0], tol)
        return self._inside(flat_z, flat_x, slack, x.dtype)

    def random(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """One point of B(x) for each example, uniform in the set, from a CPU ``generator``.

        The numbers are drawn on the CPU in float64: the same on every device.
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
        check_integer("size", size, minimum=1)
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

    def at(self, x: Tensor) -> Region:
        """These sets at the fixed examples ``x`` (n, ...), for loops that must not check again.

        Where a ``Region`` answers faster than the methods above, it does so in the dtype of ``x``:
        in the set to rounding. Raises as they do for an ``x`` at which the set is not defined.
        """
        return Region(self, x)

    def _flat(self, name: str, z: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        """Both as checked float64 matrices (n, d)."""
        check_floats("x", x, min_dim=2)
        check_floats(name, z)
        check_shape(name, z, x.shape)
        check_alike(name, z, "x", x)
        flat = x.detach().flatten(1).double()
        if not flat.shape[1]:
            raise ValueError(f"x must have at least one coordinate, got shape {tuple(x.shape)}")
        self._check_centre(x, flat)
        return flat if z is x else z.detach().flatten(1).double(), flat

    def _rounded(self, points: Tensor, like: Tensor) -> Tensor:
        """Float64 rows in the shape, dtype and place of ``like``."""
        return points.to(like.device, like.dtype).reshape(like.shape)

    @abstractmethod
    def _check_centre(self, x: Tensor, flat: Tensor) -> None:
        """Raise where B is not defined at ``x``; ``flat`` is its float64 matrix."""

    @abstractmethod
    def _size(self, x: Tensor) -> Tensor:
        """The size (n,) of the numbers that make up a point of B(x), in the set's own norm."""

    @abstractmethod
    def _inside(self, z: Tensor, x: Tensor, slack: Tensor, dtype: torch.dtype) -> Tensor:
        """Which rows are within ``slack`` (n,) of the set; ``dtype`` is that of the data."""

    @abstractmethod
    def _keeps(self, z: Tensor, x: Tensor, nearest: Tensor, dtype: torch.dtype) -> Tensor:
        """Which rows of ``z`` are in the set as they stand, given their projections."""

    @abstractmethod
    def _project(self, z: Tensor, x: Tensor) -> Tensor:
        """The projection, radius > 0."""

    @abstractmethod
    def _argmax(self, g: Tensor, x: Tensor) -> Tensor:
        """The linear maximiser where g is not 0, radius > 0."""

    @abstractmethod
    def _random(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Uniform points, radius > 0; everything on the CPU."""

    @abstractmethod
    def _grid(self, x: Tensor, size: int) -> Tensor:
        """Grid points (n, k, d) to stand behind x, d at most 3, radius > 0."""

    @property
    def _compared(self) -> int:
        """How many numbers ``_gaps`` holds for one pair of examples."""
        return 1

    @abstractmethod
    def _gaps(self, x: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
        """Distances between the sets of x[rows] and of x[cols], float64."""


class Region:
    """The sets B(x) of the examples ``x`` (n, ...), checked once: see ``Perturbation.at``.

    This one serves any set through its public methods.
    """

    def __init__(self, sets: Perturbation, x: Tensor) -> None:
        sets._flat("x", x, x)
        self.sets, self.x = sets, x.detach()

    @functools.cached_property
    def radius(self) -> float:
        """The radius of the sets."""
        return self.sets.radius

    @property
    def is_point(self) -> bool:
        """Whether every set is known to hold its x alone."""
        return False

    def contains(self, z: Tensor) -> Tensor:
        """Whether each row of ``z`` (n, ...) is in its set to rounding: (n,)."""
        return self.sets.contains(z, self.x)

    def project(self, z: Tensor) -> Tensor:
        """A point of the set near ``z`` (n, ...), the nearest one where that is quickly found."""
        return self.sets.project(z, self.x)

    def highest(self, g: Tensor) -> Tensor:
        """A point of the set where <g, x'> is largest; x where g = 0. As ``ascend`` with ``g``."""
        return self.sets.argmax_linear(g, self.x)

    def ascend(self, z: Tensor, g: Tensor, length: Length) -> Tensor:
        """From ``z`` in the set, a step of ``length`` (in the set's norm) up ``g``, in the set.

        ``g`` may be overwritten, and the answer may lie in its memory.
        """
        lengths = torch.as_tensor(length, dtype=torch.float64).cpu()
        moved = z
        for value in sorted(set(lengths.flatten().tolist())):
            around = self.sets.with_radius(value)
            there = self.sets.project(around.argmax_linear(g, z), self.x)
            here = (lengths == value).expand(len(z)).to(z.device)
            moved = torch.where(here.reshape(-1, *[1] * (z.dim() - 1)), there, moved)
        return moved


def check_perturbation(perturbation: object) -> None:
    """Raise where ``perturbation`` is not a set: its class, say, or a radius."""
    if not isinstance(perturbation, Perturbation):
        raise TypeError(f"perturbation must be a set such as L2Ball(0.1), got {perturbation!r}")


def distances(a: Tensor, b: Tensor, p: float) -> Tensor:
    """All p-norm distances between rows, by differences: exact near 0, where products are not."""
    return torch.cdist(a, b, p=p, compute_mode="donot_use_mm_for_euclid_dist")
