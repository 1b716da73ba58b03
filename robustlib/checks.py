"""Checks of arguments: each names the argument, the value seen, and what is accepted."""

from __future__ import annotations

import difflib
import inspect
import math
import numbers
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

FLOATS = (torch.float32, torch.float64)
_MOST = 2**63 - 1  # torch's integers end there
_LETTERS = 80  # of a value in a message: a number may have thousands of digits


def all_finite(t: Tensor) -> bool:
    """Whether all entries are; the sum is quick to find and finite, unless it overflows."""
    return math.isfinite(float(t.detach().sum())) or bool(torch.isfinite(t).all())


def check_integer(name: str, value: object, *, minimum: int) -> int:
    """``value`` as an int; raises where it is not an integer of at least ``minimum``.

    Integers of NumPy and torch are integers, also as arrays and tensors with no axes.
    """
    number = single(value)
    try:
        if isinstance(number, bool | Tensor | np.ndarray):
            raise TypeError
        number = operator.index(number)  # type: ignore[arg-type]
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {seen(value)}") from None
    if number < minimum:
        raise ValueError(f"{name} must be at least {minimum}, got {shown(number)}")
    if number > _MOST:
        raise ValueError(f"{name} must be at most 2**63 - 1, got {shown(number)}")
    return number


def check_real(
    name: str, value: object, *, minimum: float = -math.inf, above: float = -math.inf
) -> float:
    """``value`` as a finite float with ``value >= minimum`` and ``value > above``.

    Real numbers of NumPy and torch, fractions and decimals are real numbers; True is none.
    """
    number = single(value)
    if isinstance(number, bool) or not isinstance(number, numbers.Real | Decimal):
        raise TypeError(f"{name} must be a real number, got {seen(value)}")
    try:
        real = float(number)
    except (OverflowError, ValueError):  # 10**400, and a decimal's signalling NaN
        raise ValueError(f"{name} must be finite as a float, got {shown(value)}") from None
    if not math.isfinite(real):
        raise ValueError(f"{name} must be finite, got {real}")
    if real < minimum:
        raise ValueError(f"{name} must be at least {minimum:g}, got {real:g}")
    if real <= above:
        raise ValueError(f"{name} must be greater than {above:g}, got {real:g}")
    return real


def single(value: object) -> object:
    """The number in a tensor, an array or a NumPy scalar without axes; anything else as it is."""
    if isinstance(value, Tensor) and value.dim() == 0 and value.device.type != "meta":
        return value.item()
    if isinstance(value, np.generic | np.ndarray) and value.ndim == 0:
        return value.item()
    return value


def shown(value: object) -> str:
    """``repr(value)``, cut where it is long: for messages."""
    try:
        text = repr(value)
    except ValueError:  # Python writes no integer of more than 4300 digits
        return f"an {type(value).__name__} too long to write"
    return text if len(text) <= _LETTERS else f"{text[: _LETTERS // 2]}... ({len(text)} letters)"


def seen(value: object) -> str:
    """``value`` and its type, for messages."""
    return f"{shown(value)} ({type(value).__name__})"


def check_flag(name: str, value: object) -> bool:
    """``value`` where it is True or False: a text such as "no" would count as True."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, got {seen(value)}")
    return value


def check_list(name: str, value: object, such: str = "") -> list[Any]:
    """The entries of ``value``, a list or anything else that is run through, no text."""
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise TypeError(f"{name} must be a list{such}, got {shown(value)}")
    try:
        return list(value)
    except TypeError:  # arrays and tensors without axes
        raise TypeError(f"{name} must be a list{such}, got {shown(value)}") from None


def check_progress(progress: object) -> bool | None:
    """What tqdm calls ``disable``: None, for a bar on a terminal only, where nothing is asked."""
    return None if progress is None else not check_flag("progress", progress)


def check_choice(name: str, value: object, choices: Iterable[str]) -> str:
    """The one of ``choices`` that ``value`` is; else an error that names the nearest of them."""
    known = list(choices)
    if isinstance(value, str) and value in known:
        return known[known.index(value)]
    lower = {choice.lower(): choice for choice in known}
    near = difflib.get_close_matches(str(value).lower(), lower, n=1, cutoff=0.4)
    hint = f"; did you mean {lower[near[0]]!r}?" if near else ""
    if len(known) <= 12:
        choice = f"one of {', '.join(map(repr, known))}"
    else:
        choice = f"one of {len(known)} names, from {known[0]!r} to {known[-1]!r}"
    raise ValueError(f"{name} must be {choice}, got {shown(value)}{hint}")


def keep(record: object, **fields: object) -> None:
    """Put checked values into the fields of a frozen dataclass: equal numbers are then one."""
    for name, value in fields.items():
        object.__setattr__(record, name, value)


def check_text(name: str, value: object) -> str:
    """``value`` where it is a text."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a string, got {type(value).__name__}")
    if any("\ud800" <= letter <= "\udfff" for letter in value):  # which no file can hold
        raise ValueError(f"{name} must be a text of whole characters, got {value!a}")
    return str(value)  # also of a class of the user's


def check_function(name: str, value: object, takes: str, must: str = "") -> None:
    """Raise where ``value`` cannot be called as ``takes`` says: "x, y" for two arguments.

    What cannot be known before the call, as of functions written in C, is let through.
    """
    must = must or f"be a function ({takes})"
    if isinstance(value, type) or not callable(value):
        raise TypeError(f"{name} must {must}, got {shown(value)}")
    asked: Callable[..., object] = value.forward if isinstance(value, nn.Module) else value
    try:
        known = inspect.signature(asked)
    except (TypeError, ValueError):
        return
    try:
        known.bind(*takes.split(", "))
    except TypeError:
        raise TypeError(f"{name} must {must}, got one of {known}") from None


@contextmanager
def calling(name: str) -> Iterator[None]:
    """What a function of the user's raises goes on as it is, with a note that says whose it is."""
    try:
        yield
    except Exception as error:
        error.add_note(f"raised by {name}, which the library called as it was given")
        raise


def check_device(name: str, value: object) -> torch.device:
    """``value``, a device, its name or the number of a GPU, as a device that need not be there."""
    if isinstance(value, torch.device):
        return value
    number = single(value)
    try:
        if isinstance(number, str):
            return torch.device(number)
        if isinstance(number, int) and not isinstance(number, bool):
            kinds = getattr(torch, "accelerator", None)  # since torch 2.6; until then CUDA's
            found = kinds.current_accelerator() if kinds and kinds.is_available() else None
            return torch.device("cuda" if found is None else found.type, number)
    except (RuntimeError, ValueError, OverflowError):  # no such kind, no such number
        pass
    else:
        raise TypeError(f"{name} must be a device such as 'cpu' or 'cuda', got {seen(value)}")
    raise ValueError(f"{name} must be a device such as 'cpu' or 'cuda', got {seen(value)}")


def check_floats(name: str, value: object, *, min_dim: int = 1) -> Tensor:
    """``value`` where it is a finite float32 or float64 tensor with at least ``min_dim`` axes."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__name__}")
    if value.dtype not in FLOATS:
        raise TypeError(f"{name} must be float32 or float64, got {value.dtype}")
    if value.layout != torch.strided or value.is_nested:
        raise TypeError(f"{name} must be a dense tensor, got one that is not; use .to_dense()")
    if value.device.type == "meta":
        raise ValueError(f"{name} must have entries, got a tensor on the device meta")
    if value.dim() < min_dim:
        raise ValueError(f"{name} needs at least {min_dim} axes, got shape {tuple(value.shape)}")
    if not all_finite(value):
        bad = int((~torch.isfinite(value)).sum())
        raise ValueError(f"{name} must be finite, got {bad} NaN or infinite entries")
    return value


def check_weights(name: str, net: nn.Module) -> None:
    """Raise where weights or buffers of ``net`` are not finite, or have no entries to look at."""
    for place, weight in (*net.named_parameters(), *net.named_buffers()):
        if not weight.is_floating_point():
            continue
        if weight.device.type == "meta":
            raise ValueError(f"{name} must have weights with entries, got {place} on meta")
        if not all_finite(weight):
            bad = int((~torch.isfinite(weight)).sum())
            raise ValueError(
                f"{name} must have finite weights, got {bad} NaN or infinite entries in {place}"
            )


def check_alike(name: str, value: Tensor, other_name: str, other: Tensor, remedy: str = "") -> None:
    """Raise where two tensors differ in dtype or device."""
    if value.dtype != other.dtype:
        raise TypeError(f"{name} is {value.dtype} but {other_name} is {other.dtype}{remedy}")
    if value.device != other.device:
        raise ValueError(
            f"{name} is on {value.device} but {other_name} is on {other.device}; move one of them"
        )


def check_kind(
    name: str, value: object, other_name: str, other: Tensor, remedy: str = ""
) -> Tensor:
    """A dense tensor of the dtype and device of ``other``, whose entries are not looked at."""
    if not isinstance(value, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__name__}")
    if value.layout != torch.strided or value.is_nested:
        raise TypeError(f"{name} must be a dense tensor, got one that is not; use .to_dense()")
    check_alike(name, value, other_name, other, remedy)
    return value


def check_shape(name: str, value: Tensor, shape: Sequence[int], *, fits: str = "") -> None:
    """Raise where ``value`` has another shape than ``shape``, the one that ``fits`` asks for."""
    if tuple(value.shape) != tuple(shape):
        reason = f" to fit {fits}" if fits else ""
        raise ValueError(f"{name} must have shape {tuple(shape)}{reason}, got {tuple(value.shape)}")


def check_indices(name: str, value: object, n: int) -> Tensor:
    """``value`` where it is a tensor (k,) of numbers of the ``n`` rows of x, k at least 1.

    torch forgets that a view has the opposite sign where it indexes with it.
    """
    if not isinstance(value, Tensor) or value.dtype != torch.int64 or value.dim() != 1:
        kind = f"{value.dtype} {tuple(value.shape)}" if isinstance(value, Tensor) else shown(value)
        raise TypeError(f"{name} must be a tensor (k,) of torch.int64, got {kind}")
    if value.layout != torch.strided or value.device.type == "meta" or not len(value):
        raise ValueError(f"{name} must hold at least one number of a row, got none")
    if int(value.min()) < 0 or int(value.max()) >= n:
        raise ValueError(
            f"{name} must be numbers of the {n} rows of x, from 0 on, got {value.tolist()}"
        )
    return value.resolve_neg()


def check_outputs(f: object, inputs: Sequence[int]) -> Tensor:
    """What a model answered to inputs of shape ``inputs``, (n, ...), as outputs (n,).

    (n,) and (n, 1) are one output per example; all else raises, and says what to change.
    """
    if not isinstance(f, Tensor):
        raise TypeError(f"the model must return a torch.Tensor, got {type(f).__name__}")
    if f.layout != torch.strided or f.is_nested:
        raise TypeError("the model must return a dense tensor, got one that is not")
    n, shape = inputs[0], tuple(f.shape)
    if shape == (n,):
        return f
    if shape == (n, 1):
        return f.squeeze(1)
    if f.numel() == n:
        remedy = "add nn.Flatten(0) at its end"
    elif shape == (n, 2):
        remedy = "of two classes return f[:, 1] - f[:, 0], whose sign is the decision"
    elif f.dim() == 2 and shape[0] == n:
        remedy = "return one column, or the difference of two"
    else:
        remedy = "do not sum over the examples, and flatten the rest before the last layer"
    raise ValueError(
        f"the model must return one output per example, shape ({n},) or ({n}, 1) for inputs "
        f"{tuple(inputs)}; got shape {shape}: {remedy}"
    )
