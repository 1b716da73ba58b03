"""Nothing that students see holds a solution; guide, questions and slides fit the book."""

from __future__ import annotations

import json
import re
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest
import yaml

from robustlib.book.assignments import ASSIGNMENTS

ROOT = Path(__file__).parents[3]
SOURCES = ROOT / "chapters" / "assignments"
STUDENT = SOURCES / "student"
sys.path.insert(0, str(ROOT / "teaching"))
import build  # noqa: E402
import gradescope  # noqa: E402
import slides  # noqa: E402

LEFT_OUT = {*slides.LEFT_OUT, "The question", "What we saw"}


def solution_lines() -> set[str]:
    """Every line of every solution that is long enough to be one, in code and in words."""
    lines: set[str] = set()
    for path in SOURCES.glob("*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            if "# BEGIN SOLUTION" in cell.source and cell.cell_type == "code":
                found = cell.source.partition("# BEGIN SOLUTION")[2]
                lines |= {line.strip() for line in found.partition("# END")[0].splitlines()}
            elif "**Points.**" in cell.source:
                lines |= {line.strip() for line in cell.source.splitlines()}
    return {line for line in lines if len(line) > 25 and not line.startswith(("from ", "import "))}


SOLUTIONS = solution_lines()


def test_there_are_solutions_to_look_for() -> None:
    assert len(SOLUTIONS) > 130
    assert 'dual_order = {"l2": 2, "linf": 1, "l1": float("inf")}[norm]' in SOLUTIONS
    source = (SOURCES / "1-inner-maximum.ipynb").read_text(encoding="utf-8")
    assert leaks(source), "the search sees what is there"


def leaks(text: str) -> list[str]:
    """Lines of solutions in a text, written as they are, as in JSON or as in HTML."""
    plain = (
        text.replace("&quot;", '"').replace("&lt;", "<").replace("&gt;", ">").replace("&#39;", "'")
    )
    return [
        line
        for line in SOLUTIONS
        if line in plain or json.dumps(line, ensure_ascii=False)[1:-1] in text
    ]


def test_student_notebooks_and_the_package_hold_no_solution() -> None:
    for path in [*STUDENT.iterdir(), *(ROOT / "robustlib").rglob("*.py")]:
        assert leaks(path.read_text(encoding="utf-8")) == [], path


def test_the_site_holds_no_solution() -> None:
    """Its pages and what it keeps of their sources, where it has been built."""
    site = ROOT / "_build" / "html"
    if not site.exists():
        pytest.skip("the book has not been built")
    for path in site.rglob("*"):
        if path.suffix in {".html", ".ipynb", ".md", ".js", ".txt", ".json", ".inv"}:
            assert leaks(path.read_text(encoding="utf-8", errors="replace")) == [], path


@pytest.mark.parametrize("stem", ASSIGNMENTS)
def test_student_notebooks_are_plain_and_up_to_date(stem: str) -> None:
    stamps = json.loads(build.STAMPS.read_text(encoding="utf-8"))
    source, student = SOURCES / f"{stem}.ipynb", STUDENT / f"{stem}.ipynb"
    assert stamps[stem] == [build.stamp(source), build.stamp(student)], "run `make assignments`"
    notebook = nbformat.read(student, as_version=4)
    nbformat.validate(notebook)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    kinds = {cell.cell_type for cell in notebook.cells}
    assert kinds == {"markdown", "code"}
    text = "\n".join(cell.source for cell in notebook.cells)
    for word in ("otter", "SOLUTION", "HIDDEN", "BEGIN", "assert", "**Points.**"):
        assert word not in text + json.dumps(notebook.metadata)
    for cell in notebook.cells:
        assert set(cell.metadata) <= {"tags"}
        assert cell.get("outputs", []) == []
    for task in ASSIGNMENTS[stem]:
        assert f"def {task.call}:" in text
        assert f'check("{task.number}", {task.name})' in text
    assert text.count("    ...") == len(ASSIGNMENTS[stem])


def test_the_page_of_the_assignments_leads_to_them() -> None:
    page = (ROOT / "chapters" / "assignments.md").read_text(encoding="utf-8")
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    for line in build.links(config, list(ASSIGNMENTS)).splitlines():
        assert line.partition("](")[2].rstrip(")") in page
    for stem in ASSIGNMENTS:
        text = "\n".join(c.source for c in nbformat.read(SOURCES / f"{stem}.ipynb", 4).cells)
        points = sum(int(p) for p in re.findall(r"^\*(\d+) points, about", text, re.M))
        minutes = sum(int(m) for m in re.findall(r"points, about (\d+) minutes", text))
        (row,) = [line for line in page.splitlines() if f"student/{stem}.ipynb" in line]
        _, _, hours, listed, _ = [cell.strip() for cell in row.strip("|").split("|")]
        assert int(listed) == points
        assert abs(float(hours) * 60 - minutes) <= 20


def test_the_guide_names_cells_that_there_are() -> None:
    page = (ROOT / "chapters" / "teaching.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| \w+ \| `(\d\d-[\w-]+)` \|", page, re.M)
    assert len(named) >= 6
    notebooks = (ROOT / "chapters").glob("*.ipynb")
    known = {cell.id for path in notebooks for cell in nbformat.read(path, as_version=4).cells}
    assert set(named) <= known


def test_the_guide_lists_what_is_optional() -> None:
    """Every page and section with that word in its title, and no other."""
    page = (ROOT / "chapters" / "teaching.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| \{doc\}`\d+ <([\w-]+)>` \| (.*) \|$", page, re.M))
    found = {}
    for path in (ROOT / "chapters").iterdir():
        if path.suffix not in (".ipynb", ".md"):
            continue
        if path.suffix == ".ipynb":
            cells = nbformat.read(path, as_version=4).cells
            text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        else:
            text = path.read_text(encoding="utf-8")
        titles = re.findall(r"^#+ (.*) \(optional\)$", text, re.M)
        found |= {path.stem: "; ".join(titles)} if titles else {}
    assert found == {name: listed.get(name) for name in found}
    assert set(listed) == set(found)
    assert len(found) >= 4


def test_every_section_has_two_questions_with_answers() -> None:
    text = (ROOT / "teaching" / "questions.md").read_text(encoding="utf-8")
    for path in sorted((ROOT / "chapters").glob("[0-9]*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        prose = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        sections = [s for s in re.findall(r"^## (.*)$", prose, re.M) if s not in LEFT_OUT]
        (part,) = re.findall(rf"^## {path.stem}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
        assert re.findall(r"^### (.*)$", part, re.M) == sections
        for body in re.split(r"^### .*$", part, flags=re.M)[1:]:
            lines = body.strip().splitlines()
            assert [line[:3] for line in lines] == ["1. ", "2. "]
            assert all(re.search(r"[?.] \*[A-Z].+[.)]\*$", line) for line in lines), lines


def test_the_exam_has_its_points_and_its_answers_apart() -> None:
    exam = (ROOT / "teaching" / "exam.md").read_text(encoding="utf-8")
    answers = (ROOT / "teaching" / "exam-answers.md").read_text(encoding="utf-8")
    titles = re.findall(r"^## (.*) \((\d+) points\)$", exam, re.M)
    assert sum(int(points) for _, points in titles) == 60
    for title, points in titles:
        part = exam.partition(f"## {title}")[2].split("\n## ")[0]
        assert sum(int(p) for p in re.findall(r"^\d\. \((\d+)\)", part, re.M)) == int(points)
        assert f"## {title}\n" in answers
        answered = answers.partition(f"## {title}\n")[2].split("\n## ")[0]
        assert len(re.findall(r"^\d\. ", answered, re.M)) == len(re.findall(r"^\d\. ", part, re.M))


@pytest.mark.parametrize("stem", slides.CHAPTERS)
def test_slides_say_what_the_chapter_says(stem: str) -> None:
    made = slides.deck(stem, slides.titles())
    cells = nbformat.read(ROOT / "chapters" / f"{stem}.ipynb", as_version=4).cells
    boxes, section = 0, ""
    for cell in cells:
        for part in re.split(r"^(?=## )", cell.source, flags=re.M):
            heading = re.match(r"## (.*)", part)
            section = heading[1] if heading and cell.cell_type == "markdown" else section
            if cell.cell_type == "markdown" and section not in slides.LEFT_OUT:
                boxes += len(slides.BOX.findall(part))
    text = "\n".join(made.slides)
    assert text.count("class='box'") == boxes
    assert text.count("<figure>") == len(made.figures) >= 1
    assert len(made.slides) >= 5
    for left in ("{prf", "{cite", "{doc", "{ref", ":label:", "```", "$"):
        assert left not in re.sub(r'src="data:[^"]*"', "", text)
    assert not re.search(r'(src|href)="(https?:)?//', text)
    assert not re.search("<(script|link|img)[^>]* (src|href)=.https?:", made.html_page())
    name, alt, data = made.figures[0]
    drawn = ElementTree.fromstring(slides.licensed(data, alt))
    assert name.endswith(".svg")
    assert [part.text for part in drawn[:2]] == [alt, slides.LICENCE]
    assert "CC BY 4.0" in slides.LICENCE


def test_a_formula_in_html_is_escaped() -> None:
    made = slides.Deck("x", {})
    assert made.html("$a<b$ and $$c$$").count("&lt;") == 1


def test_gradescope_zip_has_the_grader_and_no_source(tmp_path: Path) -> None:
    build.gradescope("5-capacity", tmp_path / "z.zip", "https://example.org/repository")
    with zipfile.ZipFile(tmp_path / "z.zip") as file:
        names = set(file.namelist())
        assert names == {"setup.sh", "run_autograder", "setting.json"} | {
            f"{name}.py" for name in build.GRADER
        }
        assert all(leaks(file.read(name).decode()) == [] for name in names)
        assert file.getinfo("run_autograder").external_attr >> 16 & 0o111
        assert json.loads(file.read("setting.json"))["assignment"] == "5-capacity"


def test_results_are_in_gradescopes_words() -> None:
    part = {"checks": "all", "counts": True, "miss": ["f(1)", "gave 2", "count again"]}
    task = {"number": "5.2", "title": "T", "points": 0, "of": 6, "parts": [part]}
    record = {"tasks": [task], "errors": {"3": "raised"}, "fault": ""}
    found = gradescope.results(record, "limits only")
    assert found["tests"][0]["score"] == 0
    assert found["tests"][0]["max_score"] == 6
    assert "f(1) gave 2." in found["tests"][0]["output"]
    assert "Hint: count again." in found["tests"][0]["output"]
    assert "Code cell 3: raised" in found["output"]
