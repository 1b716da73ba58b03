"""The interior-point method against closed forms, an independent solver and its own bound."""

from __future__ import annotations

import math
from collections.abc import Callable

import cvxpy
import pytest
import torch
from torch import Tensor

from robustlib.numerics import generator
from robustlib.solvers.interior_point import MinMaxProgram, Solution, solve

Functions = Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]


def straight(f: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return f, torch.ones_like(f), torch.zeros_like(f)


def squares(f: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return f * f / 2, f, torch.ones_like(f)


def logistic(f: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    gate = torch.sigmoid(-f)
    return torch.nn.functional.softplus(-f), -gate, gate * (1 - gate)


def program(
    group: list[int],
    base: list[float],
    *factors: list[list[float]],
    radius: float = 1.0,
    functions: Functions = straight,
) -> MinMaxProgram:
    return MinMaxProgram(
        torch.tensor(group),
        max(group) + 1,
        torch.tensor(base, dtype=torch.float64),
        tuple(torch.tensor(f, dtype=torch.float64).reshape(len(base), -1) for f in factors),
        radius,
        functions,
    )


CLOSED = [
    # a linear function on one ball, on two, and with a ball of no coordinates
    ("line", program([0], [0.5], [[3.0, 4.0]], radius=2.0), 0.5 - 2 * 5),
    ("two balls", program([0], [0.5], [[3.0, 4.0]], [[0.0, 12.0, 5.0]]), 0.5 - 5 - 13),
    ("no coordinates", program([0], [0.5], [[3.0]], [[]]), 0.5 - 3),
    # (f - 1/2)^2/2 is 0 within the ball; (f - 3)^2/2 is smallest on its rim
    ("inside", program([0], [-0.5], [[1.0]], functions=squares), 0.0),
    ("rim", program([0], [-3.0], [[1.0, 0.0]], functions=squares), 2.0),
    # max(v, 1 - v) alone, and its mean with 2 v - 1, which is smallest at v = -1
    ("corner", program([0, 0], [0.0, 1.0], [[1.0], [-1.0]]), 0.5),
    ("mean", program([0, 0, 1], [0.0, 1.0, -1.0], [[1.0], [-1.0], [2.0]]), -0.5),
    # log(1 + exp(-f)) with f = 1 + 2 v at most 3
    ("logistic", program([0], [1.0], [[2.0]], functions=logistic), math.log1p(math.exp(-3))),
]


def judged(found: Solution, asked: MinMaxProgram, true: float, tolerance: float) -> None:
    """What holds for every answer."""
    assert found.value == pytest.approx(true, abs=tolerance)
    assert found.value >= true - 1e-12 * (1 + abs(true))
    assert found.lower_bound <= true + 1e-12 * (1 + abs(true))
    assert found.value - found.lower_bound <= tolerance
    assert bool((asked.rooms(found.v) > 0).all())
    psi, _, _ = asked.functions(asked.outputs(found.v))
    assert found.value == pytest.approx(float(asked.tops(psi).mean()), abs=1e-14)
    assert bool((found.shares > 0).all())
    torch.testing.assert_close(asked.sums(found.shares), torch.ones(asked.groups).double())


@pytest.mark.parametrize(("asked", "true"), [c[1:] for c in CLOSED], ids=[c[0] for c in CLOSED])
def test_closed_forms(asked: MinMaxProgram, true: float) -> None:
    found = solve(asked, gap=1e-6)
    judged(found, asked, true, 1e-6)
    # from elsewhere, with other shares
    start = torch.full_like(found.v, 0.3)
    again = solve(asked, gap=1e-6, start=start, shares=1 + torch.arange(len(asked.base)).double())
    judged(again, asked, true, 1e-6)


def drawn(seed: int) -> tuple[MinMaxProgram, list[int]]:
    """Twelve elements in four groups, and balls of three and of two coordinates."""
    g = generator(seed)
    calls: list[int] = []

    def counted(f: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        calls.append(len(f))
        return logistic(f)

    group = torch.arange(12) % 4
    base, *factors = (torch.randn(12, k, generator=g, dtype=torch.float64) for k in (1, 3, 2))
    return MinMaxProgram(group, 4, base[:, 0], tuple(factors), 0.7, counted), calls


@pytest.mark.parametrize("seed", range(6))
def test_an_independent_solver_agrees(seed: int) -> None:
    asked, calls = drawn(seed)
    v, w = cvxpy.Variable(3), cvxpy.Variable(2)
    first, second = (factor.numpy() for factor in asked.factors)
    f = asked.base.numpy() + first @ v + second @ w
    tops = [cvxpy.max(cvxpy.logistic(-f[k::4])) for k in range(4)]
    bounds = [cvxpy.norm(v) <= 0.7, cvxpy.norm(w) <= 0.7]
    other = cvxpy.Problem(cvxpy.Minimize(sum(tops) / 4), bounds)
    other.solve(solver="CLARABEL")
    found = solve(asked, gap=1e-6)
    assert found.value == pytest.approx(other.value, abs=2e-6)
    judged(found, asked, found.value, 1e-6)
    # Newton's method is quick near its end: three calls a step, and a step gains a factor of ten
    assert len(calls) <= 60
    # a nearly right start is as good
    again = solve(asked, gap=1e-6, start=0.9 * found.v, shares=found.shares)
    judged(again, asked, again.value, 1e-6)
    assert again.value == pytest.approx(found.value, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_the_lower_bound_is_one_for_any_outputs_and_weights(seed: int) -> None:
    asked, _ = drawn(seed)
    least, g = solve(asked, gap=1e-6).value, generator(seed)
    for size in (1e-3, 1.0, 10.0):
        f = size * torch.randn(12, generator=g, dtype=torch.float64)
        weights = torch.rand(12, generator=g, dtype=torch.float64) + 1e-3
        assert asked.lower_bound(f, weights) <= least


def test_a_gap_that_rounding_forbids_ends_with_an_honest_bound() -> None:
    total = 0
    for seed in range(6):
        asked, calls = drawn(seed)
        found = solve(asked, gap=0.0)
        # norms are rounded up under a root: half the digits
        assert 0 <= found.value - found.lower_bound <= 1e-6
        total += len(calls)
    assert total <= 6 * 200  # it stops once nothing is gained: else two thousand and more
