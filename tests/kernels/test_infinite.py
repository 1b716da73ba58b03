"""Infinite-width kernels against known digits, a second quadrature, Monte Carlo and mpmath."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import mpmath
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from robustlib.activations import ACTIVATIONS
from robustlib.kernels import nngp, ntk

T = [-1.0, -0.5, 0.0, 0.3, 0.9, 1.0]
KINKED = [name for name, s in ACTIVATIONS.items() if s.degree is not None]
DEPTHS = 5
DEEP_KINDS = [(trained, h) for trained in ("hidden", "all") for h in range(1, DEPTHS + 1)]
KINDS = [("first", 1), *DEEP_KINDS]


def pair(t: list[float] | Tensor, device: torch.device | None = None) -> tuple[Tensor, Tensor]:
    """One unit vector, and unit vectors whose inner products with it are ``t``."""
    c = torch.as_tensor(t, dtype=torch.float64, device=device)
    return c.new_tensor([[1.0, 0.0]]), torch.stack([c, (1 - c * c).sqrt()], dim=1)


def sphere(n: int, d: int, seed: int = 0) -> Tensor:
    x = torch.randn(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return x / x.norm(dim=1, keepdim=True)


# --- known digits ------------------------------------------------------------------------------

FIRST = {
    "relu": [0, -0.083333333333, 0, 0.089548002603, 0.38539516809, 0.5],
    "quadratic_relu": [0, -0.027249445261, 0, 0.072411642575, 0.40929227948, 0.5],
    "erf": [-0.56941003473, -0.22507907904, 0, 0.12994946687, 0.47746482928, 0.56941003473],
    "gelu": [-0.0441491344, -0.0788663788, 0, 0.0912857034, 0.3866646260, 0.4558508657],
    "softplus": [-0.2066209641, -0.1142858372, 0, 0.0788475814, 0.2600262110, 0.2933790359],
    "tanh": [-0.4644029025, -0.1923735142, 0, 0.1118975737, 0.3948856600, 0.4644029025],
}
DEEP = {
    ("hidden", 1): [-0.16666666667, 0, 0.17909600521, 0.77079033618, 1],
    ("hidden", 2): [-0.030839252048, 0.19197754608, 0.43705281443, 1.4510725185, 2],
    ("hidden", 3): [0.21396993484, 0.45556238669, 0.72821287205, 2.060842292, 3],
    ("all", 1): [-0.11533777124, 0.63661977237, 1.3236805781, 3.3606574701, 4],
    ("all", 2): [0.68772449255, 1.3714172726, 2.0692025992, 4.7376273254, 6],
}
ARCS = {  # 2 E[u+ v+] and (2/3) E[u+^2 v+^2]
    "relu": (2.0, [0, 0.10899778104, 0.31830988618, 0.48274428384, 0.90953839884, 1]),
    "quadratic_relu": (
        8 / 3,
        [0, 0.028834442811, 0.16666666667, 0.32590924597, 0.8728253604, 1],
    ),
}


def assert_digits(value: Tensor, expected: list[float]) -> None:
    """Ten digits behind the point, which is what the tables hold."""
    assert value.shape == (1, len(expected))
    assert (value[0].cpu() - torch.tensor(expected, dtype=torch.float64)).abs().max() < 6e-11


@pytest.mark.parametrize("activation", FIRST)
def test_first_layer_kernel_has_the_known_digits(activation: str, device: torch.device) -> None:
    x, z = pair(T, device)
    assert_digits(ntk(x, z, activation=activation, bias=False), FIRST[activation])


@pytest.mark.parametrize("kind", DEEP, ids=str)
def test_deep_relu_kernel_has_the_known_digits(kind: tuple[str, int], device: torch.device) -> None:
    x, z = pair(T[1:], device)
    assert_digits(ntk(x, z, trained=kind[0], depth=kind[1], bias=False), DEEP[kind])


@pytest.mark.parametrize("activation", ARCS)
def test_arc_cosine_kernels_have_the_known_digits(activation: str) -> None:
    scale, expected = ARCS[activation]
    assert_digits(scale * nngp(*pair(T), activation=activation, bias=False), expected)


def test_a_bias_replaces_t_by_its_mean_with_one() -> None:
    expected = [0, 0.0725538279069, 0.166666666667, 0.235700114494, 0.42698575355, 0.5]
    assert_digits(ntk(*pair(T)), expected)
    lifted = [(1 + t) / 2 for t in T]
    for activation in ACTIVATIONS:
        for trained, depth in KINDS:
            inside = ntk(*pair(T), activation=activation, trained=trained, depth=depth)
            outside = ntk(
                *pair(lifted), activation=activation, trained=trained, depth=depth, bias=False
            )
            torch.testing.assert_close(inside, outside, rtol=1e-12, atol=1e-14)


def test_training_both_layers_adds_the_output_kernel() -> None:
    both = [0, -0.028834442811, 0.15915494309, 0.33092014452, 0.84016436751, 1]
    assert_digits(ntk(*pair(T), bias=False) + nngp(*pair(T), bias=False), both)
    # the standard net of depth 1 has weights N(0, 2) in both layers: four times the sum
    assert_digits(ntk(*pair(T), trained="all", bias=False) / 4, both)


# --- three routes ------------------------------------------------------------------------------

Moment = Callable[[float, float, float], float]
Array = NDArray[np.float64]


def by_quadrature(activation: str, slope: bool) -> Moment:
    """E[s(u)s(v)] or E[s'(u)s'(v)] at (q, p, c), with no code of the library's kernels."""
    a = ACTIVATIONS[activation]
    s = a.derivative if slope else a.function

    def polar(q: float, p: float, c: float) -> float:
        # u = r sqrt(q) cos(phi), v = r sqrt(p) cos(phi - theta); both positive on one arc
        theta = math.acos(max(-1.0, min(1.0, c / math.sqrt(q * p))))
        nodes, weights = np.polynomial.legendre.leggauss(40)
        half = (math.pi - theta) / 2
        phi = theta / 2 + half * nodes
        power = {("relu", False): 1, ("relu", True): 0}.get((activation, slope), 1 if slope else 2)
        inner = (np.cos(phi) * np.cos(phi - theta)) ** power
        radial = {0: 1.0, 1: 2.0, 2: 8.0 / 4}[power]  # E[r^(2 power)], times 1/4 of two s
        scale = math.sqrt(q * p) ** power
        return float(scale * radial * half * (weights @ inner) / (2 * math.pi))

    def grid(q: float, p: float, c: float) -> float:
        # the trapezoidal rule in both axes, with (u, v) turned symmetrically
        theta = math.acos(max(-1.0, min(1.0, c / math.sqrt(q * p))))
        node = torch.arange(-9, 9.0001, 0.05, dtype=torch.float64)
        weight = 0.05 * torch.exp(-node * node / 2) / math.sqrt(2 * math.pi)
        plus = math.cos(theta / 2) * node[:, None]
        minus = math.sin(theta / 2) * node[None]
        u, v = math.sqrt(q) * (plus + minus), math.sqrt(p) * (plus - minus)
        return float(weight @ (s(u) * s(v)) @ weight)

    return polar if activation in KINKED else grid


def by_sampling(activation: str, slope: bool, generator: torch.Generator, size: int) -> Moment:
    a = ACTIVATIONS[activation]
    s = a.derivative if slope else a.function

    def moment(q: float, p: float, c: float) -> float:
        g, h = torch.randn(2, size, dtype=torch.float64, generator=generator)
        r = c / math.sqrt(q * p)
        u, v = math.sqrt(q) * g, math.sqrt(p) * (r * g + math.sqrt(max(0.0, 1 - r * r)) * h)
        return float((s(u) * s(v)).mean())

    return moment


def recursion(
    value: Moment, slope: Moment, activation: str, trained: str, q: float, p: float, c: float
) -> list[tuple[float, float]]:
    """Tangent kernel and output covariance at each depth, in a form of their own."""
    if trained == "first":
        return [(c * slope(q, p, c), value(q, p, c))]
    gain = 2.0 if trained == "all" or activation == "relu" else 1.0
    inputs, slopes = [], []  # per layer: <x_(h-1), x_(h-1)'>/m and E[s's'] at its outputs
    if trained == "hidden":
        q, p, c = gain * q, gain * p, gain * c
    for _ in range(DEPTHS):
        inputs.append(c)
        z = gain * q, gain * p, gain * c
        slopes.append(slope(*z))
        q, p, c = value(z[0], z[0], z[0]), value(z[1], z[1], z[1]), value(*z)
    inputs.append(c)
    return [_summed(inputs, slopes, gain, trained, depth) for depth in range(1, DEPTHS + 1)]


def _summed(
    inputs: list[float], slopes: list[float], gain: float, trained: str, depth: int
) -> tuple[float, float]:
    """One gradient per layer: it travels down through the slopes above, each with the gain."""
    down, total = 1.0, 0.0
    if trained == "all":
        total = gain * inputs[depth]
        for h in reversed(range(depth)):
            down *= gain * slopes[h]
            total += gain * inputs[h] * down
        return total, gain * inputs[depth]
    for h in reversed(range(depth)):
        down *= slopes[h] * (gain if h < depth - 1 else 1.0)
        total += inputs[h] * down
    return total, inputs[depth]


@functools.cache
def two_routes(activation: str, trained: str, q: float, p: float, c: float) -> tuple[Array, Array]:
    """Both kernels at each depth, by quadrature (depths, 2) and 16 times by sampling."""
    moments = [by_quadrature(activation, slope) for slope in (False, True)]
    exact = np.array(recursion(*moments, activation, trained, q, p, c))
    generator = torch.Generator().manual_seed(1)
    size = 40_000 if activation == "quadratic_relu" else 4_000
    sampled = []
    for _ in range(16):
        moments = [by_sampling(activation, slope, generator, size) for slope in (False, True)]
        sampled.append(recursion(*moments, activation, trained, q, p, c))
    return exact, np.array(sampled)


@pytest.mark.parametrize("bias", [False, True], ids=["", "bias"])
@pytest.mark.parametrize("kind", KINDS, ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_closed_form_quadrature_and_sampling_agree(
    activation: str, kind: tuple[str, int], bias: bool
) -> None:
    trained, depth = kind
    x = torch.tensor([[0.9, 0.2]], dtype=torch.float64)
    z = torch.tensor([[0.3, -0.8]], dtype=torch.float64)
    a, b = (torch.cat([w, torch.ones(1, 1)], 1) / 2**0.5 if bias else w for w in (x, z))
    q, p, c = float(a @ a.T), float(b @ b.T), float(a @ b.T)
    options = {"activation": activation, "trained": trained, "depth": depth, "bias": bias}
    mine = [float(kernel(x, z, **options)) for kernel in (ntk, nngp)]  # type: ignore[arg-type]
    ends = [
        math.sqrt(float(kernel(x, **options)) * float(kernel(z, **options)))  # type: ignore[arg-type]
        for kernel in (ntk, nngp)
    ]

    other, samples = two_routes(activation, trained, q, p, c)
    assert np.abs(np.array(mine) - other[depth - 1]).max() < 1e-12 * max(ends)

    samples = samples[:, depth - 1]
    middle, error = samples.mean(0), samples.std(0, ddof=1) / 4
    assert (np.abs(np.array(mine) - middle) < 5 * error).all()
    assert (error < 0.1 * np.array(ends)).all()  # or the interval would say nothing


# --- accuracy ----------------------------------------------------------------------------------


def exact(
    x: Tensor, z: Tensor, activation: str, trained: str, depth: int, tangent: bool
) -> mpmath.mpf:
    """The kernel of two float vectors to 50 digits, no bias, for (quadratic) ReLU and erf."""
    with mpmath.workdps(60):
        a, b = ([mpmath.mpf(float(v)) for v in w] for w in (x, z))
        q, p, c = mpmath.fdot(a, a), mpmath.fdot(b, b), mpmath.fdot(a, b)
        square = activation == "quadratic_relu"

        def moments(q, p, c):  # type: ignore[no-untyped-def]
            if activation == "erf":
                ends = (1 + 2 * q) * (1 + 2 * p)
                value = 2 / mpmath.pi * mpmath.asin(2 * c / mpmath.sqrt(ends))
                return value, 4 / mpmath.pi / mpmath.sqrt(ends - 4 * c * c)
            root = mpmath.sqrt(q * p)
            r = max(mpmath.mpf(-1), min(mpmath.mpf(1), c / root))
            t = mpmath.acos(r)
            k0 = (mpmath.pi - t) / mpmath.pi
            k1 = (mpmath.sin(t) + (mpmath.pi - t) * r) / mpmath.pi
            if not square:
                return root * k1 / 2, k0 / 2
            k2 = (3 * mpmath.sin(t) * r + (mpmath.pi - t) * (1 + 2 * r * r)) / (3 * mpmath.pi)
            return 3 * root**2 * k2 / 8, root * k1 / 2

        if trained == "first":
            value, slope = moments(q, p, c)
            return c * slope if tangent else value
        gain = 2 if trained == "all" or not square else 1
        total = gain * c if trained == "all" else mpmath.mpf(0)
        if trained == "hidden":
            q, p, c = gain * q, gain * p, gain * c
        for _ in range(depth):
            value, slope = moments(gain * q, gain * p, gain * c)
            if trained == "all":
                total = gain * value + gain * slope * total
            else:
                total = slope * (c + gain * total)
            q, p, c = moments(gain * q, gain * q, gain * q)[0], moments(*[gain * p] * 3)[0], value
        return total if tangent else (gain * c if trained == "all" else c)


def pairs_at_all_angles(d: int, dtype: torch.dtype, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Pairs of rounded vectors of different lengths, angles from 0 over tiny ones to pi."""
    generator = torch.Generator().manual_seed(seed)
    angles = [0.0, *(10.0**-k for k in range(1, 9)), 0.5, 1.0, 1.3, math.pi / 2, 1.9, 2.5]
    angles += [math.pi - a for a in angles]
    rows = []
    for angle in angles:
        u, v = torch.linalg.qr(torch.randn(d, 2, dtype=torch.float64, generator=generator))[0].T
        length = torch.exp(0.2 * torch.randn(2, dtype=torch.float64, generator=generator))
        rows.append((length[0] * u, length[1] * (math.cos(angle) * u + math.sin(angle) * v)))
        if angle in (0.0, math.pi):  # bits equal or opposite, not only nearly so
            rows[-1] = (rows[-1][0], math.cos(angle) * rows[-1][0])
    x, z = (torch.stack(side).to(dtype) for side in zip(*rows, strict=True))
    return x, z


ANGULAR = [(a, *kind) for a in KINKED for kind in KINDS]


@pytest.mark.parametrize("tangent", [True, False], ids=["ntk", "nngp"])
@pytest.mark.parametrize(("activation", "trained", "depth"), ANGULAR)
def test_float32_is_relatively_exact_at_every_angle(
    activation: str, trained: str, depth: int, tangent: bool, device: torch.device
) -> None:
    x, z = pairs_at_all_angles(7, torch.float32)
    kernel = ntk if tangent else nngp
    gram = kernel(
        x.to(device), z.to(device), activation=activation, trained=trained, depth=depth, bias=False
    )
    for i, value in enumerate(gram.diagonal().tolist()):
        truth = float(exact(x[i], z[i], activation, trained, depth, tangent))
        assert abs(value - truth) <= 5e-7 * abs(truth) + 1e-37  # float32's smallest number


@pytest.mark.parametrize("tangent", [True, False], ids=["ntk", "nngp"])
@pytest.mark.parametrize(("activation", "trained", "depth"), ANGULAR)
def test_float64_is_exact_for_near_pairs_too(
    activation: str, trained: str, depth: int, tangent: bool, device: torch.device
) -> None:
    x, z = pairs_at_all_angles(7, torch.float64)
    kernel = ntk if tangent else nngp
    gram = kernel(
        x.to(device), z.to(device), activation=activation, trained=trained, depth=depth, bias=False
    )
    for i, value in enumerate(gram.diagonal().tolist()):
        truth = float(exact(x[i], z[i], activation, trained, depth, tangent))
        ends = exact(x[i], x[i], activation, trained, depth, tangent)
        ends *= exact(z[i], z[i], activation, trained, depth, tangent)
        assert abs(value - truth) <= 1e-13 * max(abs(truth), 0.1 * float(mpmath.sqrt(ends)))


@pytest.mark.parametrize("norm", [1.0, 30.0, 1e3, 7e3])
@pytest.mark.parametrize(("trained", "depth"), [("first", 1), ("all", 2)])
def test_erf_of_long_rows_has_the_digits_that_it_promises(
    trained: str, depth: int, norm: float
) -> None:
    """It turns within angles of 1/norm, which a covariance does not resolve for ever."""
    rows, near = pairs_at_all_angles(4, torch.float64)
    x = norm * torch.cat([rows, near]) / torch.cat([rows, near]).norm(dim=1, keepdim=True)
    gram = ntk(x, activation="erf", trained=trained, depth=depth, bias=False)
    kinds = "erf", trained, depth, True
    ends = [float(exact(row, row, *kinds)) for row in x]
    allowed = max(1e-13, 5e-16 * norm**2)
    for i in range(len(rows)):
        for j in (i, i + len(rows)):
            truth = float(exact(x[i], x[j], *kinds))
            assert abs(float(gram[i, j]) - truth) <= allowed * math.sqrt(ends[i] * ends[j])


@pytest.mark.parametrize("activation", ["erf", "gelu"])
def test_rows_that_a_closed_form_has_no_digits_for_are_refused(activation: str) -> None:
    x = torch.tensor([[5e7, 0.0, 0.0], [6e7, 3e7, 1e7]], dtype=torch.float64)
    for kernel in (ntk, nngp):
        with pytest.raises(ValueError, match=rf"the kernel of {activation} .* norm 6.782e\+07; "):
            kernel(x, activation=activation, bias=False)


@pytest.mark.parametrize("bias", [False, True], ids=["", "bias"])
def test_float32_grams_are_rounded_float64_grams(bias: bool, device: torch.device) -> None:
    x = sphere(300, 6).float().to(device)
    x[7] = x[3]
    x[8] = -x[3]
    for activation in ACTIVATIONS:
        for trained, depth in (("first", 1), ("hidden", 3), ("all", 2)):
            options = {"activation": activation, "trained": trained, "depth": depth, "bias": bias}
            single = ntk(x, **options)  # type: ignore[arg-type]
            double = ntk(x.double(), **options)  # type: ignore[arg-type]
            assert single.dtype == torch.float32
            error = (single.double() - double).abs()
            floor = 1e-15 * double.diagonal().max()
            assert bool((error <= 5e-7 * double.abs() + floor).all()), (activation, trained)


@pytest.mark.parametrize("activation", [name for name in ACTIVATIONS if name not in KINKED])
def test_float32_kernels_of_one_norm_are_right_at_every_angle(
    activation: str, device: torch.device
) -> None:
    angles = torch.linspace(0, 2 * math.pi, 242, dtype=torch.float64)[:-1]
    near = 10.0 ** -torch.arange(1, 10, dtype=torch.float64)  # also to each other
    angles = torch.cat([angles, near, math.pi - near])
    circle = torch.stack([angles.cos(), angles.sin()], 1).float().to(device)
    # the angles are between a few points and all: one norm, but for the rounding of coordinates
    for trained, depth, norm in (
        ("first", 1, 1.0),
        ("hidden", 3, 0.5),
        ("all", 1, 1.0),
        ("all", 5, 1.0),
    ):
        x, z = norm * circle[::25], norm * circle
        options = {"activation": activation, "trained": trained, "depth": depth, "bias": False}
        found = ntk(x, z, **options).double()  # type: ignore[arg-type]
        right = ntk(x.double(), z.double(), **options)  # type: ignore[arg-type]
        floor = 1e-13 * right.abs().max()  # nearer to a zero no float32 is right
        assert bool(((found - right).abs() <= 5e-7 * right.abs() + floor).all()), options


def test_smooth_kernels_do_not_depend_on_how_norms_are_treated(device: torch.device) -> None:
    # one row of another norm sends the whole matrix down the other path
    x = sphere(40, 5).to(device)
    nearly = x * (1 + 1e-7 * torch.linspace(-1, 1, 40, dtype=x.dtype, device=device)[:, None])
    for activation in [name for name in ACTIVATIONS if name not in KINKED]:
        for trained, depth in KINDS:
            for points in (x, nearly):
                options = {"activation": activation, "trained": trained, "depth": depth}
                alone = ntk(points, **options)  # type: ignore[arg-type]
                mixed = ntk(torch.cat([points, 2 * points[:1]]), **options)[:40, :40]  # type: ignore[arg-type]
                assert (alone - mixed).abs().max() < 2e-14 * alone.diagonal().max()


# --- shape and edges ---------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ["relu", "quadratic_relu", "erf", "softplus"])
def test_grams_are_symmetric_to_the_bit_and_equal_to_cross_kernels(
    activation: str, dtype: torch.dtype, device: torch.device
) -> None:
    x = sphere(530, 4).to(device, dtype)  # several blocks, the last one not full
    gram, cross = (ntk(x, z, activation=activation) for z in (None, x))
    assert torch.equal(gram, gram.T)
    close = 4e-7 if dtype == torch.float32 else 1e-14
    torch.testing.assert_close(gram, cross, rtol=close, atol=close * 1e-2)
    torch.testing.assert_close(cross[:300, 200:], ntk(x[:300], x[200:], activation=activation))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_grams_are_positive_semidefinite(activation: str) -> None:
    x = torch.cat([sphere(40, 3), sphere(3, 3).repeat(2, 1)])  # with points that occur twice
    for trained, depth in (("first", 1), ("hidden", 2), ("all", 2)):
        gram = ntk(x, activation=activation, trained=trained, depth=depth)
        eigenvalues = torch.linalg.eigvalsh(gram)
        assert eigenvalues[0] > -1e-13 * eigenvalues[-1]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_edges_of_shape(activation: str, dtype: torch.dtype, device: torch.device) -> None:
    x = sphere(3, 2).to(device, dtype)
    for trained, depth in (("first", 1), ("hidden", 2), ("all", 2)):
        options = {"activation": activation, "trained": trained, "depth": depth}
        full = ntk(x, **options)  # type: ignore[arg-type]
        for n, m in ((0, 3), (3, 0), (0, 0), (1, 1), (1, 3)):
            part = ntk(x[:n], x[:m], **options)  # type: ignore[arg-type]
            assert part.shape == (n, m)
            assert (part.dtype, part.device.type) == (dtype, device.type)
            torch.testing.assert_close(part, full[:n, :m])
        assert ntk(x[:0], **options).shape == (0, 0)  # type: ignore[arg-type]
        torch.testing.assert_close(ntk(x[:1], **options), full[:1, :1])  # type: ignore[arg-type]


def test_one_dimension_has_two_points() -> None:
    x = torch.tensor([[1.0], [-1.0], [0.5]], dtype=torch.float64)
    # without bias t is +1 or -1: ReLU's kernel is 1/2 and 0, times the lengths
    expected = torch.tensor([[0.5, 0, 0.25], [0, 0.5, 0], [0.25, 0, 0.125]], dtype=torch.float64)
    torch.testing.assert_close(ntk(x, bias=False), expected, rtol=1e-15, atol=0)
    plane = torch.tensor([[1.0], [0.0]], dtype=torch.float64)  # lifts to (1, 1), (0, 1) over sqrt 2
    lifted = torch.tensor([[1.0, 1.0], [0.0, 1.0]], dtype=torch.float64) / 2**0.5
    torch.testing.assert_close(ntk(plane), ntk(lifted, bias=False), rtol=1e-13, atol=0)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_zero_rows(activation: str, dtype: torch.dtype) -> None:
    x = sphere(3, 4).to(dtype)
    x[1] = 0
    for trained, depth in (("first", 1), ("hidden", 2), ("all", 2)):
        options = {"activation": activation, "trained": trained, "depth": depth}
        gram = ntk(x, bias=False, **options)  # type: ignore[arg-type]
        assert gram.isfinite().all()
        if trained == "first" or activation == "relu":
            # K carries the factor <x, z>; deeper smooth nets have s(0) != 0 behind it
            assert torch.equal(gram[1], torch.zeros(3, dtype=dtype))
        # with the bias a zero row is an ordinary point, of squared norm 1/2
        lifted = torch.cat([x, torch.ones(3, 1, dtype=dtype)], 1).double() / 2**0.5
        expected = ntk(lifted, bias=False, **options)  # type: ignore[arg-type]
        torch.testing.assert_close(ntk(x, **options).double(), expected, rtol=1e-6, atol=0)  # type: ignore[arg-type]


@pytest.mark.parametrize("activation", KINKED)
def test_homogeneous_kernels_scale(activation: str) -> None:
    x, z = sphere(5, 3, 1), sphere(4, 3, 2)
    small = ntk(1e-3 * x, 1e3 * z, activation=activation, trained="hidden", depth=2, bias=False)
    unit = ntk(x, z, activation=activation, trained="hidden", depth=2, bias=False)
    torch.testing.assert_close(small, unit, rtol=1e-12, atol=1e-15)
    tiny = ntk(1e-100 * x, z, bias=False)
    torch.testing.assert_close(tiny, 1e-100 * ntk(x, z, bias=False), rtol=1e-13, atol=0)


def test_kernels_beyond_the_largest_number_are_refused() -> None:
    x = torch.tensor([[1e3], [1.0], [-1.0]])
    with pytest.raises(ValueError, match=r"norm 1000: .* degree 32 .* float32"):
        ntk(x, activation="quadratic_relu", trained="hidden", depth=5, bias=False)


def test_rows_too_long_for_a_series_are_refused_with_their_norm() -> None:
    x = torch.tensor([[300.0], [1.0]], dtype=torch.float64)
    with pytest.raises(ValueError, match=r"tanh has no closed form.*norm 212"):
        ntk(x, activation="tanh")


# --- gradients ---------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [False, True], ids=["", "bias"])
@pytest.mark.parametrize("kind", [("first", 1), ("hidden", 2), ("all", 3)], ids=str)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_are_those_of_finite_differences(
    activation: str, kind: tuple[str, int], bias: bool
) -> None:
    x, z = 0.8 * sphere(2, 2, 5), 1.1 * sphere(1, 2, 6)
    x.requires_grad_()
    z.requires_grad_()
    options = {"activation": activation, "trained": kind[0], "depth": kind[1], "bias": bias}
    close = {"eps": 1e-6, "atol": 1e-7, "rtol": 1e-6, "fast_mode": True}  # in random directions
    for kernel in (ntk, nngp):
        assert torch.autograd.gradcheck(lambda a, b: kernel(a, b, **options), (x, z), **close)  # type: ignore[arg-type]  # noqa: B023
        assert torch.autograd.gradcheck(lambda a: kernel(a, **options), (x,), **close)  # type: ignore[arg-type]  # noqa: B023


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_are_finite_at_equal_opposite_and_zero_points(
    activation: str, dtype: torch.dtype, device: torch.device
) -> None:
    x = sphere(5, 3).to(device, dtype)
    x[1], x[2], x[3] = x[0], -x[0], 0
    x[4] = x[0] + 1e-7
    x.requires_grad_()
    for trained, depth in (("first", 1), ("hidden", 2), ("all", 2)):
        for bias in (False, True):
            gram = ntk(x, activation=activation, trained=trained, depth=depth, bias=bias)
            (grad,) = torch.autograd.grad(gram.square().sum(), x)
            assert grad.isfinite().all()
            assert grad.abs().max() < 1e3 * float(gram.detach().square().sum())


def test_the_gradient_at_equal_points_is_the_mean_over_directions() -> None:
    x = torch.tensor([[0.6, 0.8]], dtype=torch.float64)
    z = x.clone().requires_grad_()
    (grad,) = torch.autograd.grad(ntk(x, z, bias=False).sum(), z)
    # the cone of the kink is symmetric; what is left is the growth along x, K = |x||z|/2
    torch.testing.assert_close(grad, x / 2, rtol=1e-13, atol=1e-15)
    steps = [1e-5 * torch.tensor([[0.8, -0.6]], dtype=torch.float64) * sign for sign in (1, -1)]
    sides = [float((ntk(x, x + step, bias=False) - ntk(x, bias=False)) / 1e-5) for step in steps]
    assert sides[0] < -0.1  # a kink indeed: it falls both ways
    assert sides[1] < -0.1


def test_the_gradient_is_right_for_nearly_equal_points() -> None:
    u, v = sphere(1, 6, 1), sphere(1, 6, 2)
    direction = v - (u @ v.T) * u
    direction /= direction.norm()
    for r in (1e-3, 1e-6, 1e-9):
        z = (math.cos(r) * u + math.sin(r) * direction).requires_grad_()
        (grad,) = torch.autograd.grad(ntk(u, z, bias=False).sum(), z)
        # along the circle the kernel is cos(r)(pi - r)/(2 pi)
        slope = -(math.sin(r) * (math.pi - r) + math.cos(r)) / (2 * math.pi)
        tangent = math.cos(r) * direction - math.sin(r) * u
        assert abs(float(grad @ tangent.T) - slope) < 1e-6


@pytest.mark.parametrize("depth", [20, 21, 100])
def test_great_depth_against_many_digits(depth: int) -> None:
    """Beyond 20 layers the recursion itself runs; both forms keep their digits."""
    turn = torch.tensor([0.0, 1e-4, 0.3, 1.0, 3.0], dtype=torch.float64)
    points = torch.stack([turn.cos(), turn.sin()], 1)
    kind = {"depth": depth, "trained": "hidden", "bias": False}
    found = ntk(points[:1], points, **kind)[0]
    for point, value in zip(points, found.tolist(), strict=True):
        right = float(exact(points[0], point, "relu", "hidden", depth, tangent=True))
        assert abs(value - right) <= 1e-13 * depth
    single = points.float()
    for point, value in zip(single, ntk(single[:1], single, **kind)[0].tolist(), strict=True):
        right = float(exact(single[0], point, "relu", "hidden", depth, tangent=True))
        assert value == pytest.approx(right, rel=5e-7)


def test_gradients_stop_where_the_polynomial_does() -> None:
    x = torch.eye(2, dtype=torch.float64).requires_grad_()
    ntk(x, x, depth=20, trained="hidden").sum().backward()
    deep = ntk(x, x, depth=21, trained="hidden")
    with pytest.raises(ValueError, match="depth must be at most 20 for gradients"):
        deep.sum().backward()
