"""Checks of arguments: each names the argument, the value seen, and what is accepted."""

from __future__ import annotations

import difflib
import math
import operator
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

FLOATS = (torch.float32, torch.float64)


def all_finite(t: Tensor) -> bool:
    """Whether all entries are; the sum is quick to find and finite, unless it overflows."""
    return math.isfinite(float(t.detach().sum())) or bool(torch.isfinite(t).all())


def check_integer(name: str, value: Any, *, minimum: int) -> int:
    """``value`` as an int; raises where it is not an integer of at least ``minimum``."""
    try:
        if isinstance(value, bool):
            raise TypeError
        number = operator.index(value)
    except TypeError:
        kind = type(value).__name__
        raise TypeError(f"{name} must be an integer, got {value!r} ({kind})") from None
    if number < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {number}")
    return number


def check_real(
    name: str, value: object, *, minimum: float = -math.inf, above: float = -math.inf
) -> float:
    """``value`` as a finite float with ``value >= minimum`` and ``value > above``."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a real number, got {value!r} ({type(value).__name__})")
    if not math.isfinite(value):
        raise ValueError(f"{name} must be finite, got {value}")
    if value < minimum:
        raise ValueError(f"{name} must be at least {minimum:g}, got {value:g}")
    if value <= above:
        raise ValueError(f"{name} must be greater than {above:g}, got {value:g}")
    return float(value)


def check_flag(name: str, value: object) -> bool:
    """``value`` where it is True or False: a text such as "no" would count as True."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {value!r} ({type(value).__name__})")
    return value


def check_choice(name: str, value: object, choices: Iterable[str]) -> str:
    """``value`` where it is one of ``choices``; else an error that names the nearest of them."""
    known = list(choices)
    if isinstance(value, str) and value in known:
        return value
    lower = {choice.lower(): choice for choice in known}
    near = difflib.get_close_matches(str(value).lower(), lower, n=1, cutoff=0.4)
    hint = f"; did you mean {lower[near[0]]!r}?" if near else ""
    if len(known) <= 12:
        choice = f"one of {', '.join(map(repr, known))}"
    else:
        choice = f"one of {len(known)} names, from {known[0]!r} to {known[-1]!r}"
    raise ValueError(f"{name} must be {choice}, got {value!r}{hint}")


def check_floats(name: str, value: object, *, min_dim: int = 1) -> Tensor:
    """``value`` where it is a finite float32 or float64 tensor with at least ``min_dim`` axes."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__name__}")
    if value.dtype not in FLOATS:
        raise TypeError(f"{name} must be float32 or float64, got {value.dtype}")
    if value.dim() < min_dim:
        raise ValueError(f"{name} needs at least {min_dim} axes, got shape {tuple(value.shape)}")
    if not all_finite(value):
        bad = int((~torch.isfinite(value)).sum())
        raise ValueError(f"{name} must be finite, got {bad} NaN or infinite entries")
    return value


def check_alike(name: str, value: Tensor, other_name: str, other: Tensor) -> None:
    """Raise where two tensors differ in dtype or device."""
    if value.dtype != other.dtype:
        raise TypeError(f"{name} is {value.dtype} but {other_name} is {other.dtype}")
    if value.device != other.device:
        raise ValueError(
            f"{name} is on {value.device} but {other_name} is on {other.device}; move one of them"
        )


def check_shape(name: str, value: Tensor, shape: Sequence[int]) -> None:
    """Raise where ``value`` has another shape than ``shape``."""
    if tuple(value.shape) != tuple(shape):
        raise ValueError(f"{name} must have shape {tuple(shape)}, got {tuple(value.shape)}")
