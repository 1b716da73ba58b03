"""The statements of chapter 12 on steps: constant ones, mini-batches, and Theorem B for ReLU."""

from __future__ import annotations

import copy
import math

import torch
from torch import Tensor

from ...attacks import FGSM, GridMax, RandomNoise
from ...losses import PseudoHuber
from ...networks import Network, TwoLayerNet
from ...numerics import generator
from ...online import best_in_ball
from ...samples import Sample, hexagon
from ...sets import Finite, L2Ball, SphereCap
from .chapter12_start import plain_net
from .online import affine_net, arcs, gradient_bound, slow_game
from .registry import Control, Evidence, claim, interval_over_seeds
from .sharp import divided
from .tools import F64, attacked_losses, train

SEEDS = {"smoke": 3, "laptop": 5, "gpu": 20}
GAUSS = math.sqrt(2 / math.pi)  # the mean of |z|
ATTACK = 0.15


def attacked_risk(w: Tensor, target: Tensor, radius: float) -> Tensor:
    """E (|<w - target, x>| + radius |w|)^2 for x ~ N(0, I), for rows w (s, d)."""
    off, size = (w - target).norm(dim=1), w.norm(dim=1)
    risk: Tensor = off.square() + 2 * radius * GAUSS * size * off + (radius * size).square()
    return risk


class Stream:
    """Streaming descent on adversarial least squares from w = 0, several seeds at a time."""

    def __init__(self, d: int, seeds: int, radius: float) -> None:
        self.draw, self.ball = generator(d), L2Ball(radius)
        target = torch.randn(seeds, d, dtype=F64, generator=self.draw)
        self.target = target / target.norm(dim=1, keepdim=True)
        self.w = torch.zeros_like(target)

    def step(self, size: float) -> Tensor:
        """One step on a new example; returns |w - target| (s,) before it."""
        x = torch.randn(self.w.shape, dtype=F64, generator=self.draw)
        away = self.w - self.target
        error = (away * x).sum(1, keepdim=True)
        at = self.ball.argmax_linear(error.sign() * self.w, x)  # raises the error where w is not 0
        moved = (self.w * at - self.target * x).sum(1, keepdim=True)
        self.w = self.w - 2 * size * moved * at
        off: Tensor = away.norm(dim=1)
        return off


@claim(
    "no-constant-step",
    statement="prop-no-constant-step",
    title="No constant step converges in adversarial least squares",
    chapter="12-left-out",
)
def no_constant_step(size: str) -> Evidence:
    """Both sides of the bound along runs, and the same steps without an adversary."""
    d, epochs = {"smoke": (40, 10), "laptop": (200, 10), "gpu": (1000, 40)}[size]
    seeds, r = SEEDS[size], ATTACK
    linear, square = 2 * r * (GAUSS + r), 2 + 4 * r * GAUSS + 2 * r * r
    shares, ends, plain = [], [], []
    for share in (0.5, 0.1):
        alpha, steps = share / d, epochs * d
        runs = [Stream(d, seeds, radius) for radius in (r, 0.0)]
        left = begin = torch.zeros(seeds, dtype=F64)
        for t in range(steps):
            off = runs[0].step(alpha)
            runs[1].step(alpha)
            if t == steps // 2:
                begin = off.square()
            if t >= steps // 2:
                left = left + linear * off + square * off.square()
        after = (runs[0].w - runs[0].target).norm(dim=1).square()
        left = left / (steps / 2) + after / (alpha * steps)
        right = 2 * alpha * (d - 2) * r * r + begin / (alpha * steps)
        shares.append(float(right.mean() / left.mean()))
        ends.append(attacked_risk(runs[0].w, runs[0].target, r) - r * r)
        plain.append(float(attacked_risk(runs[1].w, runs[1].target, 0.0).max()))
    low, high = interval_over_seeds(ends[0].tolist())
    return Evidence(
        predicted="mean of a s + b s^2 >= 2 alpha (d - 2) r^2, s the distance to the best weights; "
        "without adversary s -> 0",
        measured=f"the bound is {max(shares):.2f} of what is measured; excess "
        f"{float(ends[0].mean()):.1e} and {float(ends[1].mean()):.1e} at the end",
        value=float(ends[0].mean()),
        interval=(low, high),
        holds=max(shares) <= 1 and low > 0 and float(ends[1].min()) > 0,
        ratio=max(shares),
        control=divided(
            Control(
                broken="no adversary",
                measured=f"excess below {10.0 ** math.ceil(math.log10(max(plain[0], 1e-300))):.0e}",
                holds=plain[0] > float(ends[0].mean()) / 10,
                short="no adversary",
            ),
            max(shares),
        ),
        ran=f"d = {d}, radius {r}, steps 0.5/d and 0.1/d, {epochs} epochs of d examples, the "
        f"second half averaged, {seeds} seeds",
    )


def batches(
    net: Network,
    sets: Finite,
    size: int,
    step: float,
    steps: int,
    seed: int,
    *,
    fixed: bool = False,
) -> float:
    """The mean surrogate loss of the whole hexagon under batches of ``size``, in the ball of 5.

    Against the exact attack. The batch is drawn when the attack has answered; with ``fixed`` it is
    always the same.
    """
    y, loss, draw, net = hexagon().y, PseudoHuber(), generator(seed), copy.deepcopy(net)
    (weight,), points = net.parameters(), sets.candidates
    paid = 0.0
    for _ in range(steps):
        all_losses = loss(net(points.flatten(0, 1)).reshape(len(y), -1), y[:, None])
        losses = all_losses.amax(1)
        paid += float(losses.detach().mean())
        chosen = torch.arange(size) if fixed else torch.randperm(len(y), generator=draw)[:size]
        (gradient,) = torch.autograd.grad(losses[chosen].mean(), weight)
        with torch.no_grad():
            weight.sub_(gradient, alpha=step)
        net.project(5.0)
    return paid / steps


@claim(
    "mini-batches",
    statement="prop-mini-batches",
    title="Mini-batches pay the same regret on average",
    chapter="12-left-out",
)
def mini_batches(size: str) -> Evidence:
    """Mean losses of runs on batches of one and two, against the best in the ball."""
    steps, seeds = {"smoke": (200, 4), "laptop": (400, 5), "gpu": (2000, 20)}[size]
    sets, net = arcs(), affine_net(0)
    best = best_in_ball(net, hexagon(), perturbation=sets, radius=5.0, loss=PseudoHuber())
    top = gradient_bound(net, sets)
    bound = 5 * top / math.sqrt(steps)
    step = 5 / (top * math.sqrt(steps))
    worst, excess = -math.inf, {}
    for count in (1, 2):
        runs = [batches(net, sets, count, step, steps, seed) for seed in range(seeds)]
        excess[count] = [paid - best.value for paid in runs]
        worst = max(worst, interval_over_seeds(excess[count])[1] / bound)
    fixed = batches(net, sets, 1, step, steps, 0, fixed=True) - best.value
    slow = slow_game(49, 2.0)
    share = (float(slow.surrogate_loss.mean()) - (1 - 2 / 7)) / (2 / 7)
    return Evidence(
        predicted="E of the mean surrogate loss <= best robust loss + R L G/sqrt(T), the batch "
        "drawn after the attack",
        measured=f"batches of 1 and 2: excess "
        f"{' and '.join(f'{sum(e) / seeds:.2f}' for e in excess.values())}, bound {bound:.2f}",
        value=worst,
        holds=worst <= 1 and share <= 1 + 1e-9,
        ratio=share,
        control=divided(
            Control(
                broken="always the same batch",
                measured=f"excess {fixed:.2f}",
                holds=fixed <= bound,
                short="fixed batch",
            ),
            share,
        ),
        ran=f"linearised hexagon, R = 5, exact attack, T = {steps}, {seeds} seeds; the slow game "
        "for the constant",
    )


def stuck_net(width: int, activation: str) -> tuple[TwoLayerNet, Tensor]:
    """A net with twins whose units are all just off at e_1, and weights near by that are right."""
    net, x = plain_net(2, width, True, 0, activation), torch.eye(2, dtype=F64)[:1]
    with torch.no_grad():
        net.initial.copy_((-x / width).expand_as(net.initial))
        net.weight.copy_(net.initial)
    up = (net.readout > 0).to(F64)[:, None] * x
    return net, net.initial * (1 - up) + 2 / math.sqrt(width) * up


@claim(
    "relu-stuck",
    statement="prop-relu-stuck",
    title="Theorem B is false for ReLU networks from some starts",
    chapter="12-left-out",
)
def relu_stuck(size: str) -> Evidence:
    """The same start with a kink and without one, at many widths and steps."""
    widths = {"smoke": (4, 256), "laptop": (4, 1024), "gpu": (4, 64, 1024, 65_536)}[size]
    x, loss, sets = torch.eye(2, dtype=F64)[:1], PseudoHuber(), SphereCap(0.1)
    sample = Sample(x, torch.ones(1, dtype=F64), "one point")
    least, far, right, smooth = math.inf, 0.0, 0.0, math.inf
    for width in widths:
        for name in ("relu", "softplus"):
            net, star = stuck_net(width, name)
            if name == "relu":
                far = max(far, float((star - net.initial).norm()))
                with torch.no_grad():
                    net.weight.copy_(star)
                found = attacked_losses(net, sample, GridMax(), Finite(sets.grid(x, 41)), loss)
                right = max(right, float(found))
                net, _ = stuck_net(width, name)
            for attack in (FGSM(), RandomNoise()):
                run = train(net, sample, perturbation=sets, attack=attack, step_size=0.2, steps=50)
                lowest = float(run.surrogate_loss.min()) - (math.sqrt(2) - 1)
                if name == "relu":
                    least = min(least, lowest)
                else:
                    smooth = min(smooth, lowest)
    return Evidence(
        predicted="loss stays sqrt(2) - 1 for ever, although weights at distance below 2 have "
        "robust loss near 0",
        measured=f"{'not moved to 1e-12' if abs(least) <= 1e-12 else 'MOVED'}; the other weights "
        f"at distance {far:.2f} or less, robust loss {right:.0e}",
        value=least,
        holds=abs(least) <= 1e-12 and far < 2 and right < 1e-4,
        control=Control(
            broken="softplus instead of ReLU",
            measured=f"falls by {-smooth:.2f}",
            holds=abs(smooth) <= 1e-12,
            short="smooth activation",
        ),
        ran=f"one point, widths {', '.join(map(str, widths))}, caps of 0.1, FGSM and random noise, "
        "50 steps",
    )
