"""The front page: five questions answered on the first screen, a picture that is what it says."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from layout import PAGES, ROOT
from playwright.sync_api import Browser, Page
from sphinx.util.matching import Matcher
from test_prose_numbers import numbers_of_cells, unsupported
from visits import AXE, DESKTOP, PHONE, VIOLATIONS, visiting

FRONT = (ROOT / "index.md").read_text(encoding="utf-8")

# What a stranger asks, and the start of the element that answers.
QUESTIONS = {
    "what is this": "h1",
    "what does it show": ".rl-lead p",
    "for whom": ".rl-facts p:nth-child(1)",
    "what will I know": ".rl-facts p:nth-child(2)",
    "how long": ".rl-facts p:nth-child(3)",
    "where do I start": '.rl-doors a[href$="00-tour.html"]',
}
BOTTOMS = """questions => Object.entries(questions).map(([question, where]) =>
  [question, document.querySelector("article").querySelector(where).getBoundingClientRect()])
  .filter(([_, box]) => box.height < 5 || box.top < 0 || box.bottom > window.innerHeight)
  .map(([question, _]) => question)"""
MOVES = """() => document.querySelector(".rl-digits").getAnimations({subtree: true}).length"""


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_first_screen_answers_five_questions(
    browser: Browser, site: Path, viewport: dict[str, int]
) -> None:
    with visiting(browser, home=("file://",)) as visit:
        visit.page.set_viewport_size(viewport)
        visit.page.goto((site / "index.html").as_uri())
        assert visit.page.evaluate(BOTTOMS, QUESTIONS) == []
        assert visit.faults + visit.strangers == []


def rows_overlap(page: Page) -> bool:
    first, second = (page.locator(f".rl-{row}").bounding_box() for row in ("before", "after"))
    assert first is not None
    assert second is not None
    return first["y"] == second["y"]


def test_the_picture_moves_unless_the_reader_says_no(browser: Browser, site: Path) -> None:
    with visiting(browser, home=("file://",)) as visit:
        page = visit.page
        page.emulate_media(reduced_motion="no-preference")
        page.goto((site / "index.html").as_uri())
        assert page.evaluate(MOVES) == 2
        assert rows_overlap(page)
        page.locator(".rl-still input").check()
        assert page.evaluate(MOVES) == 0
        assert not rows_overlap(page)
        page.locator(".rl-still input").uncheck()
        page.evaluate(AXE)
        assert page.evaluate(VIOLATIONS) == []
        for media in ({"reduced_motion": "reduce"}, {"media": "print"}):
            page.emulate_media(**media)  # type: ignore[arg-type]
            assert page.evaluate(MOVES) == 0
            assert not rows_overlap(page)


def test_the_picture_is_what_the_script_draws(tmp_path: Path) -> None:
    """The digits are those that the tour's network misreads today."""
    code = "import picture; print(picture.html(*picture.misread()), end='')"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT / "_front", capture_output=True, text=True
    )
    assert run.stdout == (ROOT / "_front" / "picture.html").read_text(encoding="utf-8"), run.stderr
    assert len(run.stdout) < 20_000


def test_the_map_is_what_the_script_draws_and_shows_every_chapter() -> None:
    sys.path.insert(0, str(ROOT / "_front"))
    import roads

    drawn = roads.html()
    assert drawn == roads.MAP.read_text(encoding="utf-8")
    label = re.search(r'aria-label="([^"]*)"', drawn)[1]
    numbers = {int(page[9:11]) for page in PAGES if re.match(r"chapters/(?!00)\d\d", page)}
    assert set(roads.CHAPTERS) == numbers
    assert {int(number) for number in re.findall(r"\d+", label)} == numbers
    assert set(re.findall(r"\b[A-E]\b", label)) == set(roads.THEOREMS) == set("ABCDE")


def test_the_numbers_of_the_front_page_are_those_of_the_tour() -> None:
    import nbformat

    tour = nbformat.read(ROOT / "chapters" / "00-tour.ipynb", as_version=4)
    known = numbers_of_cells(tour) | {"1906.07916"}
    assert unsupported(FRONT.partition("## Version")[0], known) == []


def test_the_tour_takes_as_long_as_it_says(site: Path) -> None:
    """Half an hour, in its title and on the front page; its exercises come on top."""
    page = (site / "chapters" / "00-tour.html").read_text(encoding="utf-8")
    assert "<title>The course in half an hour" in page
    assert "[Half an hour: the tour]" in FRONT
    assert 25 <= int(re.search(r"About (\d+) minutes to read; 3 exercises", page)[1]) <= 35
    assert "the three exercises forty minutes more" in page
    titles = re.findall(r'<p class="admonition-title">.*?</p>', page, re.S)
    assert sum(int(m) for t in titles for m in re.findall(r"(\d+) minutes\)", t)) == 40


def test_version_and_date_are_those_of_the_package() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    package = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    version = package["project"]["version"]
    assert citation["version"] == version
    assert f"Version {version} of {citation['date-released']}" in FRONT
    assert f"Version {version}}}" in FRONT
    assert citation["references"][0]["title"] in FRONT


def test_the_map_lists_every_chapter() -> None:
    chapters = [page for page in PAGES if re.match(r"chapters/\d\d", page)]
    rows = [line for line in FRONT.splitlines() if line.startswith("| {doc}")]
    found = [re.search(r"<(chapters/[^>]*)>", row)[1] for row in rows]
    assert [f"{name}.html" for name in found] == chapters
    for row, name in zip(rows, found, strict=True):
        assert row.endswith(f"| {{minutes}}`{name.removeprefix('chapters/')}` |")


def test_a_shared_link_shows_what_the_page_is(site: Path) -> None:
    """Title, description and a picture, which is there."""
    for name in PAGES:
        page = (site / name).read_text(encoding="utf-8")
        tags = dict(re.findall(r'<meta (?:property|name)="([\w:]+)" content="([^"]*)" />', page))
        assert "&lt;" not in tags["og:title"]
        assert 100 < len(tags["description"]) < 300
        assert tags["og:url"].endswith(name)
        assert (site / "_static" / tags["og:image"].rpartition("/")[2]).stat().st_size < 100_000


def test_the_minutes_of_the_map_are_those_of_the_chapters(site: Path) -> None:
    front = (site / "index.html").read_text(encoding="utf-8")
    rows = re.findall(r'href="(chapters/\d\d[^"]*)">.*?<p>(\d+)</p></td>\s*</tr>', front, re.S)
    assert len(rows) == len([page for page in PAGES if re.match(r"chapters/\d\d", page)])
    for name, minutes in rows:
        page = (site / name).read_text(encoding="utf-8")
        shown = re.search(r"About (\d+) minutes to read(?:, and (\d+) more)?", page)
        assert sum(int(part or 0) for part in shown.groups()) == int(minutes), name


def test_what_make_installs_is_no_part_of_the_book() -> None:
    """After ``make assignments`` the book could no longer be built."""
    left_out = Matcher(
        yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["exclude_patterns"]
    )
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    folders = [name.rstrip("/") for name in ignored if name.startswith((".venv", "benchmarks"))]
    assert len(folders) == 3
    assert [name for name in folders if not left_out(name)] == []
