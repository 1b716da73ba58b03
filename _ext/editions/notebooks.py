"""One notebook of the book as its two editions for Colab: with folded solutions, and without."""

from __future__ import annotations

from dataclasses import dataclass, field

import nbformat
from nbformat import NotebookNode

from .blocks import Converter, Piece

# Runs first in every edition: what the chapter's own set-up cell does, and a look at whether the
# runtime still holds an older numpy or torch than the one that an installation put beside it.
SET_UP = """\
import importlib.metadata, importlib.util, os, subprocess, sys

found = importlib.util.find_spec("robustlib")
if found is None or found.origin is None:  # not there, or a folder of this name
    source = os.environ.get("ROBUSTLIB_SOURCE", "robustlib @ git+{repository}")
    if subprocess.call([sys.executable, "-m", "pip", "install", "-q", source]):
        raise RuntimeError(f"pip cannot install {{source}}; is there a network, and git?")
for name in ("numpy", "torch"):
    loaded = getattr(sys.modules.get(name), "__version__", None)
    installed = importlib.metadata.version(name) if loaded else ""
    if loaded and loaded.partition("+")[0] != installed.partition("+")[0]:
        raise RuntimeError(
            f"{{name}} {{loaded}} is loaded but {{installed}} is installed: "
            "restart the session (menu Runtime), then run this cell again.")"""
HIDDEN = {"cellView": "form", "jupyter": {"source_hidden": True}}  # in Colab, in JupyterLab


@dataclass(frozen=True)
class Head:
    """The first lines of an edition: which page it belongs to, where the other edition is."""

    title: str
    page: str
    repository: str
    other: str

    def text(self, student: bool) -> str:
        other = "with solutions" if student else "without solutions"
        return (
            f"*This notebook goes with the page [{self.title}]({self.page}); "
            f"there is [one {other}]({self.other}).*"
        )


@dataclass
class Edition:
    """An edition while it is written."""

    converter: Converter
    student: bool
    cells: list[NotebookNode] = field(default_factory=list)
    folded: list[str] = field(default_factory=list)
    answering: bool = False  # between the marks of a solution with code
    answered: bool = False  # the fold above would swallow text without a heading of its own

    def markdown(self, id: str, text: str) -> NotebookNode:
        taken = sum(cell.id == id or cell.id.startswith(f"{id}--") for cell in self.cells)
        cell = nbformat.v4.new_markdown_cell(text, id=f"{id}--{taken + 1}" if taken else id)
        self.cells.append(cell)
        return cell

    def code(self, source: NotebookNode) -> None:
        if self.student and self.answering:
            return
        cell = nbformat.from_dict(dict(source) | {"metadata": dict(source.metadata)})
        if "hide-input" in cell.metadata.get("tags", []):
            cell.metadata.update(nbformat.from_dict(HIDDEN))
        self.cells.append(cell)

    def text(self, source: NotebookNode) -> None:
        waiting: list[str] = []
        for piece in self.converter.pieces(source.source):
            if piece.kind in ("text", "exercise"):
                self.check(piece)
                if not (self.student and self.answering):
                    waiting.append(piece.text)
                continue
            self.flush(source.id, waiting)
            self.answer(source.id, piece)
        self.flush(source.id, waiting)

    def flush(self, id: str, waiting: list[str]) -> None:
        if waiting:
            self.markdown(id, "\n\n".join(waiting))
            waiting.clear()

    def check(self, piece: Piece) -> None:
        if self.answered and not piece.text.startswith("#"):
            raise ValueError(
                f"after a solution with code a heading or an exercise must come, not\n{piece.text}"
            )
        self.answered = False

    def answer(self, id: str, piece: Piece) -> None:
        if piece.kind == "answer":
            self.markdown(id, "" if self.student else piece.text)
        elif piece.kind == "answer ends":
            self.answering, self.answered = False, not self.student
        elif self.student:
            self.answering = True
            self.cells.append(nbformat.v4.new_code_cell("", id=f"{id}--answer"))
        else:
            self.answering = True
            cell = self.markdown(id, piece.text)
            cell.metadata.update({"id": cell.id, "jp-MarkdownHeadingCollapsed": True})
            self.folded.append(cell.id)


def edition(
    source: NotebookNode, converter: Converter, head: Head, *, student: bool
) -> NotebookNode:
    """The chapter's notebook as plain Markdown and the same code, with the chapter's outputs."""
    made = Edition(converter, student)
    made.markdown("edition", head.text(student))
    set_up = SET_UP.format(repository=head.repository)
    for cell in source.cells:
        if cell.cell_type == "code":
            made.code(cell)
            if set_up:
                made.cells[-1].source, set_up = set_up, ""
        else:
            made.text(cell)
    colab = {"provenance": [], "collapsed_sections": made.folded}
    return nbformat.v4.new_notebook(
        cells=made.cells, metadata=dict(source.metadata) | {"colab": colab}
    )
