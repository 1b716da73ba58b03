"""Regular simplices between two balls: how small the balls may be, whatever the labels."""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

_GOLDEN = (math.sqrt(5) - 1) / 2


def least_ratio(k: int) -> float:
    """A ratio rho from which two balls shatter k corners of a simplex: proved in chapter 10.

    The least there is for even k and for k = 3; for odd k >= 5 less may do, see
    :func:`best_size`.
    """
    return {1: 0.0, 2: 1 / 2, 3: 2 / 3}.get(k) or (math.sqrt(1 - 1 / (k - 1)) if k > 1 else 0.0)


def corners(k: int) -> Tensor:
    """A regular simplex around 0: corners (k, k - 1) with inner products [i = j] - 1/k."""
    found = torch.zeros(k, k - 1, dtype=torch.float64, device="cpu")
    for j in range(1, k):  # the orthonormal basis of Helmert, without the constant vector
        found[:j, j - 1] = 1 / math.sqrt(j * (j + 1))
        found[j, j - 1] = -j / math.sqrt(j * (j + 1))
    return found


def separation(k: int, size: float, plus: int) -> float:
    """The distance of two balls' centres, radius 1, that hold ``plus`` and k - ``plus`` corners.

    Both centres lie on the line through the middles of the two groups, on the far sides.
    """
    minus = k - plus
    out = (max(0.0, 1 - size**2 * (p - 1) / p) for p in (plus, minus))
    return size * math.sqrt(k / (plus * minus)) + sum(map(math.sqrt, out))


@functools.cache
def best_size(k: int) -> tuple[float, float]:
    """The scale of :func:`corners` at which the hardest labelling is easiest, and its separation.

    For balls of radius 1, which must be able to hold all corners; half of the separation over
    that is the ratio: 2 over the separation is the least rho for which the simplex will do.
    """
    if k == 1:
        return 0.0, math.inf

    def worst(size: float) -> float:  # concave in the size
        return min(separation(k, size, plus) for plus in range(1, k))

    low, high = 0.0, math.sqrt(k / (k - 1))
    while high - low > 1e-15 * high:
        step = _GOLDEN * (high - low)
        if worst(high - step) < worst(low + step):
            low = high - step
        else:
            high = low + step
        if step < 1e-9:  # flat from here on
            break
    size = max((low, high, (low + high) / 2), key=worst)
    return size, worst(size)


def two_centres(points: Tensor, v: Tensor, radius: float, delta: float) -> tuple[Tensor, Tensor]:
    """Centres of two balls that hold the ``points`` (k, d) labelled +1, and those labelled -1."""
    middle = points.mean(0)
    if bool((v == v[0]).all()):
        far = middle.clone()
        far[0] += 10 * delta  # this label is not needed here
        return (middle, far) if v[0] > 0 else (far, middle)
    middles = [points[v == label].mean(0) for label in (1.0, -1.0)]
    axis = middles[0] - middles[1]
    axis = axis / axis.norm()
    found = []
    for label, at, away in zip((1.0, -1.0), middles, (axis, -axis), strict=True):
        spread = float((points[v == label] - at).norm(dim=1).max())
        found.append(at + math.sqrt(max(0.0, radius**2 - spread**2)) * away)
    return found[0], found[1]
