"""Empirical kernels against Jacobians, against the infinite width, and in bounded memory."""

from __future__ import annotations

import math

import pytest
import torch
import torch.utils._python_dispatch
from torch import Tensor, nn

from robustlib.kernels import autograd, empirical_ntk, ntk, ntk_by_layer, robust_gram
from robustlib.kernels import empirical as module
from robustlib.networks import DeepNet, Network, TwoLayerNet, linearize


def points(n: int, d: int, seed: int = 0) -> Tensor:
    return torch.randn(n, d, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def nets() -> list[Network]:
    return [
        TwoLayerNet(3, 64),
        TwoLayerNet(3, 63, symmetric=False, activation="gelu", bias=False),
        DeepNet(3, 16, 1, activation="tanh"),
        DeepNet(3, 24, 3),
        DeepNet(3, 12, 2, activation="softplus", bias=False),
    ]


def moved(net: Network) -> Network:
    """``net`` in float64 with weights away from where they started."""
    net = net.double()
    with torch.no_grad():
        for k, w in enumerate(net.parameters()):
            w += 0.3 * points(*w.shape, seed=k)
    return net


def by_autograd(net: nn.Module, x: Tensor) -> Tensor:
    rows = []
    for i in range(len(x)):
        out = net(x[i : i + 1]).sum()
        grads = torch.autograd.grad(out, [p for p in net.parameters() if p.requires_grad])
        rows.append(torch.cat([g.flatten() for g in grads]))
    return torch.stack(rows)


@pytest.mark.parametrize("k", range(5))
def test_products_of_grams_are_products_of_jacobians(k: int, device: torch.device) -> None:
    net = moved(nets()[k]).to(device)
    x, z = points(6, 3, 1).to(device), points(4, 3, 2).to(device)
    for one in (net, linearize(net)):
        a, b = by_autograd(one, x), by_autograd(one, z)
        close = {"rtol": 1e-12, "atol": 1e-12 * float(a.square().sum(1).max())}
        torch.testing.assert_close(empirical_ntk(one, x), a @ a.T, **close)  # type: ignore[arg-type]
        torch.testing.assert_close(empirical_ntk(one, x, z), a @ b.T, **close)  # type: ignore[arg-type]


def test_blocks_of_rows_and_neurons_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x = points(50, 3)
    for net in map(moved, nets()):
        whole, cross = empirical_ntk(net, x), empirical_ntk(net, x[:20], x)
        with monkeypatch.context() as patch:
            patch.setattr(module, "_UNITS", 10)
            patch.setattr(module, "_STRIP", 8)
            parts = empirical_ntk(net, x)
            torch.testing.assert_close(parts, whole, rtol=1e-13, atol=1e-13)
            assert torch.equal(parts, parts.T)
            torch.testing.assert_close(empirical_ntk(net, x[:20], x), cross, rtol=1e-13, atol=1e-13)


def test_float32_is_as_good_as_its_products(device: torch.device) -> None:
    x = points(40, 8).float().to(device)
    for net in (TwoLayerNet(8, 4096), TwoLayerNet(8, 4096, activation="gelu"), DeepNet(8, 256, 2)):
        single = empirical_ntk(net.float().to(device), x)
        double = empirical_ntk(net.double(), x.double())
        assert single.dtype == torch.float32
        scale = (double.diagonal()[:, None] * double.diagonal()).sqrt()
        assert ((single - double).abs() / scale).max() < 2e-6


@pytest.mark.parametrize("activation", ["relu", "gelu", "tanh"])
def test_two_layer_kernels_have_the_infinite_kernel_as_their_mean(activation: str) -> None:
    x = points(5, 3)
    x /= x.norm(dim=1, keepdim=True)
    found = torch.stack(
        [
            empirical_ntk(TwoLayerNet(3, 512, activation=activation, seed=s).double(), x)
            for s in range(60)
        ]
    )
    limit = ntk(x, activation=activation)
    error = found.std(0) / math.sqrt(len(found))
    assert ((found.mean(0) - limit).abs() < 4.5 * error + 1e-14).all()
    assert error.max() < 0.01 * float(limit.max())


@pytest.mark.parametrize(("activation", "depth"), [("relu", 1), ("relu", 3), ("erf", 2)])
def test_deep_kernels_tend_to_the_infinite_kernel(activation: str, depth: int) -> None:
    x = points(4, 3)
    x /= x.norm(dim=1, keepdim=True)
    limit = ntk(x, activation=activation, trained="hidden", depth=depth)
    distance, bias = [], []
    for width in (32, 512):
        nets = [DeepNet(3, width, depth, activation=activation, seed=s) for s in range(16)]
        gaps = torch.stack([empirical_ntk(net.double(), x) - limit for net in nets])
        distance.append(float(gaps.flatten(1).norm(dim=1).mean() / limit.norm()))
        bias.append(float(gaps.mean(0).norm() / limit.norm()))
    assert distance[1] < 0.2
    assert 2 < distance[0] / distance[1] < 8  # width^(-1/2) would give 4
    assert bias[1] < 0.06  # nets scatter round the limit, 4 standard errors of the mean


def test_any_module_by_chunks(monkeypatch: pytest.MonkeyPatch, device: torch.device) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 1))
    net = net.double().to(device)
    net[1].bias.requires_grad_(False)  # not trained, so not part of the kernel
    x = points(7, 6).reshape(7, 2, 3).to(device)
    a = by_autograd(net, x)
    for size in (1, 100, 1 << 25):  # numbers of the Jacobian held at a time
        monkeypatch.setattr(autograd, "_NUMBERS", size)
        torch.testing.assert_close(empirical_ntk(net, x), a @ a.T)
        torch.testing.assert_close(empirical_ntk(net, x[:3], x), a[:3] @ a.T)
    assert all(p.grad is None for p in net.parameters())


def test_our_nets_are_any_module_too() -> None:
    x = points(5, 3)
    for net in map(moved, nets()):
        torch.testing.assert_close(autograd.by_autograd(net, x), empirical_ntk(net, x))


@pytest.mark.parametrize("k", range(5))
def test_every_layer_has_its_share_of_the_kernel(k: int) -> None:
    net, x, z = linearize(nets()[k].double()), points(7, 3), points(4, 3, seed=9)
    for other in (None, z):
        parts = ntk_by_layer(net, x, other)
        assert len(parts) == len(net.start())
        assert torch.allclose(sum(parts), empirical_ntk(net, x, other), rtol=1e-13)
        for h, part in enumerate(parts):  # by gradients in that layer alone
            rows = []
            for points_ in (x, x if other is None else other):
                weights = [w.clone().requires_grad_() for w in net.start()]
                out = net.evaluate(weights, points_)
                grads = [
                    torch.autograd.grad(f, weights[h], retain_graph=True)[0].flatten() for f in out
                ]
                rows.append(torch.stack(grads))
            assert torch.allclose(part, rows[0] @ rows[1].T, atol=1e-12)


def test_edges_of_shape(dtype: torch.dtype) -> None:
    x = points(3, 3).to(dtype)
    plain = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    for net in (TwoLayerNet(3, 8).to(dtype), DeepNet(3, 8, 2).to(dtype), plain.to(dtype)):
        full = empirical_ntk(net, x)
        for n, m in ((0, 3), (3, 0), (1, 1), (0, 0), (1, 3)):
            part = empirical_ntk(net, x[:n], x[:m])
            assert part.shape == (n, m)
            torch.testing.assert_close(part, full[:n, :m])
        assert empirical_ntk(net, x[:0]).shape == (0, 0)
        torch.testing.assert_close(empirical_ntk(net, x[:1]), full[:1, :1])
    zero = torch.zeros(1, 3, dtype=dtype)
    assert float(empirical_ntk(TwoLayerNet(3, 8, bias=False).to(dtype), zero)) == 0


def test_nothing_of_the_net_is_changed() -> None:
    for net in (moved(DeepNet(3, 8, 2)), moved(TwoLayerNet(3, 8))):
        before = {k: v.clone() for k, v in net.state_dict().items()}
        state = torch.get_rng_state()
        x = points(4, 3).requires_grad_()
        assert not empirical_ntk(net, x).requires_grad
        assert x.grad is None
        assert torch.equal(torch.get_rng_state(), state)
        assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
        assert all(p.grad is None for p in net.parameters())


def test_no_jacobian_is_formed(monkeypatch: pytest.MonkeyPatch) -> None:
    net = TwoLayerNet(200, 6000)
    x = points(300, 200).to(torch.get_default_dtype())
    largest = 0

    class Watch(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            nonlocal largest
            out = func(*args, **(kwargs or {}))
            for t in out if isinstance(out, tuple | list) else [out]:
                if isinstance(t, Tensor) and t._base is None:
                    largest = max(largest, t.numel())
            return out

    with Watch():
        empirical_ntk(net, x)
    # nothing larger than the weights themselves; the Jacobian would have 360 million numbers
    assert largest <= net.weight.numel()


def test_robust_gram_is_the_kernel_at_attacked_inputs() -> None:
    net = moved(TwoLayerNet(3, 64))
    attacked = points(6, 3).reshape(2, 3, 3)
    found = robust_gram(net, attacked)
    assert torch.equal(found.gram, empirical_ntk(net, attacked.reshape(6, 3)))
    values = torch.linalg.eigvalsh(found.gram)
    assert found.least == pytest.approx(float(values[0]))
    assert found.greatest == pytest.approx(float(values[-1]))
    assert found.condition == pytest.approx(float(values[-1] / values[0]))
    assert repr(found).startswith("The tangent kernel at 6 attacked inputs has eigenvalues from")
    twice = robust_gram(net, attacked[0].repeat(2, 1))
    assert twice.condition == math.inf  # equal inputs: singular, whatever rounding says
    assert robust_gram(net, attacked[0, :1]).condition == 1


def test_robust_gram_takes_inputs_of_any_shape_that_is_said() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(8, 3), nn.Tanh(), nn.Linear(3, 1)).double()
    attacked = points(6, 8).reshape(2, 3, 2, 2, 2)
    whole = empirical_ntk(net, attacked.reshape(6, 2, 2, 2))
    assert torch.equal(robust_gram(net, attacked, shape=(2, 2, 2)).gram, whole)
    last = robust_gram(net, attacked[1], shape=[2, 2, 2]).gram
    torch.testing.assert_close(last, whole[3:, 3:])
    for shape in ((2, 2, 1), (2, 2, 3), (2, 3, 2, 2, 2)):
        text = ", ".join(map(str, shape))
        with pytest.raises(ValueError, match=rf"must have shape \(n, {text}\) or \(T, n, {text}\)"):
            robust_gram(net, attacked, shape=shape)
    for few_or_many in (attacked[0, 0, 0, 0], attacked[..., 0]):
        with pytest.raises(ValueError, match=r"shape \(n, d\) or .* got .*; say shape=\(c, h, w\)"):
            robust_gram(net, few_or_many)
    for wrong in ("222", (), 8):
        with pytest.raises(TypeError, match="shape must be a tuple such as"):
            robust_gram(net, attacked, shape=wrong)  # type: ignore[arg-type]


def test_gradients_of_all_examples_are_taken_at_once() -> None:
    """The module is called as often for many examples as for few; a hook makes it one by one."""
    calls = 0

    class Counted(nn.Sequential):
        def forward(self, x: Tensor) -> Tensor:
            nonlocal calls
            calls += 1
            found: Tensor = super().forward(x)
            return found

    for outputs in (1, 2):
        net = Counted(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, outputs)).double()
        counts = []
        for n in (2, 20):
            calls = 0
            empirical_ntk(net, points(n, 3), several_outputs=outputs > 1)
            counts.append(calls)
        assert counts[0] == counts[1]


class Branches(nn.Module):
    """<w, x> with one w where the entries of x sum to more than 0 and another elsewhere.

    What Python decides from the values of one example is not to be had for all at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.up, self.down = (nn.Parameter(torch.ones(3).double()) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        values = [(self.up if float(row.sum()) > 0 else self.down) @ row for row in x]
        return torch.stack(values) if values else x.sum(1)


def test_modules_that_decide_by_values_are_asked_one_by_one() -> None:
    net, x = Branches(), points(7, 3)
    signs = x.sum(1).sign()
    assert 0 < int((signs > 0).sum()) < 7
    wanted = (x @ x.T).where(signs[:, None] == signs, 0)
    torch.testing.assert_close(empirical_ntk(net, x), wanted)
    torch.testing.assert_close(empirical_ntk(net, x[:2], x), wanted[:2])
    assert empirical_ntk(net, x[:0], x).shape == (0, 7)
    assert empirical_ntk(net, x[:0]).shape == (0, 0)


def test_a_hook_on_a_parameter_acts_at_every_example() -> None:
    """Here it drops small gradients; the sum over a batch, which is large, does not show it."""
    net = nn.Linear(3, 1, bias=False).double()
    net.weight.register_hook(lambda g: g * (g.abs().max() > 1))  # type: ignore[no-untyped-call]
    x = torch.tensor([[0.6, 0, 0.3], [0, 0.7, 0], [2, 0, 1]], dtype=torch.float64)
    wanted = torch.zeros(3, 3, dtype=torch.float64)
    wanted[2, 2] = 5
    assert torch.equal(empirical_ntk(net, x), wanted)


def test_layers_of_the_kernel_have_no_graph() -> None:
    for net in (linearize(TwoLayerNet(3, 8)), linearize(DeepNet(3, 8, 2))):
        x = points(4, 3).float().requires_grad_()
        assert not any(part.requires_grad for part in ntk_by_layer(net, x))
