"""Reading models: layers of torch, what is refused and where, precision, memory."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from operator import attrgetter
from types import SimpleNamespace

import pytest
import torch
from drawn import drawn_inputs, drawn_model
from torch import Tensor, backends, nn

from robustlib.attacks import PGD
from robustlib.losses import Logistic, PseudoHuber
from robustlib.networks import DeepNet, TwoLayerNet
from robustlib.samples import sphere
from robustlib.sets import L1Ball, L2Ball, LinfBall, Perturbation
from robustlib.verification import (
    BranchAndBound,
    output_bounds,
    relaxation,
    robust_accuracy,
    robust_loss,
)
from robustlib.verification import precision as precision_module
from robustlib.verification.affine import Layers, simplified
from robustlib.verification.layers import read_layers
from robustlib.verification.precision import convolution_by_transform, float32_unit
from robustlib.verification.relaxation import relax, rounding_error
from robustlib.verification.units import UnitTree, twins

CPU = torch.device("cpu")


def value(layers: Layers, x: Tensor) -> Tensor:
    z = x.flatten(1)
    for layer in layers.layers:
        z = z @ layer.weight.T + layer.bias
        z = z if layer.activation is None else layer.activation.function(z)
    return z[:, 0]


def settled(net: nn.Module) -> nn.Module:
    """The net in evaluation mode, with running statistics that are not those of the start."""
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            k = module.num_features
            module.running_mean = torch.linspace(-1, 2, k)
            module.running_var = torch.linspace(0.1, 3, k)
    return net.eval()


def test_layers_are_the_function_of_the_model() -> None:
    for seed in range(60):
        net, shape = drawn_model(seed)
        net, x = net.double(), drawn_inputs(shape, 5, seed)
        f = net(x).detach().reshape(-1)
        for layers in (read_layers(net, x), simplified(read_layers(net, x))):
            size = float(f.abs().max()) + 1
            torch.testing.assert_close(value(layers, x), f, rtol=1e-9, atol=1e-9 * size)


@pytest.mark.parametrize("sets", [L2Ball(0.2), LinfBall(0.2), L1Ball(0.2)], ids=repr)
def test_bounds_of_models_that_are_affine_are_their_range(sets: Perturbation) -> None:
    """Normalisation of the input, convolutions, statistics and pooling, with no activation."""
    net = settled(
        nn.Sequential(
            nn.BatchNorm2d(2, affine=False, eps=1e-30),  # (x - m)/s; torch 2.11 refuses 0
            nn.Conv2d(2, 4, 3, padding=1, stride=2, bias=False),
            nn.Sequential(nn.BatchNorm2d(4), nn.Dropout(0.5)),
            nn.AvgPool2d(2, padding=1, count_include_pad=False),
            nn.Conv2d(4, 4, 2, groups=2),
            nn.Flatten(),
            nn.BatchNorm1d(4),
            nn.Linear(4, 1),
            nn.Flatten(0),
        )
    ).double()
    x = drawn_inputs((2, 4, 4), 6, 0).requires_grad_()
    f = net(x)
    (slope,) = torch.autograd.grad(f.sum(), x)
    top, bottom = (net(sets.argmax_linear(g, x.detach())).detach() for g in (slope, -slope))
    found = output_bounds(net, x.detach(), perturbation=sets)
    torch.testing.assert_close(found.upper, top, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(found.lower, bottom, rtol=1e-9, atol=1e-9)
    # by hand, what the first layer does to an image
    mean, deviation = torch.linspace(-1, 2, 2), torch.linspace(0.1, 3, 2).sqrt()
    norm = nn.Sequential(net[0], nn.Flatten(), nn.Linear(32, 1)).double()  # type: ignore[index]
    scaled = (x.detach() - mean[:, None, None]) / deviation[:, None, None]
    by_hand = norm[2](scaled.flatten(1)).detach()[:, 0]
    still = output_bounds(norm, x.detach(), perturbation=L2Ball(0.0))
    torch.testing.assert_close(still.upper, by_hand, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(still.lower, by_hand, rtol=1e-6, atol=1e-6)


RARE = [
    (nn.BatchNorm3d(2), (2, 1, 3, 2)),
    (nn.AvgPool1d(2), (5,)),  # torch takes such examples for channels
    (nn.AvgPool2d(2), (4, 5)),
    (nn.AdaptiveAvgPool1d(2), (5,)),
    (nn.AdaptiveAvgPool2d(2), (3, 5)),
    (nn.Sequential(nn.BatchNorm1d(3), nn.BatchNorm1d(3)), (3,)),
    (nn.Sequential(nn.Flatten(), nn.Identity()), (1, 1)),
    (nn.Identity(), (300,)),
]


@pytest.mark.parametrize(("module", "shape"), RARE, ids=[str(m) for m, _ in RARE])
def test_layers_that_are_rare(module: nn.Module, shape: tuple[int, ...]) -> None:
    """Alone, if it has one output, or before others; at its inputs and on a set."""
    x = drawn_inputs(shape, 6, 3)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        ends = settled(module).double()(x)[0].numel()
        after = [nn.Flatten(), nn.Linear(ends, 1), nn.Flatten(0)] if ends > 1 else [nn.Flatten(0)]
    net = nn.Sequential(module, *after).double()
    f = net(x).detach()
    torch.testing.assert_close(value(read_layers(net, x), x), f, rtol=1e-12, atol=1e-12)
    z = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(net(z).sum(), z)
    found = output_bounds(net, x, perturbation=LinfBall(0.1))
    reach = 0.1 * slope.abs().flatten(1).sum(1)
    torch.testing.assert_close(found.upper, f + reach, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(found.lower, f - reach, rtol=1e-9, atol=1e-9)


def test_a_net_may_end_with_its_activation() -> None:
    """tanh rises: its bounds are its values at the ends of an affine function's range."""
    net = nn.Sequential(nn.Linear(4, 1), nn.Tanh(), nn.Flatten(0)).double()
    x, w = sphere(5, 4).x, net[0].weight.detach()[0]
    middle, reach = net[0](x).detach()[:, 0], 0.1 * w.abs().sum()
    found = output_bounds(net, x, perturbation=LinfBall(0.1), method="interval")
    torch.testing.assert_close(found.upper, torch.tanh(middle + reach), rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(found.lower, torch.tanh(middle - reach), rtol=1e-9, atol=1e-9)


def test_a_net_with_statistics_gets_a_whole_certificate() -> None:
    """Its robust loss is exact: found and proved meet, also where training mode is left on."""
    net = settled(nn.Sequential(nn.Linear(2, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 1)))
    net = nn.Sequential(net, nn.Flatten(0)).double().train()
    sample = sphere(5, 2)
    found = robust_loss(net, sample, perturbation=L2Ball(0.2), loss=Logistic(), effort="high")
    assert found.exact
    assert found.gap <= 1e-6
    accuracy = robust_accuracy(net, sample, perturbation=L2Ball(0.2))
    assert not bool(accuracy.undecided.any())
    assert net.training


# --- what is refused, and where ----------------------------------------------------------------

REFUSED: list[tuple[Callable[[], nn.Module], tuple[int, ...], str]] = [
    (
        lambda: nn.Sequential(nn.Flatten(), nn.Sequential(nn.Linear(4, 4), nn.Sigmoid())),
        (4,),
        r"layer 3 \(model\[1\]\[1\]\), Sigmoid, is none of Linear, .*BatchNorm with affine=False",
    ),
    (lambda: nn.Sequential(nn.MaxPool1d(2)), (1, 4), r"layer 1 \(model\[0\]\), MaxPool1d, is none"),
    (
        lambda: nn.Sequential(nn.Linear(4, 2), nn.BatchNorm1d(2, track_running_stats=False)),
        (4,),
        r"layer 2 \(model\[1\]\), BatchNorm1d, has no running statistics",
    ),
    (
        lambda: nn.Sequential(nn.Conv1d(1, 1, 3, padding=1, padding_mode="circular")),
        (1, 4),
        r"layer 1 \(model\[0\]\), Conv1d, has padding_mode='circular'",
    ),
    (lambda: nn.Sequential(nn.Linear(4, 2)), (4,), "the model has 2 outputs an example"),
    (lambda: nn.Sequential(nn.Flatten(0)), (4,), r"Flatten, does not keep apart .* \(1, 4\)"),
    (lambda: nn.Linear(4, 3), (4,), "Linear: the model has 3 outputs an example"),
    (
        lambda: nn.Sequential(nn.Unflatten(1, (1, 100, 100)), nn.AvgPool2d(1), nn.Flatten()),
        (10_000,),
        r"AvgPool2d, makes a matrix of 10000 x 10000 numbers",
    ),
]


@pytest.mark.parametrize(("make", "shape", "words"), REFUSED)
def test_the_layer_that_is_not_known_is_named_with_its_place(
    make: Callable[[], nn.Module], shape: tuple[int, ...], words: str
) -> None:
    net, x = make().double(), torch.zeros(2, *shape, dtype=torch.float64)
    with pytest.raises(TypeError, match=r"model must be a TwoLayerNet.*got .*" + words):
        output_bounds(net, x, perturbation=L2Ball(0.1))


def test_others_say_it_too() -> None:
    net = nn.Sequential(nn.Linear(5, 4), nn.Sigmoid(), nn.Linear(4, 1), nn.Flatten(0)).double()
    sample = sphere(3, 5)
    found = robust_loss(net, sample, perturbation=L2Ball(0.1), loss=Logistic(), effort="low")
    assert "layer 2 (model[1]), Sigmoid, is none of" in found.how[0]
    with pytest.raises(TypeError, match=r"BranchAndBound needs .* layer 2 \(model\[1\]\), Sigmoid"):
        BranchAndBound()(net, sample.x, sample.y, perturbation=L2Ball(0.1), loss=Logistic())


MISFITS: list[tuple[Callable[[], nn.Module], tuple[int, ...], str]] = [
    (lambda: nn.Linear(3, 1), (4,), "x must have 3 coordinates an example, got 4"),
    (lambda: TwoLayerNet(3, 4), (3, 1), r"x must have shape \(n, 3\), got \(2, 3, 1\)"),
    (lambda: DeepNet(3, 4, 1), (4,), "x must have 3 coordinates an example, got 4"),
    (
        lambda: nn.Sequential(nn.Conv2d(2, 1, 2)),
        (3, 4, 4),
        r"layer 1 .*, Conv2d, takes 4 axes and 2 channels, got examples of shape \(1, 3, 4, 4\)",
    ),
    (lambda: nn.Sequential(nn.Conv1d(2, 1, 9)), (2, 4), r"Conv1d, does not take .* \(1, 2, 4\)"),
    (lambda: nn.Sequential(nn.Linear(4, 3), nn.Linear(2, 1)), (4,), r"Linear, takes 2 coordinates"),
    (
        lambda: nn.Sequential(nn.BatchNorm1d(3), nn.Linear(4, 1)),
        (4,),
        "BatchNorm1d, takes 2 or 3 axes and 3 channels",
    ),
]


@pytest.mark.parametrize(("make", "shape", "words"), MISFITS)
def test_examples_that_do_not_fit_are_refused(
    make: Callable[[], nn.Module], shape: tuple[int, ...], words: str
) -> None:
    net, x = make().double(), torch.zeros(2, *shape, dtype=torch.float64)
    with pytest.raises(ValueError, match=words):
        output_bounds(net, x, perturbation=L2Ball(0.1))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_named(bad: float) -> None:
    x = sphere(2, 3).x
    own, torchs = TwoLayerNet(3, 4).double(), nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2))
    torchs = nn.Sequential(torchs, nn.Linear(2, 1)).double().eval()
    with torch.no_grad():
        own.weight[1, 1] = bad
        torchs[0][1].running_var[0] = bad
    for net, name in ((own, "weight"), (torchs, r"0\.1\.running_var")):
        for method in ("interval", "linear"):
            with pytest.raises(ValueError, match=f"finite weights, got 1 NaN or .* in {name}"):
                output_bounds(net, x, perturbation=L2Ball(0.1), method=method)
    with torch.no_grad():
        torchs[0][1].running_var[0] = -2
    with pytest.raises(ValueError, match="BatchNorm1d, has a running variance of -2"):
        output_bounds(torchs, x, perturbation=L2Ball(0.1))


@pytest.mark.parametrize(
    ("eps", "variance", "weight"),
    [
        (3e-45, 0.0, 1.0),
        (1e-50, 0.0, 1.0),  # the model gives NaN
        (0.0, 1e-38, 1.0),
        (0.0, 1e-30, 1e30),
        (0.0, 1.0, 1e-39),
    ],
)
def test_what_the_dtype_of_a_normalisation_does_not_hold_is_refused(
    eps: float, variance: float, weight: float
) -> None:
    """Bounds in float64 said nothing of a model that rounds so: a wrong sign was proved."""
    norm = nn.BatchNorm1d(2, eps=eps)
    net, x = nn.Sequential(norm, nn.Linear(2, 1)).eval(), torch.tensor([[1.0, 0.0], [0.5, 0.0]])
    with torch.no_grad():
        norm.running_var.fill_(variance)
        norm.weight.fill_(weight)
    words = (
        f"has a running variance of {variance:g}, and with its eps and weight numbers that float32"
    )
    with pytest.raises(ValueError, match=words):
        output_bounds(net, x, perturbation=L2Ball(1e-7))
    if eps == 0:
        output_bounds(net.double(), x.double(), perturbation=L2Ball(1e-7))


def test_numbers_that_overflow_have_no_bounds_and_say_so() -> None:
    net, x = TwoLayerNet(3, 4, symmetric=False).double(), sphere(2, 3).x
    with pytest.raises(ValueError, match=r"no finite bounds of the outputs in float64.*to 8e"):
        output_bounds(net, 1e160 * x, perturbation=L2Ball(0.1))
    with pytest.raises(ValueError, match=r"no finite bounds of the outputs in float64"):
        output_bounds(net, 1e160 * x, perturbation=L2Ball(0.1), method="interval")
    narrow = TwoLayerNet(3, 4, symmetric=False).float()
    with torch.no_grad():
        narrow.weight.mul_(1e38)
    with pytest.raises(ValueError, match=r"no finite bounds of the outputs in float32"):
        output_bounds(narrow, 10 * x.float(), perturbation=L2Ball(0.1))


class Broken:
    """A loss that is NaN far out, as a user may write one."""

    lipschitz, smoothness, zero_at_label = 1.0, None, True

    def __call__(self, f: Tensor, y: Tensor) -> Tensor:
        return torch.where((f - y).abs() < 1e3, (f - y).abs(), torch.nan)

    def derivative(self, f: Tensor, y: Tensor) -> Tensor:
        return (f - y).sign()


def test_a_loss_that_is_not_finite_is_refused() -> None:
    net = TwoLayerNet(3, 4, symmetric=False).double()
    sample, sets = sphere(4, 3), L2Ball(0.1)
    assert robust_loss(net, sample, perturbation=sets, loss=Broken()).upper < 10
    with torch.no_grad():
        net.weight.mul_(1e6)
    with pytest.raises(ValueError, match=r"loss must be finite.*Broken"):
        robust_loss(net, sample, perturbation=sets, loss=Broken())


# --- precision ---------------------------------------------------------------------------------

OLD = torch.get_float32_matmul_precision


@contextmanager
def setting(module: object, precision: str) -> Iterator[None]:
    """One of torch's newer settings, and all as it was afterwards."""
    before = module.fp32_precision  # type: ignore[attr-defined]
    module.fp32_precision = precision  # type: ignore[attr-defined]
    try:
        yield
    finally:
        module.fp32_precision = before  # type: ignore[attr-defined]


SETTINGS = [
    ("products on the CPU", "backends.mkldnn.matmul", "bf16", 2.0**-8),
    ("products on the CPU", "backends.mkldnn.matmul", "tf32", 2.0**-11),
    ("products of CUDA, which is not asked", "backends.cuda.matmul", "tf32", 2.0**-24),
    ("all", "backends", "tf32", 2.0**-11),
    ("all of mkldnn", "backends.mkldnn", "bf16", 2.0**-8),
    ("full", "backends.mkldnn.matmul", "ieee", 2.0**-24),
]
newer = pytest.mark.skipif(
    not hasattr(backends, "fp32_precision"), reason="torch has these settings since 2.9"
)


@newer
@pytest.mark.parametrize(("what", "module", "precision", "unit"), SETTINGS)
def test_newer_settings_of_precision_are_understood(
    what: str, module: str, precision: str, unit: float
) -> None:
    net, sample = TwoLayerNet(3, 8, symmetric=False).float(), sphere(2, 3).to(dtype=torch.float32)
    torch.backends.mkldnn.matmul.fp32_precision = "none"  # what an older setting left
    usual = output_bounds(net, sample.x, perturbation=L2Ball(0.0))
    with setting(attrgetter(module)(torch), precision):
        assert float32_unit(CPU, convolved=False) == unit
        found = output_bounds(net, sample.x, perturbation=L2Ball(0.0))
        robust_loss(net, sample, perturbation=L2Ball(0.1), loss=PseudoHuber(), effort="low")
        attack = PGD(steps=2, restarts=1)
        attack(net, sample.x, sample.y, perturbation=L2Ball(0.1), loss=PseudoHuber())
    ratio = float(((found.upper - found.lower) / (usual.upper - usual.lower)).min())
    assert ratio > 100 if unit > 2.0**-20 else ratio == 1
    assert OLD() == "highest"


@newer
def test_precision_of_other_devices_and_of_convolutions() -> None:
    cuda, other = torch.device("cuda"), torch.device("mps")
    with setting(backends.cuda.matmul, "tf32"):
        assert float32_unit(cuda, convolved=False) == 2.0**-11
        assert float32_unit(other, convolved=False) == 2.0**-11
    assert float32_unit(cuda, convolved=False) == 2.0**-24
    assert float32_unit(cuda, convolved=True) == 2.0**-11  # torch's default for cuDNN
    with setting(backends.mkldnn.conv, "bf16"):
        assert float32_unit(CPU, convolved=False) == 2.0**-24
        assert float32_unit(CPU, convolved=True) == 2.0**-8
        net = nn.Sequential(nn.Conv1d(1, 2, 2), nn.Flatten(), nn.Linear(2, 1)).float()
        x = sphere(2, 2).x.float()[:, None]
        short = output_bounds(net, x, perturbation=L2Ball(0.0))
        plain = TwoLayerNet(2, 4, symmetric=False).float()
        still = output_bounds(plain, x[:, 0], perturbation=L2Ball(0.0))
    # a net without convolutions is not concerned
    assert torch.equal(still.upper, output_bounds(plain, x[:, 0], perturbation=L2Ball(0.0)).upper)
    usual = output_bounds(net, x, perturbation=L2Ball(0.0))
    assert bool((short.upper - short.lower > 100 * (usual.upper - usual.lower)).all())


def test_before_the_newer_settings_cudnn_had_a_switch_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cudnn = SimpleNamespace(allow_tf32=True)  # as torch 2.4 starts
    old = SimpleNamespace(cuda=SimpleNamespace(), mkldnn=SimpleNamespace(), cudnn=cudnn)
    monkeypatch.setattr(precision_module, "backends", old)
    cuda = torch.device("cuda")
    assert float32_unit(cuda, convolved=False) == float32_unit(CPU, convolved=True) == 2.0**-24
    assert float32_unit(cuda, convolved=True) == 2.0**-11
    cudnn.allow_tf32 = False
    assert float32_unit(cuda, convolved=True) == 2.0**-24


def test_convolutions_that_torch_may_transform_have_no_bounds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert convolution_by_transform(CPU, torch.float64) is None
    assert "move the model to the CPU" in str(
        convolution_by_transform(torch.device("cuda"), torch.float64)
    )
    net = nn.Sequential(nn.Conv1d(1, 2, 2), nn.Flatten(), nn.Linear(2, 1)).float()
    x = sphere(2, 2).x.float()[:, None]
    monkeypatch.setattr("platform.machine", lambda: "arm64")
    with pytest.raises(TypeError, match=r"Conv1d, may be computed by transforms in float32"):
        output_bounds(net, x, perturbation=L2Ball(0.1))
    assert output_bounds(net.double(), x.double(), perturbation=L2Ball(0.1)).upper.isfinite().all()


def test_rounding_of_statistics_and_windows_in_float32_is_allowed_for() -> None:
    """The outputs of single points against those in float64, which the bounds are not told."""
    closest = 0.0
    for seed in range(80):
        net, shape = drawn_model(seed)
        x = drawn_inputs(shape, 4, seed).float()
        bounds = output_bounds(net.float(), x, perturbation=L2Ball(0.0))
        wide = bounds.upper - bounds.lower
        error = (net(x).double() - net.double()(x.double())).detach().reshape(-1).abs()
        assert bool((2 * error <= wide).all())
        closest = max(closest, float((2 * error / wide).max()))
    assert closest > 1e-3


def wide_ranging(seed: int) -> tuple[nn.Module, Tensor]:
    """A net of one to three layers, each with a size of its own for weights and another for biases.

    Of the input's coordinates one is 0, and so are outputs of units that are off.
    """
    dice, g = random.Random(seed), torch.Generator().manual_seed(seed)
    first: list[nn.Module] = [nn.Flatten(), nn.Linear(3, 4)]
    if seed % 2:  # the same map by way of a convolution
        first = [nn.Unflatten(1, (1, 3)), nn.Conv1d(1, 4, 3), nn.Flatten()]
    net = nn.Sequential(*first, nn.ReLU(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 1))
    if seed % 3 == 0:
        net = nn.Sequential(*first, nn.ReLU(), nn.Linear(4, 1))
    if seed % 5 == 0:
        net = nn.Sequential(nn.Unflatten(1, (1, 3)), nn.Conv1d(1, 1, 3), nn.Flatten())
    net = net.double()
    with torch.no_grad():
        for parameter in net.parameters():
            size = 10.0 ** dice.choice([-6, -3, 0, 3, 6])
            parameter.copy_(size * torch.randn(parameter.shape, generator=g).double())
    x = torch.randn(2, 3, generator=g).double()
    x[:, dice.randrange(3)] = 0
    return net, x


def exactly(net: nn.Module, x: Tensor) -> list[Fraction]:
    """The outputs of such a net in rational arithmetic."""
    layers = [m for m in net if isinstance(m, nn.Linear | nn.Conv1d)]  # type: ignore[union-attr]
    found = []
    for row in x.tolist():
        z = [Fraction(v) for v in row]
        for layer in layers:
            weight = layer.weight.detach().reshape(len(layer.weight), -1).tolist()
            bias = layer.bias.detach().tolist()  # type: ignore[union-attr]
            z = [
                sum((Fraction(w) * v for w, v in zip(line, z, strict=True)), Fraction(b))
                for line, b in zip(weight, bias, strict=True)
            ]
            z = z if layer is layers[-1] else [max(v, Fraction(0)) for v in z]
        found += z
    return found


def test_our_own_rounding_is_allowed_for_whatever_the_sizes() -> None:
    """Bounds at single points, before anything is added for the model, hold the exact output."""
    missed = 0
    for seed in range(60):
        net, x = wide_ranging(seed)
        layers, hull = read_layers(net, x), L2Ball(0.0).hull(x)
        truth = exactly(net, x)
        simple = simplified(layers)
        bounds = []
        for linear in (False, True):
            for version in (layers, simple):
                found = relax(version, hull, linear=linear)
                bounds.append((found.low, found.high))
        if len(simple.layers) == 2:
            tree = UnitTree(*simple.layers, hull)
            top = tree.bound(tree.roots())[0]
            bounds.append((-top[1::2], top[::2]))
        for low, high in bounds:
            for true, least, most in zip(truth, low.tolist(), high.tolist(), strict=True):
                assert Fraction(least) <= true <= Fraction(most), seed
        plain = net(x).detach().reshape(-1).tolist()
        missed += sum(Fraction(f) != true for f, true in zip(plain, truth, strict=True))
    assert missed > 50  # what is computed without bounds is rounded


def test_rounding_of_the_model_is_allowed_for_whatever_the_sizes() -> None:
    """In float32, without the distance that ``contains`` forgives."""
    closest = 0.0
    for seed in range(200):
        net, x = wide_ranging(seed)
        net, x = net.float(), x.float()
        hull = L2Ball(0.0).hull(x)
        allowed = rounding_error(read_layers(net, x), replace(hull, slack=0 * hull.slack))
        f = net(x).detach().reshape(-1).double()
        error = (f - net.double()(x.double()).detach().reshape(-1)).abs()
        assert bool((error <= allowed).all()), seed
        closest = max(closest, float((error / allowed).max()))
    assert closest > 0.01


def test_roundings_of_a_layer_are_all_counted() -> None:
    """Five for the sum of four products and a bias, six for each of the statistics' layers."""
    net = nn.Sequential(nn.Linear(4, 4), *(nn.BatchNorm1d(4) for _ in range(3)), nn.Linear(4, 1))
    layers = read_layers(net.double().eval(), sphere(2, 4).x)
    assert layers.layers[0].roundings >= 5 + 3 * 6
    assert layers.roundings >= 5 + 3 * 6 + 5


def test_bounds_of_small_numbers_are_as_close_as_those_of_large_ones() -> None:
    """A map without shifts: its bounds shrink with its input."""
    x = drawn_inputs((1, 4), 3, 0)
    net = nn.Sequential(nn.AvgPool1d(2), nn.Flatten(), nn.Linear(2, 1, bias=False)).double()
    widths = []
    for scale in (1.0, 2.0**-40):
        found = output_bounds(net, scale * x, perturbation=L2Ball(0.0))
        widths.append((found.upper - found.lower) / scale)
    torch.testing.assert_close(widths[1], widths[0], rtol=1e-6, atol=0)


@pytest.mark.parametrize(
    "net",
    [TwoLayerNet(3, 6, symmetric=False, seed=1).double(), DeepNet(3, 6, 2, seed=1).double()],
    ids=["two layers", "deep"],
)
def test_sizes_of_a_lifted_layer_are_those_of_its_numbers(net: TwoLayerNet | DeepNet) -> None:
    """On which rests what rounding may do."""
    first = read_layers(net, sphere(2, 3).x).layers[0]
    torch.testing.assert_close(first.size, torch.cat([first.weight, first.bias[:, None]], 1).abs())


def test_rounding_of_a_tree_of_units_counts_their_biases() -> None:
    net = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 1)).double()
    with torch.no_grad():
        net[0].bias.copy_(1e6 * torch.arange(1, 6))
    x = sphere(2, 3).x
    tree = UnitTree(*read_layers(net, x).layers, L2Ball(0.1).hull(x))
    assert bool((tree.size > net[0].bias).all())
    assert bool((tree.size < 1.001 * net[0].bias).all())


def test_a_first_interval_in_blocks_is_that_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    x = sphere(4, 3).x
    layer, hull = read_layers(TwoLayerNet(3, 10).double(), x).layers[0], L2Ball(0.1).hull(x)
    whole = relaxation.first_interval(layer, hull)
    monkeypatch.setattr(relaxation, "_NUMBERS", 3 * x.numel())
    for part, all_at_once in zip(relaxation.first_interval(layer, hull), whole, strict=True):
        torch.testing.assert_close(part, all_at_once)


# --- memory ------------------------------------------------------------------------------------

WIDE = """
import resource, sys, torch
from pathlib import Path
from robustlib import L2Ball, TwoLayerNet, output_bounds, sphere
status = Path("/proc/self/status")  # of this process alone: ru_maxrss begins with its parent's
def peak():
    if status.exists():
        line = next(line for line in status.open() if line.startswith("VmHWM"))
        return 1024 * int(line.split()[1])
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
x = sphere(1, 64).x
output_bounds(TwoLayerNet(64, 64).double(), x, perturbation=L2Ball(0.01))
loaded = peak()  # torch alone, which has 300 MB more in a build for CUDA
net = TwoLayerNet(64, 65_536, seed=1).double()
with torch.no_grad():
    net.weight.add_(torch.ones_like(net.weight).cumsum(0).sin())
found = output_bounds(net, x, perturbation=L2Ball(0.01))
f = net(x).detach()
assert bool((found.lower < f).all()) and bool((f < found.upper).all())
print(peak() - loaded)
"""


def test_a_first_layer_of_any_width_takes_no_square_of_it() -> None:
    run = subprocess.run(
        [sys.executable, "-c", WIDE], capture_output=True, text=True, env=dict(os.environ)
    )
    assert run.returncode == 0, run.stderr
    assert 3e7 < int(run.stdout) < 5e8  # the weights, and a dozen times them
    # nor does exact search begin with one
    wide = read_layers(TwoLayerNet(2, 10_000, symmetric=False).double())
    assert int(twins(*wide.layers).max()) == -1


def test_a_sample_of_images_is_certified_as_one_of_rows() -> None:
    rows = sphere(6, 16)
    images = SimpleNamespace(x=rows.x.reshape(6, 1, 4, 4), y=rows.y)
    net = settled(nn.Sequential(nn.Flatten(), nn.Linear(16, 3), nn.ReLU(), nn.Linear(3, 1)))
    net = nn.Sequential(net, nn.Flatten(0)).double()
    pair = [
        robust_loss(net, s, perturbation=L2Ball(0.1), loss=Logistic(), effort="low").upper
        for s in (rows, images)
    ]
    assert pair[0] == pytest.approx(pair[1], rel=1e-9)
