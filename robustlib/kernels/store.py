"""Gram matrices too large for memory: computed block by block into a file, resumable."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch import Tensor

from ..checks import (
    check_alike,
    check_flag,
    check_floats,
    check_function,
    check_integer,
    check_progress,
)
from ..files import check_path
from ..numerics import steady
from ..progress import Bar
from .blocks import Blocks, Kernel, SentBlocks
from .stored import Matrix, Stored, points_digest

_PROBE = 8  # rows and columns recomputed before a file is trusted
_CLOSE = {"float32": 1e-5, "float64": 1e-12}


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


@steady()
def store_gram(
    path: str | os.PathLike[str],
    kernel: Kernel,
    x: Tensor,
    z: Tensor | None = None,
    *,
    block: int = 1024,
    workers: int = 1,
    cluster: Any = None,
    progress: bool | None = None,
) -> Gram:
    """Compute ``kernel`` at ``x`` (n, ...) and ``z`` (m, ...) into the file ``path`` (.npy).

    ``kernel(a, b)`` gives the block between some rows, ``kernel(a, None)`` a symmetric one:
    ``functools.partial(ntk, depth=3)``, or ``partial(empirical_ntk, net)``. Without ``z`` only the
    upper half is computed. Memory is that of one row of blocks. The rows go to ``path`` + ".part"
    and a note with a checksum of each row of blocks to the same name with ".json"; the file gets
    its own name when it is whole. Killed or failed at any moment, the same call continues after
    the last row of blocks whose checksum is right and ends with the same bits; a finished file is
    opened as it is. A call that fails in its first row of blocks leaves nothing behind.

    With ``workers`` of 2 or more, as many processes of this machine compute the blocks, or those of
    a Dask ``cluster`` do, an address or a cluster object, as for ``sweep``; this process alone
    writes. Each has as many threads as this one, and on processors of one kind the bits are those
    of one process. Memory here is then that of one row of blocks and of 8 blocks a worker (64 of
    a cluster). The kernel goes to the workers as bytes, the points block by block.

    Raises ``ValueError`` where ``path`` holds the matrix of other points or of another kernel,
    or a finished one that was changed since, or something of another origin, all left as they
    are; where another process is at work on it; for a kernel with NaN or infinite entries, of
    which none is stored, one that is not symmetric at equal points, or one that raises on a
    worker; and for a cluster that cannot be reached. ``TypeError`` for a kernel that cannot be
    sent, ``OSError`` where all workers are lost. A bar is shown on a terminal, or wherever
    ``progress`` says so.
    """
    check_function("kernel", kernel, "x, z", "be a function kernel(x, z)")
    x = check_floats("x", x).detach()
    if z is not None:
        z = check_floats("z", z).detach()
        check_alike("z", z, "x", x)
    check_progress(progress)
    block = check_integer("block", block, minimum=1)
    workers = check_integer("workers", workers, minimum=1)
    if workers == 1 and cluster is None:
        blocks = Blocks(kernel, x, z, block)
    else:
        blocks = SentBlocks(kernel, x, z, block, workers=workers, cluster=cluster)
    other = x if z is None else z
    if not len(x) or not len(other):
        raise ValueError(
            f"x and z must hold at least one point each, got {len(x)} and {len(other)}"
        )
    wanted = Stored(
        _npy(path),
        points=points_digest(x, z),
        block=block,
        shape=(len(x), len(other)),
        dtype=str(x.dtype).removeprefix("torch."),
    )
    there = Stored.of(wanted.path)
    if there is None or not there.finished:
        with wanted.locked() as file:
            there = Stored.of(wanted.path)  # once more: another process may have been here
            if there is None or not there.finished:
                if there is not None:
                    there.check_same(wanted)
                done = wanted.resume(file, [] if there is None else there.sums)
                try:
                    _fill(wanted, file, blocks, done, progress)
                except BaseException:
                    if not wanted.sums:
                        wanted.remove()
                    raise
                wanted.finish()
                return load_gram(path)
    there.check_same(wanted)
    found = load_gram(path)
    _check_kernel(found.values.numpy(), wanted, blocks)
    return found


def load_gram(path: str | os.PathLike[str], *, check: bool = True) -> Gram:
    """Open a matrix that ``store_gram`` has finished.

    With ``check`` the file is read once and compared with the checksums in its note. Raises
    ``ValueError`` where it is not finished, was changed, or is not of ``store_gram``, and
    ``FileNotFoundError`` where there is none.
    """
    check_flag("check", check)
    found = Stored.of(_npy(path))
    if found is None:
        raise FileNotFoundError(f"there is no file {Path(path).name}; make it with store_gram")
    return Gram(Path(path), torch.from_numpy(found.open(check=check)))


def _npy(path: object) -> Path:
    found = check_path("path", path)
    if found.suffix != ".npy":
        raise ValueError(f"path must end in .npy, got {found.name!r}")
    return found


def _fill(
    wanted: Stored, file: IO[bytes], blocks: Blocks, done: int, progress: bool | None
) -> None:
    """Add the rows of blocks that are missing, where the first ``done`` are there."""
    if done:
        _check_kernel(wanted.stored(), wanted, blocks)
    hidden = check_progress(progress)
    with Bar(
        total=wanted.rows, initial=done, disable=hidden, ascii=True, unit="rows of blocks"
    ) as bar:
        for number in range(done, wanted.rows):
            wanted.append(file, _row(wanted, blocks, number))
            bar.update()


def _row(wanted: Stored, blocks: Blocks, number: int) -> Matrix:
    """Row ``number`` of blocks: the half below the diagonal is what was stored above it."""
    top = number * wanted.block
    height = min(wanted.block, wanted.shape[0] - top)
    strip = np.empty((height, wanted.shape[1]), dtype=wanted.dtype)
    if blocks.z is None and top:
        strip[:, :top] = wanted.stored()[:top, top : top + height].T
    for left in blocks.lefts(top):
        values = blocks(top, left)
        strip[:, left : left + values.shape[1]] = values
    return strip


def _check_kernel(held: Matrix, wanted: Stored, blocks: Blocks) -> None:
    """Raise where the first entries of what is ``held`` are not those of the kernel."""
    x, z = blocks.x, blocks.z
    first = blocks.kernel(x[:_PROBE], (x if z is None else z)[:_PROBE])
    fresh = first.detach().cpu().double().numpy()
    seen = held[:_PROBE, :_PROBE].astype(np.float64)
    fresh = fresh[: len(seen)]  # rows that are there
    if not np.abs(seen - fresh).max() <= _CLOSE[wanted.dtype] * np.abs(fresh).max():
        name = wanted.path.name
        raise ValueError(f"{name} holds the matrix of another kernel; choose another path")
