"""What the search finds first: the definition, not a page that uses the word; and no TeX.

Sphinx's search ranks pages by where their words stand. Here every statement of the book becomes a
title of its own, found by its number and by its name, and so does every term of the page
``chapters/terms``; ``scorer.js`` puts titles that lead to a place inside a page before pages.
"""

import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

TERMS = "chapters/terms"
ROW = re.compile(r"^\| ([^|{]+) \| \{(prf:ref|ref)\}`(?:[^`<]*<)?([\w-]+)>?` \|$", re.M)


def without_tex(text: str) -> str:
    r"""A title as a reader types it: ``\varepsilon`` is epsilon, and braces are gone."""
    text = text.replace(r"\varepsilon", "epsilon").replace(r"\infty", "infinity")
    return re.sub(r"[\\{}$]", "", text)


def statements(env: BuildEnvironment) -> dict[tuple[str, str], list[str]]:
    """For each box, as (page, anchor): "Theorem 6.1" and "Regret of online gradient descent"."""
    found = {}
    for label, box in env.proof_list.items():
        page, kind = box["docname"], box["countertype"]
        number = env.toc_fignumbers.get(page, {}).get(kind, {}).get(label)
        if number:
            name = f"{box['realtype'].title()} {'.'.join(map(str, number))}"
            found[page, label] = [name, *env.box_titles.get(label, [])]
    return found


def terms(app: Sphinx) -> dict[tuple[str, str], list[str]]:
    """The terms that stand on their page, by the place they lead to."""
    source = Path(app.srcdir, f"{TERMS}.md").read_text(encoding="utf-8")
    places = app.env.get_domain("std").anonlabels
    found: dict[tuple[str, str], list[str]] = {}
    for names, role, label in ROW.findall(source):
        page, anchor = (
            (app.env.proof_list[label]["docname"], label) if role == "prf:ref" else places[label]
        )
        found.setdefault((page, anchor), []).extend(names.split(", "))
    return found


def keep_titles(app: Sphinx, doctree: nodes.document) -> None:
    kept = getattr(app.env, "box_titles", {})
    for box in doctree.findall(lambda n: isinstance(n, nodes.Element) and "realtype" in n):
        text = without_tex(box["title"]).strip().removeprefix("(").removesuffix(")")
        kept[box["label"]] = [text] if text else []
    app.env.box_titles = kept


def add_entries(app: Sphinx, page: str, *_: object) -> None:
    """Once all pages are in the index: its last page is written after them."""
    indexer = getattr(app.builder, "indexer", None)
    if page != "search" or indexer is None:
        return
    boxes = {label for _, label in statements(app.env)}
    for name, titles in indexer._all_titles.items():
        # Sphinx has put the titles of boxes there as they stand in the source, TeX and all
        indexer._all_titles[name] = [t for t in titles if t[1] not in boxes and t[1] != ""]
    for found in (statements(app.env), terms(app)):
        for (name, anchor), texts in found.items():
            known = indexer._all_titles.setdefault(name, [])
            known += [(text, anchor) for text in texts if (text, anchor) not in known]


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("doctree-read", keep_titles)
    app.connect("html-page-context", add_entries)
    return {"parallel_read_safe": False, "parallel_write_safe": False}
