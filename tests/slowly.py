"""What models are by a slow way of our own, and that they are left as found: for their tests.

One example at a time, by plain calls, plain autograd and finite differences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from kinds import KINDS
from torch import Tensor, nn

import robustlib
from robustlib.losses import Logistic
from robustlib.numerics import generator
from robustlib.sets import LinfBall

EPS, N = 0.05, 4
BALL, LOSS = LinfBall(EPS), Logistic()
Y = torch.tensor([1.0, -1.0, 1.0, -1.0], dtype=torch.float64)
NAMES = [name for name in KINDS if name != "compiled"]  # which has a file of its own


def points(name: str) -> Tensor:
    shape = KINDS[name].shape
    return torch.randn(N, *shape, generator=generator(3), dtype=torch.float64)


# --- the slow way ------------------------------------------------------------------------------


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    modes = [m.training for m in model.modules()]
    for m in model.modules():
        m.training = False
    yield
    for m, mode in zip(model.modules(), modes, strict=True):
        m.training = mode


def slow(model: nn.Module, x: Tensor) -> Tensor:
    """Outputs (n,), one example after the other."""
    with evaluating(model), torch.no_grad():
        return torch.stack([model(row[None].clone()).reshape(()).clone() for row in x])


def slow_rows(model: nn.Module, x: Tensor) -> Tensor:
    """Gradients in all trainable numbers, one example after the other."""
    weights = [w for w in model.parameters() if w.requires_grad]
    rows = []
    with evaluating(model):
        for row in x:
            found = torch.autograd.grad(
                model(row[None].clone()).sum(), weights, allow_unused=True, materialize_grads=True
            )
            rows.append(torch.cat([real(g).flatten() for g in found]))
    return torch.stack(rows)


def slow_differences(model: nn.Module, x: Tensor) -> Tensor:
    """The same by central differences of the outputs."""
    h, columns = 1e-5, []
    for w in (w for w in model.parameters() if w.requires_grad):
        numbers = real(w.data).view(-1)
        for i, value in enumerate(numbers.tolist()):
            ends = []
            for step in (h, -h):
                numbers[i] = value + step
                with evaluating(model), torch.no_grad():
                    ends.append(model(x.clone()).reshape(-1).clone())
            numbers[i] = value
            columns.append((ends[0] - ends[1]) / (2 * h))
    return torch.stack(columns, 1)


def real(t: Tensor) -> Tensor:
    return torch.view_as_real(t) if t.is_complex() else t


# --- what must stay ----------------------------------------------------------------------------


@contextmanager
def as_found(model: nn.Module, *tensors: Tensor) -> Iterator[None]:
    for w in model.parameters():
        w.grad = torch.full_like(w, 7.0)

    def look() -> tuple[object, ...]:
        return (
            {k: v.tolist() for k, v in model.state_dict().items()},
            [m.training for m in model.modules()],
            [(w.requires_grad, real(w.grad).tolist()) for w in model.parameters()],  # type: ignore[arg-type]
            [len(vars(m).get("_forward_hooks", ())) for m in model.modules()],
            [t.tolist() for t in tensors],
            torch.get_rng_state().tolist(),
            torch.is_grad_enabled(),
        )

    before = look()
    try:
        yield
    finally:
        for one, other in zip(before, look(), strict=True):
            assert one == other


def asked(name: str, action: str, call: Callable[[], object]) -> object:
    """What the call returns; None where the kind is refused here, in the words of the table."""
    words = KINDS[name].refused.get(action)
    if words is None:
        return call()
    with pytest.raises((TypeError, ValueError), match=words) as caught:
        call()
    assert of_ours(caught.value)
    return None


def of_ours(error: BaseException) -> bool:
    """Whether the library itself raised it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    assert trace is not None
    return str(trace.tb_frame.f_globals["__name__"]).split(".")[0] == robustlib.__name__
