"""The gadgets of Theorem E: points that every robust interpolation class shatters."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..checks import (
    check_alike,
    check_choice,
    check_floats,
    check_integer,
    check_real,
    check_shape,
)
from ..numerics import check_room
from .simplex import best_size, corners, least_ratio, two_centres

NORMS = {"l2": 2.0, "linf": math.inf}
_FAR = 40.0  # offset between groups, in units of delta


def points_per_pair(d: int, rho: float, norm: str) -> int:
    """How many points one pair of centres shatters in R^d, for balls of radius rho * delta.

    Euclidean: the most k <= d + 1 with rho >= :func:`least_ratio` of k, on a regular simplex.
    Maximum norm: 1 + floor(log2(d + 1)) for rho >= 1/2.
    """
    if norm == "linf":
        return 1 + (d + 1).bit_length() - 1 if rho >= 0.5 else 1
    k = d + 1 if rho >= 1 else min(d + 1, math.floor(1 / (1 - rho**2)) + 2)
    while least_ratio(k) > rho:
        k -= 1
    return k


def _cube_points(d: int, rho: float) -> int:
    """The same on axes, for corners of the cube: min(d, floor(1/(1 - rho^2)))."""
    if rho >= math.sqrt(1 - 1 / d):  # also where 1 - rho^2 is 0
        return d
    return min(d, math.floor(1 / (1 - rho**2) * (1 + 1e-12)))


@dataclass(frozen=True, eq=False, repr=False)
class Gadget:
    """Points (N, d) and, for every labelling of them, n labelled centres that force it.

    The centres are at least 2 ``delta`` apart in ``norm``, and every point is within
    ``rho`` * ``delta`` of a centre with its label: a function that is right on these balls labels
    the points as asked. ``per_pair`` points belong to each pair of centres; ``shape`` says how
    they lie: "cube", "simplex" or "splits". Whether all this is true of the numbers at hand is what
    :func:`check_shattering` looks at.
    """

    n: int
    d: int
    delta: float
    rho: float
    norm: str
    shape: str
    per_pair: int
    points: Tensor

    @property
    def radius(self) -> float:
        """Radius rho * delta of the balls."""
        return self.rho * self.delta

    def data(self, labelling: Tensor) -> tuple[Tensor, Tensor]:
        """Centres (n, d) and labels (n,) that force ``labelling`` (N,), entries -1 and +1."""
        check_floats("labelling", labelling)
        check_shape("labelling", labelling, self.points.shape[:1])
        check_alike("labelling", labelling, "the points of the gadget", self.points)
        if bool((labelling.abs() != 1).any()):
            raise ValueError(f"labelling must have entries -1 and +1 only, got {labelling}")
        kinds = {"cube": _hypercube_pair, "simplex": _simplex_pair, "splits": _threshold_pair}
        pair = kinds[self.shape]
        centres, labels = [], []
        for group in range(self.n // 2):
            at = slice(group * self.per_pair, (group + 1) * self.per_pair)
            for y, centre in zip((1.0, -1.0), pair(self, labelling[at]), strict=True):
                centre[0] += _FAR * self.delta * group
                centres.append(centre)
                labels.append(y)
        if self.n % 2:
            centres.append(self.points[-1].clone())
            labels.append(float(labelling[-1]))
        return torch.stack(centres), torch.tensor(labels, dtype=torch.float64, device="cpu")

    def __repr__(self) -> str:
        count = len(self.points)
        return (
            f"Gadget of {count} point{'s' * (count != 1)} in R^{self.d}, for {self.n} centres 2 x "
            f"{self.delta:g} apart with {self.norm} balls of radius {self.radius:g}."
        )


def hypercube_gadget(
    n: int,
    d: int,
    *,
    delta: float = 1.0,
    rho: float = 1.0,
    norm: str = "l2",
    per_pair: int | None = None,
) -> Gadget:
    """The gadget for ``n`` centres in R^d that are 2 ``delta`` apart, balls of ``rho`` * ``delta``.

    Euclidean: for each pair of centres the points s e_1, ..., s e_k, and as centres plus and minus
    a scaled vertex of the hypercube; k is min(d, floor(1/(1 - rho^2))), one point or two fewer than
    :func:`simplex_gadget` has. Maximum norm: the points' coordinates are the possible splits of the
    points in two, and the centres differ in one coordinate. An odd ``n`` adds one centre that is
    its own point.

    ``per_pair`` asks for another number k of points per pair, up to d: where k is too large the
    gadget is built all the same and fails its check.
    Raises ``ValueError`` for n < 1, d < 1, delta <= 0, and rho outside (0, 1], where balls of
    different labels may overlap.
    """
    n, d, delta, rho = _checked(n, d, delta, rho)
    norm = check_choice("norm", norm, NORMS)
    most = d if norm == "l2" else 1 + (d + 1).bit_length() - 1
    k = _cube_points(d, rho) if norm == "l2" else points_per_pair(d, rho, norm)
    k = _asked(per_pair, k, most, f"R^{d} for {norm}")
    shape = "cube" if norm == "l2" else "splits"
    gadget = Gadget(n, d, float(delta), float(rho), norm, shape, k, torch.empty(0, d, device="cpu"))
    return _built(gadget, _hypercube_points(gadget) if norm == "l2" else _threshold_points(gadget))


def simplex_gadget(
    n: int, d: int, *, delta: float = 1.0, rho: float = 1.0, per_pair: int | None = None
) -> Gadget:
    """The Euclidean gadget of Theorem E, for ``n`` centres in R^d and balls of ``rho`` * ``delta``.

    For each pair of centres the k corners of a regular simplex. A labelling's centres lie on the
    line through the middles of its two groups of corners, so far out that the balls just hold
    their corners. By the theorem k = d + 1 for rho >= sqrt(1 - 1/d) (2/3 in the plane, 1/2 on a
    line), and no pair of disjoint balls does more. An odd ``n`` adds one centre that is its own
    point.

    ``per_pair`` asks for another number k of points per pair, up to d + 1: where k is too large
    the gadget is built all the same and fails its check. Raises as :func:`hypercube_gadget` does.
    """
    n, d, delta, rho = _checked(n, d, delta, rho)
    k = _asked(per_pair, points_per_pair(d, rho, "l2"), d + 1, f"R^{d} for a simplex")
    gadget = Gadget(
        n, d, float(delta), float(rho), "l2", "simplex", k, torch.empty(0, d, device="cpu")
    )
    size = best_size(k)[0] * _inner_radius(gadget)
    return _built(gadget, torch.nn.functional.pad(size * corners(k), (0, d - k + 1)))


def _checked(n: int, d: int, delta: float, rho: float) -> tuple[int, int, float, float]:
    n = check_integer("n", n, minimum=1)
    d = check_integer("d", d, minimum=1)
    check_room(n * d, n=n, d=d)
    delta = check_real("delta", delta, above=0)
    if not 1e-100 <= delta <= 1e100:  # whose squares are numbers still
        raise ValueError(f"delta must be between 1e-100 and 1e100, got {delta:g}")
    return n, d, delta, check_rho(rho)


def _asked(per_pair: int | None, k: int, most: int, where: str) -> int:
    if per_pair is None:
        return k
    per_pair = check_integer("per_pair", per_pair, minimum=1)
    if per_pair > most:
        raise ValueError(f"per_pair must be at most {most} in {where}, got {per_pair}")
    return per_pair


def _built(gadget: Gadget, group: Tensor) -> Gadget:
    """``gadget`` with a copy of ``group`` for every pair, and one more point where n is odd."""
    n, d = gadget.n, gadget.d
    shifts = torch.zeros((n + 1) // 2, 1, d, dtype=torch.float64, device="cpu")
    shifts[:, 0, 0] = _FAR * gadget.delta * torch.arange(len(shifts), device="cpu")
    points = (shifts[: n // 2] + group).flatten(0, 1)
    if n % 2:
        points = torch.cat([points, shifts[-1]])
    return replace(gadget, points=points)


def check_rho(rho: float) -> float:
    """``rho`` where it is in (0, 1]."""
    rho = check_real("rho", rho, above=0)
    if rho > 1:
        raise ValueError(
            f"rho must be at most 1, got {rho:g}: larger balls round points of different labels "
            "may overlap, and then no function is right on both"
        )
    return rho


def _half_separation(gadget: Gadget) -> float:
    """t: half the distance between the centres of a pair, in the middle of what is allowed."""
    delta, k = gadget.delta, gadget.per_pair
    most = 2 * delta if k == 1 else min(2 * delta, gadget.radius / math.sqrt(1 - 1 / k))
    return max(delta, (delta + most) / 2)


def _hypercube_points(gadget: Gadget) -> Tensor:
    k = gadget.per_pair
    return (
        _half_separation(gadget)
        / math.sqrt(k)
        * torch.eye(k, gadget.d, dtype=torch.float64, device="cpu")
    )


def _hypercube_pair(gadget: Gadget, v: Tensor) -> tuple[Tensor, Tensor]:
    vertex = torch.zeros(gadget.d, dtype=torch.float64, device="cpu")
    vertex[: len(v)] = _half_separation(gadget) / math.sqrt(len(v)) * v.double()
    return vertex, -vertex


def _inner_radius(gadget: Gadget) -> float:
    """A little less than the radius, where the simplex allows it: room on both sides."""
    least = 2 / best_size(gadget.per_pair)[1] * gadget.delta
    return max(least, (least + gadget.radius) / 2)


def _simplex_pair(gadget: Gadget, v: Tensor) -> tuple[Tensor, Tensor]:
    return two_centres(gadget.points[: len(v)], v.double(), _inner_radius(gadget), gadget.delta)


def _splits(k: int) -> Tensor:
    """All splits of k points in two non-empty parts: (2^(k-1) - 1, k), first column +1."""
    rest = itertools.islice(itertools.product((1.0, -1.0), repeat=k - 1), 1, None)
    return torch.tensor(
        [(1.0, *signs) for signs in rest], dtype=torch.float64, device="cpu"
    ).reshape(-1, k)


def _threshold_points(gadget: Gadget) -> Tensor:
    splits = _splits(gadget.per_pair)
    points = torch.zeros(gadget.per_pair, gadget.d, dtype=torch.float64, device="cpu")
    points[:, : len(splits)] = gadget.radius * splits.T
    return points


def _threshold_pair(gadget: Gadget, v: Tensor) -> tuple[Tensor, Tensor]:
    one, other = torch.zeros(2, gadget.d, dtype=torch.float64, device="cpu")
    if bool((v == v[0]).all()):
        other[0] = 10 * gadget.delta  # far from all points: this label is not needed here
    else:
        split = int((_splits(len(v)) == v.double() * v[0]).all(1).nonzero())
        one[split] = gadget.delta * max(1.0, (1 + 2 * gadget.rho) / 2)
        other = -one
    return (one, other) if v[0] > 0 else (other, one)
