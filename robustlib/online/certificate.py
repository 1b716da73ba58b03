"""A lower bound for the best robust loss in a ball that a training run gives away for nothing."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..checks import check_integer, check_real
from ..losses import Loss
from ..models import departure, known_as
from ..networks import LinearizedNet
from ..numerics import down, steady
from ..samples import Labelled
from ..training.trajectory import Trajectory
from .replay import replay


@dataclass(frozen=True, repr=False)
class RegretCertificate:
    """``lower_bound`` <= the robust loss of every W with |W - W_0| <= ``radius``, each layer.

    It is ``average`` - ``radius`` times ``slope`` - ``linearisation_error``: the mean over the
    steps of the tangents of l_t, which lie below it, at its lowest in the ball.
    """

    lower_bound: float
    radius: float
    average: float
    slope: float
    linearisation_error: float
    steps: int

    def __repr__(self) -> str:
        return (
            f"{self.steps} steps prove that no weights within {self.radius:g} of the start have a "
            f"robust loss below {down(self.lower_bound, 9)}."
        )


@steady()
def ball_lower_bound(
    trajectory: Trajectory,
    *,
    radius: float,
    sample: Labelled | None = None,
    loss: Loss | None = None,
    linearisation_error: float | None = None,
    after: int = 0,
) -> RegretCertificate:
    """What the steps from ``after`` on prove about the ball of ``radius`` round the start.

    At the points that the attack found at W_t, the loss of a linearised net is convex in W and
    hence above its tangent at W_t; the robust loss is above it everywhere. This holds for every
    attack, and needs no solver. The better the attack and the closer the average of the weights to
    the best in the ball, the higher the bound. The run must have
    ``record=("attacked", "weights")``. It knows its sample and its loss; give ``sample`` and
    ``loss`` where it was loaded from a file, which does not hold them.

    For a net that is not a ``LinearizedNet``, give ``linearisation_error``, a bound on
    |f(W') - f(W) - <grad f(W), W' - W>| over the points and weights in question; the loss's
    Lipschitz constant times it is subtracted. Raises ``ValueError`` without it, for runs without
    these records, for ``after`` beyond the last step, and for another sample or loss than the
    run's.
    """
    if not isinstance(trajectory, Trajectory):
        raise TypeError(f"trajectory must be a Trajectory, got {type(trajectory).__name__}")
    radius = check_real("radius", radius, minimum=0)
    after = check_integer("after", after, minimum=0)
    if linearisation_error is None:
        if known_as(trajectory.initial, (LinearizedNet,)) is None:
            kind = departure(trajectory.initial, (LinearizedNet,))
            raise ValueError(
                f"linearisation_error is needed for a {kind or type(trajectory.initial).__name__}: "
                "only a LinearizedNet has none"
            )
        linearisation_error = 0.0
    linearisation_error = check_real("linearisation_error", linearisation_error, minimum=0)
    if after >= trajectory.steps:
        raise ValueError(
            f"after must be less than the {trajectory.steps} steps of the run, got {after}"
        )
    sample, loss = trajectory.setting.same_sample(sample), trajectory.setting.same_loss(loss)
    total, sums = 0.0, dict.fromkeys(trajectory.weights or {}, torch.zeros(()))
    for step in replay(trajectory, sample, loss):
        if step.t < after:
            continue
        total += step.value
        for (name, history), gradient in zip(
            (trajectory.weights or {}).items(), step.gradients, strict=True
        ):
            away = history[step.t].double() - history[0].double()
            total -= float((gradient.double() * away).sum())
            sums[name] = sums[name] + gradient.double()
    steps = trajectory.steps - after
    average, slope = total / steps, sum(float(held.norm()) for held in sums.values()) / steps
    error = loss.lipschitz * linearisation_error
    bound = average - radius * slope - error
    return RegretCertificate(bound, float(radius), average, slope, error, steps)
