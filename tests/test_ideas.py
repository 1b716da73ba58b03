"""The pictures of ideas, and figures that stand still."""

from __future__ import annotations

import itertools
import re
import sys
import xml.etree.ElementTree as ET
from functools import cache
from pathlib import Path

import matplotlib as mpl
import nbformat
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from robustlib.book import PALETTE, idea
from robustlib.book.explorers.stills import still_svg
from robustlib.book.ideas import IDEAS, geometry

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "book"))
from pictures import Picture, difference, label_difference  # noqa: E402

NAMES = sorted(IDEAS)


@cache
def stored() -> dict[str, Picture]:
    """The pictures of ideas that the chapters show, by name."""
    found = {}
    for path in sorted((ROOT / "chapters").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            called = re.search(r'\bidea\("(.*)"\)', cell.source)
            for output in cell.get("outputs", []) if called else []:
                if svg := output.get("data", {}).get("image/svg+xml"):
                    found[called[1]] = Picture("image/svg+xml", svg)
    return found


def numbers(text: str) -> list[float]:
    return [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?", text)]


@pytest.mark.parametrize("name", NAMES)
def test_an_idea_is_drawn_in_the_colours_of_the_page_inside_its_sheet(name: str) -> None:
    picture = idea(name)
    root = ET.fromstring(picture.svg)
    colours = set(re.findall(r"#[0-9a-f]{6}", picture.svg))
    known = [*re.findall(r"#[0-9a-f]{6}", " ".join(PALETTE.values())), "#000000"]
    assert colours <= set(known)
    assert len(colours) > 1
    left, top, width, height = numbers(root.attrib["viewBox"])
    for e in (e for e in root.iter() if e.tag.endswith("text") and "x" in e.attrib):
        assert left <= float(e.attrib["x"]) <= left + width
        assert top <= float(e.attrib["y"]) <= top + height
    assert picture._repr_mimebundle_() == {
        "image/svg+xml": picture.svg,
        "text/plain": repr(picture),
    }
    assert len(picture.description) > 100
    assert "\n" not in picture.description
    assert idea(name) == picture
    # as in its chapter; another matplotlib sets shapes elsewhere
    pinned = f"matplotlib=={mpl.__version__}" in (ROOT / "constraints.txt").read_text()
    compare = difference if pinned else label_difference
    assert compare(stored()[name], Picture("image/svg+xml", picture.svg)) is None


def test_one_unit_cuts_every_disc_and_three_units_none() -> None:
    one, three = geometry.zigzag().axes
    for ax, is_clear in ((one, False), (three, True)):
        discs = [np.array(patch.center) for patch in ax.patches if isinstance(patch, Circle)]
        corners = np.asarray(ax.lines[-1].get_xydata())
        fine = np.linspace(0, 1, 501)[:, None]
        steps = itertools.pairwise(corners)
        line = np.concatenate([a + fine * (b - a) for a, b in steps])
        assert len(discs) == 4
        for centre in discs:
            assert (np.linalg.norm(line - centre, axis=1).min() > 0.6) == is_clear


def test_the_last_line_of_equal_output_touches_the_square_in_its_worst_corner() -> None:
    (ax,) = geometry.dual_norm().axes
    last = np.asarray(ax.lines[2].get_xydata())
    assert last @ [0.8, 0.45] == pytest.approx([1.25, 1.25])  # the 1-norm of w
    corners = np.array([[a, b] for a in (-1, 1) for b in (-1, 1)])
    assert (corners @ [0.8, 0.45]).max() == pytest.approx(1.25)


def test_a_degree_has_twice_as_many_changes_of_sign() -> None:
    for k, ax in enumerate(geometry.degrees().axes):
        positive, negative = (np.asarray(line.get_xydata())[:-1, 0] for line in ax.lines)
        signs = np.isfinite(positive).astype(int) - np.isfinite(negative)
        signs = signs[signs != 0]  # without the zeros
        assert np.count_nonzero(signs != np.roll(signs, 1)) == 2 * k


def test_two_figures_have_no_id_in_common_and_equal_figures_are_equal() -> None:
    def plot(slope: float) -> str:
        figure = Figure()
        figure.subplots().plot([0, 1], [0, slope], "o-")
        return still_svg(figure)

    ids = [set(re.findall(r"id='([^']*)'", plot(slope))) for slope in (1.0, 2.0)]
    assert ids[0]
    assert ids[1]
    assert not ids[0] & ids[1]
    assert plot(1.0) == plot(1.0)
    used = re.findall(r"(?:href='#|url\(#)([^')]*)", plot(1.0))
    assert used
    assert set(used) <= ids[0]


def test_an_unknown_idea_is_refused() -> None:
    with pytest.raises(ValueError, match=r"name must be one of .*'caps'.*, got 'cap'"):
        idea("cap")
