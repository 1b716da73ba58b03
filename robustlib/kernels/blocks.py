"""The blocks of a matrix, computed here, or on the processes of this machine or of a cluster."""

from __future__ import annotations

import base64
import pickle
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..checks import calling, check_alike, check_floats, check_shape
from ..sweeps.engines import Answer, EngineError, Job, on_cluster, on_this_machine
from ..sweeps.sweep import pickled
from .gram import check_symmetric
from .stored import Matrix

Kernel = Callable[[Tensor, Tensor | None], Tensor]

_AHEAD = 8  # blocks a process that are asked for at once, so that few wait for the last one
_ON_CLUSTER = 64  # and of a cluster, however many processes it has


class Blocks:
    """The blocks of ``size`` rows and columns of ``kernel`` at ``x`` and ``z``."""

    def __init__(self, kernel: Kernel, x: Tensor, z: Tensor | None, size: int) -> None:
        self.kernel, self.x, self.z, self.size = kernel, x, z, size
        self.width = len(x if z is None else z)

    def lefts(self, top: int) -> range:
        """Where the blocks begin that the row from ``top`` on needs: no half below the diagonal."""
        return range(0 if self.z is not None else top, self.width, self.size)

    def points(self, top: int, left: int) -> tuple[Tensor, Tensor | None]:
        """The points of a block's rows and of its columns, None where they are the same."""
        a, other = self.x[top : top + self.size], self.x if self.z is None else self.z
        same = self.z is None and left == top
        return a, None if same else other[left : left + self.size]

    def __call__(self, top: int, left: int) -> Matrix:
        """One block, checked."""
        return _block(self.kernel, *self.points(top, left))


class SentBlocks(Blocks):
    """The same blocks from ``workers`` processes or a Dask ``cluster``.

    Whole rows are asked for, one or as many as keep all busy, and held until they are called for.
    """

    def __init__(
        self, kernel: Kernel, x: Tensor, z: Tensor | None, size: int, *, workers: int, cluster: Any
    ) -> None:
        super().__init__(kernel, x, z, size)
        self.workers, self.cluster = workers, cluster
        # the same number of threads as here: with another one sums may round otherwise
        self.options: dict[str, Any] = {"seconds": None, "threads": torch.get_num_threads()}
        self.function = pickled(partial(_on_worker, pickled(kernel), str(x.device)))
        self.held: dict[tuple[int, int], Matrix] = {}

    def __call__(self, top: int, left: int) -> Matrix:
        """One block, checked where it was computed."""
        if (top, left) not in self.held:
            self._fetch(top)
        return self.held.pop((top, left))

    def _fetch(self, top: int) -> None:
        places: list[tuple[int, int]] = []
        enough = _ON_CLUSTER if self.cluster is not None else _AHEAD * self.workers
        while top < len(self.x) and len(places) < enough:
            places += [(top, left) for left in self.lefts(top)]
            top += self.size
        jobs = []
        for number, place in enumerate(places):
            a, b = self.points(*place)
            sent = {"a": _written(a), "b": None if b is None else _written(b)}
            jobs.append((str(number), sent))
        for key, answer in self._answers(jobs):
            top, left = places[int(key)]
            if answer["state"] == "raised":
                raise ValueError(
                    f"kernel failed on a worker, at the block of row {top} and column {left}: "
                    f"{answer['error']}"
                )
            if answer["state"] != "done":
                raise EngineError(f"the block of row {top} and column {left}: {answer['error']}")
            self.held[top, left] = _read(answer["result"]["block"]).numpy()

    def _answers(self, jobs: list[Job]) -> Iterator[Answer]:
        if self.cluster is not None:
            return on_cluster(jobs, self.function, cluster=self.cluster, **self.options)
        return on_this_machine(jobs, self.function, workers=self.workers, **self.options)


def _block(kernel: Kernel, a: Tensor, b: Tensor | None) -> Matrix:
    with calling("kernel"):
        values = kernel(a, b)
    shape = (len(a), len(a if b is None else b))
    check_shape("kernel(x, z)", check_floats("kernel(x, z)", values), shape)
    check_alike("kernel(x, z)", values.to(a.device), "x", a)
    if b is None:
        check_symmetric("kernel(x, None)", values)
    found: Matrix = values.detach().cpu().numpy()
    return found


def _on_worker(
    kernel: bytes, device: str, a: dict[str, Any], b: dict[str, Any] | None
) -> dict[str, Any]:
    rows, columns = (None if sent is None else _read(sent).to(device) for sent in (a, b))
    assert rows is not None
    found = _block(pickle.loads(kernel), rows, columns)
    return {"block": _written(torch.from_numpy(found))}


def _written(values: Tensor) -> dict[str, Any]:
    """A tensor as plain data, which is all that settings and results are."""
    held = np.ascontiguousarray(values.detach().cpu().numpy())
    text = base64.b64encode(held.data.cast("B")).decode() if held.size else ""
    return {"dtype": held.dtype.name, "shape": list(held.shape), "data": text}


def _read(sent: dict[str, Any]) -> Tensor:
    data = bytearray(base64.b64decode(sent["data"]))
    held = np.frombuffer(data, dtype=sent["dtype"]).reshape(sent["shape"])
    return torch.from_numpy(held)
