"""What every attack promises, for all attacks, sets, losses, dtypes, shapes and models at once."""

from __future__ import annotations

import ast
import copy
import dataclasses
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
import torch
from tables import SETS as KINDS
from tables import boxed
from torch import Tensor, nn

import robustlib.attacks
from robustlib.attacks import (
    APGD,
    FGSM,
    PGD,
    Adversary,
    Attack,
    GridMax,
    LinearMax,
    NoAttack,
    RandomNoise,
    Reused,
    Square,
)
from robustlib.attacks.oracle import Oracle
from robustlib.losses import Hinge, LogCosh, Logistic, Loss, PseudoHuber
from robustlib.networks import DeepNet, TwoLayerNet, linearize
from robustlib.numerics import budget, generator
from robustlib.sets import Finite, L2Ball, LinfBall, Perturbation, SphereCap
from robustlib.verification import BranchAndBound, robust_accuracy

ATTACKS = [
    NoAttack(),
    RandomNoise(samples=3),
    FGSM(),
    PGD(steps=4, restarts=2),
    PGD(steps=3, restarts=2, step_size=0.05, schedule="fixed", start="random"),
    APGD(steps=6, restarts=2),
    Square(queries=12),
    Reused(PGD(steps=2), every=3),
    LinearMax(),
]
SETS = KINDS + boxed(0, 1)
LOSSES = [PseudoHuber(), LogCosh(), Logistic(), Hinge()]
SHAPES = [(16,), (1, 4, 4)]


class Affine(nn.Module):
    """<w, x> + b."""

    def __init__(self, d: int = 16) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.randn(d, generator=generator(1), dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1) @ self.w + 0.3


class Flattened(nn.Module):
    """A net for flat inputs, in float64, behind inputs of any shape."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net.double()

    def forward(self, x: Tensor) -> Tensor:
        f: Tensor = self.net(x.flatten(1))
        return f


class Convolutional(nn.Module):
    """BatchNorm and dropout in training mode, and one BatchNorm that its owner has frozen."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            self.body = nn.Sequential(
                nn.Conv2d(1, 4, 3, padding=1),
                nn.BatchNorm2d(4),
                nn.ReLU(),
                nn.Dropout(0.5),
                nn.Conv2d(4, 4, 3),
                nn.BatchNorm2d(4),
                nn.Flatten(),
                nn.Linear(16, 1),
            )
        self.double()
        self.train()
        self.frozen = self.body[5]
        self.frozen.eval()

    def forward(self, x: Tensor) -> Tensor:
        f: Tensor = self.body(x.reshape(-1, 1, 4, 4)).squeeze(1)
        return f


class Raising(Convolutional):
    """Draws from the global random state, then raises at its third call."""

    calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        torch.rand(3)
        if self.calls >= 3:
            raise ArithmeticError("the model's own error")
        return super().forward(x) + torch.rand(len(x), dtype=x.dtype, device=x.device)


MODELS: dict[str, Callable[[], nn.Module]] = {
    "affine": Affine,
    "two-layer": lambda: Flattened(TwoLayerNet(16, 32, symmetric=False)),
    "at-start": lambda: Flattened(TwoLayerNet(16, 32)),
    "deep": lambda: Flattened(DeepNet(16, 8, 2, activation="tanh")),
    "linearized": lambda: Flattened(linearize(TwoLayerNet(16, 32, symmetric=False))),
    "cnn": Convolutional,
}
# closed forms are for affine models only
PAIRS = [(a, name) for a in ATTACKS for name in MODELS if a != LinearMax() or name == "affine"]


def problem(
    sets: Perturbation, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device, n: int = 5
) -> tuple[Tensor, Tensor]:
    """Points where ``sets`` is defined, and labels."""
    g = generator(n, 7)
    x = torch.rand(n, *shape, generator=g, dtype=torch.float64)
    if isinstance(sets, SphereCap):
        x = 2 * x - 1
        x = x / x.flatten(1).norm(dim=1).reshape(-1, *[1] * len(shape))
    y = 2.0 * torch.randint(2, (n,), generator=g).double() - 1
    return x.to(device, dtype), y.to(device, dtype)


def losses(model: nn.Module, z: Tensor, y: Tensor, loss: Loss) -> Tensor:
    """Losses in evaluation mode, by the ordinary way through torch."""
    modes = [m.training for m in model.modules()]
    model.eval()
    with torch.no_grad():
        values = loss(model(z), y)
    for module, mode in zip(model.modules(), modes, strict=True):
        module.training = mode
    return values


def margins(model: nn.Module, z: Tensor, y: Tensor) -> Tensor:
    """y f in evaluation mode."""
    return 1 - losses(model, z, y, Linear())


class Linear:
    """A loss that says the margin."""

    def __call__(self, f: Tensor, y: Tensor) -> Tensor:
        return 1 - y * f


@contextmanager
def as_found(model: nn.Module, x: Tensor, y: Tensor) -> Iterator[None]:
    """Everything that an attack must leave alone, compared before and after."""
    for p in model.parameters():
        p.grad = torch.full_like(p, 7.0)
    next(model.parameters()).requires_grad_(False)

    def look() -> tuple[object, ...]:
        return (
            [m.training for m in model.modules()],
            [(p.requires_grad, p.tolist(), p.grad.tolist()) for p in model.parameters()],  # type: ignore[union-attr]
            [b.tolist() for b in model.buffers()],
            torch.get_rng_state().tolist(),
            torch.cuda.get_rng_state().tolist() if x.is_cuda else None,
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.is_autocast_enabled(x.device.type),
            (x.tolist(), x.requires_grad, x.grad, y.tolist()),
        )

    before = look()
    try:
        yield
    finally:
        for one, other in zip(before, look(), strict=True):
            assert one == other


def check(
    attack: Attack,
    sets: Perturbation,
    loss: Loss,
    model: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    twice: bool = True,
) -> Tensor:
    """One call and all its promises, the same again if ``twice``; what it found."""
    model.to(x)
    attack = copy.deepcopy(attack)  # one that remembers nothing
    with as_found(model, x, y):
        found = attack(model, x, y, perturbation=sets, loss=loss)
    assert (found.shape, found.dtype, found.device) == (x.shape, x.dtype, x.device)
    assert not found.requires_grad
    assert found.data_ptr() != x.data_ptr()
    assert bool(sets.contains(found, x).all())
    start, reached = losses(model, x, y, loss), losses(model, found, y, loss)
    assert bool((reached >= start).all())
    if twice:
        assert torch.equal(attack(model, x, y, perturbation=sets, loss=loss), found)
    # finite sets are enumerated instead, whatever the attack
    asked = not isinstance(attack, LinearMax) and not isinstance(sets, Finite)
    if isinstance(loss, Logistic) and asked:
        quick = robust_accuracy(
            model,
            SimpleNamespace(x=x, y=y),
            perturbation=sets,
            attack=copy.deepcopy(attack),
            effort="low",
        )
        assert bool(sets.contains(quick.points, x).all())
        # a batch of other rows rounds otherwise: labels are compared where the margin is no 0
        reached = margins(model, found, y)
        clear = reached.abs() > 1e-4
        assert torch.equal((reached <= 0)[clear], quick.broken[clear])
    return found


@pytest.mark.parametrize(("attack", "name"), PAIRS)
def test_every_attack_on_every_set(
    attack: Attack, name: str, dtype: torch.dtype, device: torch.device
) -> None:
    model, k = MODELS[name](), list(MODELS).index(name)
    for i, shape in enumerate(SHAPES):
        for j, sets in enumerate(SETS):
            # a set meets one loss, flat or as an image, and other models meet it otherwise
            some = [LOSSES[(2 * i + j) % 4]] if (i + j + k) % 2 or budget() == "gpu" else []
            # with the affine model, whose losses are known, all of them, two a shape
            for loss in LOSSES[(i + j) % 2 :: 2] if name == "affine" else some:
                check(attack, sets, loss, model, *problem(sets, shape, dtype, device))


@pytest.mark.parametrize("j", range(len(SETS)), ids=[repr(sets) for sets in SETS])
def test_exact_search_on_every_set(j: int, dtype: torch.dtype, device: torch.device) -> None:
    # the nets that it is for; where it ends, no other attack finds more
    search, sets = BranchAndBound(nodes=400 if budget() == "gpu" else 100), SETS[j]
    for i, shape in enumerate(SHAPES):
        loss = LOSSES[(2 * i + j) % 4]
        x, y = problem(sets, shape, dtype, device, 2)
        model: nn.Module = TwoLayerNet(16, 8, symmetric=False)
        if len(shape) > 1:
            layers = [nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 1)]
            model = nn.Sequential(nn.Flatten(), *layers, nn.Flatten(0))
            with torch.no_grad():
                for p in model.parameters():
                    p.copy_(torch.randn(p.shape, generator=generator(len(p))))
        model.double()
        found = check(search, sets, loss, model, x, y, twice=i == 0)
        # the search of a cap may end with a gap
        others = () if isinstance(sets, SphereCap) else (PGD(), APGD(steps=20))
        best = losses(model, found, y, loss)
        for attack in others:
            found = attack(model, x, y, perturbation=sets, loss=loss)
            less = losses(model, found, y, loss) - best
            assert float(less.max()) <= 1e3 * torch.finfo(dtype).eps * float(1 + best.max())
        few = torch.rand(2, 3, *shape, generator=generator(i), dtype=torch.float64).to(x)
        check(search, Finite(torch.cat([few, x[:, None]], 1)), loss, MODELS["deep"](), x, y)


@pytest.mark.parametrize("attack", [*ATTACKS, GridMax()], ids=repr)
def test_every_attack_on_finite_sets(
    attack: Attack, dtype: torch.dtype, device: torch.device
) -> None:
    for shape in SHAPES:
        x, y = problem(L2Ball(1.0), shape, dtype, device)
        more = torch.rand(5, 6, *shape, generator=generator(2), dtype=torch.float64).to(x)
        check(attack, Finite(torch.cat([more, x[:, None]], 1)), Logistic(), Affine(), x, y)


@pytest.mark.parametrize("d", [1, 2, 3])
@pytest.mark.parametrize("attack", [*ATTACKS, GridMax(size=50)], ids=repr)
def test_every_attack_in_few_dimensions(
    attack: Attack, d: int, dtype: torch.dtype, device: torch.device
) -> None:
    for sets in [*SETS, SphereCap(2.0), SphereCap(5.0)]:
        n = 1 if (d + dtype.itemsize // 4) % 2 else 4  # each once, in one dtype or the other
        check(attack, sets, PseudoHuber(), Affine(d), *problem(sets, (d,), dtype, device, n))


@pytest.mark.parametrize("attack", [*ATTACKS, BranchAndBound()], ids=repr)
def test_radius_zero_and_empty_batches_give_x_itself(attack: Attack, dtype: torch.dtype) -> None:
    cpu = torch.device("cpu")
    for sets in SETS:
        for shape in SHAPES:
            for n, radius in ((4, 0.0), (0, 0.5)):
                x, y = problem(sets, shape, dtype, cpu, n)
                model = Affine().to(dtype)
                still = sets.with_radius(radius)
                found = attack(model, x, y, perturbation=still, loss=PseudoHuber())
                assert torch.equal(found, x)
                assert found.shape == x.shape


@pytest.mark.parametrize(
    "attack",
    [RandomNoise(samples=9), FGSM(), PGD(), APGD(), Square(), Reused(PGD(), every=2), LinearMax()],
    ids=repr,
)
def test_a_model_that_raises_leaves_everything_as_found(
    attack: Attack, device: torch.device
) -> None:
    x, y = problem(L2Ball(0.4), (1, 4, 4), torch.float64, device)
    model = Raising().to(device)
    for autocast in (False, True):
        model.calls = 1 if isinstance(attack, FGSM | LinearMax) else 0
        with (
            torch.autocast(device.type, enabled=autocast, dtype=torch.bfloat16),
            torch.no_grad(),
            as_found(model, x, y),
            pytest.raises(ArithmeticError, match="the model's own error"),
        ):
            attack(model, x, y, perturbation=L2Ball(0.4), loss=PseudoHuber())
        assert not model.frozen.training
        assert model.body[1].training


@pytest.mark.parametrize("attack", ATTACKS[:-1], ids=repr)
@pytest.mark.parametrize("context", ["no_grad", "inference_mode", "autocast"])
@pytest.mark.parametrize("name", ["cnn", "linearized"])
def test_the_answer_does_not_depend_on_where_it_is_asked(
    attack: Attack, context: str, name: str, device: torch.device
) -> None:
    x, y = problem(L2Ball(0.4), (1, 4, 4), torch.float32, device)
    model = MODELS[name]().to(x)
    attack = copy.deepcopy(attack)
    expected = attack(model, x, y, perturbation=L2Ball(0.4), loss=PseudoHuber())
    manager = {
        "no_grad": torch.no_grad(),
        "inference_mode": torch.inference_mode(),
        "autocast": torch.autocast(device.type, dtype=torch.bfloat16),
    }[context]
    with manager:
        mine, labels = x.clone(), y.clone()
        with as_found(model, mine, labels):
            found = attack(model, mine, labels, perturbation=L2Ball(0.4), loss=PseudoHuber())
        assert not found.is_inference()
    assert torch.equal(found, expected)


@pytest.mark.parametrize("sets", SETS, ids=repr)
def test_the_loss_does_not_fall_with_more_effort(sets: Perturbation) -> None:
    x, y = problem(sets, (16,), torch.float64, torch.device("cpu"), 20)
    model = MODELS["two-layer"]()
    loss = PseudoHuber()
    ladders: list[list[Attack]] = [
        [PGD(steps=k) for k in (1, 2, 3, 5, 9, 10, 11, 12, 21, 22)],
        [PGD(steps=2, restarts=k) for k in (1, 2, 3, 5)],
        [PGD(steps=k, restarts=3) for k in (1, 2, 5)],
        [APGD(steps=5, restarts=k) for k in (1, 2, 5)],
        [RandomNoise(samples=k) for k in (1, 2, 3, 10)],
        [Square(queries=k) for k in (1, 2, 11, 60)],
    ]
    for ladder in ladders:
        values = [
            losses(model, attack(model, x, y, perturbation=sets, loss=loss), y, loss)
            for attack in ladder
        ]
        for less, more in itertools.pairwise(values):
            assert bool((more >= less).all())
        assert bool((values[-1] > values[0]).any())  # the effort is not void


@pytest.mark.parametrize("sets", SETS, ids=repr)
def test_the_exact_loss_does_not_fall_with_the_radius(sets: Perturbation) -> None:
    x, y = problem(sets, (16,), torch.float64, torch.device("cpu"), 20)
    model, loss = Affine(), PseudoHuber()
    last = losses(model, x, y, loss)
    for radius in (0.01, 0.1, 0.5, 1.0, 1.9, 2.5):
        found = LinearMax()(model, x, y, perturbation=sets.with_radius(radius), loss=loss)
        values = losses(model, found, y, loss)
        assert bool((values >= last - 1e-12).all())
        last = values


def test_pgd_costs_what_it_says() -> None:
    x, y = problem(L2Ball(0.4), (16,), torch.float64, torch.device("cpu"))
    forwards = backwards = 0

    class Counted(Affine):
        def forward(self, x: Tensor) -> Tensor:
            nonlocal forwards
            forwards += 1

            def count(_: Tensor) -> None:
                nonlocal backwards
                backwards += 1

            if x.requires_grad:
                x.register_hook(count)
            return super().forward(x)

    # a loss that rises on both sides of the label costs one forward pass, for the other end
    for loss, more in ((Logistic(), 0), (Hinge(), 0), (PseudoHuber(), 1), (LogCosh(), 1)):
        for steps, restarts in ((1, 1), (7, 1), (3, 4), (10, 1), (20, 2), (21, 1)):
            forwards = backwards = 0
            attack = PGD(steps=steps, restarts=restarts)
            attack(Counted(), x, y, perturbation=L2Ball(0.4), loss=loss)
            # the last point of a run needs no gradient: from there it goes far away
            assert backwards == (steps - (steps - 1) // 10) * restarts
            assert forwards == (steps + 1) * restarts + more
    forwards = backwards = 0
    FGSM()(Counted(), x, y, perturbation=L2Ball(0.4), loss=PseudoHuber())
    assert (forwards, backwards) == (2, 1)


def test_every_restart_has_a_start_of_its_own() -> None:
    x, y = problem(L2Ball(0.4), (16,), torch.float64, torch.device("cpu"))
    seen: list[Tensor] = []
    model = Affine()

    def watched(z: Tensor) -> Tensor:
        seen.append(z.detach().clone())
        f: Tensor = model(z)
        return f

    PGD(steps=1, restarts=4)(watched, x, y, perturbation=L2Ball(0.4), loss=PseudoHuber())
    starts = seen[::2]
    assert torch.equal(starts[0], x)
    for one, other in itertools.combinations(starts, 2):
        assert bool((one != other).flatten(1).any(1).all())


def test_no_gradient_is_computed_in_the_parameters() -> None:
    x, y = problem(L2Ball(0.4), (16,), torch.float64, torch.device("cpu"))
    model = Affine()
    seen = []
    model.w.register_hook(seen.append)
    PGD()(model, x, y, perturbation=L2Ball(0.4), loss=PseudoHuber())
    assert not seen


def test_an_attack_does_not_write_on_what_it_is_given_by_the_model() -> None:
    """Gradients may be used up, but not the numbers behind a model's sum over coordinates."""
    x, y = problem(LinfBall(0.1), (16,), torch.float64, torch.device("cpu"))
    seen: list[Tensor] = []

    def model(z: Tensor) -> Tensor:
        seen.append(z)
        return z.sum(1)

    for attack in (PGD(steps=12), APGD(steps=12)):
        seen.clear()
        attack(model, x, y, perturbation=LinfBall(0.1), loss=Logistic())
        assert bool(LinfBall(0.1).contains(torch.cat(seen), x.repeat(len(seen), 1)).all())
        values = [float(model(z.detach()).sum()) for z in seen[:]]
        assert len({round(v, 6) for v in values}) > 2  # every input is a memory of its own


def test_the_generator_decides_where_it_is_given() -> None:
    sets, loss, model = SphereCap(0.5), PseudoHuber(), MODELS["two-layer"]()
    x, y = problem(sets, (16,), torch.float64, torch.device("cpu"))
    for attack in (RandomNoise(), PGD(steps=2, restarts=3), APGD(steps=2, restarts=3), Square()):
        g = generator(5)
        a, b = (
            attack(model, x, y, perturbation=sets, loss=loss, generator=g)
            for g in (g, generator(5))
        )
        other = attack(model, x, y, perturbation=sets, loss=loss, generator=g)
        assert torch.equal(a, b)
        assert not torch.equal(a, other)


TEXTBOOK = PGD(step_size=2 / 255, schedule="fixed", start="random")


@pytest.mark.parametrize(
    "attack", [*ATTACKS, GridMax(size=7), PGD(step_size=0.1), TEXTBOOK], ids=repr
)
def test_a_repr_can_be_pasted(attack: Attack) -> None:
    assert pasted(ast.parse(repr(attack), mode="eval").body) == attack
    with pytest.raises(dataclasses.FrozenInstanceError):
        attack.seed = 3  # type: ignore[attr-defined]


@pytest.mark.parametrize("attack", [*ATTACKS, GridMax(size=7)], ids=repr)
def test_an_attack_that_was_asked_is_what_it_was(attack: Attack) -> None:
    attack = copy.deepcopy(attack)
    said, same = repr(attack), copy.deepcopy(attack)
    x, y = problem(L2Ball(0.4), (2,), torch.float64, torch.device("cpu"))
    attack(Affine(2), x, y, perturbation=L2Ball(0.4), loss=Logistic())
    assert (repr(attack), attack, hash(attack)) == (said, same, hash(same))
    with pytest.raises(dataclasses.FrozenInstanceError):
        attack.steps = 3  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match="positional"):
        attack(Affine(2), x, y, L2Ball(0.4), Logistic())  # type: ignore[misc]


def pasted(code: ast.expr) -> object:
    """What a call of attacks' constructors with options gives."""
    if not isinstance(code, ast.Call):
        return ast.literal_eval(code)
    assert isinstance(code.func, ast.Name)
    options = {str(k.arg): pasted(k.value) for k in code.keywords}
    return getattr(robustlib.attacks, code.func.id)(**options)


# --- bad input ------------------------------------------------------------------------------------

GOOD_X, GOOD_Y = problem(L2Ball(0.4), (16,), torch.float64, torch.device("cpu"))


def returning(change: Callable[[Tensor], object]) -> Callable[[Tensor], object]:
    """A model that spoils the outputs of an affine one."""
    model = Affine()
    return lambda z: change(model(z))


BAD_ARGUMENTS = [
    ({"x": GOOD_X.long()}, TypeError, r"x must be float32 or float64, got torch.int64"),
    ({"x": GOOD_X.to(torch.complex128)}, TypeError, r"x must be float32.*complex128"),
    ({"x": GOOD_X.half()}, TypeError, r"x must be float32.*float16"),
    ({"x": GOOD_X.tolist()}, TypeError, r"x must be a torch.Tensor, got list"),
    ({"x": GOOD_X[:, 0]}, ValueError, r"x needs at least 2 axes, got shape \(5,\)"),
    ({"x": GOOD_X * torch.nan}, ValueError, r"x must be finite, got 80"),
    ({"y": GOOD_Y.long()}, TypeError, r"y must be float32 or float64, got torch.int64"),
    ({"y": GOOD_Y.float()}, TypeError, r"x is torch.float64 but y is torch.float32"),
    ({"y": GOOD_Y[:3]}, ValueError, r"y must have shape \(5,\) to fit x, got \(3,\)"),
    ({"y": (GOOD_Y + 1) / 2}, ValueError, r"y must have entries -1 and \+1 only, got 0"),
    ({"y": torch.where(GOOD_X[:, 0] == GOOD_X[1, 0], 3, GOOD_Y)}, ValueError, r"only, got 3"),
    ({"perturbation": 0.1}, TypeError, r"perturbation must be a set.*got 0\.1"),
    ({"perturbation": SphereCap(0.1)}, ValueError, r"norm"),
    ({"perturbation": L2Ball(0.1, box=(0, 0.5))}, ValueError, r"box"),
    ({"loss": PseudoHuber}, TypeError, r"loss must be a loss such as PseudoHuber\(\)"),
    ({"loss": torch.nn.functional.mse_loss}, TypeError, r"loss must be a loss"),
    ({"generator": 3}, TypeError, r"generator must be a torch.Generator, got int"),
    ({"model": returning(lambda f: f[:, None, None])}, ValueError, r"\(5, 1, 1\): .*Flatten"),
    ({"model": returning(lambda f: f[:, None].repeat(1, 2))}, ValueError, r"f\[:, 1\] - f\[:, 0\]"),
    ({"model": returning(lambda f: f.sum())}, ValueError, r"got shape \(\)"),
    ({"model": returning(lambda f: f * torch.nan)}, ValueError, r"NaN or infinity for 5 of 5"),
    ({"model": returning(lambda f: f / 0)}, ValueError, r"NaN or infinity"),
    ({"model": returning(lambda f: f.float())}, TypeError, r"output is torch.float32.*float64"),
    ({"model": returning(lambda f: f.tolist())}, TypeError, r"return a torch.Tensor, got list"),
    ({"model": returning(lambda f: f.detach())}, ValueError, r"carry no gradient.*RandomNoise"),
    ({"model": lambda z: GOOD_Y.clone().requires_grad_()}, ValueError, r"carry no gradient"),
    ({"model": lambda z: z.sum(1).sub(z.sum(1)).sqrt()}, ValueError, r"input gradient must be"),
    ({"model": Affine().float()}, TypeError, r"the model's w is torch.float32 but x is"),
    ({"model": Affine().to("meta")}, ValueError, r"the model's w is on meta but x is on cpu"),
]


@pytest.mark.parametrize(("change", "error", "match"), BAD_ARGUMENTS)
def test_bad_arguments(change: dict[str, object], error: type[Exception], match: str) -> None:
    arguments: dict[str, object] = {
        "model": Affine(),
        "x": GOOD_X,
        "y": GOOD_Y,
        "perturbation": L2Ball(0.4),
        "loss": PseudoHuber(),
        **change,
    }
    model, x, y = (arguments.pop(name) for name in ("model", "x", "y"))
    with pytest.raises(error, match=match):
        FGSM()(model, x, y, **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: PGD(steps=0), ValueError, "steps must be at least 1, got 0"),
        (lambda: PGD(restarts=0), ValueError, "restarts must be at least 1, got 0"),
        (lambda: PGD(step_size=0), ValueError, "step_size must be greater than 0"),
        (lambda: PGD(schedule="constant"), ValueError, "one of 'falling', 'fixed', got 'constant'"),
        (lambda: PGD(start="uniform"), ValueError, "start must be one of 'natural', 'random'"),
        (lambda: PGD(schedule="fixed"), ValueError, "step_size must be given where schedule is"),
        (lambda: PGD(seed=-1), ValueError, "seed must be at least 0"),
        (lambda: RandomNoise(samples=1.5), TypeError, "samples must be an integer, got 1.5"),
        (lambda: GridMax(size=0), ValueError, "size must be at least 1"),
        (lambda: APGD(steps=0), ValueError, "steps must be at least 1, got 0"),
        (lambda: APGD(restarts=2.0), TypeError, "restarts must be an integer"),
        (lambda: Square(queries=0), ValueError, "queries must be at least 1"),
        (lambda: Reused(PGD(), every=0), ValueError, "every must be at least 1"),
        (lambda: Reused(PGD, every=2), TypeError, r"attack must be an attack such as PGD\(\)"),
    ],
)
def test_bad_options(make: Callable[[], Attack], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        make()


def test_enumeration_refuses_many_dimensions() -> None:
    with pytest.raises(ValueError, match="16"):
        GridMax()(Affine(), GOOD_X, GOOD_Y, perturbation=L2Ball(0.1), loss=PseudoHuber())


def test_an_attack_without_a_search_or_that_leaves_its_set_is_found_out() -> None:
    class Idle(Attack):
        pass

    with pytest.raises(TypeError, match="_search"):
        Idle()  # type: ignore[abstract]

    class Cheat(Attack):
        def _search(self, oracle: Oracle, generator: torch.Generator) -> None:
            oracle.values(oracle.x + 100 * oracle.y[:, None])
            oracle.values(oracle.x - 100 * oracle.y[:, None])

    with pytest.raises(RuntimeError, match="left L2Ball"):
        Cheat()(Affine(), GOOD_X, GOOD_Y, perturbation=L2Ball(0.1), loss=PseudoHuber())


# --- adversaries ----------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Moved(Adversary):
    """Whatever a function makes of the oracle."""

    to: Callable[[Oracle], object]

    def move(self, oracle: Oracle, generator: torch.Generator) -> Tensor:
        return self.to(oracle)  # type: ignore[return-value]


def least(oracle: Oracle) -> Tensor:
    """Down the gradient: what no attack would answer."""
    _, gradient = oracle.outputs_and_gradient(oracle.x)
    return oracle.perturbation.argmax_linear(oracle.y[:, None] * gradient, oracle.x)


@pytest.mark.parametrize("sets", SETS, ids=repr)
def test_an_adversary_may_be_worse_than_the_start_but_stays_inside(sets: Perturbation) -> None:
    x, y = problem(sets, (16,), torch.float64, torch.device("cpu"))
    model, loss = Affine(), Logistic()
    with as_found(model, x, y):
        found = Moved(least)(model, x, y, perturbation=sets, loss=loss)
    assert bool(sets.contains(found, x).all())
    assert bool((losses(model, found, y, loss) < losses(model, x, y, loss)).all())
    still = Moved(least)(model, x, y, perturbation=sets.with_radius(0), loss=loss)
    assert torch.equal(still, x)
    # an attack that is asked on the same oracle keeps its best, and the start
    oracle = Oracle(model, x, y, sets, loss)
    found = FGSM().answer(oracle)
    assert torch.equal(found, FGSM()(model, x, y, perturbation=sets, loss=loss))


@pytest.mark.parametrize(
    ("to", "error", "match"),
    [
        (lambda o: o.x + 1, RuntimeError, r"left L2Ball\(0.1\) at examples \[0, 1, 2"),
        (lambda o: o.x[1:], ValueError, r"the answer of Moved.*shape \(5, 16\), got \(4, 16\)"),
        (lambda o: o.x.float(), TypeError, r"the answer of Moved.* is torch.float32 but x is"),
        (lambda o: o.x * torch.nan, ValueError, r"the answer of Moved.*must be finite, got 80"),
        (lambda o: None, TypeError, r"the answer of Moved.* must be a torch.Tensor, got NoneType"),
    ],
)
def test_a_wrong_answer_is_named(
    to: Callable[[Oracle], object], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        Moved(to)(Affine(), GOOD_X, GOOD_Y, perturbation=L2Ball(0.1), loss=PseudoHuber())


class Drawn(Adversary):
    """To random points, with no seed of its own."""

    def move(self, oracle: Oracle, generator: torch.Generator) -> Tensor:
        return oracle.perturbation.random(oracle.x, generator)


def test_a_rule_without_a_seed_draws_by_seed_zero() -> None:
    sets = L2Ball(0.1)
    found = Drawn()(Affine(), GOOD_X, GOOD_Y, perturbation=sets, loss=PseudoHuber())
    assert torch.equal(found, sets.random(GOOD_X, generator(0)))


@pytest.mark.parametrize(
    ("state", "error", "match"),
    [
        ({"age": GOOD_Y}, ValueError, r"state must be \{\}.*remembers nothing, got .*\['age'\]"),
        ([], TypeError, "state must be a dict of tensors by name, got list"),
        ({3: GOOD_Y}, TypeError, "state must be a dict of tensors by name, got 3 in it"),
        ({"age": 3}, TypeError, "state must be a dict of tensors by name, got 'age' in it"),
    ],
)
def test_a_rule_that_remembers_nothing_takes_no_state(
    state: object, error: type[Exception], match: str
) -> None:
    for rule in (Drawn(), PGD()):
        rule.restore({})
        assert rule.state() == {}
        with pytest.raises(error, match=match):
            rule.restore(state)  # type: ignore[arg-type]
