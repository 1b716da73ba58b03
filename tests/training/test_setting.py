"""A run knows its sample, sets, loss and attack, in memory and in a file, and refuses others."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from robustlib.attacks import FGSM, RandomNoise, Reused
from robustlib.losses import Logistic, PseudoHuber
from robustlib.networks import LinearizedNet, TwoLayerNet, linearize
from robustlib.online import Comparator, ball_lower_bound, best_in_ball, regret
from robustlib.samples import Sample, hexagon, sphere
from robustlib.sets import Finite, SphereCap
from robustlib.training import Trajectory, adversarial_training
from robustlib.training import checkpoint as checkpoints
from robustlib.training.comparison import Comparison

CAP, LOSS = SphereCap(0.3), PseudoHuber()
GRID = Finite(CAP.grid(hexagon().x, 5))
FLIPPED = Sample(hexagon().x, -hexagon().y, "hexagon")


def net() -> LinearizedNet:
    return linearize(TwoLayerNet(2, 16, seed=1).double())


def train(**change: Any) -> Trajectory:
    arguments: dict[str, Any] = {
        "sample": hexagon(),
        "perturbation": CAP,
        "attack": FGSM(),
        "loss": LOSS,
        "step_size": 0.5,
        "steps": 4,
        "record": ("attacked", "weights"),
        **change,
    }
    return adversarial_training(net(), arguments.pop("sample"), **arguments)


def best(**change: Any) -> Comparator:
    arguments = {"perturbation": CAP, "radius": 1.0, "loss": LOSS, "tolerance": 0.1, **change}
    return best_in_ball(net(), arguments.pop("sample", hexagon()), **arguments)


def loaded(run: Trajectory, path: Path) -> Trajectory:
    run.save(path / "run")
    return Trajectory.load(path / "run", net())


def terms(found: Any) -> list[float]:
    return [value for _, _, value in found.rows()]


def test_a_run_has_what_it_was_made_with() -> None:
    sample, attack = hexagon(), Reused(FGSM(), every=2)
    setting = train(sample=sample, attack=attack).setting
    assert setting.sample is sample
    assert (setting.perturbation, setting.loss) == (CAP, LOSS)
    assert setting.attack is attack
    for words in (repr(CAP), repr(LOSS), repr(attack), "6 points with contents"):
        assert words in repr(setting)


def test_regret_and_certificate_need_no_reminder() -> None:
    """The same numbers with and without the arguments, and from either record."""
    known = best()
    run = train(comparator=known)
    assert run.comparison is not None
    later = dataclasses.replace(run, comparison=None)
    for one in (run, later):
        plain = terms(regret(one, known))
        assert plain == terms(regret(one, known, sample=hexagon(), loss=PseudoHuber()))
        assert plain == pytest.approx(terms(regret(run, known)), abs=1e-13)
    assert ball_lower_bound(run, radius=1.0) == ball_lower_bound(
        run, radius=1.0, sample=hexagon(), loss=PseudoHuber()
    )


def test_a_comparator_is_its_weights() -> None:
    known = best()
    one, two = train(comparator=known).comparison, train(comparator=known.weights).comparison
    assert one is not None
    assert two is not None
    for a, b in zip(vars(one).values(), vars(two).values(), strict=True):
        assert all(map(torch.equal, a.values(), b.values())) if a is one.weights else a.equal(b)


def test_a_comparison_is_what_the_weights_say(tmp_path: Path) -> None:
    """Distances, inner products and losses from the recorded weights; also from a file, and from
    a run that was resumed."""
    known, path = best(), tmp_path / "whole"
    assert known.weights is not None
    run = train(comparator=known, checkpoint=path)
    train(comparator=known, steps=2, checkpoint=tmp_path / "part")
    resumed = train(comparator=known, checkpoint=tmp_path / "part")
    (w_star,), y = known.weights, hexagon().y
    assert run.weights is not None
    assert run.attacked is not None
    for seen in (run.comparison, resumed.comparison, loaded(run, tmp_path).comparison):
        assert seen is not None
        assert torch.equal(seen.weights["weight"], w_star)
        apart = (run.weights["weight"] - w_star).flatten(1).norm(dim=1)
        torch.testing.assert_close(seen.distance, apart, rtol=1e-12, atol=0)
        with torch.no_grad():
            for t, z in enumerate(run.attacked):
                here, there = (net().evaluate((w,), z) for w in (run.weights["weight"][t], w_star))
                inner = float((LOSS.derivative(here, y) * (here - there)).mean())
                assert float(seen.inner[t]) == pytest.approx(inner, abs=1e-12)
                assert float(seen.loss[t]) == pytest.approx(float(LOSS(there, y).mean()), abs=1e-12)
        assert (len(seen.inner), len(seen.loss), len(seen.gradient)) == (4, 4, 4)
    other = tuple(w + 1 for w in known.weights)
    for wrong in (other, None):
        with pytest.raises(ValueError, match="comparator was"):
            train(comparator=wrong, checkpoint=path)


def test_a_comparison_has_room_for_its_steps_alone() -> None:
    room = Comparison.start(net().start(), dict(net().named_parameters()), 5)
    assert [len(part) for part in (room.distance, room.inner, room.gradient, room.loss)] == [
        *(6, 5, 5, 5)
    ]


def by_hand(**change: Any) -> Comparator:
    parts: dict[str, Any] = {
        "weights": None,
        "value": 0.25,
        "lower_bound": 0.2000001,
        "radius": 2.0,
        "distance": 1.5,
        "judge": "PGD()",
        "closed": False,
        "setting": train(steps=0).setting,
        "points": hexagon().x,
        "coefficients": torch.zeros(1, 6),
        "function": torch.sin,
    }
    return Comparator(**{**parts, **change})


def test_a_comparator_says_what_is_proved() -> None:
    measured = (
        "Within 2 of the start no robust loss is below 0.2, which is proved; at this function, at "
        "distance 1.5, 0.25 is the largest found by PGD(): from above nothing is proved."
    )
    assert repr(by_hand()) == measured
    weighed = by_hand(weights=net().start())
    assert repr(weighed) == measured.replace("this function", "these weights")
    assert by_hand().gap == pytest.approx(0.0499999)
    proved = by_hand(closed=True, lower_bound=0.125)
    assert repr(proved) == (
        "Within 2 of the start the least robust loss is between 0.125 and 0.25 (relative gap "
        "5.0e-01); reached at distance 1.5, judged by PGD()."
    )
    assert "(gap 1.0e-04)" in repr(by_hand(closed=True, value=1e-4, lower_bound=0.0))


def test_results_are_frozen_and_equal_themselves_only() -> None:
    run = train(steps=1, comparator=best())
    for found in (run, run.setting, run.comparison, by_hand()):
        said = repr(found)
        with pytest.raises(dataclasses.FrozenInstanceError):
            found.weights = None  # type: ignore[union-attr,misc]
        assert repr(found) == said
        assert copy.copy(found) != found


OTHERS: list[tuple[str, dict[str, Any], str]] = [
    ("loss", {"loss": Logistic()}, r"loss .*PseudoHuber\(\), got .*Logistic\(\)"),
    ("sample", {"sample": FLIPPED}, "sample .*6 points with contents .* got .*6 points with"),
    (
        "float32",
        {"sample": hexagon().to(dtype=torch.float32)},
        "sample .*6 points with contents .* got .*6 points with",
    ),
]


@pytest.mark.parametrize(("name", "given", "match"), OTHERS, ids=[row[0] for row in OTHERS])
@pytest.mark.parametrize("comparing", [True, False])
@pytest.mark.parametrize("from_file", [True, False])
def test_another_loss_or_sample_is_refused(
    name: str, given: dict[str, Any], match: str, comparing: bool, from_file: bool, tmp_path: Path
) -> None:
    """Also where the run recorded all it needs, so that the argument would not be looked at."""
    known = best()
    run = train(comparator=known if comparing else None)
    if from_file:
        run = loaded(run, tmp_path)
        given = {"sample": hexagon(), "loss": LOSS, **given}
    with pytest.raises(ValueError, match=match):
        regret(run, known, **given)
    with pytest.raises(ValueError, match=match):
        ball_lower_bound(run, radius=1.0, **given)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (
            {"perturbation": SphereCap(0.1)},
            r"comparator .*perturbation of the run, SphereCap\(0\.3\), got one for SphereCap\(0\.1",
        ),
        ({"perturbation": GRID}, r"comparator .*perturbation of the run, SphereCap\(0\.3\)"),
        ({"loss": Logistic()}, r"comparator .*loss of the run, PseudoHuber\(\), got one for Logi"),
        ({"sample": FLIPPED}, "comparator must be for the sample of the run, 6 points with"),
    ],
)
def test_a_comparator_for_another_setting_is_refused(change: dict[str, Any], match: str) -> None:
    other = best(**change)
    with pytest.raises(ValueError, match=match):
        regret(train(), other)
    with pytest.raises(ValueError, match=match):
        regret(train(comparator=other.weights), other, robust_loss=0.5)
    with pytest.raises(ValueError, match=match):
        train(comparator=other)


def test_two_lists_of_points_are_two_sets() -> None:
    """Their reprs are alike; their contents are not."""
    moved = GRID.candidates.flip(1)
    assert repr(Finite(moved)) == repr(GRID)
    known = best(perturbation=GRID)
    run = train(perturbation=Finite(GRID.candidates.clone()))
    assert regret(run, known).excess == pytest.approx(
        float(run.surrogate_loss.mean()) - known.value
    )
    with pytest.raises(ValueError, match="comparator must be for the perturbation of the run"):
        regret(train(perturbation=Finite(moved)), known)


def test_a_run_in_float32_takes_the_sample_that_it_was_given(tmp_path: Path) -> None:
    """In float64; what was trained on is its rounded points. Other points are other points."""
    options = {"perturbation": CAP, "attack": FGSM(), "loss": LOSS, "step_size": 0.5, "steps": 2}
    start, sample = linearize(TwoLayerNet(2, 16, seed=1)), sphere(6, 2, seed=0)
    run = adversarial_training(start, sample, record=("attacked", "weights"), **options)  # type: ignore[arg-type]
    run.save(tmp_path / "run")
    again = Trajectory.load(tmp_path / "run", start)
    expected = ball_lower_bound(run, radius=1.0)
    for given in (sample, sample.to(dtype=torch.float32)):
        assert ball_lower_bound(again, radius=1.0, sample=given, loss=LOSS) == expected
    for seed in range(1, 9):
        with pytest.raises(ValueError, match="sample must be that of the run"):
            again.setting.same_sample(sphere(6, 2, seed=seed))


def test_a_loaded_run_knows_its_setting_in_words(tmp_path: Path) -> None:
    known = best()
    run = train()
    again = loaded(run, tmp_path)
    assert again.setting.known == run.setting.known
    assert terms(regret(again, known, sample=hexagon(), loss=LOSS)) == terms(regret(run, known))
    assert ball_lower_bound(again, radius=1.0, sample=hexagon(), loss=LOSS) == ball_lower_bound(
        run, radius=1.0
    )
    needed: list[tuple[str, Callable[[], object]]] = [
        ("sample", lambda: regret(again, known)),
        ("loss", lambda: regret(again, known, sample=hexagon())),
        ("sample", lambda: ball_lower_bound(again, radius=1.0)),
        ("perturbation", lambda: again.setting.perturbation),
        ("attack", lambda: again.setting.attack),
    ]
    for name, ask in needed:
        words = run.setting.known[name].split(" with ")[0].replace("(", r"\(").replace(")", r"\)")
        with pytest.raises(ValueError, match=f"{name} is needed: .*{words}"):
            ask()


def test_a_file_holds_words_and_numbers_only(tmp_path: Path) -> None:
    train().save(tmp_path / "run")
    payload = checkpoints.read(tmp_path / "run", torch.device("cpu"))["trajectory"]
    assert set(payload["setting"]) == {"sample", "perturbation", "loss", "attack"}
    assert all(type(value) is str for value in payload["setting"].values())


def test_a_resumed_run_has_its_setting(tmp_path: Path) -> None:
    path = tmp_path / "run"
    train(steps=2, checkpoint=path)
    run = train(checkpoint=path)
    assert run.setting.loss == LOSS
    assert ball_lower_bound(run, radius=1.0) == ball_lower_bound(train(), radius=1.0)


def test_the_run_keeps_the_attack_as_it_was_given() -> None:
    """Training works on a copy; what an attack remembers does not make it another one."""
    attack = Reused(RandomNoise(), every=3)
    run = train(attack=attack)
    assert attack.state() == {}
    assert run.setting.known["attack"] == repr(attack)
    assert copy.deepcopy(run).setting.known == run.setting.known


class Anonymous:
    """A loss whose repr is an address."""

    lipschitz, smoothness, zero_at_label = 1.0, None, True

    def __call__(self, f: Tensor, y: Tensor) -> Tensor:
        return (f - y).abs()

    def derivative(self, f: Tensor, y: Tensor) -> Tensor:
        return (f - y).sign()


def test_a_loss_without_a_repr_is_itself_and_no_other() -> None:
    loss = Anonymous()
    run = train(loss=loss)
    assert ball_lower_bound(run, radius=1.0) == ball_lower_bound(run, radius=1.0, loss=loss)
    with pytest.raises(ValueError, match=r"loss must be that of the run, .*Anonymous"):
        ball_lower_bound(run, radius=1.0, loss=Anonymous())


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"sample": SimpleNamespace(x=[[1.0]], y=[1.0])}, TypeError, "x must be a torch.Tensor"),
        ({"perturbation": SphereCap}, TypeError, "perturbation must be a set such as"),
        ({"loss": "hinge"}, TypeError, "loss must be a loss such as"),
    ],
)
def test_what_is_no_setting_is_refused_before_the_first_step(
    change: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        train(steps=0, **change)
