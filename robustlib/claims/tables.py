"""Two tables that stand beside every theorem, filled by code: hypotheses, and constants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A small table that renders as Markdown (with mathematics) and prints as aligned text."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def _repr_markdown_(self) -> str:
        lines = [self.header, ("---",) * len(self.header), *self.rows]
        return "\n".join("| " + " | ".join(line) + " |" for line in lines)

    def __repr__(self) -> str:
        lines = [self.header, *self.rows]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.header))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in lines
        )


def assumptions(*rows: tuple[str, str, str]) -> Table:
    """The table *assumed / what we ran / consequence* of one theorem, one tuple a hypothesis.

    Raises ``ValueError`` for no rows, or a row without three non-empty texts.
    """
    return _table(("assumed", "what we ran", "consequence"), rows)


def constants(*rows: tuple[str, str, float]) -> Table:
    """The table of a theorem's constants: symbol, meaning, and its value to four digits.

    Raises ``ValueError`` for no rows, or a row that is not (symbol, meaning, number).
    """
    texts = [(symbol, meaning, f"{value:.4g}") for symbol, meaning, value in rows]
    return _table(("symbol", "what it is", "value here"), texts)


def _table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Table:
    if not rows:
        raise ValueError(f"rows must not be empty; each is {header}")
    for row in rows:
        if len(row) != len(header) or not all(isinstance(text, str) and text for text in row):
            raise ValueError(f"each row must be {header} in non-empty texts, got {row!r}")
        if any("|" in text.replace(r"\|", "") for text in row):
            raise ValueError(f"write \\vert or \\| for a bar inside a table, got {row!r}")
    return Table(header, tuple(tuple(row) for row in rows))
