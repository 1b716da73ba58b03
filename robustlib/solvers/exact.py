"""Exact linear algebra on small matrices: whole numbers, fractions, barycentric coordinates."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

Rational = Fraction
Integers = tuple[int, ...]

_LONG = 512  # bits from which a row is divided by the common divisor of its entries
_SWAP = Fraction(3, 2)  # coordinates of at most this size end the search for a large simplex


def rationals(values: Iterable[float]) -> tuple[Fraction, ...]:
    """These floats, exactly."""
    return tuple(map(Fraction, values))


def integers(row: Sequence[Fraction]) -> Integers:
    """The least positive multiple of ``row`` in whole numbers; zeros stay zeros."""
    scale = math.lcm(*(entry.denominator for entry in row))
    found = [entry.numerator * (scale // entry.denominator) for entry in row]
    divisor = math.gcd(*found) or 1
    return tuple(entry // divisor for entry in found)


def relation(rows: Sequence[Integers]) -> tuple[int, ...] | None:
    """Whole numbers c, not all 0, with sum_i c_i rows_i = 0; None unless unique up to a factor.

    Fraction-free elimination. The sign of c is that of its first entry that is not 0.
    """
    count = len(rows)
    equations = [list(column) for column in zip(*rows, strict=True)]
    solved: list[tuple[int, list[int]]] = []  # pivot unknown and its equation
    free = []
    for unknown in range(count):
        usable = [e for e in equations if e[unknown]]
        if not usable:
            free.append(unknown)
            if len(free) > 1:
                return None
            continue
        pivot = min(usable, key=lambda e: abs(e[unknown]))
        equations = [_eliminate(e, pivot, unknown) for e in equations if e is not pivot]
        equations = [e for e in equations if any(e)]
        solved.append((unknown, pivot))
    if not free:
        return None
    values = [Fraction(0)] * count
    values[free[0]] = Fraction(1)
    for unknown, equation in reversed(solved):
        rest = sum(
            (equation[j] * values[j] for j in range(unknown + 1, count) if equation[j]), Fraction(0)
        )
        values[unknown] = -rest / equation[unknown]
    found = integers(values)
    sign = next((1 if c > 0 else -1 for c in found if c), 1)
    return tuple(sign * c for c in found)


def _eliminate(equation: list[int], pivot: list[int], unknown: int) -> list[int]:
    """A multiple of ``equation`` plus one of ``pivot`` without ``unknown``."""
    if not equation[unknown]:
        return equation
    divisor = math.gcd(equation[unknown], pivot[unknown])
    up, down = pivot[unknown] // divisor, equation[unknown] // divisor
    found = [up * e - down * p for e, p in zip(equation, pivot, strict=True)]
    if any(abs(e).bit_length() > _LONG for e in found):
        divisor = math.gcd(*found) or 1
        found = [e // divisor for e in found]
    return found


@dataclass(frozen=True, eq=False)
class Frame:
    """Barycentric coordinates of points with respect to some of them, ``basis``.

    Row i of ``coordinates`` adds up to 1, and point i is the sum of the points of the basis with
    these weights. Invertible affine maps of the points change nothing here.
    """

    basis: tuple[int, ...]
    coordinates: tuple[tuple[Fraction, ...], ...]


def barycentric(points: Sequence[Sequence[Fraction]]) -> Frame:
    """Exact barycentric coordinates of ``points`` (at least one), none larger than 3/2.

    The basis is a simplex of points, of as many as are affinely independent, that no exchange of
    one corner makes half as large again: whatever the scales of the points, no coordinate is large
    and none is small for want of scaling.
    """
    lifted = [(Fraction(1), *point) for point in points]
    work, basis, pivots = [list(row) for row in lifted], [], []
    for column in range(len(lifted[0])):
        row = max(range(len(work)), key=lambda i: abs(work[i][column]))
        pivot = work[row][column]
        if not pivot:
            continue
        basis.append(row)
        pivots.append(column)
        # column operations: the pivot's row becomes a unit vector
        target = [entry / pivot for entry in work[row]]
        for line in work:
            head = line[column]
            for j, share in enumerate(target):
                line[j] = head / pivot if j == column else line[j] - head * share
    # every point is now a combination of the basis with the entries of the pivots' columns
    found = [[line[column] for column in pivots] for line in work]
    while True:
        size, i, j = max((abs(c), i, j) for i, row in enumerate(found) for j, c in enumerate(row))
        if size <= _SWAP:
            return Frame(tuple(basis), tuple(map(tuple, found)))
        old, pivot = list(found[i]), found[i][j]
        basis[j] = i
        for line in found:
            share = line[j] / pivot
            for k, entry in enumerate(old):
                line[k] = share if k == j else line[k] - share * entry
