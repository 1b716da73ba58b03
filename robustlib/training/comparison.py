"""Fixed weights W_*, and a run as they see it: what regret and the potential are made of."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import torch
from torch import Tensor, nn

from ..attacks.oracle import outputs
from ..losses import Loss
from ..models import at_weights
from ..numerics import down, up, wide
from .setting import Setting

_SMALL = 1e-3  # a loss below which a relative gap says nothing


@dataclass(frozen=True, eq=False, repr=False)
class Comparator:
    """The function in the ball with the least robust loss, and how close it is known to be.

    ``value`` is the robust loss of this function, as ``judge`` found it. ``lower_bound`` is at most
    the minimum over the ball, by duality, whoever judges. Where ``closed``, the judge looked at all
    points of all sets, and the minimum is proved to be between the two, to rounding; else ``value``
    is a measurement, and a stronger attack may find more. ``gap`` is their difference. ``radius``
    is that of the ball, and ``distance`` how far the function is from the ball's centre (Frobenius
    norm of the whole step W - W_0, or norm in the RKHS). ``weights`` is one tensor per trained
    layer, like ``net.start()``; None for a kernel. The function is the sum over ``points`` (N, d)
    of ``coefficients`` (H, N) times features, one row for every layer; calling the comparator gives
    its outputs (n,) at x. ``setting`` holds the sample, the sets and the loss that it is best for.
    """

    weights: tuple[Tensor, ...] | None
    value: float
    lower_bound: float
    radius: float
    distance: float
    judge: str
    closed: bool
    setting: Setting
    points: Tensor
    coefficients: Tensor
    function: Callable[[Tensor], Tensor] = field(repr=False)

    @property
    def gap(self) -> float:
        """How far the value is above the lower bound."""
        return self.value - self.lower_bound

    def __call__(self, x: Tensor) -> Tensor:
        """Outputs (n,) at points ``x`` (n, d)."""
        return self.function(x)

    def __repr__(self) -> str:
        if not self.closed:
            what = "this function" if self.weights is None else "these weights"
            return (
                f"Within {self.radius:g} of the start no robust loss is below "
                f"{down(self.lower_bound, 6)}, which is proved; at {what}, at distance "
                f"{self.distance:.6g}, {self.value:.6g} is the largest found by {self.judge}: "
                "from above nothing is proved."
            )
        # small values are known with an absolute error
        small = self.value < _SMALL
        gap = f"gap {self.gap:.1e}" if small else f"relative gap {self.gap / self.value:.1e}"
        return (
            f"Within {self.radius:g} of the start the least robust loss is between "
            f"{down(self.lower_bound, 9)} and {up(self.value, 9)} ({gap}); reached at "
            f"distance {self.distance:.6g}, judged by {self.judge}."
        )

    def weights_for(self, setting: Setting) -> tuple[Tensor, ...]:
        """The weights, to compare a run in ``setting`` with.

        Raises ``ValueError`` where the comparator is for another sample, set or loss, and where it
        is a function of a kernel, which has no weights.
        """
        if not isinstance(setting, Setting):
            raise TypeError(f"setting must be the Setting of a run, got {type(setting).__name__}")
        if self.weights is None:
            raise ValueError(
                "comparator has no weights: it is a function of a kernel; take best_in_ball of "
                "linearize(net)"
            )
        setting.check_same("comparator", self.setting)
        return self.weights


@dataclass(frozen=True, eq=False)
class Comparison:
    """Numbers of every step of a run, measured against fixed weights W_*.

    ``distance`` (T+1,): |W_t - W_*|_F over all trained layers, the potential of Theorem B. With
    g_t the gradient of the surrogate loss at W_t: ``inner`` (T,) is <g_t, W_t - W_*>, ``gradient``
    (T,) is |g_t|_F, and ``loss`` (T,) is the mean loss of the net at W_*, at the points that the
    attack found at W_t. All float64 on the CPU. ``weights`` are W_*, by the names of the net.
    """

    weights: dict[str, Tensor]
    distance: Tensor
    inner: Tensor
    gradient: Tensor
    loss: Tensor

    @classmethod
    def start(cls, comparator: Sequence[Tensor], trained: Mapping[str, Tensor], steps: int) -> Self:
        """Room for ``steps`` steps from the ``trained`` weights, and the first distance."""
        if not isinstance(comparator, tuple | list):
            raise TypeError(
                "comparator must be a Comparator or a tuple of tensors, such as its weights, got "
                f"{type(comparator).__name__}"
            )
        weights = dict(zip(trained, comparator, strict=False))
        shapes = [tuple(w.shape) for w in trained.values()]
        given = [tuple(w.shape) if isinstance(w, Tensor) else w for w in comparator]
        if shapes != given:
            raise ValueError(
                "comparator must hold one tensor per trained layer, as comparator.weights does: "
                f"of shapes {shapes}, got {given}"
            )
        for name, w in weights.items():
            if w.dtype != trained[name].dtype or w.device != trained[name].device:
                raise TypeError(
                    f"comparator is {w.dtype} on {w.device} but {name} is {trained[name].dtype} "
                    f"on {trained[name].device}"
                )
        detached = {name: w.detach().clone() for name, w in weights.items()}
        numbers = (
            torch.empty(k, dtype=torch.float64, device="cpu")
            for k in (steps + 1, steps, steps, steps)
        )
        room = cls(detached, *numbers)
        room.distance[0] = room._from(trained)
        return room

    def take(
        self,
        t: int,
        net: nn.Module,
        trained: Mapping[str, Tensor],
        gradients: Sequence[Tensor],
        attacked: Tensor,
        y: Tensor,
        loss: Loss,
    ) -> None:
        """Note step t, before its weights move."""
        with torch.no_grad():
            with at_weights(net, self.weights):
                there = loss(outputs(net, attacked), y).double().mean()
            inner = squared = 0.0
            for (name, w), gradient in zip(trained.items(), gradients, strict=True):
                away, slope = wide(w) - wide(self.weights[name]), wide(gradient)
                inner += float((slope.conj() * away).sum().real)
                squared += float(slope.abs().square().sum())
        self.loss[t], self.inner[t], self.gradient[t] = float(there), inner, math.sqrt(squared)

    def arrive(self, t: int, trained: Mapping[str, Tensor]) -> None:
        """Note the weights W_t."""
        self.distance[t] = self._from(trained)

    def until(self, t: int) -> Self:
        """A copy of the first t steps."""
        steps = (self.inner[:t].clone(), self.gradient[:t].clone(), self.loss[:t].clone())
        return type(self)(self.weights, self.distance[: t + 1].clone(), *steps)

    def resume(self, saved: Comparison) -> None:
        """Take over the steps of ``saved``."""
        t = len(saved.inner)
        self.distance[: t + 1], self.inner[:t] = saved.distance, saved.inner
        self.gradient[:t], self.loss[:t] = saved.gradient, saved.loss

    @classmethod
    def from_payload(cls, payload: dict[str, Any]) -> Self:
        """What ``vars`` of another one holds; numbers go to the CPU."""
        return cls(**{k: v if k == "weights" else v.cpu() for k, v in payload.items()})

    def _from(self, trained: Mapping[str, Tensor]) -> float:
        pairs = ((wide(w), wide(self.weights[k])) for k, w in trained.items())
        return math.sqrt(sum(float((w - there).abs().square().sum()) for w, there in pairs))
