"""The quadratic program, against closed forms, its own conditions and an independent solver."""

from __future__ import annotations

import math

import cvxpy
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from robustlib.solvers.shortest_vector import Infeasible, shortest

INF = math.inf


def problem(seed: int, n: int, rank: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Vectors g_i in R^rank, and bounds that some vector meets."""
    draw = np.random.default_rng(seed)
    g = draw.normal(size=(n, rank))
    inside = g @ draw.normal(size=rank)
    lower, upper = inside - draw.uniform(0, 1, n), inside + draw.uniform(0, 1, n)
    upper[draw.uniform(size=n) < 0.3] = INF
    lower[draw.uniform(size=n) < 0.3] = -INF
    return g, g @ g.T, lower, upper


def test_one_bound_has_a_closed_form() -> None:
    one = np.array([[4.0]])
    found = shortest(one, np.array([3.0]), np.array([INF]))
    assert found.square == pytest.approx(9 / 4, rel=1e-14)
    assert found.multipliers == pytest.approx([3 / 4], rel=1e-14)
    under = shortest(one, np.array([-INF]), np.array([-3.0]))
    assert under.multipliers == pytest.approx([-3 / 4], rel=1e-14)
    assert shortest(one, np.array([-1.0]), np.array([2.0])).square == 0.0
    assert shortest(np.zeros((0, 0)), np.zeros(0), np.zeros(0)).square == 0.0


@given(st.integers(0, 10**6), st.integers(1, 25), st.integers(1, 25))
@settings(max_examples=60, deadline=None)
def test_the_conditions_of_optimality_hold(seed: int, n: int, rank: int) -> None:
    """Bounds met, signs right, zero where a bound is slack, primal equal to dual: that is all."""
    _, gram, lower, upper = problem(seed, n, rank)
    found = shortest(gram, lower, upper)
    values, a = gram @ found.multipliers, found.multipliers
    scale = 1 + np.abs(a).sum() * np.diag(gram).max()
    assert (values >= lower - 1e-10 * scale).all()
    assert (values <= upper + 1e-10 * scale).all()
    assert np.abs(values - lower)[a > 0].max(initial=0) <= 1e-9 * scale
    assert np.abs(values - upper)[a < 0].max(initial=0) <= 1e-9 * scale
    assert found.dual == pytest.approx(found.square, rel=1e-9, abs=1e-9)
    assert found.violation <= 1e-10 * scale


@pytest.mark.parametrize("seed", range(5))
def test_an_independent_solver_agrees(seed: int) -> None:
    g, gram, lower, upper = problem(seed, 30, 40)
    v = cvxpy.Variable(40)
    below, above = np.isfinite(lower), np.isfinite(upper)
    bounds = [g[below] @ v >= lower[below], g[above] @ v <= upper[above]]
    cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(v)), bounds).solve(solver="CLARABEL")
    found = shortest(gram, lower, upper)
    assert found.square > 0.1
    assert found.square == pytest.approx(float(v.value @ v.value), rel=1e-6)


def test_a_start_changes_nothing_but_the_way() -> None:
    _, gram, lower, upper = problem(7, 30, 35)
    fresh = shortest(gram, lower, upper)
    part = shortest(gram[:20, :20], lower[:20], upper[:20])
    for start in (
        np.pad(part.multipliers, (0, 10)),
        -fresh.multipliers,
        np.ones(30),
        fresh.multipliers,
    ):
        again = shortest(gram, lower, upper, start)
        np.testing.assert_allclose(again.multipliers, fresh.multipliers, atol=1e-9)


def test_repeated_and_dependent_vectors_are_no_trouble() -> None:
    g = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    lower = np.array([1.0, 1.0, 2.0, 3.0])
    found = shortest(g @ g.T, lower, np.full(4, INF))
    assert found.square == pytest.approx(5.0, rel=1e-13)


def test_nearly_dependent_vectors_are_no_contradiction() -> None:
    """The third, which comes last, is 1000 times the difference of the others, but for 0.05."""
    t, h = 2.0**-10, 0.05
    g = np.array([[1.0, 0, 0], [1.0, t, 0], [0.0, 1.0, h]])
    values = np.array([1.0, 1 + 10 * t, 0.005])
    v = np.array([1.0, 10, (0.005 - 10) / h])  # solves all three equations
    found = shortest(g @ g.T, values, values)
    assert found.square == pytest.approx(v @ v, rel=1e-4)
    assert found.multipliers @ g == pytest.approx(v, rel=1e-4)
    assert found.violation <= 1e-8


def test_contradictions_are_named() -> None:
    g = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    with pytest.raises(Infeasible) as caught:
        shortest(g @ g.T, np.array([1.0, 1.0, 1.0]), np.full(3, INF))
    assert set(caught.value.rows) >= {0, 2}
    with pytest.raises(Infeasible):
        shortest(np.zeros((1, 1)), np.array([1.0]), np.array([INF]))
