"""Projections and linear maximisers against other solvers and against the KKT conditions.

A hypothesis example is a batch of BATCH problems of one dimension. Every check returns how many of
them it really decided, and a test fails below CASES of them for its set and dtype.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import scipy.optimize
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from robustlib.numerics import budget
from robustlib.sets import Finite, L1Ball, L2Ball, LinfBall, Perturbation, SphereCap

CASES, BATCH = 2000 if budget() == "gpu" else 800, 20
Array = NDArray[np.float64]
Check = Callable[[Perturbation, Tensor, Tensor], int]

SPECIAL = [0.0, 1e-7, 1e-3]
# No radius is the distance of two corners of a box: bisection cannot see what is left there.
RADII = st.one_of(
    st.sampled_from([*SPECIAL, 99.9]), st.integers(0, 999).map(lambda k: (4 * k + 1) / 1000)
)
CHORDS = st.one_of(
    st.sampled_from([*SPECIAL, 1.0, math.sqrt(2), 2 - 1e-9, 2.0, 7.0]),
    st.integers(1, 999).map(lambda k: k / 450),
)
BALLS = {"l1": L1Ball, "l2": L2Ball, "linf": LinfBall}
ORDER = {L1Ball: 1.0, L2Ball: 2.0, LinfBall: math.inf}
SETS = ["cap", "l1", "l2", "linf", "l1 box", "l2 box", "linf box"]


def draw(
    name: str, radius: float, d: int, scale: float, seed: int, dtype: torch.dtype
) -> tuple[Perturbation, Tensor, Tensor]:
    """A set and BATCH problems (z, x) of every awkward kind, ``scale`` the distance of z."""
    rng = np.random.default_rng(seed)
    boxed = name.endswith("box")
    x = rng.normal(size=(BATCH, d))
    if boxed:  # corners and faces of the box as well as its inside
        x = np.clip(rng.uniform(-0.4, 1.4, size=x.shape), 0, 1)
    z = x + scale * rng.normal(size=x.shape)
    z[0] = x[0]
    z[1, ::2] = x[1, ::2]
    z[2] = x[2] + scale * rng.integers(-2, 3, size=d)  # ties between coordinates
    z[3] = x[3] + scale * rng.normal(size=d) * 10.0 ** rng.integers(-6, 7, size=d)
    perturbation: Perturbation
    if name == "cap":
        x /= np.linalg.norm(x, axis=1, keepdims=True)
        z[4] = 0
        z[5] = -x[5] * scale
        z[6] = x[6] * scale
        z[7] = -x[7] + 1e-3 * rng.normal(size=d)
        z[8] = x[8] + 1e-5 * rng.normal(size=d)
        z[9:] = np.where(rng.random((BATCH - 9, 1)) < 0.5, z[9:], z[9:] - x[9:])
        perturbation = SphereCap(radius)
    else:
        ball = BALLS[name.split()[0]]
        perturbation = ball(radius, box=(0.0, 1.0)) if boxed else ball(radius)
    return perturbation, torch.tensor(z).to(dtype), torch.tensor(x).to(dtype)


def for_cases(name: str, dtype: torch.dtype, check: Check, examples: int = 125) -> None:
    """Run ``check`` on batches found by hypothesis; it must have decided CASES problems."""
    count = 0

    @settings(
        max_examples=examples * CASES // 2000,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(
        d=st.integers(1, 50),
        radius=CHORDS if name == "cap" else RADII,
        scale=st.sampled_from([1e-3, 0.1, 1.0, 30.0, 1e6]),
        seed=st.integers(0, 2**32 - 1),
    )
    def run(d: int, radius: float, scale: float, seed: int) -> None:
        nonlocal count
        count += check(*draw(name, radius, d, scale, seed, dtype))

    run()
    assert count >= CASES, f"only {count} cases decided"


def exact(t: Tensor) -> Array:
    """The same numbers in float64."""
    return t.double().numpy()


def limits(perturbation: Perturbation) -> tuple[float, float]:
    return getattr(perturbation, "box", None) or (-math.inf, math.inf)


def bisect(step: Callable[[Array], Array], norm: Callable[[Array], Array], eps: float) -> Array:
    """A multiplier m >= 0 (n, 1), 0 or such that norm(step(m)) = eps."""
    low, high = np.zeros((BATCH, 1)), np.full((BATCH, 1), 1e-12)
    inside = norm(step(low)) <= eps
    while (norm(step(high)) > eps).any():
        high = high * 4
    for _ in range(120):
        middle = (low + high) / 2
        outside = (norm(step(middle)) > eps)[:, None]
        low, high = np.where(outside, middle, low), np.where(outside, high, middle)
    return np.where(inside[:, None], 0, low)


def solve(perturbation: Perturbation, z: Array, x: Array) -> Array:
    """The projection by bisection on the multiplier of |x' - x| <= eps, coordinate by coordinate.

    In the coordinates of x' itself, signs and box included: no orthants, no sorting.
    """
    eps, (lo, hi) = perturbation.radius, limits(perturbation)
    if isinstance(perturbation, LinfBall):
        return np.clip(z, np.maximum(lo, x - eps), np.minimum(hi, x + eps))
    if eps == 0:
        return x
    if isinstance(perturbation, L2Ball):

        def shrink(m: Array) -> Array:
            return np.clip((z + m * x) / (1 + m), lo, hi)

        return shrink(bisect(shrink, lambda p: np.linalg.norm(p - x, axis=1), eps))
    sizes, sign = np.abs(z - x), np.sign(z - x)

    def threshold(m: Array) -> Array:
        # what the box leaves of every coordinate, as an offset: x + tiny would lose its digits
        return np.clip(sign * np.maximum(sizes - m, 0), lo - x, hi - x)

    def total(v: Array) -> Array:
        return np.abs(v).sum(1)

    # the first answer is good to the rounding of |z - x|; starting again from it, to that of eps
    first = bisect(threshold, total, eps)
    sizes = sizes - first
    return x + threshold(bisect(threshold, total, eps))


def solve_cap(rho: float, z: Array, x: Array) -> tuple[Array, Array]:
    """The projection onto the cap by angles, and how clear it is (n,): 1, but less near -x.

    There rounding errors are divided by the sine of the angle; 0 where any rim point is nearest.
    """
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    z = z / np.maximum(np.abs(z).max(1, keepdims=True), 1e-300)
    cosine = (z * x).sum(1)
    rest = z - cosine[:, None] * x
    rest -= (rest * x).sum(1, keepdims=True) * x
    sine = np.linalg.norm(rest, axis=1)
    if x.shape[1] == 1:
        return np.where((rho >= 2) & (cosine < 0)[:, None], -x, x), np.ones(len(x))
    psi = np.arctan2(sine, cosine)
    phi = np.minimum(psi, 2 * math.asin(min(rho / 2, 1)))[:, None]
    tangent = rest / np.maximum(sine, 1e-300)[:, None]
    clear = np.where(psi > math.pi / 2, sine, 1) * (sine > 1e-6 * (cosine < 0)) * z.any(1)
    return np.cos(phi) * x + np.sin(phi) * tangent, clear


def tolerance(perturbation: Perturbation, z: Tensor, x: Tensor) -> Array:
    """A few roundings at the size of the numbers (n, 1); 1e-13 in float64."""
    eps = max(4 * torch.finfo(x.dtype).eps, 1e-13)
    size = torch.maximum(x.abs().amax(1), (z - x).abs().amax(1).clamp(max=perturbation.radius))
    return eps * exact(size)[:, None] + 1e-300


@pytest.mark.parametrize("name", SETS)
def test_projection_is_what_another_solver_finds(name: str, dtype: torch.dtype) -> None:
    def check(perturbation: Perturbation, z: Tensor, x: Tensor) -> int:
        p = perturbation.project(z, x)
        assert p.dtype == dtype
        assert perturbation.contains(p, x).all()
        clear = np.ones(BATCH)
        if isinstance(perturbation, SphereCap):
            expected, clear = solve_cap(perturbation.rho, exact(z), exact(x))
        else:
            expected = solve(perturbation, exact(z), exact(x))
        error = np.abs(exact(p) - expected) * clear[:, None]
        assert (error <= tolerance(perturbation, z, x)).all()
        assert torch.equal(p, perturbation.project(z, x))
        if perturbation.radius == 0:
            assert torch.equal(p, x)
        return int((clear > 0).sum())

    for_cases(name, dtype, check)


@pytest.mark.parametrize("name", SETS[1:])
def test_projection_onto_balls_meets_the_kkt_conditions(name: str, dtype: torch.dtype) -> None:
    """r = z - p is a multiplier >= 0 times a subgradient of |p - x|, plus what the box pushes."""

    def check(perturbation: Perturbation, z: Tensor, x: Tensor) -> int:
        p = perturbation.project(z, x)
        eps, (lo, hi) = perturbation.radius, limits(perturbation)
        if eps == 0:
            return 0  # the set is one point: there is no multiplier to find
        decided = 0
        coarse, order = tolerance(perturbation, z, x)[:, 0], ORDER[type(perturbation)]
        for zi, xi, pi, t in zip(exact(z), exact(x), exact(p), coarse, strict=True):
            r, v, at_hi, at_lo = zi - pi, pi - xi, pi >= hi, pi <= lo
            # t bounds the rounding of v; that of r also has the size of z in it
            rounding = t + 4 * np.finfo(float).eps * np.abs(zi).max()
            if order == math.inf:
                assert ((v >= eps - t) | at_hi | (r <= rounding)).all()
                assert ((v <= -eps + t) | at_lo | (r >= -rounding)).all()
                decided += 1
                continue
            if eps < 1000 * t:
                continue  # v has no digits left; the other tests cover these
            # r_i in m [low_i, high_i], but above it at hi and below it at lo, for one m >= 0
            low, high = v - t, v + t
            if order == 1:
                low, high = np.where(v > t, 1.0, -1.0), np.where(v < -t, -1.0, 1.0)
            slopes = np.concatenate([low[~at_lo], -high[~at_hi]])  # slopes * m <= limits
            bounds = np.concatenate([r[~at_lo], -r[~at_hi]]) + rounding
            active = np.linalg.norm(v, ord=order) >= eps - len(v) * t
            least = (bounds[slopes < 0] / slopes[slopes < 0]).max(initial=0)
            most = (bounds[slopes > 0] / slopes[slopes > 0]).min(initial=math.inf if active else 0)
            assert least <= most
            assert (bounds[slopes == 0] >= 0).all()
            decided += 1
        return decided

    for_cases(name, dtype, check, examples=240)


def test_projection_onto_caps_meets_the_kkt_conditions(dtype: torch.dtype) -> None:
    """z + nu x = mu p with nu >= 0, and nu = 0 inside the rim."""

    def check(cap: Perturbation, z: Tensor, x: Tensor) -> int:
        if x.shape[1] == 1 or cap.radius == 0:
            return 0  # sets of one or two points
        decided = 0
        ulp = 16 * torch.finfo(dtype).eps
        p = exact(cap.project(z, x))
        centre = exact(x) / np.linalg.norm(exact(x), axis=1, keepdims=True)
        z_hat = exact(z) / np.maximum(np.linalg.norm(exact(z), axis=1, keepdims=True), 1e-300)
        assert (np.abs(np.linalg.norm(p, axis=1) - 1) <= ulp).all()
        for zi, xi, pi in zip(z_hat, centre, p, strict=True):
            if cap.radius >= 2 or np.linalg.norm(pi - xi) < cap.radius - ulp:
                if zi.any():
                    assert np.abs(zi - pi).max() <= ulp
                    decided += 1
                continue
            sine = np.linalg.norm(pi - (pi @ xi) * xi)
            if sine < 1e3 * ulp:
                continue  # no digits left to tell p from x or -x; the other tests cover these
            (mu, nu), *_ = np.linalg.lstsq(np.stack([pi, -xi], 1), zi, rcond=None)
            assert np.abs(mu * pi - nu * xi - zi).max() <= ulp * (1 + abs(mu) + abs(nu))
            assert nu >= -4 * ulp / sine
            decided += 1
        return decided

    for_cases("cap", dtype, check, examples=260)


def test_no_point_of_the_cap_is_nearer(dtype: torch.dtype) -> None:
    """Against the plane of x and z searched finely, both ways round, and against random points."""
    generator = torch.Generator().manual_seed(5)

    def check(cap: Perturbation, z: Tensor, x: Tensor) -> int:
        if x.shape[1] == 1:
            return 0
        ours = np.linalg.norm(exact(z) - exact(cap.project(z, x)), axis=1)
        centre = exact(x) / np.linalg.norm(exact(x), axis=1, keepdims=True)
        z64 = exact(z)
        plane = [np.linalg.qr(np.stack([a, b], 1))[0] for a, b in zip(centre, z64, strict=True)]
        side = np.stack([q[:, 1] for q in plane])
        theta = 2 * math.asin(min(cap.radius / 2, 1))
        grid = np.linspace(-theta, theta, 2001)[:, None]
        best = np.full(BATCH, math.inf)
        for _ in range(8):  # each pass looks closer, two steps to each side of the best so far
            on_cap = np.cos(grid)[..., None] * centre + np.sin(grid)[..., None] * side
            away = np.linalg.norm(on_cap - z64, axis=2)
            best = np.minimum(best, away.min(0))
            middle = np.take_along_axis(grid + np.zeros_like(away), away.argmin(0)[None], 0)
            width = 2 * (grid[1] - grid[0]).max()
            grid = np.clip(middle + np.linspace(-width, width, 201)[:, None], -theta, theta)
        tol = 8 * torch.finfo(dtype).eps * (1 + np.linalg.norm(z64, axis=1))
        assert (np.abs(ours - best) <= tol).all()
        for _ in range(5):
            other = exact(cap.random(x, generator))
            assert (np.linalg.norm(z64 - other, axis=1) >= ours - tol).all()
        return BATCH

    for_cases("cap", dtype, check, examples=190)


@pytest.mark.parametrize("name", ["l1 box", "l2 box"])
def test_projection_is_what_a_general_solver_finds(name: str) -> None:
    """SLSQP knows nothing of the structure; a few problems, to its own modest accuracy."""
    eps, d = 0.7, 6
    perturbation, z, x = draw(name, eps, d, 0.5, 3, torch.float64)

    def room(ab: Array) -> float:
        # x' = x + a - b with a, b >= 0 makes the l1 ball smooth; harmless for l2
        a, b = ab[:d], ab[d:]
        return (
            eps - float((a + b).sum()) if name == "l1 box" else eps**2 - float(((a - b) ** 2).sum())
        )

    p = perturbation.project(z, x)
    tame = [i for i in range(BATCH) if i != 3]  # it does not converge for coordinates of all sizes
    for zi, xi, pi in zip(z[tame].numpy(), x[tame].numpy(), p[tame].numpy(), strict=True):

        def objective(ab: Array, zi: Array = zi, xi: Array = xi) -> float:
            return float(((xi + ab[:d] - ab[d:] - zi) ** 2).sum())

        found = scipy.optimize.minimize(
            objective,
            np.full(2 * d, 1e-3),
            bounds=[(0, 1 - v) for v in xi] + [(0, v) for v in xi],
            constraints={"type": "ineq", "fun": room},
            options={"maxiter": 500, "ftol": 1e-14},
            method="SLSQP",
        )
        assert abs(found.fun - ((pi - zi) ** 2).sum()) < 1e-6


@pytest.mark.parametrize("name", SETS)
def test_argmax_linear_reaches_the_dual_bound(name: str, dtype: torch.dtype) -> None:
    """No feasible value exceeds a Lagrange bound; reaching the least of them proves optimality."""

    def check(perturbation: Perturbation, g: Tensor, x: Tensor) -> int:
        best = perturbation.argmax_linear(g, x)
        assert perturbation.contains(best, x).all()
        zero = (g == 0).all(1)
        assert torch.equal(best[zero], x[zero])
        gain = ((best.double() - x.double()) * g.double()).sum(1).numpy()
        g64, x64, eps = exact(g), exact(x), perturbation.radius
        size = np.abs(g64).sum(1) * (np.abs(x64).max(1) + min(eps, 1.0 if "box" in name else eps))
        tol = 8 * max(torch.finfo(dtype).eps, 1e-13) * size + 1e-20
        if isinstance(perturbation, SphereCap):
            p, clear = solve_cap(perturbation.rho, g64, x64)
            bound = ((p - x64) * g64).sum(1)
            assert (np.abs(gain - bound) * clear <= tol).all()
            return int((clear > 0).sum())
        lo, hi = limits(perturbation)
        a, room = np.abs(g64), np.where(g64 > 0, hi - x64, x64 - lo)
        if isinstance(perturbation, LinfBall):
            bound = (a * np.minimum(room, eps)).sum(1)
        elif isinstance(perturbation, L1Ball):
            bound = np.full(BATCH, math.inf)
            for t in [0 * a[:, 0], *a.T]:  # piecewise linear in t: the least is at a kink
                over = np.maximum(a - t[:, None], 0)
                held = np.where(over > 0, over, 0) * np.minimum(room, 1e30)
                bound = np.minimum(bound, held.sum(1) + t * eps)
        else:
            bound = dual_l2(a, np.minimum(room, 1e30), eps)
        assert (gain <= bound + tol).all()
        assert (gain >= bound - tol).all()
        return BATCH

    for_cases(name, dtype, check)


def dual_l2(a: Array, room: Array, eps: float) -> Array:
    """sum max_{0<=v<=room} (a v - m v^2/2) + m eps^2/2, a bound for every m > 0; m by bisection."""
    if eps == 0:
        return np.zeros(len(a))  # approached as m grows, never reached
    left, right = np.full((len(a), 1), -150.0), np.full((len(a), 1), 150.0)
    for _ in range(80):
        log_m = (left + right) / 2
        v = np.minimum(a / np.exp(log_m), room)
        growing = (np.linalg.norm(v, axis=1) > eps)[:, None]  # the bound falls as m grows
        left, right = np.where(growing, log_m, left), np.where(growing, right, log_m)
    m = np.exp(right)
    v = np.minimum(a / m, room)
    return (a * v - m * v**2 / 2).sum(1) + m[:, 0] * eps**2 / 2


def test_finite_sets_by_enumeration(dtype: torch.dtype) -> None:
    rng = np.random.default_rng(0)
    count = 0
    while count < CASES:
        d, k = int(rng.integers(1, 51)), int(rng.integers(1, 8))
        x = torch.tensor(rng.normal(size=(BATCH, d))).to(dtype)
        others = torch.tensor(rng.normal(size=(BATCH, k, d))).to(dtype)
        candidates = torch.cat([others, x[:, None]], 1)
        finite = Finite(candidates)
        z = torch.tensor(rng.normal(size=(BATCH, d)) * 2).to(dtype)
        p, best = finite.project(z, x), finite.argmax_linear(z, x)
        for i in range(BATCH):
            away = [float((z[i].double() - c.double()).norm()) for c in candidates[i]]
            value = [float(z[i].double() @ c.double()) for c in candidates[i]]
            assert torch.equal(p[i], candidates[i, int(np.argmin(away))])
            assert torch.equal(best[i], candidates[i, int(np.argmax(value))])
        count += BATCH
