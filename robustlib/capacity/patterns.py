"""Which units of a ReLU net can be active at which points: the cells of an arrangement."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..solvers import integers, rationals

Array = NDArray[np.float64]
Pattern = tuple[bool, ...]
Row = tuple[int, ...]
_LONG = 96  # bits from which an interior point is rounded to fewer


def whole_rows(lifted: Array) -> list[Row]:
    """Rows of floats (N, k) as whole numbers, each a positive multiple of the row, exactly."""
    return [integers(rationals(row)) for row in lifted.tolist()]


def activity_patterns(lifted: Array) -> dict[Pattern, Row]:
    """Every set of rows v of ``lifted`` (N, k) that some u makes positive, and such a u.

    Keys say for each row whether <v, u> > 0; the others have <v, u> < 0. With rows (x, 1) these
    are the ways in which half spaces split points, at most 2 sum_{i < k} (N - 1 choose i), and as
    many in general position. Rows must not be zero. Works by adding one row after the other: it
    doubles the cells that its hyperplane crosses, which are those of the other rows inside it.
    All in whole numbers: nothing is rounded, and rows that are nearly parallel are not parallel.
    """
    return _patterns(whole_rows(lifted))


def _patterns(rows: Sequence[Row]) -> dict[Pattern, Row]:
    if not rows or not rows[0]:
        return {}
    cells: dict[Pattern, Row] = {}
    for count in range(len(rows)):
        cells = extend_patterns(cells, rows[: count + 1])
    return cells


def extend_patterns(cells: dict[Pattern, Row], rows: Sequence[Row]) -> dict[Pattern, Row]:
    """The patterns of all ``rows``, from those of all rows but the last."""
    *before, last = rows
    if not before:
        return {(True,): last, (False,): tuple(-entry for entry in last)}
    crossed = _inside(before, last)
    found: dict[Pattern, Row] = {}
    for pattern, u in cells.items():
        middle = crossed.get(pattern)
        if middle is None:
            found[(*pattern, _dot(last, u) > 0)] = u
            continue
        # so far along the hyperplane that one step across it passes no other
        far = 1 + max(abs(_dot(z, last)) // abs(_dot(z, middle)) for z in before)
        for side in (True, False):
            step = [far * m + (e if side else -e) for m, e in zip(middle, last, strict=True)]
            found[(*pattern, side)] = _short(step, rows, (*pattern, side))
    return found


def _inside(rows: Sequence[Row], last: Row) -> dict[Pattern, Row]:
    """The patterns of ``rows`` at points u of the hyperplane <last, u> = 0, and such points."""
    place = min((k for k, e in enumerate(last) if e), key=lambda k: abs(last[k]))
    head = last[place]
    size, sign = abs(head), 1 if head > 0 else -1
    others = [k for k in range(len(last)) if k != place]
    within = [tuple(z[k] * size - sign * z[place] * last[k] for k in others) for z in rows]
    if not all(map(any, within)):
        return {}  # a row with the same hyperplane: no cell is crossed
    found = {}
    for pattern, v in _patterns(within).items():
        u = dict(zip(others, (entry * size for entry in v), strict=True))
        u[place] = -sign * sum(last[k] * entry for k, entry in zip(others, v, strict=True))
        found[pattern] = tuple(u[k] for k in range(len(last)))
    return found


def _dot(a: Sequence[int], b: Sequence[int]) -> int:
    return sum(x * y for x, y in zip(a, b, strict=True))


def _short(u: Sequence[int], rows: Sequence[Row], pattern: Pattern) -> Row:
    """``u``, with fewer digits where that leaves it in its cell."""
    excess = max(abs(entry).bit_length() for entry in u) - _LONG // 2
    if excess > _LONG // 2:
        rounded = tuple(entry >> excess for entry in u)
        signs = [_dot(z, rounded) for z in rows]
        if all((s > 0) == p and s for s, p in zip(signs, pattern, strict=True)):
            return rounded
    return tuple(u)


@dataclass(frozen=True, eq=False)
class Node:
    """What the search has fixed: for every unit, the activity patterns that are still possible.

    ``table`` (cells, points) holds all patterns and ``left`` (width, cells) those that remain;
    ``active`` and ``open`` (width, points): the activity where all that remain agree, and where
    they do not. Units of one sign that have agreed so far, ``tied`` to their successor, may be
    exchanged, so that only activities in descending order are tried.
    """

    table: NDArray[np.bool_]
    left: NDArray[np.bool_]
    active: NDArray[np.bool_]
    open: NDArray[np.bool_]
    tied: tuple[bool, ...]
    history: tuple[int, ...]

    @classmethod
    def root(cls, signs: Array, cells: dict[Pattern, Row]) -> Node:
        """Nothing fixed, for units with these output signs, equal ones side by side."""
        table = np.array(list(cells), dtype=bool)
        left = np.ones((len(signs), len(table)), dtype=bool)
        return cls._of(table, left, tuple(signs[:-1] == signs[1:]), ())

    @classmethod
    def _of(
        cls,
        table: NDArray[np.bool_],
        left: NDArray[np.bool_],
        tied: tuple[bool, ...],
        history: tuple[int, ...],
    ) -> Node:
        every, some = np.zeros((2, len(left), table.shape[1]), dtype=bool)
        for unit, rows in enumerate(left):
            every[unit], some[unit] = table[rows].all(0), table[rows].any(0)
        return cls(table, left, every, some & ~every, tied, history)

    def children(self, point: int, own: NDArray[np.bool_]) -> Iterator[Node]:
        """The nodes with each choice of activities at ``point``, those near ``own`` first."""
        choices = [
            (True, False) if free else (bool(value),)
            for free, value in zip(self.open[:, point], self.active[:, point], strict=True)
        ]
        every = sorted(itertools.product(*choices), key=lambda p: int((np.array(p) != own).sum()))
        for pattern in every:
            pairs = list(zip(self.tied, pattern[:-1], pattern[1:], strict=True))
            if any(tied and b > a for tied, a, b in pairs):
                continue
            left = self.left & (self.table[:, point] == np.array(pattern)[:, None])
            tied = tuple(tied and a == b for tied, a, b in pairs)
            yield self._of(self.table, left, tied, (*self.history, point))
