"""Adv-NTK (Fu and Wang, ICLR 2024): adversarial training of an infinitely wide net, by weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import torch
from torch import Tensor

from ..attacks import Adversary
from ..attacks.base import check_adversary
from ..checks import (
    check_alike,
    check_floats,
    check_function,
    check_integer,
    check_real,
    check_shape,
)
from ..losses import Loss, check_loss
from ..numerics import generator
from ..samples import Labelled, check_labelled
from ..sets import Perturbation, check_perturbation
from .features import Kernel, KernelFeatures


@dataclass(frozen=True, eq=False, repr=False)
class AdvNTK:
    """g = sum_j coefficients[j] K(points[j], .), where training with ``weights`` has come to.

    ``weights`` (n,) are gains times time, one for each of the ``points`` (n, d): the example's
    residual pulls that long and that hard. ``losses`` (steps + 1,) are the surrogate losses on
    the attacked validation examples, the last one at the final weights. Call it for g (m,) at
    points (m, d), differentiable.
    """

    kernel: Kernel = field(repr=False)
    points: Tensor
    coefficients: Tensor
    weights: Tensor
    losses: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """g (m,) at ``x`` (m, d)."""
        return _evaluate(self.kernel, self.points, self.coefficients, x)

    def __repr__(self) -> str:
        return (
            f"Adv-NTK on {len(self.points)} points after {len(self.losses) - 1} steps: surrogate "
            f"loss on the validation examples from {float(self.losses[0]):.4g} to "
            f"{float(self.losses[-1]):.4g}."
        )


def adv_ntk(
    kernel: Kernel,
    sample: Labelled,
    validation: Labelled,
    *,
    perturbation: Perturbation,
    attack: Adversary,
    loss: Loss,
    start: float,
    step_size: float,
    steps: int,
    seed: int = 0,
) -> AdvNTK:
    """Learn the weights w of g = K(., x) K^(-1) (I - exp(-K diag(w))) y on attacked examples.

    This g is the end of gradient flow on the squared loss at ``sample``, K frozen, where example j
    has been pulled by w_j in all; without an attack w_j = t/n after the time t. Each step attacks
    ``validation`` at the current g, takes the gradient in w of the mean ``loss`` at the points
    found, divides it by its length, and goes ``step_size`` against it from w, which starts at
    ``start`` everywhere and is kept >= 0. (The authors take the absolute value of w, and decay.)
    ``kernel`` maps points (n, d) and (m, d) to (n, m) and is differentiable in the first. Step t
    draws its random numbers from a stream of ``seed`` that is its own. Raises ``ValueError`` or
    ``TypeError`` for bad arguments.
    """
    for name, part in (("sample", sample), ("validation", validation)):
        check_labelled(part, name)
        check_floats(f"x of the {name}", part.x, min_dim=2)
        check_shape(f"y of the {name}", check_floats(f"y of the {name}", part.y), part.x.shape[:1])
        check_alike(f"y of the {name}", part.y, f"x of the {name}", part.x)
    wrong = validation.y[validation.y.abs() != 1]
    if len(wrong):
        raise ValueError(
            f"y of the validation must have entries -1 and +1 only, got {float(wrong[0]):g}"
        )
    check_perturbation(perturbation)
    check_adversary("attack", attack)
    check_loss(loss)
    start = check_real("start", start, minimum=0)
    step_size = check_real("step_size", step_size, above=0)
    steps = check_integer("steps", steps, minimum=0)
    seed = check_integer("seed", seed, minimum=0)
    check_function("kernel", kernel, "x, z", "be callable as kernel(x, z)")
    x, y = sample.x.detach().clone(), sample.y.detach().clone()  # perhaps of inference mode
    (gram,) = KernelFeatures(kernel, "kernel").grams(x)
    weights, losses = torch.full_like(y, start), []
    for t in range(steps + 1):
        leaf = weights.clone().requires_grad_(True)
        pull = _coefficients(gram, y, leaf)
        held = pull.detach()
        found = attack(
            partial(_evaluate, kernel, x, held),
            validation.x,
            validation.y,
            perturbation=perturbation,
            loss=loss,
            generator=generator(seed, t),
        )
        value = loss(kernel(found, x).detach() @ pull, validation.y).mean()
        losses.append(value.detach())
        if t < steps:
            (slope,) = torch.autograd.grad(value, leaf)
            length = float(slope.norm())
            if length > 0:
                weights = (weights - step_size / length * slope).clamp(min=0)
    return AdvNTK(kernel, x, held, weights, torch.stack(losses))


def _evaluate(kernel: Kernel, points: Tensor, coefficients: Tensor, x: Tensor) -> Tensor:
    return kernel(x, points) @ coefficients


def _coefficients(gram: Tensor, y: Tensor, weights: Tensor) -> Tensor:
    """K^(-1) (I - exp(-K D)) y as c(1) of c' = D (y - K c), c(0) = 0: no inverse of K is taken."""
    n = len(y)
    flow = torch.cat([-weights[:, None] * gram, (weights * y)[:, None]], 1)
    return torch.matrix_exp(torch.cat([flow, flow.new_zeros(1, n + 1)]))[:n, n]
