"""Perturbation sets: edges, bad input, grids, and which samples they suit.

The projections have a file of their own, and so have the laws of the random points.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import FrozenInstanceError, dataclass

import numpy as np
import pytest
import scipy.optimize
import torch
from tables import SETS as KINDS
from tables import boxed
from torch import Tensor

import robustlib
from robustlib.sets import (
    Compatibility,
    Finite,
    L1Ball,
    L2Ball,
    LinfBall,
    Perturbation,
    SphereCap,
    compatible,
)

BOX = (0.0, 1.0)
SETS = [*KINDS, SphereCap(1.7), SphereCap(5.0), *boxed(*BOX)]
each_set = pytest.mark.parametrize("perturbation", SETS, ids=repr)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def points(
    perturbation: Perturbation, shape: tuple[int, ...], dtype: torch.dtype, seed: int = 0
) -> Tensor:
    """Centres that suit the set."""
    if isinstance(perturbation, SphereCap):
        x = torch.randn(shape, generator=rng(seed), dtype=torch.float64)
        norm = x.flatten(1).norm(dim=1).reshape(-1, *[1] * (len(shape) - 1))
        return (x / norm).to(dtype)
    return torch.rand(shape, generator=rng(seed), dtype=torch.float64).to(dtype)


def noise(x: Tensor, scale: float = 1.0, seed: int = 1) -> Tensor:
    draw = torch.randn(x.shape, generator=rng(seed), dtype=torch.float64)
    return (scale * draw).to(x.device, x.dtype)


# --- edges -------------------------------------------------------------------------------------


@each_set
@pytest.mark.parametrize("shape", [(0, 4), (1, 4), (5, 1), (1, 1), (0, 1), (7, 1, 8, 8)], ids=str)
def test_answers_are_in_the_set_and_of_its_kind(
    perturbation: Perturbation, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device
) -> None:
    x = points(perturbation, shape, dtype).to(device)
    z = noise(x)
    for answer in (
        perturbation.project(z, x),
        perturbation.argmax_linear(z, x),
        perturbation.random(x, rng()),
    ):
        assert answer.shape == x.shape
        assert (answer.dtype, answer.device) == (x.dtype, x.device)
        inside = perturbation.contains(answer, x)
        assert inside.shape == x.shape[:1]
        assert inside.dtype == torch.bool
        assert inside.all()


@each_set
def test_axes_are_coordinates(perturbation: Perturbation) -> None:
    """(n, 1, 8, 8) and (n, 64) are the same problem, whatever the strides."""
    x = points(perturbation, (6, 1, 8, 8), torch.float64)
    z = noise(x)
    flat = perturbation.project(z.flatten(1), x.flatten(1))
    assert torch.equal(perturbation.project(z, x).flatten(1), flat)
    turned_z, turned_x = z.transpose(2, 3), x.transpose(2, 3)
    turned = perturbation.project(turned_z, turned_x)
    assert torch.allclose(turned.transpose(2, 3).flatten(1), flat, rtol=0, atol=1e-14)
    best = perturbation.argmax_linear(z, x)
    assert torch.equal(best.flatten(1), perturbation.argmax_linear(z.flatten(1), x.flatten(1)))


@each_set
def test_radius_zero_is_x_bit_by_bit(perturbation: Perturbation, dtype: torch.dtype) -> None:
    x = points(perturbation, (5, 3), dtype)
    x[0] = torch.tensor([-0.0, 1.0, 0.0])
    still = perturbation.with_radius(0)
    bits = torch.int32 if dtype == torch.float32 else torch.int64
    for answer in (
        still.project(noise(x), x),
        still.argmax_linear(noise(x), x),
        still.random(x, rng()),
        still.grid(x, 9)[:, 0],
    ):
        assert torch.equal(answer.view(bits), x.view(bits))
        assert answer.data_ptr() != x.data_ptr()
    assert still.grid(x, 9).shape == (5, 1, 3)
    assert still.contains(x, x, tol=0).all()


@each_set
def test_points_of_the_set_stay_and_projecting_twice_changes_nothing(
    perturbation: Perturbation, dtype: torch.dtype
) -> None:
    x = points(perturbation, (50, 6), dtype)
    inside = perturbation.with_radius(0.9 * min(perturbation.radius, 2)).random(x, rng())
    assert torch.equal(perturbation.project(inside, x), inside)
    assert torch.equal(perturbation.project(x, x), x)
    once = perturbation.project(noise(x, 3.0), x)
    assert torch.allclose(
        perturbation.project(once, x), once, rtol=0, atol=4 * torch.finfo(dtype).eps
    )


@each_set
def test_no_gradient_means_no_move(perturbation: Perturbation) -> None:
    x = points(perturbation, (4, 3), torch.float64)
    g = noise(x)
    g[1] = 0
    best = perturbation.argmax_linear(g, x)
    assert torch.equal(best[1], x[1])
    assert (best != x).any(1).tolist() == [True, False, True, True]


@each_set
def test_answers_carry_no_gradient_and_change_no_input(perturbation: Perturbation) -> None:
    x = points(perturbation, (3, 4), torch.float64).requires_grad_()
    z = noise(x).requires_grad_()
    before = x.detach().clone(), z.detach().clone()
    assert not perturbation.project(z, x).requires_grad
    assert not perturbation.argmax_linear(z, x).requires_grad
    assert not perturbation.random(x, rng()).requires_grad
    assert torch.equal(x, before[0])
    assert torch.equal(z, before[1])


@each_set
def test_contains_tells_a_little_outside_from_inside(perturbation: Perturbation) -> None:
    x = points(perturbation, (8, 5), torch.float64)
    small = perturbation.with_radius(0.05)
    edge = small.argmax_linear(noise(x), x)
    assert small.contains(edge, x).all()
    moved = x + (edge - x) * (1 + 1e-9)
    assert not small.contains(moved, x).any()
    assert small.contains(moved, x, tol=1e-9).all() or getattr(perturbation, "box", None)
    off = x.clone()
    off[3] *= 1 + 1e-6
    if isinstance(perturbation, SphereCap):
        assert small.contains(off, x).tolist() == [True] * 3 + [False] + [True] * 4


def test_a_box_is_held_exactly_even_where_its_bounds_are_no_floats(dtype: torch.dtype) -> None:
    lo, hi = 0.1, 0.7  # neither is a float32, and 0.7 rounds down
    x = torch.tensor([[lo, hi, 0.3]], dtype=dtype)
    for ball in (L1Ball, L2Ball, LinfBall):
        perturbation = ball(9.0, box=(lo, hi))
        z = torch.tensor([[-5.0, 5.0, 5.0]], dtype=dtype)
        expected = torch.tensor([[lo, hi, hi]], dtype=dtype)
        assert torch.equal(perturbation.project(z, x), expected)
        assert torch.equal(perturbation.argmax_linear(z, x), expected)
        assert perturbation.contains(expected, x, tol=0).all()
        beyond = torch.nextafter(expected, torch.full_like(expected, 9))
        assert not perturbation.contains(beyond, x, tol=1).any()


@pytest.mark.parametrize("ball", [L1Ball, L2Ball, LinfBall])
def test_faces_of_the_box_are_met_bit_by_bit(ball: type[LinfBall], dtype: torch.dtype) -> None:
    """x - (x - lo) is often one unit off lo; a point that the box stops is on the face."""
    lo, hi = torch.tensor([0.15, 0.7], dtype=dtype)
    x = torch.rand(100, 7, generator=rng(), dtype=torch.float64).to(dtype).clamp(lo, hi)
    far, wide = noise(x, 100.0), ball(50.0, box=(0.15, 0.7))
    corner = torch.where(far > 0, hi, lo)
    assert torch.equal(wide.argmax_linear(far, x), corner)
    assert torch.equal(wide.project(x + 9 * far.sign(), x), corner)


def test_extreme_numbers_do_not_overflow() -> None:
    x = torch.tensor([[0.6, 0.8, 0.0]], dtype=torch.float64)
    for big in (1e-300, 1e150, 1e300):
        z = torch.tensor([[0.0, 0.0, big]], dtype=torch.float64)
        cap = SphereCap(1.0).project(z, x)
        expected = torch.tensor([[0.3, 0.4, math.sqrt(0.75)]], dtype=torch.float64)
        assert torch.allclose(cap, expected, rtol=0, atol=1e-15)
        for ball in (L1Ball(0.5), L2Ball(0.5), L1Ball(0.5, box=BOX), L2Ball(0.5, box=BOX)):
            moved = ball.argmax_linear(z, x)
            expected = torch.tensor([[0.6, 0.8, 0.5]], dtype=torch.float64)
            assert torch.allclose(moved, expected, rtol=0, atol=1e-15)
            if big > 1:
                assert torch.allclose(ball.project(z, x), expected, rtol=0, atol=1e-15)
    top = torch.tensor([[1.7e308]], dtype=torch.float64)
    with pytest.raises(ValueError, match="z - x must be finite"):
        L2Ball(1.0).project(top, -top)


def test_tiny_coordinates_beside_large_ones_keep_the_ball() -> None:
    """Squares that underflow must not make a coordinate weightless."""
    g = torch.tensor([[1.0, 1e-200]], dtype=torch.float64)
    x = torch.tensor([[0.5, 0.5]], dtype=torch.float64)
    ball = L2Ball(0.6, box=(0.0, 1.0))
    assert ball.contains(ball.argmax_linear(g, x), x).all()


def test_the_l1_ball_counts_many_small_float32_coordinates() -> None:
    """A 1-norm in float32 is a thousandth too small here: findings/one-norm-stops-growing.sh."""
    x = torch.zeros(1, 100_000)
    z = torch.full_like(x, 0.07)
    norm = float(z.double().sum())
    assert not L1Ball(norm * (1 - 4e-4)).contains(z, x).any()
    assert L1Ball(norm * (1 + 1e-6)).contains(z, x).all()
    near = L1Ball(norm / 2).project(z, x)
    assert float(near.double().sum()) == pytest.approx(norm / 2, rel=1e-6)


def test_projections_worked_by_hand() -> None:
    x = torch.zeros(1, 2, dtype=torch.float64)
    z = torch.tensor([[1.0, 0.2]], dtype=torch.float64)
    # the l1 projection subtracts (0.2 / 2) from both; rescaling would give (0.83, 0.17)
    assert torch.allclose(L1Ball(1.0).project(z, x), torch.tensor([[0.9, 0.1]]).double())
    boxed = L1Ball(1.0, box=(0.0, 0.85)).project(z, x)
    assert torch.allclose(boxed, torch.tensor([[0.85, 0.15]]).double())
    z = torch.tensor([[3.0, 4.0]], dtype=torch.float64)
    assert torch.allclose(L2Ball(1.0).project(z, x), torch.tensor([[0.6, 0.8]]).double())
    boxed = L2Ball(1.0, box=(0.0, 0.6)).project(z, x)
    assert torch.allclose(boxed, torch.tensor([[0.6, 0.6]]).double())
    boxed = L2Ball(1.0, box=(0.0, 0.7)).project(torch.tensor([[0.9, 9.0]]).double(), x)
    assert torch.allclose(boxed, torch.tensor([[math.sqrt(0.51), 0.7]]).double().clamp(max=0.7))


@pytest.mark.parametrize("d", [2, 3, 20])
def test_ties_on_the_sphere_go_to_one_nearest_point(d: int, dtype: torch.dtype) -> None:
    x = points(SphereCap(1), (20, d), dtype)
    for rho in (1e-3, 0.5, 1.9):
        cap = SphereCap(rho)
        assert torch.equal(cap.project(torch.zeros_like(x), x), x)
        far = cap.project(-3 * x, x)
        chord = (far.double() - x.double()).norm(dim=1)
        assert torch.allclose(chord, torch.full_like(chord, rho), atol=2e-7, rtol=0)
        assert torch.equal(far, cap.project(-3 * x, x))
    assert torch.allclose(SphereCap(2.0).project(-3 * x, x), -x, atol=1e-6, rtol=0)


def test_the_sphere_of_dimension_one_is_two_points(dtype: torch.dtype) -> None:
    x = torch.tensor([[1.0], [-1.0]], dtype=dtype)
    z = torch.tensor([[-0.5], [7.0]], dtype=dtype)
    assert torch.equal(SphereCap(1.999).project(z, x), x)
    assert torch.equal(SphereCap(2.0).project(z, x), -x)
    assert torch.equal(SphereCap(2.0).project(0 * z, x), x)
    assert SphereCap(1.999).contains(-x, x).tolist() == [False, False]
    both = SphereCap(2.0).random(x.repeat(500, 1), rng())
    assert 400 < int((both == x.repeat(500, 1)).sum()) < 600


@pytest.mark.parametrize("rho", [1e-6, 1e-4, 0.3, 1.999999])
def test_the_rim_is_met_to_the_last_digits(rho: float, dtype: torch.dtype) -> None:
    x = points(SphereCap(rho), (200, 64), dtype)
    rim = SphereCap(rho).argmax_linear(noise(x, 1e-4) - x, x)
    eps = torch.finfo(dtype).eps
    assert ((rim.double().norm(dim=1) - 1).abs() <= 2 * eps).all()
    centre = x.double() / x.double().norm(dim=1, keepdim=True)
    assert (((rim.double() - centre).norm(dim=1) - rho).abs() <= 2 * eps).all()


NEEDED = {
    "radius": property(lambda self: 1.0),
    "with_radius": lambda self, radius: self,
    "_project": lambda self, z, x: x,
    "_argmax_linear": lambda self, g, x: x,
}


@pytest.mark.parametrize("missing", NEEDED)
def test_a_set_without_one_of_its_methods_is_refused_when_it_is_made(missing: str) -> None:
    assert torch.equal(type("Whole", (Perturbation,), NEEDED)().project(2 * X, X), X)
    part = {name: method for name, method in NEEDED.items() if name != missing}
    with pytest.raises(TypeError, match=f"abstract.*{missing}"):
        type("Part", (Perturbation,), part)()


# --- names, copies, comparisons ----------------------------------------------------------------


@each_set
def test_repr_can_be_pasted(perturbation: Perturbation) -> None:
    names = {name: getattr(robustlib, name) for name in robustlib.__all__}
    assert eval(repr(perturbation), names) == perturbation
    assert perturbation.with_radius(perturbation.radius) == perturbation
    larger = perturbation.with_radius(2)
    assert (larger.radius, type(larger)) == (2.0, type(perturbation))
    assert larger != perturbation
    with pytest.raises(FrozenInstanceError):
        perturbation.eps = 1.0  # type: ignore[attr-defined]


def test_repr_is_the_documented_one() -> None:
    assert repr(SphereCap(0.3)) == "SphereCap(0.3)"
    assert repr(LinfBall(0.1, box=(0, 1))) == "LinfBall(0.1, box=(0.0, 1.0))"
    assert repr(Finite(torch.zeros(2, 3, 4))) == "Finite(<float32 tensor (2, 3, 4)>)"


def test_finite_compares_tensors_and_draws_every_candidate() -> None:
    candidates = torch.randn(300, 3, 2, 2, generator=rng(), dtype=torch.float64)
    x = candidates[:, 1].clone()
    finite = Finite(candidates)
    assert finite == Finite(candidates.clone())
    assert hash(finite) == hash(Finite(candidates.clone()))
    assert finite != Finite(candidates + 1)
    assert finite != Finite(candidates.float())
    assert finite != SphereCap(1)
    assert torch.equal(finite.grid(x, 1), candidates)
    assert finite.contains(candidates[:, 2], x).all()
    assert not finite.contains(candidates[:, 2] + 0.01, x).any()
    assert finite.contains(candidates[:, 2] + 0.01, x, tol=0.021).all()
    drawn = (finite.random(x, rng())[:, None] == candidates).flatten(2).all(2).double().mean(0)
    assert torch.allclose(drawn, torch.full((3,), 1 / 3).double(), atol=0.1, rtol=0)
    pairs = [torch.pdist(row.flatten(1)).max() for row in candidates]
    assert finite.radius == pytest.approx(float(torch.stack(pairs).max()), rel=1e-14)
    with pytest.raises(TypeError, match="no radius to set"):
        finite.with_radius(1)
    empty = Finite(torch.zeros(0, 2, 3))
    assert empty.radius == 0
    assert empty.project(torch.zeros(0, 3), torch.zeros(0, 3)).shape == (0, 3)


# --- grids -------------------------------------------------------------------------------------


@pytest.mark.parametrize("d", [1, 2, 3])
@each_set
def test_grids_cover_the_set(perturbation: Perturbation, d: int, dtype: torch.dtype) -> None:
    x = points(perturbation, (3, d), dtype)
    grid = perturbation.grid(x, 2000)
    n, k, _ = grid.shape
    assert (n, grid.shape[2], grid.dtype) == (3, d, dtype)
    if d > 1:
        assert 1600 <= k <= 2600
    assert torch.equal(grid[:, 0], x)
    repeated = x[:, None].expand_as(grid)
    assert perturbation.contains(grid.flatten(0, 1), repeated.flatten(0, 1)).all()
    # every point of the set has a grid point close by: distances of a lattice of 2000 points
    reach = min(perturbation.radius, 2.0) * {1: 2e-3, 2: 0.05, 3: 0.2}[d]
    for seed in range(20):
        there = perturbation.random(x, rng(seed))
        away = (grid - there[:, None]).norm(dim=2).amin(1)
        assert (away <= reach).all()
    assert torch.equal(perturbation.grid(x, 1), x[:, None])
    assert perturbation.grid(x[:0], 50).shape[::2] == (0, d)


@pytest.mark.parametrize("rho", [0.3, 1.9, 4.0])
def test_arcs_have_both_ends_and_equal_steps(rho: float) -> None:
    x = points(SphereCap(rho), (4, 2), torch.float64)
    arc = SphereCap(rho).grid(x, 100)[:, 1:]
    theta = 2 * math.asin(min(rho, 2) / 2)
    start = torch.atan2(x[:, 1], x[:, 0])
    for turn, end in ((-theta, arc[:, 0]), (theta, arc[:, -1])):
        angle = start + turn
        assert torch.allclose(end, torch.stack([angle.cos(), angle.sin()], 1), rtol=0, atol=1e-14)
    steps = (arc[:, 1:] - arc[:, :-1]).norm(dim=2)
    assert torch.allclose(steps, torch.full_like(steps, 2 * math.sin(theta / 99)), atol=1e-14)


@pytest.mark.parametrize("perturbation", KINDS[1:], ids=repr)
@pytest.mark.parametrize("d", [1, 2, 3])
def test_the_smallest_grid_has_the_corners_of_the_lattice(
    perturbation: Perturbation, d: int
) -> None:
    x = points(perturbation, (2, d), torch.float64)
    grid = perturbation.grid(x, 2)
    assert grid.shape == (2, 1 + 2**d, d)
    corners = torch.cartesian_prod(*[torch.tensor([-9.0, 9.0]).double()] * d).reshape(-1, d)
    for k, corner in enumerate(corners, start=1):
        torch.testing.assert_close(grid[:, k], perturbation.project(x + corner, x))


def test_no_two_points_of_a_spiral_on_a_cap_crowd() -> None:
    """That takes the golden angle: turns by another one line up sooner or later."""
    x = points(SphereCap(0.1), (1, 3), torch.float64)
    spiral = SphereCap(0.1).grid(x, 1000)[0, 1:1001]
    assert float(torch.pdist(spiral).min()) >= 1.5 * 0.1 / math.sqrt(1000)


# --- bad input ---------------------------------------------------------------------------------

X = torch.tensor([[0.6, 0.8], [0.0, 1.0]], dtype=torch.float64)
NAN = torch.tensor([[math.nan, 0.0], [0.0, 1.0]], dtype=torch.float64)
HELD = Finite(torch.stack([X, -X], 1))

BAD: list[tuple[str, Callable[[], object], type[Exception], str]] = [
    ("negative rho", lambda: SphereCap(-0.1), ValueError, "rho must be at least 0, got -0.1"),
    ("NaN rho", lambda: SphereCap(math.nan), ValueError, "rho must be finite, got nan"),
    ("infinite eps", lambda: L2Ball(math.inf), ValueError, "eps must be finite, got inf"),
    ("far eps", lambda: L2Ball(1e160), ValueError, r"eps must be at most 1e\+150, got 1e\+160"),
    (
        "far radius",
        lambda: L1Ball(1).with_radius(1e160),
        ValueError,
        r"at most 1e\+150, got 1e\+160",
    ),
    ("text eps", lambda: L1Ball("1"), TypeError, "eps must be a real number, got '1'"),  # type: ignore[arg-type]
    ("bool eps", lambda: LinfBall(True), TypeError, "eps must be a real number, got True"),
    ("new radius", lambda: L2Ball(1).with_radius(-2), ValueError, "radius must be at least 0"),
    ("box order", lambda: L2Ball(1, box=(1, 0)), ValueError, r"lo < hi, got \(1, 0\)"),
    ("box empty", lambda: L2Ball(1, box=(1, 1)), ValueError, "lo < hi"),
    ("box length", lambda: L2Ball(1, box=(1, 2, 3)), TypeError, "box must be a pair"),  # type: ignore[arg-type]
    ("box number", lambda: L2Ball(1, box=1.0), TypeError, "box must be a pair"),  # type: ignore[arg-type]
    ("box NaN", lambda: L2Ball(1, box=(0, math.nan)), ValueError, r"box\[1\] must be finite"),
    ("z NaN", lambda: L2Ball(1).project(NAN, X), ValueError, "z must be finite, got 1 NaN"),
    ("x NaN", lambda: L2Ball(1).project(X, NAN), ValueError, "x must be finite"),
    ("g NaN", lambda: L2Ball(1).argmax_linear(NAN, X), ValueError, "g must be finite"),
    ("contains NaN", lambda: L2Ball(1).contains(NAN, X), ValueError, "z must be finite"),
    ("shapes", lambda: L2Ball(1).project(X[:1], X), ValueError, r"z must have shape \(2, 2\)"),
    ("dtypes", lambda: L2Ball(1).project(X.float(), X), TypeError, "z is torch.float32 but x is"),
    ("integers", lambda: L2Ball(1).project(X.long(), X.long()), TypeError, "x must be float32"),
    ("half", lambda: L2Ball(1).project(X.half(), X.half()), TypeError, "float32 or float64"),
    ("arrays", lambda: L2Ball(1).project(X, X.numpy()), TypeError, "x must be a torch.Tensor"),  # type: ignore[arg-type]
    ("one axis", lambda: L2Ball(1).project(X[0], X[0]), ValueError, "x needs at least 2 axes"),
    ("no axis", lambda: L2Ball(1).project(X[:, :0], X[:, :0]), ValueError, "at least one coord"),
    ("off the sphere", lambda: SphereCap(1).project(X, 1.01 * X), ValueError, "got norm 1.01 in"),
    ("zero row", lambda: SphereCap(1).grid(0 * X, 5), ValueError, "got norm 0 in row 0"),
    (
        "outside the box",
        lambda: L2Ball(1, box=(0, 0.9)).project(X, X),
        ValueError,
        r"box \(0.0, 0.9\), got 1 in row 1, coordinate 1",
    ),
    ("tol", lambda: L2Ball(1).contains(X, X, tol=-1), ValueError, "tol must be at least 0"),
    ("no generator", lambda: L2Ball(1).random(X, None), TypeError, "generator must be a torch"),  # type: ignore[arg-type]
    ("size", lambda: L2Ball(1).grid(X, 0), ValueError, "size must be at least 1, got 0"),
    ("size kind", lambda: L2Ball(1).grid(X, 2.5), TypeError, "size must be an integer"),  # type: ignore[arg-type]
    ("grid in 4-d", lambda: L2Ball(1).grid(torch.zeros(1, 4), 9), ValueError, "at most 3 coord"),
    ("candidates", lambda: Finite(X), ValueError, "candidates needs at least 3 axes"),
    ("no candidates", lambda: Finite(torch.zeros(2, 0, 3)), ValueError, "at least one per example"),
    ("candidate NaN", lambda: Finite(NAN[None]), ValueError, "candidates must be finite"),
    ("other rows", lambda: HELD.project(X[:1], X[:1]), ValueError, r"x must have shape \(2, 2\)"),
    ("not a candidate", lambda: HELD.project(X, X.flip(1)), ValueError, "own candidates, got row"),
    ("finite dtype", lambda: HELD.project(X.float(), X.float()), TypeError, "x is torch.float32"),
]


@pytest.mark.parametrize(
    ("call", "kind", "message"), [row[1:] for row in BAD], ids=[row[0] for row in BAD]
)
def test_bad_input(call: Callable[[], object], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


# --- compatibility -----------------------------------------------------------------------------


@dataclass
class Points:
    x: Tensor
    y: Tensor


def hexagon() -> Points:
    angle = torch.arange(6, dtype=torch.float64) * math.pi / 3
    return Points(
        torch.stack([angle.cos(), angle.sin()], 1), torch.tensor([1.0, -1.0] * 3).double()
    )


def test_caps_on_the_hexagon_meet_at_thirty_degrees() -> None:
    sample = hexagon()
    for degrees in (0, 5, 20, 29.9):
        cap = SphereCap(2 * math.sin(math.radians(degrees) / 2))
        found = compatible(sample, cap)
        assert found.gap == pytest.approx(
            2 * math.sin(math.radians(60 - 2 * degrees) / 2), abs=1e-14
        )
        assert found.ok
        assert bool(found)
        assert found.pair is None
    for rho in (2 * math.sin(math.radians(15)), 1.0, 3.0):  # 30 degrees: they touch
        found = compatible(sample, SphereCap(rho))
        assert not found
        assert found.gap == 0
        assert found.pair is not None
        i, j = found.pair
        assert sample.y[i] != sample.y[j]


def nearest_by_linear_programming(p: float, a: Tensor, b: Tensor, eps: float) -> float:
    """The p-norm distance, p 1 or inf, of two p-balls cut by the unit box."""
    d = len(a)
    # variables: u in B(a), v in B(b), and bounds r, s, t (d each) on |u-a|, |v-b|, |u-v|, and T
    eye, zero = np.eye(d), np.zeros((d, d))
    rows, right = [], []
    for first, second, bound, value in (
        (eye, zero, 2, a.numpy()),
        (zero, eye, 3, b.numpy()),
        (eye, -eye, 4, np.zeros(d)),
    ):
        for sign in (1, -1):
            blocks = [sign * first, sign * second, zero, zero, zero]
            blocks[bound] = -eye
            rows.append(np.hstack([*blocks, np.zeros((d, 1))]))
            right.append(sign * value)
    total = np.ones((1, d)) if p == 1 else eye
    none = 0 * total
    for place, limit in ((2, eps), (3, eps), (4, 0.0)):
        blocks = [none] * 5
        blocks[place] = total
        last = -np.ones((len(total), 1)) if place == 4 else np.zeros((len(total), 1))
        rows.append(np.hstack([*blocks, last]))
        right.append(np.full(len(total), limit))
    cost = np.zeros(5 * d + 1)
    cost[-1] = 1
    bounds = [(0, 1)] * (2 * d) + [(0, None)] * (3 * d + 1)
    found = scipy.optimize.linprog(cost, np.vstack(rows), np.concatenate(right), bounds=bounds)
    return float(found.fun)


@pytest.mark.parametrize("ball", [L1Ball, LinfBall])
@pytest.mark.parametrize("eps", [0.05, 0.2, 0.6])
def test_gaps_of_boxed_balls_by_linear_programming(
    ball: type[L1Ball] | type[LinfBall], eps: float
) -> None:
    x = torch.rand(6, 3, generator=rng(4), dtype=torch.float64).mul(1.5).clamp(max=1)
    y = torch.tensor([1.0, -1, 1, -1, -1, 1]).double()
    gaps = [
        nearest_by_linear_programming(ball.p, x[i], x[j], eps)
        for i in range(6)
        for j in range(6)
        if y[i] < y[j]
    ]
    found = compatible(Points(x, y), ball(eps, box=BOX))
    assert found.gap == pytest.approx(min(gaps), abs=1e-9)
    assert found.ok == (min(gaps) > 1e-9)
    assert compatible(Points(x, y), ball(eps)).gap == pytest.approx(min(gaps), abs=1e-9)


@pytest.mark.parametrize(
    "perturbation", [SphereCap(0.2), L2Ball(0.1), L2Ball(0.1, box=(-1, 1))], ids=repr
)
def test_gaps_by_alternating_projections(perturbation: Perturbation) -> None:
    """From set to set and back reaches the nearest pair of two convex sets, and of two caps."""
    x = points(SphereCap(1), (40, 3), torch.float64, seed=3)
    x = x[x[:, 0].abs() > 0.35][:12]
    y = x[:, 0].sign()
    rows, cols = (y < 0).nonzero().flatten(), (y > 0).nonzero().flatten()
    a, b = x[rows].repeat_interleave(len(cols), 0), x[cols].repeat(len(rows), 1)
    there = b
    for _ in range(2000):
        here = perturbation.project(there, a)
        there = perturbation.project(here, b)
    gap = float((here - there).norm(dim=1).min())
    assert compatible(Points(x, y), perturbation).gap == pytest.approx(gap, abs=1e-9)
    assert gap > 0.01


def test_gaps_of_finite_sets_by_enumeration(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(9, 4, generator=rng(), dtype=torch.float64)
    y = torch.tensor([1.0, -1, -1] * 3).double()
    candidates = torch.cat([x[:, None], x[:, None] + torch.randn(9, 5, 4, generator=rng(7))], 1)
    gaps = {
        (i, j): min(float((u - v).norm()) for u in candidates[i] for v in candidates[j])
        for i in range(9)
        for j in range(9)
        if y[i] < y[j]
    }
    finite = Finite(candidates)
    assert compatible(Points(x, y), finite).gap == pytest.approx(min(gaps.values()), rel=1e-14)
    monkeypatch.setattr("robustlib.sets.base._BLOCK", 40)  # many small blocks
    assert compatible(Points(x, y), finite).gap == pytest.approx(min(gaps.values()), rel=1e-14)
    candidates[4, 2] = candidates[6, 3]
    assert compatible(Points(x, y), Finite(candidates)) == Compatibility(False, (4, 6), 0.0)


def test_gaps_of_pairs_of_candidates() -> None:
    x = torch.tensor([[0.0, 0.0], [3.0, 0.0]], dtype=torch.float64)
    sample = Points(x, torch.tensor([1.0, -1.0], dtype=torch.float64))
    near = Finite(torch.stack([x, torch.tensor([[0.0, 1.0], [1.0, 1.0]]).double()], 1))
    assert compatible(sample, near) == Compatibility(True, None, 1.0)


def test_two_points_of_the_line_are_apart_until_caps_are_everything() -> None:
    sample = Points(torch.tensor([[1.0], [-1.0]]), torch.tensor([1.0, -1.0]))
    assert compatible(sample, SphereCap(1.99)) == Compatibility(True, None, 2.0)
    assert compatible(sample, SphereCap(2.0)) == Compatibility(False, (0, 1), 0.0)


def test_compatibility_at_the_edges() -> None:
    sample = hexagon()
    one = Points(sample.x, torch.ones_like(sample.y))
    assert compatible(one, SphereCap(2.0)) == Compatibility(True, None, math.inf)
    none = Points(sample.x[:0], sample.y[:0])
    assert compatible(none, L2Ball(1)).ok
    same = Points(sample.x[[0, 0]], sample.y[:2])
    assert compatible(same, SphereCap(0)) == Compatibility(False, (0, 1), 0.0)
    assert compatible(sample, SphereCap(0)).gap == pytest.approx(1, abs=1e-15)
    with pytest.raises(ValueError, match=r"y must have entries -1 and \+1, got 0.5"):
        compatible(Points(sample.x, 0.5 * sample.y), L2Ball(1))
    with pytest.raises(ValueError, match=r"y must have shape \(6,\)"):
        compatible(Points(sample.x, sample.y[:5]), L2Ball(1))


def test_compatibility_reads_as_a_sentence() -> None:
    sample = hexagon()
    assert repr(compatible(sample, SphereCap(0))) == (
        "Compatible: sets of opposite labels are at least 1 apart."
    )
    assert repr(compatible(Points(sample.x, sample.y.abs()), SphereCap(1))) == (
        "Compatible: all examples have the same label."
    )
    assert "have opposite labels and their sets meet." in repr(compatible(sample, SphereCap(1)))
