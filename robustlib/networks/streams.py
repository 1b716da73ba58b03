"""Sums over neurons, in tiles: outputs and gradients of wide nets, with nothing of size n x m.

A net with one layer of neurons is a sum over them, and so is its expansion in the weights. For some
neurons, ``Block`` says what they are worth at some points, and by which factors (gates) they pass a
change on; what is summed over all of them is here. A tile of neurons and points stays in the cache
of the processor, in memory that is asked for once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad

from ..checks import FLOATS
from .products import PLAIN, product

_BLOCK = 512  # neurons in a tile, more where there are few points
_TILE = 2**19  # bytes; from twice as many on, the system may clear fresh memory for each one
_MANY = 64  # times as large on an accelerator


class Tiles:
    """How the neurons and the points are cut, and the memory for one tile after the other."""

    def __init__(self, seen: Tensor, neurons: int) -> None:
        n, scale = len(seen), 1 if seen.device.type == "cpu" else _MANY
        room = scale * _TILE // seen.element_size()
        size = min(neurons, max(scale * _BLOCK, room // max(n, 1)))
        size = -(-neurons // -(-neurons // size))  # blocks of about one size
        self.blocks = [slice(k, min(k + size, neurons)) for k in range(0, neurons, size)]
        rows = max(1, room // size)
        self.points = [slice(k, min(k + rows, n)) for k in range(0, n, rows)]
        self._several = len(self.blocks) > 1 or len(self.points) > 1
        self.product = product(seen) if self._several else PLAIN
        self._like, self._size = seen, min(rows, n) * size
        self._held: dict[int, Tensor] = {}

    def room(self, name: int, rows: int, columns: int) -> Tensor | None:
        """Memory (rows, columns) to write a product to, the same again for the same ``name``.

        None where there is one tile, which may as well have memory of its own.
        """
        if not self._several:
            return None
        if name not in self._held:
            self._held[name] = self._like.new_empty(self._size)
        return self._held[name][: rows * columns].view(rows, columns)

    def products(self, *matrices: Tensor) -> list[Callable[..., Tensor]]:
        """For each matrix: (x, plus) -> x matrix^T, with ``plus`` added where it is given."""

        def into(name: int, matrix: Tensor) -> Callable[..., Tensor]:
            multiply, columns = self.product.by(matrix), len(matrix)

            def of(x: Tensor, plus: Tensor | None = None) -> Tensor:
                return multiply(x, plus, self.room(name, len(x), columns))

            return of

        return [into(name, matrix) for name, matrix in enumerate(matrices)]


def large(x: Tensor, neurons: int) -> bool:
    """Whether so many ``neurons`` at points ``x`` (n, d) are more than one tile."""
    scale = 1 if x.device.type == "cpu" else _MANY
    return len(x) * neurons * x.element_size() > scale * _TILE


def streamed(x: Tensor, *weights: Tensor) -> bool:
    """Whether outputs at points ``x`` (n, d) are to be summed in tiles.

    They are where activations (n, m) would be large, and nobody looks at how they come about:
    not autograd in any of its modes, not a tracer, and no tensor of a class of its own.
    """
    held = (x, *weights)
    return (
        all(type(t) in (Tensor, nn.Parameter) for t in held)
        and x.dim() == 2
        and large(x, len(weights[0]))
        and x.dtype in FLOATS
        and not (torch.is_grad_enabled() and any(t.requires_grad for t in held))
        and not any(torch._C._functorch.is_functorch_wrapped_tensor(t) for t in held)
        and forward_ad._current_level < 0
        and not torch.is_autocast_enabled(x.device.type)
        and not torch._C._is_tracing()
        and not torch.compiler.is_compiling()
        and x.device.type != "meta"
    )


Slopes = tuple[Tensor, Sequence[Tensor | None]]  # h, and the gates; None for one that is 0


@dataclass(frozen=True)
class Block:
    """Some neurons: their ``values`` h (k, b) at points (k, D), and with the gates ``slopes``.

    ``inward`` has a matrix (b, d) for every gate (k, b); the products add up to the input gradient.
    """

    values: Callable[[Tensor], Tensor]
    slopes: Callable[[Tensor], Slopes]
    inward: Callable[[], Sequence[Tensor]]


class Neurons(ABC):
    """f(x) = sum_r a_r h_r(x) / root over neurons r; ``readout`` (m,) is a.

    ``lift`` takes points (n, d) to what neurons see, (n, D). Of the gates the first ``outward``
    pass a change of the weights on.
    """

    def __init__(
        self, readout: Tensor, root: float, lift: Callable[[Tensor], Tensor], outward: int
    ) -> None:
        self.readout, self.root, self.lift, self.outward = readout, root, lift, outward

    @abstractmethod
    def block(self, rows: slice, tiles: Tiles) -> Block:
        """The neurons ``rows``."""

    @abstractmethod
    def gradient(self, parts: Sequence[Tensor]) -> Tensor:
        """That in the weights, from the sums (m, D) for the outward gates, to be overwritten."""

    def wide(self, x: Tensor) -> bool:
        """Whether activations at points ``x`` (n, d) are more than one tile."""
        return large(x, len(self.readout))

    @torch.no_grad()
    def outputs(self, x: Tensor) -> Tensor:
        """f (n,) at points ``x`` (n, d)."""
        return self._sums(x, None)

    @torch.no_grad()
    def input_gradient(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """f (n,) at points ``x`` (n, d), and the gradients (n, d) there."""
        gradient = torch.zeros_like(x, memory_format=torch.contiguous_format)
        return self._sums(x, gradient), gradient

    @torch.no_grad()
    def weight_gradient(self, x: Tensor, slopes: Tensor) -> Tensor:
        """The gradient of sum_i slopes_i f(x_i) in the weights, for ``slopes`` (n,)."""
        seen, m = self.lift(x), len(self.readout)
        weighted = seen * (slopes / self.root).unsqueeze(1)
        tiles = Tiles(seen, m)
        parts = [seen.new_zeros(m, seen.shape[1]) for _ in range(self.outward)]
        for rows in tiles.blocks:
            block = self.block(rows, tiles)
            for points in tiles.points:
                _, gates = block.slopes(seen[points])
                for part, gate in zip(parts, gates, strict=False):
                    assert gate is not None
                    part[rows].addmm_(gate.T, weighted[points])
        for part in parts:
            part.mul_(self.readout.unsqueeze(1))
        return self.gradient(parts)

    def _sums(self, x: Tensor, gradient: Tensor | None) -> Tensor:
        seen = self.lift(x)
        tiles = Tiles(seen, len(self.readout))
        f = seen.new_zeros(len(seen))
        for rows in tiles.blocks:
            block, readout = self.block(rows, tiles), self.readout[rows]
            # the first is no sum, so that one tile gives what autograd does, bit by bit
            sums = {"beta": 1 if rows.start else 0}
            adding = [] if gradient is None else [*map(tiles.product.adding, block.inward())]
            for points in tiles.points:
                if gradient is None:
                    f[points].addmv_(block.values(seen[points]), readout, **sums)
                    continue
                h, gates = block.slopes(seen[points])
                f[points].addmv_(h, readout, **sums)
                for add, gate in zip(adding, gates, strict=True):
                    if gate is not None:
                        add(gradient[points], gate)
        return f.div_(self.root)
