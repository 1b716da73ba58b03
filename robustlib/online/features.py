"""What a ball holds: functions affine in weights, or of a kernel; both by Gram matrices."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor, nn

from ..checks import calling, check_alike, check_floats, check_shape
from ..kernels import ntk_by_layer
from ..kernels.gram import check_gram
from ..networks import LinearizedNet

Kernel = Callable[[Tensor, Tensor], Tensor]


class Features(Protocol):
    """Functions base(x) + sum_h <v_h, phi_h(x)>, one v_h in a ball of its own for every h."""

    def base(self, x: Tensor) -> Tensor:
        """The function (n,) at the centre of all balls."""

    def grams(self, x: Tensor, z: Tensor | None = None) -> list[Tensor]:
        """<phi_h(x), phi_h(z)>, one matrix (n, k) for every h."""

    def weights(self, points: Tensor, coefficients: Tensor) -> tuple[Tensor, ...] | None:
        """What makes v_h = sum_j coefficients[h, j] phi_h(points[j]), where it can be written."""

    def function(self, points: Tensor, coefficients: Tensor) -> Callable[[Tensor], Tensor]:
        """The function with these v_h."""


class NetFeatures:
    """Gradients of a linearised net in its weights, at its expansion point; one h per layer."""

    def __init__(self, net: LinearizedNet) -> None:
        self.net = net

    def base(self, x: Tensor) -> Tensor:
        """The net at its start."""
        with torch.no_grad():
            return self.net.evaluate(self.net.start(), x)

    def grams(self, x: Tensor, z: Tensor | None = None) -> list[Tensor]:
        """The tangent kernel of every layer."""
        return ntk_by_layer(self.net, x, z)

    def weights(self, points: Tensor, coefficients: Tensor) -> tuple[Tensor, ...]:
        """W_0 + sum_j coefficients[h, j] grad_(W_h) f(points[j])."""
        start = self.net.start()
        found = []
        for h, beta in enumerate(coefficients):
            steps = [torch.zeros_like(w).requires_grad_(i == h) for i, w in enumerate(start)]
            with torch.enable_grad():
                combined = self.net.base_net.expand(steps, points) @ beta
            (step,) = torch.autograd.grad(combined, [steps[h]])
            found.append(start[h] + step)
        return tuple(found)

    def function(self, points: Tensor, coefficients: Tensor) -> Callable[[Tensor], Tensor]:
        """The linearised net at these weights."""
        return AtWeights(self.net, self.weights(points, coefficients))


class KernelFeatures:
    """The functions of an RKHS; the centre is 0."""

    def __init__(self, kernel: Kernel, name: str = "model") -> None:
        self.kernel, self.name = kernel, name

    def base(self, x: Tensor) -> Tensor:
        """Zero."""
        return x.new_zeros(len(x))

    def grams(self, x: Tensor, z: Tensor | None = None) -> list[Tensor]:
        """The kernel matrix."""
        gram = self._asked(x, x if z is None else z)
        if z is None:
            check_gram(f"{self.name}(x, x)", gram)
        return [gram]

    def _asked(self, x: Tensor, z: Tensor) -> Tensor:
        what = f"{self.name}(x, z)"
        with calling(self.name):
            found = self.kernel(x.clone(), z.clone())
        check_shape(what, check_floats(what, found), (len(x), len(z)))
        check_alike(what, found, "x", x)
        return found

    def weights(self, points: Tensor, coefficients: Tensor) -> None:
        """None: these functions have no finite weights."""

    def function(self, points: Tensor, coefficients: Tensor) -> Callable[[Tensor], Tensor]:
        """sum_j coefficients[j] K(., points[j])."""
        beta = coefficients[0]
        return lambda x: self._asked(x, points) @ beta


class AtWeights(nn.Module):
    """A net at weights that are not its own."""

    def __init__(self, net: LinearizedNet, weights: tuple[Tensor, ...]) -> None:
        super().__init__()
        self.net, self.weights = net, weights

    def forward(self, x: Tensor) -> Tensor:
        """Outputs (n,) at points ``x`` (n, d)."""
        return self.net.evaluate(self.weights, x)
