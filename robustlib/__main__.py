"""The command line: ``python -m robustlib COMMAND``, with ``--help`` for each."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from .commands import claims, doctor, sweep
from .commands.wrong import WrongCall


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status, 2 for a wrong call."""
    parser = argparse.ArgumentParser(
        prog="python -m robustlib",
        description="The library's commands; --help after one of them says more.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (claims, sweep, doctor):
        command.add(commands)
    options = parser.parse_args(arguments)
    try:
        status: int = options.run(options)
    except WrongCall as error:
        commands.choices[options.command].error(" ".join(str(error).split()))
    return status


if __name__ == "__main__":
    sys.exit(main())
