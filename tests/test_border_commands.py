"""The border of the command line: some odd values for the options of the library's commands.

``python tests/border_commands.py`` looks at more of them; those of the book's scripts, which need
more than the library does, are in ``tests/book``.
"""

from __future__ import annotations

import sys
from pathlib import Path

import border_commands as commands
import border_line as line
import pytest

from robustlib.commands.options import STATUS

OURS = [command for command in commands.commands() if command.name in commands.LIBRARY]


@pytest.mark.parametrize("command", OURS, ids=lambda command: command.name)
def test_no_odd_value_is_answered_badly(command: line.Command) -> None:
    assert commands.badly_answered(command, cases=12) == []
    with commands.quick(command) as main:
        valid = line.judge(line.Call(command, ()), main)
    assert valid.kind == "right", valid


def test_every_option_of_the_library_is_in_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    """But for those without a value."""
    bare = {"--help", "--float32", "--again", "--show-script"}
    known: dict[str, set[str]] = {}
    for command in OURS:
        known.setdefault(command.first[0], bare.copy()).update(command.options)
    with commands.quick(OURS[0]) as main:
        for name, options in known.items():
            with pytest.raises(SystemExit):
                main([name, "--help"])
            listed = capsys.readouterr().out.partition("options:")[2].partition("example:")[0]
            words = {word.strip(",") for word in listed.split() if word.startswith("--")}
            assert words - {"--show-script)"} <= options, name


ODD = line.Command("odd", (), (), {"--size": line.Option(line.integer(1))})


@pytest.mark.parametrize(
    ("kind", "says", "status"),
    [
        ("refused", "odd: error: --size must be at least 1, got -1\n", 2),
        ("silent", "", 0),
        ("status", "", 7),
        ("lines", "usage: odd\nodd: error: --size must be at least 1, got -1\n", 2),
        ("unclear", "odd: error: something is wrong\n", 2),
        ("unclear", "odd: error: --size is wrong\n", 2),
        ("traceback", "Traceback (most recent call last):\n", 1),
    ],
)
def test_answers_are_told_apart(kind: str, says: str, status: int) -> None:
    def main(words: list[str]) -> int:
        print(says, end="", file=sys.stderr)
        return status

    assert line.judge(line.Call(ODD, (("--size", "-1"),)), main).kind == kind
    assert set(STATUS) == {0, 1, 2, 3, 130}


def test_what_is_raised_and_what_is_half_written_is_seen() -> None:
    def raises(words: list[str]) -> int:
        raise ZeroDivisionError

    def writes(words: list[str]) -> int:
        Path("half").touch()
        print("odd: error: --size must be at least 1, got -1", file=sys.stderr)
        return 2

    call = line.Call(ODD, (("--size", "-1"),))
    assert line.judge(call, raises).kind == "traceback"
    assert line.judge(call, writes).kind == "half-written"
