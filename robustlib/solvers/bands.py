"""Whether linear functions can keep within bounds at points that are themselves rounded."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .exact import Integers, integers, rationals
from .programs import strict_system

Array = NDArray[np.float64]
_SHARE = 1e-4  # of the limits that rounding of the entries may make up for


def in_band(features: Array, least: Array, most: Array, noise: float = 1e-14) -> bool | None:
    """Whether some q has least_i <= <features_i, q> <= most_i for all rows i (n, k).

    Entries and limits are wrong by ``noise``, relative to their size, so that nothing can be said
    of a q that is longer than 1e-4/noise. False is proved: every q that meets the bounds, whatever
    the errors, is longer than that. True is proved too, up to the errors: a shorter q was found,
    and checked. None where neither could be proved. Limits may be infinite.
    """
    largest = _SHARE / noise
    length = np.maximum(np.linalg.norm(features, axis=1), np.finfo(float).tiny)
    below, above = np.isfinite(least), np.isfinite(most)
    rows = np.vstack(
        [
            np.column_stack([features, -np.where(below, least, 0)])[below],
            np.column_stack([-features, np.where(above, most, 0)])[above],
            np.eye(1, features.shape[1] + 1, features.shape[1]),  # the factor of the limits
        ]
    )
    rows = rows / np.abs(rows).max(1, keepdims=True).clip(min=np.finfo(float).tiny)
    strict = [False] * (len(rows) - 1) + [True]

    def exact(i: int) -> Integers:
        return integers(rationals(rows[i].tolist()))

    def meets(q: Array) -> bool:
        values, size = features @ q, float(np.linalg.norm(q))
        slack = noise * features.shape[1] * (1 + size * length)
        inside = (values >= least - slack) & (values <= most + slack)
        return size <= largest and bool(inside.all())

    answer = strict_system(rows, strict, exact)
    if answer.point is not None:
        v = np.array([float(entry) for entry in answer.point])
        return True if meets(v[:-1] / v[-1]) else None
    middle = np.where(least == most, least, 0.0)
    q = np.asarray(np.linalg.lstsq(features, middle, rcond=1e-15)[0], dtype=np.float64)
    if bool((least == most).all()) and meets(q):
        return True  # no solution exactly, but one up to rounding
    assert answer.multipliers is not None
    shares = np.zeros(len(rows))
    most_of = max(c * max(map(abs, exact(i))) for i, c in answer.multipliers.items())
    for i, c in answer.multipliers.items():
        shares[i] = c * max(map(abs, exact(i))) / most_of
    # of the exact sum only rounding is left: |q| times it must make up for what the limits lack
    lacking = -float(shares[:-1] @ rows[:-1, -1]) - noise * float(shares.sum())
    errors = noise * float(shares.sum()) * features.shape[1]
    return False if lacking > largest * errors else None
