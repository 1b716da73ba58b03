"""Labelled points on the unit sphere, checked once so that nobody checks them again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol, cast

import torch
from torch import Tensor

from ..checks import (
    FLOATS,
    check_alike,
    check_device,
    check_floats,
    check_integer,
    check_shape,
    check_text,
    keep,
    shown,
)
from ..numerics import generator, row_norm
from . import arrays

_SPLIT = 2004  # a stream of the seed: see ``builtin``


class Labelled(Protocol):
    """Anything with points ``x`` (n, ...) and labels ``y`` (n,)."""

    @property
    def x(self) -> Tensor: ...
    @property
    def y(self) -> Tensor: ...


def check_kind(sample: object, name: str = "sample") -> Labelled:
    """``sample`` where it has points and labels in tensors, be they none."""
    if not hasattr(sample, "x") or not hasattr(sample, "y"):
        raise TypeError(f"{name} must have points x and labels y, got {type(sample).__name__}")
    for part in ("x", "y"):
        _check_tensor(part if name == "sample" else f"{part} of the {name}", getattr(sample, part))
    return cast(Labelled, sample)


def check_labelled(sample: object, name: str = "sample") -> None:
    """Raise where ``sample`` has no points and labels, or none of them."""
    if not len(check_kind(sample, name).x):
        raise ValueError(f"{name} must hold at least one point, got none")


def _check_tensor(name: str, value: object) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(
            f"{name} must be a torch.Tensor, got {type(value).__name__}; "
            "Sample.from_arrays(x, y) takes arrays and lists"
        )


@dataclass(frozen=True, eq=False)
class _Recast:
    """Points and labels of a sample that is no ``Sample``, in another dtype."""

    x: Tensor
    y: Tensor


def in_dtype(sample: Labelled, dtype: torch.dtype) -> Labelled:
    """``sample`` in ``dtype``; itself where it is that already, or where one is not for points."""
    x, y = sample.x, sample.y
    if dtype not in FLOATS or x.dtype not in FLOATS or x.dtype == dtype or y.dtype != x.dtype:
        return sample
    if isinstance(sample, Sample):
        return sample.to(dtype=dtype)
    return _Recast(x.to(dtype), y.to(dtype))


@dataclass(frozen=True, eq=False, repr=False)
class Sample:
    """Points ``x`` (n, d) on the unit sphere with labels ``y`` (n,) in {-1, +1}, and a name.

    ``note`` says how it was made of other numbers, in sentences. Functions that take a sample and
    a model bring the sample to the dtype of the model. Arrays of any kind become a sample by
    ``Sample.from_arrays``. Raises ``ValueError`` or ``TypeError`` for no rows, NaN or infinite
    entries, rows off the sphere, other labels, and for tensors that differ in length, dtype or
    device.
    """

    x: Tensor
    y: Tensor
    name: str
    note: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        keep(self, name=check_text("name", self.name), note=check_text("note", self.note))
        _check_tensor("x", self.x)
        _check_tensor("y", self.y)
        check_floats("x", self.x)
        check_alike("x", self.x, "y", self.y)
        check_floats("y", self.y)
        if self.x.dim() != 2 or 0 in self.x.shape:
            raise ValueError(
                f"x must have shape (n, d) with n and d at least 1, got {tuple(self.x.shape)}"
            )
        check_shape("y", self.y, self.x.shape[:1], fits="x")
        off = (row_norm(self.x.double()) - 1).abs()
        worst = int(off.argmax())
        if float(off[worst]) > 64 * torch.finfo(self.x.dtype).eps:
            norm = float(row_norm(self.x[worst : worst + 1].double()))
            raise ValueError(
                f"x must have rows of norm 1, got norm {norm:.12g} in row {worst}; "
                "Sample.from_arrays(x, y, scale='rows') divides each by its norm"
            )
        wrong = self.y[self.y.abs() != 1]
        if len(wrong):
            raise ValueError(
                f"y must have entries -1 and +1 only, got {float(wrong[0]):g}; "
                "Sample.from_arrays(x, y, classes=(0, 1)) maps others to them"
            )

    @classmethod
    def from_arrays(
        cls,
        x: object,
        y: object,
        *,
        scale: str | None = None,
        classes: Sequence[object] | None = None,
        name: str = "own data",
    ) -> Sample:
        """The sample of arrays ``x`` (n, d) and ``y`` (n,) of any real dtype; float64, on the CPU.

        Arrays of NumPy, tensors, lists and data frames are taken, and copied. Nothing is changed
        unless asked for, and ``note`` says what was. ``scale="rows"`` divides every row by its
        norm; ``"columns"`` first moves every column to mean 0 and divides it by its standard
        deviation, where it has one. ``classes=(a, b)`` labels rows of class a with -1 and rows of
        class b with +1, and leaves out all others; without it, ``y`` holds -1 and +1 already.

        Raises ``TypeError`` for entries that are no real numbers, and ``ValueError`` for NaN and
        infinities, rows without a direction, rows off the sphere without ``scale``, other labels
        without ``classes``, and classes that ``y`` does not have.
        """
        points, labels, note = arrays.read(x, y, scale, classes)
        return cls(points, labels, name, note=note)

    @property
    def n(self) -> int:
        """Number of points."""
        return self.x.shape[0]

    @property
    def d(self) -> int:
        """Dimension of the points, before any lift."""
        return self.x.shape[1]

    def __len__(self) -> int:
        return self.n

    def __repr__(self) -> str:
        positive = int((self.y > 0).sum())
        return (
            f"Sample {self.name!r}: {self.n} points on the unit sphere of R^{self.d}, "
            f"{positive} labelled +1 and {self.n - positive} labelled -1 "
            f"({str(self.x.dtype).removeprefix('torch.')}, {self.x.device})."
            + (f" {self.note}" if self.note else "")
        )

    @cached_property
    def separation(self) -> float:
        """Smallest distance between two points of opposite labels; inf where there are none."""
        plus, minus = (self.x[self.y == sign].double() for sign in (1, -1))
        if not len(plus) or not len(minus):
            return math.inf
        # Differences, not inner products: those lose half of the digits for close points.
        mode = "donot_use_mm_for_euclid_dist"
        blocks = torch.split(plus, 1024)
        return min(float(torch.cdist(b, minus, compute_mode=mode).min()) for b in blocks)

    def to(
        self, device: torch.device | str | int | None = None, dtype: torch.dtype | None = None
    ) -> Sample:
        """The same sample on another device, a number for a GPU, or in another dtype, or both.

        Rows of a float32 sample have norm 1 to float32; in float64 they are divided by it.
        """
        if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype in FLOATS):
            raise TypeError(f"dtype must be torch.float32 or torch.float64, got {shown(dtype)}")
        where = self.x.device if device is None else check_device("device", device)
        try:
            x, y = (t.to(device=where, dtype=dtype or t.dtype) for t in (self.x, self.y))
        except (RuntimeError, AssertionError) as error:  # torch's two ways to miss a device
            raise ValueError(f"device must be one of this machine, got {device!r}") from error
        if torch.finfo(x.dtype).eps < torch.finfo(self.x.dtype).eps:
            x = x / row_norm(x)[:, None]
        return Sample(x, y, self.name, note=self.note)

    def split(self, n: int, seed: int = 0) -> tuple[Sample, Sample]:
        """Two samples without common points: a random one of ``n`` points, and the rest.

        Labels keep their proportions as nearly as ``n`` allows; points keep their order. Raises
        ``ValueError`` unless 1 <= n < number of points.
        """
        n = check_integer("n", n, minimum=1)
        if n >= self.n:
            raise ValueError(f"n must be less than the {self.n} points there are, got {n}")
        positive = int((self.y > 0).sum())
        chosen = balanced(self.y, round(n * positive / self.n), n, generator(seed, _SPLIT))
        mask = torch.zeros(self.n, dtype=torch.bool, device=self.y.device)
        mask[chosen.to(self.y.device)] = True
        names = f"{self.name}, {n} of {self.n}", f"{self.name}, the other {self.n - n}"
        first, rest = (
            Sample(self.x[m], self.y[m], name, note=self.note)
            for m, name in zip((mask, ~mask), names, strict=True)
        )
        return first, rest


def balanced(y: Tensor, positive: int, n: int, g: torch.Generator) -> Tensor:
    """Sorted indices of a random choice of ``n`` points, ``positive`` of them labelled +1."""
    parts = []
    for sign, count in ((1, positive), (-1, n - positive)):
        among = (y.cpu() == sign).nonzero().flatten()
        if count > len(among):
            raise ValueError(
                f"n must be such that {count} points labelled {sign:+d} can be drawn, "
                f"got n={n} with {len(among)} of them"
            )
        parts.append(among[torch.randperm(len(among), generator=g, device="cpu")[:count]])
    return torch.cat(parts).sort().values
