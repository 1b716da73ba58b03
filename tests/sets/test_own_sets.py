"""Sets as a user writes them, five methods each, against everything that the library does."""

from __future__ import annotations

import itertools
import math
import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from scipy.optimize import minimize
from tables import Unproved
from torch import Tensor, nn

from robustlib import (
    APGD,
    FGSM,
    PGD,
    Attack,
    BranchAndBound,
    Finite,
    GridMax,
    L2Ball,
    LinearMax,
    Logistic,
    Perturbation,
    PseudoHuber,
    RandomNoise,
    Reused,
    Sample,
    SphereCap,
    Square,
    TwoLayerNet,
    adversarial_training,
    best_in_ball,
    compatible,
    expressiveness,
    hexagon,
    linearize,
    min_norm_interpolant,
    output_bounds,
    robust_loss,
    sphere,
)
from robustlib.numerics import generator

PAGE = Path(__file__).parents[2] / "CONTRIBUTING.md"


def contributed() -> Any:
    """The class of the page's only block of Python that defines a set."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (source,) = [block for block in blocks if "(Perturbation)" in block]
    module = ModuleType("contributed_set")
    sys.modules["contributed_set"] = module  # where dataclass looks
    exec(compile(source, str(PAGE), "exec"), module.__dict__)
    return module.Ellipsoid


Ellipsoid = contributed()


@dataclass(frozen=True)
class CutBall(Perturbation):
    """{x': |x' - x| <= eps and <a, x'> <= b for every (a, b)}, by trying which ones are met.

    Met with equality, m of them leave a smaller ball round v0, on which all is closed form; of all
    2^m ways, the best point that keeps the others is the answer.
    """

    eps: float
    normals: tuple[tuple[float, ...], ...]
    limits: tuple[float, ...]

    @property
    def radius(self) -> float:
        return self.eps

    def with_radius(self, radius: float) -> CutBall:
        return replace(self, eps=radius)

    def _faces(self, x: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
        """For every way: the normals (m, d), their pseudoinverse (d, m), the room (n, m)."""
        a, b = x.new_tensor(self.normals), x.new_tensor(self.limits)
        ways = itertools.product((False, True), repeat=len(b))
        rows = [torch.tensor(way).nonzero()[:, 0] for way in ways]
        return [(a[r], torch.linalg.pinv(a[r]), b[r] - x @ a[r].T) for r in rows]

    def _outside(self, v: Tensor, x: Tensor) -> Tensor:
        a, b = x.new_tensor(self.normals), x.new_tensor(self.limits)
        return (((x + v) @ a.T - b) > 1e-13).any(-1)

    def _project(self, z: Tensor, x: Tensor) -> Tensor:
        faces = self._faces(x)
        flat = torch.stack([inverse @ a for a, inverse, _ in faces])
        there = torch.stack([room @ inverse.T for _, inverse, room in faces])

        def nearest(v: Tensor) -> Tensor:
            """The nearest offset that keeps all half-spaces."""
            points = v - v @ flat.mT + there
            away = (points - v).norm(dim=2).masked_fill(self._outside(points, x), math.inf)
            return points[away.argmin(0), torch.arange(len(x))]

        low, high = torch.zeros_like(x[:, :1]), torch.ones_like(x[:, :1])
        # a multiplier of the ball shrinks z towards x: by the largest share that the ball allows
        for step in range(60):
            share = (low + high) / 2 if step else high
            out = nearest(share * (z - x)).norm(dim=1, keepdim=True) > self.eps
            low, high = torch.where(out, low, share), torch.where(out, share, high)
            if not (step or bool(out.any())):  # no point is outside the ball
                break
        return x + nearest(low * (z - x))

    def _argmax_linear(self, g: Tensor, x: Tensor) -> Tensor:
        points, gains = [], []
        for a, inverse, room in self._faces(x):
            v0, along = room @ inverse.T, g - g @ a.T @ inverse.T
            # what rounding leaves over is no direction
            far = along.norm(dim=1, keepdim=True) > 1e-12 * g.norm(dim=1, keepdim=True)
            left = (self.eps**2 - v0.square().sum(1, keepdim=True)).clamp(min=0).sqrt() * far
            along = nn.functional.normalize(along, eps=1e-300)
            along = along - along @ a.T @ inverse.T  # once more: the subtraction may cancel
            v = v0 + left * nn.functional.normalize(along, eps=1e-300)
            bad = self._outside(v, x) | (v.norm(dim=1) > self.eps * (1 + 1e-12))
            points.append(v)
            gains.append(torch.where(bad, -math.inf, (g * v).sum(1)))
        best = torch.stack(gains).argmax(0)
        return x + torch.stack(points)[best, torch.arange(len(x))]

    def _support_function(self, g: Tensor, x: Tensor) -> Tensor:
        """eps |g - A^T m| + <room, m> is at least the maximum, for all multipliers m >= 0."""
        values = []
        for a, inverse, room in self._faces(x):
            v0, along = room @ inverse.T, g - g @ a.T @ inverse.T
            left = (self.eps**2 - v0.square().sum(1, keepdim=True)).clamp(min=1e-300).sqrt()
            steep = along.norm(dim=1, keepdim=True) / left
            m = ((g - steep * v0) @ inverse).clamp(min=0).nan_to_num(0.0, 0.0, 0.0)
            values.append(self.eps * (g - m @ a).norm(dim=1) + (room * m).sum(1))
        return torch.stack(values).amin(0)


@dataclass(frozen=True)
class Arc(Perturbation):
    """{x cos a + t sin a: |a| <= reach} on the unit sphere, t the tangent at x towards ``axis``."""

    reach: float
    axis: tuple[float, ...]

    on_sphere = True

    @property
    def radius(self) -> float:
        return 2 * math.sin(self.reach / 2)

    def with_radius(self, radius: float) -> Arc:
        return replace(self, reach=2 * math.asin(radius / 2))

    def _angle(self, g: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
        t = x.new_tensor(self.axis).expand_as(x)
        for _ in range(2):  # twice: the first subtraction may cancel
            t = nn.functional.normalize(t - (x * t).sum(1, keepdim=True) * x)
        angle = torch.atan2((g * t).sum(1), (g * x).sum(1))
        return angle.clamp(-self.reach, self.reach)[:, None], t

    def _project(self, z: Tensor, x: Tensor) -> Tensor:
        x = nn.functional.normalize(x)
        angle, t = self._angle(z, x)
        return angle.cos() * x + angle.sin() * t

    def _argmax_linear(self, g: Tensor, x: Tensor) -> Tensor:
        return self._project(g, x)

    def _support_function(self, g: Tensor, x: Tensor) -> Tensor:
        angle, t = self._angle(g, x)
        half, unit = (angle / 2).sin(), nn.functional.normalize(x)
        # x of float32 is beside the sphere by a rounding of its own
        return (g * (angle.sin() * t - 2 * half**2 * unit + (unit - x))).sum(1)


def cut(d: int, eps: float = 0.4) -> CutBall:
    """Two oblique half-spaces that hold the unit sphere in part only, but all x of ``inside``."""
    one = (1.0, *[0.5] * (d - 1))
    two = (-0.3, *[1.0] * (d - 1))
    return CutBall(eps, (one, two), (0.6, 0.5))


def axes(d: int) -> tuple[float, ...]:
    return tuple(1.0 / (1 + j) for j in range(d))


def inside(sets: Perturbation, x: Tensor) -> Tensor:
    """Examples that a set may have, near ``x``."""
    if isinstance(sets, CutBall):
        a, b = x.new_tensor(sets.normals), x.new_tensor(sets.limits)
        return 0.3 * x if bool((0.3 * x @ a.T <= b).all()) else 0.05 * x
    return x


def make(d: int) -> list[Perturbation]:
    return [Ellipsoid(0.3, axes(d)), cut(d), Arc(0.4, (1.0, *[0.2] * (d - 1)))]


@dataclass
class Labelled:
    """Examples that need not be on the sphere."""

    x: Tensor
    y: Tensor


NAMES = ["ellipsoid", "cut ball", "arc"]
each = pytest.mark.parametrize("k", range(3), ids=NAMES)
ATTACKS: list[Attack] = [
    FGSM(),
    PGD(steps=12, restarts=2),
    APGD(steps=12),
    Square(queries=30),
    RandomNoise(),
    Reused(PGD(steps=3), every=2),
]


def problem(k: int, d: int, n: int = 20, seed: int = 0) -> tuple[Perturbation, Tensor, Tensor]:
    sets, sample = make(d)[k], sphere(n, d, seed=seed)
    return sets, inside(sets, sample.x), sample.y


def affine(d: int) -> nn.Module:
    net = nn.Sequential(nn.Linear(d, 1), nn.Flatten(0)).double()
    with torch.no_grad():
        net[0].weight.copy_(torch.randn(1, d, generator=generator(d), dtype=torch.float64))
    return net


# --- the five methods, by inequalities that only the right answers keep ---------------------------


@each
@pytest.mark.parametrize("d", [2, 5])
def test_projection_and_maximiser_are_what_they_say(k: int, d: int, dtype: torch.dtype) -> None:
    sets, x, _ = problem(k, d)
    x, g = x.to(dtype), generator(k)
    eps = torch.finfo(dtype).eps
    for scale in (0.05, 1.0, 20.0):
        z = x + (scale * torch.randn(x.shape, generator=g, dtype=torch.float64)).to(dtype)
        p = sets.project(z, x)
        assert bool(sets.contains(p, x).all())
        assert torch.equal(sets.project(p, x), p)
        best = sets.argmax_linear(z - p, x)
        if not sets.on_sphere:  # nothing of a convex set is beyond the plane through p
            assert float(((z - p) * (best - p)).sum(1).max()) <= 64 * eps * (1 + scale)
        many = x.repeat(20, 1)
        drawn = sets.random(many, g)
        assert bool(sets.contains(drawn, many).all())
        points = drawn.reshape(20, *x.shape)
        assert bool(((z - p).norm(dim=1) <= (z - points).norm(dim=2) + 16 * eps).all())
        top = sets.argmax_linear(z, x)
        assert bool(sets.contains(top, x).all())
        assert bool(((z * (top - points)).sum(2) >= -64 * eps * (1 + scale)).all())
        value, v = sets.hull(x).support_function(z.double())
        gain = (z * (top - x)).double().sum(1)
        assert float((value - gain).abs().max()) <= 256 * eps * (1 + scale)
        assert float((value - (z.double() * v).sum(1)).abs().max()) <= 1e-11 * (1 + scale)


def test_the_cut_ball_by_another_solver() -> None:
    sets, x, _ = problem(1, 4, n=6)
    z = x + torch.randn(x.shape, generator=generator(2), dtype=torch.float64)
    a, b = torch.tensor(sets.normals), torch.tensor(sets.limits)  # type: ignore[attr-defined]
    a, b = a.double(), b.double()
    found = sets.project(z, x)
    for i in range(6):
        start, goal = x[i].numpy(), z[i].numpy()
        limits = [
            {"type": "ineq", "fun": lambda p, c=start: 0.16 - ((p - c) ** 2).sum()},
            {"type": "ineq", "fun": lambda p: b.numpy() - a.numpy() @ p},
        ]
        answer = minimize(
            lambda p, q=goal: ((p - q) ** 2).sum(), start, constraints=limits, tol=1e-14
        )
        torch.testing.assert_close(found[i], torch.tensor(answer.x), rtol=0, atol=1e-5)


def pairs() -> list[tuple[Perturbation, Perturbation]]:
    """The same sets twice: a user's, and one of the library."""
    half = ((1.0, 0.0), (0.0, 1.0))
    return [
        (Ellipsoid(0.3, (1.0, 1.0)), L2Ball(0.3)),
        (CutBall(0.3, half, (9.0, 9.0)), L2Ball(0.3)),
        (CutBall(0.3, half, (1.0, 1.0)), L2Ball(0.3, box=(-9.0, 1.0))),
        (Arc(0.4, (0.0, 1.0)), SphereCap(2 * math.sin(0.2))),
    ]


same = pytest.mark.parametrize(("mine", "ours"), pairs(), ids=["ball", "uncut", "box", "cap"])


@same
def test_a_users_set_answers_as_the_librarys_own(mine: Perturbation, ours: Perturbation) -> None:
    sample = hexagon()
    x = sample.x
    net, g = TwoLayerNet(2, 8, symmetric=False, seed=0).double(), generator(1)
    z = x + torch.randn(x.shape, generator=g, dtype=torch.float64)
    for method in ("project", "argmax_linear"):
        one, two = getattr(mine, method)(z, x), getattr(ours, method)(z, x)
        torch.testing.assert_close(one, two, rtol=0, atol=1e-12)
    one, two = (s.hull(x).support_function(z)[0] for s in (mine, ours))
    torch.testing.assert_close(one, two, rtol=0, atol=1e-12)
    assert compatible(sample, mine).ok == compatible(sample, ours).ok
    assert compatible(sample, mine).gap == pytest.approx(compatible(sample, ours).gap, abs=1e-8)
    search, loss = BranchAndBound(nodes=400), Logistic()
    one, two = (search.search(net, x, sample.y, perturbation=s, loss=loss) for s in (mine, ours))
    for found in (one, two):
        assert bool(found.closed.all())
        assert float((found.upper - found.lower).max()) <= 1e-6
    torch.testing.assert_close(one.upper, two.upper, rtol=0, atol=2e-6)
    near, far = (output_bounds(net, x, perturbation=s) for s in (mine, ours))
    torch.testing.assert_close(near.upper, far.upper, rtol=0, atol=1e-12)


# --- everything else ------------------------------------------------------------------------------


@each
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda a: type(a).__name__)
def test_attacks_keep_the_contract(k: int, attack: Attack, dtype: torch.dtype) -> None:
    sets, x, y = problem(k, 5)
    x, y, loss = x.to(dtype), y.to(dtype), Logistic()
    net = TwoLayerNet(5, 16, symmetric=False, seed=1).to(dtype)
    z = attack(net, x, y, perturbation=sets, loss=loss)
    assert bool(sets.contains(z, x).all())
    with torch.no_grad():
        gain = loss(net(z), y) - loss(net(x), y)
    assert bool((gain >= 0).all())
    assert float(gain.mean()) > 1e-3
    still = attack(net, x, y, perturbation=sets.with_radius(0.0), loss=loss)
    assert torch.equal(still, x)


@each
def test_affine_models_are_exact(k: int) -> None:
    sets, x, y = problem(k, 6)
    net, sample, loss = affine(6), Labelled(x, y), Logistic()
    found = robust_loss(net, sample, perturbation=sets, loss=loss, effort="low")
    assert found.exact
    assert set(found.how) == {"exact in closed form"}
    w = net[0].weight.detach().expand_as(x)
    best = sets.argmax_linear(-y[:, None] * w, x)
    known = loss(net(best).detach(), y)
    torch.testing.assert_close(found.per_example[:, 0], known, rtol=0, atol=1e-12)
    top = LinearMax()(net, x, y, perturbation=sets, loss=loss)
    torch.testing.assert_close(loss(net(top).detach(), y), known, rtol=0, atol=1e-12)
    bounds = output_bounds(net, x, perturbation=sets)
    ends = torch.stack([net(sets.argmax_linear(s * w, x)).detach() for s in (-1, 1)])
    torch.testing.assert_close(bounds.lower, ends[0], rtol=0, atol=1e-11)
    torch.testing.assert_close(bounds.upper, ends[1], rtol=0, atol=1e-11)


@each
@pytest.mark.parametrize("d", [2, 4])
def test_no_point_is_outside_its_bounds_and_searches_close(k: int, d: int) -> None:
    sets, x, y = problem(k, d, n=5)
    net, g, loss = TwoLayerNet(d, 6, symmetric=False, seed=2).double(), generator(3), PseudoHuber()
    points = sets.random(x.repeat(2000, 1), g).reshape(2000, *x.shape)
    with torch.no_grad():
        f = net(points.flatten(0, 1)).reshape(2000, 5)
    for method in ("interval", "linear"):
        bounds = output_bounds(net, x, perturbation=sets, method=method)
        assert bool((bounds.lower <= f.amin(0)).all())
        assert bool((bounds.upper >= f.amax(0)).all())
    found = BranchAndBound(nodes=2000).search(net, x, y, perturbation=sets, loss=loss)
    worst = loss(f, y.expand_as(f)).amax(0)
    assert bool((found.upper >= worst).all())
    assert bool((found.lower >= worst - 1e-3).all())
    if not sets.on_sphere:  # the hull of an arc is more than the arc: there may be a gap
        assert bool(found.closed.all())
        assert float((found.upper - found.lower).max()) <= 1e-6


@each
def test_training_and_diagnosis(k: int) -> None:
    sets, x, y = problem(k, 4, n=12)
    sample = Sample(x, y, "own") if sets.on_sphere else Labelled(x, y)
    net = TwoLayerNet(4, 32, seed=0).double()
    run = adversarial_training(
        net,
        sample,  # type: ignore[arg-type]
        perturbation=sets.with_radius(0.1 * sets.radius),
        attack=PGD(steps=4),
        loss=Logistic(),
        step_size=2.0,
        steps=30,
    )
    assert run.surrogate_loss[-1] < 0.95 * run.surrogate_loss[0]


def test_gaps_have_closed_forms() -> None:
    """Ellipsoids apart along an axis, and meeting; cut balls apart although the balls meet."""
    x = torch.tensor([[0.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    two = Labelled(x, torch.tensor([1.0, -1.0], dtype=torch.float64))
    wide = Ellipsoid(0.4, (1.0, 0.1))
    assert compatible(two, wide).gap == pytest.approx(0.2, abs=1e-9)
    tall = Ellipsoid(1.0, (0.2, 1.0))
    assert compatible(two, tall).gap == pytest.approx(0.6, abs=1e-9)
    met = compatible(two, Ellipsoid(0.6, (1.0, 0.5)))
    assert met.pair == (0, 1)
    assert met.gap == 0


@pytest.mark.parametrize("scale", [1e-15, 1.0, 1e15])
def test_gaps_of_oblique_ellipsoids_by_one_projection(scale: float) -> None:
    """x + S and y + S, S = -S convex, are as far apart as y - x is from S + S = 2 S."""
    x = scale * torch.tensor([[0.0, 0.0], [1.0, 0.7], [-0.9, 0.8]], dtype=torch.float64)
    two = Labelled(x, torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64))
    small, twice = (Ellipsoid(eps * scale, (1.0, 0.3)) for eps in (0.2, 0.4))
    way, zero = x[1:], torch.zeros_like(x[1:])
    known = float((way - twice._project(way, zero)).norm(dim=1).min())
    found = compatible(two, small)
    assert found.gap == pytest.approx(known, rel=1e-8)
    assert found.ok


def test_boxes_well_outside_a_small_set_are_known_to_be_empty() -> None:
    for scale in (1e-8, 1.0, 1e8):
        x = scale * torch.eye(2, dtype=torch.float64)
        hull = Ellipsoid(0.3 * scale, (1.0, 0.2)).hull(x)
        low = scale * torch.tensor([[0.2, 0.05], [-0.1, -0.1]], dtype=torch.float64)
        place = torch.arange(2)
        _, _, empty = hull.piece(place, low, low + 0.02 * scale, place)
        assert empty.tolist() == [True, True]
        part, middle, empty = hull.piece(place, 0.1 * low, 0.1 * low + 0.02 * scale, place)
        assert empty.tolist() == [False, False]
        assert not part.exact
        torch.testing.assert_close(middle, x + 0.1 * low + 0.01 * scale)


@pytest.mark.parametrize("depth", [1, 2])
def test_the_best_linearised_net_on_own_sets(depth: int) -> None:
    sample = hexagon()
    net = linearize(TwoLayerNet(2, 16, seed=depth).double())
    mine, ours = Ellipsoid(0.2, (1.0, 1.0)), L2Ball(0.2)
    found, known = (
        best_in_ball(net, sample, perturbation=s, radius=1.0, loss=PseudoHuber())
        for s in (mine, ours)
    )
    assert found.value == pytest.approx(known.value, rel=1e-6)


@pytest.mark.parametrize("bias", [True, False])
def test_expressiveness_of_arcs_is_that_of_caps_on_the_circle(bias: bool) -> None:
    for angle in (0.1, 0.4):
        arc, cap = Arc(angle, (0.0, 1.0)), SphereCap(2 * math.sin(angle / 2))
        mine, ours = (expressiveness(hexagon(), s, bias=bias) for s in (arc, cap))
        assert (mine.fits, mine.separates) == (ours.fits, ours.separates)
        assert mine.conflict == ours.conflict
    one, two = (
        min_norm_interpolant(hexagon(), s, tolerance=0.3).norm
        for s in (Arc(0.1, (0.0, 1.0)), SphereCap(2 * math.sin(0.05)))
    )
    assert one == pytest.approx(two, rel=1e-2)


def test_arcs_that_miss_where_their_caps_would_meet_leave_the_verdict_open() -> None:
    """On S^2: x and -x' are 0.3 apart across both arcs, within both caps but on neither arc."""
    turn = 0.3
    x = torch.tensor([[1.0, 0, 0], [-math.cos(turn), math.sin(turn), 0]], dtype=torch.float64)
    sample = Sample(x, torch.tensor([1.0, -1.0], dtype=torch.float64), "two")
    arc, cap = Arc(0.2, (0.0, 0.0, 1.0)), SphereCap(2 * math.sin(0.1))
    known = expressiveness(sample, cap, bias=False)
    assert known.conflict == (0, 1)
    assert known.fits is False
    open_ = expressiveness(sample, arc, bias=False)
    assert open_.fits is None
    assert open_.conflict is None
    assert "is open" in repr(open_)
    # an arc in the plane of both does meet
    flat = expressiveness(sample, Arc(0.2, (0.0, 1.0, 0.0)), bias=False)
    assert flat.fits is False
    assert flat.conflict == (0, 1)


# --- what is refused ------------------------------------------------------------------------------


def test_without_a_support_function_proofs_refuse_by_name() -> None:
    sets, sample, net = Unproved(0.1), sphere(5, 4), TwoLayerNet(4, 8, seed=0).double()
    words = r"Unproved has no support function.*add _support_function\(g, x\)"
    with pytest.raises(TypeError, match=words):
        output_bounds(net, sample.x, perturbation=sets)
    with pytest.raises(TypeError, match=words):
        BranchAndBound()(net, sample.x, sample.y, perturbation=sets, loss=Logistic())
    found = robust_loss(net, sample, perturbation=sets, loss=Logistic(), effort="low")
    assert found.upper == math.inf
    assert all(re.search(words, how) for how in found.how)
    known = robust_loss(net, sample, perturbation=sets.with_radius(0), loss=Logistic())
    assert known.exact
    # all else works
    PGD(steps=2)(net, sample.x, sample.y, perturbation=sets, loss=Logistic())
    assert compatible(sphere(5, 4), Unproved(0.01)).ok


def test_sets_off_the_sphere_are_told_how_to_say_so() -> None:
    with pytest.raises(TypeError, match="on_sphere = True"):
        expressiveness(hexagon(), Ellipsoid(0.1, (1.0, 0.5)))


def test_random_points_of_an_ellipsoid_are_uniform_where_proposals_hit_it() -> None:
    sets, x = Ellipsoid(0.5, (1.0, 0.5)), torch.zeros(20_000, 2, dtype=torch.float64)
    z = sets.random(x, generator(4)) / (0.5 * torch.tensor([1.0, 0.5]).double())
    # of the unit disc: E z_j^2 = 1/4, and |z|^2 is uniform on [0, 1]
    torch.testing.assert_close(
        z.square().mean(0), torch.full((2,), 0.25).double(), rtol=0.03, atol=0
    )
    square = z.square().sum(1).sort().values
    assert float((square - torch.linspace(0, 1, len(z)).double()).abs().max()) < 0.015


def test_grids_cover_the_set() -> None:
    sets, x = Ellipsoid(0.5, (1.0, 0.5)), torch.zeros(1, 2, dtype=torch.float64)
    grid = sets.grid(x, 900)[0]
    assert bool(sets.contains(grid, x.expand_as(grid)).all())
    z = sets.random(x.expand(500, 2), generator(5))
    assert float(torch.cdist(z, grid).amin(1).max()) <= 0.5 * 2 / 29
    net = TwoLayerNet(2, 8, symmetric=False, seed=0).double()
    y, loss = torch.ones(1, dtype=torch.float64), Logistic()
    best = GridMax(size=900)(net, x, y, perturbation=sets, loss=loss)
    exact = BranchAndBound().search(net, x, y, perturbation=sets, loss=loss)
    assert float(exact.upper) >= float(loss(net(best).detach(), y)) >= float(exact.upper) - 0.02


def test_a_users_list_is_enumerated() -> None:
    """``finite`` is all that the library asks: a subclass of none of its kinds will do."""

    @dataclass(frozen=True, eq=False)
    class Mirrored(Perturbation):
        finite = True

        @property
        def radius(self) -> float:
            return 2.0

        def with_radius(self, radius: float) -> Mirrored:
            raise TypeError("a mirror image has no radius")

        def grid(self, x: Tensor, size: int) -> Tensor:
            return torch.stack([x, -x], 1)

        def _project(self, z: Tensor, x: Tensor) -> Tensor:
            return torch.where((z * x).sum(1, keepdim=True) >= 0, x, -x)

        def _argmax_linear(self, g: Tensor, x: Tensor) -> Tensor:
            return self._project(g, x)

    sample, net, loss = sphere(7, 5), TwoLayerNet(5, 8, seed=0).double(), Logistic()
    listed = Finite(torch.stack([sample.x, -sample.x], 1))
    found, known = (
        robust_loss(net, sample, perturbation=s, loss=loss) for s in (Mirrored(), listed)
    )
    assert found.exact
    assert torch.equal(found.per_example, known.per_example)
    with pytest.raises(TypeError, match="must not be Mirrored"):
        output_bounds(net, sample.x, perturbation=Mirrored())
