"""The statements of chapter 04 on the limit: its rate, on the whole sphere, its closed form."""

from __future__ import annotations

import math

import numpy as np
import torch
from scipy import integrate, stats
from torch import Tensor

from ...activations import ACTIVATIONS, Activation
from ...networks import TwoLayerNet
from ...numerics import generator
from ...samples import sphere
from .place import empirical_ntk, ntk
from .registry import Control, Evidence, claim
from .sharp import divided
from .tools import F64
from .widths import circle, lift, rms, slope

SEEDS = {"smoke": 4, "laptop": 5, "gpu": 20}
WIDTHS = {
    "smoke": (64, 256, 1024, 4096),
    "laptop": (64, 256, 1024, 4096, 16384),
    "gpu": (64, 256, 1024, 4096, 16384, 65536),
}
# A slope of +-1 that changes so fast that different points see independent signs: |Theta - K| is
# then as large as |s'| <= 1 allows.
WAVE = Activation(
    "wave",
    lambda z: torch.acos(torch.cos(4000 * z)) / 4000,
    lambda z: torch.sign(torch.sin(4000 * z)),
    slope=1.0,
    curvature=math.inf,
)
SURE = 0.99  # the probability with which the two bounds on |Theta - K| are asked to hold


def repeat_units(net: TwoLayerNet, distinct: int) -> TwoLayerNet:
    """``net`` with its rows replaced by copies of the first ``distinct`` ones, at any width."""
    with torch.no_grad():
        net.weight.copy_(net.weight[torch.arange(net.width) % distinct])
    return net


def _deviations(
    activation: str, x: Tensor, widths: tuple[int, ...], seed: int, distinct: int | None = None
) -> list[Tensor]:
    """Theta - K at ``x`` for nets of these widths; ``distinct`` repeats units (the control)."""
    limit, found = ntk(x, activation=activation), []
    for k, width in enumerate(widths):  # a seed of its own for each net: none shares its rows
        own = len(widths) * seed + k
        net = TwoLayerNet(x.shape[1], width, activation=activation, seed=own).to(F64)
        if distinct is not None:
            repeat_units(net, distinct)
        found.append(empirical_ntk(net, x) - limit)
    return found


@claim(
    "ntk-limit",
    statement="thm-ntk-limit",
    title="The kernel of a wide network",
    chapter="04-kernel",
)
def ntk_limit(size: str) -> Evidence:
    """The root mean square of Theta - K falls as m^(-1/2), and both bounds hold."""
    variance, deviation = _wave_shares(8 * SEEDS[size])
    x, widths = sphere(30, 10, seed=1).x, WIDTHS[size]
    rows, stuck, excess = [], [], 0.0
    for seed in range(2 * SEEDS[size]):
        for activation, start in (("relu", 0), ("gelu", 1000)):
            found = _deviations(activation, x, widths, start + seed)
            rows.append([rms(delta) for delta in found])
            scale = ACTIVATIONS[activation].slope ** 2
            pairs = 2 * math.log(len(x) * (len(x) + 1) / (1 - SURE))
            for width, delta in zip(widths, found, strict=True):
                bound = scale * math.sqrt(pairs / (width // 2))
                excess = max(excess, float(delta.abs().max()) / bound)
        copies = _deviations("relu", x, widths, seed, distinct=32)
        stuck.append([rms(delta) for delta in copies])
    fitted, broken = slope(widths, rows), slope(widths, stuck)
    return Evidence(
        predicted="slope of log |Theta - K| in log m: -1/2; both bounds hold",
        measured=f"slope {fitted.mean:.2f}, maximum at most {excess:.2f} of the bound; "
        f"wave {variance:.2f} and {deviation:.2f}",
        value=fitted.mean,
        interval=fitted.interval,
        holds=fitted.contains(-0.5)
        and fitted.interval[1] < -0.4
        and max(excess, variance, deviation) <= 1,
        ratio=min(variance, deviation),
        control=divided(
            Control(
                broken="units that are not independent (32 rows, copied)",
                measured=f"slope {broken.mean:.2f}",
                holds=broken.at_most(-0.5),
                short="units copied",
            ),
            min(variance, deviation),
        ),
        ran=f"{len(rows)} nets per width (ReLU, GELU), m = {widths[0]} to {widths[-1]}, 30 points",
    )


def _wave_shares(seeds: int) -> tuple[float, float]:
    """Shares of the bounds on the mean square and the maximum of Theta - K for the wave."""
    turn = 0.03 * torch.arange(30, dtype=F64)
    x = torch.stack([turn.cos(), turn.sin()], 1)
    apart, most, units = ~torch.eye(30, dtype=torch.bool), 0.0, 64
    squares = []
    for seed in range(seeds):
        net = TwoLayerNet(2, 2 * units, seed=seed).to(F64)
        net.activation = WAVE
        found = empirical_ntk(net, x)[apart]  # K is 0 here to many digits
        squares.append(float(found.square().mean()) * units)
        most = max(most, float(found.abs().max()))
    bound = math.sqrt(2 * math.log(30 * 31 / (1 - SURE)) / units)
    return sum(squares) / seeds, most / bound


@claim(
    "ntk-uniform",
    statement="thm-ntk-uniform",
    title="The limit holds on the whole sphere at once",
    chapter="04-kernel",
)
def ntk_uniform(size: str) -> Evidence:
    """The supremum over a dense circle falls as fast as the bound does, and stays below it."""
    x, widths = circle(180), WIDTHS[size]
    rows: list[list[float]] = []
    stuck: list[list[float]] = []
    for seed in range(2 * SEEDS[size]):
        for target, distinct in ((rows, None), (stuck, 32)):
            found = _deviations("gelu", x, widths, seed, distinct)
            target.append([float(delta.abs().max()) for delta in found])
    bounds = [uniform_bound("gelu", 3, width // 2, 1 - SURE) for width in widths]
    excess = max(float(np.max(np.divide(row, bounds))) for row in rows)
    pace = slope(widths, [bounds, bounds]).mean
    fitted, broken = slope(widths, rows), slope(widths, stuck)
    return Evidence(
        predicted=f"sup below the bound, whose slope here is {pace:.2f}, and falls no slower",
        measured=f"slope {fitted.mean:.2f}, sup at most {excess:.3f} of the bound",
        value=fitted.mean,
        interval=fitted.interval,
        holds=fitted.at_most(pace) and excess <= 1,
        ratio=excess,
        control=divided(
            Control(
                broken="units that are not independent (32 rows, copied)",
                measured=f"slope {broken.mean:.2f}",
                holds=broken.at_most(pace),
                short="units copied",
            ),
            excess,
            20,
        ),
        ran=f"GELU, {len(x)} points of the circle, {len(rows)} nets per width to {widths[-1]}; no "
        "case near equality is known, since the proof adds a union bound to two Lipschitz steps",
    )


def uniform_bound(activation: str, d: int, units: int, delta: float) -> float:
    """The right side of thm-ntk-uniform for weights in R^d and independent ``units``."""
    c0, c1 = ACTIVATIONS[activation].slope, ACTIVATIONS[activation].curvature
    cover = 4 * d * math.log(3 * math.sqrt(units)) + 2 * math.log(4 / delta)
    return c0 / math.sqrt(units) * (c0 * math.sqrt(cover) + 4 * (c0 + c1 * math.sqrt(2 * d)))


@claim(
    "ntk-closed-form",
    statement="prop-arc-cosine",
    title="Two closed forms from one angle",
    chapter="04-kernel",
)
def ntk_closed_form(size: str) -> Evidence:
    """Both kernels by formula, by quadrature and by Monte Carlo, lifted and not."""
    draws, worst, sigmas, coins = 200_000, 0.0, 0.0, 0.0
    for seed in range(SEEDS[size]):
        for d, bias in ((2, False), (2, True), (10, True)):
            pair = sphere(2, d, seed=seed).x
            x = lift(pair) if bias else pair
            cosine = float(x[0] @ x[1])
            gauss = torch.randn(draws, x.shape[1], dtype=F64, generator=generator(seed, d))
            for activation in ("relu", "quadratic_relu"):
                value = float(ntk(pair, activation=activation, bias=bias)[0, 1])
                step = ACTIVATIONS[activation].derivative
                worst = max(worst, abs(value - cosine * _by_quadrature(cosine, activation)))
                for weights in (gauss, gauss.sign()):
                    terms = cosine * step(weights @ x[0]) * step(weights @ x[1])
                    error = abs(float(terms.mean()) - value)
                    error /= float(terms.std()) / math.sqrt(draws) + 1e-300
                    if weights is gauss:
                        sigmas = max(sigmas, error)
                    else:
                        coins = max(coins, error)
    agrees = worst <= 1e-10 and sigmas <= 4
    return Evidence(
        predicted="formula = quadrature to 1e-10, = Monte Carlo within 4 standard errors",
        measured=f"{'equal to 1e-10' if worst <= 1e-10 else f'off by {worst:.1e}'}, and "
        f"at most {sigmas:.1f} standard errors from Monte Carlo",
        value=worst,
        holds=agrees,
        control=Control(
            broken="weights that are +-1, so that their law has no rotation symmetry",
            measured=f"{coins:.0f} standard errors",
            holds=coins <= 4,
            short="coins for Gaussians",
        ),
        ran=f"{SEEDS[size]} seeds, d = 2 and 10, {draws} draws of w, with and without the lift",
    )


def _by_quadrature(cosine: float, activation: str) -> float:
    """E[s'(u)s'(v)] of normal variables with this correlation: v given u is normal, u is not."""
    spread = math.sqrt(1 - cosine**2)

    def integrand(u: float) -> float:
        shift = cosine * u / spread
        inner = stats.norm.cdf(shift)
        if activation == "quadratic_relu":
            inner = (
                u * spread * (shift * inner + math.exp(-(shift**2) / 2) / math.sqrt(2 * math.pi))
            )
        return float(inner) * math.exp(-u * u / 2) / math.sqrt(2 * math.pi)

    return float(integrate.quad(integrand, 0, 12, epsabs=1e-13, epsrel=1e-13, limit=200)[0])
