"""Networks drawn at random from all kinds of layers that bounds know."""

from __future__ import annotations

import math
import random

import torch
from tables import OWN
from torch import Tensor, nn

from robustlib.activations import ACTIVATIONS
from robustlib.networks import DeepNet, TwoLayerNet

SMOOTH = (nn.ReLU, nn.GELU, nn.SiLU, nn.Tanh)
ALL = [*ACTIVATIONS.values(), *OWN.values()]


def drawn_model(seed: int) -> tuple[nn.Module, tuple[int, ...]]:
    """A model in evaluation mode, and the shape of its examples."""
    dice = random.Random(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if dice.random() < 0.3:
            d, wide = dice.randint(1, 6), dice.choice([2, 4, 8])
            options = {"activation": dice.choice(ALL), "bias": dice.random() < 0.5, "seed": seed}
            if dice.random() < 0.5:
                symmetric = dice.random() < 0.5
                net: nn.Module = TwoLayerNet(d, wide, symmetric=symmetric, **options)  # type: ignore[arg-type]
            else:
                net = DeepNet(d, wide, dice.randint(1, 3), **options)  # type: ignore[arg-type]
            shape: tuple[int, ...] = (d,)
        else:
            axes = dice.randint(1, 3)
            shape = tuple(dice.randint(2, 6 // axes + 1) for _ in range(axes))
            net = _Drawer(dice, shape).model()
        _unsettle(net, dice)
    return net.eval(), shape


def _unsettle(net: nn.Module, dice: random.Random) -> None:
    """Weights and statistics that training might have left, of sizes that differ widely."""
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter)).mul_(10 ** dice.uniform(-0.7, 0.7))
        for module in net.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                mean, variance = module.running_mean, module.running_var
                assert mean is not None
                assert variance is not None
                mean.normal_().mul_(10 ** dice.uniform(-1, 2))
                variance.uniform_(0.1, 1).mul_(10 ** dice.uniform(-4, 2))


class _Drawer:
    """Adds one layer after another, as long as their shapes allow."""

    def __init__(self, dice: random.Random, shape: tuple[int, ...]) -> None:
        self.dice, self.shape = dice, shape
        self.layers: list[nn.Module] = []

    def model(self) -> nn.Module:
        for _ in range(self.dice.randint(0, 5)):
            self.layers.append(self.draw())
            with torch.no_grad():
                like = nn.Sequential(*self.layers).eval()(torch.zeros(2, *self.shape))
            self.now = tuple(like.shape[1:])
        k = math.prod(self.now if self.layers else self.shape)
        self.layers += [nn.Flatten(), nn.Linear(k, 1)]
        end = self.dice.random()
        self.layers += [nn.Flatten(0)] if end < 0.5 else [nn.Tanh()] if end > 0.9 else []
        cut = self.dice.randint(0, len(self.layers))
        return nn.Sequential(nn.Sequential(*self.layers[:cut]), *self.layers[cut:])

    def draw(self) -> nn.Module:
        shape = self.now if self.layers else self.shape
        dice, channels, odd = self.dice, shape[0], self.dice.random() < 0.5
        every: list[nn.Module] = [dice.choice(SMOOTH)(), dice.choice(SMOOTH)(), nn.Dropout(0.3)]
        if len(shape) == 1:
            every += [nn.Linear(channels, dice.randint(1, 6), bias=odd)] * 3
            every += [nn.BatchNorm1d(channels, affine=odd)] * 2
            every += [nn.AvgPool1d(2, 1)] * (channels > 1) + [nn.Unflatten(1, (1, channels))]
        if len(shape) == 2:
            every += [nn.BatchNorm1d(channels, affine=odd)] * 2
            every += [nn.Conv1d(channels, 2, 2, padding=1, dilation=1 + odd, bias=odd)] * 2
            every += [nn.Conv1d(channels, 2 * channels, 1, groups=channels), nn.Flatten(-2)]
            every += [nn.AvgPool1d(2, padding=1, count_include_pad=odd), nn.AdaptiveAvgPool1d(2)]
            every += [nn.Linear(shape[1], 2, bias=odd)]
        if len(shape) == 3:
            every += [nn.BatchNorm2d(channels, affine=odd)] * 2
            every += [nn.Conv2d(channels, 2, 3, padding=1 + odd, stride=1 + odd, bias=odd)] * 2
            every += [nn.Conv2d(channels, channels, 3, padding="same", groups=channels)]
            every += [nn.AvgPool2d(2, 1, 1, divisor_override=3 if odd else None), nn.Flatten()]
            every += [nn.AdaptiveAvgPool2d((1, 2)), nn.AvgPool2d(2, ceil_mode=True, padding=1)]
        return dice.choice(every)


def drawn_inputs(shape: tuple[int, ...], n: int, seed: int) -> Tensor:
    """Examples (n, ...) of norm 1, float64."""
    x = torch.randn(n, math.prod(shape), dtype=torch.float64, generator=_generator(seed))
    return (x / x.norm(dim=1, keepdim=True)).reshape(n, *shape)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
