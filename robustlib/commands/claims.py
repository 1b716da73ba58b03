"""``python -m robustlib claims``: the statements of the book, run."""

from __future__ import annotations

import argparse
import re
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..book.claims import Verdict, check, claims, ledger_page
from ..book.claims.unchecked import UNCHECKED
from ..checks import check_choice
from ..files import replace
from . import options as shared

_EXAMPLE = """\
    python -m robustlib claims sandwich --budget smoke --out verdicts.json

    HOLDS  Surrogate loss and robust loss (sandwich)
      predicted L_A - L_* <= 0 and ...
      measured  no violation above 1e-12; ...
      ratio     ... of the bound at most
      control   an attack that leaves the set ...: fails, as it must (...)
      ran       hexagon, 2 random nets of width 256, 4 attacks, smoke budget
      seconds   ... of CPU time
    1 of 1 claims hold

The budget gpu trains and computes kernels on a GPU where there is one, and takes more seeds, larger
widths and minutes a claim; its numbers are not those of the book."""


def add(commands: Any) -> None:
    """The command and its options."""
    run = shared.parser(
        commands,
        "claims",
        does="check statements of the book",
        long="Run statements of the book, each with a control that must fail.",
        example=_EXAMPLE,
    )
    run.add_argument("ids", nargs="*", metavar="ID", help="claims to check (default: all)")
    run.add_argument("--page", type=Path, metavar="FILE.md", help="write the book's ledger to FILE")
    shared.share(run, "--device", "--budget", "--out")
    run.set_defaults(run=run_claims, kept=_kept)


def _kept(options: argparse.Namespace) -> str:
    return shared.kept(options.out, "--out", f"the verdicts so far are in {options.out}")


def run_claims(options: argparse.Namespace) -> int:
    """Run them; the exit status is 0 only where no claim that was run fails."""
    known = [found.id for found in claims()]
    ids = [check_choice("ID", id, known) for id in options.ids or known]
    shared.check_page(options.page)
    verdicts: list[Verdict] = []
    for id in ids:
        verdict = check(id, budget=options.budget, device=options.device)
        print(f"{verdict!r}\n  seconds   {verdict.seconds:.1f} of CPU time\n", flush=True)
        verdicts.append(verdict)
        if options.out:  # at once: what is done stays done if a later claim is interrupted
            shared.write_json(options.out, [_record(v) for v in verdicts])
    if options.page:
        page = ledger_page(verdicts, UNCHECKED)
        old = options.page.read_text("utf-8", errors="replace") if options.page.exists() else ""
        if without_seconds(page) != without_seconds(old):  # seconds alone are no reason to write
            replace(options.page, [page.encode()])
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
    return fields
