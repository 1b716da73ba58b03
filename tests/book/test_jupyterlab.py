"""A notebook with explorers in a real JupyterLab: moved from its stored output and live."""

from __future__ import annotations

import importlib.util
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from layout import ROOT
from nbclient import NotebookClient
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.xdist_group("lab")  # one worker, so that what is built is built once

TOKEN = "robustlib"
DRAW = """\
import matplotlib.pyplot as plt
from robustlib.book import explore

def draw(radius, width):
    figure, axes = plt.subplots()
    axes.plot([0, 1], [0, radius * width])
    axes.set(ylim=(0, 100))
    return figure, f"At radius {radius:.3f} and width {width} it is {radius * width:.2f}."
"""
STATIC = "explore(draw, radius=[0.1, 0.2, 0.4], width=[64, 256])"
LIVE = "explore(draw, live=True, radius=[0.1, 0.2, 0.4], width=[64, 256])"
FIRST = "At radius 0.100 and width 64 it is 6.40."


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one executed notebook, as a reader gets it."""
    if importlib.util.find_spec("jupyterlab") is None:
        reason = "jupyterlab is not installed: pip install -r requirements.txt"
        if os.environ.get("ROBUSTLIB_BROWSER") == "required":
            pytest.fail(reason)
        pytest.skip(reason)
    here = tmp_path_factory.mktemp("lab")
    cells = [
        nbformat.v4.new_code_cell(source, id=f"cell-{i}")
        for i, source in enumerate((DRAW, STATIC, LIVE))
    ]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    NotebookClient(notebook, timeout=120).execute()
    assert "widget" not in str(notebook.cells)  # what is stored is static, live or not
    nbformat.write(notebook, here / "explorers.ipynb")
    return here


@pytest.fixture(scope="module")
def lab(folder: Path, browser: Browser) -> Iterator[str]:
    """The address of a JupyterLab with settings of its own, on a free port of this machine."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.open_browser": False,
        "ServerApp.allow_root": True,
        "ServerApp.root_dir": folder,
        "IdentityProvider.token": TOKEN,
        "LabApp.expose_app_in_browser": True,
        "LabApp.news_url": None,
        "LabApp.check_for_updates_class": "jupyterlab.NeverCheckForUpdate",
    }
    own = ("JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    own += ("JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")
    private = {name: str(folder / "jupyter" / name.lower()) for name in own}
    log = folder / "lab.log"
    with log.open("w") as sink:
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *(f"--{k}={v}" for k, v in options.items())],
            env={**os.environ, **private},
            stdout=sink,
            stderr=subprocess.STDOUT,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"{address}/api?token={TOKEN}", timeout=5).close()
                break
            except OSError:
                if server.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")
                time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


@contextmanager
def opened(browser: Browser, lab: str, name: str = "explorers") -> Iterator[Page]:
    """A notebook, open in JupyterLab with nothing run yet, and no way to another host."""
    context = browser.new_context(viewport={"width": 1400, "height": 1400})
    context.route(lambda url: not url.startswith((lab, "data:", "blob:")), lambda r: r.abort())
    page = context.new_page()
    page.goto(f"{lab}/lab/tree/{name}.ipynb?token={TOKEN}&reset")
    page.wait_for_selector(".jp-Notebook .jp-OutputArea-output", timeout=60_000)
    # JupyterLab forgets what it is asked before the kernel answers
    page.evaluate(
        """async () => {
          await jupyterapp.restored;
          const context = jupyterapp.shell.currentWidget.sessionContext;
          await context.ready;
          await context.session.kernel.info;
        }"""
    )
    yield page
    page.evaluate("jupyterapp.serviceManager.sessions.shutdownAll()")
    context.close()


@pytest.fixture
def unrun(browser: Browser, lab: str) -> Iterator[Page]:
    with opened(browser, lab) as page:
        yield page


@pytest.fixture(scope="module")
def notebook(browser: Browser, lab: str) -> Iterator[Page]:
    """The notebook after all its cells were run."""
    with opened(browser, lab) as page:
        page.evaluate("jupyterapp.commands.execute('notebook:run-all-cells')")
        live = page.locator(".jp-CodeCell").nth(2).locator(".widget-slider")
        expect(live.first).to_be_visible(timeout=60_000)
        yield page


def test_opened_but_not_run_the_sentence_is_there(unrun: Page) -> None:
    """JupyterLab takes scripts out of what it does not trust."""
    sentences = unrun.locator(".jp-OutputArea").get_by_text(FIRST)
    expect(sentences.first).to_be_visible()
    assert sentences.count() == 2
    images = unrun.locator(".jp-OutputArea").get_by_role("img", name=FIRST)
    assert images.evaluate_all("all => all.map(i => i.complete && i.naturalWidth > 0)") == [
        True,
        True,
    ]


def test_run_the_stored_figure_moves(notebook: Page) -> None:
    cell = notebook.locator(".jp-CodeCell").nth(1)
    slider = cell.get_by_role("slider", name="radius")
    expect(slider).to_be_visible(timeout=60_000)
    caption, picture = cell.locator("figcaption"), cell.locator(".rl-picture")
    expect(caption).to_have_text(FIRST)
    before = picture.inner_html()
    slider.focus()
    slider.press("ArrowRight")
    expect(caption).to_have_text("At radius 0.200 and width 64 it is 12.80.")
    assert picture.inner_html() != before
    box = slider.bounding_box()
    assert box is not None
    slider.click(position={"x": box["width"] - 3, "y": box["height"] / 2})
    expect(caption).to_have_text("At radius 0.400 and width 64 it is 25.60.")
    slider.press("d")  # in JupyterLab two of these delete the cell
    slider.press("d")
    assert notebook.locator(".jp-CodeCell").count() == 3
    # what was shown while the states were drawn ends as the weight of the output
    expect(cell.get_by_text("6 states, 5 different pictures")).to_be_visible()


def test_run_the_live_figure_draws_values_between(notebook: Page) -> None:
    cell = notebook.locator(".jp-CodeCell").nth(2)
    slider = cell.get_by_role("slider").first
    expect(slider).to_be_visible(timeout=60_000)
    caption, picture = cell.locator("figcaption"), cell.locator(".rl-picture")
    expect(caption).to_have_text(FIRST)
    before = picture.inner_html()
    slider.focus()
    slider.press("ArrowRight")
    expect(caption).to_have_text("At radius 0.103 and width 64 it is 6.59.")
    assert picture.inner_html() != before


def test_colours_follow_the_theme_of_jupyterlab(notebook: Page) -> None:
    root = notebook.locator(".jp-CodeCell").nth(1).locator(".rl-explorer")
    expect(root.get_by_role("slider").first).to_be_visible()
    colour = "path => getComputedStyle(path).stroke"
    line = root.locator("path[style*='--rl-blue']").first
    light = line.evaluate(colour)
    notebook.evaluate(
        "jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Dark'})"
    )
    notebook.wait_for_selector("body[data-jp-theme-light='false']", state="attached")
    assert line.evaluate(colour) != light
    notebook.evaluate(
        "jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'})"
    )
    notebook.wait_for_selector("body[data-jp-theme-light='true']", state="attached")
    notebook.wait_for_selector(".rl-explorer:not(.rl-dark)")
    assert line.evaluate(colour) == light


@pytest.fixture
def edition(browser: Browser, lab: str, folder: Path) -> Iterator[Page]:
    """Of an edition for Colab the first box with its proof, an output, and the exercises."""
    source = ROOT / "_build" / "colab" / "chapters" / "03-lazy.ipynb"
    if not source.exists():
        pytest.fail("the editions are missing: run `make colab` first")
    notebook = nbformat.read(source, as_version=4)
    texts = [cell.source for cell in notebook.cells]
    box = next(k for k, text in enumerate(texts) if "\n> **[" in text)
    exercises = next(k for k, text in enumerate(texts) if "## Exercises" in text)
    output = next(c for c in notebook.cells if c.get("outputs") and not re.search("[{$]", c.source))
    notebook.cells = [notebook.cells[box], output, *notebook.cells[exercises:]]
    nbformat.write(notebook, folder / "edition.ipynb")
    with opened(browser, lab, "edition") as page:
        yield page


def test_an_edition_reads_like_the_book(edition: Page) -> None:
    """Boxes with kind, number and formulas; proofs and solutions closed; nothing raw."""
    box = edition.locator("blockquote").first
    expect(box.locator("strong").first).to_have_text(re.compile(r"^\w+ [\d.]+ \(.+\)\.$"))
    expect(box.locator("mjx-container").first).to_be_visible()
    proof = edition.locator("details", has=edition.locator("summary", has_text="Proof")).first
    formula = proof.locator("mjx-container").first
    expect(formula).to_be_hidden()
    proof.locator("summary").click()
    expect(formula).to_be_visible()
    expect(edition.locator("h3", has_text="Exercise").first).to_be_visible()
    folded = edition.locator("h4", has_text="Solution of").first
    expect(folded).to_be_visible()
    expect(edition.get_by_text(re.compile(r"\d+ cells? hidden")).first).to_be_visible()
    shown = edition.locator(".jp-Notebook").inner_text()
    assert "$" not in shown
    assert "{" not in shown.replace("\\{", "")
