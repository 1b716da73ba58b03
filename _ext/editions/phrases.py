"""What Sphinx makes of a role or a link, as Markdown: the words and numbers of the built site.

A snippet is parsed and resolved as the page's own text is, by the same parser and the same
post-transforms, so that no rule for numbers, titles or citations is written here again.
"""

from __future__ import annotations

from functools import cache
from urllib.parse import urljoin

from docutils import nodes
from docutils.frontend import get_default_settings
from docutils.utils import new_document
from myst_parser.parsers.sphinx_ import MystParser
from sphinx.builders import Builder
from sphinx.util.docutils import sphinx_domains


class Phrases:
    """Answers for one page; addresses are those that ``builder`` gives."""

    def __init__(self, builder: Builder, docname: str) -> None:
        self.builder = builder
        self.docname = docname
        self.page = builder.get_target_uri(docname)
        self.markdown = cache(self._markdown)

    def resolved(self, snippet: str) -> nodes.paragraph:
        env = self.builder.env
        env.prepare_settings(self.docname)
        settings = get_default_settings(MystParser)
        settings.__dict__ |= env.settings | {"env": env}
        document = new_document(env.doc2path(self.docname), settings)
        try:
            with sphinx_domains(env):
                # below a heading, as on a page: other extensions look for one
                MystParser().parse(f"# {self.docname}\n\n{snippet}", document)
            env.resolve_references(document, self.docname, self.builder)
        finally:
            env.temp_data.clear()
            env.ref_context.clear()
        return list(document.findall(nodes.paragraph))[-1]

    def _markdown(self, snippet: str) -> str:
        """The words that a reader of the site sees there, linked to where they lead."""
        return "".join(map(self._write, self.resolved(snippet).children))

    def address(self, href: str) -> str:
        """Where a link into the book leads."""
        (found,) = self.resolved(f"[x]({href})").findall(nodes.reference)
        return self._address(found, href)

    def _address(self, node: nodes.reference, snippet: object) -> str:
        if "refid" in node:
            return f"{self.page}#{node['refid']}"
        if "refuri" not in node:
            raise ValueError(f"{self.docname}: {snippet} leads nowhere")
        return urljoin(self.page, node["refuri"])

    def _write(self, node: nodes.Node) -> str:
        if isinstance(node, nodes.Text):
            return node.astext()
        inside = "".join(map(self._write, node.children))
        if isinstance(node, nodes.reference):
            return f"[{inside}]({self._address(node, inside)})"
        if isinstance(node, nodes.emphasis):
            return f"*{inside}*"
        if isinstance(node, nodes.strong):
            return f"**{inside}**"
        if isinstance(node, nodes.math):
            return f"${node.astext()}$"
        if isinstance(node, nodes.literal) and "xref" not in node["classes"]:
            return f"`{inside}`"
        if isinstance(node, nodes.inline | nodes.literal):
            return inside
        raise ValueError(f"{self.docname}: {node!r} has no form here")
