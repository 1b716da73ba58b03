"""Sets as proofs see them: how large a linear function can get on B(x), in float64."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

UNIT = 2.0**-53  # relative error of one rounded operation in float64


def gamma(operations: int, unit: float = UNIT) -> float:
    """The relative error that ``operations`` roundings can add up to, twice over.

    A sum of products of n terms, computed in any order, is off by at most n u / (1 - n u) times
    the sum of the absolute values of its products; the factor 2 covers the rounding of the bound.
    """
    return 2 * operations * unit / (1 - operations * unit)


class UnknownHull(TypeError):
    """A set that says nothing of its support function: there is no proof on it."""


@dataclass(frozen=True)
class Polytope:
    """{u : low <= u <= high, rows u <= limit} for one example: the offsets v = u of a set.

    Where ``mirrored`` u is twice as long, and v its first half less its second.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    rows: NDArray[np.float64]
    limit: NDArray[np.float64]
    mirrored: bool


@dataclass(frozen=True)
class Hull(ABC):
    """The convex hulls of the sets of n examples: points ``centre`` (n, d) + v, all in float64.

    No v is longer than ``radius`` (n,), and a tensor that ``contains`` accepts is within ``slack``
    (n,) of its set, both in the set's own norm. ``exact`` says that the sets are these hulls.
    """

    centre: Tensor
    radius: Tensor
    slack: Tensor

    exact: ClassVar[bool] = False

    def __len__(self) -> int:
        return len(self.centre)

    def rows(self, index: Tensor) -> Self:
        """The sets of some of the rows, in the order of ``index``."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return replace(self, **{k: v[index] for k, v in values.items() if isinstance(v, Tensor)})

    @abstractmethod
    def support_function(self, g: Tensor) -> tuple[Tensor, Tensor]:
        """max <g, v> for ``g`` (n, d) or (n, k, d), and a v where it is reached, to rounding.

        The value is an upper bound whether or not that v is right. It carries the rounding of its
        own sums, at most gamma(d + 16) times the largest sum |g_j| |v_j| in the set.
        """

    @abstractmethod
    def project(self, v: Tensor) -> Tensor:
        """The point (n, d) of the hull nearest to ``v`` (n, d), both offsets.

        Proofs hold whatever it answers; how sharp they get depends on it.
        """

    @property
    @abstractmethod
    def reach(self) -> Tensor:
        """At least as large as |x'_j| for every x' that ``contains`` accepts: (n, d)."""

    @property
    @abstractmethod
    def length(self) -> Tensor:
        """At least as large as the Euclidean norm of every v: (n,)."""

    @property
    def stretch(self) -> float:
        """The Euclidean norm that a v of length 1 in the set's own norm may have."""
        return 1.0

    def dual_norm(self, g: Tensor) -> Tensor:
        """What a step of length 1 in the set's own norm changes <g, .> by at most; last axis d."""
        norms: Tensor = torch.linalg.vector_norm(g, ord=2.0, dim=-1)
        return norms

    @abstractmethod
    def charts(self) -> Sequence[tuple[Tensor, Tensor]]:
        """Boxes low <= w <= high, each (n, k), whose images under ``piece`` cover the sets."""

    @abstractmethod
    def piece(
        self, example: Tensor, low: Tensor, high: Tensor, chart: Tensor
    ) -> tuple[Hull, Tensor, Tensor]:
        """What lies in boxes low <= w <= high (B, k) of the charts ``chart`` (B,).

        A hull of the part of the set of ``example`` (B,) there, the image (B, d) of the box's
        middle, and where nothing of the set is there (B,); False is always right.
        """

    def polytope(self) -> Polytope | None:
        """The only set as linear inequalities; None where it is no polytope, or that is unknown."""
        return None


def box_support(low: Tensor, high: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """The support function of a box of offsets, as ``Hull.support_function`` has it."""
    v = torch.where(g > 0, high, torch.where(g < 0, low, 0.0))
    return (g * v).sum(-1), v
