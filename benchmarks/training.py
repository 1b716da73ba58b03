"""Adversarial training of one wide two-layer net, or of many small ones, beside its products."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial

import torch

from robustlib import (
    PGD,
    LinfBall,
    PseudoHuber,
    Sample,
    TwoLayerNet,
    adversarial_training,
    sphere,
    train_many,
)
from robustlib.commands.contest import Contest, timed

EPS, INNER, STEPS = 0.1, 10, 2
MANY, FEW = 64, 5  # nets of a stack, and the steps of PGD for each of theirs
LOSS = PseudoHuber()


def contests(budget: str) -> Iterator[Contest]:
    """Steps of training against PGD in the sup norm; float32, ReLU, no lift, no symmetry."""
    small = budget == "smoke"
    for width in (64,) if small else (4096, 16_384):
        n = 20 if small else 1000
        sample = sphere(n, 64, seed=0).to(dtype=torch.float32)
        net = TwoLayerNet(64, width, symmetric=False, bias=False, seed=0).float()
        how = {"perturbation": LinfBall(EPS), "attack": PGD(steps=INNER), "loss": LOSS}
        how |= {"step_size": 1.0, "steps": STEPS, "progress": False}
        yield Contest(
            f"{STEPS} steps of training, PGD of {INNER}, m = {width}, n = {n}",
            "their own products",
            timed(partial(adversarial_training, net, sample, **how)),
            timed(products(n, 64, width)),
            {"loop of autograd": timed(partial(loop, net, sample))},
            runs=2 if small or width > 4096 else 3,
        )
    for width in (4,) if small else (64, 256):
        yield stacks(width, 4 if small else MANY, 20 if small else 64)


def stacks(width: int, count: int, n: int) -> Contest:
    """Many nets at once, and one after the other."""
    sample = sphere(n, 64, seed=0).to(dtype=torch.float32)
    options = {"symmetric": False, "bias": False}
    nets = [TwoLayerNet(64, width, seed=k, **options).float() for k in range(count)]
    how = {"perturbation": LinfBall(EPS), "attack": PGD(steps=FEW), "loss": LOSS}
    how |= {"step_size": 1.0, "steps": 5 * STEPS, "progress": False}

    def one_by_one() -> None:
        for net in nets:
            adversarial_training(net, sample, **how)

    return Contest(
        f"{5 * STEPS} steps of training {count} nets, PGD of {FEW}, m = {width}, n = {n}",
        "their own products",
        timed(partial(train_many, nets, sample, **how)),
        timed(batches(count, n, 64, width)),
        {"one net after the other": timed(one_by_one)},
        runs=2 if count < MANY else 4,
    )


def batches(count: int, n: int, d: int, m: int) -> Callable[[], None]:
    """As ``products``, each for all nets in one call."""
    x, w, z = torch.randn(count, n, d), torch.randn(count, m, d), torch.randn(count, n, m)
    at, slope = torch.empty(count, n, d), torch.empty(count, m, d)

    def run() -> None:
        for _ in range(5 * STEPS):
            for _ in range(FEW):
                torch.bmm(x, w.transpose(1, 2), out=z)
                torch.bmm(z, w, out=at)
            for _ in range(4):
                torch.bmm(x, w.transpose(1, 2), out=z)
            torch.bmm(z.transpose(1, 2), x, out=slope)

    return run


def products(n: int, d: int, m: int) -> Callable[[], None]:
    """What a step takes: forward and back for each step of PGD, forward at the other end of the
    linearisation, at the last point and at the points found, and forward and to the weights.
    """
    x, w, z = torch.randn(n, d), torch.randn(m, d), torch.randn(n, m)
    at, slope = torch.empty(n, d), torch.empty(m, d)

    def run() -> None:
        for _ in range(STEPS):
            for _ in range(INNER):
                torch.mm(x, w.T, out=z)
                torch.mm(z, w, out=at)
            for _ in range(4):
                torch.mm(x, w.T, out=z)
            torch.mm(z.T, x, out=slope)

    return run


def loop(net: TwoLayerNet, sample: Sample) -> None:
    """The same by autograd with respect to the input alone; nothing checked, nothing kept."""
    x, y = sample.x, sample.y
    w = net.weight.detach().clone()
    a = net.readout / math.sqrt(net.width)
    for _ in range(STEPS):
        z = x
        for _ in range(INNER):
            z = z.clone().requires_grad_()
            (g,) = torch.autograd.grad(LOSS((z @ w.T).relu() @ a, y).sum(), z)
            z = x + (z.detach() + EPS / 4 * g.sign() - x).clamp(-EPS, EPS)
        w.requires_grad_()
        (slope,) = torch.autograd.grad(LOSS((z @ w.T).relu() @ a, y).mean(), w)
        w = (w - slope).detach()
