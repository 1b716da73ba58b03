"""From robust interpolation to capacity, and from capacity to width."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..checks import check_choice, check_integer
from .gadget import NORMS, check_rho, points_per_pair
from .simplex import least_ratio


@dataclass(frozen=True, repr=False)
class VCBound:
    """A lower bound on the VC dimension of every class that interpolates robustly.

    ``value``: what the gadget gives for ``n`` points in R^d that are 2 delta apart, with balls of
    radius rho * delta; never below ``plain``, which is n. ``full_from``: the ratio rho from which
    one pair of points is worth d + 1 (Euclidean), or as much as this argument can give.
    """

    value: int
    plain: int
    per_pair: int
    rho: float
    norm: str
    full_from: float

    def __repr__(self) -> str:
        head = f"VC dimension at least {self.value} for robust interpolation ({self.plain} plain)"
        if self.value == self.plain:
            return f"{head}: at rho = {self.rho:g} the gadget adds nothing."
        return (
            f"{head}: {self.per_pair} points for each pair at rho = {self.rho:g}; "
            f"the full number needs rho >= {self.full_from:.4g}."
        )


def robust_vc_bound(n: int, d: int, *, rho: float = 1.0, norm: str = "l2") -> VCBound:
    """How large the VC dimension of a robust interpolation class must be (Theorem E).

    The class fits every labelling of every ``n`` points of R^d whose distances are at least
    2 delta, on closed balls of radius ``rho`` * delta round them (for rho = 1: of distances
    greater than 2 delta). Then its VC dimension is at least floor(n/2) * k + (n odd), with k of
    :func:`points_per_pair`, and at least n: for Euclidean balls k = d + 1 from rho =
    sqrt(1 - 1/d) on, in the plane from 2/3. Raises as :func:`hypercube_gadget` does.
    """
    n = check_integer("n", n, minimum=1)
    d = check_integer("d", d, minimum=1)
    check_rho(rho)
    check_choice("norm", norm, NORMS)
    k = points_per_pair(d, rho, norm)
    full = least_ratio(d + 1) if norm == "l2" else 0.5
    return VCBound(max(n, n // 2 * k + n % 2), n, k, float(rho), norm, full)


def two_layer_vc_bound(d: int, width: int) -> int:
    """An upper bound on the VC dimension of two-layer ReLU nets on R^d, all weights free.

    On N points a unit is active on one of at most Phi(N, d + 1) subsets (Sauer's lemma, half
    spaces), and given the subsets of all units the outputs are linear in ``width`` (d + 1) + 1
    parameters, so that 2^N <= Phi(N, d + 1)^width * Phi(N, width (d + 1) + 1) where N points are
    shattered; Phi(N, k) is the sum of the binomials (N choose i), i <= k. The bound is the largest
    such N: O(width d log(width + 1)). Exact for one unit, whose signs are those of half spaces:
    d + 1; and for none: 1. Raises ``ValueError`` for d < 1 and a negative width.
    """
    d = check_integer("d", d, minimum=1)
    if check_integer("width", width, minimum=0) <= 1:
        return d + 1 if width else 1
    parameters = width * (d + 1) + 1

    def possible(count: int) -> bool:
        return count <= width * _log_phi(count, d + 1) + _log_phi(count, parameters)

    low, high = 1, 2
    while possible(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if possible(middle) else (low, middle)
    return low


def width_needed(capacity: int, d: int) -> int:
    """The least width at which two-layer ReLU nets on R^d may have this VC dimension.

    Below it, by :func:`two_layer_vc_bound`, they have not: a lower bound on the width, with all
    constants. ``capacity`` is a VC dimension, such as the value of :func:`robust_vc_bound`. Raises
    ``ValueError`` for a capacity or d below 1.
    """
    capacity = check_integer("capacity", capacity, minimum=1)
    low, high = -1, 1
    while two_layer_vc_bound(d, high) < capacity:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if two_layer_vc_bound(d, middle) >= capacity else (middle, high)
    return high


def sauer(count: int, k: int) -> int:
    """Phi: the sum of the binomials (count choose i), i <= k; 2^count where k >= count.

    As many subsets of ``count`` points, at most, can a class of VC dimension ``k`` cut out.
    """
    if k >= count:
        return int(2**count)
    term = total = 1
    for i in range(1, k + 1):
        term = term * (count - i + 1) // i
        total += term
    return total


def _log_phi(count: int, k: int) -> float:
    return float(count) if k >= count else math.log2(sauer(count, k))
