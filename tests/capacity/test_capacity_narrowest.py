"""Narrowest nets: known widths, a second solver, balls, edges; and curves of trained nets."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from robustlib import (
    FGSM,
    Attack,
    L2Ball,
    LinfBall,
    NoAttack,
    PseudoHuber,
    Sample,
    SphereCap,
    hexagon,
)
from robustlib.capacity import (
    WidthCurve,
    check_shattering,
    hypercube_gadget,
    line_net,
    narrowest_net,
    robust_vc_bound,
    simplex_gadget,
    width_curve,
)
from robustlib.capacity import fitting as module
from robustlib.capacity.patterns import Node, activity_patterns
from robustlib.sets import Perturbation
from robustlib.solvers import Answer

F64 = torch.float64


def points(x: list[list[float]], y: list[float]) -> SimpleNamespace:
    return SimpleNamespace(x=torch.tensor(x, dtype=F64), y=torch.tensor(y, dtype=F64))


XOR = points([[0, 0], [1, 1], [0, 1], [1, 0]], [1, 1, -1, -1])
LINE = points([[-1], [-0.5], [0], [0.5], [1]], [1, -1, 1, -1, 1])


def test_widths_that_are_known() -> None:
    assert narrowest_net(points([[0.3]], [-1.0])).width == 0
    assert narrowest_net(points([[0], [1], [2]], [1, 1, 1])).width == 0
    assert narrowest_net(points([[0, 0], [1, 0]], [1, -1])).width == 1  # separable by a line
    assert narrowest_net(XOR).width == 2
    view = SimpleNamespace(x=XOR.x, y=torch._neg_view(-XOR.y))
    assert narrowest_net(view).width == 2
    found = narrowest_net(XOR)
    assert found.closed
    many = found.linear_programs
    assert repr(found) == f"Narrowest net on the points: width 2, proved ({many} LPs)."
    balls = repr(narrowest_net(XOR, perturbation=LinfBall(0.2)))
    assert balls.startswith("Narrowest net on LinfBall(0.2): width 2, proved (")


def big_m(sample: SimpleNamespace, signs: list[float]) -> bool:
    """Whether units with these output signs fit: a mixed-integer program with bounded weights.

    The margin is 1e-3 for weights of at most 1, so "no" is only sure of nets with such weights.
    """
    z = np.hstack([sample.x.numpy(), np.ones((len(sample.x), 1))])
    y, m, k, n = sample.y.numpy(), len(signs), z.shape[1], len(z)
    # variables: unit weights (m k), bias, outputs of units (n m), active (n m binaries)
    size = m * k + 1 + 2 * n * m
    large = float(np.abs(z).sum(1).max())
    rows: list[np.ndarray] = []
    low: list[float] = []
    for i in range(n):
        margin = np.zeros(size)
        margin[m * k] = y[i]
        for r in range(m):
            out, on = m * k + 1 + i * m + r, m * k + 1 + n * m + i * m + r
            margin[out] = y[i] * signs[r]
            above = np.zeros(size)
            above[out] = 1
            above[r * k : (r + 1) * k] = -z[i]
            rows.append(above)  # out >= z
            low.append(0)
            off = np.zeros(size)
            off[out], off[on] = -1, large
            rows.append(off)  # out <= large * on
            low.append(0)
            exact = -above
            exact[on] = -large
            rows.append(exact)  # out <= z + large (1 - on)
            low.append(-large)
        rows.append(margin)
        low.append(1e-3)
    free = m * k + 1
    bounds = Bounds(
        np.concatenate([np.full(free, -1.0), np.zeros(2 * n * m)]),
        np.concatenate([np.full(free, 1.0), np.full(n * m, large), np.ones(n * m)]),
    )
    integer = np.concatenate([np.zeros(free + n * m), np.ones(n * m)])
    answer = milp(
        np.zeros(size), constraints=LinearConstraint(np.array(rows), lb=low),
        bounds=bounds, integrality=integer,
    )  # fmt: skip
    return answer.status == 0


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_a_mixed_integer_program(seed: int) -> None:
    stream = torch.Generator().manual_seed(seed)
    x = torch.rand(6, 2, dtype=F64, generator=stream)
    y = 2 * torch.randint(0, 2, (6,), generator=stream).double() - 1
    sample = SimpleNamespace(x=x, y=y)
    width = narrowest_net(sample).width
    assert width is not None

    def possible(width: int) -> bool:
        return any(big_m(sample, [1.0] * p + [-1.0] * (width - p)) for p in range(width + 1))

    assert possible(width)
    assert width == 0 or not possible(width - 1)


def test_five_alternating_points_on_a_line_need_three_units() -> None:
    assert narrowest_net(LINE).width == 3
    # balls on a line keep the order of the points, and so the answer
    assert narrowest_net(LINE, perturbation=LinfBall(0.1)).width == 3


@pytest.mark.parametrize("perturbation", [LinfBall(0.2), L2Ball(0.3)])
def test_the_net_found_is_right_on_the_balls(perturbation: Perturbation) -> None:
    found = narrowest_net(XOR, perturbation=perturbation)
    assert found.closed
    assert found.width == 2
    assert found.net is not None
    for seed in range(200):
        z = perturbation.random(XOR.x, torch.Generator().manual_seed(seed))
        assert bool((found.net(z) * XOR.y > 0).all())


def test_a_ball_costs_a_unit() -> None:
    """Two points against one beside them: a single unit fits the points, not the balls."""
    bent = points([[-1, 0], [1, 0], [0, 0.35]], [1, 1, -1])
    assert narrowest_net(bent).width == 1
    found = narrowest_net(bent, perturbation=L2Ball(0.3))
    assert found.lower == 2
    assert found.width == 2


def test_the_hexagon_needs_three_units_with_and_without_caps() -> None:
    found = narrowest_net(hexagon(), perturbation=SphereCap(0.3))
    assert found.width == found.lower == 3


@pytest.mark.parametrize(("n", "d"), [(1, 2), (5, 1), (8, 2), (7, 3), (4, 5)])
def test_half_spaces_split_points_in_general_position_in_covers_number_of_ways(
    n: int, d: int
) -> None:
    x = np.random.default_rng(n).normal(size=(n, d))
    cells = activity_patterns(np.hstack([x, np.ones((n, 1))]))
    assert len(cells) == 2 * sum(math.comb(n - 1, i) for i in range(d + 1))
    for pattern, u in cells.items():
        values = [sum(Fraction(a) * b for a, b in zip([*row, 1], u, strict=True)) for row in x]
        assert tuple(value > 0 for value in values) == pattern


def test_patterns_of_points_on_a_line_and_of_a_grid() -> None:
    line = np.array([[0.0, 0, 1], [0.1, 0.1, 1], [0.2, 0.2, 1], [0.7, 0.7, 1]])
    starts = {tuple(k >= s for k in range(4)) for s in range(5)}
    assert set(activity_patterns(line)) == starts | {tuple(not v for v in p) for p in starts}
    # the nine points of a grid: all subsets, each tried by a linear program
    z = np.array([[i, j, 1.0] for i in range(3) for j in range(3)])
    found = set(activity_patterns(z))
    for pattern in itertools.product((True, False), repeat=9):
        side = np.where(pattern, -1.0, 1.0)[:, None] * z
        answer = linprog(np.zeros(3), A_ub=side, b_ub=-np.ones(9), bounds=[(None, None)] * 3)
        assert (answer.status == 0) == (pattern in found)


def test_large_data_are_refused() -> None:
    with pytest.raises(ValueError, match=r"30 points in R\^5 in up to 293192 ways"):
        narrowest_net(points(torch.randn(30, 5).tolist(), [1.0, -1] * 15))


def test_out_of_time_is_not_a_proof() -> None:
    found = narrowest_net(LINE, linear_programs=0, max_width=2)
    assert not found.closed
    assert found.width is None
    assert found.lower == 0
    assert "Not closed" in repr(found)
    assert "none found" in repr(found)


def test_no_width_takes_more_programs_than_it_is_given() -> None:
    found = narrowest_net(LINE, linear_programs=7, max_width=4)
    assert found.linear_programs <= 5 * 7


def test_a_margin_that_rounding_may_undo_is_not_sure() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(4, 1, dtype=F64))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[1.0, -1.0, 0.0, 0.0]]))
        net[0].bias.zero_()
    for margin, sure in ((2.0**-52, False), (2.0**-40, True)):
        point = [Fraction(1), Fraction(1 - margin), Fraction(0), Fraction(0)]
        assert module.surely_right(net, [point], [1.0]) == sure


def test_a_program_that_forgets_a_constraint_turns_it_red(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the activation's second half the solutions are no nets: the search must not end."""
    right = module.Fitter._program

    def linear(self: module.Fitter, signs: np.ndarray, node: Node, sure: bool) -> Answer:
        return right(self, signs, replace(node, active=np.ones_like(node.active)), sure)

    monkeypatch.setattr(module.Fitter, "_program", linear)
    assert narrowest_net(XOR, max_width=2, linear_programs=500).width != 2


def test_a_net_that_rounding_may_make_wrong_is_not_returned() -> None:
    """Corners of a hexagon as cosines: two units are right exactly, with weights near 1e16."""
    turn = torch.arange(6, dtype=F64) * (2 * math.pi / 6)
    rounded = torch.stack([turn.cos(), turn.sin()], 1)
    found = narrowest_net(points(rounded.tolist(), [1.0, -1.0] * 3))
    assert (found.lower, found.width) == (2, 3)
    assert "rounding of float64" in found.reason
    assert found.reason in repr(found)
    # an affine image with whole coordinates has no rounding, and then no two units are right
    whole = [[1.0, 0.0], [1.0, 1.0], [0.0, 1.0], [-1.0, 0.0], [-1.0, -1.0], [0.0, -1.0]]
    assert narrowest_net(points(whole, [1.0, -1.0] * 3)).lower == 3


def test_points_whose_distance_is_below_all_numbers_are_still_two() -> None:
    tiny = SimpleNamespace(x=XOR.x * 1e-165, y=XOR.y)
    assert (narrowest_net(tiny).lower, narrowest_net(tiny).width) == (2, 2)


def test_round_balls_cost_a_unit_on_the_corners_of_a_square() -> None:
    assert narrowest_net(XOR, perturbation=L2Ball(0.35)).width == 2
    found = narrowest_net(XOR, perturbation=L2Ball(0.45))
    assert found.closed
    assert found.width == 3


BAD = [
    ({"sample": points([[0, 0], [0, 0]], [1, -1])}, "both labels, got rows 0 and 1"),
    ({"sample": XOR, "perturbation": LinfBall(0.5)}, "opposite labels and their sets meet"),
    ({"sample": points([[0.0]], [2.0])}, "-1 and \\+1"),
    ({"sample": XOR, "max_width": -1}, "max_width must be at least 0"),
    ({"sample": XOR, "linear_programs": -1}, "linear_programs must be at least 0"),
]


@pytest.mark.parametrize(("arguments", "text"), BAD)
def test_bad_input(arguments: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        narrowest_net(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("call", "positions"),
    [
        (check_shattering, 2),
        (hypercube_gadget, 2),
        (line_net, 3),
        (narrowest_net, 1),
        (robust_vc_bound, 2),
        (simplex_gadget, 2),
        (width_curve, 1),
    ],
)
def test_options_have_names(call: Callable[..., object], positions: int) -> None:
    with pytest.raises(TypeError, match=rf"takes .*{positions} positional argument"):
        call(*range(positions + 1))


# --- curves ------------------------------------------------------------------------------------


def curve(
    attack: Attack, widths: list[int], steps: int = 30, sample: Sample | None = None, **engine: Any
) -> WidthCurve:
    return width_curve(
        sample=hexagon() if sample is None else sample,
        **engine,
        widths=widths,
        perturbation=SphereCap(0.2),
        attack=attack,
        loss=PseudoHuber(),
        step_size=2.0,
        steps=steps,
        target=0.3,
        seeds=2,
    )


def test_a_curve_from_other_processes_is_the_same_and_a_store_knows_its_problem(
    tmp_path: Path,
) -> None:
    here = curve(FGSM(), [8], steps=5)
    engine = {"workers": 1, "store": tmp_path / "runs.sqlite", "progress": False, "name": "curve"}
    assert curve(FGSM(), [8], steps=5, **engine).runs == here.runs
    turned = hexagon()
    turned = replace(turned, y=-turned.y)
    assert curve(FGSM(), [8], steps=5, sample=turned, **engine).runs != here.runs
    assert curve(FGSM(), [8], steps=5, **engine).runs == here.runs


@functools.cache
def both_widths() -> WidthCurve:
    return curve(FGSM(), [8, 64])


def test_a_curve_reports_every_run_and_an_interval_round_each() -> None:
    found = both_widths()
    assert found.widths == (8, 64)
    assert len(found.runs) == 4
    for run in found.runs:
        assert run.surrogate_loss <= run.upper + 1e-12
        assert run.lower <= run.upper
        assert run.clean_loss <= run.upper + 1e-12
        assert run.suboptimality >= -1e-12
    proved, at_best = found.narrowest()
    assert at_best <= proved
    assert "2 seeds a width" in repr(found)


def test_plain_training_reaches_its_own_target_sooner() -> None:
    steps = [min(c.values("reached", 64)) for c in (curve(NoAttack(), [64]), both_widths())]
    assert steps[0] <= steps[1]
    never = curve(FGSM(), [8], steps=1)
    assert never.values("reached", 8) == [math.inf, math.inf]
    assert never.narrowest() == (math.inf, math.inf)
    assert "never" in repr(never)
