"""What several tasks need: the library's nets with given weights, arrays as tensors and back."""

from __future__ import annotations

import numpy as np
import torch

from ...networks import TwoLayerNet
from .task import Numbers

CLOSE = 1e-6  # an answer computed in float32 on the way is right


def close(found: Numbers, right: Numbers | float) -> bool:
    """Whether two arrays agree, relatively to the larger of 1 and the right one."""
    return bool((np.abs(found - right) <= CLOSE * max(1.0, float(np.max(np.abs(right))))).all())


def tensor(array: Numbers) -> torch.Tensor:
    """The array as a tensor of its own."""
    return torch.tensor(array, dtype=torch.float64, device="cpu")


def array(value: torch.Tensor) -> Numbers:
    """The tensor as an array."""
    return np.asarray(value.detach().cpu().numpy(), dtype=np.float64)


def two_layer(w: Numbers, a: Numbers, activation: str = "relu") -> TwoLayerNet:
    """m^(-1/2) sum_r a_r s(<w_r, x>), started at these weights."""
    m, d = w.shape
    net = TwoLayerNet(d, m, activation=activation, bias=False, symmetric=False).double()
    with torch.no_grad():
        for held in (net.weight, net.initial):
            held.copy_(tensor(w))
        net.readout.copy_(tensor(a))
    return net


def signs(draw: np.random.Generator, n: int) -> Numbers:
    """n signs, both of them among two or more."""
    y = 2.0 * draw.integers(0, 2, n) - 1
    if n > 1:
        y[:2] = 1.0, -1.0
    return y


def on_sphere(points: Numbers) -> Numbers:
    """The rows scaled to length one."""
    size = np.linalg.norm(points, axis=1, keepdims=True)
    return np.asarray(points / size, dtype=np.float64)
