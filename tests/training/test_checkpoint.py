"""Checkpoints take what a net can hold, and know foreign files, other writers and equal numbers.

At commit 62c29f0 all failed, but for tensors of dtypes that NumPy has.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from robustlib import (
    PGD,
    PseudoHuber,
    RandomNoise,
    SphereCap,
    Trajectory,
    TwoLayerNet,
    adversarial_training,
    hexagon,
)
from robustlib.attacks import Attack, Oracle
from robustlib.training import checkpoint as checkpoints
from robustlib.training import loop


class Held(nn.Module):
    """A linear model with something else to keep."""

    def __init__(self, other: Tensor | None, *, trained: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[1.0, 2.0], [3.0, 4.0]]).double().T)  # transposed
        if trained:
            assert other is not None
            self.other: Tensor | None = nn.Parameter(other)
        else:
            self.register_buffer("other", other)

    def forward(self, x: Tensor) -> Tensor:
        f = (x @ self.weight).sum(1)
        if self.other is not None and self.other.is_complex():
            f = f + (self.other * x).sum(1).abs()
        return f


def train(net: nn.Module | None = None, **change: Any) -> Trajectory:
    arguments: dict[str, Any] = {
        "perturbation": SphereCap(0.1),
        "attack": PGD(steps=2),
        "loss": PseudoHuber(),
        "step_size": 0.1,
        "steps": 2,
        **change,
    }
    return adversarial_training(net or TwoLayerNet(2, 4).double(), hexagon(), **arguments)


KINDS: dict[str, Callable[[], Tensor]] = {
    "bfloat16": lambda: torch.arange(3.0).bfloat16(),
    "float16": lambda: torch.arange(3.0).half(),
    "float8": lambda: torch.arange(3.0).to(torch.float8_e4m3fn),
    "complex": lambda: torch.tensor([1 + 2j, 3 - 1j], dtype=torch.complex128),
    "conjugate": lambda: torch.tensor([1 + 2j, 3 - 1j], dtype=torch.complex128).conj(),
    "bool": lambda: torch.tensor(True),
    "uint16": lambda: torch.ones(3, dtype=torch.uint16),
    "empty": lambda: torch.ones(0, 3),
    "expanded": lambda: torch.ones(1, 3).expand(4, 3),
    "sparse": lambda: torch.eye(3).to_sparse(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_state_of_any_kind_is_kept_bit_by_bit(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "run"
    if kind == "uint16" and torch.__version__.startswith("2.4"):
        pytest.skip("torch 2.4 cannot store it")
    train(Held(KINDS[kind]()), checkpoint=path)
    longer = train(Held(KINDS[kind]()), checkpoint=path, steps=4)
    whole = train(Held(KINDS[kind]()), steps=4)
    for one, other in ((longer, whole), (Trajectory.load(path, Held(KINDS[kind]())), whole)):
        assert torch.equal(one.surrogate_loss, other.surrogate_loss)
        for name, value in other.final.state_dict().items():
            found = one.final.state_dict()[name]
            assert (found.dtype, found.layout) == (value.dtype, value.layout)
            assert checkpoints.digest([found]) == checkpoints.digest([value])
    if kind in ("bfloat16", "complex", "sparse"):  # and another one is another run
        with pytest.raises(ValueError, match="net was Held with weights"):
            train(Held(2 * KINDS[kind]()), checkpoint=path, steps=5)


def test_what_torch_cannot_store_is_named_before_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(value: Tensor, file: object) -> None:  # as in torch 2.4
        raise KeyError(f"dtype {value.dtype} is not recognized")

    monkeypatch.setattr(torch, "save", save)
    with pytest.raises(
        TypeError, match=r"checkpoint: 'other': torch 2\.\S+ stores no torch.uint16"
    ):
        train(Held(KINDS["uint16"]()), checkpoint=tmp_path / "run")


class Noted(nn.Module):
    """A linear model after a part that keeps a text: how often it was asked in training."""

    def __init__(self, text: str = "", scale: float = 1.0) -> None:
        super().__init__()
        self.note, self.body = Note(text), Held(None)
        self.body.weight.data *= scale

    def forward(self, x: Tensor) -> Tensor:
        self.note.text += "."
        f: Tensor = self.body(x)
        return f


class Note(nn.Module):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text

    def get_extra_state(self) -> str:
        return self.text

    def set_extra_state(self, state: str) -> None:
        self.text = state


def test_a_text_that_a_module_keeps_is_part_of_the_run(tmp_path: Path) -> None:
    path = tmp_path / "run"
    train(Noted(), checkpoint=path)
    run = train(Noted(), steps=4, checkpoint=path)
    assert run.best_step == 3
    asked = [len(module.note.text) for module in (run.initial, run.best, run.final)]  # type: ignore[union-attr,arg-type]
    assert asked[0] == 0 < asked[1] == asked[2]
    assert torch.equal(run.surrogate_loss, train(Noted(), steps=4).surrogate_loss)
    for other in (Noted(text="two"), Noted(scale=2.0)):
        with pytest.raises(ValueError, match="net was Noted with weights"):
            train(other, steps=4, checkpoint=path)


def test_which_weights_are_trained_is_part_of_the_run(tmp_path: Path) -> None:
    """Two runs were mixed: steps of one layer, then steps of another."""
    net = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1))
    net = net.double().requires_grad_(False)
    net[0].requires_grad_(True)
    train(net, checkpoint=tmp_path / "run")
    kept = (tmp_path / "run").read_bytes()
    net[2].requires_grad_(True)
    net[0].requires_grad_(False)
    with pytest.raises(ValueError, match="belongs to another run: net was Sequential with"):
        train(net, checkpoint=tmp_path / "run", steps=3)
    assert (tmp_path / "run").read_bytes() == kept


def test_a_buffer_that_no_state_dict_has_is_part_of_the_run(tmp_path: Path) -> None:
    net = Held(None)
    net.register_buffer("fleeting", torch.ones(2), persistent=False)
    train(net, checkpoint=tmp_path / "run")
    train(net, checkpoint=tmp_path / "run", steps=3)
    net.fleeting = torch.zeros(2)
    with pytest.raises(ValueError, match="belongs to another run: net was Held with"):
        train(net, checkpoint=tmp_path / "run", steps=4)


def test_complex_weights_are_trained_and_measured() -> None:
    start = torch.tensor([1 + 2j, 3 - 1j], dtype=torch.complex128)
    run = train(Held(start.clone(), trained=True), steps=3)
    moved = run.final.other.detach() - start  # type: ignore[operator,union-attr]
    assert float(moved.imag.abs().max()) > 1e-3
    assert float(run.drift_by_layer["other"][-1]) == pytest.approx(float(moved.norm()), rel=1e-12)


@pytest.mark.filterwarnings("ignore:.*deprecated:UserWarning")
def test_what_cannot_be_kept_is_named_before_the_first_step(tmp_path: Path) -> None:
    class Extra(Held):
        def get_extra_state(self) -> object:
            return {"held": [1, (2, object())]}

        def set_extra_state(self, state: object) -> None:
            pass

    quantised = torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)
    for net, match in (
        (Held(quantised), r"net cannot be stored .*'other': quantised tensors .*qint8"),
        (Extra(None), r"net cannot be stored .*'_extra_state': .*got object"),
    ):
        with pytest.raises(TypeError, match=match):
            train(net, checkpoint=tmp_path / "run", attack=Counting())
    assert Counting.calls == 0
    assert not os.listdir(tmp_path)


class Counting(Attack):
    """Noise that counts its calls, all of them."""

    calls = 0

    def __repr__(self) -> str:
        return "Counting()"

    def _search(self, oracle: Oracle, generator: torch.Generator) -> None:
        type(self).calls += 1


# --- equal numbers --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scaled:
    """A loss with a number that nobody has looked at."""

    scale: Any
    lipschitz, smoothness, zero_at_label = 10.0, None, True

    def __call__(self, f: Tensor, y: Tensor) -> Tensor:
        return self.scale * (f - y).abs()

    def derivative(self, f: Tensor, y: Tensor) -> Tensor:
        return self.scale * (f - y).sign()


ONES = (1, 1.0, np.float64(1), np.int64(1), np.float32(1), torch.tensor(1.0), Fraction(1))


@pytest.mark.parametrize("one", ONES, ids=repr)
def test_equal_numbers_are_the_same_run(one: Any, tmp_path: Path) -> None:
    def run(number: Any, count: Any) -> Trajectory:
        return train(
            radius=number,
            step_size=number,
            steps=count,
            seed=count,
            perturbation=SphereCap(number),
            attack=PGD(steps=count, step_size=number),
            checkpoint=tmp_path / "run",
        )

    run(1.0, 2)
    for count in (2, np.int64(2), np.uint8(2), torch.tensor(2), np.array(2)):
        run(one, count)
    with pytest.raises(ValueError, match=r"radius was 1\.0, is 1\.5"):
        run(1.5, 2)


def test_numbers_in_what_is_not_ours_are_compared_as_numbers(tmp_path: Path) -> None:
    path = tmp_path / "run"
    train(loss=Scaled(1), checkpoint=path)
    for one in (1.0, np.float64(1), np.int64(1)):
        train(loss=Scaled(one), checkpoint=path)
    for other in (1.5, 10, np.float64(1.25)):
        with pytest.raises(ValueError, match=r"loss was Scaled\(.*1\)*, is Scaled"):
            train(loss=Scaled(other), checkpoint=path)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("A(x=1)", "A(x=1.0)", True),
        ("A(x=1)", "A(x=np.int64(1))", True),
        ("A(x=0.5)", "A(x=np.float64(0.5))", True),
        ("A(x=0.1)", "A(x=np.float32(0.1))", False),  # which is another number
        ("A(x=1.0)", "A(x=1.01)", False),
        ("A(x=1.0)", "A(x=11.0)", False),
        ("A(x=1.0e5)", "A(x=1e5)", False),  # text that Python does not write
        ("version 1.0.2", "version 1.2", False),
    ],
)
def test_descriptions_with_equal_numbers(one: str, other: str, same: bool) -> None:
    assert checkpoints.alike(one, other) == same


# --- several writers, foreign files ---------------------------------------------------------------


def test_a_run_that_came_later_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    path = tmp_path / "run"

    class Nested(Attack):
        """Starts another run on the same path in the middle of this one."""

        def __repr__(self) -> str:
            return "Nested()"

        def _search(self, oracle: Oracle, generator: torch.Generator) -> None:
            if not path.exists():
                train(seed=5, checkpoint=path)

    with pytest.raises(ValueError, match="run was written by another run meanwhile"):
        train(attack=Nested(), checkpoint=path)
    train(seed=5, checkpoint=path)  # the other one goes on
    assert os.listdir(tmp_path) == ["run"]


def test_two_processes_with_one_run_on_one_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(loop, "CHECKPOINT_SHARE", 1e9)
    path = tmp_path / "run"
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import test_checkpoint as t; "
        "t.loop.CHECKPOINT_SECONDS, t.loop.CHECKPOINT_SHARE = 0.0, 1e9; print('go', flush=True); "
        "print(t.train(steps=15, checkpoint=sys.argv[2]).surrogate_loss.sum().item())"
    )
    command = [sys.executable, "-c", program, str(Path(__file__).parent), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "go\n"
        mine = train(steps=15, checkpoint=path)
        said = float(other.stdout.read())
    assert other.returncode == 0
    assert said == float(mine.surrogate_loss.sum()) == float(train(steps=15).surrogate_loss.sum())
    assert os.listdir(tmp_path) == ["run"]


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "run")
    train(checkpoint=tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "run").is_file()


PATHS: list[tuple[Any, type[Exception], str]] = [
    (3, TypeError, r"must be the path of a file, got 3 \(int\)"),
    (None, TypeError, r"must be the path of a file, got None"),
    (b"run", TypeError, r"must be the path of a file, got b'run'"),
    ("", ValueError, r"must be the path of a file, got '', which is none"),
    (".", ValueError, r"must be the path of a file, got '.', which is none"),
    ("node", ValueError, r"must be the path of a file, got 'node', which is none"),
    ("a\0b", ValueError, r"must be the path of a file, got 'a\\x00b'"),
    ("a" * 300, ValueError, r"must be the path of a file, got "),
    ("no/such/place", ValueError, r"must be in a directory that exists, got 'no/such/place'"),
]


@pytest.mark.parametrize(("path", "error", "match"), PATHS)
def test_paths_are_named(
    path: Any, error: type[Exception], match: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as node:
        node.bind("node")  # no file, and harmless whatever is done to it
    run = train(steps=0)
    with pytest.raises(error, match=f"path {match}"):
        run.save(path)
    with pytest.raises(error, match=f"path {match}"):
        Trajectory.load(path, TwoLayerNet(2, 4))
    if path is not None:
        with pytest.raises(error, match=f"checkpoint {match}"):
            train(checkpoint=path)


def test_files_that_are_no_runs_are_named_and_stay(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with pytest.raises(FileNotFoundError, match="no file run"):
        Trajectory.load(path, TwoLayerNet(2, 4))
    path.write_bytes(b"")
    for call in (lambda: Trajectory.load(path, TwoLayerNet(2, 4)), lambda: train(checkpoint=path)):
        with pytest.raises(ValueError, match="was not written by this version of robustlib"):
            call()
    assert path.read_bytes() == b""
    train(attack=RandomNoise()).save(path)
    with pytest.raises(ValueError, match=r"net must have weights .*float64.*got .*float32"):
        Trajectory.load(path, TwoLayerNet(2, 4))
    checkpoints.write(path, {"trajectory": 3})
    with pytest.raises(ValueError, match="does not hold a training run"):
        Trajectory.load(path, TwoLayerNet(2, 4))
