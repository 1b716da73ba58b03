"""Nets in tiles against autograd and differences, what they hold, and who is asked so at all."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from tables import OWN
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.utils._python_dispatch import TorchDispatchMode

from robustlib import (
    PGD,
    DeepNet,
    L2Ball,
    LinearizedNet,
    LinfBall,
    PseudoHuber,
    Sample,
    TwoLayerNet,
    adversarial_training,
    linearize,
)
from robustlib.activations import ACTIVATIONS
from robustlib.attacks.oracle import Oracle
from robustlib.models import undisturbed
from robustlib.networks import Network, known_net, products, streams
from robustlib.numerics import generator
from robustlib.training import step

D, WIDTH, N = 5, 34, 23
ROUNDING = {torch.float64: 4e-15, torch.float32: 2e-6}  # of the largest entry; 5 times what it is
KINDS = list(itertools.product((False, True), repeat=3))
FUNCTIONS = {**ACTIVATIONS, **OWN}


@pytest.fixture(params=["one tile", "many tiles"])
def many(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether nets of this size are cut into tiles of 6 neurons and 20 or so points."""
    found: bool = request.param == "many tiles"
    if found:
        monkeypatch.setattr(streams, "_TILE", 2**10)
        monkeypatch.setattr(streams, "_BLOCK", 6)
    return found


def moved(name: str, bias: bool, symmetric: bool, linear: bool, **options: Any) -> Network:
    """A net away from its start, or its expansion."""
    net = TwoLayerNet(
        D, WIDTH, activation=FUNCTIONS[name], bias=bias, symmetric=symmetric, **options
    )
    with torch.no_grad():
        net.weight.add_(torch.randn(net.weight.shape, generator=generator(3)).to(net.weight) / 2)
    return linearize(net) if linear else net


def points(dtype: torch.dtype, n: int = N) -> Tensor:
    return torch.randn(n, D, generator=generator(4), dtype=torch.float64).to(dtype)


def away(found: Tensor, right: Tensor) -> float:
    return float((found - right).abs().max() / right.abs().max())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_outputs_and_gradients_are_those_of_autograd(
    name: str, dtype: torch.dtype, many: bool
) -> None:
    x, slopes = points(dtype), torch.randn(N, generator=generator(5)).to(dtype)
    for kind in KINDS:
        net = moved(name, *kind).to(dtype)
        (weight,) = net.parameters()
        z = x.clone().requires_grad_()
        right = net(z)
        into_points, into_weights = (
            torch.autograd.grad((w * right).sum(), v, retain_graph=True)[0]
            for w, v in ((torch.ones_like(slopes), z), (slopes, weight))
        )
        f, gradient = net.input_gradient(x)
        neurons = net.neurons()
        assert neurons is not None
        with torch.no_grad():
            assert torch.equal(net(x), f)  # asked in either way, the net is one function
        assert torch.equal(f, right) or many
        assert away(f, right.detach()) < ROUNDING[dtype], kind
        assert away(gradient, into_points) < ROUNDING[dtype], kind
        assert away(neurons.weight_gradient(x, slopes), into_weights) < ROUNDING[dtype], kind


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_are_differences(name: str, many: bool) -> None:
    x, h, direction = points(torch.float64), 1e-6, points(torch.float64).flip(0)
    for kind in KINDS:
        net = moved(name, *kind).double()
        (weight,) = net.parameters()
        _, gradient = net.input_gradient(x)
        f = [net.input_gradient(x + sign * h * direction)[0] for sign in (1, -1)]
        difference = (f[0] - f[1]) / (2 * h)
        assert torch.allclose((gradient * direction).sum(1), difference, atol=1e-7), kind
        neurons = net.neurons()
        assert neurons is not None
        slopes, by = torch.linspace(-1, 1, N).double(), torch.randn(weight.shape).double()
        total = neurons.weight_gradient(x, slopes).mul(by).sum()
        with torch.no_grad():
            f = [net.evaluate((weight + sign * h * by,), x) for sign in (1, -1)]
        assert abs(float(total - slopes @ (f[0] - f[1]) / (2 * h))) < 1e-7, kind


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_symmetric_nets_start_at_nothing(dtype: torch.dtype, many: bool) -> None:
    for name in FUNCTIONS:
        net = TwoLayerNet(D, WIDTH, activation=FUNCTIONS[name]).to(dtype)
        f, gradient = net.input_gradient(points(dtype))
        assert not f.any()
        assert not gradient.any()
        neurons = net.neurons()
        assert neurons is not None
        first, second = neurons.weight_gradient(points(dtype), f + 1).chunk(2)
        assert torch.equal(first, -second)


def test_deep_nets_know_their_input_gradient() -> None:
    for net in (DeepNet(D, 7, 2, activation="tanh"), linearize(DeepNet(D, 7, 2))):
        net, x = net.double(), points(torch.float64).requires_grad_()
        f, gradient = net.input_gradient(x)
        right = net(x)
        assert torch.equal(f, right)
        assert torch.equal(gradient, torch.autograd.grad(right.sum(), x)[0])
        assert not f.requires_grad
        assert net.neurons() is None


# --- what is held ----------------------------------------------------------------------------


class Largest(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The largest number of entries of any tensor that an operation makes."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.size = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if isinstance(found, Tensor) and found.is_mkldnn:  # packed for oneDNN, opaque
            self.size = max(self.size, found.numel())
        elif isinstance(found, Tensor):
            self.size = max(self.size, found.untyped_storage().nbytes() // found.element_size())
        return found


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("symmetric", [False, True])
def test_no_activation_of_all_points_and_neurons_is_held(symmetric: bool, linear: bool) -> None:
    n, m = 600, 4096
    net: Network = TwoLayerNet(D, m, activation="gelu", symmetric=symmetric)
    net = linearize(net) if linear else net
    x, y = points(torch.float32, n), torch.ones(n)
    setting = Oracle(net, x, y, LinfBall(0.1), PseudoHuber())
    neurons = net.neurons()
    assert neurons is not None
    with Largest() as most, undisturbed(net, x.device):
        setting.values(x)
        setting.values_and_gradient(x)
        neurons.weight_gradient(x, y)
    assert most.size <= max(streams._TILE // 4, m * (D + 1)) < n * m / 10


def test_training_is_the_same_without_a_graph(monkeypatch: pytest.MonkeyPatch, many: bool) -> None:
    x = nn.functional.normalize(points(torch.float64))
    sample = Sample(x, x[:, 0].sign(), "half-spaces")
    for kind in KINDS:
        net = moved("gelu", *kind).double()
        options: dict[str, Any] = {
            "perturbation": L2Ball(0.1),
            "attack": PGD(steps=2),
            "loss": PseudoHuber(),
            "step_size": 0.5,
            "steps": 3,
        }
        runs = [adversarial_training(net, sample, **options)]
        assert torch.equal(
            runs[0].final.state_dict()["weight"],
            adversarial_training(net, sample, **options).final.state_dict()["weight"],
        )
        with monkeypatch.context() as patch:
            patch.setattr(step, "known_net", lambda *args, **options: None)
            patch.setattr("robustlib.attacks.oracle.known_net", lambda *args: None)
            runs.append(adversarial_training(net, sample, **options))
        weights = [run.final.state_dict()["weight"] for run in runs]
        assert not torch.equal(weights[0], net.state_dict()["weight"])
        assert torch.allclose(weights[0], weights[1], rtol=1e-10, atol=1e-10)
        assert torch.allclose(runs[0].surrogate_loss, runs[1].surrogate_loss, rtol=1e-10)


# --- who is asked so -------------------------------------------------------------------------


class Doubled(TwoLayerNet):
    def evaluate(self, weights: Any, x: Tensor) -> Tensor:
        return 2 * super().evaluate(weights, x)


def hooked(net: nn.Module) -> nn.Module:
    net.register_forward_hook(lambda module, args, f: 3 * f)
    return net


def test_altered_nets_are_asked_themselves() -> None:
    x = points(torch.float32)
    net = TwoLayerNet(D, 4)
    for known in (net, DeepNet(D, 4, 1), linearize(net)):
        assert known_net(known, x) is known
        assert known_net(known, x.double()) is None
        assert known_net(known, x[:, :3]) is None
        assert known_net(known, x[:, :, None]) is None
    patched = TwoLayerNet(D, 4)
    patched.forward = lambda x: x[:, 0]  # type: ignore[method-assign]
    for altered in (hooked(TwoLayerNet(D, 4)), Doubled(D, 4), patched, nn.Flatten(), torch.sin):
        assert known_net(altered, x) is None
    assert known_net(hooked(linearize(net)), x) is None


def test_altered_weights_are_trained_by_autograd() -> None:
    x, net = points(torch.float32), TwoLayerNet(D, 4)
    assert known_net(net, x, gradients=True) is net
    net.weight.register_hook(lambda g: 2 * g)  # type: ignore[no-untyped-call]
    assert known_net(net, x) is net
    assert known_net(net, x, gradients=True) is None
    frozen = DeepNet(D, 4, 2)
    frozen.layers[0].requires_grad_(False)
    assert known_net(frozen, x) is frozen
    assert known_net(frozen, x, gradients=True) is None


def test_an_expansion_by_another_formula_is_no_sum_of_ours() -> None:
    class Own(TwoLayerNet):
        def expand(self, step: Any, x: Tensor) -> Tensor:
            return 2 * super().expand(step, x)

    net, x = linearize(Own(D, 4, symmetric=False)).double(), points(torch.float64)
    with torch.no_grad():
        next(net.parameters()).add_(1)
    assert isinstance(net, LinearizedNet)
    assert net.neurons() is None
    f, gradient = net.input_gradient(x)
    assert torch.equal(f, net(x))
    assert bool(gradient.any())


@pytest.mark.filterwarnings("ignore:.torch.jit.script")  # inside of jvp
def test_whoever_looks_inside_sees_one_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs, transforms and autocast meet the net as it was, however large it is."""
    net, x = (
        TwoLayerNet(D, WIDTH, activation="tanh", symmetric=False).double(),
        points(torch.float64),
    )
    right, jacobian = net(x).detach(), net.input_gradient(x)[1]
    monkeypatch.setattr(streams, "_TILE", 2**10)
    assert net(x).requires_grad
    assert streams.streamed(x, net.weight) is False
    with torch.no_grad():
        assert streams.streamed(x, net.weight) is True
        assert torch.allclose(torch.func.vmap(lambda z: net(z[None])[0])(x), right)
        found, tangent = torch.func.jvp(net, (x,), (torch.ones_like(x),))[:2]
        assert torch.allclose(tangent, jacobian.sum(1))
        with forward_ad.dual_level():
            dual = net(forward_ad.make_dual(x, torch.ones_like(x)))  # type: ignore[no-untyped-call]
            tangent = forward_ad.unpack_dual(dual).tangent  # type: ignore[no-untyped-call]
        assert torch.allclose(tangent, jacobian.sum(1))
        with torch.autocast("cpu"):
            assert streams.streamed(x, net.weight) is False
    assert torch.allclose(found, right)
    assert torch.allclose(torch.func.grad(lambda z: net(z).sum())(x), jacobian)


# --- products --------------------------------------------------------------------------------


@pytest.mark.skipif(not torch._C._has_mkldnn, reason="torch without oneDNN")
def test_both_products_are_products(monkeypatch: pytest.MonkeyPatch) -> None:
    x = points(torch.float32, 400)
    assert products.product(x) is products.product(x)
    assert products.product(x.double()) is products.PLAIN
    monkeypatch.setattr(streams, "_TILE", 2**12)
    for kind in KINDS:
        net = moved("relu", *kind)
        found = []
        for way in (products.PLAIN, products.OneDNN()):
            monkeypatch.setattr(streams, "product", lambda like, way=way: way)
            found.append(net.input_gradient(x))
        for plain, other in zip(*found, strict=True):
            assert away(other, plain) < ROUNDING[torch.float32]


@pytest.mark.skipif(not torch._C._has_mkldnn, reason="torch without oneDNN")
@pytest.mark.parametrize(
    ("plain", "other", "taken"), [(3, 1, True), (1.1, 1, False), (1, 3, False)]
)
def test_the_other_product_is_taken_where_it_is_far_faster(
    plain: float, other: float, taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock on which each product takes a time of its own."""
    now = 0.0

    def taking(time: float) -> Any:
        def by(self: Any, matrix: Tensor) -> Any:
            def multiply(*given: Any) -> None:
                nonlocal now
                now += time

            return multiply

        return by

    monkeypatch.setattr(products.Product, "by", taking(plain))
    monkeypatch.setattr(products.OneDNN, "by", taking(other))
    monkeypatch.setattr(products.time, "process_time", lambda: now)
    assert isinstance(products._faster.__wrapped__(), products.OneDNN) == taken
