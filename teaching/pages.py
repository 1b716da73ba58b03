"""A page of text and formulas as one HTML file that needs no network."""

from __future__ import annotations

from html import escape
from pathlib import Path

import mathjax
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin


def markdown() -> MarkdownIt:
    """Markdown with tables, and formulas as MathJax takes them."""
    return MarkdownIt("commonmark").enable("table").use(dollarmath_plugin, renderer=_formula)


def page(title: str, body: str, style: str, script: str = "") -> str:
    """The whole page, MathJax in it."""
    file = Path(mathjax.__file__).parent / "static" / "mathjax" / "es5" / "tex-svg.js"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{style}</style>"
        "<script>MathJax = {options: {enableMenu: false}}</script>"
        f"<script>{file.read_text(encoding='utf-8')}</script></head>\n"
        f"<body>{body}<script>{script}</script></body></html>\n"
    )


def _formula(content: str, options: dict[str, bool]) -> str:
    left, right = (r"\[", r"\]") if options["display_mode"] else (r"\(", r"\)")
    return f"{left}{escape(content)}{right}"
