"""The statements of chapter 13 on powers of one coordinate as nets, and on gaps whatever d."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from ...attacks import PGD
from ...losses import PseudoHuber
from ...networks import TwoLayerNet
from ...samples import Sample, sphere
from ...sets import SphereCap
from ...solvers.shortest_vector import shortest
from .gaps import gap_norm, side_angles
from .place import ntk
from .registry import Control, Evidence, claim
from .sharp import divided
from .tools import F64
from .widths import agrees, slope

POWER_WIDTHS = {
    "smoke": (1024, 4096),
    "laptop": (1024, 4096, 16_384),
    "gpu": (1024, 4096, 16_384, 65_536),
}
POWER_SEEDS = {"smoke": 30, "laptop": 40, "gpu": 200}


def hermite(k: int, a: Tensor) -> Tensor:
    """The Hermite polynomial of degree k >= 0, of mean square 1 under N(0, 1)."""
    below, here = torch.zeros_like(a), torch.ones_like(a)
    for j in range(k):
        below, here = here, (a * here - math.sqrt(j) * below) / math.sqrt(j + 1)
    return here


def step_coefficient(k: int) -> float:
    """The mean of the Hermite polynomial of odd degree ``k`` over positive Gaussian numbers."""
    j = (k - 1) // 2
    sign = -1.0 if j % 2 else 1.0
    return sign * math.sqrt(math.comb(2 * j, j) / 4**j / (2 * math.pi * k))


def power_net(
    x: Tensor, beta: Tensor, power: int, width: int, *, seed: int = 0, degree: int | None = None
) -> TwoLayerNet:
    """The ReLU net near its start that copies sum_i beta_i ((1 + <x_i, .>)/2)^power, power even.

    Row r moves by a_r c(w_r)/sqrt(width), c(w) = sum_i beta_i h(<w, v_i>) v_i/s, where v_i is the
    lifted x_i, h the Hermite polynomial of degree power - 1 and s its mean over positive numbers.
    """
    net = TwoLayerNet(x.shape[1], width, seed=seed).to(F64)
    v = net.lift(x)
    shape = hermite(power - 1 if degree is None else degree, net.initial @ v.T)
    c = (beta * shape) @ v / step_coefficient(power - 1)
    net.weight.data = net.initial + net.readout[:, None] * c / math.sqrt(width)
    return net


def power_sum(x: Tensor, beta: Tensor, power: int, z: Tensor) -> Tensor:
    """The function that ``power_net`` copies, at points ``z``."""
    return ((1 + z @ x.T) / 2) ** power @ beta


def power_moments(x: Tensor, beta: Tensor, power: int, z: Tensor) -> tuple[float, Tensor]:
    """Mean squared distance of ``power_net`` from its start; width times its variance at ``z``."""
    square = step_coefficient(power - 1) ** 2
    gram, there = (1 + x @ x.T) / 2, (1 + z @ x.T) / 2
    norm = float(beta @ gram**power @ beta) / square
    spread = ((there * beta) @ gram ** (power - 1) * (there * beta)).sum(1) / square
    return norm, spread - 2 * power_sum(x, beta, power, z) ** 2


@claim(
    "power-network",
    statement="prop-power-network",
    title="A power of one coordinate as a net",
    chapter="13-later",
)
def power_network(size: str) -> Evidence:
    """Mean, distance and variance as predicted in 2, 8 and 32 dimensions; the error's slope."""
    power, seeds, widths = 4, POWER_SEEDS[size], POWER_WIDTHS[size]
    rights, slopes, wrong = [], [], []
    for d in (2, 8, 32):
        x, z = sphere(3, d, seed=1).x, sphere(60, d, seed=2).x
        beta = torch.tensor([1.0, -1.0, 0.5], dtype=F64)
        goal = power_sum(x, beta, power, z)
        norm, spread = power_moments(x, beta, power, z)
        lengths, errors, others = [], [], []
        for seed in range(seeds):
            rows = []
            for width in widths:
                net = power_net(x, beta, power, width, seed=1000 * width + seed)
                step = net.weight.detach() - net.initial
                miss = (net.expand((step,), z) - goal).square()
                rows.append(math.sqrt(float(miss.mean())))
                lengths.append(float(step.square().sum()) / norm)
                errors.append(float((miss * width / spread).mean()))
            slopes.append(rows)
            if seed < 5:
                others.append([_other(x, beta, power, m, seed, z, goal) for m in widths])
        rights += [agrees(lengths, 1.0, among=6), agrees(errors, 1.0, among=6)]
        wrong += others
    fell, stayed = slope(widths, slopes), slope(widths, wrong)
    return Evidence(
        predicted="mean squared distance and variance as in the formulas, whatever d; slope of "
        "the error in m: -1/2",
        measured=f"{sum(rights)} of 6 means agree; slope {fell}",
        value=fell.mean,
        holds=all(rights) and fell.contains(-0.5),
        control=Control(
            broken="the Hermite polynomial of another degree",
            measured=f"slope {stayed}",
            holds=stayed.contains(-0.5),
            short="another degree",
        ),
        ran=f"power {power}, three points, d = 2, 8, 32, m = {widths[0]} to {widths[-1]}, "
        f"{seeds} nets each",
        interval=fell.interval,
    )


def _other(
    x: Tensor, beta: Tensor, power: int, m: int, seed: int, z: Tensor, goal: Tensor
) -> float:
    """The error of the net with the Hermite polynomial two degrees higher."""
    net = power_net(x, beta, power, m, seed=1000 * m + seed, degree=power + 1)
    step = net.weight.detach() - net.initial
    return math.sqrt(float((net.expand((step,), z) - goal).square().mean()))


def ceiling(gap: float, low: float, high: float = math.inf) -> float:
    """The least norm of ``gap_norm`` in the limit of many dimensions: of functions of <e, x>."""
    angles, y = side_angles(gap)
    t = np.outer(np.cos(angles), np.cos(angles))
    lifted = (1 + t) / 2
    gram = lifted * (math.pi - np.arccos(lifted)) / (2 * math.pi)
    gram *= np.outer(y, y)
    return math.sqrt(shortest(gram, np.full(len(y), low), np.full(len(y), high)).square)


@claim(
    "gap-ceiling",
    statement="prop-gap-ceiling",
    title="A fixed gap has a price that no dimension exceeds",
    chapter="13-later",
)
def gap_ceiling(size: str) -> Evidence:
    """Least norms in 2 to 32 dimensions, growing, against the ceiling."""
    near, worst, grows, narrow = 0.0, 0.0, True, math.inf
    for gap in (0.8, 0.4):
        for low, high in ((0.8, 1.2), (1.0, math.inf)):
            norms = [gap_norm(d, gap, low, high) for d in (2, 3, 4, 8, 16, 32)]
            top = ceiling(gap, low, high)
            grows &= bool((np.diff(norms) > 0).all())
            worst = max(worst, norms[-1] / top)
            near = max(near, norms[-1] / top)
            narrow = min(narrow, gap_norm(32, gap / 2, low, high) / top)
    return Evidence(
        predicted="least norms grow with d and stay below the ceiling, for tolerance and margin",
        measured=f"growing: {grows}; at d = 32 up to {worst:.2f} of the ceiling",
        value=worst,
        holds=grows and worst <= 1 + 1e-3,
        ratio=near,
        control=divided(
            Control(
                broken="half of the gap",
                measured=f"at least {narrow:.1f} of the ceiling",
                holds=narrow <= 1,
                short="half of the gap",
            ),
            near,
        ),
        ran="two caps, ReLU, gaps 0.8 and 0.4 rad, tolerance 0.2, margin 1, d = 2 to 32",
    )


def crossing() -> Sample:
    """Four points of a circle at right angles, labels alternating: no affine function helps."""
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]], dtype=F64)
    return Sample(x, torch.tensor([1.0, -1.0, 1.0, -1.0], dtype=F64), "crossing")


def lying_in(sample: Sample, d: int) -> Sample:
    """``sample`` among the first coordinates of ``d`` dimensions."""
    x = torch.nn.functional.pad(sample.x, (0, d - sample.d))
    return Sample(x, sample.y, sample.name)


def centre_net(sample: Sample, width: int, seed: int) -> TwoLayerNet:
    """Theorem C's net of the least norm that has y g = 1 at the points themselves."""
    net = TwoLayerNet(sample.d, width, seed=seed).to(F64)
    beta = torch.linalg.solve(ntk(sample.x), sample.y)
    x = net.lift(sample.x)
    step = (net.activation.derivative(net.initial @ x.T) * beta) @ x
    net.weight.data = net.initial + net.readout[:, None] * step / math.sqrt(width)
    return net


def width_needed(
    build: Callable[[int, int], TwoLayerNet], sample: Sample, cap: SphereCap, seeds: int = 5
) -> int:
    """The least power of two at which PGD turns no point of any of ``seeds`` nets; at most 2^15."""
    attack, loss = PGD(steps=10), PseudoHuber()
    width = 16
    while width < 2**15:
        for seed in range(seeds):
            net = build(width, seed)
            points = attack(net, sample.x, sample.y, perturbation=cap, loss=loss)
            if bool((net(points) * sample.y <= 0).any()):
                break
        else:
            return width
        width *= 2
    return width
