"""Explorers without a browser: what is stored, how heavy, how stable, and every refusal."""

from __future__ import annotations

import gzip
import html
import io
import itertools
import json
import re
import sys
import xml.etree.ElementTree as ET
from importlib import resources
from typing import Any
from urllib.parse import unquote

import matplotlib as mpl
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from nbclient import NotebookClient

from robustlib.book.explorers.explore import PALETTE, STYLE, Explorer, explore

RADII, WIDTHS = [0.1, 0.25, 1 / 3], [64, 256]


def line(radius: float, width: int) -> tuple[Figure, str]:
    """A picture that depends on both values, and a sentence that does."""
    figure = Figure()
    axes = figure.subplots()
    axes.plot([0, radius, 1], [0, width, 300], "o-", label="0.123456")
    axes.fill_between([0, 1], [0, 1], color="black", alpha=0.5)
    axes.set(xlabel="radius ρ & $x_1$", xlim=(0, 1), ylim=(0, 400))
    axes.legend()
    return figure, f"At radius {radius:.3f} and width {width} it is {radius * width:.3f}."


def stored(explorer: Explorer, kind: str) -> Any:
    """What the page's script reads, found as a browser finds it."""
    pattern = f'<script type="application/json" class="{kind}">(.*?)</script>'
    (text,) = re.findall(pattern, explorer.html, re.DOTALL)
    return json.loads(text)


def pictures(explorer: Explorer) -> list[str]:
    """The picture of every state, put together as the script does it."""
    data = stored(explorer, "rl-pictures")
    return ["".join(data["parts"][k] for k in data["pictures"][i]) for i in data["shown"]]


def nothing(**_: object) -> tuple[Figure, str]:
    return Figure(), "Nothing is seen."


# --- what is stored ----------------------------------------------------------------------------


def test_every_state_has_its_sentence_in_the_order_of_the_sliders() -> None:
    explorer = explore(line, radius=RADII, width=WIDTHS)
    grid = list(itertools.product(RADII, WIDTHS))
    assert explorer.sentences == {(r, w): line(r, w)[1] for r, w in grid}
    states = stored(explorer, "rl-states")
    assert states["sentences"] == [line(r, w)[1] for r, w in grid]
    assert states["parameters"] == [
        {"name": "radius", "values": ["0.1", "0.25", "0.3333"], "begin": 0, "ordered": True},
        {"name": "width", "values": ["64", "256"], "begin": 0, "ordered": True},
    ]


def test_the_state_that_the_text_speaks_of_is_seen_first_and_without_scripts() -> None:
    explorer = explore(line, begin={"width": 256}, radius=RADII, width=WIDTHS)
    sentence = line(RADII[0], 256)[1]
    assert explorer.begin == (RADII[0], 256)
    assert repr(explorer).startswith(sentence)
    assert [p["begin"] for p in stored(explorer, "rl-states")["parameters"]] == [0, 1]
    assert f">{sentence}</figcaption>" in explorer.html
    (image,) = re.findall('<img [^>]*src="data:image/svg.xml,([^"]*)">', explorer.html)
    plain = explore(line, radius=RADII[:1], width=[256])
    assert image in plain.html
    assert explorer.sentences == explore(line, radius=RADII, width=WIDTHS).sentences


@pytest.mark.parametrize(
    ("values", "is_ordered"),
    [([1, 2], True), (["a", "b"], False), ([0, 1, "all"], True), ([None, "a"], True)],
)
def test_only_words_get_a_switch(values: list[object], is_ordered: bool) -> None:
    parameters = stored(explore(nothing, a=values), "rl-states")["parameters"]
    assert [p["ordered"] for p in parameters] == [is_ordered]


@pytest.mark.parametrize(
    ("begin", "kind", "said"),
    [
        ({"radius": 9}, ValueError, "begin asks for radius = 9, which is not in \\[0.1"),
        ({"depth": 1}, ValueError, "begin names 'depth', which is none of: radius, width"),
        ([0.1], TypeError, "begin must map parameters to values"),
    ],
)
def test_a_begin_that_is_no_state_is_refused(begin: Any, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        explore(line, begin=begin, radius=RADII, width=WIDTHS)


def test_every_state_has_the_picture_it_has_when_drawn_alone() -> None:
    explorer = explore(line, radius=RADII, width=WIDTHS)
    own = re.findall(r'^<div class="rl-explorer" id="(rl-[0-9a-f]{8})">', explorer.html)[0]
    for picture, (radius, width) in zip(
        pictures(explorer), itertools.product(RADII, WIDTHS), strict=True
    ):
        alone = explore(line, radius=[radius], width=[width])
        other = re.findall('id="(rl-[0-9a-f]{8})">', alone.html)[0]
        assert pictures(alone) == [picture.replace(own, other)]


def test_equal_pictures_are_stored_once() -> None:
    same = explore(lambda a, b: (line(a, 64)[0], f"{a} {b}"), a=[0.1, 0.2], b=[1, 2, 3])
    data = stored(same, "rl-pictures")
    assert len(data["pictures"]) == 2
    assert data["shown"] == [0, 0, 0, 1, 1, 1]
    assert len(same.sentences) == 6
    assert "6 states, 2 different pictures" in same.weight


def test_what_two_pictures_share_is_stored_once() -> None:
    one, many = (explore(line, radius=[0.1], width=range(100, 100 + n)) for n in (1, 20))
    alone, together = (sum(map(len, stored(e, "rl-pictures")["parts"])) for e in (one, many))
    assert alone < together < 0.3 * 20 * alone


def test_output_is_html_and_stable_text() -> None:
    explorer = explore(line, radius=RADII, width=WIDTHS)
    bundle = explorer._repr_mimebundle_()
    assert bundle == {
        "text/html": explorer.html,
        "text/plain": "At radius 0.100 and width 64 it is 6.400.\n"
        "[6 states; radius: 3 values × width: 2 values]",
    }


def test_without_scripts_the_first_state_and_its_sentence_are_there() -> None:
    explorer = explore(line, radius=RADII, width=WIDTHS)
    still = re.sub("<script.*?</script>", "", explorer.html, flags=re.DOTALL)
    (image,) = re.findall('<img [^>]*src="data:image/svg.xml,([^"]*)">', still)
    root = ET.fromstring(unquote(image))
    assert root.get("viewBox") == ET.fromstring(pictures(explorer)[0]).get("viewBox")
    assert "var(" not in unquote(image)
    assert PALETTE["blue"] in unquote(image)
    assert not re.search("[#<>]", image)  # what a data address may not hold
    assert f'alt="{line(RADII[0], 64)[1]}"' in still
    assert f">{line(RADII[0], 64)[1]}</figcaption>" in still
    assert "<input" not in still  # no slider that does not slide


def test_weight_is_what_notebook_and_page_weigh() -> None:
    explorer = explore(line, radius=RADII, width=WIDTHS)
    in_notebook = len(json.dumps(explorer.html, ensure_ascii=False).encode())
    in_page = len(gzip.compress(explorer.html.encode()))
    assert f"{in_notebook / 1000:.0f} kB ({in_page / 1000:.0f} kB gzipped)" in explorer.weight


def test_values_may_be_arrays_tensors_words_and_tuples() -> None:
    kinds = {
        "a": np.array([0.5, 2.0]),
        "b": torch.tensor([1, 2]),
        "c": ["FGSM", None, (1, 2)],
    }
    explorer = explore(nothing, **kinds)
    assert next(iter(explorer.sentences)) == (0.5, 1, "FGSM")
    values = [p["values"] for p in stored(explorer, "rl-states")["parameters"]]
    assert values == [["0.5", "2"], ["1", "2"], ["FGSM", "None", "(1, 2)"]]


def test_close_values_are_told_apart() -> None:
    explorer = explore(nothing, step_size=[0.100001, 0.100002])
    assert stored(explorer, "rl-states")["parameters"] == [
        {"name": "step size", "values": ["0.100001", "0.100002"], "begin": 0, "ordered": True}
    ]


def test_a_sentence_cannot_break_the_page() -> None:
    nasty = "</script><b>& <!-- \"x\" 'y' \\ ]]> </SCRIPT>"
    explorer = explore(lambda a: (Figure(), nasty), a=[1, 2])
    assert stored(explorer, "rl-states")["sentences"] == [nasty, nasty]
    assert f">{html.escape(nasty)}</figcaption>" in explorer.html
    assert "<b>" not in explorer.html.replace("<\\/script><b>&", "")


# --- stable ------------------------------------------------------------------------------------


def notebook(*sources: str) -> nbformat.NotebookNode:
    cells = [nbformat.v4.new_code_cell(s, id=f"cell-{i}") for i, s in enumerate(sources)]
    return nbformat.v4.new_notebook(cells=cells)


SOURCE = (
    "import matplotlib.pyplot as plt\n"
    "from robustlib.book import explore\n"
    "def draw(radius, width):\n"
    "    figure, axes = plt.subplots()\n"
    "    axes.plot([0, 1], [0, radius * width], 'o--', label='$x_1$')\n"
    "    axes.imshow([[0, 1]], clip_path=None, aspect='auto')\n"
    "    axes.legend()\n"
    "    return figure, f'The product is {radius * width:.3f}.'\n"
    "print('before')\n"
    "explore(draw, radius=[0.1, 0.2], width=[1, 2]{})"
)


def test_executed_notebooks_are_the_same_whatever_the_hash_seed_and_hold_no_progress(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = []
    for seed in ("1", "2"):
        monkeypatch.setenv("PYTHONHASHSEED", seed)
        book = notebook(*(SOURCE.replace("{})", option + ")") for option in ("", ", live=True")))
        NotebookClient(book, kernel_name="python3", record_timing=False, timeout=120).execute()
        texts.append(nbformat.writes(book))
    assert texts[0] == texts[1]
    first, live = nbformat.reads(texts[0], as_version=4).cells
    for cell in (first, live):
        assert [output.output_type for output in cell.outputs] == ["stream", "execute_result"]
        assert cell.outputs[0].text == "before\n"
        assert set(cell.outputs[1].data) == {"text/html", "text/plain"}
        assert cell.outputs[1].data["text/plain"].startswith("The product is 0.100.\n[4 states;")
    assert first.outputs[1].data == live.outputs[1].data  # whatever was drawn before


def test_a_page_does_not_depend_on_what_was_drawn_before() -> None:
    assert explore(line, radius=RADII, width=WIDTHS) == explore(line, radius=RADII, width=WIDTHS)


def test_no_trace_is_left_in_matplotlib() -> None:
    plt.switch_backend("agg")
    before, open_before = mpl.rcParams.copy(), plt.get_fignums()

    def draw(a: int) -> tuple[Figure, str]:
        assert mpl.rcParams["font.size"] == STYLE["font.size"]
        figure, _ = plt.subplots()
        if a == 3:
            raise ZeroDivisionError("three")
        return figure, f"a is {a}"

    explore(draw, a=[1, 2])
    with pytest.raises(RuntimeError, match="three"):
        explore(draw, a=[1, 2, 3])
    assert plt.get_fignums() == open_before
    assert mpl.rcParams == before


# --- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({}, ValueError, "1 to 3 parameters.*got 0: none"),
        ({key: [1] for key in "abcd"}, ValueError, "1 to 3 parameters.*got 4: a, b, c, d"),
        ({"a": []}, ValueError, "a has no values, so there are no states"),
        ({"a": [1], "b": ()}, ValueError, "b has no values"),
        ({"a": [1, 2, 1.0]}, ValueError, r"a has the value 1\.0 twice"),
        ({"a": "abc"}, TypeError, "a must be a list of values, got 'abc'"),
        ({"a": 0.1}, TypeError, r"a must be a list of values, got 0\.1"),
        ({"a": np.array(0.1)}, TypeError, "a must be a list of values, got array"),
        ({"a": [[1], [2]]}, TypeError, r"a must hold numbers, strings or tuples, got \[1\]"),
        ({"a": ["1", 1]}, ValueError, "a has different values that read the same: 1, 1"),
        ({"a": range(20), "b": range(11)}, ValueError, r"220 states \(20 of a × 11 of b\).*200"),
    ],
)
def test_bad_values_are_refused(
    values: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        explore(nothing, **values)


def test_two_hundred_states_are_accepted() -> None:
    assert len(explore(nothing, a=range(20), b=range(10)).sentences) == 200


def test_draw_must_take_the_parameters() -> None:
    with pytest.raises(TypeError, match=r"parameters radius, wide by name: .*'width'"):
        explore(line, radius=[1], wide=[2])
    with pytest.raises(TypeError, match="draw must be a function, got 3"):
        explore(3, a=[1])  # type: ignore[arg-type]


def test_a_draw_that_raises_names_the_state() -> None:
    def draw(a: float, b: str) -> tuple[Figure, str]:
        if (a, b) == (0.3, "x"):
            raise KeyError("lost")
        return Figure(), "fine"

    match = r"draw raised in state 7 of 9 \(a=0\.3, b='x'\): KeyError: 'lost'"
    with pytest.raises(RuntimeError, match=match) as caught:
        explore(draw, a=[0.1, 0.2, 0.3], b=["x", "y", "z"])
    assert isinstance(caught.value.__cause__, KeyError)


def test_a_figure_that_matplotlib_cannot_draw_names_the_state() -> None:
    def draw(a: int) -> tuple[Figure, str]:
        figure = Figure()
        figure.text(0, 0, r"$\wrong$" if a == 2 else "right")
        return figure, "a word"

    with pytest.raises(RuntimeError, match=r"(?s)could not draw state 2 of 2 \(a=2\).*wrong"):
        explore(draw, a=[1, 2])


@pytest.mark.parametrize(
    ("returned", "error", "message"),
    [
        (None, TypeError, "got NoneType"),
        (Figure(), TypeError, "got Figure"),
        ((Figure(), 3), TypeError, r"got \(Figure, int\)"),
        (("say", Figure()), TypeError, r"got \(str, Figure\)"),
        ((Figure(), " \n"), ValueError, "empty sentence"),
    ],
)
def test_anything_but_figure_and_sentence_is_refused(
    returned: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message + r".* state 2 of 2 \(a=2\)"):
        explore(lambda a: returned if a == 2 else nothing(), a=[1, 2])


def test_a_figure_too_large_names_the_state_and_the_remedy() -> None:
    def draw(points: int) -> tuple[Figure, str]:
        figure = Figure()
        figure.subplots().scatter(*np.random.default_rng(0).random((2, points)), c=range(points))
        return figure, f"{points} points"

    match = r"state 2 of 3 \(points=25000\).*2 MB in the notebook.*imshow.*rasterized=True"
    with pytest.raises(ValueError, match=match):
        explore(draw, points=[10, 25000, 20])


def test_too_many_heavy_states_are_refused_at_the_first_one_too_many() -> None:
    drawn: list[int] = []

    def draw(seed: int) -> tuple[Figure, str]:
        drawn.append(seed)
        figure = Figure()
        figure.subplots().plot(np.random.default_rng(seed).random(9000))
        return figure, f"seed {seed}"

    with pytest.raises(ValueError, match=r"state \d+ of 200 .*heaviest picture.*fewer values"):
        explore(draw, seed=range(200))
    assert 5 < len(drawn) < 100


# --- the look ----------------------------------------------------------------------------------


def test_svg_follows_the_page() -> None:
    (svg,) = set(pictures(explore(line, radius=[0.1], width=[64])))
    root = ET.fromstring(svg)
    assert root.get("role") == "img"
    assert "#000000" not in svg
    assert "currentColor" in svg
    assert PALETTE["blue"] not in svg
    assert "var(--rl-blue)" in svg
    assert "font-family" not in svg
    assert "0.123456" in svg  # words are left alone
    assert "radius" in svg
    numbers = re.findall(r"\d\.(\d+)", re.sub(r">[^<]*<|transform='[^']*'", "", svg))
    assert max(map(len, numbers)) <= 2
    ids = [e.get("id") for e in root.iter() if e.get("id")]
    used = re.findall(r"(?:url\(#|href='#)([\w-]+)", svg)
    assert len(set(ids)) == len(ids)
    assert set(used) == set(ids)


def test_rounding_moves_no_point_further_than_a_hundredth() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.random((2, 50))
    figure = Figure(figsize=(5, 3))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.plot(x, y, color="#abcdef")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    (svg,) = pictures(explore(lambda a: (figure, "a line"), a=[1]))
    (d,) = re.findall("<path d='([^']*)' clip-path[^>]*#abcdef", svg)
    points = np.array([[float(v) for v in p.split()] for p in re.split("[ML]", d)[1:]])
    np.testing.assert_allclose(points, np.stack([360 * x, 216 * (1 - y)], 1), atol=0.0051)


def luminance(colour: str) -> float:
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def themes() -> list[dict[str, str]]:
    css = resources.files("robustlib.book").joinpath("static", "explore.css").read_text("utf-8")
    blocks = re.findall(r"\{([^}]*--rl-ground:[^}]*)\}", css)
    return [dict(re.findall(r"--rl-(\w+): (#[0-9a-f]{6})", block)) for block in blocks]


def test_palette_can_be_read_in_light_and_dark() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    light, dark = themes()
    assert light == {"ground": "#ffffff", **PALETTE}
    assert set(light) == set(dark)
    for theme in (light, dark):
        for name in PALETTE:
            assert contrast(theme[name], theme["ground"]) >= 4.5, name


# Machado, Oliveira and Fernandes (2009), severity 1, for linear RGB
BLINDNESS = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
               [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
               [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
               [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


def lab(colour: str, seen_as: list[list[float]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(seen_as) @ linear, 0, 1)
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    t = xyz @ seen / [0.9505, 1, 1.089]
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("kind", BLINDNESS)
def test_palette_is_told_apart_by_the_colour_blind(kind: str) -> None:
    for theme in themes():
        for one, other in itertools.combinations(PALETTE, 2):
            distance = np.linalg.norm(
                lab(theme[one], BLINDNESS[kind]) - lab(theme[other], BLINDNESS[kind])
            )
            assert distance >= 20, (one, other, distance)


def test_lines_differ_in_dash_as_well_as_colour() -> None:
    cycle = STYLE["axes.prop_cycle"].by_key()
    assert cycle["color"] == list(PALETTE.values())
    assert len(set(cycle["linestyle"])) == len(PALETTE)


# --- progress and live -------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_shown_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    explore(line, radius=RADII, width=[64])
    assert capsys.readouterr() == ("", "")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    explorer = explore(line, radius=RADII, width=[64])
    assert "drawing state 2 of 3 (radius=0.25, width=64)" in terminal.getvalue()
    assert terminal.getvalue().rstrip().endswith(explorer.weight)


def test_live_reaches_values_off_the_grid(monkeypatch: pytest.MonkeyPatch) -> None:
    explorer = explore(line, live=True, radius=RADII, width=WIDTHS)
    assert set(explorer._repr_mimebundle_()) == {"text/html", "text/plain"}
    monkeypatch.setenv("ROBUSTLIB_STATIC", "1")
    assert set(explorer._repr_mimebundle_()) == {"text/html", "text/plain"}
    monkeypatch.setenv("ROBUSTLIB_STATIC", "0")
    bundle = explorer._repr_mimebundle_()
    view = bundle.pop("application/vnd.jupyter.widget-view+json")
    assert (view["version_major"], view["version_minor"]) == (2, 0)
    assert bundle == {"text/plain": repr(explorer)}
    assert explorer.widget is not None
    radius, width, shown = explorer.widget().children
    assert line(0.1, 64)[1] in shown.value
    radius.value, width.value = 0.21, 128
    assert line(radius.value, 128)[1] in shown.value
    assert (radius.description, width.description) == ("radius", "width")
    assert (width.min, width.max, width.step) == (64, 256, 64)


def test_live_says_what_went_wrong() -> None:
    def draw(a: int, kind: str) -> tuple[Figure, str]:
        if a == 2:
            raise ValueError("no <two>")
        return Figure(), f"{a} {kind}"

    explorer = explore(draw, live=True, a=[1, 3], kind=["up", "down"])
    assert explorer.widget is not None
    a, kind, shown = explorer.widget().children
    a.value = 2
    assert (
        "draw raised in state a=2, kind=&#x27;up&#x27;: ValueError: no &lt;two&gt;" in shown.value
    )
    a.value, kind.value = 3, "down"
    assert ">3 down</figcaption>" in shown.value


def test_a_wrong_switch_and_a_missing_ipywidgets_are_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ROBUSTLIB_STATIC", "yes")
    with pytest.raises(ValueError, match="ROBUSTLIB_STATIC must be one of '0', '1', got 'yes'"):
        explore(nothing, a=[1])
    monkeypatch.delenv("ROBUSTLIB_STATIC")
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    explore(nothing, a=[1])
    with pytest.raises(ImportError, match="pip install ipywidgets"):
        explore(nothing, live=True, a=[1])


def test_only_widgets_that_colab_has_are_used() -> None:
    source = (
        resources.files("robustlib.book.explorers").joinpath("live.py").read_text(encoding="utf-8")
    )
    used = set(re.findall(r"widgets\.([A-Z]\w+)", source))
    assert used == {"IntSlider", "FloatSlider", "SelectionSlider", "ToggleButtons", "HTML", "VBox"}
