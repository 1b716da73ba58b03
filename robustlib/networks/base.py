"""What every net of the library is: a function of trained layers that remembers their start."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.linalg import vector_norm
from torch.nn import functional

from ..checks import check_kind, check_real, seen
from .streams import Neurons

_ROWS = 4096  # of a layer at a time


class Network(nn.Module):
    """A net f(W, x) whose only parameters are the trained layers W, with their start W_0."""

    d: int
    bias: bool

    def evaluate(self, weights: Sequence[Tensor], x: Tensor) -> Tensor:
        """f(W, x) (n,) at other weights than the net's own: one tensor per trained layer."""
        raise NotImplementedError

    def start(self) -> tuple[Tensor, ...]:
        """W_0, one tensor per trained layer."""
        raise NotImplementedError

    def expand(self, step: Sequence[Tensor], x: Tensor) -> Tensor:
        """f(W_0, x) + <grad_W f(W_0, x), step> (n,): one tensor of ``step`` per trained layer."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (n,) at inputs ``x`` (n, d); differentiable in ``x`` and in the weights."""
        return self.evaluate(tuple(self.parameters()), x)

    def neurons(self) -> Neurons | None:
        """The net as a sum over neurons, for ``streams``; None where it is none."""
        return None

    def input_gradient(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs (n,) and their gradients (n, d) at inputs ``x`` (n, d), both without a graph.

        No activation of a sum over neurons is held, and none for the weights of other nets.
        Raises ``TypeError`` or ``ValueError`` for other shapes and dtypes.
        """
        self._check_points(x)
        neurons = self.neurons()
        if neurons is not None:
            return neurons.input_gradient(x.detach())
        with torch.enable_grad():
            x = (x.clone() if x.is_inference() else x.detach()).requires_grad_()
            f = self.evaluate([w.detach() for w in self.parameters()], x)
            (gradient,) = torch.autograd.grad(f.sum(), x)
        return f.detach(), gradient

    def drift(self) -> dict[str, float]:
        """The Frobenius distance of every trained layer from its start, computed in float64."""
        pairs = zip(self.named_parameters(), self.start(), strict=True)
        return {name: float(vector_norm(_apart(w.detach(), w0))) for (name, w), w0 in pairs}

    def project(self, radius: float) -> None:
        """Move every layer, in place, to the nearest point of the ball of ``radius`` round W_0.

        A layer inside its ball keeps its bits. Afterwards no drift exceeds ``radius``, in float32
        too: entries are rounded towards W_0. Raises ``ValueError`` for a negative radius.
        """
        radius = check_real("radius", radius, minimum=0)
        with torch.no_grad():
            for w, w0 in zip(self.parameters(), self.start(), strict=True):
                delta = _apart(w, w0)
                norm = float(vector_norm(delta))
                if norm > radius:
                    delta *= radius / norm
                    new = (w0.double() + delta).to(w.dtype)
                    over = (new.double() - w0.double()).abs() > delta.abs()
                    w.copy_(torch.where(over, torch.nextafter(new, w0), new))

    def lift(self, x: Tensor) -> Tensor:
        """What the first layer sees of points ``x`` (n, d): (x, 1)/sqrt(2) with ``bias``, else x.

        Norm 1 stays norm 1. Raises ``TypeError`` or ``ValueError`` for other shapes and dtypes.
        """
        self._check_points(x)
        return functional.pad(x, (0, 1), value=1.0) * math.sqrt(0.5) if self.bias else x

    def _check_points(self, x: object) -> None:
        points = check_kind("x", x, "the net", self.start()[0], "; use net.to(x)")
        if points.dim() != 2 or points.shape[1] != self.d:
            raise ValueError(f"x must have shape (n, {self.d}), got {tuple(points.shape)}")

    def _layers(self, name: str, given: object) -> tuple[Tensor, ...]:
        """``given`` as a tuple, where it has one tensor per trained layer, like ``start()``."""
        asked = self.start()
        if not isinstance(given, Sequence):
            raise TypeError(f"{name} must be a tuple of {len(asked)} tensors, got {seen(given)}")
        for w in given:
            check_kind(name, w, "the net", asked[0])
        shapes = [[tuple(w.shape) for w in held] for held in (asked, given)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"{name} must have the shapes {shapes[0]}, got {shapes[1]}")
        return tuple(given)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.extra_repr()})"


def _apart(w: Tensor, w0: Tensor) -> Tensor:
    """w - w0 in float64, with memory for little more than itself."""
    delta = w.to(torch.float64, copy=True)
    for k in range(0, len(w), _ROWS):
        delta[k : k + _ROWS].sub_(w0[k : k + _ROWS])  # of which torch makes a copy in float64
    return delta
