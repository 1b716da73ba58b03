"""Editions of the notebooks for Colab, JupyterLab and GitHub, which know no MyST.

``jupyter-book build . --builder custom --custom-builder colab`` writes them; the rocket of each
page leads to them on the branch ``colab``, where publishing puts them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
from markdown_it.renderer import RendererHTML
from myst_parser.parsers.mdit import create_md_parser
from sphinx.application import Sphinx
from sphinx.builders import Builder
from sphinx.config import Config

from .addresses import STUDENTS, Addresses
from .blocks import Converter
from .notebooks import Head, edition
from .phrases import Phrases

README = """\
Notebooks of the book for Colab, with solutions in `chapters`, without them in `students`.
They are made from the branch `main` by `make colab`; a change made here is lost.
"""


def addresses_of(config: Config) -> Addresses:
    theme = config.html_theme_options
    html = {"baseurl": config.html_baseurl}
    return Addresses.of({"repository": {"url": theme["repository_url"]}, "html": html})


class ColabBuilder(Builder):
    """Writes two editions of every notebook; addresses are those of the published site."""

    name = "colab"
    epilog = "The notebooks for Colab are in %(outdir)s."

    def get_outdated_docs(self) -> list[str]:
        return ["all notebooks"]

    def get_target_uri(self, docname: str, typ: str | None = None) -> str:
        return addresses_of(self.config).page(docname)

    def get_relative_uri(self, from_: str, to: str, typ: str | None = None) -> str:
        return self.get_target_uri(to, typ)

    def notebooks(self) -> Iterator[tuple[str, Path]]:
        for docname in sorted(self.env.found_docs):
            path = Path(self.env.doc2path(docname))
            if path.suffix == ".ipynb":
                yield docname, path

    def write(self, *_: Any) -> None:
        (Path(self.outdir) / "README.md").write_text(README, encoding="utf-8")
        addresses = addresses_of(self.config)
        parser = create_md_parser(self.env.myst_config, RendererHTML)
        for docname, path in self.notebooks():
            converter = Converter(parser, Phrases(self, docname))
            source = nbformat.read(path, as_version=4)
            names = {True: f"{STUDENTS}/{path.name}", False: f"{docname}.ipynb"}
            for student, name in names.items():
                head = Head(
                    self.env.titles[docname].astext(),
                    addresses.page(docname),
                    addresses.repository,
                    addresses.colab(names[not student]),
                )
                try:
                    made = edition(source, converter, head, student=student)
                except ValueError as error:
                    raise ValueError(f"{docname}: {error}") from error
                target = Path(self.outdir) / name
                target.parent.mkdir(parents=True, exist_ok=True)
                nbformat.write(made, target)


def aim_rocket(app: Sphinx, page: str, _: str, context: dict[str, Any], __: Any) -> None:
    """The launch buttons open the editions, not the sources that only Sphinx can show."""
    addresses, name = addresses_of(app.config), Path(page).name
    for group in context.get("header_buttons", []):
        if group.get("label") != "launch-buttons":
            continue
        for button in [button for button in group["buttons"] if button["text"] == "Colab"]:
            button["url"] = addresses.colab(f"{page}.ipynb")
            student = {"url": addresses.colab(f"{STUDENTS}/{name}.ipynb")}
            student["text"] = student["tooltip"] = "Colab, without solutions"
            group["buttons"].append(button | student)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_builder(ColabBuilder)
    app.connect("html-page-context", aim_rocket, priority=900)  # after the theme made its buttons
    return {"parallel_read_safe": True, "parallel_write_safe": True}
