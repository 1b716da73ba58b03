"""Whether the sets of two examples with opposite labels meet."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ..checks import check_alike, check_floats, check_shape
from ..samples import Labelled, check_kind
from .base import Perturbation, check_perturbation


@dataclass(frozen=True, repr=False)
class Compatibility:
    """Whether sets of opposite labels stay apart, and by how much.

    ``ok`` is also its truth value; ``gap`` is the smallest distance between two sets of
    opposite labels (infinite with one label only) and ``pair`` the indices of the two examples
    whose sets meet (the deepest overlap is not sought: the closest centres), None where none do.
    """

    ok: bool
    pair: tuple[int, int] | None
    gap: float

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        if self.pair is not None:
            i, j = self.pair
            return f"Not compatible: examples {i} and {j} have opposite labels and their sets meet."
        if self.gap == math.inf:
            return "Compatible: all examples have the same label."
        return f"Compatible: sets of opposite labels are at least {self.gap:.4g} apart."


def compatible(sample: Labelled, perturbation: Perturbation) -> Compatibility:
    """Whether no two sets B(x_i), B(x_j) of opposite labels meet, as every theorem assumes.

    The gap is exact to rounding for every set of this package, in the norm of the ball (with a
    box too: the segment between two centres stays in it), Euclidean for caps and finite sets; for
    other sets, Euclidean too, it is found by projections, to ten digits. Sets that touch, or come
    closer than rounding can tell, meet. All pairs are looked at, in blocks of bounded memory.
    Raises ``ValueError`` for labels other than -1 and +1, and where it is not found out whether
    two sets meet.
    """
    check_kind(sample)
    check_perturbation(perturbation)
    x, y = sample.x, sample.y
    perturbation.contains(x, x)  # the set's own checks of x
    check_floats("y", y)
    check_shape("y", y, x.shape[:1])
    check_alike("y", y, "x", x)
    if not bool((y.abs() == 1).all()):
        raise ValueError(f"y must have entries -1 and +1, got {float(y[y.abs() != 1][0]):g}")
    rows, cols = (y < 0).nonzero().flatten(), (y > 0).nonzero().flatten()
    if not len(rows) or not len(cols):
        return Compatibility(True, None, math.inf)
    gap, pair = perturbation.nearest_pair(x, rows, cols)
    if gap == 0:
        return Compatibility(False, (min(pair), max(pair)), 0.0)
    return Compatibility(True, None, gap)
