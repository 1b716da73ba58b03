"""Sets as proofs see them: support functions, projections, pieces and sizes of their hulls.

The support function is compared with the public linear maximiser; then a point is in a hull when
it is on the right side of every plane that the support function gives.
"""

from __future__ import annotations

import math

import pytest
import scipy.optimize
import torch
from tables import SETS as KINDS
from tables import boxed
from torch import Tensor

from robustlib import L1Ball, L2Ball, LinfBall, Perturbation, SphereCap, sphere
from robustlib.sets.hull import UNIT, Hull, gamma
from robustlib.sets.sphere_hull import CapHull

BOX = (0.0, 1.0)
BALLS: list[Perturbation] = [*KINDS[1:], *boxed(*BOX)]
CAPS: list[Perturbation] = [SphereCap(rho) for rho in (1e-4, 0.3, 1.3, 1.7, 5.0)]
# The box takes nearly all of these.
VAST: list[Perturbation] = [L1Ball(1e6, box=BOX), L2Ball(1e6, box=BOX)]
N = 6


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=rng(seed), dtype=torch.float64)


def centres(sets: Perturbation, d: int) -> Tensor:
    """Examples that suit the set; in a box some of them are on its faces."""
    x = normal(N, d, seed=d)
    return x / x.norm(dim=1, keepdim=True) if sets.on_sphere else x.clamp(*BOX)


def directions(n: int, d: int, seed: int = 1) -> Tensor:
    """Directions (n, 20 + 2 d, d): random ones, with zeros and ties, and the axes."""
    g = normal(n, 20, d, seed=seed)
    g[:, 0], g[:, 1, ::2], g[:, 2] = 0, 0, g[:, 2].sign()
    axes = torch.eye(d, dtype=torch.float64).expand(n, d, d)
    return torch.cat([g, axes, -axes], 1)


def beyond(hull: Hull, v: Tensor) -> float:
    """How far offsets ``v`` (n, k, d) are beyond the planes of the hull: at most 0 inside."""
    g = directions(len(hull), v.shape[2], seed=9)
    value, _ = hull.support_function(g)
    size = g.norm(dim=2).clamp(min=1e-300)
    return float(((v @ g.mT - value[:, None]) / size[:, None]).max())


def every(*tables: list[Perturbation]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("sets", [s for table in tables for s in table], ids=repr)


@every(BALLS, CAPS, VAST)
@pytest.mark.parametrize("d", [1, 2, 5])
def test_the_support_function_is_what_the_maximiser_reaches(sets: Perturbation, d: int) -> None:
    x, g = centres(sets, d), directions(N, d)
    hull = sets.hull(x)
    value, v = hull.support_function(g)
    tolerance = 1e-8 if sets in VAST else 1e-13
    for k in range(g.shape[1]):
        best = sets.argmax_linear(g[:, k], x)
        gain = (g[:, k] * (best - hull.centre)).sum(1)
        assert float((value[:, k] - gain).abs().max()) <= tolerance
        alone, at = hull.support_function(g[:, k])
        torch.testing.assert_close(alone, value[:, k], rtol=1e-14, atol=1e-14)
        torch.testing.assert_close(at, v[:, k], rtol=1e-14, atol=1e-14)
    assert float((value - (g * v).sum(2)).abs().max()) <= tolerance
    assert beyond(hull, v) <= tolerance
    still, nowhere = sets.with_radius(0).hull(x).support_function(g)
    assert float(still.abs().max()) == float(nowhere.abs().max()) == 0


@every(BALLS, CAPS)
@pytest.mark.parametrize("d", [1, 2, 5])
def test_projections_are_in_the_hull_and_all_of_it_is_behind_them(
    sets: Perturbation, d: int
) -> None:
    hull = sets.hull(centres(sets, d))
    for scale in (0.1 * hull.radius[0], hull.radius[0], 3.0):
        v = scale * normal(N, d, seed=4)
        p = hull.project(v)
        assert beyond(hull, p[:, None]) <= 1e-12
        value, _ = hull.support_function(v - p)
        assert float((value - ((v - p) * p).sum(1)).abs().max()) <= 1e-12 * float(1 + scale)
    still = sets.with_radius(0).hull(centres(sets, d))
    assert float(still.project(v).abs().max()) <= 1e-15


@every(BALLS, CAPS)
@pytest.mark.parametrize("d", [2, 5])
def test_sizes_hold_for_all_that_is_accepted_and_are_met(
    sets: Perturbation, d: int, dtype: torch.dtype
) -> None:
    x = centres(sets, d).to(dtype)
    hull = sets.hull(x)
    g = directions(N, d).to(dtype)
    far = torch.stack([sets.argmax_linear(g[:, k], x) for k in range(g.shape[1])], 1)
    assert bool((far.abs() <= hull.reach[:, None]).all())
    offsets = hull.support_function(g.double())[1]
    assert bool((offsets.norm(dim=2) <= hull.length[:, None] * (1 + 1e-15)).all())
    rounding = 64 * d * torch.finfo(dtype).eps
    if sets.on_sphere:
        assert bool((hull.reach <= 1 + rounding).all())
        assert not hull.exact  # it has points off the sphere
    else:
        assert bool((hull.reach <= far.abs().amax(1) + rounding).all())
        assert hull.exact
    if getattr(sets, "box", None) is None:
        p = getattr(sets, "p", 2.0)
        assert hull.stretch == pytest.approx(math.sqrt(d) if p == math.inf else 1)
        known = min(sets.radius, 2) * hull.stretch
        assert float((hull.length - known).abs().max()) <= 1e-14
        unit = L2Ball(1.0) if sets.on_sphere else sets.with_radius(1)
        steepest, _ = unit.hull(x).support_function(g.double())
        torch.testing.assert_close(hull.dual_norm(g.double()), steepest, rtol=1e-14, atol=0)


@every(BALLS)
def test_polytopes_have_the_support_function_of_their_hulls(sets: Perturbation) -> None:
    x, g = centres(sets, 4), directions(N, 4)
    for i in range(N):
        hull = sets.hull(x[i : i + 1])
        shape = hull.polytope()
        if isinstance(sets, L2Ball):
            assert shape is None
            continue
        assert shape is not None
        value, _ = hull.support_function(g[i : i + 1])
        for k in range(10):
            cost = torch.cat([-g[i, k], g[i, k]] if shape.mirrored else [-g[i, k]])
            rows = {"A_ub": shape.rows, "b_ub": shape.limit} if len(shape.rows) else {}
            bounds = list(zip(shape.low, shape.high, strict=True))
            found = scipy.optimize.linprog(cost.numpy(), bounds=bounds, **rows)
            assert -found.fun == pytest.approx(float(value[0, k]), abs=1e-9)


@pytest.mark.parametrize("sets", [L1Ball(0.5), L2Ball(0.3)], ids=repr)
def test_projections_do_not_mind_numbers_whose_squares_underflow(sets: Perturbation) -> None:
    tiny, v = 2.0**-600, normal(N, 5, seed=4)
    small = sets.with_radius(tiny * sets.radius).hull(torch.zeros_like(v))
    large = sets.hull(torch.zeros_like(v)).project(v)
    torch.testing.assert_close(small.project(tiny * v) / tiny, large, rtol=1e-14, atol=1e-14)


NEEDED = {
    "support_function": lambda self, g: (g[..., 0], g),
    "project": lambda self, v: v,
    "reach": property(lambda self: self.centre),
    "length": property(lambda self: self.radius),
    "charts": lambda self: [],
    "piece": lambda self, example, low, high, chart: (self, low, low),
}


@pytest.mark.parametrize("missing", NEEDED)
def test_a_hull_without_one_of_its_methods_is_refused_when_it_is_made(missing: str) -> None:
    parts = torch.zeros(2, 3), torch.ones(2), torch.zeros(2)
    assert len(type("Whole", (Hull,), NEEDED)(*parts)) == 2
    part = {name: method for name, method in NEEDED.items() if name != missing}
    with pytest.raises(TypeError, match=f"abstract.*{missing}"):
        type("Part", (Hull,), part)(*parts)


def test_gamma_is_twice_the_worst_that_rounding_does() -> None:
    """1 + u + ... + u, added in this order, is 1: each addition rounds down by all of u."""
    total = 1.0
    for _ in range(1000):
        total += UNIT
    exact = 1 + 1000 * UNIT
    assert exact - total == 1000 * UNIT
    assert gamma(1000) >= 2 * (exact - total) / exact
    assert gamma(1000) <= 2.1 * (exact - total) / exact


# --- pieces --------------------------------------------------------------------------------------


def image(hull: Hull, example: Tensor, w: Tensor, chart: Tensor) -> Tensor:
    """Where a chart puts points ``w`` (B, k): the middle of a box that is one point."""
    return hull.piece(example, w, w, chart)[1]


def singly(part: Hull, g: Tensor) -> Tensor:
    """The support function (n, k) of each direction by itself, for which cuts of a cap count."""
    n, k, d = g.shape
    wide = part.rows(torch.arange(n).repeat_interleave(k))
    return wide.support_function(g.reshape(n * k, 1, d))[0].reshape(n, k)


@every(BALLS, CAPS)
@pytest.mark.parametrize("d", [2, 3])
def test_pieces_hold_what_their_boxes_show(sets: Perturbation, d: int) -> None:
    x = centres(sets, d)
    hull, g = sets.hull(x), rng(5)
    met = empties = 0
    for number, (low, high) in enumerate(hull.charts()):
        example = torch.arange(N).repeat_interleave(20)
        chart = torch.full_like(example, number)
        low, high = low[example], high[example]
        size = torch.rand(len(low), 1, generator=g, dtype=torch.float64) ** 3
        a, b = low, low + (high - low) * size
        shift = torch.rand(low.shape, generator=g, dtype=torch.float64) * (high - b)
        a, b = a + shift, b + shift
        part, middle, empty = hull.piece(example, a, b, chart)
        torch.testing.assert_close(middle, image(hull, example, (a + b) / 2, chart))
        for _ in range(10):
            w = a + (b - a) * torch.rand(a.shape, generator=g, dtype=torch.float64)
            y = image(hull, example, w, chart)
            there = sets.contains(y, x[example])
            if sets.on_sphere:  # what is further belongs to the other chart
                there &= w.norm(dim=1) <= 1
            assert not bool((there & empty).any())
            met += int(there.sum())
            around = y - part.centre
            h = torch.cat([normal(len(y), 5, d, seed=number), around[:, None]], 1)
            way = (h * around[:, None]).sum(2)
            assert bool((way <= singly(part, h) + 1e-14)[there].all())
        empties += int(empty.sum())
    assert met >= 50
    assert empties > 0 or isinstance(sets, LinfBall) or sets.radius >= 2 or d == 2


@every(BALLS, CAPS)
@pytest.mark.parametrize("d", [2, 3])
def test_pieces_cover_the_set(sets: Perturbation, d: int) -> None:
    """Quarters of every chart: each point of the set is in one of them, as far as planes tell."""
    x = centres(sets, d)
    hull = sets.hull(x)
    points = torch.stack([sets.random(x, rng(seed)) for seed in range(60)], 1)
    held = torch.zeros(N, 60, dtype=torch.bool)
    example = torch.arange(N)
    g = torch.cat([directions(N, d), points], 1)
    for number, (low, high) in enumerate(hull.charts()):
        middle = (low + high) / 2
        for corner in torch.cartesian_prod(*[torch.tensor([False, True])] * low.shape[1]):
            up = corner.reshape(1, -1)
            a, b = torch.where(up, middle, low), torch.where(up, high, middle)
            part, _, empty = hull.piece(example, a, b, torch.full_like(example, number))
            value = singly(part, g)
            way = (points - part.centre[:, None]) @ g.mT
            inside = (way <= value[:, None] + 1e-14).all(2)
            held |= inside & ~empty[:, None]
    assert bool(held.all())


def cut_disc(g: Tensor, normals: Tensor, limits: Tensor) -> float:
    """max <g, y> over |y| <= 1 and normals y >= limits, by trying which of them are met."""
    best = -math.inf
    for way in ([], [0], [1], [0, 1]):
        a, b = normals[way], limits[way]
        inverse = torch.linalg.pinv(a)
        start, along = inverse @ b, g - inverse @ (a @ g)
        room = 1 - float(start @ start)
        if room < 0:
            continue
        for sign in (1, -1):
            y = start + sign * math.sqrt(room) * torch.nn.functional.normalize(along, dim=0)
            if bool((normals @ y >= limits - 1e-12).all()):
                best = max(best, float(g @ y))
    return best


@pytest.mark.parametrize("d", [3, 6])
@pytest.mark.parametrize("rho", [0.3, 1.3, 1.7])
def test_pieces_of_caps_are_cut_by_the_cap(rho: float, d: int) -> None:
    """A piece is a cap round the image of its box, and half-spaces cut both: no more is in it."""
    sets = SphereCap(rho)
    x = centres(sets, d)
    hull, example = sets.hull(x), torch.arange(N)
    low, high = hull.charts()[0]
    shift = 0.3 * (high - low) * normal(*low.shape, seed=2)
    part, _, empty = hull.piece(example, low + shift, high + shift, 0 * example)
    decided = lower = 0
    for k, g in enumerate(normal(20, N, d, seed=3)):
        value, v = part.support_function(g[:, None])
        whole, _ = CapHull(part.centre, part.radius, part.slack).support_function(g[:, None])
        for i in range(N):
            normals = torch.stack([part.centre[i], x[i]])
            limits = 1 - torch.stack([part.radius[i], hull.radius[i]]) ** 2 / 2
            known = cut_disc(g[i], normals, limits) - float(g[i] @ part.centre[i])
            if bool(empty[i]) or known == -math.inf:
                continue
            decided += 1
            assert float(value[i, 0]) == pytest.approx(known, abs=1e-9), k
            assert float(g[i] @ v[i, 0]) == pytest.approx(known, abs=1e-6)
            if float(value[i, 0]) == float(whole[i, 0]):  # the cut takes nothing
                assert float(g[i] @ v[i, 0]) == pytest.approx(known, abs=1e-13)
            else:
                lower += 1
    assert decided >= 40
    assert lower >= 10


def test_a_wide_cap_has_a_hole_round_the_far_pole() -> None:
    """In the chart round -x, where |w| = r is at the cosine -(1 - r^2)/(1 + r^2) from x."""
    hull = SphereCap(1.8).hull(sphere(3, 4).x)
    assert isinstance(hull, CapHull)
    near, far = hull.hole.unbind(1)
    assert bool((near < 0).all())  # none round x
    torch.testing.assert_close(-(1 - far**2) / (1 + far**2), torch.full_like(far, 1 - 1.8**2 / 2))
