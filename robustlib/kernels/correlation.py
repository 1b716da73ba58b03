"""Functions of the correlation r in float32: short polynomials, right to a few roundings.

What vanishes is kept as a factor, so that values near a zero are relatively right too, and factors
that follow the function's growth keep rounding errors relative where it is small. The rest is
split into even + r odd, both polynomials in 2 r^2 - 1: half as many terms, so that these stay
small, and one half alone where the function is even or odd.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.polynomial import chebyshev
from torch import Tensor

from .angular import zeros_of
from .chebyshev import Array, coefficients

_COUNT = 64
# r >= 0 where 2 r^2 - 1 are the nodes of a Chebyshev series, and where errors are measured
_NODES = np.sqrt((1 + np.cos((np.arange(_COUNT) + 0.5) * math.pi / _COUNT)) / 2)
_POINTS = np.cos(np.linspace(0.0, math.pi, 1001)[1:-1])
_TAIL = 5e-9  # of the Chebyshev series left out, relative to the least value
_NOISE = 1e-14  # of a half that is not there, relative to the other
_FACTORS = [(0.0, 0)] + [(end, power) for power in (1, 2) for end in (4.0, 3.0, 2.0, 1.5, 1.25)]
_CALM, _MOST = 2.5e-7, 4e-7  # relative errors that need no remedy, and that may remain


@dataclass(frozen=True)
class Polynomial:
    """prod(r - root) (even(2 r^2 - 1) + r odd(2 r^2 - 1)), constant terms first."""

    roots: tuple[float, ...]
    even: tuple[float, ...]
    odd: tuple[float, ...]

    @property
    def cost(self) -> int:
        """Operations for each value."""
        return len(self.even) + len(self.odd) + 3 * len(self.roots)

    def evaluate(self, exact: Tensor, r: Tensor) -> Tensor:
        """The values at float64 correlations ``exact``, which are ``r`` in float32."""
        at = torch.mul(r, r).mul_(2).sub_(1)
        total = _horner(self.odd, at).mul_(r) if self.odd else _horner(self.even, at)
        if self.odd and self.even:
            total += _horner(self.even, at)
        for root in self.roots:
            # the difference in float64, then rounded
            total.mul_(torch.sub(exact, root).to(r.dtype) if root else r)
        return total


def _horner(terms: tuple[float, ...], at: Tensor) -> Tensor:
    last, *others = torch.tensor(terms[::-1], dtype=at.dtype, device=at.device).unbind()
    total = last.expand_as(at).clone()
    for a in others:
        torch.addcmul(a, total, at, out=total)
    return total


def rough(f: Callable[[Array], Array], tail: float) -> Polynomial:
    """``f`` right to ``tail`` times its largest value."""
    plus, minus = f(_NODES), f(-_NODES)
    return _polynomial((), plus, minus, tail * float(np.maximum(np.abs(plus), np.abs(minus)).max()))


def precise(f: Callable[[Array], Array]) -> Polynomial | None:
    """``f`` right to 4e-7 of each of its values; None where float32 cannot do that so."""
    zeros = zeros_of(lambda coangle: f(-np.cos(coangle)))
    plus, minus = f(_NODES), f(-_NODES)
    truth = f(_POINTS)
    found = []
    for end, power in _FACTORS:
        roots = (*zeros, *(-end,) * power)
        halves = plus / _product(roots, _NODES), minus / _product(roots, -_NODES)
        least = min(float(np.abs(half).min()) for half in halves)
        polynomial = _polynomial(roots, *halves, _TAIL * least)
        exact = torch.from_numpy(_POINTS)
        values = polynomial.evaluate(exact, exact.float()).numpy()
        error = float((np.abs(values - truth) / np.abs(truth)).max())
        found.append((max(error, _CALM), polynomial.cost, polynomial))
    error, _, best = min(found, key=lambda item: item[:2])
    return best if error <= _MOST else None


def _product(roots: tuple[float, ...], r: Array) -> Array:
    return np.prod([r - root for root in roots], axis=0) if roots else np.ones_like(r)


def _polynomial(roots: tuple[float, ...], plus: Array, minus: Array, tail: float) -> Polynomial:
    """The polynomial whose rest has these values at the nodes r and at -r."""
    even, odd = (plus + minus) / 2, (plus - minus) / 2
    noise = _NOISE * max(np.abs(even).max(), np.abs(odd).max())
    kept: list[tuple[float, ...]] = []
    for half, divisor in ((even, 1), (odd, _NODES)):
        c = coefficients(half / divisor)
        rest = np.cumsum(np.abs(c[::-1]))[::-1]
        count = int((rest > tail).sum()) if np.abs(half).max() > noise else 0
        kept.append(tuple(map(float, chebyshev.cheb2poly(c[:count]))) if count else ())
    return Polynomial(roots, *(kept if any(kept) else [(0.0,), ()]))
