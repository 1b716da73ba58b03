"""Balls and parts of balls as proofs see them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import Tensor

from ..numerics import row_norm
from .hull import UNIT, Hull, gamma


@dataclass(frozen=True)
class BallHull(Hull):
    """Balls and parts of them: |v|_p <= ``radius`` and ``low`` <= v <= ``high`` (n, d)."""

    low: Tensor
    high: Tensor

    p: ClassVar[float]
    exact = True

    @property
    def reach(self) -> Tensor:
        room = (self.radius + self.slack)[:, None]
        least = torch.maximum(self.low, -room)
        most = torch.minimum(self.high, room)
        reach = torch.maximum(self.centre.abs(), (self.centre + most).abs())
        reach = torch.maximum(reach, (self.centre + least).abs())
        return reach * (1 + 4 * UNIT)

    @property
    def length(self) -> Tensor:
        box = row_norm(torch.maximum(self.low.abs(), self.high.abs()))
        return torch.minimum(box, self.radius * self.stretch)

    @property
    def whole(self) -> bool:
        """Whether no box cuts anything off."""
        radius = self.radius[:, None]
        return bool((-self.low >= radius).all()) and bool((self.high >= radius).all())

    def like(self, g: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Low, high and radius in the shape of directions ``g``, (n, d) or (n, k, d)."""
        if g.dim() == 2:
            return self.low, self.high, self.radius[:, None]
        return self.low[:, None], self.high[:, None], self.radius[:, None, None]

    def in_orthant(self, v: Tensor, nearest: Callable[[Tensor, Tensor, float], Tensor]) -> Tensor:
        """The projection, for sets of one radius whose box holds the centre."""
        # around a centre inside the box this is the same problem in every orthant
        room = torch.where(v > 0, self.high, -self.low)
        eps = float(self.radius.amax()) if len(v) else 1.0
        if eps == 0:
            return torch.zeros_like(v)
        return v.sign() * nearest(v.abs(), room.clamp(min=0), eps)

    def charts(self) -> list[tuple[Tensor, Tensor]]:
        radius = self.radius[:, None]
        return [(torch.maximum(self.low, -radius), torch.minimum(self.high, radius))]

    def piece(
        self, example: Tensor, low: Tensor, high: Tensor, chart: Tensor
    ) -> tuple[Hull, Tensor, Tensor]:
        part = replace(self.rows(example), low=low, high=high)
        # nothing of the ball is there where the point nearest to its centre is outside of it
        nearest = torch.zeros_like(low).clamp(min=low, max=high)
        norm = torch.linalg.vector_norm(nearest, ord=self.p, dim=1)
        return part, part.centre + (low + high) / 2, norm > part.radius * (1 + 1e-12)


def cut_support(
    g: Tensor, low: Tensor, high: Tensor, radius: Tensor, p: float
) -> tuple[Tensor, Tensor]:
    """The support function of a cut ball, p = 1 or 2, by weak duality for the norm.

    For any multiplier t >= 0 the maximum is at most

    t r + sum_j max_{low <= v <= high} (g_j v - t |v|)        for p = 1, and
    t r^2 / 2 + sum_j max_{low <= v <= high} (g_j v - t v^2/2)  for p = 2,

    least where the inner maximiser has norm r: bisection finds t, and any t is sound.
    """

    def inner(t: Tensor) -> Tensor:
        if p == 2:
            return (g / t).clamp(min=low, max=high)
        zero = torch.zeros_like(g).clamp(min=low, max=high)
        return torch.where(g > t, high, torch.where(g < -t, low, zero)).clamp(-1e300, 1e300)

    norm = torch.linalg.vector_norm(g, ord=p if p == 2 else math.inf, dim=-1, keepdim=True)
    norm = torch.where(norm > 0, norm, 1.0)
    tiny = norm * 1e-18
    # |v(t)| falls with t; at the top it is below the radius wherever box and ball meet inside
    top = 2 * norm if p == 1 else 2 * norm / radius.clamp(min=1e-300)
    least, most = (tiny if p == 1 else 1e-15 * top).expand_as(top), top
    for _ in range(60):
        middle = (least * most).sqrt()
        over = torch.linalg.vector_norm(inner(middle), ord=p, dim=-1, keepdim=True) > radius
        least, most = torch.where(over, middle, least), torch.where(over, most, middle)
    v = inner(most)
    cost = v.abs() if p == 1 else v * v / 2
    budget = radius if p == 1 else radius * radius / 2
    terms = g * v - most * cost
    value = (most * budget).squeeze(-1) + terms.sum(-1)
    size = (most * budget).squeeze(-1) + (g * v).abs().sum(-1) + (most * cost).sum(-1)
    value = value + gamma(g.shape[-1] + 8) * size
    value = torch.where((g == 0).all(-1), 0.0, value)
    if p == 1:  # what the last coordinate gets of the budget
        part = inner(least) - v
        share = (radius - v.abs().sum(-1, keepdim=True)) / part.abs().sum(-1, keepdim=True)
        v = v + part * share.nan_to_num(0.0).clamp(0, 1)
    return value, v
