"""Gram matrices too large for memory: computed block by block into a file, resumable."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from ..checks import (
    calling,
    check_alike,
    check_floats,
    check_function,
    check_integer,
    check_progress,
    check_shape,
)

Kernel = Callable[[Tensor, Tensor | None], Tensor]

_PROBE = 8  # rows and columns recomputed before a file is trusted
_CLOSE = {torch.float32: 1e-5, torch.float64: 1e-12}


@dataclass(frozen=True, eq=False)
class Gram:
    """A kernel matrix in a file; ``values`` (n, m) reads from it as it is used.

    The file is a plain ``.npy``. Changes to ``values`` stay in memory and never reach the file.
    """

    path: Path = field(repr=False)
    values: Tensor = field(repr=False)

    def __repr__(self) -> str:
        n, m = self.values.shape
        size = self.values.numel() * self.values.element_size() / 1e6
        kind = str(self.values.dtype).removeprefix("torch.")
        return f"A {n} x {m} kernel matrix in {kind}, {size:.3g} MB in the file {self.path.name}."


def store_gram(
    path: str | Path,
    kernel: Kernel,
    x: Tensor,
    z: Tensor | None = None,
    *,
    block: int = 1024,
    progress: bool | None = None,
) -> Gram:
    """Compute ``kernel`` at ``x`` (n, ...) and ``z`` (m, ...) into the file ``path`` (.npy).

    ``kernel(a, b)`` gives the block between some rows, ``kernel(a, None)`` a symmetric one:
    ``functools.partial(ntk, depth=3)``, or ``partial(empirical_ntk, net)``. Without ``z`` only the
    upper half is computed. Memory is that of one block of ``block`` rows and columns. Killed at
    any moment, the same call continues after the last finished row of blocks and ends with the
    same bits; a finished file is opened as it is. Raises ``ValueError`` where ``path`` holds the
    matrix of other points or of another kernel. A bar is shown on a terminal, or wherever
    ``progress`` says so.
    """
    check_function("kernel", kernel, "x, z", "be a function kernel(x, z)")
    check_floats("x", x)
    if z is not None:
        check_floats("z", z)
        check_alike("z", z, "x", x)
    hidden = check_progress(progress)
    block = check_integer("block", block, minimum=1)
    path = Path(path)
    if path.suffix != ".npy":
        raise ValueError(f"path must end in .npy, got {path.name!r}")
    other = x if z is None else z
    shape, dtype = (len(x), len(other)), str(x.dtype).removeprefix("torch.")
    if not all(shape):
        raise ValueError(
            f"x and z must hold at least one point each, got {shape[0]} and {shape[1]}"
        )
    state = {"points": _digest(x, z), "block": block, "done": 0}
    done = _resume(path, kernel, x, z, state)
    mode = "r+" if done else "w+"
    matrix = np.lib.format.open_memmap(path, mode=mode, dtype=dtype, shape=shape)
    starts = range(0, len(x), block)
    bar = tqdm(total=len(starts), initial=done, disable=hidden, ascii=True, unit="rows of blocks")
    for number, top in enumerate(starts):
        if number < done:
            continue
        rows = slice(top, top + block)
        for left in range(0 if z is not None else top, len(other), block):
            columns = slice(left, left + block)
            same = z is None and left == top
            with calling("kernel"):
                values = kernel(x[rows], None if same else other[columns])
            check_shape("kernel(x, z)", values, (len(x[rows]), len(other[columns])))
            part = values.cpu().numpy()
            matrix[rows, columns] = part
            if z is None and not same:
                matrix[columns, rows] = part.T
        matrix.flush()  # the blocks first, then the note that they are there
        _note(path, {**state, "done": number + 1})
        bar.update()
    bar.close()
    del matrix
    return load_gram(path)


def load_gram(path: str | Path) -> Gram:
    """Open a matrix that ``store_gram`` has finished. Raises ``ValueError`` where it has not."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path.name}; make it with store_gram")
    note = _read_note(path)
    values = np.load(path, mmap_mode="c")
    if note is not None and note["done"] * note["block"] < len(values):
        raise ValueError(
            f"{path.name} is not finished: {note['done'] * note['block']} of {len(values)} rows "
            "are there; call store_gram again to continue"
        )
    return Gram(path, torch.from_numpy(values))


def _resume(
    path: Path, kernel: Kernel, x: Tensor, z: Tensor | None, state: dict[str, object]
) -> int:
    """How many rows of blocks are there already, after a look at whether they are ours."""
    note = _read_note(path)
    if note is None:
        if path.exists():
            raise ValueError(f"{path.name} was not written by store_gram; choose another path")
        return 0
    if note["points"] != state["points"]:
        raise ValueError(f"{path.name} holds the matrix of other points; choose another path")
    if note["block"] != state["block"]:
        raise ValueError(f"{path.name} has blocks of {note['block']}, got block={state['block']}")
    if note["done"]:
        held = np.load(path, mmap_mode="r")[:_PROBE, :_PROBE].astype(np.float64)
        fresh = kernel(x[:_PROBE], (x if z is None else z)[:_PROBE]).cpu().double().numpy()
        if not np.abs(held - fresh).max() <= _CLOSE[x.dtype] * np.abs(fresh).max():
            raise ValueError(f"{path.name} holds the matrix of another kernel; choose another path")
    return int(note["done"])


def _digest(x: Tensor, z: Tensor | None) -> str:
    digest = hashlib.sha256()
    for points in (x, z):
        if points is None:
            continue
        digest.update(repr((tuple(points.shape), str(points.dtype))).encode())
        digest.update(points.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _note_path(path: Path) -> Path:
    return path.with_suffix(".json")


def _note(path: Path, state: dict[str, object]) -> None:
    """Replace the note in one step: a kill leaves the old one or the new one, never half."""
    fresh = _note_path(path).with_suffix(".json.new")
    with fresh.open("w", encoding="utf-8") as file:
        json.dump(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, _note_path(path))


def _read_note(path: Path) -> dict[str, int] | None:
    if not _note_path(path).exists():
        return None
    note: dict[str, int] = json.loads(_note_path(path).read_text(encoding="utf-8"))
    return note
