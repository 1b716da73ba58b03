"""E[s(u)s(v)] and E[s'(u)s'(v)] of centred Gaussians (u, v) with variances q, p and covariance c.

In closed form where the activation has one; for other analytic ones through Hermite series: it is
sum_k a_k(q) a_k(p) r^k with r the correlation and a_k(q) = E[s(sqrt(q) Z) h_k(Z)]. All in float64
and differentiable.
"""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor

from ..activations import Activation, Dual

_RANGE = 13.0  # exp(-z^2/4) is 4e-19 there, and bounds what the integrand is beyond
_MAX_TERMS = 8192
_TINY = 1e-30
_LONGEST = 1e4  # erf turns within an angle of 1/norm, which a covariance does not resolve for ever


class DualActivation(Protocol):
    """Dual activations in two steps: numbers of each variance once, then sums over pairs."""

    def features(self, q: Tensor, *, slope: bool) -> Tensor:
        """What ``pair`` needs to know of variances ``q`` (n,): (n, k)."""
        ...

    def pair(self, rows: Tensor, columns: Tensor, c: Tensor, *, slope: bool) -> Tensor:
        """E[s(u)s(v)] or, with ``slope``, E[s'(u)s'(v)], at covariances ``c`` (n, m)."""
        ...

    def square(self, q: Tensor) -> Tensor:
        """E[s(u)^2] (n,) at variances ``q`` (n,)."""
        ...


class ClosedDual:
    """The closed form that an activation brings along as its ``dual``."""

    def __init__(self, name: str, between: Dual) -> None:
        self.name, self.between = name, between

    def features(self, q: Tensor, *, slope: bool) -> Tensor:
        """The variances themselves (n, 1)."""
        longest = math.sqrt(float(q.detach().max())) if len(q) else 0.0
        if longest > _LONGEST:
            raise ValueError(
                f"the kernel of {self.name} has no digits to spare for inputs of norm "
                f"{longest:.4g}; scale the rows down to {_LONGEST:g} or less"
            )
        return q[:, None]

    def pair(self, rows: Tensor, columns: Tensor, c: Tensor, *, slope: bool) -> Tensor:
        """The closed form at all pairs."""
        return self.between(rows, columns.T, c, slope)

    def square(self, q: Tensor) -> Tensor:
        """E[s(u)^2] (n,)."""
        return self.between(q, q, q, False)


class HermiteDual:
    """Any activation that is analytic on a strip, through the Hermite series of s and s'."""

    def __init__(self, activation: Activation) -> None:
        self.activation = activation

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
        distance strip/root to the nearest pole and with the frequency of the highest h_k.
        """
        s = self.activation.derivative if slope else self.activation.function
        assert self.activation.strip is not None
        narrow = min(1.0, self.activation.strip / (math.pi / 2))
        step = 0.05 * min(1.0, 2.5 * narrow / float(root.detach().max()))
        half = math.ceil(_RANGE / step)
        z = step * torch.arange(-half, half + 1, dtype=root.dtype, device=root.device)
        values = s(root[:, None] * z)
        return z, values * torch.exp(-z * z / 2) * (step / math.sqrt(2 * math.pi)), values


def dual_of(activation: Activation) -> DualActivation:
    """The closed form where there is one, else the Hermite series."""
    if activation.dual is None:
        return HermiteDual(activation)
    return ClosedDual(activation.name, activation.dual)
