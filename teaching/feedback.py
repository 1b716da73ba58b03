"""A page for each student: what was asked, the smallest input that went wrong, a hint."""

from __future__ import annotations

from html import escape
from typing import Any

_STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
code { white-space: pre-wrap; overflow-wrap: anywhere }
h2 { border-top: 1px solid; padding-top: 1rem }
@media (prefers-color-scheme: dark) { body { background: #14181e; color: #e6e6e6 } }
"""


def page(record: dict[str, Any]) -> str:
    """The page as HTML that stands alone; all that a student wrote is escaped."""
    of = sum(task["of"] for task in record["tasks"])
    got = sum(task["points"] for task in record["tasks"])
    title = f"{record['assignment']}: {record['student']}"
    lines = [f"<h1>{escape(title)}</h1>", f"<p>{got} of {of} points by the program.</p>"]
    if record["fault"]:
        lines.append(f"<p>The file {escape(record['fault'])}, so nothing could be asked.</p>")
    for task in record["tasks"]:
        lines += _task(task)
    if record["errors"]:
        lines.append("<h2>Cells that did not run to their end</h2><ul>")
        for number, text in sorted(record["errors"].items(), key=lambda pair: int(pair[0])):
            lines.append(f"<li>Code cell {number}: <code>{escape(text)}</code></li>")
        lines.append("</ul>")
    lines.append("<p>Tasks marked by hand are not on this page.</p>")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body><main>\n"
        + "\n".join(lines)
        + "\n</main></body></html>\n"
    )


def _task(task: dict[str, Any]) -> list[str]:
    lines = [
        f"<h2>{escape(task['number'])} {escape(task['title'])}: {task['points']} of "
        f"{task['of']}</h2>",
        f"<p>Asked for: <code>{escape(task['call'])}</code></p><ul>",
    ]
    for part in task["parts"]:
        if part["miss"] is None:
            note = "" if part["counts"] else " (counts once the first part is right)"
            lines.append(f"<li>Right: {escape(part['checks'])}{note}.</li>")
            continue
        question, why, hint = (escape(text) for text in part["miss"])
        lines.append(
            f"<li>Not right: {escape(part['checks'])}.<br><code>{question}</code> {why}."
            f"<br>Hint: {hint}.</li>"
        )
    return [*lines, "</ul>"]
