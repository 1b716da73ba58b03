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
from robustlib.samples import Sample, hexagon
from robustlib.sets import Finite, SphereCap
from robustlib.training import Trajectory, adversarial_training
from robustlib.training import checkpoint as checkpoints

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
