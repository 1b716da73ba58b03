"""Models as people build them, small enough to ask thousands of times: for ``test_kinds.py``."""

from __future__ import annotations

import types
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations

from robustlib.networks import DeepNet, TwoLayerNet, linearize

FLAT, IMAGE, SEQUENCE = (6,), (1, 4, 4), (2, 3)


@dataclass(frozen=True)
class Kind:
    """How to make a model, the shape of its examples, and where it is refused, in what words.

    ``exact`` says that its gradients are the derivatives of its outputs, and ``tolerance`` how well
    one example after the other gives what the batch gives.
    """

    make: Callable[[], nn.Module]
    shape: tuple[int, ...] = FLAT
    refused: dict[str, str] = field(default_factory=dict)
    exact: bool = True
    tolerance: float = 1e-9
    bounded: bool = False


def perceptron(*extra: nn.Module, d: int = 6) -> nn.Sequential:
    return nn.Sequential(nn.Linear(d, 5), *extra, nn.ReLU(), nn.Linear(5, 1), nn.Flatten(0))


class On(nn.Module):
    """A function of some modules."""

    def __init__(self, function: Callable[..., Tensor], **modules: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, x: Tensor) -> Tensor:
        return self.function(self, x)


def normed() -> nn.Module:
    net = perceptron(nn.BatchNorm1d(5), nn.Dropout(0.5))
    with torch.no_grad():
        net[1].running_mean.uniform_(-1, 1)  # type: ignore[union-attr, operator]
        net[1].running_var.uniform_(0.5, 2)  # type: ignore[union-attr, operator]
    return net


def two_layer() -> TwoLayerNet:
    return TwoLayerNet(6, 8, activation="tanh", symmetric=False)


def deep() -> DeepNet:
    return DeepNet(6, 5, 2, activation="tanh")


def hooked() -> nn.Module:
    net = two_layer()
    net.register_forward_hook(lambda module, args, out: 3 * out)
    return net


def hooked_before() -> nn.Module:
    net = perceptron()
    net[2].register_forward_pre_hook(lambda module, args: (args[0] - 0.5,))
    return net


def hooked_behind() -> nn.Module:
    net = perceptron()
    net[2].register_full_backward_hook(lambda module, into, out: (2 * into[0],))
    return net


def watched() -> nn.Module:
    """A hook that looks at the numbers, as those that draw histograms do."""
    net = perceptron()
    net[0].register_forward_hook(lambda m, args, out: None if out.detach().numpy().any() else out)
    return net


def patched() -> nn.Module:
    net = two_layer()
    triple = types.MethodType(lambda self, x: 3 * TwoLayerNet.forward(self, x), net)
    net.forward = triple  # type: ignore[method-assign]
    return net


def patched_by_a_lambda() -> nn.Module:
    """Its copies compute with the weights of the original, as the lambda holds on to them."""
    net = two_layer()
    old = net.forward
    net.forward = lambda x: 3 * old(x)  # type: ignore[method-assign]
    return net


def patched_by_closure() -> nn.Module:
    net = two_layer()
    old = net.evaluate
    net.evaluate = lambda weights, x: 3 * old(weights, x)  # type: ignore[method-assign]
    return net


def patched_inside() -> nn.Module:
    net = perceptron()
    net[1].forward = torch.sin  # type: ignore[assignment]
    return net


class Tripled(TwoLayerNet):
    def forward(self, x: Tensor) -> Tensor:
        return 3 * super().forward(x)


class Renamed(TwoLayerNet):
    """Nothing but a name: still the function that the library knows."""

    def title(self) -> str:
        return "mine"


class Shifted(DeepNet):
    def lift(self, x: Tensor) -> Tensor:
        return super().lift(x + 0.5)


def frozen() -> nn.Module:
    net = deep()
    net.layers[0].requires_grad_(False)
    return net


def masked() -> nn.Module:
    """Half of the first weights never move: their gradient is set to 0 by a hook."""
    net = perceptron()
    net[0].weight.register_hook(lambda g: g * (torch.arange(6) % 2))  # type: ignore[union-attr, operator]
    return net


def tied() -> nn.Module:
    net = On(lambda m, x: m.b(torch.tanh(m.a(x))).square().sum(1), a=nn.Linear(6, 6))
    net.b = nn.Linear(6, 6)
    net.b.weight = net.a.weight
    return net


def in_place(module: nn.Module, x: Tensor) -> Tensor:
    x -= 0.3
    x.mul_(2)
    return module.net(x)  # type: ignore[operator, no-any-return]


def scripted() -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.jit.script(perceptron())  # type: ignore[no-any-return]


class Recurrent(nn.Module):
    def __init__(self, kind: type[nn.RNNBase]) -> None:
        super().__init__()
        self.body, self.head = kind(3, 4, batch_first=True), nn.Linear(4, 1)  # type: ignore[call-arg]

    def forward(self, x: Tensor) -> Tensor:
        f: Tensor = self.head(self.body(x)[0][:, -1])[:, 0]
        return f


class Cube(torch.autograd.Function):
    """x^3, with a backward pass of its own, as it was written before functional transforms."""

    @staticmethod
    def forward(ctx, x):  # type: ignore[no-untyped-def, override]
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):  # type: ignore[no-untyped-def, override]
        (x,) = ctx.saved_tensors
        return 3 * g * x**2


class Waves(nn.Module):
    """The real part of a sum of complex exponentials with complex amplitudes."""

    def __init__(self) -> None:
        super().__init__()
        self.amplitude = nn.Parameter(torch.randn(5, dtype=torch.complex128))
        self.frequency = nn.Parameter(torch.randn(6, 5))

    def forward(self, x: Tensor) -> Tensor:
        return (torch.exp(1j * (x @ self.frequency)) @ self.amplitude).real


def half(module: nn.Module, x: Tensor) -> Tensor:
    hidden = x.half() @ module.a.weight.half().T  # type: ignore[union-attr, operator]
    return module.b(torch.tanh(hidden).to(x.dtype))[:, 0]  # type: ignore[operator, no-any-return]


class Counting(nn.Module):
    """A buffer that counts, a number in Python that does, and an output written over the last."""

    def __init__(self) -> None:
        super().__init__()
        self.net, self.asked = perceptron(), 0
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.asked += 1
        f: Tensor = self.net(x)
        return f


class Reusing(nn.Module):
    """Every answer stands in the same memory, as with CUDA graphs."""

    def __init__(self) -> None:
        super().__init__()
        self.net = perceptron()
        self.answer = torch.zeros(4)

    def forward(self, x: Tensor) -> Tensor:
        f: Tensor = self.net(x)
        if f.requires_grad or len(f) != 4:
            return f
        return self.answer.copy_(f)


class Experts(nn.Module):
    """Every example goes to the expert of its sign, by a branch that looks at the numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(6, 1), nn.Linear(6, 1)

    def forward(self, x: Tensor) -> Tensor:
        rows = [self.one(row) if float(row.detach()[0]) > 0 else self.other(row) ** 2 for row in x]
        return torch.cat(rows)


class Binned(nn.Module):
    """A table looked up by bins of the first coordinate, and a linear part."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.linear = nn.Embedding(4, 3), nn.Linear(6, 3)
        self.register_buffer("edges", torch.tensor([-0.5, 0.0, 0.5]))

    def forward(self, x: Tensor) -> Tensor:
        rows = self.table(torch.bucketize(x[:, 0].contiguous(), self.edges))
        return (rows * self.linear(x)).sum(1)


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = nn.MultiheadAttention(3, 3, batch_first=True), nn.Linear(6, 1)

    def forward(self, x: Tensor) -> Tensor:
        f: Tensor = self.head(self.body(x, x, x, need_weights=False)[0].flatten(1))
        return f


def encoder() -> nn.Module:
    body = nn.TransformerEncoderLayer(3, 1, dim_feedforward=3, batch_first=True)
    return nn.Sequential(body, nn.Flatten(), nn.Linear(6, 1))


class Captured(nn.Module):
    """Uses a weight past the place where functional transforms would put another."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(6, 5), nn.Linear(5, 1)
        self.held = [self.a.weight]

    def forward(self, x: Tensor) -> Tensor:
        f: Tensor = self.b(torch.tanh(x @ self.held[0].T + self.a.bias))[:, 0]
        return f


KINDS: dict[str, Kind] = {
    "plain": Kind(perceptron, bounded=True),
    "one column": Kind(lambda: perceptron()[:-1], bounded=True),
    "two-layer": Kind(two_layer, bounded=True),
    "deep": Kind(deep, bounded=True),
    "linearised": Kind(lambda: linearize(two_layer())),
    "renamed": Kind(lambda: Renamed(6, 8, activation="tanh", symmetric=False), bounded=True),
    "batch norm, dropout": Kind(normed, bounded=True),
    "hook": Kind(hooked),
    "hook before": Kind(hooked_before),
    "hook behind": Kind(hooked_behind, exact=False),
    "hook with numpy": Kind(watched),
    "patched": Kind(patched),
    "patched by closure": Kind(patched_by_closure),
    "patched by a lambda": Kind(
        patched_by_a_lambda, refused={"train": "copy computes with the weight of the original"}
    ),
    "patched inside": Kind(patched_inside),
    "subclass": Kind(lambda: Tripled(6, 8, activation="tanh", symmetric=False)),
    "subclass of a part": Kind(lambda: Shifted(6, 5, 2, activation="tanh")),
    "frozen": Kind(frozen, bounded=True),
    "gradient hook": Kind(masked, exact=False, bounded=True),
    "tied": Kind(tied),
    "in place": Kind(lambda: On(in_place, net=perceptron())),
    "compiled": Kind(lambda: torch.compile(perceptron(), backend="eager")),  # type: ignore[arg-type, return-value]
    "TorchScript": Kind(scripted),
    "DataParallel": Kind(lambda: nn.DataParallel(perceptron())),
    "RNN": Kind(lambda: Recurrent(nn.RNN), SEQUENCE),
    "LSTM": Kind(lambda: Recurrent(nn.LSTM), SEQUENCE),
    "GRU": Kind(lambda: Recurrent(nn.GRU), SEQUENCE),
    "convolution": Kind(
        lambda: nn.Sequential(
            nn.Conv2d(1, 3, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(3, 1)
        ).append(nn.Flatten(0)),
        IMAGE,
        bounded=True,
    ),
    "max pooling": Kind(
        lambda: nn.Sequential(
            nn.Conv2d(1, 3, 3), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(3, 1)
        ).append(nn.Flatten(0)),
        IMAGE,
    ),
    "group norm, residual": Kind(
        lambda: On(
            lambda m, x: m.head((x + m.body(m.norm(x))).flatten(1))[:, 0],
            norm=nn.GroupNorm(1, 1),
            body=nn.Conv2d(1, 1, 3, padding=1),
            head=nn.Linear(16, 1),
        ),
        IMAGE,
    ),
    "layer norm": Kind(lambda: perceptron(nn.LayerNorm(5))),
    "own backward": Kind(
        lambda: On(lambda m, x: m.b(Cube.apply(m.a(x)))[:, 0], a=nn.Linear(6, 3), b=nn.Linear(3, 1))
    ),
    "complex inside": Kind(Waves),
    "half inside": Kind(
        lambda: On(half, a=nn.Linear(6, 5), b=nn.Linear(5, 1)), exact=False, tolerance=1e-2
    ),
    "attention": Kind(lambda: nn.Sequential(Attention(), nn.Flatten(0)), SEQUENCE),
    "transformer": Kind(lambda: nn.Sequential(encoder(), nn.Flatten(0)), SEQUENCE),
    "weight norm": Kind(
        lambda: On(
            lambda m, x: m.b(torch.tanh(m.a(x)))[:, 0],
            a=parametrizations.weight_norm(nn.Linear(6, 5)),
            b=nn.Linear(5, 1),
        )
    ),
    "spectral norm": Kind(
        lambda: nn.Sequential(parametrizations.spectral_norm(nn.Linear(6, 1)), nn.Flatten(0))
    ),
    "counting": Kind(Counting),
    "reused answer": Kind(Reusing),
    "normalising": Kind(lambda: On(lambda m, x: m.net((x - 0.3) / 0.5), net=perceptron())),
    "bilinear": Kind(
        lambda: On(
            lambda m, x: torch.einsum("ni,ij,nj->n", x, m.a.weight, x) + x.sum(1), a=nn.Linear(6, 6)
        )
    ),
    "experts": Kind(Experts),
    "bins": Kind(Binned),
    "fx": Kind(lambda: torch.fx.symbolic_trace(perceptron())),
    "captured weight": Kind(Captured),
}


def made(name: str) -> nn.Module:
    """The kind's model, always the same, in training mode and in float64."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            model = KINDS[name].make()
        finally:
            torch.set_default_dtype(before)
    return model.train()
