"""The statements of chapter 06 on regret: convexity, gradient descent, the frozen attack."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...attacks import GridMax
from ...losses import Hinge, PseudoHuber
from ...networks import DeepNet, LinearizedNet, Network, TwoLayerNet, linearize
from ...samples import hexagon
from .online import (
    ATTACKS,
    affine_net,
    arcs,
    frozen_gradients,
    frozen_losses,
    gradient_bound,
    history,
    in_ball,
    play,
    robust,
    slow_game,
    worst_comparator,
)
from .place import empirical_ntk
from .registry import Control, Evidence, claim
from .sharp import divided
from .tools import F64

SEEDS = {"smoke": 1, "laptop": 2, "gpu": 20}
STEPS = {"smoke": 100, "laptop": 100, "gpu": 800}
RAN = "linearised ReLU nets of width 256 on the hexagon, arcs of 0.2 rad to either side"


@claim(
    "convex-losses",
    statement="prop-convex-losses",
    title="Every loss handed over is convex",
    chapter="06-online",
)
def convex_losses(size: str) -> Evidence:
    """Values at midpoints of far-apart weights, and the norm of the gradient against L G."""
    worst, ratio, control = -math.inf, 0.0, -math.inf
    draws = {"smoke": 20, "laptop": 100, "gpu": 400}[size]
    sets = arcs()
    for seed in range(2 * SEEDS[size]):
        nets: tuple[Network, ...] = (
            TwoLayerNet(2, 64, seed=seed).to(F64),
            TwoLayerNet(2, 64, activation="gelu", seed=seed).to(F64),
            DeepNet(2, 32, 2, seed=seed).to(F64),
        )
        for k, net in enumerate(nets):
            frame = linearize(net)
            for draw in range(draws):
                ends = _pair(frame, 10.0, seed * draws + draw)
                worst = max(worst, *_excess(frame, ends, sets.candidates, draw))
                if k < 2:
                    control = max(control, *_excess(net, ends, sets.candidates, draw))
        frame = affine_net(seed)
        run = play(frame, GridMax(), sets, steps=20, step_size=1.0)
        weights, points = history(run)
        norms = frozen_gradients(frame, points, weights[:-1]).flatten(1).norm(dim=1)
        ratio = max(ratio, float(norms.max()) / gradient_bound(frame, sets))
    near = _steepest(affine_net(0), sets.candidates.flatten(0, 1))
    holds = worst <= 1e-12 and max(ratio, near) <= 1 + 1e-9
    return Evidence(
        predicted="value at a midpoint minus mean of the two ends <= 0; gradients within L G",
        measured=f"no violation above 1e-12; gradients at most {ratio:.2f} L G, at one {near:.2f}"
        if holds
        else f"violated by {worst:.1e}; gradients {ratio:.2f} L G",
        value=worst,
        holds=holds,
        ratio=near,
        control=divided(
            Control(
                broken="the networks themselves instead of their linearisations",
                measured=f"a midpoint lies {control:.2f} above",
                holds=control <= 1e-12,
                short="networks, not linearised",
            ),
            near,
        ),
        ran=f"linearised ReLU, GELU and deep nets, {2 * SEEDS[size]} seeds, {draws} pairs each",
    )


def _steepest(net: LinearizedNet, points: Tensor) -> float:
    """Norm of the gradient over L G for the hinge loss at the point with the largest gradient."""
    squares = empirical_ntk(net, points).diagonal()
    leaf = net.start()[0].clone().requires_grad_()
    at = points[squares.argmax()][None]
    (gradient,) = torch.autograd.grad(
        Hinge()(net.evaluate((leaf,), at), torch.ones(1, dtype=F64)).mean(), leaf
    )
    return float(gradient.norm() / squares.max().sqrt())


def _pair(net: Network, radius: float, seed: int) -> list[tuple[Tensor, ...]]:
    """Two random weights at distance ``radius`` from the start, layer by layer."""
    draw, ends = torch.Generator().manual_seed(seed), []
    for _ in range(2):
        noise = [torch.randn(w.shape, dtype=F64, generator=draw) for w in net.start()]
        ends.append(
            tuple(w + radius * z / z.norm() for w, z in zip(net.start(), noise, strict=True))
        )
    return ends


def _excess(
    net: Network, ends: list[tuple[Tensor, ...]], candidates: Tensor, draw: int
) -> tuple[float, float]:
    """Loss at the midpoint minus the mean of the ends: at one set of points, and robust."""
    n, size = candidates.shape[:2]
    chosen = torch.randint(size, (n,), generator=torch.Generator().manual_seed(draw))
    middle = tuple((a + b) / 2 for a, b in zip(*ends, strict=True))
    values = []
    for weights in (middle, *ends):
        with torch.no_grad():
            f = net.evaluate(weights, candidates.flatten(0, 1))
            losses = PseudoHuber()(f, hexagon().y.repeat_interleave(size)).reshape(n, size)
        values.append((float(losses[range(n), chosen].mean()), float(losses.amax(1).mean())))
    (at, most), *two = values
    return at - (two[0][0] + two[1][0]) / 2, most - (two[0][1] + two[1][1]) / 2


@claim(
    "ogd-regret",
    statement="thm-ogd",
    title="The regret of online gradient descent",
    chapter="06-online",
)
def ogd_regret(size: str) -> Evidence:
    """Both inequalities, against the worst weights of the ball for the linearised losses."""
    worst, ratio, control, steps = -math.inf, 0.0, 0.0, STEPS[size]
    sets, runs = arcs(), 0
    for seed in range(SEEDS[size]):
        net = affine_net(seed)
        bound = gradient_bound(net, sets)
        for radius in (2.0, 5.0, 10.0):
            for share in (0.3, 1.0, 3.0):
                alpha = share * radius / (bound * math.sqrt(steps))
                attack = ATTACKS[runs % len(ATTACKS)]
                run = play(net, attack, sets, steps=steps, step_size=alpha, radius=radius)
                weights, points = history(run)
                gradients = frozen_gradients(net, points, weights[:-1])
                final = weights[-1]
                for at in (worst_comparator(net, gradients, radius), in_ball(net, radius, seed)):
                    left = float((gradients * (weights[:-1] - at)).sum())
                    way = float((weights[0] - at).norm() ** 2 - (final - at).norm() ** 2)
                    right = way / (2 * alpha) + alpha / 2 * float((gradients**2).sum())
                    met = float((run.surrogate_loss - frozen_losses(net, points, at)).sum())
                    worst = max(worst, met - left, left - right)
                    if share == 1:
                        ratio = max(ratio, met / (radius * bound * math.sqrt(steps)))
                if share == 1 and radius == 2:
                    far = worst_comparator(net, gradients, 10.0)
                    met = float((run.surrogate_loss - frozen_losses(net, points, far)).sum())
                    control = max(control, met / (radius * bound * math.sqrt(steps)))
                runs += 1
    near = _regret_share(25, 2.0)
    return Evidence(
        predicted="regret <= linearised regret <= the theorem's right side",
        measured=f"no violation above 1e-9; tuned step: at most {ratio:.2f} of R L G sqrt(T), "
        f"{near:.2f} in the slow game"
        if worst <= 1e-9
        else f"violated by {worst:.1e}",
        value=worst,
        holds=worst <= 1e-9 and 0 < max(ratio, near) <= 1 + 1e-9,
        ratio=near,
        control=divided(
            Control(
                broken="against weights five times as far away as R",
                measured=f"{control:.2f} of R L G sqrt(T)",
                holds=control <= 1,
                short="comparator outside ball",
            ),
            near,
        ),
        ran=f"{RAN}, R = 2, 5, 10, three step sizes, four attacks, T = {steps}, "
        f"{SEEDS[size]} seeds",
    )


def _regret_share(d: int, radius: float) -> float:
    """Regret over R L G sqrt(T) in the slow game, whose best weights are known."""
    run = slow_game(d, radius)
    _, points = history(run)
    star = torch.full((d,), -radius / math.sqrt(d), dtype=F64)
    paid = Hinge()(points[:, 0] @ star, -torch.ones(d, dtype=F64))
    return float((run.surrogate_loss - paid).sum()) / (radius * math.sqrt(d))


@claim(
    "frozen-attack",
    statement="lem-frozen",
    title="The frozen-attack inequality",
    chapter="06-online",
)
def frozen_attack(size: str) -> Evidence:
    """l_t(W) <= L_*(W) at trained and at random weights, judged by the exact maximum."""
    worst, off, control, pairs = -math.inf, 0.0, -math.inf, 0
    sets, steps = arcs(), STEPS[size] // 2
    for seed in range(SEEDS[size]):
        nets: tuple[Network, ...] = (
            affine_net(seed),
            TwoLayerNet(2, 64, activation="gelu", seed=seed).to(F64),
        )
        for net in nets:
            runs = [play(net, attack, sets, steps=steps, step_size=1.0) for attack in ATTACKS]
            recorded = [history(run) for run in runs]
            (start,) = net.start()
            several = [start, *(in_ball(net, r, seed) for r in (1.0, 10.0, 100.0))]
            several += [weights[k] for weights, _ in recorded for k in (1, steps // 2, steps)]
            for weight in several:
                weak = float(frozen_losses(net, hexagon().x[None], weight))
                for _, points in recorded:
                    losses = frozen_losses(net, points, weight)
                    worst = max(worst, float(losses.max()) - robust(net, weight, sets))
                    control = max(control, float(losses.max()) - weak)
                    pairs += steps
            for run, (weights, points) in zip(runs, recorded, strict=True):
                for t in (0, steps // 2, steps - 1):
                    met = float(frozen_losses(net, points[t : t + 1], weights[t]))
                    off = max(off, abs(met - float(run.surrogate_loss[t])))
    holds = worst <= 1e-12 and off <= 1e-12
    return Evidence(
        predicted="l_t(W) - L_*(W) <= 0 for all W and t, and l_t(W_t) = L_A(W_t)",
        measured=f"no violation above 1e-12 in {pairs} pairs (W, t)"
        if holds
        else f"violated by {worst:.1e}, equality off by {off:.1e}",
        value=worst,
        holds=holds,
        control=Control(
            broken="the loss at the data instead of the maximum",
            measured=f"exceeded by {control:.2f}",
            holds=control <= 1e-12,
            short="loss at data",
        ),
        ran=f"hexagon, linearised ReLU and plain GELU nets, four attacks, {SEEDS[size]} seeds",
    )
