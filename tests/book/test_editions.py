"""Editions for Colab: nothing raw, nothing lost, the site's numbers, links that lead somewhere."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
import yaml
from layout import ROOT
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.dollarmath import dollarmath_plugin
from mdit_py_plugins.myst_role import myst_role_plugin
from test_links import targets

sys.path.insert(0, str(ROOT / "_ext"))

from bs4 import BeautifulSoup
from editions.addresses import Addresses
from editions.blocks import Converter
from editions.notebooks import SET_UP, Head, edition
from handout import without_solutions, without_way_out

CHAPTERS = sorted((ROOT / "chapters").glob("*.ipynb"))
EDITIONS = ROOT / "_build" / "colab"
FOLDERS = ("chapters", "students")
RAW = [
    r"(`{3,}|:{3,})\s*\{[\w:-]+\}",  # directives, in code too: a comment there is read as well
    r"\{[\w:+-]+\}`",  # roles
    r"(?m)^\s*(>\s*)*:[\w-]+: ",  # options
    r"(?m)^\s*(>\s*)*\([\w-]+\)=\s*$",  # targets
    r"<!--",
]
PARSER = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin, allow_labels=False)
BOX = re.compile(r"^(?:> \*\*|#+ )\[([^]]+)\]\((\S+?)\)", re.M)
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
BOOK = Addresses.of(CONFIG)
ADDRESS = BOOK.repository

each_chapter = pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda path: path.stem)
each_edition = pytest.mark.parametrize("folder", FOLDERS)


@cache
def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


@cache
def built(folder: str, name: str) -> nbformat.NotebookNode:
    """An edition, refused when it is missing or older than its chapter."""
    path, source = EDITIONS / folder / name, ROOT / "chapters" / name
    if not path.exists() or path.stat().st_mtime < source.stat().st_mtime:
        pytest.fail(f"{path.relative_to(ROOT)} is missing or out of date: run `make colab` first")
    return read(path)


def texts(notebook: nbformat.NotebookNode) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]


def code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tokens(text: str, parser: MarkdownIt = PARSER) -> Iterator[Token]:
    """All tokens of a Markdown text; with a parser of MyST, also those inside directives."""
    for token in parser.parse(text):
        yield token
        yield from token.children or []
        if token.type == "fence" and re.match(r"\{(?!code)", token.info) and parser is not PARSER:
            yield from (t for t in parser.parseInline(token.info) for t in t.children or [])
            yield from tokens(token.content, parser)


def raw(notebook: nbformat.NotebookNode) -> list[str]:
    return [m[0] for text in texts(notebook) for p in RAW for m in re.finditer(p, text)]


def answers_in_code(notebook: nbformat.NotebookNode) -> set[str]:
    """The ids of the code cells that stand between the marks of a solution."""
    inside, found = False, set()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            found |= {cell.id} if inside else set()
        for mark in re.findall(r"^`+\{solution-(start|end)\}", cell.source, re.M):
            inside = mark == "start"
    return found


@each_edition
@each_chapter
def test_nothing_is_raw(chapter: Path, folder: str) -> None:
    assert raw(read(chapter)), "the patterns find nothing in a source either"
    assert raw(built(folder, chapter.name)) == []


@each_edition
@each_chapter
def test_edition_is_a_valid_notebook(chapter: Path, folder: str) -> None:
    notebook = built(folder, chapter.name)
    nbformat.validate(notebook)
    ids = [cell.id for cell in notebook.cells]
    assert len(ids) == len(set(ids))


@each_chapter
def test_code_and_outputs_are_the_chapters(chapter: Path) -> None:
    def content(cell: nbformat.NotebookNode) -> tuple[str, str, object]:
        return cell.id, cell.source, cell.outputs

    sources = [content(cell) for cell in code(read(chapter))]
    copies = [content(cell) for cell in code(built("chapters", chapter.name))]
    assert copies[1:] == sources[1:]
    assert copies[0] == (sources[0][0], SET_UP.format(repository=ADDRESS), [])
    hidden = answers_in_code(read(chapter))
    students = [content(cell) for cell in code(built("students", chapter.name))]
    kept = [cell for cell in students if cell[1]]
    assert kept == [cell for cell in copies if cell[0] not in hidden]
    # so that running the edition with solutions is a test of the one without them too
    assert kept == copies[: len(kept)], "code that may need a solution follows one"


@each_chapter
def test_no_formula_is_lost(chapter: Path) -> None:
    """The formulas of the book and those of its edition are the same, each as often."""
    book = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin, allow_labels=False)
    book.use(myst_role_plugin)

    def formulas(notebook: nbformat.NotebookNode, parser: MarkdownIt) -> Counter[str]:
        found = (token for text in texts(notebook) for token in tokens(text, parser))
        return Counter(" ".join(t.content.split()) for t in found if t.type.startswith("math_"))

    sources = formulas(read(chapter), book)
    assert sum(sources.values()) > 10
    assert formulas(built("chapters", chapter.name), PARSER) == sources


@each_edition
@each_chapter
def test_links_lead_somewhere(chapter: Path, folder: str, site: Path) -> None:
    for text in texts(built(folder, chapter.name)):
        for token in tokens(text):
            if token.type != "link_open":
                continue
            address, _, anchor = str(token.attrs["href"]).partition("#")
            assert "://" in address, f"{address} is relative"
            if address.startswith(BOOK.site):
                page = site / address.removeprefix(BOOK.site)
                assert page.is_file(), address
                assert not anchor or anchor in targets(page).anchors, f"{address}#{anchor}"
            elif "/blob/colab/" in address:
                assert (EDITIONS / address.partition("/blob/colab/")[2]).is_file(), address


class Titles(HTMLParser):
    """The numbers that a built page shows on its statements and exercises, by anchor."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self.anchor = ""
        self.title: str | None = None

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = dict(attributes)
        classes = (given.get("class") or "").split()
        if tag == "div" and {"proof", "exercise"} & set(classes):
            self.anchor = given.get("id") or ""
        if tag == "span" and "caption-number" in classes:
            self.title = ""

    def handle_data(self, data: str) -> None:
        if self.title is not None:
            self.title += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "span" and self.title is not None:
            if self.anchor:  # figures are numbered too
                self.found.append((self.anchor, self.title.strip()))
            self.anchor, self.title = "", None


@each_edition
@each_chapter
def test_numbers_are_those_of_the_built_page(chapter: Path, folder: str, site: Path) -> None:
    """The page is read as readers see it, the edition got its numbers from Sphinx's tables."""
    page = Titles()
    page.feed((site / "chapters" / f"{chapter.stem}.html").read_text(encoding="utf-8"))
    assert page.found
    boxes = [
        (address.partition("#")[2], number)
        for text in texts(built(folder, chapter.name))
        for number, address in BOX.findall(text)
    ]
    assert boxes == page.found


@each_chapter
def test_students_get_an_empty_cell_for_each_solution(chapter: Path) -> None:
    fences = re.findall(r"^`+\{solution(?:-start)?\}", "\n".join(texts(read(chapter))), re.M)
    full, student = (built(folder, chapter.name) for folder in FOLDERS)
    answers = [text for text in texts(full) if re.match(r"<details>\n<summary>Sol|#+ Sol", text)]
    assert len(answers) == len(fences) > 0
    empty = [cell for cell in student.cells if not cell.source]
    assert len(empty) == len(fences)
    assert "Solution of" not in "\n".join(texts(student))
    inside = {line for text in answers for line in text.splitlines() if len(line) > 30}
    assert inside.isdisjoint(line for text in texts(student) for line in text.splitlines())


@each_chapter
def test_the_rocket_leads_to_the_editions(chapter: Path, site: Path) -> None:
    links = targets(site / "chapters" / f"{chapter.stem}.html").links
    rockets = [link for link in links if "colab.research" in link]
    assert rockets == [BOOK.colab(f"{folder}/{chapter.name}") for folder in FOLDERS]
    start = "https://colab.research.google.com/github/"
    assert rockets[0] == f"{start}{ADDRESS[19:]}/blob/colab/chapters/{chapter.name}"


@pytest.mark.parametrize("name", ["03-lazy", "07-convergence"])
def test_a_handout_has_no_solution_and_no_dead_link(name: str, site: Path) -> None:
    source = (site / "chapters" / f"{name}.html").read_text(encoding="utf-8")
    text = without_solutions(source, BOOK.page(f"chapters/{name}"))
    page, handout = (BeautifulSoup(html, "html.parser") for html in (source, text))
    answers = [found.get_text(strip=True) for found in page.select(".solution p, .solution pre")]
    assert len(answers) > 10
    assert not [answer for answer in answers if len(answer) > 30 and answer in handout.get_text()]
    assert len(handout.select(".exercise")) == len(page.select(".exercise")) > 0
    for element in handout.select("[href], [src]"):
        target = str(element.get("href") or element.get("src"))
        if target.startswith("_"):
            assert (site / target.partition("?")[0]).is_file(), target
        elif target.startswith("#") and target != "#":
            assert handout.find(id=target[1:]) or handout.find(attrs={"name": target[1:]}), target
        else:
            assert target == "#" or target.startswith(("https://", "data:")), target


@each_chapter
def test_the_notebook_of_a_handout_does_not_lead_to_the_one_with_solutions(chapter: Path) -> None:
    student, answers = built("students", chapter.name), BOOK.colab(f"chapters/{chapter.name}")
    handed_out = without_way_out(EDITIONS / "students" / chapter.name)
    assert answers in student.cells[0].source
    assert not [cell for cell in handed_out.cells if answers in cell.source]
    assert handed_out.cells == student.cells[1:]


class Echo:
    """Speaks as the site does, in made-up words."""

    def markdown(self, snippet: str) -> str:
        return f"[{re.sub('[^a-z-]', '', snippet)}](https://book#x)"

    def address(self, href: str) -> str:
        return f"https://book/{href}"


@pytest.fixture
def converter() -> Converter:
    from markdown_it.renderer import RendererHTML
    from myst_parser.config.main import MdParserConfig
    from myst_parser.parsers.mdit import create_md_parser

    extensions = set(CONFIG["parse"]["myst_enable_extensions"])
    return Converter(
        create_md_parser(MdParserConfig(enable_extensions=extensions), RendererHTML), Echo()
    )


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (
            "Before.\n```{prf:lemma} A $t$\n:label: lem\n\nTwo\n\n$$\na\n\\le b\n$$\n```\nAfter.",
            "Before.\n\n> **[prfreflem](https://book#x) (A $t$).**\n>\n> Two\n>\n"
            "> $$a \\le b$$\n\nAfter.",
        ),
        (
            "````{prf:proof}\n:class: dropdown\n\n{prf:ref}`lem`\n\n```\n{x}`y`\n```\n````\nA.",
            "<details>\n<summary>Proof</summary>\n\n[prfreflem](https://book#x)\n\n"
            "```\n{x}`y`\n```\n\n</details>\n\nA.",
        ),
        (
            ":::{admonition} Guess first\nWhat?\n\n* **A.** $a$.\n* **B.** No.\n:::",
            "> **Guess first**\n>\n> What?\n>\n> * **A.** $a$.\n> * **B.** No.",
        ),
        (
            ":::{admonition} Answer: A\n:class: dropdown\nYes.\n:::\n\nMore.",
            "<details>\n<summary>Answer: A</summary>\n\nYes.\n\n</details>\n\nMore.",
        ),
        ("`{a}` is code, `{prf:ref}` too", "`{a}` is code, `{prf:ref}` too"),
        ("`` {prf:ref}`a` ``, {prf:ref}`a`", "`` {prf:ref}`a` ``, [prfrefa](https://book#x)"),
        (
            "(here)=\n% unseen\n<!-- unseen -->\nSeen, [there](other)",
            "Seen, [there](https://book/other)",
        ),
        (
            "* one {cite:t}`a`\n\n  ```{note}\n  Inside.\n  ```",
            "* one [citeta](https://book#x)\n\n  > **Note**\n  >\n  > Inside.",
        ),
        (
            "| a | b |\n|---|---|\n| {doc}`a` | c |",
            "| a | b |\n|---|---|\n| [doca](https://book#x) | c |",
        ),
    ],
)
def test_forms(converter: Converter, source: str, expected: str) -> None:
    assert converter.text(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        "```{figure} a.png\n```",
        "A ![picture](a.png).",
        "{{ substitution }}",
        "term\n: its definition",
        "```{prf:theorem} Without a label\nA.\n```",
        "* a list\n\n  ```{solution} ex\n  A.\n  ```",
    ],
)
def test_what_has_no_form_is_refused(converter: Converter, source: str) -> None:
    with pytest.raises(ValueError, match=r"form here|without a label|inside a list"):
        converter.pieces(source)


def test_a_fold_that_would_swallow_text_is_refused(converter: Converter) -> None:
    source = "```{solution-start} ex\n```\nA.\n```{solution-end}\n```\nText that belongs to all."
    cells = [nbformat.v4.new_markdown_cell(source, id="a")]
    head = Head("title", "page", "repository", "other")
    notebook = nbformat.v4.new_notebook(cells=cells)
    with pytest.raises(ValueError, match="a heading or an exercise must come"):
        edition(notebook, converter, head, student=False)
    assert "belongs" in str(edition(notebook, converter, head, student=True).cells)
