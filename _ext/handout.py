"""A chapter to hand out: its pages and notebooks without any solution, in a folder of their own.

python _ext/handout.py 07

Takes both from what `make colab` built. The folder needs neither the site nor a network; links to
other pages, and from the notebook to the page of its chapter, lead to the published book.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from urllib.parse import urljoin

import nbformat
import yaml
from bs4 import BeautifulSoup
from editions.addresses import STUDENTS, Addresses

from robustlib.commands.wrong import Parser

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / "_build"
# Solutions, and what only leads to the rest of the book.
CUT = (
    ".solution, .headerlink, .search-button__wrapper, .pst-scroll-pixel-helper, .bd-sidebar, "
    ".bd-sidebar-secondary, .bd-header, .bd-header-article, .bd-header-announcement, .bd-footer, "
    ".bd-footer-article, .bd-footer-content, #pst-back-to-top, #pst-skip-link, "
    "#pst-primary-sidebar-modal, #pst-secondary-sidebar-modal, #pst-search-dialog, "
    "link[rel=next], link[rel=prev], link[rel=index], link[rel=search]"
)
SEARCH = ("searchindex.js", "searchtools.js", "language_data.js")


def without_solutions(page: str, address: str) -> str:
    """A built page with its solutions cut out, readable beside a copy of ``_static``."""
    soup = BeautifulSoup(page, "html.parser")
    for element in soup.select(CUT):
        element.decompose()
    for script in soup.select("script[src]"):
        if str(script["src"]).partition("?")[0].endswith(SEARCH):
            script.decompose()
    for name in ("href", "src"):
        for element in soup.select(f"[{name}]"):
            target = str(element[name])
            if target.startswith(("../_static/", "../_images/")):
                element[name] = target.removeprefix("../")
            elif not target.startswith(("#", "data:", "_static/", "_images/")):
                element[name] = urljoin(address, target)
    return str(soup)


def without_way_out(path: Path) -> nbformat.NotebookNode:
    """A student's notebook without its first cell, which leads to the one with solutions."""
    notebook = nbformat.read(path, as_version=4)
    notebook.cells = [cell for cell in notebook.cells if cell.id != "edition"]
    return notebook


def main(arguments: list[str] | None = None) -> int:
    parser = Parser(description=__doc__)
    parser.add_argument(
        "chapter", metavar="CHAPTER", help="how its notebooks' names in chapters/ begin, say 07"
    )
    chapter = parser.parse_args(arguments).chapter
    names = sorted(path.stem for path in (ROOT / "chapters").glob("*.ipynb"))
    found = [name for name in names if chapter and name.startswith(chapter)]
    if len({name.partition("-")[0] for name in found}) != 1:
        begun = ", ".join(found) or "none"
        parser.error(f"CHAPTER must begin the names of one chapter, {chapter!r} begins {begun}")
    folder = BUILD / "handouts" / found[0]
    pages = [BUILD / "html" / "chapters" / f"{name}.html" for name in found]
    notebooks = [BUILD / "colab" / STUDENTS / f"{name}.ipynb" for name in found]
    for needed in (*pages, *notebooks):
        if not needed.is_file():
            parser.error(f"{needed.relative_to(ROOT)} is not built; run `make colab` first")
    addresses = Addresses.of(yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8")))
    shutil.rmtree(folder, ignore_errors=True)
    for resources in ("_static", "_images"):
        if (BUILD / "html" / resources).exists():
            shutil.copytree(BUILD / "html" / resources, folder / resources)
    for page, notebook in zip(pages, notebooks, strict=True):
        address = addresses.page(f"chapters/{page.stem}")
        text = without_solutions(page.read_text(encoding="utf-8"), address)
        (folder / page.name).write_text(text, encoding="utf-8")
        nbformat.write(without_way_out(notebook), folder / notebook.name)
        print(f"{folder.relative_to(ROOT)}: {page.name} and {notebook.name}, without solutions")
    return 0


if __name__ == "__main__":
    sys.exit(main())
