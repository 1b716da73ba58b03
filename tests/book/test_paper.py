"""The PDF of the book and the zip: what stands in them, and the menu that offers them."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from layout import ROOT
from paper import first_pages, offer, pack, print_book, rename_bookmarks, whole_book
from playwright.sync_api import Browser
from pypdf import PdfReader, PdfWriter

pytestmark = pytest.mark.xdist_group("pdf")  # one worker, so that it is printed once

# The first without formulas, so that the head must come from another; the last has explorers.
SOME = ["chapters/assignments.html", "chapters/notation.html", "chapters/00-tour.html"]
TITLES = ["Assignments", "Notation", "The course in half an hour"]


def squeezed(text: str) -> str:
    return re.sub(r"\s", "", text)


def alternatives(element: Any) -> list[str]:
    """The alternative texts in a tree of tags."""
    found, waiting = [], [element]
    while waiting:
        e = waiting.pop().get_object()
        if isinstance(e, list):
            waiting += e
        elif isinstance(e, dict):
            found += [str(e["/Alt"])] if "/Alt" in e else []
            waiting += [e["/K"]] if "/K" in e else []
    return found


@pytest.fixture(scope="module")
def printed(browser: Browser, site: Path) -> tuple[bytes, list[str]]:
    return print_book(SOME, browser, site=site)


def test_the_contents_name_the_pages_on_which_chapters_begin(
    printed: tuple[bytes, list[str]],
) -> None:
    reader = PdfReader(io.BytesIO(printed[0]))
    numbers = first_pages(printed[0], len(SOME))
    assert numbers[0] == 3  # after the title and the contents
    contents = reader.pages[1].extract_text()
    for title, number in zip(TITLES, numbers, strict=True):
        assert re.search(rf"{title} {number}\b", contents)
        assert squeezed(title) in squeezed(reader.pages[number - 1].extract_text())


def test_explorers_show_their_first_state_and_pictures_keep_their_words(
    site: Path, printed: tuple[bytes, list[str]]
) -> None:
    reader = PdfReader(io.BytesIO(printed[0]))
    text = squeezed("".join(page.extract_text() for page in reader.pages))
    soup = BeautifulSoup((site / SOME[-1]).read_text(encoding="utf-8"), "html.parser")
    explorers = soup.find_all(class_="rl-explorer")
    assert explorers
    for explorer in explorers:
        states = json.loads(explorer.find("script", class_="rl-states").string)
        begin = 0
        for parameter in states["parameters"]:
            begin = begin * len(parameter["values"]) + parameter["begin"]
        shown = [k for k, s in enumerate(states["sentences"]) if squeezed(s) in text]
        assert begin in shown
        assert len({states["sentences"][k] for k in shown}) == 1
    words = [squeezed(alt) for alt in alternatives(reader.root_object["/StructTreeRoot"])]
    stills = soup.select(".rl-figure svg")
    assert stills
    for svg in stills:
        assert squeezed(str(svg["aria-label"])) in words


def test_bookmarks_read_as_the_headings_do(printed: tuple[bytes, list[str]]) -> None:
    writer = PdfWriter(clone_from=io.BytesIO(printed[0]))
    rename_bookmarks(writer, printed[1])
    target = io.BytesIO()
    writer.write(target)
    outline = PdfReader(target).outline
    assert [item.title for item in outline if not isinstance(item, list)] == TITLES


def test_solutions_are_left_out_on_request(site: Path) -> None:
    assert 'class="rl-no-solutions"' in whole_book(SOME, solutions=False, site=site)
    assert 'class="rl-no-solutions"' not in whole_book(SOME, solutions=True, site=site)


def test_ids_are_unique_and_links_stay_within_the_book(site: Path) -> None:
    soup = BeautifulSoup(whole_book(SOME, solutions=True, site=site), "html.parser")
    ids = [str(e["id"]) for e in soup.find_all(id=True)]
    assert len(ids) == len(set(ids))
    inside = [str(a["href"])[1:] for a in soup.find_all("a", href=re.compile("^#"))]
    assert len(inside) > len(SOME)
    assert set(inside) <= set(ids)


def test_every_menu_offers_both_files_once(site: Path, tmp_path: Path) -> None:
    page = (site / SOME[0]).read_text(encoding="utf-8")
    target = tmp_path / SOME[0]
    target.parent.mkdir()
    target.write_text(page, encoding="utf-8")
    for size in (3, 4):
        offer(tmp_path, size)
    soup = BeautifulSoup(target.read_text(encoding="utf-8"), "html.parser")
    links = {a.get_text(): a["href"] for a in soup.select(".rl-book a")}
    assert links == {
        "whole book, .pdf (4 pages)": "../book.pdf",
        "whole book, offline (.zip)": "../book.zip",
    }
    (tmp_path / "book.pdf").write_text("", encoding="utf-8")
    pack(tmp_path)
    with zipfile.ZipFile(tmp_path / "book.zip") as archive:
        assert archive.namelist() == [f"book/{SOME[0]}"]


def test_figures_that_stand_still_have_the_colours_of_the_page(site: Path) -> None:
    for path in sorted((ROOT / "chapters").glob("*.ipynb")):
        stored = path.read_text(encoding="utf-8").count('"image/svg+xml"')
        soup = BeautifulSoup(
            (site / f"chapters/{path.stem}.html").read_text("utf-8"), "html.parser"
        )
        shown = soup.select(".rl-figure svg")
        assert len(shown) == stored, path.stem
        for svg in shown:
            assert str(svg["aria-label"]).strip()
            assert not re.search("#[0-9a-f]{6}", str(svg)), path.stem
