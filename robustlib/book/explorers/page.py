"""The part of a page that holds all states of an explorer, and what it may weigh."""

from __future__ import annotations

import gzip
import hashlib
import html
import json
from importlib import resources
from typing import Any

from robustlib.book.explorers.drawing import OWN, as_image

MAX_OUTPUT_BYTES = 2_000_000  # of one output in the notebook
MAX_PAGE_BYTES = 1_500_000  # of one page, gzipped


class Store:
    """Pictures as lists of parts, so that what two states share is stored once."""

    def __init__(self) -> None:
        self.parts: dict[str, int] = {}
        self.pictures: dict[tuple[int, ...], int] = {}
        self.shown: list[int] = []
        self.first = ""
        self.bytes = 0
        self.heaviest = (0, "")

    def add(self, svg: str, where: str, *, first: bool) -> None:
        """Keep the picture of the next state; ``first`` is the one that a reader sees first."""
        if first:
            self.first = svg
        pieces = svg.split("\n")
        self.bytes += sum(len(_stored(p)) for p in dict.fromkeys(pieces) if p not in self.parts)
        self.heaviest = max(self.heaviest, (len(_stored(svg)), where), key=lambda pair: pair[0])
        picture = tuple(self.parts.setdefault(piece, len(self.parts)) for piece in pieces)
        self.shown.append(self.pictures.setdefault(picture, len(self.pictures)))
        if self.bytes > MAX_OUTPUT_BYTES:
            self.refuse(f"with {where} the pictures weigh {self.bytes / 1e6:.1f} MB")

    def refuse(self, what: str) -> None:
        size, where = self.heaviest
        raise ValueError(
            f"{what}; an output may weigh {MAX_OUTPUT_BYTES / 1e6:g} MB in the notebook and "
            f"{MAX_PAGE_BYTES / 1e6:g} MB gzipped in the page. The heaviest picture, {where}, "
            f"weighs {size / 1e6:.2f} MB: plot fewer points, draw fields with imshow and many "
            "points with rasterized=True, or name fewer values"
        )


def _stored(text: str) -> bytes:
    """``text`` as the notebook file stores it when it stands in the output's own JSON."""
    return json.dumps(json.dumps(text, ensure_ascii=False), ensure_ascii=False).encode()


def weigh(page: str, store: Store) -> str:
    """The weight of the output in words; raises where it is too heavy."""
    raw = len(json.dumps(page, ensure_ascii=False).encode())
    packed = len(gzip.compress(page.encode(), mtime=0))
    weight = f"{raw / 1000:.0f} kB ({packed / 1000:.0f} kB gzipped)"
    if raw > MAX_OUTPUT_BYTES or packed > MAX_PAGE_BYTES:
        store.refuse(f"the output weighs {weight}")
    return weight


def static_text(name: str) -> str:
    return resources.files("robustlib.book").joinpath("static", name).read_text(encoding="utf-8")


def _json(kind: str, content: object) -> str:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    text = text.replace("</", "<\\/").replace("<!--", "\\u003c!--")
    return f'<script type="application/json" class="{kind}">\n{text}\n</script>\n'


def figure_html(picture: str, sentence: str) -> str:
    return (
        f'<figure class="rl-figure">\n<div class="rl-controls"></div>\n<div class="rl-picture">'
        f"{picture}</div>\n"
        f'<figcaption class="rl-sentence" aria-live="polite">{html.escape(sentence)}</figcaption>\n'
        "</figure>\n"
    )


def page_html(
    controls: list[dict[str, Any]], sentence: str, sentences: list[str], store: Store
) -> str:
    body = (
        f"<style>\n{static_text('explore.css')}</style>\n"
        + figure_html(as_image(store.first, sentence), sentence)
        + '<p class="rl-note">This is one of its states; moving it needs scripts.</p>\n'
        + _json("rl-states", {"parameters": controls, "sentences": sentences})
        + _json(
            "rl-pictures",
            {
                "parts": list(store.parts),
                "pictures": list(store.pictures),
                "shown": store.shown,
            },
        )
        + f"<script>\n{static_text('explore.js')}</script>\n"
    )
    name = "rl-" + hashlib.sha256(body.encode()).hexdigest()[:8]
    return f'<div class="rl-explorer" id="{name}">\n{body.replace(OWN, name + "-")}</div>'


def ordered(values: list[Any]) -> bool:
    """Whether a slider suits the values: words alone stand in no order."""
    return not all(isinstance(value, str) for value in values)


def labels_of(name: str, values: list[Any]) -> list[str]:
    """How each value reads beside the slider: short where that still tells them apart."""
    short = [f"{v:.4g}" if isinstance(v, float) else str(v) for v in values]
    texts = short if len(set(short)) == len(values) else [str(v) for v in values]
    if len(set(texts)) < len(values):
        raise ValueError(f"{name} has different values that read the same: {', '.join(texts)}")
    return texts
