"""Matrix products into memory that is there: by torch.mm, or by oneDNN where that is far faster."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

_FASTER = 1.4  # times: a gain between 1.1 and 1.3, which timing cannot tell, is left alone
_SHAPE = (256, 64, 512)  # points, inputs and neurons of the product that is timed
_ROUNDS = 7


class Product:
    """By torch.mm."""

    def by(self, matrix: Tensor) -> Callable[[Tensor, Tensor | None, Tensor | None], Tensor]:
        """(x, plus, out) -> x matrix^T, with ``plus`` added; in ``out``, which may be ``plus``."""
        turned = matrix.T

        def multiply(x: Tensor, plus: Tensor | None, out: Tensor | None) -> Tensor:
            if plus is None:
                return torch.mm(x, turned, out=out)
            return torch.addmm(plus, x, turned, out=out)

        return multiply

    def adding(self, matrix: Tensor) -> Callable[[Tensor, Tensor], object]:
        """(to, x) -> x matrix, added to ``to``."""
        return lambda to, x: to.addmm_(x, matrix)


class OneDNN(Product):
    """By oneDNN, through torch: on some processors of AMD twice as fast as torch.mm in float32."""

    def by(self, matrix: Tensor) -> Callable[[Tensor, Tensor | None, Tensor | None], Tensor]:
        """(x, plus, out) -> x matrix^T, with ``plus`` added."""
        linear = _linear(matrix)
        return lambda x, plus, out: linear(x) if plus is None else linear(x).add_(plus)

    def adding(self, matrix: Tensor) -> Callable[[Tensor, Tensor], object]:
        """(to, x) -> x matrix, added to ``to``."""
        linear = _linear(matrix.T)
        return lambda to, x: to.add_(linear(x))


PLAIN = Product()


def product(like: Tensor) -> Product:
    """The product for tiles of the kind of ``like``: oneDNN's for float32 where it is faster."""
    if (
        like.dtype != torch.float32
        or like.device.type != "cpu"
        or not torch.backends.mkldnn.enabled
    ):
        return PLAIN
    return _faster()


@functools.cache
def _faster() -> Product:
    """The faster of the two here, timed once, by the clock of the process."""
    if not torch._C._has_mkldnn:
        return PLAIN
    n, d, m = _SHAPE
    x, matrix, gates = (
        torch.ones(s, dtype=torch.float32, device="cpu") for s in ((n, d), (m, d), (n, m))
    )
    room, total = torch.empty_like(gates), torch.zeros_like(x)
    least = {PLAIN: float("inf"), OneDNN(): float("inf")}
    for _ in range(_ROUNDS):
        for way in least:
            multiply, add = way.by(matrix), way.adding(matrix)
            begun = time.process_time()
            for _ in range(3):
                multiply(x, None, room)
                add(total, gates)
            least[way] = min(least[way], time.process_time() - begun)
    plain, other = least.items()
    return other[0] if plain[1] > _FASTER * other[1] else PLAIN


def _linear(matrix: Tensor) -> Callable[[Tensor], Tensor]:
    packed = matrix.contiguous().to_mkldnn()
    return lambda x: functional.linear(x.contiguous().to_mkldnn(), packed).to_dense()
