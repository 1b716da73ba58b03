"""Spectra against closed forms, known digits and the kernel they come from."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import integrate, special

from robustlib.activations import ACTIVATIONS
from robustlib.kernels import kernel_spectrum, ntk

DIGITS = {
    ("relu", 3): "0.0625 0.083333333333 0.02734375 0 0.0022786458333 0 0.00065612792969 0"
    " 0.00027847290039",
    ("quadratic_relu", 3): "0.083333333333 0.0703125 0.033333333333 0.0052083333333 0"
    " 0.00017293294271 0",
    ("erf", 3): "0 0.16674766449 0 0.0084936231928 0 0.00075616500245",
    ("relu", 5): "0.03515625 0.05 0.0107421875 0 0.00044250488281 0 7.5531005859e-5 0"
    " 2.121925354e-5",
    ("relu", 2): "0.10132118364 0.125 0.056289546468 0 0.0076553783196 0 0.0030603133019 0"
    " 0.0016593290342",
}
BIASED = {
    "relu": [0.1875, 0.0750978, 0.00908159, 0.00168127, 0.000735786, 0.000376144],
    "erf": [0.243167, 0.0903282, 0.00766008, 0.00183107, 3.337e-4, 7.634e-5],
}


@pytest.mark.parametrize("kind", DIGITS, ids=str)
def test_known_digits(kind: tuple[str, int]) -> None:
    expected = [float(text) for text in DIGITS[kind].split()]
    found = kernel_spectrum(kind[1], activation=kind[0], bias=False, max_degree=len(expected) - 1)
    assert np.abs(found.eigenvalues.numpy() - expected).max() < 6e-12
    assert found.missing_degrees == tuple(k for k, v in enumerate(expected) if v == 0)


@pytest.mark.parametrize("activation", BIASED)
def test_known_digits_with_bias(activation: str) -> None:
    found = kernel_spectrum(3, activation=activation, max_degree=5)
    np.testing.assert_allclose(found.eigenvalues.numpy(), BIASED[activation], rtol=1.5e-4)
    assert found.universal


def test_known_digits_of_a_deep_net() -> None:
    found = kernel_spectrum(3, bias=False, trained="hidden", depth=2, max_degree=5)
    expected = [0.386123, 0.263292, 0.086281, 0.016403, 0.008348, 0.002894]
    assert np.abs(found.eigenvalues.numpy() - expected).max() < 6e-7


def half_space(degree: int, d: int) -> float:
    """Eigenvalue of the indicator of a half-space, in closed form."""
    if degree % 2 == 0:
        return 0.5 if degree == 0 else 0.0
    size = math.exp(
        math.lgamma(d / 2) + math.lgamma(degree / 2) - math.lgamma((degree + d) / 2)
    ) / (2 * math.pi)
    return size if degree % 4 == 1 else -size


@pytest.mark.parametrize("d", [3, 4, 7, 30])
def test_relu_has_its_closed_form(d: int) -> None:
    def arc(degree: int) -> float:
        return 0.5 if degree == 0 else 2 * half_space(degree, d) ** 2

    expected = [
        ((k + d - 2) * arc(k + 1) + k * arc(k - 1)) / (2 * (2 * k + d - 2)) for k in range(31)
    ]
    found = kernel_spectrum(d, bias=False, max_degree=30)
    error = np.abs(found.eigenvalues.numpy() - expected)
    assert (error <= 20 * found.rounding.numpy()).all()


def formula(activation: str, t: float) -> float:
    """The kernel without bias, from its textbook form."""
    if activation == "erf":
        return 4 / math.pi * t / math.sqrt(9 - 4 * t * t)
    angle = math.acos(t)
    if activation == "relu":
        return t * (math.pi - angle) / (2 * math.pi)
    return t * (math.sin(angle) + (math.pi - angle) * t) / (2 * math.pi)


def by_integration(activation: str, d: int, degree: int) -> float:
    """Funk-Hecke with SciPy's adaptive quadrature and its Gegenbauer polynomials."""

    def integrand(angle: float) -> float:
        t = math.cos(angle)
        if d == 2:
            p = math.cos(degree * angle)
        else:
            order = d / 2 - 1
            p = special.eval_gegenbauer(degree, order, t) / special.eval_gegenbauer(
                degree, order, 1
            )
        return formula(activation, t) * float(p) * math.sin(angle) ** (d - 2)

    size = math.exp(math.lgamma(d / 2) - math.lgamma((d - 1) / 2)) / math.sqrt(math.pi)
    found = integrate.quad(integrand, 0, math.pi, epsabs=1e-13, epsrel=1e-11)
    return size * float(found[0])


def by_algebra(activation: str, d: int, degree: int) -> float:
    """Gamma functions and the recurrence for t k(t); for erf the power series, term by term."""
    if activation == "erf":
        return sum(
            4 / (3 * math.pi) * math.comb(2 * j, j) / 9.0**j * of_power(2 * j + 1, degree, d)
            for j in range(200)
        )

    def inner(k: int) -> float:
        if activation == "relu":
            return 0.5 if k == 0 else 2 * half_space(k, d) ** 2
        if k == 0:
            return 2 * d * half_space(1, d) ** 2
        below = (k + d - 2) * half_space(k + 1, d) + k * half_space(k - 1, d)
        return 2 * d * (below / (2 * k + d - 2)) ** 2

    below = degree * inner(degree - 1) if degree else 0.0
    return 0.5 * ((degree + d - 2) * inner(degree + 1) + below) / (2 * degree + d - 2)


def of_power(p: int, degree: int, d: int) -> float:
    """The eigenvalue of t^p, from Rodrigues' formula and a beta integral."""
    if p < degree or (p - degree) % 2:
        return 0.0
    logs = math.lgamma(d / 2) + math.lgamma(p + 1) + math.lgamma((p - degree + 1) / 2)
    logs -= math.lgamma(p - degree + 1) + math.lgamma((p + degree + d) / 2)
    return math.exp(logs - degree * math.log(2)) / math.sqrt(math.pi)


@pytest.mark.parametrize("d", [3, 5, 8])
@pytest.mark.parametrize("activation", ["relu", "quadratic_relu", "erf"])
def test_three_ways_to_an_eigenvalue(activation: str, d: int) -> None:
    found = kernel_spectrum(
        d, activation=activation, bias=False, max_degree=10
    ).eigenvalues.tolist()
    for degree, value in enumerate(found):
        for other in (by_algebra, by_integration):
            assert value == pytest.approx(other(activation, d, degree), rel=1e-10, abs=1e-15)


def test_two_ways_on_the_circle() -> None:
    for activation in ("relu", "quadratic_relu", "erf"):
        found = kernel_spectrum(
            2, activation=activation, bias=False, max_degree=10
        ).eigenvalues.tolist()
        for degree, value in enumerate(found):
            other = by_integration(activation, 2, degree)
            assert value == pytest.approx(other, rel=1e-10, abs=1e-15)
            if degree:
                assert value == pytest.approx(
                    by_algebra(activation, 2, degree), rel=1e-10, abs=1e-15
                )


def test_mercer_sum_with_its_tail() -> None:
    """d = 3: K(1) = 1/2 is the sum of multiplicity times eigenvalue, less a tail below 1/(2 pi L).

    From degree 8 on, degree^2 times a term of even degree grows, to 1/pi; the odd terms are 0.
    """
    found = kernel_spectrum(3, bias=False, max_degree=400)
    terms = found.eigenvalues.numpy() * np.array(found.multiplicities, dtype=float)
    closed = [(2 * k + 1) * by_algebra("relu", 3, k) for k in range(401)]
    np.testing.assert_allclose(terms, closed, atol=1e-13)
    even = np.arange(2, 401, 2)
    scaled = np.array(closed)[even] * even**2
    least = int(scaled.argmin())
    assert (np.diff(scaled[least:]) > 0).all()
    assert scaled[-1] < 1 / math.pi
    for top in (20, 50, 100, 200, 400):
        rest = 0.5 - float(terms[: top + 1].sum())
        assert 0.9 / (2 * math.pi * top) < rest < 1 / (2 * math.pi * top)


@pytest.mark.parametrize("d", [2, 3, 5])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_the_series_adds_up_to_the_kernel(activation: str, d: int) -> None:
    found = kernel_spectrum(d, activation=activation, max_degree=600 if d == 2 else 150)
    weights = found.eigenvalues.numpy() * np.array(found.multiplicities, dtype=float)
    tail = weights[len(weights) // 2 :].sum() * 2  # what lies beyond, for decay like 1/l^2
    for t in (1.0, 0.4, -0.9):
        p, before, total = 1.0, 0.0, 0.0
        for k, weight in enumerate(weights):
            total += weight * p
            step = t if k == 0 else ((2 * k + d - 2) * t * p - k * before) / (k + d - 2)
            before, p = p, step
        z = torch.tensor([[t, math.sqrt(1 - t * t)]], dtype=torch.float64)
        kernel = float(ntk(z.new_tensor([[1.0, 0.0]]), z, activation=activation))
        assert abs(total - kernel) < max(tail, 1e-12)
    assert tail < 0.02


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_parity_says_what_is_missing(activation: str) -> None:
    found = kernel_spectrum(4, activation=activation, bias=False, max_degree=12)
    parity = ACTIVATIONS[activation].parity  # which test_activations.py compares with spectra
    expected = tuple(k for k in range(13) if parity is not None and parity.lacks(k))
    assert found.missing_degrees == expected
    assert found.universal == (parity is None)
    assert (found.eigenvalues[list(expected)] == 0).all()
    present = [k for k in range(9) if k not in expected]
    assert (found.eigenvalues[present] > 0).all()
    lifted = kernel_spectrum(4, activation=activation, max_degree=12)
    assert lifted.universal
    assert lifted.missing_degrees == ()


def test_universality_is_not_a_matter_of_max_degree() -> None:
    assert not kernel_spectrum(3, bias=False, max_degree=2).universal  # nothing is missing up to 2
    assert kernel_spectrum(3, bias=False, max_degree=2).missing_degrees == ()
    assert kernel_spectrum(3, bias=False, trained="hidden", depth=2).universal
    assert kernel_spectrum(3, bias=False, trained="all", depth=2).universal
    assert not kernel_spectrum(3, bias=False, trained="hidden", depth=1).universal
    assert not kernel_spectrum(3, bias=False, activation="tanh", trained="all", depth=3).universal


@pytest.mark.parametrize(
    ("activation", "trained", "depth", "extra"),
    [("relu", "first", 1, 0), ("quadratic_relu", "first", 1, 2), ("relu", "hidden", 3, 0)],
)
@pytest.mark.parametrize("d", [2, 3, 5])
def test_decay_exponents(d: int, activation: str, trained: str, depth: int, extra: int) -> None:
    options = {"activation": activation, "trained": trained, "depth": depth}
    for bias in (False, True):
        found = kernel_spectrum(d, bias=bias, max_degree=60, **options)  # type: ignore[arg-type]
        assert found.decay is not None
        assert abs(found.decay - d - extra) < 0.08


def test_smooth_activations_decay_faster_than_any_power() -> None:
    found = kernel_spectrum(3, activation="gelu")
    assert found.decay == math.inf
    ratio = found.eigenvalues[8:12] / found.eigenvalues[7:11]
    assert (ratio < 0.4).all()  # for a power it would be (l/(l + 1))^3, above 0.6


def test_multiplicities_count_harmonics() -> None:
    assert kernel_spectrum(2, max_degree=4).multiplicities == (1, 2, 2, 2, 2)
    assert kernel_spectrum(3, max_degree=4).multiplicities == (1, 3, 5, 7, 9)
    for d in (4, 6):
        # harmonics of degree up to k, restricted polynomials: C(k+d-1, d-1) + C(k+d-2, d-1)
        total = sum(kernel_spectrum(d, max_degree=7).multiplicities)
        assert total == math.comb(7 + d - 1, d - 1) + math.comb(7 + d - 2, d - 1)


def test_the_sphere_in_one_dimension_has_two_degrees() -> None:
    found = kernel_spectrum(1, bias=False)
    assert found.eigenvalues.tolist() == pytest.approx([0.25, 0.25], rel=1e-14)
    assert found.multiplicities == (1, 1)
    assert found.universal
    odd = kernel_spectrum(1, activation="erf", bias=False)
    assert odd.missing_degrees == (0,)
    assert not odd.universal
    assert odd.decay is None


def test_spectra_read_as_sentences() -> None:
    text = repr(kernel_spectrum(3, bias=False))
    assert "R^3" in text
    assert "degrees 3, 5, 7, 9, ... are missing" in text
    assert repr(kernel_spectrum(3)).startswith(
        "A spectrum on the unit sphere of R^3 to degree 20: univ"
    )
