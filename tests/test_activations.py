"""What activations say of themselves, against their functions; those of users, everywhere."""

from __future__ import annotations

import copy
import math
from dataclasses import FrozenInstanceError, replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from tables import OWN
from torch import Tensor, nn

from robustlib.activations import ACTIVATIONS, Activation, Parity, activation_of, read_module
from robustlib.activations.facts import check_facts
from robustlib.kernels import empirical_ntk, kernel_spectrum, nngp, ntk
from robustlib.losses import Logistic
from robustlib.networks import DeepNet, TwoLayerNet, linearize
from robustlib.samples import sphere
from robustlib.sets import L2Ball, LinfBall, Perturbation, SphereCap
from robustlib.verification import BranchAndBound, output_bounds, robust_loss
from robustlib.verification.relaxation import activation_range, lines

F64 = torch.float64
ALL = list((ACTIVATIONS | OWN).values())
each = pytest.mark.parametrize("s", ALL, ids=lambda s: s.name)


@each
def test_derivatives_agree_with_autograd(s: Activation) -> None:
    z = torch.linspace(-45, 45, 9001, dtype=F64).add(1e-3).requires_grad_()
    (slope,) = torch.autograd.grad(s.function(z).sum(), z, create_graph=True)
    torch.testing.assert_close(s.derivative(z), slope, rtol=1e-13, atol=1e-13)
    if s.smooth:  # attacks on linearised nets need the second derivative as well
        (curve,) = torch.autograd.grad(slope.sum(), z)
        (other,) = torch.autograd.grad(s.derivative(z).sum(), z)
        torch.testing.assert_close(other, curve, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_constants_are_the_suprema(name: str) -> None:
    s = activation_of(name)
    z = torch.linspace(-40, 40, 800_001, dtype=F64).add(1e-9).requires_grad_()
    slope = s.derivative(z)
    if math.isfinite(s.slope):
        reached = float(slope.detach().abs().max())
        assert s.slope - 1e-8 <= reached <= s.slope * (1 + 1e-12)
    else:
        assert float(slope.detach().abs().max()) == pytest.approx(40)
    assert s.smooth == (s.sharpest is not None)
    if s.smooth:
        (curve,) = torch.autograd.grad(slope.sum(), z, create_graph=True)
        reached = float(curve.detach().abs().max())
        assert s.curvature - 1e-8 <= reached <= s.curvature * (1 + 1e-12)
    if math.isfinite(s.third):
        (turn,) = torch.autograd.grad(curve.sum(), z)
        reached = float(turn.abs().max())
        assert s.third - 1e-8 <= reached <= s.third * (1 + 1e-12)


@each
def test_degree_parity_and_monotony_are_those_of_the_function(s: Activation) -> None:
    assert s.name in OWN or activation_of(s.name) is s
    z = torch.linspace(-3, 3, 41, dtype=F64)
    value, mirrored = s.function(z), s.function(-z)
    degrees = [
        p for p in (1, 2) if torch.allclose(s.function(2 * z), 2**p * value, rtol=1e-14, atol=0)
    ]
    assert degrees == ([] if s.degree is None else [s.degree])
    found = []
    for kind, both in (("even", value - mirrored), ("odd", value + mirrored)):
        for power in (None, 1, 2):
            columns = torch.zeros_like(z) if power is None else z**power
            size = float(columns @ columns)
            rest = both - columns * float(both @ columns) / size if size else both
            if float(rest.abs().max()) < 1e-13:
                found.append(Parity(kind, power))
    assert found[:1] == [s.parity] if s.parity else not found
    rises = bool((s.function(torch.linspace(-9, 9, 1001, dtype=F64)).diff() >= 0).all())
    assert rises == s.monotone


@pytest.mark.parametrize("s", [s for s in ALL if not s.unsmooth and s.parity], ids=lambda s: s.name)
@pytest.mark.parametrize("d", [2, 3])
def test_spectra_lack_what_the_parity_says(s: Activation, d: int) -> None:
    assert s.parity is not None
    found = kernel_spectrum(d, activation=s, bias=False, max_degree=8).missing_degrees
    assert found == tuple(degree for degree in range(9) if s.parity.lacks(degree))


def test_softplus_has_all_digits_where_torch_switches_to_the_identity() -> None:
    for z in (19.0, 20.5, 30.0, 39.9, 40.1, 700.0):
        exact = z + math.log1p(math.exp(-z))
        value = float(ACTIVATIONS["softplus"].function(torch.tensor(z, dtype=F64)))
        assert value == pytest.approx(exact, rel=2e-16)


def test_modules_of_torch_are_known_by_what_they_compute() -> None:
    z = torch.linspace(-5, 5, 101, dtype=F64)
    for module in (nn.ReLU(), nn.Tanh(), nn.SiLU(), nn.GELU()):
        s = read_module(module)
        assert s is not None
        torch.testing.assert_close(s.function(z), module(z), rtol=0, atol=0)
    for module in (nn.GELU("tanh"), nn.Softplus(), nn.LeakyReLU(), nn.Identity()):
        assert read_module(module) is None


# --- facts that are wrong, or missing ----------------------------------------------------------

GELU, RELU, SINE = ACTIVATIONS["gelu"], ACTIVATIONS["relu"], OWN["sine"]
ERF = ACTIVATIONS["erf"]
BARE = Activation("wave", torch.sin, torch.cos)


@pytest.mark.parametrize(
    ("s", "message"),
    [
        (replace(GELU, slope=1.1), "slope=1.1 is not true"),
        (replace(GELU, curvature=0.7), "curvature=0.7 is not true"),
        (replace(GELU, third=0.6), "third=0.6 is not true"),
        (replace(GELU, sharpest=1.0), "sharpest=1 is not true"),
        (replace(GELU, monotone=True), "monotone=True is not true"),
        (replace(GELU, degree=1), "degree=1 is not true"),
        (replace(RELU, degree=2), "degree=2 is not true"),
        (replace(GELU, parity=Parity("odd")), "is not true"),
        (replace(GELU, parity=Parity("even")), "is not true"),
        (replace(SINE, range=lambda low, high: (torch.sin(low), torch.sin(high))), "range"),
        (replace(GELU, dual=ERF.dual), "dual is not true"),
        (replace(GELU, derivative=torch.sigmoid), "derivative is not true"),
        (replace(GELU, function=lambda z: z.sum()), "entry by entry"),
        (replace(GELU, function=lambda z: z.float()), "own dtype"),
        (replace(GELU, derivative=lambda z: z / 0), "finite derivative"),
        # by a little more than the tolerance, which is relative to 1 and to the largest slope
        (replace(BARE, derivative=lambda z: torch.cos(z) + 0.0025), "derivative is not true"),
        (replace(SINE, jet=lambda z: (torch.sin(z) + 2.5e-9, torch.cos(z))), "jet, with the func"),
        (replace(SINE, jet=lambda z: (torch.sin(z), torch.cos(z) + 1e-3)), "jet, with the deriv"),
        (replace(SINE, jet=torch.sin), "jet that maps z to a pair"),
        (Activation("nil", torch.zeros_like, torch.zeros_like, degree=1), "not be 0 everywhere"),
    ],
)
def test_facts_that_the_function_contradicts_are_refused(s: Activation, message: str) -> None:
    with pytest.raises(ValueError, match=rf"activation '{s.name}' must .*{message}"):
        TwoLayerNet(2, 4, activation=s)


@each
def test_true_facts_are_not_refused(s: Activation) -> None:
    check_facts(s)
    assert activation_of(s) is s


def test_true_facts_are_not_refused_whatever_the_size() -> None:
    def dual(q: Tensor, p: Tensor, c: Tensor, slope: bool) -> Tensor:
        return 1e16 * torch.exp(-(q + p) / 2) * (torch.cosh(c) if slope else torch.sinh(c))

    check_facts(
        Activation(
            "steep",
            lambda z: 1e8 * torch.sin(z),
            lambda z: 1e8 * torch.cos(z),
            slope=1e8,
            curvature=1e8,
            third=1e8,
            parity=Parity("odd"),
            dual=dual,
            jet=lambda z: (1e8 * torch.sin(z), 1e8 * torch.cos(z)),
        )
    )
    check_facts(Activation("sign", torch.sign, torch.zeros_like, degree=0, monotone=True))


def test_facts_of_the_wrong_kind_are_refused_at_once() -> None:
    for fact in ("slope", "curvature", "third"):
        with pytest.raises(TypeError, match=f"{fact} must be a real number, got None"):
            replace(BARE, **{fact: None})
        with pytest.raises(ValueError, match=f"{fact} must be at least 0, got -1"):
            replace(BARE, **{fact: -1.0})
    with pytest.raises(ValueError, match="strip must be at least 0"):
        replace(BARE, strip=-1.0)
    with pytest.raises(ValueError, match="degree must be at least 0"):
        replace(BARE, degree=-1)
    with pytest.raises(FrozenInstanceError):
        BARE.slope = 2.0  # type: ignore[misc]


def test_a_parity_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="kind must be one of 'even', 'odd', got 'neither'"):
        Parity("neither")


MISSING = [
    (BARE, "no finite curvature, no degree 1 and no range"),
    (replace(BARE, slope=1.0), "no finite curvature, no degree 1 and no range"),
    (replace(BARE, range=SINE.range), "no finite curvature, no degree 1 and no finite slope"),
]


@pytest.mark.parametrize(("s", "missing"), MISSING)
def test_bounds_without_facts_are_refused_by_name(s: Activation, missing: str) -> None:
    net = TwoLayerNet(2, 8, activation=s, symmetric=False).to(F64)
    sample, sets = sphere(3, 2, seed=0), LinfBall(0.1)
    with pytest.raises(ValueError, match=f"no bounds for the activation 'wave'.*{missing}"):
        output_bounds(net, sample.x, perturbation=sets)
    with pytest.raises(ValueError, match="no bounds for the activation 'wave'"):
        BranchAndBound()(net, sample.x, sample.y, perturbation=sets, loss=Logistic())
    found = robust_loss(net, sample, perturbation=sets, loss=Logistic(), effort="low")
    assert math.isinf(found.upper)
    assert "nothing proved from above" in repr(found)
    assert missing in found.how[0]
    assert "'wave'" in found.how[0]


def test_kernels_without_facts_are_refused_by_name() -> None:
    x = sphere(3, 2, seed=0).x
    for call in (ntk, nngp):
        with pytest.raises(ValueError, match=r"'wave', which gives no dual, no strip.*no degree"):
            call(x, activation=BARE)
    with pytest.raises(ValueError, match="'wave'"):
        kernel_spectrum(3, activation=BARE)


# --- bounds of users' own ----------------------------------------------------------------------


@each
def test_lines_and_ranges_hold_at_every_point(s: Activation) -> None:
    """On intervals of all lengths, round the kinks, and far out."""
    draw = torch.Generator().manual_seed(0)
    size = 10 ** (-6 + 7.5 * torch.rand(4000, 1, dtype=F64, generator=draw))
    low = 4 * torch.randn(4000, 1, dtype=F64, generator=draw) * size.clamp(max=1) - size / 2
    high = low + size
    inside = low + (high - low) * torch.linspace(0, 1, 301, dtype=F64)
    inside = torch.minimum(inside, high)
    found = lines(s, low, high)
    value = s.function(inside)
    assert bool((found.below[0] * inside + found.below[1] <= value).all())
    assert bool((found.above[0] * inside + found.above[1] >= value).all())
    # at kinks s' is one of both
    assert bool((found.slope >= s.derivative(inside[:, 1:-1]).abs()).all())
    assert bool((found.height >= value.abs() + inside.abs() - 1e-12).all())
    least, most = activation_range(s, low, high, found)
    assert bool((least <= value).all() and (most >= value).all())
    # and they are no excuse
    apart = found.above[1] - found.below[1]
    assert bool((apart <= 2 * (value.amax(1) - value.amin(1))[:, None] + 0.2).all())


SMALL = [SphereCap(0.3), L2Ball(0.3), LinfBall(0.1)]


@pytest.mark.parametrize("sets", SMALL, ids=repr)
@pytest.mark.parametrize("s", OWN.values(), ids=lambda s: s.name)
def test_bounds_hold_at_random_points(s: Activation, sets: Perturbation) -> None:
    x = sphere(20, 5, seed=1).x
    for net in (
        TwoLayerNet(5, 12, activation=s, symmetric=False),
        DeepNet(5, 8, 2, activation=s),
        DeepNet(5, 8, 3, activation=s, bias=False, seed=4),
    ):
        net = net.to(F64)
        for method in ("interval", "linear"):
            found = output_bounds(net, x, perturbation=sets, method=method)
            draw = torch.Generator().manual_seed(0)
            for _ in range(200):
                f = net(sets.random(x, draw)).detach()
                assert bool((found.lower <= f).all() and (f <= found.upper).all())
        assert float((found.upper - found.lower).max()) < 40


@pytest.mark.parametrize("s", OWN.values(), ids=lambda s: s.name)
def test_search_closes_the_gap_in_the_plane(s: Activation) -> None:
    net = TwoLayerNet(2, 10, activation=s, symmetric=False, seed=1).to(F64)
    sample, sets = sphere(4, 2, seed=0), LinfBall(0.2)
    found = robust_loss(net, sample, perturbation=sets, loss=Logistic())
    side = torch.linspace(-0.2, 0.2, 201, dtype=F64)
    shifts = torch.cartesian_prod(side, side)
    grid = torch.stack(
        [
            Logistic()(net(p + shifts), y.expand(len(shifts))).max()
            for p, y in zip(sample.x, sample.y, strict=True)
        ]
    ).detach()
    assert bool((found.per_example[:, 1] >= grid - 1e-12).all())
    assert bool((found.per_example[:, 1] <= grid + 2e-3).all())
    if s.smooth:
        assert found.exact


def test_the_name_of_an_activation_decides_nothing() -> None:
    """A sine by the name of relu, and a ReLU by another."""
    x, sets = sphere(10, 5, seed=1).x, L2Ball(0.4)
    nets = [
        TwoLayerNet(5, 12, activation=a, symmetric=False).to(F64)
        for a in (replace(SINE, name="relu"), SINE, replace(RELU, name="ramp"), RELU)
    ]
    wave, sine, ramp, relu = (output_bounds(net, x, perturbation=sets) for net in nets)
    assert torch.equal(wave.lower, sine.lower)
    assert torch.equal(ramp.lower, relu.lower)
    y, loss = torch.ones(10, dtype=F64), Logistic()
    BranchAndBound()(nets[2], x, y, perturbation=sets, loss=loss)
    for net in (nets[0], TwoLayerNet(5, 12, activation=OWN["leaky"]).to(F64)):
        with pytest.raises(TypeError, match="needs a ReLU net"):
            BranchAndBound()(net, x, y, perturbation=sets, loss=loss)


# --- kernels of users' own ---------------------------------------------------------------------

X = sphere(9, 3, seed=2).x
POINTS = torch.cat([X, -X[:3], 2 * X[3:5], X[:1]])


def two_sided(left: float, right: float, degree: int = 1) -> Activation:
    """-left z for z < 0 and right z for z > 0, or the like of degree 2."""

    def function(z: Tensor) -> Tensor:
        return left * torch.relu(-z) ** degree + right * torch.relu(z) ** degree

    def derivative(z: Tensor) -> Tensor:
        down, up = torch.relu(-z), torch.relu(z)
        if degree == 1:
            return right * up.detach().sign() - left * down.detach().sign()
        return 2 * (right * up - left * down)

    return Activation(f"({left}, {right})^{degree}", function, derivative, degree=degree)


SIDES = [(-0.1, 1.0), (-0.01, 1.0), (-0.9, 1.0), (1.0, 1.0), (0.5, 2.0), (-1.0, 1.0)]


@pytest.mark.parametrize(("left", "right"), SIDES)
def test_kernels_of_degree_one_are_sums_of_the_relu_kernel_and_the_linear_one(
    left: float, right: float
) -> None:
    """s(z) = -left z + (right + left) relu(z), in any depth, by its moments."""
    s, gram = two_sided(left, right), POINTS @ POINTS.T
    slope, jump = -left, right + left
    square = gram.diagonal()
    scale = (square[:, None] * square).sqrt()

    def moments(q: float, c: Tensor) -> tuple[Tensor, Tensor]:
        """At variances q and correlations c, both moments."""
        angle = torch.acos(c.clamp(-1, 1))
        step = (math.pi - angle) / (2 * math.pi)
        relu = q * (torch.sin(angle) + (math.pi - angle) * torch.cos(angle)) / (2 * math.pi)
        first = slope**2 + slope * jump + jump**2 * step
        return slope**2 * q * c + slope * jump * q * c + jump**2 * relu, first

    c = gram / scale
    second, first = moments(1.0, c)
    close = {"rtol": 1e-9, "atol": 2e-8}  # acos loses half of the digits at the ends
    torch.testing.assert_close(ntk(POINTS, activation=s, bias=False), gram * first, **close)
    torch.testing.assert_close(nngp(POINTS, activation=s, bias=False), scale * second, **close)
    q, total, gain = s.gain, torch.zeros_like(c), s.gain
    assert gain == pytest.approx(2 / (left**2 + right**2))
    for depth in (1, 2, 3):
        second, first = moments(gain * q, c)
        total = first * (q * c + gain * total)
        q = float(second[0, 0])
        c = second / q
        found = ntk(POINTS, activation=s, trained="hidden", depth=depth, bias=False)
        torch.testing.assert_close(found, scale * total, rtol=1e-7, atol=2e-7)


@pytest.mark.parametrize("depth", [1, 4])
def test_the_kernel_of_the_identity_is_linear(depth: int) -> None:
    s = Activation("identity", lambda z: z, torch.ones_like, degree=1)
    found = ntk(POINTS, activation=s, trained="hidden", depth=depth, bias=False)
    torch.testing.assert_close(found, depth * POINTS @ POINTS.T, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize(("left", "right"), SIDES)
@pytest.mark.parametrize("degree", [1, 2])
def test_kernels_of_both_degrees_by_quadrature(left: float, right: float, degree: int) -> None:
    """E[s(u)s(v)] and E[s'(u)s'(v)] in the plane's polar coordinates."""
    s = two_sided(left, right, degree)
    turn = torch.linspace(0, 2 * math.pi, 200_001, dtype=F64)[:-1]
    units = torch.stack([turn.cos(), turn.sin()], 1)
    angles = torch.tensor([0, 0.4, 2, 3, math.pi], dtype=F64)
    points = torch.stack([angles.cos(), angles.sin()], 1)
    z = units @ points.T
    # r^2 has mean 2, r^4 mean 8
    radial = {0: 1.0, 1: 2.0, 2: 8.0}
    value = s.function(z).T @ s.function(z) / len(z) * radial[degree]
    slope = s.derivative(z).T @ s.derivative(z) / len(z) * radial[degree - 1]
    found = nngp(points, activation=s, bias=False), ntk(points, activation=s, bias=False)
    torch.testing.assert_close(found[0], value, rtol=1e-6, atol=3e-5)
    torch.testing.assert_close(found[1], slope * (points @ points.T), rtol=1e-6, atol=3e-5)


def test_the_gradient_of_a_leaky_kernel() -> None:
    x, z = sphere(4, 3, seed=1).x.requires_grad_(), sphere(3, 3, seed=2).x.requires_grad_()
    for options in ({}, {"trained": "hidden", "depth": 2}):
        assert torch.autograd.gradcheck(
            lambda a, b, options=options: ntk(a, b, activation=OWN["leaky"], **options), (x, z)
        )


def test_the_kernels_of_the_sine_in_closed_form() -> None:
    gram, square = POINTS @ POINTS.T, (POINTS**2).sum(1)
    damp = torch.exp(-(square[:, None] + square) / 2)
    found = ntk(POINTS, activation=SINE, bias=False), nngp(POINTS, activation=SINE, bias=False)
    torch.testing.assert_close(found[0], gram * damp * torch.cosh(gram), rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(found[1], damp * torch.sinh(gram), rtol=1e-12, atol=1e-13)


def test_the_kernel_of_mish_by_quadrature() -> None:
    s, (nodes, weights) = OWN["mish"], np.polynomial.hermite_e.hermegauss(150)
    z, w = torch.from_numpy(nodes), torch.from_numpy(weights / math.sqrt(2 * math.pi))
    for c in (-0.9, 0.0, 0.4, 1.0):
        other = c * z[:, None] + math.sqrt(1 - c * c) * z
        expected = c * float(w @ (s.derivative(z)[:, None] * s.derivative(other)) @ w)
        pair = torch.tensor([[1.0, 0.0], [c, math.sqrt(1 - c * c)]], dtype=F64)
        found = float(ntk(pair, activation=s, bias=False)[0, 1])
        assert found == pytest.approx(expected, abs=1e-8)


def test_a_dual_of_ones_own_is_used() -> None:
    def dual(q: Tensor, p: Tensor, c: Tensor, slope: bool) -> Tensor:
        return torch.exp(-(q + p) / 2) * (torch.cosh(c) if slope else torch.sinh(c))

    closed = replace(SINE, dual=dual, strip=None)
    for options in ({}, {"trained": "hidden", "depth": 3}, {"trained": "all", "depth": 2}):
        found = ntk(POINTS, activation=closed, **options)
        series = ntk(POINTS, activation=SINE, **options)
        torch.testing.assert_close(found, series, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("s", [OWN["leaky"], OWN["sine"], OWN["mish"]], ids=lambda s: s.name)
def test_wide_nets_have_these_kernels(s: Activation) -> None:
    net = TwoLayerNet(3, 60_000, activation=s, bias=False, seed=3).to(F64)
    gap = empirical_ntk(net, POINTS) - ntk(POINTS, activation=s, bias=False)
    assert float(gap.abs().max()) < 0.05
    deep = [DeepNet(3, 400, 2, activation=s, bias=False, seed=k).to(F64) for k in range(12)]
    mean = torch.stack([empirical_ntk(net, X) for net in deep]).mean(0)
    limit = ntk(X, activation=s, bias=False, trained="hidden", depth=2)
    assert float((mean - limit).abs().max()) < 0.12 * float(limit.max())


# --- nets of users' own ------------------------------------------------------------------------


def test_nets_keep_the_activation_they_were_given() -> None:
    net = TwoLayerNet(2, 4, activation=OWN["mish"])
    assert net.activation is OWN["mish"]
    assert copy.deepcopy(net).activation is OWN["mish"]
    assert linearize(net).base_net.activation is OWN["mish"]
    assert "activation='mish'" in repr(net)


def test_an_activation_says_what_it_is() -> None:
    assert repr(OWN["leaky"]) == (
        "The activation 'leaky': slope at most 1, monotone, homogeneous of degree 1."
    )
    assert repr(BARE) == "The activation 'wave': no facts given."


def test_deep_nets_keep_their_second_moment_with_any_activation_of_degree_one() -> None:
    s, x = OWN["leaky"], sphere(1, 3, seed=0).x
    sizes = []
    for seed in range(20):
        net = DeepNet(3, 300, 6, activation=s, bias=False, seed=seed).to(F64)
        hidden = x @ net.first.T
        for weight in net.start():
            hidden = s.function(hidden @ weight.T / math.sqrt(300))
        sizes.append(float((hidden**2).mean()) / s.gain)
    assert np.mean(sizes) == pytest.approx(1, abs=5 * np.std(sizes) / math.sqrt(20))


def test_training_samples_and_robust_loss_take_users_own() -> None:
    sample = sphere(4, 2, seed=0)
    same = SimpleNamespace(x=sample.x, y=sample.y)
    net = TwoLayerNet(2, 64, activation=OWN["sine"]).to(F64)
    found = robust_loss(net, same, perturbation=SphereCap(0.1), loss=Logistic())
    assert found.exact
    assert found.upper == pytest.approx(math.log(2), abs=1e-9)  # f = 0 at the start
