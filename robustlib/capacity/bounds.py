"""From robust interpolation to capacity, and from capacity to width."""

from __future__ import annotations

from dataclasses import dataclass

from ..checks import check_choice, check_integer
from .gadget import NORMS, check_rho, points_per_pair
from .growth import ROUNDING, log2_sauer
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
    norm = check_choice("norm", norm, NORMS)
    k = points_per_pair(d, rho, norm)
    full = least_ratio(d + 1) if norm == "l2" else 0.5
    return VCBound(max(n, n // 2 * k + n % 2), n, k, float(rho), norm, full)


_LARGEST = 2**48  # numbers that doubles hold with room


def two_layer_vc_bound(d: int, width: int) -> int:
    """An upper bound on the VC dimension of two-layer ReLU nets on R^d, all weights free.

    On N points a unit is active on one of at most Phi(N, d + 1) subsets (Sauer's lemma, half
    spaces), and given the subsets of all units the outputs are linear in ``width`` (d + 1) + 1
    parameters, so that 2^N <= Phi(N, d + 1)^width * Phi(N, width (d + 1) + 1) where N points are
    shattered; Phi(N, k) is the sum of the binomials (N choose i), i <= k. The bound is the largest
    such N: O(width d log(width + 1)), with logarithms rounded so that it stays a bound. Exact for
    one unit, whose signs are those of half spaces: d + 1; and for none: 1. Raises ``ValueError``
    for d < 1, a negative width, and more than 2^48 parameters.
    """
    d = check_integer("d", d, minimum=1)
    width = check_integer("width", width, minimum=0)
    if width <= 1:
        return d + 1 if width else 1
    if width * (d + 1) > _LARGEST:
        raise ValueError(f"width (d + 1) must be at most 2**48, got {width * (d + 1)}")
    low, high = 1, 2
    while _possible(high, d, width):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _possible(middle, d, width) else (low, middle)
    return low


def _possible(count: int, d: int, width: int) -> bool:
    """Whether the inequality of :func:`two_layer_vc_bound` allows so many points; where rounding
    hides it, yes."""
    parameters = width * (d + 1) + 1
    logarithm = width * log2_sauer(count, d + 1) + log2_sauer(count, parameters)
    return count <= logarithm * (1 + ROUNDING)


def width_needed(capacity: int, d: int) -> int:
    """The least width at which two-layer ReLU nets on R^d may have this VC dimension.

    Below it, by :func:`two_layer_vc_bound`, they have not: a lower bound on the width, with all
    constants. ``capacity`` is a VC dimension, such as the value of :func:`robust_vc_bound`. Raises
    ``ValueError`` for a capacity or d below 1 or above 2^48.
    """
    capacity = check_integer("capacity", capacity, minimum=1)
    d = check_integer("d", d, minimum=1)
    if max(capacity, d) > _LARGEST:
        raise ValueError(f"capacity and d must be at most 2**48, got {capacity} and {d}")
    if capacity <= 1:
        return 0
    if capacity <= d + 1:
        return 1
    # all counts up to the largest that is possible are
    low, high = 1, 2
    while not _possible(capacity, d, high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if _possible(capacity, d, middle) else (middle, high)
    return high
