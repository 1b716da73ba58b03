"""Angles between points, right to the last digits for pairs that are nearly equal or antipodal."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

# Rounding moves a cosine by about 1e-16 and hence the angle by 1e-16 / sin(angle). Pairs whose
# sin^2 is below these bounds get their angle from the differences of the points instead. float32
# results need that at the antipodal end alone: there kernels vanish, and relative errors count.
_NEAR = {torch.float64: 4e-3, torch.float32: 1e-8}
_GATHER = 1 << 20  # numbers gathered at once for such pairs


def lift(x: Tensor, bias: bool) -> Tensor:
    """``x`` (n, d) in float64 and, with ``bias``, as (x, 1)/sqrt(2) (n, d + 1)."""
    x = x.double()
    return functional.pad(x, (0, 1), value=1.0) * math.sqrt(0.5) if bias else x


def unit_rows(x: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of ``x`` (n, d) on the unit sphere, and their norms (n,); a zero row stays zero."""
    if x.shape[1] == 0:
        return x, x.new_zeros(len(x))
    # by the largest entry first: squares of very small or large entries leave float64's range
    largest = x.abs().amax(1, keepdim=True)
    x = x / torch.where(largest > 0, largest, 1)
    norm = torch.linalg.vector_norm(x, dim=1, keepdim=True)
    return x / torch.where(norm > 0, norm, 1), (norm * largest).squeeze(1)


class Angles:
    """Cosines and angles of all pairs between two blocks of unit rows, in memory used again.

    After ``between(u, v)``: ``cosine`` and ``sine2`` = sin^2 in float64 and, in the dtype asked
    for, ``cos`` and z = ``scaled`` = 1 - 2 angle/pi, and with ``ends`` also ``coangle`` =
    pi - angle, relatively exact down to 0. ``spare`` and ``result`` are scratch blocks.
    """

    def __init__(
        self, rows: int, columns: int, *, dtype: torch.dtype, device: torch.device, ends: bool
    ) -> None:
        size = rows * columns
        self._wide = torch.empty(2, size, dtype=torch.float64, device=device)
        self._own = torch.empty(5, size, dtype=dtype, device=device)
        self._one = torch.ones((), dtype=torch.float64, device=device)
        self._near, self._ends = _NEAR[dtype], ends
        self._antipodal_only = dtype == torch.float32

    def between(self, u: Tensor, v: Tensor) -> None:
        """Fill the blocks for unit rows ``u`` (n, d) and ``v`` (m, d), both float64."""
        n, m = len(u), len(v)
        self.cosine, self.sine2 = self._wide[:, : n * m].reshape(2, n, m)
        self.cos, self.scaled, self.coangle, self.spare, self.result = (
            self._own[:, : n * m].reshape(5, n, m).unbind()
        )
        torch.mm(u, v.T, out=self.cosine)
        torch.addcmul(self._one, self.cosine, self.cosine, value=-1, out=self.sine2)
        sine = self.spare.copy_(self.sine2).clamp_(min=0).sqrt_()
        self.cos.copy_(self.cosine)
        torch.atan2(self.cos, sine, out=self.scaled)
        if self._ends:
            torch.atan2(sine, torch.neg(self.cos, out=self.coangle), out=self.coangle)
        if self._has_close_pairs():
            self._correct(u, v)
        self.scaled.mul_(2 / math.pi)

    def _has_close_pairs(self) -> bool:
        if self._antipodal_only:
            return self._ends and bool(self.cosine.amin() < self._near / 2 - 1)
        return bool(self.sine2.amin() < self._near)

    def _correct(self, u: Tensor, v: Tensor) -> None:
        close = self.sine2 < self._near
        if self._antipodal_only:
            close &= self.cosine < 0
        rows, columns = close.nonzero(as_tuple=True)
        step = max(1, _GATHER // u.shape[1])
        for i, j in zip(rows.split(step), columns.split(step), strict=True):
            distance = torch.linalg.vector_norm(u[i] - v[j], dim=1)
            opposite = torch.linalg.vector_norm(u[i] + v[j], dim=1)
            half = torch.atan2(opposite, distance)  # of the coangle
            self.coangle[i, j] = (2 * half).to(self.coangle.dtype)
            self.scaled[i, j] = (2 * half - math.pi / 2).to(self.scaled.dtype)
            self.sine2[i, j] = (distance * opposite / 2) ** 2
