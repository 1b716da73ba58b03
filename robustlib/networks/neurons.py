"""The neurons of two-layer nets and of their expansions in the weights, for ``streams``."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..activations import Activation
from .streams import Block, Neurons, Slopes, Tiles

Lift = Callable[[Tensor], Tensor]


class Plain(Neurons):
    """h = s(z) with z = W x: the neurons of a net without symmetry."""

    def __init__(
        self, weight: Tensor, readout: Tensor, activation: Activation, lift: Lift, d: int
    ) -> None:
        super().__init__(readout, math.sqrt(len(readout)), lift, outward=1)
        self.weight, self.activation, self.d = weight, activation, d

    def block(self, rows: slice, tiles: Tiles) -> Block:
        """The neurons ``rows``."""
        weight, s = self.weight[rows], self.activation
        (product,) = tiles.products(weight)

        def slopes(x: Tensor) -> Slopes:
            value, slope = s.both(product(x))
            return value, (slope,)

        return Block(lambda x: s.function(product(x)), slopes, lambda: [self.folded(weight, rows)])

    def folded(self, weight: Tensor, rows: slice) -> Tensor:
        """What the points themselves see of ``weight`` (b, D), times a: (b, d)."""
        scale = self.readout[rows] / self.root
        if weight.shape[1] > self.d:  # lifted
            scale = scale * math.sqrt(0.5)
        return weight[:, : self.d] * scale.unsqueeze(1)

    def gradient(self, parts: Sequence[Tensor]) -> Tensor:
        """The gradient in the weights: that of the one gate."""
        return parts[0]


class Pairs(Plain):
    """h = s(z) - s(z') of pairs of neurons with opposite signs, z = z' + (w - w') x.

    Gates are s'(z) and s'(z) - s'(z'), so that both vanish with w - w', bit by bit.
    """

    def __init__(
        self, weight: Tensor, readout: Tensor, activation: Activation, lift: Lift, d: int
    ) -> None:
        half = len(readout) // 2
        super().__init__(weight[:half], readout[:half], activation, lift, d)
        self.twin, self.root, self.outward = weight[half:], math.sqrt(len(readout)), 2

    def block(self, rows: slice, tiles: Tiles) -> Block:
        """The pairs ``rows``."""
        twin, s = self.twin[rows], self.activation
        apart = self.weight[rows] - twin
        below, above = tiles.products(twin, apart)

        def values(x: Tensor) -> Tensor:
            z = below(x)
            return s.function(above(x, z)) - s.function(z)

        def slopes(x: Tensor) -> Slopes:
            z = below(x)
            first, second = s.both(above(x, z)), s.both(z)
            return first[0] - second[0], (first[1], first[1] - second[1])

        return Block(values, slopes, lambda: [self.folded(apart, rows), self.folded(twin, rows)])

    def gradient(self, parts: Sequence[Tensor]) -> Tensor:
        """The gradient in the weights of both halves."""
        return torch.cat([parts[0], parts[1].sub_(parts[0])])


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

    def block(self, rows: slice, tiles: Tiles) -> Block:
        """The neurons ``rows``, or the pairs."""
        start, step, s = self.weight[rows], self.step[rows], self.activation
        at, along = tiles.products(start, step)

        def values(x: Tensor) -> Tensor:
            z = at(x)
            value = s.derivative(z) * along(x)
            return value if self.symmetric else value + s.function(z)

        def slopes(x: Tensor) -> Slopes:
            z, u = at(x), along(x)
            with torch.enable_grad():
                z = z.detach().requires_grad_()
                slope = s.derivative(z)
                bend = None
                if slope.requires_grad:
                    (bend,) = torch.autograd.grad((slope * u).sum(), z)
            slope = slope.detach()
            value = slope * u
            if self.symmetric:
                return value, (slope, bend)
            return value + s.function(z.detach()), (slope, slope if bend is None else bend + slope)

        return Block(values, slopes, lambda: [self.folded(step, rows), self.folded(start, rows)])

    def gradient(self, parts: Sequence[Tensor]) -> Tensor:
        """The gradient in the weights, of both halves where there are pairs."""
        return torch.cat([parts[0], -parts[0]]) if self.symmetric else parts[0]
