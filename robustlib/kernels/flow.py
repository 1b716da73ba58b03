"""Gradient flow in a kernel's space, c' = -ell'(K c)/n: in pieces for the hinge, else by steps."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import integrate, optimize
from torch import Tensor

from ..losses import Hinge, Loss

Array = NDArray[np.float64]

_TOLERANCE = 1e-10  # of the integrators, relative
_CHECK = 1e-8  # of the second integrator of a stiff flow ...
_AGREE = 1e-5  # ... which must agree with the first to this
_STIFF = 3e3  # time times the fastest rate from which small steps are too many
_NOISE = 1e-11  # of a slope, relative to the sum of its terms


class TooManySteps(ValueError):
    """The flow takes more steps than its caller allows."""


def flow(K: Tensor, y: Tensor, loss: Loss, times: Tensor, fastest: float, steps: int) -> Tensor:
    """Coefficients (T, n) of the flow on the mean of ``loss`` at ``times`` (T,), all float64.

    ``fastest`` is the largest eigenvalue of K; ``steps`` limits pieces or steps.
    """
    if not len(times) or not len(y):
        return y.new_zeros(len(times), len(y))
    gram, labels, when = K.cpu(), y.cpu(), times.cpu().numpy()
    if type(loss) is Hinge:
        found = _hinge(gram.numpy(), labels.numpy(), when, steps)
    else:
        rate = fastest * (loss.smoothness or 0.0) / len(y)
        problem = _Problem(gram, labels, loss, fastest / len(y), steps)
        stiff = rate * float(when[-1]) > _STIFF
        found = _stiff(problem, when) if stiff else _plain(gram, labels, loss, when, steps)
    return torch.as_tensor(found, device="cpu").to(times.device)


def _too_many(steps: int, time: float, end: float) -> TooManySteps:
    return TooManySteps(
        f"the flow took steps={steps} steps to time {time:.3g} of {end:g}: ask for earlier times, "
        "or allow more steps"
    )


def _failed(message: str | None, end: float, size: float) -> ValueError:
    return ValueError(
        f"the flow could not be integrated to time {end:g} with a K of order {size:.0e}: ask for "
        f"earlier times, or scale K down ({message})"
    )


# --- smooth losses -----------------------------------------------------------------------------


def _plain(K: Tensor, y: Tensor, loss: Loss, times: Array, steps: int) -> Array:
    """By an explicit method of order 8."""
    asked, (when, place) = 0, np.unique(times, return_inverse=True)
    end = max(float(times[-1]), 1e-300)

    def velocity(t: float, c: Array) -> Array:
        nonlocal asked
        asked += 1
        if asked > 12 * steps:  # evaluations a step
            raise _too_many(steps, t, end)
        f = K @ torch.as_tensor(c, device="cpu")
        return (-loss.derivative(f, y) / len(y)).numpy()

    found = integrate.solve_ivp(
        velocity,
        (0.0, end),
        torch.zeros_like(y).numpy(),
        method="DOP853",
        t_eval=when,
        rtol=_TOLERANCE,
        atol=_TOLERANCE * 1e-2,
    )
    if not found.success:
        raise _failed(found.message, end, float(K.abs().max()))
    return np.asarray(found.y.T[place])


class _Problem:
    """The flow in units of its fastest rate: b = rate c as a function of rate t."""

    def __init__(self, K: Tensor, y: Tensor, loss: Loss, rate: float, steps: int) -> None:
        self.K, self.y, self.loss, self.rate, self.steps = K / rate, y, loss, rate, steps

    def velocity(self, _: float, b: Array) -> Array:
        """b'."""
        f = self.K @ torch.as_tensor(b, device="cpu")
        return np.asarray((-self.loss.derivative(f, self.y) / len(self.y)).numpy())

    def jacobian(self, _: float, b: Array) -> Array:
        """The derivative of the velocity in b."""
        with torch.enable_grad():
            f = (self.K @ torch.as_tensor(b, device="cpu")).requires_grad_()
            (curve,) = torch.autograd.grad(self.loss.derivative(f, self.y).sum(), f)
        return np.asarray((-curve[:, None] * self.K / len(self.y)).numpy())

    def solved(
        self, method: Callable[..., integrate.OdeSolver], times: Array, rtol: float
    ) -> Array:
        """b at ``times``, each the end of a step."""
        now, b, taken, message, found = 0.0, np.zeros(len(self.y)), 0, None, []
        for time in times * self.rate:
            if time > now:
                solver = method(
                    self.velocity, now, b, time, rtol=rtol, atol=rtol * 1e-2, jac=self.jacobian
                )
                while solver.status == "running":
                    if taken >= self.steps:
                        raise _too_many(self.steps, solver.t / self.rate, float(times[-1]))
                    message, taken = solver.step(), taken + 1
                if solver.status == "failed":
                    raise _failed(message, float(times[-1]), self.rate)
                now, b = time, solver.y
            found.append(b)
        return np.stack(found)


def _stiff(problem: _Problem, times: Array) -> Array:
    """By two implicit methods that have nothing in common: the sharper answer, once they agree."""
    found = problem.solved(integrate.Radau, times, _TOLERANCE)
    other = problem.solved(integrate.BDF, times, _CHECK)
    f, g = (b @ problem.K.numpy() for b in (found, other))
    apart = float(np.abs(f - g).max() / (1 + np.abs(f).max()))
    if not apart <= _AGREE:
        raise ValueError(
            f"two integrators disagree by {apart:.1g} at times up to {times[-1]:g}: ask for earlier"
            " times"
        )
    return found / problem.rate


# --- the hinge ---------------------------------------------------------------------------------


def _hinge(K: Array, y: Array, times: Array, steps: int) -> Array:
    """Exactly: between two events, at which a margin y f reaches 1, all coefficients are linear.

    Examples with margins below 1 push with weight s = 1, those above with 0. At 1 the slope of the
    loss is any s in [0, 1], and of these the flow takes those for which the function moves least
    (the least norm of the subdifferential, as gradient flows of convex functions do): a margin
    then stays at 1 where the pushes of the others allow it, and leaves it where they do not.
    """
    n = len(y)
    gram = (K + K.T) / 2 * y * y[:, None]
    values, vectors = np.linalg.eigh(gram)
    root = np.sqrt(values.clip(min=0))[:, None] * vectors.T
    side = -np.ones(n, dtype=int)  # of the margin: below 1, at it, or above
    margin, weight = np.zeros(n), np.zeros(n)  # weight: y c
    now, left, found = 0.0, list(times), []
    for _ in range(steps):
        push = _least_push(root, gram, side)
        slope = gram @ push
        noise = _NOISE * (np.abs(gram) @ push + np.abs(gram).max(initial=0.0))
        side = np.where((side == 0) & (push == 0) & (slope > noise), 1, side)
        side = np.where((side == 0) & (push == 1) & (slope < -noise), -1, side)
        closer = ((side < 0) & (slope > noise)) | ((side > 0) & (slope < -noise))
        until = np.full(n, math.inf)
        until[closer] = n * (1 - margin[closer]) / slope[closer]
        step = max(0.0, float(until.min(initial=math.inf)))
        while left and left[0] <= now + step:
            found.append((weight + (left.pop(0) - now) / n * push) * y)
        if not left:
            return np.stack(found)
        now, weight, margin = now + step, weight + step / n * push, margin + step / n * slope
        side = np.where(until <= step * (1 + 1e-12), 0, side)
        margin = np.where(side == 0, 1.0, margin)
    raise _too_many(steps, now, float(times[-1]))


def _least_push(root: Array, gram: Array, side: Array) -> Array:
    """s (n,) in [0, 1] with |root s| least, given where margins are not at 1; checked."""
    push = (side < 0).astype(float)
    free = np.nonzero(side == 0)[0]
    if not len(free):
        return push
    target = -root @ push
    answer = optimize.lsq_linear(root[:, free], target, (0, 1), method="bvls", tol=1e-15)
    s = answer.x.clip(0, 1)
    s[s < 1e-12], s[s > 1 - 1e-12] = 0.0, 1.0
    push[free] = s
    slope = (gram @ push)[free]
    # a push at 0 must have a slope that is not negative, one at 1 a slope that is not positive
    wrong = np.where(s > 0, slope, 0.0).clip(min=0) + np.where(s < 1, -slope, 0.0).clip(min=0)
    noise = 1e3 * _NOISE * (np.abs(gram) @ push + np.abs(gram).max())[free]
    if bool((wrong > noise).any()):
        raise ValueError(
            "K is too ill-conditioned for the flow of the hinge: the pushes of examples whose "
            f"margin is 1 are known to {float(wrong.max()):.1g} only"
        )
    return push
