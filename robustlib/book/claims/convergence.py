"""What the claims of chapter 07 share: an easy sample on the circle, runs, and their judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.func import functional_call

from ...attacks import FGSM, PGD, Adversary, GridMax, NoAttack, RandomNoise, Reused
from ...losses import PseudoHuber
from ...networks import LinearizedNet, Network, linearize
from ...online import Comparator, best_in_ball
from ...samples import Sample, two_caps
from ...sets import Finite
from ..hostile import Flatterer, Jumper, Saboteur, Sleeper
from .tools import candidates

RHO = 0.2


def easy(seed: int) -> tuple[Sample, Finite]:
    """Eight points of the circle, four in an arc and four outside it, far from one another."""
    sample = two_caps(2, 1.2, 8, seed)
    return sample, candidates(sample, RHO, 8)


def robust(net: Network, weights: Sequence[Tensor], sample: Sample, sets: Finite) -> float:
    """The robust loss at ``weights``: the mean of the largest losses over all candidates."""
    points = sets.candidates
    with torch.no_grad():
        f = net.evaluate(weights, points.flatten(0, 1)).reshape(points.shape[:2])
        return float(PseudoHuber()(f, sample.y[:, None]).amax(1).mean())


def best_near(net: Network, sample: Sample, sets: Finite, radius: float) -> Comparator:
    """The best weights in the ball, of the linearised net."""
    return best_in_ball(
        net if isinstance(net, LinearizedNet) else linearize(net),
        sample,
        perturbation=sets,
        radius=radius,
        loss=PseudoHuber(),
        tolerance=1e-4,
    )


def every_attack(outputs: Callable[[Tensor], Tensor]) -> dict[str, Adversary]:
    """Strong, weak, forgetful and hostile attacks; ``outputs`` are those of the comparator."""
    return {
        "exact": GridMax(),
        "FGSM": FGSM(),
        "PGD": PGD(steps=3),
        "random": RandomNoise(),
        "identity": NoAttack(),
        "stale": Reused(GridMax(), every=20),
        "flatterer": Flatterer(),
        "saboteur": Saboteur(comparator=outputs),
        "sleeper": Sleeper(threshold=0.25),
        "jumper": Jumper(),
    }


def expansion_error(
    net: Network, here: dict[str, Tensor], there: tuple[Tensor, ...], points: Tensor
) -> float:
    """The mean over ``points`` of |f(there) - f(here) - <grad f(here), there - here>|."""
    weights = {name: w.detach().requires_grad_() for name, w in here.items()}
    value = functional_call(net, weights, (points,))
    # <grad f, step> at all points at once: the derivative in u of <sum_i u_i grad f_i, step>
    u = torch.zeros_like(value, requires_grad=True)
    gradients = torch.autograd.grad(value, list(weights.values()), u, create_graph=True)
    pairs = zip(gradients, there, weights.values(), strict=True)
    inner = torch.stack([(g * (w - w0.detach())).sum() for g, w, w0 in pairs]).sum()
    (slope,) = torch.autograd.grad(inner, u)
    with torch.no_grad():
        return float((net.evaluate(there, points) - value - slope).abs().mean())
