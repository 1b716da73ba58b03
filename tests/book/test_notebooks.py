"""What every chapter must keep: readable sources, stored outputs, nothing that moves by itself."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import execute
import nbformat
import pytest
import yaml
from layout import ROOT, files_of_the_repository, pages_of_the_book

NOTEBOOKS = sorted((ROOT / "chapters").glob("*.ipynb"))
PROSE = [
    *sorted((ROOT / "chapters").glob("reference/*.md")),
    *sorted((ROOT / "chapters").glob("*.md")),
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
]
ADDRESS = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]["url"]

TITLE = re.compile(r"[^`]*\S \((easy|medium|hard), (?:5|[1-9]\d*[05]) minutes\)")
BOX = re.compile(r"^(:{3,})\{admonition\} ([^\n]*)\n(.*?)^\1$", re.M | re.S)
SETUP_CELL = f"""import importlib.util
import os
import subprocess
import sys

found = importlib.util.find_spec("robustlib")
if found is None or found.origin is None:  # not there, or a folder of this name
    source = "robustlib @ git+{ADDRESS}"
    source = os.environ.get("ROBUSTLIB_SOURCE", source)
    if subprocess.call([sys.executable, "-m", "pip", "install", "-q", source]):
        raise RuntimeError(f"pip cannot install {{source}}; is there a network, and git?")"""

IMAGES = {"image/png", "image/jpeg", "image/svg+xml"}
WIDGET = "application/vnd.jupyter.widget-view+json"
LONGEST_CELL = 12

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def tags(cell: nbformat.NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", []))


def sentences_that_share_a_line(source: str) -> list[str]:
    """Lines of prose with a second sentence in them; code, formulas and tables are passed over."""
    found = []
    fences: list[bool] = []  # open fences, innermost last: is it literal code?
    formula = False
    for line in source.splitlines():
        fence = re.match(r"\s*(`{3,}|:{3,})(.*)", line)
        if fence and fence[2].strip():
            name = fence[2].strip()
            fences.append(not name.startswith("{") or name.startswith(("{code", "{bib", "{math")))
        elif fence:
            fences[-1:] = [] if fences else [True]
        elif line.count("$$") == 1:
            formula = not formula
        elif not (formula or any(fences) or line.lstrip().startswith("|")):
            text = re.sub(r"``.+?``|`[^`]*`|\$[^$]*\$", "x", line)  # code and formulas
            text = re.sub(r"\]\([^)]*\)", "]", text)  # where links lead
            text = re.sub(r"^\s*(#+ |[-*] |> )*(\d+\. )?", "", text)  # marks of lists, headings
            text = re.sub(r"\b(e\.g|i\.e|cf|resp|vs|et al|Fig|Eq|Sec|Ch|[A-Z])\.", "x", text)
            if re.search(r"[.!?][)\"'*_]* +[*_(\"']*[A-Z]", text):
                found.append(line)
    return found


def test_the_book_has_its_notebooks() -> None:
    listed = {ROOT / f"{page}.ipynb" for page in pages_of_the_book()} & set(NOTEBOOKS)
    assert NOTEBOOKS
    assert listed == set(NOTEBOOKS), "a notebook in chapters/ is missing from _toc.yml"


@each_notebook
def test_notebook_is_valid_and_normal(path: Path) -> None:
    notebook = read(path)
    nbformat.validate(notebook)
    assert notebook.metadata == execute.METADATA, "run `make execute`"
    for cell in notebook.cells:
        assert set(cell.metadata) <= set(execute.CELL_METADATA), "run `make execute`"


def test_cell_ids_are_unique_in_the_whole_book() -> None:
    ids = [cell.id for path in NOTEBOOKS for cell in read(path).cells]
    assert sorted(ids) == sorted(set(ids))


@each_notebook
def test_every_cell_was_executed_in_order(path: Path) -> None:
    counts = [cell.execution_count for cell in code_cells(path)]
    assert None not in counts, "run `make execute`"
    assert counts == sorted(counts)


@each_notebook
def test_stored_outputs_are_fit_to_publish(path: Path) -> None:
    for cell in code_cells(path):
        for output in cell.outputs:
            kind = output.output_type
            assert kind != "error" or "raises-exception" in tags(cell), cell.source
            assert output.get("name") != "stderr", f"prints to stderr: {cell.source}"
            assert WIDGET not in output.get("data", {}), f"stores a widget: {cell.source}"


@each_notebook
def test_every_picture_has_alternative_text(path: Path) -> None:
    for cell in code_cells(path):
        kinds: list[dict[str, Any]] = [output.get("data", {}) for output in cell.outputs]
        if any(IMAGES & set(data) and "text/html" not in data for data in kinds):
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            assert len(alt.split()) >= 3, f"no metadata mystnb.image.alt: {cell.source}"


@each_notebook
def test_cells_are_short(path: Path) -> None:
    for cell in code_cells(path):
        lines = [line for line in cell.source.splitlines() if line.strip()]
        assert len(lines) <= LONGEST_CELL, cell.source


@each_notebook
def test_notebook_starts_with_its_aims_and_the_set_up_cell(path: Path) -> None:
    cells = read(path).cells
    first = next(k for k, cell in enumerate(cells) if cell.cell_type == "code")
    opening = "\n".join(cell.source for cell in cells[:first])
    assert opening.startswith("# ")
    aims = opening.partition("you will be able to")[2].splitlines()
    assert sum(line.startswith(("- ", "* ")) for line in aims) >= 2, "no list of aims at the start"
    assert cells[first].source == SETUP_CELL
    assert tags(cells[first]) == ["hide-input"]


@each_notebook
def test_notebook_has_one_sentence_per_line(path: Path) -> None:
    for cell in read(path).cells:
        if cell.cell_type == "markdown":
            assert sentences_that_share_a_line(cell.source) == []


def exercises(text: str) -> list[str]:
    """What stands behind ``{exercise}``: the titles, with difficulty and minutes."""
    return re.findall(r"^`{3,}\{exercise\}[ \t]*(.*)$", text, re.M)


@pytest.mark.parametrize("name", pages_of_the_book())
def test_exercises_say_how_hard_and_how_long_they_are(name: str) -> None:
    (path,) = ROOT.glob(f"{name}.*")
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        text = "\n".join(cell.source for cell in read(path).cells)
    assert [title for title in exercises(text) if not TITLE.fullmatch(title)] == []


def guesses(cells: list[nbformat.NotebookNode]) -> list[str]:
    """The right answers; a question ends its cell, its answer begins the text after the code."""
    right, open_ = [], False
    for cell, after in itertools.zip_longest(cells, cells[1:]):
        if cell.cell_type == "code":
            continue
        found = list(BOX.finditer(cell.source))
        answers = [box for box in found if box[2].startswith("Answer: ")]
        assert len(answers) == open_, f"a question without an answer: {cell.id}"
        for box in answers:
            assert box.start() == 0, cell.id
            assert box[3].startswith(":class: dropdown\n"), cell.id
            right.append(box[2].removeprefix("Answer: "))
            others = set("ABC") - {right[-1]}
            assert others <= set(re.findall(r"\b[ABC]\b", box[3])), f"why do they tempt? {cell.id}"
        questions = [box for box in found if box[2] == "Guess first"]
        open_ = bool(questions)
        for box in questions:
            assert box.end() == len(cell.source), cell.id
            assert after is not None, cell.id
            assert after.cell_type == "code", cell.id
            assert ":class:" not in box[3], cell.id
            assert re.findall(r"^\* \*\*(\w+)\.\*\* \S", box[3], re.M) == ["A", "B", "C"], cell.id
    assert not open_
    return right


def test_questions_come_before_experiments_and_answers_after() -> None:
    """With three answers each; the right one is not always the same."""
    chapters = {path.stem: guesses(read(path).cells) for path in NOTEBOOKS}
    everywhere = [letter for found in chapters.values() for letter in found]
    assert all(found for name, found in chapters.items() if name < "12")
    assert len(everywhere) >= 30
    assert min(everywhere.count(letter) for letter in "ABC") >= len(everywhere) / 5


def test_a_question_without_its_answer_is_seen() -> None:
    ask = ":::{admonition} Guess first\nWhat?\n\n* **A.** 1.\n* **B.** 2.\n* **C.** 3.\n:::"
    tell = ":::{admonition} Answer: B\n:class: dropdown\nTwo, not A or C.\n:::"
    text, run = nbformat.v4.new_markdown_cell, nbformat.v4.new_code_cell("1 + 1")
    assert guesses([text(ask), run, text(f"{tell}\n\nMore.")]) == ["B"]
    for wrong in (
        [text(ask), run],
        [text(ask), text(tell)],
        [text(ask), run, text("No.")],
        [text(f"{ask}\nMore."), run, text(tell)],
        [text(ask.replace("C.", "D.")), run, text(tell)],
        [text(ask), run, text(tell.replace(":class: dropdown", ""))],
        [text(ask), run, text(tell.replace(" or C", ""))],
        [run, text(tell)],
    ):
        with pytest.raises(AssertionError):
            guesses(wrong)


@each_notebook
def test_a_definition_is_followed_by_a_warm_up(path: Path) -> None:
    """Before the section ends, with its answers folded."""
    prose = "\n".join(cell.source for cell in read(path).cells if cell.cell_type == "markdown")
    for part in re.split(r"^`{3,}\{prf:definition\}", prose, flags=re.M)[1:]:
        section = re.split(r"^## ", part, flags=re.M)[0]
        assert "{admonition} Warm-up (2 minutes)\n" in section, section[:80]
    for asked, told in itertools.pairwise([*BOX.finditer(prose), None]):
        if asked[2].startswith("Warm-up"):
            assert asked[2] == "Warm-up (2 minutes)"
            assert told is not None
            assert told[2] == "Answers"
            assert told[3].startswith(":class: dropdown\n")


@pytest.mark.parametrize("path", PROSE, ids=lambda path: path.name)
def test_page_has_one_sentence_per_line(path: Path) -> None:
    assert sentences_that_share_a_line(path.read_text(encoding="utf-8")) == []


def test_sentences_are_told_apart() -> None:
    assert sentences_that_share_a_line("One. Two.") == ["One. Two."]
    assert sentences_that_share_a_line("- Is it $m$? *Yes*.") == ["- Is it $m$? *Yes*."]
    assert sentences_that_share_a_line("```{prf:theorem} A. B\nOne. Two.\n```") == ["One. Two."]
    assert sentences_that_share_a_line("```\nOne. Two.\n```\nThree.") == []
    assert sentences_that_share_a_line("1. See Gao et al. Here, i.e. `a. B`.\n$$\na. B\n$$") == []


def test_the_repository_has_one_address() -> None:
    for name in files_of_the_repository():
        if name.endswith((".ipynb", ".md", ".toml", ".cff", ".yml", ".py")):
            text = (ROOT / name).read_text(encoding="utf-8")
            for found in re.findall(r"https://github\.com/[\w.-]+/robustlib\b", text):
                assert found == ADDRESS, f"{name} names {found}, _config.yml names {ADDRESS}"


def test_execution_is_stable_and_normalises(tmp_path: Path) -> None:
    """Twice the same bytes, whatever kernel or tool the notebook was saved with."""
    cells = [
        nbformat.v4.new_code_cell("print('a')\nprint('b')\n1 / 3", id="one"),
        nbformat.v4.new_markdown_cell("text", id="two", metadata={"editable": True}),
    ]
    spec = {"name": "mine", "display_name": "Mine"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": spec})
    path = tmp_path / "small.ipynb"
    texts = []
    for _ in range(2):
        nbformat.write(notebook if not texts else read(path), path)
        nbformat.write(execute.run(path, "python3"), path)
        texts.append(path.read_bytes())
    assert texts[0] == texts[1]
    stored = json.loads(texts[0])
    assert stored["metadata"] == execute.METADATA
    assert stored["cells"][0]["outputs"][0]["text"] == ["a\n", "b\n"]
    assert stored["cells"][1]["metadata"] == {}
