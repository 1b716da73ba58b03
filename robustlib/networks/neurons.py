"""The neurons of two-layer nets and of their expansions in the weights, for ``streams``.

Tensors may have one more dimension in front, for nets side by side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..activations import Activation
from .streams import Neurons

Lift = Callable[[Tensor], Tensor]


class Plain(Neurons):
    """h = s(z) with z = W x: the neurons of a net without symmetry."""

    def __init__(
        self, weight: Tensor, readout: Tensor, activation: Activation, lift: Lift, d: int
    ) -> None:
        super().__init__(readout, math.sqrt(len(readout)), lift)
        self.weight, self.activation, self.d = weight, activation, d

    def kind(self) -> tuple[object, ...]:
        """The class, activation and shape: equal for nets that are computed alike."""
        return type(self), self.activation, self.d, tuple(self.weight.shape), self.root

    def matrices(self, rows: slice) -> tuple[Tensor, ...]:
        """W."""
        return (self.weight[..., rows, :],)

    def inward(self, rows: slice, matrices: Sequence[Tensor]) -> list[Tensor]:
        """The matrices as the points themselves see them, times a."""
        scale = self.readout[..., rows] / self.root
        if matrices[0].shape[-1] > self.d:  # lifted
            scale = scale * math.sqrt(0.5)
        return [matrix[..., : self.d] * scale.unsqueeze(-1) for matrix in self._gated(matrices)]

    def _gated(self, matrices: Sequence[Tensor]) -> Sequence[Tensor]:
        """Each matrix with the gate of the same place."""
        return matrices

    def values(self, products: Sequence[Tensor]) -> Tensor:
        """s(z)."""
        return self.activation.function(products[0])

    def slopes(self, products: Sequence[Tensor]) -> tuple[Tensor, Sequence[Tensor | None]]:
        """s(z) and s'(z)."""
        value, slope = self.activation.both(products[0])
        return value, (slope,)

    def outward(self, products: Sequence[Tensor]) -> Sequence[Tensor]:
        """s'(z)."""
        return (self._slope(products[0]),)

    def _slope(self, z: Tensor) -> Tensor:
        s = self.activation
        return s.derivative(z) if s.jet is None else s.jet(z)[1]

    def gradient(self, parts: Sequence[Tensor]) -> Tensor:
        """That of the one gate."""
        return parts[0]


class Pairs(Plain):
    """h = s(z) - s(z') of pairs of neurons with opposite signs, where z' = W' x.

    From z = z' + (W - W') x, and gates s'(z) and s'(z) - s'(z') with W - W' and W', all vanishes
    with W - W', bit by bit.
    """

    chained = True

    def __init__(
        self, weight: Tensor, readout: Tensor, activation: Activation, lift: Lift, d: int
    ) -> None:
        half = len(readout) // 2
        super().__init__(weight[:half], readout[:half], activation, lift, d)
        self.twin, self.root = weight[half:], math.sqrt(len(readout))

    def matrices(self, rows: slice) -> tuple[Tensor, ...]:
        """W' and W - W'."""
        twin = self.twin[..., rows, :]
        return twin, self.weight[..., rows, :] - twin

    def _gated(self, matrices: Sequence[Tensor]) -> Sequence[Tensor]:
        return matrices[::-1]

    def values(self, products: Sequence[Tensor]) -> Tensor:
        """s(z) - s(z')."""
        twin, z = products
        return self.activation.function(z) - self.activation.function(twin)

    def slopes(self, products: Sequence[Tensor]) -> tuple[Tensor, Sequence[Tensor | None]]:
        """s(z) - s(z'), s'(z), and s'(z) - s'(z')."""
        twin, z = products
        (value, slope), (value_, slope_) = self.activation.both(z), self.activation.both(twin)
        return value - value_, (slope, slope - slope_)

    def outward(self, products: Sequence[Tensor]) -> Sequence[Tensor]:
        """s'(z), and s'(z) - s'(z')."""
        twin, z = products
        slope = self._slope(z)
        return slope, slope - self._slope(twin)

    def gradient(self, parts: Sequence[Tensor]) -> Tensor:
        """Those of both halves."""
        return torch.cat([parts[0], parts[1].sub_(parts[0])], -2)


class Expansion(Plain):
    """h = s'(z) u, plus s(z) without symmetry: z = W_0 x and u = (W - W_0) x."""

    def __init__(
        self,
        start: Tensor,
        step: Tensor,
        readout: Tensor,
        activation: Activation,
        lift: Lift,
        d: int,
        *,
        symmetric: bool,
    ) -> None:
        rows, root = len(readout), math.sqrt(len(readout))
        if symmetric:  # pairs have equal z and opposite signs
            rows //= 2
            step = step[:rows] - step[rows:]
        super().__init__(start[:rows], readout[:rows], activation, lift, d)
        self.step, self.root, self.symmetric = step, root, symmetric

    def matrices(self, rows: slice) -> tuple[Tensor, ...]:
        """W_0 and W - W_0."""
        return self.weight[..., rows, :], self.step[..., rows, :]

    def _gated(self, matrices: Sequence[Tensor]) -> Sequence[Tensor]:
        return matrices[::-1]

    def values(self, products: Sequence[Tensor]) -> Tensor:
        """s'(z) u, plus s(z) without symmetry."""
        z, u = products
        value = self.activation.derivative(z) * u
        return value if self.symmetric else value + self.activation.function(z)

    def slopes(self, products: Sequence[Tensor]) -> tuple[Tensor, Sequence[Tensor | None]]:
        """The values, s'(z), and s''(z) u, plus s'(z) without symmetry."""
        z, u = products
        bend = None
        with torch.enable_grad():
            bent = z.detach().requires_grad_()
            slope = self.activation.derivative(bent)
            if slope.requires_grad:
                (bend,) = torch.autograd.grad((slope * u).sum(), bent)
        slope = slope.detach()
        value = slope * u
        if self.symmetric:
            return value, (slope, bend)
        return value + self.activation.function(z), (slope, slope if bend is None else bend + slope)

    def gradient(self, parts: Sequence[Tensor]) -> Tensor:
        """That of the one gate, of both halves where there are pairs."""
        return torch.cat([parts[0], -parts[0]], -2) if self.symmetric else parts[0]
