"""Nets with many layers of neurons."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..activations import Activation, activation_of
from ..checks import check_flag, check_integer
from ..numerics import normals
from .base import Network

# Streams of the seed, apart from those of the samples.
_WEIGHTS, _READOUT, _FIRST = 1001, 1002, 1003


class DeepNet(Network):
    """x_0 = A x, x_h = s(W_h x_(h-1) / sqrt m) for h = 1..depth, f(W, x) = <a, x_depth> / sqrt m.

    Only the ``depth`` square matrices ``layers`` (m, m), m = ``width``, are trained; ``first`` (A)
    and ``readout`` (a, entries N(0, 1)) stay fixed. A and W_0 have entries N(0, ``gain``): 2 for
    ReLU, which keeps |x_h|^2/m near 2, likewise for others of degree 1, and 1 for all the rest. For
    ReLU this is the function with entries N(0, 2/m) and no factors, but here each layer's gradient
    has norm about 1, the ball of Theorem A is a ball of radius R, and smooth activations see inputs
    of order 1. Raises ``ValueError`` for d, width or depth < 1, and as ``TwoLayerNet`` does for
    ``activation``.
    """

    fixed_buffers = True
    readout: Tensor
    first: Tensor
    initial: Tensor  # W_0, the layers stacked along axis 0

    def __init__(
        self,
        d: int,
        width: int,
        depth: int,
        *,
        activation: str | Activation = "relu",
        bias: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.d = check_integer("d", d, minimum=1)
        self.width = check_integer("width", width, minimum=1)
        self.depth = check_integer("depth", depth, minimum=1)
        self.activation = activation_of(activation)
        self.bias = check_flag("bias", bias)
        self.seed = seed = check_integer("seed", seed, minimum=0)
        d, width, depth = self.d, self.width, self.depth
        scale = math.sqrt(self.activation.gain)
        dtype = torch.get_default_dtype()

        def normal(stream: int, *shape: int) -> Tensor:
            draw = normals(seed, stream, *shape, d=d, width=width, depth=depth)
            return draw if stream == _READOUT else scale * draw

        self.register_buffer("first", normal(_FIRST, width, d + bias).to(dtype))
        self.register_buffer("readout", normal(_READOUT, width).to(dtype))
        self.register_buffer("initial", normal(_WEIGHTS, depth, width, width).to(dtype))
        self.layers = nn.ParameterList(nn.Parameter(w.clone()) for w in self.initial)

    def start(self) -> tuple[Tensor, ...]:
        """W_0, one tensor per trained layer."""
        return self.initial.unbind(0)

    def evaluate(self, weights: Sequence[Tensor], x: Tensor) -> Tensor:
        """f(W, x) (n,) at other weights than the net's own: one tensor per trained layer."""
        hidden, root = self.lift(x) @ self.first.T, math.sqrt(self.width)
        for weight in self._layers("weights", weights):
            hidden = self.activation.function(hidden @ weight.T / root)
        return hidden @ self.readout / root

    def expand(self, step: Sequence[Tensor], x: Tensor) -> Tensor:
        """f(W_0, x) + <grad_W f(W_0, x), step> (n,): one tensor of ``step`` per trained layer."""
        hidden, root = self.lift(x) @ self.first.T, math.sqrt(self.width)
        tangent = torch.zeros_like(hidden)  # how the hidden values move, to first order
        for weight, delta in zip(self.initial, self._layers("step", step), strict=True):
            z = hidden @ weight.T / root
            tangent = tangent @ weight.T + hidden @ delta.T
            tangent = self.activation.derivative(z) * tangent / root
            hidden = self.activation.function(z)
        return (hidden + tangent) @ self.readout / root

    def extra_repr(self) -> str:
        """The arguments that make this net again."""
        return (
            f"{self.d}, {self.width}, {self.depth}, activation={self.activation.name!r}, "
            f"bias={self.bias}, seed={self.seed}"
        )
