"""Arrays of one's own as points and labels: changed only where asked, and saying what was."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..checks import check_choice, shown

SCALES = ("rows", "columns")
Numbers = NDArray[np.float64]


def read(
    x: object, y: object, scale: str | None, classes: Sequence[object] | None
) -> tuple[Tensor, Tensor, str]:
    """Points (n, d) and labels (n,), both float64, and sentences on what was done to them."""
    if scale is not None:
        scale = check_choice("scale", scale, SCALES)
    given, labels, notes = _array("x", x), _array("y", y), []
    if given.ndim != 2 or 0 in given.shape:
        raise ValueError(f"x must have shape (n, d) with n and d at least 1, got {given.shape}")
    if labels.shape != given.shape[:1]:
        hint = "; use y.ravel()" if labels.size == len(given) else ""
        raise ValueError(f"y must have shape {given.shape[:1]} like x, got {labels.shape}{hint}")
    points = _finite("x", given)
    if classes is None:
        signs = _finite("y", labels)
    else:
        signs = _signs(labels, classes)
        chosen = signs != 0
        points, signs = points[chosen], signs[chosen]
        notes.append(f"Class {_plain(classes[0])} is labelled -1, class {_plain(classes[1])} +1")
        if not chosen.all():
            notes[-1] += f", and {int((~chosen).sum())} rows of other classes are left out"
    if scale == "columns":
        points, text = _standardised(points)
        notes.append(text)
    if scale is not None:
        points, text = _normalised(points)
        notes.append(text)
    return torch.from_numpy(points), torch.from_numpy(signs), "".join(f"{t}. " for t in notes)[:-1]


def _array(name: str, value: object) -> NDArray[Any]:
    kind = type(value).__name__
    try:
        if isinstance(value, Tensor):
            value = value.detach().cpu().to_dense().resolve_conj().resolve_neg()
            value = value.float() if value.dtype == torch.bfloat16 else value
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:  # ragged lists, foreign objects, meta
        raise TypeError(f"{name} must be an array of numbers, got {kind}: {error}") from error


def _finite(name: str, values: NDArray[Any]) -> Numbers:
    """A copy in float64."""
    if values.dtype.kind not in "iuf":
        remedy = "; use classes=(a, b)" if name == "y" else ""
        raise TypeError(f"{name} must hold real numbers, got dtype {values.dtype}{remedy}")
    with np.errstate(over="ignore"):  # long doubles beyond float64 become infinite, and are named
        found = np.array(values, dtype=np.float64)
    bad = np.argwhere(~np.isfinite(found))
    if len(bad):
        raise ValueError(
            f"{name} must be finite, got {len(bad)} NaN or infinite entries, the first in row "
            f"{bad[0, 0]}"
        )
    return found


def _signs(labels: NDArray[Any], classes: Sequence[object]) -> Numbers:
    """-1 and +1 for the two ``classes``, 0 for all others."""
    if isinstance(classes, str) or not isinstance(classes, Sequence) or len(classes) != 2:
        raise ValueError(f"classes must be a pair such as (0, 1), got {shown(classes)}")
    if classes[0] == classes[1]:
        raise ValueError(f"classes must be two different ones, got {shown(tuple(classes))}")
    held = labels.tolist()
    for one in classes:
        if one not in held:
            known = ", ".join(sorted({repr(label) for label in held})[:12])
            raise ValueError(f"classes must be two of those in y, {known}, got {one!r}")
    return np.array([-1.0 if a == classes[0] else float(a == classes[1]) for a in held])


def _standardised(points: Numbers) -> tuple[Numbers, str]:
    """Columns with mean 0 and standard deviation 1; those that are constant are 0."""
    size = np.abs(points).max(0)
    points = points / np.where(size > 0, size, 1.0)  # squares of what is left do not overflow
    points = points - points.mean(0)
    spread = points.std(0)
    constant = spread <= 1e-14  # rounding of the mean
    points[:, constant] = 0.0
    text = "Columns were moved to mean 0 and divided by their standard deviations"
    if constant.any():
        text += f"; {int(constant.sum())} constant ones are 0"
    return points / np.where(constant, 1.0, spread), text


def _normalised(points: Numbers) -> tuple[Numbers, str]:
    """Rows of norm 1."""
    size = np.abs(points).max(1, keepdims=True)
    empty = np.flatnonzero(size == 0)
    if len(empty):
        raise ValueError(f"x must have rows with a direction, got zeros only in row {empty[0]}")
    unit = points / size
    norm = np.sqrt(np.square(unit).sum(1, keepdims=True))
    low, high = float((norm * size).min()), float((norm * size).max())
    return unit / norm, f"Rows were divided by their norms, {low:.3g} to {high:.3g}"


def _plain(value: object) -> str:
    return str(value.item() if isinstance(value, np.generic) else value)
