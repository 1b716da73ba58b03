"""The statement of chapter 01 on the gradient of a maximum: directions, ties, subgradients."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ...attacks import FGSM, Attack, GridMax, LinearMax
from ...losses import PseudoHuber
from ...networks import LinearizedNet, TwoLayerNet
from ...numerics import generator
from ...samples import Sample, hexagon, sphere
from ...sets import Finite, Perturbation, SphereCap
from .chapter01 import SEEDS
from .online import affine_net, in_ball
from .place import adversarial_training
from .registry import Control, Evidence, claim
from .tools import F64, Affine, attacked_losses, candidates

RHO = 0.3


@claim(
    "danskin",
    statement="prop-danskin",
    title="The gradient of the robust loss",
    chapter="01-robust-loss",
)
def danskin(size: str) -> Evidence:
    """Finite differences of L_* against frozen gradients: unique, tied, and as subgradients."""
    seeds, sample, sets = range(SEEDS[size]), hexagon(), candidates(hexagon(), RHO, 2001)
    unique, control, moving = 0.0, 0.0, 0.0
    for seed in seeds:
        points, cap = sphere(20, 20, seed=seed), SphereCap(0.5)
        unique = max(unique, _gradient_error(LinearMax(), Affine(20, seed), points, cap, seed))
        net = _trained(seed, sample)
        unique = max(unique, _gradient_error(GridMax(), net, sample, sets, seed))
        control = max(control, _gradient_error(GridMax(), net, sample, sets, seed, served=FGSM()))
        smooth = TwoLayerNet(20, 64, activation="softplus", symmetric=False, seed=seed).to(F64)
        moving = max(moving, _gradient_error(FGSM(), smooth, points, cap, seed))
    tied, single = (max(pair) for pair in zip(*(_at_ties(seed) for seed in seeds), strict=True))
    below = max(_below_tangent(seed) for seed in seeds)
    return Evidence(
        predicted="derivative = steepest frozen gradient; tangents below L_* if f is affine",
        measured=f"relative error {'below 1e-6' if unique <= 1e-6 else f'{unique:.1e}'}, at ties "
        f"{'below 1e-4' if tied <= 1e-4 else f'{tied:.1e}'}; "
        + ("no tangent above" if below <= 1e-12 else f"a tangent is {below:.1e} above"),
        value=max(unique, tied, below),
        holds=unique <= 1e-6 and tied <= 1e-4 and below <= 1e-12,
        control=Control(
            broken="FGSM's points on the same net; and in d = 20, for FGSM's own loss; one of "
            "the tied gradients",
            measured=f"relative errors {control:.2f}, {moving:.2f} and {single:.2f}",
            holds=control <= 1e-6 or moving <= 1e-6 or single <= 1e-4,
            short="FGSM's points",
        ),
        ran=f"{SEEDS[size]} seeds: affine models in d = 20, trained and untrained GELU nets and "
        "linearised ReLU nets on the hexagon",
    )


def _trained(seed: int, sample: Sample) -> TwoLayerNet:
    """A GELU net that has learnt enough for its worst points to be unique."""
    trained = adversarial_training(
        TwoLayerNet(2, 64, activation="gelu", seed=seed).to(F64),
        sample,
        perturbation=SphereCap(RHO),
        attack=FGSM(),
        loss=PseudoHuber(),
        step_size=2.0,
        steps=100,
        progress=False,
    ).final
    assert isinstance(trained, TwoLayerNet)
    return trained


def _gradient_error(
    attack: Attack,
    model: nn.Module,
    sample: Sample,
    sets: Perturbation,
    seed: int,
    served: Attack | None = None,
) -> float:
    """Relative gap between a central difference of L_A and the gradient through frozen points.

    The points are those of ``served``, or of ``attack`` itself.
    """
    loss, source = PseudoHuber(), attack if served is None else served
    from_caps = SphereCap(RHO) if served is not None else sets  # a list has no directions
    points = source(model, sample.x, sample.y, perturbation=from_caps, loss=loss)
    weights = list(model.parameters())
    frozen = torch.autograd.grad(loss(model(points), sample.y).mean(), weights)
    draw, step, values = generator(seed), 1e-5, []
    along = [torch.randn(w.shape, dtype=F64, generator=draw) for w in weights]
    predicted = math.fsum(float((g * v).sum()) for g, v in zip(frozen, along, strict=True))
    for move in (step, -2 * step, step):  # the last one back to where the weights were
        with torch.no_grad():
            for w, v in zip(weights, along, strict=True):
                w.add_(v, alpha=move)
        values.append(float(attacked_losses(model, sample, attack, sets, loss).mean()))
    return abs((values[0] - values[1]) / (2 * step) - predicted) / abs(predicted)


def _at_ties(seed: int) -> tuple[float, float]:
    """Relative errors at a symmetric start, where all points are worst: part 1, one gradient."""
    net = TwoLayerNet(2, 256, activation="gelu", seed=seed).to(F64)
    sample, sets, loss = hexagon(), candidates(hexagon(), RHO), PseudoHuber()
    at = sets.candidates.flatten(0, 1)
    along = torch.randn(net.initial.shape, dtype=F64, generator=generator(seed, 2))
    along, worst, single = along / along.norm(), 0.0, 0.0
    for sign in (1.0, -1.0):
        with torch.no_grad():
            slopes = net.expand((sign * along,), at).reshape(6, -1)
            slopes = slopes * loss.derivative(torch.zeros(6, dtype=F64), sample.y)[:, None]
        steepest = float(slopes.amax(1).mean())
        measured = (_robust(net, net.initial + 1e-7 * sign * along, sets) - _start()) / 1e-7
        worst = max(worst, abs(measured - steepest) / abs(steepest))
        single = max(single, abs(measured - float(slopes[:, 200].mean())) / abs(steepest))
    return worst, single


def _start() -> float:
    """The pseudo-Huber loss of outputs 0."""
    return float(PseudoHuber()(torch.zeros(1, dtype=F64), torch.ones(1, dtype=F64)))


def _robust(net: TwoLayerNet | LinearizedNet, weight: Tensor, sets: Finite) -> float:
    """L_* at other weights than the net's own."""
    with torch.no_grad():
        f = net.evaluate((weight,), sets.candidates.flatten(0, 1)).reshape(6, -1)
        return float(PseudoHuber()(f, hexagon().y[:, None]).amax(1).mean())


def _below_tangent(seed: int) -> float:
    """How far L_* lies below a tangent at a worst point, for f affine in W; ties at the start."""
    net, sets, loss = affine_net(seed), candidates(hexagon(), RHO, 41), PseudoHuber()
    (start,), draw, worst = net.start(), generator(seed, 4), -math.inf
    several = [in_ball(net, radius, 7 * seed + k) for k, radius in enumerate((0.1, 1.0, 5.0, 20.0))]
    for here in (start, *several):
        leaf = here.clone().requires_grad_()
        f = net.evaluate((leaf,), sets.candidates.flatten(0, 1)).reshape(6, -1)
        losses = loss(f, hexagon().y[:, None])
        tied = losses.detach() >= losses.detach().amax(1, keepdim=True) - 1e-15
        pick = torch.rand(losses.shape, dtype=F64, generator=draw).where(tied, torch.tensor(-1.0))
        value = losses[torch.arange(6), pick.argmax(1)].mean()
        (gradient,) = torch.autograd.grad(value, leaf)
        for there in (start, *several):
            tangent = float(value.detach()) + float((gradient * (there - here)).sum())
            worst = max(worst, tangent - _robust(net, there, sets))
    return worst
