"""Samples: labelled points on the unit sphere, checked once so that nobody checks them again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
import torch
from scipy.special import betainc, betaincinv
from torch import Tensor

from . import _openml
from .checks import check_alike, check_floats, check_integer, check_real, check_shape
from .numerics import generator, row_norm

# Streams of the seed, apart from those of the networks.
_SUBSET, _POINTS, _LABELS, _SPLIT = 2001, 2002, 2003, 2004
_CAP_ANGLE = math.pi / 3


class Labelled(Protocol):
    """Anything with points ``x`` (n, ...) and labels ``y`` (n,)."""

    @property
    def x(self) -> Tensor: ...
    @property
    def y(self) -> Tensor: ...


def check_kind(sample: object) -> Labelled:
    """``sample`` where it has points and labels, be they none."""
    if not hasattr(sample, "x") or not hasattr(sample, "y"):
        raise TypeError(f"sample must have points x and labels y, got {type(sample).__name__}")
    return cast(Labelled, sample)


def check_labelled(sample: object) -> None:
    """Raise where ``sample`` has no points and labels, or none of them."""
    if not len(check_kind(sample).x):
        raise ValueError("sample must hold at least one point, got none")


@dataclass(frozen=True, eq=False, repr=False)
class Sample:
    """Points ``x`` (n, d) on the unit sphere with labels ``y`` (n,) in {-1, +1}, and a name.

    Raises ``ValueError`` or ``TypeError`` for no rows, NaN or infinite entries, rows off the
    sphere, other labels, and for tensors that differ in length, dtype or device.
    """

    x: Tensor
    y: Tensor
    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str):
            raise TypeError(f"name must be a string, got {type(self.name).__name__}")
        check_floats("x", self.x)
        if isinstance(self.y, Tensor):  # before its entries are looked at, wherever they are
            check_alike("x", self.x, "y", self.y)
        check_floats("y", self.y)
        if self.x.dim() != 2 or 0 in self.x.shape:
            raise ValueError(
                f"x must have shape (n, d) with n and d at least 1, got {tuple(self.x.shape)}"
            )
        check_shape("y", self.y, self.x.shape[:1])
        off = (row_norm(self.x.double()) - 1).abs()
        worst = int(off.argmax())
        if float(off[worst]) > 64 * torch.finfo(self.x.dtype).eps:
            norm = float(row_norm(self.x[worst : worst + 1].double()))
            raise ValueError(f"x must have rows of norm 1, got norm {norm:.12g} in row {worst}")
        wrong = self.y[self.y.abs() != 1]
        if len(wrong):
            raise ValueError(f"y must have entries -1 and +1 only, got {float(wrong[0]):g}")

    @property
    def n(self) -> int:
        """Number of points."""
        return self.x.shape[0]

    @property
    def d(self) -> int:
        """Dimension of the points, before any lift."""
        return self.x.shape[1]

    def __len__(self) -> int:
        return self.n

    def __repr__(self) -> str:
        positive = int((self.y > 0).sum())
        return (
            f"Sample {self.name!r}: {self.n} points on the unit sphere of R^{self.d}, "
            f"{positive} labelled +1 and {self.n - positive} labelled -1 "
            f"({str(self.x.dtype).removeprefix('torch.')}, {self.x.device})."
        )

    @cached_property
    def separation(self) -> float:
        """Smallest distance between two points of opposite labels; inf where there are none."""
        plus, minus = (self.x[self.y == sign].double() for sign in (1, -1))
        if not len(plus) or not len(minus):
            return math.inf
        # Differences, not inner products: those lose half of the digits for close points.
        mode = "donot_use_mm_for_euclid_dist"
        blocks = torch.split(plus, 1024)
        return min(float(torch.cdist(b, minus, compute_mode=mode).min()) for b in blocks)

    def to(
        self, device: torch.device | str | None = None, dtype: torch.dtype | None = None
    ) -> Sample:
        """The same sample on another device, in another dtype, or both."""
        if dtype is not None and not isinstance(dtype, torch.dtype):
            raise TypeError(f"dtype must be a torch.dtype such as torch.float64, got {dtype!r}")
        x, y = (t.to(device=device or t.device, dtype=dtype or t.dtype) for t in (self.x, self.y))
        return Sample(x, y, self.name)

    def split(self, n: int, seed: int = 0) -> tuple[Sample, Sample]:
        """Two samples without common points: a random one of ``n`` points, and the rest.

        Labels keep their proportions as nearly as ``n`` allows; points keep their order. Raises
        ``ValueError`` unless 1 <= n < number of points.
        """
        check_integer("n", n, minimum=1)
        if n >= self.n:
            raise ValueError(f"n must be less than the {self.n} points there are, got {n}")
        positive = int((self.y > 0).sum())
        chosen = _balanced(self.y, round(n * positive / self.n), n, generator(seed, _SPLIT))
        mask = torch.zeros(self.n, dtype=torch.bool, device=self.y.device)
        mask[chosen.to(self.y.device)] = True
        names = f"{self.name}, {n} of {self.n}", f"{self.name}, the other {self.n - n}"
        first, rest = (
            Sample(self.x[m], self.y[m], name) for m, name in zip((mask, ~mask), names, strict=True)
        )
        return first, rest


def hexagon() -> Sample:
    """Six points of the unit circle, 60 degrees apart, labels +1 and -1 in turn (float64)."""
    root = math.sqrt(0.75)
    x = [[1.0, 0.0], [0.5, root], [-0.5, root], [-1.0, 0.0], [-0.5, -root], [0.5, -root]]
    y = [1.0, -1.0] * 3
    return Sample(
        torch.tensor(x, dtype=torch.float64), torch.tensor(y, dtype=torch.float64), "hexagon"
    )


def digits(classes: Sequence[int] = (3, 8), n: int | None = None, seed: int = 0) -> Sample:
    """Two classes of scikit-learn's 8x8 handwritten digits, rows normalised (d = 64, float64).

    ``classes[0]`` is labelled -1 and ``classes[1]`` +1. ``n`` draws a random subset with equally
    many of both (one more of -1 where n is odd); without it, all are taken. Needs no network.
    Raises ``ValueError`` for unknown or equal classes and for more points than there are.
    """
    from sklearn.datasets import load_digits

    _check_choice_of(classes, n, seed)
    data, target = load_digits(return_X_y=True)
    return _two_classes("digits", data, target.astype(str), classes, n, seed)


def openml(
    name: str = "mnist_784",
    *,
    classes: Sequence[object],
    n: int | None = None,
    seed: int = 0,
    cache: str | Path | None = None,
) -> Sample:
    """Two classes of version 1 of a data set of openml.org, rows normalised (float64).

    Classes, labels and ``n`` as in ``digits``. Downloaded at the first call and kept in the folder
    ``cache`` (scikit-learn's data folder by default). What guards the data: scikit-learn compares
    the download with the MD5 sum that openml.org states; its SHA-256 is then written beside it and
    compared at every later load, so later changes are seen, but the first download is trusted.
    Raises ``ConnectionError`` where the data are neither cached nor reachable, ``RuntimeError``
    where the cached file has changed, and ``ValueError`` as ``digits`` does.
    """
    _check_choice_of(classes, n, seed)  # before anything is downloaded
    data, target = _openml.load(name, cache)
    return _two_classes(name, data, target, classes, n, seed)


def sphere(n: int, d: int, seed: int = 0) -> Sample:
    """``n`` independent uniform points of the unit sphere of R^d with random labels (float64).

    Labels are balanced: +1 occurs ``n // 2`` times, at random places. Raises ``ValueError`` for
    n < 1 and d < 1.
    """
    check_integer("n", n, minimum=1)
    check_integer("d", d, minimum=1)
    x = torch.randn(n, d, dtype=torch.float64, generator=generator(seed, _POINTS))
    order = torch.randperm(n, generator=generator(seed, _LABELS))
    y = torch.where(order < n // 2, 1.0, -1.0).double()
    return Sample(x / row_norm(x)[:, None], y, f"sphere, d={d}, seed={seed}")


def two_caps(d: int, gap: float, n: int, seed: int = 0) -> Sample:
    """Two caps that share an axis and cover the unit sphere of R^d but for a gap (float64).

    With t the angle to the pole e_1: ``n // 2`` points, labelled +1, are uniform in the cap
    t <= pi/3 - gap/2; the others, labelled -1, are uniform in t >= pi/3 + gap/2. So ``gap``, in
    radians and less than 2 pi/3, is the geodesic distance of the two sets, and
    ``separation >= 2 sin(gap/2)``. Labels alternate. Raises ``ValueError`` for d < 2, n < 2, other
    gaps, and where d is so large (thousands) that a cap has no area in floating point.
    """
    check_integer("d", d, minimum=2)
    check_integer("n", n, minimum=2)
    check_real("gap", gap, minimum=0)
    if gap >= 2 * _CAP_ANGLE:
        raise ValueError(f"gap must be less than 2 pi/3 = {2 * _CAP_ANGLE:.6g}, got {gap:g}")
    y = 2 * (torch.arange(n, dtype=torch.float64) % 2) - 1
    # With t the angle to the point's own pole +-e_1, sin(t/2)^2 is Beta(a, a) distributed on the
    # sphere; the quantile function turns uniform numbers into that law cut at the cap's edge.
    a = (d - 1) / 2
    edge = np.where(y > 0, _CAP_ANGLE - gap / 2, math.pi - _CAP_ANGLE - gap / 2)
    mass = betainc(a, a, np.sin(edge / 2) ** 2)
    if mass.min() < np.finfo(float).tiny:
        raise ValueError(f"gap={gap:g} leaves a cap too small for floating point in d={d}")
    g = generator(seed, _POINTS)
    uniform = torch.rand(n, dtype=torch.float64, generator=g).numpy()
    v = torch.from_numpy(betaincinv(a, a, uniform * mass))
    around = torch.randn(n, d - 1, dtype=torch.float64, generator=g)
    around *= (2 * (v * (1 - v)).sqrt() / row_norm(around))[:, None]
    x = torch.cat([(y * (1 - 2 * v))[:, None], around], dim=1)
    return Sample(x / row_norm(x)[:, None], y, f"two caps, d={d}, gap={gap:g}, seed={seed}")


def _check_choice_of(classes: Sequence[object], n: int | None, seed: int) -> None:
    """Raise for what no data set could answer."""
    if isinstance(classes, str) or not isinstance(classes, Sequence) or len(classes) != 2:
        raise ValueError(f"classes must be a pair such as (3, 8), got {classes!r}")
    if str(classes[0]) == str(classes[1]):
        raise ValueError(f"classes must be two different ones, got {tuple(classes)!r}")
    if n is not None:
        check_integer("n", n, minimum=1)
    check_integer("seed", seed, minimum=0)


def _two_classes(
    name: str, data: Any, target: Any, classes: Sequence[object], n: int | None, seed: int
) -> Sample:
    """The sample of two classes; ``target`` holds the class of every row of ``data`` as text."""
    known = sorted(set(target.tolist()))
    negative, positive = map(str, classes)
    if not {negative, positive} <= set(known):
        raise ValueError(
            f"classes must be two different ones of {', '.join(known)}, got {tuple(classes)!r}"
        )
    keep = (target == negative) | (target == positive)
    x = torch.from_numpy(np.asarray(data[keep], dtype=np.float64))
    y = torch.from_numpy(np.where(target[keep] == positive, 1.0, -1.0))
    norms = row_norm(x)
    if not bool((norms > 0).all()):
        raise ValueError(f"{name} has a row of zeros among its classes {negative} and {positive}")
    x /= norms[:, None]
    if n is not None:
        chosen = _balanced(y, n // 2, n, generator(seed, _SUBSET))
        x, y = x[chosen], y[chosen]
    return Sample(x, y, f"{name} {negative} against {positive}")


def _balanced(y: Tensor, positive: int, n: int, g: torch.Generator) -> Tensor:
    """Sorted indices of a random choice of ``n`` points, ``positive`` of them labelled +1."""
    parts = []
    for sign, count in ((1, positive), (-1, n - positive)):
        among = (y.cpu() == sign).nonzero().flatten()
        if count > len(among):
            raise ValueError(
                f"n must be such that {count} points labelled {sign:+d} can be drawn, "
                f"got n={n} with {len(among)} of them"
            )
        parts.append(among[torch.randperm(len(among), generator=g)[:count]])
    return torch.cat(parts).sort().values
