"""The statements of chapter 01: perturbation sets, surrogate and robust loss, exact cases."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...attacks import FGSM, PGD, Attack, GridMax, LinearMax, NoAttack, RandomNoise
from ...losses import Logistic, Loss, PseudoHuber
from ...networks import TwoLayerNet
from ...numerics import generator, row_norm
from ...samples import hexagon, sphere
from ...sets import L1Ball, L2Ball, LinfBall, Perturbation, SphereCap
from .place import adversarial_training
from .registry import Control, Evidence, claim
from .sharp import divided
from .tools import F64, Affine, attacked_losses, candidates, nearest_on_arc

SEEDS = {"smoke": 2, "laptop": 5, "gpu": 20}
TOUCH = 2 * math.sin(math.pi / 12)  # the caps of neighbours on the hexagon share one point
HALF = math.sqrt(2) - 1  # pseudo-Huber's loss at f = 0, which is min over f of the mean of both


@claim(
    "cap-projection",
    statement="prop-cap-projection",
    title="Projection onto a spherical cap",
    chapter="01-robust-loss",
)
def cap_projection(size: str) -> Evidence:
    """No point of the cap is nearer than the formula's, which itself lies in the cap."""
    worst, control, leaves, cases = -math.inf, -math.inf, 0.0, 0
    for seed in range(SEEDS[size]):
        for d in (2, 3, 10, 50):
            draw, aside = generator(seed, d), generator(seed, d, 1)
            x = sphere(40, d, seed=seed).x
            z = 2 * torch.randn(40, d, dtype=F64, generator=draw)
            for rho in (0.1, 0.7, 1.5, 2.5):
                near = nearest_on_arc(x, z, rho)
                p = SphereCap(rho).project(z, x)
                inside = row_norm(p - x) - rho
                worst = max(worst, float((row_norm(z - p) - near).max()), float(inside.max()))
                # the search is along one arc; these rivals leave it, in all directions
                step = (
                    0.3 * rho / math.sqrt(d) * torch.randn(100, 40, d, dtype=F64, generator=aside)
                )
                rival = p + step
                rival = rival / torch.linalg.vector_norm(rival, dim=2, keepdim=True)
                gain = row_norm(z - p) - torch.linalg.vector_norm(z - rival, dim=2)
                held = torch.linalg.vector_norm(rival - x, dim=2) <= rho
                worst = max(worst, float(gain.where(held, -math.inf).max()))
                q = x + (z - x) * (rho / row_norm(z - x)).clamp(max=1)[:, None]
                q = q / row_norm(q)[:, None]
                control = max(control, float((row_norm(z - q) - near).max()))
                leaves = max(leaves, float((row_norm(q - x) - rho).max()))
                cases += len(x)
    return Evidence(
        predicted="distance to the projection minus distance to the nearest point is 0",
        measured=f"at most 1e-9 in {cases} cases" if worst <= 1e-9 else f"up to {worst:.1e}",
        value=worst,
        holds=worst <= 1e-9,
        control=Control(
            broken="clip to the flat ball, then normalise",
            measured=f"{control:.2f} too far, {leaves:.2f} outside the cap",
            holds=control <= 1e-9 and leaves <= 1e-9,
            short="clip and normalise",
        ),
        ran=f"{SEEDS[size]} seeds, d = 2 to 50, rho = 0.1 to 2.5",
    )


@claim(
    "sandwich",
    statement="lem-sandwich",
    title="Surrogate loss and robust loss",
    chapter="01-robust-loss",
)
def sandwich(size: str) -> Evidence:
    """L_A <= L_* <= L_A + tau for every attack that stays in the set."""
    sample, loss, worst, control, near = hexagon(), PseudoHuber(), -math.inf, -math.inf, 0.0
    sets = candidates(sample, 0.3)
    attacks: list[Attack] = [NoAttack(), RandomNoise(), FGSM(), PGD(steps=5)]
    for seed in range(SEEDS[size]):
        net = TwoLayerNet(2, 256, symmetric=False, seed=seed).to(F64)
        exact = attacked_losses(net, sample, GridMax(), sets, loss)
        for attack in attacks:
            found = attacked_losses(net, sample, attack, sets, loss)
            tau = (exact - found).max()
            worst = max(
                worst,
                float(found.mean() - exact.mean()),
                float(exact.mean() - found.mean() - tau),
            )
            if tau > 0:
                near = max(near, float((exact.mean() - found.mean()) / tau))
        outside = attacked_losses(net, sample, PGD(steps=5), SphereCap(0.45), loss)
        control = max(control, float(outside.mean() - exact.mean()))
    return Evidence(
        predicted="L_A - L_* <= 0 and L_* - L_A - tau <= 0",
        measured=("no violation above 1e-12" if worst <= 1e-12 else f"violated by {worst:.1e}")
        + f"; up to {near:.2f} of tau used",
        value=worst,
        holds=worst <= 1e-12,
        ratio=near,
        control=divided(
            Control(
                broken="an attack that leaves the set (radius 0.45 for 0.3)",
                measured=f"L_A - L_* reaches {control:.2f}",
                holds=control <= 1e-12,
                short="points outside",
            ),
            near,
        ),
        ran=f"hexagon, {SEEDS[size]} random nets of width 256, {len(attacks)} attacks",
    )


@claim(
    "affine-dual-norm",
    statement="thm-affine",
    title="The robust loss of an affine model",
    chapter="01-robust-loss",
)
def affine_dual_norm(size: str) -> Evidence:
    """The dual-norm formula against the attained maximum and 2 000 random points a set."""
    worst, control, d = -math.inf, 0.0, 20
    balls: list[tuple[Perturbation, float]] = [(L2Ball(0.3), 2), (LinfBall(0.1), 1)]
    balls.append((L1Ball(0.5), math.inf))
    for seed in range(SEEDS[size]):
        sample, model = sphere(20, d, seed=seed), Affine(d, seed)
        for ball, dual in balls:
            reach = ball.radius * float(torch.linalg.vector_norm(model.w.detach(), ord=dual))
            for loss in (PseudoHuber(), Logistic()):
                formula = _ends(model(sample.x).detach(), reach, reach, sample.y, loss)
                attained = attacked_losses(model, sample, LinearMax(), ball, loss)
                noise = RandomNoise(samples=100, seed=seed)
                sampled = attacked_losses(model, sample, noise, ball, loss)
                worst = max(worst, float((formula - attained).abs().max()))
                worst = max(worst, float((sampled - formula).max()))
        control = max(control, _formula_error_on_a_net(seed))
    return Evidence(
        predicted="formula = attained maximum, and no sampled point above it",
        measured="equal to 1e-12" if worst <= 1e-12 else f"off by {worst:.1e}",
        value=worst,
        holds=worst <= 1e-12,
        control=Control(
            broken="a ReLU network instead of the affine model, its gradient instead of w",
            measured=f"formula off by up to {control:.2f}",
            holds=control <= 1e-3,
            short="ReLU for affine",
        ),
        ran=f"{SEEDS[size]} seeds, d = {d}, l1, l2 and l_inf balls, two losses",
    )


def _ends(f: Tensor, up: Tensor | float, down: Tensor | float, y: Tensor, loss: Loss) -> Tensor:
    """The larger loss (n,) at the two ends of the interval [f - down, f + up] of outputs."""
    return torch.maximum(loss(f + up, y), loss(f - down, y))


def _formula_error_on_a_net(seed: int) -> float:
    """How far the affine formula is off for a ReLU net in the plane, judged by a dense grid."""
    sample, loss, ball = sphere(20, 2, seed=seed), PseudoHuber(), L2Ball(0.5)
    net = TwoLayerNet(2, 64, symmetric=False, seed=seed).to(F64)
    x = sample.x.clone().requires_grad_()
    f = net(x)
    slope = row_norm(torch.autograd.grad(f.sum(), x)[0])
    formula = _ends(f.detach(), ball.radius * slope, ball.radius * slope, sample.y, loss)
    exact = attacked_losses(net, sample, GridMax(size=10_000), ball, loss)
    return float((formula - exact).abs().max())


@claim(
    "affine-on-cap",
    statement="prop-affine-cap",
    title="The robust loss of an affine model on spherical caps",
    chapter="01-robust-loss",
)
def affine_on_cap(size: str) -> Evidence:
    """The formula against the attained maximum in d = 2 to 50 and a dense grid in d = 2."""
    worst, control, loss = -math.inf, 0.0, PseudoHuber()
    for seed in range(SEEDS[size]):
        for d in (2, 3, 10, 50):
            sample, model = sphere(20, d, seed=seed), Affine(d, seed)
            f, length = model(sample.x).detach(), row_norm(model.w.detach()[None])
            phi = torch.acos(((f - model.b.detach()) / length).clamp(-1, 1))
            for rho in (0.1, 0.7, 2.5):
                theta = 2 * math.asin(min(rho, 2.0) / 2)
                high = length * torch.cos((phi - theta).clamp(min=0))
                low = -length * torch.cos((math.pi - phi - theta).clamp(min=0))
                start = f - model.b.detach()
                formula = _ends(f, high - start, start - low, sample.y, loss)
                cap = SphereCap(rho)
                attained = attacked_losses(model, sample, LinearMax(), cap, loss)
                worst = max(worst, float((formula - attained).abs().max()))
                if d == 2:  # the grid misses the maximum by at most its spacing squared
                    grid = attacked_losses(model, sample, GridMax(size=20_001), cap, loss)
                    worst = max(worst, float((formula - grid).abs().max()) - 1e-6)
                flat = _ends(f, rho * length, rho * length, sample.y, loss)
                control = max(control, float((flat - attained).max()))
    return Evidence(
        predicted="formula = attained maximum; in the plane = dense grid",
        measured="equal to 1e-9" if worst <= 1e-9 else f"off by {worst:.1e}",
        value=worst,
        holds=worst <= 1e-9,
        control=Control(
            broken="the flat ball's formula on the cap",
            measured=f"too large by up to {control:.2f}",
            holds=control <= 1e-9,
            short="flat ball's formula",
        ),
        ran=f"{SEEDS[size]} seeds, d = 2 to 50, rho = 0.1 to 2.5",
    )


@claim(
    "incompatible-sets",
    statement="prop-incompatible",
    title="When sets of opposite labels meet",
    chapter="01-robust-loss",
)
def incompatible_sets(size: str) -> Evidence:
    """Where all caps touch a neighbour's, no training brings the robust loss below the bound."""
    steps = 100 if size == "smoke" else 400
    reached = [_best_robust_loss(TOUCH, seed, steps) for seed in range(SEEDS[size])]
    apart = _best_robust_loss(0.2, 0, steps)
    return Evidence(
        predicted=f"L_* >= sqrt(2) - 1 = {HALF:.4f} for every network",
        measured=f"smallest L_* over training {min(reached):.4f}",
        value=min(reached),
        holds=min(reached) >= HALF - 1e-9,
        ratio=HALF / min(reached),
        control=Control(
            broken="compatible caps (rho = 0.2); twice the constant",
            measured=f"L_* falls to {apart:.2f}; {min(reached) / (2 * HALF):.2f} of that bound",
            holds=apart >= HALF - 1e-9 or min(reached) >= 2 * HALF,
            short="caps apart",
        ),
        ran=f"hexagon, rho = {TOUCH:.4f}, {SEEDS[size]} ReLU nets of width 256, {steps} steps",
    )


def _best_robust_loss(rho: float, seed: int, steps: int) -> float:
    """Smallest robust loss over the steps of adversarial training against the exact maximum."""
    trajectory = adversarial_training(
        TwoLayerNet(2, 256, seed=seed).to(F64),
        hexagon(),
        perturbation=candidates(hexagon(), rho, 41),
        attack=GridMax(),
        loss=PseudoHuber(),
        step_size=1.0,
        steps=steps,
        progress=False,
    )
    return float(trajectory.surrogate_loss.min())
