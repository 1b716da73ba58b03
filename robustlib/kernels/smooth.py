"""Grams of smooth activations: the covariances of all layers, one after another."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import zip_longest

import numpy as np
import torch
from torch import Tensor

from .chebyshev import Array, clenshaw, coefficients
from .correlation import Polynomial, precise, rough
from .dual import DualActivation, dual_of
from .kind import Kind
from .tiles import place, tile_size, tiles

_EQUAL = 8e-15  # relative spread of squared norms that is rounding in float64
_NEARLY = 5e-7  # and in float32: first-order corrections then leave 1e-13
_CHANGE = 1e-7  # of the change left out in float32, where deviations are below _NEARLY
_STEP = 1e-4  # of the difference quotient for these corrections
_MAX_NODES = 4096


def by_moments(
    x: Tensor, z: Tensor | None, kind: Kind, *, dtype: torch.dtype, differentiable: bool
) -> Tensor:
    """The kernel of lifted float64 points, in ``dtype``."""
    other = x if z is None else z
    if not x.numel() or not other.numel():
        return torch.empty(len(x), len(other), dtype=dtype, device=x.device)
    q = (x * x).sum(1)
    p = q if z is None else (other * other).sum(1)
    if differentiable:
        return _Layers(kind, q, p).kernel(x @ other.T).to(dtype)
    with torch.no_grad():
        layers = _of_one_norm(kind, q, p, dtype) or _Layers(kind, q, p)
        gram = torch.empty(len(x), len(other), dtype=dtype, device=x.device)
        for r, c in tiles(len(x), len(other), tile_size(x.device), symmetric=z is None):
            place(gram, layers.kernel(x[r] @ other[c].T, r, c), r, c, symmetric=z is None)
    return gram


class _Layers:
    """The recursion over layers, with the numbers of rows and columns computed once."""

    def __init__(self, kind: Kind, q: Tensor, p: Tensor) -> None:
        self.depth, self.trained, self.tangent = kind.depth, kind.trained, kind.tangent
        self.gain = 2.0 if self.trained == "all" else kind.activation.gain
        self.source: DualActivation = dual_of(kind.activation)
        self.features: list[tuple[Tensor, Tensor]] = []  # per layer: of s and of s'
        self.n, q = len(q), torch.cat([q, p])
        for layer in range(self.depth):
            q = q if self.trained == "first" else self.gain * q
            value, slope = (self.source.features(q, slope=flag) for flag in (False, True))
            self.features.append((value, slope))
            if layer < self.depth - 1:
                q = self.source.square(q)

    def kernel(self, c: Tensor, rows: slice = slice(None), columns: slice = slice(None)) -> Tensor:
        """The kernel at covariances ``c`` of the inputs in these rows and columns."""

        def moment(layer: int, c: Tensor, *, slope: bool) -> Tensor:
            numbers = self.features[layer][slope]
            return self.source.pair(
                numbers[: self.n][rows], numbers[self.n :][columns], c, slope=slope
            )

        if self.trained == "first":
            return c * moment(0, c, slope=True) if self.tangent else moment(0, c, slope=False)
        total = self.gain * c if self.trained == "all" else torch.zeros_like(c)
        for layer in range(self.depth):
            c = self.gain * c
            slope = moment(layer, c, slope=True) if self.tangent else c
            if self.trained == "all":
                value = moment(layer, c, slope=False)
                total, c = self.gain * (value + slope * total), value
            else:
                total = slope * (c + total)
                if not self.tangent or layer < self.depth - 1:
                    c = moment(layer, c, slope=False)
        if self.tangent:
            return total
        return self.gain * c


@dataclass(frozen=True)
class _Series:
    """The kernel of points of nearly equal norm, a Chebyshev series in their correlation.

    To first order in the deviations e of the squared norms from their mean, relative to it, the
    kernel is main(r) + (e_i + e_j)/2 change(r), where change is the derivative in log norm^2.
    """

    main: tuple[float, ...]
    change: tuple[float, ...]
    square: float
    q: Tensor
    p: Tensor

    def kernel(self, c: Tensor, rows: slice, columns: slice) -> Tensor:
        """The series at covariances ``c`` of the inputs in these rows and columns."""
        q, p = self.q[rows, None], self.p[columns]
        correlation = (c * torch.rsqrt(q) * torch.rsqrt(p)).clamp_(-1, 1)
        total = clenshaw(self.main, correlation)
        if self.change:
            deviation = (q - self.square + (p - self.square)) / (2 * self.square)
            total.addcmul_(deviation, clenshaw(self.change, correlation))
        return total


@dataclass(frozen=True)
class _Quick:
    """The same in float32, with ``main`` and ``change`` in a form for it."""

    main: Polynomial
    change: Polynomial | None
    rows: tuple[Tensor, Tensor]  # 1/norm in float64, and half the deviation in float32
    columns: tuple[Tensor, Tensor]

    def kernel(self, c: Tensor, rows: slice, columns: slice) -> Tensor:
        """The kernel at covariances ``c`` of the inputs in these rows and columns."""
        exact = c.mul_(self.rows[0][rows, None]).mul_(self.columns[0][columns])
        r = exact.float().clamp_(-1, 1)
        total = self.main.evaluate(exact, r)
        if self.change is not None:
            deviation = self.rows[1][rows, None] + self.columns[1][columns]
            total.addcmul_(deviation, self.change.evaluate(exact, r))
        return total


def _of_one_norm(kind: Kind, q: Tensor, p: Tensor, dtype: torch.dtype) -> _Series | _Quick | None:
    """The kernel for squared norms ``q`` and ``p``; None where they differ or it is too long."""
    low, high = min(float(q.min()), float(p.min())), max(float(q.max()), float(p.max()))
    square = (low + high) / 2
    if high == 0 or high - low > _NEARLY * high:
        return None
    differ = high - low > _EQUAL * high
    if dtype == torch.float32:
        quick = _polynomials(kind, square, differ)
        if quick is not None:
            rows, columns = ((s.rsqrt(), ((s - square) / (2 * square)).to(dtype)) for s in (q, p))
            return _Quick(*quick, rows, columns)
    main = _coefficients(kind, square, 4e-16)
    change: tuple[float, ...] = ()
    if differ:
        ends = [_coefficients(kind, square * (1 + h), 1e-12) for h in (-_STEP, _STEP)]
        pairs = zip_longest(*(end or () for end in ends), fillvalue=0.0)
        change = tuple((b - a) / (2 * _STEP) for a, b in pairs)
    return _Series(main, change, square, q, p) if main else None


@lru_cache(maxsize=256)
def _polynomials(
    kind: Kind, square: float, differ: bool
) -> tuple[Polynomial, Polynomial | None] | None:
    """``main`` and, where norms ``differ``, ``change`` for float32; None where that is too much."""
    main = precise(_of_correlation(kind, square))
    if main is None:
        return None
    if not differ:
        return main, None
    below, above = (_of_correlation(kind, square * (1 + h)) for h in (-_STEP, _STEP))
    return main, rough(lambda r: (above(r) - below(r)) / (2 * _STEP), _CHANGE)


def _of_correlation(kind: Kind, square: float) -> Callable[[Array], Array]:
    """The kernel of points of this squared norm as a function of their correlations (k,)."""
    q = torch.tensor([square], dtype=torch.float64, device="cpu")
    layers = _Layers(kind, q, q)
    return lambda r: layers.kernel(square * torch.from_numpy(r)[None])[0].numpy()


@lru_cache(maxsize=256)
def _coefficients(kind: Kind, square: float, tail: float) -> tuple[float, ...] | None:
    """Chebyshev coefficients in the correlation for squared norm ``square``, down to ``tail``."""
    f, n = _of_correlation(kind, square), 64
    while n <= _MAX_NODES:
        found = coefficients(f(np.cos((np.arange(n) + 0.5) * (math.pi / n))))
        sizes = np.abs(found)
        keep = int(np.nonzero(sizes > tail * sizes.max())[0][-1]) + 1
        if keep < 0.8 * n:
            return tuple(found[:keep].tolist())
        n *= 2
    return None
