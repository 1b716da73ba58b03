"""The statements of chapter 08 on the space itself: features, eigenvalues, density."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from ...activations import ACTIVATIONS, Parity
from ...kernels import kernel_spectrum
from ...numerics import generator
from ...samples import sphere
from ...solvers.shortest_vector import Infeasible, shortest
from .place import ntk
from .registry import Control, Evidence, claim
from .sharp import divided, doubled
from .tools import F64
from .widths import SEEDS, circle, lift

NAMES = tuple(ACTIVATIONS)
# Their s' is 1/2 and an odd function; kinked and entire ones first.
HALF = [s.name for s in ACTIVATIONS.values() if s.parity == Parity("even", 1)]
HALF.sort(key=lambda name: -(ACTIVATIONS[name].strip or math.inf))
DRAWS = {"smoke": 100_000, "laptop": 400_000, "gpu": 4_000_000}


@claim(
    "feature-norm",
    statement="thm-features",
    title="The space of the features",
    chapter="08-expressiveness",
)
def feature_norm(size: str) -> Evidence:
    """The norm by formula and as E|c|^2, and how much a function changes between two points."""
    sigmas, other, change, near = 0.0, 0.0, 0.0, math.inf
    for seed in range(SEEDS[size]):
        name = HALF[seed % len(HALF)]
        points, others = sphere(6, 3, seed=seed).x, sphere(200, 3, seed=seed + 100).x
        v = torch.randn(6, dtype=F64, generator=generator(seed, 1))
        w = torch.randn(DRAWS[size], 4, dtype=F64, generator=generator(seed, 2))
        slope = ACTIVATIONS[name].derivative
        square = float(v @ ntk(points, activation=name) @ v)
        lifted = lift(points)
        c = (slope(w @ lifted.T) * v) @ lifted
        sigmas = max(sigmas, _sigmas((c**2).sum(1), square))
        # even, of mean 0, and so orthogonal to every feature: it changes no value of g
        unseen = (w[:, :1] ** 2 - w[:, 1:2] ** 2).expand_as(c)
        other = max(other, _sigmas(((c + unseen) ** 2).sum(1), square))
        change = max(change, _change(points, v, others[:100], others[100:], name))
        # K(x, .) - K(z, .) is along the difference of the features: nothing is lost
        pair = torch.tensor([1.0, -1.0], dtype=F64)
        near = min(near, _change(points[:2], pair, points[:1], points[1:2], name))
    return Evidence(
        predicted="v^T K v = E|c(w)|^2; change of g at most norm times distance of features",
        measured=f"within {sigmas:.1f} standard errors; change at most {change:.2f} of the bound, "
        f"{near:.2f} of it for K(x, .) - K(z, .)",
        value=sigmas,
        holds=sigmas <= 4.5 and max(change, near) <= 1 + 1e-9,
        ratio=near,
        control=divided(
            Control(
                broken="c with a part that is orthogonal to all features, so that g stays the same",
                measured=f"{other:.0f} standard errors",
                holds=other <= 4.5,
                short="hidden part added",
            ),
            near,
        ),
        ran=f"{SEEDS[size]} random functions in d = 3, {DRAWS[size]} draws of w each",
    )


def _change(points: Tensor, v: Tensor, x: Tensor, z: Tensor, name: str) -> float:
    """The largest |g(x) - g(z)| as a share of the bound, g = sum of v_j K(points_j, .)."""
    gap = (ntk(x, points, activation=name) - ntk(z, points, activation=name)) @ v
    square = float(v @ ntk(points, activation=name) @ v)
    reach = [ntk(a, b, activation=name).diagonal() for a, b in ((x, x), (z, z), (x, z))]
    bound = math.sqrt(square) * (reach[0] + reach[1] - 2 * reach[2]).clamp(min=0).sqrt()
    return float((gap.abs() / bound).max())


def _sigmas(terms: Tensor, expected: float) -> float:
    return abs(float(terms.mean()) - expected) / float(terms.std()) * math.sqrt(len(terms))


@claim(
    "funk-hecke",
    statement="thm-funk-hecke",
    title="Harmonics are eigenfunctions",
    chapter="08-expressiveness",
)
def funk_hecke(size: str) -> Evidence:
    """The integral of K against harmonics, norms from harmonics, and the sum of all eigenvalues."""
    worst, other, short = 0.0, 0.0, 0.0
    names = ("gelu", "softplus", "erf", "tanh", "silu")[: SEEDS[size]]
    z, weights = _sphere_rule(40)
    x = sphere(5, 3, seed=7).x
    for name in names:
        found = kernel_spectrum(3, activation=name, max_degree=6).eigenvalues.tolist()
        K = ntk(x, z, activation=name)
        for degree in range(1, 6):
            image = K @ (weights * _harmonic(z, degree))
            worst = max(worst, float((image - found[degree] * _harmonic(x, degree)).abs().max()))
            power, image = x[:, 0] ** degree, K @ (weights * z[:, 0] ** degree)
            if degree > 1:  # a power of a coordinate is no harmonic
                other = max(other, float((image - found[degree] * power).abs().max()))
    for d in (2, 3, 5):
        terms = kernel_spectrum(d, activation="gelu", max_degree=60)
        total = float(np.dot(terms.eigenvalues.numpy(), terms.multiplicities))
        one = sphere(1, d).x
        short = max(short, abs(total - float(ntk(one, activation="gelu"))))
    norm, share = _norm_by_harmonics("gelu", 10), _norm_by_harmonics("relu", 60)
    return Evidence(
        predicted="integral = eigenvalue times harmonic; all eigenvalues add up to K(x, x); "
        "squared norms are sums of |g_k|^2/lambda_k",
        measured=f"{_to(worst, 1e-10)}, sum {_to(short, 1e-10)}; norms {_to(abs(1 - norm), 1e-6)} "
        f"for GELU, degrees to 60 hold {share:.3f} of one for ReLU",
        value=max(worst, short),
        holds=max(worst, short) <= 1e-10 and abs(1 - norm) <= 1e-6 and 0.95 <= share <= 1,
        control=Control(
            broken="powers of a coordinate instead of harmonics",
            measured=f"off by {other:.1g}",
            holds=other <= 1e-10,
            short="powers for harmonics",
        ),
        ran=f"{', '.join(names)} with bias, sphere in R^3, degrees 1 to 5; sums in d = 2, 3, 5; "
        "norms on the circle",
    )


def _norm_by_harmonics(name: str, top: int) -> float:
    """Sum of |g_k|^2/lambda_k over v^T K v, for a sum of kernels on the circle, by quadrature."""
    places = generator(3)
    turns = 2 * math.pi * torch.rand(5, dtype=F64, generator=places)
    v = torch.randn(5, dtype=F64, generator=places)
    points = torch.stack([turns.cos(), turns.sin()], 1)
    g = ntk(circle(4096), points, activation=name) @ v
    parts = (torch.fft.rfft(g).abs() / len(g)) ** 2
    parts[1:] *= 2  # cosine and sine
    found = kernel_spectrum(2, activation=name, max_degree=top).eigenvalues
    total = float((parts[: top + 1] / found).sum())
    return total / float(v @ ntk(points, activation=name) @ v)


def _to(error: float, bound: float) -> str:
    return f"equal to {bound:.0e}" if error <= bound else f"off by {error:.1e}"


def _sphere_rule(n: int) -> tuple[Tensor, Tensor]:
    """Points and weights that integrate polynomials of degree 2n - 1 over the sphere in R^3."""
    heights, masses = np.polynomial.legendre.leggauss(n)
    turns = 2 * math.pi * np.arange(2 * n) / (2 * n)
    h, t = (part.ravel() for part in np.meshgrid(heights, turns, indexing="ij"))
    flat = np.sqrt(1 - h**2)
    points = np.stack([flat * np.cos(t), flat * np.sin(t), h], axis=1)
    weights = np.repeat(masses, 2 * n) / (4 * n)
    return torch.from_numpy(points), torch.from_numpy(weights)


def _harmonic(x: Tensor, degree: int) -> Tensor:
    """Re (x_1 + i x_2)^degree: harmonic, homogeneous."""
    value: Tensor = torch.complex(x[:, 0], x[:, 1]) ** degree
    return value.real


@claim(
    "universality",
    statement="thm-universal",
    title="Dense in the sup norm, or blind to a degree",
    chapter="08-expressiveness",
)
def universality(size: str) -> Evidence:
    """The least norm for cos(k angle) to within 0.7, for every degree and kernel."""
    wrong, deep, tried = 0, 0, 0
    for name in NAMES:
        for bias in (False, True):
            missing = kernel_spectrum(2, activation=name, bias=bias, max_degree=4).missing_degrees
            for degree in range(5):
                tried += 1
                wrong += (_norm_for(degree, name, bias) is None) != (degree in missing)
    for degree in range(5):
        gone = degree in kernel_spectrum(2, bias=False, max_degree=4).missing_degrees
        deep += (_norm_for(degree, "relu", False, trained="hidden", depth=2) is None) != gone
    near = math.pi / 4 / nearest_without(3)
    return Evidence(
        predicted="within 0.7 of a harmonic in the sup norm: some function, unless its degree is "
        "missing (then none within pi/4)",
        measured=f"{tried - wrong} of {tried} as predicted; pi/4 is {near:.2f} of the distance "
        "that a function without the degree can have",
        value=float(wrong),
        holds=wrong == 0 and near <= 1,
        ratio=near,
        control=doubled(
            Control(
                broken="the missing degrees of ReLU, read for a net with two trained layers",
                measured=f"{5 - deep} of 5 as predicted",
                holds=deep == 0,
                short="two trained layers",
            ),
            near,
        ),
        ran=f"{len(NAMES)} activations, with and without bias, degrees 0 to 4; fitted at 60 "
        "points, judged at 3600",
    )


def _norm_for(degree: int, name: str, bias: bool, **options: object) -> float | None:
    """The least norm of a function within 0.7 of cos(degree angle) at 60 points.

    None where there is none, or where it is not within pi/4 all round the circle.
    """
    x, everywhere = circle(60), circle(3600)
    target = np.cos(degree * 2 * math.pi * np.arange(60) / 60)
    wave = np.cos(degree * 2 * math.pi * np.arange(3600) / 3600)
    gram = ntk(x, activation=name, bias=bias, **options).numpy()  # type: ignore[arg-type]
    try:
        found = shortest(gram, target - 0.7, target + 0.7)
    except Infeasible:
        return None
    between = ntk(everywhere, x, activation=name, bias=bias, **options)  # type: ignore[arg-type]
    error = np.abs(between.numpy() @ found.multipliers - wave).max()
    return math.sqrt(found.square) if error < math.pi / 4 else None


def nearest_without(degree: int) -> float:
    """The sup distance from the harmonic to a function without its degree, which is nearly pi/4.

    The harmonic minus a multiple of a steep wave of its own signs.
    """
    wave = np.cos(degree * 2 * math.pi * np.arange(3600) / 3600)
    signs = np.tanh(50 * wave)
    g = wave - signs * (wave @ wave) / (signs @ wave)
    if abs(np.fft.rfft(g)[degree]) > 1e-9:
        return math.nan
    return float(np.abs(wave - g).max())


@claim(
    "spikes",
    statement="prop-spikes",
    title="Close on average says nothing about the worst point",
    chapter="08-expressiveness",
)
def spikes(size: str) -> Evidence:
    """Mean square and height of ((1 + <x, z>)/2)^p, by formula and on a fine grid."""
    turns, worst = circle(4096), 0.0
    powers = (1, 4, 16, 64, 256)
    squares, heights = [], []
    for p in powers:
        values = ((1 + turns[:, 0]) / 2) ** p
        squares.append(float((values**2).mean()))
        exact = math.exp(math.lgamma(4 * p + 1) - 2 * math.lgamma(2 * p + 1) - 4 * p * math.log(2))
        worst = max(worst, abs(squares[-1] - exact))
        heights.append(float(values.max()))
    rate = math.log(squares[-1] / squares[-2]) / math.log(powers[-1] / powers[-2])
    flat = math.log(heights[-1] / heights[-2]) / math.log(powers[-1] / powers[-2])
    shares = [s * math.sqrt(2 * math.pi * p) for s, p in zip(squares, powers, strict=True)]
    near = max(shares)
    exact = worst <= 1e-12 and heights == [1.0] * len(powers)
    return Evidence(
        predicted="height 1, mean square C(4p, 2p)/16^p, which falls as p^(-1/2), below "
        "(2 pi p)^(-1/2)",
        measured=f"height 1, mean square {_to(worst, 1e-12)}, slope {rate:.2f}, {shares[0]:.2f} to "
        f"{near:.2f} of the bound",
        value=rate,
        holds=exact and abs(rate + 0.5) <= 0.02 and near <= 1,
        ratio=near,
        control=divided(
            Control(
                broken="the sup norm instead of the mean square",
                measured=f"slope {flat:.2f}",
                holds=abs(flat + 0.5) <= 0.02,
                short="sup for mean",
            ),
            near,
        ),
        ran=f"p = {powers[0]} to {powers[-1]} on 4096 points of the circle",
    )
