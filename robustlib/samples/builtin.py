"""The samples that come with the library: small ones, random ones, two classes of a data set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import betainc, betaincinv

from ..checks import check_integer, check_real
from ..numerics import check_room, generator, normals, row_norm, steady
from . import download
from .base import Sample, balanced

# Streams of the seed, apart from those of the networks.
_SUBSET, _POINTS, _LABELS = 2001, 2002, 2003
_CAP_ANGLE = math.pi / 3


def hexagon() -> Sample:
    """Six points of the unit circle, 60 degrees apart, labels +1 and -1 in turn (float64)."""
    root = math.sqrt(0.75)
    x = [[1.0, 0.0], [0.5, root], [-0.5, root], [-1.0, 0.0], [-0.5, -root], [0.5, -root]]
    y = [1.0, -1.0] * 3
    return Sample(
        torch.tensor(x, dtype=torch.float64, device="cpu"),
        torch.tensor(y, dtype=torch.float64, device="cpu"),
        "hexagon",
    )


@steady()
def digits(classes: Sequence[int] = (3, 8), n: int | None = None, seed: int = 0) -> Sample:
    """Two classes of scikit-learn's 8x8 handwritten digits, rows normalised (d = 64, float64).

    ``classes[0]`` is labelled -1 and ``classes[1]`` +1. ``n`` draws a random subset with equally
    many of both (one more of -1 where n is odd); without it, all are taken. Needs no network.
    Raises ``ValueError`` for unknown or equal classes and for more points than there are.
    """
    from sklearn.datasets import load_digits

    n = _check_choice_of(classes, n, seed)
    data, target = load_digits(return_X_y=True)
    return _two_classes("digits", data, target.astype(str), classes, n, seed)


@steady()
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
    n = _check_choice_of(classes, n, seed)  # before anything is downloaded
    data, target = download.load(name, cache)
    return _two_classes(name, data, target, classes, n, seed)


def sphere(n: int, d: int, seed: int = 0) -> Sample:
    """``n`` independent uniform points of the unit sphere of R^d with random labels (float64).

    Labels are balanced: +1 occurs ``n // 2`` times, at random places. Raises ``ValueError`` for
    n < 1 and d < 1.
    """
    n = check_integer("n", n, minimum=1)
    d = check_integer("d", d, minimum=1)
    x = normals(seed, _POINTS, n, d, n=n, d=d)
    order = torch.randperm(n, generator=generator(seed, _LABELS), device="cpu")
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
    d = check_integer("d", d, minimum=2)
    n = check_integer("n", n, minimum=2)
    check_room(3 * n * d, n=n, d=d)
    gap = check_real("gap", gap, minimum=0)
    if gap >= 2 * _CAP_ANGLE:
        raise ValueError(f"gap must be less than 2 pi/3 = {2 * _CAP_ANGLE:.6g}, got {gap:g}")
    y = 2 * (torch.arange(n, dtype=torch.float64, device="cpu") % 2) - 1
    # With t the angle to the point's own pole +-e_1, sin(t/2)^2 is Beta(a, a) distributed on the
    # sphere; the quantile function turns uniform numbers into that law cut at the cap's edge.
    a = (d - 1) / 2
    edge = np.where(y > 0, _CAP_ANGLE - gap / 2, math.pi - _CAP_ANGLE - gap / 2)
    mass = betainc(a, a, np.sin(edge / 2) ** 2)
    if mass.min() < np.finfo(float).tiny:
        raise ValueError(f"gap={gap:g} leaves a cap too small for floating point in d={d}")
    g = generator(seed, _POINTS)
    uniform = torch.rand(n, dtype=torch.float64, generator=g, device="cpu").numpy()
    v = torch.from_numpy(betaincinv(a, a, uniform * mass))
    around = torch.randn(n, d - 1, dtype=torch.float64, generator=g, device="cpu")
    around *= (2 * (v * (1 - v)).sqrt() / row_norm(around))[:, None]
    x = torch.cat([(y * (1 - 2 * v))[:, None], around], dim=1)
    return Sample(x / row_norm(x)[:, None], y, f"two caps, d={d}, gap={gap:g}, seed={seed}")


def _check_choice_of(classes: Sequence[object], n: int | None, seed: int) -> int | None:
    """``n``; raises for what no data set could answer."""
    if isinstance(classes, str) or not isinstance(classes, Sequence) or len(classes) != 2:
        raise ValueError(f"classes must be a pair such as (3, 8), got {classes!r}")
    if str(classes[0]) == str(classes[1]):
        raise ValueError(f"classes must be two different ones, got {tuple(classes)!r}")
    if n is not None:
        n = check_integer("n", n, minimum=1)
    check_integer("seed", seed, minimum=0)
    return n


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
        chosen = balanced(y, n // 2, n, generator(seed, _SUBSET))
        x, y = x[chosen], y[chosen]
    return Sample(x, y, f"{name} {negative} against {positive}")
