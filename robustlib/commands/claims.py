"""``python -m robustlib claims``: the statements of the book, run."""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..book.claims import Verdict, check, claims, ledger_page
from ..book.claims.unchecked import UNCHECKED
from ..checks import check_choice
from ..files import replace
from ..numerics import BUDGETS, budget
from .wrong import WrongCall


def add(commands: Any) -> None:
    """The command and its options."""
    run = commands.add_parser(
        "claims",
        help="check statements of the book",
        description="Run statements of the book, each with a control that fails.",
        epilog="Exit status: 0 if no claim that was run fails, 1 if one does, 2 for a wrong call.",
    )
    run.add_argument("ids", nargs="*", metavar="ID", help="claims to check (default: all)")
    run.add_argument("--budget", choices=BUDGETS, help="how much work each may do")
    run.add_argument("--json", type=Path, metavar="FILE", help="write the verdicts to FILE")
    run.add_argument("--page", type=Path, metavar="FILE", help="write the book's ledger to FILE")
    run.set_defaults(run=run_claims)


def run_claims(options: argparse.Namespace) -> int:
    """Run them; the exit status is 0 only where no claim that was run fails."""
    known = [found.id for found in claims()]
    try:  # all that can be wrong, before minutes of work
        ids = [check_choice("ID", id, known) for id in options.ids or known]
        budget()
    except ValueError as error:
        raise WrongCall(str(error)) from None
    for file in (options.json, options.page):
        if file is not None and not file.parent.is_dir():
            raise WrongCall(f"the folder of {file} does not exist")
    verdicts: list[Verdict] = []
    for id in ids:
        verdict = check(id, budget=options.budget)
        print(f"{verdict!r}\n  seconds   {verdict.seconds:.1f} of CPU time\n", flush=True)
        verdicts.append(verdict)
        if options.json:  # at once: what is done stays done if a later claim is interrupted
            _write(options.json, json.dumps([_record(v) for v in verdicts], indent=1) + "\n")
    if options.page:
        page = ledger_page(verdicts, UNCHECKED)
        old = options.page.read_text(encoding="utf-8") if options.page.exists() else ""
        if without_seconds(page) != without_seconds(old):  # seconds alone are no reason to write
            _write(options.page, page)
    print(f"{sum(v.holds for v in verdicts)} of {len(verdicts)} claims hold", flush=True)
    for verdict in verdicts:
        if not verdict.holds and not verdict.fails:
            print(f"{verdict.status.lower()}: {verdict.claim.id}", flush=True)
    failed = [verdict.claim.id for verdict in verdicts if verdict.fails]
    if failed:
        print(f"not: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def without_seconds(page: str) -> str:
    """A ledger page without the seconds in it, which differ from run to run."""
    return re.sub(r"in \d+ s of", "", page)


def _record(verdict: Verdict) -> object:
    fields = asdict(verdict)
    fields["claim"] = {key: value for key, value in fields["claim"].items() if key != "run"}
    return _plain(fields)


def _plain(value: object) -> object:
    """``value`` in types that JSON knows: claims may measure in numpy's or torch's numbers."""
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _write(path: Path, text: str) -> None:
    """Write whole or not at all: a killed run must not leave half a page."""
    replace(path, [text.encode()])
