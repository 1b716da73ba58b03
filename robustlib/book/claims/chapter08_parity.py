"""The statements of chapter 08 on parity: what is missing, what repairs it, what training does."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ...activations import ACTIVATIONS, Parity
from ...attacks import GridMax
from ...expressivity import expressiveness, min_norm_interpolant
from ...kernels import kernel_spectrum
from ...losses import PseudoHuber
from ...networks import TwoLayerNet
from ...numerics import generator, row_norm
from ...samples import Sample, hexagon, sphere
from ...sets import Finite, SphereCap
from .place import adversarial_training
from .registry import Control, Evidence, claim
from .sharp import doubled
from .tools import F64
from .widths import SEEDS

HALF = [name for name, s in ACTIVATIONS.items() if s.parity == Parity("even", 1)]
# By activation: the degrees up to 8 that kernels without bias lack.
MISSING = {
    name: tuple(degree for degree in range(9) if s.parity.lacks(degree))
    for name, s in ACTIVATIONS.items()
    if s.parity is not None
}


def random_net(name: str, bias: bool, seed: int) -> TwoLayerNet:
    """Any weights at all: far from initialisation, without twins."""
    net = TwoLayerNet(3, 50, activation=name, bias=bias, symmetric=False, seed=seed).to(F64)
    with torch.no_grad():
        net.weight.copy_(3 * torch.randn(net.weight.shape, dtype=F64, generator=generator(seed, 8)))
    return net


def parity_rest(net: TwoLayerNet, x: Tensor) -> float:
    """What is left of f(x) -+ f(-x) beyond a linear function, a quadratic form, or 0."""
    parity = net.activation.parity
    assert parity is not None
    with torch.no_grad():
        both = net(x) - net(-x) if parity.kind == "even" else net(x) + net(-x)
    if parity.power is None:
        return float(both.abs().max())
    columns = x
    if parity.power == 2:
        i, j = torch.triu_indices(x.shape[1], x.shape[1])
        columns = x[:, i] * x[:, j]
    fitted = columns @ torch.linalg.lstsq(columns, both[:, None]).solution[:, 0]
    return float((both - fitted).abs().max())


@claim(
    "parity",
    statement="prop-parity",
    title="What a network without bias cannot say",
    chapter="08-expressiveness",
)
def parity(size: str) -> Evidence:
    """Finite nets with random weights, and the spectra of their kernels."""
    x, wrong = sphere(40, 3, seed=1).x, []
    pairs = [(name, seed) for name in MISSING for seed in range(SEEDS[size])]
    rest = max(parity_rest(random_net(name, False, seed), x) for name, seed in pairs)
    lifted = min(parity_rest(random_net(name, True, seed), x) for name, seed in pairs)
    for d in (2, 3, 6):
        for name, degrees in MISSING.items():
            if (
                kernel_spectrum(d, activation=name, bias=False, max_degree=8).missing_degrees
                != degrees
            ):
                wrong.append(name)
    return Evidence(
        predicted="f(x) - f(-x) linear, f(x) + f(-x) a quadratic form, or 0; spectra lack the rest",
        measured=f"left over {'0 to 1e-11' if rest <= 1e-11 else f'{rest:.1e}'}, "
        f"{'all' if not wrong else 'not all'} spectra as predicted",
        value=rest,
        holds=rest <= 1e-11 and not wrong,
        control=Control(
            broken="the bias lift",
            measured=f"left over at least {lifted:.2g}",
            holds=lifted <= 1e-11,
            short="bias lift",
        ),
        ran=f"{len(ACTIVATIONS)} activations, {SEEDS[size]} nets each with random weights, "
        "spectra in d = 2, 3, 6",
    )


@claim(
    "bias-lift",
    statement="prop-lift",
    title="The bias lift makes every kernel universal",
    chapter="08-expressiveness",
)
def bias_lift(size: str) -> Evidence:
    """All eigenvalues of lifted kernels are positive, well above rounding."""
    top, least, without = 6, math.inf, math.inf
    for d in (2, 3, 6):
        for name in ACTIVATIONS:
            for bias in (True, False):
                found = kernel_spectrum(d, activation=name, bias=bias, max_degree=top)
                share = float((found.eigenvalues / found.rounding).min())
                if bias:
                    least = min(least, share)
                else:
                    without = min(without, share)
    return Evidence(
        predicted="every eigenvalue > 0",
        measured=f"each more than {10 ** math.floor(math.log10(least)):.0e} times its rounding",
        value=least,
        holds=least > 100,
        control=Control(
            broken="no lift",
            measured=f"smallest eigenvalue {without:g}",
            holds=without > 100,
            short="no bias lift",
        ),
        ran=f"{len(ACTIVATIONS)} activations, d = 2, 3, 6, degrees 0 to {top}",
    )


@claim(
    "parity-trap",
    statement="thm-trap",
    title="Training cannot leave the square root of two, minus one",
    chapter="08-expressiveness",
)
def parity_trap(size: str) -> Evidence:
    """The loss of any weights at the hexagon, and of the best weights that training finds."""
    data, loss, floor = hexagon(), PseudoHuber(), math.sqrt(2) - 1
    lowest = math.inf
    for name in HALF:
        for seed in range(10 * SEEDS[size]):
            net = TwoLayerNet(2, 30, activation=name, bias=False, symmetric=False, seed=seed)
            net.to(F64)
            with torch.no_grad():
                lowest = min(lowest, float(loss(net(data.x), data.y).mean()))
    stuck = min(best_loss(data, name, bias=False, steps=30) for name in HALF)
    freed = best_loss(data, "relu", bias=True, steps=STEPS[size])
    even = Sample(data.x, torch.tensor([1.0, -1, -1, 1, -1, -1], dtype=F64), "even labels")
    other = best_loss(even, "relu", bias=False, steps=30)
    limit = 0.1 if size == "smoke" else 0.01
    return Evidence(
        predicted=f"without bias never below {floor:.6f}; with bias towards 0",
        measured=f"random weights at least {lowest:.4f}, training {stuck:.6f}; "
        f"with bias below {limit:g}: {freed <= limit}",
        value=stuck,
        holds=min(lowest, stuck) >= floor - 1e-12 and stuck <= floor + 1e-9 and freed <= limit,
        ratio=floor / stuck,
        control=doubled(
            Control(
                broken="labels that are equal at antipodal points",
                measured=f"loss {other:.2f} after 30 steps",
                holds=other >= floor - 1e-12,
                short="even labels",
            ),
            floor / stuck,
        ),
        ran=f"hexagon, caps of 0.1 rad, exact attack, width 1024, up to {STEPS[size]} steps of 4",
    )


STEPS = {"smoke": 150, "laptop": 500, "gpu": 1000}


def best_loss(sample: Sample, activation: str, *, bias: bool, steps: int) -> float:
    """The smallest robust loss along adversarial training against the exact attack."""
    net = TwoLayerNet(2, 1024, activation=activation, bias=bias).to(F64)
    run = adversarial_training(
        net,
        sample,
        perturbation=SphereCap(2 * math.sin(0.05)),
        attack=GridMax(size=21),
        loss=PseudoHuber(),
        step_size=4.0,
        steps=steps,
        progress=False,
    )
    return float(run.surrogate_loss.min())


@claim(
    "no-antipodes",
    statement="prop-antipodes",
    title="No antipodal conflict, no loss",
    chapter="08-expressiveness",
)
def no_antipodes(size: str) -> Evidence:
    """Random sets: what the criterion says, and whether a function is then found."""
    fitted, refused, tried = 0, 0, 4 * SEEDS[size]
    for seed in range(tried):
        name = ("relu", "erf")[seed % 2]
        data = apart(seed)
        said = expressiveness(data, lists(data), activation=name, bias=False)
        fitted += bool(said.fits) and norm_exists(data, name)
        planted = with_conflict(data, name)
        said = expressiveness(planted, lists(planted), activation=name, bias=False)
        refused += said.fits is False and not norm_exists(planted, name)
    return Evidence(
        predicted="no antipodal points with a conflict: every tolerance can be met",
        measured=f"a function within 0.1 in {fitted} of {tried} samples",
        value=float(fitted),
        holds=fitted == tried,
        control=Control(
            broken="the mirror images added, with labels that conflict",
            measured=f"a function in {tried - refused} of {tried}",
            holds=refused < tried,
            short="mirror images added",
        ),
        ran=f"{tried} samples of 4 points on the circle, caps of 0.05 as lists, ReLU and erf",
    )


def lists(sample: Sample) -> Finite:
    """The caps as lists of 11 points, for which the solver is exact."""
    return Finite(SphereCap(0.05).grid(sample.x, 11))


def apart(seed: int) -> Sample:
    """Four points on the circle at least 0.4 rad from one another and from the mirror images."""
    draw, angles = generator(seed, 11), torch.zeros(0, dtype=F64)
    while len(angles) < 4:
        new = 2 * math.pi * torch.rand(1, dtype=F64, generator=draw)
        away = (torch.sin(angles - new)).abs()
        if not len(angles) or float(away.min()) > math.sin(0.4):
            angles = torch.cat([angles, new])
    x = torch.stack([angles.cos(), angles.sin()], 1)
    y = torch.tensor([1.0, -1.0, 1.0, -1.0], dtype=F64)
    return Sample(x / row_norm(x)[:, None], y, f"apart, seed={seed}")


def with_conflict(sample: Sample, activation: str) -> Sample:
    """The mirror images as well, with the labels that the space has no function for.

    For erf equal labels at antipodal points; for ReLU opposite ones, which no linear function has
    as soon as they change three times on a half turn: points in order of their line, +, -, +, -.
    """
    x, y = sample.x, sample.y
    if activation == "relu":
        upper = x * torch.where(x[:, 1:] < 0, -1.0, 1.0)
        x = upper[torch.atan2(upper[:, 1], upper[:, 0]).argsort()]
    labels = y if activation == "erf" else -y
    return Sample(torch.cat([x, -x]), torch.cat([y, labels]), "conflict")


def norm_exists(sample: Sample, activation: str) -> bool:
    """Whether the solver finds a function within 0.1 of the labels."""
    try:
        found = min_norm_interpolant(
            sample, lists(sample), tolerance=0.1, activation=activation, bias=False
        )
    except ValueError:
        return False
    return found.error <= 0.1 + 1e-6
