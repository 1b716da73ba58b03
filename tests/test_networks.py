from __future__ import annotations

import copy
import itertools
import math
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from robustlib.activations import ACTIVATIONS
from robustlib.networks import (
    DeepNet,
    LinearizedNet,
    Network,
    Stack,
    TwoLayerNet,
    linearize,
    stack,
    streams,
)
from robustlib.samples import sphere

ALL = sorted(ACTIVATIONS)
ODD_SIZES = [(2, 1, 1), (2, 300, 65), (6, 2, 2), (34, 7, 3), (130, 33, 17), (5000, 31, 65)]


def points(n: int, d: int, seed: int = 0) -> Tensor:
    x = torch.randn(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return x / x.norm(dim=1, keepdim=True)


def moved(net: Network, size: float = 1.0, seed: int = 7) -> Network:
    """The net in float64 with every trained layer moved by ``size`` in Frobenius norm."""
    g = torch.Generator().manual_seed(seed)
    net = net.double()
    with torch.no_grad():
        for w in net.parameters():
            step = torch.randn(w.shape, dtype=torch.float64, generator=g)
            w += size * step / step.norm()
    return net


def nets(activation: str = "gelu") -> list[Network]:
    return [
        TwoLayerNet(3, 10, activation=activation),
        TwoLayerNet(3, 9, activation=activation, symmetric=False, bias=False),
        DeepNet(3, 6, 1, activation=activation),
        DeepNet(3, 6, 3, activation=activation, bias=False),
    ]


# --- two layers --------------------------------------------------------------------------------


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize(("width", "n", "d"), ODD_SIZES)
def test_symmetric_net_is_exactly_zero_at_start(
    width: int, n: int, d: int, bias: bool, device: torch.device, dtype: torch.dtype
) -> None:
    net = TwoLayerNet(d, width, bias=bias).to(device, dtype)
    x = (3 * points(n, d)).to(device, dtype).requires_grad_()
    f = net(x)
    assert torch.equal(f, torch.zeros_like(f))
    (gradient,) = torch.autograd.grad(f.sum(), x)  # the attack sees a constant function
    assert torch.equal(gradient, torch.zeros_like(gradient))
    with torch.no_grad():
        net.weight[0] += 1
    assert net(x).abs().max() > 0


@settings(max_examples=40, deadline=None)
@given(
    half=st.integers(1, 300),
    n=st.integers(0, 40),
    d=st.integers(1, 70),
    activation=st.sampled_from(ALL),
    seed=st.integers(0, 99),
    single=st.booleans(),
)
def test_symmetric_net_is_exactly_zero_for_any_shape(
    half: int, n: int, d: int, activation: str, seed: int, single: bool
) -> None:
    dtype = torch.float32 if single else torch.float64
    net = TwoLayerNet(d, 2 * half, activation=activation, seed=seed).to(dtype)
    f = net(points(n, d, seed).to(dtype))
    assert torch.equal(f, torch.zeros(n, dtype=dtype))
    assert torch.equal(linearize(net)(points(n, d, seed).to(dtype)), f)


@pytest.mark.parametrize("activation", ALL)
@pytest.mark.parametrize(("bias", "symmetric"), [(True, True), (False, True), (True, False)])
def test_two_layer_net_is_its_formula(activation: str, bias: bool, symmetric: bool) -> None:
    d, width = 4, 14
    net = moved(TwoLayerNet(d, width, activation=activation, bias=bias, symmetric=symmetric))
    x = points(9, d)
    weight, a = net.weight.detach().numpy(), net.readout.numpy()
    expected = []
    for row in x.numpy():
        lifted = np.append(row, 1.0) / math.sqrt(2) if bias else row
        z = torch.tensor([math.fsum(w * lifted) for w in weight], dtype=torch.float64)
        s = ACTIVATIONS[activation].function(z).numpy()
        expected.append(math.fsum(a * s) / math.sqrt(width))
    np.testing.assert_allclose(net(x).detach().numpy(), expected, rtol=1e-13, atol=1e-14)


def test_symmetric_start_pairs_equal_rows_with_opposite_signs() -> None:
    net = TwoLayerNet(5, 12)
    assert torch.equal(net.initial[:6], net.initial[6:])
    assert torch.equal(net.readout[:6], -net.readout[6:])
    assert set(TwoLayerNet(5, 400, symmetric=False).readout.tolist()) == {-1.0, 1.0}


def test_start_is_standard_normal() -> None:
    w = TwoLayerNet(49, 4000, symmetric=False).initial.double()
    count = w.numel()
    # standard errors of mean, variance and fourth moment of N(0, 1)
    assert abs(float(w.mean())) < 4 / math.sqrt(count)
    assert abs(float((w**2).mean()) - 1) < 4 * math.sqrt(2 / count)
    assert abs(float((w**4).mean()) - 3) < 4 * math.sqrt(96 / count)


@pytest.mark.parametrize("activation", [a for a in ALL if math.isfinite(ACTIVATIONS[a].slope)])
def test_weight_gradient_is_at_most_the_slope_constant(activation: str) -> None:
    net = moved(TwoLayerNet(6, 200, activation=activation), 30.0)
    for row in points(5, 6).split(1):
        (g,) = torch.autograd.grad(net(row).sum(), net.weight)
        assert 0 < float(g.norm()) <= ACTIVATIONS[activation].slope


# --- both kinds of nets ------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ALL)
@pytest.mark.parametrize("index", range(4))
def test_gradients_agree_with_finite_differences(activation: str, index: int) -> None:
    net = moved(nets(activation)[index])
    x = points(4, 3).requires_grad_()
    weights = tuple(w.detach().clone().requires_grad_() for w in net.parameters())
    lin = linearize(net)
    assert torch.autograd.gradcheck(lambda x, *w: net.evaluate(w, x), (x, *weights))
    assert torch.autograd.gradcheck(lambda x, *w: lin.evaluate(w, x), (x, *weights))


@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize("linear", [False, True])
def test_outputs_do_not_depend_on_the_rest_of_the_batch(index: int, linear: bool) -> None:
    net = moved(nets()[index])
    model = linearize(net) if linear else net
    x = points(6, 3)
    assert model(x[:0]).shape == (0,)
    one_by_one = torch.cat([model(row) for row in x.split(1)])
    torch.testing.assert_close(model(x), one_by_one, rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("index", range(4))
@pytest.mark.parametrize("linear", [False, True])
def test_nets_work_with_functional_transforms(index: int, linear: bool) -> None:
    net = moved(nets()[index])
    model = linearize(net) if linear else net
    x = points(5, 3)
    weights = {k: v.detach() for k, v in model.named_parameters()}

    def one(weights: dict[str, Tensor], row: Tensor) -> Tensor:
        out: Tensor = torch.func.functional_call(model, weights, (row[None],))
        return out[0]

    rows = torch.func.vmap(torch.func.grad(one), (None, 0))(weights, x)
    for i, row in enumerate(x.split(1)):
        expected = torch.autograd.grad(model(row).sum(), list(model.parameters()))
        for got, want in zip(rows.values(), expected, strict=True):
            torch.testing.assert_close(got[i], want, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("index", range(4))
def test_repr_makes_the_same_net_again(index: int) -> None:
    net = nets()[index]
    again = eval(repr(net), {"TwoLayerNet": TwoLayerNet, "DeepNet": DeepNet})
    for key, value in net.state_dict().items():
        assert torch.equal(value, again.state_dict()[key])
    assert repr(net) in repr(linearize(net))


@pytest.mark.parametrize("index", range(4))
def test_copies_pickles_and_states_compute_the_same(index: int) -> None:
    net, x = moved(nets()[index]), points(5, 3)
    fresh = nets()[index].double()
    assert not torch.equal(fresh(x), net(x))
    fresh.load_state_dict(net.state_dict())
    for other in (fresh, copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(other(x), net(x))
        assert other.drift() == net.drift()


def test_seed_decides_the_net_and_global_randomness_is_left_alone(device: torch.device) -> None:
    state = torch.get_rng_state()
    for make in (lambda s: TwoLayerNet(3, 8, seed=s), lambda s: DeepNet(3, 8, 2, seed=s)):
        one, same, other = make(1), make(1).to(device), make(2)
        for key, value in one.state_dict().items():
            assert torch.equal(value, same.state_dict()[key].cpu())
        assert not torch.equal(one.initial, other.initial)
    assert torch.equal(state, torch.get_rng_state())


def test_nets_and_samples_with_one_seed_share_no_numbers() -> None:
    """Rows of W_0 equal to the data would make every claim about random features false."""
    x = sphere(40, 20).x
    for w in (
        TwoLayerNet(20, 40, bias=False, symmetric=False).initial.double(),
        DeepNet(20, 40, 1, bias=False).first.double(),
        DeepNet(20, 20, 1).initial[0].double(),
    ):
        cosine = (x @ (w / w.norm(dim=1, keepdim=True)).T).abs().max()
        assert cosine < 0.85  # 1600 pairs in d = 20: P(some |cosine| > 0.85) < 1e-5


def test_single_precision_net_is_the_rounded_double_one() -> None:
    old = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        double = [TwoLayerNet(3, 8), DeepNet(3, 8, 2)]
    finally:
        torch.set_default_dtype(old)
    for wide, narrow in zip(double, (TwoLayerNet(3, 8), DeepNet(3, 8, 2)), strict=True):
        for key, value in wide.state_dict().items():
            assert value.dtype == torch.float64
            assert torch.equal(value.float(), narrow.state_dict()[key])


def test_devices_agree(device: torch.device) -> None:
    x = points(20, 3)
    for net in nets():
        model = moved(net)
        expected = model(x).detach()
        result = model.to(device)(x.to(device)).detach()
        assert result.device.type == device.type
        torch.testing.assert_close(result.cpu(), expected, rtol=1e-12, atol=1e-13)


def test_a_seed_means_the_same_net_for_ever() -> None:
    """Notebooks print what follows from these numbers."""
    net = TwoLayerNet(1, 6, bias=False, symmetric=False)
    start = [0.3604342, -0.5134206, -0.0724331, -0.3384120, 0.4154094, 0.2081449]
    assert net.initial.flatten().tolist() == pytest.approx(start, rel=1e-5)
    assert net.readout.tolist() == [-1, 1, 1, 1, -1, -1]
    deep = DeepNet(1, 2, 1, bias=False)
    assert deep.first.flatten().tolist() == pytest.approx([0.3902177, -0.2497061], rel=1e-5)
    assert deep.readout.tolist() == pytest.approx([0.9839569, -0.7014997], rel=1e-5)
    square = [0.5097310, -0.7260864, -0.1024358, -0.4785869]
    assert deep.initial.flatten().tolist() == pytest.approx(square, rel=1e-5)


def test_options_are_given_by_name_and_sizes_as_one_likes() -> None:
    for make, sizes in (
        (TwoLayerNet, {"d": 3, "width": 4}),
        (DeepNet, {"d": 3, "width": 4, "depth": 2}),
    ):
        named, placed = make(**sizes), make(*sizes.values())  # type: ignore[arg-type]
        assert repr(named) == repr(placed)
        with pytest.raises(TypeError, match="positional argument"):
            make(*sizes.values(), "relu")  # type: ignore[arg-type]


def test_a_layer_may_have_one_neuron() -> None:
    """f = a s(w2 s(w1 A x)), every factor a number."""
    net, x = moved(DeepNet(1, 1, 2, activation="tanh", bias=False)), points(4, 1)
    (first,), (w1, w2), (a,) = net.first[0], net.parameters(), net.readout  # type: ignore[misc]
    f = a * torch.tanh(w2 * torch.tanh(w1 * first * x))
    torch.testing.assert_close(net(x), f[:, 0])
    two = TwoLayerNet(1, 1, bias=False, symmetric=False).double()
    torch.testing.assert_close(two(x), two.readout * torch.relu(two.weight[0] * x[:, 0]))


def test_a_net_that_failed_among_others_answers_nothing_from_then_on() -> None:
    given = [TwoLayerNet(3, 64, activation="quadratic_relu", seed=s) for s in range(3)]
    given = [moved(net) for net in given]  # type: ignore[misc]
    x = points(6, 3)
    far = x.clone()
    far[2:4] *= 1e200  # squares of the second net's points are no numbers
    for ask in ("__call__", "input_gradient"):
        model = Stack(given)
        for z, failed in ((x, set()), (far, {1}), (x, {1})):
            found = getattr(model, ask)(z)
            assert model.failed == failed
            for part, k in itertools.product(
                found if isinstance(found, tuple) else [found], (0, 2)
            ):
                assert bool(part[2 * k : 2 * k + 2].any())
                assert bool(part[2:4].any()) == (not failed)
        alone = given[2].input_gradient(x[4:])
        for own, part in zip(alone, Stack(given).input_gradient(x), strict=True):
            assert torch.equal(part[4:], own)


@pytest.mark.parametrize(("wide", "held"), [(False, 2**10), (False, 0), (True, 2**10)])
def test_nets_side_by_side_answer_as_each_alone(
    wide: bool, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stack, "_HELD", held)
    if wide:  # for the cache that there is then: one net after the other
        monkeypatch.setattr(streams, "_TILE", 2**7)
    assert streams.large(points(4, 3), 8) == wide  # points of a net, and its pairs of neurons
    given = [moved(TwoLayerNet(3, 16, activation="gelu", seed=s)) for s in range(3)]
    x, slopes = points(12, 3), points(12, 1)[:, 0]
    model = Stack(given)
    f, gradient = model.input_gradient(x)
    assert torch.equal(model(x), f)
    again, gradients = model.outputs_for_training(x)
    assert torch.equal(again, f)
    weights = gradients(slopes)
    for k, net in enumerate(given):
        rows = slice(4 * k, 4 * k + 4)
        z = x[rows].clone().requires_grad_()
        with torch.enable_grad():
            right = net(z)
            into_x = torch.autograd.grad(right.sum(), z, retain_graph=True)[0]
            into_w = torch.autograd.grad(right @ slopes[rows], list(net.parameters()))[0]
        close = {"rtol": 1e-12, "atol": 1e-13}
        torch.testing.assert_close(f[rows], right.detach(), **close)  # type: ignore[arg-type]
        torch.testing.assert_close(gradient[rows], into_x, **close)  # type: ignore[arg-type]
        torch.testing.assert_close(weights[k], into_w, **close)  # type: ignore[arg-type]


# --- depth -------------------------------------------------------------------------------------


def test_deep_relu_net_is_the_one_with_variance_two_over_m() -> None:
    d, m, depth = 5, 40, 3
    net, x = moved(DeepNet(d, m, depth, activation="relu")), points(8, d)
    lifted = np.c_[x.numpy(), np.ones(8)] / math.sqrt(2)
    hidden = lifted @ (net.first.numpy() / math.sqrt(m)).T  # entries N(0, 2/m)
    for w in net.parameters():
        hidden = np.maximum(hidden @ (w.detach().numpy() / math.sqrt(m)).T, 0)
    expected = hidden @ net.readout.numpy()
    np.testing.assert_allclose(net(x).detach().numpy(), expected, rtol=1e-12, atol=1e-13)


def within_noise(values: list[float], expected: float) -> None:
    """The mean is within 4 standard errors, and these are small enough to notice a factor."""
    sample = np.array(values)
    error = sample.std(ddof=1) / math.sqrt(len(sample))
    assert error < 0.15 * expected
    assert abs(sample.mean() - expected) < 4 * error


def test_deep_relu_scales_at_start() -> None:
    """E f^2 = 2 and E |grad_h f|^2 = 1 for every layer, exactly, at every width."""
    x, depth = points(1, 4), 3
    squares: list[float] = []
    gradients: list[list[float]] = [[] for _ in range(depth)]
    for seed in range(400):
        net = DeepNet(4, 64, depth, activation="relu", seed=seed).double()
        f = net(x).sum()
        squares.append(float(f.detach()) ** 2)
        for h, g in enumerate(torch.autograd.grad(f, list(net.parameters()))):
            gradients[h].append(float((g**2).sum()))
    within_noise(squares, 2.0)
    for layer in gradients:
        within_noise(layer, 1.0)


def test_deep_smooth_net_sees_inputs_of_order_one() -> None:
    """One layer of erf: E f^2 = E erf(Z)^2 = (2/pi) arcsin(2/3), Z ~ N(0, 1), for wide nets."""
    x = points(1, 4)
    squares = [
        float(DeepNet(4, 256, 1, activation="erf", seed=seed).double()(x).detach()) ** 2
        for seed in range(400)
    ]
    within_noise(squares, 2 / math.pi * math.asin(2 / 3))


# --- linearised nets ---------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ALL)
@pytest.mark.parametrize("index", range(4))
def test_linearized_net_is_the_expansion_that_autograd_gives(activation: str, index: int) -> None:
    net, x = moved(nets(activation)[index], 5.0), points(7, 3)
    expected = []
    for row in x.split(1):
        start = [w0.clone().requires_grad_() for w0 in net.start()]
        f = net.evaluate(start, row).sum()
        slopes = torch.autograd.grad(f, start)
        steps = [w - w0 for w, w0 in zip(net.parameters(), net.start(), strict=True)]
        change = sum(float((g * s).sum().detach()) for g, s in zip(slopes, steps, strict=True))
        expected.append(float(f.detach()) + change)
    result = linearize(net)(x).detach()
    np.testing.assert_allclose(result.numpy(), expected, rtol=1e-12, atol=1e-12)
    if activation != "quadratic_relu":  # it is a different function, not the net itself
        assert not torch.allclose(result, net(x).detach(), atol=1e-6)


@pytest.mark.parametrize("index", range(4))
def test_linearized_net_is_affine_in_its_weights(index: int) -> None:
    lin = linearize(nets()[index].double())
    x, g = points(7, 3), torch.Generator().manual_seed(1)
    u, v = (
        [torch.randn(w.shape, dtype=x.dtype, generator=g) for w in lin.parameters()]
        for _ in range(2)
    )
    for t in (-2.0, 0.3, 5.0):
        mixed = [t * a + (1 - t) * b for a, b in zip(u, v, strict=True)]
        expected = t * lin.evaluate(u, x) + (1 - t) * lin.evaluate(v, x)
        torch.testing.assert_close(lin.evaluate(mixed, x), expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("linear", [True, False])
def test_lift_is_what_the_first_layer_sees(bias: bool, linear: bool) -> None:
    net, x = TwoLayerNet(3, 4, bias=bias, symmetric=False).double(), points(5, 3)
    seen = (linearize(net) if linear else net).lift(x)
    half = math.sqrt(0.5)
    by_hand = torch.cat([half * x, torch.full((5, 1), half, dtype=x.dtype)], 1) if bias else x
    torch.testing.assert_close(seen, by_hand, rtol=1e-15, atol=0)
    f = net.activation.function(seen @ net.weight.T) @ net.readout / 2
    torch.testing.assert_close(f, net(x), rtol=1e-14, atol=1e-15)
    with pytest.raises(ValueError, match=r"x must have shape \(n, 3\), got \(5, 2\)"):
        net.lift(x[:, :2])


@pytest.mark.parametrize("index", range(4))
def test_linearize_copies_and_keeps_names_start_and_weights(index: int) -> None:
    net, x = moved(nets()[index], 2.0), points(4, 3)
    before, output = copy.deepcopy(net.state_dict()), net(x).detach()
    lin = linearize(net)
    assert isinstance(lin, LinearizedNet)
    assert [k for k, _ in lin.named_parameters()] == [k for k, _ in net.named_parameters()]
    assert lin.drift() == net.drift() != dict.fromkeys(net.drift(), 0.0)
    lin.project(0.5)
    assert max(lin.drift().values()) == pytest.approx(0.5, rel=1e-12)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert torch.equal(net(x), output)
    lin.project(0.0)  # both functions agree at the start
    net.project(0.0)
    torch.testing.assert_close(lin(x), net(x), rtol=1e-12, atol=1e-13)


def test_linearized_net_trains_in_its_own_precision(
    device: torch.device, dtype: torch.dtype
) -> None:
    for net in nets():
        lin = linearize(net).to(device, dtype)
        x = points(4, 3).to(device, dtype)
        optimizer = torch.optim.SGD(lin.parameters(), lr=0.1)
        before = float(((lin(x) - 1) ** 2).sum().detach())
        for _ in range(20):
            optimizer.zero_grad()
            ((lin(x) - 1) ** 2).sum().backward()
            optimizer.step()
        assert float(((lin(x) - 1) ** 2).sum().detach()) < before
        assert min(lin.drift().values()) > 0


# --- the ball ----------------------------------------------------------------------------------


@pytest.mark.parametrize("index", range(4))
def test_drift_is_the_distance_of_each_layer(index: int) -> None:
    net = nets()[index].double()
    assert net.drift() == dict.fromkeys(net.drift(), 0.0)
    for size, w in enumerate(net.parameters(), start=1):
        with torch.no_grad():
            w[0, 0] += 3 * size
            w[-1, -1] -= 4 * size
    expected = [5.0 * k for k in range(1, len(net.drift()) + 1)]
    assert list(net.drift().values()) == pytest.approx(expected, rel=1e-14)


@settings(max_examples=60, deadline=None)
@given(
    radius=st.floats(1e-9, 1e3) | st.just(0.0),
    size=st.floats(1e-9, 1e3),
    single=st.booleans(),
    seed=st.integers(0, 9),
)
def test_project_lands_in_the_ball(radius: float, size: float, single: bool, seed: int) -> None:
    for net in (TwoLayerNet(3, 50), DeepNet(3, 7, 2)):
        model = moved(net, size, seed).to(torch.float32 if single else torch.float64)
        before = [w.detach().clone() for w in model.parameters()]
        inside = [r <= radius for r in model.drift().values()]
        model.project(radius)
        assert max(model.drift().values()) <= radius * (1 + 1e-12)
        for old, w, kept in zip(before, model.parameters(), inside, strict=True):
            assert torch.equal(old, w) or not kept


def test_project_is_the_nearest_point() -> None:
    net = moved(TwoLayerNet(3, 20), 6.0)
    old = net.weight.detach().clone()
    net.project(2.0)
    expected = net.initial + (old - net.initial) / 3
    torch.testing.assert_close(net.weight.detach(), expected, rtol=1e-13, atol=1e-13)
    net.project(0.0)
    assert torch.equal(net.weight, net.initial)


def test_project_in_single_precision_loses_little() -> None:
    net = moved(TwoLayerNet(64, 1000), 3.0).float()
    net.project(1.0)
    assert 1 - 1e-4 < net.drift()["weight"] <= 1


def test_project_treats_layers_one_by_one() -> None:
    net = DeepNet(3, 5, 2).double()
    with torch.no_grad():
        net.layers[0] += 1.0  # drift 5
        net.layers[1][0, 0] += 0.5
    net.project(2.0)
    assert list(net.drift().values()) == pytest.approx([2.0, 0.5], rel=1e-13)
