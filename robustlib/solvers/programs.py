"""Systems of strict and weak linear inequalities: a point, or a proof that there is none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from .exact import Integers, Rational, relation
from .simplex import cancelling

Array = NDArray[np.float64]
_CLOSE = 1e-8  # least squares cannot tell a residual below this from none
_SHARES = (1e-9, 1e-6, 0.0)  # multipliers below these shares of the largest count as none


@dataclass(frozen=True, eq=False)
class Answer:
    """A ``point``, or else ``multipliers``, which prove that there is none.

    Where ``sure``, the point was computed in rational arithmetic and meets every inequality;
    otherwise it is a float solution, and whoever uses it must look. Multipliers are whole numbers
    by row, >= 0: the rows add up to exactly zero, although one that must be positive is among them.
    """

    point: tuple[Rational, ...] | Array | None = None
    multipliers: dict[int, int] | None = None
    sure: bool = False

    @property
    def impossible(self) -> bool:
        """Whether no point meets the system: proved."""
        return self.multipliers is not None


def strict_system(
    rows: Array, strict: Sequence[bool], exact: Callable[[int], Integers], *, sure: bool = False
) -> Answer:
    """Some v with <rows_i, v> > 0 for the strict rows and >= 0 for the others, or a proof of none.

    ``rows`` (n, k) are floats of order one; ``exact(i)`` gives row i itself, any positive multiple
    of it, in whole numbers. By Motzkin's theorem there is no v if and only if non-negative
    multiples of the rows, one of a strict row among them, add up to zero. Least squares find v or
    name the rows; the multiples are then computed from the exact rows, and count only if they are
    as they should be. Where least squares cannot tell, and with ``sure``, the simplex method
    decides in rational arithmetic, hundreds of times more slowly. Programs of scipy are not used:
    they drop coefficients of 1e-9 and less, and what they call infeasible may not be.
    """
    must = np.array(strict, dtype=float)
    if not must.any():
        return Answer(point=np.zeros(rows.shape[1]))
    point, shares = _least_squares(rows, must)
    if point is not None and not sure:
        return Answer(point=point)
    if shares is not None:
        multipliers = _proof(shares, must, exact)
        if multipliers is not None:
            return Answer(multipliers=multipliers)
    start = [] if shares is None else np.flatnonzero(shares).tolist()
    every = [exact(i) for i in range(len(rows))]
    found, v = cancelling(every, strict, start)
    if v is not None:
        _check_point(v, every, strict)
        return Answer(point=v, sure=True)
    support = [i for i, c in enumerate(found) if c]
    _check_sum([found[i] for i in support], [every[i] for i in support])
    return Answer(multipliers={i: found[i] for i in support})


def _least_squares(rows: Array, must: Array) -> tuple[Array | None, Array | None]:
    """Shares s >= 0 of the rows with the least |sum_i s_i rows_i|^2 + (sum of strict s_i - 1)^2.

    The residual is a multiple of (-v, 1), where v is the shortest with <rows_i, v> >= 1 for the
    strict rows; it is 0 where there is none. Gives v, or the shares, or neither.
    """
    wanted = np.append(np.zeros(rows.shape[1]), 1.0)
    columns = np.vstack([rows.T, must])
    try:
        shares, _ = nnls(columns, wanted)
    except RuntimeError:  # too many rounds
        return None, None
    rest = wanted - columns @ shares
    if rest[-1] <= _CLOSE:
        return None, shares
    point: Array = -rest[:-1] / rest[-1]
    met = bool((rows @ point >= must - _CLOSE * (1 + np.abs(point).max())).all())
    return (point if met else None), None


def _proof(shares: Array, must: Array, exact: Callable[[int], Integers]) -> dict[int, int] | None:
    """Exact multipliers by row; None where the rows with these shares have none."""
    tried: list[list[int]] = []
    for least in _SHARES:
        support = np.flatnonzero(shares > least * shares.max()).tolist()
        if support in tried:
            continue
        tried.append(support)
        chosen = [exact(i) for i in support]
        found = relation(chosen)
        positive = found is not None and min(found) >= 0
        if (
            found is None
            or not positive
            or not any(c and must[i] for c, i in zip(found, support, strict=True))
        ):
            continue
        _check_sum(found, chosen)
        return {i: c for i, c in zip(support, found, strict=True) if c}
    return None


def _check_sum(multipliers: Sequence[int], rows: Sequence[Integers]) -> None:
    """A proof is checked, however it was found."""
    for column in zip(*rows, strict=True):
        if sum(c * entry for c, entry in zip(multipliers, column, strict=True)):
            raise ArithmeticError("multipliers of a proof do not cancel: report this")


def _check_point(v: Sequence[Rational], rows: Sequence[Integers], strict: Sequence[bool]) -> None:
    for row, positive in zip(rows, strict, strict=True):
        value = sum((entry * x for entry, x in zip(row, v, strict=True) if entry), Rational(0))
        if value < 0 or (positive and not value):
            raise ArithmeticError("an exact point misses an inequality: report this")
