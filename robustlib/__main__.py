"""The command line: ``python -m robustlib COMMAND``, with ``--help`` for each."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from .commands.wrong import Parser, WrongCall, one_line

PROGRAM = "python -m robustlib"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit status, of those in ``commands.options.STATUS``."""
    try:
        # torch takes its time, in which who thinks better of it is heard as well
        from .commands import bench, claims, doctor, gpu, sweep, train
        from .commands.options import STATUS, settle
    except KeyboardInterrupt:
        print(f"{PROGRAM}: interrupted; nothing was begun", file=sys.stderr)
        return 130
    parser = Parser(
        prog=PROGRAM,
        description="The library's commands; --help after one of them shows a call and its output.",
        epilog="exit status: " + "; ".join(f"{code} {words}" for code, words in STATUS.items()),
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in (claims, train, sweep, bench, gpu, doctor):
        command.add(commands)
    options = parser.parse_args(arguments)
    name = f"{PROGRAM} {options.command}"
    try:
        settle(options)
        status: int = options.run(options)
        sys.stdout.flush()
    except KeyboardInterrupt:
        print(f"{name}: interrupted; {options.kept(options)}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # who reads has read enough, as in "| head"
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except (RuntimeError, MemoryError) as error:  # no memory on a device, say
        print(f"{name}: {one_line(error)}", file=sys.stderr)
        return 1
    except (WrongCall, TypeError, ValueError, ImportError, OSError) as error:
        commands.choices[options.command].error(str(error))
    return status


if __name__ == "__main__":
    sys.exit(main())
