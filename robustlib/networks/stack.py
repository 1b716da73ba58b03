"""Many nets of one shape as one model, which many examples at once are asked of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from . import streams
from .base import Network
from .streams import Neurons

_ALL = slice(None)
_LINE = 64  # bytes of a line of the cache, and entries after which torch begins anew


class Stack:
    """S nets as a model over S x n examples: rows 0 to n - 1 are those of the first net, and so on.

    The nets are sums over neurons of one shape and activation; each has its own weights, which
    are read once, when the stack is made. Products are taken one net after the other, by the
    calls and in the shapes in which the net alone would take them, and all that is done entry by
    entry is done for as many nets at once as fit the cache.

    A net whose outputs or gradients are not finite is noted in ``failed`` and answers 0 from then
    on, so that it does no harm to the others.
    """

    def __init__(self, nets: Sequence[Network]) -> None:
        self._sums: list[Neurons] = [s for net in nets if (s := net.neurons()) is not None]
        if len(self._sums) < len(nets):
            raise TypeError("nets must be sums over neurons")
        self.failed: set[int] = set()
        self._matrices = [s.matrices(_ALL) for s in self._sums]
        with torch.no_grad():
            self._inward = [
                s.inward(_ALL, m) for s, m in zip(self._sums, self._matrices, strict=True)
            ]

    def __call__(self, x: Tensor) -> Tensor:
        """Outputs (S n,) at points ``x`` (S n, d), without a graph."""
        return self._settled(self._asked(x.detach(), None))

    def input_gradient(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs (S n,) and their gradients (S n, d) at points ``x`` (S n, d)."""
        gradient = torch.zeros_like(x)
        f = self._asked(x.detach(), gradient)
        return self._settled(f, gradient), gradient

    @torch.no_grad()
    def weight_gradients(self, x: Tensor, slopes: Tensor) -> list[Tensor]:
        """For every net the gradient of sum_i slopes_i f(x_i) over its rows, in its weights."""
        first, found = self._sums[0], []
        points = x.chunk(len(self._sums))
        if streams.large(points[0], len(first.readout)):
            parts = zip(self._sums, points, slopes.chunk(len(self._sums)), strict=True)
            return [s.weight_gradient(*given) for s, *given in parts]
        weighted = first.lift(x) * (slopes / first.root).unsqueeze(1)
        moved = weighted.chunk(len(self._sums))
        for nets, products in self._products(first.lift(x)):
            gates = first.outward(products)
            for k, s in enumerate(nets):
                sums = []
                for gate in gates:
                    part = moved[s].new_zeros(gate.shape[2], moved[s].shape[1])
                    part.addmm_(_placed(gate[k]).T, _placed(moved[s]))
                    sums.append(part.mul_(self._sums[s].readout.unsqueeze(1)))
                found.append(first.gradient(sums))
        return found

    @torch.no_grad()
    def _asked(self, x: Tensor, gradient: Tensor | None) -> Tensor:
        first, count = self._sums[0], len(self._sums)
        rows = x.chunk(count)
        if streams.large(rows[0], len(first.readout)):
            return torch.cat([self._alone(s, rows, gradient) for s in range(count)])
        f = x.new_zeros(count, len(rows[0]))
        into = () if gradient is None else gradient.chunk(count)
        for nets, products in self._products(first.lift(x)):
            gates: Sequence[Tensor | None] = ()
            if gradient is None:
                h = first.values(products)
            else:
                h, gates = first.slopes(products)
            for k, s in enumerate(nets):
                f[s] = torch.mv(_placed(h[k]), self._sums[s].readout)
                for gate, matrix in zip(gates, self._inward[s], strict=False):
                    if gate is not None:
                        place = into[s]
                        sums = _placed(place).addmm_(_placed(gate[k]), matrix)
                        if sums.data_ptr() != place.data_ptr():
                            place.copy_(sums)
        return f.flatten().div_(first.root)

    def _alone(self, s: int, rows: Sequence[Tensor], gradient: Tensor | None) -> Tensor:
        if gradient is None:
            return self._sums[s].outputs(rows[s])
        f, found = self._sums[s].input_gradient(rows[s])
        gradient.chunk(len(rows))[s].copy_(found)
        return f

    def _products(self, seen: Tensor) -> Iterator[tuple[range, list[Tensor]]]:
        """As many nets at a time as fit the cache, and their products, (k, n, m) each."""
        count, first = len(self._sums), self._sums[0]
        rows, m = seen.chunk(count), len(first.readout)
        n = len(rows[0])
        room = max(1, streams._TILE // (n * m * seen.element_size()))
        if n * m % _LINE:  # torch computes the last few entries of a tensor by other code
            room = 1
        held = [seen.new_empty(min(room, count), n, m) for _ in self._matrices[0]]
        for start in range(0, count, room):
            nets = range(start, min(start + room, count))
            for k, s in enumerate(nets):
                own, before = _placed(rows[s]), None
                for products, matrix in zip(held, self._matrices[s], strict=True):
                    place = products[k]
                    out = _placed(place)
                    if before is None:
                        torch.mm(own, matrix.T, out=out)
                    else:
                        torch.addmm(before, own, matrix.T, out=out)
                    if out is not place:
                        place.copy_(out)
                    before = out if first.chained else None
            yield nets, [products[: len(nets)] for products in held]

    def _settled(self, f: Tensor, gradient: Tensor | None = None) -> Tensor:
        """``f`` (S n,), and the gradient in place, with 0 for the nets that failed."""
        total = f.sum() if gradient is None else f.sum() + gradient.sum()
        if not self.failed and bool(torch.isfinite(total)):
            return f
        count = len(self._sums)
        parts = [f.view(count, -1), *([] if gradient is None else [gradient.view(count, -1)])]
        for part in parts:
            self.failed.update((~torch.isfinite(part).all(1)).nonzero().flatten().tolist())
        for s in self.failed:
            for part in parts:
                part[s] = 0
        return f


def _placed(t: Tensor) -> Tensor:
    """``t``, where it begins as a tensor of its own would; on that may depend how a sum rounds."""
    return t if t.data_ptr() % _LINE == 0 else t.clone()
