"""Whether two pictures show the same, to what an eye could tell apart.

What is stable over processors: sizes, the text of labels and ticks, colours, the number and order
of shapes, and coordinates to half a pixel, in a raster to two. Bytes are not stable, since the
last digits of a curve move. Another matplotlib sets shapes and letters elsewhere: of its pictures
only the kind and the letters of every label are compared.
"""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from io import BytesIO
from itertools import zip_longest
from typing import Any

import numpy as np
from PIL import Image
from PIL.ImageFilter import MaxFilter, MinFilter

SHIFT = 0.4  # points by which a shape of an SVG may be elsewhere
BLOCK = 8  # pixels: rasters are compared by the means of such squares
CONTRAST = 8  # of 255: two pixels of a square black instead of white
NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
PATH = re.compile(rf"{NUMBER}|[A-Za-z]")
WORDS = re.compile(rf"[A-Za-z]+|{NUMBER}")
PLACES = {"d", "height", "points", "transform", "viewBox", "width", "x", "y"}


@dataclass(frozen=True)
class Picture:
    """``mime`` image/png, image/jpeg or image/svg+xml, with its text as a notebook stores it."""

    mime: str
    content: str

    def __str__(self) -> str:
        return f"a picture, {self.mime}, {len(self.content)} characters"


def difference(stored: Picture, found: Picture) -> str | None:
    """What the one shows and the other does not, in words; None where they show the same."""
    if stored == found:
        return None
    if stored.mime != found.mime:
        return f"{found.mime} instead of {stored.mime}"
    if stored.mime != "image/svg+xml":
        return raster_difference(stored.content, found.content)
    return svg_difference(ET.fromstring(stored.content), ET.fromstring(found.content))


def label_difference(stored: Picture, found: Picture) -> str | None:
    """What is written in the one and not in the other; the order inside a formula is not stable."""
    if stored.mime != found.mime:
        return f"{found.mime} instead of {stored.mime}"
    if stored.mime != "image/svg+xml":
        return None
    for old, new in zip_longest(labels(stored), labels(found)):
        if old is None or new is None or sorted(old) != sorted(new):
            return f"the text {new!r} instead of {old!r}"
    return None


def labels(picture: Picture) -> list[str]:
    elements = ET.fromstring(picture.content).iter()
    texts = (e for e in elements if e.tag.rpartition("}")[2] == "text")
    return ["".join("".join(e.itertext()).split()) for e in texts]


def raster_difference(stored: str, found: str) -> str | None:
    images = [
        Image.open(BytesIO(base64.b64decode(text))).convert("RGBA") for text in (stored, found)
    ]
    (width, height), size = images[1].size, images[0].size
    if size != (width, height):
        return f"{width} x {height} pixels instead of {size[0]} x {size[1]}"
    change = np.maximum(beyond(*images), beyond(*images[::-1])).max(2)
    change = np.pad(change, [(0, -side % BLOCK) for side in change.shape])
    rows, columns = (side // BLOCK for side in change.shape)
    means = change.reshape(rows, BLOCK, columns, BLOCK).mean((1, 3))
    if means.max() <= CONTRAST:
        return None
    row, column = np.unravel_index(means.argmax(), means.shape)
    return (
        f"other pixels in {(means > CONTRAST).sum()} of {means.size} squares, "
        f"most around ({BLOCK * column}, {BLOCK * row})"
    )


def beyond(one: Image.Image, other: Image.Image) -> np.ndarray[Any, Any]:
    """By how much pixels lie outside what the other has within one pixel: markers snap to those."""
    there = np.asarray(one).astype(int)
    low, high = (np.asarray(other.filter(f(3))).astype(int) for f in (MinFilter, MaxFilter))
    return np.maximum(np.maximum(low - there, there - high), 0)


def svg_difference(stored: ET.Element, found: ET.Element) -> str | None:
    for old, new in zip_longest(stored.iter(), found.iter()):
        if old is None or new is None:
            counts = (sum(1 for _ in root.iter()) for root in (found, stored))
            return "{} shapes instead of {}".format(*counts)
        if old.tag != new.tag or old.keys() != new.keys():
            return f"{named(new)} instead of {named(old)}"
        texts = [" ".join(f"{e.text or ''} {e.tail or ''}".split()) for e in (old, new)]
        if texts[0] != texts[1]:
            return f"the text {texts[1]!r} instead of {texts[0]!r}"
        for key, value in old.items():
            if not same(key, value, new.attrib[key]):
                return f"{key} of {named(new)}: {new.attrib[key][:60]!r}, not {value[:60]!r}"
    return None


def named(element: ET.Element) -> str:
    return f"<{element.tag.rpartition('}')[2]} {' '.join(element.keys())}>"


def same(key: str, old: str, new: str) -> bool:
    if old == new:
        return True
    start = "data:image/png;base64,"
    if old.startswith(start) and new.startswith(start):
        return raster_difference(old.removeprefix(start), new.removeprefix(start)) is None
    if key not in PLACES:  # a style, a name
        return False
    pattern = PATH if key == "d" else WORDS
    words, numbers = zip(*(split(pattern, value) for value in (old, new)), strict=True)
    if words[0] == words[1]:
        return bool(np.abs(numbers[0] - numbers[1]).max(initial=0.0) <= SHIFT)
    # matplotlib leaves out points that lie on a line, so that one may be there and not here
    lines = [
        np.reshape(n, (-1, 2)) if set(w) <= {"M", "L", "0"} else None
        for w, n in zip(words, numbers, strict=True)
    ]
    if key != "d" or lines[0] is None or lines[1] is None:
        return False
    starts = [w.count("M") for w in words]
    return starts == [1, 1] and max(apart(*lines), apart(*lines[::-1])) <= SHIFT


def split(pattern: re.Pattern[str], value: str) -> tuple[list[str], np.ndarray[Any, Any]]:
    """The words of an attribute, with 0 for every number, and the numbers."""
    words = pattern.findall(value)
    numbers = [word for word in words if re.fullmatch(NUMBER, word)]
    between = pattern.sub("", value).split()
    kinds = ["0" if re.fullmatch(NUMBER, word) else word for word in words]
    return kinds + between, np.array([float(number) for number in numbers])


def apart(points: np.ndarray[Any, Any], line: np.ndarray[Any, Any]) -> float:
    """The largest distance of a point from a line through the points ``line``."""
    start, step = line[:-1], np.diff(line, axis=0)
    from_start = points[:, None] - start
    length = np.maximum((step**2).sum(1), 1e-30)
    along = np.clip((from_start * step).sum(2) / length, 0, 1)
    return float(np.linalg.norm(from_start - along[..., None] * step, axis=2).min(1).max())
