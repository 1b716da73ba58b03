"""The built site as one PDF and as a zip for reading offline, both offered on every page.

python _ext/paper.py [--without-solutions]

Chromium prints all pages as one document, so that the PDF has tags, bookmarks, links and the
alternative texts of the pages; it does so twice, since only a print tells the numbers of pages that
the contents need.
"""

from __future__ import annotations

import html
import io
import re
import tempfile
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import yaml
from bs4 import BeautifulSoup, Tag
from built import CHROMIUM_ARGUMENTS, ROOT, SITE, chromium, pages_of_the_book
from playwright.sync_api import Browser, sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.generic import NameObject, TextStringObject

from robustlib.commands.wrong import Parser

PDF, ZIP = "book.pdf", "book.zip"

SETTLED = """async () => {
  if (window.MathJax?.startup?.promise) await MathJax.startup.promise;
  await document.fonts.ready;
  return [...document.querySelectorAll(".math")].filter(e => !e.querySelector("mjx-container"))
    .map(e => e.textContent);
}"""
HEADINGS = """() => [...document.querySelectorAll("h1, h2, h3, h4, h5, h6")].map(
  e => e.textContent.replace(/#$/, "").replace(/\\s+/g, " ").trim())"""
NUMBER = """numbers => document.querySelectorAll(".rl-contents span").forEach(
  (e, index) => { e.textContent = numbers[index]; })"""
# Pointers to ids, other than href.
POINTERS = ("aria-labelledby", "aria-describedby", "aria-controls", "for")


def slug(page: str) -> str:
    return re.sub(r"\W+", "-", page.removesuffix(".html"))


def article_of(page: str, pages: list[str], site: Path) -> Tag:
    """The text of one page, its ids and links made those of the whole book."""
    soup = BeautifulSoup((site / page).read_text(encoding="utf-8"), "html.parser")
    article = soup.find("article")
    assert isinstance(article, Tag)
    for e in article.find_all(True):
        if e.find_parent(class_=["rl-explorer", "rl-figure"]) or "rl-explorer" in e.get(
            "class", []
        ):
            continue  # their ids are unique already
        for key in ("id", *POINTERS):
            if e.get(key):
                e[key] = " ".join(f"{slug(page)}--{name}" for name in str(e[key]).split())
        for key in ("href", "src"):
            if e.get(key) and not str(e[key]).startswith("data:"):
                e[key] = _address(urljoin(page, str(e[key])), pages)
    article["id"] = slug(page)
    heading = article.find("h1")
    assert isinstance(heading, Tag)
    heading["class"] = "rl-first"  # the theme prints titles elsewhere
    return article


def _address(target: str, pages: list[str]) -> str:
    parts = urlsplit(target)
    if parts.scheme or parts.netloc or parts.path not in pages:
        return target
    return f"#{slug(parts.path)}--{parts.fragment}" if parts.fragment else f"#{slug(parts.path)}"


def _head(pages: list[str], site: Path) -> str:
    """The head of the first page with formulas, as only such a page loads MathJax."""
    heads = [
        re.findall(r"<head>.*?</head>", (site / p).read_text("utf-8"), re.DOTALL) for p in pages
    ]
    k = next((k for k, (head,) in enumerate(heads) if "mathjax" in head), 0)
    up = "../" * pages[k].count("/")
    return str(heads[k][0].replace(f'"{up}_static', '"_static') if up else heads[k][0])


def whole_book(pages: list[str], *, solutions: bool, site: Path = SITE) -> str:
    """All pages as one, after a title page and contents with empty places for page numbers."""
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    articles = [article_of(page, pages, site) for page in pages]
    titles = [_title(article) for article in articles]
    contents = "".join(
        f'<li><a href="#{slug(page)}">{html.escape(title)}</a> <span></span></li>'
        for page, title in zip(pages, titles, strict=True)
    )
    front = (
        f'<div class="rl-title"><p class="rl-name">{html.escape(config["title"])}</p>'
        f"<p>{html.escape(config['author'])}</p><p>{date.today().isoformat()}</p>"
        f"<p>{html.escape(config['repository']['url'])}</p></div>"
        f'<nav class="rl-contents"><p class="rl-name">Contents</p><ol>{contents}</ol></nav>'
    )
    style = (
        "<style>.bd-main .bd-article h1:first-of-type.rl-first { display: block; }"
        " @page { @bottom-center { content: counter(page); font: 9pt sans-serif; } }"
        ".rl-title, .rl-contents, article { break-after: page; } .rl-name { font-size: 2rem; }"
        ".rl-title { padding-top: 30vh; text-align: center; } .rl-contents ol { padding: 0; }"
        ".rl-contents li { display: flex; justify-content: space-between; }</style>"
    )
    title = f"<title>{html.escape(config['title'])}</title>"
    header = re.sub(r"<title>.*?</title>", title, _head(pages, site))
    options = "" if solutions else ' class="rl-no-solutions"'
    body = "\n".join(str(article) for article in articles)
    return (
        f'<!doctype html><html lang="en" data-theme="light" data-content_root="./"{options}>'
        f'{header.replace("</head>", style + "</head>")}<body><main class="bd-main">'
        f'<div class="bd-content"><div class="bd-article-container">{front}{body}</div></div>'
        "</main></body></html>"
    )


def _title(article: Tag) -> str:
    heading = article.find("h1")
    assert isinstance(heading, Tag)
    return heading.get_text().removesuffix("#").strip()


def first_pages(printed: bytes, titles: int) -> list[int]:
    """On which pages the chapters begin, by the bookmarks of their titles."""
    reader = PdfReader(io.BytesIO(printed))
    tops = [item for item in reader.outline if not isinstance(item, list)]
    if len(tops) != titles:
        raise ValueError(f"{titles} titles, but {len(tops)} bookmarks: {[t.title for t in tops]}")
    return [(reader.get_destination_page_number(top) or 0) + 1 for top in tops]


def print_book(
    pages: list[str], browser: Browser, *, solutions: bool = True, site: Path = SITE
) -> tuple[bytes, list[str]]:
    """The PDF of these pages, and all their headings.

    Raises ``RuntimeError`` where a formula was not typeset.
    """
    text = whole_book(pages, solutions=solutions, site=site)
    # in the site, for its links; under a name of its own, for two may print at once
    handle, name = tempfile.mkstemp(dir=site, prefix="whole-book-", suffix=".html")
    source = Path(name)
    with open(handle, "w", encoding="utf-8") as target:
        target.write(text)
    how: dict[str, Any] = {"prefer_css_page_size": True, "print_background": True}
    sheet = browser.new_page()
    sheet.set_default_timeout(600_000)
    try:
        sheet.goto(source.as_uri(), wait_until="load")
        if raw := sheet.evaluate(SETTLED):
            raise RuntimeError(f"{len(raw)} formulas are not typeset, the first: {raw[0]}")
        # laid out as on paper before the sheets are counted: else the last ones may be missing
        sheet.emulate_media(media="print")
        sheet.evaluate(SETTLED)
        sheet.wait_for_timeout(2000)
        headings = sheet.evaluate(HEADINGS)
        for _ in range(2):
            printed = sheet.pdf(tagged=True, outline=True, **how)
            sheet.evaluate(NUMBER, first_pages(printed, len(pages)))
    finally:
        sheet.close()
        source.unlink()
    return printed, headings


def offer(site: Path, size: int) -> None:
    """Entries for both files in every page's menu of downloads."""
    for path in site.rglob("*.html"):
        up = "../" * (len(path.relative_to(site).parts) - 1)
        entry = (
            f'<li class="rl-book"><a class="btn btn-sm dropdown-item" href="{up}{PDF}">'
            f"whole book, .pdf ({size} pages)</a></li>"
            f'<li class="rl-book"><a class="btn btn-sm dropdown-item" href="{up}{ZIP}">'
            "whole book, offline (.zip)</a></li>"
        )
        before = path.read_text(encoding="utf-8")
        after = re.sub(r'<li class="rl-book">.*?</li>', "", before, flags=re.DOTALL)
        menu = r'(dropdown-download-buttons.*?<ul class="dropdown-menu">)'
        after = re.sub(menu, rf"\1{entry}", after, count=1, flags=re.DOTALL)
        if after != before:
            path.write_text(after, encoding="utf-8")


def pack(site: Path) -> None:
    """The site as a zip, without the two files for download."""
    with zipfile.ZipFile(site / ZIP, "w", zipfile.ZIP_DEFLATED) as target:
        for path in sorted(site.rglob("*")):
            if path.is_file() and path.name not in (PDF, ZIP):
                target.write(path, Path("book") / path.relative_to(site))


def rename_bookmarks(writer: PdfWriter, headings: list[str]) -> None:
    """Chromium drops the space where a heading wraps, and doubles one that begins a page."""
    spaced = {re.sub(r"\s", "", heading): heading for heading in headings}
    for item in _bookmarks(writer.root_object["/Outlines"]):
        title = re.sub(r"\s", "", str(item["/Title"]))
        half = title[: len(title) // 2]
        name = spaced.get(half if half * 2 == title else title)
        if name:
            item[NameObject("/Title")] = TextStringObject(name)


def _bookmarks(parent: Any) -> Iterator[Any]:
    item = parent.get("/First")
    while item is not None:
        yield item.get_object()
        yield from _bookmarks(item.get_object())
        item = item.get_object().get("/Next")


def main(arguments: list[str] | None = None) -> None:
    parser = Parser(description=__doc__)
    parser.add_argument("--without-solutions", action="store_true")
    options = parser.parse_args(arguments)
    pages = [f"{name}.html" for name in pages_of_the_book()]
    missing = [page for page in pages if not (SITE / page).exists()]
    if missing:
        raise SystemExit(f"FAILED: not built: {', '.join(missing)}; run `make book` first")
    found = chromium()
    if found is None:
        raise SystemExit("FAILED: no Chromium or Chrome: install one, or set CHROME to its path")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=CHROMIUM_ARGUMENTS)
        printed, headings = print_book(pages, browser, solutions=not options.without_solutions)
        browser.close()
    writer = PdfWriter(clone_from=io.BytesIO(printed))
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    rename_bookmarks(writer, headings)
    writer.add_metadata({"/Title": config["title"], "/Author": config["author"]})
    writer.write(SITE / PDF)
    pack(SITE)
    offer(SITE, len(writer.pages))
    print(f"{SITE / PDF}: {len(writer.pages)} pages")
    print(f"{SITE / ZIP}: {(SITE / ZIP).stat().st_size / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
