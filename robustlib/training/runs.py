"""What many runs come to: one trajectory each, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

from ..checks import check_integer
from .step import DivergedError
from .trajectory import Trajectory


@dataclass(frozen=True, eq=False, repr=False)
class Runs(Sequence[Trajectory]):
    """Runs in the order of their nets; asking for one that failed raises its ``ValueError``.

    ``failed`` has the errors by the numbers of their runs, and ``finished`` the other numbers.
    """

    trajectories: tuple[Trajectory | None, ...]
    failed: dict[int, DivergedError]

    @property
    def finished(self) -> list[int]:
        """The numbers of the runs that came to their end."""
        return [k for k in range(len(self)) if k not in self.failed]

    def __len__(self) -> int:
        return len(self.trajectories)

    @overload
    def __getitem__(self, place: int) -> Trajectory: ...
    @overload
    def __getitem__(self, place: slice) -> list[Trajectory]: ...

    def __getitem__(self, place: int | slice) -> Trajectory | list[Trajectory]:
        if isinstance(place, slice):
            return [self[k] for k in range(len(self))[place]]
        number = check_integer("place", place, minimum=-(2**63))
        if not -len(self) <= number < len(self):
            raise IndexError(f"place must be the number of one of {len(self)} runs, got {number}")
        number %= len(self)
        found = self.trajectories[number]
        if found is None:
            error = self.failed[number]
            raise ValueError(f"run {number}: {error}") from error
        return found

    def __repr__(self) -> str:
        words = f"{len(self)} run{'s' * (len(self) != 1)}"
        if not self.failed:
            return f"{words}, all to the end."
        number, error = next(iter(self.failed.items()))
        return f"{words}, of which {len(self.failed)} failed; the first is run {number}: {error}."
