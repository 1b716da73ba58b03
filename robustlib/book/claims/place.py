"""Where claims do their work: training and kernels of the budget gpu on a GPU, where there is one.

A claim is written for the CPU and stays there; what it asks of the functions below is carried out
on the device that :func:`robustlib.book.check` was given, and the answers come back. In a cell of
the book the device is the one of the budget, :func:`robustlib.device`.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import is_dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ... import kernels, training
from ...models import copy_of
from ...numerics import device as default_device

CPU = torch.device("cpu")
_DEVICE: ContextVar[torch.device | None] = ContextVar("device", default=None)
Function = TypeVar("Function", bound=Callable[..., Any])


@contextmanager
def work_on(device: torch.device) -> Iterator[None]:
    """Placed functions work on ``device`` inside the block."""
    before = _DEVICE.set(device)
    try:
        yield
    finally:
        _DEVICE.reset(before)


def placed(function: Function) -> Function:
    """``function``, carried out on the device in force: arguments go there, answers come back."""

    @functools.wraps(function)
    def call(*arguments: Any, **options: Any) -> Any:
        device = _DEVICE.get() or default_device()
        if device.type == "cpu":
            return function(*arguments, **options)
        return moved(function(*moved(arguments, device), **moved(options, device)), CPU)

    return call  # type: ignore[return-value]


def moved(value: Any, device: torch.device) -> Any:
    """A copy of ``value`` whose tensors, nets, samples and lists of them are on ``device``."""
    if isinstance(value, Tensor):
        return value.detach().to(device)
    if isinstance(value, nn.Module):
        net = copy_of(value).to(device)
        for part in net.modules():  # what a class of the book keeps besides weights and buffers
            for name, entry in vars(part).items():
                if isinstance(entry, Tensor | tuple | list):
                    object.__setattr__(part, name, moved(entry, device))
        return net
    if isinstance(value, dict):
        return {key: moved(entry, device) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return type(value)([moved(entry, device) for entry in value])
    if is_dataclass(value) and not isinstance(value, type):
        there = copy.copy(value)
        for name, entry in vars(value).items():
            object.__setattr__(there, name, moved(entry, device))
        return there
    return value


adversarial_training = placed(training.adversarial_training)
empirical_ntk = placed(kernels.empirical_ntk)
ntk = placed(kernels.ntk)
robust_gram = placed(kernels.robust_gram)
