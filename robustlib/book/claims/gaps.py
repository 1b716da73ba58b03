"""Two caps with a gap between them: how the least norm grows as the gap closes.

The labels are +1 at angles up to pi/3 - gap/2 from a pole and -1 from pi/3 + gap/2 on, as in
``two_caps``. Sets and kernel do not change when the sphere turns about the axis, and the shortest
function is unique, so it does not change either: it is a function of the angle alone, in the space
whose kernel is the mean of K over turns of one of its points. One dimension is left.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ...solvers.shortest_vector import shortest

Array = NDArray[np.float64]

_POLE = math.pi / 3  # the middle of the gap
_PANELS, _NODES = 20, 8


def gap_norm(d: int, gap: float, low: float, high: float = math.inf, *, size: int = 60) -> float:
    """The least norm of g on S^(d-1), d >= 2, with low <= y g <= high, biased ReLU kernel.

    ``size`` angles on either side of the gap, the closer together the nearer to it; the norm is a
    lower bound of that for the whole caps, right to about 3 digits.
    """
    angles, y = side_angles(gap, size)
    gram = turned_kernel(angles, d) * np.outer(y, y)
    return math.sqrt(shortest(gram, np.full(2 * size, low), np.full(2 * size, high)).square)


def side_angles(gap: float, size: int = 60) -> tuple[Array, Array]:
    """``size`` angles on either side of the gap, closer together near it, and their labels."""
    share = np.linspace(0, 1, size) ** 3
    near, far = _POLE - gap / 2, math.pi - _POLE - gap / 2
    angles = np.concatenate([near * (1 - share), math.pi - far * (1 - share)])
    return angles, np.repeat([1.0, -1.0], size)


def turned_kernel(angles: Array, d: int) -> Array:
    """The mean of the biased ReLU kernel over turns about the axis, for all pairs of ``angles``."""
    turns, weights = _turns(d)
    apart = np.sin((angles[:, None] - angles) / 2) ** 2
    reach = np.outer(np.sin(angles), np.sin(angles))
    mean = np.zeros_like(apart)
    for half, weight in zip(np.sin(turns / 2) ** 2, weights, strict=True):
        # half of 1 - cos of the angle between the points; the lift halves it once more
        square = np.clip(apart + reach * half, 0, 1)
        cosine, angle = 1 - square, 2 * np.arcsin(np.sqrt(square / 2))
        mean += weight * cosine * (math.pi - angle) / (2 * math.pi)
    return mean


def _turns(d: int) -> tuple[Array, Array]:
    """Quadrature for the angle of a uniform point of S^(d-2), with panels that shrink towards 0."""
    if d == 2:
        return np.array([0.0, math.pi]), np.array([0.5, 0.5])
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    edges = np.concatenate([[0.0], math.pi * 2.0 ** -np.arange(_PANELS, -1, -1)])
    middle, half = (edges[1:] + edges[:-1]) / 2, (edges[1:] - edges[:-1]) / 2
    turns: Array = (middle[:, None] + half[:, None] * nodes).ravel()
    mass: Array = (half[:, None] * weights).ravel() * np.sin(turns) ** (d - 3)
    return turns, mass / mass.sum()
