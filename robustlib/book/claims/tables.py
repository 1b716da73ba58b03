"""Tables filled by code: the hypotheses and constants beside a theorem, and any others."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from numbers import Real

from ...checks import shown, single


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
    return table(("assumed", "what we ran", "consequence"), *rows)


def constants(*rows: tuple[str, str, float]) -> Table:
    """The table of a theorem's constants: symbol, meaning, and its value to four digits.

    Raises ``ValueError`` for no rows, or a row that is not (symbol, meaning, number).
    """
    header = ("symbol", "what it is", "value here")
    texts = []
    for row in rows:
        number = single(row[-1]) if isinstance(row, tuple) and len(row) == len(header) else None
        if isinstance(number, bool) or not isinstance(number, Real | Decimal):
            raise ValueError(f"each row must be {header} with a number, got {shown(row)}")
        if math.isnan(number):
            raise ValueError(f"the value must be a number, got nan in {shown(row)}")
        texts.append((*row[:-1], f"{float(number):.4g}"))
    return table(header, *texts)


def table(header: tuple[str, ...], *rows: tuple[str, ...]) -> Table:
    """A table of texts, which may hold mathematics: its header, then one tuple a row.

    Raises ``ValueError`` for no rows, or a row that is not as many non-empty texts as the header.
    """
    if not _texts(header):
        raise ValueError(f"header must be a tuple of non-empty texts, got {shown(header)}")
    if not rows:
        raise ValueError(f"rows must not be empty; each is {header}")
    for row in rows:
        if not _texts(row) or len(row) != len(header):
            raise ValueError(f"each row must be {header} in non-empty texts, got {shown(row)}")
        if any("|" in text.replace(r"\|", "") for text in row):
            raise ValueError(f"write \\vert or \\| for a bar inside a table, got {row!r}")
    return Table(header, tuple(tuple(row) for row in rows))


def _texts(row: object) -> bool:
    return isinstance(row, tuple) and row != () and all(isinstance(t, str) and t for t in row)
