"""MyST as plain Markdown: what Colab, JupyterLab and GitHub show of a page without Sphinx.

Statements and open boxes become block quotes, folded boxes, proofs and solutions ``<details>``,
exercises headings. These forms survive in all three; a styled ``div`` does not. A syntax that is
not in the tables below raises, so that none is ever left raw.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal, Protocol

from markdown_it import MarkdownIt
from markdown_it.token import Token

STATEMENTS = {"algorithm", "assumption", "axiom", "conjecture", "corollary", "criterion"}
STATEMENTS |= {"definition", "example", "lemma", "notation", "observation", "property"}
STATEMENTS |= {"proposition", "remark", "theorem"}
NOTES = {"attention", "caution", "danger", "error", "hint", "important", "note", "seealso"}
NOTES |= {"tip", "warning"}
# What Markdown without extensions shows as the book does.
PLAIN_BLOCKS = {"blockquote", "bullet_list", "fence", "code_block", "heading", "hr", "html_block"}
PLAIN_BLOCKS |= {"list_item", "math_block", "ordered_list", "paragraph"}
PLAIN_BLOCKS |= {"table", "tbody", "td", "th", "thead", "tr"}
UNSEEN_BLOCKS = {"myst_target", "myst_line_comment", "myst_block_break"}
PLAIN_SPANS = {"code_inline", "em", "hardbreak", "html_inline", "link", "math_inline"}
PLAIN_SPANS |= {"softbreak", "strong", "text"}

Kind = Literal["text", "exercise", "answer", "answer begins", "answer ends"]


class Speaker(Protocol):
    """Says what a role or a link shows on the site, and where it leads."""

    def markdown(self, snippet: str) -> str: ...

    def address(self, href: str) -> str: ...


@dataclass(frozen=True)
class Piece:
    """A part of a cell: Markdown, and whether it is an exercise or an answer to one."""

    kind: Kind
    text: str


@dataclass(frozen=True)
class Directive:
    """A fence ``{name} argument`` with ``:key: value`` lines and a body."""

    name: str
    argument: str
    options: dict[str, str]
    body: str

    @classmethod
    def of(cls, token: Token) -> Directive:
        name, _, argument = token.info.strip().partition("}")
        lines = token.content.splitlines()
        options = {}
        while lines and lines[0].startswith(":") and lines[0].find(":", 1) > 1:
            key, _, value = lines.pop(0)[1:].partition(":")
            options[key] = value.strip()
        return cls(name[1:], argument.strip(), options, "\n".join(lines).strip("\n"))

    @property
    def folded(self) -> bool:
        return "dropdown" in self.options.get("class", "").split()


def is_directive(token: Token) -> bool:
    return token.type in ("fence", "colon_fence") and token.info.lstrip().startswith("{")


def bare(token: Token) -> str:
    return token.type.removesuffix("_open").removesuffix("_close")


def quoted(text: str) -> str:
    return "\n".join(f"> {line}".rstrip() for line in text.splitlines())


def fold(summary: str, body: str) -> str:
    """Blank lines let Markdown and formulas be set inside; Colab shrinks text without them."""
    shown = MarkdownIt().renderInline(summary)
    return f"<details>\n<summary>{shown}</summary>\n\n{body}\n\n</details>"


class Converter:
    """Turns the source of one page's cells into pieces of Markdown."""

    def __init__(self, parser: MarkdownIt, speaker: Speaker) -> None:
        self.parser = parser
        self.speaker = speaker

    def pieces(self, source: str, *, flat: bool = False) -> list[Piece]:
        """``flat`` puts displayed formulas on one line, as in quotes, where "> " would be read."""
        lines = source.splitlines()
        found: list[Piece] = []
        done = 0  # lines that are in ``found`` already

        def text_until(end: int) -> None:
            nonlocal done
            text = "\n".join(line for line in lines[done:end] if line != REMOVED).strip("\n")
            if text.strip():
                found.append(Piece("text", text))
            done = end

        for token in self.parser.parse(source):
            start, end = token.map or (0, 0)
            if is_directive(token):
                # lines of other pieces before it are final: tokens come in order
                piece = self.directive(Directive.of(token))
                if piece.kind == "text":
                    pad = lines[start][: len(lines[start]) - len(lines[start].lstrip())]
                    new = [(pad + line).rstrip() for line in piece.text.splitlines()]
                    # a quote would go on into a next line, HTML into any but a blank one
                    before, after = (k in range(len(lines)) and lines[k] for k in (start - 1, end))
                    new = ([""] if before else []) + new + ([""] if after else [])
                    replace(lines, start, end, "\n".join(new))
                elif token.level:
                    raise ValueError(f"an exercise or a solution inside a list:\n{token.content}")
                else:
                    text_until(start)
                    found.append(piece)
                    done = end
            elif token.type in UNSEEN_BLOCKS or is_comment(token):
                replace(lines, start, end, None)
            elif token.type == "inline":
                replace(lines, start, end, self.spans(token, "\n".join(lines[start:end])))
            elif token.type == "math_block" and flat:
                before = lines[start].partition("$$")[0]
                replace(lines, start, end, f"{before}$${' '.join(token.content.split())}$$")
            elif bare(token) not in PLAIN_BLOCKS:
                raise ValueError(f"{token.type} has no form here:\n{token.content}")
        text_until(len(lines))
        return found

    def text(self, source: str, *, flat: bool = False) -> str:
        """The source as one text, for the inside of a box."""
        pieces = self.pieces(source, flat=flat)
        if any(piece.kind != "text" for piece in pieces):
            raise ValueError(f"an exercise or a solution inside a box:\n{source}")
        return "\n\n".join(piece.text for piece in pieces)

    def line(self, source: str) -> str:
        """A title, which has no blocks."""
        return "".join(self.spans(token, source) for token in self.parser.parseInline(source))

    def directive(self, found: Directive) -> Piece:
        name, title = found.name, self.line(found.argument)
        if name.startswith("prf:") and name[4:] in STATEMENTS:
            number = self.speaker.markdown(f"{{prf:ref}}`{label_of(found)}`")
            head = f"**{number}{f' ({title})' if title else ''}.**"
            return Piece("text", quoted(f"{head}\n\n{self.text(found.body, flat=True)}"))
        if name == "exercise":
            number = self.speaker.markdown(f"{{ref}}`{label_of(found)}`")
            head = f"### {number} {title}".rstrip()
            return Piece("exercise", f"{head}\n\n{self.text(found.body)}")
        if name in ("solution", "solution-start"):
            number = self.speaker.markdown(f"{{ref}}`{found.argument}`")
            if name == "solution-start":
                return Piece("answer begins", f"#### Solution of {number}")
            plain = number[1:].partition("](")[0]  # in the line that is clicked a link would open
            return Piece("answer", fold(f"Solution of {plain}", self.text(found.body)))
        if name == "solution-end":
            return Piece("answer ends", "")
        if name in ("code-block", "code"):
            longest = max(map(len, re.findall("`+", found.body)), default=0)
            marks = "`" * max(3, longest + 1)
            return Piece("text", f"{marks}{found.argument}\n{found.body}\n{marks}")
        if name == "prf:proof":
            return Piece("text", self.box("Proof", found))
        if name in ("admonition", "dropdown"):
            return Piece("text", self.box(title, found, folded=name == "dropdown"))
        if name in NOTES:
            return Piece("text", self.box(name.capitalize(), found))
        raise ValueError(f"the directive {name} has no form here:\n{found.body}")

    def box(self, title: str, found: Directive, folded: bool = False) -> str:
        if folded or found.folded:
            return fold(title, self.text(found.body))
        return quoted(f"**{title}**\n\n{self.text(found.body, flat=True)}")

    def spans(self, token: Token, source: str) -> str:
        """The lines of an inline token with roles and links into the book replaced."""
        parts: list[str] = []
        place = 0

        def swap(old: str, new: str) -> None:
            nonlocal place
            # a token has one space where its source may have the end of a line
            spaced = r"\s+".join(map(re.escape, old.split(" ")))
            there = re.compile(spaced).search(source, place)
            if there is None:
                raise ValueError(f"cannot find {old!r} in {source!r}")
            parts.extend((source[place : there.start()], new or there[0]))
            place = there.end()

        children = token.children or []
        for child, after in zip_longest(children, children[1:]):
            href = str(child.attrs.get("href", ""))
            if child.type == "myst_role":
                snippet = f"{{{child.meta['name']}}}`{child.content}`"
                swap(snippet, self.speaker.markdown(snippet))
            elif child.type == "code_inline":
                swap(child.content, "")  # what it quotes is no role: kept
            elif child.type == "link_open" and "://" not in href:
                if after is not None and after.type == "link_close":
                    swap(f"[]({href})", self.speaker.markdown(f"[]({href})"))
                else:
                    swap(f"]({href})", f"]({self.speaker.address(href)})")
            elif bare(child) not in PLAIN_SPANS:
                raise ValueError(f"{child.type} has no form here: {source}")
        return "".join(parts) + source[place:]


REMOVED = "\0removed"


def replace(lines: list[str], start: int, end: int, text: str | None) -> None:
    """Put a text in place of lines and keep the count, because tokens point at lines."""
    lines[start:end] = [REMOVED] * (end - start)
    if text is not None:
        lines[start] = text


def is_comment(token: Token) -> bool:
    return token.type == "html_block" and token.content.lstrip().startswith("<!--")


def label_of(found: Directive) -> str:
    if "label" not in found.options:
        raise ValueError(f"a {found.name} without a label has no number:\n{found.body}")
    return found.options["label"]
