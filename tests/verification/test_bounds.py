"""Certified bounds: against closed forms, against points, and against rounding."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from tables import NETS as BY_ACTIVATION
from tables import OWN, boxed
from tables import SETS as KINDS
from torch import Tensor, nn

from robustlib.activations import ACTIVATIONS, Activation
from robustlib.attacks import PGD, LinearMax
from robustlib.losses import Logistic
from robustlib.networks import DeepNet, TwoLayerNet, linearize
from robustlib.numerics import budget, down, generator, up
from robustlib.samples import Sample, sphere
from robustlib.sets import Finite, L1Ball, L2Ball, LinfBall, Perturbation, SphereCap
from robustlib.sets.hull import UNIT
from robustlib.sets.l1 import L1Hull
from robustlib.sets.l2 import L2Hull
from robustlib.verification import output_bounds
from robustlib.verification.affine import Layers, simplified
from robustlib.verification.layers import read_layers
from robustlib.verification.margin import MarginBound, tangents
from robustlib.verification.relaxation import LinearRelaxation, lines, rounding_error

OPEN = [SphereCap(0.0), SphereCap(1.9), SphereCap(2.5), L2Ball(0.0), *KINDS]
BOXED = boxed(-1.1, 1.0)
SETS = OPEN + BOXED


def sequential(
    d: int, *widths: int, seed: int = 0, activation: type[nn.Module] = nn.ReLU
) -> nn.Module:
    """Flatten, then Linear and activation in turn, one output."""
    modules: list[nn.Module] = [nn.Flatten()]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for width in widths:
            modules += [nn.Linear(d, width), activation()]
            d = width
        modules += [nn.Linear(d, 1), nn.Flatten(0)]
    return nn.Sequential(*modules)


NETS: dict[str, Callable[[int], nn.Module]] = {
    "affine": lambda seed: sequential(5, seed=seed),
    **BY_ACTIVATION,
    "sequential": lambda seed: sequential(5, 9, 7, seed=seed),
    "sequential gelu": lambda seed: sequential(5, 9, seed=seed, activation=nn.GELU),
}


def moved(net: nn.Module, seed: int) -> nn.Module:
    """The net with weights that training might have given it."""
    with torch.no_grad():
        for k, p in enumerate(net.parameters()):
            p.add_(0.3 * torch.randn(p.shape, generator=generator(seed, k)).to(p))
    return net


def points(sets: Perturbation, x: Tensor, count: int) -> Tensor:
    """Points (count, n, ...) of the sets: some of them random, some at the ends of directions."""
    g = generator(count)
    found = [sets.random(x, g) for _ in range(count // 2)]
    for _ in range(count - len(found)):
        found.append(sets.argmax_linear(torch.randn(x.shape, generator=g).to(x), x))
    return torch.stack(found)


@functools.cache
def five(sets: Perturbation, seed: int, dtype: torch.dtype) -> tuple[Sample, Tensor]:
    """Four examples of five coordinates and 40 points of their sets: the same for all nets."""
    sample = sphere(4, 5, seed=seed).to(dtype=dtype)
    return sample, points(sets, sample.x, 40)


# --- what bounds are made of -------------------------------------------------------------------


@pytest.mark.parametrize("name", NETS)
def test_layers_are_the_function_of_the_model(name: str, device: torch.device) -> None:
    for seed in range(4):
        net = moved(NETS[name](seed), seed).double().to(device)
        x = sphere(20, 5, seed=seed).x.to(device)
        layers = read_layers(net)
        assert layers is not None
        for version in (layers, simplified(layers)):
            torch.testing.assert_close(value(version, x), net(x).detach(), rtol=1e-12, atol=1e-12)


def value(layers: Layers, x: Tensor) -> Tensor:
    for layer in layers.layers:
        x = x @ layer.weight.T + layer.bias
        x = x if layer.activation is None else layer.activation.function(x)
    return x[:, 0]


@pytest.mark.parametrize("d", [1, 2, 3, 30])
@pytest.mark.parametrize("sets", SETS, ids=repr)
def test_the_largest_value_of_a_linear_function(
    sets: Perturbation, d: int, dtype: torch.dtype
) -> None:
    x = sphere(40, d, seed=d).x.to(dtype)
    support = sets.hull(x)
    g = torch.randn(40, d, dtype=torch.float64, generator=generator(d))
    g[:3] = 0
    g[3:6] = -x[3:6].double()
    g[6:9] = x[6:9].double()
    top, v = support.support_function(g)
    best = sets.argmax_linear(g.to(dtype), x).double() - support.centre
    # the two differ by what the point is rounded to
    tolerance = 100 * torch.finfo(dtype).eps * g.abs().sum(1)
    gap = top - (g * best).sum(1)
    assert bool((gap.abs() <= tolerance).all())
    torch.testing.assert_close((g * v).sum(1), top, rtol=1e-7, atol=1e-9)
    # and with several directions at once
    wide, _ = support.support_function(torch.stack([g, -g], 1))
    torch.testing.assert_close(wide[:, 0], top, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("p", [1.0, 2.0])
def test_a_piece_of_a_ball_that_misses_the_centre(p: float) -> None:
    """Against all points of a fine grid, in the plane."""
    n, g = 30, generator(int(p))
    low = torch.rand(n, 2, dtype=torch.float64, generator=g) - 0.8
    high = low + 0.1 + torch.rand(n, 2, dtype=torch.float64, generator=g)
    centre, one = torch.zeros(n, 2, dtype=torch.float64), torch.ones(n, dtype=torch.float64)
    support = {1.0: L1Hull, 2.0: L2Hull}[p](centre, 0.7 * one, 0 * one, low, high)
    direction = torch.randn(n, 2, dtype=torch.float64, generator=g)
    top, _ = support.support_function(direction)
    line = torch.linspace(0, 1, 400, dtype=torch.float64)
    share = torch.cartesian_prod(line, line)
    grid = low[:, None] + (high - low)[:, None] * share
    inside = grid.norm(p=p, dim=2) <= 0.7
    values = (grid @ direction[..., None])[..., 0].masked_fill(~inside, -math.inf).amax(1)
    some = values.isfinite()
    assert int(some.sum()) > 20
    assert bool((values <= top)[some].all())
    step = direction.abs().sum(1) * (high - low).amax(1) / 200
    assert bool((top - values <= 2 * step)[some].all())


@pytest.mark.parametrize("p", [1.0, 2.0, math.inf, None])
def test_the_nearest_point_of_the_hull(p: float | None) -> None:
    """<z - nearest, v - nearest> <= 0 for all v of the set: that is what nearest means."""
    sets: Perturbation = {
        1.0: L1Ball(0.5), 2.0: L2Ball(0.5), math.inf: LinfBall(0.5), None: SphereCap(1.6)
    }[p]  # fmt: skip
    x = sphere(50, 4).x
    support = sets.hull(x)
    for scale in (0.1, 1.0, 10.0):
        z = scale * torch.randn(50, 4, dtype=torch.float64, generator=generator(5))
        near = support.project(z)
        largest, _ = support.support_function(z - near)
        assert float((largest - ((z - near) * near).sum(1)).max()) <= 1e-12 * scale
        torch.testing.assert_close(support.project(near), near, rtol=0, atol=1e-14)


def round_the_middle(s: Activation | None, low: Tensor, high: Tensor) -> LinearRelaxation:
    return tangents(s, (low + high) / 2, (high - low) / 2)


@pytest.mark.parametrize("rule", [lines, round_the_middle])
@pytest.mark.parametrize("name", [*ACTIVATIONS, "leaky", "hard tanh"])
def test_lines_stay_on_their_side_of_the_activation(
    name: str, rule: Callable[[Activation | None, Tensor, Tensor], LinearRelaxation]
) -> None:
    g = generator(7)
    size = 10 ** (6 * torch.rand(4000, generator=g, dtype=torch.float64) - 4)
    low = size * torch.randn(4000, generator=g, dtype=torch.float64)
    width = 10 ** (8 * torch.rand(4000, generator=g, dtype=torch.float64) - 6)
    width[:50] = 0
    low[50:60], width[50:60] = 0.0, 1.0
    high = low + width
    high[60:70] = 0.0
    low = torch.minimum(low, high)
    s = (ACTIVATIONS | OWN)[name]
    found = rule(s, low, high)
    share = torch.linspace(0, 1, 501, dtype=torch.float64)[:, None]
    z = torch.cat([low + share * (high - low), high[None]]).clamp(min=low, max=high)
    f = s.function(z)
    # tangents leave rounding to whoever uses them
    free = 32 * UNIT * found.height * (rule is round_the_middle)
    assert bool((found.below[0] * z + found.below[1] <= f + free).all())
    assert bool((found.above[0] * z + found.above[1] >= f - free).all())
    assert bool((f.abs() + z.abs() <= found.height + free).all())
    steep = s.derivative(z).abs() <= found.slope * (1 + 32 * UNIT)
    assert bool((steep | (low == high)).all())  # a single point may be a kink
    if s.degree == 1:  # convex: the line above is the chord, through both ends
        for end in (low, high):
            over = found.above[0] * end + found.above[1] - s.function(end)
            assert bool((over <= 1e-13 * found.height).all())
    if s.smooth:  # at most what the curvature bends s off a line, to either side
        room, width = found.above[1] - found.below[1], high - low
        most = s.curvature * width * width / 4 * 1.01 + 1e-13 * found.height
        assert bool((room <= most).all())
    narrow = (high - low < 1e-2) & (size < 1)
    room = (found.above[0] * low + found.above[1]) - (found.below[0] * low + found.below[1])
    assert float(room[narrow].max()) <= 2e-2  # not sound for being huge


# --- bounds ------------------------------------------------------------------------------------


@pytest.mark.parametrize("sets", SETS, ids=repr)
def test_bounds_of_affine_models_are_their_range(sets: Perturbation, device: torch.device) -> None:
    net = sequential(6, seed=3).double().to(device)
    x = sphere(10, 6).x.to(device)
    w = net[1].weight.detach().expand(10, -1)  # type: ignore[index]
    for method in ("interval", "linear"):
        bounds = output_bounds(net, x, perturbation=sets, method=method)
        top, bottom = (net(sets.argmax_linear(g, x)).detach() for g in (w, -w))
        torch.testing.assert_close(bounds.upper, top, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(bounds.lower, bottom, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", NETS)
def test_no_point_is_outside_and_linear_bounds_are_inside_intervals(
    name: str, dtype: torch.dtype
) -> None:
    for seed, sets in enumerate(SETS):
        net = moved(NETS[name](seed), seed).to(dtype)
        sample, tried = five(sets, seed, dtype)
        x, f = sample.x, net(tried.flatten(0, 1)).detach().reshape(40, 4).double()
        wide = output_bounds(net, x, perturbation=sets, method="interval")
        tight = output_bounds(net, x, perturbation=sets)
        assert bool((wide.lower <= tight.lower).all())
        assert bool((tight.upper <= wide.upper).all())
        assert bool((tight.lower <= f.amin(0)).all())
        assert bool((f.amax(0) <= tight.upper).all())
        assert not tight.lower.requires_grad


@pytest.mark.parametrize("name", ["two-layer relu", "two-layer tanh", "deep gelu", "sequential"])
def test_bounds_of_small_sets_are_nearly_the_range(name: str) -> None:
    """With radius r the linear bounds are off by a multiple of r^2 (at kinks of r), not more."""
    net = moved(NETS[name](1), 1).double()
    x = sphere(20, 5).x
    for radius in (1e-2, 1e-4, 1e-6):
        bounds = output_bounds(net, x, perturbation=L2Ball(radius))
        z = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(net(z).sum(), z)
        true = 2 * radius * slope.norm(dim=1)
        excess = (bounds.upper - bounds.lower - true) / radius
        assert float(excess.median()) <= 20 * radius + 1e-6


def test_images_are_bounded_as_they_are_flattened() -> None:
    net = sequential(12, 8, seed=2).double()
    x = sphere(5, 12).x
    flat = output_bounds(net, x, perturbation=LinfBall(0.1))
    image = output_bounds(net, x.reshape(5, 3, 2, 2), perturbation=LinfBall(0.1))
    assert torch.equal(flat.upper, image.upper)


def test_blocks_of_examples_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = DeepNet(4, 8, 2).double(), sphere(11, 4).x
    whole = output_bounds(net, x, perturbation=SphereCap(0.4))
    monkeypatch.setattr("robustlib.verification.output._NUMBERS", 200)
    parts = output_bounds(net, x, perturbation=SphereCap(0.4))
    torch.testing.assert_close(parts.upper, whole.upper, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_a_symmetric_net_at_its_start_is_known_to_be_zero(activation: str) -> None:
    net = TwoLayerNet(6, 32, activation=activation).double()
    bounds = output_bounds(net, sphere(7, 6).x, perturbation=SphereCap(2.0))
    assert 0 < float(bounds.upper.max()) < 1e-12
    assert -1e-12 < float(bounds.lower.min()) < 0


# --- margins -----------------------------------------------------------------------------------


def least_margin(net: nn.Module, x: Tensor, y: Tensor, sets: Perturbation) -> Tensor:
    layers, support = read_layers(net), sets.hull(x)
    assert layers is not None
    return MarginBound(layers, support).least(torch.arange(len(x), device=x.device), y)


@pytest.mark.parametrize("name", NETS)
def test_no_point_has_less_than_the_least_margin(
    name: str, dtype: torch.dtype, device: torch.device
) -> None:
    for seed, sets in enumerate(SETS):
        for shrink in (1.0, 0.01):
            net = moved(NETS[name](seed), seed).to(device, dtype)
            smaller = sets.with_radius(shrink * sets.radius)
            sample, tried = five(smaller, seed, dtype)
            sample, tried = sample.to(device=device), tried.to(device)
            margins = net(tried.flatten(0, 1)).detach().reshape(40, 4) * sample.y
            found = least_margin(net, sample.x, sample.y, smaller)
            assert bool((found <= margins.double().amin(0)).all())


@pytest.mark.parametrize("sets", [L1Ball(0.2), L2Ball(0.2), LinfBall(0.2), L2Ball(0.0)], ids=repr)
def test_the_least_margin_of_an_affine_model_is_its_minimum(sets: Perturbation) -> None:
    net, sample = sequential(6, seed=3).double(), sphere(10, 6)
    w = net[1].weight.detach().expand(10, -1)  # type: ignore[index]
    worst = sets.argmax_linear(-sample.y[:, None] * w, sample.x)
    true = sample.y * net(worst).detach()
    found = least_margin(net, sample.x, sample.y, sets)
    torch.testing.assert_close(found, true, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", ["two-layer relu", "two-layer tanh", "deep gelu", "sequential"])
def test_the_least_margin_on_small_sets_is_nearly_the_minimum(name: str) -> None:
    """With radius r it is off by a multiple of r^2 (at kinks of r), as linear bounds are."""
    net, sample = moved(NETS[name](1), 1).double(), sphere(20, 5)
    for radius in (1e-2, 1e-4, 1e-6):
        found = least_margin(net, sample.x, sample.y, L2Ball(radius))
        z = sample.x.clone().requires_grad_()
        f = net(z)
        (slope,) = torch.autograd.grad(f.sum(), z)
        lost = (sample.y * f.detach() - radius * slope.norm(dim=1) - found) / radius
        assert float(lost.median()) <= 60 * radius + 1e-6


@pytest.mark.parametrize(("sets", "reach"), [(L2Ball(0.4), 0.4), (LinfBall(0.4), 0.8)], ids=repr)
def test_the_least_margin_where_one_unit_switches(sets: Perturbation, reach: float) -> None:
    """The identity, then a unit along u: balls, rows and lines are exact, and so is the bound.

    The unit's input is <u, x'>, within ``reach`` of <u, x>, and y f is 1 - 3 relu of it.
    """
    u = torch.full((1, 4), 0.5, dtype=torch.float64)
    net = nn.Sequential(
        nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1), nn.ReLU(), nn.Linear(1, 1), nn.Flatten(0)
    ).double()
    weights = [torch.eye(4).double(), 10.0, u, -10 * u.sum(), -3.0, 1.0]
    with torch.no_grad():
        for parameter, weight in zip(net.parameters(), weights, strict=True):
            parameter.copy_(torch.as_tensor(weight))
    start = reach * torch.tensor([-1.1, -0.75, 0.0, 0.5, 2.0], dtype=torch.float64)
    true = 1 - 3 * torch.relu(start + reach)
    y = torch.ones_like(start)
    found = least_margin(net, start[:, None] * u, y, sets)
    assert bool((found <= true).all())
    torch.testing.assert_close(found, true, rtol=0, atol=1e-9)


@pytest.mark.parametrize("sets", [L1Ball(0.1), L2Ball(0.1), LinfBall(0.1)], ids=repr)
def test_least_margins_allow_for_rounding_in_float32(
    sets: Perturbation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attack is the exact optimum; what the model's sums make of it may be less."""
    violations = {True: 0, False: 0}
    for allowed in (True, False):
        if not allowed:
            monkeypatch.setattr("robustlib.verification.margin.gamma", lambda *operations: 0.0)
            monkeypatch.setattr("robustlib.sets.base._FORGIVEN", 0)
        for seed in range(20):
            net = sequential(784, seed=seed).float()
            sample = sphere(20, 784, seed=seed).to(dtype=torch.float32)
            found = LinearMax()(net, sample.x, sample.y, perturbation=sets, loss=Logistic())
            margin = (net(found).detach() * sample.y).double()
            violations[allowed] += int((margin < least_margin(net, sample.x, sample.y, sets)).sum())
    assert violations[True] == 0
    assert violations[False] > 0


# --- soundness on many nets --------------------------------------------------------------------


class Bank(nn.Module):
    """Example i goes through net i: many small nets are then attacked as one."""

    def __init__(self, nets: list[TwoLayerNet]) -> None:
        super().__init__()
        self.s = nets[0].activation.function
        self.weight = torch.stack([net.weight.detach() for net in nets])
        self.readout = torch.stack([net.readout for net in nets])

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.pad(x, (0, 1), value=1.0) * math.sqrt(0.5)
        z = (self.weight @ x[..., None])[..., 0]
        return (self.s(z) * self.readout).sum(1) / math.sqrt(self.readout.shape[1])


def test_no_attack_exceeds_a_bound_on_a_thousand_nets() -> None:
    """One set for each 40 nets, of 1 to 4 coordinates and 2 to 12 units, both dtypes.

    Ten times as many with the budget "gpu".
    """
    many = 400 if budget() == "gpu" else 40
    cases = itertools.cycle(
        itertools.product([s for s in SETS if s.radius > 0], (torch.float64, torch.float32))
    )
    seeds, nets_seen, tightest = itertools.count(), 0, math.inf
    for k in range(25):
        sets, dtype = next(cases)
        sets = sets if k % 2 else sets.with_radius(sets.radius * 0.03)
        d, width = 1 + k % 4, 2 * (1 + k % 6)
        activation = "relu" if k % 3 else list(ACTIVATIONS)[k % len(ACTIVATIONS)]
        nets = [
            TwoLayerNet(d, width, activation=activation, symmetric=False, seed=next(seeds)).to(
                dtype
            )
            for _ in range(many)
        ]
        sample = sphere(many, d, seed=k)
        x, y = sample.x.to(dtype), sample.y.to(dtype)
        found = PGD(steps=10)(Bank(nets), x, y, perturbation=sets, loss=Logistic())
        for i, net in enumerate(nets):
            row = slice(i, i + 1)
            bounds = output_bounds(net, x[row], perturbation=sets)
            f = torch.cat([net(found[row]), net(x[row])]).detach().double()
            assert float(bounds.lower) <= float(f.min())
            assert float(f.max()) <= float(bounds.upper)
            assert float(least_margin(net, x[row], y[row], sets)) <= float((f * y[i]).min())
            margin = f[0] - bounds.lower[0] if y[i] > 0 else bounds.upper[0] - f[0]
            tightest = min(tightest, float(margin))
            nets_seen += 1
    assert nets_seen == 25 * many
    assert tightest < 1e-4  # some attacks come close: the bounds were put to a test


@pytest.mark.parametrize(
    "sets", [SphereCap(0.1), L2Ball(0.1), LinfBall(0.1), L1Ball(0.1)], ids=repr
)
def test_rounding_in_float32_is_allowed_for(
    sets: Perturbation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The attack is the exact optimum; what the model's sums make of it may exceed that."""
    violations = {True: 0, False: 0}
    for allowed in (True, False):
        if not allowed:
            monkeypatch.setattr(
                "robustlib.verification.output.rounding_error",
                lambda layers, support: torch.zeros(1),
            )
        for seed in range(20):
            net = sequential(784, seed=seed).float()
            sample = sphere(20, 784, seed=seed)
            x, y = sample.x.float(), sample.y.float()
            bounds = output_bounds(net, x, perturbation=sets)
            found = LinearMax()(net, x, y, perturbation=sets, loss=Logistic())
            # a different order of the same sums, in the same dtype
            w, b = net[1].weight.detach(), net[1].bias.detach()  # type: ignore[index]
            for f in (net(found).detach(), (found * w).flip(1).cumsum(1)[:, -1] + b):
                f = f.double()
                violations[allowed] += int(((f < bounds.lower) | (f > bounds.upper)).sum())
    assert violations[True] == 0
    assert violations[False] > 0


@pytest.mark.parametrize("symmetric", [True, False])
def test_rounding_is_allowed_for_where_sums_cancel(symmetric: bool) -> None:
    """z is small and the products that make it up are large: all error is in the first layer."""
    closest = 0.0
    for seed in range(30):
        net = TwoLayerNet(8, 4, symmetric=symmetric, seed=seed).float()
        sample = sphere(50, 8, seed=seed).to(dtype=torch.float32)
        x, g = sample.x, generator(seed)
        with torch.no_grad():
            # weights orthogonal to the first example but for 1e-3 of what they are
            rows = 1e4 * torch.randn(4, 9, generator=g, dtype=torch.float64)
            lifted = torch.cat([x[0].double(), torch.ones(1).double()])
            net.weight.copy_(rows - torch.outer(rows @ lifted, lifted) / lifted.dot(lifted))
        bounds = output_bounds(net, x[:1], perturbation=L2Ball(0.0))
        f = net(x[:1]).detach().double()
        assert float(bounds.lower) <= float(f) <= float(bounds.upper)
        # what rounding alone may do, without the distance that ``contains`` forgives
        layers, support = read_layers(net), L2Ball(0.0).hull(x[:1])
        assert layers is not None
        allowed = float(rounding_error(layers, replace(support, slack=torch.zeros(1).double())))
        error = float((f - net.double()(x[:1].double()).detach()).abs())
        assert error <= allowed
        closest = max(closest, error / allowed)
    assert closest > 0.003


# --- what is refused ---------------------------------------------------------------------------


class Inherited(TwoLayerNet):
    def forward(self, x: Tensor) -> Tensor:
        return 2 * super().forward(x)


def hooked() -> nn.Module:
    net = sequential(3)
    net[1].register_forward_hook(lambda module, args, output: 2 * output)  # type: ignore[index]
    return net


REFUSED: list[tuple[str, Callable[[], object]]] = [
    ("a function", lambda: lambda x: x.sum(1)),
    ("a subclass", lambda: Inherited(3, 4)),
    ("a hook", hooked),
    ("a linearised net", lambda: linearize(TwoLayerNet(3, 4))),
    ("two outputs", lambda: nn.Sequential(nn.Linear(3, 2))),
    ("an approximate gelu", lambda: sequential(3, 4, activation=lambda: nn.GELU("tanh"))),
    ("no linear map", lambda: nn.Sequential(nn.Flatten())),
]


@pytest.mark.parametrize("make", [m for _, m in REFUSED], ids=[n for n, _ in REFUSED])
def test_models_of_unknown_structure_are_refused(make: Callable[[], object]) -> None:
    model = make()
    if isinstance(model, nn.Module):
        model.double()
    with pytest.raises(TypeError, match="model must be a TwoLayerNet"):
        output_bounds(model, sphere(2, 3).x, perturbation=L2Ball(0.1))


def test_other_bad_arguments() -> None:
    net, x = TwoLayerNet(3, 4).double(), sphere(2, 3).x
    with pytest.raises(TypeError, match=r"must not be Finite.*GridMax"):
        output_bounds(net, x, perturbation=Finite(x[:, None]))
    with pytest.raises(ValueError, match="x must have 3 coordinates an example, got 5"):
        output_bounds(net, sphere(2, 5).x, perturbation=L2Ball(0.1))
    with pytest.raises(TypeError, match=r"x is torch.float32 but the model is torch.float64"):
        output_bounds(net, x.float(), perturbation=L2Ball(0.1))
    with pytest.raises(ValueError, match="did you mean 'linear'"):
        output_bounds(net, x, perturbation=L2Ball(0.1), method="linaer")
    with pytest.raises(ValueError, match="norm 1"):
        output_bounds(net, 2 * x, perturbation=SphereCap(0.1))
    with pytest.raises(ValueError, match="finite"):
        output_bounds(net, x * math.nan, perturbation=L2Ball(0.1))


def test_no_examples_have_no_bounds() -> None:
    bounds = output_bounds(TwoLayerNet(3, 4).double(), sphere(2, 3).x[:0], perturbation=L2Ball(0.1))
    assert bounds.lower.shape == bounds.upper.shape == (0,)
    assert repr(bounds) == "Bounds of no outputs."


def test_bounds_read_like_a_sentence() -> None:
    x = sphere(2, 3).x
    net = sequential(3).double()
    text = repr(output_bounds(net, x, perturbation=L2Ball(0.0)))
    low, high = (float(end) for end in net(x).detach().aminmax())
    assert text.startswith("Bounds of 2 outputs by the linear method: between ")
    assert f"between {down(low, 4)} and {up(high, 4)}, on average" in text


def test_a_looser_precision_of_products_is_allowed_for() -> None:
    net, x = TwoLayerNet(3, 8, symmetric=False).float(), sphere(2, 3).x.float()
    widths = []
    for precision in ("highest", "high", "medium"):
        before = torch.get_float32_matmul_precision()
        torch.set_float32_matmul_precision(precision)
        try:
            bounds = output_bounds(net, x, perturbation=L2Ball(0.0))
        finally:
            torch.set_float32_matmul_precision(before)
        widths.append(float((bounds.upper - bounds.lower).max()))
    assert widths[0] < widths[1] / 100 < widths[2] / 100
