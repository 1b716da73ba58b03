"""How many subsets a class can cut out: Sauer's sums of binomials, and their logarithms."""

from __future__ import annotations

import math

import numpy as np

_EXACT = 2000  # counts, and factors of a binomial, for which integers are quick
_TERMS = 2**26  # of a sum that are added up; the rest is bounded
_SHARE = 1e-18  # of a sum, below which its terms do not count
_HALF_LOG = 0.5 * math.log(2 * math.pi)

# What a logarithm computed here may be off by, relative to itself: a few dozen roundings.
ROUNDING = 1e-13


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


def log2_sauer(count: int, k: int) -> float:
    """log2 Phi(count, k), to a relative ``ROUNDING``: in constant memory, and quick at any size."""
    if k >= count:
        return float(count)
    if count <= _EXACT:
        return math.log2(sauer(count, k))
    if 2 * k < count:
        return _by_last_term(count, k)
    # the sum of all binomials less those beyond k
    rest = _by_last_term(count, count - k - 1) - count
    return count + math.log1p(-(2.0**rest)) / math.log(2)


def _by_last_term(count: int, k: int) -> float:
    """The last binomial times the sum of all in units of it, which falls off by k/(count - k)."""
    return log2_binomial(count, k) + math.log2(_in_units_of_last(count, k))


def _in_units_of_last(count: int, k: int) -> float:
    total, term, at, size = 0.0, 1.0, 0, 64
    while at <= k and term > _SHARE * total:
        i = np.arange(at, min(at + size, k + 1), dtype=np.float64)
        terms = term * np.cumprod((k - i) / (count - k + 1 + i))
        total += term + float(terms[:-1].sum())
        term, at, size = float(terms[-1]), at + size, min(2 * size, 2**16)
        if at >= _TERMS:  # the ratio of two neighbours falls
            return total + term / (1 - (k - at) / (count - k + 1 + at))
    return total


def log2_binomial(count: int, k: int) -> float:
    """log2 (count choose k), to a relative ``ROUNDING``: with integers, else by Stirling's series.

    With both sides large it is count times the entropy of k/count, less half a logarithm; no
    large numbers are subtracted from one another.
    """
    k = min(k, count - k)
    if k <= _EXACT:
        return math.log2(math.comb(count, k))
    rest = count - k
    # -log(1 - k/count) in a form that is right for small and for large k
    entropy = k * math.log(count / k) + rest * -math.log1p(-k / count)
    half = 0.5 * math.log(count / k / rest) - _HALF_LOG
    correction = _stirling(count) - _stirling(k) - _stirling(rest)
    return (entropy + half + correction) / math.log(2)


def _stirling(n: int) -> float:
    """log n! less its main terms, for n above 1000: the next term is below 1e-18."""
    return 1 / (12 * n) - 1 / (360 * n**3)
