"""What the library's files say of its public names: read with ``ast``, never imported.

The site is built where torch is not. A test compares every signature that is read here with the
one that Python knows.
"""

from __future__ import annotations

import ast
import re
from copy import deepcopy
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).parents[2] / "robustlib"
BOOK = ROOT / "book" / "__init__.py"
Part = TypeVar("Part", bound=ast.stmt)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def find(path: Path, name: str) -> Entry:
    """The definition of ``name`` as a module sees it; ``KeyError`` for what is not ours."""
    for node in parsed(path).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return Entry(path, node)
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if (alias.asname or alias.name) == name:
                    return find(_origin(path, node), alias.name)
    raise KeyError(f"{name} is not defined in {path}")


def _origin(path: Path, node: ast.ImportFrom) -> Path:
    """The file of the module that is imported from."""
    module = f"{node.module or ''}"
    if not node.level and not module.startswith(ROOT.name):
        raise KeyError(f"{module} is not the library's")
    place = (path.parents[node.level - 1] if node.level else ROOT.parent).joinpath(
        *module.split(".")
    )
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")


@cache
def public() -> dict[str, str]:
    """Every public name with its place, ``robustlib`` or, of the course's wing, ``robustlib.book``.

    The wing's constants, colours and settings of matplotlib, are left out.
    """
    names = {}
    for place, path in (("robustlib.book", BOOK), ("robustlib", ROOT / "__init__.pyi")):
        for node in parsed(path).body:
            names |= {alias.name: place for alias in getattr(node, "names", ())}
    return {n: place for n, place in names.items() if n not in ("PALETTE", "STYLE")}


def entry(name: str) -> Entry:
    """The definition of a public name; ``KeyError`` for any other."""
    return find(BOOK if public()[name].endswith("book") else ROOT / "__init__.pyi", name)


def short(node: ast.AST) -> str:
    """A type or signature with ``Tensor`` for ``torch.Tensor``."""
    return re.sub(r"\b[a-z]\w*\.(?=[A-Z])", "", ast.unparse(node))


@dataclass(frozen=True)
class Entry:
    """A public function or class, and the file that defines it."""

    path: Path
    node: ast.ClassDef | ast.FunctionDef

    @property
    def kind(self) -> str:
        return "class" if isinstance(self.node, ast.ClassDef) else "function"

    @cached_property
    def docstring(self) -> str:
        return ast.get_docstring(self.node) or ""

    @cached_property
    def lineage(self) -> tuple[Entry, ...]:
        """This class, the one that it is made from, and so on, as far as the library goes."""
        for base in getattr(self.node, "bases", ()):
            try:
                return (self, *find(self.path, ast.unparse(base)).lineage)
            except KeyError:
                continue
        return (self,)

    @cached_property
    def signature(self) -> str:
        """``(x: Tensor, *, n: int=1) -> Sample``; empty for a class that nobody makes."""
        if isinstance(self.node, ast.FunctionDef):
            returns = f" -> {short(self.node.returns)}" if self.node.returns else ""
            return f"({short(self.node.args)}){returns}"
        for base in self.lineage:
            for node in base._parts(ast.FunctionDef):
                if node.name == "__init__":
                    return f"({_without_self(short(node.args))})"
            if base._decorated("dataclass"):
                return self._signature_of_fields()
        return ""

    def fields(self, *, fixed: bool) -> list[str]:
        """``name: type`` of every field, or ``name: type = value`` of what the class fixes."""
        found = {}
        for base in self.lineage[:1] if fixed else self.lineage[::-1]:
            for node in base._parts(ast.AnnAssign):
                constant = re.fullmatch(r"ClassVar\[(.*)\]", short(node.annotation))
                name = ast.unparse(node.target)
                if fixed and constant and node.value:
                    found[name] = f"{name}: {constant[1]} = {ast.unparse(node.value)}"
                elif not fixed and not constant and not name.startswith("_"):
                    found[name] = f"{name}: {short(node.annotation)}"
        return list(found.values())

    @cached_property
    def members(self) -> dict[str, str]:
        """How each documented method and property of this class is called, and its first words."""
        found = {}
        for node in self._parts(ast.FunctionDef):
            called, hidden = node.name == "__call__", node.name.startswith("_")
            text = ast.get_docstring(node)
            if not text or (hidden and not called) or node.name == "extra_repr":  # torch's
                continue
            arguments = deepcopy(node.args)
            for arg in (a for a in ast.walk(arguments) if isinstance(a, ast.arg)):
                arg.annotation = None
            bare = any("property" in ast.unparse(d) for d in node.decorator_list)
            call = "" if bare else f"({_without_self(ast.unparse(arguments))})"
            found[f"{'' if called else node.name}{call}"] = first_words(text)
        return found

    @property
    def own_names(self) -> set[str]:
        """Words that in this entry's text mean an argument, a field or a method."""
        texts = [self.signature, *self.fields(fixed=False), *self.fields(fixed=True)]
        names = {name for text in texts for name in re.findall(r"(\w+):", text)}
        return names | {call.partition("(")[0] for call in self.members}

    def _parts(self, kind: type[Part]) -> list[Part]:
        return [node for node in self.node.body if isinstance(node, kind)]

    def _decorated(self, words: str) -> bool:
        return any(words in ast.unparse(d) for d in self.node.decorator_list)

    def _signature_of_fields(self) -> str:
        """As the decorator ``dataclass`` makes it, from the fields of the base classes on."""
        found: dict[str, tuple[str, bool]] = {}
        for base in self.lineage[::-1]:
            by_keyword = base._decorated("kw_only=True")
            for node in base._parts(ast.AnnAssign) if base._decorated("dataclass") else ():
                name, type_ = ast.unparse(node.target), short(node.annotation)
                by_keyword |= type_ == "KW_ONLY"
                given = _options(node.value)
                if type_.startswith(("ClassVar", "KW_ONLY")) or given.get("init") == "False":
                    continue
                default = f"={given['default']}" if "default" in given else ""
                keyword = by_keyword or given.get("kw_only") == "True"
                found[name] = f"{name}: {type_}{default}", keyword
        plain = [text for text, keyword in found.values() if not keyword]
        named = [text for text, keyword in found.values() if keyword]
        return f"({', '.join([*plain, *(['*'] if named else []), *named])})"


def first_words(docstring: str) -> str:
    return " ".join(docstring.partition("\n\n")[0].split())


def _without_self(arguments: str) -> str:
    return re.sub(r"^(self|cls)(, )?", "", arguments)


def _options(value: ast.expr | None) -> dict[str, str]:
    """The keywords of ``field(...)``; a plain default is one too."""
    if isinstance(value, ast.Call) and ast.unparse(value.func) == "field":
        return {str(k.arg): ast.unparse(k.value) for k in value.keywords}
    return {"default": ast.unparse(value)} if value else {}
