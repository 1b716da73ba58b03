"""Units with given output signs that are right at finitely many points, or a proof of none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..solvers import Answer, barycentric, rationals, strict_system
from .interpolators import two_layer
from .patterns import Node, Pattern, Row, extend_patterns, whole_rows

Array = NDArray[np.float64]
Solution = NDArray[Any]  # floats, or fractions in an array of objects
PATTERNS = 20_000  # the most activity patterns of a unit that are kept
_TOLERANCE = 1e-6  # of a margin of 1, relative to the weights: ten times the solver's


class UndecidedError(Exception):
    """Neither a net nor a proof of none; the message says why."""


def most_patterns(count: int, dimension: int) -> int:
    """In how many ways half spaces can split ``count`` points, lifted to this dimension."""
    return 2 * sum(math.comb(count - 1, i) for i in range(dimension))


class Fitter:
    """Points, labels and activity patterns of a search, and the linear programs it may still use.

    The programs see barycentric coordinates, so that scales and shifts of the points make no
    difference; proofs are computed from the points themselves, as whole numbers.
    """

    def __init__(self, points: Array, labels: Array) -> None:
        self.points, self.labels = np.zeros((0, points.shape[1])), np.zeros(0)
        self.rows: list[Row] = []
        self.cells: dict[Pattern, Row] = {}
        self.programs = self.limit = 0
        self.add(points, labels)

    def add(self, points: Array, labels: Array) -> None:
        """More points at which the net must be right."""
        for point, y in zip(points, labels, strict=True):
            if most_patterns(len(self.points) + 1, self.points.shape[1] + 1) > PATTERNS:
                raise UndecidedError("the sets need more points than the search can hold")
            self.points = np.vstack([self.points, point])
            self.labels = np.append(self.labels, y)
            self.rows += whole_rows(np.append(point, 1.0)[None])
            self.cells = extend_patterns(self.cells, self.rows)
        self.places = [rationals(point) for point in self.points.tolist()]
        self.frame = barycentric(self.places)
        self.exact = np.array(self.frame.coordinates, dtype=object)
        self.lifted = self.exact.astype(float)

    def fit(self, signs: Array) -> nn.Module | None:
        """A net whose units have these output signs, certainly right; None: proved impossible."""
        solution = self._descend(signs, Node.root(signs, self.cells))
        if solution is None:
            return None
        net = self._module(signs, solution)
        if not surely_right(net, self.places, self.labels.tolist()):
            raise UndecidedError("there is a net, but with the rounding of float64 it may be wrong")
        return net

    def _descend(self, signs: Array, node: Node) -> Solution | None:
        """Weights right at all points with activities of ``node``, or None where there are none.

        Depth first: the program knows the points where all activities are fixed; of the points
        where its solution is wrong, the one with the fewest choices gets each of them in turn.
        """
        choices = node.open.sum(0)
        for sure in (False, True):
            answer = self._program(signs, node, sure)
            if answer.point is None:
                return None
            solution = self._values(answer)
            inputs = (self.exact if answer.sure else self.lifted) @ solution[:-1].reshape(
                len(signs), self.lifted.shape[1]
            ).T
            margins = self.labels * (np.maximum(inputs, 0) @ signs.astype(int) + solution[-1])
            size = float(np.abs(solution).max())
            enough = 0 if answer.sure else max(0.5, 1 - _TOLERANCE * (1 + size))
            wrong = [i for i, margin in enumerate(margins) if margin <= enough]
            if not wrong:
                return solution
            if choices[wrong].any():
                break  # else the solution is not what the solver says: once more, exactly
        worst = min(
            (i for i in wrong if choices[i]), key=lambda i: (int(choices[i]), float(margins[i]))
        )
        for child in node.children(worst, inputs[worst] > 0):
            found = self._descend(signs, child)
            if found is not None:
                return found
        return None

    def _values(self, answer: Answer) -> Solution:
        """Inputs of the units at the corners of the frame's simplex, and the output bias.

        The programs' floats are just that; exact answers belong to the lifted points.
        """
        if not answer.sure:
            return np.asarray(answer.point)
        assert answer.point is not None
        found, size = list(answer.point), self.points.shape[1] + 1
        corners = [(*self.places[i], Fraction(1)) for i in self.frame.basis]
        units = [found[k : k + size] for k in range(0, len(found) - 1, size)]
        values = [_dot(unit, corner) for unit in units for corner in corners]
        largest = max(map(abs, [*values, found[-1]]))
        return np.array([value / largest for value in [*values, found[-1]]], dtype=object)

    def _program(self, signs: Array, node: Node, sure: bool) -> Answer:
        """The smallest weights in ``node``, right where fixed; or any, with ``sure``, exactly.

        One row a point where all activities are fixed: its margin, which must be positive. One row
        a unit and point of the node's history: the activities elsewhere follow from these.
        """
        if self.programs >= self.limit:
            raise UndecidedError("its linear programs were used up")
        self.programs += 1
        margins = np.flatnonzero(~node.open.any(0)).tolist()
        sides = [(unit, point) for point in node.history for unit in range(len(signs))]

        def blocks(point: int, z: Sequence[float | int]) -> list[float | int]:
            y, active = int(self.labels[point]), node.active[:, point]
            weights = [y * int(s) if a else 0 for s, a in zip(signs, active, strict=True)]
            return [w * entry for w in weights for entry in z]

        def side(unit: int, point: int, z: Sequence[float | int]) -> list[float | int]:
            row: list[float | int] = [0] * (len(signs) * len(z) + 1)
            sign = 1 if node.active[unit, point] else -1
            row[unit * len(z) : (unit + 1) * len(z)] = [sign * entry for entry in z]
            return row

        def exact(i: int) -> tuple[int, ...]:
            if i < len(margins):
                z = self.rows[margins[i]]  # a multiple of (x, 1): its last entry is the factor
                head = int(self.labels[margins[i]]) * z[-1]
                return (*map(int, blocks(margins[i], z)), head)
            unit, point = sides[i - len(margins)]
            return tuple(map(int, side(unit, point, self.rows[point])))

        lifted = self.lifted.tolist()
        rows = [[*blocks(i, lifted[i]), self.labels[i]] for i in margins]
        rows += [side(unit, point, lifted[point]) for unit, point in sides]
        size = len(signs) * self.lifted.shape[1] + 1
        strict = [True] * len(margins) + [False] * len(sides)
        table = np.array(rows, dtype=float).reshape(-1, size)
        return strict_system(table, strict, exact, sure=sure)

    def _module(self, signs: Array, solution: Solution) -> nn.Module:
        """The net with these values of its units' inputs at the corners of the frame's simplex.

        Away from the points' affine hull the inputs do not change.
        """
        origin, *corners = (self.places[i] for i in self.frame.basis)
        edges = [[a - b for a, b in zip(p, origin, strict=True)] for p in corners]
        gram = [
            [sum((a * b for a, b in zip(e, f, strict=True)), Fraction(0)) for f in edges]
            for e in edges
        ]
        units, biases = [], []
        for values in solution[:-1].reshape(len(signs), self.lifted.shape[1]).tolist():
            first, *others = rationals(values)
            shares = _solve(gram, [value - first for value in others])
            w = [
                float(sum((s * e[k] for s, e in zip(shares, edges, strict=True)), Fraction(0)))
                for k in range(len(origin))
            ]
            units.append(w)
            # from the rounded w, so that its rounding counts only at a distance from the origin
            at = sum((Fraction(a) * b for a, b in zip(w, origin, strict=True)), Fraction(0))
            biases.append(float(first - at))
        weight = torch.tensor(units, dtype=torch.float64, device="cpu").reshape(
            len(signs), len(origin)
        )
        bias = torch.tensor(biases, dtype=torch.float64, device="cpu")
        return two_layer(weight, bias, torch.from_numpy(signs), float(solution[-1]))


def _solve(matrix: list[list[Fraction]], sides: list[Fraction]) -> list[Fraction]:
    """The solution of a regular system, exactly."""
    work = [[*row, side] for row, side in zip(matrix, sides, strict=True)]
    for k in range(len(work)):
        pivot = next(i for i in range(k, len(work)) if work[i][k])
        work[k], work[pivot] = work[pivot], work[k]
        work[k] = [entry / work[k][k] for entry in work[k]]
        for i, row in enumerate(work):
            if i != k and row[k]:
                work[i] = [a - row[k] * b for a, b in zip(row, work[k], strict=True)]
    return [row[-1] for row in work]


def surely_right(
    net: nn.Module, points: Sequence[Sequence[Fraction]], labels: Sequence[float]
) -> bool:
    """Whether y f > 0 at all points, in float64 and in whatever order the sums are taken.

    f is computed exactly from the net's float64 numbers, and must exceed what rounding can do.
    """
    layers = [layer for layer in net.children() if isinstance(layer, nn.Linear)]
    exact = [(_fractions(layer.weight), rationals(layer.bias.tolist())) for layer in layers]
    rounding = Fraction(sum(layer.in_features + 4 for layer in layers), 2**52)
    for point, y in zip(points, labels, strict=True):
        values, sizes = list(point), [abs(entry) for entry in point]
        for place, (weight, bias) in enumerate(exact):
            inputs = [_dot(row, values) + b for row, b in zip(weight, bias, strict=True)]
            sizes = [
                _dot([abs(w) for w in row], sizes) + abs(b)
                for row, b in zip(weight, bias, strict=True)
            ]
            last = place == len(exact) - 1
            values = inputs if last else [max(value, Fraction(0)) for value in inputs]
        if Fraction(y) * values[0] <= rounding * sizes[0]:
            return False
    return True


def _fractions(matrix: Tensor) -> list[tuple[Fraction, ...]]:
    return [rationals(row) for row in matrix.tolist()]


def _dot(a: Sequence[Fraction], b: Sequence[Fraction]) -> Fraction:
    return sum((x * y for x, y in zip(a, b, strict=True)), Fraction(0))
