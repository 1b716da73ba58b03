"""Solving with a kernel matrix: ridge regression, and the flow of a net trained in the limit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from ..checks import check_alike, check_floats, check_integer, check_real, check_shape, seen
from ..losses import Loss, check_loss
from ..numerics import power_above, significant, steady
from .flow import flow
from .gram import check_gram, noise

_LEFT = 0.1  # the relative error at which no digit of a solution is left


@dataclass(frozen=True, eq=False)
class KernelRegression:
    """The solution of (K + ridge I) coefficients = y; calling it on K(z, x) (m, n) predicts (m,).

    ``condition`` estimates the condition number of K + ridge I in the 1-norm; with entries of K
    right to their last digit, about ``digits`` decimal digits of the solution are. ``residual``
    is |(K + ridge I) c - y|/|y|, ``norm`` the RKHS norm sqrt(c^T K c), both in float64.
    """

    coefficients: Tensor = field(repr=False)
    ridge: float
    condition: float
    digits: float
    residual: float
    norm: float

    def __call__(self, K: Tensor) -> Tensor:
        """Predictions (m,) from the kernel ``K`` (m, n) between new points and the old ones."""
        return _predict(K, self.coefficients)

    def __repr__(self) -> str:
        # What is left of the norm: a digit less than of the coefficients, for the estimate's sake.
        norm = significant(self.norm, 10 ** (1 - self.digits))
        return (
            f"Kernel regression on {len(self.coefficients)} points with ridge {self.ridge:g}: "
            f"condition number {self.condition:.2g}, so about {self.digits:.0f} digits of the "
            f"coefficients are right; RKHS norm {norm}, relative residual at most "
            f"{power_above(self.residual):.0e}."
        )


def kernel_regression(K: Tensor, y: Tensor, *, ridge: float = 0.0) -> KernelRegression:
    """Solve (K + ``ridge`` I) c = ``y`` for the Gram matrix ``K`` (n, n) and labels ``y`` (n,).

    The solve is a float64 Cholesky factorisation whatever the dtype of K. Raises ``ValueError``
    where it would mean nothing: K is not the matrix of a kernel, symmetric and positive
    semidefinite to rounding, or the condition number of K + ridge I is so large that rounding in
    the entries of K changes the first digit.
    """
    _check_problem(K, y)
    ridge = check_real("ridge", ridge, minimum=0)
    K, y = K.detach(), y.detach()
    wide = K.double()
    regular = wide.clone()
    regular.diagonal().add_(ridge)
    factor, failed = torch.linalg.cholesky_ex(regular)
    condition = math.inf if int(failed) else _norm1(regular) * _inverse_norm1(factor)
    error = condition * torch.finfo(K.dtype).eps
    if error >= _LEFT:
        # Whether such a matrix factorises, and how large its condition number then seems, is
        # decided by rounding: no more is said than that it is too large.
        raise ValueError(
            f"K + ridge I has a condition number above {_LEFT / torch.finfo(K.dtype).eps:.0e}: "
            f"rounding in {_name(K.dtype)} entries changes every digit of the solution; "
            f"{_remedy(_norm1(wide), K.dtype)}"
        )
    c = torch.cholesky_solve(y.double()[:, None], factor)[:, 0]
    scale = float(y.double().norm())
    residual = float((regular @ c - y.double()).norm()) / scale if scale else 0.0
    norm = math.sqrt(max(0.0, float(c @ (wide @ c))))
    digits = -math.log10(error) if error > 0 else math.inf
    return KernelRegression(c.to(K.dtype), float(ridge), condition, digits, residual, norm)


@dataclass(frozen=True, eq=False)
class KernelFlow:
    """Outputs of a net of infinite width under gradient flow, at ``times`` (T,).

    ``outputs`` (T, n) at the training points, ``losses`` (T,) their mean losses, and
    ``coefficients`` (T, n), so that f_t(z) = K(z, x) coefficients[t]: call it on K(z, x) (m, n)
    for predictions (T, m). ``condition`` is greatest over least eigenvalue of K: the ratio of the
    times on which the fastest and the slowest direction are learnt.
    """

    times: Tensor = field(repr=False)
    outputs: Tensor = field(repr=False)
    losses: Tensor
    coefficients: Tensor = field(repr=False)
    condition: float

    def __call__(self, K: Tensor) -> Tensor:
        """Predictions (T, m) from the kernel ``K`` (m, n) between new points and the old ones."""
        return _predict(K, self.coefficients)

    def __repr__(self) -> str:
        n, start = self.outputs.shape[1], "A kernel flow on"
        if not len(self.times):
            return f"{start} {n} points at no times."
        return (
            f"{start} {n} points: loss {float(self.losses[0]):.4g} at time "
            f"{float(self.times[0]):g}, {float(self.losses[-1]):.4g} at time "
            f"{float(self.times[-1]):g}; condition number of K {self.condition:.2g}."
        )


@steady()
def kernel_flow(
    K: Tensor,
    y: Tensor,
    *,
    loss: Loss | str,
    times: Tensor | Sequence[float],
    weights: Tensor | None = None,
    steps: int = 5_000,
) -> KernelFlow:
    """Solve f'(t) = -K D ell'(f(t), y)/n, f(0) = 0: gradient flow on the mean loss, kernel frozen.

    D holds ``weights`` (n,) >= 0 on its diagonal, 1 where none are given: the gains by which an
    attack raises every example's residual, in Fu and Wang's picture of adversarial training
    (ICLR 2024). ``condition`` is then that of D^(1/2) K D^(1/2).

    ``K`` (n, n) is the Gram matrix of the tangent kernel, ``y`` (n,), ``times`` increasing and
    non-negative. With ``loss="squared"``, ell = (f - y)^2/2, the answer is exact in time, by the
    eigenvectors of K. With ``Hinge()`` it is too: it is linear between the times at which a margin
    reaches 1, where it stays or goes on, so that the function moves as slowly as it may. With other
    losses it is integrated in float64 to a relative tolerance of 1e-10: by an explicit method, or,
    where K is large or times are late, by an implicit one, which a second one has to confirm.

    ``steps`` limits steps and pieces: more are a ``ValueError``, also for a loss of one's own that
    has kinks, where small steps never end. K may be singular. Raises ``ValueError`` where K is not
    the matrix of a kernel, symmetric and positive semidefinite to rounding, for a negative weight,
    and for weights with another loss than "squared".
    """
    _check_problem(K, y)
    gains = torch.ones_like(y) if weights is None else _check_weights(weights, y, loss)
    if not isinstance(loss, str):
        check_loss(loss)
    steps = check_integer("steps", steps, minimum=1)
    when = _times(times, K.device)
    if when.dim() != 1 or bool((when < 0).any()) or bool((when.diff() < 0).any()):
        raise ValueError(f"times must be non-negative and increasing, got {times}")
    wide, labels, root = K.double(), y.double(), gains.double().sqrt()
    scaled = root[:, None] * ((wide + wide.T) / 2) * root
    values, vectors = torch.linalg.eigh(scaled) if len(y) else (labels, wide)
    _, greatest, condition = _extremes(values, K.dtype)
    if isinstance(loss, str):
        if loss != "squared":
            raise ValueError(
                f"loss must be 'squared' or a loss such as PseudoHuber(), got {loss!r}"
            )
        # D^(-1/2) times the residual flows with the symmetric D^(1/2) K D^(1/2)
        coefficients = root * _squared_flow(values.clamp(min=0), vectors, root * labels, when)
    else:
        coefficients = flow(wide, labels, loss, when, max(greatest, 0.0), steps)
    outputs = coefficients @ wide
    each = (outputs - labels) ** 2 / 2 if isinstance(loss, str) else loss(outputs, labels)
    losses = each.mean(1) if len(y) else each.new_zeros(len(when))
    when, outputs, losses, coefficients = (
        t.to(K.dtype) for t in (when, outputs, losses, coefficients)
    )
    return KernelFlow(when, outputs, losses, coefficients, condition)


def _squared_flow(values: Tensor, vectors: Tensor, y: Tensor, times: Tensor) -> Tensor:
    """(1 - exp(-lambda t/n))/lambda in every eigendirection, with its limit t/n at lambda = 0."""
    s = times[:, None] / max(1, len(y))
    decay = values * s
    weight = torch.where(decay > 1e-300, -torch.expm1(-decay) / decay.clamp(min=1e-300), 1) * s
    return (weight * (y @ vectors)) @ vectors.T


# --- what a solve is worth ---------------------------------------------------------------------


def condition_number(K: Tensor) -> tuple[float, float, float]:
    """Least and greatest eigenvalue of a symmetric ``K`` (n, n), and their ratio, in float64.

    The ratio is ``math.inf`` where the least eigenvalue is not above the rounding errors of K.
    """
    return _extremes(torch.linalg.eigvalsh(K.double()), K.dtype)


def _extremes(values: Tensor, dtype: torch.dtype) -> tuple[float, float, float]:
    if not len(values):
        return 0.0, 0.0, 1.0
    least, greatest = float(values[0]), float(values[-1])
    trusted = least > noise(len(values), greatest, dtype)
    return least, greatest, greatest / least if trusted else math.inf


def _norm1(a: Tensor) -> float:
    return float(a.abs().sum(0).max()) if a.numel() else 0.0


def _inverse_norm1(factor: Tensor) -> float:
    """Hager's estimate of the 1-norm of (L L^T)^-1: at most five solves, seldom off by 3."""
    n = len(factor)
    if not n:
        return 0.0
    x, best = factor.new_full((n, 1), 1 / n), 0.0
    for _ in range(5):
        v = torch.cholesky_solve(x, factor)
        best = max(best, float(v.abs().sum()))
        signs = torch.where(v < 0, -1.0, 1.0).to(v.dtype)
        g = torch.cholesky_solve(signs, factor)
        j = int(g.abs().argmax())
        if float(g[j].abs()) <= float((g * x).sum()):
            break
        x = torch.zeros_like(x)
        x[j] = 1
    return best


def _remedy(greatest: float, dtype: torch.dtype) -> str:
    ridge = power_above(20 * greatest * torch.finfo(dtype).eps)
    wider = " or compute K in float64" if dtype == torch.float32 else ""
    return f"remove points that occur twice, or use a ridge of at least {ridge:.0e}{wider}"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _predict(K: Tensor, coefficients: Tensor) -> Tensor:
    check_floats("K", K)
    check_alike("K", K, "the coefficients", coefficients)
    n = coefficients.shape[-1]
    if K.dim() != 2 or K.shape[1] != n:
        raise ValueError(f"K must have shape (m, {n}), got {tuple(K.shape)}")
    return coefficients @ K.T


def _check_weights(weights: Tensor, y: Tensor, loss: Loss | str) -> Tensor:
    weights = check_floats("weights", weights)
    check_alike("weights", weights, "y", y)
    check_shape("weights", weights, y.shape)
    if bool((weights < 0).any()):
        raise ValueError(f"weights must be non-negative, got {float(weights.min()):.3g}")
    if not isinstance(loss, str):
        raise ValueError(f"weights need loss='squared', got {loss!r}")
    return weights


def _times(times: object, device: torch.device) -> Tensor:
    """``times`` as float64 numbers."""
    try:
        if isinstance(times, Tensor) and times.is_complex():
            raise TypeError
        if not isinstance(times, Tensor) and np.iscomplexobj(cast(Any, times)):
            raise TypeError
        when = torch.as_tensor(times, dtype=torch.float64, device=device)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise TypeError(f"times must be a list of numbers or a tensor, got {seen(times)}") from None
    return check_floats("times", when)


def _check_problem(K: Tensor, y: Tensor) -> None:
    check_gram("K", K)
    check_floats("y", y)
    check_alike("y", y, "K", K)
    check_shape("y", y, (len(K),))
