"""Kernels of infinitely wide networks: ``ntk`` (tangent kernel) and ``nngp`` (of the outputs)."""

from __future__ import annotations

import torch
from torch import Tensor

from ..activations import Activation
from ..checks import check_alike, check_floats
from .angles import lift
from .homogeneous import by_angle
from .kind import Kind, check_kind
from .smooth import by_moments


def ntk(
    x: Tensor,
    z: Tensor | None = None,
    *,
    activation: str | Activation = "relu",
    depth: int = 1,
    trained: str = "first",
    bias: bool = True,
) -> Tensor:
    """The neural tangent kernel (n, m) of infinitely wide nets at ``x`` (n, d) and ``z`` (m, d).

    Without ``z``, the Gram matrix (n, n) of ``x``, exactly symmetric. ``trained`` says which net:
    "first" is ``TwoLayerNet`` (only the first layer trained, depth 1); "hidden" is ``DeepNet`` (the
    ``depth`` square matrices trained); "all" is a net with ``depth`` hidden layers, weights N(0, 2)
    and all layers trained, no bias terms. ``activation`` is a name or an ``Activation`` of one's
    own that gives its degree (1 or 2), its ``dual`` or its ``strip``. ``bias`` lifts inputs to
    (x, 1)/sqrt(2) first. float32 inputs are taken as exact and give entries within 5e-7 relatively,
    at any angle for ReLU and quadratic ReLU; float64 entries are within 1e-13 of
    sqrt(K(x,x) K(z,z)), or for GELU and erf within 5e-16 |x| |z| of it where that is more.
    Differentiable once in both inputs, to depth 20 for ReLU; at kinks (equal or antipodal points,
    zero rows) the symmetric subgradient. Raises ``ValueError``/``TypeError`` for bad input, for an
    activation without these facts, and for rows too long for a Hermite series or, above 1e4, for
    a closed form.
    """
    return _kernel(x, z, check_kind(activation, depth, trained, bias), bias)


def nngp(
    x: Tensor,
    z: Tensor | None = None,
    *,
    activation: str | Activation = "relu",
    depth: int = 1,
    trained: str = "first",
    bias: bool = True,
) -> Tensor:
    """The covariance (n, m) of the outputs at initialisation of the nets of ``ntk``.

    Arguments, accuracy and errors are those of ``ntk``. For "first" the net is the one without
    symmetric initialisation: the symmetric one has output 0.
    """
    return _kernel(x, z, check_kind(activation, depth, trained, bias, tangent=False), bias)


def check_points(x: Tensor, z: Tensor | None) -> None:
    """Raise where ``x`` (n, d) and ``z`` (m, d) are no two sets of points of one space."""
    for name, points in [("x", x)] + ([] if z is None else [("z", z)]):
        if name == "z" and isinstance(points, Tensor):
            check_alike("z", points, "x", x)  # before its values are looked at
        points = check_floats(name, points)
        if points.dim() != 2 or points.shape[1] < 1:
            raise ValueError(f"{name} must have shape (n, d), got {tuple(points.shape)}")
    if z is not None and z.shape[1] != x.shape[1]:
        raise ValueError(
            f"z must have as many columns as x, got {tuple(z.shape)} and {tuple(x.shape)}"
        )


def _kernel(x: Tensor, z: Tensor | None, kind: Kind, bias: bool) -> Tensor:
    check_points(x, z)
    differentiable = torch.is_grad_enabled() and any(
        points is not None and points.requires_grad for points in (x, z)
    )
    by = by_angle if kind.by_angle else by_moments
    lifted = None if z is None else lift(z, bias)
    return by(lift(x, bias), lifted, kind, dtype=x.dtype, differentiable=differentiable)
