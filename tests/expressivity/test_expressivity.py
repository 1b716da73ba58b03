"""Least norms against known digits, an independent solver, and what is proved of the functions."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, replace

import cvxpy
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from robustlib.activations import ACTIVATIONS
from robustlib.book.claims.gaps import gap_norm, turned_kernel
from robustlib.expressivity import RKHSFunction, expressiveness, min_norm_interpolant
from robustlib.expressivity.sets import Extremes, SphereSets
from robustlib.expressivity.zonal import ZonalKernel
from robustlib.kernels import kernel_regression, ntk
from robustlib.samples import Sample, hexagon, sphere, two_caps
from robustlib.sets import Finite, SphereCap

F64 = torch.float64
# angle: least norm with y g >= 1, |g - y| <= 0.1, |g - y| <= 0.01; 41 angles per point
HEXAGON = {0.1: (10.391962, 9.352766, 10.288042), 0.2: (11.910881, 10.719793, 11.792439)}
ASKED: tuple[dict[str, float], ...] = ({"margin": 1.0}, {"tolerance": 0.1}, {"tolerance": 0.01})


def arcs(angle: float, size: int = 41) -> Finite:
    """``size`` angles on arcs of the hexagon that reach ``angle`` to both sides."""
    return Finite(cap(angle).grid(hexagon().x, size))


def cap(angle: float) -> SphereCap:
    return SphereCap(2 * math.sin(angle / 2))


@pytest.mark.parametrize("angle", HEXAGON)
def test_known_norms_of_the_hexagon(angle: float) -> None:
    for asked, expected in zip(ASKED, HEXAGON[angle], strict=True):
        g = min_norm_interpolant(hexagon(), arcs(angle), **asked)
        assert abs(g.norm - expected) < 6e-7
        assert g.least[0] == pytest.approx(g.norm, rel=1e-9)
        assert g.proved == g.found


@pytest.mark.parametrize("angle", [0.15, 0.25])
@pytest.mark.parametrize("asked", ASKED, ids=["margin", "0.1", "0.01"])
def test_an_independent_solver_finds_the_same_norm(angle: float, asked: dict[str, float]) -> None:
    sample, sets = hexagon(), arcs(angle)
    x, y = sets.candidates.flatten(0, 1), sample.y.repeat_interleave(sets.candidates.shape[1])
    # K = F F^T with F from its eigenvectors, so that the solver sees |F^T c|^2 and no Gram matrix
    values, vectors = torch.linalg.eigh(ntk(x))
    f = (vectors * values.clamp(min=0).sqrt()).numpy()
    v = cvxpy.Variable(f.shape[1])
    g = cvxpy.multiply(y.numpy(), f @ v)
    if "margin" in asked:
        bounds = [g >= asked["margin"]]
    else:
        bounds = [g >= 1 - asked["tolerance"], g <= 1 + asked["tolerance"]]
    options = {"tol_gap_abs": 1e-11, "tol_gap_rel": 1e-11, "tol_feas": 1e-11}
    cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(v)), bounds).solve(solver="CLARABEL", **options)
    expected = float(np.linalg.norm(v.value))
    found = min_norm_interpolant(sample, sets, **asked).norm
    assert found == pytest.approx(expected, rel=1e-6)


def test_one_point_has_a_closed_form() -> None:
    one = Sample(torch.tensor([[1.0]], dtype=F64), torch.tensor([-1.0], dtype=F64), "one")
    for sets in (SphereCap(0.0), SphereCap(1.9)):
        g = min_norm_interpolant(one, sets, margin=3.0)
        assert g.norm == pytest.approx(3 / math.sqrt(0.5), rel=1e-13)  # K(1) = 1/2
        assert float(g(one.x)) == pytest.approx(-3, rel=1e-13)
    both = min_norm_interpolant(one, SphereCap(2.0), margin=1.0)  # the whole of S^0
    K = ntk(torch.tensor([[1.0], [-1.0]], dtype=F64))
    assert both.norm**2 == pytest.approx(float(torch.linalg.inv(K).sum()), rel=1e-12)


@pytest.mark.parametrize("d", [2, 3, 20])
def test_points_are_interpolated_as_by_regression(d: int) -> None:
    """With tiny sets and a tiny tolerance, the least norm is that of the interpolant."""
    sample = sphere(12, d, seed=1)
    exact = kernel_regression(ntk(sample.x), sample.y).norm
    g = min_norm_interpolant(sample, SphereCap(0.0), tolerance=1e-9)
    assert g.norm == pytest.approx(exact, rel=1e-7)
    assert g.norm < exact


def test_what_is_proved_on_an_arc_is_a_little_less_than_what_is_found() -> None:
    one = Sample(torch.tensor([[0.6, 0.8]], dtype=F64), torch.tensor([-1.0], dtype=F64), "one")
    g = min_norm_interpolant(one, SphereCap(0.3), margin=1.0)
    assert 0.99 < g.proved[0] < g.found[0]
    assert g.found[1] < g.proved[1] < g.found[1] + 0.01
    # g / proved[0] is at least 1 everywhere
    assert g.least[1] == pytest.approx(g.norm / g.proved[0], rel=1e-12)


def test_what_no_norm_is_needed_for() -> None:
    g = min_norm_interpolant(hexagon(), cap(0.1), tolerance=1.0)
    assert (g.norm, g.least, g.found) == (0.0, (0.0, 0.0), (0.0, 0.0))
    assert float(g(hexagon().x).abs().max()) == 0.0


def test_margins_scale_and_radii_only_add_bounds() -> None:
    one, two = (min_norm_interpolant(hexagon(), arcs(0.1), margin=m).norm for m in (1.0, 2.5))
    assert two == pytest.approx(2.5 * one, rel=1e-10)
    norms = [min_norm_interpolant(hexagon(), cap(a), margin=1.0).norm for a in (0, 0.1, 0.2, 0.3)]
    assert norms == sorted(norms)
    norms = [min_norm_interpolant(hexagon(), arcs(0.1), tolerance=t).norm for t in (0.3, 0.1, 0.02)]
    assert norms == sorted(norms)


@pytest.mark.parametrize("asked", ASKED[:2], ids=["margin", "tolerance"])
def test_cutting_planes_find_what_a_fine_list_has(asked: dict[str, float]) -> None:
    whole = min_norm_interpolant(hexagon(), cap(0.2), **asked)
    listed = min_norm_interpolant(hexagon(), arcs(0.2, 401), **asked)
    assert listed.norm <= whole.norm * (1 + 1e-6)
    assert whole.norm == pytest.approx(listed.norm, rel=2e-6)
    assert len(whole.points) < 100 < 6 * 401


def test_upper_bounds_can_be_active_all_along_an_arc(monkeypatch: pytest.MonkeyPatch) -> None:
    looks, extremes = [], SphereSets.extremes

    def noted(self: SphereSets, *args: object, quick: bool = False, **options: bool) -> Extremes:
        looks.append(quick)
        return extremes(self, *args, quick=quick, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(SphereSets, "extremes", noted)
    whole = min_norm_interpolant(hexagon(), cap(0.2), tolerance=0.01)
    assert whole.norm == pytest.approx(11.792439, rel=2e-6)
    assert whole.found[1] == pytest.approx(1.01, abs=2e-6)
    assert whole.least[1] == math.inf
    # what is proved rests on values at all points of the grid, not at those of a quick look
    assert looks[0]
    assert not looks[-1]
    assert whole.sets.grid is not None
    values = whole.sets.values(whole, whole.sets.grid)
    assert whole.found[0] <= float(values.min()) + 1e-13
    assert whole.found[1] >= float(values.max()) - 1e-13


@pytest.mark.parametrize("activation", ["relu", "gelu", "erf"])
def test_proved_intervals_hold_on_a_grid_never_used(activation: str) -> None:
    sample = hexagon()
    g = min_norm_interpolant(sample, cap(0.2), margin=1.0, activation=activation)
    angles = torch.linspace(-0.2, 0.2, 20_002, dtype=F64)[:, None]
    turn = torch.atan2(sample.x[:, 1], sample.x[:, 0]) + angles
    values = g(torch.stack([turn.cos(), turn.sin()], 2).flatten(0, 1)).reshape(turn.shape)
    values = values * sample.y
    assert g.proved[0] <= float(values.min())
    assert float(values.max()) <= g.proved[1]
    assert g.found[0] <= float(values.min()) + 1e-9  # refinement beats the finer grid
    assert g.proved[0] > 0.995
    assert g.margin == g.proved[0]
    assert g.error == max(1 - g.proved[0], g.proved[1] - 1)
    assert g.least[0] <= g.norm * (1 + 1e-12)
    assert g.norm <= g.least[1] < 1.005 * g.norm


def test_the_norm_is_that_of_the_coefficients() -> None:
    g = min_norm_interpolant(hexagon(), cap(0.2), tolerance=0.1)
    K = ntk(g.points)
    assert g.norm == pytest.approx(math.sqrt(float(g.coefficients @ K @ g.coefficients)), rel=1e-12)
    x = sphere(7, 2, seed=3).x
    torch.testing.assert_close(g(x), ntk(x, g.points) @ g.coefficients, rtol=1e-12, atol=1e-12)
    # reproducing property: |g(x)| <= |g| sqrt K(x, x)
    assert float(g(x).abs().max()) <= g.norm * math.sqrt(0.5)
    x.requires_grad_()
    assert float(torch.autograd.grad(g(x).sum(), x)[0].norm()) > 0


def test_float32_and_devices(device: torch.device) -> None:
    sample = hexagon().to(device, torch.float32)
    g = min_norm_interpolant(sample, cap(0.1), margin=1.0)
    assert g.norm == pytest.approx(10.391962, rel=1e-5)
    out = g(sample.x)
    assert (out.dtype, out.device.type) == (torch.float32, device.type)
    listed = Finite(cap(0.1).grid(sample.x, 41))
    assert min_norm_interpolant(sample, listed, margin=1.0).norm == pytest.approx(g.norm, rel=1e-5)


def test_caps_in_three_dimensions() -> None:
    """Two opposite points: the shortest function depends on the height alone."""
    x = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]], dtype=F64)
    sample = Sample(x, torch.tensor([1.0, -1.0], dtype=F64), "poles")
    angle = 0.3
    g = min_norm_interpolant(sample, cap(angle), margin=1.0)
    rim = np.array([*np.linspace(0, angle, 40), *np.linspace(math.pi - angle, math.pi, 40)])
    y = np.repeat([1.0, -1.0], 40)
    v = cvxpy.Variable(80)
    gram = turned_kernel(rim, 3) * np.outer(y, y)
    values, vectors = np.linalg.eigh(gram)
    f = vectors * np.sqrt(np.maximum(values, 0))
    cvxpy.Problem(cvxpy.Minimize(cvxpy.sum_squares(v)), [f @ v >= 1]).solve(solver="CLARABEL")
    assert g.norm == pytest.approx(float(np.linalg.norm(v.value)), rel=2e-3)
    assert g.found[0] >= 1 - 1.1e-3
    assert g.proved[0] < g.found[0]
    assert g.least[1] == math.inf or g.least[1] > g.norm


def test_incompatible_sets_are_refused_with_the_pair() -> None:
    with pytest.raises(ValueError, match=r"sets of examples 0 and 1 meet.*smaller sets"):
        min_norm_interpolant(hexagon(), cap(0.55), margin=1.0)
    x = hexagon().x
    twice = Sample(torch.cat([x, x[2:3]]), torch.tensor([1.0, -1, 1, -1, 1, -1, -1]).to(F64), "t")
    with pytest.raises(ValueError, match="sets of examples 2 and 6 meet"):
        min_norm_interpolant(twice, SphereCap(0.0), margin=1.0)


def test_what_float64_cannot_reach_is_said() -> None:
    angles = 0.05 * torch.arange(10, dtype=F64)
    x = torch.stack([angles.cos(), angles.sin()], 1)
    sample = Sample(x, torch.tensor([1.0, -1.0], dtype=F64).repeat(5), "close")
    with pytest.raises(ValueError, match=r"float64.*examples .*norm would be near or above .*relu"):
        min_norm_interpolant(sample, SphereCap(0.0), margin=1.0, activation="erf")
    # the ReLU kernel can
    assert min_norm_interpolant(sample, SphereCap(0.0), margin=1.0).found[0] > 1 - 1e-9


def test_two_close_points_have_a_closed_form() -> None:
    x = torch.tensor([[1.0, 0.0], [math.cos(1e-4), math.sin(1e-4)]], dtype=F64)
    sample = Sample(x, torch.tensor([1.0, -1.0], dtype=F64), "two")
    cosine = 1 - (1 - math.cos(1e-4)) / 2
    K = cosine * (math.pi - math.acos(cosine)) / (2 * math.pi)
    g = min_norm_interpolant(sample, SphereCap(0.0), margin=1.0)
    assert g.norm == pytest.approx(math.sqrt(2 / (0.5 - K)), rel=1e-6)


@given(
    st.sampled_from(sorted(ACTIVATIONS)),
    st.booleans(),
    st.sampled_from([("first", 1), ("hidden", 2), ("all", 1)]),
    st.floats(1e-3, 3.0),
    st.floats(0, math.pi),
    st.floats(0, 1),
)
@settings(max_examples=25, deadline=None)
def test_changes_stay_below_their_bounds(
    activation: str, bias: bool, trained: tuple[str, int], step: float, start: float, part: float
) -> None:
    kernel = ZonalKernel(activation, bias, *trained)
    end = min(math.pi, start + part * step)
    a, b, zero, apart = kernel.at(torch.tensor([start, end, 0.0, end - start], dtype=F64)).tolist()
    assert abs(a - b) <= kernel.variation(step) * (1 + 1e-9)
    assert math.sqrt(max(0, 2 * (zero - apart))) <= kernel.distance(step) * (1 + 1e-9)


@pytest.mark.parametrize("angle", [0.3, 1.0, 1.3, math.pi / 2])
def test_up_to_a_right_angle_the_distance_is_that_of_the_ends(angle: float) -> None:
    kernel = ZonalKernel("relu", False, "first", 1)
    here, there = kernel.at(torch.tensor([0.0, angle], dtype=F64)).tolist()
    assert kernel.distance(angle) == pytest.approx(math.sqrt(2 * (here - there)), rel=1e-12)


def test_the_variation_holds_between_the_points_of_its_table() -> None:
    """The steepest part of this kernel lies between two of them."""
    kernel, angle = ZonalKernel("relu", False, "first", 1), math.pi / 8
    start = torch.linspace(0, math.pi - angle, 4001, dtype=F64)
    assert float((kernel.at(start) - kernel.at(start + angle)).max()) <= kernel.variation(angle)


def test_the_variation_is_close_to_what_it_bounds() -> None:
    kernel = ZonalKernel("relu", True, "first", 1)
    angles = torch.linspace(0, math.pi, 100_001, dtype=F64)
    steepest = float(kernel.at(angles).diff().abs().max()) / (math.pi / 1e5)
    assert steepest * 1e-3 <= kernel.variation(1e-3) <= 1.3 * steepest * 1e-3


@pytest.mark.parametrize("d", [2, 3, 4, 5])
def test_norms_grow_with_the_gap_at_the_predicted_rates(d: int) -> None:
    """Regression like gap^-(d-1)/2, margin like gap^-min((d-1)/2, 1), in the limit of no gap."""
    gaps = [0.2, 0.1, 0.05, 0.025, 0.0125]
    for bounds, rate in (((0.8, 1.2), (d - 1) / 2), ((1.0, math.inf), min((d - 1) / 2, 1))):
        logs = np.log([gap_norm(d, gap, *bounds) for gap in gaps])
        local = np.diff(logs) / math.log(2)
        assert abs((logs[2] - logs[0]) / math.log(4) - rate) < 0.2
        off = np.abs(local - rate)
        assert off[-1] < 0.06
        assert off[-1] <= off[0] + 1e-3  # nearer as the gap shrinks


def test_the_reduced_kernel_is_a_mean_over_turns() -> None:
    angles = np.array([0.3, 1.2, 2.5])
    for d in (2, 3, 5):
        found = turned_kernel(angles, d)
        draws = sphere(40_000, d - 1, seed=4).x if d > 2 else torch.tensor([[1.0], [-1.0]]).to(F64)
        for i, a in enumerate(angles):
            for j, b in enumerate(angles):
                first = torch.zeros(1, d, dtype=F64)
                first[0, 0], first[0, 1] = math.cos(a), math.sin(a)
                rest = torch.cat(
                    [torch.full_like(draws[:, :1], math.cos(b)), math.sin(b) * draws], 1
                )
                values = ntk(first, rest)[0]
                error = 5 * float(values.std()) / math.sqrt(len(values)) if d > 2 else 1e-12
                assert abs(float(values.mean()) - found[i, j]) <= error


def test_the_reduced_problem_has_the_norm_of_the_whole() -> None:
    """On the circle, where both can be solved: the labels of ``two_caps``, as lists of points."""
    gap, size = 0.5, 60
    share = np.linspace(0, 1, size) ** 3
    edge = math.pi / 3
    plus, minus = (edge - gap / 2) * (1 - share), edge + gap / 2 + (2 * edge - gap / 2) * share
    angles = torch.from_numpy(np.concatenate([plus, -plus, minus, -minus]))
    x = torch.stack([angles.cos(), angles.sin()], 1)
    sample = Sample(x, torch.tensor([1.0, -1.0]).to(F64).repeat_interleave(2 * size), "caps")
    g = min_norm_interpolant(sample, SphereCap(0.0), margin=1.0)
    assert g.norm == pytest.approx(gap_norm(2, gap, 1.0), rel=1e-8)


def test_functions_read_as_sentences() -> None:
    g = min_norm_interpolant(hexagon(), cap(0.1), margin=1.0)
    assert isinstance(g, RKHSFunction)
    text = repr(g)
    assert text.startswith("A function of norm 10.392 (relu, first layer trained; 12 terms)")
    assert "y g >= 1 on the sets of 6 examples" in text
    assert "proved from 0.99" in text
    listed = min_norm_interpolant(hexagon(), arcs(0.1), tolerance=0.1)
    low, high = listed.found
    assert low < high
    assert repr(listed).endswith(
        "with |g - y| <= 0.1 on the sets of 6 examples: "
        f"y g from {low:.6g} to {high:.6g} there, exactly. "
        f"None has a norm below {listed.least[0]:.6g}."
    )
    assert repr(replace(listed, least=(1.5, 2.5))).endswith("None has a norm below 1.5.")
    attacked = min_norm_interpolant(sphere(1, 3), SphereCap(0.1), margin=1.0)
    low, high = attacked.found
    assert f"wanted on the sets of 1 examples: attacks find y g from {low:.6g} to {high:.6g}, " in (
        repr(attacked)
    )
    few = min_norm_interpolant(two_caps(3, 0.5, 2), SphereCap(0.0), margin=1.0)
    assert few.norm > 0


def test_a_tolerance_that_takes_ever_more_points_ends_in_a_sentence() -> None:
    sample = hexagon()
    with pytest.raises(ValueError, match=r"tolerance=1e-200 takes more than points=100 points"):
        min_norm_interpolant(sample, SphereCap(0.2), tolerance=1e-200, points=100)
    # but on sets that are lists of points it is interpolation
    g = min_norm_interpolant(sample, Finite(sample.x[:, None]), tolerance=1e-200)
    torch.testing.assert_close(g(sample.x), sample.y, rtol=0, atol=1e-9)


@pytest.mark.parametrize("quick", [False, True])
def test_extremes_on_arcs_are_those_of_calculus(quick: bool) -> None:
    sets = SphereSets(hexagon(), SphereCap(0.3))
    reach = 2 * math.asin(0.15)

    def wave(x: torch.Tensor) -> torch.Tensor:
        angle = torch.atan2(x[:, 1], x[:, 0]) + math.pi / 6
        return torch.sin(40 * (torch.remainder(angle, math.pi / 3) - math.pi / 6))  # from a corner

    seen = sets.extremes(wave, quick=quick)
    inside = math.floor(40 * reach / math.pi - 0.5) + 1  # on either side
    for row in range(6):
        here = seen.rows == row
        corner, found = sets.x[row], seen.points[here]
        angle = torch.atan2(corner[0] * found[:, 1] - corner[1] * found[:, 0], found @ corner)
        places = [(k + 0.5) * math.pi / 40 for k in range(-inside, inside)]
        expected = torch.tensor(sorted([-reach, *places, reach]), dtype=torch.float64)
        torch.testing.assert_close(angle.sort().values, expected, rtol=0, atol=1e-7)
        values = sets.y[row] * torch.sin(40 * angle)
        torch.testing.assert_close(seen.values[here], values, rtol=0, atol=1e-12)


def test_candidates_off_the_sphere_are_named() -> None:
    sample = sphere(2, 3, seed=0)
    points = torch.stack([sample.x] * 4, 1)
    points[1, 2] *= 1.5
    with pytest.raises(ValueError, match=r"got norm 1\.5 in candidate 2 of example 1"):
        min_norm_interpolant(sample, Finite(points), margin=1.0)


def test_results_cannot_be_changed() -> None:
    sample = sphere(2, 3, seed=0)
    g = min_norm_interpolant(sample, SphereCap(0.0), margin=1.0)
    net, said = g.to_network(8), expressiveness(sample, SphereCap(0.0))
    for result, name in ((g, "norm"), (g.kernel, "bias"), (net, "norm"), (said, "fits")):
        before = repr(result)
        with pytest.raises(FrozenInstanceError):
            setattr(result, name, 0)
        assert repr(result) == before
