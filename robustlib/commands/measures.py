"""What is measured on a GPU: values against the CPU, speed against its products, claims, MNIST."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from ..attacks import FGSM, PGD
from ..book.claims import check, claims
from ..kernels import empirical_ntk, ntk
from ..losses import PseudoHuber
from ..networks import DeepNet, TwoLayerNet, linearize
from ..samples import Sample, openml, sphere
from ..samples.download import cached
from ..sets import L1Ball, L2Ball, LinfBall, Perturbation, SphereCap
from ..training import adversarial_training
from ..verification import robust_accuracy

CPU = torch.device("cpu")
CHAPTERS = ("03", "04", "11")
# values may differ by so much of the largest
ALLOWED = {torch.float64: 1e-13, torch.float32: 5e-7}


@dataclass(frozen=True)
class Size:
    """Sizes of one budget."""

    budget: str
    points: int
    width: int  # of nets whose values are compared
    widths: tuple[int, ...]  # of nets whose training is timed
    gram: int
    product: int
    mnist: int


SIZES = {
    "smoke": Size("smoke", 20, 64, (256,), 256, 256, 64),
    "laptop": Size("laptop", 200, 1024, (4096,), 2048, 1024, 256),
    "gpu": Size("gpu", 1000, 4096, (65_536, 131_072), 32_768, 8192, 4096),
}


@dataclass(frozen=True)
class Row:
    """One measurement; ``right`` is None where nothing can be wrong."""

    kind: str
    what: str
    found: str
    wanted: str
    right: bool | None

    def __str__(self) -> str:
        verdict = {True: "right", False: "WRONG", None: ""}[self.right]
        return f"{self.kind:11}{self.what:44}{self.found:32}{self.wanted:26}{verdict}".rstrip()


def values(device: torch.device, size: Size, seed: int) -> Iterator[Row]:
    """The library's numbers on the device against those on the CPU."""
    for dtype, allowed in ALLOWED.items():
        here, away = (_values(place, dtype, size, seed) for place in (CPU, device))
        for name, make in here.items():
            expected, found = make().detach(), away[name]().detach().to(CPU)
            gap = float((found - expected).abs().max() / expected.abs().max())
            kind = str(dtype).removeprefix("torch.")
            yield Row(
                "values", f"{name} ({kind})", f"{gap:.0e}", f"at most {allowed:g}", gap <= allowed
            )


def _values(
    device: torch.device, dtype: torch.dtype, size: Size, seed: int
) -> dict[str, Callable[[], Tensor]]:
    sample = sphere(size.points, 64, seed).to(device, dtype)
    x, y, loss = sample.x, sample.y, PseudoHuber()
    net = TwoLayerNet(64, size.width, activation="gelu", symmetric=False, seed=seed)
    deep = DeepNet(64, min(size.width, 512), 3, activation="gelu", seed=seed)
    net, deep = net.to(x), deep.to(x)
    z = x.flip(0)

    def gradient() -> Tensor:
        point = x.clone().requires_grad_()
        (found,) = torch.autograd.grad(net(point).sum(), point)
        return found

    def trained() -> Tensor:
        run = adversarial_training(
            net,
            sample,
            perturbation=L2Ball(0.1),
            attack=FGSM(),
            loss=loss,
            step_size=1.0,
            steps=1,
            progress=False,
        )
        return next(run.final.parameters()).detach()

    made: dict[str, Callable[[], Tensor]] = {
        "net, outputs": lambda: net(x),
        "net, input gradient": gradient,
        "net of depth 3, outputs": lambda: deep(x),
        "tangent of the net, outputs": lambda: linearize(net)(x),
        "loss and its derivative": lambda: torch.cat([loss(net(x), y), loss.derivative(net(x), y)]),
        "weights after a step of training": trained,
        "kernel of infinite width, depth 3": lambda: ntk(x, depth=3, trained="all"),
        "kernel of infinite width, GELU": lambda: ntk(x, activation="gelu"),
        "kernel of the net": lambda: empirical_ntk(net, x),
    }
    for sets in (L2Ball(0.3), LinfBall(0.1), L1Ball(0.5), SphereCap(0.3)):
        made[f"projection to {sets!r}"] = partial(sets.project, z, x)
    return made


def speed(device: torch.device, size: Size, seed: int) -> Iterator[Row]:
    """Training of wide nets in share of the device's product peak, and what attacks launch."""
    peak = _peak(device, size.product)
    yield Row("speed", f"product of {size.product} x {size.product}", _rate(peak), "", None)
    sample, steps = sphere(size.points, 64, seed).to(device, torch.float32), 10
    how: dict[str, Any] = {"perturbation": LinfBall(0.1), "attack": PGD(steps=steps)}
    how |= {"loss": PseudoHuber(), "step_size": 1.0, "progress": False}
    for width in size.widths:
        net = TwoLayerNet(64, width, seed=seed).to(sample.x)

        def train(count: int, net: TwoLayerNet = net) -> None:
            adversarial_training(net, sample, steps=count, **how)

        step = _seconds(device, lambda: train(4)) - _seconds(device, lambda: train(2))
        # a pass forward and one back to the input for every step of PGD, then one and one
        work = 2 * sample.n * width * 65 * (2 * steps + 2)
        share = work / (peak * step / 2)
        yield Row(
            "speed",
            f"training step, m = {width}, n = {sample.n}",
            f"{share:.2f} of the product peak",
            f"{step / 2:.2g} s",
            None,
        )
    net = TwoLayerNet(64, size.width, seed=seed).to(sample.x)
    for sets in (LinfBall(0.1), L2Ball(0.1), SphereCap(0.1)):
        few, many = (_operations(net, sample, sets, PGD(steps=k)) for k in (10, 20))
        found = f"{(many - few) / 10:.1f} operations a step"
        waits = "" if device.type != "cuda" else f"{_waits(net, sample, sets):.1f} waits a step"
        yield Row("speed", f"PGD, {sets!r}", found, waits, None)


def _peak(device: torch.device, n: int) -> float:
    """Operations a second of the product of two matrices of n rows and columns, float32."""
    a = torch.randn(n, n, device=device)
    return 2 * n**3 / _seconds(device, lambda: a @ a)


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """How many operations are asked of the device; nearly all are launches."""

    count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += 1
        return func(*args, **(kwargs or {}))


def _operations(net: TwoLayerNet, sample: Sample, sets: Perturbation, attack: PGD) -> int:
    counter = _Counter()  # type: ignore[no-untyped-call]
    with counter:
        attack(net, sample.x, sample.y, perturbation=sets, loss=PseudoHuber())
    return int(counter.count)


def _waits(net: TwoLayerNet, sample: Sample, sets: Perturbation) -> float:
    """How often a step of PGD makes the host wait for the GPU, as torch itself counts."""
    found = []
    for steps in (10, 20):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode(1)
            try:
                attack = PGD(steps=steps)
                attack(net, sample.x, sample.y, perturbation=sets, loss=PseudoHuber())
            finally:
                torch.cuda.set_sync_debug_mode(0)
        found.append(len(seen))
    return (found[1] - found[0]) / 10


def gram(device: torch.device, size: Size, seed: int) -> Iterator[Row]:
    """A large Gram matrix: its time over the product of the inputs, and rows of it on the CPU."""
    x = sphere(size.gram, 64, seed).to(device, torch.float32).x
    whole = ntk(x, depth=3, trained="all")
    some = slice(0, None, max(1, len(x) // 64))
    expected = ntk(
        x[some].to(CPU, torch.float64), x[:512].to(CPU, torch.float64), depth=3, trained="all"
    )
    gap = float((whole[some, :512].to(CPU) - expected).abs().max() / expected.abs().max())
    del whole
    ratio = _seconds(device, lambda: ntk(x, depth=3, trained="all"))
    ratio /= _seconds(device, lambda: x @ x.T)
    found = f"{ratio:.1f} times x @ x.T"
    yield Row("speed", f"ntk of depth 3, n = {len(x)}", found, "", None)
    limit = ALLOWED[torch.float32]
    yield Row(
        "values", "the same, against float64", f"{gap:.0e}", f"at most {limit:g}", gap <= limit
    )


def statements(device: torch.device, size: Size, seed: int) -> Iterator[Row]:
    """The claims of some chapters, their training and kernels on the device."""
    for found in claims():
        if found.chapter.startswith(CHAPTERS):
            verdict = check(found.id, budget=size.budget, device=device)
            if verdict.reason.endswith("TimeoutError: "):  # the command's limit, not the claim's
                raise TimeoutError
            took = f"{verdict.seconds:.0f} s of CPU time"
            yield Row("claim", found.id, verdict.status, took, not verdict.fails)


def mnist(device: torch.device, size: Size, seed: int) -> Iterator[Row]:
    """Threes against eights of MNIST, where a copy of it is on this machine."""
    if not cached("mnist_784"):
        yield Row("mnist", "3 against 8", "not run: no copy of it here", "", None)
        return
    sample = openml(classes=(3, 8), n=200, seed=seed).to(device)
    how: dict[str, Any] = {"perturbation": SphereCap(0.1), "attack": PGD(steps=5)}
    run = adversarial_training(
        TwoLayerNet(sample.d, size.mnist, seed=seed).to(sample.x),
        sample,
        loss=PseudoHuber(),
        step_size=2.0,
        steps=50,
        progress=False,
        **how,
    )
    found = robust_accuracy(run.best, sample, **how)
    yield Row("mnist", f"3 against 8, m = {size.mnist}", repr(found)[:80], "", None)


MEASURES = (values, speed, gram, mnist, statements)


def _seconds(device: torch.device, work: Callable[[], object], runs: int = 3) -> float:
    """The least time of several runs after a first one; by the clock, since a GPU has no other."""
    best = math.inf
    for run in range(runs + 1):
        _wait(device)
        begun = time.perf_counter()
        work()
        _wait(device)
        if run:
            best = min(best, time.perf_counter() - begun)
    return best


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _rate(flops: float) -> str:
    return f"{flops / 1e12:.2g} TFLOP/s"
