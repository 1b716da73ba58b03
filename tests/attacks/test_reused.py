"""``Reused``: when it looks anew, what it remembers, and that it stays the attack it was."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from robustlib.attacks import FGSM, PGD, Attack, Oracle, Reused
from robustlib.losses import Logistic
from robustlib.numerics import generator
from robustlib.sets import L2Ball

X = torch.rand(4, 3, generator=generator(0)).double()  # float32 holds them too
Y = torch.tensor([1.0, -1.0, 1.0, -1.0], dtype=torch.float64)


class Counted(Attack):
    """``FGSM``, and how often it was asked."""

    def __init__(self) -> None:
        self.searches = 0

    def _search(self, oracle: Oracle, generator: torch.Generator) -> None:
        self.searches += 1
        FGSM().move(oracle, generator)


def ask(attack: Attack, x: Tensor = X) -> Tensor:
    return attack(
        lambda z: z.sum(1), x, Y[: len(x)].to(x), perturbation=L2Ball(0.5), loss=Logistic()
    )


@pytest.mark.parametrize("every", [1, 2, 3, 5])
def test_it_searches_at_every_so_manieth_call(every: int) -> None:
    inner = Counted()
    attack = Reused(inner, every=every)
    for call in range(12):
        assert inner.searches == -(-call // every)
        assert torch.equal(ask(attack), ask(FGSM()))
        assert int(attack.state()["age"]) == call % every + 1


@pytest.mark.parametrize("other", [X.float(), X + 1, X[:3], X[:, :2]], ids=lambda x: f"{x.dtype}")
def test_other_examples_are_a_first_call(other: Tensor) -> None:
    inner = Counted()
    attack = Reused(inner, every=9)
    ask(attack)
    assert torch.equal(ask(attack, other), ask(FGSM(), other))
    assert inner.searches == 2
    assert int(attack.state()["age"]) == 1
    assert torch.equal(attack.state()["x"], other)


def test_a_restored_state_goes_on_where_it_was_left() -> None:
    first = Reused(Reused(FGSM(), every=2), every=3)
    for _ in range(2):
        ask(first)
    kept = first.state()
    assert sorted(kept) == sorted([p + k for p in ("", "attack.") for k in ("age", "points", "x")])
    inner = Counted()
    second = Reused(Reused(inner, every=2), every=3)
    second.restore(kept)
    # the third call is old points; the fourth asks the inner one, for the second time; seven is new
    for call, searches in ((3, 0), (4, 0), (5, 0), (6, 0), (7, 1)):
        assert torch.equal(ask(second), ask(FGSM())), call
        assert inner.searches == searches, call
    second.restore({})
    assert second.state() == {}
    ask(second)
    assert inner.searches == 2


def test_what_it_remembers_is_no_part_of_what_it_is() -> None:
    attack, same = Reused(PGD(steps=2), every=3), Reused(PGD(steps=2), every=3)
    said = repr(attack)
    ask(attack)
    assert attack == same
    assert hash(attack) == hash(same)
    assert repr(attack) == said == f"Reused(attack={PGD(steps=2)!r}, every=3)"
    with pytest.raises(TypeError, match="_memory"):
        Reused(PGD(), every=3, _memory={})  # type: ignore[call-arg]
