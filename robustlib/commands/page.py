"""The book's page on speed: the last table of ``bench``, and what ``gpu`` found, if it was run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_HEAD = (  # one sentence a line, as in all prose of the book
    "# Speed\n\n"
    "This page is written by `make bench` and never by hand.\n"
    "Each row is one piece of work.\n"
    "*Ours over the limit* is the time of `robustlib` over the least that the work can cost, the "
    "matrix products or passes that it consists of; 1 is the best there can be.\n"
    "A peer's column is its time over ours, so that more than 1 says that we are faster.\n"
    "Times are CPU times of one process, the sides in turn, the least of several runs.\n"
    "Milliseconds are not shown: they belong to one machine, ratios much less.\n\n"
)
_LEFT_OUT = (
    "\n## Not measured\n\n"
    "* More than one thread, more than one processor, and memory.\n"
    "* What the attacks find in that time: see the tables of {doc}`chapter 2 <02-inner-maximum>`; "
    "a fast attack that finds little is no good one.\n"
    "* Sizes beyond those of the rows; a peer may be better elsewhere.\n"
)
_NOT_RUN = (
    "`python -m robustlib gpu` compares a GPU's numbers with the CPU's, measures training, attacks "
    "and Gram matrices against the products of the device, and runs claims at the budget `gpu`.\n"
    "It was not run: no GPU was at hand, so nothing on this page says how fast, or how right, the "
    "library is on one.\n"
)


def page_of(groups: Mapping[str, Any], gpu: Mapping[str, Any] | None) -> str:
    """The page for what ``bench`` wrote, and for what ``gpu`` did where there is such a file."""
    text = _HEAD
    for name, group in sorted(groups.items()):
        text += (
            f"## {name.capitalize()}\n\n"
            f"{_table(group['rows']) if group['rows'] else 'No row was measured.'}\n\n"
            f"Measured on {group['date']} at the budget `{group['budget']}`, on one thread of "
            f"{group['processor']}, with Python {group['python']}, torch {group['torch']}, "
            f"{', '.join(group['peers']) or 'and no peers'}.\n\n"
        )
    return text + "## On a GPU\n\n" + (_NOT_RUN if gpu is None else _gpu(gpu)) + _LEFT_OUT


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    """One line a row: work, limit, ours, and a column for every peer of the group."""
    peers = list(dict.fromkeys(peer for row in rows for peer in row["peers"]))
    lines = [["work", "limit", "ours over the limit", *(f"{p} over ours" for p in peers)]]
    lines.append(["---"] * len(lines[0]))
    for row in rows:
        cells = [row["work"], row["bound"], _cell(row["ours"])]
        lines.append(cells + [_cell(row["peers"].get(peer)) for peer in peers])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(value: float | str | None) -> str:
    if value is None:
        return ""
    text = value if isinstance(value, str) else f"{value:.2f}" if value < 10 else f"{value:.0f}"
    return text.replace("|", r"\|").replace("<", "&lt;").replace("_", r"\_")


def _gpu(found: Mapping[str, Any]) -> str:
    lines = [["what", "found", "wanted", ""], ["---"] * 4]
    for row in found["rows"]:
        verdict = {True: "right", False: "wrong", None: ""}[row["right"]]
        lines.append([_cell(row[name]) for name in ("what", "found", "wanted")] + [verdict])
    head = (
        f"Measured by `python -m robustlib gpu` on {found['date']}, {found['device']}, torch "
        f"{found['torch']}, in {found['seconds']} s.\n\n"
    )
    return head + "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
