"""Put the formal statement, folded, below the box of every machine-checked statement of the book.

    .venv/bin/python proofs/bridge.py        brings all notebooks up to date

What stands between the two marks is generated: a second run changes no byte.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from robustlib.book.claims.formal import FORMAL, Formal

PROOFS = Path(__file__).parent
CHAPTERS = PROOFS.parent / "chapters"
ADDRESS = "https://github.com/robustlib/robustlib/blob/main/proofs"
BEGIN, END = "<!-- formal statement of {label}, written by proofs/bridge.py -->", "<!-- end -->"
BLOCK = re.compile(r"\n\n<!-- formal statement of \S+, written by .*? -->\n.*?\n<!-- end -->", re.S)


def statement(name: str) -> str:
    """The theorem of a file as it stands there, with its comments and without its proof."""
    text = (PROOFS / name).read_text(encoding="utf-8")
    return text[text.index("\nTheorem ") : text.index("Proof.", text.index("\nTheorem "))].strip()


def box(label: str) -> re.Pattern[str]:
    """Matches the box of a statement together with the proof that follows it."""
    fence = r"(?P<{0}>`{{3,}}){{prf:{1}}}"
    return re.compile(
        fence.format("outer", r"(?!proof)\w+")
        + rf"[^\n]*\n:label: {label}\n(?P<says>.*?)\n(?P=outer)(?=\n|$)"
        + rf"(?:\n\n{fence.format('inner', 'proof')}.*?\n(?P=inner)(?=\n|$))?",
        re.S,
    )


def fold(label: str, formal: Formal) -> str:
    return "\n".join(
        [
            BEGIN.format(label=label),
            "````{admonition} Machine-checked",
            ":class: dropdown",
            "",
            f"Coq has checked [`proofs/{formal.file}`]({ADDRESS}/{formal.file}); "
            "[how to read it](formal.md).",
            "",
            "```{code-block} coq",
            statement(formal.file),
            "```",
            "",
            *_lines(formal.assumed),
            *_lines(formal.left_out),
            "````",
            END,
        ]
    )


def _lines(text: str) -> list[str]:
    """One sentence a line."""
    return re.split(r"(?<=\.) (?=[A-Z])", text)


def bridged(source: str) -> str:
    """The text of a cell with all its folds, and no others."""
    source = BLOCK.sub("", source)
    for label, formal in FORMAL.items():
        found = box(label).search(source)
        if found:
            source = f"{source[: found.end()]}\n\n{fold(label, formal)}{source[found.end() :]}"
    return source


def says(label: str) -> str:
    """The text in the box of a statement, for comparing it with the formal one."""
    for path in sorted(CHAPTERS.glob("*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            found = box(label).search("".join(cell["source"]))
            if found:
                return found["says"]
    raise ValueError(f"no box is labelled {label}")


def updated(text: str) -> str:
    """A notebook's JSON with the folds of all its cells."""
    notebook: dict[str, Any] = json.loads(text)
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            cell["source"] = bridged("".join(cell["source"])).splitlines(keepends=True)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    for path in sorted(CHAPTERS.glob("*.ipynb")):
        old = path.read_text(encoding="utf-8")
        new = updated(old)
        if new != old:
            path.write_text(new, encoding="utf-8")
            print(path.relative_to(PROOFS.parent))


if __name__ == "__main__":
    main()
