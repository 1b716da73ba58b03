"""The quadratic program behind every norm in this package: the shortest vector between bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cholesky, solve_triangular

Array = NDArray[np.float64]

_NOISE = 1e-12  # of a squared norm: a hundred times what errors of the Gram's entries make
_MET = 1e-12  # violation of a bound that is rounding, relative to the numbers summed
_ROUNDS = 60  # additions and removals per constraint before we give up


class Infeasible(Exception):
    """No vector meets the bounds of ``rows``, or none whose square is not far above ``square``."""

    def __init__(self, rows: list[int], square: float) -> None:
        super().__init__(rows)
        self.rows, self.square = rows, square


@dataclass(frozen=True, eq=False)
class Shortest:
    """The solution: v = sum_j multipliers[j] g_j with Gram matrix <g_i, g_j>.

    A positive multiplier belongs to a lower bound that is met, a negative one to an upper bound,
    0 to neither. ``square`` is |v|^2, ``dual`` the value of the dual program at the multipliers:
    no vector that meets the bounds has a smaller square. ``violation`` is by how much the worst
    bound is missed.
    """

    multipliers: Array
    square: float
    dual: float
    violation: float


def shortest(gram: Array, lower: Array, upper: Array, start: Array | None = None) -> Shortest:
    """The shortest v with lower_i <= <g_i, v> <= upper_i, by its Gram matrix ``gram`` (n, n).

    The dual method of Goldfarb and Idnani (1983): it goes from one exact solution for some of the
    bounds to the next, each longer than the one before, and so ends. ``start`` are multipliers of
    an earlier solution, say with fewer rows. Raises ``Infeasible`` where no v meets all bounds.
    """
    search = _Search(gram, lower, upper)
    if start is not None:
        search.begin(start)
    for _ in range(_ROUNDS * len(gram) + 1):
        row, side = search.worst()
        if row is None:
            return search.result()
        search.meet(row, side)
    raise RuntimeError(f"no solution after {_ROUNDS} rounds per bound: rounding makes it cycle")


class _Search:
    """Multipliers of the bounds met exactly now (``active``), and a Cholesky factor of theirs."""

    def __init__(self, gram: Array, lower: Array, upper: Array) -> None:
        self.gram, self.lower, self.upper = gram, lower, upper
        self.active: list[int] = []
        self.sides: list[float] = []  # +1 for a lower bound, -1 for an upper one
        self.weights = np.zeros(0)  # multipliers without their sign, >= 0
        self.factor = np.zeros((0, 0))
        self.scale = float(np.diag(gram).max(initial=0.0))
        bounds = np.abs(np.concatenate([lower, upper]))
        self.size = float(bounds[np.isfinite(bounds)].max(initial=0.0))

    def begin(self, start: Array) -> None:
        """Meet the bounds that ``start`` met, as far as their multipliers keep their signs."""
        there = np.isfinite(np.where(start > 0, self.lower, self.upper))
        rows = np.nonzero((start != 0) & there)[0]
        self.active, self.sides = rows.tolist(), np.sign(start[rows]).tolist()
        while self.active:
            try:
                self._refactor()
            except np.linalg.LinAlgError:
                break
            self.weights = self._exact()
            wrong = self.weights <= 0
            if not wrong.any():
                return
            keep = np.nonzero(~wrong)[0]
            self.active = [self.active[k] for k in keep]
            self.sides = [self.sides[k] for k in keep]
        self.active, self.sides = [], []
        self.weights, self.factor = np.zeros(0), np.zeros((0, 0))

    def values(self) -> Array:
        """<g_i, v> for all i."""
        found: Array = (self.weights * self.sides) @ self.gram[self.active]
        return found

    def worst(self) -> tuple[int | None, float]:
        """The bound missed most, and its side; None where all are met to rounding."""
        if not len(self.gram):
            return None, 0.0
        values = self.values()
        slack = _MET * (float(self.weights.sum()) * self.scale + self.size)
        missed = np.stack([self.lower - values, values - self.upper]) - slack
        missed[:, self.active] = -math.inf
        side, row = np.unravel_index(int(missed.argmax()), missed.shape)
        if not missed[side, row] > 0:
            return None, 0.0
        return int(row), 1.0 if side == 0 else -1.0

    def meet(self, row: int, side: float) -> None:
        """Lengthen v until this bound is met, and give up bounds that would push it the wrong way.

        Along the way v moves in the direction of ``side`` g_row less its part in the span of the
        active vectors, so that the bounds met stay met.
        """
        weight = 0.0
        while True:
            cross = self.gram[self.active, row]
            half = solve_triangular(self.factor, cross, lower=True) if self.active else cross
            left = float(self.gram[row, row] - half @ half)
            share = solve_triangular(self.factor.T, half) if self.active else half
            # what errors of the entries leave of a vector that lies in the span of the others
            noise = _NOISE * self.scale * (1 + float(np.abs(share).sum())) ** 2
            share = share * np.array(self.sides) * side
            blocking = share > 0
            ratios = np.full(len(share), math.inf)
            ratios[blocking] = self.weights[blocking] / share[blocking]
            give = int(ratios.argmin()) if len(ratios) else -1
            first = float(ratios[give]) if len(ratios) else math.inf
            value = float(cross @ (self.weights * self.sides)) + side * weight * self.gram[row, row]
            bound = self.lower[row] if side > 0 else self.upper[row]
            missing = side * (bound - value)
            second = math.inf if left <= noise else max(missing, 0.0) / left
            if math.isinf(min(first, second)):
                raise Infeasible([*self.active, row], self._square())
            step = min(first, second)
            self.weights = self.weights - step * share
            weight += step
            if second <= first:
                self._append(row, side, weight, half, left)
                return
            self._remove(give)

    def result(self) -> Shortest:
        """The solution, its multipliers solved for once more from the Gram matrix itself."""
        fresh = self._exact()
        if (fresh >= 0).all():
            self.weights = fresh
        multipliers = np.zeros(len(self.gram))
        multipliers[self.active] = self.weights * self.sides
        values = self.gram @ multipliers
        square = float(multipliers @ values)
        bounds = np.where(multipliers > 0, self.lower, self.upper)
        linear = float(np.sum(multipliers[self.active] * bounds[self.active]))
        missed = np.maximum(self.lower - values, values - self.upper)
        return Shortest(
            multipliers, square, 2 * linear - square, max(0.0, float(missed.max(initial=0.0)))
        )

    def _square(self) -> float:
        signed = self.weights * self.sides
        return float(signed @ self.gram[np.ix_(self.active, self.active)] @ signed)

    def _exact(self) -> Array:
        if not self.active:
            return np.zeros(0)
        low, high = self.lower[self.active], self.upper[self.active]
        bounds = np.where(np.array(self.sides) > 0, low, high)
        part = self.gram[np.ix_(self.active, self.active)]
        found = np.zeros(len(self.active))
        for _ in range(3):  # refined: the factor may be old
            rest = bounds - part @ found
            found += solve_triangular(
                self.factor.T, solve_triangular(self.factor, rest, lower=True)
            )
        exact: Array = found * self.sides
        return exact

    def _append(self, row: int, side: float, weight: float, half: Array, left: float) -> None:
        k = len(self.active)
        grown = np.zeros((k + 1, k + 1))
        grown[:k, :k], grown[k, :k], grown[k, k] = self.factor, half, math.sqrt(left)
        self.factor = grown
        self.active.append(row)
        self.sides.append(side)
        self.weights = np.append(self.weights, weight)

    def _remove(self, place: int) -> None:
        del self.active[place], self.sides[place]
        self.weights = np.delete(self.weights, place)
        self._refactor()

    def _refactor(self) -> None:
        part = self.gram[np.ix_(self.active, self.active)]
        self.factor = cholesky(part, lower=True) if self.active else np.zeros((0, 0))
