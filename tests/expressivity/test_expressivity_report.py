"""What is missing and what it costs, against hand-made samples, spectra and the solver itself."""

from __future__ import annotations

import math

import pytest
import torch

from robustlib.activations import ACTIVATIONS, Parity
from robustlib.expressivity import expressiveness, min_norm_interpolant
from robustlib.kernels import kernel_spectrum, ntk
from robustlib.samples import Sample, hexagon, sphere
from robustlib.sets import Finite, SphereCap

F64 = torch.float64
# Whose spaces hold odd functions only; even functions and linear ones.
ODD = [name for name, s in ACTIVATIONS.items() if s.parity == Parity("odd")]
EVEN = [name for name, s in ACTIVATIONS.items() if s.parity == Parity("even", 1)]


def sample(points: list[list[float]], labels: list[float]) -> Sample:
    return Sample(torch.tensor(points, dtype=F64), torch.tensor(labels, dtype=F64), "hand-made")


TWO = [[1.0, 0.0], [-1.0, 0.0]]


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_hexagon_without_bias(activation: str) -> None:
    """Alternating labels at six points are odd of degree 3: no linear function has them."""
    found = expressiveness(hexagon(), SphereCap(0.1), activation=activation, bias=False)
    fits = activation not in EVEN
    assert (found.fits, found.separates) == (fits, fits)
    assert found.conflict == (None if fits else (0, 3))
    if fits:
        g = min_norm_interpolant(
            hexagon(), SphereCap(0.1), margin=1.0, activation=activation, bias=False
        )
        assert g.margin > 0.99
    else:
        with pytest.raises(ValueError, match="examples 0 and 3 hold antipodal points"):
            min_norm_interpolant(
                hexagon(), SphereCap(0.1), margin=1.0, activation=activation, bias=False
            )
    lifted = expressiveness(hexagon(), SphereCap(0.1), activation=activation)
    assert (lifted.fits, lifted.separates, lifted.conflict) == (True, True, None)
    assert lifted.spectrum.universal


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_functions_have_the_parity_that_is_said(activation: str) -> None:
    found = expressiveness(hexagon(), SphereCap(0.1), activation=activation, bias=False)
    x, z = sphere(12, 2, seed=1).x, sphere(5, 2, seed=2).x
    K = [ntk(side, z, activation=activation, bias=False) for side in (x, -x)]
    text = found.sentences[0]
    if "g(x) + g(-x) = 0" in text:
        assert float((K[0] + K[1]).abs().max()) < 1e-14
    elif "g(x) - g(-x) is linear" in text:
        rest = (K[0] - K[1]) - x @ torch.linalg.lstsq(x, K[0] - K[1]).solution
        assert float(rest.abs().max()) < 1e-13
    else:
        assert "g(x) + g(-x) is a quadratic form" in text
        forms = torch.stack([x[:, 0] ** 2, x[:, 1] ** 2, x[:, 0] * x[:, 1]], 1)
        rest = (K[0] + K[1]) - forms @ torch.linalg.lstsq(forms, K[0] + K[1]).solution
        assert float(rest.abs().max()) < 1e-13


def test_low_degrees_can_help() -> None:
    """One pair of antipodes with different labels is linear; with radius 0 that is exact."""
    points = sample(TWO, [1.0, -1.0])
    found = expressiveness(points, SphereCap(0.0), bias=False)
    assert (found.fits, found.separates, found.conflict) == (True, True, (0, 1))
    assert min_norm_interpolant(points, SphereCap(0.0), tolerance=1e-6, bias=False).error < 2e-6
    wide = expressiveness(points, SphereCap(0.5), bias=False)
    assert wide.fits is False  # a linear function is constant on no arc
    assert wide.separates is None
    assert min_norm_interpolant(points, SphereCap(0.5), margin=1.0, bias=False).margin > 0.99
    with pytest.raises(ValueError, match="g\\(x\\) - g\\(-x\\) is linear"):
        min_norm_interpolant(points, SphereCap(0.5), tolerance=0.001, bias=False)
    loose = min_norm_interpolant(points, SphereCap(0.5), tolerance=0.1, bias=False)
    assert loose.error < 0.101


def test_equal_labels_at_antipodes() -> None:
    """Nothing for even spaces, impossible for odd ones, a constant for quadratic ReLU."""
    points = sample(TWO, [1.0, 1.0])
    for activation in ACTIVATIONS:
        found = expressiveness(points, SphereCap(0.2), activation=activation, bias=False)
        if activation in ODD:
            assert (found.fits, found.separates, found.conflict) == (False, False, (0, 1))
        elif activation in EVEN:
            assert (found.fits, found.separates, found.conflict) == (True, True, None)
        else:
            assert found.separates is None or found.separates
            assert found.conflict == (0, 1)
            g = min_norm_interpolant(
                points, SphereCap(0.2), tolerance=0.01, activation=activation, bias=False
            )
            assert g.error < 0.011


def test_thin_caps_around_antipodes_among_many_points() -> None:
    """From 26 rows on ``torch.cdist`` multiplies, and loses distances below 1e-8."""
    for seed in range(8):
        x = sphere(40, 50, seed=seed).x.clone()
        x[1] = -x[0]
        data = Sample(x, torch.ones(40, dtype=F64), "with one antipodal pair")
        found = expressiveness(data, SphereCap(1e-9), activation="tanh", bias=False)
        assert found.conflict == (0, 1)


@pytest.mark.parametrize(("radius", "meet"), [(0.101, True), (0.0985, False)])
def test_caps_meet_mirror_images_within_twice_their_angle(radius: float, meet: bool) -> None:
    turn = torch.tensor([math.pi / 4, math.pi / 4 + math.pi + 0.2], dtype=F64)
    x = torch.stack([turn.cos(), turn.sin()], 1)
    data = Sample(x, torch.ones(2, dtype=F64), "nearly antipodal")
    found = expressiveness(data, SphereCap(radius), activation="erf", bias=False)
    assert found.conflict == ((0, 1) if meet else None)


def test_antipodal_points_of_caps_lie_between_their_centres() -> None:
    """Six centres above a hexagon of the equator: where caps meet mirror images lie its corners.

    At three corners in a row a linear function cannot have the signs +, -, +: the middle one is
    the sum of the others. At points higher up it could.
    """
    turn, up = 0.3 + torch.arange(3, dtype=F64) * math.pi / 3, 0.05
    flat = math.cos(up) * torch.stack([turn.cos(), turn.sin(), 0 * turn], 1)
    height = torch.tensor([0.0, 0.0, math.sin(up)], dtype=F64)
    labels = torch.tensor([1.0, -1.0, 1.0, -1.0, 1.0, -1.0], dtype=F64)
    data = Sample(torch.cat([flat + height, height - flat]), labels, "above")
    found = expressiveness(data, SphereCap(2 * math.sin(1.01 * up / 2)), bias=False)
    assert (found.fits, found.separates) == (False, False)
    assert expressiveness(data, SphereCap(2 * math.sin(0.99 * up / 2)), bias=False).fits


def test_signs_without_every_tolerance() -> None:
    """A linear function has both signs at antipodal arcs, and is constant on none."""
    data = sample(TWO, [1.0, -1.0])
    sets = Finite(SphereCap(0.5).grid(data.x, 5))
    found = expressiveness(data, sets, bias=False)
    assert (found.fits, found.separates) == (False, True)
    assert "right signs can be had, but not every tolerance." in repr(found)


def test_a_set_may_meet_its_own_mirror_image() -> None:
    one = sample([[1.0, 0.0]], [1.0])
    found = expressiveness(one, SphereCap(1.5), activation="erf", bias=False)
    assert (found.fits, found.conflict) == (False, (0, 0))
    assert "The set of example 0 holds antipodal points" in repr(found)
    assert expressiveness(one, SphereCap(1.4), activation="erf", bias=False).fits
    assert expressiveness(one, SphereCap(1.5), bias=False).fits


def test_finite_sets_are_decided_exactly() -> None:
    x = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=F64)
    sets = Finite(torch.stack([x, -x.flip(0)], 1))  # each holds the other's mirror image
    for labels, fits in (([1.0, 1.0], True), ([1.0, -1.0], True)):
        data = Sample(x, torch.tensor(labels, dtype=F64), "two")
        found = expressiveness(data, sets, bias=False)
        assert found.fits is fits
        g = min_norm_interpolant(data, sets, tolerance=1e-6, bias=False)
        assert g.error < 2e-6
    odd = expressiveness(
        Sample(x, torch.ones(2).double(), "same"), sets, activation="erf", bias=False
    )
    assert (odd.fits, odd.separates) == (False, False)
    assert expressiveness(
        Sample(x, torch.tensor([1.0, -1.0]).double(), "other"), sets, activation="erf", bias=False
    ).fits


def test_no_conflict_in_an_open_half_space() -> None:
    x = sphere(40, 4, seed=3).x
    x[:, 0] = x[:, 0].abs() + 0.5
    x /= x.norm(dim=1, keepdim=True)
    data = Sample(x, sphere(40, 4, seed=3).y, "half")
    reach = float(x[:, 0].min()) * 0.5
    for activation in ACTIVATIONS:
        found = expressiveness(data, SphereCap(min(reach, 0.05)), activation=activation, bias=False)
        assert found.conflict is None


@pytest.mark.parametrize(("gap", "fits"), [(0.1, True), (4e-10, True), (1e-13, None)])
def test_a_fit_that_needs_a_long_function_is_not_denied(gap: float, fits: bool | None) -> None:
    """Labels +1 and -1 at two close points, turned over at their antipodes: a steep line fits."""
    turn = torch.tensor([0.3, 0.3 + gap], dtype=F64)
    above = torch.stack([turn.cos(), turn.sin()], 1)
    x = torch.cat([above, -above])
    data = Sample(x, torch.tensor([1.0, -1.0, -1.0, 1.0], dtype=F64), "close")
    found = expressiveness(data, Finite(x[:, None]), bias=False)
    assert found.fits is fits
    assert found.separates is fits


def test_deep_nets_and_the_sphere_of_two_points() -> None:
    deep = expressiveness(hexagon(), SphereCap(0.1), bias=False, trained="hidden", depth=2)
    assert deep.fits
    assert "hidden layers trained in depth 2" in repr(deep)
    tanh = expressiveness(
        sample(TWO, [1.0, 1.0]),
        SphereCap(0.1),
        activation="tanh",
        bias=False,
        trained="all",
        depth=2,
    )
    assert not tanh.fits
    line = sample([[1.0], [-1.0]], [1.0, 1.0])
    assert expressiveness(line, SphereCap(0.0), bias=False).fits
    assert expressiveness(line, SphereCap(0.0), bias=False, activation="erf").separates is False
    assert kernel_spectrum(1, bias=False, activation="erf").missing_degrees == (0,)


def test_sets_that_meet_are_named() -> None:
    found = expressiveness(hexagon(), SphereCap(0.6))
    assert (found.fits, found.separates) == (False, False)
    assert "sets of examples 0 and 1 meet" in repr(found)


def test_sentences_say_all_of_it() -> None:
    text = repr(expressiveness(hexagon(), SphereCap(0.1), bias=False))
    for part in (
        "Of the odd harmonics the space of relu without bias",
        "unit sphere of R^2",
        "degree 1 only",
        "g(x) - g(-x) is linear in x",
        "examples 0 and 3",
        "no function of the space has the right signs",
        "With bias=True no degree is missing.",
    ):
        assert part in text
    universal = repr(expressiveness(hexagon(), SphereCap(0.1)))
    assert "No degree of harmonics is missing" in universal
    assert f"{2 * math.sin((math.pi / 3 - 4 * math.asin(0.05)) / 2):.4g} apart" in universal
