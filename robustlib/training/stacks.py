"""Many runs at once: what is done entry by entry is done for all nets of a stack together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.linalg import vector_norm

from ..attacks import APGD, FGSM, PGD
from ..attacks.base import Adversary, check_arguments
from ..attacks.oracle import Oracle
from ..checks import check_list, check_progress, shown
from ..losses import Loss
from ..models import undisturbed
from ..networks import Network, Stack, known_net
from ..numerics import keep_memory, steady
from ..progress import Bar
from ..samples import Labelled
from ..sets import Perturbation
from .begin import Begun, begin
from .runs import Runs
from .step import DivergedError

_ROW_BY_ROW = (FGSM, PGD, APGD)  # what they do with a row depends on no other
_LONG = 64  # entries; a multiple of them is computed by one code
_ROOM = 2**20  # bytes of the examples of a stack, for which attacks need ten times as much


@steady()
def train_many(
    nets: Sequence[nn.Module],
    sample: Labelled | Sequence[Labelled],
    *,
    perturbation: Perturbation | Sequence[Perturbation],
    attack: Adversary | Sequence[Adversary],
    loss: Loss | Sequence[Loss],
    step_size: float | Callable[[int], float] | Sequence[float | Callable[[int], float]],
    steps: int,
    radius: float | Sequence[float | None] | None = None,
    record: Iterable[str] = (),
    progress: bool | None = None,
    seed: int | Sequence[int] = 0,
) -> Runs:
    """Train copies of all ``nets``, each as ``adversarial_training`` would; returns the runs.

    Each argument but ``steps``, ``record`` and ``progress`` is one for all nets, or a tuple or
    list with one for every net. Run k is ``adversarial_training(nets[k], ...)`` with the k-th of
    each, bit by bit on the CPU but for steps in L1 balls and for samples whose size is no multiple
    of 64: torch computes the last few entries of a tensor by other code, which may round a root
    or an exponential of the attack otherwise, and the runs then agree to rounding.

    Two-layer nets and their linearisations of one shape and activation, with samples of one size
    and equal sets, losses and attacks out of FGSM, PGD and APGD, share all steps that are taken
    entry by entry, in stacks that fit the cache; many small nets cost a fraction of what they
    cost alone. All others take their steps one after the other.

    A run that diverges ends there and harms no other: asking ``runs[k]`` raises its error, and
    ``runs.failed`` has all of them. Bad arguments raise ``TypeError`` or ``ValueError``, with the
    number of the net where it is one of many.
    """
    hidden = check_progress(progress)
    if not isinstance(nets, list | tuple):
        raise TypeError(f"nets must be a list or tuple of torch modules, got {shown(nets)}")
    for k, net in enumerate(nets):
        if not isinstance(net, nn.Module):
            raise TypeError(f"nets must be torch modules, got {type(net).__name__} at place {k}")
    given: dict[str, Any] = {
        "sample": sample,
        "perturbation": perturbation,
        "attack": attack,
        "loss": loss,
        "step_size": step_size,
        "radius": radius,
        "seed": seed,
    }
    many = {name for name, value in given.items() if isinstance(value, list | tuple)}
    for name in many:
        if len(given[name]) != len(nets):
            raise ValueError(
                f"{name} must be one for all or a list of {len(nets)}, one for every net, "
                f"got {len(given[name])}"
            )
    shared: dict[str, Any] = {
        "steps": steps,
        "record": check_list("record", record, " such as ('weights',)"),
        "comparator": None,
    }
    runs = []
    for k, net in enumerate(nets):
        own = {name: value[k] if name in many else value for name, value in given.items()}
        try:
            runs.append(begin(net, own.pop("sample"), **own, **shared))
            setting = runs[k].run.setting
            x, y = setting.sample.x, setting.sample.y
            check_arguments(runs[k].run.net, x, y, setting.perturbation, setting.loss)
        except (TypeError, ValueError) as error:
            raise _of(k, error) from error
    keep_memory()
    failed: dict[int, DivergedError] = {}
    with Bar(total=sum(run.steps for run in runs), disable=hidden, ascii=True, unit="step") as bar:
        for members in _stacks(runs):
            _train(runs, members, failed, bar)
    trajectories = [None if k in failed else runs[k].run.trajectory() for k in range(len(runs))]
    return Runs(tuple(trajectories), dict(sorted(failed.items())))


def _stacks(runs: Sequence[Begun]) -> list[list[int]]:
    """The numbers of runs that may share their steps, in the order of the first of each."""
    groups: dict[object, list[int]] = {}
    for k, begun in enumerate(runs):
        groups.setdefault(_kind(begun) or k, []).append(k)
    found = []
    for members in groups.values():
        x = runs[members[0]].run.setting.sample.x
        size = max(1, _ROOM // max(1, x.numel() * x.element_size()))
        found += [members[k : k + size] for k in range(0, len(members), size)]
    return found


def _kind(begun: Begun) -> tuple[object, ...] | None:
    """What runs of one stack have in common; None where a run is to stay alone."""
    run, setting = begun.run, begun.run.setting
    x, y = setting.sample.x, setting.sample.y
    net = known_net(run.net, x, gradients=True)
    neurons = None if net is None else net.neurons()
    parts = (setting.perturbation, setting.loss)
    tensors = any(isinstance(v, Tensor) for part in parts for v in vars(part).values())
    if (
        neurons is None
        or type(run.attack) not in _ROW_BY_ROW
        or tensors
        or setting.perturbation.finite
    ):
        return None
    known = tuple(setting.known[name] for name in ("perturbation", "loss", "attack"))
    kinds = (type(setting.perturbation), type(setting.loss), *known)
    labels = tuple(sorted(set(y.tolist())))  # which tell whether a loss has two sides
    return (*neurons.kind(), tuple(x.shape), x.dtype, x.device, labels, kinds)


def _train(
    runs: Sequence[Begun], members: list[int], failed: dict[int, DivergedError], bar: Any
) -> None:
    """Take all steps of the runs ``members``, together where there are several."""
    device = runs[members[0]].run.setting.sample.x.device
    nets = nn.ModuleList(runs[k].run.net for k in members)
    together: _Together | None = None
    with undisturbed(nets, device, buffers=False):
        while members and runs[members[0]].run.t < runs[members[0]].steps:
            group = [runs[k] for k in members]
            if len(group) == 1:
                together, errors = None, _each(group, members, range(1))
            else:
                together = together or _Together(group)
                errors = together.step(members)
            bar.update(len(members))
            if errors:
                failed.update({members[k]: error for k, error in errors.items()})
                members = [number for k, number in enumerate(members) if k not in errors]
                together = None


def _each(
    group: Sequence[Begun], members: Sequence[int], places: Iterable[int]
) -> dict[int, DivergedError]:
    """The next step of the runs at these places, each alone; the errors in which some end."""
    errors = {}
    for k in places:
        try:
            group[k].step()
        except DivergedError as error:
            errors[k] = error
        except (TypeError, ValueError) as error:
            raise _of(members[k], error) from error
    return errors


def _of(number: int, error: TypeError | ValueError) -> TypeError | ValueError:
    kind = TypeError if isinstance(error, TypeError) else ValueError
    return kind(f"run {number}: {error}")


class _Together:
    """Runs whose nets are a stack, and their examples one after the other."""

    def __init__(self, group: Sequence[Begun]) -> None:
        self.group = group
        samples = [begun.run.setting.sample for begun in group]
        self.x, self.y = (
            torch.cat([getattr(s, part) for s in samples]).detach() for part in ("x", "y")
        )
        self.region = group[0].run.setting.perturbation.at(self.x)
        self.nets = [net for begun in group if isinstance(net := begun.run.net, Network)]
        self.weights = [w.detach() for net in self.nets for w in net.parameters()]  # one of each
        small = self.weights[0].numel() * len(group) <= self.x.numel()
        self.starts = torch.stack([net.start()[0] for net in self.nets]) if small else None

    def step(self, members: Sequence[int]) -> dict[int, DivergedError]:
        """The next step of all runs; the errors in which some of them end."""
        group, setting = self.group, self.group[0].run.setting
        stack = Stack(self.nets)
        attacked = self.x
        if not self.region.is_point:
            sets, loss, draws = setting.perturbation, setting.loss, [begun.draw for begun in group]
            oracle = Oracle(stack, self.x, self.y, sets, loss, generators=draws, region=self.region)
            attacked = group[0].run.attack.answer(oracle, generator=draws[0]())
        f, weight_gradients = stack.outputs_for_training(attacked)
        means = self._losses(f.requires_grad_()).mean(1)
        (slopes,) = torch.autograd.grad(means.sum(), f)
        values, gradients = means.tolist(), weight_gradients(slopes)
        errors = _each(group, members, sorted(stack.failed))  # which says why
        steps = {}
        for k, part in enumerate(attacked.chunk(len(group))):
            if k in stack.failed:
                continue
            try:
                steps[k] = group[k].alpha(group[k].run.t), part, values[k]
            except (TypeError, ValueError) as error:
                raise _of(members[k], error) from error
        for k, step in steps.items():
            group[k].run.move(*step, (gradients[k],))
        drifts = self._drifts()
        for k, step in steps.items():
            try:
                group[k].run.arrive(*step, drifts[k])
            except DivergedError as error:
                errors[k] = error
        return errors

    def _drifts(self) -> list[list[float]]:
        """How far the only layer of each net is from its start, as it would be asked alone."""
        if self.starts is None:
            return [list(begun.run.distances().values()) for begun in self.group]
        apart = torch.stack(self.weights).double().sub_(self.starts)
        return [[float(vector_norm(delta))] for delta in apart]

    def _losses(self, f: Tensor) -> Tensor:
        """The losses (S, n) of outputs ``f`` (S n,), each as it would be computed alone."""
        count, loss = len(self.group), self.group[0].run.setting.loss
        if len(f) // count % _LONG == 0:
            return loss(f, self.y).view(count, -1)
        parts = zip(f.chunk(count), self.y.chunk(count), strict=True)
        return torch.stack([loss(own.clone(), y.clone()) for own, y in parts])
