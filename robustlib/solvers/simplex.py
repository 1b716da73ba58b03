"""The simplex method in whole numbers, for the few systems that floats cannot decide."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .exact import Integers, Rational

Line = list[int]


def cancelling(
    rows: Sequence[Integers], strict: Sequence[bool], start: Sequence[int] = ()
) -> tuple[tuple[int, ...], tuple[Rational, ...] | None]:
    """Whole numbers c >= 0 with sum_i c_i rows_i = 0, not all 0 on the strict rows; or v.

    v has <rows_i, v> >= 0 everywhere and > 0 on the strict rows, and is None where c exists; by
    Motzkin's theorem exactly one of them does. Phase one of the simplex method for c, scaled so
    that the strict ones add up to 1; Bland's rule, and so it ends. Every line of the tableau is
    kept up to a positive factor, in whole numbers. Rows in ``start`` enter the basis first.
    """
    count, size = len(rows), len(rows[0])
    # lines: an equation each; columns: the c_i, an artificial unknown a line, the right-hand side
    lines = [[row[k] for row in rows] for k in range(size)] + [list(map(int, strict))]
    tableau = [
        [*line, *(int(j == k) for j in range(size + 1)), int(k == size)]
        for k, line in enumerate(lines)
    ]
    # minus the sum of the artificial unknowns, in terms of the c_i; its last entry is its value
    goal = [-sum(column) for column in zip(*tableau, strict=True)]
    goal[count : count + size + 1] = [0] * (size + 1)
    scale = Rational(1)  # ``goal`` is the true line times this
    basis = [count + k for k in range(size + 1)]
    wanted = list(start)
    while True:
        while wanted and (goal[wanted[-1]] >= 0 or wanted[-1] in basis):
            wanted.pop()
        enter = wanted.pop() if wanted else next((j for j in range(count) if goal[j] < 0), None)
        if enter is None:
            break
        leave, best = -1, Rational(0)
        for k, line in enumerate(tableau):
            if line[enter] <= 0:
                continue
            ratio = Rational(line[-1], line[enter])
            if leave < 0 or (ratio, basis[k]) < (best, basis[leave]):
                leave, best = k, ratio
        pivot = tableau[leave]
        tableau = [
            line if k == leave else _clear(line, pivot, enter)[0] for k, line in enumerate(tableau)
        ]
        goal, factor = _clear(goal, pivot, enter)
        scale = scale * factor
        basis[leave] = enter
    if goal[-1]:  # artificial unknowns remain: the prices of the equations are the point
        prices = [Rational(g) / scale - 1 for g in goal[count : count + size + 1]]
        return (), tuple(-price / prices[-1] for price in prices[:-1])
    values = {
        unknown: Rational(line[-1], line[unknown])
        for unknown, line in zip(basis, tableau, strict=True)
        if unknown < count
    }
    whole = math.lcm(*(value.denominator for value in values.values()))
    return tuple(int(values.get(i, Rational(0)) * whole) for i in range(count)), None


def _clear(line: Line, pivot: Line, enter: int) -> tuple[Line, Rational]:
    """A positive multiple of ``line``, less one of ``pivot``, without the unknown ``enter``."""
    if not line[enter]:
        return line, Rational(1)
    common = math.gcd(line[enter], pivot[enter])
    up, down = pivot[enter] // common, line[enter] // common
    found = [up * e - down * p for e, p in zip(line, pivot, strict=True)]
    divisor = math.gcd(*found) or 1
    return [e // divisor for e in found], Rational(up, divisor)
