"""Sums over neurons, in tiles: outputs and gradients of wide nets, with nothing of size n x m.

A net with one layer of neurons is a sum over them, and so is its expansion in the weights. For some
neurons and points, ``Neurons`` says what they are worth, and by which factors (gates) they pass a
change on; what is summed over all of them is here. A tile of neurons and points stays in the cache
of the processor, in memory that is asked for once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

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

    def multiplier(
        self, matrices: Sequence[Tensor], chained: bool
    ) -> Callable[[Tensor], list[Tensor]]:
        """Points x -> x matrix^T for each matrix; ``chained``, each with the one before added."""
        multiply = [self.product.by(matrix) for matrix in matrices]
        columns = len(matrices[0])

        def products(x: Tensor) -> list[Tensor]:
            found: list[Tensor] = []
            for name, by in enumerate(multiply):
                plus = found[-1] if chained and found else None
                found.append(by(x, plus, self.room(name, len(x), columns)))
            return found

        return products


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


class Neurons(ABC):
    """f(x) = sum_r a_r h_r(x) / root over neurons r; ``readout`` (m,) is a.

    ``lift`` takes points (n, d) to what neurons see, (n, D). Each h_r is made of its products with
    one or two ``matrices`` (m, D); where ``chained`` the second is added to the first. What is made
    of the products, entry by entry, is here for one net, or for many with equal facts at once.
    """

    chained = False

    def __init__(self, readout: Tensor, root: float, lift: Callable[[Tensor], Tensor]) -> None:
        self.readout, self.root, self.lift = readout, root, lift

    @abstractmethod
    def kind(self) -> tuple[object, ...]:
        """Equal for neurons that make the same of their products, in the same shapes."""

    @abstractmethod
    def matrices(self, rows: slice) -> tuple[Tensor, ...]:
        """What the neurons ``rows`` multiply points by, (b, D) each."""

    @abstractmethod
    def inward(self, rows: slice, matrices: Sequence[Tensor]) -> list[Tensor]:
        """For every gate a matrix (b, d): gates times them add up to the input gradient."""

    @abstractmethod
    def values(self, products: Sequence[Tensor]) -> Tensor:
        """h, of the shape of each of the products, which stay as they are."""

    @abstractmethod
    def slopes(self, products: Sequence[Tensor]) -> tuple[Tensor, Sequence[Tensor | None]]:
        """h and the gates, by which it passes a change on; None for one that is 0.

        The products may be overwritten, here and by ``outward``.
        """

    @abstractmethod
    def outward(self, products: Sequence[Tensor]) -> Sequence[Tensor]:
        """The gates that pass a change of the weights on."""

    @abstractmethod
    def gradient(self, parts: Sequence[Tensor]) -> Tensor:
        """That in the weights, from the sums (m, D) for the outward gates, to be overwritten."""

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
        parts: list[Tensor] = []
        for rows in tiles.blocks:
            multiply = tiles.multiplier(self.matrices(rows), self.chained)
            for points in tiles.points:
                gates = self.outward(multiply(seen[points]))
                parts = parts or [seen.new_zeros(m, seen.shape[1]) for _ in gates]
                for part, gate in zip(parts, gates, strict=True):
                    part[rows].addmm_(gate.T, weighted[points])
        for part in parts:
            part.mul_(self.readout.unsqueeze(1))
        return self.gradient(parts)

    def _sums(self, x: Tensor, gradient: Tensor | None) -> Tensor:
        seen = self.lift(x)
        tiles = Tiles(seen, len(self.readout))
        f = seen.new_zeros(len(seen))
        for rows in tiles.blocks:
            matrices, readout = self.matrices(rows), self.readout[rows]
            multiply = tiles.multiplier(matrices, self.chained)
            # the first is no sum, so that one tile gives what autograd does, bit by bit
            sums = {"beta": 1 if rows.start else 0}
            inward = [] if gradient is None else self.inward(rows, matrices)
            adding = [tiles.product.adding(matrix) for matrix in inward]
            for points in tiles.points:
                products = multiply(seen[points])
                if gradient is None:
                    f[points].addmv_(self.values(products), readout, **sums)
                    continue
                h, gates = self.slopes(products)
                f[points].addmv_(h, readout, **sums)
                for add, gate in zip(adding, gates, strict=True):
                    if gate is not None:
                        add(gradient[points], gate)
        return f.div_(self.root)
