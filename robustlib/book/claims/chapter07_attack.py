"""The statements of chapter 07 on what a robust classifier owes to the attack of its training."""

from __future__ import annotations

import math

import torch

from ...attacks import FGSM, GridMax, NoAttack, RandomNoise
from ...networks import TwoLayerNet, linearize
from ...samples import Sample
from ...sets import Finite, SphereCap
from ...verification import output_bounds
from ...verification.robust_loss import largest_loss
from .chapter07 import LOSS, SEEDS
from .convergence import best_near, robust
from .place import empirical_ntk
from .registry import Control, Evidence, claim
from .sharp import divided
from .tools import F64, candidates, train


def _one_point(rho: float) -> tuple[Sample, Finite]:
    point = torch.tensor([[1.0, 0.0]], dtype=F64)
    sample = Sample(point, torch.ones(1, dtype=F64), "one point")
    return sample, candidates(sample, rho, 40)


@claim(
    "near-optimal",
    statement="cor-near-optimal",
    title="Nearly optimal attacks protect against all",
    chapter="07-convergence",
)
def near_optimal(size: str) -> Evidence:
    """L_* at the best step, on a fine grid, against the promise with tau from a certificate."""
    worst, control, taus, near = -math.inf, -math.inf, [], 0.0
    for seed in range(SEEDS[size]):
        for rho in (1.0, 2.0):
            sample, sets = _one_point(rho)
            net = TwoLayerNet(2, 32, seed=seed).to(F64)
            star = best_near(net, sample, sets, 3.0).weights or ()
            value, fine = robust(net, star, sample, sets), candidates(sample, rho, 4001)
            for attack in (GridMax(), FGSM(), RandomNoise(seed=seed), NoAttack()):
                run = train(net, sample, perturbation=sets, attack=attack, step_size=1.0, steps=60)
                least = float(run.surrogate_loss.min())
                ranges = output_bounds(
                    run.best, sample.x, perturbation=SphereCap(rho), method="linear"
                )
                tau = float(largest_loss(LOSS, ranges.lower, ranges.upper, sample.y)) - least
                top = robust(net, tuple(run.best.parameters()), sample, fine)
                # the corollary, with epsilon what the step has
                worst = max(worst, top - (value + (least - value) + tau))
                control = max(control, top - (value + (least - value)))
                taus.append(tau)
                if tau > 0.1:  # a smaller one is mostly rounding
                    near = max(near, (top - least) / tau)
    return Evidence(
        predicted="L_* at the best step, on a grid, - L_*(W_*) - eps - tau <= 0, tau certified",
        measured=f"no violation, for tau from {abs(min(taus)):.2f} to {max(taus):.2f}, of which "
        f"up to {near:.2f} is needed"
        if worst <= 1e-9
        else f"violated by {worst:.1e}",
        value=worst,
        holds=worst <= 1e-9,
        ratio=near,
        control=divided(
            Control(
                broken="tau = 0 for every attack",
                measured=f"violated by {control:.2f}",
                holds=control <= 1e-9,
                short="tau forgotten",
            ),
            near,
        ),
        ran=f"one point, caps of radius 1 and 2, 4 attacks, grids of 4001, {SEEDS[size]} seeds",
    )


@claim(
    "other-attack",
    statement="prop-other-attack",
    title="A guarantee for one attack is none for another",
    chapter="07-convergence",
)
def other_attack(size: str) -> Evidence:
    """Robust losses after training without an attack, against the formula."""
    worst, least, control = 0.0, 0.0, math.inf
    for seed in range(SEEDS[size]):
        for rho in (0.5, 1.0, 2.0):
            sample, sets = _one_point(rho)
            net = linearize(TwoLayerNet(2, 512, seed=seed).to(F64))
            kernel = empirical_ntk(net, sample.x, sets.candidates[0])[0]
            ratio = kernel / empirical_ntk(net, sample.x)[0, 0]
            formula = float(LOSS(ratio, torch.ones_like(ratio)).max())
            run = train(net, sample, perturbation=sets, attack=NoAttack(), step_size=1.0, steps=200)
            top = robust(net, tuple(run.final.parameters()), sample, sets)
            worst = max(worst, abs(top - formula))
            least = max(least, float(run.surrogate_loss[-1]))
            run = train(net, sample, perturbation=sets, attack=GridMax(), step_size=1.0, steps=200)
            trained = robust(net, tuple(run.final.parameters()), sample, sets)
            control = min(control, abs(trained - formula))
    return Evidence(
        predicted="surrogate loss to 0, robust loss to max l(Theta(x, x')/Theta(x, x), 1)",
        measured=f"equal to {1e-9:.0e}, surrogate loss below {1e-9:.0e}"
        if max(worst, least) <= 1e-9
        else f"off by {worst:.1e}, surrogate loss {least:.1e}",
        value=worst,
        holds=max(worst, least) <= 1e-9,
        control=Control(
            broken="training against the exact attack",
            measured=f"{control:.3f} or more away from the formula",
            holds=control <= 1e-9,
            short="the exact attack",
        ),
        ran=f"one point, linearised ReLU nets, caps of radius 0.5 to 2, {SEEDS[size]} seeds",
    )
