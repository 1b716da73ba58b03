"""Sets bound to their examples: feasible at every step, and the exact geometry where it counts."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tables import SETS as KINDS
from tables import boxed
from torch import Tensor

from robustlib.sets import Finite, L1Ball, L2Ball, LinfBall, Perturbation, SphereCap

N = 24
EVERY: list[Perturbation] = [
    *(SphereCap(rho) for rho in (1e-6, 1e-3, 0.3, 1.4, 1.999999, 2.0, 5.0)),
    *(
        ball(eps, box=box)
        for ball in (L1Ball, L2Ball, LinfBall)
        for eps in (1e-6, 0.03, 1.0, 40.0)
        for box in (None, (0.0, 1.0), (-0.3, 1.1))
    ),
]
SCALES = [1e-30, 1e-6, 1.0, 1e6, 1e25]


def problem(
    sets: Perturbation, d: int, scale: float, seed: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """Awkward examples x, points z near and far, directions g of size ``scale``."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-0.4, 1.4, size=(N, d))
    g = rng.normal(size=(N, d)) * scale
    z = x + rng.normal(size=(N, d)) * 10.0 ** rng.integers(-5, 3, size=(N, 1))
    g[0], g[1, ::2], g[2] = 0, 0, scale * rng.integers(-1, 2, size=d)
    g[3] *= 10.0 ** rng.integers(-3, 4, size=d)
    if isinstance(sets, SphereCap):
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        g[4], g[5] = x[4] * scale, -x[5] * scale
        z[6], z[7], z[8] = 0, -x[7], x[8]
    else:
        x = np.clip(x, 0, 1)
        z[8] = x[8]
    return tuple(torch.tensor(a).to(dtype) for a in (x, z, g))  # type: ignore[return-value]


@pytest.mark.parametrize("d", [1, 2, 16, 1500])
@pytest.mark.parametrize("sets", EVERY, ids=repr)
def test_every_step_stays_in_the_set(sets: Perturbation, d: int, dtype: torch.dtype) -> None:
    for seed, scale in enumerate(SCALES):
        x, z, g = problem(sets, d, scale, seed, dtype)
        steps = sets.at(x)
        if steps.is_point:
            continue
        z = steps.project(z)
        assert bool(sets.contains(z, x).all())
        lengths = sets.radius * torch.logspace(-4, 1, N, dtype=torch.float64)
        for length in (2 * sets.radius, sets.radius, sets.radius / 7, lengths):
            moved = steps.ascend(z, g.clone(), length)
            assert (moved.shape, moved.dtype) == (x.shape, x.dtype)
            assert bool(sets.contains(moved, x).all())
            assert torch.equal(moved[0], steps.project(z)[0])  # no direction, no move
            z = moved


@pytest.mark.parametrize("sets", EVERY, ids=repr)
def test_a_long_step_from_x_is_the_linear_maximiser(sets: Perturbation, dtype: torch.dtype) -> None:
    """Up to what a search that stops early leaves, and the 32 coordinates of a step in L1."""
    for d in (1, 2, 20):
        x, _, g = problem(sets, d, 1.0, d, dtype)
        steps = sets.at(x)
        best = ((sets.argmax_linear(g, x) - x) * g).sum(1)
        z, gain = x, torch.zeros_like(best)
        for factor in (1, 2, 2, 2):
            z = steps.ascend(z, g.clone(), factor * sets.radius)
            gain = torch.maximum(gain, ((z - x) * g).sum(1))
        rounding = 64 * torch.finfo(dtype).eps * (1 + g.abs().sum(1))
        rounding[5] = math.inf  # for caps: the way round from the opposite point, by any side
        assert bool((gain <= best + rounding).all())
        assert bool((gain >= (1 - 1e-3) * best - rounding).all())


@pytest.mark.parametrize("sets", EVERY, ids=repr)
def test_the_linear_maximiser_is_as_high_as_the_exact_one(
    sets: Perturbation, dtype: torch.dtype
) -> None:
    for d in (1, 2, 20):
        x, _, g = problem(sets, d, 1.0, d, dtype)
        exact, quick = sets.argmax_linear(g, x), sets.at(x).argmax_linear(g.clone())
        assert bool(sets.contains(quick, x).all())
        assert torch.equal(quick[0], x[0]) or bool(g[0].any())  # no direction, no move
        less = ((exact - quick) * g).sum(1).abs()
        rounding = 64 * torch.finfo(dtype).eps * (1 + g.abs().sum(1))
        rounding[5] = math.inf  # for caps: the way round from the opposite point, by any side
        assert bool((less <= rounding).all())


@pytest.mark.parametrize("sets", [s for s in EVERY if s.radius < 2], ids=repr)
def test_projections_are_near_the_exact_ones(sets: Perturbation, dtype: torch.dtype) -> None:
    for d in (2, 30):
        x, z, _ = problem(sets, d, 1.0, d, dtype)
        if isinstance(sets, L1Ball) and sets.box:
            lo, hi = sets.box
            z = z.clamp(lo, hi)  # the cut comes first here: exact for points of the box
        exact, quick = sets.project(z, x), sets.at(x).project(z)
        away = (quick - exact).norm(dim=1)
        tolerance = 1e-3 * sets.radius + 64 * torch.finfo(dtype).eps
        ties = [6, 7] if isinstance(sets, SphereCap) else []  # zero and the opposite point
        rows = [i for i in range(N) if i not in ties]
        assert bool((away[rows] <= tolerance).all())


@pytest.mark.parametrize("box", [None, (0.0, 1.0)])
def test_projections_of_few_coordinates_are_exact(
    box: tuple[float, float] | None, dtype: torch.dtype
) -> None:
    """L1, where z differs from x in few of many coordinates, by much or little or not at all."""
    generator = torch.Generator().manual_seed(0)
    sets, (n, d) = L1Ball(0.3, box=box), (N, 64)
    x = torch.rand(n, d, generator=generator, dtype=torch.float64).to(dtype)
    places = torch.rand(n, d, generator=generator).argsort(1)[:, :3]
    sizes = 10.0 ** torch.linspace(-6, 3, n)[:, None] * torch.randn(n, 3, generator=generator)
    z = x.scatter_add(1, places, sizes.to(dtype))
    z[0], z[1] = x[0], x[1] + 0.3 * torch.eye(d, dtype=dtype)[7]
    z[2] = x[2].scatter(0, places[2], 1e20)  # the radius is far below the rounding of z
    z = z if box is None else z.clamp(*box)
    exact, steps = sets.project(z, x), sets.at(x)
    quick, other = steps.project(z), steps.project(z.t().contiguous().t())  # in another layout
    assert float((quick - exact).abs().max()) <= 4 * torch.finfo(dtype).eps * 1.3
    assert float((other - exact)[3:].abs().max()) <= 1e-3 * sets.radius
    assert bool(sets.contains(quick, x).all())
    assert bool(sets.contains(other, x).all())


@pytest.mark.parametrize("sets", [s for s in EVERY if 0 < s.radius <= 1], ids=repr)
def test_some_sets_step_as_they_do_among_all(sets: Perturbation, dtype: torch.dtype) -> None:
    x, z, g = problem(sets, 80, 1.0, 7, dtype)
    steps, some = sets.at(x), torch.tensor([0, 3, 9, 17])
    z = steps.project(z)
    few = steps.rows(some)
    for length in (2 * sets.radius, 0.1 * sets.radius):
        whole = steps.ascend(z, g.clone(), length)[some]
        alone = few.ascend(z[some], g[some].clone(), length)
        tolerance = 1e-3 * sets.radius + 64 * torch.finfo(dtype).eps
        assert float((alone - whole).norm(dim=1).max()) <= tolerance


def test_a_point_of_the_set_stays(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    for sets in EVERY:
        x, _, _ = problem(sets, 12, 1.0, 3, dtype)
        inside = sets.with_radius(0.5 * sets.radius).random(x, generator) if sets.radius < 2 else x
        moved = sets.at(x).project(inside)
        torch.testing.assert_close(
            moved, inside, rtol=0, atol=8 * torch.finfo(dtype).eps * float(1 + x.abs().max())
        )


@pytest.mark.parametrize("rho", [1e-3, 0.3, 1.9, 2.0, 2.5, 5.0])
def test_a_point_of_a_cap_stays_bit_by_bit(rho: float, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    sets = SphereCap(rho)
    x, _, _ = problem(sets, 12, 1.0, 3, dtype)
    inside = SphereCap(0.9 * min(rho, 2.0)).random(x, generator)
    assert torch.equal(sets.at(x).project(inside), inside)
    assert bool(sets.at(x).contains(inside).all())
    assert torch.equal(sets.at(x).contains(inside), sets.contains(inside, x))
    off = inside * (1 + 1e-3)
    assert not bool(sets.at(x).contains(off).any())


def test_other_sets_take_the_public_way(dtype: torch.dtype) -> None:
    x, z, g = problem(L2Ball(1.0), 5, 1.0, 0, dtype)
    finite = Finite(torch.stack([x, z, z + g], 1))
    steps = finite.at(x)
    assert torch.equal(steps.ascend(x, g, 0.1), finite.argmax_linear(g, x))
    assert torch.equal(steps.project(g), finite.project(g, x))
    one = SphereCap(2.0)
    x, z, g = problem(one, 1, 1.0, 0, dtype)
    lengths = torch.full((N,), 0.1)
    lengths[::2] = 2.0
    moved = one.at(x).ascend(x, g.clone(), lengths)
    assert torch.equal(moved[1::2], x[1::2])
    assert torch.equal(moved[2::2], one.argmax_linear(g, x)[2::2])


def test_a_steps_checks_its_examples() -> None:
    with pytest.raises(ValueError, match="norm"):
        SphereCap(0.3).at(torch.ones(2, 3))
    with pytest.raises(ValueError, match="box"):
        L2Ball(0.3, box=(0, 1)).at(2 * torch.ones(2, 3))
    with pytest.raises(TypeError, match="float32"):
        LinfBall(0.3).at(torch.ones(2, 3).long())


@pytest.mark.parametrize("d", [1, 2, 5, 40])
@pytest.mark.parametrize("rho", [1e-3, 0.5, 1.9, 2.0])
def test_maximisers_at_the_axes_are_on_the_rim(rho: float, d: int, dtype: torch.dtype) -> None:
    """x = e_i and g = -x: no direction is preferred, and all points of the rim are as good."""
    x = torch.eye(d, dtype=dtype)
    x = torch.cat([x, -x])
    cap, ulp = SphereCap(rho), torch.finfo(dtype).eps
    chord = 0.0 if d == 1 and rho < 2 else rho
    best = cap.argmax_linear(-x, x)
    assert float((best.norm(dim=1) - 1).abs().max()) <= 4 * ulp
    assert float(((best - x).norm(dim=1) - chord).abs().max()) <= 8 * ulp
    value, _ = cap.hull(x).support_function(-x.double())
    torch.testing.assert_close(value, torch.full_like(value, chord**2 / 2), rtol=1e-12, atol=1e-15)
    for quick in (cap.at(x).argmax_linear((-x).clone()), cap.at(x).project(-x)):
        assert float((quick.norm(dim=1) - 1).abs().max()) <= 4 * ulp
        assert bool(cap.contains(quick, x).all())


@pytest.mark.parametrize("sets", [*KINDS, *boxed(0.0, 1.0)], ids=repr)
def test_quick_membership_is_that_of_each_row_alone(sets: Perturbation, dtype: torch.dtype) -> None:
    """Points a few roundings about the edge; what other rows do changes no answer.

    A row is asked alone and among rows that are far outside. What the set itself accepts may be
    more than what is quickly seen to be inside, never less.
    """
    generator = torch.Generator().manual_seed(1)
    x, z, g = problem(sets, 6, 1.0, 1, dtype)
    edge = sets.argmax_linear(g, x)
    shift = torch.randint(-12, 13, (N, 1), generator=generator) * torch.finfo(dtype).eps
    near = x + (edge - x) * (1 + shift.to(dtype) / sets.radius)
    own = sets.contains(near, x)
    assert bool(own.any())
    alone = torch.cat([sets.at(x[i : i + 1]).contains(near[i : i + 1]) for i in range(N)])
    assert torch.equal(alone, own)
    for i in range(N):
        among = z.clone() + 9
        among[i] = near[i]
        assert bool(sets.at(x).contains(among)[i]) == bool(own[i])
