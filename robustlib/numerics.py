"""Seeds, devices, budgets, rows of tensors, and numbers in sentences."""

from __future__ import annotations

import functools
import math
import os
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from types import FrameType

import numpy as np
import torch
from torch import Tensor

from .checks import check_choice, check_integer, shown

BUDGETS = ("smoke", "laptop", "gpu")


def generator(seed: int, *stream: int) -> torch.Generator:
    """A CPU generator for ``seed`` and, where given, for one numbered ``stream`` of it.

    Everything random is drawn on the CPU and moved afterwards: the same seed then gives the same
    numbers whatever the device. Streams are independent: ``generator(seed, t)`` for step t needs
    no memory of the steps before it, which is what lets a killed run continue with the same bits.
    """
    seed = check_integer("seed", seed, minimum=0)
    value = seed
    for number in stream:
        # splitmix64, so that neighbouring (seed, stream) pairs do not share their first numbers
        value = (value + 0x9E3779B97F4A7C15 * (number + 1)) % 2**64
        value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) % 2**64
        value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) % 2**64
        value ^= value >> 31
    return torch.Generator().manual_seed(value % 2**63)


def normals(seed: int, stream: int, *shape: int, **asked: int) -> Tensor:
    """Standard normal numbers in float64, drawn on the CPU from a ``stream`` of ``seed``.

    Raises ``ValueError`` where memory does not hold so many, and names the arguments ``asked``.
    """
    check_room(2 * math.prod(shape), **asked)
    draw = generator(seed, stream)
    return torch.randn(*shape, dtype=torch.float64, device="cpu", generator=draw)


@contextmanager
def steady() -> Iterator[None]:
    """The global random states of torch, NumPy and Python are on leaving what they were before.

    Nothing here draws from them; models, losses and kernels of a user may. Also a decorator.
    """
    begun: bool = torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
    held = np.random.get_state(), random.getstate()  # noqa: NPY002 (users draw from it)
    with torch.random.fork_rng(devices=list(range(torch.cuda.device_count() if begun else 0))):
        try:
            yield
        finally:
            np.random.set_state(held[0])  # noqa: NPY002
            random.setstate(held[1])


def check_room(numbers: int, **asked: int) -> None:
    """Raise where so many float64 ``numbers``, which these arguments ask for, cannot be held."""
    if 8 * numbers > _memory():
        words = ", ".join(f"{name}={shown(value)}" for name, value in asked.items())
        raise ValueError(
            f"{words} must be less: they ask for {8e-9 * min(numbers, 10**300):.3g} GB, and there "
            f"are {1e-9 * _memory():.3g} GB"
        )


def keep_memory() -> None:
    """Have glibc keep tensors of up to 31 MB that are freed, for the next ones.

    It hands large ones back to the system, which clears every page of the next one again: a third
    of the time of many small nets. One of that size, freed, tells it that such come and go; other
    libraries of C are not told anything.
    """
    torch.empty(31 * 2**20, dtype=torch.uint8, device="cpu")


@functools.cache
def _memory() -> int:
    """Bytes that this process may have; where no system says so, more than any machine has."""
    try:
        import resource

        installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        allowed = resource.getrlimit(resource.RLIMIT_AS)[0]
    except (ImportError, ValueError, OSError):
        return 2**47
    return min(installed, allowed) if allowed >= 0 else installed


def budget() -> str:
    """How much work a notebook or claim may do: ``"smoke"``, ``"laptop"`` or ``"gpu"``.

    Reads the environment variable ``ROBUSTLIB_BUDGET``; without it "laptop", on every machine, so
    that the numbers of the book are those of the reader. Raises ``ValueError`` for any other value
    of the variable.
    """
    return check_choice("ROBUSTLIB_BUDGET", os.environ.get("ROBUSTLIB_BUDGET", "laptop"), BUDGETS)


def device() -> torch.device:
    """The device for the work of this budget: a GPU for "gpu" where there is one, else the CPU.

    A GPU alone changes nothing: its numbers are not those of the book, bit by bit, so that it is
    asked for with the budget. Raises ``ValueError`` where ``ROBUSTLIB_BUDGET`` is none.
    """
    return device_of(budget())


def device_of(size: str) -> torch.device:
    """The device for the work of the budget ``size``."""
    return torch.device("cuda" if size == "gpu" and torch.cuda.is_available() else "cpu")


def per_row(values: Tensor, like: Tensor) -> Tensor:
    """``values`` (n,) as (n, 1, ..., 1), so that it multiplies ``like`` (n, ...) row by row."""
    return values.reshape(-1, *[1] * (like.dim() - 1))


def surely(flags: Tensor) -> bool:
    """Whether all ``flags`` are set, so that work without effect may be left out.

    False on an accelerator, where the answer would make the host wait for all that is still to be
    done there: to do the work is quicker than to ask.
    """
    return flags.device.type == "cpu" and bool(flags.all())


def same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors of one dtype hold the same; torch 2.4 compares no float8, so by bits."""
    if "float8" in str(one.dtype):
        one, other = one.view(torch.uint8), other.view(torch.uint8)
    return torch.equal(one, other)


def mostly(flags: Tensor) -> bool:
    """Whether more than half of the ``flags`` are set; False on an accelerator, as ``surely``."""
    return flags.device.type == "cpu" and 2 * int(flags.sum()) > len(flags)


def choose(rows: Tensor, chosen: Tensor, others: Tensor, *, owned: bool = False) -> Tensor:
    """``chosen`` where ``rows`` (n,) says so, else ``others``, both (n, ...): see ``mended``."""
    if mostly(rows):  # to copy all of them and the others row by row is quicker
        places = rows.logical_not().nonzero().flatten()
        return chosen.index_copy(0, places, others.index_select(0, places))
    return mended(rows, lambda some: some, others, chosen, owned=owned)


def mended(
    rows: Tensor,
    repair: Callable[..., Tensor],
    others: Tensor,
    *parts: Tensor,
    owned: bool = False,
) -> Tensor:
    """``others`` (n, ...), but where ``rows`` (n,) says so what ``repair`` makes of ``parts``.

    Row by row, it is given those in question on the CPU, which is far quicker there than
    ``torch.where`` with a broadcast condition; all on an accelerator, where to count them would
    be to wait. The answer may be ``others``, and is written over it where that is ``owned``.
    """
    if others.device.type != "cpu":
        return torch.where(per_row(rows, others), repair(*parts), others)
    places = rows.nonzero().flatten()
    if not len(places):
        return others
    if len(places) == len(rows):
        return repair(*parts)
    found = repair(*(part.index_select(0, places) for part in parts))
    copy = Tensor.index_copy_ if owned else Tensor.index_copy
    return copy(others, 0, places, found)


def wide(t: Tensor) -> Tensor:
    """``t`` in float64, or in complex128 where it is complex; no gradient flows through."""
    return t.detach().to(torch.complex128 if t.is_complex() else torch.float64)


def row_norm(x: Tensor, p: float = 2.0) -> Tensor:
    """The p-norm (n,) of every example of ``x`` (n, ...), over all its coordinates."""
    norms: Tensor = torch.linalg.vector_norm(x.flatten(1), ord=p, dim=1)
    return norms


# --- numbers in sentences: the digits they carry, so that they read the same on any processor ---


def significant(value: float, error: float) -> str:
    """``value`` with as many digits, one to six, as a relative ``error`` leaves."""
    digits = 6 if error <= 0 else math.floor(-math.log10(error))
    return f"{value:.{min(max(digits, 1), 6)}g}"


def down(value: float, digits: int) -> str:
    """``value`` to so many significant digits, never above it: a lower end, as it may be printed.

    A value that is the nearest double to a shorter number prints as that number.
    """
    return _towards(value, digits, ROUND_FLOOR)


def up(value: float, digits: int) -> str:
    """``value`` to so many significant digits, never below it: an upper end."""
    return _towards(value, digits, ROUND_CEILING)


def _towards(value: float, digits: int, rounding: str) -> str:
    nearest = f"{value:.{digits}g}"
    if not math.isfinite(value) or float(nearest) == value:
        return nearest
    exact = Decimal(value)
    last = Decimal((0, (1,), exact.adjusted() - digits + 1))
    return f"{float(exact.quantize(last, rounding=rounding)):.{digits}g}"


def power_above(value: float) -> float:
    """The least power of ten that is not below ``value`` > 0; 0 for 0."""
    return 10.0 ** math.ceil(math.log10(value)) if value > 0 else 0.0


@contextmanager
def alarm(
    seconds: float, handler: Callable[[int, FrameType | None], object], *, cpu: bool = False
) -> Iterator[None]:
    """Call ``handler`` after so many seconds, by the clock or of CPU time, if the block still runs.

    On Unix, in the main thread.
    """
    timer, number = signal.ITIMER_REAL, signal.SIGALRM
    if cpu:
        timer, number = signal.ITIMER_PROF, signal.SIGPROF
    before = signal.signal(number, handler)
    signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        signal.setitimer(timer, 0)
        signal.signal(number, before)
