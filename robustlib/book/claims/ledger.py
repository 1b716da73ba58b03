"""The page "What is proved, what is checked", written from the verdicts of all claims."""

from __future__ import annotations

import html
from collections.abc import Sequence

from .formal import machine_checked
from .registry import HOLDS, Verdict

INTRO = """\
# What is proved, what is checked

Every numbered statement that the book proves has its proof on its page and a claim here.
A claim runs the statement: it predicts, measures, and then breaks one hypothesis on purpose.
That last run is the *control*; it must fail, or the check could not have failed either.
Some statements were checked by a proof assistant as well.
Their files stand in the folder `proofs/`; [](formal.md) says how to read them.
This page is written by `python -m robustlib claims --page chapters/ledger.md`, never by hand.
"""
QUOTED = "What is only quoted is named at the end, with the reason why no claim checks it.\n"


def ledger_page(verdicts: Sequence[Verdict], unchecked: dict[str, str] | None = None) -> str:
    """The ledger as a MyST page: one section a claim, and the statements without one, with reason.

    ``unchecked`` maps the label of a statement to the reason why no claim checks it.
    Raises ``ValueError`` for no verdicts.
    """
    if not verdicts:
        raise ValueError("verdicts must not be empty")
    held = sum(verdict.status == HOLDS for verdict in verdicts)
    intro = INTRO + (QUOTED if unchecked else "")
    lines = [intro, f"**{held} of {len(verdicts)} claims hold**, {_how(verdicts)}.", ""]
    lines += ["| statement | claim | verdict | machine-checked | CPU seconds |"]
    lines += ["| --- | --- | --- | --- | --- |"]
    for verdict in verdicts:
        found = verdict.claim
        lines.append(
            f"| {{prf:ref}}`{found.statement}` | [{found.id}](claim-{found.id}) "
            f"| {verdict.status} | {machine_checked(found.statement)} | {verdict.seconds:.1f} |"
        )
    for verdict in verdicts:
        found = verdict.claim
        lines += ["", f"(claim-{found.id})=", f"## {found.title}", ""]
        lines.append(f"**{verdict.status}**: {{prf:ref}}`{found.statement}`, ")
        lines[-1] += f"`check({found.id!r})`."
        lines.append("")
        lines += [f"{name}\n: {_escape(text)}\n" for name, text in verdict.rows()]
    if unchecked:
        lines += ["", "## Statements without a claim", ""]
        lines += [f"* {{prf:ref}}`{label}`: {reason}" for label, reason in unchecked.items()]
    return "\n".join(lines).rstrip() + "\n"


def _how(verdicts: Sequence[Verdict]) -> str:
    seconds = sum(verdict.seconds for verdict in verdicts)
    return f"run with the {verdicts[0].budget} budget in {seconds:.0f} s of CPU time"


def _escape(text: str) -> str:
    """Plain text for a MyST page: nothing in it may start mathematics, emphasis or HTML."""
    for char in "\\`*_$[]{}":
        text = text.replace(char, "\\" + char)
    return html.escape(text, quote=False)
