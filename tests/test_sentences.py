"""What results say of whole sets, sentence by sentence, with an attempt to refute each.

The data are scikit-learn's breast cancer and wine, standardised, on the sphere. Each row of the
table has the words that a result may print, the number or verdict in them, and a search for a point
or a function that makes them false; attacks are others than those that the result was made with.
The comparator's sentence has its own file, tests/online/test_intervals.py.
"""

from __future__ import annotations

import math
import re

import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_wine
from torch import Tensor, nn

from robustlib.attacks import APGD, PGD, NoAttack
from robustlib.capacity import cap_net, nearest_centre, width_curve
from robustlib.expressivity import min_norm_interpolant
from robustlib.losses import Logistic, PseudoHuber
from robustlib.networks import TwoLayerNet, linearize
from robustlib.online import ball_lower_bound, best_in_ball, regret
from robustlib.samples import Sample
from robustlib.sets import Finite, Perturbation, SphereCap
from robustlib.sets.l2 import L2Ball
from robustlib.training import adversarial_training
from robustlib.verification.robust_accuracy import robust_accuracy
from robustlib.verification.robust_loss import robust_loss

F64, CAP = torch.float64, SphereCap(0.1)


def real(name: str, n: int = 16) -> Sample:
    """Points of two classes of a real data set, no two of opposite labels very close."""
    load = {"wine": load_wine, "breast cancer": load_breast_cancer}[name]
    x, target = (torch.from_numpy(part) for part in load(return_X_y=True))
    x, target = x[target < 2].double(), target[target < 2]
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))[:n]
    x, y = x[order], 2.0 * target[order].double() - 1
    x = (x - x.mean(0)) / x.std(0)
    return Sample(x / torch.linalg.vector_norm(x, dim=1, keepdim=True), y, name)


DATA = [real("wine"), real("breast cancer")]
data = pytest.mark.parametrize("sample", DATA, ids=lambda s: s.name)


def margins(model: nn.Module, sample: Sample, sets: Perturbation) -> Tensor:
    """The smallest y f (n,) that two attacks find, each from ten starts."""
    x, y = sample.x.repeat(10, 1), sample.y.repeat(10)
    least = torch.full_like(sample.y, math.inf)
    for attack in (PGD(steps=50, seed=91), APGD(steps=50, seed=92)):
        z = attack(model, x, y, perturbation=sets, loss=Logistic())
        with torch.no_grad():
            least = torch.minimum(least, (model(z) * y).reshape(10, -1).amin(0))
    return least


def trained(sample: Sample) -> TwoLayerNet:
    net = TwoLayerNet(sample.d, 16, seed=1).double()
    run = adversarial_training(
        net,
        sample,
        perturbation=CAP,
        attack=PGD(steps=3),
        loss=Logistic(),
        step_size=2.0,
        steps=30,
        progress=False,
    )
    assert isinstance(run.best, TwoLayerNet)
    return run.best


def numbers(sentence: str, pattern: str) -> list[float]:
    found = re.search(pattern, sentence)
    assert found, sentence
    return [float(group) for group in found.groups()]


@data
def test_robust_loss_between(sample: Sample) -> None:
    net = trained(sample)
    said = repr(robust_loss(net, sample, perturbation=CAP, loss=Logistic(), effort="low"))
    low, high = numbers(said, r"Robust loss between (\S+) and (\S+) \(")
    found = float(nn.functional.softplus(-margins(net, sample, CAP)).mean())
    assert found <= high * (1 + 1e-5)
    assert low <= high
    assert found >= 0.9 * low  # the search that tries to refute is no weak one


@data
def test_robust_accuracy_proved_and_broken(sample: Sample) -> None:
    net = trained(sample)
    verdict = robust_accuracy(net, sample, perturbation=CAP)
    least = margins(net, sample, CAP)
    assert bool((least[verdict.proved] > 0).all()), verdict
    with torch.no_grad():
        wrong = net(verdict.points) * sample.y <= 0
    assert bool(wrong[verdict.broken].all())
    assert bool(CAP.contains(verdict.points, sample.x).all())
    proved, broken = numbers(repr(verdict), r"(\d+) proved right on their whole set, (\d+) broken")
    assert proved <= int((least > 0).sum()) <= len(sample) - broken + int(verdict.undecided.sum())


@data
def test_interpolators_proved_right_on_the_sets_they_name(sample: Sample) -> None:
    plus, minus = sample.x[sample.y > 0], sample.x[sample.y < 0]
    reach = 0.45 * float(torch.cdist(plus, minus).min())
    by_caps, by_balls = cap_net(sample, reach), nearest_centre(sample.x, sample.y, reach)
    assert f"is proved right on caps of radius {reach:g}, y f >= 1." in repr(by_caps)
    assert f"is proved right on balls of radius {reach:g}" in repr(by_balls)
    assert float(margins(by_caps.net, sample, SphereCap(reach)).min()) >= 1 - 1e-9
    found = float(margins(by_balls.net, sample, L2Ball(reach)).min())
    assert found >= by_balls.margin * (1 - 1e-9)


def test_a_cap_net_is_not_right_on_balls() -> None:
    sample = DATA[1]
    plus, minus = sample.x[sample.y > 0], sample.x[sample.y < 0]
    reach = 0.45 * float(torch.cdist(plus, minus).min())
    net = cap_net(sample, reach).net
    assert float(margins(net, sample, L2Ball(reach)).min()) < 1  # "balls" would be false


def test_least_norm_says_found_and_proved() -> None:
    sample = real("breast cancer", 6)
    g = min_norm_interpolant(sample, CAP, margin=1.0)
    said = repr(g)
    assert "y g >= 1 wanted on the sets" in said
    low, high, sure_low, sure_high = numbers(
        said, r"attacks find y g from (\S+) to (\S+), proved from (\S+) to (\S+)\. None"
    )
    x, y = sample.x.repeat(10, 1), sample.y.repeat(10)
    for side in (1, -1):
        z = APGD(steps=100, seed=5)(g, x, side * y, perturbation=CAP, loss=Logistic())
        values = g(z) * y
        assert sure_low - 1e-3 <= float(values.min())
        assert float(values.max()) <= sure_high + 1e-3
        assert low - 2e-3 <= float(values.min())  # measured, and measured well
        assert float(values.max()) <= high + 2e-3
    # "None has a norm below": shorter multiples, and functions for fewer points, miss the margin
    (least,) = numbers(said, r"None has a norm below (\S+)\.$")
    assert least <= g.norm * (1 + 1e-6)
    for seed in range(3):
        draw = torch.Generator().manual_seed(seed)
        points = torch.stack([sample.x, CAP.random(sample.x, draw)], 1)
        fewer = min_norm_interpolant(sample, Finite(points), margin=1.0)
        assert fewer.norm <= g.norm * (1 + 1e-6)
        assert "exactly" in repr(fewer)


@data
def test_no_weights_below_the_certificate_and_regret_says_who_judged(sample: Sample) -> None:
    net, loss = linearize(TwoLayerNet(sample.d, 32, seed=0).double()), PseudoHuber()
    ball = {"perturbation": CAP, "loss": loss}
    run = adversarial_training(
        net,
        sample,
        attack=PGD(steps=3),
        step_size=0.5,
        steps=30,
        progress=False,
        record=("attacked", "weights"),
        **ball,  # type: ignore[arg-type]
    )
    held = ball_lower_bound(run, radius=2.0)
    (bound,) = numbers(repr(held), r"have a robust loss below (\S+)\.$")
    known = best_in_ball(net, sample, radius=2.0, tolerance=1e-2, **ball)  # type: ignore[arg-type]
    assert bound <= known.value * (1 + 1e-9)  # the lowest loss there, as well as attacks can tell
    table = regret(run, known)
    assert f"the largest found by {known.judge}" in repr(table)
    assert f"the largest found by {known.judge}" in table._repr_markdown_()
    given = regret(run, known, robust_loss=known.value)
    assert "largest found" not in repr(given)


def test_width_curves_at_least_and_at_most() -> None:
    sample = DATA[0]
    curve = width_curve(
        sample,
        widths=[8],
        perturbation=CAP,
        attack=NoAttack(),
        loss=Logistic(),
        step_size=2.0,
        steps=20,
        target=0.3,
        seeds=1,
        effort="low",
    )
    (run,) = curve.runs
    low, high = numbers(repr(run), r"robust loss from (\S+) to (\S+);")
    net = TwoLayerNet(sample.d, 8, seed=0).double()
    again = adversarial_training(
        net,
        sample,
        perturbation=CAP,
        attack=NoAttack(),
        loss=Logistic(),
        step_size=2.0,
        steps=20,
        progress=False,
        seed=0,
    ).best
    found = float(nn.functional.softplus(-margins(again, sample, CAP)).mean())
    assert 0.9 * low <= found <= high * (1 + 1e-3)
