"""Narrowest nets do not change with the coordinates, and are what a search over patterns finds.

The sizes follow ROBUSTLIB_BUDGET: a sample of the problems for "laptop", all 300 of them for "gpu".
"""

from __future__ import annotations

import itertools
from fractions import Fraction
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from robustlib.capacity import narrowest_net
from robustlib.capacity.patterns import activity_patterns, whole_rows
from robustlib.numerics import budget
from robustlib.solvers import strict_system

F64 = torch.float64
COUNT = {"smoke": 6, "laptop": 30, "gpu": 300}[budget()]
MAPS = 10
LIMITS = {"max_width": 4, "linear_programs": 3000}


def problem(seed: int) -> tuple[np.ndarray, np.ndarray, bool]:
    """Points, labels, and whether they are whole numbers; others are random."""
    draw = np.random.default_rng(seed)
    d, n = int(draw.integers(1, 4)), int(draw.integers(2, 9))
    whole = seed % 3 == 0
    if whole:  # many on one line, some in a smaller space
        x = draw.integers(-2, 3, size=(4 * n, d)).astype(float)
        x = np.unique(x, axis=0)
        draw.shuffle(x)
        x = x[:n]
    else:
        x = draw.normal(size=(n, d))
    return x, 2.0 * draw.integers(0, 2, len(x)) - 1, whole


def image(x: np.ndarray, seed: int, whole: bool) -> np.ndarray:
    """An invertible affine image, scales from 1e-9 to 1e9 and shifts up to 1e6 in these units.

    Whole points stay exact: their maps have powers of two and whole numbers for entries.
    """
    draw = np.random.default_rng(seed + 1000)
    d = x.shape[1]
    if whole:
        scales = 2.0 ** draw.integers(-30, 31, d)
        shear = np.tril(draw.integers(-3, 4, (d, d)), -1) + np.eye(d)
        shift = draw.integers(-(10**6), 10**6, d)
        found = (x @ shear.T + shift) * scales
        exact = [
            [
                (sum(Fraction(a) * Fraction(b) for a, b in zip(row, line, strict=True)) + int(t))
                * Fraction(s)
                for line, t, s in zip(shear, shift, scales, strict=True)
            ]
            for row in x
        ]
        assert [[Fraction(v) for v in row] for row in found] == exact
        return found
    turn = np.linalg.qr(draw.normal(size=(d, d)))[0] * draw.uniform(0.2, 5, d)
    shift = draw.uniform(-1e6, 1e6, d) * draw.integers(0, 2)
    return (x @ turn.T + shift) * 10.0 ** draw.uniform(-9, 9, d)


def sample(x: np.ndarray, y: np.ndarray) -> SimpleNamespace:
    return SimpleNamespace(x=torch.from_numpy(x.copy()), y=torch.from_numpy(y))


@pytest.mark.parametrize("seed", range(COUNT))
def test_affine_maps_change_nothing_and_no_net_is_wrong(seed: int) -> None:
    x, y, whole = problem(seed)
    proved, closed = set(), 0
    for k in range(MAPS + 1):
        points = sample(image(x, 100 * seed + k, whole) if k else x, y)
        found = narrowest_net(points, **LIMITS)
        if found.net is not None:
            assert bool((found.net(points.x) * points.y > 0).all()), (k, found)
            one = torch.stack([found.net(row[None])[0] for row in points.x])
            assert bool((one * points.y > 0).all()), (k, found)
        if found.closed:
            proved.add(found.width)
            closed += 1
        else:
            assert found.reason or found.lower == LIMITS["max_width"] + 1, found
    assert len(proved) == 1, proved
    assert closed >= MAPS, closed  # almost always decided: today always


def by_brute_force(x: np.ndarray, y: np.ndarray, width: int) -> bool:
    """Whether ``width`` units can be right: every activity pattern of every unit is tried.

    Patterns are all sign vectors that a half space has, found one linear system each.
    """
    lifted = np.hstack([x, np.ones((len(x), 1))])
    rows, size = whole_rows(lifted), x.shape[1] + 1
    patterns = [p for p in itertools.product((True, False), repeat=len(x)) if halves(lifted, p)]
    for plus in range(width + 1):
        signs = [1] * plus + [-1] * (width - plus)
        for units in itertools.product(patterns, repeat=width):
            if any(units[r] < units[r + 1] for r in range(width - 1) if signs[r] == signs[r + 1]):
                continue  # the same with units exchanged
            table = []
            for i, z in enumerate(rows):
                blocks = [
                    int(y[i]) * s * (e if unit[i] else 0)
                    for s, unit in zip(signs, units, strict=True)
                    for e in z
                ]
                table.append((*blocks, int(y[i]) * z[-1]))
            for r, unit in enumerate(units):
                for i, z in enumerate(rows):
                    line = [0] * (width * size + 1)
                    line[r * size : (r + 1) * size] = [e if unit[i] else -e for e in z]
                    table.append(tuple(line))
            scaled = np.array([[float(e) / max(map(abs, row)) for e in row] for row in table])
            strict = [True] * len(rows) + [False] * (width * len(rows))
            if not strict_system(scaled, strict, table.__getitem__, sure=True).impossible:
                return True
    return False


def halves(lifted: np.ndarray, pattern: tuple[bool, ...]) -> bool:
    rows = [
        tuple(e if on else -e for e in row)
        for row, on in zip(whole_rows(lifted), pattern, strict=True)
    ]
    table = np.array(rows, dtype=float)
    table /= np.abs(table).max(1, keepdims=True)
    return not strict_system(table, [True] * len(rows), rows.__getitem__, sure=True).impossible


@pytest.mark.parametrize("seed", range(COUNT))
def test_agrees_with_all_sign_patterns(seed: int) -> None:
    x, y, _ = problem(seed)
    found = narrowest_net(sample(x, y), **LIMITS)
    patterns = activity_patterns(np.hstack([x, np.ones((len(x), 1))]))
    limit = next(
        w for w in (3, 2, 1) if len(patterns) ** w <= (3000 if COUNT < 300 else 30_000) or w == 1
    )
    for width in range(limit + 1):
        possible = by_brute_force(x, y, width)
        if width < found.lower:
            assert not possible
        if found.width is not None and width >= found.width:
            assert possible
