"""Data and nets of one's own: arrays become samples, dtypes fit, one column is one output.

All failed at commit 62c29f0, but that kernels and bounds took one column of outputs there, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_breast_cancer
from torch import Tensor, nn

from robustlib import (
    APGD,
    PGD,
    NoAttack,
    PseudoHuber,
    RandomNoise,
    Sample,
    SphereCap,
    TwoLayerNet,
    adversarial_training,
    ball_lower_bound,
    best_in_ball,
    diagnose,
    digits,
    empirical_ntk,
    hexagon,
    linearize,
    output_bounds,
    robust_accuracy,
    robust_gram,
    robust_loss,
)

CAP, LOSS = SphereCap(0.2), PseudoHuber()
GIVEN: dict[str, Any] = {"perturbation": CAP, "loss": LOSS}
TRAIN: dict[str, Any] = {**GIVEN, "attack": PGD(steps=3), "step_size": 0.5, "steps": 3}

# --- arrays ------------------------------------------------------------------------------------


def test_breast_cancer_in_one_call() -> None:
    x, y = load_breast_cancer(return_X_y=True)
    sample = Sample.from_arrays(x, y, scale="rows", classes=(0, 1), name="breast cancer")
    direct = torch.from_numpy(x / np.linalg.norm(x, axis=1, keepdims=True))
    torch.testing.assert_close(sample.x, direct, rtol=1e-14, atol=0)
    assert torch.equal(sample.y, torch.from_numpy(2.0 * y - 1))
    assert repr(sample) == (
        "Sample 'breast cancer': 569 points on the unit sphere of R^30, 357 labelled +1 and 212 "
        "labelled -1 (float64, cpu). Class 0 is labelled -1, class 1 +1. Rows were divided by "
        "their norms, 245 to 4.97e+03."
    )


def test_columns_are_standardised_where_asked() -> None:
    x, y = load_breast_cancer(return_X_y=True)
    x = np.c_[x, np.full(len(x), 0.1)]
    sample = Sample.from_arrays(x, y, scale="columns", classes=(0, 1))
    spread = x.std(0)
    spread[-1] = 1
    direct = (x - x.mean(0)) / spread
    direct[:, -1] = 0
    direct /= np.linalg.norm(direct, axis=1, keepdims=True)
    torch.testing.assert_close(sample.x, torch.from_numpy(direct), rtol=0, atol=1e-12)
    assert "by their standard deviations; 1 constant ones are 0. Rows" in repr(sample)


def test_nothing_is_changed_unless_asked_and_notes_stay_with_the_sample() -> None:
    x = np.array([[0.6, 0.8], [1, 0], [0, -1]])
    plain = Sample.from_arrays(x, [1, -1, 1])
    assert plain.x.tolist() == x.tolist()
    assert plain.note == ""
    plain.x[0, 0] = 0
    assert x[0, 0] == 0.6  # a copy
    some = Sample.from_arrays(5 * x, ["b", "c", "a"], scale="rows", classes=("a", "b"))
    assert some.y.tolist() == [1, -1]
    assert some.x.numpy() == pytest.approx(x[[0, 2]])
    assert some.note == (
        "Class a is labelled -1, class b +1, and 1 rows of other classes are left out. "
        "Rows were divided by their norms, 5 to 5."
    )
    for other in (some.to(dtype=torch.float32), *some.split(1)):
        assert other.note == some.note


def test_other_classes_are_left_out_wherever_they_stand_in_order() -> None:
    x, labels = np.eye(5), np.array([0, 1, 2, 3, 4])
    found = Sample.from_arrays(x, labels, classes=(3, 1))
    assert found.x.tolist() == x[[1, 3]].tolist()
    assert found.y.tolist() == [1, -1]
    with pytest.raises(TypeError, match="positional argument"):
        Sample.from_arrays(x, labels, "rows")  # type: ignore[misc]
    named = Sample.from_arrays(x=x, y=labels, classes=(3, 1))
    assert torch.equal(named.x, found.x)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int8, np.uint8, np.longdouble])
def test_all_real_dtypes_are_taken(dtype: type) -> None:
    x, y = np.array([[1, 0], [0, 1]], dtype=dtype), np.array([1, 0], dtype=dtype)
    sample = Sample.from_arrays(x, y, classes=(0, 1))
    assert sample.x.tolist() == [[1, 0], [0, 1]]
    assert sample.y.tolist() == [1, -1]
    assert torch.equal(Sample.from_arrays(torch.from_numpy(x.astype(float)), [1, -1]).x, sample.x)


def test_rows_of_any_size_keep_their_direction() -> None:
    x = np.array([[3e300, 4e300], [3e-310, 4e-310], [3, 4]])
    found = Sample.from_arrays(x, [1, 1, -1], scale="rows").x
    assert found.tolist() == [pytest.approx([0.6, 0.8], rel=1e-9)] * 3


ARRAYS: list[tuple[Any, Any, dict[str, Any], type[Exception], str]] = [
    ([[2.0, 0]], [1], {}, ValueError, r"norm 1, got norm 2 in row 0; .*scale='rows'"),
    ([[1.0, 0]], [0], {}, ValueError, r"-1 and \+1 only, got 0; .*classes=\(0, 1\)"),
    ([[1.0, 0]], np.array([255], np.uint8), {}, ValueError, r"only, got 255"),
    ([[math.nan, 0]], [1], {}, ValueError, r"x must be finite, got 1 NaN .*row 0"),
    ([[1.0, 0]], [math.inf], {}, ValueError, r"y must be finite"),
    ([[0.0, 0]], [1], {"scale": "rows"}, ValueError, r"direction, got zeros only in row 0"),
    ([[1j, 0]], [1], {}, TypeError, r"x must hold real numbers, got dtype complex128"),
    ([["a", "b"]], [1], {}, TypeError, r"x must hold real numbers, got dtype <U1"),
    ([[True, False]], [1], {}, TypeError, r"x must hold real numbers, got dtype bool"),
    ([[1, 0]], ["a"], {}, TypeError, r"y must hold real numbers.*use classes=\(a, b\)"),
    ([[1, 0], [1]], [1], {}, TypeError, r"x must be an array of numbers, got list"),
    (None, [1], {}, ValueError, r"x must have shape \(n, d\).*got \(\)"),
    ([1.0, 0], [1], {}, ValueError, r"x must have shape \(n, d\).*got \(2,\)"),
    ([[1, 0]], [[1]], {}, ValueError, r"y must have shape \(1,\) .*got \(1, 1\); use y\.ravel\(\)"),
    ([[1, 0]], [1, 1], {}, ValueError, r"y must have shape \(1,\) like x, got \(2,\)"),
    ([[1, 0]], [1], {"scale": "row"}, ValueError, r"scale must be .*mean 'rows'"),
    ([[1, 0]], [1], {"classes": 3}, ValueError, r"classes must be a pair such as \(0, 1\), got 3"),
    ([[1, 0]], [1], {"classes": (1, 1)}, ValueError, r"two different ones"),
    ([[1, 0]], [1], {"classes": (0, 1)}, ValueError, r"two of those in y, 1, got 0"),
    ([[1, 0]], [1], {"name": 3}, TypeError, r"name must be a string, got int"),
]


@pytest.mark.parametrize(("x", "y", "options", "error", "match"), ARRAYS)
def test_arrays_that_are_no_sample(
    x: Any, y: Any, options: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        Sample.from_arrays(x, y, **options)


@pytest.mark.parametrize("device", [0, "cuda:7", "cuda"])
def test_a_device_that_is_not_there_is_refused(device: int | str) -> None:
    """``to(0)`` stayed on the CPU without a word."""
    if torch.cuda.is_available():
        pytest.skip("it may be there")
    with pytest.raises(ValueError, match=r"device must be one of this machine, got "):
        hexagon().to(device)


@pytest.mark.parametrize("device", ["", False, [], 1.5, "gpu"])
def test_what_is_no_device_is_refused(device: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"device must be a device such as 'cpu'"):
        hexagon().to(device)


@pytest.mark.parametrize("field", ["x", "y"])
@pytest.mark.parametrize("kind", [list, np.array])
def test_lists_and_arrays_are_named_with_the_way_in(field: str, kind: Callable[..., Any]) -> None:
    held: dict[str, Any] = {"x": hexagon().x, "y": hexagon().y}
    held[field] = kind(held[field].tolist())
    net = TwoLayerNet(2, 4)
    for call in (
        lambda: Sample(**held, name="mine"),
        lambda: robust_loss(net, SimpleNamespace(**held), **GIVEN),
        lambda: robust_accuracy(net, SimpleNamespace(**held), perturbation=CAP),
        lambda: diagnose(net, SimpleNamespace(**held), **GIVEN),
        lambda: adversarial_training(net, SimpleNamespace(**held), **TRAIN),
        lambda: best_in_ball(linearize(net), SimpleNamespace(**held), radius=1.0, **GIVEN),
    ):
        with pytest.raises(TypeError, match=rf"{field} must be a torch.Tensor.*from_arrays"):
            call()


# --- a net and a sample made with defaults fit --------------------------------------------------


def test_training_takes_defaults() -> None:
    """What the issue names, and it is the run of the same sample in float32, bit by bit."""
    net = TwoLayerNet(64, 256)
    run = adversarial_training(net, digits(n=10), **TRAIN)
    same = adversarial_training(net, digits(n=10).to(dtype=torch.float32), **TRAIN)
    assert run.surrogate_loss.dtype == torch.float32
    assert torch.equal(run.surrogate_loss, same.surrogate_loss)
    assert torch.equal(next(run.final.parameters()), next(same.final.parameters()))
    double = adversarial_training(net.double(), digits(n=10).to(dtype=torch.float32), **TRAIN)
    assert double.surrogate_loss.dtype == torch.float64
    back = digits(n=10).to(dtype=torch.float32).to(dtype=torch.float64)
    torch.testing.assert_close(back.x, digits(n=10).x, rtol=0, atol=1e-7)


@pytest.mark.parametrize(
    "ask",
    [
        lambda net, s: robust_loss(net, s, effort="low", **GIVEN).per_example,
        lambda net, s: robust_accuracy(net, s, perturbation=CAP).proved,
        lambda net, s: repr(diagnose(net, s, **GIVEN)),
    ],
)
def test_judges_take_defaults(ask: Callable[[nn.Module, Any], object]) -> None:
    net, sample = TwoLayerNet(2, 16, symmetric=False), hexagon()
    found, same = ask(net, sample), ask(net, sample.to(dtype=torch.float32))
    plain = ask(net, SimpleNamespace(x=sample.x, y=sample.y))  # any points with labels
    for other in (same, plain):
        equal = torch.equal(found, other) if isinstance(found, Tensor) else found == other  # type: ignore[arg-type]
        assert equal


def test_a_certificate_of_a_float32_run_takes_the_sample_as_it_was() -> None:
    net = linearize(TwoLayerNet(2, 16))
    run = adversarial_training(net, hexagon(), record=("attacked", "weights"), **TRAIN)
    bound = ball_lower_bound(run, radius=1.0)
    assert bound == ball_lower_bound(run, radius=1.0, sample=hexagon())
    with pytest.raises(ValueError, match="sample must be that of the run"):
        ball_lower_bound(run, radius=1.0, sample=digits(n=6))
    best = best_in_ball(net, hexagon(), radius=1.0, tolerance=0.1, **GIVEN)
    again = best_in_ball(net.double(), hexagon(), radius=1.0, tolerance=0.1, **GIVEN)
    assert (best.value, best.lower_bound) == (again.value, again.lower_bound)
    assert bound.lower_bound <= best.value


@pytest.mark.parametrize("wrong", [math.nan, 0.0, 1e300])
def test_a_certificate_takes_no_other_labels(wrong: float) -> None:
    """They gave a proof that no loss is below nan, 0.0807 instead of 0.4118, and below 1e+300."""
    net = linearize(TwoLayerNet(2, 16))
    run = adversarial_training(net, hexagon(), record=("attacked", "weights"), **TRAIN)
    y = torch.full_like(hexagon().y, wrong)
    with pytest.raises(ValueError, match=r"y must be finite|sample must be that of the run"):
        ball_lower_bound(run, radius=1.0, sample=SimpleNamespace(x=hexagon().x, y=y))


class Converting(nn.Module):
    """Weights of one dtype, answers in that of its input."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(2, 1)

    def forward(self, x: Tensor) -> Tensor:
        f: Tensor = self.inner(x.float())
        return f.to(x.dtype)


def test_a_model_that_converts_by_itself_is_given_the_sample_as_it_is() -> None:
    run = adversarial_training(Converting(), hexagon(), **TRAIN)
    assert run.surrogate_loss.dtype == torch.float64


# --- outputs (n, 1) -----------------------------------------------------------------------------


def column(*, flat: bool) -> nn.Sequential:
    """One net, with outputs (n, 1) or (n,)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)).double()
    return nn.Sequential(*net, nn.Flatten(0)) if flat else net


def attacked(net: nn.Module, attack: Any) -> Tensor:
    found: Tensor = attack(net, hexagon().x, hexagon().y, **GIVEN)
    return found


def comparing(net: nn.Module) -> Tensor:
    weights = tuple(w.detach() + 0.1 for w in net.parameters())
    run = adversarial_training(net, hexagon(), comparator=weights, **TRAIN)
    assert run.comparison is not None
    return run.comparison.loss


ASKS: dict[str, Callable[[nn.Module], Any]] = {
    "pgd": lambda net: attacked(net, PGD(steps=3)),
    "apgd": lambda net: attacked(net, APGD(steps=3)),
    "noise": lambda net: attacked(net, RandomNoise()),
    "none": lambda net: attacked(net, NoAttack()),
    "training": lambda net: adversarial_training(net, hexagon(), **TRAIN).surrogate_loss,
    "comparator": comparing,
    "robust loss": lambda net: robust_loss(net, hexagon(), effort="low", **GIVEN).per_example[:, 0],
    "accuracy": lambda net: robust_accuracy(net, hexagon(), perturbation=CAP, effort="low").broken,
    "diagnosis": lambda net: torch.tensor(len(diagnose(net, hexagon(), **GIVEN).findings)),
    "kernel": lambda net: empirical_ntk(net, hexagon().x),
    "robust kernel": lambda net: robust_gram(net, hexagon().x).gram,
}


@pytest.mark.parametrize("name", ASKS)
def test_a_column_of_outputs_is_one_output_per_example(name: str) -> None:
    assert torch.equal(ASKS[name](column(flat=False)), ASKS[name](column(flat=True)))


def test_bounds_take_a_column() -> None:
    net, x = column(flat=False), hexagon().x
    bounds = output_bounds(net, x, perturbation=CAP)
    f = net(x).detach().squeeze(1)
    assert bool(((bounds.lower <= f) & (f <= bounds.upper)).all())


@pytest.mark.parametrize("name", [name for name in ASKS if name != "none"])
@pytest.mark.parametrize(
    ("last", "match"),
    [
        (nn.Linear(8, 2), r"one output per example.*f\[:, 1\] - f\[:, 0\]"),
        (nn.Linear(8, 3), r"one output per example.*one column"),
        (nn.Sequential(nn.Linear(8, 1), nn.Unflatten(1, (1, 1))), r"add nn.Flatten\(0\)"),
    ],
)
def test_other_outputs_are_refused_with_the_remedy(name: str, last: nn.Module, match: str) -> None:
    net = column(flat=False)
    net[-1] = last.double()
    with pytest.raises(ValueError, match=match):
        ASKS[name](net)
