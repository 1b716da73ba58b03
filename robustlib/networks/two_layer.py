"""Nets with one layer of neurons."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from ..activations import Activation, activation_of
from ..checks import check_flag, check_integer
from ..numerics import generator, normals
from .base import Network
from .neurons import Expansion, Pairs, Plain
from .streams import Neurons, streamed

# Streams of the seed, apart from those of the samples: a net and a sample made with the same
# seed must not share their Gaussian numbers.
_WEIGHTS, _READOUT = 1001, 1002


class TwoLayerNet(Network):
    """f(W, x) = width^(-1/2) sum_r a_r s(<w_r, x>) with w_r ~ N(0, I) trained, a_r = +-1 fixed.

    ``bias`` lifts the input inside to (x, 1)/sqrt(2). ``symmetric`` makes the second half of the
    units a copy of the first with opposite signs: f(W_0, x) is then exactly 0 for every x, bit by
    bit, in every dtype and on every device. Weights are drawn on the CPU in float64 and rounded
    to torch's default dtype. The net of Theorem B (smooth s). ``activation`` is a name or an
    ``Activation`` of one's own. Raises ``ValueError`` for an odd width with ``symmetric``, for an
    unknown name and for facts that an activation's function contradicts.
    """

    fixed_buffers = True
    readout: Tensor
    initial: Tensor  # W_0

    def __init__(
        self,
        d: int,
        width: int,
        *,
        activation: str | Activation = "relu",
        bias: bool = True,
        symmetric: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.d = check_integer("d", d, minimum=1)
        self.width = check_integer("width", width, minimum=1)
        if check_flag("symmetric", symmetric) and self.width % 2:
            raise ValueError(f"width must be even with symmetric=True, got {width}")
        self.activation = activation_of(activation)
        self.bias, self.symmetric = check_flag("bias", bias), symmetric
        self.seed = seed = check_integer("seed", seed, minimum=0)
        rows = self.width // 2 if symmetric else self.width
        w = normals(seed, _WEIGHTS, rows, self.d + bias, d=self.d, width=self.width)
        a = 2.0 * torch.randint(2, (rows,), generator=generator(seed, _READOUT), device="cpu") - 1
        if symmetric:
            w, a = torch.cat([w, w]), torch.cat([a, -a])
        dtype = torch.get_default_dtype()
        self.weight = nn.Parameter(w.to(dtype))
        self.register_buffer("readout", a.to(dtype))
        self.register_buffer("initial", self.weight.detach().clone())

    def start(self) -> tuple[Tensor, ...]:
        """W_0, one tensor per trained layer."""
        return (self.initial,)

    def evaluate(self, weights: Sequence[Tensor], x: Tensor) -> Tensor:
        """f(W, x) (n,) at other weights than the net's own: one tensor per trained layer."""
        (weight,) = self._layers("weights", weights)
        if streamed(x, weight):
            return self.sum_at(weight).outputs(x)
        x, s = self.lift(x), self.activation.function
        if not self.symmetric:
            return s(x @ weight.T) @ self.readout / math.sqrt(self.width)
        # Two matrix products may round equal rows differently, so that s(z) - s(z') would not
        # vanish at W_0. With z = z' + x (w - w')^T it does by construction: there w - w' = 0.
        half = self.width // 2
        first, second = weight.reshape(2, half, -1).unbind(0)
        twin = x @ second.T
        z = torch.addmm(twin, x, (first - second).T)
        return (s(z) - s(twin)) @ self.readout[:half] / math.sqrt(self.width)

    def expand(self, step: Sequence[Tensor], x: Tensor) -> Tensor:
        """f(W_0, x) + <grad_W f(W_0, x), step> (n,): one tensor of ``step`` per trained layer."""
        (delta,) = self._layers("step", step)
        if streamed(x, self.initial, delta):
            return self.expansion_along(delta).outputs(x)
        x, rows = self.lift(x), self.width
        if self.symmetric:  # units come in pairs with equal z and opposite signs
            rows //= 2
            delta = delta[:rows] - delta[rows:]
        z = x @ self.initial[:rows].T
        value = self.activation.derivative(z) * (x @ delta.T)
        if not self.symmetric:
            value = value + self.activation.function(z)
        return value @ self.readout[:rows] / math.sqrt(self.width)

    def neurons(self) -> Neurons:
        """The net as a sum over neurons."""
        return self._sum_at(self.weight)

    def sum_at(self, weight: Tensor) -> Neurons:
        """The net at weights (m, D), as a sum over neurons."""
        return self._sum_at(*self._layers("weight", (weight,)))

    def _sum_at(self, weight: Tensor) -> Neurons:
        kind = Pairs if self.symmetric else Plain
        return kind(weight.detach(), self.readout, self.activation, self.lift, self.d)

    def expansion_along(self, step: Tensor) -> Neurons:
        """The expansion at W_0 along a step (m, D), as a sum over neurons."""
        (step,) = self._layers("step", (step,))
        rest = self.readout, self.activation, self.lift, self.d
        return Expansion(self.initial, step.detach(), *rest, symmetric=self.symmetric)

    def extra_repr(self) -> str:
        """The arguments that make this net again."""
        return (
            f"{self.d}, {self.width}, activation={self.activation.name!r}, bias={self.bias}, "
            f"symmetric={self.symmetric}, seed={self.seed}"
        )
