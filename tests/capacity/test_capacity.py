"""The gadget of Theorem E, the bounds that follow, and nets with explicit weights."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from scipy.special import comb
from torch import Tensor

from robustlib import Hinge, Sample, SphereCap, hexagon, robust_loss, sphere, two_caps
from robustlib.capacity import (
    cap_net,
    check_shattering,
    growth,
    hypercube_gadget,
    line_net,
    nearest_centre,
    robust_vc_bound,
    simplex_gadget,
    two_layer_vc_bound,
    width_needed,
)
from robustlib.capacity.gadget import NORMS
from robustlib.capacity.growth import log2_binomial, log2_sauer, sauer
from robustlib.capacity.simplex import (
    best_size,
    corners,
    least_ratio,
    separation,
    two_centres,
)

F64 = torch.float64


@pytest.mark.parametrize(("n", "d"), [(2, 2), (2, 5), (2, 8), (4, 3), (4, 5), (6, 3)])
def test_the_gadget_forces_every_labelling(n: int, d: int) -> None:
    gadget = hypercube_gadget(n, d, delta=0.3)
    seen = check_shattering(gadget)
    assert seen.holds
    assert seen.exhaustive
    assert len(gadget.points) == n * d // 2
    assert seen.labellings == 2 ** (n * d // 2)
    # halfway between the least and the largest distance that is allowed
    t = (1 + math.sqrt(1 / (1 - 1 / d))) / 2
    assert seen.separation == pytest.approx(2 * t, rel=1e-12)
    assert seen.distance == pytest.approx(t * math.sqrt(1 - 1 / d), rel=1e-12)
    assert "Shattered: all" in repr(seen)


@pytest.mark.parametrize("d", [2, 3, 8])
def test_d_points_a_pair_need_nearly_touching_balls(d: int) -> None:
    edge = math.sqrt(1 - 1 / d)
    assert check_shattering(hypercube_gadget(2, d, rho=edge, per_pair=d)).holds
    below = check_shattering(hypercube_gadget(2, d, rho=edge - 1e-6, per_pair=d))
    assert not below.holds
    assert "from every centre of its label" in below.why
    assert below.distance == pytest.approx(edge, rel=1e-12)


@pytest.mark.parametrize(("rho", "k"), [(0.5, 1), (0.8, 2), (0.9, 5), (math.sqrt(7 / 8), 8)])
def test_smaller_balls_are_worth_fewer_points(rho: float, k: int) -> None:
    gadget = hypercube_gadget(4, 8, rho=rho)
    assert gadget.per_pair == k
    assert check_shattering(gadget).holds
    if k < 8:
        assert not check_shattering(hypercube_gadget(2, 8, rho=rho, per_pair=k + 1)).holds


def test_each_number_of_points_is_had_from_its_ratio_on() -> None:
    for k in range(1, 9):
        assert hypercube_gadget(2, 9, rho=math.sqrt(1 - 1 / k) or 0.1).per_pair == k
        assert hypercube_gadget(2, 9, rho=math.sqrt(1 - 1 / (k + 1)) - 1e-9).per_pair == k


@pytest.mark.parametrize("d", [1, 2, 3, 7, 8])
@pytest.mark.parametrize("rho", [0.5, 0.51, 0.8, 1.0])
def test_the_gadget_of_the_maximum_norm(d: int, rho: float) -> None:
    gadget = hypercube_gadget(4, d, norm="linf", rho=rho)
    assert gadget.per_pair == 1 + int(math.log2(d + 1))
    assert check_shattering(gadget).holds
    assert robust_vc_bound(4, d, norm="linf", rho=rho).value == max(4, len(gadget.points))


@pytest.mark.parametrize("norm", NORMS)
def test_below_one_half_no_two_points_are_shattered(norm: str) -> None:
    """Equal labels ask for points 2 rho delta apart at most, others for 2 (1 - rho) delta."""
    assert robust_vc_bound(4, 3, norm=norm, rho=0.499).value == 4
    if norm == "l2":
        assert simplex_gadget(2, 3, rho=0.499).per_pair == 1
        assert not check_shattering(simplex_gadget(2, 3, rho=0.499, per_pair=2)).holds
        assert check_shattering(simplex_gadget(2, 3, rho=0.5, per_pair=2)).holds


# from which ratios on a regular simplex of k corners is forced, to four digits
FORCED = {3: 0.6667, 4: 0.8165, 5: 0.8586, 6: 0.8944, 7: 0.9107, 8: 0.9258, 9: 0.9345, 10: 0.9428}


@pytest.mark.parametrize("k", FORCED)
def test_every_labelling_of_a_simplex_is_forced_from_its_ratio_on(k: int) -> None:
    ratio = 2 / best_size(k)[1]
    assert round(ratio, 4) == FORCED[k]
    for rho in (ratio, ratio + 1e-6, (1 + ratio) / 2, 1.0):
        seen = check_shattering(simplex_gadget(2, k - 1, rho=rho, per_pair=k))
        assert seen.holds, seen
        assert seen.exhaustive
        assert seen.labellings == 2**k
    below = check_shattering(simplex_gadget(2, k - 1, rho=ratio - 1e-6, per_pair=k))
    assert not below.holds
    assert below.distance == pytest.approx(ratio, abs=1e-9)
    # what is proved: exact for even k and k = 3, a little late for other odd k
    if k % 2 == 0 or k == 3:
        assert least_ratio(k) == pytest.approx(ratio, abs=1e-12)
    else:
        assert ratio < least_ratio(k)


@pytest.mark.parametrize("k", [3, 4, 5, 6])
def test_no_other_size_of_the_simplex_does_with_less(k: int) -> None:
    size, apart = best_size(k)
    for other in torch.linspace(0, math.sqrt(k / (k - 1)), 1001).tolist():
        assert min(separation(k, other, p) for p in range(1, k)) <= apart + 1e-12
    # the formula against centres that are placed and measured
    points = size * corners(k)
    for v in itertools.product((1.0, -1.0), repeat=k):
        plus = v.count(1.0)
        if 0 < plus < k:
            one, other = two_centres(points, torch.tensor(v, dtype=F64), 1.0, 1.0)
            assert float((one - other).norm()) == pytest.approx(separation(k, size, plus))


@pytest.mark.parametrize("d", [2, 3, 4, 5, 8])
def test_a_pair_is_worth_one_point_more_than_the_dimension(d: int) -> None:
    edge = 2 / 3 if d == 2 else math.sqrt(1 - 1 / d)
    for n in (2, 3, 5):
        bound = robust_vc_bound(n, d, rho=edge)
        assert (
            bound.value == (d + 1) * (n // 2) + n % 2 == len(simplex_gadget(n, d, rho=edge).points)
        )
        assert bound.full_from == pytest.approx(edge)
        assert robust_vc_bound(n, d, rho=edge - 1e-9).value < bound.value
    assert check_shattering(simplex_gadget(3, d, rho=edge)).holds
    assert robust_vc_bound(100, d).value == 50 * (d + 1)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"n": 0, "d": 2}, "n must be at least 1, got 0"),
        ({"n": 2, "d": 0}, "d must be at least 1, got 0"),
        ({"n": 2, "d": 2, "rho": 1.1}, "rho must be at most 1, got 1.1"),
        ({"n": 2, "d": 2, "delta": 0.0}, "delta must be greater than 0"),
        (
            {"n": 2, "d": 2, "per_pair": 4},
            r"must be at most 3 in R\^2 for a simplex, got 4",
        ),
        ({"n": 2, "d": 2, "per_pair": 0}, "per_pair must be at least 1, got 0"),
    ],
)
def test_simplices_that_do_not_exist(arguments: dict[str, float], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        simplex_gadget(**arguments)  # type: ignore[arg-type]


def test_in_the_plane_triangles_give_half_as_much_again() -> None:
    for rho in (2 / 3, 0.7, 0.9, 1.0):
        assert robust_vc_bound(11, 2, rho=rho).value == 3 * 5 + 1
    assert robust_vc_bound(11, 2, rho=0.66).value == 11
    # the cube's points give no more than fitting the points themselves
    assert len(hypercube_gadget(10, 2).points) == 10


def test_hypercube_vertices_do_not_serve_in_the_maximum_norm() -> None:
    """Centres o +- delta v and points o + delta e_j are at the right distances, but o is in both
    closed balls: no function is right there, so that this shatters nothing."""
    v = torch.tensor([1.0, -1, 1], dtype=F64)
    centres, points = torch.stack([v, -v]), torch.eye(3, dtype=F64)
    reach = torch.cdist(points, centres, p=math.inf)
    assert torch.equal(reach.argmin(1), (v < 0).long())
    assert bool((reach.amin(1) <= 1).all())
    assert float((centres[0] - centres[1]).abs().max()) == 2
    assert bool((centres.abs().amax(1) <= 1).all())  # the origin


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize(("n", "d"), [(1, 1), (1, 4), (3, 1), (5, 2), (2, 1)])
def test_odd_numbers_and_one_dimension(n: int, d: int, norm: str) -> None:
    gadget = hypercube_gadget(n, d, norm=norm)
    assert len(gadget.points) == n // 2 * gadget.per_pair + n % 2
    assert check_shattering(gadget).holds
    if norm == "linf":
        assert robust_vc_bound(n, d, norm=norm).value == max(n, len(gadget.points))
        return
    gadget = simplex_gadget(n, d)
    assert len(gadget.points) == n // 2 * (d + 1) + n % 2
    assert check_shattering(gadget).holds
    assert robust_vc_bound(n, d).value == max(n, len(gadget.points))


def test_many_points_are_tried_at_random_and_it_says_so() -> None:
    seen = check_shattering(hypercube_gadget(8, 6), random=50)
    assert seen.holds
    assert not seen.exhaustive
    assert seen.labellings == 50
    assert "random 50 labellings" in repr(seen)


def test_a_class_is_checked_on_the_points_themselves() -> None:
    gadget = hypercube_gadget(2, 4)
    assert check_shattering(gadget, lambda x, y, r: nearest_centre(x, y, r).net).holds

    def first_coordinate(x: Tensor, y: Tensor, radius: float) -> object:
        return lambda z: torch.where(z[:, 0] > 0, 1.0, -1.0).double()

    seen = check_shattering(gadget, first_coordinate)  # type: ignore[arg-type]
    assert not seen.holds
    assert "another labelling" in seen.why


def test_centres_of_a_broken_gadget_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    from robustlib.capacity import gadget as module

    monkeypatch.setattr(module, "_half_separation", lambda gadget: 0.9 * gadget.delta)
    assert "apart" in check_shattering(hypercube_gadget(2, 3)).why
    monkeypatch.undo()
    monkeypatch.setattr(
        module, "_hypercube_pair", lambda g, v: (torch.ones(3).double(), torch.zeros(3).double())
    )
    assert not check_shattering(hypercube_gadget(2, 3)).holds


# --- bounds ------------------------------------------------------------------------------------


def test_the_bound_says_where_it_is_worth_something() -> None:
    assert robust_vc_bound(10, 8).value == 45
    none = robust_vc_bound(10, 8, rho=0.5)
    assert none.value == none.plain == 10
    assert "adds nothing" in repr(none)
    assert robust_vc_bound(10, 8, rho=0.9).value == 30
    assert robust_vc_bound(10, 8, norm="linf", rho=0.6).value == 20
    assert "0.9354" in repr(robust_vc_bound(10, 8))


def test_sums_of_binomials() -> None:
    for count, k in [(1, 0), (5, 2), (30, 7), (10, 10), (10, 20)]:
        total = sum(comb(count, i, exact=True) for i in range(min(k, count) + 1))
        assert log2_sauer(count, k) == pytest.approx(math.log2(total), rel=1e-12)
        assert sauer(count, k) == total


@pytest.mark.parametrize(
    ("count", "k"),
    [
        (2001, 1),
        (2001, 1000),
        (2001, 1001),
        (6000, 2500),
        (9000, 4499),
        (9000, 4501),
        (20_000, 3000),
    ],
)
def test_logarithms_of_large_sums_are_those_of_integers(count: int, k: int) -> None:
    assert log2_sauer(count, k) == pytest.approx(math.log2(sauer(count, k)), rel=2e-15)
    assert log2_binomial(count, k) == pytest.approx(math.log2(math.comb(count, k)), rel=2e-15)


def test_a_sum_that_is_cut_short_is_bounded_from_above(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "_TERMS", 64)
    exact = math.log2(sauer(20_000, 9000))
    assert exact <= log2_sauer(20_000, 9000) <= exact + 1e-5


def test_bounds_of_wide_nets_come_back_and_keep_their_order() -> None:
    """At sizes whose integers have billions of digits, against the inequality by other means."""
    for d, width in ((64, 1024), (784, 65_536)):
        count, size = two_layer_vc_bound(d, width), width * (d + 1) + 1

        def log2_phi(points: int, k: int) -> float:
            last = math.lgamma(points + 1) - math.lgamma(k + 1) - math.lgamma(points - k + 1)
            # the ratios of neighbours fall: a geometric sum from above
            return (last + math.log((points - k + 1) / (points - 2 * k + 1))) / math.log(2)

        for points, fits in ((count * 0.999, True), (count * 1.001, False)):
            n = int(points)
            assert (n <= width * log2_phi(n, d + 1) + log2_phi(n, size)) == fits
        assert width_needed(count, d) <= width < width_needed(count + 1, d)
    wide = width_needed(robust_vc_bound(10_000, 784).value, 784)
    assert 1 < wide < 10_000
    assert width_needed(2**48, 784) > 65_536
    for call in (lambda: width_needed(10**400, 8), lambda: two_layer_vc_bound(10**9, 10**9)):
        with pytest.raises(ValueError, match=r"at most 2\*\*(48|63 - 1)"):
            call()


def test_the_bound_is_that_of_integers() -> None:
    for d, width in itertools.product((1, 2, 8), (2, 4, 7)):
        count, size = two_layer_vc_bound(d, width), width * (d + 1) + 1
        for points, fits in ((count, True), (count + 1, False)):
            room = sauer(points, d + 1) ** width * sauer(points, size)
            assert (2**points <= room) == fits


def test_two_layer_bound_against_its_inequality_and_a_net_that_shatters() -> None:
    assert [two_layer_vc_bound(d, width) for d in (1, 3) for width in (0, 1)] == [1, 2, 1, 4]
    for d, width in itertools.product((1, 3), (2, 3, 5)):
        count = two_layer_vc_bound(d, width)
        size = width * (d + 1) + 1
        for points, fits in ((count, True), (count + 1, False)):
            room = width * log2_sauer(points, d + 1) + log2_sauer(points, size)
            assert (points <= room) == fits
        # one unit shatters d + 1 points in general position, and more units no fewer
        assert count >= (d + 1 if width else 1)
    assert two_layer_vc_bound(2, 0) == 1


def test_width_needed_is_the_least() -> None:
    for capacity in (1, 2, 40, 500):
        width = width_needed(capacity, 8)
        assert two_layer_vc_bound(8, width) >= capacity
        assert width == 0 or two_layer_vc_bound(8, width - 1) < capacity


# --- explicit nets -----------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "d"), [(2, 1), (3, 2), (9, 5), (30, 3)])
def test_nearest_centre_is_right_on_every_ball_below_half_the_separation(n: int, d: int) -> None:
    x = torch.randn(n, d, dtype=F64, generator=torch.Generator().manual_seed(n))
    y = torch.ones(n, dtype=F64)
    y[n // 2 :] = -1
    half = float(torch.cdist(x[y > 0], x[y < 0]).min()) / 2
    assert nearest_centre(x, y, half * (1 + 1e-6)).margin < 0
    found = nearest_centre(x, y, 0.9 * half)
    assert found.robust
    assert found.weights == n * (d + 1)
    # independent: compare with distances, and with the margin at random points of the balls
    z = torch.randn(2000, d, dtype=F64, generator=torch.Generator().manual_seed(1))
    far = [(torch.cdist(z, x[y == s]) ** 2).amin(1) / 2 for s in (-1, 1)]
    assert torch.allclose(found.net(z), far[0] - far[1], rtol=1e-12, atol=1e-12)
    inside = (
        x.repeat_interleave(200, 0)
        + 0.9 * half * torch.nn.functional.normalize(z).repeat(n * 200 // 2000 + 1, 1)[: n * 200]
    )
    assert bool((found.net(inside) * y.repeat_interleave(200) >= found.margin - 1e-12).all())
    # attained on the segment between the closest opposite pair
    i, j = divmod(int(torch.cdist(x[y > 0], x[y < 0]).argmin()), int((y < 0).sum()))
    a, b = x[y > 0][i], x[y < 0][j]
    step = a + 0.9 * half * (b - a) / (b - a).norm()
    assert float(found.net(step[None])) == pytest.approx(found.margin, rel=1e-9)


def test_layers_are_counted_in_words() -> None:
    x, y = torch.arange(4, dtype=F64)[:, None], torch.tensor([1.0, 1, 1, -1], dtype=F64)
    assert repr(nearest_centre(x, y, 0.1)).startswith("ReLU net of 2 hidden layers, width 7 and 8")
    assert repr(line_net(x, y, 0.1)).startswith("ReLU net of 1 hidden layer, width 1 and 4")


def test_nearest_centre_needs_both_labels() -> None:
    with pytest.raises(ValueError, match=r"both labels.*constant"):
        nearest_centre(torch.eye(2), torch.ones(2), 0.1)


@pytest.mark.parametrize(
    ("sample", "share"), [(hexagon(), 0.98), (sphere(12, 3), 0.9), (two_caps(3, 0.3, 20), 0.9)]
)
def test_cap_net_has_one_unit_for_each_rarer_point(sample: Sample, share: float) -> None:
    rho = share * sample.separation / 2
    # half the angle is a little more than half the chord
    found = cap_net(sample, rho)
    assert found.width == min(int((sample.y > 0).sum()), int((sample.y < 0).sum()))
    judged = robust_loss(
        found.net, sample, perturbation=SphereCap(rho), loss=Hinge(), effort="high"
    )
    assert judged.lower < 1e-9
    assert judged.accuracy[1] == 1
    if sample.d == 2:
        assert judged.accuracy[0] == 1
        assert judged.upper < 1e-6


def test_cap_net_edges() -> None:
    hexa = hexagon()
    with pytest.raises(ValueError, match=r"points \d and \d, of opposite labels, meet"):
        cap_net(hexa, 0.52)
    one = Sample(hexa.x[:1], hexa.y[:1], "one")
    constant = cap_net(one, 1.0)
    assert constant.width == 0
    assert float(constant.net(hexa.x)[3]) == float(one.y[0])
    assert "width 0" in repr(constant)


@pytest.mark.parametrize("changes", range(9))
@pytest.mark.parametrize("first", [1.0, -1.0])
def test_line_net_has_the_least_width_for_its_changes(changes: int, first: float) -> None:
    x = torch.rand(changes + 1, 1, dtype=F64, generator=torch.Generator().manual_seed(changes))
    x = x.cumsum(0) + 0.1 * torch.arange(changes + 1, dtype=F64)[:, None]
    y = first * torch.tensor([(-1.0) ** k for k in range(changes + 1)], dtype=F64)
    gap = float((x[1:] - x[:-1]).min()) if changes else 1.0
    found = line_net(x, y, 0.49 * gap)
    assert found.width == (0, 1, 2, 3, 3, 4, 5, 6, 7)[changes]
    assert found.robust
    z = (x + 0.49 * gap * torch.linspace(-1, 1, 4001, dtype=F64)).flatten()
    margins = found.net(z[:, None]) * y.repeat_interleave(4001)
    assert float(margins.min()) == pytest.approx(found.margin, rel=1e-2)
    assert float(margins.min()) >= found.margin - 1e-12


def test_line_net_along_a_direction_and_its_edges() -> None:
    x = torch.tensor([[0.0, 3], [1, 3.5], [2, 2]], dtype=F64)
    y = torch.tensor([1.0, -1, 1], dtype=F64)
    axis = torch.tensor([0.6, 0.8], dtype=F64)  # along it: 2.4, 3.4, 2.8
    found = line_net(x, y, 0.25, direction=axis)
    assert found.width == 1
    assert found.robust
    with pytest.raises(ValueError, match=r"apart along the line, got 0\.31"):
        line_net(x, y, 0.31, direction=axis)
    with pytest.raises(ValueError, match="norm 1, got 2"):
        line_net(x, y, 0.1, direction=torch.tensor([2.0, 0]))
    assert line_net(x[:1], y[:1], 5.0).width == 0
