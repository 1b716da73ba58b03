"""Which parity of harmonics a kernel's space lacks, and whether labels on given sets need it.

Every kernel here holds all harmonics of at least one parity (even, or odd). Of the other it may
hold finitely many degrees, all at most 2 for the nets of this package, so that g(x) - g(-x), or
g(x) + g(-x), is a polynomial q of these degrees. At points whose antipodes lie in no set, g can be
anything whatever q is; at antipodal points z and -z of the sets both labels bear on q(z).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..kernels import Spectrum
from ..numerics import row_norm
from ..sets.projections import distances
from ..solvers import in_band
from .sets import SphereSets

Pair = tuple[int, int]

_BLOCK = 2**22  # distances held at a time
_ROWS = 4096  # pairs of antipodal points that are looked at
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Lack:
    """The parity (0 even, 1 odd) that is not complete, and the degrees of it that are there."""

    parity: int
    left: tuple[int, ...]

    def features(self, z: Tensor) -> NDArray[np.float64]:
        """Polynomials (k, columns) that span these degrees at ``z`` (k, d)."""
        x: NDArray[np.float64] = z.cpu().numpy()
        if not self.left:
            return np.zeros((len(x), 0))
        if self.parity:
            return x
        # on the sphere the constants are among the quadratic forms
        i, j = np.triu_indices(x.shape[1])
        forms: NDArray[np.float64] = x[:, i] * x[:, j]
        return forms

    def words(self) -> str:
        """What it means for every function of the space."""
        side = "g(x) - g(-x)" if self.parity else "g(x) + g(-x)"
        if not self.left:
            return f"{side} = 0"
        return f"{side} is {'linear' if self.parity else 'a quadratic form'} in x"


def lacking(found: Spectrum) -> Lack | None:
    """What a space with this spectrum lacks; None where it is dense. Needs degrees up to 6."""
    if found.universal:
        return None
    last = len(found.multiplicities) - 1
    parity = next(p for p in (0, 1) if last - (last - p) % 2 in found.missing_degrees)
    degrees = range(parity, last + 1, 2)
    left = tuple(degree for degree in degrees if degree not in found.missing_degrees)
    assert all(degree <= 2 for degree in left), "features knows polynomials of degree 2 only"
    return Lack(parity, left)


@dataclass(frozen=True, eq=False)
class Antipodes:
    """Points ``z`` (k, d) of the sets of examples ``first`` with -z in those of ``second``.

    Those that are ``known`` (k,); of the others it is open whether there are any. ``complete`` says
    that these are all such points, not only some, and ``sure`` that every two are antipodal to the
    rounding ``noise`` of the points, so that none is a near miss.
    """

    z: Tensor
    first: Tensor
    second: Tensor
    known: Tensor
    complete: bool
    sure: bool
    noise: float

    def limits(
        self, y: Tensor, lack: Lack, low: float, high: float
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Between what 2 q(z) must lie, where y g is to lie between ``low`` and ``high``.

        The complete parity can add any number to both g(z) and g(-z), or to the one and its
        negative to the other.
        """
        ends = torch.tensor([low, high], dtype=torch.float64, device=y.device)
        here, there = (y[rows, None] * ends for rows in (self.first, self.second))
        here, there = here.sort(1).values, there.sort(1).values
        other = -there.flip(1) if lack.parity else there
        span = here + other
        return span[:, 0].cpu().numpy(), span[:, 1].cpu().numpy()


def antipodes(sets: SphereSets) -> Antipodes:
    """Pairs of antipodal points in the sets: all of finite sets, up to three for a pair of caps."""
    return _listed(sets) if sets.finite else _on_caps(sets)


def _listed(sets: SphereSets) -> Antipodes:
    assert sets.grid is not None
    points = sets.grid.flatten(0, 1)
    owner = torch.arange(sets.sample.n, device=points.device)
    owner = owner.repeat_interleave(sets.grid.shape[1])
    noise = 64 * torch.finfo(sets.sample.x.dtype).eps
    near = max(_ROUNDING, noise)
    found, start, worst = [], 0, 0.0
    for block in torch.split(points, max(1, _BLOCK // len(points))):
        apart = distances(block, -points, p=2)
        pairs = (apart <= near).nonzero()
        worst = max(worst, float(apart[apart <= near].max()) if len(pairs) else 0.0)
        pairs[:, 0] += start
        found.append(pairs[pairs[:, 0] <= pairs[:, 1]])
        start += len(block)
    a, b = torch.cat(found).unbind(1)
    known = torch.ones_like(a, dtype=torch.bool)
    return Antipodes(points[a], owner[a], owner[b], known, True, worst <= noise, noise)


def _on_caps(sets: SphereSets) -> Antipodes:
    """On the great circle from x_i to -x_j, the ends and the middle of what both caps cover.

    For parts of caps these caps are those around them.
    """
    x, reach = sets.x, sets.reach
    angle = 2 * torch.atan2(distances(x, -x, p=2), distances(x, x, p=2))
    i, j = (angle <= 2 * reach + _ROUNDING).triu().nonzero()[:_ROWS].unbind(1)
    angle = angle[i, j, None]
    side = -x[j] - angle.cos() * x[i]
    spare = torch.zeros_like(side).scatter(1, x[i].abs().argmin(1, keepdim=True), 1.0)
    spare = spare - (spare * x[i]).sum(1, keepdim=True) * x[i]
    side = torch.where(row_norm(side)[:, None] > 1e-9, side, spare)
    side = side / row_norm(side)[:, None]
    ends = angle - reach, angle.clamp(max=reach) * 0 + reach
    turns = torch.cat([ends[0], (ends[0] + ends[1]) / 2, ends[1]], 1)
    z = turns.cos()[..., None] * x[i][:, None] + turns.sin()[..., None] * side[:, None]
    z, i, j = z.flatten(0, 1), i.repeat_interleave(3), j.repeat_interleave(3)
    noise = 64 * torch.finfo(sets.sample.x.dtype).eps
    return Antipodes(z, i, j, _members(sets, z, i, j), not len(i), True, noise)


def _members(sets: SphereSets, z: Tensor, i: Tensor, j: Tensor) -> Tensor:
    """Which z are in the sets of examples i with -z in those of j: all, for whole caps."""
    if sets.perturbation.fills_cap:
        return torch.ones_like(i, dtype=torch.bool)
    here = sets.perturbation.contains(z, sets.x[i])
    return here & sets.perturbation.contains(-z, sets.x[j])


def possible(
    pairs: Antipodes, y: Tensor, lack: Lack, low: float, high: float
) -> tuple[bool | None, Pair | None]:
    """Whether some g has low <= y g <= high on the sets, and a pair that q = 0 does not serve.

    False is proved. True is proved too, for low < high, and in the limit for low = high; both as
    :func:`robustlib.solvers.in_band` proves them, which is up to the rounding of the points. None
    is neither.
    """
    least, most = pairs.limits(y, lack, low, high)
    wrong = (least > 0) | (most < 0)
    if not wrong.any():
        return True, None
    known = pairs.known.cpu().numpy()
    places = np.nonzero(wrong & known)[0]
    if not len(places):
        return None, None
    pair = int(pairs.first[places[0]]), int(pairs.second[places[0]])
    if not pairs.sure:
        return None, pair
    least, most = least[known], most[known]
    features = 2 * lack.features(pairs.z[pairs.known])
    if not features.shape[1]:
        return False, pair
    found = in_band(features, least, most, pairs.noise)
    return (found if pairs.complete or not found else None), pair
