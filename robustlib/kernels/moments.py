"""E[s(u)s(v)] and E[s'(u)s'(v)] of centred Gaussians (u, v) with variances q, p and covariance c.

In closed form for erf and GELU; for softplus, SiLU and tanh through Hermite series: the moment is
sum_k a_k(q) a_k(p) r^k with r the correlation and a_k(q) = E[s(sqrt(q) Z) h_k(Z)]. All in float64
and differentiable.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor

from ..activations import ACTIVATIONS

_RANGE = 13.0  # exp(-z^2/4) is 4e-19 there, and bounds what the integrand is beyond
_MAX_TERMS = 8192
_TINY = 1e-30


class Moments(Protocol):
    """Moments in two steps: numbers of each variance once, then sums over pairs."""

    def features(self, q: Tensor, *, slope: bool) -> Tensor:
        """What ``pair`` needs to know of variances ``q`` (n,): (n, k)."""
        ...

    def pair(self, rows: Tensor, columns: Tensor, c: Tensor, *, slope: bool) -> Tensor:
        """E[s(u)s(v)] or, with ``slope``, E[s'(u)s'(v)], at covariances ``c`` (n, m)."""
        ...

    def square(self, q: Tensor) -> Tensor:
        """E[s(u)^2] (n,) at variances ``q`` (n,)."""
        ...


class _Closed:
    """A closed form ``between(q, p, c, slope)`` with arguments that broadcast."""

    def features(self, q: Tensor, *, slope: bool) -> Tensor:
        return q[:, None]

    def pair(self, rows: Tensor, columns: Tensor, c: Tensor, *, slope: bool) -> Tensor:
        return self.between(rows, columns.T, c, slope)

    def square(self, q: Tensor) -> Tensor:
        return self.between(q, q, q, False)

    def between(self, q: Tensor, p: Tensor, c: Tensor, slope: bool) -> Tensor:
        raise NotImplementedError


class ErfMoments(_Closed):
    """erf, in closed form."""

    def between(self, q: Tensor, p: Tensor, c: Tensor, slope: bool) -> Tensor:
        """Either moment; the arguments broadcast."""
        scale = (1 + 2 * q) * (1 + 2 * p)
        if slope:
            return 4 / math.pi * torch.rsqrt(scale - 4 * c * c)
        return 2 / math.pi * torch.asin(2 * c * torch.rsqrt(scale))


class GeluMoments(_Closed):
    """GELU (z times the normal distribution function), in closed form."""

    def between(self, q: Tensor, p: Tensor, c: Tensor, slope: bool) -> Tensor:
        """Either moment; the arguments broadcast."""
        one_q, one_p = 1 + q, 1 + p
        root = torch.rsqrt(one_q * one_p - c * c)
        arc = torch.asin(c * torch.rsqrt(one_q * one_p))
        if slope:
            sides = c * root * (1 / one_q + 1 / one_p + root * root)
            return 0.25 + (arc + sides) / (2 * math.pi)
        sides = root * (q * p - c * c * q / one_q + c * c / one_p)
        return c / 4 + (c * arc + sides) / (2 * math.pi)


class HermiteMoments:
    """Any smooth activation, through the Hermite series of s and s'."""

    def __init__(self, activation: str) -> None:
        self.activation = ACTIVATIONS[activation]

    def features(self, q: Tensor, *, slope: bool) -> Tensor:
        """sqrt(q) and a_k(q), as many terms as make what is left out a rounding error."""
        root = q.clamp(min=_TINY).sqrt()
        if not len(q):
            return root[:, None].expand(-1, 2)
        z, weighted, values = self._integrand(root, slope)
        energy = (weighted * values).sum(1).detach()
        weighted = weighted * torch.exp(z * z / 4)
        found: list[Tensor] = []
        rest = energy.clone()
        # h_k exp(-z^2/4) by its three-term recurrence: bounded, where h_k itself overflows
        before, h = torch.zeros_like(z), torch.exp(-z * z / 4)
        for k in range(_MAX_TERMS):
            found.append(weighted @ h)
            rest -= found[-1].detach() ** 2
            # By Parseval ``rest`` bounds what the terms left out sum to, at any correlation. Two
            # quiet coefficients in a row: those of even and odd functions vanish alternately.
            quiet = k > 2 and bool((torch.stack(found[-2:]) ** 2 <= 1e-17 * energy).all())
            if quiet and bool((rest.abs() <= 2e-14 * energy).all()):
                return torch.cat([root[:, None], torch.stack(found, dim=1)], dim=1)
            before, h = h, (z * h - math.sqrt(k) * before) / math.sqrt(k + 1)
        raise ValueError(
            f"{self.activation.name} has no closed form and its Hermite series needs more than "
            f"{_MAX_TERMS} terms for inputs of norm {float(root.max()):.4g}; scale the rows down"
        )

    def pair(self, rows: Tensor, columns: Tensor, c: Tensor, *, slope: bool) -> Tensor:
        """The series, by Horner's rule in the correlation."""
        r = (c / (rows[:, :1] * columns[:, 0])).clamp(-1, 1)
        total = torch.zeros_like(r)
        pairs = zip(
            reversed(rows[:, 1:].unbind(1)), reversed(columns[:, 1:].unbind(1)), strict=True
        )
        for a, b in pairs:
            total = torch.addcmul(torch.outer(a, b), total, r)
        return total

    def square(self, q: Tensor) -> Tensor:
        """E[s(u)^2] (n,), by the trapezoidal rule."""
        if not len(q):
            return q
        _, weighted, values = self._integrand(q.clamp(min=_TINY).sqrt(), False)
        return (weighted * values).sum(1)

    def _integrand(self, root: Tensor, slope: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Nodes z, values s(root z), and these times the trapezoidal weights of N(0, 1).

        The rule converges geometrically for these analytic integrands; its step shrinks with the
        distance pi/(2 root) to the nearest pole and with the frequency of the highest h_k.
        """
        s = self.activation.derivative if slope else self.activation.function
        step = 0.05 * min(1.0, 2.5 / float(root.detach().max()))
        half = math.ceil(_RANGE / step)
        z = step * torch.arange(-half, half + 1, dtype=root.dtype, device=root.device)
        values = s(root[:, None] * z)
        return z, values * torch.exp(-z * z / 2) * (step / math.sqrt(2 * math.pi)), values


def moments(activation: str) -> Moments:
    """The moments of one smooth activation."""
    if activation == "erf":
        return ErfMoments()
    if activation == "gelu":
        return GeluMoments()
    return HermiteMoments(activation)
