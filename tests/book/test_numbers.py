"""Chapters and statements are numbered as their files are, and every mention of one is a link.

A chapter may have further pages, ``sections`` in _toc.yml: they stand below it in the sidebar, and
their statements go on with its numbers.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
import yaml
from layout import ROOT, further_pages, pages_of_the_book

CHAPTERS = sorted((ROOT / "chapters").glob("[01][0-9]*.ipynb"))
NUMBERED = [path for path in CHAPTERS if path.stem != "00-tour"]
FIRST = [path for path in NUMBERED if f"chapters/{path.stem}" not in further_pages()]
SOURCES = [
    *CHAPTERS,
    *sorted((ROOT / "chapters").glob("reference/*.md")),
    *sorted((ROOT / "chapters").glob("*.md")),
    ROOT / "index.md",
]
LETTERS = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["sphinx"]["config"][
    "main_theorems"
]
# {doc}`chapter 7 <07-convergence>` and [chapter 7](07-convergence) are links
LINK = re.compile(r"\{doc\}`[^`<]*<[^`>]*>`|\[[^\]\n]*\]\([^)\n]*\)")
PLAIN = re.compile(r"\b(?:[Cc]hapters?|[Cc]h\.)[ ~]\d+")
NUMBERED_LINK = re.compile(r"\{doc\}`(?:[Cc]hapter )?(\d+) <(?:chapters/)?(\d+)")


def boxes(page: str) -> list[tuple[str, str]]:
    """Kind and number of every statement and exercise of a built page, in order."""
    return re.findall(r'<span class="caption-number">\s*(\w+) ([\w.]*)', page)


def texts(path: Path) -> Iterator[str]:
    """The prose of a page, and what its cells print."""
    if path.suffix == ".md":
        yield path.read_text(encoding="utf-8")
        return
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            yield cell.source
        for output in cell.get("outputs", []):
            yield output.get("text", "")
            yield from (text for kind, text in output.get("data", {}).items() if "text" in kind)


def plain_mentions(text: str) -> list[str]:
    return PLAIN.findall(LINK.sub("", text))


def number(path: Path) -> int:
    return int(path.stem[:2])


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_every_mention_of_a_chapter_is_a_link_with_its_number(path: Path) -> None:
    for text in texts(path):
        assert plain_mentions(text) == [], text[:200]
        for shown, file in NUMBERED_LINK.findall(text):
            assert shown == str(int(file))


def test_a_plain_mention_is_seen() -> None:
    assert plain_mentions("as in chapter 07, or chapters 3 and 4") == ["chapter 07", "chapters 3"]
    assert plain_mentions("{doc}`chapter 7 <07-convergence>`, [Chapter 7](07-convergence)") == []


@pytest.mark.parametrize("path", NUMBERED, ids=lambda path: path.stem)
def test_boxes_and_exercises_have_the_number_of_their_file(site: Path, path: Path) -> None:
    found = boxes((site / "chapters" / f"{path.stem}.html").read_text(encoding="utf-8"))
    assert len(found) > 3
    for kind, shown in found:
        assert shown.startswith(f"{number(path)}.") or (kind == "Theorem" and shown in LETTERS)


@pytest.mark.parametrize("path", FIRST, ids=lambda path: path.stem)
def test_the_built_page_shows_the_number_of_its_file(site: Path, path: Path) -> None:
    """In the title, the heading and the sidebar."""
    page = (site / "chapters" / f"{path.stem}.html").read_text(encoding="utf-8")
    shown = f"{number(path)}. "
    assert re.search("<title>(.{4})", page)[1].startswith(shown)
    assert f'<h1><span class="section-number">{shown}</span>' in page
    sidebar = page.partition('class="bd-links')[2].partition("</nav>")[0]
    assert re.search(rf'<a class="[^"]*" href="#">\s*{shown}', sidebar)


@pytest.mark.parametrize(("page", "first"), further_pages().items())
def test_a_further_page_goes_on_with_the_numbers_of_its_chapter(
    site: Path, page: str, first: str
) -> None:
    before, after = (boxes((site / f"{p}.html").read_text(encoding="utf-8")) for p in (first, page))
    for kind in {kind for kind, _ in after}:
        found = [int(shown.rpartition(".")[2]) for k, shown in before + after if k == kind]
        assert found == list(range(1, len(found) + 1)), kind
    sidebar = (site / f"{page}.html").read_text(encoding="utf-8").partition('class="bd-links')[2]
    parent, _, below = sidebar.partition("</nav>")[0].partition(f'{Path(first).name}.html"')
    assert parent
    assert below.partition("toctree-l1")[0].count('href="#"') == 1


def test_the_main_theorems_have_one_name(site: Path) -> None:
    """In their boxes, and wherever a page refers to them."""
    referred = 0
    for name in pages_of_the_book():
        page = (site / f"{name}.html").read_text(encoding="utf-8")
        for letter, label in LETTERS.items():
            links = re.findall(rf'<a [^>]*href="[^"#]*#{label}"[^>]*>(.*?)</a>', page)
            assert all(html.unescape(text) == f"Theorem {letter}" for text in links)
            referred += len(links)
            box = page.partition(f'id="{label}">')[2]
            if box:
                assert re.match(r'\s*<p.*?"caption-number">Theorem (\w)', box)[1] == letter
    assert referred >= 2 * len(LETTERS)
