"""Caps of the sphere for loops: steps and projections along great circles, see ``regions.py``."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ..numerics import row_norm
from .base import Length, Perturbation
from .projections import unit_rows
from .regions import ROUNDING, FlatRegion, scaled, squares


class CapRegion(FlatRegion):
    """Caps of the sphere."""

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


def turn(centre: Tensor, z: Tensor, chord: Length, scratch: Tensor) -> Tensor:
    """From unit rows ``centre`` on the great circle to ``z``, as far as ``z`` or as ``chord``.

    The point at angle phi on the arc of angle psi is (sin(psi - phi) centre + sin(phi) z/|z|) over
    sin(psi); a ``z`` that is a unit row to rounding and within reach comes back as it is.
    """
    ulp = torch.finfo(z.dtype).eps
    cosine = torch.mul(centre, z, out=scratch).sum(1, keepdim=True)
    tangent = torch.addcmul(z, centre, cosine, value=-1, out=scratch)
    sine = tangent.square_().sum(1, keepdim=True).sqrt().double()
    size = torch.hypot(sine, cosine.double())
    psi = torch.atan2(sine, cosine.double())
    phi = 2 * (torch.as_tensor(chord, dtype=torch.float64, device=z.device) / 2).asin()
    phi = torch.where(psi <= phi + ROUNDING * ulp, psi, phi)
    size = torch.where((size - 1).abs() <= ROUNDING * ulp, 1.0, size)
    stays, goes = sine == 0, phi == psi
    a = torch.where(stays, 1.0, (psi - phi).sin() / psi.sin())
    b = torch.where(stays, 0.0, torch.where(goes, 1.0, phi.sin() / psi.sin()) / size)
    result = (centre * a.to(z.dtype)).addcmul_(z, b.to(z.dtype))
    behind = ((cosine < 0) & (sine < 0.6 * size)).flatten()
    if bool(behind.any()):  # there the formula cancels
        rows = behind.nonzero().flatten()
        result[rows] = _around(centre[rows], z[rows], phi[rows])
    return result


def _around(centre: Tensor, z: Tensor, phi: Tensor) -> Tensor:
    """At angle ``phi`` (n, 1) on the great circle to ``z``; ``centre`` if ``z`` is opposite."""
    first, tangent = centre.double(), unit_rows(z.double())
    for _ in range(2):  # twice: the first subtraction cancels
        tangent = tangent - (tangent * first).sum(1, keepdim=True) * first
    opposite = row_norm(tangent).unsqueeze(1) <= 8 * torch.finfo(z.dtype).eps
    point = first * phi.cos() + unit_rows(tangent) * phi.sin()
    return torch.where(opposite, first, point).to(centre.dtype)
