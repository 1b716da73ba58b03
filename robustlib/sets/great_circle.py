"""Moving along great circles of the sphere: the one geometry behind caps.

Exact in float64 for the public methods, quick in the dtype of the data for loops, and with the
value of a linear function for proofs: three answers to one question, each with its own rounding.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor

from ..numerics import mended, row_norm
from .projections import ROUNDING, unit_rows


def step_on_sphere(x: Tensor, tangent: Tensor, half_sine: Tensor) -> Tensor:
    """x cos(a) + tangent sin(a), given sin(a/2): accurate however small the angle is."""
    half_cosine = ((1 - half_sine) * (1 + half_sine)).clamp(min=0).sqrt()
    return x + 2 * half_sine * (half_cosine * tangent - half_sine * x)


def split(z: Tensor, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Unit rows z as cosine * x + sine * tangent, sine >= 0, |tangent| = 1, tangent | x."""
    cosine = (z * x).sum(1, keepdim=True)
    tangent = z - cosine * x
    # once more: after cancellation what is left may lean towards x
    tangent = tangent - (tangent * x).sum(1, keepdim=True) * x
    sine = torch.linalg.vector_norm(tangent, dim=1, keepdim=True)
    # what rounding leaves over is no direction
    parallel = sine <= 8 * torch.finfo(z.dtype).eps
    return (
        torch.where(parallel, orthogonal(x), unit_rows(tangent)),
        torch.where(parallel, 0.0, sine),
        cosine,
    )


def orthogonal(x: Tensor) -> Tensor:
    """A unit vector orthogonal to each unit row, towards the axis least aligned with it."""
    axis = torch.zeros_like(x).scatter(1, x.abs().argmin(1, keepdim=True), 1.0)
    return unit_rows(axis - (axis * x).sum(1, keepdim=True) * x)


def furthest(g: Tensor, centre: Tensor, chord: Tensor) -> tuple[Tensor, Tensor]:
    """max <g, v> over the caps ``centre`` + v, and that v: as far as g or ``chord``; last axis d.

    At angle phi, with h = sin(phi/2), the offset from the centre u is -2 h^2 u + 2 h sqrt(1 - h^2)
    times the unit tangent: no cancellation for small caps.
    """
    along = (g * centre).sum(-1, keepdim=True)
    tangent = g - along * centre
    # once more: after cancellation what is left may lean towards the centre
    tangent = tangent - (tangent * centre).sum(-1, keepdim=True) * centre
    across = torch.linalg.vector_norm(tangent, dim=-1, keepdim=True)
    h = torch.minimum((torch.atan2(across, along) / 2).sin(), chord / 2).clamp(max=1.0)
    forth, back = 2 * h * ((1 - h) * (1 + h)).sqrt(), 2 * h * h
    v = forth * tangent / torch.where(across > 0, across, 1.0) - back * centre
    return (forth * across - back * along).squeeze(-1), v


def turn(centre: Tensor, z: Tensor, chord: float | Tensor, scratch: Tensor) -> Tensor:
    """From unit rows ``centre`` on the great circle to ``z``, as far as ``z`` or as ``chord``.

    The point at angle phi on the arc of angle psi is (sin(psi - phi) centre + sin(phi) z/|z|) over
    sin(psi); a ``z`` that is a unit row to rounding and within reach comes back as it is. Quick, in
    the dtype of ``z``; ``scratch`` is memory of its shape.
    """
    ulp = torch.finfo(z.dtype).eps
    cosine = torch.mul(centre, z, out=scratch).sum(1, keepdim=True)
    tangent = torch.addcmul(z, centre, cosine, value=-1, out=scratch)
    sine = tangent.square_().sum(1, keepdim=True).sqrt().double()
    size = torch.hypot(sine, cosine.double())
    psi = torch.atan2(sine, cosine.double())
    phi = _angle_of(chord) if isinstance(chord, Tensor) else _angle(chord, z.device)
    phi = torch.where(psi <= phi + ROUNDING * ulp, psi, phi)
    size = torch.where((size - 1).abs() <= ROUNDING * ulp, 1.0, size)
    stays, goes, whole = sine == 0, phi == psi, psi.sin()
    a = torch.where(stays, 1.0, (psi - phi).sin() / whole)
    b = torch.where(stays, 0.0, torch.where(goes, 1.0, phi.sin() / whole) / size)
    result = (centre * a.to(z.dtype)).addcmul_(z, b.to(z.dtype))
    behind = ((cosine < 0) & (sine < 0.6 * size)).flatten()
    # behind, the formula cancels
    return mended(behind, _around, result, centre, z, phi)


def _angle_of(chord: Tensor) -> Tensor:
    """The angles of chords, in float64."""
    return 2 * (chord.double() / 2).asin()


@functools.lru_cache(maxsize=64)
def _angle(chord: float, device: torch.device) -> Tensor:
    """The angle of one chord: a loop asks for the same again and again. Not to be changed."""
    return _angle_of(torch.full((), chord, dtype=torch.float64, device=device))


def _around(centre: Tensor, z: Tensor, phi: Tensor) -> Tensor:
    """At angle ``phi`` (n, 1) on the great circle to ``z``; ``centre`` if ``z`` is opposite."""
    first, tangent = centre.double(), unit_rows(z.double())
    for _ in range(2):  # twice: the first subtraction cancels
        tangent = tangent - (tangent * first).sum(1, keepdim=True) * first
    opposite = row_norm(tangent).unsqueeze(1) <= 8 * torch.finfo(z.dtype).eps
    point = first * phi.cos() + unit_rows(tangent) * phi.sin()
    return torch.where(opposite, first, point).to(centre.dtype)
