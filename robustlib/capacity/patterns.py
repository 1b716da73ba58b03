"""Which units of a ReLU net can be active at which points: the cells of an arrangement."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Pattern = tuple[bool, ...]
_PARALLEL = 1e-9  # directions closer than this count as one


def activity_patterns(lifted: Array) -> dict[Pattern, Array]:
    """Every set of rows v of ``lifted`` (N, k) that some u makes positive, and such a u.

    Keys say for each row whether <v, u> > 0; the others have <v, u> < 0. With rows (x, 1) these
    are the ways in which half spaces split points, at most 2 sum_{i < k} (N - 1 choose i), and as
    many in general position. Rows must not be zero. Works by adding one row after the other: it
    doubles the cells that its hyperplane crosses, which are those of the other rows inside it.
    """
    if not lifted.shape[1]:
        return {}
    cells: dict[Pattern, Array] = {(): np.zeros(lifted.shape[1])}
    for count in range(len(lifted)):
        cells = extend_patterns(cells, lifted[: count + 1])
    return cells


def extend_patterns(cells: dict[Pattern, Array], lifted: Array) -> dict[Pattern, Array]:
    """The patterns of all rows of ``lifted``, from those of all rows but the last."""
    before, last = lifted[:-1], lifted[-1] / np.linalg.norm(lifted[-1])
    if not len(before):
        return {(True,): last, (False,): -last}
    along = before @ last
    across = before - np.outer(along, last)
    size = np.linalg.norm(across, axis=1)
    crossed: dict[Pattern, Array] = {}
    if bool((size > _PARALLEL * np.linalg.norm(before, axis=1)).all()):
        basis = np.linalg.qr(np.column_stack([last, np.eye(len(last))]))[0][:, 1:]
        inside = activity_patterns(across @ basis)
        crossed = {pattern: basis @ u for pattern, u in inside.items()}
    found: dict[Pattern, Array] = {}
    for pattern, u in cells.items():
        middle = crossed.get(pattern)
        if middle is None:
            found[(*pattern, bool(last @ u > 0))] = u
            continue
        room = np.abs(before @ middle) / np.maximum(np.abs(along), 1e-300)
        step = min(1.0, float(room.min()) / 2) * last
        found[(*pattern, True)] = middle + step
        found[(*pattern, False)] = middle - step
    return found


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
    def root(cls, signs: Array, cells: dict[Pattern, Array]) -> Node:
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
