"""What a cell showed, in order, as lines of text and pictures: what notebooks are compared by.

What may differ between two runs stands in ``tests/sanitize.cfg``; everything else must not.
"""

from __future__ import annotations

import base64
import configparser
import json
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import nbformat
from pictures import Picture, difference

Shown = str | Picture

_SANITIZE = configparser.ConfigParser()
_SANITIZE.read(Path(__file__).parents[1] / "sanitize.cfg")
OVERLOOKED = [
    (part["regex"], part["replace"])
    for name, part in _SANITIZE.items()
    if "picture" not in name and name != "DEFAULT"
]
STATES = re.compile(r'class="rl-states">\n(.*?)\n</script>', re.S)
STORE = re.compile(r'class="rl-pictures">\n(.*?)\n</script>', re.S)
DRAWN = re.compile(
    r'(?P<svg><svg\b.*?</svg>)|"data:(?P<mime>image/[\w+]+)(?P<coded>;base64)?,(?P<data>[^"]*)"',
    re.S,
)


def sanitised(text: str) -> str:
    for pattern, replacement in OVERLOOKED:
        text = re.sub(pattern, replacement, text)
    return text


def stored_json(pattern: re.Pattern[str], page: str) -> Any:
    found = pattern.search(page)
    return json.loads(found[1].replace("<\\/", "</")) if found else None


def of_html(page: str) -> Iterator[Shown]:
    """Its text, its pictures, and of an explorer the sentence and the picture of every state."""
    page = sanitised(page)
    states, store = stored_json(STATES, page), stored_json(STORE, page)
    if states and store:
        page = STORE.sub("PICTURES", STATES.sub("STATES", page))
        yield json.dumps(states["parameters"])
        pictures = ["\n".join(store["parts"][k] for k in parts) for parts in store["pictures"]]
        for k, sentence in enumerate(states["sentences"]):
            yield f"state {k + 1}: {sentence}"
            yield Picture("image/svg+xml", pictures[store["shown"][k]])
    yield from DRAWN.sub("PICTURE", page).splitlines()
    for found in DRAWN.finditer(page):
        mime, data = found["mime"] or "image/svg+xml", found["svg"] or unquote(found["data"])
        if mime == "image/svg+xml" and found["coded"]:
            data = base64.b64decode(data).decode()
        yield Picture(mime, data)


def of_output(output: Any) -> Iterator[Shown]:
    if output.output_type == "stream":
        yield from sanitised(output.text).splitlines()
    elif output.output_type == "error":
        yield sanitised(f"{output.ename}: {output.evalue}")
    else:
        for mime, content in sorted(output.data.items()):
            if mime == "text/html":
                yield from of_html(content)
            elif mime == "image/svg+xml":
                yield Picture(mime, sanitised(content))
            elif mime.startswith("image/"):
                yield Picture(mime, content.strip())
            else:
                yield from sanitised(str(content)).splitlines()


def shown(path: Path) -> dict[str, list[Shown]]:
    """What each cell of a notebook showed, by the cell's id."""
    return {
        cell.id: [part for output in cell.outputs for part in of_output(output)]
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "code"
    }


def differences(
    stored: Sequence[Shown],
    found: Sequence[Shown],
    difference: Callable[[Picture, Picture], str | None] = difference,
) -> Iterator[tuple[str, str]]:
    """Where two cells showed different things: what the one did, and what the other."""
    for old, new in zip_longest(stored, found, fillvalue="nothing"):
        if isinstance(old, Picture) and isinstance(new, Picture):
            if told := difference(old, new):
                yield str(old), told
        elif old != new:
            yield str(old).strip(), str(new).strip()
