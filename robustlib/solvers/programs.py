"""Systems of strict and weak linear inequalities: a point to be checked, or a proof of none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog, nnls

from .exact import Integers, relation

Array = NDArray[np.float64]
_SUPPORT = (1e-9, 1e-6, 0.0)  # multipliers below these shares of the largest count as none
_CLOSE = 1e-8  # least squares cannot tell a residual below this from none


@dataclass(frozen=True, eq=False)
class Answer:
    """Exactly one of three: a ``point``, a proof that there is none, or neither.

    ``point`` is what the solver found, to its tolerances: whoever uses it must check it. With
    ``multipliers``, whole numbers >= 0 by row, the rows add up to exactly zero, although one that
    must be positive is among them: no point exists, and this is certain.
    """

    point: Array | None = None
    multipliers: dict[int, int] | None = None

    @property
    def impossible(self) -> bool:
        """Whether no point meets the system: proved."""
        return self.multipliers is not None


def strict_system(
    rows: Array, strict: Sequence[bool], exact: Callable[[int], Integers]
) -> Answer:
    """Some v with <rows_i, v> > 0 for the strict rows and >= 0 for the others, or a proof of none.

    ``rows`` (n, k) are floats of order one; ``exact(i)`` gives row i itself, any positive multiple
    of it, in whole numbers. The point is the shortest with <rows_i, v> >= 1 for the strict rows.
    By Motzkin's theorem there is no point if and only if non-negative multiples of the rows, one
    of a strict row among them, add up to zero. A solver finds which rows; the multiples are then
    computed from the exact rows, and count only if they are as they should be.
    """
    must = np.array(strict, dtype=float)
    if not must.any():
        return Answer(point=np.zeros(rows.shape[1]))
    for solve in (_least_squares, _simplex, _interior):  # each where those before cannot tell
        point, shares = solve(rows, must)
        if point is not None:
            return Answer(point=point)
        multipliers = None if shares is None else _proof(shares, must, exact)
        if multipliers is not None:
            return Answer(multipliers=multipliers)
    return Answer()


Found = tuple[Array | None, Array | None]  # a point, or shares of the rows that cancel


def _least_squares(rows: Array, must: Array) -> Found:
    """Shares s >= 0 of the rows with the least |sum_i s_i rows_i|^2 + (sum of strict s_i - 1)^2.

    The residual is a multiple of (-v, 1) with the shortest v, or 0 where there is none.
    """
    wanted = np.append(np.zeros(rows.shape[1]), 1.0)
    columns = np.vstack([rows.T, must])
    try:
        shares, _ = nnls(columns, wanted)
    except RuntimeError:  # too many rounds
        return None, None
    rest = wanted - columns @ shares
    if rest[-1] > _CLOSE:
        point = -rest[:-1] / rest[-1]
        if bool((rows @ point >= 0.5 * must).all() or (rows @ point - must).min() > -_CLOSE):
            return point, None
    return None, shares


def _simplex(rows: Array, must: Array, method: str = "highs") -> Found:
    """The point, or the shares, with the least sum of absolute values, by linear programs."""
    size = rows.shape[1]
    found = linprog(  # as differences of two non-negative numbers each
        np.ones(2 * size), A_ub=np.hstack([-rows, rows]), b_ub=-must, method=method
    )
    if found.status == 0:
        return found.x[:size] - found.x[size:], None
    sides = np.append(np.zeros(size), 1.0)
    found = linprog(1 - must, A_eq=np.vstack([rows.T, must]), b_eq=sides, method=method)
    return None, found.x if found.status == 0 else None


def _interior(rows: Array, must: Array) -> Found:
    return _simplex(rows, must, "highs-ipm")


def _proof(
    shares: Array, must: Array, exact: Callable[[int], Integers]
) -> dict[int, int] | None:
    """Exact multipliers by row; None where the rows with these shares have none."""
    tried: list[list[int]] = []
    for least in _SUPPORT:
        support = np.flatnonzero(shares > least * shares.max()).tolist()
        if support in tried:
            continue
        tried.append(support)
        multipliers = certificate(support, must, exact)
        if multipliers is not None:
            return multipliers
    return None


def certificate(
    support: Sequence[int], must: Array, exact: Callable[[int], Integers]
) -> dict[int, int] | None:
    """The multipliers >= 0 with which these rows add up to zero, one of a strict row positive."""
    chosen = [exact(i) for i in support]
    found = relation(chosen)
    if found is None or min(found) < 0:
        return None
    if any(sum(c * row[k] for c, row in zip(found, chosen, strict=True)) for k in range(len(chosen[0]))):
        return None  # never, unless the elimination is wrong: a proof is checked all the same
    if not any(c and must[i] for c, i in zip(found, support, strict=True)):
        return None
    return {i: c for i, c in zip(support, found, strict=True) if c}
