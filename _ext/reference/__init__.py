"""The API reference: entries from the library's docstrings, and links to them from every page.

``{api} robust_loss`` with ``:gives: RobustLoss`` puts an entry for a function and for what it
returns into a page; ``{apilist} attack`` lists the entries of another page in a sentence each. The
first mention of a public name in a section of any page, in code type, leads to its entry.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from docutils.statemachine import StringList
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import make_refnode

from .source import Entry, entry, first_words, public

# Literals, roles for names, and emphasis, as docstrings have them.
MARKS = re.compile(r"``(.+?)``|:\w+:`(.+?)`|(?<![\w*])\*(?=[^\s*])(.+?)(?<=[^\s*])\*(?![\w*])")
ENTRIES = re.compile(r"^`{3,}\{api\} (\w+)\n(?::gives: (.+)\n)?", re.MULTILINE)
PLAIN = "rl-plain"  # marks a word that is no mention of a public name


def words(text: str, own: set[str]) -> list[nodes.Node]:
    """A sentence of a docstring; names among ``own`` mean something else than what is public."""
    found: list[nodes.Node] = []
    place = 0
    for mark in MARKS.finditer(text):
        found.append(nodes.Text(text[place : mark.start()]))
        place = mark.end()
        if mark[3]:
            found.append(nodes.emphasis("", mark[3]))
        else:
            code = mark[1] or mark[2].removeprefix("robustlib.")
            found.append(nodes.literal("", code, classes=[PLAIN] if code in own else []))
    return [*found, nodes.Text(text[place:])]


def paragraphs(text: str, own: set[str]) -> list[nodes.Node]:
    """A docstring: its paragraphs and bullet lists."""
    found: list[nodes.Node] = []
    for block in text.split("\n\n"):
        head, *items = re.split(r"^\* ", block, flags=re.MULTILINE)
        if head.strip():
            found.append(nodes.paragraph("", "", *words(" ".join(head.split()), own)))
        if items:
            found.append(bullets([words(" ".join(item.split()), own) for item in items]))
    return found


def bullets(items: list[list[nodes.Node]]) -> nodes.bullet_list:
    paragraph = [nodes.paragraph("", "", *item) for item in items]
    return nodes.bullet_list("", *(nodes.list_item("", p) for p in paragraph))


def codes(label: str, texts: list[str]) -> nodes.paragraph:
    """``label`` and some pieces of code."""
    line = nodes.paragraph("", "", nodes.emphasis("", label), nodes.Text(" "))
    for k, text in enumerate(texts):
        line += [nodes.Text(", " if k else ""), nodes.literal("", text)]
    return line


class Api(SphinxDirective):
    """The entry of a callable and of the results that it gives."""

    required_arguments = 1
    option_spec: ClassVar = {"gives": directives.unchanged}

    def run(self) -> list[nodes.Node]:
        results = self.options.get("gives", "").split()
        found = [self.described(self.arguments[0], is_result=False)]
        return found + [self.described(name, is_result=True) for name in results]

    def described(self, name: str, *, is_result: bool) -> nodes.Node:
        if name not in public():
            raise self.error(f"{name} is no public name of the library")
        known = entry(name)
        self.env.note_dependency(str(known.path))
        signature = "" if is_result else known.signature
        fence = [f"```{{py:{known.kind}}} {name}{signature}", f":module: {public()[name]}", "```"]
        box = nodes.container(classes=["rl-api"])
        self.state.nested_parse(StringList(fence, "api"), self.content_offset, box)
        for type_ in list(box.findall(addnodes.pending_xref)):
            target = type_["reftarget"]
            if target in public():
                type_["reftarget"] = f"{public()[target]}.{target}"
            else:  # torch's, say: no link
                type_.replace_self(type_.children)
        (content,) = box.findall(addnodes.desc_content)
        content += self.content_of(name, known, is_result)
        return box

    def content_of(self, name: str, known: Entry, is_result: bool) -> list[nodes.Node]:
        own = known.own_names | {name}
        found = paragraphs(known.docstring, own)
        kinds = [base.node.name for base in known.lineage[1:] if base.node.name in public()]
        if kinds:
            found.append(codes("A kind of", kinds[:1]))
        for label, texts in (
            ("Fields:", known.fields(fixed=False) if is_result else []),
            ("The same for all:", known.fields(fixed=True)),
        ):
            found += [codes(label, texts)] if texts else []
        calls = [
            [nodes.literal("", call, classes=[PLAIN]), nodes.Text(": "), *words(text, own)]
            for call, text in known.members.items()
        ]
        return [*found, bullets(calls)] if calls else found


class ApiList(SphinxDirective):
    """The names that have an entry on a page of the folder ``chapters/reference``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        page = Path(self.env.srcdir, "chapters", "reference", f"{self.arguments[0]}.md")
        self.env.note_dependency(str(page))
        items = []
        for name in names_of(page.read_text(encoding="utf-8")):
            text = words(first_words(entry(name).docstring), entry(name).own_names)
            items.append([nodes.literal("", name), nodes.Text(": "), *text])
        return [bullets(items)]


def names_of(page: str) -> list[str]:
    """The names that a page has entries for, in its order."""
    return [name for first, rest in ENTRIES.findall(page) for name in (first, *rest.split())]


def mentioned(code: nodes.literal) -> str | None:
    """The public name of the library that this code is, or is a call of."""
    found = re.fullmatch(r"(?:robustlib\.)?(\w+)(?:\(.*\))?", code.astext(), re.DOTALL)
    known = found and public().get(found[1]) == "robustlib" and PLAIN not in code["classes"]
    return found[1] if known else None


def link(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """The first mention of a name in a section leads to its entry; not in headings and outputs."""
    if app.builder.format != "html":
        return
    places = app.env.get_domain("py").objects
    seen = set()
    for code in list(doctree.findall(nodes.literal)):
        name, above = mentioned(code), code.parent
        while name and not isinstance(above, nodes.section | addnodes.desc | nodes.document):
            if isinstance(above, nodes.title | nodes.reference) or "cell" in above["classes"]:
                name = None
            above = above.parent
        place = places.get(f"robustlib.{name}")
        if isinstance(above, addnodes.desc) and above[0]["fullname"] == name:
            continue  # an entry does not lead to itself
        if place and (id(above), name) not in seen:
            seen.add((id(above), name))
            copy = code.deepcopy()
            code.replace_self(
                make_refnode(app.builder, docname, place.docname, place.node_id, copy)
            )


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("api", Api)
    app.add_directive("apilist", ApiList)
    app.connect("doctree-resolved", link)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
