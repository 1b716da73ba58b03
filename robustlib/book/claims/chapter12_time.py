"""The statements of chapter 12 on time: robustness that comes late, and robustness that goes."""

from __future__ import annotations

import itertools
import math

import torch
from torch import Tensor, nn

from ...attacks import NoAttack
from ...kernels import kernel_flow, kernel_regression
from ...losses import Logistic
from ...numerics import generator
from ...samples import Sample
from ...sets import L2Ball
from .place import ntk
from .registry import Control, Evidence, claim, interval_over_seeds
from .sharp import doubled
from .tools import F64, train

Start = tuple[float, float, float, float]  # w_1, b_1, w_2, b_2
SEEDS = {"smoke": 3, "laptop": 5, "gpu": 20}


class TwoUnits(nn.Module):
    """f(x) = relu(w_1 x + b_1) - relu(w_2 x + b_2) from ``start`` = (w_1, b_1, w_2, b_2)."""

    def __init__(self, start: Start) -> None:
        super().__init__()
        first, second = start[:2], start[2:]
        self.units = nn.Parameter(torch.tensor([first, second], dtype=F64))

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (n,) at points x (n, 1)."""
        z = torch.relu(x * self.units[:, 0] + self.units[:, 1])
        return z[:, 0] - z[:, 1]


def two_unit_start(seed: int) -> Start:
    """A random start at which either unit is active at its own point only."""
    u = torch.rand(4, dtype=F64, generator=generator(seed)).tolist()
    p, q, c, e = u[0], u[1], 0.2 + u[2], -0.2 - u[3]  # w_1 + b_1, b_2 - w_2, w_1 - b_1, w_2 + b_2
    return (p + c) / 2, (p - c) / 2, (e - q) / 2, (e + q) / 2


def boundary(start: Start, step: float, steps: int) -> tuple[float, float]:
    """Where f vanishes after that many steps on the mean logistic loss, and the loss."""
    w, b, v, c = start
    for _ in range(steps):
        push, pull = step / 2 / (1 + math.exp(w + b)), step / 2 / (1 + math.exp(c - v))
        w, b, v, c = w + push, b + push, v - pull, c + pull
    return (c - b) / (w - v), (math.log1p(math.exp(-w - b)) + math.log1p(math.exp(v - c))) / 2


@claim(
    "log-rate",
    statement="prop-log-rate",
    title="Robustness comes like 1/ln t",
    chapter="12-left-out",
)
def log_rate(size: str) -> Evidence:
    """The exact formula along library runs, the two limits, and the symmetric start."""
    longest = {"smoke": 10_000, "laptop": 100_000, "gpu": 1_000_000}[size]
    step, ends = 1.0, torch.tensor([1.0, -1.0], dtype=F64)
    sample = Sample(ends[:, None], ends, "two points")
    off, shares, losses = 0.0, [], []
    for seed in range(SEEDS[size]):
        start = two_unit_start(seed)
        total = start[0] - start[1] + start[2] + start[3]  # c_1 + c_2
        spread = total - 2 * (start[2] + start[3])  # c_1 - c_2
        final = train(
            TwoUnits(start),
            sample,
            perturbation=L2Ball(0.0),
            attack=NoAttack(),
            loss=Logistic(),
            step_size=step,
            steps=200,
        ).final
        (w, b), (v, c) = final.get_parameter("units").tolist()
        p, q = w + b, c - v
        exact = (total + q - p) / (p + q + spread)
        with torch.no_grad():
            off = max(off, abs(float(final(torch.tensor([[exact]], dtype=F64)))))
        off = max(off, abs(exact - boundary(start, step, 200)[0]))
        place, loss = boundary(start, step, longest)
        shares.append(place * (2 * math.log(step * longest) + spread) / total)
        losses.append(loss * longest * step)
    even = abs(boundary((0.7, 0.1, -0.7, 0.1), step, longest)[0]) * math.log(longest)
    formula = "exact to 1e-9" if off < 1e-9 else f"off by {off:.1e}"
    return Evidence(
        predicted="boundary times (2 ln(alpha t) + c_1 - c_2) -> c_1 + c_2, loss times alpha t "
        "-> 1",
        measured=f"formula {formula}; {min(shares):.2f} to {max(shares):.2f} of the limit; loss "
        f"{min(losses):.2f} to {max(losses):.2f} of its own",
        value=sum(shares) / len(shares),
        interval=interval_over_seeds(shares),
        holds=off < 1e-9 and max(abs(s - 1) for s in shares + losses) < 0.1,
        control=Control(
            broken="a symmetric start, c_1 + c_2 = 0",
            measured="at the midpoint at once" if even < 1e-9 else f"{even:.1e}",
            holds=even > 1e-9,
            short="symmetric start",
        ),
        ran=f"step {step:g}, {longest} steps, {SEEDS[size]} random starts",
    )


NOISE, RADIUS = 0.5, 0.1
COUNTS = {"smoke": (50, 200), "laptop": (50, 200, 800), "gpu": (50, 200, 800, 3200)}
TIMES = 10.0 ** torch.arange(0, 9.1, 1 / 3, dtype=F64)


def on_circle(angle: Tensor) -> Tensor:
    """The points (n, 2) at these angles."""
    return torch.stack([angle.cos(), angle.sin()], 1)


class Noisy:
    """n uniform points of the circle with labels sin + noise, seen from a grid."""

    def __init__(self, n: int, seed: int, grid: int = 2000) -> None:
        draw = generator(seed)
        angle = 2 * math.pi * torch.rand(n, dtype=F64, generator=draw)
        self.y = angle.sin() + NOISE * torch.randn(n, dtype=F64, generator=draw)
        turn = 2 * math.pi * torch.arange(grid, dtype=F64) / grid
        self.target = turn.sin()
        apart = (turn[:, None] - angle + math.pi) % (2 * math.pi) - math.pi
        self.near = apart.abs() <= RADIUS
        self.reach = math.floor(RADIUS * grid / (2 * math.pi))
        self.K = ntk(on_circle(angle), on_circle(angle))
        self.to_grid = ntk(on_circle(turn), on_circle(angle))

    def clean(self, f: Tensor) -> Tensor:
        """The clean risk of outputs (..., grid)."""
        return (f - self.target).square().mean(-1)

    def attacked(self, f: Tensor, at_data: Tensor | None = None) -> Tensor:
        """The adversarial risk of outputs (..., grid), by an attack that tries the grid.

        With the outputs ``at_data`` (n,) it tries the data as well: spikes are narrow.
        """
        high, low = f, f
        for k in [k for step in range(1, self.reach + 1) for k in (step, -step)]:
            high, low = torch.maximum(high, f.roll(k, -1)), torch.minimum(low, f.roll(k, -1))
        worst = torch.maximum(high - self.target, self.target - low)
        if at_data is not None:
            off = (at_data - self.target[:, None]).abs()
            worst = torch.maximum(worst, torch.where(self.near, off, 0.0).amax(1))
        return worst.square().mean(-1)

    def bound(self) -> float:
        """The mean over the grid of the largest (y_i - sin x)^2 among the data in reach."""
        off = (self.y - self.target[:, None]).square()
        return float(torch.where(self.near, off, 0.0).amax(1).mean())


@claim(
    "interpolation-risk",
    statement="prop-interpolation-risk",
    title="Who fits the noise is wrong somewhere near every point",
    chapter="12-left-out",
)
def interpolation_risk(size: str) -> Evidence:
    """Kernel interpolants of noisy labels against the bound, and the best time to stop."""
    counts, seeds = COUNTS[size], SEEDS[size]
    clean: dict[int, list[float]] = {n: [] for n in counts}
    attacked: dict[int, list[float]] = {n: [] for n in counts}
    shares, early = [], []
    for n, seed in itertools.product(counts, range(seeds)):
        data = Noisy(n, seed)
        fit = kernel_regression(data.K, data.y)
        clean[n].append(float(data.clean(fit(data.to_grid))))
        attacked[n].append(float(data.attacked(fit(data.to_grid), fit(data.K))))
        shares.append(data.bound() / attacked[n][-1])
        flow = kernel_flow(data.K, data.y, loss="squared", times=TIMES)
        best = int(data.attacked(flow(data.to_grid)).argmin())
        stopped = data.attacked(flow(data.to_grid)[best], flow.outputs[best])
        early.append(data.bound() / float(stopped))
    few, many = counts[0], counts[-1]
    growth = [b - a for a, b in zip(attacked[few], attacked[many], strict=True)]
    drift = [b - a for a, b in zip(clean[few], clean[many], strict=True)]
    means = ", ".join(f"{sum(attacked[n]) / seeds:.2f}" for n in counts)
    flat, interval = interval_over_seeds(drift)[0] <= 0, interval_over_seeds(growth)
    return Evidence(
        predicted="adversarial risk of an interpolant >= mean of max (y_i - g(x))^2 in reach: it "
        "grows with n, the clean risk does not",
        measured=f"adversarial risk {means} for n = {', '.join(map(str, counts))}, clean risk "
        f"{'no growth' if flat else 'GROWTH'}; at most {max(shares):.2f} of the risk is the bound",
        value=sum(growth) / len(growth),
        interval=interval,
        holds=max(shares) <= 1 + 1e-6 and interval[0] > 0 and flat,
        ratio=max(shares),
        control=doubled(
            Control(
                broken="training stopped at its best time",
                measured=f"the bound is {min(early):.0f} times that risk or more",
                holds=min(early) <= 1,
                short="stopped early",
            ),
            max(shares),
        ),
        ran=f"ReLU kernel on the circle, noise {NOISE}, attack {RADIUS} rad, {seeds} seeds",
    )
