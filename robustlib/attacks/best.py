"""The best points so far: what every search keeps."""

from __future__ import annotations

import torch
from torch import Tensor

from ..numerics import choose


class Best:
    """The best point of every example ``x`` (n, ...), and its value: ``values`` (n,) in ``dtype``.

    Until one is offered, x and -inf. Points offered are not to be changed in place afterwards: a
    better point waits for the next one, and is copied only where that is no better still.
    """

    def __init__(self, x: Tensor, dtype: torch.dtype) -> None:
        self.values = torch.full((len(x),), -torch.inf, dtype=dtype, device=x.device)
        self._points, self._owned = x, False
        self._waiting: tuple[Tensor, Tensor, Tensor] | None = None  # z, its better rows, their n

    def offer(self, z: Tensor, values: Tensor, active: Tensor | None = None) -> None:
        """Points ``z`` (k, ...), their values (k,), and whose they are: ``active`` (k,) rising,
        None for all."""
        if active is None and values.device.type != "cpu":  # to know how many would take a wait
            better = values > self.values
            self._points = choose(better, z, self._points)
            self.values = choose(better, values, self.values)
            return
        better = values > (self.values if active is None else self.values[active])
        rows = better.nonzero()[:, 0]
        if not len(rows):
            return
        if len(rows) == len(self.values):
            self._points, self.values, self._owned, self._waiting = z, values, False, None
            return
        places = rows if active is None else active[rows]
        self._settle(places)
        self._waiting = z, rows, places
        if active is None:
            self.values = torch.where(better, values, self.values)
        else:
            self.values = self.values.index_copy(0, places, values.index_select(0, rows))

    def points(self) -> Tensor:
        """The points (n, ...); not to be changed."""
        self._settle(self.values.new_empty(0, dtype=torch.long))
        self._owned = False
        return self._points

    def _settle(self, bettered: Tensor) -> None:
        """Copy what waits, but for the examples that are ``bettered``."""
        if self._waiting is None:
            return
        z, rows, places = self._waiting
        self._waiting = None
        if len(z) == len(self.values):
            stays = torch.zeros_like(self.values, dtype=torch.bool).index_fill_(0, places, True)
            stays.index_fill_(0, bettered, False)
            found = choose(stays, z, self._points, owned=self._owned)
            self._points, self._owned = found, self._owned or found is not self._points
            return
        stays = torch.ones_like(self.values, dtype=torch.bool).index_fill_(0, bettered, False)
        stays = stays[places]
        if bool(stays.any()):
            if not self._owned:  # handed in, or handed out
                self._points, self._owned = self._points.clone(), True
            self._points.index_copy_(0, places[stays], z.index_select(0, rows[stays]))
