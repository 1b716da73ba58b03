"""The border of the book's scripts: some odd values for the options of each."""

from __future__ import annotations

import border_commands as commands
import pytest
from border_line import Command

SCRIPTS = [command for command in commands.commands() if command.name in commands.SCRIPTS]


@pytest.mark.parametrize("command", SCRIPTS, ids=lambda command: command.name)
def test_no_odd_value_is_answered_badly(command: Command) -> None:
    assert commands.badly_answered(command, cases=12) == []


def test_the_root_is_no_folder_to_mark(capsys: pytest.CaptureFixture[str]) -> None:
    grade = next(command for command in SCRIPTS if command.name == "grade")
    with commands.quick(grade) as main, pytest.raises(SystemExit):
        main(["/"])
    assert (
        "FOLDER must have a name, beside which marks are written, got '/'"
        in capsys.readouterr().err
    )
