"""The border of the public API: some odd values for every callable, drawn by a seed.

``python tests/border.py`` looks at all of them.
"""

from __future__ import annotations

from pathlib import Path

import border
import border_calls as calls
import border_taste as taste
import border_values as values
import pytest
import torch

CASES = 4  # of every callable: in all about half a minute


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_everything_public_is_looked_at_or_excused() -> None:
    public = calls.public()
    assert len(border.fuzzed()) > 150
    for name in border.fuzzed():
        for parameter in calls.parameters(public[name]):
            kind, make = calls.argument(name, parameter)
            assert kind == "anything?" or values.fits(kind, make()), (name, parameter)
    methods = {name.rpartition(".")[2] for name in public} | {"*"}
    assert {name for name, _ in taste.TASTE} <= set(calls.NAMES) | set(public)
    assert {name for name, *_ in taste.TAKEN} <= methods | set(public)


@pytest.fixture(scope="module")
def verdicts() -> list[border.Verdict]:
    """Of a few cases of every callable."""
    todo = [c for name in border.fuzzed() for c in border.cases(name, CASES, seed=0, shuffled=True)]
    return list(border.verdicts(todo))


@pytest.mark.parametrize("kind", border.BAD)
def test_no_odd_value_is_answered_badly(kind: str, verdicts: list[border.Verdict]) -> None:
    assert [str(v) for v in verdicts if v.kind == kind] == []
    assert sum(v.kind in ("right", "refused") for v in verdicts) > 0.95 * len(verdicts)


def test_the_verdicts_are_not_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions that answer badly, each in its way, under the name of a good one."""

    def moves(d: int, width: int) -> float:
        return float(torch.rand(()))

    def vague(d: int, width: int) -> int:
        raise ValueError("something is wrong")

    bad = {
        "silent": lambda d, width: 3,
        "unclear": lambda d, width: d + width,
        "side effect": moves,
    }
    for kind, function in bad.items():
        monkeypatch.setattr(calls, "target", lambda name, f=function: f)
        seen = {
            border.judge(case).kind
            for case in border.cases("two_layer_vc_bound", 60, seed=0, shuffled=True)
        }
        assert kind in seen
    monkeypatch.setattr(calls, "target", lambda name: vague)
    case = border.cases("two_layer_vc_bound", 1, seed=0, shuffled=True)[0]
    assert "does not name it" in border.judge(case).why or border.judge(case).kind == "unclear"
