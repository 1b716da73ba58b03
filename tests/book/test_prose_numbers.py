"""Every number in a chapter's prose was printed or typed by one of its cells.

The notebooks' outputs are compared with a new run by portable.py; this closes the remaining gap, a
sentence that still quotes the number of an older run.
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from layout import ROOT

NOTEBOOKS = sorted((ROOT / "chapters").glob("*.ipynb"))
DECIMAL = re.compile(r"(?<![\w.])\d+\.\d+(?![\w.]|\.\d)")
PERCENT = re.compile(r"(\d+(?:\.\d+)?)(?:\\,)?\\?%")


def numbers_of_cells(notebook: nbformat.NotebookNode) -> set[str]:
    """The decimals in the code and in the texts that it printed."""
    texts = []
    for cell in notebook.cells:
        if cell.cell_type == "code":
            texts.append(cell.source)
            for output in cell.outputs:
                texts.append(output.get("text", ""))
                data = output.get("data", {})
                texts += [data.get("text/plain", ""), data.get("text/markdown", "")]
    return {number for text in texts for number in DECIMAL.findall(text)}


def unsupported(prose: str, known: set[str]) -> list[str]:
    """Numbers of the prose that no cell has; 31.8 % may stand for 0.318, and 67 % for 0.673."""
    prose = re.sub(r"`[^`\n]*`|https?://\S+", "", prose)
    missing = []
    for percent in PERCENT.findall(prose):
        digits = len(percent.partition(".")[2])
        shares = {f"{100 * float(number):.{digits}f}" for number in known}
        if percent not in known | shares:
            missing.append(f"{percent} %")
    rest = PERCENT.sub("", prose)
    return missing + [number for number in DECIMAL.findall(rest) if number not in known]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_numbers_in_the_prose_come_from_cells(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    known = numbers_of_cells(notebook)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            assert unsupported(cell.source, known) == [], cell.source


def test_numbers_of_the_scoreboard_come_from_its_tables() -> None:
    page = (ROOT / "chapters" / "scoreboard.md").read_text(encoding="utf-8")
    tables = (ROOT / "benchmarks" / "attacks.md").read_text(encoding="utf-8")
    assert unsupported(page, set(DECIMAL.findall(tables))) == []
    assert unsupported(page.replace("0.986", "0.987"), set(DECIMAL.findall(tables))) == ["0.987"]


def test_a_stale_number_is_caught() -> None:
    known = {"0.318", "0.1378"}
    assert unsupported(r"Only $31.8\,\%$ survive, a loss of $0.1378$.", known) == []
    assert unsupported("about 32 % survive", known) == []
    assert unsupported(r"Only $31.9\,\%$ survive.", known) == ["31.9 %"]
    assert unsupported("a loss of $0.1379$", known) == ["0.1379"]
