"""Contests: the same work done by several sides in turn, and what their times say as ratios."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

Side = Callable[[], float]  # does the work once, returns its seconds


@dataclass(frozen=True)
class Contest:
    """One row of the table: some work, our time, the limit's and the peers'.

    ``ours`` and ``limit`` do the work once and return their CPU seconds, as ``timed`` makes them;
    ``limit`` is the least that the work can cost, which ``bound`` says in words. ``peers`` maps a
    library to its side, or to a sentence where it has none. ``runs`` of each count.
    """

    work: str
    bound: str
    ours: Side
    limit: Side | None = None
    peers: Mapping[str, Side | str] = field(default_factory=dict)
    runs: int = 5


@dataclass(frozen=True)
class Result:
    """A row of the table: ``ours`` over the limit, and for each peer its time over ours.

    A peer that did not do the work is the sentence that says why.
    """

    work: str
    bound: str
    ours: float | None
    peers: Mapping[str, float | str]


def timed(work: Callable[[], object]) -> Side:
    """``work`` as a side: the CPU seconds of this process."""

    def side() -> float:
        begun = time.process_time()
        work()
        return time.process_time() - begun

    return side


def hold(contest: Contest) -> Result:
    """Let the sides work in turn; the least time of each counts, after a first one that does not.

    An error of ours goes on as it is; a peer's is its row.
    """
    sides: dict[str, Side] = {"ours": contest.ours}
    if contest.limit is not None:
        sides["limit"] = contest.limit
    for side in sides.values():
        side()
    said: dict[str, float | str] = {}
    for peer, entry in contest.peers.items():
        said[peer] = entry if isinstance(entry, str) else ""
        if not isinstance(entry, str):
            try:
                _quietly(entry)
            except Exception as error:
                said[peer] = _reason(error)
                continue
            sides[f"peer {peer}"] = entry
    least = dict.fromkeys(sides, math.inf)
    for _ in range(contest.runs):
        for name, side in sides.items():
            least[name] = min(least[name], _quietly(side))
    for peer in said:
        if f"peer {peer}" in least:
            said[peer] = least[f"peer {peer}"] / least["ours"]
    ours = None if contest.limit is None else least["ours"] / least["limit"]
    return Result(contest.work, contest.bound, ours, said)


def _reason(error: Exception) -> str:
    """Why a peer did not do the work; its own words where it says that it cannot."""
    text = " ".join(str(error).split())[:60]
    if isinstance(error, NotImplementedError) and text:
        return text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _quietly(side: Side) -> float:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return side()
