"""Many nets of one shape as one model, which many examples at once are asked of."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from ..numerics import normals
from . import streams
from .base import Network
from .streams import Neurons

_ALL = slice(None)
_HELD = 2**23  # bytes of gates that are kept from outputs to gradients; more are computed again
_LINE = 64  # bytes of a line of the cache, and entries after which torch begins anew


class Stack:
    """S nets as a model over S x n examples: rows 0 to n - 1 are those of the first net, and so on.

    The nets are sums over neurons of one shape and activation; each has its own weights, which
    are read once, when they are first needed. As many nets at once as fit the cache are computed
    together, and each as it would be alone: their products are taken in one call where that
    gives the bits of a call for each net.

    A net whose outputs or gradients are not finite is noted in ``failed`` and answers 0 from then
    on, so that it does no harm to the others.
    """

    def __init__(self, nets: Sequence[Network]) -> None:
        self._sums: list[Neurons] = [s for net in nets if (s := net.neurons()) is not None]
        if len(self._sums) < len(nets):
            raise TypeError("nets must be sums over neurons")
        self.failed: set[int] = set()

    def __call__(self, x: Tensor) -> Tensor:
        """Outputs (S n,) at points ``x`` (S n, d), without a graph."""
        return self._settled(self._asked(x.detach(), None))

    def input_gradient(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs (S n,) and their gradients (S n, d) at points ``x`` (S n, d)."""
        gradient = torch.empty_like(x, memory_format=torch.contiguous_format)
        f = self._asked(x.detach(), gradient)
        return self._settled(f, gradient), gradient

    @functools.cached_property
    def _side_by_side(self) -> Neurons:
        """The neurons of all nets, with tensors (S, ...); wide nets do without such copies."""
        side = copy.copy(self._sums[0])
        for name, value in vars(side).items():
            if isinstance(value, Tensor):
                setattr(side, name, torch.stack([getattr(s, name) for s in self._sums]))
        return side

    @functools.cached_property
    def _matrices(self) -> tuple[Tensor, ...]:
        return self._side_by_side.matrices(_ALL)

    @functools.cached_property
    def _inward(self) -> list[Tensor]:
        return self._side_by_side.inward(_ALL, self._matrices)

    def outputs_for_training(self, x: Tensor) -> tuple[Tensor, Callable[[Tensor], list[Tensor]]]:
        """Outputs (S n,) at points ``x`` (S n, d), and what turns slopes (S n,) into gradients.

        For every net that is the gradient of sum_i slopes_i f(x_i) over its rows, in its weights.
        """
        gates: list[tuple[slice, Sequence[Tensor]]] = []
        few = len(x) * len(self._sums[0].readout) * x.element_size() <= _HELD
        f = self._settled(self._asked(x.detach(), None, gates if few else None))

        @torch.no_grad()
        def gradients(slopes: Tensor) -> list[Tensor]:
            if self._wide(x):
                count = len(self._sums)
                parts = zip(self._sums, x.chunk(count), slopes.chunk(count), strict=True)
                return [s.weight_gradient(*given) for s, *given in parts]
            side, found = self._side_by_side, list[Tensor]()
            seen = side.lift(x)
            weighted = self._by_net(seen * (slopes / side.root).unsqueeze(1))
            again = ((nets, side.outward(products)) for nets, products in self._products(seen))
            for nets, own in gates or again:
                readout = side.readout[nets].unsqueeze(2)
                sums = [_product(g.transpose(1, 2), weighted[nets]).mul_(readout) for g in own]
                found += side.gradient(sums).unbind()
            return found

        return f, gradients

    def _wide(self, x: Tensor) -> bool:
        """Whether one net is more than a tile at its rows of ``x`` (S n, d)."""
        return streams.large(x[: len(x) // len(self._sums)], len(self._sums[0].readout))

    @torch.no_grad()
    def _asked(
        self,
        x: Tensor,
        gradient: Tensor | None,
        outward: list[tuple[slice, Sequence[Tensor]]] | None = None,
    ) -> Tensor:
        """Outputs; in the points gradients, and gates to the weights, where these are given."""
        count = len(self._sums)
        if self._wide(x):
            rows = x.chunk(count)
            return torch.cat([self._alone(s, rows, gradient) for s in range(count)])
        side = self._side_by_side
        f = x.new_empty(count, len(x) // count)
        for nets, products in self._products(side.lift(x)):
            gates: Sequence[Tensor | None] = ()
            if gradient is None:
                h = side.values(products)
            else:
                h, gates = side.slopes(products)
            for s, out, own in zip(self._sums[nets], f[nets], h, strict=True):
                torch.mv(own, s.readout, out=out)
            if outward is not None:
                outward.append((nets, side.outward(products)))
            if gradient is not None:
                total, into = None, self._by_net(gradient)[nets]
                for gate, matrix in zip(gates, self._inward, strict=True):
                    if gate is not None:
                        total = _product(gate, matrix[nets], total, into)
                if total is None:
                    into.zero_()
        return f.flatten().div_(side.root)

    def _alone(self, s: int, rows: Sequence[Tensor], gradient: Tensor | None) -> Tensor:
        if gradient is None:
            return self._sums[s].outputs(rows[s])
        f, found = self._sums[s].input_gradient(rows[s])
        gradient.chunk(len(rows))[s].copy_(found)
        return f

    def _by_net(self, rows: Tensor) -> Tensor:
        """``rows`` (S n, ...) as (S, n, ...)."""
        return rows.view(len(self._sums), -1, *rows.shape[1:])

    def _products(self, seen: Tensor) -> Iterator[tuple[slice, list[Tensor]]]:
        """As many nets at a time as fit the cache, and their products, (k, n, m) each."""
        points, (count, m) = self._by_net(seen), self._side_by_side.readout.shape
        size = points.shape[1] * m
        room = max(1, streams._TILE // (size * seen.element_size()))
        if size % _LINE:  # torch computes the last few entries of a tensor by other code
            room = 1
        for start in range(0, count, room):
            nets = slice(start, start + room)
            products: list[Tensor] = []
            for matrix in self._matrices:
                plus = products[-1] if products and self._side_by_side.chained else None
                products.append(_product(points[nets], matrix[nets].transpose(1, 2), plus))
            yield nets, products

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


def _product(a: Tensor, b: Tensor, plus: Tensor | None = None, out: Tensor | None = None) -> Tensor:
    """a b, with ``plus`` added, for matrices side by side; each has the bits of it alone."""
    facts = [(tuple(t.shape), t.stride(-1) != 1) for t in (a, b)]
    if a.device.type != "cpu" or _in_one_call(*facts, a.dtype):
        return torch.bmm(a, b, out=out) if plus is None else torch.baddbmm(plus, a, b, out=out)
    found = _one_by_one(a, b, plus)
    return found if out is None else out.copy_(found)


def _one_by_one(a: Tensor, b: Tensor, plus: Tensor | None) -> Tensor:
    pairs = zip(map(_placed, a), map(_placed, b), strict=True)
    if plus is None:
        return torch.stack([torch.mm(*pair) for pair in pairs])
    return torch.stack(
        [torch.addmm(_placed(p), *pair) for p, pair in zip(plus, pairs, strict=True)]
    )


@functools.cache
def _in_one_call(
    a: tuple[tuple[int, ...], bool], b: tuple[tuple[int, ...], bool], dtype: torch.dtype
) -> bool:
    """Whether products of matrices of these shapes, turned or not, have the same bits in one call.

    No library promises it. What is added to what does not depend on the entries: random ones tell.
    """
    both = []
    for stream, ((count, rows, columns), turned) in enumerate((a, b)):
        shape = (count, columns, rows) if turned else (count, rows, columns)
        t = normals(0, stream, *shape).to(dtype)
        both.append(t.transpose(1, 2) if turned else t)
    left, right = both
    once = torch.bmm(left, right)
    again = torch.baddbmm(once, left, right)
    pairs = (once, _one_by_one(left, right, None)), (again, _one_by_one(left, right, once))
    return all(torch.equal(found, alone) for found, alone in pairs)


def _placed(t: Tensor) -> Tensor:
    """``t``, where it begins as a tensor of its own would; on that may depend how a sum rounds."""
    return t if t.data_ptr() % _LINE == 0 else t.clone()
