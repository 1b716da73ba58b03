"""What is wrong with a call, in one line."""

from __future__ import annotations

import argparse
import sys
from typing import Any, NoReturn

_LETTERS = 400  # of a line: a value may have thousands


class WrongCall(Exception):
    """Its text is shown after the name of the command, with exit status 2."""


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line: what is wrong, without the usage."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """The options; refuses ``--name=--``, which argparse takes for an empty list."""
        for word in sys.argv[1:] if args is None else args:
            if word == "--":  # what follows is no option
                break
            if word.startswith("--") and word.endswith("=--"):
                self.error(f"argument {word[:-3]}: expected a value, got '--'")
        return super().parse_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """End with status 2."""
        self.exit(2, f"{self.prog}: error: {one_line(message)}\n")


def one_line(message: object) -> str:
    """What ``message`` says without its line ends, cut in the middle where it is long."""
    text = " ".join(str(message).split())
    half = _LETTERS // 2
    return text if len(text) <= _LETTERS else f"{text[:half]} ... {text[-half:]}"
