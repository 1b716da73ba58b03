"""No link, picture or script inside the book leads nowhere."""

from __future__ import annotations

from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

from layout import PAGES


class Targets(HTMLParser):
    """The anchors of a page and what it points at."""

    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.ids: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        for name, value in attributes:
            if name == "id" or (name == "name" and tag == "a"):
                self.anchors.add(value or "")
                self.ids += [value or ""] if name == "id" else []
            elif name in ("href", "src") and value:
                self.links.append(value)


@cache
def targets(path: Path) -> Targets:
    parser = Targets()
    parser.feed(path.read_text(encoding="utf-8"))
    return parser


def dead_links(page: Path) -> list[str]:
    dead = []
    for link in targets(page).links:
        address, anchor = urldefrag(link)
        if address.startswith(("http://", "https://", "mailto:", "data:")) or link == "#":
            continue
        path = (page.parent / unquote(address).partition("?")[0]).resolve() if address else page
        missing = anchor and path.suffix == ".html" and anchor not in targets(path).anchors
        if not path.exists() or missing:
            dead.append(link)
    return dead


def test_no_link_is_dead(site: Path) -> None:
    dead = {name: found for name in PAGES if (found := dead_links(site / name))}
    assert dead == {}


def test_ids_are_unique(site: Path) -> None:
    """Two proofs with one id, and a click on the second unfolds the first."""
    for name in PAGES:
        # sphinx-proof and sphinx-exercise name every box's inside alike; nothing refers to those
        ids = [i for i in targets(site / name).ids if not i.endswith("-content")]
        assert sorted(ids) == sorted(set(ids)), name


def test_a_dead_link_is_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text('<a id="here" href="#here"></a><a href="#gone"></a><img src="gone.png">')
    assert dead_links(page) == ["#gone", "gone.png"]
