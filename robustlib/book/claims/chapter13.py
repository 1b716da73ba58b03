"""The statements of chapter 13 on adversarial training in the limit of infinite width."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from ...kernels import kernel_flow
from ...networks import TwoLayerNet
from ...numerics import generator
from ...samples import Sample, sphere
from .place import ntk, placed
from .registry import Control, Evidence, claim
from .sharp import divided
from .tools import F64
from .widths import SEEDS, rms, slopes_of

LIMIT_WIDTHS = {
    "smoke": (256, 1024, 4096),
    "laptop": (256, 1024, 4096, 16_384),
    "gpu": (256, 1024, 4096, 16_384, 65_536, 262_144),
}
ROUNDS, STEP, GAIN = 20, 2.0, 0.3  # steps of training, their size, and the attack's


def flow_over_time(K: Tensor, y: Tensor, gains: Callable[[float], Tensor], end: float) -> Tensor:
    """c(end) of c' = D(t) (y - K c)/n, c(0) = 0, by 2000 Runge-Kutta steps, no closed form."""
    steps = 2000
    c, h = torch.zeros_like(y), end / steps

    def speed(t: float, c: Tensor) -> Tensor:
        return gains(t) * (y - K @ c) / len(y)

    for k in range(steps):
        t = k * h
        k1 = speed(t, c)
        k2 = speed(t + h / 2, c + h / 2 * k1)
        k3 = speed(t + h / 2, c + h / 2 * k2)
        k4 = speed(t + h, c + h * k3)
        c = c + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    return c


@claim(
    "adversarial-flow",
    statement="prop-adversarial-flow",
    title="Gains alone lead to the plain interpolant",
    chapter="13-later",
)
def adversarial_flow(size: str) -> Evidence:
    """The closed form against a loop; the bound for gains that wander, jump, or fall below 1."""
    off, share, below, apart, time = 0.0, 0.0, 0.0, math.inf, 20.0
    for seed in range(SEEDS[size]):
        sample = sphere(8, 5, seed=seed)
        K, y = ntk(sample.x, activation="gelu"), sample.y
        gains = 1 + 3 * torch.rand(8, dtype=F64, generator=generator(seed, 13))
        flow = kernel_flow(K, y, loss="squared", times=[time], weights=gains)
        off = max(off, float((flow.coefficients[0] - _looped(K, y, gains, time)).abs().max()))
        first, second = gains.clone(), gains.clone()
        first[:4], second[4:] = 1.0, 1.0
        ways = [
            flow_over_time(K, y, lambda t, a=a, b=b: a if t < time / 2 else b, time)  # type: ignore[misc]
            for a, b in ((first, second), (second, first))
        ]
        apart = min(apart, float((K @ (ways[0] - ways[1])).abs().max()))
        share = max(share, *(_share_left(K, y, c, time) for c in ways))
        idle = gains.clone()
        idle[0] = 0.0  # the attack withdraws an example
        lazy = kernel_flow(K, y, loss="squared", times=[20 * time], weights=idle)
        below = max(below, _share_left(K, y, lazy.coefficients[0], 20 * time))
    slowest = torch.linalg.eigh(K)[1][:, 0]
    plain = kernel_flow(K, slowest, loss="squared", times=[time])
    near = _share_left(K, slowest, plain.coefficients[0], time)
    return Evidence(
        predicted="closed form where gains keep their proportions; |f_t - g| at most "
        "exp(-lambda t/n) |g| for all gains of 1 or more",
        measured=f"closed form and loop agree to 1e-8: {off < 1e-8}; at most {share:.2f} of the "
        f"bound, {near:.2f} along the slowest direction; the order of the same gains moves f by "
        f"{apart:.1g} or more",
        value=near,
        holds=off < 1e-8 and max(share, near) <= 1 + 1e-9 and apart > 1e-3,
        ratio=near,
        control=divided(
            Control(
                broken="one example without a pull, gain 0",
                measured=f"up to {below:.1f} times the bound",
                holds=below <= 1,
                short="a gain of 0",
            ),
            near,
        ),
        ran=f"8 points of S^4, GELU, time {time:g}, gains from 1 to 4, {SEEDS[size]} seeds",
    )


def _looped(K: Tensor, y: Tensor, gains: Tensor, time: float) -> Tensor:
    return flow_over_time(K, y, lambda t: gains, time)


def _share_left(K: Tensor, y: Tensor, c: Tensor, time: float) -> float:
    """|f_t - g| over exp(-lambda_min t/n) |g|, in the norm of the space."""
    left = y - K @ c
    norms = [math.sqrt(float(v @ torch.linalg.solve(K, v))) for v in (left, y)]
    return norms[0] / norms[1] * math.exp(float(torch.linalg.eigvalsh(K)[0]) * time / len(y))


Model = Callable[[Tensor], Tensor]


def ascend(f: Model, x: Tensor, y: Tensor, size: float) -> Tensor:
    """x + size (f(x) - y) grad f(x): one step up the squared loss, as long as the residual is."""
    z = x.clone().requires_grad_(True)
    outputs = f(z)
    (slope,) = torch.autograd.grad(outputs.sum(), z)
    return x + size * (outputs.detach() - y)[:, None] * slope


def to_the_rim(f: Model, x: Tensor, y: Tensor, size: float) -> Tensor:
    """x moved by ``size`` against the label, however small the residual is."""
    z = x.clone().requires_grad_(True)
    (slope,) = torch.autograd.grad(f(z).sum(), z)
    return x - size * y[:, None] * torch.nn.functional.normalize(slope, eps=1e-300)


class KernelRun:
    """Adversarial training on the squared loss of a net of infinite width, attacked as it is.

    Every step adds K(., x') at the attacked points x' to the function.
    """

    def __init__(self, sample: Sample, activation: str = "gelu") -> None:
        self.sample, self.activation = sample, activation
        self.points, self.weights = sample.x[:0], sample.y[:0]

    def __call__(self, x: Tensor) -> Tensor:
        """The function (n,) at x (n, d)."""
        if not len(self.points):
            return 0 * x.sum(1)
        return ntk(x, self.points, activation=self.activation) @ self.weights

    def step(self, attack: Callable[..., Tensor], size: float) -> None:
        """One step of training against ``attack``."""
        points = attack(self, self.sample.x, self.sample.y, size)
        with torch.no_grad():
            push = STEP / self.sample.n * (self.sample.y - self(points))
        self.points = torch.cat([self.points, points])
        self.weights = torch.cat([self.weights, push])


def net_run(
    net: TwoLayerNet, sample: Sample, attack: Callable[..., Tensor], size: float, steps: int
) -> TwoLayerNet:
    """The same training of a finite ``net``, which is changed."""
    net.weight.data.copy_(_trained(net, sample, attack, size, steps).weight)
    return net


@placed
def _trained(
    net: TwoLayerNet, sample: Sample, attack: Callable[..., Tensor], size: float, steps: int
) -> TwoLayerNet:
    for _ in range(steps):
        points = attack(net, sample.x, sample.y, size)
        value = (net(points) - sample.y).square().mean() / 2
        (slope,) = torch.autograd.grad(value, net.weight)
        net.weight.data -= STEP * slope
    return net


@claim(
    "adversarial-limit",
    statement="prop-adversarial-limit",
    title="Wide nets under attack follow one function",
    chapter="13-later",
)
def adversarial_limit(size: str) -> Evidence:
    """Nets of growing width against the run of infinite width, attacked by ascent."""
    sample, fresh = sphere(8, 16, seed=1), sphere(40, 16, seed=2).x
    limit = KernelRun(sample)
    for _ in range(ROUNDS):
        limit.step(ascend, GAIN)
    goal = limit(fresh).detach()

    def distance(width: int, seed: int) -> list[float]:
        found = []
        for symmetric in (True, False):
            net = TwoLayerNet(16, width, activation="gelu", symmetric=symmetric, seed=seed).to(F64)
            net_run(net, sample, ascend, GAIN, ROUNDS)
            found.append(rms(net(fresh).detach() - goal))
        return found

    fell, stayed = slopes_of(LIMIT_WIDTHS[size], SEEDS[size], distance)
    return Evidence(
        predicted="slope of log |f_T - g_T| in log m: -1/2",
        measured=f"slope {fell}",
        value=fell.mean,
        holds=fell.at_most(-0.5),
        control=Control(
            broken="no symmetric initialisation, so that f does not start at 0",
            measured=f"slope {stayed}",
            holds=stayed.at_most(-0.5),
            short="a random start",
        ),
        ran=f"8 points of S^15, GELU, m = {LIMIT_WIDTHS[size][0]} to {LIMIT_WIDTHS[size][-1]}, "
        f"{ROUNDS} steps of {STEP:g}, ascent of {GAIN:g}, {SEEDS[size]} seeds",
        interval=fell.interval,
    )
