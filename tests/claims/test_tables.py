"""The two tables beside a theorem."""

from __future__ import annotations

import pytest

from robustlib.book.claims import assumptions, constants


def test_constants_are_numbers_with_four_digits() -> None:
    table = constants((r"$L$", "Lipschitz constant", 1.0), (r"$\rho$", "radius", 0.123456))
    assert repr(table).splitlines()[-1].split() == [r"$\rho$", "radius", "0.1235"]
    assert table._repr_markdown_().splitlines()[1] == "| --- | --- | --- |"


def test_rows_are_checked() -> None:
    with pytest.raises(ValueError, match="must not be empty"):
        assumptions()
    with pytest.raises(ValueError, match="each row must be"):
        assumptions(("convex loss", "pseudo-Huber", ""))
    with pytest.raises(ValueError, match="for a bar inside a table"):
        assumptions(("|x| = 1", "normalised", "none"))
