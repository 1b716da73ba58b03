"""The guard of the notebooks sees texts, their order, and what pictures show."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import cache
from io import BytesIO
from pathlib import Path

import matplotlib as mpl
import nbformat
import numpy as np
import portable
import pytest
from matplotlib.figure import Figure
from outputs import Shown, differences, of_output, shown
from pictures import Picture, label_difference
from PIL import Image

from robustlib.book import explore
from robustlib.book.claims import check, ledger_page

X = np.linspace(0, 1, 40)
LABELS = ("narrow", "wide")


def plot(
    scale: float = 1.0,
    shift: float = 0.0,
    labels: tuple[str, ...] = LABELS,
    step: int = 17,
) -> Figure:
    figure = Figure(figsize=(5.6, 3.2))
    axes = figure.subplots()
    for k, label in enumerate(labels):
        axes.plot(X, scale * (X ** (k + 1) + shift), label=label)
    axes.scatter(X[::8], scale * (1 - X[::8] + shift))
    axes.imshow(np.outer(X, X), extent=(0, 0.2, 0, 0.2 * scale), aspect="auto")
    axes.set(xlim=(0, 1), ylim=(0, scale), xlabel=f"step {step}")
    axes.legend()
    return figure


def png(figure: Figure) -> Picture:
    buffer = BytesIO()
    figure.savefig(buffer, format="png")
    return Picture("image/png", base64.b64encode(buffer.getvalue()).decode())


def svg(figure: Figure) -> Picture:
    buffer = BytesIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "test"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return Picture("image/svg+xml", buffer.getvalue().decode())


def outlined(figure: Figure) -> Picture:
    """An SVG whose letters are paths, as matplotlib writes it unless it is told otherwise."""
    buffer = BytesIO()
    with mpl.rc_context({"svg.hashsalt": "test"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return Picture("image/svg+xml", buffer.getvalue().decode())


def cell(*parts: Picture | str) -> list[Shown]:
    """What the guard reads from a cell that showed these, in this order."""
    outputs = []
    for part in parts:
        if isinstance(part, str):
            outputs.append(nbformat.v4.new_output("stream", name="stdout", text=part))
        else:
            data = {part.mime: part.content, "text/plain": "<Figure size 560x320 with 1 Axes>"}
            outputs.append(nbformat.v4.new_output("display_data", data))
    return [shown for output in outputs for shown in of_output(output)]


def told(stored: list[Shown], found: list[Shown]) -> list[str]:
    return [new for _, new in differences(stored, found)]


@cache
def fresh(draw: Callable[[Figure], Picture]) -> list[Shown]:
    return cell(draw(plot()))


STALE = {
    "a million times as much": plot(scale=1e6),
    "labels exchanged": plot(labels=LABELS[::-1]),
    "curves moved": plot(shift=0.05),
    "a curve less": plot(labels=LABELS[:1]),
    "a digit": plot(step=11),
}


@pytest.mark.parametrize("draw", [png, svg])
@pytest.mark.parametrize("fault", STALE)
def test_a_stale_picture_is_seen(draw: Callable[[Figure], Picture], fault: str) -> None:
    assert len(told(cell(draw(STALE[fault])), fresh(draw))) == 1


@pytest.mark.parametrize(("draw", "seen"), [(png, 2.5), (svg, 1.0), (outlined, 1.0)])
def test_late_digits_are_not_seen(draw: Callable[[Figure], Picture], seen: float) -> None:
    """A tenth of a pixel is far more than arithmetics differ by; what an eye could see is seen."""
    height = 320 * 0.77  # of the axes, in pixels
    assert told(fresh(draw), cell(draw(plot(shift=0.1 / height)))) == []
    assert len(told(fresh(draw), cell(draw(plot(shift=seen / height))))) == 1


def test_of_another_matplotlib_only_the_labels_are_compared() -> None:
    assert label_difference(svg(plot()), svg(plot(shift=0.05))) is None
    assert (
        label_difference(svg(plot()), svg(plot(step=11))) == "the text 'step11' instead of 'step17'"
    )
    assert label_difference(svg(plot()), svg(plot(labels=LABELS[::-1]))) is not None
    assert label_difference(svg(plot()), svg(plot(labels=LABELS[:1]))) is not None
    assert label_difference(svg(plot()), png(plot())) == "image/png instead of image/svg+xml"


def test_a_picture_of_one_pixel_is_seen() -> None:
    buffer = BytesIO()
    Image.new("RGB", (1, 1)).save(buffer, format="png")
    dot = Picture("image/png", base64.b64encode(buffer.getvalue()).decode())
    assert told(cell(dot), fresh(png)) == ["560 x 320 pixels instead of 1 x 1"]
    assert told(cell(dot), fresh(svg)) == ["image/svg+xml instead of image/png"]


def test_a_point_more_on_the_same_line_is_not_seen() -> None:
    def line(path: str) -> list[Shown]:
        return cell(Picture("image/svg+xml", f"<svg><path d='{path}' style='fill:#12ab34'/></svg>"))

    assert told(line("M0 0L10 10L20 0"), line("M0 0L5 5.1L10 10L20 0")) == []
    assert told(line("M0 0L10 10L20 0"), line("M0 0L5 6L10 10L20 0")) != []
    assert told(line("M0 0L10 10L20 0"), line("M0 0L10 10")) != []
    assert told(line("M0 0L10 10"), line("M0 0L10 10L20 0")) != []


def test_styles_and_names_have_no_tolerance() -> None:
    def shape(attribute: str) -> list[Shown]:
        return cell(Picture("image/svg+xml", f"<svg><use {attribute}/></svg>"))

    assert told(shape("style='fill:#126fd0'"), shape("style='fill:#126fd1'")) != []
    assert told(shape("style='opacity:0.5'"), shape("style='opacity:0.6'")) != []
    assert told(shape("href='#p1'"), shape("href='#p2'")) != []
    assert told(shape("x='1.01'"), shape("x='1.02'")) == []


def test_order_and_missing_outputs_are_seen() -> None:
    picture = png(plot())
    stored = cell("loss 0.1611\n", picture)
    assert told(stored, stored) == []
    assert told(stored, cell(picture, "loss 0.1611\n")) != []
    assert told(stored, cell("loss 0.1611\n")) == ["nothing", "nothing"]
    assert told(stored, cell("loss 0.1612\n", picture)) == ["loss 0.1612"]
    assert told(cell("at 0x7f00deadbeef, 1.25 s"), cell("at 0x7f00deadbee0, 3 s")) == []


def explorer(factor: float, word: str = "is") -> list[Shown]:
    def draw(radius: float) -> tuple[Figure, str]:
        figure = Figure()
        figure.subplots().plot([0, 1], [0, radius * factor if radius > 0.2 else radius])
        return figure, f"At {radius} it {word} so."

    page = explore(draw, radius=[0.1, 0.3])
    data = {"text/html": page.html, "text/plain": repr(page)}
    return list(of_output(nbformat.v4.new_output("execute_result", data)))


def test_every_state_of_an_explorer_is_seen() -> None:
    assert told(explorer(1.0), explorer(1.0)) == []
    assert told(explorer(1.0), explorer(1.0, "was")) != []
    moved = told(explorer(1.0), explorer(2.0))
    assert moved  # the second state, which the stored page does not show at first
    assert all("so." not in text for text in moved)


DRAW = """\
import matplotlib.pyplot as plt

figure = plt.figure(figsize=(3, 2))
plt.plot([0, 1], [0, {}])"""


def test_a_claims_section_is_the_same_last_on_a_page_and_before_others() -> None:
    """Blank lines before the next one made every claim of the ledger differ from a new run."""
    one, other = (check(id, budget="smoke") for id in ("sandwich", "curvature"))
    alone, both = (portable.sections(ledger_page(page)) for page in ([one], [one, other]))
    assert list(both) == ["sandwich", "curvature"]
    assert alone["sandwich"] == both["sandwich"]
    assert portable.show("claim", "own", both["sandwich"], alone["sandwich"]) == 0


def test_the_command_names_a_stale_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What `make notebooks`, `make far` and `make portable` run, on a notebook with two plots."""
    path = tmp_path / "plots.ipynb"
    cells = [nbformat.v4.new_code_cell(DRAW.format(top), id=f"at-{top}") for top in ("1", "1e6")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    (tmp_path / "run").mkdir()
    found = portable.run_notebook("own", path, tmp_path / "run")
    assert portable.show("cell", "own", found["at-1"], found["at-1"]) == 0
    assert portable.show("cell", "own", found["at-1"], found["at-1e6"]) == 1
    assert "pixels instead of" in capsys.readouterr().out


def test_stored_pictures_can_be_read() -> None:
    """Of a chapter with plots and explorers: each picture is found and parsed."""
    cells = shown(portable.ROOT / "chapters" / "01-robust-loss.ipynb").values()
    pictures = [part for cell in cells for part in cell if isinstance(part, Picture)]
    assert {picture.mime for picture in pictures} >= {"image/svg+xml"}
    assert len(pictures) > 10
    for picture in pictures:
        assert told([picture], [Picture(picture.mime, picture.content + "\n")]) == []
