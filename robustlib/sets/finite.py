"""A finite list of candidates for every example."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import NoReturn

import torch
from torch import Tensor

from ..checks import check_alike, check_floats, check_integer, check_shape
from ..numerics import row_norm
from .base import Perturbation
from .hull import Hull, UnknownHull
from .projections import distances


@dataclass(frozen=True, repr=False, eq=False)
class Finite(Perturbation):
    """The finite set that holds candidates[i, 0], ..., candidates[i, k-1] for example i.

    ``candidates`` is (n, k, ...), k >= 1, and belongs to the n examples it was made for, in
    their order. Each example must be one of its own candidates: ``ValueError`` otherwise, so
    that x is in B(x) as for every other set. Two are equal when their tensors are.
    """

    candidates: Tensor

    finite = True

    def __post_init__(self) -> None:
        check_floats("candidates", self.candidates, min_dim=3)
        if not self.candidates.shape[1]:
            shape = tuple(self.candidates.shape)
            raise ValueError(f"candidates must hold at least one per example, got shape {shape}")

    def __repr__(self) -> str:
        kind = f"{self.candidates.dtype}".removeprefix("torch.")
        return f"Finite(<{kind} tensor {tuple(self.candidates.shape)}>)"

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Finite):
            return NotImplemented
        mine, yours = self.candidates, other.candidates
        same_kind = mine.dtype == yours.dtype and mine.device == yours.device
        return same_kind and torch.equal(mine, yours)

    def __hash__(self) -> int:
        return hash((type(self), self.candidates.dtype, tuple(self.candidates.shape)))

    @functools.cached_property
    def radius(self) -> float:
        """The largest Euclidean distance between two candidates of one example."""
        flat = self.candidates.detach().flatten(2).double()
        return max((float(distances(row, row, 2.0).max()) for row in flat), default=0.0)

    def with_radius(self, radius: float) -> NoReturn:
        """Not for a finite set: raises ``TypeError``."""
        raise TypeError("Finite has no radius to set; choose other candidates instead")

    def grid(self, x: Tensor, size: int) -> Tensor:
        """The candidates (n, k, ...), however many: ``size`` is checked and not used."""
        size = check_integer("size", size, minimum=1)
        self._flat("x", x, x)
        return self.candidates.detach().clone()

    def _check_centre(self, x: Tensor, flat: Tensor) -> None:
        shape = (self.candidates.shape[0], *self.candidates.shape[2:])
        check_shape("x", x, shape, fits="the candidates of the perturbation")
        check_alike("x", x, "candidates", self.candidates)
        missing = ~(self.candidates == x.unsqueeze(1)).flatten(2).all(2).any(1)
        if bool(missing.any()):
            raise ValueError(
                f"x must be among its own candidates, got row {int(missing.nonzero()[0, 0])} "
                "that is not; torch.cat([x.unsqueeze(1), candidates], 1) adds it"
            )

    def _size(self, x: Tensor) -> Tensor:
        return row_norm(x)

    def _inside(self, z: Tensor, x: Tensor, slack: Tensor, dtype: torch.dtype) -> Tensor:
        return self._distance(z).amin(1) <= slack

    def _keeps(self, z: Tensor, x: Tensor, nearest: Tensor, dtype: torch.dtype) -> Tensor:
        return (z == nearest).all(1)

    def _project(self, z: Tensor, x: Tensor) -> Tensor:
        return self._chosen(self._distance(z).argmin(1))

    def _argmax_linear(self, g: Tensor, x: Tensor) -> Tensor:
        return self._chosen((self._flat_candidates() * g.unsqueeze(1)).sum(2).argmax(1))

    def _random(self, x: Tensor, generator: torch.Generator) -> Tensor:
        n, k = self.candidates.shape[:2]
        return self._chosen(torch.randint(k, (n,), generator=generator, device="cpu"))

    def _grid(self, x: Tensor, size: int) -> Tensor:
        return self._flat_candidates()

    def _hull(self, x: Tensor, dtype: torch.dtype) -> Hull:
        raise UnknownHull("Finite is a list, not bounded but enumerated: GridMax() does")

    def _compared(self, x: Tensor) -> int:
        return self.candidates.shape[1] ** 2

    def _gaps(self, x: Tensor, rows: Tensor, cols: Tensor) -> Tensor:
        """The smallest distance between their candidates, two by two."""
        points = self._flat_candidates()
        k = points.shape[1]
        pairs = distances(points[rows].flatten(0, 1), points[cols].flatten(0, 1), 2.0)
        return pairs.reshape(len(rows), k, len(cols), k).amin((1, 3))

    def _flat_candidates(self) -> Tensor:
        points: Tensor = self.candidates.detach().flatten(2).double()
        return points

    def _distance(self, z: Tensor) -> Tensor:
        """Distances (n, k) of each row to its candidates."""
        away: Tensor = torch.linalg.vector_norm(self._flat_candidates() - z.unsqueeze(1), dim=2)
        return away

    def _chosen(self, index: Tensor) -> Tensor:
        """Candidate ``index[i]`` of each example i."""
        points = self._flat_candidates()
        index = index.to(points.device)
        return points[torch.arange(len(points), device=points.device), index]
