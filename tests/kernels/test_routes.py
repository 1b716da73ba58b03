"""Kernels of infinite nets by short routes: from one side to two, from one layer to many."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from robustlib.activations import ACTIVATIONS, Activation
from robustlib.kernels import homogeneous, nngp, ntk, smooth
from robustlib.kernels.angles import Angles
from robustlib.kernels.kind import check_kind
from robustlib.samples import sphere

KINDS = [("first", 1), *((trained, h) for trained in ("hidden", "all") for h in range(1, 6))]


def two_sided(left: float, right: float, degree: int) -> Activation:
    """left |z|^p for z < 0 and right z^p for z > 0."""

    def function(z: Tensor) -> Tensor:
        return left * torch.relu(-z) ** degree + right * torch.relu(z) ** degree

    def derivative(z: Tensor) -> Tensor:
        down, up = torch.relu(-z), torch.relu(z)
        if degree == 1:
            return right * up.sign() - left * down.sign()
        return 2 * (right * up - left * down)

    return Activation(f"({left}, {right})^{degree}", function, derivative, degree=degree)


@pytest.mark.parametrize("degree", [1, 2])
@pytest.mark.parametrize(("left", "right"), [(-0.2, 1.0), (1.0, 1.0), (0.5, 2.0), (-1.0, 1.0)])
def test_two_sides_are_one_and_its_mirror_image(left: float, right: float, degree: int) -> None:
    """s = left r(-z) + right r(z): pairs of one sign are at x and z, the others at x and -z."""
    s, x = two_sided(left, right, degree), sphere(5, 3).x
    name, scale = ("relu", 1.0) if degree == 1 else ("quadratic_relu", 4.0)  # which is r/2
    for kernel in (ntk, nngp):
        same, across = (kernel(x, z, activation=name, bias=False) for z in (x, -x))
        sums = scale * ((left**2 + right**2) * same + 2 * left * right * across)
        found = kernel(x, x, activation=s, bias=False)
        torch.testing.assert_close(found, sums, rtol=1e-13, atol=1e-14)


ONE_BY_ONE = [*ACTIVATIONS.values(), *(two_sided(a, 1.0, p) for a in (-0.2, 1.0) for p in (1, 2))]


@pytest.mark.parametrize("s", ONE_BY_ONE, ids=lambda s: s.name)
def test_deep_kernels_are_shallow_ones_of_points_with_the_inner_products_before(
    s: Activation,
) -> None:
    """What a layer sees of its inputs is their Gram matrix, and any points with it will do."""
    x = sphere(5, 5).x
    gram = s.gain * x @ x.T
    tangent = torch.zeros_like(gram)
    for depth in (1, 2, 3):
        seen = s.gain * gram
        points = torch.linalg.cholesky(seen)
        slope = ntk(points, activation=s, bias=False) / seen
        tangent, gram = slope * (gram + s.gain * tangent), nngp(points, activation=s, bias=False)
        for kernel, wanted in ((ntk, tangent), (nngp, gram)):
            found = kernel(x, activation=s, depth=depth, trained="hidden", bias=False)
            close = 1e-13 * float(wanted.max())
            torch.testing.assert_close(found, wanted, rtol=1e-12, atol=close)


# --- float32 -----------------------------------------------------------------------------------


def test_float32_keeps_its_digits_where_the_kernel_vanishes() -> None:
    """At nearly orthogonal points: t (pi - arccos t)/(2 pi), with t in front of it."""
    for t in (1e-9, -1e-6, 1e-3):
        x, z = torch.tensor([[1.0, 0.0]]), torch.tensor([[t, 1.0]])
        t = float(z[0, 0])  # as float32 has it
        wanted = t * (math.pi - math.atan2(1, t)) / (2 * math.pi)
        assert float(ntk(x, z, bias=False)) == pytest.approx(wanted, rel=5e-7)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_relu_kernels_in_float32_are_computed_in_float32(
    kind: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the time: among the forms of each there is one that bears the rounding."""
    used = []

    def watched(*room: int, dtype: torch.dtype, **options: Any) -> Angles:
        used.append(dtype)
        return Angles(*room, dtype=dtype, **options)

    monkeypatch.setattr(homogeneous, "Angles", watched)
    for kernel in (ntk, nngp):
        kernel(sphere(2, 3).x.float(), trained=kind[0], depth=kind[1])
    assert used == [torch.float32, torch.float32]


@pytest.mark.parametrize(
    "activation", [name for name, s in ACTIVATIONS.items() if s.degree is None]
)
def test_smooth_kernels_in_float32_are_short_polynomials(activation: str) -> None:
    for trained, depth in (("first", 1), ("hidden", 2), ("all", 3)):
        kind = check_kind(activation, depth, trained, False)
        assert smooth._polynomials(kind, 1.0, True) is not None
