"""Gradient masking: does an attack find little because little is there, or because it is blind?"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from . import numerics
from .attacks import PGD, NoAttack, RandomNoise
from .attacks.fitted import fitted
from .attacks.oracle import Oracle, outputs
from .checks import check_integer
from .losses import Loss
from .models import Model, undisturbed
from .numerics import row_norm, steady
from .samples import Labelled
from .sets import Perturbation

_POINTS = 16  # random points of every set at which the outputs are compared
_SHARE = 0.1  # a fault of fewer examples than this share is theirs, not the model's
_FLAT = 1e-6  # a loss whose slope is below this share of its Lipschitz constant is flat


@dataclass(frozen=True)
class Finding:
    """One symptom: its name, and the sentence that says what was seen, with the number."""

    symptom: str
    sentence: str

    def __repr__(self) -> str:
        return f"{self.symptom}: {self.sentence}"


@dataclass(frozen=True)
class Diagnosis:
    """The symptoms of gradient masking that a model shows on a sample; empty where it has none."""

    findings: tuple[Finding, ...]

    @property
    def symptoms(self) -> tuple[str, ...]:
        """The names of the symptoms found."""
        return tuple(finding.symptom for finding in self.findings)

    def __bool__(self) -> bool:
        return bool(self.findings)

    def __repr__(self) -> str:
        if not self.findings:
            return "No sign of gradient masking."
        return "\n".join(["Signs of gradient masking:", *(f"* {f!r}" for f in self.findings)])


@steady()
def diagnose(
    model: Model, sample: Labelled, *, perturbation: Perturbation, loss: Loss, seed: int = 0
) -> Diagnosis:
    """Look for six symptoms of gradient masking, and say each that is there in a sentence.

    *random*: one input, two outputs. *zero gradient*: outputs differ within the sets, yet the
    input gradient is zero. *quantised*: many points, few outputs. *saturated*: the loss is flat
    where the margin is not, so that attacks on the loss see nothing. *not growing*: the loss that
    PGD finds falls as the radius grows, although larger sets hold the smaller ones. *black box
    beats white box*: random points find more than gradients do.

    ``model`` maps (n, ...) to outputs (n,); the sample has points ``x`` (n, ...) and labels ``y``
    (n,). The model is left as found. No symptom is no certificate; ``robust_loss`` gives one.
    Raises what the attacks raise, and ``ValueError`` for an empty sample.
    """
    seed = check_integer("seed", seed, minimum=0)
    sample = fitted(sample, model)
    x, y = sample.x, sample.y
    NoAttack()(model, x, y, perturbation=perturbation, loss=loss)  # checks all that attacks check
    attack = PGD(seed=seed)
    if perturbation.radius == 0:
        raise ValueError("perturbation must have a radius above 0: nothing can hide in one point")
    findings = []
    with undisturbed(model, x.device):
        oracle = Oracle(model, x, y, perturbation, loss)
        for look in (_random, _zero_gradient, _quantised, _saturated):
            findings.append(look(oracle, loss, seed))
    findings.append(_not_growing(model, x, y, perturbation, loss, attack))
    findings.append(_black_box(model, x, y, perturbation, loss, attack))
    return Diagnosis(tuple(finding for finding in findings if finding is not None))


def _around(oracle: Oracle, seed: int) -> Tensor:
    """Outputs (points, n) at random points of every set, x itself first."""
    generator = numerics.generator(seed, 1)
    points = [oracle.perturbation.random(oracle.x, generator) for _ in range(_POINTS)]
    return torch.stack([oracle.outputs(z) for z in (oracle.x, *points)])


def _rounding(f: Tensor) -> float:
    """What outputs of this size may differ by without meaning anything."""
    return 1e3 * torch.finfo(f.dtype).eps * (1 + float(f.abs().max()))


def _random(oracle: Oracle, loss: Loss, seed: int) -> Finding | None:
    first = oracle.outputs(oracle.x)
    apart = max(float((oracle.outputs(oracle.x) - first).abs().max()) for _ in range(3))
    if apart <= _rounding(first):
        return None
    return Finding("random", f"the same inputs gave outputs that differ by up to {apart:.3g}.")


def _zero_gradient(oracle: Oracle, loss: Loss, seed: int) -> Finding | None:
    f = _around(oracle, seed)
    moves = (f - f[0]).abs().amax(0) > _rounding(f)
    _, gradient = oracle.outputs_and_gradient(oracle.x)
    blind = moves & (row_norm(gradient) == 0)
    count, n = int(blind.sum()), len(blind)
    if count <= _SHARE * n:
        return None
    return Finding(
        "zero gradient",
        f"at {count} of {n} examples the input gradient is zero, although the output changes "
        "within the set.",
    )


def _quantised(oracle: Oracle, loss: Loss, seed: int) -> Finding | None:
    f = _around(oracle, seed).flatten()
    different = len(set(f.tolist()))
    # a model may be constant somewhere; few values at many points are another matter
    if different < 2 or different > f.numel() / 4:
        return None
    return Finding("quantised", f"{f.numel()} points gave only {different} different outputs.")


def _saturated(oracle: Oracle, loss: Loss, seed: int) -> Finding | None:
    f = oracle.outputs(oracle.x)
    _, gradient = oracle.outputs_and_gradient(oracle.x)
    slope = loss.derivative(f, oracle.y).abs()
    flat = (slope < _FLAT * loss.lipschitz) & (row_norm(gradient) > 0)
    count, n = int(flat.sum()), len(flat)
    if count <= _SHARE * n:
        return None
    return Finding(
        "saturated",
        f"at {count} of {n} examples the slope of the loss is below {_FLAT:g} of its largest, "
        "although the output has a gradient.",
    )


def _found(
    model: Model, x: Tensor, y: Tensor, perturbation: Perturbation, loss: Loss, attack: PGD
) -> Tensor:
    points = attack(model, x, y, perturbation=perturbation, loss=loss)
    with undisturbed(model, x.device), torch.no_grad():
        return loss(outputs(model, points), y)


def _not_growing(
    model: Model, x: Tensor, y: Tensor, perturbation: Perturbation, loss: Loss, attack: PGD
) -> Finding | None:
    try:
        sets = [perturbation.with_radius(perturbation.radius * share) for share in (0.25, 0.5, 1)]
    except TypeError:  # finite sets have no radius to change
        return None
    means = [float(_found(model, x, y, s, loss, attack).mean()) for s in sets]
    clean = float(_found(model, x, y, perturbation.with_radius(0), loss, attack).mean())
    peak = max(range(3), key=means.__getitem__)
    # an attack may miss a little at every radius; a tenth of what it had found is no little
    if means[peak] - means[2] <= 0.1 * (means[peak] - clean) or means[peak] == means[2]:
        return None
    return Finding(
        "not growing",
        f"PGD finds a mean loss of {means[peak]:.4g} at radius {sets[peak].radius:.3g}, but only "
        f"{means[2]:.4g} at radius {sets[2].radius:.3g}, which allows more.",
    )


def _black_box(
    model: Model, x: Tensor, y: Tensor, perturbation: Perturbation, loss: Loss, attack: PGD
) -> Finding | None:
    white = _found(model, x, y, perturbation, loss, attack)
    blind = RandomNoise(samples=200, seed=attack.seed)
    points = blind(model, x, y, perturbation=perturbation, loss=loss)
    with undisturbed(model, x.device), torch.no_grad():
        black, clean = loss(outputs(model, points), y), loss(outputs(model, x), y)
    more = float((black - white).clamp(min=0).mean())
    if more <= max(0.05 * float((white - clean).mean()), _rounding(white)):
        return None
    count = int((black > white).sum())
    return Finding(
        "black box beats white box",
        f"random points find a larger loss than PGD at {count} of {len(x)} examples, "
        f"{more:.3g} on average.",
    )
