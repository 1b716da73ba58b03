"""Balls of the maximum norm: every coordinate on its own between two limits."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .ball_hull import BallHull
from .balls import Ball, BallSteps
from .base import Length, Perturbation
from .hull import Polytope, box_support
from .projections import furthest_linf, nearest_linf
from .steps import FlatSteps, along


class LinfSteps(BallSteps):
    """Cubes, for loops."""

    separable = True

    def __init__(
        self, sets: Perturbation, x: Tensor, box: tuple[float, float] | None, p: float
    ) -> None:
        super().__init__(sets, x, box, p)
        self.low = self._clipped(self.flat - self.eps)
        self.high = self._clipped(self.flat + self.eps)

    def argmax_linear(self, g: Tensor) -> Tensor:
        return FlatSteps.argmax_linear(self, g)

    def _near(self, z: Tensor) -> Tensor:
        return z.clamp(self.low, self.high)

    def _up(self, z: Tensor, g: Tensor, length: Length) -> Tensor:
        return along(z, g.sign_(), length).clamp_(self.low, self.high)


@dataclass(frozen=True)
class LinfHull(BallHull):
    """Cubes, for proofs."""

    p = math.inf

    @property
    def stretch(self) -> float:
        return math.sqrt(self.centre.shape[1])

    def dual_norm(self, g: Tensor) -> Tensor:
        norms: Tensor = torch.linalg.vector_norm(g, ord=1.0, dim=-1)
        return norms

    def support_function(self, g: Tensor) -> tuple[Tensor, Tensor]:
        low, high, radius = self.like(g)
        most, least = torch.minimum(high, radius), torch.maximum(low, -radius)
        return box_support(least, most, g)

    def project(self, v: Tensor) -> Tensor:
        radius = self.radius[:, None]
        most, least = torch.minimum(self.high, radius), torch.maximum(self.low, -radius)
        return v.clamp(min=least, max=most)

    def polytope(self) -> Polytope:
        low, high, eps = (t[0].cpu().numpy() for t in (self.low, self.high, self.radius))
        none = np.zeros((0, len(low)))
        return Polytope(np.maximum(low, -eps), np.minimum(high, eps), none, none[:, 0], False)


@dataclass(frozen=True, repr=False)
class LinfBall(Ball):
    """{x': |x' - x|_inf <= eps}, cut by lo <= x' <= hi where ``box=(lo, hi)`` is given.

    Every example x must be in the box: ``ValueError`` names the worst coordinate that is not.
    """

    p = math.inf
    _steps = LinfSteps
    _proved = LinfHull
    _nearest = staticmethod(nearest_linf)
    _furthest = staticmethod(furthest_linf)
