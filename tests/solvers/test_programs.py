"""Certified systems: both answers are proved, so each is checked by its own definition."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from robustlib.solvers import barycentric, in_band, integers, programs, relation, strict_system
from robustlib.solvers.simplex import cancelling

Rows = list[tuple[int, ...]]


def asked(rows: Rows, strict: list[bool], *, sure: bool = False) -> programs.Answer:
    table = np.array([[float(e) for e in row] for row in rows])
    return strict_system(table, strict, rows.__getitem__, sure=sure)


def judge(rows: Rows, strict: list[bool], answer: programs.Answer) -> None:
    """A point must meet the rows, multipliers must make them vanish."""
    if answer.impossible:
        assert answer.multipliers is not None
        assert min(answer.multipliers.values()) > 0
        assert any(strict[i] for i in answer.multipliers)
        for column in range(len(rows[0])):
            assert sum(c * rows[i][column] for i, c in answer.multipliers.items()) == 0
    elif answer.sure:
        assert answer.point is not None
        for row, positive in zip(rows, strict, strict=True):
            value = sum(e * v for e, v in zip(row, answer.point, strict=True))
            assert value > 0 or (value == 0 and not positive)
    else:
        values = np.array(rows, dtype=float) @ np.asarray(answer.point)
        assert (values >= np.array(strict) - 1e-6).all()


systems = st.integers(1, 5).flatmap(
    lambda k: st.lists(
        st.tuples(st.tuples(*[st.integers(-3, 3)] * k), st.booleans()), min_size=1, max_size=12
    )
)


@given(systems)
@settings(max_examples=300, deadline=None)
def test_both_answers_are_what_they_say_and_both_ways_agree(
    system: list[tuple[tuple[int, ...], bool]],
) -> None:
    rows, strict = [row for row, _ in system], [positive for _, positive in system]
    quick, exact = asked(rows, strict), asked(rows, strict, sure=True)
    judge(rows, strict, quick)
    judge(rows, strict, exact)
    assert quick.impossible == exact.impossible


@given(systems)
@settings(max_examples=200, deadline=None)
def test_the_exact_method_agrees_with_a_program_of_scipy(
    system: list[tuple[tuple[int, ...], bool]],
) -> None:
    rows, strict = [row for row, _ in system], [positive for _, positive in system]
    if not any(strict):
        return
    found, v = cancelling(rows, strict)
    other = linprog(
        np.zeros(len(rows[0])), A_ub=-np.array(rows), b_ub=-np.array(strict, float),
        bounds=(None, None),
    )  # fmt: skip
    assert (v is not None) == (other.status == 0)
    assert (v is None) == bool(found)
    # where it begins does not matter
    for start in (range(len(rows)), [0] * 3):
        again, w = cancelling(rows, strict, list(start))
        assert (w is None) == (v is None)
        judge(rows, strict, programs.Answer(point=w, sure=True) if w else certificate(again))


def certificate(multipliers: tuple[int, ...]) -> programs.Answer:
    return programs.Answer(multipliers={i: c for i, c in enumerate(multipliers) if c})


@pytest.mark.parametrize("power", [20, 30, 40, 60, 200])
def test_needles_are_decided_exactly(power: int) -> None:
    """x > 0 and y > 0 between two lines that are nearly one: a point far out, or none at all."""
    big = 2**power
    wedge: Rows = [(big, -(big - 1)), (-big, big + 1), (1, 0)]
    answer = asked(wedge, [True] * 3, sure=True)
    assert answer.sure
    judge(wedge, [True] * 3, answer)
    closed: Rows = [(big, -(big + 1)), (-big, big - 1), (1, 0)]
    answer = asked(closed, [True] * 3)
    assert answer.impossible
    judge(closed, [True] * 3, answer)


def test_what_scipy_calls_infeasible_may_not_be() -> None:
    """HiGHS drops the small coefficients; here they decide."""
    rows: Rows = [(1, 10**10), (-1, 10**10)]  # x + y > 0 and y - x > 0, y in units of 1e-10
    scaled = np.array([[1, 1e-10], [-1, 1e-10]])
    dropped = linprog([0, 0], A_ub=-scaled, b_ub=[-1, -1], bounds=[(None, None)] * 2)
    assert dropped.status != 0
    tiny = [(10**10, 1), (-(10**10), 1)]
    answer = strict_system(scaled, [True, True], tiny.__getitem__)
    assert not answer.impossible
    assert not asked(rows, [True, True]).impossible


def test_a_wrong_certificate_is_never_a_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "relation", lambda rows: tuple(1 for _ in rows))
    with pytest.raises(ArithmeticError, match="do not cancel"):
        asked([(2, 1), (-1, 0), (0, -1)], [True] * 3)


@pytest.mark.parametrize("shares", [[1.0, 1, 1], [0.0, 0, 1], [0.0, 1, 1]])
def test_least_squares_that_go_wrong_cost_time_alone(
    shares: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """y > 0 on the line x = 0. The first two rows cancel, which says nothing of the third."""
    monkeypatch.setattr(programs, "nnls", lambda columns, wanted: (np.array(shares), 0.0))
    rows: Rows = [(1, 0), (-1, 0), (0, 1)]
    answer = asked(rows, [False, False, True])
    assert answer.sure
    judge(rows, [False, False, True], answer)


@pytest.mark.parametrize("seed", range(20))
def test_relations_are_exact_and_unique(seed: int) -> None:
    draw = np.random.default_rng(seed)
    rank = int(draw.integers(1, 6))
    rows = [tuple(map(int, row)) for row in draw.integers(-9, 10, (rank, rank + 2))]
    weights = [int(w) for w in draw.integers(-5, 6, rank)]
    last = tuple(
        sum(w * row[k] for w, row in zip(weights, rows, strict=True)) for k in range(rank + 2)
    )
    found = relation([*rows, last])
    expected = [*weights, -1]
    assert found is not None
    ratio = Fraction(found[-1], expected[-1])
    assert [Fraction(c) for c in found] == [ratio * e for e in expected]
    assert relation(rows) is None  # independent
    assert relation([last, last, last]) is None if any(last) else True  # not unique


@pytest.mark.parametrize("seed", range(20))
def test_barycentric_coordinates_are_bounded_and_affine(seed: int) -> None:
    draw = np.random.default_rng(seed)
    n, d, rank = int(draw.integers(1, 9)), int(draw.integers(1, 5)), int(draw.integers(0, 5))
    flat = draw.integers(-4, 5, (n, rank)) @ draw.integers(-2, 3, (rank, d))
    points = [tuple(Fraction(int(v)) for v in row) for row in flat]
    frame = barycentric(points)
    assert len(frame.basis) == 1 + np.linalg.matrix_rank(flat - flat[0])
    for point, row in zip(points, frame.coordinates, strict=True):
        assert sum(row) == 1
        assert max(map(abs, row)) <= Fraction(3, 2)
        for k in range(d):
            corners = (points[i][k] for i in frame.basis)
            assert sum(c * p for c, p in zip(row, corners, strict=True)) == point[k]
    scaled = [tuple(v * Fraction(7, 10**9) + 10**6 for v in point) for point in points]
    again = barycentric(scaled)
    assert max(max(map(abs, row)) for row in again.coordinates) <= Fraction(3, 2)


@pytest.mark.parametrize(
    "points",
    [[(0,), (10,), (-9,)], [(0, 0), (10, 0), (-9, 1), (0, -8), (1, 7)], [(0, 0), (7, 1), (-6, 0)]],
)
def test_a_simplex_of_points_is_exchanged_for_a_larger_one(points: list[tuple[int, ...]]) -> None:
    """The first point lies between others: a corner there has coordinates of almost 2."""
    frame = barycentric([tuple(map(Fraction, point)) for point in points])
    for point, row in zip(points, frame.coordinates, strict=True):
        assert sum(row) == 1
        assert max(map(abs, row)) <= Fraction(3, 2)
        for k, value in enumerate(point):
            weighed = zip(row, frame.basis, strict=True)
            assert sum(c * points[i][k] for c, i in weighed) == value


def test_whole_rows_are_positive_multiples() -> None:
    row = (Fraction(1, 6), Fraction(-3, 4), Fraction(0))
    assert integers(row) == (2, -9, 0)
    assert integers((Fraction(0), Fraction(0))) == (0, 0)


@pytest.mark.parametrize("gap", [0.1, 1e-4, 1e-8, 4e-10])
def test_bands_that_need_long_solutions(gap: float) -> None:
    """+1 and -1 at two points of the circle that are this far apart: a q of norm 2/gap."""
    a = np.array([0.3, 0.3 + gap])
    x = np.column_stack([np.cos(a), np.sin(a)])
    assert in_band(x, np.array([1.0, -1]), np.array([math.inf, -1])) is True
    assert in_band(x, np.array([1.0, -1]), np.array([1.0, -1])) is True


def test_bands_that_rounding_decides_are_left_open() -> None:
    a = np.array([0.3, 0.3 + 1e-13])
    x = np.column_stack([np.cos(a), np.sin(a)])
    assert in_band(x, np.array([1.0, -1]), np.array([math.inf, -1])) is None


def test_bands_that_nothing_meets() -> None:
    turn = np.arange(3) * 2 * np.pi / 3  # three directions that add up to zero
    x = np.column_stack([np.cos(turn), np.sin(turn)])
    assert in_band(x, np.ones(3), np.full(3, math.inf)) is False
    assert in_band(x, np.array([1.0, -0.5, -0.5]), np.array([1.0, -0.5, -0.5])) is True
    assert in_band(x, np.array([1.0, 1, 0]), np.array([1.0, 1, 0])) is False
    same = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert in_band(same, np.array([1.0, -2]), np.array([2.0, -1])) is False
    assert in_band(x, np.full(3, -math.inf), np.full(3, math.inf)) is True
    half = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    least, most = np.array([1.0, -math.inf, -math.inf]), np.array([math.inf, 0.5, math.inf])
    assert in_band(half, least, most) is False


def test_bands_whose_proof_has_long_numbers() -> None:
    """More equations than unknowns: whole multiples of floats of twelve coordinates."""
    draw = np.random.default_rng(1)
    x, labels = draw.normal(size=(13, 12)), draw.normal(size=13)
    assert in_band(x, labels, labels) is False
    assert in_band(x[:12], labels[:12], labels[:12]) is True
