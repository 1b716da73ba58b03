"""Adversarial training: its steps, its record, its checkpoints, and the bits of a killed run."""

from __future__ import annotations

import copy
import dataclasses
import math
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from robustlib.attacks import FGSM, PGD, Attack, NoAttack, Oracle, RandomNoise, Reused
from robustlib.losses import Logistic, PseudoHuber
from robustlib.networks import DeepNet, TwoLayerNet, linearize
from robustlib.numerics import budget, generator
from robustlib.samples import Sample, sphere
from robustlib.sets import LinfBall, SphereCap
from robustlib.training import adversarial_training, loop
from robustlib.training import checkpoint as checkpoints
from robustlib.training.trajectory import Trajectory

SAMPLE = sphere(n=12, d=5, seed=1)
CAP = SphereCap(0.3)


def net(width: int = 16, **options: Any) -> TwoLayerNet:
    """A small net in float64."""
    return TwoLayerNet(5, width, **options).double()


def train(module: nn.Module | None = None, **change: Any) -> Trajectory:
    """A short run, with some arguments changed."""
    arguments: dict[str, Any] = {
        "perturbation": CAP,
        "attack": PGD(steps=3, restarts=2),
        "loss": PseudoHuber(),
        "step_size": 1.0,
        "steps": 8,
        "record": ("attacked", "weights"),
        **change,
    }
    sample = arguments.pop("sample", SAMPLE)
    return adversarial_training(module or net(), sample, **arguments)


def bits(run: Trajectory) -> list[object]:
    """Everything in a trajectory, for comparison bit by bit."""
    nets = [run.initial, run.best, run.final]
    return [
        checkpoints.digest([run.surrogate_loss, run.drift, run.step_sizes]),
        {k: checkpoints.digest([v]) for k, v in run.drift_by_layer.items()},
        [checkpoints.digest(m.state_dict().values(), str(list(m.state_dict()))) for m in nets],
        None if run.attacked is None else checkpoints.digest([run.attacked]),
        None
        if run.weights is None
        else {k: checkpoints.digest([v]) for k, v in run.weights.items()},
    ]


# --- the steps ------------------------------------------------------------------------------------


def test_the_run_is_the_recursion_written_out(device: torch.device, dtype: torch.dtype) -> None:
    sample, module = SAMPLE.to(device, dtype), net().to(device, dtype)
    attack, loss, alpha, radius = PGD(steps=2, restarts=2), PseudoHuber(), 2.0, 0.5
    run = train(module, sample=sample, attack=attack, step_size=alpha, radius=radius, seed=3)
    w, w0 = module.weight.detach().clone(), module.initial
    for t in range(8):
        now = copy.deepcopy(module)
        with torch.no_grad():
            now.weight.copy_(w)
        attacked = attack(
            now,
            sample.x,
            sample.y,
            perturbation=CAP,
            loss=loss,
            generator=generator(3, t),
        )
        # the gradient from its definition: (1/n) sum_i ell'(f_i, y_i) grad_W f(W, x'_i)
        z = torch.cat([attacked, torch.ones_like(attacked[:, :1])], 1) / math.sqrt(2)
        f = torch.relu(z @ w.T) @ module.readout / 4
        slope = loss.derivative(f, sample.y)[:, None] * (z @ w.T > 0) * module.readout / 4
        tolerance = {"rtol": 0, "atol": 1e-5 if dtype == torch.float32 else 1e-12}
        assert run.attacked is not None
        assert run.weights is not None
        torch.testing.assert_close(run.weights["weight"][t], w, **tolerance)
        torch.testing.assert_close(run.attacked[t], attacked, **tolerance)
        torch.testing.assert_close(
            run.surrogate_loss[t], loss(f, sample.y).mean().cpu(), **tolerance
        )
        w = run.weights["weight"][t] - alpha * slope.T @ z / len(z)
        norm = (w - w0).norm()
        w = w0 + (w - w0) * min(1.0, radius / float(norm))
        torch.testing.assert_close(
            run.drift[t + 1], (w - w0).norm().double().cpu(), rtol=0, atol=1e-5
        )
    assert float(run.drift.max()) == pytest.approx(radius)  # the projection was at work
    assert run.surrogate_loss.dtype == dtype


def test_full_batch_descent_on_a_convex_problem_falls_and_the_best_step_is_kept() -> None:
    module = linearize(net(64, activation="tanh"))
    run = train(module, attack=NoAttack(), step_size=0.5, steps=40)
    assert bool((run.surrogate_loss.diff() < 0).all())
    assert run.best_step == 39


@pytest.mark.parametrize("make", [lambda: net(), lambda: DeepNet(5, 8, 2).double()])
def test_best_is_the_net_at_the_first_least_surrogate_loss(make: Callable[[], nn.Module]) -> None:
    run = train(make(), step_size=3.0, steps=15)
    assert run.best_step == int(run.surrogate_loss.argmin())
    assert run.weights is not None
    assert run.attacked is not None
    for name, weight in run.best.named_parameters():
        assert torch.equal(weight, run.weights[name][run.best_step])
    for name, weight in run.final.named_parameters():
        assert torch.equal(weight, run.weights[name][15])
    for name, weight in run.initial.named_parameters():
        assert torch.equal(weight, run.weights[name][0])
    t = run.best_step
    reached = PseudoHuber()(run.best(run.attacked[t]), SAMPLE.y).mean()
    assert float(reached.detach()) == float(run.surrogate_loss[t])
    total = torch.stack(list(run.drift_by_layer.values())).norm(dim=0)
    torch.testing.assert_close(run.drift, total)


class Level:
    """So flat that it rounds to 1, with a slope that large steps follow: only the weights move."""

    lipschitz, smoothness, zero_at_label = 1e-20, None, False

    def __call__(self, f: Tensor, y: Tensor) -> Tensor:
        return 1e-20 * f + 1

    def derivative(self, f: Tensor, y: Tensor) -> Tensor:
        return torch.full_like(f, 1e-20)


def test_the_first_of_equally_good_steps_is_best() -> None:
    module = net()
    run = train(module, loss=Level(), step_size=1e20)
    assert run.drift[-1] > 0
    assert run.surrogate_loss.tolist() == [1.0] * 8
    assert run.best_step == 0
    assert torch.equal(next(run.best.parameters()), module.weight)


def test_the_net_and_the_surroundings_are_as_found() -> None:
    module = net()
    module.train()
    module.weight.grad = torch.ones_like(module.weight)
    before, state = copy.deepcopy(module.state_dict()), torch.get_rng_state()
    with torch.no_grad():
        run = train(module)
        assert not torch.is_grad_enabled()
    assert torch.equal(torch.get_rng_state(), state)
    assert module.training
    assert bool((module.weight.grad == 1).all())
    assert module.weight.requires_grad
    assert all(torch.equal(before[k], v) for k, v in module.state_dict().items())
    assert run.final.training
    assert not torch.equal(module.weight, next(run.final.parameters()))


def test_fixed_parameters_stay_and_any_module_can_be_trained() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = nn.Sequential(
            nn.Linear(5, 6), nn.Dropout(0.9), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 1)
        ).double()
    module.append(nn.Flatten(0))
    module[0].weight.requires_grad_(False)
    run = train(module, steps=5, step_size=0.1)
    assert torch.equal(run.final[0].weight, module[0].weight)  # type: ignore[index]
    assert set(run.drift_by_layer) == {
        name for name, p in module.named_parameters() if p.requires_grad
    }
    drift = (run.final[4].weight - module[4].weight).detach().norm()  # type: ignore[index]
    assert float(run.drift_by_layer["4.weight"][-1]) == float(drift)
    assert bits(run) == bits(train(module, steps=5, step_size=0.1))  # dropout is off


class Counter(nn.Module):
    """A linear model that counts its forward passes, and has weights that nothing uses."""

    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(5).double())
        self.unused = nn.Parameter(torch.ones(2).double())
        self.register_buffer("calls", torch.tensor(0))

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x @ self.weight


def test_buffers_are_part_of_the_run_and_unused_weights_stay() -> None:
    run = train(Counter(), steps=5, step_size=0.1)
    assert int(run.initial.calls) == 0  # type: ignore[arg-type]
    assert int(run.final.calls) == 5  # type: ignore[arg-type]  # those of attacks are put back
    assert int(run.best.calls) == run.best_step + 1  # type: ignore[arg-type]
    assert torch.equal(run.final.unused.detach(), torch.ones(2).double())  # type: ignore[operator]
    assert run.drift_by_layer["unused"].tolist() == [0.0] * 6
    assert float(run.drift_by_layer["weight"][-1]) > 0


@pytest.mark.parametrize("make", [net, lambda: linearize(net())])
def test_a_hook_on_weights_of_nets_of_ours_is_minded(make: Callable[[], nn.Module]) -> None:
    hooked = make()
    next(hooked.parameters()).register_hook(lambda gradient: 2 * gradient)
    double = train(make(), step_size=2.0)
    torch.testing.assert_close(train(hooked).drift, double.drift, rtol=1e-9, atol=1e-12)


class Drawing(PseudoHuber):
    """A loss that draws from the random state that all share."""

    def __call__(self, f: Tensor, y: Tensor) -> Tensor:
        random.random()
        return super().__call__(f, y)


def test_a_loss_that_draws_leaves_the_random_state_as_found() -> None:
    state = random.getstate()
    train(loss=Drawing(), steps=1)
    assert random.getstate() == state


def test_a_schedule_is_asked_for_every_step() -> None:
    run = train(step_size=lambda t: 1 / math.sqrt(t + 1))
    assert run.step_sizes.tolist() == [1 / math.sqrt(t + 1) for t in range(8)]
    assert bits(train(step_size=lambda t: 0.5)) == bits(train(step_size=0.5))


def test_the_seed_decides_the_attack_and_steps_have_streams_of_their_own() -> None:
    noise = RandomNoise()
    assert bits(train(attack=noise, seed=1)) == bits(train(attack=noise, seed=1))
    one, other = train(attack=noise, seed=1), train(attack=noise, seed=2)
    assert not torch.equal(one.surrogate_loss, other.surrogate_loss)
    assert bits(train(attack=noise)) == bits(train(attack=noise, seed=0))
    longer = train(attack=noise, seed=1, steps=12)
    assert torch.equal(longer.surrogate_loss[:8], one.surrogate_loss)


def test_no_steps_give_the_nets_as_they_were() -> None:
    module = net()
    run = train(module, steps=0)
    assert run.surrogate_loss.shape == (0,)
    assert run.drift.tolist() == [0.0]
    assert run.best_step == 0
    assert run.attacked is not None
    assert run.attacked.shape == (0, 12, 5)
    for one in (run.initial, run.best, run.final):
        assert torch.equal(next(one.parameters()), module.weight)
    assert repr(run) == "A run of no steps: the nets are as they were given."
    run.plot()


def test_one_point_in_one_dimension() -> None:
    sample = Sample(torch.ones(1, 1).double(), torch.ones(1).double(), "one")
    run = train(
        TwoLayerNet(1, 2, activation="tanh").double(), sample=sample, perturbation=SphereCap(0.0)
    )
    assert run.surrogate_loss[-1] < run.surrogate_loss[0]


# --- the record -----------------------------------------------------------------------------------


def test_the_record_holds_what_was_asked_for() -> None:
    for record in ((), ("attacked",), ["weights"], {"attacked", "weights"}):
        run = train(record=record)
        assert (run.attacked is not None) == ("attacked" in record)
        assert (run.weights is not None) == ("weights" in record)
    assert run.attacked is not None
    assert run.weights is not None
    assert run.attacked.shape == (8, 12, 5)
    assert run.weights["weight"].shape == (9, 16, 6)
    assert bool(CAP.contains(run.attacked.flatten(0, 1), SAMPLE.x.repeat(8, 1)).all())


def test_save_and_load_give_the_same_bits(tmp_path: Path) -> None:
    run = train()
    run.save(tmp_path / "run")
    assert os.listdir(tmp_path) == ["run"]
    again = Trajectory.load(tmp_path / "run", net(seed=5))
    assert bits(again) == bits(run)
    with pytest.raises(ValueError, match=r"net must be a TwoLayerNet .* got DeepNet"):
        Trajectory.load(tmp_path / "run", DeepNet(5, 8, 2))
    with pytest.raises(ValueError, match=r"net must have weights .*\(16, 6\).*\(18, 6\)"):
        Trajectory.load(tmp_path / "run", net(18))


def test_the_figure_names_the_surrogate_loss_and_the_repr_is_a_sentence() -> None:
    run = train(DeepNet(5, 8, 2).double())
    left, right = run.plot().axes
    assert left.get_ylabel() == "surrogate loss"
    assert left.lines[0].get_ydata().tolist() == run.surrogate_loss.tolist()
    assert len(right.lines) == 3
    assert repr(run).startswith("A run of 8 steps: surrogate loss ")
    assert f"least {float(run.surrogate_loss.min()):.4g} at step {run.best_step}" in repr(run)
    assert f"surrogate loss {float(run.surrogate_loss[0]):.4g} at step 0" in repr(run)
    assert f"the weights end {float(run.drift[8]):.4g} from their initialisation." in repr(run)
    assert left.get_yscale() == "log"
    (best,) = left.lines[1:]
    least = float(run.surrogate_loss.min())
    assert (list(best.get_xdata()), list(best.get_ydata())) == ([run.best_step], [least])
    assert right.lines[0].get_ydata().tolist() == run.drift.tolist()
    right_labels = [line.get_label() for line in right.lines]
    assert right_labels == ["all layers", *run.drift_by_layer]
    once = train(steps=1)
    assert repr(once).startswith("A run of 1 step: surrogate loss ")
    none = dataclasses.replace(once, surrogate_loss=torch.zeros(1))
    assert none.plot().axes[0].get_yscale() == "linear"  # which zero has a place on


def test_a_bar_is_shown_only_where_asked_for_or_on_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    train()
    assert capsys.readouterr() == ("", "")
    train(progress=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "8/8" in err
    assert err.isascii()


# --- checkpoints ----------------------------------------------------------------------------------


class Stop(Exception):
    """A run cut off."""


class Tripwire(Attack):
    """Noise, until call number ``at``; counts on its own state."""

    def __init__(self, at: int) -> None:
        self.at, self.calls = at, 0

    def __repr__(self) -> str:
        return "Tripwire()"

    def _search(self, oracle: Oracle, generator: torch.Generator) -> None:
        if self.calls == self.at:
            raise Stop
        self.calls += 1
        for _ in range(self.calls):  # what it does depends on what it remembers
            oracle.values(oracle.perturbation.random(oracle.x, generator))

    def state(self) -> dict[str, Tensor]:
        return {"calls": torch.tensor(self.calls)}

    def restore(self, state: dict[str, Tensor]) -> None:
        self.calls = int(state["calls"])


def test_a_run_cut_off_at_any_step_goes_on_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(loop, "CHECKPOINT_SHARE", 1e9)
    wire = Tripwire(-1)
    run = train(attack=wire, step_size=12.0)
    assert wire.calls == 0  # a copy of it was used
    assert run.best_step == 3  # so that a best step made before the cut must be remembered
    whole = bits(run)
    for at in range(8):
        path = tmp_path / str(at)
        with pytest.raises(Stop):
            train(attack=Tripwire(at), step_size=12.0, checkpoint=path)
        assert path.exists() == (at > 0)
        assert bits(train(attack=Tripwire(-1), step_size=12.0, checkpoint=path)) == whole
        assert (
            bits(train(attack=Tripwire(0), step_size=12.0, checkpoint=path)) == whole
        )  # nothing left to do


class Cut(Attack):
    """``Reused``, until the model has been asked ``at`` times; its memory is that of ``inner``."""

    def __init__(self, at: int) -> None:
        self.at, self.inner = at, Reused(PGD(steps=3), every=3)

    def __repr__(self) -> str:
        return "Cut()"

    def _search(self, oracle: Oracle, generator: torch.Generator) -> None:
        if self.at == 0:
            raise Stop
        self.at -= 1
        self.inner.move(oracle, generator)

    def state(self) -> dict[str, Tensor]:
        return self.inner.state()

    def restore(self, state: dict[str, Tensor]) -> None:
        self.inner.restore(state)


def test_a_run_with_a_stale_attack_goes_on_with_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(loop, "CHECKPOINT_SHARE", 1e9)
    whole = bits(train(attack=Cut(99), step_size=2.0))
    assert whole == bits(train(attack=Reused(PGD(steps=3), every=3), step_size=2.0))
    assert whole != bits(train(attack=PGD(steps=3), step_size=2.0))  # staleness shows
    for at in range(1, 8):  # between two calls for new points as well as at them
        path = tmp_path / str(at)
        with pytest.raises(Stop):
            train(attack=Cut(at), step_size=2.0, checkpoint=path)
        assert path.exists()
        assert bits(train(attack=Cut(99), step_size=2.0, checkpoint=path)) == whole


def test_checkpoints_are_written_when_they_are_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[object] = []
    write = checkpoints.write

    def counted(path: object, *rest: Any) -> None:
        written.append(path)
        write(path, *rest)

    monkeypatch.setattr(checkpoints, "write", counted)
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 1e9)
    train(checkpoint=tmp_path / "run")
    assert written == [tmp_path / "run"]  # at the end
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(loop, "CHECKPOINT_SHARE", 1e9)
    train(steps=12, checkpoint=tmp_path / "run")
    assert len(written) == 1 + 4 + 1  # after each step as well
    train()
    assert len(written) == 6


def test_a_run_can_be_made_longer_but_not_shorter(tmp_path: Path) -> None:
    path = tmp_path / "run"
    train(checkpoint=path)
    assert bits(train(steps=13, checkpoint=path)) == bits(train(steps=13))
    with pytest.raises(ValueError, match="13 steps already, more than steps=8"):
        train(checkpoint=path)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"perturbation": SphereCap(0.4)}, r"perturbation was SphereCap\(0.3\), is SphereCap\(0.4"),
        ({"perturbation": LinfBall(0.3)}, r"perturbation was SphereCap"),
        ({"attack": FGSM()}, r"attack was PGD\(.*is FGSM\(\)"),
        ({"loss": Logistic()}, r"loss was PseudoHuber\(\), is Logistic\(\)"),
        ({"seed": 1}, "seed was 0, is 1"),
        ({"radius": 2.0}, r"radius was None, is 2\.0"),
        ({"record": ()}, "record was"),
        ({"step_size": 0.5}, r"step_size at step 0 was 1, is 0\.5"),
        ({"step_size": lambda t: 1.0 if t < 7 else 0.5}, r"step_size at step 7 was 1, is 0\.5"),
        ({"sample": sphere(n=12, d=5, seed=2)}, "sample was 12 points with contents"),
        ({"module": net(seed=1)}, "net was TwoLayerNet with weights"),
        ({"module": net(activation="tanh")}, "net was TwoLayerNet with weights"),
        ({"module": net(bias=False)}, "net was TwoLayerNet with weights"),
        ({"module": linearize(net())}, "is LinearizedNet with weights"),
        ({"module": net().float(), "sample": SAMPLE.to(dtype=torch.float32)}, "net was .*sample"),
    ],
)
def test_a_checkpoint_of_another_run_is_refused_and_kept(
    change: dict[str, Any], match: str, tmp_path: Path
) -> None:
    path = tmp_path / "run"
    train(checkpoint=path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=match):
        train(checkpoint=path, **change)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["run"]


@pytest.mark.parametrize(
    ("spoil", "match"),
    [
        (lambda b: b[:-1], "cut or altered"),
        (lambda b: b[: len(b) // 2], "cut or altered"),
        (lambda b: b[:20], "cut or altered"),
        (lambda b: b[:-50] + bytes([b[-50] ^ 1]) + b[-49:], "cut or altered"),
        (lambda b: b[:10], "was not written by"),
        (lambda b: b"", "was not written by"),
        (lambda b: b"my thesis", "was not written by"),
    ],
)
def test_a_spoilt_file_is_refused_and_kept(
    spoil: Callable[[bytes], bytes], match: str, tmp_path: Path
) -> None:
    path = tmp_path / "run"
    train(checkpoint=path)
    path.write_bytes(spoil(path.read_bytes()))
    before = path.read_bytes()
    with pytest.raises(ValueError, match=match):
        train(checkpoint=path)
    with pytest.raises(ValueError, match=match):
        Trajectory.load(path, net())
    assert path.read_bytes() == before


def test_files_of_other_kinds_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    train().save(path)
    train().save(path)  # over the first
    with pytest.raises(ValueError, match="not of a run"):
        train(checkpoint=path)
    checkpoints.write(path, {"x": torch.ones(2)})
    with pytest.raises(ValueError, match="does not hold a training run"):
        Trajectory.load(path, net())


def test_reading_runs_no_code(tmp_path: Path) -> None:
    checkpoints.write(tmp_path / "file", {"net": net()})
    with pytest.raises(Exception, match=r"[Ww]eights.only"):
        checkpoints.read(tmp_path / "file", torch.device("cpu"))


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run"
    checkpoints.write(path, {"a": 1})

    def full(descriptor: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="disk full"):
        checkpoints.write(path, {"a": 2})
    assert checkpoints.read(path, torch.device("cpu")) == {"a": 1}
    assert os.listdir(tmp_path) == ["run"]


KILLED = """
import os, random, signal, sys, traceback
import torch
from robustlib.training import checkpoint, loop
sys.path.insert(0, sys.argv[2])
import test_training as tests

torch.set_num_threads(1)
loop.CHECKPOINT_SECONDS, loop.CHECKPOINT_SHARE = 0.0, 0.5
path, draw = sys.argv[1], random.Random(int(sys.argv[3]))

class Telling(tests.Noise):
    def _search(self, oracle, generator):
        os.write(tell, b".")
        super()._search(oracle, generator)

kills = steps = 0
many, length = map(int, sys.argv[4:])
while kills < many:  # a child is killed in one of its first steps, the second at the earliest
    heard, tell = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(heard)
        try:
            tests.train(attack=Telling(), steps=length, checkpoint=path, seed=9)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(tell)
    for _ in range(draw.randint(2, 30)):
        os.read(heard, 1)
    os.kill(child, signal.SIGKILL)
    os.close(heard)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    if os.WIFSIGNALED(status):
        kills += 1
    else:  # the run came to its end before the kill; begin again
        kills = 0
        os.remove(path)
    if os.path.exists(path):
        saved = checkpoint.read(path, torch.device("cpu"))["trajectory"]
        steps = len(saved["surrogate_loss"])
print(kills, steps)
"""


class Noise(Attack):
    """One random point; its repr is the same in a subclass."""

    def __repr__(self) -> str:
        return "Noise()"

    def _search(self, oracle: Oracle, generator: torch.Generator) -> None:
        oracle.values(oracle.perturbation.random(oracle.x, generator))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="SIGKILL and fork are of POSIX")
def test_kills_leave_the_bits_of_a_run_never_killed(tmp_path: Path) -> None:
    path, here = tmp_path / "run", Path(__file__).parent
    many = 100 if budget() == "gpu" else 10
    length = 40 * many
    seed = int.from_bytes(os.urandom(4), "little")
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *map(str, (path, here, seed, many, length))],
        capture_output=True,
        text=True,
        cwd=here.parents[1],
    )
    assert done.returncode == 0, (seed, done.stderr)
    kills, steps = map(int, done.stdout.split())
    assert kills == many
    assert 0 < steps < length, seed  # the kills came in the middle of the run
    resumed = train(attack=Noise(), steps=length, checkpoint=path, seed=9)
    assert bits(resumed) == bits(train(attack=Noise(), steps=length, seed=9))


# --- bad input ------------------------------------------------------------------------------------


class Exponential(nn.Module):
    """Outputs that are beyond all numbers while the weights are small."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(5).double())

    def forward(self, x: Tensor) -> Tensor:
        return (x @ self.weight).exp()


def test_outputs_beyond_all_numbers_are_the_last_steps_fault() -> None:
    with pytest.raises(ValueError, match=r"diverged at step 2, with step_size 1e\+06"):
        train(Exponential(), step_size=lambda t: 1e6 if t == 2 else 0.01)


def test_divergence_names_the_step_and_leaves_the_last_good_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(loop, "CHECKPOINT_SHARE", 1e9)
    path = tmp_path / "run"
    with pytest.raises(
        ValueError, match=r"diverged at step 3, with step_size 1e\+308.*try a smaller step_size"
    ):
        train(net(), step_size=lambda t: 1e308 if t == 3 else 0.1, checkpoint=path)
    assert os.listdir(tmp_path) == ["run"]
    good = train(step_size=0.1, steps=3)
    assert bits(train(step_size=0.1, steps=3, checkpoint=path)) == bits(good)


def test_a_net_that_starts_with_nan_is_not_called_divergence() -> None:
    module = net()
    with torch.no_grad():
        module.weight.fill_(torch.nan)
    with pytest.raises(ValueError, match="returned NaN"):
        train(module)


@pytest.mark.parametrize(
    ("change", "error", "match"),
    [
        ({"module": lambda x: x}, TypeError, "net must be a torch module, got function"),
        ({"module": nn.Flatten(0)}, ValueError, "net must have parameters that require"),
        ({"sample": SAMPLE.x}, TypeError, "sample must have points x and labels y, got Tensor"),
        (
            {"sample": SimpleNamespace(x=torch.ones(0, 5), y=torch.ones(0))},
            ValueError,
            "at least one point",
        ),
        ({"attack": PGD}, TypeError, r"attack must be an attack such as PGD\(\)"),
        ({"perturbation": 0.3}, TypeError, "perturbation must be a set"),
        ({"loss": PseudoHuber}, TypeError, "loss must be a loss"),
        ({"step_size": 0}, ValueError, "step_size must be greater than 0, got 0"),
        ({"step_size": math.inf}, ValueError, "step_size must be finite"),
        ({"step_size": lambda t: -1.0}, ValueError, "step_size at step 0 must be greater than 0"),
        ({"step_size": "1"}, TypeError, "step_size must be a real number, got '1'"),
        ({"steps": -1}, ValueError, "steps must be at least 0, got -1"),
        ({"steps": 2.0}, TypeError, "steps must be an integer"),
        ({"radius": -1}, ValueError, "radius must be at least 0"),
        ({"radius": 1, "module": nn.Linear(5, 1)}, TypeError, r"project\(radius\), got Linear"),
        ({"record": "weights"}, TypeError, r"such as \('weights',\)"),
        ({"record": ("weight",)}, ValueError, "did you mean 'weights'"),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
        ({"checkpoint": "no/such/directory/run"}, ValueError, "directory that exists"),
    ],
)
def test_bad_arguments(change: dict[str, Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        train(**change)


def test_a_net_outside_the_ball_is_refused() -> None:
    module = train(steps=20, step_size=5.0).final
    with pytest.raises(ValueError, match=r"outside the ball of radius 0\.001"):
        train(module, radius=0.001)


def test_a_checkpoint_needs_reprs_that_last(tmp_path: Path) -> None:
    class Anonymous(Attack):
        def _search(self, oracle: Oracle, generator: torch.Generator) -> None:
            pass

    with pytest.raises(TypeError, match="attack needs a repr"):
        train(attack=Anonymous(), checkpoint=tmp_path / "run")
