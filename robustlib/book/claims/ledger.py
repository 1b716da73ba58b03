"""The page "What is proved, what is checked", written from the verdicts of all claims."""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Sequence

from .formal import machine_checked
from .formulas import typeset
from .registry import HOLDS, Verdict

INTRO = """\
# What is proved, what is checked

Every numbered statement that the book proves has its proof on its page and a claim here.
A claim runs the statement: it predicts, measures, and then changes one thing on purpose.
That last run is the *control*; it must fail, or the check could not have failed either.
Where a statement is a bound, *of bound* is the largest share of it that was measured: near 1 the
check would notice a wrong constant, far below it only a wrong order.
"Run below its size" means that the conclusion was seen, but at sizes for which the statement does
not promise it.
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
    counts = Counter(verdict.status for verdict in verdicts)
    others = "".join(f", {counts[s]} {s.lower()}" for s in sorted(counts) if s != HOLDS)
    intro = INTRO + (QUOTED if unchecked else "")
    head = f"**{counts[HOLDS]} of {len(verdicts)} claims hold**{others}, {_how(verdicts)}."
    lines = [intro, head, ""]
    lines += ["| statement | chapter | claim | verdict | machine-checked | of bound | control |"]
    lines += ["| --- | --- | --- | --- | --- | --- | --- |"]
    for verdict in verdicts:
        found, seen = verdict.claim, verdict.evidence
        ratio = "" if seen is None or seen.ratio is None else f"{seen.ratio:.2g}"
        lines.append(
            f"| {{prf:ref}}`{found.statement}`: {typeset(_unlettered(found.title), _escape)} "
            f"| {{doc}}`{int(found.chapter[:2])} <{found.chapter}>` "
            f"| [{found.id}](claim-{found.id}) | {verdict.status} "
            f"| {machine_checked(found.statement)} | {ratio} "
            f"| {typeset(_in_short(verdict), _escape)} |"
        )
    for verdict in verdicts:
        found = verdict.claim
        lines += ["", f"(claim-{found.id})=", f"## {found.title}", ""]
        lines.append(f"**{verdict.status}**: {{prf:ref}}`{found.statement}`, ")
        lines[-1] += f"`check({found.id!r})`."
        lines.append("")
        lines += [f"{name}\n: {typeset(text, _escape)}\n" for name, text in verdict.rows()]
    if unchecked:
        lines += ["", "## Statements without a claim", ""]
        lines += [f"* {{prf:ref}}`{label}`: {reason}" for label, reason in unchecked.items()]
    return "\n".join(lines).rstrip() + "\n"


def _unlettered(title: str) -> str:
    """The title without the letter that the reference beside it shows already."""
    found = re.match(r"Theorem [A-E][:,] ", title)
    return title[found.end() :] if found else title


def _in_short(verdict: Verdict) -> str:
    """What the control changes, in a few words."""
    if verdict.evidence is None:
        return ""
    control = verdict.evidence.control
    words = control.broken.split(",")[0].split()
    return control.short or " ".join(words[:6]) + (" ..." if len(words) > 6 else "")


def _how(verdicts: Sequence[Verdict]) -> str:
    seconds = sum(verdict.seconds for verdict in verdicts)
    return f"run with the {verdicts[0].budget} budget in {seconds:.0f} s of CPU time"


def _escape(text: str) -> str:
    """Plain text for a MyST page: nothing in it may start mathematics, emphasis or HTML."""
    for char in "\\`*_$[]{}|":
        text = text.replace(char, "\\" + char)
    return html.escape(text, quote=False)
